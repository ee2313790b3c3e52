"""Soak: at full speed and at a trickle, with random faults; memory and descriptors must stay flat, the sets must agree."""
import os
import re
import signal
import threading
import time

from ground import case, count_struck, finish, in_lanes, options
from world import Broken, World, must_end

FAULTS = ("subscribe cut p=0.0002\ningest cut p=0.002\ningest lose-ack p=0.002\ningest close-signal 200ms p=0.001\n"
          "subscribe UNAVAILABLE after 1 p=0.0001\ningest ack-delay 50ms p=0.05\nsubscribe duplicate p=0.001\n"
          "salesforce.tokens expire p=0.001\n")


CEILING_KIB = 80 * 1024  # libraries, and 16 MB in flight in two forms
# what is free goes back to the system at once, so that resident memory is what the program holds
HELD_ONLY = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "65536"}


def usage(pid):
    with open(f"/proc/{pid}/status") as f:
        kib = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
    try:
        return kib, len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:  # it hides its secrets from all but root: then just the memory is watched
        return kib, 0


def third(samples, n):
    return [kib for kib, _ in samples[len(samples) * n // 3:len(samples) * (n + 1) // 3]]


def soak(seconds, rate, streams=1, enough=None):
    """For so long, or until the event `enough` is set."""
    with World(seed=17, events=1000, streams=streams) as world:
        world.faults(FAULTS)
        world.admin("POST", "/events", '{"rate": %g}' % rate)
        p = world.popen("stream", "Account", "--table", "main.crm.t", "--visibility-wait", "1s", "--stats-interval", "1h",
                        "-q", "--streams", str(streams), shim=HELD_ONLY)
        samples, began = [], time.monotonic()
        while time.monotonic() < began + seconds and not (enough and enough.is_set()):
            time.sleep(min(2, seconds / 20))
            if p.poll() is not None:
                raise Broken(f"the stream ended with {p.returncode}: {p.stderr.read()[-1500:]}")
            samples.append(usage(p.pid))
        world.admin("POST", "/events", '{"rate": 0}')
        seconds = int(time.monotonic() - began)
        struck = count_struck(world)
        world.faults("")
        p.send_signal(signal.SIGTERM)
        status, _, err = world.end(p, 600)
        must_end("the stream", status, err)
        early, late = third(samples, 1), third(samples, 2)
        # what is in flight comes and goes, a leak lifts the floor and the peaks; a short run is warming up
        if seconds >= 300 and min(late) > min(early) + 2048 and max(late) > max(early) + 2048:
            raise Broken(f"memory grows: from {min(early)} to {max(early)} KiB in the second third, "
                         f"from {min(late)} to {max(late)} KiB in the last")
        if max(late) > CEILING_KIB:
            raise Broken(f"{max(late)} KiB resident, whatever is in flight")
        fds = [n for _, n in samples[len(samples) // 4:]]
        # a moment with several connections made anew may be among the last of a short run's samples
        if max(fds[-len(fds) // 4:]) > max(fds[:len(fds) // 2]) + (4 if seconds >= 300 else 12):
            raise Broken(f"file descriptors grow: {fds}")
        print(f"soak at {rate:g} events/s for {seconds} s, {streams} streams: {min(late)} to {max(late)} KiB resident, "
              f"{fds[-1] or 'unseen'} descriptors, {struck} faults", flush=True)
        finish(world, limit=600)


def sweep(rnd):
    # in the long form the speed gets what is left of the hour, but no more than a disk holds (18 MB a second), and the
    # trickle runs beside all other sweeps (prove.py)
    left = min(900, max(600, 3000 - time.monotonic() + options.began)) if options.long else 20
    in_lanes([("soak at speed", soak, left, 3000), ("soak at speed, 3 streams", soak, left / 2, 2000, 3)] +
             ([] if options.long else [("soak at a trickle", soak, 10, 5)]))


class Trickle:
    """A soak at a trickle for as long as the rest takes."""

    def __init__(self):
        self.enough = threading.Event()
        self.thread = threading.Thread(target=case, args=("soak at a trickle", soak, 3600, 5, 1, self.enough))
        self.thread.start()

    def end(self):
        self.enough.set()
        self.thread.join()

"""Soak: at full speed and at a trickle, with random faults; memory and descriptors must stay flat, the sets must agree."""
import os
import re
import signal
import time

from ground import case, count_struck, finish, options
from world import Broken, World

FAULTS = ("subscribe cut p=0.0002\ningest cut p=0.002\ningest lose-ack p=0.002\ningest close-signal 200ms p=0.001\n"
          "subscribe UNAVAILABLE after 1 p=0.0001\ningest ack-delay 50ms p=0.05\nsubscribe duplicate p=0.001\n"
          "salesforce.tokens expire p=0.001\n")


def usage(pid):
    with open(f"/proc/{pid}/status") as f:
        kib = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
    return kib, len(os.listdir(f"/proc/{pid}/fd"))


def soak(seconds, rate, streams=1):
    world = World(seed=17, events=1000, streams=streams)
    try:
        world.faults(FAULTS)
        world.admin("POST", "/events", '{"rate": %g}' % rate)
        p = world.popen("stream", "Account", "--table", "main.crm.t", "--visibility-wait", "700ms", "--stats-interval", "1h",
                        "-q", "--streams", str(streams))
        samples, ends = [], time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(min(2, seconds / 20))
            if p.poll() is not None:
                raise Broken(f"the stream ended with {p.returncode}: {p.stderr.read()[-1500:]}")
            samples.append(usage(p.pid))
        world.admin("POST", "/events", '{"rate": 0}')
        struck = count_struck(world)
        world.faults("")
        p.send_signal(signal.SIGTERM)
        _, err = p.communicate(timeout=180)
        if p.returncode != 0:
            raise Broken(f"the stream ended with {p.returncode}: {err[-1500:]}")
        early = max(kib for kib, _ in samples[len(samples) // 4:len(samples) // 2])
        late = max(kib for kib, _ in samples[-len(samples) // 4:])
        # a short run is still warming up: it must just stay small
        if late > (early * 1.15 + 4096 if seconds >= 300 else 96 * 1024):
            raise Broken(f"memory grows: {early} KiB in the second quarter, {late} KiB in the last")
        fds = [n for _, n in samples[len(samples) // 4:]]
        if max(fds[-len(fds) // 4:]) > max(fds[:len(fds) // 2]) + 4:
            raise Broken(f"file descriptors grow: {fds}")
        print(f"soak at {rate:g} events/s for {seconds} s, {streams} streams: {late} KiB resident, {fds[-1]} descriptors, {struck} faults",
              flush=True)
        finish(world, limit=600)
    finally:
        world.close(options.keep)


def sweep(rnd):
    case("soak at speed", soak, 600 if options.long else 20, 3000)
    case("soak at speed, 3 streams", soak, 300 if options.long else 10, 3000, 3)
    case("soak at a trickle", soak, 300 if options.long else 10, 5)

"""Resource sweep: full disks, failing disks, read-only places, no file descriptors, clocks that jump."""
import subprocess

from ground import count_fault, finish, in_lanes, options
from world import SHIM, Broken, World


def is_clean(status, err):
    """An end that a person can act on: success, or an error that says what."""
    return status == 0 or (status > 0 and status not in (134, 139) and "error:" in err)


def resource(kind, n, action, path):
    world = World(seed=13, events=1200)
    try:
        shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": f"{kind}:{n}:{action}", "SFZB_SHIM_PATH": path}
        # small batches and slow answers: many records of what is in flight, and something in flight at each
        world.faults("ingest ack-delay 30ms\n")
        status, _, err = world.run(*world.stream_args("main.crm.t", ("Account",), "--batch-rows", "20", "--linger", "0s",
                                                      "--flush-timeout", "2s"),
                                   shim=shim)
        world.faults("")
        count_fault(action)
        if not is_clean(status, err):
            raise Broken(f"{action} at {kind} {n}: exit {status}: {err[-1200:]}")
        finish(world)
    finally:
        world.close(options.keep)


def read_only_profile():
    world = World(seed=13, events=300)
    try:
        status, _, err = world.run(*world.stream_args())
        if status != 0:
            raise Broken(f"exit {status}: {err}")
        world.publish(300)
        # root writes everywhere, so the call has to say no
        shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": "open:1:EROFS", "SFZB_SHIM_PATH": "/profiles/"}
        status, _, err = world.run(*world.stream_args(), shim=shim)
        if status == 0 or not is_clean(status, err):
            raise Broken(f"a read-only profile: exit {status}: {err}")
        count_fault("EROFS")
        finish(world)
    finally:
        world.close(options.keep)


def few_descriptors(limits):
    world = World(seed=13, events=300)
    try:
        for limit in limits:
            p = subprocess.run(["sh", "-c", f"ulimit -n {limit}; exec sfzb " + " ".join(world.stream_args())],
                               env=world.env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
            count_fault("EMFILE")
            if not is_clean(p.returncode, p.stderr):
                raise Broken(f"with {limit} descriptors: {p.returncode}: {p.stderr[-800:]}")
        finish(world)
    finally:
        world.close(options.keep)


def clock_jump(seconds, every):
    """The wall clock jumps while a run is under way; positions, waits and watchdogs must not care."""
    world = World(seed=13, events=1500)
    try:
        world.faults("ingest cut after 2 x2\n")
        shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": f"clock:{every}:{seconds}"}
        status, _, err = world.run(*world.stream_args("main.crm.t", ("Account",), "--batch-rows", "100"), shim=shim, timeout=90)
        count_fault("clock jump")
        if status != 0:
            raise Broken(f"the clock jumps by {seconds} s at call {every}: exit {status}: {err[-1200:]}")
        world.faults("")
        finish(world)
    finally:
        world.close(options.keep)


def sweep(rnd):
    cases = []
    points = range(1, 60, 1 if options.long else 7)
    for action in ("ENOSPC", "EIO"):
        cases += [(f"{action} at write {n}", resource, "write", n, action, "/profiles/") for n in points]
    cases += [(f"EIO at sync {n}", resource, "sync", n, "EIO", "/profiles/") for n in range(1, 12, 1 if options.long else 5)]
    cases += [("read-only profile", read_only_profile),
              ("few descriptors", few_descriptors, (6, 12, 20, 40) if options.long else (12, 40))]
    for seconds in (86400, -86400, 100000000):
        for every in (5, 200, 1000) if options.long else (200,):
            cases.append((f"clock jumps by {seconds}", clock_jump, seconds, every))
    in_lanes(cases)

"""Resource sweep: full disks, failing disks, read-only places, no file descriptors, no memory, clocks that jump."""
import resource as limits
import signal
import subprocess
import time

from ground import count_fault, finish, in_lanes, options
from world import BUILD, SHIM, Broken, World, must_end


def is_clean(status, err):
    """An end that a person can act on: success, or an error that says what."""
    return status == 0 or (status > 0 and status not in (134, 139) and "error:" in err)


def must_be_clean(what, status, err):
    if not is_clean(status, err):
        raise Broken(f"{what}: exit {status}: {err[-1200:]}")


def resource(kind, n, action, path):
    with World(seed=13, events=1200) as world:
        shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": f"{kind}:{n}:{action}", "SFZB_SHIM_PATH": path}
        # small batches and slow answers: many records of what is in flight, and something in flight at each
        world.faults("ingest ack-delay 30ms\n")
        status, _, err = world.run(*world.stream_args("main.crm.t", ("Account",), "--batch-rows", "20", "--linger", "0s"),
                                   shim=shim, timeout=300)
        world.faults("")
        count_fault(action)
        must_be_clean(f"{action} at {kind} {n}", status, err)
        finish(world)


def read_only_profile():
    with World(seed=13, events=300) as world:
        world.succeed("the run before", *world.stream_args())
        world.publish(300)
        # root writes everywhere, so the call has to say no
        shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": "open:1:EROFS", "SFZB_SHIM_PATH": "/profiles/"}
        status, _, err = world.run(*world.stream_args(), shim=shim)
        must_be_clean("a read-only profile", status, err)
        if status == 0:
            raise Broken("a run into a read-only profile succeeded")
        count_fault("EROFS")
        finish(world)


def few_descriptors(limits):
    with World(seed=13, events=300) as world:
        for limit in limits:
            p = subprocess.run(["sh", "-c", f"ulimit -n {limit}; exec sfzb " + " ".join(world.stream_args())],
                               env=world.env, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
            count_fault("EMFILE")
            must_be_clean(f"with {limit} descriptors", p.returncode, p.stderr)
        finish(world)


def descriptors_run_out(rounds):
    """In the middle of a run no descriptor is left, just as its connections are cut; later there are some again."""
    with World(seed=13, events=1500) as world:
        p = world.popen("stream", "Account", "--table", "main.crm.t", "--visibility-wait", "1s", "-q", "--batch-rows", "40",
                        "--retry-backoff", "5ms..300ms")
        before = limits.prlimit(p.pid, limits.RLIMIT_NOFILE)
        for _ in range(rounds):
            time.sleep(0.4)
            limits.prlimit(p.pid, limits.RLIMIT_NOFILE, (3, before[1]))
            world.faults("ingest cut after 1 x1\nsubscribe cut after 1 x1\n")
            world.publish(200)
            time.sleep(0.6)
            count_fault("EMFILE")
            if p.poll() is not None:
                break
            limits.prlimit(p.pid, limits.RLIMIT_NOFILE, before)
        world.faults("")
        p.terminate()
        status, _, err = world.end(p)
        must_be_clean("descriptors run out", status, err)
        finish(world)


def memory_runs_out(points):
    """The nth allocation of the program or of SQLite fails, once: it says so, or ends at once, and has lost nothing."""
    with World(seed=13, events=600) as world:
        world.faults("ingest ack-delay 20ms p=0.5\n")
        for n in points:
            shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": f"alloc:{n}:ENOMEM"}
            status, _, err = world.run(*world.stream_args("main.crm.t", ("Account",), "--batch-rows", "40"), shim=shim)
            count_fault("ENOMEM")
            if status != -signal.SIGABRT or "out of memory" not in err:
                must_be_clean(f"allocation {n} fails", status, err)
            world.publish(20)
        world.faults("")
        finish(world)


def little_memory(limits):
    """Too little address space for the program: one clear error, soon, whoever it is that gets no memory."""
    with World(seed=13, events=300) as world:
        for limit in limits:
            try:
                p = subprocess.run(["sh", "-c", f"ulimit -v {limit}; exec sfzb " + " ".join(world.stream_args())],
                                   env=world.env, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
            except subprocess.TimeoutExpired as e:
                raise Broken(f"with {limit} kB the run does not end: {str(e.stderr)[-800:]}") from None
            count_fault("ENOMEM")
            # gRPC writes through NULL at places that get no memory: as good as a kill, which must lose nothing either
            if p.returncode != -signal.SIGSEGV:
                must_be_clean(f"with {limit} kB", p.returncode, p.stderr)
            if p.returncode == 6 or world.set_aside():
                raise Broken(f"with {limit} kB sound data was refused or set aside: {p.stderr[-800:]}")
        finish(world)


def no_threads(points):
    """From the nth on no thread can be started, or just the nth cannot: an error at once, or it works. gRPC looks at neither."""
    with World(seed=13, events=300) as world:
        for n in points:
            for alone in ("", "!"):
                shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": f"thread:{n}{alone}:EAGAIN"}
                status, _, err = world.run(*world.stream_args(), shim=shim, timeout=300)
                count_fault("EAGAIN")
                what = f"thread {n} {'and all after it ' if not alone else ''}cannot be started"
                (must_end if alone else must_be_clean)(what, status, err)
                world.publish(20)
        finish(world)


def clock_jump(seconds, every):
    """The wall clock jumps while a run is under way; positions, waits and watchdogs must not care."""
    with World(seed=13, events=1500) as world:
        world.faults("ingest cut after 2 x2\n")
        shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": f"clock:{every}:{seconds}"}
        world.succeed(f"the clock jumps by {seconds} s at call {every}",
                      *world.stream_args("main.crm.t", ("Account",), "--batch-rows", "100"), shim=shim)
        count_fault("clock jump")
        world.faults("")
        finish(world)


def sweep(rnd):
    cases = []
    points = range(1, 60, 1 if options.long else 7)
    for action in ("ENOSPC", "EIO"):
        cases += [(f"{action} at write {n}", resource, "write", n, action, "/profiles/") for n in points]
    cases += [(f"EIO at sync {n}", resource, "sync", n, "EIO", "/profiles/") for n in range(1, 12, 1 if options.long else 5)]
    cases += [("read-only profile", read_only_profile),
              ("few descriptors", few_descriptors, range(4, 46) if options.long else (5, 13, 20, 26, 27, 40))]
    cases += [("descriptors run out on the way", descriptors_run_out, 10 if options.long else 2)]
    points = [range(first, 3500, 40) for first in range(1, 40, 4)] if options.long else [rnd.sample(range(1, 3500), 8)]
    cases += [(f"memory runs out, {i}", memory_runs_out, p) for i, p in enumerate(points)]
    if "asan" not in BUILD and "tsan" not in BUILD:  # they want terabytes, and start threads their own way
        points = [range(first, 13, 3) for first in (1, 2, 3)] if options.long else [(1, 2, *rnd.sample(range(3, 13), 2))]
        cases += [(f"no threads, {i}", no_threads, p) for i, p in enumerate(points)]
        some = range(60000, 600000, 20000 if options.long else 110000)
        # just about enough: another part of it gets none in each run
        cases.append(("little memory", little_memory, [*some, *range(500000, 520000, 1000 if options.long else 5000)]))
    for seconds in (86400, -86400, 100000000):
        for every in (5, 200, 1000) if options.long else (200,):
            cases.append((f"clock jumps by {seconds}", clock_jump, seconds, every))
    in_lanes(cases)

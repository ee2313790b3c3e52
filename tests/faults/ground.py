"""What the sweeps of the proving ground share: options, figures, cases in lanes, the last comparison of a case."""
import argparse
import os
import queue
import shlex
import signal
import threading
import time
import traceback

from world import Broken, World

parser = argparse.ArgumentParser(
    description="Breaks sfzb and the emulator in every way that is known here, and compares what was published with what was "
                "stored and what was set aside.")
parser.add_argument("--long", action="store_true", help="an hour instead of minutes")
parser.add_argument("--seed", type=int, default=int(os.environ.get("PROVE_SEED", "20261121")), help="reproduces a run")
parser.add_argument("--only", default="", metavar="SWEEP,...")
parser.add_argument("--match", default="", metavar="TEXT", help="only cases whose name holds this")
parser.add_argument("--keep", action="store_true", help="keep the scratch folders")
parser.add_argument("--stop", action="store_true", help="end with the first failure")
options = parser.parse_args()
World.keep = options.keep

LANES = 2
mutex = threading.Lock()
figures = {"kills survived": 0, "events compared": 0, "lost": 0, "doubled": 0, "interleavings checked": 0}
faults = {}  # by kind
result = {"passed": 0, "failed": 0}
options.sweep = ""  # the one that begins cases now


def count(name, n=1):
    with mutex:
        figures[name] = figures.get(name, 0) + n


def count_fault(kind, n=1):
    with mutex:
        faults[kind] = faults.get(kind, 0) + n


def count_struck(world):
    """Adds the faults that the emulator's error script has struck with; returns how many."""
    total = 0
    for rule in world.state()["faults"]["rules"]:  # of this script alone; the counts by kind are of the emulator's life
        kind = rule["rule"].split()[1]
        count_fault("status" if kind.startswith("status=") or kind.isupper() else kind.split("=")[0], rule["struck"])
        total += rule["struck"]
    return total


def case(name, function, *args, **kw):
    """One case; what it finds is printed with the seed that found it, and how to do it again."""
    if options.match not in name:
        return
    started, sweep = time.monotonic(), options.sweep
    try:
        function(*args, **kw)
        with mutex:
            result["passed"] += 1
    except Exception as e:  # any surprise is a finding
        if isinstance(e, Broken):
            count("lost", e.lost)
            count("doubled", e.doubled)
        with mutex:
            result["failed"] += 1
        text = str(e) if isinstance(e, Broken) else traceback.format_exc()
        again = ["tests/faults/prove.py", *(["--long"] if options.long else []), "--seed", str(options.seed), "--only", sweep,
                 "--match", name]
        print(f"FAIL {name} (seed {options.seed}, {time.monotonic() - started:.0f} s): {text}\n  again: {shlex.join(again)}", flush=True)


def so_far():
    """(kills survived, faults injected, events compared), to tell what one sweep has done."""
    with mutex:
        return figures["kills survived"], sum(faults.values()), figures["events compared"]


def in_lanes(cases, make_world=None):
    """Cases (name, function, arguments...) two at a time; with make_world each lane keeps one world for all of its cases."""
    todo = queue.SimpleQueue()
    for c in cases:
        if options.match in c[0]:
            todo.put(c)
    if todo.empty():
        return

    def lane():
        world = make_world() if make_world else None
        try:
            while not (options.stop and result["failed"]):
                name, function, *args = todo.get_nowait()
                case(name, function, *(([world] if world else []) + args))
        except queue.Empty:
            pass
        finally:
            if world:
                world.close()

    threads = [threading.Thread(target=lane) for _ in range(LANES)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def ends_with_a_word(what, status, err):
    """It succeeds, or says why not; what it said before a signal ended it is no excuse."""
    if status < 0 or (status > 0 and "error:" not in err):
        raise Broken(f"{what}: exit {status}: {err[-1500:]}")


def kill(world, run):
    """SIGKILL for a run; it may have ended by itself before."""
    run.kill()
    _, err = run.communicate()
    world.settle()
    if run.returncode == -signal.SIGKILL:
        count("kills survived")
    else:
        ends_with_a_word("a run that ended before it was killed", run.returncode, err)


def finish(world, table="main.crm.t", limit=400, **kw):
    """The last run of a case: nothing disturbs it, so it must succeed, and then the sets must agree."""
    world.succeed("the last, undisturbed run", *world.stream_args(table), timeout=limit)
    count("events compared", world.compare(table, **kw))

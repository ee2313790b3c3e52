"""Kill sweep: SIGKILL at random moments, and at every write, sync, rename and send, in stream and in the emulator."""
import random
import signal
import subprocess
import time

from ground import count, count_struck, ends_with_a_word, finish, in_lanes, kill, options
from world import SHIM, Broken, World, must_end

SLOW = "ingest ack-delay 30ms p=0.3\nsubscribe delay 5ms p=0.02\n"  # keeps rows in flight, which is where a kill hurts


def kill_emulator_under_a_run(world, rnd):
    p = world.popen(*world.stream_args())
    time.sleep(rnd.random() * 0.5)
    world.kill_emulator()
    count("kills survived")
    time.sleep(rnd.random() * 0.2)
    world.start_emulator()
    world.faults(SLOW)
    if rnd.random() < 0.5:  # the run itself gets over it
        status, _, err = world.end(p)
        ends_with_a_word("the run under a killed emulator", status, err)
    else:
        time.sleep(rnd.random())
        kill(world, p)


def kill_at_random(seed, kills, with_emulator, streams):
    rnd = random.Random(seed)
    with World(seed=rnd.randrange(1 << 30), events=4000, streams=streams) as world:
        world.faults(SLOW)
        done = 0
        while done < kills:
            p = world.popen(*world.stream_args())
            try:
                _, err = p.communicate(timeout=rnd.choice([0.08, 0.15, 0.25, 0.4, 0.8]) * (0.5 + rnd.random()))
                must_end("a run between two kills", p.returncode, err)
            except subprocess.TimeoutExpired:
                kill(world, p)
                done += 1
            if rnd.random() < 0.5:
                world.publish(rnd.randrange(1, 400))
            if with_emulator and rnd.random() < 0.3:
                kill_emulator_under_a_run(world, rnd)
                done += 1
        count_struck(world)
        world.faults("")
        finish(world)


def kill_at_calls(kind, path, points):
    """SIGKILL at the nth call of a kind, before it is made."""
    with World(seed=7, events=1500) as world:
        for n in points:
            shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": f"{kind}:{n}:kill"}
            if path:
                shim["SFZB_SHIM_PATH"] = path
            status, _, err = world.run(*world.stream_args(), "--batch-rows", "100", shim=shim)
            if status == -signal.SIGKILL:
                count("kills survived")
            else:
                must_end(f"not killed at {kind} {n}", status, err)
            world.publish(50)
        finish(world)


def kill_emulator_at_calls(kind, points):
    """The other side dies at its nth call; the run goes on with the one that comes after it."""
    with World(seed=9, events=600) as world:
        killed = 0
        for n in points:
            world.close_emulator()
            world.publish_at_start = 60
            world.start_emulator(shim={"LD_PRELOAD": SHIM, "SFZB_SHIM": f"{kind}:{n}:kill"})
            if world.emulator.poll() is not None:
                killed += 1
                world.start_emulator()
            p = world.popen(*world.stream_args())
            deadline = time.monotonic() + 60
            while p.poll() is None and world.emulator.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            if world.emulator.poll() is not None:
                killed += 1
                world.start_emulator()
            status, _, err = world.end(p)
            ends_with_a_word(f"the emulator dies at {kind} {n}: the run", status, err)
        count("kills survived", killed)
        if killed == 0:
            raise Broken(f"the emulator makes no {kind} number {min(points)} or later, so it shows nothing")
        world.close_emulator()
        world.start_emulator()
        finish(world)


def two_runs():
    """Two runs never share a position: the second one is told so."""
    with World(seed=8, events=500) as world:
        first = world.popen("stream", "Account", "--table", "main.crm.t", "-q")
        while world.state()["databricks"]["zerobus"]["requests"] == 0 and first.poll() is None:
            time.sleep(0.02)
        status, _, err = world.run(*world.stream_args())
        if status != 2 or "already streaming" not in err:
            first.kill()
            first.communicate()
            raise Broken(f"a second run beside the first ended with {status}: {err[-800:]}")
        first.send_signal(signal.SIGTERM)
        status, _, err = world.end(first)
        must_end("the first run", status, err)
        finish(world)


def sweep(rnd):
    rounds, kills = (20, 42) if options.long else (2, 12)
    cases = [(f"kill sweep {i}", kill_at_random, rnd.random(), kills, i % 2 == 1, 3 if i % 4 in (0, 3) else 1)
             for i in range(rounds)]
    cases.append(("two runs at once", two_runs))
    step = 1 if options.long else 5
    for kind, path, last in (("write", "replay.db", 60), ("sync", None, 30), ("send", None, 80), ("rename", None, 4)):
        cases.append((f"kill at {kind}", kill_at_calls, kind, path, range(1, last, step)))
    # what it makes of them in each run; few syncs, for it writes much and waits seldom
    for kind, first, last, every in (("write", 5, 80, 2), ("sync", 1, 7, 1), ("send", 5, 60, 2)):
        points = range(1, last + 20, every) if options.long else sorted(rnd.sample(range(first, last), 2))
        cases.append((f"kill the emulator at {kind}", kill_emulator_at_calls, kind, points))
    in_lanes(cases)

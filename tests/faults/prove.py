#!/usr/bin/python3
"""The proving ground: breaks sfzb and the emulator in every way that it knows and compares what was published with what
was stored and what was set aside.

usage: prove.py [--long] [--seed N] [--only SWEEP,...] [--keep]

Each sweep prints its figures; the last line is "N passed, N failed". The seed reproduces a run.
"""
import argparse
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import SHIM, Broken, World  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--long", action="store_true")
parser.add_argument("--seed", type=int, default=int(os.environ.get("PROVE_SEED", "20261121")))
parser.add_argument("--only", default="")
parser.add_argument("--keep", action="store_true", help="keep the scratch folders")
options = parser.parse_args()
figures = {"kills survived": 0, "faults injected": 0, "events compared": 0, "lost": 0, "doubled": 0}
passed = failed = 0
mutex = threading.Lock()


def count(name, n=1):
    with mutex:
        figures[name] = figures.get(name, 0) + n


def case(name, function, *args, **kw):
    """One case in a world of its own; what it finds is printed with the seed that found it."""
    global passed, failed
    started = time.monotonic()
    try:
        function(*args, **kw)
        with mutex:
            passed += 1
        return True
    except Exception as e:  # any surprise is a finding
        with mutex:
            failed += 1
        text = str(e) if isinstance(e, Broken) else traceback.format_exc()
        print(f"FAIL {name} (seed {options.seed}, {time.monotonic() - started:.0f} s): {text}", flush=True)
        return False


def finish(world, table="main.crm.t", limit=180):
    """The last run of a case: nothing disturbs it, so it must succeed."""
    status, _, err = world.run(*world.stream_args(table), timeout=limit)
    if status != 0:
        raise Broken(f"the last, undisturbed run ended with {status}: {err[-1500:]}")
    n = world.compare(table)
    count("events compared", n)


# Kill sweep: SIGKILL at random moments, in stream and in the emulator.

def kill_at_random(rnd, kills, with_emulator):
    world = World(seed=rnd.randrange(1 << 30), events=4000)
    try:
        # acknowledgements that take a while keep rows in flight, which is where a kill hurts
        world.faults("ingest ack-delay 30ms p=0.3\nsubscribe delay 5ms p=0.02\n")
        done = 0
        while done < kills:
            p = world.popen(*world.stream_args())
            try:
                p.communicate(timeout=rnd.choice([0.08, 0.15, 0.25, 0.4, 0.8]) * (0.5 + rnd.random()))
                if p.returncode != 0:
                    raise Broken(f"a run between two kills ended with {p.returncode}")
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
                done += 1
                count("kills survived")
            if rnd.random() < 0.5:
                world.publish(rnd.randrange(1, 400))
            if with_emulator and rnd.random() < 0.3 and done < kills:
                q = world.popen(*world.stream_args())
                time.sleep(rnd.random() * 0.5)
                world.kill_emulator()
                count("kills survived")
                done += 1
                time.sleep(rnd.random() * 0.2)
                world.start_emulator()
                world.faults("ingest ack-delay 30ms p=0.3\n")
                time.sleep(rnd.random())
                q.kill()
                q.communicate()
        world.faults("")
        finish(world)
    finally:
        world.close(options.keep)


def kill_at_calls(kind, path, points):
    """SIGKILL at the nth write, sync or send: before the call is made."""
    world = World(seed=7, events=1500)
    try:
        for n in points:
            shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": f"{kind}:{n}:kill", "ASAN_OPTIONS": "verify_asan_link_order=0"}
            if path:
                shim["SFZB_SHIM_PATH"] = path
            status, _, err = world.run(*world.stream_args(), shim=shim)
            if status == -signal.SIGKILL:
                count("kills survived")
            elif status != 0:
                raise Broken(f"killed at {kind} {n}: the run ended with {status}: {err[-800:]}")
            world.publish(50)
        finish(world)
    finally:
        world.close(options.keep)


def sweep_kill(rnd):
    rounds, kills = (20, 40) if options.long else (2, 12)
    for i in range(rounds):
        case(f"kill sweep {i}", kill_at_random, random.Random(rnd.random()), kills, with_emulator=i % 2 == 1)
    step = 1 if options.long else 5
    for kind, path, last in (("write", "replay.db", 40), ("sync", None, 20), ("send", None, 60), ("rename", None, 4)):
        case(f"kill at {kind}", kill_at_calls, kind, path, range(1, last, step))


# Error script sweep: each status and error-code at each point of the protocol.

RETRIED = ["UNAVAILABLE", "INTERNAL", "ABORTED", "DEADLINE_EXCEEDED", "UNKNOWN", "CANCELLED"]
SUBSCRIBE_CODES = [("UNAVAILABLE", "service.unavailable"), ("UNAUTHENTICATED", "service.auth.error"),
                   ("INTERNAL", "subscription.internal.error"), ("INTERNAL", "subscription.fetch.replay.repeated"),
                   ("INVALID_ARGUMENT", "subscription.fetch.overflow")]
FATAL_SUBSCRIBE = [("NOT_FOUND", "topic.not.found", 4), ("PERMISSION_DENIED", "subscription.topic.cannot.subscribe", 4),
                   ("INVALID_ARGUMENT", "subscription.fetch.replayid.corrupted", 8),
                   ("PERMISSION_DENIED", "service.tenant.license", 3)]
FATAL_INGEST = [("NOT_FOUND", 4), ("PERMISSION_DENIED", 4), ("OUT_OF_RANGE", 1), ("UNIMPLEMENTED", 4)]
PREFIX = "sfdc.platform.eventbus.grpc."
POINTS = {"first": "", "middle": "after 60", "late": "after 290"}


def scripts(rnd):
    for status in RETRIED + ["OK"]:
        for name, when in POINTS.items():
            yield f"subscribe status={status} {when} x1", 0
            yield f"ingest status={status} {'' if not when else 'after 1'} x1", 0
            yield f"ingest status={status} {'' if not when else 'after 1'} x3", 0
    for status, code in SUBSCRIBE_CODES:
        for when in POINTS.values():
            yield f"subscribe status={status} error-code={PREFIX}{code} {when} x1", 0
    for status, code, exit_status in FATAL_SUBSCRIBE:
        yield f"subscribe status={status} error-code={PREFIX}{code} after 60 x1", exit_status
    for status, exit_status in FATAL_INGEST:
        yield f"ingest status={status} after 1 x1", exit_status
        yield f"ingest status={status} x1", exit_status
    for n in range(0, 200, 1 if options.long else 23):
        yield f"subscribe cut after {n} x1", 0
        if n < 12:
            yield f"ingest cut after {n} x1", 0
            yield f"ingest lose-ack after {n} x1", 0
    for script in ("ingest lose-ack after 1 x3", "ingest ack-delay 300ms p=0.5", "subscribe duplicate every 20",
                   "ingest close-signal 500ms after 1 x2", "ingest close-signal 0s after 2 x1", "ingest UNAUTHENTICATED x1",
                   "salesforce.tokens expire after 1", "databricks.tokens expire after 1",
                   "get-schema UNAVAILABLE x2", "databricks.sql http=503 x2 retry-after=1", "databricks.sql drop x1",
                   "databricks.token http=503 x1", "salesforce.token http=503 x1", "catalog http=500 x1",
                   "ingest lose-ack after 2 x1\ndatabricks.sql http=503 x3",
                   "ingest lose-ack after 1 x1\ningest UNAVAILABLE x2",
                   "ingest cut after 1 x2\nsubscribe cut after 40 x1"):
        yield script, 0


def error_script(world, i, script, expected):
    table = f"main.crm.t{i}"
    world.faults(script + "\n")
    status, _, err = world.run(*world.stream_args(table, ("Account",), "--batch-rows", "40", "--ack-timeout", "5s"),
                               timeout=150)
    struck = world.state()["faults"]
    count("faults injected")
    world.faults("")
    if status != expected:
        raise Broken(f"'{script}': exit {status} instead of {expected} (struck: {struck}): {err[-1200:]}")
    if status != 0:  # what was stored stays stored, and the next run goes on
        status, _, err = world.run(*world.stream_args(table))
        if status != 0:
            raise Broken(f"'{script}': the run after it ended with {status}: {err[-1200:]}")
    n = world.compare(table)
    count("events compared", n)


def sweep_errors(rnd):
    all_scripts = list(scripts(rnd))
    if not options.long:
        fixed = [s for s in all_scripts if s[1] != 0 or "lose-ack" in s[0] or "\n" in s[0]]
        rest = [s for s in all_scripts if s not in fixed]
        all_scripts = fixed + rnd.sample(rest, min(24, len(rest)))
    lanes = [[], []]
    for i, s in enumerate(all_scripts):
        lanes[i % 2].append((i, *s))

    def lane(mine):
        world = World(seed=11, events=300)
        try:
            for i, script, expected in mine:
                case(f"error script {i}", error_script, world, i, script, expected)
        finally:
            world.close(options.keep)

    threads = [threading.Thread(target=lane, args=(mine,)) for mine in lanes]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


# Resource sweep: full disks, read-only places, no file descriptors.

def resource(kind, n, action, path):
    world = World(seed=13, events=1200)
    try:
        shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": f"{kind}:{n}:{action}", "SFZB_SHIM_PATH": path,
                "ASAN_OPTIONS": "verify_asan_link_order=0"}
        status, _, err = world.run(*world.stream_args(), shim=shim)
        count("faults injected")
        if status < 0:
            raise Broken(f"{action} at {kind} {n}: killed by signal {-status}: {err[-1200:]}")
        if status != 0 and "error:" not in err:
            raise Broken(f"{action} at {kind} {n}: exit {status} without an error: {err[-1200:]}")
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
        # root writes everywhere: the file system has to say no
        shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": "open:1:EROFS", "SFZB_SHIM_PATH": "/profiles/"}
        status, _, err = world.run(*world.stream_args(), shim=shim)
        if status == 0 or "error:" not in err:
            raise Broken(f"a read-only profile: exit {status}: {err}")
        count("faults injected")
        finish(world)
    finally:
        world.close(options.keep)


def few_descriptors():
    world = World(seed=13, events=300)
    try:
        for limit in (6, 12, 20, 40) if options.long else (12, 40):
            p = subprocess.run(["sh", "-c", f"ulimit -n {limit}; exec sfzb " + " ".join(world.stream_args())], env=world.env,
                               capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
            count("faults injected")
            if p.returncode < 0 or p.returncode in (134, 139) or (p.returncode != 0 and "error" not in p.stderr):
                raise Broken(f"with {limit} descriptors: {p.returncode}: {p.stderr[-800:]}")
        finish(world)
    finally:
        world.close(options.keep)


def sweep_resources(rnd):
    points = range(1, 30, 1 if options.long else 9)
    for action in ("ENOSPC", "EIO"):
        for n in points:
            case(f"{action} at write {n}", resource, "write", n, action, "/profiles/")
    for n in range(1, 12, 1 if options.long else 5):
        case(f"EIO at sync {n}", resource, "sync", n, "EIO", "/profiles/")
    case("read-only profile", read_only_profile)
    case("few descriptors", few_descriptors)


# Soak: full speed, and a trickle, with random faults; memory and descriptors must stay flat.

def usage(pid):
    with open(f"/proc/{pid}/status") as f:
        kib = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
    return kib, len(os.listdir(f"/proc/{pid}/fd"))


def soak(seconds, rate):
    world = World(seed=17, events=1000)
    try:
        world.faults("subscribe cut p=0.0002\ningest cut p=0.002\ningest lose-ack p=0.002\ningest close-signal 200ms p=0.001\n"
                     "subscribe UNAVAILABLE p=0.0001\ningest ack-delay 50ms p=0.05\nsubscribe duplicate p=0.001\n"
                     "salesforce.tokens expire p=0.001\n")
        world.admin("POST", "/events", '{"rate": %g}' % rate)
        p = world.popen("stream", "Account", "--table", "main.crm.t", "-q")
        samples, ends = [], time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(min(2, seconds / 20))
            if p.poll() is not None:
                raise Broken(f"the stream ended with {p.returncode}: {p.stderr.read()[-1500:]}")
            samples.append(usage(p.pid))
        world.admin("POST", "/events", '{"rate": 0}')
        world.faults("")
        time.sleep(2)
        p.send_signal(signal.SIGTERM)
        _, err = p.communicate(timeout=120)
        if p.returncode != 0:
            raise Broken(f"the stream ended with {p.returncode}: {err[-1500:]}")
        early = max(kib for kib, _ in samples[len(samples) // 4:len(samples) // 2])
        late = max(kib for kib, _ in samples[-len(samples) // 4:])
        if late > early * 1.15 + 4096:
            raise Broken(f"memory grows: {early} KiB in the second quarter, {late} KiB in the last")
        fds = [n for _, n in samples[len(samples) // 4:]]
        if max(fds[-len(fds) // 4:]) > max(fds[:len(fds) // 2]) + 4:
            raise Broken(f"file descriptors grow: {fds}")
        print(f"soak at {rate:g} events/s for {seconds} s: {late} KiB resident, {fds[-1]} descriptors", flush=True)
        finish(world)
    finally:
        world.close(options.keep)


def sweep_soak(rnd):
    case("soak at speed", soak, 600 if options.long else 25, 3000)
    case("soak at a trickle", soak, 300 if options.long else 15, 5)


sweeps = {"kill": sweep_kill, "errors": sweep_errors, "resources": sweep_resources, "soak": sweep_soak}
chosen = options.only.split(",") if options.only else list(sweeps)
for name in chosen:
    began = time.monotonic()
    sweeps[name](random.Random(f"{options.seed} {name}"))
    print(f"{name} sweep: {time.monotonic() - began:.0f} s", flush=True)
for name, n in figures.items():
    print(f"{name:20} {n:10}")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)

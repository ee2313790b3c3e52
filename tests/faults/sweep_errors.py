"""Error script sweep: each status and error-code at each point of the protocol, in the emulator's own words."""
import os
import re
import threading
import time

from ground import case, count, count_struck, finish, in_lanes, kill, options
from world import TOP, Broken, World, must_end

PREFIX = "sfdc.platform.eventbus.grpc."
RETRIED = ["UNAVAILABLE", "INTERNAL", "ABORTED", "DEADLINE_EXCEEDED", "UNKNOWN", "CANCELLED", "DATA_LOSS"]
SUBSCRIBE_CODES = [("UNAVAILABLE", "service.unavailable"), ("UNAUTHENTICATED", "service.auth.error"),
                   ("INTERNAL", "subscription.internal.error"), ("INTERNAL", "subscription.fetch.replay.repeated"),
                   ("INVALID_ARGUMENT", "subscription.fetch.overflow")]
SUBSCRIBE_POINTS = ["", "after 1", "after 60", "after 150", "after 290"]
INGEST_POINTS = ["", "after 1", "after 3", "after 7"]
# where the exit status is the answer: what was stored stays stored, and the next run goes on
FATAL = [(f"subscribe status=NOT_FOUND error-code={PREFIX}topic.not.found after 60 x1", 4),
         (f"subscribe status=PERMISSION_DENIED error-code={PREFIX}subscription.topic.cannot.subscribe after 60 x1", 4),
         (f"subscribe status=INVALID_ARGUMENT error-code={PREFIX}subscription.fetch.replayid.corrupted after 60 x1", 8),
         (f"subscribe status=PERMISSION_DENIED error-code={PREFIX}service.tenant.license after 60 x1", 3)]
FATAL += [(f"ingest status={status} {when} x1", code) for when in ("", "after 1")
          for status, code in (("NOT_FOUND", 4), ("PERMISSION_DENIED", 4), ("OUT_OF_RANGE", 1), ("UNIMPLEMENTED", 4))]
FATAL.append(("ingest INVALID_ARGUMENT x1", 4))  # at the opening it is the table that does not fit
SINGLE = ["ingest ack-delay 300ms p=0.5", "ingest close-signal 500ms after 1 x2",
          "ingest close-signal 1ms after 2 x1", "ingest UNAUTHENTICATED x1", "ingest UNAUTHENTICATED after 2 x1",
          "salesforce.tokens expire after 1 x1", "databricks.tokens expire after 1 x1", "get-schema UNAVAILABLE x2",
          "databricks.token http=503 x1", "salesforce.token http=503 x1", "catalog http=503 x1", "ingest stall after 2 x1",
          "subscribe stall after 70 x1", "subscribe delay 200ms after 50 x1", "ingest INVALID_ARGUMENT after 2 x1", "ingest INVALID_ARGUMENT after 1 x3"]
# a recovery that is disturbed, and the recovery of that
NESTED = [["ingest lose-ack after 2 x1", "databricks.sql http=503 x2 retry-after=1"],
          ["ingest lose-ack after 2 x1", "databricks.sql drop x1"],
          ["ingest lose-ack after 1 x1", "ingest UNAVAILABLE x2"],
          ["ingest lose-ack after 1 x3"],
          ["ingest cut after 1 x2", "subscribe cut after 40 x1"],
          ["ingest lose-ack after 3 x1", "databricks.token http=503 x1", "databricks.tokens expire every 3 x2"],
          ["ingest lose-ack after 2 x2", "databricks.sql http=503 x1", "subscribe UNAVAILABLE after 90 x1"],
          ["ingest INVALID_ARGUMENT after 2 x1", "ingest lose-ack after 1 x1", "ingest cut after 2 x1"],
          ["ingest close-signal 300ms after 1 x1", "ingest lose-ack after 2 x1", "ingest UNAVAILABLE x1"]]
ALL_STATUSES = ["CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
                "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
                "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"]
MAY_MISS = ("databricks.token", "salesforce.token", "catalog", "get-schema", "salesforce.tokens", "databricks.tokens")
numbers = iter(range(1 << 30))
mutex = threading.Lock()


def scripts():
    """(script, expected exit status)"""
    for status in RETRIED + ["OK"]:
        for when in SUBSCRIBE_POINTS:
            yield f"subscribe status={status} {when} x1", 0
        for when in INGEST_POINTS:
            yield f"ingest status={status} {when} x1", 0
        yield f"ingest status={status} after 1 x3", 0
    for status, code in SUBSCRIBE_CODES:
        for when in SUBSCRIBE_POINTS:
            yield f"subscribe status={status} error-code={PREFIX}{code} {when} x1", 0
    for n in range(1, 200):
        yield f"subscribe cut after {n} x1", 0
    for n in range(1, 8):
        for what in ("cut", "lose-ack", "close-signal 200ms"):
            yield f"ingest {what} after {n} x1", 0
    for script in SINGLE:
        yield script, 0
    for parts in NESTED:
        yield "\n".join(parts), 0
    yield from FATAL
    yield from without_retries()
    # in a recovery, and in the recovery of that
    for status in RETRIED + ["OK"]:
        yield f"ingest lose-ack after 2 x1\ndatabricks.sql http=503 x1\ningest status={status} x2", 0
        yield f"ingest cut after 2 x1\ningest status={status} after 1 x2\nsubscribe status={status} after 100 x1", 0


def documented():
    """(status, error code) of all that Salesforce's documentation and the program know."""
    with open(os.path.join(TOP, "src/salesforce/codes.c"), encoding="utf-8") as f:
        return [(status, code) for code, status in re.findall(r'^    \{"([a-z.]+)", ([A-Z_]+), ERR_', f.read(), re.M)]


def without_retries():
    """Whatever the end is, it must say why, and the next run store the rest."""
    for status, code in documented():
        for when in ("", "after 1", "after 150"):
            yield f"subscribe status={status} error-code={PREFIX}{code} {when} x1", None
    for status in ALL_STATUSES:
        for point in ("subscribe{}", "subscribe{} after 60", "ingest{}", "ingest{} after 3", "ingest{} after 7", "get-schema{}",
                      "get-topic{}"):
            yield point.format(f" status={status}") + " x1", None
    for answer in (400, 401, 403, 404, 408, 429, 500, 502, 504):
        for method in ("databricks.sql", "databricks.token", "catalog"):
            yield f"ingest lose-ack after 2 x1\n{method} http={answer} x1", None


def error_script(world, script, expected, streams=1):
    """expected: the exit status; None: any, when it may not try again, as long as it says why."""
    world.streams = streams
    with mutex:
        table = f"main.crm.e{next(numbers)}"
    shown = script.replace("\n", "; ")
    world.faults(script + "\n")
    status, _, err = world.run(*world.stream_args(table, ("Account",), "--batch-rows", "40", "--linger", "5ms",
                                                  "--ack-timeout", "2s", "--watchdog", "4s",
                                                  *(("--max-retries", "0") if expected is None else ())), timeout=400)
    struck = count_struck(world)
    world.faults("")
    if expected is None:
        if status < 0 or (status > 0 and "error:" not in err):
            raise Broken(f"'{shown}' without retries: exit {status} (struck {struck}): {err[-1200:]}")
    else:
        must_end(f"'{shown}' (struck {struck})", status, err, expected)
    if struck == 0 and not script.startswith(MAY_MISS):
        raise Broken(f"'{shown}' never struck, so it shows nothing")
    if status != 0:
        world.succeed(f"'{shown}': the run after it", *world.stream_args(table))
    count("events compared", world.compare(table))


def duplicates():
    """The bus publishes events again under later replay ids: they stay on this world's bus, so it is a world of its own."""
    with World(seed=12, events=600) as world:
        error_script(world, "subscribe duplicate every 20\nsubscribe cut after 90 x2\ningest lose-ack after 2 x1", 0)


def kill_at(world, run, rows):
    """SIGKILL once so many rows are stored."""
    deadline, stored = time.monotonic() + 120, 0
    while stored < rows and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
        try:
            stored = sum(world.stored().values())
        except Broken:  # there is no table yet
            pass
    kill(world, run)
    if stored < rows:
        raise Broken(f"{stored} of {rows} rows were stored until it was killed, so it shows nothing")


def duplicates_around_a_stop():
    """The second copies come when the run that stored the first ones has long ended, well or not."""
    with World(seed=14, events=600) as world:
        world.faults("subscribe duplicate every 20\n")
        world.succeed("the first run", "stream", "Account", "--table", "main.crm.t", "-n", "300")
        if count_struck(world) < 5:
            raise Broken("there were too few duplicates, so it shows nothing")
        world.faults("")
        finish(world, order=False)
        world.publish(600)
        world.faults("subscribe duplicate every 20\nsubscribe delay 20ms every 10\n")
        run = world.popen("stream", "Account", "--table", "main.crm.t")
        kill_at(world, run, 900)
        world.faults("")
        finish(world, order=False)


def seen_late():
    """The table shows rows much later than the run was told; the row acknowledged last gives it away."""
    with World(seed=16, events=40, emulator_args=("--visibility-delay", "4s")) as world:
        p = world.popen("stream", "Account", "--table", "main.crm.t", "-n", "600", "--visibility-wait", "700ms", "--batch-rows", "40",
                        "--linger", "5ms", "--retry-backoff", "5ms..500ms", "-q")
        while '"after"' not in world.run("replay", "show", "-o", "json")[1] and p.poll() is None:
            time.sleep(0.05)  # until it has been told of a row
        world.faults("ingest lose-ack after 4 x1\ningest lose-ack after 3 x1\n")
        world.publish(560)
        status, _, err = world.end(p, 400)
        struck = count_struck(world)
        world.faults("")
        must_end("rows that are seen late", status, err)
        if struck < 2:
            raise Broken(f"rows that are seen late: {struck} faults have struck, so it shows nothing: {err[-1200:]}")
        finish(world)


def two_topics_hold_it():
    """A topic and a channel that holds it, into one table: each event once, whichever brings it first."""
    both = ("Account", "ChangeEvents")
    topics = ("/data/AccountChangeEvent", "/data/ChangeEvents")
    with World(seed=15, events=400) as world:
        world.faults("subscribe delay 5ms p=0.1\nsubscribe cut after 60 x3\ningest lose-ack after 2 x1\n")
        run = world.popen(*world.stream_args("main.crm.t", both, "--batch-rows", "40"))
        kill_at(world, run, 100)
        world.publish(200)
        world.succeed("both topics", *world.stream_args("main.crm.t", both, "--batch-rows", "40"))
        world.publish(100)
        # one of them alone, for a while
        world.succeed("the channel alone", *world.stream_args("main.crm.t", ("ChangeEvents",)))
        world.succeed("both again", *world.stream_args("main.crm.t", both))
        count("events compared", world.compare("main.crm.t", topics, order=False))


def sweep(rnd):
    everything = list(scripts())
    if not options.long:
        nested = ["\n".join(parts) for parts in NESTED]
        kept = [s for s in everything if s[0] in SINGLE or s[0] in nested or s[1] or ("lose-ack" in s[0] and s[1] == 0)]
        rest = [s for s in everything if s not in kept]
        everything = kept + rnd.sample(rest, 12)
    case("events published twice by the bus", duplicates)
    case("events published twice, the second copy after a stop or a kill", duplicates_around_a_stop)
    case("events that two topics hold", two_topics_hold_it)
    case("rows that are seen late", seen_late)
    cases = [(f"error script {script!r}", error_script, script, expected) for script, expected in everything]
    cases += [(f"3 streams, error script {script!r}", error_script, script, expected, 3)
              for script, expected in everything if expected == 0 and script.startswith("ingest")]
    in_lanes(cases, lambda: World(seed=11, events=300))

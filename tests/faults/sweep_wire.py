"""Wire sweep: connections cut, reset or silenced after each of the first messages in each direction, by a TCP proxy; ended by
GOAWAY; names that are not resolved; services that shut down in good order and come back."""
import signal
import threading
import time

from ground import count, count_fault, count_struck, finish, in_lanes, options
from proxy import Proxy
from world import SHIM, Broken, World, must_end

SETTINGS = {"pubsub": ("salesforce.json", "pubsub_endpoint", "localhost:{}"),
            "zerobus": ("databricks.json", "ingest_endpoint", "https://localhost:{}")}
DRAINS = ["", "ingest UNAVAILABLE x2\n", "databricks.sql http=503 x2\n", "ingest UNAUTHENTICATED x1\n", "ingest cut after 1 x2\n",
          "databricks.sql drop x1\ningest INTERNAL x1\n", "ingest stall x1\n", "ingest lose-ack after 1 x2\n",
          "databricks.sql http=503 x1\ningest close-signal 1ms after 1 x1\ningest DEADLINE_EXCEEDED x1\n"]
numbers = iter(range(1 << 30))
mutex = threading.Lock()


class WireWorld(World):
    """A world whose two gRPC endpoints are reached through proxies."""

    def __init__(self):
        super().__init__(seed=19, events=400)
        self.proxies = {}
        for name, (file, key, text) in SETTINGS.items():
            self.proxies[name] = Proxy(self.ports[name])
            self.change_settings(file, lambda s: s.update({key: text.format(self.proxies[name].port)}))

    def close(self):
        for p in self.proxies.values():
            p.close()
        super().close()


def at_record(world, name, direction, n, action):
    """One run with one blow; it must get over it by itself, with nothing lost or doubled."""
    with mutex:
        table = f"main.crm.w{next(numbers)}"
    proxy = world.proxies[name]
    proxy.set_plan((direction, n, action))
    more = ("--batch-rows", "2", "--ack-timeout", "1s", "--watchdog", "2s", "--retry-backoff", "5ms..300ms")
    if name == "pubsub":
        more += ("--max-in-flight-rows", "4")  # little credit: many requests and responses
    # its own watchdogs end a silence after 1 or 2 s; the library's, which would end it too, after minutes
    limit = 90 if action in ("stall", "half") else 300
    status, _, err = world.run(*world.stream_args(table, ("Account",), *more), timeout=limit)
    struck = proxy.struck
    proxy.set_plan(None)
    if struck:
        count_fault(f"wire {action}")
    if status == 5 and "GetTopic" in err and "subscribed" not in err:
        # what is checked before the first event is not tried again: it says so at once, and the next run does it
        status, _, err = world.run(*world.stream_args(table, ("Account",), *more), timeout=300)
    must_end(f"{name} {action} after {direction} record {n} (struck: {struck})", status, err)
    count("events compared", world.compare(table))


def refused(world, name, n, times):
    """A cut, and then the port answers with resets, as when the service is being restarted."""
    with mutex:
        table = f"main.crm.w{next(numbers)}"
    proxy = world.proxies[name]
    proxy.set_plan(("down", n, "reset"), refuse_then=times)
    status, _, err = world.run(*world.stream_args(table, ("Account",), "--batch-rows", "2"))
    count_fault("connection refused", proxy.struck)
    proxy.set_plan(None)
    must_end(f"{name} refuses {times} connections", status, err)
    count("events compared", world.compare(table))


def while_it_drains(world, script):
    """The signal has come and rows are in flight; their connection is lost, and what opens the next one has troubles too."""
    with mutex:
        table = f"main.crm.w{next(numbers)}"
    world.faults("ingest stall after 2 x1\n")
    before = world.state()["databricks"]["zerobus"]["requests"]
    p = world.popen("stream", "Account", "--table", table, "--visibility-wait", "1s", "-q", "--batch-rows", "40",
                    "--linger", "5ms", "--retry-backoff", "5ms..300ms", "--ack-timeout", "2s")
    deadline = time.monotonic() + 120
    while world.state()["databricks"]["zerobus"]["requests"] < before + 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    p.send_signal(signal.SIGTERM)
    world.faults(script)
    count_fault("cut while it drains", world.proxies["zerobus"].cut_all())
    status, _, err = world.end(p)
    if script and count_struck(world) == 0:
        raise Broken(f"it drains while '{script}': it never struck, so it shows nothing: {err[-1200:]}")
    world.faults("")
    must_end(f"it drains while '{script}'", status, err)
    world.succeed(f"the run after draining while '{script}'", *world.stream_args(table))
    count("events compared", world.compare(table))


def until_it_stores(world, p):
    """Before that it has begun nothing that could be ended in good order."""
    while p.poll() is None:
        try:
            if world.stored():
                return
        except Broken:  # there is no table yet
            pass
        time.sleep(0.05)


def ages(age, events):
    """Each connection is ended with GOAWAY after so long, as load balancers do; the calls on it a tenth of that later."""
    with World(seed=23, events=events, emulator_args=("--connection-age", age)) as world:
        p = world.popen("stream", "Account", "--table", "main.crm.t", "--visibility-wait", "1s", "-v", "--batch-rows", "20",
                        "--retry-backoff", "5ms..200ms")
        for _ in range(20):
            time.sleep(0.2)
            world.publish(40)
        until_it_stores(world, p)
        p.send_signal(signal.SIGTERM)
        status, _, err = world.end(p)
        ended = err.count("subscription over: Salesforce Subscribe") + err.count("zerobus: stream")
        count_fault("GOAWAY", ended)
        must_end(f"connections that live for {age}", status, err)
        if ended < 4:
            raise Broken(f"connections that live for {age}: {ended} ends seen, so it shows nothing: {err[-1200:]}")
        finish(world)


def shuts_down(times):
    """The service says goodbye to a run and comes back, again and again; what is sent meanwhile is refused."""
    with World(seed=29, events=400) as world:
        p = world.popen("stream", "Account", "--table", "main.crm.t", "--visibility-wait", "1s", "-q",
                        "--retry-backoff", "5ms..300ms", "--batch-rows", "20")
        until_it_stores(world, p)
        for _ in range(times):
            time.sleep(0.3)
            world.close_emulator()
            count_fault("shutdown")
            world.publish_at_start = 100
            world.start_emulator()
            world.faults("ingest ack-delay 50ms p=0.3\n")
        time.sleep(1)
        p.send_signal(signal.SIGTERM)
        status, _, err = world.end(p)
        must_end(f"after {times} shutdowns", status, err)
        finish(world)


def nameless(world, n, many):
    """So many look-ups of names fail, from the nth on; connections are cut so that there are more of them."""
    with mutex:
        table = f"main.crm.w{next(numbers)}"
    world.faults("subscribe cut after 40 x3\ningest cut after 2 x3\n")
    shim = {"LD_PRELOAD": SHIM, "SFZB_SHIM": f"resolve:{n}:{many}", "GRPC_DNS_RESOLVER": "native"}
    status, _, err = world.run(*world.stream_args(table, ("Account",), "--batch-rows", "40"), timeout=300, shim=shim)
    world.faults("")
    count_fault("name not resolved", many)
    if status == 5 and "GetTopic" in err and "resolve" in err:  # before the first event it says so at once
        status, _, err = world.run(*world.stream_args(table), timeout=300)
    must_end(f"look-ups {n} to {n + many - 1} fail", status, err)
    count("events compared", world.compare(table))


def sweep(rnd):
    in_lanes([(f"connections live for {age}", ages, age, 3000) for age in (("300ms", "700ms", "2s") if options.long else ("300ms",))] +
             [("services shut down and come back", shuts_down, 12 if options.long else 3)])
    in_lanes([(f"names are not resolved: {n}, {many} times", nameless, n, many)
              for n in (range(1, 8) if options.long else (1, 2)) for many in ((1, 3, 6) if options.long else (3,))],
             lambda: World(seed=19, events=400))
    cases = [(f"while it drains: {script!r}", while_it_drains, script) for script in (DRAINS if options.long else DRAINS[:2])]
    for name in SETTINGS:
        for direction in ("up", "down"):
            points = list(range(1, 201)) if options.long else sorted(rnd.sample(range(1, 60), 4))
            cases += [(f"{name} cut after {direction} {n}", at_record, name, direction, n, rnd.choice(("cut", "reset")))
                      for n in points]
            # silence costs its watchdog: few
            points = range(2, 200, 11) if options.long else (rnd.randrange(3, 40),)
            cases += [(f"{name} silent after {direction} {n}", at_record, name, direction, n, rnd.choice(("stall", "half")))
                      for n in points]
        cases += [(f"{name} refuses {n} connections", refused, name, 20, n) for n in ((1, 2, 4) if options.long else (2,))]
    in_lanes(cases, WireWorld)

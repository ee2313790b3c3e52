"""Wire sweep: connections cut, reset or silenced after each of the first messages in each direction, by a TCP proxy."""
import json
import os
import threading

from ground import count, count_fault, in_lanes, options
from proxy import Proxy
from world import Broken, World

SETTINGS = {"pubsub": ("salesforce.json", "pubsub_endpoint", "localhost:{}"),
            "zerobus": ("databricks.json", "ingest_endpoint", "https://localhost:{}")}
numbers = iter(range(1 << 30))
mutex = threading.Lock()


class WireWorld(World):
    """A world whose two gRPC endpoints are reached through proxies."""

    def __init__(self):
        super().__init__(seed=19, events=400)
        self.proxies = {}
        for name, (file, key, text) in SETTINGS.items():
            self.proxies[name] = Proxy(self.ports[name])
            path = os.path.join(self.scratch, "home/profiles/emulator", file)
            with open(path, encoding="utf-8") as f:
                settings = json.load(f)
            settings[key] = text.format(self.proxies[name].port)
            with open(path, "w", encoding="utf-8") as f:
                json.dump(settings, f)

    def close(self, keep=False):
        for p in self.proxies.values():
            p.close()
        super().close(keep)


def at_record(world, name, direction, n, action):
    """One run with one blow; it must get over it by itself, with nothing lost or doubled."""
    with mutex:
        table = f"main.crm.w{next(numbers)}"
    proxy = world.proxies[name]
    proxy.set_plan((direction, n, action))
    more = ("--batch-rows", "2", "--ack-timeout", "1s", "--watchdog", "2s")
    if name == "pubsub":
        more += ("--max-in-flight-rows", "4")  # little credit: many requests and responses
    status, _, err = world.run(*world.stream_args(table, ("Account",), *more), timeout=120)
    struck = proxy.struck
    proxy.set_plan(None)
    if struck:
        count_fault(f"wire {action}")
    if status == 5 and "GetTopic" in err and "subscribed" not in err:
        # what is checked before the first event is not tried again: it says so at once, and the next run does it
        status, _, err = world.run(*world.stream_args(table, ("Account",), *more), timeout=120)
    if status != 0:
        raise Broken(f"{name} {action} after {direction} record {n}: exit {status} (struck: {struck}): {err[-1200:]}")
    count("events compared", world.compare(table))


def refused(world, name, n, times):
    """A cut, and then the port answers with resets, as when the service is being restarted."""
    with mutex:
        table = f"main.crm.w{next(numbers)}"
    proxy = world.proxies[name]
    proxy.set_plan(("down", n, "reset"), refuse_then=times)
    status, _, err = world.run(*world.stream_args(table, ("Account",), "--batch-rows", "2"), timeout=120)
    count_fault("connection refused", proxy.struck)
    proxy.set_plan(None)
    if status != 0:
        raise Broken(f"{name} refuses {times} connections: exit {status}: {err[-1200:]}")
    count("events compared", world.compare(table))


def sweep(rnd):
    cases = []
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

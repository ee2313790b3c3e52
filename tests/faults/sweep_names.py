"""Names sweep: the hosts of the HTTP legs are not resolved (Salesforce's token endpoint and REST, Databricks' token endpoint, SQL
warehouse, Unity Catalog), at the start and in the middle of a run. The gRPC legs' names are in the wire sweep.

Two ways: each request of each endpoint fails as libcurl fails for want of a name; and names that a name server, here the
preloaded resolver, knows no longer for a while, with libcurl's own look-ups and its cache between it and the program.
"""
import json
import os
import re
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from ground import case, count, count_fault, count_struck, in_lanes, options
from world import SHIM, Broken, World, must_end

# part of the URL; how many requests of a disturbed run are for it, about
ENDPOINTS = {"/services/oauth2/token": 2, "/oidc/v1/token": 2, "/sql/statements": 3,
             "/unity-catalog/": 3, "/sql/warehouses": 1}
USERINFO = "/services/oauth2/userinfo"  # asked by a run that is given a token, which it cannot renew
# in the middle of the run tokens end, and rows are looked up
SCRIPT = ("subscribe cut after 40 x3\ningest lose-ack after 2 x2\ningest cut after 3 x2\nsalesforce.tokens expire after 1 x1\n"
          "databricks.tokens expire after 1 x1\n")
numbers = iter(range(1 << 30))
mutex = threading.Lock()
later = {}  # by endpoint: requests behind the first that found no host


def new_table():
    with mutex:
        return f"main.crm.n{next(numbers)}"


def given_token(world):
    """The environment of a run that is told a token instead of how to get one."""
    with open(os.path.join(world.scratch, "home/profiles/emulator/salesforce.json"), encoding="utf-8") as f:
        settings = json.load(f)
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": settings["client_id"],
                                   "client_secret": settings["client_secret"]}).encode()
    with urllib.request.urlopen(settings["login_url"] + "/services/oauth2/token", form, timeout=60,
                                context=ssl.create_default_context(cafile=settings["ca_file"])) as answer:
        token = json.load(answer)["access_token"]
    return {"SALESFORCE_ACCESS_TOKEN": token, "SALESFORCE_INSTANCE_URL": settings["instance_url"],
            "SALESFORCE_PUBSUB_ENDPOINT": settings["pubsub_endpoint"], "SSL_CERT_FILE": settings["ca_file"]}


def unnamed(world, endpoint, n, many):
    """Requests number n to n + many - 1 for this endpoint find no host; the run itself gets over it."""
    table, calls = new_table(), os.path.join(world.scratch, "calls")
    # no token is kept, nor is it known which warehouse to take, so that they are asked for
    world.change_settings("salesforce.json", lambda s: s.pop("session", None))
    world.change_settings("databricks.json", lambda s: s.pop("warehouse_id", None))
    world.faults("" if endpoint == USERINFO else SCRIPT)
    shim = {**(given_token(world) if endpoint == USERINFO else {}), "LD_PRELOAD": SHIM, "SFZB_SHIM": f"http:{n}:{many}", "SFZB_SHIM_PATH": endpoint,
            "SFZB_SHIM_COUNT": calls}
    status, _, err = world.run(*world.stream_args(table, ("Account",), "--batch-rows", "40"), timeout=300, shim=shim)
    count_struck(world)
    world.faults("")
    with open(calls, encoding="ascii") as f:
        struck = min(many, max(0, int(f.read()) - n + 1))
    count_fault("HTTP name not resolved", struck)
    must_end(f"requests {n} to {n + many - 1} for {endpoint} find no host", status, err)
    with mutex:
        later[endpoint] = later.get(endpoint, 0) + (struck if n > 1 else 0)
    if n == 1 and struck == 0:
        raise Broken(f"there was no request for {endpoint}, so it shows nothing")
    count("events compared", world.compare(table))


def in_the_middle():
    """How many requests there are depends on when tokens end and rows are looked up; some must have been disturbed."""
    missing = [endpoint for endpoint, least in ENDPOINTS.items() if least > 1 and not later.get(endpoint)]
    if missing:
        raise Broken(f"in the middle of no run was there a request for {', '.join(missing)}, so it shows nothing")


class NamedWorld(World):
    """A world whose HTTP hosts have names, and certificates for them; without the file `away` they are resolved."""

    NAMES = ("login.sfzb.test", "lake.sfzb.test")

    def __init__(self, **kw):
        super().__init__(**kw)
        self.away = os.path.join(self.scratch, "away")
        self.close_emulator()
        self.certify()
        # an emulator that starts writes the profile anew, some time after it answers
        os.unlink(os.path.join(self.scratch, "home/profiles/emulator/databricks.json"))
        self.start_emulator()
        deadline = time.monotonic() + 60
        while not self.has_profile():
            if time.monotonic() > deadline:
                raise Broken("the emulator writes no profile")
            time.sleep(0.01)
        self.name_hosts()

    def certify(self):
        folder = os.path.join(self.scratch, "emulator")
        with open(os.path.join(folder, "names.ext"), "w", encoding="ascii") as f:
            f.write("subjectAltName=DNS:localhost," + ",".join("DNS:" + n for n in self.NAMES) + "\n")
        for args in (["req", "-new", "-key", "server-key.pem", "-subj", "/CN=localhost", "-out", "names.csr"],
                     ["x509", "-req", "-in", "names.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2",
                      "-extfile", "names.ext", "-out", "server.pem"]):
            subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    def name_hosts(self):
        for file, key, name in (("salesforce.json", "login_url", self.NAMES[0]), ("databricks.json", "host", self.NAMES[1])):
            self.change_settings(file, lambda s: s.update({key: s[key].replace("localhost", name)}))

    def set_away(self, away):
        if away:
            with open(self.away, "w", encoding="ascii"):
                pass
        else:
            os.unlink(self.away)

    def shim(self):
        return {"LD_PRELOAD": SHIM, "SFZB_SHIM": "resolve:1:1000000", "SFZB_SHIM_PATH": ".sfzb.test", "SFZB_SHIM_WHILE": self.away}


def wait_for(log, pattern, times, what):
    """Until the run has said it so often."""
    deadline = time.monotonic() + 120
    while len(re.findall(pattern, log.text())) < times:
        if log.process.poll() is not None or time.monotonic() > deadline:
            raise Broken(f"{what}: not before the end, or not in 120 s: {log.text()[-1200:]}")
        time.sleep(0.05)


class Log:
    """What a run says, while it runs."""

    def __init__(self, process):
        self.process, self.lines = process, []
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def text(self):
        return "".join(self.lines)


def name_server_away(seconds):
    """It is away at the start, and (seconds > 0) once more in the middle, for so long that no name is remembered."""
    with NamedWorld(seed=31, events=300) as world:
        world.set_away(True)
        run = world.popen("stream", "Account", "--table", "main.crm.t", "--visibility-wait", "700ms", "--batch-rows", "40",
                          "--retry-backoff", "50ms..500ms", shim=world.shim())
        log = Log(run)
        try:
            wait_for(log, r"login\.sfzb\.test.*again in", 3, "no name at the start: it tries again")
            count_fault("name server away")
            world.set_away(False)
            wait_for(log, "subscribed", 1, "names are back, it streams")
            if seconds:
                time.sleep(seconds)
                world.set_away(True)
                count_fault("name server away")
                # every connection and token is lost: all must be looked up anew, the rows in doubt too
                world.faults("ingest stall after 1 x1\n")
                world.publish(300)
                time.sleep(1)
                world.close_emulator()
                world.start_emulator()
                wait_for(log, r"sfzb\.test.*again in", 6, "no name in the middle: it tries again")
                world.set_away(False)
            world.publish(100)
            deadline = time.monotonic() + 120
            while sum(world.stored().values()) < len(world.published()) and time.monotonic() < deadline:
                time.sleep(0.2)
            run.terminate()
            status = run.wait(300)
        finally:
            run.kill()
        must_end("after names were away", status, log.text())
        count("events compared", world.compare())


def sweep(rnd):
    in_lanes([("the name server is away" + (" in the middle, too" if s else ""), name_server_away, s)
              for s in ((70, 0) if options.long else (0,))])
    points = [(endpoint, n, many) for endpoint, least in ENDPOINTS.items()
              for n in range(1, least + 4 if options.long else 3) for many in ((1, 3, 6) if options.long else (1,))]
    points += [(USERINFO, n, many) for n in (1, 2) for many in (1, 3)] if options.long else [(USERINFO, 1, 2)]
    in_lanes([(f"no host for {endpoint}: {n}, {many} times", unnamed, endpoint, n, many) for endpoint, n, many in points],
             lambda: World(seed=37, events=400))
    if not options.match:
        case("hosts are missing in the middle, too", in_the_middle)

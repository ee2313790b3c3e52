"""A world to break: one emulator, one profile, and the three sets that must agree at the end.

published  what the emulator's bus says that it delivered to a topic
stored     the event ids in the table, with how often each stands there
set aside  the event ids in the profile's dead letters

Everything lives in a scratch folder of its own; ports stay the same over restarts of the emulator.
"""
import collections
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build/release-gcc"))
SHIM = os.path.join(BUILD, "tests/faults/shim.so")


class Broken(Exception):
    """The proving ground has found something."""

    def __init__(self, text, lost=0, doubled=0):
        super().__init__(text)
        self.lost, self.doubled = lost, doubled


def must_end(what, status, err, wanted=0):
    """A run that has ended otherwise is a finding, told with the last of what it said."""
    if status != wanted:
        raise Broken(f"{what}: exit {status} instead of {wanted}: {err[-1500:]}")


given = set()  # ports


def free_ports(count):
    """Below those that the kernel gives to whoever connects: they stay free while an emulator is dead."""
    ports = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(10000, 16000)
        try:
            if port not in given:
                socket.create_server(("127.0.0.1", port)).close()
                given.add(port)
                ports.append(port)
        except OSError:
            pass
    return ports


class World:
    keep = False  # the scratch folders

    def __init__(self, seed=1, events=0, objects="Account", emulator_args=(), streams=1):
        self.streams = streams  # ingest streams of each run to each table
        self.scratch = tempfile.mkdtemp(prefix="sfzb-prove-")
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(("SFZB_", "SALESFORCE_", "DATABRICKS_", "XDG_")) and not k.lower().endswith("_proxy")}
        self.env.update(HOME=self.scratch, SFZB_HOME=self.scratch + "/home", SFZB_PROFILE="emulator",
                        PATH=BUILD + ":" + os.environ["PATH"], TMPDIR=self.scratch, NO_COLOR="1")
        self.ports = dict(zip(("salesforce", "databricks", "pubsub", "zerobus", "admin"), free_ports(5)))
        self.seed, self.events, self.objects, self.emulator_args = seed, events, objects, list(emulator_args)
        self.emulator, self.publish_at_start = None, 0
        self.broken = set()  # ids of published events that must be set aside
        self.start_emulator(first=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def change_settings(self, file, change):
        path = os.path.join(self.scratch, "home/profiles/emulator", file)
        with open(path, encoding="utf-8") as f:
            settings = json.load(f)
        change(settings)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(settings, f)

    # the emulator

    def start_emulator(self, first=False, shim=None):
        args = ["sfzb-emulator", "-q", "--dir", self.scratch + "/emulator", "--seed", str(self.seed),
                "--objects", self.objects, "--keepalive", "300ms", "--delivery-limit", "1000000000", "--api-limit", "1000000000",
                "--visibility-delay", "300ms"] + self.emulator_args
        for name, port in self.ports.items():
            args += [f"--{name}-port", str(port)]
        if first and self.events:
            args += ["--events", str(self.events)]
        elif not first and self.publish_at_start:
            args += ["--events", str(self.publish_at_start)]
            self.publish_at_start = 0
        env = dict(self.env, **(shim or {}))
        self.emulator = subprocess.Popen(args, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=open(self.scratch + "/emulator.log", "ab"), start_new_session=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.admin("GET", "/state", timeout=5)
                if first and not self.has_profile():
                    time.sleep(0.01)
                    continue
                return
            except (OSError, urllib.error.URLError, http.client.HTTPException):
                if self.emulator.poll() is not None:
                    if shim:
                        return
                    raise Broken(f"the emulator ended with {self.emulator.returncode}: {self.tail('emulator.log')}")
                if time.monotonic() > deadline:
                    raise Broken("the emulator does not answer")
                time.sleep(0.02)

    def has_profile(self):
        """The emulator writes the profile last, Databricks' half behind Salesforce's."""
        return os.path.exists(os.path.join(self.scratch, "home/profiles/emulator/databricks.json"))

    def close_emulator(self):
        if self.emulator and self.emulator.poll() is None:
            self.emulator.send_signal(signal.SIGTERM)
            try:
                self.emulator.wait(10)
            except subprocess.TimeoutExpired:
                self.kill_emulator()

    def settle(self):
        """What a killed run has sent is stored: the wait until it must be visible (--visibility-wait) begins there."""
        deadline = time.monotonic() + 120
        while True:
            now = self.state()["databricks"]["zerobus"]
            if now["open"] == 0 and now["storing"] == 0:
                return
            if time.monotonic() > deadline:
                raise Broken(f"the emulator does not get over the death of a run: {now}")
            time.sleep(0.01)

    def kill_emulator(self):
        self.emulator.kill()
        self.emulator.wait()

    def admin(self, method, path, body=None, timeout=60):
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['admin']}{path}", data=data, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as e:
            raise Broken(f"{method} {path} {body or ''}: {e.code}: {e.read().decode()}") from None

    def faults(self, script):
        self.admin("PUT", "/faults", script)

    def state(self):
        return json.loads(self.admin("GET", "/state"))

    def publish_broken(self, count, object_name="Account"):
        """Events that no schema decodes: they have to be set aside, each with its id."""
        schema = next(s for s in json.loads(self.admin("GET", "/schemas")) if s["object"] == object_name)
        ids = [str(uuid.uuid4()) for _ in range(count)]
        self.admin("POST", "/events", "".join(json.dumps({"schema_id": schema["schema_id"], "event_id": i, "payload_b64": "/w=="})
                                              + "\n" for i in ids))
        self.broken.update(ids)

    def change_schema(self, add, object_name="Account"):
        self.admin("POST", "/schema", json.dumps({"object": object_name, "add": add, "type": "Text"}))

    def publish(self, count):
        self.admin("POST", "/events", json.dumps({"count": count}))

    # the program

    def popen(self, *args, shim=None, **kw):
        env = dict(self.env, **(shim or {}))
        return subprocess.Popen(["sfzb", *args], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, start_new_session=True, **kw)

    def end(self, p, timeout=300):
        """(exit status, standard output, standard error) of a run; one over its time is a finding."""
        try:
            out, err = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            raise Broken(f"{' '.join(p.args)} did not end in {timeout} s:\n{err[-2000:]}") from None
        return p.returncode, out, err

    def run(self, *args, timeout=300, shim=None):
        """The same of a run from its start."""
        return self.end(self.popen(*args, shim=shim), timeout)

    def succeed(self, what, *args, **kw):
        """A run that must succeed; returns (standard output, standard error)."""
        status, out, err = self.run(*args, **kw)
        must_end(what, status, err)
        return out, err

    def stream_args(self, table="main.crm.t", topics=("Account",), *more):
        return ["stream", *topics, "--table", table, "--until-caught-up", "--visibility-wait", "1s",
                "--streams", str(self.streams), "--retry-backoff", "5ms..500ms", *more]

    def tail(self, name, count=1500):
        try:
            with open(os.path.join(self.scratch, name), errors="replace") as f:
                return f.read()[-count:]
        except OSError:
            return ""

    # the three sets

    def published(self, topic="/data/AccountChangeEvent"):
        ids, after = [], "0"
        while True:
            page = self.admin("GET", f"/published?topic={topic}&after={after}&limit=100000", timeout=900).splitlines()
            if not page:
                return ids
            rows = [json.loads(line) for line in page]
            ids += [r["id"] for r in rows]
            after = rows[-1]["replay_id"]

    def stored(self, table="main.crm.t"):
        text = self.admin("GET", f"/rows?table={table}&columns=event_id", timeout=900)
        return collections.Counter(json.loads(line)["event_id"] for line in text.splitlines())

    def out_of_order(self, table, topics):
        """What lies in the table out of the order of its topic; with several ingest streams, of its record."""
        if len(topics) > 1:
            return []  # nothing is promised
        text = self.admin("GET", f"/rows?table={table}&columns=replay_id,record_ids", timeout=900)
        rows = (json.loads(line) for line in text.splitlines())  # millions of them after a soak
        wrong, last, behind_all = [], {}, ""
        for row in rows:
            ids = row["record_ids"] if self.streams > 1 else ["topic"]
            ids = json.loads(ids) if isinstance(ids, str) else ids or []
            at = row["replay_id"]
            if not ids or any("*" in i or i.startswith("0" * 15) for i in ids):  # about any record, so about each
                wrong += [f"row {at} lies behind a later one" for i in last if last[i] > at][:1]
                behind_all = max(at, behind_all)
            wrong += [f"row {at} of {i} lies behind {last.get(i, behind_all)}" for i in ids
                      if max(last.get(i, ""), behind_all) > at]
            last.update((i, at) for i in ids)
        return wrong

    def set_aside(self):
        out, _ = self.succeed("dead-letters list", "dead-letters", "list", "-o", "json")
        return [json.loads(line)["event_id"] for line in out.splitlines()]

    def compare(self, table="main.crm.t", topics=("/data/AccountChangeEvent",), twice_allowed=False, order=True):
        """Every event once, in the table or set aside; returns how many. Names each difference."""
        published = [i for t in topics for i in self.published(t)]
        stored, aside = self.stored(table), collections.Counter(self.set_aside())
        wrong = [f"lost: {i}" for i in published if stored[i] == 0 and aside[i] == 0]
        lost, doubled = len(wrong), 0
        if not twice_allowed:
            wrong += [f"stored {n} times: {i}" for i, n in stored.items() if n > 1]
            doubled = len(wrong) - lost
            wrong += [f"stored and set aside: {i}" for i in aside if stored[i]]
        if order and not wrong:
            wrong += self.out_of_order(table, topics)
        wrong += [f"set aside, though nothing is wrong with it: {i}" for i in aside.keys() - self.broken]
        wrong += [f"never published: {i}" for i in stored.keys() - set(published)]
        if wrong:
            raise Broken(f"{len(wrong)} differences among {len(published)} published, {sum(stored.values())} rows, "
                         f"{sum(aside.values())} set aside:\n  " + "\n  ".join(wrong[:20]), lost, doubled)
        return len(published)

    def close(self):
        self.close_emulator()
        if not self.keep:
            shutil.rmtree(self.scratch, ignore_errors=True)

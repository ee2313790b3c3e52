#!/usr/bin/env -S /usr/bin/python3 -B
"""The Salesforce half of the emulator, held against the contract of the Pub/Sub API by a client that shares no code with it.

python3-avro decodes the payloads. Each test function is one line of the result; --list N decodes N events of every topic
and prints them as JSON instead, for a person to look at.
"""
import collections
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import avro.schema
import grpc

from emulator_client import CUSTOM, EARLIEST, LATEST, M, PREFIX, Emulator, refused
from local_emulator import PROGRAM, TOP, run_against
from org_client import ORDERS, TOPICS, Decoder, check_change, order

# --- tests: each takes the shared emulator -----------------------------------------------------------

def test_topics(em):
    for name, entity in TOPICS.items():
        info = em.topic(name)
        assert (info.topic_name, info.can_subscribe, info.can_publish) == (name, True, False), info
        assert info.tenant_guid.endswith(em.org) and uuid.UUID(info.rpc_id)
        served = em.schema(info.schema_id).schema_json
        assert served == open(f"{TOP}/tests/data/schemas/{name[6:]}.avsc").read(), name
    assert em.topic(ORDERS).can_publish
    for channel in ("/data/ChangeEvents", "/data/Crm__chn"):
        assert em.topic(channel).schema_id == ""
    refused("NOT_FOUND", "topic.not.found", em.topic, "/data/accountchangeevent")
    refused("INVALID_ARGUMENT", "topic.validation.empty", em.topic, "")
    text = refused("INVALID_ARGUMENT", "schema.validation.failed", em.schema, "")
    assert "The schema ID can't be blank" in text
    refused("NOT_FOUND", None, em.schema, "AAAAAAAAAAAAAAAAAAAAAA")


def test_headers(em):
    def with_(key, value):
        return [(k, value if k == key else v) for k, v in em.metadata]
    for key in ("accesstoken", "instanceurl", "tenantid"):
        missing = [(k, v) for k, v in em.metadata if k != key]
        refused("UNAUTHENTICATED", "service.auth.headers.invalid", em.topic, ORDERS, missing)
    refused("UNAUTHENTICATED", "service.auth.headers.invalid", em.topic, ORDERS, with_("instanceurl", "https://x/"))
    refused("UNAUTHENTICATED", "service.auth.error", em.topic, ORDERS, with_("accesstoken", "00D!nonsense"))
    refused("UNAUTHENTICATED", "service.auth.error", em.topic, ORDERS, with_("tenantid", "00D000000000000AAA"))
    assert em.topic(ORDERS, with_("tenantid", em.org[:15])).topic_name
    assert em.topic(ORDERS, with_("tenantid", "core/acme/" + em.org)).topic_name


def test_events(em):
    decode, counts, by_id, alive = Decoder(em), collections.Counter(), {}, {}
    everything = em.read_all("/data/ChangeEvents")
    for event in everything:
        schema, record = decode(event.event)
        header = record["ChangeEventHeader"]
        assert schema.name == header["entityName"].replace("__c", "__") + "ChangeEvent"
        assert abs(header["commitTimestamp"] / 1000 - time.time()) < 3600
        assert event.event.id not in by_id and uuid.UUID(event.event.id)
        by_id[event.event.id] = event.replay_id
        check_change(schema, record, counts)
        for r in header["recordIds"]:  # a record lives before it changes, and is deleted before it comes back
            kind = header["changeType"]
            if not kind.startswith("GAP"):
                assert alive.get(r, False) == (kind in ("UPDATE", "DELETE")), (r, kind)
                alive[r] = kind != "DELETE"
    replays = [e.replay_id for e in everything]
    assert replays == sorted(replays) and len(set(replays)) == len(replays)
    assert all(len(r) == 10 and r.endswith(b"\0\0") for r in replays)
    for kind in ("CREATE", "UPDATE", "DELETE", "UNDELETE", "merged", "diff", "nested"):
        assert counts[kind] > 0, f"no {kind}"
    total = 0
    for topic, entity in TOPICS.items():
        events = em.read_all(topic)
        total += len(events)
        for event in events:  # the same id and replay id on a topic and on a channel that holds it
            assert by_id[event.event.id] == event.replay_id
    assert total == len(everything)
    for event in em.read_all(ORDERS):
        _, record = decode(event.event)
        assert record["CreatedDate"] and record["CreatedById"].startswith("005")


def test_published_list(em):
    listed, after = [], ""
    while True:
        page = [json.loads(x) for x in em.admin("GET", f"/published?limit=700&after={after}&topic=/data/ChangeEvents")[1].splitlines()]
        listed += page
        if len(page) < 700:
            break
        after = page[-1]["replay_id"]
    seen = [(e.event.id, e.replay_id.hex()) for e in em.read_all("/data/ChangeEvents")]
    assert [(x["id"], x["replay_id"]) for x in listed] == seen
    assert {x["topic"] for x in listed} == set(TOPICS)


def test_credit(em):
    with em.subscribe("/data/ChangeEvents", count=7) as s:
        got = 0
        for m in s:
            got += len(m.events)
            if m.pending_num_requested == 0:
                break
        assert got == 7
        s.send(num_requested=3)
        m = next(iter(s))
        assert len(m.events) == 3 and m.pending_num_requested == 0, len(m.events)
    with em.subscribe("/data/ChangeEvents", count=5000) as s:  # more than 100 counts as 100
        got = 0
        for m in s:
            got += len(m.events)
            if m.pending_num_requested == 0:
                break
        assert got == 100, got
    for n in (0, -5):
        refused("INVALID_ARGUMENT", "subscription.fetch.requested.events.invalid", em.subscribe, ORDERS, count=n)

    def mismatch():
        s = em.subscribe(ORDERS, LATEST)
        s.send(topic_name="/data/ChangeEvents", num_requested=1)
        return s
    refused("INVALID_ARGUMENT", "subscription.fetch.topic.mismatch", mismatch)
    refused("NOT_FOUND", "topic.not.found", em.subscribe, "/data/NopeChangeEvent")


def test_presets(em):
    events = em.read_all("/data/AccountChangeEvent")
    middle = events[len(events) // 2]
    after = [e.replay_id for e in em.read_all("/data/AccountChangeEvent", CUSTOM, middle.replay_id)]
    assert after == [e.replay_id for e in events[len(events) // 2 + 1:]]
    assert [e.replay_id for e in em.read_all("/data/AccountChangeEvent", CUSTOM, middle.replay_id[:8])] == after
    assert em.read_all("/data/AccountChangeEvent", LATEST) == []
    corrupted = "subscription.fetch.replayid.corrupted"
    for replay in (b"\0" * 10, b"\xff" * 8 + b"\0\0", b"abc", middle.replay_id[:9] + b"\1"):
        refused("INVALID_ARGUMENT", corrupted, em.subscribe, ORDERS, CUSTOM, 1, replay)
    refused("INVALID_ARGUMENT", "subscription.fetch.replayid.validation.failed", em.subscribe, ORDERS, CUSTOM)


def test_live_and_keepalive(em):
    with em.subscribe("/data/ChangeEvents", LATEST, 100) as s:
        answers = iter(s)
        first = next(answers)
        assert not first.events and first.pending_num_requested == 100
        second = next(answers)
        assert second.latest_replay_id >= first.latest_replay_id and not second.events
        em.admin("POST", "/events", '{"count": 40}')
        live = []
        while sum(len(m.events) for m in live) < 1:
            live.append(next(answers))
        assert all(e.replay_id > second.latest_replay_id for m in live for e in m.events)
    # the keepalive's id is a place to resume from, with nothing between
    resumed = em.read_all("/data/ChangeEvents", CUSTOM, second.latest_replay_id)
    assert resumed and resumed[0].replay_id == [e for m in live for e in m.events][0].replay_id


def test_publish(em):
    info = em.topic(ORDERS)
    schema = avro.schema.parse(em.schema(info.schema_id).schema_json)
    good, sid = order(1, schema, Amount__c=1.5, City__c="Łódź"), info.schema_id
    rows = [("good", dict(id="a-1", schema_id=sid, payload=good), True),
            ("no id", dict(schema_id=sid, payload=order(2, schema)), True),
            ("wrong schema", dict(id="b", schema_id="Z9QGC7PCPgbQdkX-ELWnkA", payload=good), False),
            ("short", dict(id="c", schema_id=sid, payload=good[:-3]), False),
            ("bytes left", dict(id="d", schema_id=sid, payload=good + b"\0"), False),
            ("branch", dict(id="e", schema_id=sid, payload=good[:25] + b"\x09" + good[26:]), False),
            ("long id", dict(id="f" * 37, schema_id=sid, payload=good), False),
            ("1 MB", dict(id="g", schema_id=sid, payload=order(3, schema, Note__c="x" * 1100000)), False)]
    events = [M["ProducerEvent"](**fields) for _, fields, _ in rows]
    before = em.read_all(ORDERS)
    answer = em.unary("Publish", M["PublishRequest"](topic_name=ORDERS, events=events), "PublishResponse")
    assert len(answer.results) == len(rows) and answer.schema_id == sid
    for (name, fields, taken), result in zip(rows, answer.results):
        assert result.HasField("error") != taken, (name, result)
        assert bool(result.replay_id) == taken, name
        if fields.get("id"):
            assert result.correlation_key == fields["id"], name
        if not taken:
            assert result.error.code == 1 and result.error.msg, name
    fresh = em.read_all(ORDERS)[len(before):]
    assert [e.replay_id for e in fresh] == [r.replay_id for r in answer.results if r.replay_id]
    assert fresh[0].event.id == "a-1" and fresh[0].event.payload == good and uuid.UUID(fresh[1].event.id)

    def publish(**fields):
        return em.unary("Publish", M["PublishRequest"](**fields), "PublishResponse")
    refused("INVALID_ARGUMENT", "publish.event.count.invalid", publish, topic_name=ORDERS)
    refused("INVALID_ARGUMENT", "publish.topic.validation.empty", publish, events=events[:1])
    refused("PERMISSION_DENIED", "topic.meta.permission", publish, topic_name="/data/AccountChangeEvent", events=events[:1])
    big = [M["ProducerEvent"](schema_id=sid, payload=b"x" * 1000000)] * 5
    text = refused("UNAVAILABLE", None, publish, topic_name=ORDERS, events=big)
    assert text.startswith("upstream connect error"), text


def test_publish_stream(em):
    info = em.topic(ORDERS)
    schema = avro.schema.parse(em.schema(info.schema_id).schema_json)
    before = len(em.read_all(ORDERS))
    event = lambda n: M["ProducerEvent"](id=f"s-{n}", schema_id=info.schema_id, payload=order(n, schema))
    with em.stream("PublishStream", "PublishRequest", "PublishResponse", dict(topic_name=ORDERS, events=[event(0)])) as s:
        answers = iter(s)
        assert next(answers).results[0].correlation_key == "s-0"
        for n in range(1, 30):
            s.send(events=[event(n)])
            assert next(answers).results[0].correlation_key == f"s-{n}"
        s.half_close()
        assert list(answers) == []
    assert [e.event.id for e in em.read_all(ORDERS)[before:]] == [f"s-{n}" for n in range(30)]

    def mismatch():
        s = em.stream("PublishStream", "PublishRequest", "PublishResponse", dict(topic_name=ORDERS, events=[event(0)]))
        s.send(topic_name="/event/Other__e", events=[event(1)])
        return s
    refused("INVALID_ARGUMENT", "publish.topic.mismatch", mismatch)


def silent(stream):
    """What still comes until it is cancelled."""
    try:
        for m in stream:
            yield m
    except grpc.RpcError as e:
        assert e.code() == grpc.StatusCode.CANCELLED, e


def test_error_script(em):
    for script, words in (("subscribe cutt", "line 1: unknown word"), ("\n\ntoken lose-ack", "line 3: ")):
        status, body, _ = em.admin("PUT", "/faults", script)
        assert status == 400 and body.startswith(words), body
    try:
        em.faults(f"get-topic UNAVAILABLE x2 error-code={PREFIX}topic.api.unavailable message=\"not now\"\n"
                  "get-schema delay 300ms x1\ntoken http=503 x1 retry-after=7\n")
        for _ in range(2):
            try:
                em.topic(ORDERS)
                raise AssertionError("no fault")
            except grpc.RpcError as e:
                assert (e.code().name, e.details()) == ("UNAVAILABLE", "not now")
                assert dict(e.trailing_metadata())["error-code"] == PREFIX + "topic.api.unavailable"
        sid, started = em.topic(ORDERS).schema_id, time.monotonic()
        em.schema(sid)
        assert time.monotonic() - started >= 0.29
        status, _, headers = em.token()
        assert (status, headers["Retry-After"]) == (503, "7") and em.token()[0] == 200
        counts = em.state()["faults"]
        assert counts["by_kind"] == {"status": 2, "delay": 1, "http": 1}, counts
        assert "# struck 2" in em.admin("GET", "/faults")[1]

        all_ids = [e.event.id for e in em.read_all("/data/ChangeEvents")]
        for script, code, words in (("subscribe cut after 130 x1", "UNAVAILABLE", None),
                                    ("subscribe INTERNAL after 130 x1", "INTERNAL", "INTERNAL by the error script"),
                                    ("subscribe OK after 130 x1", None, None)):
            em.faults(script)
            got = []
            with em.subscribe("/data/ChangeEvents") as s:
                try:
                    for m in s:
                        got += [e.event.id for e in m.events]
                        s.send(num_requested=max(1, len(m.events)))
                    assert code is None
                except grpc.RpcError as e:
                    assert e.code().name == code and words in (None, e.details()), (script, e.code(), e.details())
            if code != "UNAVAILABLE":  # what a cut leaves behind in the sockets is lost, as in life
                assert len(got) == 130, (script, len(got))
            assert got == all_ids[:len(got)] and len(got) <= 130
        assert len(em.read_all("/data/ChangeEvents")) == len(all_ids)

        em.faults("subscribe stall after 5")
        with em.subscribe("/data/ChangeEvents") as s:
            assert len(next(iter(s)).events) == 5
            more = []
            reader = threading.Thread(target=lambda: more.extend(silent(s)), daemon=True)
            reader.start()
            reader.join(1)  # three keepalives would have come
            assert reader.is_alive() and em.state()["faults"]["by_kind"]["stall"] == 1
        reader.join()
        assert more == []
        em.faults("subscribe duplicate after 3 x1")
        ids = collections.Counter(e.event.id for e in em.read_all("/data/ChangeEvents"))
        assert [i for i, n in ids.items() if n > 1] == [all_ids[2]]
        em.faults("salesforce.tokens expire")
        refused("UNAUTHENTICATED", "service.auth.error", em.topic, ORDERS)
        em.log_in()
        assert em.topic(ORDERS).topic_name
    finally:
        em.admin("DELETE", "/faults")
    assert em.admin("GET", "/faults")[1] == ""


def test_limits_of_a_client(em):
    """Ten subscribers get all of it; a call to nowhere is UNIMPLEMENTED; half-close ends a subscription in order."""
    expected = len(em.read_all("/data/AccountChangeEvent"))
    streams = [em.subscribe("/data/AccountChangeEvent") for _ in range(10)]
    counts = []
    for s in streams:
        n = 0
        for m in s:
            if not m.events:
                break
            n += len(m.events)
            s.send(num_requested=len(m.events))
        counts.append(n)
        s.__exit__()
    assert counts == [expected] * 10, counts
    compressed = em.channel.unary_unary("/eventbus.v1.PubSub/GetTopic", request_serializer=lambda x: x.SerializeToString(),
                                        response_deserializer=M["TopicInfo"].FromString)
    for how in (grpc.Compression.Gzip, grpc.Compression.Deflate):  # a client may compress what it sends
        assert compressed(M["TopicRequest"](topic_name=ORDERS), metadata=em.metadata, timeout=20, compression=how).topic_name == ORDERS
    refused("UNIMPLEMENTED", None, em.unary, "Nothing", M["TopicRequest"](), "TopicInfo")
    s = em.subscribe("/data/AccountChangeEvent", LATEST)
    s.half_close()
    assert all(not m.events for m in s)


# --- tests with an emulator of their own -----------------------------------------------------------------

def test_determinism(_):
    runs = []
    for seed in (5, 5, 6):
        em = Emulator("--events", "500", "--seed", str(seed))
        events = em.read_all("/data/ChangeEvents")
        runs.append([(e.event.id, e.replay_id, len(e.event.payload)) for e in events])
        em.close()
    assert runs[0] == runs[1] and not set(x[0] for x in runs[0]) & set(x[0] for x in runs[2])


def test_restart(_):
    em = Emulator("--events", "300")
    try:
        before, settings = em.read_all("/data/ChangeEvents"), em.settings
        em.process.kill()
        em.process.wait()
        em.channel.close()
        em.start()
        for key in ("client_id", "client_secret", "ca_file"):
            assert em.settings[key] == settings[key]
        after = em.read_all("/data/ChangeEvents")
        assert len(after) > len(before), "--events makes more at each start"
        assert [e.replay_id for e in after[:len(before)]] == [e.replay_id for e in before]
        assert len({e.event.id for e in after}) == len(after)
    finally:
        em.close()


def test_certificates(_):
    """A new authority for each directory, kept with it; files that do not belong together or cannot be read are made anew."""
    em, stranger = Emulator(), Emulator()
    try:
        def verified():
            r = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", em.dir + "/ca.pem", em.dir + "/server.pem"], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
            serials = [subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", f"{em.dir}/{f}.pem"], stdout=subprocess.PIPE,
                                      text=True).stdout.strip().split("=")[1] for f in ("ca", "server")]
            # DER takes no serial that begins with a zero byte: one in 256 authorities could not be read, when they did
            assert r.returncode == 0 and all(len(s) == 16 and s[0] in "4567" for s in serials), (r.stdout, serials)
            return serials
        first = verified()
        em.stop()
        em.start()
        assert verified() == first
        read = lambda e, name: open(f"{e.dir}/{name}.pem").read()
        for name, content in (("server", read(stranger, "server")), ("server-key", read(stranger, "server-key")), ("ca", read(stranger, "ca")),
                              ("ca", read(em, "ca")[:200]), ("server", "")):
            em.stop()
            open(f"{em.dir}/{name}.pem", "w").write(content)
            em.start()  # logs in over TLS
            assert not set(verified()) & set(first), name
    finally:
        em.close()
        stranger.close()


def test_retention(_):
    em = Emulator("--events", "50", "--retention", "10s")
    try:
        with em.subscribe("/data/ChangeEvents", EARLIEST, 1) as s:
            old = next(iter(s)).events[0].replay_id
        time.sleep(10.3)
        em.admin("POST", "/events", '{"count": 10}')
        assert 0 < len(em.read_all("/data/ChangeEvents")) <= 10
        refused("INVALID_ARGUMENT", "subscription.fetch.replayid.corrupted", em.subscribe, ORDERS, CUSTOM, 1, old)
    finally:
        em.close()


def test_rate(_):
    started = time.monotonic()
    em = Emulator("--rate", "200", "--objects", "Account")
    try:
        while em.state()["salesforce"]["published"] < 60:
            assert time.monotonic() - started < 120
            time.sleep(0.1)
        n, took = em.state()["salesforce"]["published"], time.monotonic() - started
        assert n <= 200 * took + 100, (n, took)
        refused("NOT_FOUND", "topic.not.found", em.topic, "/data/ContactChangeEvent")
        em.admin("POST", "/events", '{"rate": 0}')
        n = em.state()["salesforce"]["published"]
        time.sleep(0.3)
        assert em.state()["salesforce"]["published"] == n
    finally:
        em.close()


def test_command(_):
    scratch = tempfile.mkdtemp(prefix="sfzb-emulator-test-")
    env = dict(os.environ, HOME=scratch, SFZB_HOME=scratch + "/home", TMPDIR=scratch, KEPT="1")
    run = lambda *args: subprocess.run([PROGRAM, *args], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, timeout=240)
    try:
        r = run("--", "sh", "-c", "echo $SFZB_PROFILE $KEPT; ls $SFZB_HOME/profiles/emulator; exit 7")
        assert (r.returncode, r.stdout.split()[:2], r.stderr) == (7, ["emulator", "1"], ""), r
        assert "salesforce.json" in r.stdout
        # a client that knows nothing of profiles finds all it needs in the environment
        r = run("--", "sh", "-ec", """
            curl -sf $SFZB_EMULATOR_ADMIN/state >/dev/null
            curl -sf --cacert $SFZB_EMULATOR_CA_FILE $SFZB_EMULATOR_SALESFORCE_LOGIN_URL/services/oauth2/token -d grant_type=client_credentials \\
                -d client_id=$SFZB_EMULATOR_SALESFORCE_CLIENT_ID --data-urlencode client_secret=$SFZB_EMULATOR_SALESFORCE_CLIENT_SECRET | grep -o '"token_type":"Bearer"'
            curl -sf --cacert $SFZB_EMULATOR_CA_FILE $SFZB_EMULATOR_DATABRICKS_HOST/oidc/v1/token -d grant_type=client_credentials -d scope=all-apis \\
                -u $SFZB_EMULATOR_DATABRICKS_CLIENT_ID:$SFZB_EMULATOR_DATABRICKS_CLIENT_SECRET | grep -o '"token_type":"Bearer"'
            for u in $SFZB_EMULATOR_SALESFORCE_PUBSUB_ENDPOINT ${SFZB_EMULATOR_DATABRICKS_INGEST_ENDPOINT#https://}; do
                openssl s_client -connect $u -CAfile $SFZB_EMULATOR_CA_FILE -verify_return_error -verify_hostname localhost -alpn h2 </dev/null 2>/dev/null | grep -a 'ALPN protocol'
            done
            openssl verify -x509_strict -CAfile $SFZB_EMULATOR_CA_FILE $SFZB_EMULATOR_DIR/server.pem >/dev/null
            [ -n "$SFZB_EMULATOR_DATABRICKS_WAREHOUSE_ID$SFZB_EMULATOR_DATABRICKS_WORKSPACE_ID" ]""")
        assert (r.returncode, r.stdout.split("\n")[:4]) == (0, ['"token_type":"Bearer"'] * 2 + ["ALPN protocol: h2"] * 2), r
        assert run("--", "sh", "-c", "kill -9 $$").returncode == 137
        assert run("--", "/no/such/program").returncode == 1
        assert not os.path.exists(scratch + "/home/profiles/emulator"), "the profile of a temporary emulator stays"
        assert not [f for f in os.listdir(scratch) if f.startswith("sfzb-emulator.")], "its directory stays"
        p = subprocess.Popen([PROGRAM, "--", "sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"], env=env,
                             stdout=subprocess.PIPE, text=True)
        assert p.stdout.readline() == "up\n"
        second = run("--", "true")
        assert second.returncode == 2 and "another emulator is running" in second.stderr, second
        p.send_signal(signal.SIGTERM)
        assert p.wait(120) == 9
        os.makedirs(scratch + "/home/profiles/emulator")
        open(scratch + "/home/profiles/emulator/salesforce.json", "w").write('{"method":"jwt"}')
        r = run("--", "true")
        assert r.returncode == 2 and "was made by a login" in r.stderr, r
        assert open(scratch + "/home/profiles/emulator/salesforce.json").read() == '{"method":"jwt"}'
        shutil.rmtree(scratch + "/home")
        for args, words in ((["--nope"], "unknown option --nope"), (["--rate", "x"], "--rate"), (["--events"], "needs a value"),
                            (["true"], "behind"), (["--objects", "Lead", "--", "true"], "no object")):
            r = run(*args)
            assert r.returncode == 2 and words in r.stderr, (args, r)
        assert "usage: sfzb-emulator" in run("--help").stdout and "lose-ack" in run("--help-faults").stdout
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


SHARED = [test_topics, test_headers, test_events, test_published_list, test_credit, test_presets, test_live_and_keepalive,
          test_publish, test_publish_stream, test_error_script, test_limits_of_a_client]
OWN = [test_determinism, test_restart, test_certificates, test_retention, test_rate, test_command]


def show(count):
    em = Emulator("--events", str(count))
    decode = Decoder(em)
    for topic in [*TOPICS, ORDERS]:
        for event in em.read_all(topic):
            print(json.dumps({"topic": topic, "replay_id": event.replay_id.hex(), "id": event.event.id,
                              "record": decode(event.event)[1]}, ensure_ascii=False))
    em.close()


def main():
    if sys.argv[1:2] == ["--list"]:
        return show(int(sys.argv[2]))
    return run_against(Emulator("--events", "3000", "--seed", "7"), SHARED + OWN)


if __name__ == "__main__":
    sys.exit(main())

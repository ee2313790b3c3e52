#!/usr/bin/env -S /usr/bin/python3 -B
"""What is done to the emulated org while clients are on it, and what it allows them: fields that come and go, enriched fields, events
made to order, quotas, patience, managed subscriptions. Held against the contract by a client that shares no code with it.
"""
import collections
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

import avro.schema
import grpc

from emulator_client import CUSTOM, EARLIEST, LATEST, M, Emulator, refused
from local_emulator import PROGRAM, run_tests
from org_client import ORDERS, Decoder, check_change, names_of, order


def test_schema_changes():
    """A field more or less is another schema id for the events from then on; those before keep theirs, over a restart too."""
    em = Emulator("--events", "300", "--objects", "Account,Order_Event__e", "--seed", "3",
                  "--add-field", "Account.Region__c:Text@100", "--drop-field", "Account.Fax@200")
    try:
        decode, seen = Decoder(em), []
        for event in em.read_all("/data/AccountChangeEvent"):
            schema, record = decode(event.event)
            check_change(schema, record, collections.Counter())
            if event.event.schema_id not in seen:
                seen.append(event.event.schema_id)
        assert len(seen) == 3, "the schemas must follow each other in order"
        names = [[f.name for f in decode.schemas[i].fields] for i in seen]
        assert names[1] == names[0] + ["Region__c"] and names[2] == [n for n in names[1] if n != "Fax"]
        assert names[2].index("Website") == names[0].index("Website") - 1, "what stands behind moves up: bitmaps mean other fields"
        assert em.topic("/data/AccountChangeEvent").schema_id == seen[2]
        assert json.loads(em.schema(seen[1]).schema_json)["fields"][-1]["doc"].startswith("Data:Text:00N")

        def change(**fields):
            return em.admin("POST", "/schema", json.dumps(fields))
        for status, fields in ((409, dict(object="Account", add="Region__c")), (409, dict(object="Account", drop="Fax")),
                               (409, dict(object="Account", drop="BillingAddress")), (409, dict(object="Account", add="x y__c")),
                               (409, dict(object="Account", drop="ChangeEventHeader")), (409, dict(object="Order_Event__e", drop="CreatedDate")),
                               (409, dict(object="Account", add="New__c", type="Nonsense")), (400, dict(object="Lead", add="New__c")),
                               (400, dict(object="Account"))):
            assert change(**fields)[0] == status, fields
        status, body, _ = change(object="Account", add="Score__c", type="Double")
        fourth = json.loads(body)["schema_id"]
        assert status == 200 and fourth not in seen and em.topic("/data/AccountChangeEvent").schema_id == fourth
        em.admin("POST", "/events", '{"count": 50, "object": "Account"}')
        assert {e.event.schema_id for e in em.read_all("/data/AccountChangeEvent")[-50:]} == {fourth}

        old = em.topic(ORDERS).schema_id
        payload = order(1, avro.schema.parse(em.schema(old).schema_json))
        assert change(object="Order_Event__e", add="Shop__c", type="Text")[0] == 200
        fresh = em.topic(ORDERS).schema_id
        publish = lambda i: em.unary("Publish", M["PublishRequest"](topic_name=ORDERS, events=[M["ProducerEvent"](
            schema_id=i, payload=payload)]), "PublishResponse").results[0]
        assert publish(old).replay_id and "Shop__c" in publish(fresh).error.msg, "each payload is read by the schema it names"

        raw = json.dumps({"schema_id": "raw-schema-1", "schema_json": em.schema(seen[0]).schema_json}) + "\n" + json.dumps(
            {"schema_id": "raw-schema-1", "payload_b64": "AA=="}) + "\n"
        assert em.admin("POST", "/events", raw)[0] == 200
        before = [(e.event.schema_id, em.schema(e.event.schema_id).schema_json) for e in em.read_all("/data/AccountChangeEvent")]
        em.stop()
        em.start()
        after = [(e.event.schema_id, em.schema(e.event.schema_id).schema_json) for e in em.read_all("/data/AccountChangeEvent")]
        assert after[:len(before)] == before and before[-1][0] == "raw-schema-1"
        assert {i for i, _ in after[len(before):]} == {fourth} and len(after) > len(before)
        assert em.topic(ORDERS).schema_id == fresh
    finally:
        em.close()


def test_enriched_fields():
    """On the channel an update or delete carries what the record's enriched fields hold, worked out here from the plain topics."""
    fields = {"Account": ["Name", "Industry", "Languages__pc"], "Contact": ["Email"]}
    em = Emulator("--events", "2500", "--seed", "11", "--enrich", ",".join(f"{o}.{f}" for o in fields for f in fields[o]))
    try:
        decode, known, want, filled = Decoder(em), {}, {}, collections.Counter()

        def follow(event):
            """What the channel must carry for an event of a plain topic."""
            schema, record = decode(event.event)
            header, full = record["ChangeEventHeader"], dict(record)
            kind, nulled = header["changeType"], names_of(schema.fields, header["nulledFields"])
            if kind.startswith("GAP"):
                return full
            for field in fields[header["entityName"]]:
                for r in header["recordIds"]:
                    if isinstance(record[field], dict) and kind not in ("CREATE", "UNDELETE"):
                        continue  # a name changed in part
                    if record[field] is not None or field in nulled or kind in ("CREATE", "UNDELETE"):
                        known[r, field] = record[field]
                values = [known.get((r, field)) for r in header["recordIds"]]
                if record[field] is None and field not in nulled and kind in ("UPDATE", "DELETE") and values.count(values[0]) == len(values):
                    full[field] = values[0]
                    filled[kind] += values[0] is not None
            return full

        def check():
            for topic in ("/data/AccountChangeEvent", "/data/ContactChangeEvent"):
                for event in em.read_all(topic):
                    if event.event.id not in want:
                        want[event.event.id] = (event.replay_id, follow(event))
            got = {e.event.id: (e.replay_id, decode(e.event)[1]) for e in em.read_all("/data/Crm__chn")}
            assert set(want) <= set(got)
            for i in want:
                assert got[i] == want[i], (got[i], want[i])
        check()
        assert filled["UPDATE"] > 100 and filled["DELETE"] > 10, filled
        em.stop()
        em.start()  # what the records hold is known again
        check()
        q = lambda text: json.loads(em.http("GET", "/services/data/v67.0/tooling/query?q=" + urllib.parse.quote_plus(text), headers={
            "Authorization": "Bearer " + em.access_token})[1])["records"]
        members = {m["Id"]: m["DeveloperName"] for m in q("SELECT Id,DeveloperName FROM PlatformEventChannelMember")}
        listed = sorted((members[r["ChannelMemberId"]], r["Field"]) for r in q("SELECT Field,ChannelMemberId FROM EnrichedField"))
        assert listed == [("Crm_chn_AccountChangeEvent", "00N5f00000Kz1B2"), ("Crm_chn_AccountChangeEvent", "Industry"),
                          ("Crm_chn_AccountChangeEvent", "Name"), ("Crm_chn_ContactChangeEvent", "Email")], listed
        em.faults("subscribe duplicate after 900 x1")
        twice = [i for i, n in collections.Counter(e.event.id for e in em.read_all("/data/Crm__chn")).items() if n > 1]
        assert len(twice) == 1
        pair = [decode(e.event)[1] for e in em.read_all("/data/Crm__chn") if e.event.id == twice[0]]
        assert pair[0] == pair[1], "an event that comes again is enriched again"
    finally:
        em.close()
    for bad in ("Account", "Account.Nope", "Lead.Name", "Account.BillingAddress", "Account.Description"):
        r = subprocess.run([PROGRAM, "--enrich", bad, "--", "true"], env=dict(os.environ, SFZB_HOME=tempfile.gettempdir() + "/sfzb-none"),
                           stderr=subprocess.PIPE, text=True)
        assert r.returncode == 2 and bad in r.stderr, (bad, r)


def test_events_to_order():
    """Events of one object and one change type: gaps, overflows, deletes of what is there."""
    em = Emulator("--objects", "Contact,Invoice__c,Order_Event__e")
    try:
        decode = Decoder(em)
        make = lambda **q: em.admin("POST", "/events", json.dumps(q))
        assert make(count=1, object="Contact", type="DELETE")[0] == 409, "there is no record yet"
        assert make(count=1, object="Account")[0] == make(count=1, type="NOPE")[0] == 400
        assert make(count=1, object="Order_Event__e", type="CREATE")[0] == 400
        for kind, count in (("CREATE", 5), ("UPDATE", 3), ("DELETE", 2), ("UNDELETE", 1), ("GAP_UPDATE", 4), ("GAP_OVERFLOW", 2)):
            assert make(count=count, object="Contact", type=kind)[0] == 200
        got = [decode(e.event)[1]["ChangeEventHeader"] for e in em.read_all("/data/ContactChangeEvent")]
        want = ["CREATE"] * 5 + ["UPDATE"] * 3 + ["DELETE"] * 2 + ["UNDELETE"] + ["GAP_UPDATE"] * 4 + ["GAP_OVERFLOW"] * 2
        assert [h["changeType"] for h in got] == want
        assert all(h["sequenceNumber"] == 1 for h in got if h["changeType"].startswith("GAP")) and not got[-1]["recordIds"]
        assert all(h["transactionKey"].startswith("0000") and uuid.UUID(h["transactionKey"]) for h in got)
        assert make(count=3, type="CREATE")[0] == 200 and em.read_all(ORDERS) == []
    finally:
        em.close()


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def limits(em):
    body = em.http("GET", "/services/data/v67.0/limits", headers={"Authorization": "Bearer " + em.access_token})[1]
    return json.loads(body)


def ended(stream):
    """How a stream ends, after what it still brings: (status, suffix of the error-code, words, events)."""
    events = []
    try:
        for m in stream:
            events += m.events
    except grpc.RpcError as e:
        code = dict(e.trailing_metadata() or ()).get("error-code", "")
        return e.code().name, code.split(".grpc.")[-1], e.details(), events
    return "OK", "", "", events


def test_quotas():
    """Each quota: what it leaves is what /limits says, its end is the vendor's error, and time gives it back."""
    em = Emulator("--events", "50", "--delivery-limit", "70", "--publish-limit", "5", "--api-limit", "12", "--clock-speed", "1")
    try:
        first = em.read_all("/data/ChangeEvents")
        assert limits(em)["DailyDeliveredPlatformEvents"] == dict(Max=70, Remaining=70 - len(first))
        twice = em.subscribe("/data/ChangeEvents")  # a second client of the same topic counts again
        status, code, words, events = ended(twice)
        assert (status, code) == ("RESOURCE_EXHAUSTED", "subscription.limit.exceeded"), (status, code)
        assert words.startswith("You have exceeded the event delivery limit for your org. rpcId: ")
        assert [e.replay_id for e in events] == [e.replay_id for e in first][:70 - len(first)]
        assert limits(em)["DailyDeliveredPlatformEvents"]["Remaining"] == 0
        assert ended(em.subscribe(ORDERS, LATEST))[:2] == ("RESOURCE_EXHAUSTED", "subscription.limit.exceeded")

        info = em.topic(ORDERS)
        schema = avro.schema.parse(em.schema(info.schema_id).schema_json)
        publish = lambda n: em.unary("Publish", M["PublishRequest"](topic_name=ORDERS, events=[
            M["ProducerEvent"](schema_id=info.schema_id, payload=order(i, schema)) for i in range(n)]), "PublishResponse").results
        assert [bool(r.replay_id) for r in publish(3)] == [True] * 3
        assert limits(em)["HourlyPublishedPlatformEvents"] == dict(Max=5, Remaining=2)
        results = publish(4)
        assert [bool(r.replay_id) for r in results] == [True, True, False, False] and "LIMIT_EXCEEDED" in results[2].error.msg
        assert limits(em)["HourlyPublishedPlatformEvents"]["Remaining"] == 0

        used = 0
        for _ in range(20):
            status, body, headers = em.http("GET", "/services/data/v67.0/limits", headers={"Authorization": "Bearer " + em.access_token})
            if status == 403:
                break
            used = headers["Sforce-Limit-Info"]
        assert used == "api-usage=12/12" and json.loads(body)[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED", (used, body)
    finally:
        em.close()
    em = Emulator("--events", "20", "--delivery-limit", "10", "--publish-limit", "0", "--clock-speed", "20000", "--token-lifetime", "1000000h",
                  "--retention", "1000000h")
    try:
        assert len(ended(em.subscribe("/data/ChangeEvents"))[3]) == 10
        until(lambda: limits(em)["DailyDeliveredPlatformEvents"]["Remaining"] == 10)  # 24 h in 4.3 s
    finally:
        em.close()


def test_retention_by_the_clock():
    """72 h of the emulated clock: what is older is gone, its replay ids are refused, EARLIEST starts behind it."""
    em = Emulator("--events", "30", "--clock-speed", "30000", "--token-lifetime", "1000000h")
    try:
        with em.subscribe("/data/ChangeEvents", EARLIEST, 1) as s:
            old = next(iter(s)).latest_replay_id
        until(lambda: em.read_all("/data/ChangeEvents") == [])
        text = refused("INVALID_ARGUMENT", "subscription.fetch.replayid.corrupted", em.subscribe, "/data/ChangeEvents", CUSTOM, 1, old)
        assert text.startswith("The Replay ID validation failed.")
        em.admin("POST", "/events", '{"count": 5, "object": "Account"}')
    finally:
        em.close()


def test_clients():
    """Subscriptions and publish streams count together; one that ends makes room."""
    em = Emulator("--events", "10", "--client-limit", "3")
    try:
        info = em.topic(ORDERS)
        schema = avro.schema.parse(em.schema(info.schema_id).schema_json)
        event = M["ProducerEvent"](schema_id=info.schema_id, payload=order(1, schema))
        publisher = lambda: em.stream("PublishStream", "PublishRequest", "PublishResponse", dict(topic_name=ORDERS, events=[event]))
        open_ones = [em.subscribe("/data/ChangeEvents", LATEST), em.subscribe(ORDERS, LATEST), publisher()]
        for s in open_ones:
            next(iter(s))
        for more in (lambda: em.subscribe(ORDERS, LATEST), publisher):
            refused("RESOURCE_EXHAUSTED", "concurrent.client.limit.exceeded", more)
        assert em.topic(ORDERS).topic_name, "unary calls are no streams"
        open_ones[0].__exit__()
        until(lambda: em.state()["salesforce"]["open_calls"] == 2)
        with em.subscribe("/data/ChangeEvents", LATEST) as s:
            next(iter(s))
        for s in open_ones[1:]:
            s.__exit__()
    finally:
        em.close()


def test_patience():
    """Without credit, without an event to publish, too many requests: how long the server looks on, and how it ends."""
    em = Emulator("--events", "10", "--zero-credit", "400ms", "--publish-idle", "4s", "--fetch-rate", "20")
    try:
        started = time.monotonic()
        status, _, _, events = ended(em.subscribe("/data/ChangeEvents", EARLIEST, 2))
        assert status == "OK" and len(events) == 2 and time.monotonic() - started >= 0.4
        info = em.topic(ORDERS)
        schema = avro.schema.parse(em.schema(info.schema_id).schema_json)
        started = time.monotonic()
        s = em.stream("PublishStream", "PublishRequest", "PublishResponse", dict(topic_name=ORDERS, events=[
            M["ProducerEvent"](schema_id=info.schema_id, payload=order(1, schema))]))
        assert next(iter(s)).results[0].replay_id
        try:
            next(iter(s))
            raise AssertionError("an answer without a request")
        except grpc.RpcError as e:
            assert e.code().name == "DEADLINE_EXCEEDED" and dict(e.trailing_metadata())["error-code"].endswith("publish.stream.sweeper.timeout")
        assert time.monotonic() - started >= 3.9
        s.__exit__()

        def hurried():
            s = em.subscribe(ORDERS, LATEST, 1)
            for _ in range(500):
                s.send(num_requested=1)
            return s
        refused("RESOURCE_EXHAUSTED", "service.protection.stream.limit.triggered", hurried)

        def nothing(**fields):
            s = em.subscribe(ORDERS, LATEST, 1)
            s.send(**fields)
            return s
        refused("INVALID_ARGUMENT", "subscription.fetch.request.invalid", nothing)
        refused("INVALID_ARGUMENT", "subscription.fetch.requested.events.invalid", nothing, num_requested=-1)
        refused("INVALID_ARGUMENT", "service.auth.refresh.invalid", nothing, num_requested=1, auth_refresh="x")
    finally:
        em.close()


def test_latest_is_late():
    """With --latest-delay the tip is fixed some time after the stream began: what comes between is missed, what comes later is not."""
    em = Emulator("--events", "10", "--latest-delay", "5s")
    try:
        with em.subscribe("/data/ChangeEvents", LATEST) as s:
            until(lambda: em.state()["salesforce"]["subscriptions"] == 1)
            em.admin("POST", "/events", '{"count": 5, "type": "CREATE", "object": "Account"}')
            m = next(iter(s))
            assert not m.events, "the first answer is a keepalive behind the events that were missed"
            em.admin("POST", "/events", '{"count": 3, "type": "CREATE", "object": "Contact"}')
            got = []
            while len(got) < 3:
                got += next(iter(s)).events
        assert len(got) == 3 and all(e.replay_id > m.latest_replay_id for e in got)
    finally:
        em.close()


def test_tokens_and_streams():
    """A session that times out ends the next call, not a stream; one that is revoked ends the stream too; with the option both do."""
    for args, outlives in (((), True), (("--token-ends-streams",), False)):
        em = Emulator("--events", "30", "--token-lifetime", "6s", *args)
        try:
            with em.subscribe("/data/ChangeEvents", EARLIEST, 3) as s:
                assert next(iter(s)).events
                until(lambda: em.http("GET", "/services/data/v67.0/limits", headers={"Authorization": "Bearer " + em.access_token})[0] == 401)
                refused("UNAUTHENTICATED", "service.auth.error", em.topic, ORDERS)
                s.send(num_requested=3)
                if outlives:
                    assert next(iter(s)).events
                    em.form("/services/oauth2/revoke", token=em.access_token)
                    s.send(num_requested=3)
                assert ended(s)[:2] == ("UNAUTHENTICATED", "service.auth.error")
        finally:
            em.close()


def managed(em, count=50, **fields):
    return em.stream("ManagedSubscribe", "ManagedFetchRequest", "ManagedFetchResponse", dict(fields or dict(developer_name="Account_Managed"),
                                                                                            num_requested=count))


def commit(s, replay_id, key=None):
    s.send(commit_replay_id_request=M["CommitReplayRequest"](commit_request_id=key or str(uuid.uuid4()), replay_id=replay_id))


def committed(s):
    """The next answer to a commit; events that come meanwhile are passed over."""
    for m in s:
        if m.HasField("commit_response"):
            return m.commit_response


def test_managed():
    """Resumes behind what was committed, over a restart too; commits are checked; the slot, the states, the 30 minutes."""
    em = Emulator("--events", "60", "--objects", "Account", "--managed-slot", "5s", "--commit-interval", "300ms")
    try:
        everything = em.read_all("/data/AccountChangeEvent")
        s = managed(em, 10)
        events = []
        while len(events) < 10:
            events += next(iter(s)).events
        assert [e.replay_id for e in events] == [e.replay_id for e in everything[:10]]
        for k in range(5):  # answered together: the answer carries the last of them
            commit(s, events[k].replay_id, f"key-{k}")
        answer = committed(s)
        while answer.commit_request_id != "key-4":
            answer = committed(s)
        assert not answer.HasField("error") and answer.replay_id == events[4].replay_id and answer.process_time > 0
        for replay in (b"", b"abc", everything[30].replay_id, events[1].replay_id):
            commit(s, replay)
            assert committed(s).error.code == 2, replay  # and the stream goes on
        refused("ALREADY_EXISTS", "managed.subscription.already.active", managed, em)
        commit(s, events[6].replay_id, "last")
        s.half_close()  # what waits for others to be answered with is answered now
        assert committed(s).commit_request_id == "last"
        assert ended(s)[0] == "OK"
        em.stop()
        em.start()
        s = managed(em, 1)
        assert next(iter(s)).events[0].replay_id == everything[7].replay_id, "behind what was committed before the restart"
        s.call.cancel()  # not in good order: the slot stays taken
        until(lambda: em.state()["salesforce"]["open_calls"] == 0)
        refused("ALREADY_EXISTS", "managed.subscription.already.active", managed, em)

        def free():
            with managed(em, 1) as s:
                return ended_or_event(s) != "ALREADY_EXISTS"

        def ended_or_event(s):
            try:
                next(iter(s))
                s.half_close()
                list(s)
                return "event"
            except grpc.RpcError as e:
                return e.code().name
        until(free)
        for fields, status, code in ((dict(developer_name="Nope"), "NOT_FOUND", "managed.subscription.developer.name.not.found"),
                                     (dict(subscription_id="18x5f0000000009AAA"), "NOT_FOUND", "managed.subscription.subscription.id.not.found"),
                                     (dict(subscription_id="18x"), "INVALID_ARGUMENT", "managed.subscription.subscription.id.invalid"),
                                     (dict(developer_name="A", subscription_id="B"), "INVALID_ARGUMENT", "managed.subscription.id.or.developer.name.empty"),
                                     (dict(developer_name="Stopped_Managed"), "FAILED_PRECONDITION", "managed.subscription.config.stopped")):
            refused(status, code, managed, em, 1, **fields)
        assert em.admin("POST", "/managed", '{"run": "Stopped_Managed"}')[0] == 204
        s = managed(em, 1, developer_name="Stopped_Managed")
        next(iter(s))
        em.admin("POST", "/managed", '{"delete": "Stopped_Managed"}')
        assert ended(s)[:2] == ("FAILED_PRECONDITION", "managed.subscription.config.deleted")
        refused("NOT_FOUND", "managed.subscription.developer.name.not.found", managed, em, 1, developer_name="Stopped_Managed")
        assert em.admin("POST", "/managed", '{"explode": "Account_Managed"}')[0] == 400
        # the committed place ages out: errorRecoveryReplay LATEST, and no word of it
        em.admin("POST", "/managed", '{"expire": "Account_Managed"}')
        s = managed(em, 5)
        assert not next(iter(s)).events
        s.half_close()
        list(s)
    finally:
        em.close()
    em = Emulator("--events", "5", "--objects", "Account", "--managed-patience", "500ms")
    try:
        status, _, words, events = ended(managed(em, 2))
        assert (status, len(events)) == ("DEADLINE_EXCEEDED", 2) and words.startswith(
            "No CommitReplayRequests sent in the last 1800 seconds. Closing managed subscription."), (status, words)
    finally:
        em.close()


def test_the_cut_connection():
    """From one port a client may have connections to several servers: the one that is cut is the call's."""
    em = Emulator("--events", "5")
    try:
        files = lambda: {int(f) for f in os.listdir(f"/proc/{em.process.pid}/fd")}

        def soon(what):  # where it is not, the test shows less, and no more
            for _ in range(100):
                if what():
                    return
                time.sleep(0.02)

        def own_end_of(port):
            for f in os.listdir("/proc/self/fd"):
                try:
                    with socket.socket(fileno=os.dup(int(f))) as s:
                        if s.getpeername()[1] == port:
                            return s.family, s.getsockname()
                except (OSError, IndexError):
                    pass
            raise AssertionError("no connection")
        zerobus = int(json.load(open(em.env["SFZB_HOME"] + "/profiles/emulator/databricks.json"))["ingest_endpoint"].rsplit(":", 1)[1])
        pubsub = int(em.settings["pubsub_endpoint"].rsplit(":", 1)[1])
        before = files()
        with socket.create_connection(("localhost", zerobus)):
            soon(lambda: files() - before)
            taken = files()
            em.topic(ORDERS)
        soon(lambda: taken - files())
        before = files()
        family, name = own_end_of(pubsub)
        with socket.socket(family) as other:  # it takes the descriptor that is free, and so is met first
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(name[:2])
            other.connect((name[0], zerobus))
            soon(lambda: files() - before)
            em.faults("get-topic cut x1")
            refused("UNAVAILABLE", None, em.topic, ORDERS)
            other.setblocking(False)
            try:
                raise AssertionError(f"cut: {other.recv(1)}")
            except BlockingIOError:
                pass
        assert em.topic(ORDERS).topic_name
        for host in ("127.0.0.1", "[::1]"):  # closed, and not only reset
            em.channel.close()
            em.channel = grpc.secure_channel(f"{host}:{pubsub}", grpc.ssl_channel_credentials(em.ca),
                                             options=[("grpc.use_local_subchannel_pool", 1)])
            em.faults("get-topic cut x1")
            refused("UNAVAILABLE", None, em.topic, ORDERS)
    finally:
        em.close()


def test_ends_while_it_makes_events():
    """SIGTERM is heeded before all events of --events are made, and while more are asked for."""
    with tempfile.TemporaryDirectory() as scratch:
        env = dict(os.environ, HOME=scratch, SFZB_HOME=scratch + "/home", TMPDIR=scratch)
        p = subprocess.Popen([PROGRAM, "-q", "--dir", scratch + "/state", "--events", "100000000", "--", "touch", scratch + "/ran"], env=env)
        try:
            until(lambda: os.path.exists(scratch + "/state/org.db") or p.poll() is not None)
            p.terminate()
            assert p.wait(120) == 128 + 15 and not os.path.exists(scratch + "/ran")
        finally:
            p.kill()
    em = Emulator()
    try:
        def ask():
            try:
                em.admin("POST", "/events", '{"count": 100000000}')
            except OSError:  # the answer may come too late
                pass
        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: em.state()["salesforce"]["published"] > 0)
        em.stop()
        asking.join()
    finally:
        em.close()


def test_rest_pages():
    """Query answers in pages that follow each other; locators, versions, objects by version, one row with Metadata."""
    em = Emulator("--events", "4000", "--objects", "Account", "--seed", "2")
    try:
        def get(path, **headers):
            status, body, _ = em.http("GET", path, headers=dict({"Authorization": "Bearer " + em.access_token}, **headers))
            return status, json.loads(body)
        total = get("/services/data/v67.0/query?q=SELECT+COUNT()+FROM+Account")[1]["totalSize"]
        assert total > 400
        for size, pages in ((1, 200), (250, 250), (9999, 2000)):
            status, j = get("/services/data/v67.0/query?q=SELECT+Id+FROM+Account", **{"Sforce-Query-Options": f"batchSize={size}"})
            ids = []
            while True:
                assert status == 200 and j["totalSize"] == total and len(j["records"]) <= pages
                ids += [r["Id"] for r in j["records"]]
                if j["done"]:
                    break
                assert len(j["records"]) == pages
                status, j = get(j["nextRecordsUrl"])
            assert len(ids) == len(set(ids)) == total and "nextRecordsUrl" not in j
        first = get("/services/data/v67.0/query?q=SELECT+Id+FROM+Account", **{"Sforce-Query-Options": "batchSize=200"})[1]["nextRecordsUrl"]
        assert get(first)[0] == 200
        for _ in range(10):
            get("/services/data/v67.0/query?q=SELECT+Id+FROM+Account", **{"Sforce-Query-Options": "batchSize=200"})
        for url in (first, "/services/data/v67.0/query/01g5f0000000001AAA-200", "/services/data/v67.0/query/x-1", first[:-3] + "99999"):
            status, j = get(url)
            assert (status, j[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR"), (url, j)
        assert get("/services/data/v20.0/limits")[0] == 410 and get("/services/data/v68.0/limits")[0] == get("/services/data/vx/limits")[0] == 404
        tooling = lambda version, q: get(f"/services/data/v{version}.0/tooling/query?q=" + urllib.parse.quote_plus(q))
        for table, since in (("PlatformEventChannelMember", 47), ("EnrichedField", 51), ("ManagedEventSubscription", 60)):
            assert tooling(since, f"SELECT Id FROM {table}")[0] == 200
            status, j = tooling(since - 1, f"SELECT Id FROM {table}")
            assert (status, j[0]["errorCode"]) == (400, "INVALID_TYPE")
        filters = "SELECT Id,FilterExpression FROM PlatformEventChannelMember"
        assert tooling(56, filters)[0] == 200 and tooling(55, "SELECT Id FROM PlatformEventChannelMember")[0] == 200
        status, j = tooling(55, filters)
        assert (status, j[0]["errorCode"]) == (400, "INVALID_FIELD") and "FilterExpression" in j[0]["message"]
        status, j = tooling(67, "SELECT Id,Metadata FROM ManagedEventSubscription")
        assert (status, j[0]["errorCode"]) == (400, "MALFORMED_QUERY") and "no more than one row" in j[0]["message"]
        status, j = tooling(67, "SELECT Id,Metadata FROM ManagedEventSubscription WHERE DeveloperName='Order_Managed' LIMIT 1")
        assert j["records"][0]["Metadata"]["topicName"] == ORDERS
    finally:
        em.close()


TESTS = [test_schema_changes, test_enriched_fields, test_events_to_order, test_quotas, test_retention_by_the_clock,
         test_clients, test_patience, test_latest_is_late, test_tokens_and_streams, test_managed,
         test_the_cut_connection, test_ends_while_it_makes_events, test_rest_pages]

if __name__ == "__main__":
    sys.exit(run_tests(TESTS))

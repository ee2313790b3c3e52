#!/usr/bin/env -S /usr/bin/python3 -B
"""Zerobus in the emulator, held against the contract by a client that shares no code with it: what is refused, order, recovery, limits."""
import json
import sys
import time

from events_table import EVENT, EVENT_DESCRIPTOR, EVENTS, create_events, event, expect, ids_of, other
from local_emulator import run_against
from zerobus_client import JSON, PROTO, Emulator, ingest_all

# --- what is refused -------------------------------------------------------------------------------------


def variant(change):
    """The event's descriptor, changed."""
    d = type(EVENT_DESCRIPTOR["Event"])()
    d.CopyFrom(EVENT_DESCRIPTOR["Event"])
    change(d)
    return d


def test_refused_at_open(em):
    create_events(em)
    good = EVENT_DESCRIPTOR["Event"]

    def relative(d):
        d.nested_type.add(name="Sub")
        d.field.add(name="body2", number=20, type=11, label=1, type_name="Sub")

    em.sql("CREATE TABLE IF NOT EXISTS main.crm.nested (event_id STRING NOT NULL, sub STRUCT<a: INT>)")
    sub = other("message Event { required string event_id = 1; message Sub { optional int32 a = 1; } optional Sub sub = 2; }")
    em.open("main.crm.nested", PROTO, sub).finish()
    for bad in ("Sub", ".Other.Sub", ".Event.None", ".google.protobuf.Duration"):
        d = type(sub)()
        d.CopyFrom(sub)
        d.field[1].type_name = bad
        e = expect("INVALID_ARGUMENT", "Error Code: 4033", em.open, "main.crm.nested", PROTO, d)
        assert bad in e.words and "sub" in e.words
    for change, words in (
            (lambda d: d.field.add(name="nope", number=30, type=9, label=1), '"nope"'),
            (lambda d: d.field.remove(d.field[0]), 'column "event_id" is NOT NULL'),
            (lambda d: setattr(d.field[1], "type", 5), 'field "n" of the descriptor is int32'),
            (lambda d: setattr(d.field[1], "type", 14), 'is enum'),
            (lambda d: setattr(d.field[2], "label", 1), "not repeated"),
            (lambda d: setattr(d.field[1], "label", 3), "repeated"),
            (lambda d: setattr(d.field[1], "number", 19000), "19000"),
            (lambda d: setattr(d.field[1], "number", 9), "have number 9"),
            (lambda d: setattr(d.field[1], "name", "N"), '"N"')):
        e = expect("INVALID_ARGUMENT", words, em.open, EVENTS, PROTO, variant(change))
        assert e.details and b"google.rpc.ErrorInfo" in e.details and b"SCHEMA_MISMATCH" in e.details
    expect("INVALID_ARGUMENT", "DescriptorProto", em.open, EVENTS, PROTO, b"\xff\xff")
    expect("INVALID_ARGUMENT", "DescriptorProto", em.open, EVENTS, PROTO)
    expect("INVALID_ARGUMENT", "record_type", em.open, EVENTS, 0, good)
    expect("NOT_FOUND", "main.crm.none", em.open, "main.crm.none", PROTO, good)
    expect("INVALID_ARGUMENT", "another", em.open, EVENTS, PROTO, good, header="main.crm.none", token=em.zerobus_token("main.crm.none"))
    expect("PERMISSION_DENIED", "main.crm.none", em.open, EVENTS, PROTO, good, token=em.zerobus_token("main.crm.none"))
    expect("UNAUTHENTICATED", "not issued for Zerobus", em.open, EVENTS, PROTO, good, token=em.plain_token())
    expect("UNAUTHENTICATED", "not valid", em.open, EVENTS, PROTO, good, token="x")
    expect("UNAUTHENTICATED", "no authorization", em.open, EVENTS, PROTO, good, token="")
    em.open(EVENTS, PROTO, good, token=em.zerobus_token(EVENTS, operations=False)).finish()
    em.open(EVENTS, PROTO, variant(lambda d: d.field.remove(d.field[3]))).finish()
    em.sql("CREATE TABLE main.crm.tracked (a STRING) TBLPROPERTIES ('delta.enableRowTracking' = 'true')")
    expect("UNIMPLEMENTED", "1022", em.open, "main.crm.tracked", JSON)
    em.sql(f"REVOKE MODIFY ON TABLE {EVENTS} FROM `{em.settings['client_id']}`")
    expect("PERMISSION_DENIED", "MODIFY", em.open, EVENTS, PROTO, good)
    em.sql(f"GRANT MODIFY ON TABLE {EVENTS} TO `{em.settings['client_id']}`")


def test_refused_in_stream(em):
    em.sql(f"DROP TABLE IF EXISTS {EVENTS}")
    create_events(em)

    def attempt(words, bad, record_type=PROTO, before=2):
        """A request after good ones: those are acknowledged, it is refused, and nothing of it is stored."""
        em.sql(f"DELETE FROM {EVENTS}")
        s = em.open(EVENTS, record_type, EVENT_DESCRIPTOR["Event"] if record_type == PROTO else None)
        for i in range(before):
            s.one(event(i) if record_type == PROTO else json.dumps({"event_id": f"e{i}"}))
        bad(s)
        expect("INVALID_ARGUMENT", words, s.wait, 99)
        assert s.acked == before - 1, s.acked
        s.drop()
        assert sorted(r["event_id"] for r in em.rows(EVENTS, "event_id")) == [f"e{i}" for i in range(before)]

    attempt("4002", lambda s: s.one(event(9), offset=3))
    attempt("4002", lambda s: s.one(event(9), offset=1))
    attempt("4002", lambda s: s.one(event(9), offset=1), before=0)
    attempt('"event_id": required', lambda s: s.one(b""))
    attempt("not decodable", lambda s: s.one(b"\x4a\x05ab"))
    attempt("field number 77", lambda s: s.one(event(9) + b"\xe8\x04\x01"))
    attempt('"n": wire type', lambda s: s.one(event(9) + b"\x1a\x00"))
    attempt("UTF-8", lambda s: s.one(b"\x4a\x02\xc3\x28"))
    attempt("record 1 of the batch", lambda s: s.batch([event(8), b"", event(9)]))
    attempt("PROTO records", lambda s: s.one('{"event_id":"x"}'))
    attempt("empty", lambda s: s.send(b"\x1a\x04\x08\x02\x12\x00"))
    attempt("JSON records", lambda s: s.one(event(9)), JSON)
    for record, words in (('{"event_id":1}', '"event_id"'), ('{"event_id":null}', "required"), ("{}", "required"), ("[]", "object"), ("{", "not JSON"),
                          ('{"event_id":"a","x":1}', '"x"'), ('{"event_id":"a","event_id":"b"}', "twice"), ('{"event_id":"a","small":128}', "128"),
                          ('{"event_id":"a","n":1.5}', '"n"'), ('{"event_id":"a","n":9223372036854775808}', '"n"'),
                          ('{"event_id":"a","tags":"x"}', '"tags"'), ('{"event_id":"a","tags":[1]}', '"tags"')):
        attempt(words if words != "not JSON" else "offset 2", lambda s: s.one(record), JSON)
    s = em.open(EVENTS, JSON)
    s.batch(['{"event_id":"a","n":9223372036854775807,"tags":[],"small":-128}', '{"event_id":"b"}'])
    s.finish()
    s = em.open(EVENTS, PROTO, EVENT_DESCRIPTOR["Event"])
    s.one(event(1, body="x" * (11 << 20)))
    expect("RESOURCE_EXHAUSTED", "", s.wait, 0)
    s.drop()


# --- streaming ---------------------------------------------------------------------------------------------


def test_order_and_acknowledgements(em):
    em.sql(f"DROP TABLE IF EXISTS {EVENTS}")
    create_events(em)
    s = em.open(EVENTS, PROTO, EVENT_DESCRIPTOR["Event"])
    want = []
    for i in range(300):
        records = [EVENT["Event"](event_id=f"{i}.{k}").SerializeToString() for k in range(i % 7 + 1)]
        want += [f"{i}.{k}" for k in range(i % 7 + 1)]
        if len(records) == 1:
            s.one(records[0])
        else:
            s.batch(records)
    s.wait(299)
    assert ids_of(em) == want
    assert em.sql(f"SELECT count(*) FROM {EVENTS}") == [[str(len(want))]]
    s.finish()
    state = json.loads(em.admin("GET", "/state"))["databricks"]["zerobus"]
    assert state["acknowledgements"] <= state["requests"], state


def look_up(em, id_of):
    def f(batch):
        ids = {id_of(r): r for r in batch}
        # what the broken stream left with the server may still be on its way into the table
        while True:
            now = json.loads(em.admin("GET", "/state"))["databricks"]["zerobus"]
            if now["open"] == 0 and now["storing"] == 0:
                break
            time.sleep(0.02)
        found = em.sql(f"SELECT event_id FROM {EVENTS} WHERE array_contains(from_json(:ids, 'array<string>'), event_id)",
                       [dict(name="ids", value=json.dumps(list(ids)), type="STRING")])
        for one, in found:
            ids.pop(one)
        return list(ids.values())
    return f


def test_recovery(em):
    forms = (PROTO, EVENT_DESCRIPTOR["Event"], lambda i, n: EVENT["Event"](event_id=i, n=n).SerializeToString(),
             lambda r: EVENT["Event"].FromString(r).event_id), \
            (JSON, None, lambda i, n: json.dumps({"event_id": i, "n": n}), lambda r: json.loads(r)["event_id"])
    for form in forms:
        recover(em, *form)


def recover(em, record_type, descriptor, encode, id_of):
    batches = [[encode(f"{b}-{i}", b) for i in range(20)] for b in range(60)]
    want = sorted(f"{b}-{i}" for b in range(60) for i in range(20))
    try:
        # at least and at most so many streams: a lost acknowledgement may have been for all that was left
        for script, least, most in (("ingest cut after 25 x2", 3, 3), ("ingest lose-ack after 10 x3", 1, 4), ("ingest UNAVAILABLE x2", 3, 3),
                                    ("ingest INTERNAL after 40 x1", 2, 2), ("ingest close-signal 300ms after 30 x1", 1, 2),
                                    ("ingest ack-delay 50ms", 1, 1)):
            em.sql(f"DROP TABLE IF EXISTS {EVENTS}")
            create_events(em)
            em.faults(script)
            took = ingest_all(em, EVENTS, batches, record_type, descriptor, look_up(em, id_of))
            assert least <= took <= most, (script, record_type, took)
            assert sorted(ids_of(em)) == want, (script, record_type)
    finally:
        em.admin("DELETE", "/faults")


def test_table_changes_under_a_stream(em):
    em.sql(f"DROP TABLE IF EXISTS {EVENTS}")
    create_events(em)
    s = em.open(EVENTS, PROTO, EVENT_DESCRIPTOR["Event"])
    s.wait(s.one(event(1)))
    em.sql(f"ALTER TABLE {EVENTS} ADD COLUMNS (later STRING)")
    s.wait(s.one(event(2)))
    em.sql(f"ALTER TABLE {EVENTS} DROP COLUMN body")
    at = s.one(event(3))
    expect("INVALID_ARGUMENT", '"body"', s.wait, at)
    s.drop()
    expect("INVALID_ARGUMENT", '"body"', em.open, EVENTS, PROTO, EVENT_DESCRIPTOR["Event"])
    s = em.open(EVENTS, JSON)
    s.wait(s.one('{"event_id":"j","later":"x"}'))
    em.sql(f"DROP TABLE {EVENTS}")
    expect("NOT_FOUND", EVENTS, s.wait, s.one('{"event_id":"k"}'))
    s.drop()
    create_events(em)
    assert ids_of(em) == []


# --- tests with an emulator of their own ---------------------------------------------------------------------


def test_limits_of_a_stream(_):
    """Too many records a second, too many streams a minute, a silent stream, a token that ends, a poll that is behind."""
    em = Emulator("--ingest-rate", "50", "--ingest-opens", "6", "--ingest-idle", "5s", "--poll-lag", "3s")
    try:
        create_events(em)
        s = em.open(EVENTS, PROTO, EVENT_DESCRIPTOR["Event"])
        s.wait(s.batch([event(i) for i in range(20)]))
        s.batch([event(i) for i in range(20, 80)])
        expect("RESOURCE_EXHAUSTED", "records a second", s.wait, 1)
        s.drop()
        assert len(ids_of(em)) == 20, "the batch that was too much is not stored"
        s = em.open(EVENTS, PROTO, EVENT_DESCRIPTOR["Event"])
        silent = time.monotonic()
        s.wait(s.one(event(99)))
        try:
            next(s.call)
            raise AssertionError("a message on a silent stream")
        except StopIteration:
            assert time.monotonic() - silent >= 4.9  # it ends with OK
        s.drop()
        for _ in range(4):
            em.open(EVENTS, PROTO, EVENT_DESCRIPTOR["Event"]).finish()
        expect("RESOURCE_EXHAUSTED", "within a minute", em.open, EVENTS, PROTO, EVENT_DESCRIPTOR["Event"])
        em.sql("CREATE TABLE main.crm.another (event_id STRING)")
        em.open("main.crm.another", JSON).finish()

        started = time.monotonic()
        j = em.statement("SELECT 1", wait_timeout="0s")[1]
        path, states = "/api/2.0/sql/statements/" + j["statement_id"], []
        while not states or states[-1] not in ("SUCCEEDED", "FAILED"):
            states.append(em.rest("GET", path)[1]["status"]["state"])
            time.sleep(0.05)
        assert states[-1] == "SUCCEEDED" and time.monotonic() - started >= 2.9, states
        assert em.sql("SELECT 2") == [["2"]], "the answer to the POST itself is not behind"
    finally:
        em.close()
    for args, outlives in (((), True), (("--token-ends-streams",), False)):
        em = Emulator("--token-lifetime", "8s", *args)
        try:
            create_events(em)
            s = em.open(EVENTS, PROTO, EVENT_DESCRIPTOR["Event"])
            s.wait(s.one(event(1)))
            em.bearer = em.plain_token()
            while em.rest("GET", "/api/2.0/preview/scim/v2/Me")[0] == 200:
                time.sleep(0.05)
            expect("UNAUTHENTICATED", "expired", em.open, EVENTS, PROTO, EVENT_DESCRIPTOR["Event"], token=em.last_token)
            at = s.one(event(2))
            if outlives:
                s.wait(at)
                s.finish()
            else:
                expect("UNAUTHENTICATED", "expired", s.wait, at)
                s.drop()
            assert len(ids_of(em)) == 1 + outlives
        finally:
            em.close()


def test_killed(_):
    """What was acknowledged is there after a SIGKILL, in order and without a gap."""
    em = Emulator()
    try:
        create_events(em)
        for n in range(5):
            s = em.open(EVENTS, PROTO, EVENT_DESCRIPTOR["Event"])
            for i in range(400):
                s.one(EVENT["Event"](event_id=f"{n}-{i}").SerializeToString())
            s.wait(60 + 50 * n)
            em.process.kill()
            em.process.wait()
            acked = s.acked
            s.drop()
            em.start()
            got = [x for x in ids_of(em) if x.startswith(f"{n}-")]
            assert got == [f"{n}-{i}" for i in range(len(got))] and len(got) > acked, (acked, len(got))
    finally:
        em.close()


TESTS = [test_refused_at_open, test_refused_in_stream, test_order_and_acknowledgements, test_recovery, test_table_changes_under_a_stream,
         test_limits_of_a_stream, test_killed]

if __name__ == "__main__":
    sys.exit(run_against(Emulator(), TESTS))

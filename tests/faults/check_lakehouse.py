#!/usr/bin/env -S /usr/bin/python3 -B
"""The Databricks half of the emulator, held against the contract by a client that shares no code with it.

Each test function is one line of the result.
"""
import base64
import json
import math
import sys
import time
import traceback

from zerobus_client import JSON, PROTO, Emulator, Refused, compile_proto, ingest_all

EVENTS = "main.crm.events"


def expect(code, words, f, *args, **more):
    try:
        f(*args, **more)
    except Refused as e:
        assert e.code == code and words in e.words, (code, words, str(e))
        return e
    raise AssertionError(f"not refused: {code} {words}")


# --- one table of every type, nested three deep ------------------------------------------------------

TYPES = [("bo", "BOOLEAN", "bool"), ("t", "TINYINT", "int32"), ("s", "SMALLINT", "int32"), ("i", "INT", "int32"),
         ("l", "BIGINT", "int64"), ("f", "FLOAT", "float"), ("d", "DOUBLE", "double"), ("de", "DECIMAL(20,4)", "string"),
         ("st", "STRING", "string"), ("vc", "VARCHAR(5)", "string"), ("b", "BINARY", "bytes"), ("da", "DATE", "int32"),
         ("ts", "TIMESTAMP", "int64"), ("tn", "TIMESTAMP_NTZ", "int64"), ("va", "VARIANT", "string")]
# what goes in, what comes out of a SELECT *, and what to_json shows
VALUES = {"bo": (True, "true", True), "t": (-128, "-128", -128), "s": (32767, "32767", 32767),
          "i": (-2147483648, "-2147483648", -2147483648), "l": (9007199254740993, "9007199254740993", 9007199254740993),
          "f": (0.1, "0.1", 0.1), "d": (1e-300, "1e-300", 1e-300), "de": ("-1234567890123456.789", "-1234567890123456.7890",
          -1234567890123456.7890), "st": ("a\u00e4\U0001f600\n\"q\"", "a\u00e4\U0001f600\n\"q\"", "a\u00e4\U0001f600\n\"q\""),
          "vc": ("\u00e4bcde", "\u00e4bcde", "\u00e4bcde"), "b": (b"\x00\xff\x01", "AP8B", "AP8B"), "da": (-1, "1969-12-31", "1969-12-31"),
          "ts": (-1, "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
          "tn": (1793527200000000, "2026-11-01T10:00:00.000", "2026-11-01T10:00:00.000"),
          "va": ('{"k":[1,null,{"x":1.50}]}', '{"k":[1,null,{"x":1.50}]}', {"k": [1, None, {"x": 1.5}]})}


def struct_ddl(depth):
    scalars = ", ".join(f"{n}: {ddl}" for n, ddl, _ in TYPES)
    if depth == 0:
        return f"STRUCT<{scalars}>"
    inner = struct_ddl(depth - 1)
    return f"STRUCT<{scalars}, inner: {inner}, many: ARRAY<{inner}>, by: MAP<STRING, {inner}>, tags: ARRAY<STRING>>"


def message(name, depth, top=False):
    lines, n = [], 1
    for field, _, kind in TYPES:
        lines.append(f"optional {kind} {field} = {n};")
        n += 1
    if top:
        lines.append("required int64 id = 100;")
    if depth > 0:
        lines.append(message("Inner", depth - 1))
        for label, field in (("optional Inner", "inner"), ("repeated Inner", "many"), ("map<string, Inner>", "by"), ("repeated string", "tags")):
            lines.append(f"{label} {field} = {n};")
            n += 1
    if top:
        arrays = [f"repeated {kind} a_{field} = {200 + k};" for k, (field, _, kind) in enumerate(TYPES)]
        maps = [f"map<{key}, string> m_{key} = {300 + k};" for k, key in enumerate(("int32", "int64", "bool", "string"))]
        lines += arrays + maps
    return f"message {name} {{ " + " ".join(lines) + " }"


def fill(m, depth, top=False):
    for field, _, _ in TYPES:
        setattr(m, field, VALUES[field][0])
    if depth > 0:
        fill(m.inner, depth - 1)
        for _ in range(2):
            fill(m.many.add(), depth - 1)
        fill(m.by["k.\"1"], depth - 1)
        m.tags.extend(["", "x,y"])
    if top:
        for field, _, _ in TYPES:
            getattr(m, "a_" + field).extend([VALUES[field][0]] * 2)
        m.m_int32[-1] = "a"
        m.m_int64[9007199254740993] = "b"
        m.m_bool[True] = "c"
        m.m_string["z"] = "d"


def as_json(depth, top=False):
    """The same record for JSON."""
    def one(field):
        v = VALUES[field][0]
        return base64.b64encode(v).decode() if isinstance(v, bytes) else v
    out = {field: one(field) for field, _, _ in TYPES}
    if depth > 0:
        out.update(inner=as_json(depth - 1), many=[as_json(depth - 1)] * 2, by={"k.\"1": as_json(depth - 1)}, tags=["", "x,y"])
    if top:
        out.update({"a_" + field: [one(field)] * 2 for field, _, _ in TYPES})
        out.update(m_int32={"-1": "a"}, m_int64={"9007199254740993": "b"}, m_bool={"true": "c"}, m_string={"z": "d"})
    return out


def shown(depth):
    out = {field: VALUES[field][2] for field, _, _ in TYPES}
    if depth > 0:
        out.update(inner=shown(depth - 1), many=[shown(depth - 1)] * 2, by={"k.\"1": shown(depth - 1)}, tags=["", "x,y"])
    return out


DEPTH = 3
CLASSES, DESCRIPTORS = compile_proto('syntax = "proto2"; ' + message("Row", DEPTH, top=True))


def test_every_type_nested(em):
    scalars = ", ".join(f"{n} {ddl}" for n, ddl, _ in TYPES)
    inner = struct_ddl(DEPTH - 1)
    arrays = ", ".join(f"a_{n} ARRAY<{ddl}>" for n, ddl, _ in TYPES)
    em.sql(f"CREATE TABLE main.crm.types ({scalars}, id BIGINT NOT NULL, inner {inner}, many ARRAY<{inner}>, by MAP<STRING, {inner}>,"
           f" tags ARRAY<STRING>, {arrays}, m_int32 MAP<INT,STRING>, m_int64 MAP<BIGINT,STRING>, m_bool MAP<BOOLEAN,STRING>,"
           " m_string MAP<STRING,STRING>) USING DELTA")
    row = CLASSES["Row"](id=1)
    fill(row, DEPTH, top=True)
    s = em.open("main.crm.types", PROTO, DESCRIPTORS["Row"])
    s.one(row.SerializeToString())
    s.one(CLASSES["Row"](id=2).SerializeToString())  # all else absent: null
    s.finish()
    s = em.open("main.crm.types", JSON)
    s.one(json.dumps(dict(as_json(DEPTH, top=True), id=3)))
    s.one('{"id":4,"inner":null}')
    s.finish()

    names = ", ".join(n for n, _, _ in TYPES)
    complete, empty = [VALUES[n][1] for n, _, _ in TYPES], [None] * len(TYPES)
    assert em.sql(f"SELECT {names} FROM main.crm.types ORDER BY id") == [complete, empty, complete, empty]
    nested = em.sql("SELECT to_json(inner), to_json(many), to_json(by), to_json(tags) FROM main.crm.types ORDER BY id")
    want = [shown(DEPTH - 1), [shown(DEPTH - 1)] * 2, {"k.\"1": shown(DEPTH - 1)}, ["", "x,y"]]
    for got in (nested[0], nested[2]):
        assert [json.loads(x) for x in got] == want, got
    assert nested[1] == nested[3] == [None] * 4
    deepest = em.sql("SELECT inner.inner.inner.ts, inner.many[1].inner.l, hex(inner.inner.inner.b) FROM main.crm.types WHERE id = 1")
    assert deepest == [["1969-12-31T23:59:59.999999Z", "9007199254740993", "00FF01"]], deepest
    for n, _, _ in TYPES:
        got = [json.loads(x) for x, in em.sql(f"SELECT to_json(a_{n}) FROM main.crm.types WHERE a_{n} IS NOT NULL")]
        assert got == [[VALUES[n][2]] * 2] * 2, (n, got)
    maps = em.sql("SELECT to_json(m_int32), to_json(m_int64), to_json(m_bool), to_json(m_string) FROM main.crm.types WHERE id IN (1, 3)")
    assert maps == [['{"-1":"a"}', '{"9007199254740993":"b"}', '{"true":"c"}', '{"z":"d"}']] * 2, maps
    table = em.rest("GET", "/api/2.1/unity-catalog/tables/main.crm.types")[1]
    columns = {c["name"]: c for c in table["columns"]}
    assert columns["id"]["nullable"] is False and columns["b"]["type_name"] == "BINARY" and columns["l"]["type_text"] == "bigint"
    assert json.loads(columns["vc"]["type_json"])["metadata"]["__CHAR_VARCHAR_TYPE_STRING"] == "varchar(5)"
    assert json.loads(columns["inner"]["type_json"])["type"]["fields"][0] == dict(name="bo", type="boolean", nullable=True, metadata={})


def test_special_numbers(em):
    em.sql("CREATE TABLE main.crm.numbers (id BIGINT, d DOUBLE, f FLOAT)")
    classes, descriptors = compile_proto('syntax = "proto2"; message Row { optional int64 id = 1; optional double d = 2; optional float f = 3; }')
    s = em.open("main.crm.numbers", PROTO, descriptors["Row"])
    for i, v in enumerate((math.nan, math.inf, -math.inf, -0.0, 5e-324)):
        s.one(classes["Row"](id=i, d=v, f=v).SerializeToString())
    s.finish()
    assert em.sql("SELECT d, f FROM main.crm.numbers ORDER BY id") == [
        ["NaN", "NaN"], ["Infinity", "Infinity"], ["-Infinity", "-Infinity"], ["-0.0", "-0.0"], ["5e-324", "0.0"]]


# --- what is refused -------------------------------------------------------------------------------------

EVENT_PROTO = """syntax = "proto2"; message Event { required string event_id = 9; optional int64 n = 3; repeated string tags = 5;
    optional string body = 4; }"""
EVENT, EVENT_DESCRIPTOR = compile_proto(EVENT_PROTO)


def create_events(em, table=EVENTS):
    em.sql(f"CREATE TABLE IF NOT EXISTS {table} (event_id STRING NOT NULL, n BIGINT, tags ARRAY<STRING>, body STRING, small TINYINT)")


def event(i, **more):
    return EVENT["Event"](**dict(dict(event_id=f"e{i}", n=i), **more)).SerializeToString()


def variant(change):
    """The event's descriptor, changed."""
    d = type(EVENT_DESCRIPTOR["Event"])()
    d.CopyFrom(EVENT_DESCRIPTOR["Event"])
    change(d)
    return d


def other(text):
    return compile_proto('syntax = "proto2"; ' + text)[1]["Event"]


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

def ids_of(em, table=EVENTS):
    return [r["event_id"] for r in em.rows(table, "event_id")]


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


# --- SQL and REST --------------------------------------------------------------------------------------------

def test_statements(em):
    status, j = em.statement("SELECT * FROM (VALUES (1, 'a')) AS t(n, s)")
    assert status == 200 and j["manifest"]["schema"]["columns"][0] == dict(name="n", type_text="INT", type_name="INT", position=0)
    assert j["manifest"]["total_row_count"] == 1 and j["result"]["data_array"] == [["1", "a"]]
    status, j = em.statement("SELECT * FROM main.crm.missing")
    assert status == 200 and j["status"]["state"] == "FAILED" and j["status"]["sql_state"] == "42P01"
    assert j["status"]["error"]["error_code"] == "BAD_REQUEST" and "[TABLE_OR_VIEW_NOT_FOUND]" in j["status"]["error"]["message"]
    em.sql("CREATE TABLE main.crm.wide (id BIGINT, text STRING)")
    s = em.open("main.crm.wide", JSON)
    for b in range(12):
        s.batch([json.dumps(dict(id=b * 100 + i, text="\u00e4" * 5000)) for i in range(100)])
    s.finish()
    status, j = em.statement("SELECT * FROM main.crm.wide ORDER BY id")
    assert j["manifest"]["total_chunk_count"] == len(j["manifest"]["chunks"]) > 2, j["manifest"]
    assert [int(r[0]) for r in em.sql("SELECT * FROM main.crm.wide ORDER BY id")] == list(range(1200))
    j = em.statement("SELECT id FROM main.crm.wide", row_limit=7)[1]
    assert j["manifest"]["truncated"] is True and j["manifest"]["total_row_count"] == 7
    j = em.statement("SELECT a.text, b.text FROM main.crm.wide a CROSS JOIN main.crm.wide b")[1]
    assert j["status"]["state"] == "FAILED" and "Inline byte limit" in j["status"]["error"]["message"]
    assert em.statement("SELECT :x, :y", [dict(name="x", value="5", type="INT"), dict(name="y")])[1]["result"]["data_array"] == [["5", None]]
    long = "WITH n AS (SELECT id FROM main.crm.wide) SELECT count(*) FROM n a, n b, n c, n d"
    status, j = em.statement(long, wait_timeout="0s")
    assert j["status"]["state"] in ("PENDING", "RUNNING"), j
    path = "/api/2.0/sql/statements/" + j["statement_id"]
    assert em.rest("POST", path + "/cancel")[0] == 200
    for _ in range(1200):
        j = em.rest("GET", path)[1]
        if j["status"]["state"] == "CANCELED":
            break
        time.sleep(0.05)
    assert j["status"]["state"] == "CANCELED", j
    assert em.rest("GET", "/api/2.0/sql/statements/nope")[0] == 404
    for more in (dict(wait_timeout="3s"), dict(format="CSV"), dict(disposition="EXTERNAL_LINKS"), dict(statement="")):
        status, j = em.statement("SELECT 1", **more) if "statement" not in more else em.statement("")
        assert status == 400 and j["error_code"] == "INVALID_PARAMETER_VALUE", j


def test_tokens_and_catalog(em):
    status, body, _ = em.token_answer(password="no")
    assert status == 401 and json.loads(body)["error"] == "invalid_client"
    assert json.loads(em.token_answer(scope="sql")[1])["error"] == "invalid_scope"
    fields = em.zerobus_fields(EVENTS)
    assert json.loads(em.token_answer(**dict(fields, resource="api://databricks/workspaces/1/zerobusDirectWriteApi"))[1])["error"] == "invalid_target"
    assert json.loads(em.token_answer(**dict(fields, authorization_details="[]"))[1])["error"] == "invalid_authorization_details"
    assert json.loads(em.token_answer(resource=fields["resource"])[1])["error"] == "invalid_request"
    assert json.loads(em.token_answer(**fields)[1])["expires_in"] == 3600
    assert em.rest("GET", "/api/2.0/preview/scim/v2/Me")[1]["userName"] == em.settings["client_id"]
    assert em.rest("GET", "/api/2.0/preview/scim/v2/Me", token=em.zerobus_token(EVENTS))[0] == 403
    assert em.rest("GET", "/api/2.0/preview/scim/v2/Me", token="x")[0] == 401
    create_events(em)
    unity = "/api/2.1/unity-catalog/"
    status, j = em.rest("GET", unity + "tables/" + EVENTS)
    assert status == 200 and j["table_type"] == "MANAGED" and j["data_source_format"] == "DELTA" and j["full_name"] == EVENTS
    assert [(c["name"], c["position"]) for c in j["columns"]][:2] == [("event_id", 0), ("n", 1)]
    for path, status, code in (("tables/main.crm.no", 404, "TABLE_DOES_NOT_EXIST"), ("tables/main.no.t", 404, "SCHEMA_DOES_NOT_EXIST"),
                               ("tables/no.crm.t", 404, "CATALOG_DOES_NOT_EXIST"), ("tables/t", 400, "INVALID_PARAMETER_VALUE"),
                               ("schemas/main.no", 404, "SCHEMA_DOES_NOT_EXIST"), ("nothing", 404, "ENDPOINT_NOT_FOUND")):
        got = em.rest("GET", unity + path)
        assert (got[0], got[1]["error_code"]) == (status, code), (path, got)
    assert em.rest("GET", unity + f"tables/{EVENTS}/exists")[1] == dict(table_exists=True)
    names, page = [], ""
    while page is not None:
        j = em.rest("GET", unity + "tables?catalog_name=main&schema_name=crm&max_results=2" + page)[1]
        assert len(j["tables"]) <= 2
        names += [t["name"] for t in j["tables"]]
        page = "&page_token=" + j["next_page_token"] if "next_page_token" in j else None
    assert "events" in names and len(set(names)) == len(names)
    assert {c["name"] for c in em.rest("GET", unity + "catalogs")[1]["catalogs"]} == {"main"}
    assert {"crm", "default"} <= {c["name"] for c in em.rest("GET", unity + "schemas?catalog_name=main")[1]["schemas"]}
    assert em.rest("GET", unity + "schemas/main.crm")[1]["full_name"] == "main.crm"
    assert em.rest("GET", "/api/2.0/sql/warehouses")[1]["warehouses"][0]["state"] == "RUNNING"
    assert em.http("GET", "/oidc/.well-known/oauth-authorization-server")[0] == 200
    em.faults("databricks.tokens expire x1")
    status, j = em.rest("GET", unity + "catalogs")
    em.admin("DELETE", "/faults")
    em.bearer = None
    assert status == 401, j
    em.faults("catalog http=429 retry-after=2 x1")
    status, j = em.rest("GET", unity + "catalogs")
    assert (status, j["error_code"]) == (429, "RESOURCE_EXHAUSTED")
    em.admin("DELETE", "/faults")


# --- tests with an emulator of their own ---------------------------------------------------------------------

def test_late_rows_and_a_cold_warehouse(_):
    em = Emulator("--visibility-delay", "5s", "--warehouse-start", "700ms", "--ack-interval", "100ms")
    try:
        assert em.rest("GET", "/api/2.0/sql/warehouses")[1]["warehouses"][0]["state"] == "STOPPED"
        j = em.statement("SELECT 1", wait_timeout="0s")[1]
        assert j["status"]["state"] == "PENDING"
        create_events(em)
        assert em.rest("GET", "/api/2.0/sql/warehouses")[1]["warehouses"][0]["state"] == "RUNNING"
        s, began = em.open(EVENTS, PROTO, EVENT_DESCRIPTOR["Event"]), time.monotonic()
        for i in range(50):
            s.one(event(i))
        s.wait(49)
        most = 10 * (time.monotonic() - began) + 5
        stored = time.monotonic()
        assert em.sql(f"SELECT count(*) FROM {EVENTS}") == [["0"]] and len(ids_of(em)) == 50
        while em.sql(f"SELECT count(*) FROM {EVENTS}") != [["50"]]:  # they are seen commit by commit
            assert time.monotonic() - stored < 120
            time.sleep(0.05)
        assert time.monotonic() - stored > 1.2
        s.finish()
        assert json.loads(em.admin("GET", "/state"))["databricks"]["zerobus"]["acknowledgements"] < most
    finally:
        em.close()


def test_names_and_widths(em):
    """Names other than ASCII letters, digits and _ are refused at open; wide tables are taken up to SQLite's limit, 2,001 fields are not; VARIANT is JSON."""
    em.sql("CREATE TABLE main.crm.`odd-name` (a STRING)")
    em.sql("CREATE TABLE main.crm.odd_column (a STRING, `b c` STRING)")
    for table, odd in (("main.crm.odd-name", "odd-name"), ("main.crm.odd_column", "b c")):
        assert odd in expect("INVALID_ARGUMENT", "ASCII letters", em.open, table, JSON).words
    many = ", ".join(f"c{i} INT" for i in range(1999))
    em.sql(f"CREATE TABLE main.crm.many ({many})")
    fields = lambda n: "message Event { " + " ".join(f"optional int32 c{i} = {i + 1};" for i in range(n)) + " }"
    s = em.open("main.crm.many", PROTO, other(fields(1999)))
    s.one(b"\x08\x07")
    s.finish()
    assert em.sql("SELECT c0, c1998 FROM main.crm.many") == [["7", None]]
    expect("INVALID_ARGUMENT", "2000", em.open, "main.crm.many", PROTO, other(fields(2001)))
    em.sql("CREATE TABLE main.crm.variants (v VARIANT)")
    for text, taken in (('{"a":[1]}', True), ("null", True), ('"x"', True), ("{", False), ("", False), ("NaN", False)):
        s = em.open("main.crm.variants", JSON)
        s.one(json.dumps({"v": text}))
        if taken:
            s.finish()
        else:
            expect("INVALID_ARGUMENT", '"v"', s.wait, 0)
            s.drop()
    assert [json.loads(x) for x, in em.sql("SELECT to_json(v) FROM main.crm.variants WHERE to_json(v) IS NOT NULL") if x] == [{"a": [1]}, None, "x"]


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
        s.wait(s.one(event(99)))
        silent = time.monotonic()
        try:
            next(s.call)
            raise AssertionError("a message on a silent stream")
        except StopIteration:
            assert time.monotonic() - silent >= 1  # it ends with OK
        s.drop()
        for _ in range(4):
            em.open(EVENTS, PROTO, EVENT_DESCRIPTOR["Event"]).finish()
        expect("RESOURCE_EXHAUSTED", "within a minute", em.open, EVENTS, PROTO, EVENT_DESCRIPTOR["Event"])
        em.sql("CREATE TABLE main.crm.another (event_id STRING)")
        em.open("main.crm.another", JSON).finish()

        j = em.statement("SELECT 1", wait_timeout="0s")[1]
        path, states, started = "/api/2.0/sql/statements/" + j["statement_id"], [], time.monotonic()
        while not states or states[-1] not in ("SUCCEEDED", "FAILED"):
            states.append(em.rest("GET", path)[1]["status"]["state"])
            time.sleep(0.05)
        assert states[-1] == "SUCCEEDED" and "RUNNING" in states and time.monotonic() - started >= 0.5, states
        assert em.sql("SELECT 2") == [["2"]], "the answer to the POST itself is not behind"
    finally:
        em.close()
    for args, outlives in (((), True), (("--token-ends-streams",), False)):
        em = Emulator("--token-lifetime", "4s", *args)
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


TESTS = [test_every_type_nested, test_special_numbers, test_refused_at_open, test_refused_in_stream, test_order_and_acknowledgements,
         test_recovery, test_table_changes_under_a_stream, test_statements, test_tokens_and_catalog,
         test_names_and_widths, test_late_rows_and_a_cold_warehouse, test_limits_of_a_stream, test_killed]


def main():
    passed, failed = 0, 0
    wanted = sys.argv[1:]
    em = Emulator()
    try:
        for test in TESTS:
            if wanted and test.__name__ not in wanted:
                continue
            try:
                test(em)
                passed += 1
                print(f"ok   {test.__name__}")
            except Exception:
                failed += 1
                print(f"FAIL {test.__name__}")
                traceback.print_exc(file=sys.stdout)
    finally:
        em.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

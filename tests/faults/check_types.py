#!/usr/bin/env -S /usr/bin/python3 -B
"""Every type of a column, nested three deep, through the emulator's Zerobus and SQL and out again; names and widths of tables."""
import base64
import json
import math
import sys

from events_table import expect, other
from local_emulator import run_against
from zerobus_client import JSON, PROTO, Emulator, compile_proto

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


TESTS = [test_every_type_nested, test_special_numbers, test_names_and_widths]

if __name__ == "__main__":
    sys.exit(run_against(Emulator(), TESTS))

"""The table of events that the checks of the Databricks half share, its records, and what must be refused."""
from zerobus_client import Refused, compile_proto

EVENTS = "main.crm.events"
EVENT_PROTO = """syntax = "proto2"; message Event { required string event_id = 9; optional int64 n = 3; repeated string tags = 5;
    optional string body = 4; }"""
EVENT, EVENT_DESCRIPTOR = compile_proto(EVENT_PROTO)


def create_events(em, table=EVENTS):
    em.sql(f"CREATE TABLE IF NOT EXISTS {table} (event_id STRING NOT NULL, n BIGINT, tags ARRAY<STRING>, body STRING, small TINYINT)")


def event(i, **more):
    return EVENT["Event"](**dict(dict(event_id=f"e{i}", n=i), **more)).SerializeToString()


def other(text):
    return compile_proto('syntax = "proto2"; ' + text)[1]["Event"]


def ids_of(em, table=EVENTS):
    return [r["event_id"] for r in em.rows(table, "event_id")]


def expect(code, words, f, *args, **more):
    try:
        f(*args, **more)
    except Refused as e:
        assert e.code == code and words in e.words, (code, words, str(e))
        return e
    raise AssertionError(f"not refused: {code} {words}")

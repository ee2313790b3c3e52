#!/usr/bin/env -S /usr/bin/python3 -B
"""SQL, REST and tokens of the emulator's Databricks half, held against the contract by a client that shares no code with it."""
import json
import sys
import threading
import time

from events_table import EVENT_DESCRIPTOR, EVENTS, create_events, event, ids_of
from local_emulator import run_against
from zerobus_client import JSON, PROTO, Emulator


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
    # with 0s there is no time that could run out
    status, j = em.statement("SELECT 1", wait_timeout="0s", on_wait_timeout="CANCEL")
    while j["status"]["state"] in ("PENDING", "RUNNING"):
        j = em.rest("GET", "/api/2.0/sql/statements/" + j["statement_id"])[1]
    assert j["status"]["state"] == "SUCCEEDED", j
    status, j = em.statement(long, wait_timeout="5s", on_wait_timeout="CANCEL")
    assert status == 200 and j["status"]["state"] == "CANCELED", j
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
        assert len(ids_of(em)) == 50
        seen = em.sql(f"SELECT count(*) FROM {EVENTS}")
        assert seen == [["0"]] or time.monotonic() - began >= 4.9, seen
        while em.sql(f"SELECT count(*) FROM {EVENTS}") != [["50"]]:  # they are seen commit by commit
            assert time.monotonic() - stored < 120
            time.sleep(0.05)
        assert time.monotonic() - began >= 4.9
        s.finish()
        assert json.loads(em.admin("GET", "/state"))["databricks"]["zerobus"]["acknowledgements"] < most
    finally:
        em.close()


def test_stopped_while_a_statement_waits(_):
    """SIGTERM ends the emulator soon, though a request waits 50 s for a warehouse that takes an hour to start."""
    em = Emulator("--warehouse-start", "1h")

    def wait():
        try:
            em.statement("SELECT 1", wait_timeout="50s")
        except OSError:  # the answer may come too late
            pass
    try:
        waiter = threading.Thread(target=wait)
        waiter.start()
        while json.loads(em.admin("GET", "/state"))["databricks"]["statements"] == 0:
            time.sleep(0.01)
        began = time.monotonic()
        em.stop()
        assert time.monotonic() - began < 40
        waiter.join()
    finally:
        em.close()


TESTS = [test_statements, test_tokens_and_catalog, test_late_rows_and_a_cold_warehouse,
         test_stopped_while_a_statement_waits]

if __name__ == "__main__":
    sys.exit(run_against(Emulator(), TESTS))

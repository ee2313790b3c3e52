"""The Databricks rows of check_answers.py: every code of wire/databricks-http.md §6 and §7, every form of an error's body, what
is left of a status that is retried when the retries are used up, and connections that fail.

A retry-after longer than all tries together ends them at once: so the last word is seen without the wait.
"""
import json

SQL = "sql -q SELECT(1)"
CATALOG = "create-table -q main.default.accounts --check"
STREAM = "login -q databricks --check --table main.default.accounts"
GIVE_UP = "retry-after=7200"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def body(code, message="the reason"):
    return quoted(json.dumps({"error_code": code, "message": message}))


# §7: HTTP status and the codes that come with it; retried ones with a retry-after
CODES = [
    (400, ["BAD_REQUEST", "INVALID_PARAMETER_VALUE", "INVALID_STATE", "MALFORMED_REQUEST"], ""),
    (401, ["UNAUTHENTICATED"], ""),
    (403, ["PERMISSION_DENIED"], ""),
    (404, ["NOT_FOUND", "RESOURCE_DOES_NOT_EXIST", "TABLE_DOES_NOT_EXIST", "SCHEMA_DOES_NOT_EXIST", "CATALOG_DOES_NOT_EXIST",
           "ENDPOINT_NOT_FOUND"], ""),
    (409, ["ABORTED"], GIVE_UP),
    (409, ["ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS"], ""),
    (429, ["RESOURCE_EXHAUSTED", "REQUEST_LIMIT_EXCEEDED"], GIVE_UP),
    (500, ["INTERNAL_ERROR", "UNKNOWN", "DATA_LOSS", "IO_ERROR"], GIVE_UP),
    (501, ["NOT_IMPLEMENTED"], ""),
    (502, ["TEMPORARILY_UNAVAILABLE"], GIVE_UP),
    (503, ["TEMPORARILY_UNAVAILABLE", "SERVICE_UNDER_MAINTENANCE", "WORKSPACE_TEMPORARILY_UNAVAILABLE"], GIVE_UP),
    (504, ["DEADLINE_EXCEEDED"], GIVE_UP),
    (400, ["NEVER_HEARD_OF"], ""),
]

# every form of an error's body
BODIES = [
    ("http=403", '{"error_code":"PERMISSION_DENIED","message":"Invalid access token."}'),
    ("http=403", '{"error_code":"403","message":"Source IP address: 192.0.2.1 is blocked by Databricks IP ACL for workspace: 1"}'),
    ("http=400", '{"error_code":1000,"message":"a code that is a number"}'),
    ("http=400", '{"error":"the sentence of an old service"}'),
    ("http=404", '{"detail":"User not found","status":"404","scimType":"noTarget"}'),
    ("http=400", '{"error_code":"BAD_REQUEST","message":"with details","details":[{"@type":"type.googleapis.com/google.rpc.RequestInfo",'
                 '"request_id":"req-17"},{"@type":"type.googleapis.com/google.rpc.Help"}]}'),
    ("http=503", '{"error_code":"TEMPORARILY_UNAVAILABLE","message":"later","details":[{"@type":'
                 '"type.googleapis.com/google.rpc.RetryInfo","retry_delay":"7200s"}]}'),
    ("http=500 " + GIVE_UP, "<html><body><pre>java.lang.NullPointerException</pre></body></html>"),
    ("http=200", "<html><title>Databricks - Sign In</title></html>"),
    ("http=302", "<html>moved</html>"),
]

# §6: what a statement that ended FAILED says
FAILURES = ["UNKNOWN", "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "IO_ERROR", "BAD_REQUEST", "SERVICE_UNDER_MAINTENANCE",
            "WORKSPACE_TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED", "ABORTED", "NOT_FOUND",
            "ALREADY_EXISTS", "UNAUTHENTICATED", "NEVER_HEARD_OF"]
CLASSES = [
    ("TABLE_OR_VIEW_NOT_FOUND", "42P01"), ("SCHEMA_NOT_FOUND", "42704"), ("NO_SUCH_CATALOG_EXCEPTION", "42704"),
    ("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"), ("PARSE_SYNTAX_ERROR", "42601"), ("INSUFFICIENT_PERMISSIONS", "42501"),
    ("DIVIDE_BY_ZERO", "22012"),
]


def statement(state, **status):
    return "http=200 message=" + quoted(json.dumps({"statement_id": "01ef-1", "status": {"state": state, **status}}))


STATEMENTS = [statement("FAILED", error={"error_code": code, "message": "the reason"}) for code in FAILURES] + [
    statement("FAILED", error={"error_code": "BAD_REQUEST", "message": f"[{name}] the reason SQLSTATE: {state}"}, sql_state=state)
    for name, state in CLASSES] + [
    statement("FAILED"), statement("CANCELED"), statement("CLOSED"), 'http=200 message="{}"', "http=200 message=" + quoted('{"statement_id":'),
    'http=200 message=' + quoted('{"statement_id":"1","status":{"state":"SUCCEEDED"},"manifest":{"schema":{"columns":[{"name":"a"}]}},'
                                 '"result":{"data_array":[["1","2"]]}}'),
    'http=200 message=' + quoted('{"statement_id":"1","status":{"state":"SUCCEEDED"},"manifest":{"schema":{"columns":[{"name":"a"}]}},'
                                 '"result":{"data_array":[[1]]}}')]


def oauth(status, error, description="the reason", more=""):
    return f"http={status} {more}message=" + quoted(json.dumps({"error": error, "error_description": description}))


# §2: the token endpoint; RFC 6749 §5.2, the vendor's own words, and the retried ones
TOKEN = [oauth(401, "invalid_client", "Client authentication failed"), oauth(400, "invalid_client"), oauth(400, "invalid_request"),
         oauth(400, "invalid_grant"), oauth(400, "invalid_scope"), oauth(400, "unsupported_grant_type"),
         oauth(400, "unauthorized_client"), oauth(403, "access_denied"), oauth(400, "invalid_target"),
         oauth(400, "never_heard_of"), 'http=404 message="<html>not here</html>"', 'http=200 message="<html>sign in</html>"',
         'http=200 message="{}"', 'http=403 message=' + body("PERMISSION_DENIED"),
         'http=302 message="<html>moved</html>"'] + [
    f"http={status} {GIVE_UP}" for status in (429, 500, 502, 503, 504)]
TABLE_TOKEN = [oauth(400, "invalid_authorization_details"), oauth(403, "access_denied"), oauth(401, "invalid_client"),
               oauth(400, "invalid_target")]

SURVIVED = ["http=429 retry-after=1 x1", "http=503 x1"]
SURVIVED_GET = ["http=429 retry-after=1 x1", "http=500 x1", "http=502 x1", "http=503 x1", "http=504 x1", "drop x1",
                "http=409 x1 message=" + body("ABORTED")]

NOWHERE = {"DATABRICKS_CLIENT_ID": "id", "DATABRICKS_CLIENT_SECRET": "secret"}
CONNECTIONS = [
    {"DATABRICKS_HOST": "https://127.0.0.1:1", **NOWHERE},
    {"DATABRICKS_HOST": "https://nobody.invalid", **NOWHERE},
    {"DATABRICKS_HOST": "https://127.0.0.1:1", "DATABRICKS_TOKEN": "dapi0"},
]


def rows():
    """(error script, command, environment)"""
    for status, codes, more in CODES:
        for code in codes:
            for fault, command in (("catalog", CATALOG), ("sql", SQL)):
                yield (f"databricks.{fault} http={status} {more + ' ' if more else ''}message={body(code)}", command, {})
    for status in (429, 500, 502, 503, 504):
        yield (f"databricks.catalog http={status} {GIVE_UP}", CATALOG, {})
        yield (f"databricks.sql http={status} {GIVE_UP}", SQL, {})
    for what, text in BODIES:
        yield (f"databricks.catalog {what} message={quoted(text)}", CATALOG, {})
    for answer in STATEMENTS:
        yield ("databricks.sql " + answer, SQL, {})
    yield ("databricks.sql drop", SQL, {})  # it may have run: not sent again
    for answer in TOKEN:
        yield ("databricks.token " + answer, SQL, {})
    for answer in TABLE_TOKEN:
        yield (f"databricks.token after 1 {answer}", STREAM, {})
    for answer in SURVIVED:
        yield ("databricks.token " + answer, SQL, {})
        yield ("databricks.sql " + answer, SQL, {})
    for answer in SURVIVED_GET:
        yield ("databricks.catalog " + answer, CATALOG, {})
    for env in CONNECTIONS:
        yield ("", SQL, env)
    yield ("", CATALOG, CONNECTIONS[0])
    # a person's login: dead, refused, unreachable for a while
    for answer in ["", "databricks.token " + oauth(400, "invalid_grant"), "databricks.token " + oauth(401, "invalid_client"),
                   "databricks.token " + oauth(400, "unauthorized_client"), "databricks.token http=503 " + GIVE_UP]:
        yield (answer, SQL, {"LOGIN": "browser"})

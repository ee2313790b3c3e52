#!/usr/bin/env -S /usr/bin/python3 -B
"""Every answer that Salesforce and Databricks can give, on a live emulator: the exit status and the words of the program, held against
tests/faults/answers.txt (UPDATE=1 writes it anew; then read what has changed).

One emulator serves all rows; its error script is replaced for each. Retries are switched off where a server's trouble
would be waited out for ever, and `x1` rows show that one bad answer alone is survived in silence.
"""
import json
import os
import re
import shutil
import subprocess
import sys

import answers_databricks
from emulator_client import Emulator
from local_emulator import TOP

GOLDEN = TOP + "/tests/faults/answers.txt"
PROGRAM = os.path.join(TOP, os.environ.get("BUILD", "build/release-gcc"), "sfzb")
PREFIX = "sfdc.platform.eventbus.grpc."

TAIL = "tail -q Account --from earliest -n 1 --max-retries 0 --timeout 20s"
MANAGED = "tail -q --managed Account_Managed -n 1 --max-retries 0 --timeout 20s"
STREAM = "stream -q Account --table main.default.accounts --from earliest --until-caught-up --max-retries 0 --timeout 20s"
PUBLISH = "publish -q Order_Event__e {} --max-retries 0"
MANY = "publish -q Order_Event__e {} {} --max-retries 0"
SCHEMA = "schema -q Contact"
TOPICS = "topics -q Account"
LOGIN = "login -q salesforce --check"

# the rows of wire/pubsub.md §6: suffix, status, the method that answers so, and the commands that meet it
SUBSCRIBE, LOOK_UP, READ, SEND, SEND_MANY = "subscribe", "get-topic", "get-schema", "publish", "publish-stream"
CODES = [
    ("service.unavailable", "UNAVAILABLE", SUBSCRIBE, [TAIL, STREAM]),
    ("service.unavailable", "INTERNAL", SEND, [PUBLISH]),
    ("service.auth.error", "UNAUTHENTICATED", SUBSCRIBE, [TAIL, STREAM]),
    ("service.auth.error", "UNAUTHENTICATED", SEND, [PUBLISH]),
    ("service.auth.headers.invalid", "UNAUTHENTICATED", SUBSCRIBE, [TAIL, STREAM]),
    ("service.auth.refresh.invalid", "INVALID_ARGUMENT", SUBSCRIBE, [TAIL]),
    ("service.protection.triggered", "RESOURCE_EXHAUSTED", SUBSCRIBE, [TAIL, STREAM]),
    ("service.protection.triggered", "RESOURCE_EXHAUSTED", SEND, [PUBLISH]),
    ("service.protection.stream.limit.triggered", "RESOURCE_EXHAUSTED", SUBSCRIBE, [TAIL, STREAM]),
    ("service.tenant.license", "PERMISSION_DENIED", LOOK_UP, [TAIL, STREAM, PUBLISH, TOPICS]),
    ("concurrent.client.limit.exceeded", "RESOURCE_EXHAUSTED", SUBSCRIBE, [TAIL, STREAM]),
    ("concurrent.client.limit.exceeded", "RESOURCE_EXHAUSTED", SEND_MANY, [MANY]),
    ("topic.not.found", "NOT_FOUND", LOOK_UP, [TAIL, STREAM, PUBLISH, SCHEMA]),
    ("topic.notfound", "NOT_FOUND", LOOK_UP, [TAIL]),
    ("subscription.topic.notfound", "NOT_FOUND", SUBSCRIBE, [TAIL, STREAM]),
    ("topic.meta.permission", "PERMISSION_DENIED", LOOK_UP, [TAIL, STREAM, PUBLISH]),
    ("topic.api.unavailable", "UNAVAILABLE", LOOK_UP, [TAIL, PUBLISH]),
    ("schema.api.unavailable", "UNAVAILABLE", READ, [SCHEMA]),
    ("topic.validation.empty", "INVALID_ARGUMENT", LOOK_UP, [TAIL]),
    ("publish.topic.validation.empty", "INVALID_ARGUMENT", SEND, [PUBLISH]),
    ("schema.meta.permission", "PERMISSION_DENIED", READ, [SCHEMA]),
    ("schema.validation.failed", "INVALID_ARGUMENT", READ, [SCHEMA]),
    ("subscription.fetch.replayid.corrupted", "INVALID_ARGUMENT", SUBSCRIBE, [TAIL, STREAM]),
    ("subscription.fetch.replayid.validation.failed", "INVALID_ARGUMENT", SUBSCRIBE, [TAIL, STREAM]),
    ("subscription.fetch.replay.repeated", "INTERNAL", SUBSCRIBE, [TAIL, STREAM]),
    ("subscription.limit.exceeded", "RESOURCE_EXHAUSTED", SUBSCRIBE, [TAIL, STREAM]),
    ("subscription.fetch.overflow", "INVALID_ARGUMENT", SUBSCRIBE, [TAIL, STREAM]),
    ("subscription.fetch.requested.events.invalid", "INVALID_ARGUMENT", SUBSCRIBE, [TAIL]),
    ("subscription.fetch.topic.mismatch", "INVALID_ARGUMENT", SUBSCRIBE, [TAIL]),
    ("subscription.fetch.request.invalid", "INVALID_ARGUMENT", SUBSCRIBE, [TAIL]),
    ("subscription.topic.cannot.subscribe", "PERMISSION_DENIED", SUBSCRIBE, [TAIL, STREAM]),
    ("subscription.internal.error", "INTERNAL", SUBSCRIBE, [TAIL, STREAM]),
    ("publish.stream.sweeper.timeout", "DEADLINE_EXCEEDED", SEND_MANY, [MANY]),
    ("publish.auth.refresh.invalid", "INVALID_ARGUMENT", SEND_MANY, [MANY]),
    ("publish.event.count.invalid", "INVALID_ARGUMENT", SEND, [PUBLISH]),
    ("publish.topic.mismatch", "INVALID_ARGUMENT", SEND_MANY, [MANY]),
    ("managed.subscription.already.active", "ALREADY_EXISTS", SUBSCRIBE, [MANAGED]),
    ("managed.subscription.config.stopped", "FAILED_PRECONDITION", SUBSCRIBE, [MANAGED]),
    ("managed.subscription.config.deleted", "FAILED_PRECONDITION", SUBSCRIBE, [MANAGED]),
    ("managed.subscription.developer.name.not.found", "NOT_FOUND", SUBSCRIBE, [MANAGED]),
    ("managed.subscription.subscription.id.not.found", "NOT_FOUND", SUBSCRIBE, [MANAGED]),
    ("managed.subscription.subscription.id.invalid", "INVALID_ARGUMENT", SUBSCRIBE, [MANAGED]),
    ("managed.subscription.id.or.developer.name.empty", "INVALID_ARGUMENT", SUBSCRIBE, [MANAGED]),
    ("managed.subscription.fetch.request.events.invalid", "INVALID_ARGUMENT", SUBSCRIBE, [MANAGED]),
    ("managed.subscription.fetch.request.invalid", "INVALID_ARGUMENT", SUBSCRIBE, [MANAGED]),
    ("managed.subscription.fetch.request.commit.request.restricted", "INVALID_ARGUMENT", SUBSCRIBE, [MANAGED]),
    ("managed.subscription.fetch.request.auth.request.restricted", "INVALID_ARGUMENT", SUBSCRIBE, [MANAGED]),
    ("something.nobody.knows", "FAILED_PRECONDITION", SUBSCRIBE, [TAIL]),
]


def oauth(status, error, description):
    return f'http={status} message="{{\\"error\\":\\"{error}\\",\\"error_description\\":\\"{description}\\"}}"'


def rest(status, code, message):
    return f'http={status} message="[{{\\"errorCode\\":\\"{code}\\",\\"message\\":\\"{message}\\"}}]"'


# wire/salesforce-http.md §2: what the token endpoint refuses
TOKEN = [oauth(400, *row) for row in [
    ("invalid_grant", "request not supported on this domain"),
    ("invalid_grant", "no client credentials user enabled"),
    ("invalid_client_id", "client identifier invalid"),
    ("invalid_client", "invalid client credentials"),
    ("unsupported_grant_type", "grant type not supported"),
    ("invalid_grant", "user hasn't approved this consumer"),
    ("invalid_app_access", "user is not admin approved to access this app"),
    ("invalid_grant", "audience is invalid"),
    ("invalid_grant", "invalid assertion"),
    ("invalid_grant", "expired authorization code"),
    ("invalid_grant", "authentication failure"),
    ("invalid_grant", "expired access/refresh token"),
    ("inactive_user", "user is inactive"),
    ("inactive_org", "organization is inactive"),
    ("never_heard_of", "something else"),
]] + [oauth(401, "invalid_client", "invalid client credentials"), oauth(403, "invalid_grant", "no"),
      'http=404 message="<html>not here</html>"', 'http=200 message="<html>log in</html>"', 'http=200 message="{}"',
      "http=503 x1", "http=429 retry-after=1 x1", "drop x1"]
# §11: what data calls answer
DATA = [rest(*row) for row in [
    (401, "INVALID_SESSION_ID", "Session expired or invalid"),
    (401, "INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT"),
    (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    (403, "API_DISABLED_FOR_ORG", "API is disabled for this User"),
    (403, "API_CURRENTLY_DISABLED", "API is disabled for this User"),
    (403, "INSUFFICIENT_ACCESS", "insufficient access"),
    (403, "FUNCTIONALITY_NOT_ENABLED", "not enabled"),
    (400, "MALFORMED_QUERY", "unexpected token"),
    (400, "INVALID_FIELD", "No such column"),
    (400, "INVALID_TYPE", "sObject type 'X' is not supported."),
    (400, "QUERY_TIMEOUT", "Your query request was running for too long."),
    (400, "OPERATION_TOO_LARGE", "exceeded 20000 distinct who/what's"),
    (404, "NOT_FOUND", "The requested resource does not exist"),
    (410, "GONE", "The API version is retired"),
    (414, "URI_TOO_LONG", "URI Too Long"),
]] + ['http=409 message="{\\"message\\":\\"a bare object\\",\\"errorCode\\":\\"CONFLICT\\"}"',
      'http=400 message="<?xml version=\'1.0\'?><Errors/>"', 'http=200 message="<html>maintenance</html>"',
      rest(401, "INVALID_SESSION_ID", "Session expired or invalid") + " x1",
      rest(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.") + " x1",
      'http=429 retry-after=1 x1', "http=500 x1", "http=502 x1", 'http=503 message="<html>maintenance</html>" x1',
      "http=504 x1", "drop x1"]


def salesforce_rows():
    for suffix, status, method, commands in CODES:
        for command in commands:
            yield (f"{method} status={status} error-code={PREFIX}{suffix}", command)
    for answer in TOKEN:
        yield ("token " + answer, TOPICS)
    for answer in DATA:
        yield ("sobjects " + answer, TOPICS)
    yield ('userinfo http=403 message="Bad_OAuth_Token"', LOGIN)


def rows():
    for script, command in salesforce_rows():
        yield script, command, {}
    yield from answers_databricks.rows()


def settle(text):
    """What differs from run to run."""
    for pattern, word in [(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
                          (r"localhost:\d+", "localhost:PORT"), (r"trace id [0-9a-zA-Z-]+", "trace id ID"),
                          (r"in \d[\d.msh ]*(?=[,;)\n]|$)", "in TIME"), (r"(GMT|UTC) \S+", "TIME")]:
        text = re.sub(pattern, word, text)
    return text


def log_in_as_person(profile):
    """With a refresh token that the workspace does not know."""
    path = profile + "/databricks.json"
    settings = json.load(open(path))
    del settings["client_id"], settings["client_secret"]
    settings.update(auth_type="external-browser", refresh_token="doau-of-another-time")
    with open(path, "w") as f:
        json.dump(settings, f)


def run(emulator, home, script, command, more):
    emulator.faults(script)
    # each row logs in anew and knows no schema
    profile = home + "/profiles/emulator"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(emulator.env["SFZB_HOME"] + "/profiles/emulator", profile)
    for name in ("schemas", "replay.db"):
        path = profile + "/" + name
        shutil.rmtree(path, ignore_errors=True)
        if os.path.exists(path):
            os.remove(path)
    env = {k: v for k, v in emulator.env.items() if not k.startswith(("SALESFORCE_", "DATABRICKS_"))}
    if more.get("LOGIN") == "browser":
        log_in_as_person(profile)
    env.update(more, SFZB_HOME=home, SFZB_PROFILE="emulator", LC_ALL="C.UTF-8")
    done = subprocess.run([PROGRAM, *command.split()], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300)
    shown = "".join(f"{name}={value} " for name, value in more.items())
    return f"# {script}\n$ {shown}sfzb {command}\n{settle(done.stderr)}exit {done.returncode}\n\n"


def main():
    emulator = Emulator("--events", "5", "--seed", "1")
    got = {}
    try:
        home = emulator.scratch + "/client"
        first = run(emulator, home, "", "create-table -q main.default.accounts", {})
        assert "exit 0" in first, first
        for script, command, more in rows():
            got[script, command, *more.values()] = run(emulator, home, script, command, more)
    finally:
        emulator.close()
    if os.environ.get("UPDATE") == "1":
        open(GOLDEN, "w").write("".join(got.values()))
    known = set((open(GOLDEN).read()).split("\n\n"))
    bad = [text for text in got.values() if text.rstrip("\n") not in known]
    for text in bad:
        print("not as in answers.txt:\n" + text)
    print(f"{len(got) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


sys.exit(main())

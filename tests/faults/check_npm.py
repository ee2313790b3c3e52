#!/usr/bin/env -S /usr/bin/python3 -B
"""A client that others wrote, the npm package salesforce-pubsub-api-client, unchanged, against the emulator over TLS: it
subscribes to every topic and publishes, and what sfzb decodes is held against what it decodes, event by event.

Where the two differ the reason stands in `differs`; any other difference is a failure. Skipped where there is no node, no
npm or no registry.
"""
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build/release-gcc")).resolve()
PEER = ROOT / "build/npm"
PACKAGES = ["salesforce-pubsub-api-client@5.5.2", "underscore"]  # avro-js asks for underscore and does not say so
EVENTS = 3000
INSIDE = """
set -e
profile=$(find "$HOME" -name salesforce.json)
ca=$(jq -r .ca_file "$profile")
for t in Account Contact Opportunity Invoice__c Order_Event__e; do
    sfzb tail -q $t --from earliest --until-caught-up
done >before.ndjson
jq -s 'group_by(.topic) | map({key: .[0].topic, value: length}) | from_entries' before.ndjson >counts.json
NODE_EXTRA_CA_CERTS=$ca node "$PEER_SCRIPT" "$profile" counts.json >npm.ndjson
last=$(jq -r 'select(.topic == "/event/Order_Event__e") | .replay_id' before.ndjson | tail -n 1)
sfzb tail -q Order_Event__e --from "$last" -n 151 >after.ndjson
"""


def skip(why):
    print("skipped:", why)
    print("0 passed, 0 failed")
    sys.exit(0)


def install():
    if not shutil.which("node") or not shutil.which("npm"):
        skip("node and npm are not installed")
    if (PEER / "node_modules/salesforce-pubsub-api-client").exists() and (PEER / "node_modules/underscore").exists():
        return
    PEER.mkdir(parents=True, exist_ok=True)
    (PEER / "package.json").write_text('{"name": "peer", "private": true}\n')
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES], cwd=PEER,
                              capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(PEER)})
    except subprocess.TimeoutExpired:
        skip("the npm registry does not answer")
    if done.returncode != 0:
        skip("npm install failed: " + (done.stderr.strip().splitlines() or ["?"])[-1])


def same(a, b):
    """Equal as JSON, numbers by value: JavaScript prints 100.0 as 100."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a == b


def differs(field, ours, theirs):
    """The reason of a known difference, None for one that is none of these."""
    if field in ("changed_fields", "nulled_fields", "diff_fields"):
        nested = [name for name in ours if "." in name]
        if nested and theirs == [name for name in ours if "." not in name]:
            return "it drops a nested bitmap that stands alone in its list"
    return None


def compare(ours, theirs, seen):
    header, body = theirs["payload"].get("ChangeEventHeader"), dict(theirs["payload"])
    body.pop("ChangeEventHeader", None)
    pairs = [("event_id", ours["event_id"], theirs["id"]), ("schema_id", ours["schema_id"], theirs["schemaId"]),
             ("replay_id", int(ours["replay_id"][:16], 16), theirs["replayId"])]
    if header:
        pairs += [(name, ours[name], header[key]) for name, key in (
            ("entity_name", "entityName"), ("change_type", "changeType"), ("record_ids", "recordIds"),
            ("change_origin", "changeOrigin"), ("transaction_key", "transactionKey"), ("sequence_number", "sequenceNumber"),
            ("commit_user", "commitUser"), ("changed_fields", "changedFields"), ("nulled_fields", "nulledFields"),
            ("diff_fields", "diffFields"))]
        pairs.append(("commit_number", ours["commit_number"], str(header["commitNumber"])))
    record = ours["record"]
    pairs.append(("names of fields", list(record), list(body)))
    pairs += [("record." + k, record[k], body.get(k)) for k in record]
    for field, a, b in pairs:
        if same(a, b):
            continue
        why = differs(field, a, b)
        assert why, f"event {ours['event_id']}: {field}: sfzb {a!r}, npm {b!r}"
        seen[why] += 1


def run(folder):
    env = {**os.environ, "HOME": str(folder), "PATH": f"{BUILD}:{os.environ['PATH']}", "NPM_PEER": str(PEER),
           "PEER_SCRIPT": str(ROOT / "tests/faults/npm_peer.mjs")}
    done = subprocess.run(["sfzb", "emulator", "-q", "--keepalive", "300ms", "--events", str(EVENTS), "--", "sh", "-c", INSIDE],
                          cwd=folder, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}{done.stderr}"
    return [[json.loads(line) for line in (folder / name).read_text().splitlines()]
            for name in ("before.ndjson", "npm.ndjson", "after.ndjson")]


def main():
    install()
    folder, seen, failed = pathlib.Path(tempfile.mkdtemp()), collections.Counter(), 0
    try:
        before, npm, after = run(folder)
        theirs = {x["id"]: x for x in npm if x["what"] == "event" and not x["id"].startswith("key-")}
        results = [x for x in npm if x["what"] == "published"]

        def events_equal():
            assert len(before) == len(theirs) == EVENTS, (len(before), len(theirs))
            for event in before:
                compare(event, theirs[event["event_id"]], seen)

        def publishes():
            assert [x["correlationKey"] for x in results] == [f"key-{i}" for i in range(151)]
            assert [x["event_id"] for x in after] == [f"key-{i}" for i in range(151)]
            assert [int(x["replay_id"][:16], 16) for x in after] == [x["replayId"] for x in results]
            for i, event in enumerate(after):
                r = event["record"]
                assert (r["Order_Number__c"], r["Amount__c"], r["Has_Shipped__c"], r["Shipped_At__c"], r["Note__c"]) == \
                    (str(i), i / 4, i % 2 == 0, 1767225600000 + i, None), event

        for test in (events_equal, publishes):
            try:
                test()
                print("ok  ", test.__name__)
            except AssertionError as e:
                failed += 1
                print("FAIL", test.__name__, e)
    except (AssertionError, subprocess.TimeoutExpired) as e:
        failed = 2
        print("FAIL", e)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for why, count in seen.most_common():
        print(f"differs {count} times: {why}")
    print(f"{2 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

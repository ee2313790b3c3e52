# What tail shows, and how: forms, filters, raw events and their way back.
bats_require_minimum_version 1.5.0
load helper

inside() { # EMULATOR OPTIONS… -- COMMAND…   fine, in a fresh emulator
	fine sfzb emulator -q --seed 1 --keepalive 300ms "$@"
}

@test "--entity and --change-type leave out what they do not name, before -n counts" {
	inside --events 400 -- sfzb tail -q ChangeEvents --from earliest -e Contact,invoice__c -c delete,Undelete -n 5
	[ "$(wc -l <"$out")" -eq 5 ]
	jq -se 'all((.entity_name == "Contact" or .entity_name == "Invoice__c") and (.change_type | test("^(UN)?DELETE$")))' "$out"
	inside --events 2000 -- sfzb tail -q ChangeEvents --from earliest -c gap --until-caught-up
	jq -se 'length > 0 and all(.change_type | startswith("GAP_"))' "$out"
	fails 2 sfzb tail Account -c UPSERT
	says "'UPSERT' is no change type"
}

@test "--filter selects and leaves every digit alone" {
	inside --events 300 --objects Account -- sh -c '
		sfzb tail -q Account --from earliest --until-caught-up >all
		sfzb tail -q Account --from earliest --until-caught-up --filter ".change_type == \"UPDATE\"" >some'
	[ -s some ]
	diff <(grep '"change_type":"UPDATE"' all) some
	fails 2 sfzb tail Account --filter '.a b'
	says "option '--filter': no jq program: .*syntax error"
}

@test "--transform prints what jq makes of it; an event it fails on is told, status 6" {
	inside --events 20 --objects Account -- sfzb tail -q Account --from earliest -n 2 --transform '.change_type, {k: .record_ids[0]}'
	[ "$(wc -l <"$out")" -eq 4 ]
	[ "$(sed -n 1p "$out")" = '"CREATE"' ]
	prints '^\{"k":"001[0-9a-zA-Z]{15}"\}$'
	ends 6 sfzb emulator -q --events 3 --objects Account -- sfzb tail Account --from earliest -n 3 --transform '.topic + 1'
	says "cannot be shown: jq: string .* cannot be added"
	run ! grep -q 'set aside' "$err" # it is nowhere
	says "error: 3 events could not be shown as asked for"
	for t in 2s 20s 200s; do # a time in which an event comes on this machine
		ends 6 sfzb emulator -q --events 3 --objects Account -- sfzb tail Account --from earliest --timeout $t --transform '.topic + 1' && break
	done
	says "error: [1-3] events? could not be shown as asked for"
}

@test "--explode: a line for each record id" {
	inside --events 2000 --objects Account -- sh -c '
		sfzb tail -q Account --from earliest --until-caught-up >all
		sfzb tail -q Account --from earliest --until-caught-up --explode >each'
	jq -se 'any(.record_ids | length > 1)' all
	[ "$(jq -r '.event_id as $e | .record_ids[] | "\($e) \(.)"' all)" = "$(jq -r 'select(.record_ids | length > 0) | "\(.event_id) \(.record_ids[0])"' each)" ]
	jq -se 'all(.record_ids | length < 2)' each
}

@test "--format prints its verbs" {
	inside --events 5 --objects Account -- sfzb tail -q Account --from earliest -n 2 \
		--format '%t|%r|%i|%s|%e|%c|%k|%f|%q|%n|%u|%d{%Y}|%d|100%%\t\\\n'
	[ "$(wc -l <"$out")" -eq 2 ]
	prints '^/data/AccountChangeEvent\|[0-9a-f]{20}\|[0-9a-f-]{36}\|[A-Za-z0-9_-]{22}\|Account\|CREATE\|001[0-9A-Za-z]{15}\|\|[0-9]+\|[0-9]{19}\|005[0-9A-Za-z]{15}\|20[0-9]{2}\|20[0-9T:.-]+Z\|100%	.$'
	inside --events 2 --objects Account -- sh -c "sfzb tail -q Account --from earliest -n 1 --format '%v' | jq -e .Name >name &&
		sfzb tail -q Account --from earliest -n 1 --format '%p' | base64 -d | head -c 8 | tail -c 7"
	[ "$(cat "$out")" = Account ]
	for bad in '%z' '\q' '%d{' '%'; do
		fails 2 sfzb tail Account --format "$bad"
		says "option '--format': "
	done
}

@test "-o table: titles once, a row an event" {
	inside --events 5 --objects Account -- sfzb tail -q Account --from earliest -n 3 -o table
	[ "$(wc -l <"$out")" -eq 4 ]
	[ "$(grep -c '^TIME ' "$out")" -eq 1 ]
	prints '^[0-9:]{8}  Account               CREATE    001[0-9A-Za-z]{15}  Name='
}

@test "-o line leaves nulls out, and cuts nothing when piped" {
	inside --events 5 --objects Account -- sfzb tail -q Account --from earliest -n 3 -o line
	run ! grep -q '=null' "$out"
	run ! grep -q '…' "$out"
	[ "$(wc -L <"$out")" -gt 300 ]
}

@test "-o avro is a container file that others read" {
	inside --events 30 --objects Account -- sh -c 'sfzb tail -q Account --from earliest -n 20 -o avro >x.avro
		sfzb tail -q Account --from earliest -n 20 | jq -r .record_ids[0]'
	/usr/bin/python3 -c '
import avro.datafile, avro.io
for r in avro.datafile.DataFileReader(open("x.avro", "rb"), avro.io.DatumReader()):
    print(r["ChangeEventHeader"]["recordIds"][0])' >ids
	diff "$out" ids
	ends 6 sfzb emulator -q --keepalive 300ms --events 50 --objects Account,Contact -- sh -c \
		'sfzb tail ChangeEvents --from earliest --until-caught-up -o avro >y.avro'
	says "an Avro file has one schema"
}

@test "two forms at once are refused" {
	fails 2 sfzb tail Account --raw --format '%v'
	fails 2 sfzb tail Account --raw -o json
	fails 2 sfzb tail Account --explode --raw
}

@test "--raw: the emulator takes it back, ids, payloads and schemas unchanged" {
	inside --seed 5 --events 200 -- sh -c 'sfzb tail -q ChangeEvents --from earliest --until-caught-up --raw >raw
		sfzb tail -q ChangeEvents --from earliest --until-caught-up >events'
	[ -s events ]
	jq -se 'map(select(.schema_json)) | length == ([.[].schema_id] | unique | length)' raw
	inside -- sh -c 'curl -sS --data-binary @raw "$SFZB_EMULATOR_ADMIN/events" >answer
		sfzb tail -q ChangeEvents --from earliest --until-caught-up >again'
	diff <(jq -c 'del(.replay_id)' events) <(jq -c 'del(.replay_id)' again)
	inside -- sh -c 'echo "{\"schema_id\":\"x\",\"payload_b64\":\"AA==\"}" | curl -sS --data-binary @- "$SFZB_EMULATOR_ADMIN/events"'
	prints 'line 1: no line before has schema x'
}

@test "--raw: publish takes it back, the same ids and payloads" {
	inside -- sh -c '
		seq 1 20 | sed "s/.*/{\"Order_Number__c\":\"&\",\"Amount__c\":0.5}/" | sfzb publish Order_Event__e >/dev/null
		sfzb tail -q Order_Event__e --from earliest -n 20 --raw >raw
		sfzb tail -q Order_Event__e --from earliest -n 20 >events'
	inside -- sh -c 'sfzb publish Order_Event__e --raw -f raw >results
		sfzb tail -q Order_Event__e --from earliest -n 20 >again'
	diff <(jq -c 'del(.replay_id)' events) <(jq -c 'del(.replay_id)' again)
	# another version of the schema: read by its own, written by the topic's
	jq -c 'if .schema_json then .schema_json |= sub("\"name\":\"Note__c\""; "\"name\":\"Note__c\",\"aliases\":[]") else . end | .schema_id = "another"' raw >other
	inside -- sh -c 'sfzb publish Order_Event__e --raw -f other >results
		sfzb tail -q Order_Event__e --from earliest -n 20 >again'
	diff <(jq -c 'del(.replay_id)' events) <(jq -c 'del(.replay_id)' again)
	ends 6 sfzb emulator -q -- sfzb publish Order_Event__e --raw '{"schema_id":"unknown","payload_b64":"AA=="}' '{"a":1}'
	prints "is neither the topic's nor in a line before"
	prints "no raw event"
}

@test "it says ready when the server has settled" {
	ends 0 sfzb emulator -q -- bash -c '
		: >log; sfzb tail Account 2>log & pid=$!
		for i in $(seq 600); do ! grep -q ready log || break; sleep 0.1; done
		kill $pid; wait $pid; rc=$?; cat log >&2; exit $rc'
	says "ready: what is published from now on is shown"
}

@test "tail refuses what would have no effect" {
	fails 2 sfzb tail Account --table a.b.c
	says "'--table' goes with '--from stored' only"
	fails 2 sfzb tail Account --changes --raw
	fails 2 sfzb tail Account --changes -o avro
}

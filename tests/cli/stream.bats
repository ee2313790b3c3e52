# The main job against the emulator: from change events to rows of a table, and back from every kind of trouble.
bats_require_minimum_version 1.5.0
load helper

inside() { # EMULATOR OPTIONS… -- COMMAND…   fine, in a fresh emulator; some of its events are gaps, which are warned about
	ends 0 sfzb emulator -q --seed 1 --keepalive 300ms "$@" || return 1
	! grep -vE '^sfzb: warning: (GAP_[A-Z]+ of |[0-9,]+ gap events?: )' "$err" || { show "$@"; return 1; }
}

# For scripts that run inside: how many rows, and how many of them are different events.
count='count() { sfzb sql -q -o tsv "SELECT count(*), count(DISTINCT event_id) FROM $1" | tr "\t" " "; }'
# Changes a member of a file of the profile: edit databricks.json '.host = "x"'
edit='edit() { f=$(find "$HOME" -path "*emulator/$1" | head -n 1); jq "$2" "$f" >new && cat new >"$f"; }'

@test "the sentence of the README: stream until caught up, then look at one event" {
	ends 0 sfzb emulator -q --events 100 --keepalive 300ms -- sh -c 'sfzb stream AccountChangeEvent --table main.crm.account --until-caught-up && sfzb tail Account --from earliest -n 1'
	[ "$(wc -l <"$out")" -eq 1 ]
	jq -e '.topic == "/data/AccountChangeEvent"' "$out"
	says "created table 'main.crm.account'"
	says "'/data/AccountChangeEvent' starts at the earliest event kept: the table is new"
	says "stored [0-9,]+ of [0-9,]+ events received; .*, [0-9,]+ events/s"
}

@test "every event is stored once, and a second run stores nothing" {
	inside --events 500 -- sh -c "$count"'
		sfzb stream -q Account Contact Opportunity Invoice__c --table main.crm.events --until-caught-up
		count main.crm.events
		sfzb stream -q Account Contact Opportunity Invoice__c --table main.crm.events --until-caught-up -o json |
			jq -c "[.received, .stored]"
		count main.crm.events
		sfzb tail -q Account Contact Opportunity Invoice__c --from earliest --until-caught-up | wc -l'
	stored=$(sed -n 1p "$out")
	[ "${stored% *}" = "${stored#* }" ]
	[ "$(sed -n 2p "$out")" = "[0,0]" ]
	[ "$(sed -n 3p "$out")" = "$stored" ]
	[ "$(sed -n 4p "$out")" = "${stored% *}" ]
}

@test "rows hold what tail shows" {
	inside --events 60 --objects Account -- sh -c '
		sfzb stream -q Account --table main.crm.account --until-caught-up
		sfzb tail -q Account --from earliest --until-caught-up | jq -c "[.event_id, .replay_id, .change_type, .commit_number, .record]" | sort >shown
		sfzb sql -o json "SELECT event_id, replay_id, change_type, commit_number, record_data_json FROM main.crm.account" |
			jq -c "[.event_id, .replay_id, .change_type, (.commit_number | tostring), (.record_data_json | fromjson)]" | sort >stored'
	[ "$(wc -l <shown)" -eq 60 ]
	# jq 1.6 reads long numbers as doubles: the exact ones are compared by SQL text elsewhere
	diff <(jq -c '[.[0], .[1], .[2], .[4]]' shown) <(jq -c '[.[0], .[1], .[2], .[4]]' stored)
}

@test "{entity} makes a table for each object" {
	inside --events 200 --objects Account,Invoice__c -- sh -c "$count"'
		sfzb stream -q ChangeEvents --table "main.crm.all_{entity}" --until-caught-up
		count main.crm.all_account; count main.crm.all_invoice__c'
	[ "$(awk '{ n += $1; d += $2 } END { print n, d }' "$out")" = "200 200" ]
	[ "$(wc -l <"$out")" -eq 2 ]
}

@test "platform events are stored, too" {
	inside -- sh -c '
		seq 1 50 | sed "s/.*/{\"Order_Number__c\":\"&\"}/" | sfzb publish -q Order_Event__e >/dev/null
		sfzb stream -q Order_Event__e --table main.crm.orders --until-caught-up
		sfzb sql -o tsv "SELECT count(*), min(topic), min(change_type) FROM main.crm.orders"'
	[ "$(cat "$out")" = $'50\t/event/Order_Event__e\tUNKNOWN' ]
}

@test "the classic layout has the 16 columns and works" {
	inside --events 40 --objects Account -- sh -c "$count"'
		sfzb stream -q Account --table main.crm.account --layout classic --until-caught-up
		count main.crm.account
		sfzb sql -o json "SELECT * FROM main.crm.account LIMIT 1" | jq length
		sfzb sql -o tsv "SELECT count(schema_json) FROM main.crm.account"'
	[ "$(tr '\n' ' ' <"$out")" = "40 40 16 40 " ]
}

@test "without a stored position it starts where the table ends, and stores nothing twice" {
	inside --events 120 --objects Account -- sh -c "$count"'
		sfzb stream -q Account --table main.crm.account -n 50
		rm "$(find "$HOME" -path "*emulator/replay.db")"*
		sfzb stream Account --table main.crm.account --until-caught-up --visibility-wait 1s 2>said
		count main.crm.account'
	[ "$(cat "$out")" = "120 120" ]
	grep -q "goes on behind [0-9a-f]*: the newest that the table holds of it" said
}

@test "--from earliest on a full table looks up and stores nothing twice" {
	inside --events 120 --objects Account -- sh -c "$count"'
		sfzb stream -q Account --table main.crm.account --until-caught-up
		sfzb stream -q Account --table main.crm.account --until-caught-up --from earliest --visibility-wait 1s
		sfzb replay -q set Account earliest
		sfzb stream -q Account --table main.crm.account --until-caught-up --visibility-wait 1s
		count main.crm.account'
	[ "$(cat "$out")" = "120 120" ]
}

@test "--from a time: what is older is passed over once, however often the subscription ends, and not stored; so is what tail leaves out" {
	fine sfzb emulator -q --dir bus --clock-offset -3h --events 300 --objects Account -- true
	echo 'subscribe cut after 100' >cuts
	ends 0 sfzb emulator -q --dir bus --keepalive 300ms --events 20 --objects Account -- bash -euc "$count"'
		stream() { sfzb stream -q Account --from 1h --until-caught-up --retry-backoff 1ms..5ms "$@"; }
		stream --table "main.crm.of_{entity}"; count main.crm.of_account
		curl -fsS --data-binary @cuts "$SFZB_EMULATOR_ADMIN/faults" >admin
		stream --table main.crm.account --timeout 60s; count main.crm.account
		sfzb tail -q Account --from earliest --filter "false" --until-caught-up -n 1 --timeout 60s'
	diff - "$out" <<<$'20 20\n20 20'
}

@test "killed with SIGKILL again and again: nothing lost, nothing twice" {
	inside --events 20000 --objects Account,Contact -- sh -c "$count; $settled"'
		# killed while it made them, it would say that it makes the positions anew
		sfzb stream -q Account Contact --table main.crm.events -n 100
		for s in 0.2 0.35 0.3 0.25; do
			timeout -s KILL $s sfzb stream -q Account Contact --table main.crm.events --until-caught-up --visibility-wait 500ms 2>/dev/null || :
			settled
		done
		sfzb stream -q Account Contact --table main.crm.events --until-caught-up --visibility-wait 500ms
		count main.crm.events' 2>/dev/null
	[ "$(tail -n 1 "$out")" = "20000 20000" ]
}

@test "the first SIGTERM drains and ends with 0; the position is what was stored" {
	inside --events 3000 --rate 200 --objects Account -- sh -c "$count"'
		sfzb stream -q Account --table main.crm.account &
		until count main.crm.account 2>/dev/null | grep -q "^[0-9]\{4\}"; do sleep 0.1; done
		kill $!; wait $! || echo "status $?"
		sfzb replay show | jq .in_flight
		sfzb stream -q Account --table main.crm.account -n 300
		count main.crm.account | awk "{ print (\$1 == \$2 && \$1 >= 1300) }"'
	[ "$(tr '\n' ' ' <"$out")" = "0 1 " ] || { show; return 1; }
}

@test "two runs never share a position" {
	inside --objects Account -- sh -c '
		: >first; sfzb stream Account --table main.crm.account 2>first & until grep -q subscribed first; do sleep 0.1; done
		sfzb stream Account --table main.crm.account --until-caught-up 2>second || echo "status $?"
		sfzb replay set Account earliest --table main.crm.account 2>>second || echo "status $?"
		kill $!; wait $!'
	[ "$(tr '\n' ' ' <"$out")" = "status 2 status 2 " ]
	[ "$(grep -c "process [0-9]* is already streaming '/data/AccountChangeEvent' to 'main.crm.account'" second)" -eq 2 ]
}

@test "one topic to one table under two names is refused; topics that hold the same events are warned about" {
	inside --objects Account,Contact -- sh -c '
		: >first; sfzb stream Account --table main.crm.account 2>first & until grep -q subscribed first; do sleep 0.1; done
		sfzb stream Account --table "main.crm.{entity}" --until-caught-up 2>same || echo "status $?"
		sfzb stream -q ChangeEvents --table "main.crm.{entity}" --until-caught-up 2>channel
		sfzb stream -q Contact --table main.crm.account --until-caught-up
		sfzb stream -q ChangeEvents --table main.default.account --until-caught-up
		sfzb stream -q Contact ChangeEvents --table main.default.account --until-caught-up
		kill $!; wait $! || echo "ended with $?"
		sfzb stream -q ChangeEvents --table "main.crm.{entity}" --until-caught-up 2>alone'
	[ "$(cat "$out")" = "status 2" ]
	grep -q "process [0-9]* is already streaming '/data/AccountChangeEvent' to the same table, as 'main.crm.account'" same
	[ "$(grep -v "GAP_\|gap event" channel | grep -c .)" -eq 1 ]
	grep -q "process [0-9]* streams '/data/AccountChangeEvent' to the same table ('main.crm.account'): events that '/data/ChangeEvents'" channel
	run ! grep "process" alone
}

@test "one topic to one table under two names, one after the other: nothing is stored twice" {
	inside --events 30 --objects Account -- sh -c "$count"'
		stream() {
			sfzb stream -q Account --visibility-wait 200ms --until-caught-up --table "$1"
			curl -sS -d "{\"count\":30}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		}
		stream "main.crm.{entity}"
		stream main.crm.account
		stream "main.crm.{entity}"
		count main.crm.account'
	[ "$(cat "$out")" = "90 90" ]
}

@test "an unknown topic is refused before a table is made" {
	fails 4 sfzb emulator -q -- sfzb stream Nothing__c --table main.crm.nothing --until-caught-up
	says "NOT_FOUND.*Nothing__ChangeEvent"
	fails 4 sfzb emulator -q -- sh -c 'sfzb stream Nothing__c --table main.crm.nothing 2>/dev/null; sfzb create-table main.crm.nothing --check'
	says "main.crm.nothing"
}

@test "--no-create refuses a missing table; an unknown schema is named" {
	fails 4 sfzb emulator -q -- sfzb stream Account --table main.crm.missing --no-create
	says "main.crm.missing"
	says "hint: leave out --no-create"
	fails 4 sfzb emulator -q -- sfzb stream Account --table main.nowhere.account
	says "nowhere"
}

@test "a table that does not fit is refused by column, and nothing is sent" {
	ends 4 sfzb emulator -q --events 10 --objects Account -- sh -c '
		sfzb sql "CREATE TABLE main.crm.bad (event_id STRING, \`timestamp\` ARRAY<STRING>, record_ids BIGINT) USING DELTA"
		sfzb stream Account --table main.crm.bad --until-caught-up; status=$?
		sfzb sql -o tsv "SELECT count(*) FROM main.crm.bad"; exit $status'
	says "column '(timestamp|record_ids)'"
	[ "$(tail -n 1 "$out")" = 0 ]
}

@test "refused, unreachable, untrusted: one error, its status, positions intact" {
	inside --events 100 --objects Account -- sh -c "$edit"'
		sfzb stream -q Account --table main.crm.account -n 30
		sfzb replay show | jq -c "del(.retention_left_ms, .event_age_ms)" >before
		f=$(find "$HOME" -path "*emulator/databricks.json"); cp "$f" kept
		try() { sfzb stream -q Account --table main.crm.account --until-caught-up --max-retries 1 2>>said || echo "$1 $?"; cat kept >"$f"; }
		edit databricks.json ".client_secret = \"wrong\""; try secret
		edit databricks.json "del(.ca_file)"; try untrusted
		edit databricks.json ".ingest_endpoint = \"localhost:1\""; try closed
		edit databricks.json ".host = \"https://no-such-host.invalid\""; try host
		printf "{" >"$f"; try damaged
		sfzb replay show | jq -c "del(.retention_left_ms, .event_age_ms)" | cmp - before
		sfzb stream -q Account --table main.crm.account --until-caught-up
		sfzb sql -o tsv "SELECT count(*), count(DISTINCT event_id) FROM main.crm.account"'
	[ "$(head -n 5 "$out" | tr '\n' ' ')" = "secret 3 untrusted 5 closed 5 host 5 damaged 2 " ]
	[ "$(tail -n 1 "$out")" = $'100\t100' ]
	[ "$(grep -c '^sfzb: error:' said)" -eq 5 ]
	run ! grep -q wrong said
}

@test "events that the table refuses are set aside and the rest is stored" {
	ends 0 sfzb emulator -q --seed 1 --keepalive 300ms --events 100 --objects Account -- sh -c "$count"'
		sfzb sql "CREATE TABLE main.crm.strict (event_id STRING, change_type STRING, commit_number BIGINT NOT NULL, commit_user STRING) USING DELTA"
		sfzb stream Account --table main.crm.strict --until-caught-up
		count main.crm.strict'
	[ "$(tail -n 1 "$out")" = "100 100" ]
}

@test "create-table makes, keeps and checks" {
	ends 0 sfzb emulator -q -- sh -c '
		sfzb create-table main.crm.new && sfzb create-table main.crm.new &&
		sfzb create-table main.crm.new --check && sfzb create-table main.crm.new --check -o json | jq -e .fits >/dev/null &&
		sfzb create-table main.crm.old --layout classic -q && sfzb create-table main.crm.old --check'
	says "created table 'main.crm.new'"
	says "table 'main.crm.new' is there already and fits"
	prints "^table 'main.crm.new' fits$"
	prints "^table 'main.crm.old' fits, and could hold more$"
	prints "^ALTER TABLE .*commit_number"
}

@test "sql in its forms" {
	inside --events 20 --objects Account -- sh -c '
		sfzb stream -q Account --table main.crm.account --until-caught-up
		sfzb sql "SELECT 1 AS a, '\''x,\"y'\'' AS b, NULL AS c"
		sfzb sql -o csv "SELECT 1 AS a, '\''x,\"y'\'' AS b, NULL AS c"
		sfzb sql -o tsv "SELECT 1 AS a, '\''x,\"y'\'' AS b, NULL AS c"
		sfzb sql -o table "SELECT event_id, commit_number FROM main.crm.account LIMIT 2" | wc -l'
	[ "$(sed -n 1p "$out" | jq -c .)" = '{"a":1,"b":"x,\"y","c":null}' ]
	[ "$(sed -n 2,3p "$out" | tr '\n' ' ')" = 'a,b,c 1,"x,""y", ' ]
	[ "$(sed -n 4p "$out")" = $'1\tx,"y\t\\N' ]
	[ "$(sed -n 5p "$out" | tr -d ' ')" = 3 ]
	ends 4 sfzb emulator -q -- sfzb sql 'SELECT * FROM main.crm.nothing'
	says "main.crm.nothing|nothing"
	ends 1 sfzb emulator -q -- sfzb sql 'SELEKT'
}

@test "a full disk under the profile stops the run with one error and harms no position" {
	mkdir small
	mount -t tmpfs -o size=512k tmpfs small 2>/dev/null || skip "cannot mount a small file system here"
	inside --events 4000 --rate 50 --objects Account -- sh -c '
		cp -r "$(dirname "$(dirname "$(find "$HOME" -path "*emulator/databricks.json")")")" small/profiles
		export SFZB_HOME=$PWD/small
		sfzb stream -q Account --table main.crm.account -n 50
		sfzb replay show | jq -r .replay_id >before
		dd if=/dev/zero of=small/filler bs=1k 2>/dev/null
		sfzb stream -q Account --table main.crm.account -n 2000 2>said || echo "status $?"
		rm small/filler
		sfzb stream -q Account --table main.crm.account --until-caught-up --quiet-for 1s -n 3000
		sfzb sql -o tsv "SELECT count(*) = count(DISTINCT event_id) FROM main.crm.account"' || { umount small; return 1; }
	umount small
	prints "^status [1-9]"
	[ "$(grep -c '^sfzb: error:' said)" -eq 1 ]
	[ "$(tail -n 1 "$out")" = true ]
}

@test "with --streams and no stored position the newest row of the table is not trusted" {
	ends 0 sfzb emulator -q --seed 1 --keepalive 300ms --events 60 --objects Account -- sh -c '
		sfzb stream -q Account --table main.crm.account --until-caught-up
		find "$HOME" "${SFZB_HOME:-$HOME}" -name "replay.db*" -delete
		sfzb stream Account --table main.crm.account --until-caught-up --quiet-for 1s --streams 3 --visibility-wait 1s
		sfzb sql -o tsv "SELECT count(*), count(DISTINCT event_id) FROM main.crm.account"'
	says "starts at the earliest event kept: no position is stored, and with --streams"
	[ "$(tail -n 1 "$out")" = "$(printf '60\t60')" ]
}

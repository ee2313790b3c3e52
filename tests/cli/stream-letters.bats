# Events that a table refuses: set aside, counted, sent again when the table was mended.
bats_require_minimum_version 1.5.0
load helper

inside() { # COMMANDS   in a fresh emulator, with 20 platform events that lack what a column wants
	ends "${STATUS:-0}" sfzb emulator -q --keepalive 300ms -- sh -euc '
		t=main.default.orders
		stream() { sfzb stream -q Order_Event__e -t "$t" --until-caught-up --visibility-wait 200ms "$@"; }
		sfzb create-table -q "$t"
		sfzb sql "alter table $t alter column transaction_key set not null" >/dev/null
		seq 1 20 | sed "s/.*/{\"Order_Number__c\":\"&\"}/" | sfzb publish Order_Event__e >published
		'"$1"
}

@test "retry sends them again, each once, and removes what is durable" {
	inside '
		stream
		sfzb dead-letters >aside
		letters=$(find "$HOME" -name dead-letters)
		retry() { sfzb dead-letters -q retry --visibility-wait 200ms -o json "$@"; }
		retry 1 2 >refused && exit 9
		test $? -eq 6
		sfzb sql "alter table $t alter column transaction_key drop not null" >/dev/null
		retry 1 2 >two
		cp -r "$letters" before
		retry --all --topic Order_Event__e >rest
		sfzb dead-letters >left
		rm -r "$letters" && cp -r before "$letters"
		retry --all >again
		sfzb sql "select event_id from $t" >rows'
	[ "$(wc -l <aside)" -eq 20 ]
	jq -e '.stored == 0 and .set_aside == 2' refused
	jq -e '.stored == 2 and .removed == 2 and .set_aside == 0' two
	jq -e '.stored == 18 and .removed == 18' rest
	[ ! -s left ]
	jq -e '.stored == 0 and .already_stored == 18 and .removed == 18' again
	diff <(jq -r .event_id published | sort) <(jq -r .event_id rows | sort)
}

@test "retry: a signal in the first table does not begin with the second, and is no success" {
	STATUS=143 inside '
		stream
		t=main.default.second
		sfzb create-table -q "$t"
		sfzb sql "alter table $t alter column transaction_key set not null" >/dev/null
		stream
		for t in orders second; do sfzb sql "alter table main.default.$t alter column transaction_key drop not null"; done >/dev/null
		curl -sf -d "databricks.ingest ack-delay 3s" $SFZB_EMULATOR_ADMIN/faults
		: >log; sfzb dead-letters retry -v --all --visibility-wait 200ms 2>log & pid=$!
		until curl -s $SFZB_EMULATOR_ADMIN/state | jq -e .databricks.zerobus.rows==20; do kill -0 $pid; sleep 0.1; done >state
		kill -TERM $pid; rc=0; wait $pid || rc=$?
		sfzb dead-letters >left; cat log >&2; exit $rc'
	says "error: stopped before all events were sent"
	says "hint: what was not is still set aside: another retry sends it"
	[ "$(jq -r .table left | sort | uniq -c | tr -s ' ')" = " 20 main.default.second" ]
}

@test "retry killed at any write of the store, between storing a row and removing its letter too: each is stored once" {
	shim=$BUILD/tests/faults/shim.so
	[ -f "$shim" ] || skip "no $shim (make tools)"
	grep -q -- '-fsanitize' "$BUILD/flags" && skip "not a release build"
	LIMIT=600
	ends 0 sfzb emulator -q --keepalive 300ms --visibility-delay 300ms -- bash -euc "$settled"'
		t=main.default.orders
		sfzb create-table -q $t
		sfzb sql "alter table $t alter column transaction_key set not null" >/dev/null
		seq 1 12 | sed "s/.*/{\"Order_Number__c\":\"&\"}/" | sfzb publish Order_Event__e >published
		sfzb stream -q Order_Event__e -t $t --until-caught-up --visibility-wait 500ms
		sfzb sql "alter table $t alter column transaction_key drop not null" >/dev/null
		retry() { sfzb dead-letters -q retry --all --visibility-wait 500ms -o json; }
		kills=0
		# what opening the store writes is no news; behind it come the removals
		SFZB_SHIM=write:1000000:kill SFZB_SHIM_PATH=letters.db SFZB_SHIM_COUNT=$PWD/opening LD_PRELOAD='"$shim"' sfzb dead-letters >/dev/null
		opening=$(cat opening)
		for n in 1 $((opening + 1)) $((opening + 2)) $((opening + 4)) $opening $((opening + 7)) $((opening + 11)) 3; do
			status=0
			SFZB_SHIM=write:$n:kill SFZB_SHIM_PATH=letters.db LD_PRELOAD='"$shim"' retry >>results || status=$?
			settled
			[ $status -eq 137 ] && kills=$((kills + 1))
			sfzb dead-letters | wc -l >>lefts
			echo "$n: $status, $(tail -n 1 lefts) left" >>log
		done
		echo $kills >kills
		retry >>results
		sfzb dead-letters >left
		sfzb sql "select event_id from $t" >rows'
	cat log
	# some of them came when rows were stored and not all letters were gone
	[ "$(cat kills)" -ge 4 ]
	[ "$(sort -u lefts | wc -l)" -ge 3 ]
	[ ! -s left ]
	diff <(jq -r .event_id published | sort) <(jq -r .event_id rows | sort)
}

@test "retry refuses while a stream to the table runs" {
	inside '
		sfzb stream -q Order_Event__e -t "$t" & p=$!
		n=0
		until [ "$(sfzb dead-letters | wc -l)" -eq 20 ]; do sleep 0.1; n=$((n + 1)); test $n -lt 600; done
		sfzb dead-letters retry 1 && exit 9
		kill $p
		wait $p'
	says "already streaming '/event/Order_Event__e' to 'main.default.orders'"
}

@test "--strict: all goes on, and the exit status is 6" {
	STATUS=6 inside 'stream --strict'
	says "error: 20 events were set aside"
	inside 'stream; sfzb sql "alter table $t alter column transaction_key drop not null" >/dev/null; stream --strict'
}

@test "--max-dead-letters stops a run where all is bad; the next goes on behind what was set aside" {
	STATUS=6 inside 'stream --max-dead-letters 4'
	says "error: 5 events were set aside, more than allowed; the last: .*transaction_key"
	inside '
		stream --max-dead-letters 4 && exit 9
		sfzb dead-letters | wc -l >first
		stream --max-dead-letters 15
		sfzb dead-letters | wc -l >second'
	[ "$(cat first second | tr "\n" " ")" = "5 20 " ]
}

@test "bytes that are none of their schema's are set aside with that schema" {
	ends 0 sfzb emulator -q --keepalive 300ms --events 10 --objects Account -- bash -euc '
		sfzb tail -q Account --raw --from earliest -n 1 >raw
		jq -c "if .payload_b64 then .payload_b64 = \"AAAA\" | .event_id = \"7f000000-0000-4000-8000-000000000001\" else . end" raw >bad
		curl -sSf --data-binary @bad "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		sfzb stream Account -q -t main.default.a --until-caught-up
		sfzb dead-letters show 1 -o json >letter
		sfzb schema Account -o avro >schema'
	says 'event 7f000000-0000-4000-8000-000000000001 is set aside \(1 by now\)'
	jq -e '.payload_base64 == "AAAA"' letter
	jq -r .schema_json letter | diff - schema
}

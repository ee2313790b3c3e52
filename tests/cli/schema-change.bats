# A table that is changed while it is streamed to: every event is there, once, and it is said what happened.
bats_require_minimum_version 1.5.0
load helper

# The run is for more events than there are at first: the others come when the table was changed, so that it cannot be over by then.
more='curl -sSf -d "{\"count\":2000}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null'

change() { # STATEMENT [RULE]: streams, meanwhile runs it, then with this rule too. Status and counts in $out
	cat >script <<-END
		sfzb create-table main.default.t -q
		sfzb stream Account --table main.default.t --from earliest -n 3000 --max-in-flight-rows 500 --retry-backoff 20ms..100ms &
		until sfzb sql -o csv 'SELECT count(*) > 100 FROM main.default.t' 2>/dev/null | grep -q true; do sleep 0.05; done
		sfzb sql "$1"
		printf '%s\n' "$(cat faults)" "${2-}" | curl -sSf -X PUT --data-binary @- "\$SFZB_EMULATOR_ADMIN/faults" >/dev/null
		$more
		wait \$!; echo \$?
		sfzb sql -o csv 'SELECT count(*), count(DISTINCT payload_binary) FROM main.default.t' | sed 1d
	END
	ends 0 sfzb emulator -q --events 1000 --objects Account --keepalive 200ms --faults faults -- bash script
}

prepare() { # slow enough for something to happen meanwhile
	echo 'databricks.ingest ack-delay 300ms every 1' >faults
}

@test "a column is dropped: the run goes on with the others" {
	change 'ALTER TABLE main.default.t DROP COLUMN change_origin'
	[ "$(tr '\n' ' ' <"$out")" = '0 3000,3000 ' ] || { cat "$out" "$err"; return 1; }
	says "warning: table 'main.default.t' was changed: column 'change_origin' is gone"
	says 'going on with the table.s new columns'
}

@test "a column's type is widened: the run goes on" {
	change 'ALTER TABLE main.default.t ALTER COLUMN sequence_number TYPE BIGINT'
	[ "$(tr '\n' ' ' <"$out")" = '0 3000,3000 ' ] || { cat "$out" "$err"; return 1; }
	says "column 'sequence_number' is BIGINT now, it was INT"
}

@test "a column is added: nothing happens" {
	change 'ALTER TABLE main.default.t ADD COLUMNS (extra STRING)'
	[ "$(tr '\n' ' ' <"$out")" = '0 3000,3000 ' ] || { cat "$out" "$err"; return 1; }
	run ! grep -q 'was changed' "$err"
}

@test "a column that sfzb knows is added: rows fill it from the next stream on, in the same run" {
	echo 'databricks.ingest close-signal 100ms after 2 every 1' >>faults
	cat >script <<-END
		sfzb create-table main.default.t --layout classic -q
		sfzb stream Account --table main.default.t --from earliest -n 3000 --max-in-flight-rows 300 --batch-rows 50 &
		until sfzb sql -o csv 'SELECT count(*) > 100 FROM main.default.t' 2>/dev/null | grep -q true; do sleep 0.05; done
		sfzb sql 'ALTER TABLE main.default.t ADD COLUMNS (topic STRING, commit_number BIGINT)'
		$more
		wait \$!; echo \$?
		sfzb sql -o csv 'SELECT count(*), count(DISTINCT payload_binary), count(topic) BETWEEN 1 AND 2999 FROM main.default.t
			WHERE (topic IS NULL) = (commit_number IS NULL)' | sed 1d
	END
	ends 0 sfzb emulator -q --events 1000 --objects Account --keepalive 200ms --faults faults -- bash script
	[ "$(tr '\n' ' ' <"$out")" = '0 3000,3000,true ' ] || { cat "$out" "$err"; return 1; }
	says "table 'main.default.t' has got more columns, which are filled from here on: (topic, commit_number|commit_number, topic)"
	run ! grep -q "was changed" "$err"
}

@test "the column event_id is dropped: it is said why nothing can be looked up any more" {
	change 'ALTER TABLE main.default.t DROP COLUMN event_id' 'databricks.ingest cut after 2 x1'
	says 'cannot be looked up without a column event_id of a text type in the table'
	run ! grep -q 'without a SQL warehouse' "$err"
}

@test "the table is dropped: the run ends, and says so" {
	change 'DROP TABLE main.default.t'
	[ "$(head -1 "$out")" = 4 ] || { cat "$out" "$err"; return 1; }
	says 'error: .*main.default.t'
}

@test "a topic of which nothing had come by then begins where it began before" {
	cat >script <<-'END'
		make() { curl -sSf -d "{\"count\":$1,\"object\":\"$2\"}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null; }
		sfzb create-table main.default.t -q
		make 10 Contact
		sfzb stream -q Contact --table main.default.t -n 10 # an older run's position does not count
		make 50 Contact
		sfzb stream Account Contact --table main.default.t --from latest -n 101 2>log &
		until [ "$(grep -c 'subscribed to' log)" -ge 2 ]; do sleep 0.05; done
		sfzb sql 'ALTER TABLE main.default.t DROP COLUMN change_origin'
		make 100 Account
		until grep -q "going on with the table" log; do sleep 0.05; done
		until [ "$(grep -c 'subscribed to' log)" -ge 4 ]; do sleep 0.05; done
		make 1 Contact
		wait $!; echo $?
		sfzb sql -o csv 'SELECT count(*), count(DISTINCT event_id), count_if(entity_name = "Contact") FROM main.default.t' | sed 1d
		cat log >&2
	END
	: >log
	ends 0 sfzb emulator -q --events 0 --objects Account,Contact --keepalive 60s -- bash script
	[ "$(tr '\n' ' ' <"$out")" = '0 111,111,11 ' ] || { cat "$out" "$err"; return 1; }
	[ "$(grep -c "ContactChangeEvent' starts at the tip: --from" log)" -eq 2 ]
}

@test "a run that was told to stop does not go on with a changed table" {
	cat >script <<-'END'
		sfzb create-table main.default.t -q
		sfzb stream Account --table main.default.t --from earliest --max-in-flight-rows 100 --retry-backoff 20ms..100ms --flush-timeout 200s 2>log &
		until grep -q "again in" log; do sleep 0.05; done
		kill -TERM $!
		until grep -q "stopping when" log; do sleep 0.05; done
		sfzb sql -q 'ALTER TABLE main.default.t DROP COLUMN change_origin'
		curl -sSf -X PUT --data-binary '' "$SFZB_EMULATOR_ADMIN/faults" >/dev/null
		until grep -q 'error:\|going on' log; do sleep 0.05; done
		! grep 'going on' log || kill -KILL $!
		wait $!; echo $?
		sfzb stream -q Account --table main.default.t --from earliest --until-caught-up
		sfzb sql -o csv 'SELECT count(*), count(DISTINCT event_id) FROM main.default.t' | sed 1d
		cat log >&2
	END
	echo 'databricks.ingest status=UNAVAILABLE' >faults
	: >log
	ends 0 sfzb emulator -q --events 200 --objects Account --keepalive 200ms --faults faults -- bash script
	[ "$(tr '\n' ' ' <"$out")" = '143 200,200 ' ] || { cat "$out" "$err"; return 1; }
	says 'error: the table was changed before all events in flight were stored'
}

@test "SIGTERM while a run begins again ends it with 0, whatever SIGHUP it had" {
	cat >script <<-'END'
		sfzb create-table main.default.t -q
		sfzb stream Account --table main.default.t --from earliest 2>log &
		until grep -q subscribed log; do sleep 0.05; done
		kill -HUP $!
		until grep -q reloaded log; do sleep 0.05; done
		echo 'get-topic stall' | curl -sSf -X PUT --data-binary @- "$SFZB_EMULATOR_ADMIN/faults" >/dev/null
		sfzb sql -q 'ALTER TABLE main.default.t DROP COLUMN change_origin'
		curl -sSf -d '{"count":20}' "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		until grep -q 'going on with' log; do sleep 0.05; done
		kill -TERM $!
		wait $!; echo $?
		cat log >&2
	END
	: >log
	ends 0 sfzb emulator -q --events 20 --objects Account --keepalive 200ms -- bash script
	[ "$(cat "$out")" = 0 ] || { cat "$out" "$err"; return 1; }
	says ': stopped before it began$'
}

@test "a table that was dropped is made anew: the next run goes on, and says what is not in it and how to get it" {
	ends 0 sfzb emulator -q --keepalive 300ms --events 60 --objects Account -- bash -euc '
		run() { sfzb stream Account --table main.crm.t --until-caught-up --visibility-wait 1s; }
		run 2>first
		sfzb sql "DROP TABLE main.crm.t"
		curl -sSf -d "{\"count\":40}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		run 2>said
		run 2>third
		sfzb sql -o tsv "SELECT count(*) FROM main.crm.t"
		eval "$(sed -n "s/.*; .\(sfzb replay set .*\). takes what.*/\1/p" said)"
		run 2>fourth
		sfzb sql -o tsv "SELECT count(*), count(DISTINCT event_id) FROM main.crm.t"'
	[ "$(tr '\n\t' '  ' <"$out")" = '40 100 100 ' ] || { cat "$out" "$err" said fourth; return 1; }
	grep -q "warning: table 'main.crm.t' is new: what came before that position is not in it; 'sfzb replay set /data/AccountChangeEvent earliest --table main.crm.t' takes" said
	! grep -q 'is new: what' first third fourth
}

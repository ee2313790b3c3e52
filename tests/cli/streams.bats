# Several ingest streams to one table: everything is there once, in order for each record, and files go on where they
# stopped.
bats_require_minimum_version 1.5.0
load helper

opened() { # how many different streams to the table were opened
	grep -o 'ingest stream to [a-z.]* ([0-9] of 3) is open' "$err" | sort -u | wc -l
}

@test "stream: three streams, each record's changes in order" {
	cat >script <<-'END'
		sfzb stream Account Contact --table main.crm.t --streams 3 --from earliest --until-caught-up -vv
		curl -s "$SFZB_EMULATOR_ADMIN/rows?table=main.crm.t&columns=topic,replay_id,record_ids" >rows
	END
	ends 0 sfzb emulator -q --events 4000 --objects Account,Contact --keepalive 200ms -- bash script
	[ "$(opened)" -eq 3 ] || { grep open "$err"; return 1; }
	[ "$(wc -l <rows)" -eq 4000 ]
	# of one record: rising replay ids; all rows of the topic are not (else there would be nothing to see)
	jq -se 'def ids: .record_ids // [] | if type == "string" then fromjson else . end;
		[.[] | {topic, replay_id, id: ids[]}] | group_by([.topic, .id]) | all(map(.replay_id) == (map(.replay_id) | sort))' rows
	run ! jq -se 'group_by(.topic) | all(map(.replay_id) == (map(.replay_id) | sort))' rows
}

@test "ingest: three streams; broken ones are opened again, and --resume is exact" {
	seq 6000 | sed 's/.*/{"id":&,"name":"row &"}/' >rows
	echo 'databricks.ingest cut after 4 x3' >faults
	cat >script <<-'END'
		sfzb sql -q "CREATE TABLE main.default.t (id BIGINT NOT NULL, name STRING)"
		sfzb ingest main.default.t rows --streams 3 --batch-rows 100 --retry-backoff 10ms..50ms --resume -vv
		curl -s "$SFZB_EMULATOR_ADMIN/faults" >struck
		sfzb sql -o csv 'SELECT count(DISTINCT id) FROM main.default.t'
		seq 6001 6100 | sed 's/.*/{"id":&}/' >>rows
		sfzb ingest main.default.t rows --streams 3 --resume -o json
		sfzb sql -o csv 'SELECT count(DISTINCT id) FROM main.default.t'
	END
	ends 0 sfzb emulator -q --faults faults -- bash script
	[ "$(opened)" -eq 3 ] || { grep open "$err"; return 1; }
	[ "$(grep -xc '6000\|6100' "$out")" -eq 2 ] || { cat "$out" "$err"; return 1; }
	grep -q '# struck 3' struck
	jq -e '.read == 100 and .stored == 100' <(grep '^{' "$out")
}

@test "ingest: stopped it leaves out no row and sends none twice; killed it leaves out none" {
	seq 20000 | sed 's/.*/{"id":&}/' >rows
	cat >script <<-'END'
		sfzb sql -q "CREATE TABLE main.default.t (id BIGINT NOT NULL, name STRING)"
		run_until() { # SIGNAL COUNT
			sfzb ingest -q main.default.t rows --streams 3 --batch-rows 50 --max-in-flight-rows 600 --resume &
			until [ "$(sfzb sql -o csv 'SELECT count(*) FROM main.default.t' | tail -1)" -ge "$2" ]; do sleep 0.02; done
			kill -"$1" $!; wait $!
			status=$?
			[ $status -eq 0 ] || [ $status -eq $((128 + $(kill -l "$1"))) ] || { echo "$1: status $status"; exit 9; }
		}
		run_until TERM 100; run_until TERM 3000
		sfzb sql -o csv 'SELECT count(*) = count(DISTINCT id) FROM main.default.t'
		run_until KILL 5000; run_until KILL 9000
		sfzb ingest -q main.default.t rows --streams 3 --resume
		sfzb sql -o csv 'SELECT count(DISTINCT id) FROM main.default.t'
	END
	echo 'databricks.ingest ack-delay 30ms p=0.5' >faults
	ends 0 sfzb emulator -q --faults faults -- bash script
	[ "$(grep -v count "$out" | tr '\n' ' ')" = 'true 20000 ' ] || { cat "$out" "$err"; return 1; }
}

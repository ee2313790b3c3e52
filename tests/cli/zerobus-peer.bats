# What stream and ingest send, taken by a server that shares no code with sfzb (tests/tables/zerobus_peer.py) and decodes
# every record by the descriptor that its stream was opened with.
bats_require_minimum_version 1.5.0
load helper

PEER="$BATS_TEST_DIRNAME/../tables/zerobus_peer.py"
PROTO="$BATS_TEST_DIRNAME/../../proto/zerobus.proto"

inside() { # [-o 'EMULATOR OPTIONS'] SCRIPT: in the emulator; to_peer CMD… lets sfzb ingest into the peer, whose log is ./log
	local options=()
	if [ "$1" = -o ]; then read -ra options <<<"$2"; shift 2; fi
	cat >script <<-END
		set -eu
		mkfifo hold
		exec 9<>hold
		/usr/bin/python3 "$PEER" "$PROTO" log <hold >port &
		until [ -s port ]; do sleep 0.05; done
		to_peer() {
			DATABRICKS_INGEST_ENDPOINT="http://127.0.0.1:\$(cat port)" "\$@" \\
				--headers-helper "sed -n 's/^table=/authorization: Bearer token for /p'"
		}
		rc=0
		$1
		kill \$!
	END
	ends 0 sfzb emulator -q "${options[@]}" -- bash script
	run ! jq -e 'select(.event == "refused")' log
}

@test "ingest: every type, nested, PROTO and JSON" {
	cat >rows <<-'END'
		{"id":1,"bo":true,"ti":-128,"si":-32768,"i":2147483647,"f":1.5,"d":0.1,"de":"-12345678901234567890.1","st":"ä\"\\\n","vc":"ää","bi":"AP/e","da":"1969-12-31","ts":"2026-11-01T08:00:00.000123Z","tn":"1970-01-01T00:00:01","va":{"x":[1.10,null]},"ar":["","x"],"ma":{"k":1,"":-1},"deep":{"a":[{"m":{"k":{"x":-1,"t":["1970-01-02"]}},"b":"AA=="}],"n":{"o":{"p":"q"}}}}
		{"id":2}
	END
	inside '
		for r in proto json; do
			sfzb sql -q "CREATE TABLE main.default.p_$r (id BIGINT NOT NULL, bo BOOLEAN, ti TINYINT, si SMALLINT, i INT,
				f FLOAT, d DOUBLE, de DECIMAL(22,2), st STRING, vc VARCHAR(2), bi BINARY, da DATE, ts TIMESTAMP,
				tn TIMESTAMP_NTZ, va VARIANT, ar ARRAY<STRING>, ma MAP<STRING,INT>,
				deep STRUCT<a: ARRAY<STRUCT<m: MAP<STRING, STRUCT<x: BIGINT, t: ARRAY<DATE>>>, b: BINARY>>,
					n: STRUCT<o: STRUCT<p: STRING>>>)"
			to_peer sfzb ingest -q main.default.p_$r rows --record-type $r
		done'
	cat >wanted <<-'END'
		{"id":1,"bo":true,"ti":-128,"si":-32768,"i":2147483647,"f":1.5,"d":0.1,"de":"-12345678901234567890.1","st":"ä\"\\\n","vc":"ää","bi":"AP/e","da":-1,"ts":1793520000000123,"tn":1000000,"va":{"x":[1.10,null]},"ar":["","x"],"ma":{"k":1,"":-1},"deep":{"a":[{"m":{"k":{"x":-1,"t":[1]}},"b":"AA=="}],"n":{"o":{"p":"q"}}}}
		{"id":2}
	END
	for r in proto json; do
		jq -cS "select(.event == \"row\" and .table == \"main.default.p_$r\") | .row | if .va then .va |= fromjson else . end" log |
			diff <(jq -cS . wanted) - || { cat log; return 1; }
	done
	jq -se '[.[] | select(.event == "open")] | map(.type) == [1, 2] and (.[0].fields | length) == 18' log
}

@test "stream: PROTO and JSON, repeated acknowledgements and close signals; the rows are those that the table gets" {
	local columns='event_id, schema_id, replay_id, timestamp, change_type, entity_name, change_origin, record_ids,
		changed_fields, nulled_fields, diff_fields, record_data_json, payload_binary, org_id, topic, commit_number,
		commit_user, transaction_key, sequence_number, changed_json'
	inside -o '--events 400 --objects Account --keepalive 200ms' "
		go() { sfzb stream Account -q --from earliest --until-caught-up --batch-rows 50 \"\$@\"; }
		go --table main.crm.direct
		sfzb sql -o json 'SELECT $columns FROM main.crm.direct' >direct
		to_peer go --table main.crm.p_twice
		to_peer go --table main.crm.p_close --streams 2
		to_peer go --table main.crm.p_json --record-type json"
	# what is empty or absent on the wire is an empty list or NULL in a table
	local normal='with_entries(select(.value != null and .value != []))'
	jq -cS "$normal" direct | sort >wanted
	[ "$(wc -l <wanted)" -eq 400 ]
	for t in twice close json; do
		jq -cS "select(.event == \"row\" and .table == \"main.crm.p_$t\") | .row
			| del(.processed_timestamp, .schema_json, .commit_timestamp) | $normal" log | sort >got
		diff wanted got >differences || { echo "$t"; head -c 3000 differences; return 1; }
	done
	jq -se 'map(select(.event == "open" and .table == "main.crm.p_close")) | length > 2' log
}

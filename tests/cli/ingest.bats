# sfzb ingest over the emulator: every type in and out again, CSV, rejects, --resume, broken streams.
bats_require_minimum_version 1.5.0
load helper

inside() { # [-f 'RULES'] SCRIPT: runs it in the emulator; its output is in $out, messages in $err
	local faults=()
	if [ "$1" = -f ]; then
		printf '%s\n' "$2" >faults
		faults=(--faults faults)
		shift 2
	fi
	printf 'set -eu\n%s\n' "$1" >script
	ends 0 sfzb emulator -q "${faults[@]}" -- bash script
}

CREATE='sfzb sql "CREATE TABLE main.default.t (id BIGINT NOT NULL, name STRING)"'

@test "every type, nested three deep, goes in by both record types and comes out unchanged" {
	cat >rows <<-'END'
		{"id":1,"bo":true,"ti":-128,"si":-32768,"i":2147483647,"f":1.5,"d":0.1,"de":12345678901234567890.12,"st":"ä\"\\\n","vc":"ää","bi":"AP/e","da":"0001-01-01","ts":"2026-11-01T08:00:00.123Z","tn":"2026-11-01T10:00:00.000","va":{"x":[1.10,null]},"ar":["","x"],"ma":{"k":1,"":-1},"deep":{"a":[{"m":{"k":{"x":9223372036854775807,"t":["1999-12-31"]}},"b":"AA=="},{"m":{"k":{"x":-1,"t":["1970-01-01"]}},"b":"/w=="}],"n":{"o":{"p":"q"}}}}
		{"id":2,"bo":null,"ti":null,"si":null,"i":null,"f":null,"d":null,"de":null,"st":null,"vc":null,"bi":null,"da":null,"ts":null,"tn":null,"va":null,"ar":null,"ma":null,"deep":null}
	END
	inside "
		for r in proto json; do
			sfzb sql 'CREATE TABLE main.default.'\$r' (id BIGINT NOT NULL, bo BOOLEAN, ti TINYINT, si SMALLINT, i INT,
				f FLOAT, d DOUBLE, de DECIMAL(22,2), st STRING, vc VARCHAR(2), bi BINARY, da DATE, ts TIMESTAMP,
				tn TIMESTAMP_NTZ, va VARIANT, ar ARRAY<STRING>, ma MAP<STRING,INT>,
				deep STRUCT<a: ARRAY<STRUCT<m: MAP<STRING, STRUCT<x: BIGINT, t: ARRAY<DATE>>>, b: BINARY>>,
					n: STRUCT<o: STRUCT<p: STRING>>>)'
			sfzb ingest -q main.default.\$r rows --record-type \$r
			sfzb sql -o json 'SELECT * FROM main.default.'\$r' ORDER BY id' >\$r.out
		done"
	jq -cS . rows >wanted
	for r in proto json; do
		jq -cS . "$r.out" | diff wanted - || return 1
	done
	# beyond what jq's numbers hold
	grep -q '"de":12345678901234567890.12[,}]' proto.out
	grep -q '"x":9223372036854775807[,}]' json.out
	[ ! -s "$err" ]
}

@test "types that Zerobus does not take are named before anything is sent" {
	local type
	for type in 'CHAR(3)' 'INTERVAL DAY TO SECOND' 'INTERVAL YEAR TO MONTH' 'GEOGRAPHY(4326)' 'GEOMETRY(4326)' VOID \
		'ARRAY<ARRAY<INT>>' 'ARRAY<MAP<INT, INT>>' 'ARRAY<CHAR(2)>' 'MAP<DATE, INT>' 'MAP<DOUBLE, INT>' \
		'MAP<DECIMAL(5,0), INT>' 'MAP<STRUCT<a: INT>, INT>' 'MAP<STRING, ARRAY<INT>>' 'MAP<STRING, MAP<INT, INT>>' \
		'MAP<INT, INTERVAL DAY TO SECOND>' 'STRUCT<a: STRUCT<b: ARRAY<MAP<STRING, INT>>>>' 'STRUCT<a: VOID>'; do
		printf 'sfzb sql "CREATE TABLE IF NOT EXISTS main.default.u%d (id BIGINT, x %s)"; ' "$((++n))" "$type"
		printf 'rc=0; sfzb ingest main.default.u%d rows 2>e || rc=$?; echo "$rc $(head -1 e)"\n' "$n"
	done >lines
	echo '{"id":1}' >rows
	inside "$(cat lines)
		curl -s \$SFZB_EMULATOR_ADMIN/state >state
		sfzb ingest main.default.u1 rows --columns id -q; sfzb sql 'SELECT * FROM main.default.u1'"
	[ "$(grep -c '^4 .*table .main.default.u[0-9]*.: column .x' "$out")" -eq "$n" ] || { cat "$out" "$err"; return 1; }
	jq -e ".databricks.zerobus.streams == 0" state
	prints '^\{"id":1,"x":null\}$'
}

@test "refused rows are kept with file, line and reason; mended ones go in" {
	printf '%s\n' '{"id":1}' '{"name":"x"}' '' '{"id":"2","name":7}' 'no json' '{"id":3,"nme":"y"}' >in.ndjson
	inside "$CREATE
		rc=0; sfzb ingest main.default.t in.ndjson --rejects bad -o json || rc=\$?; echo \$rc
		jq -c '.record | select(. != null) | .id //= 4 | .name |= tostring | del(.nme)' bad | sfzb ingest -q main.default.t
		rc=0; sfzb ingest -q main.default.t --ignore-unknown in.ndjson --max-rejects 0 || rc=\$?; echo \$rc
		sfzb sql -o csv 'SELECT id FROM main.default.t ORDER BY id'"
	[ "$(sed -n 2p "$out")" = 6 ] || { cat "$out" "$err"; return 1; }
	jq -e '.read == 5 and .stored == 1 and .refused == 4' <(sed -n 1p "$out")
	jq -se 'map(.line) == [2,4,5,6] and all(.file == "in.ndjson") and .[2].text == "no json"
		and .[0].reason == "column '"'id'"': it is NOT NULL, and there is no value for it"
		and .[3].record == {"id":3,"nme":"y"}' bad
	says "warning: in.ndjson, line 4: column 'name': it takes text, not a number"
	# --max-rejects ended the second run at the first of them
	[ "$(sed -n '3,$p' "$out" | uniq | tr '\n' ' ')" = '6 id 1 2 3 4 ' ] || { cat "$out" "$err"; return 1; }
	says "^sfzb: error: 1 row was refused, more than --max-rejects allows; the last: column 'id': it is NOT NULL, "
}

@test "CSV: quotes, line breaks, empty cells, other delimiters, spreadsheets' marks" {
	printf '\xef\xbb\xbfid;Name;tags;v\r\n1;"a;""b""\r\nc";["x"];{"k":1}\r\n2;;"";plain\r\n"3";"";;\r\n4;x\r\n' >in.csv
	inside 'sfzb sql "CREATE TABLE main.default.t (id BIGINT, name STRING, tags ARRAY<STRING>, v VARIANT)"
		rc=0; sfzb ingest main.default.t in.csv --delimiter ";" || rc=$?; echo $rc
		sfzb sql -o json "SELECT * FROM main.default.t ORDER BY id"'
	[ "$(sed -n 1p "$out")" = 6 ]
	says 'in.csv, line 6: the record has 2 cells, the header names 4 columns'
	sed 1d "$out" | jq -se '. == [{"id":1,"name":"a;\"b\"\r\nc","tags":["x"],"v":{"k":1}},
		{"id":2,"name":null,"tags":null,"v":"plain"},{"id":3,"name":"","tags":null,"v":null}]'
}

@test "CSV: a row of tabs is a row, text that is not UTF-8 is called so, and a quote without an end takes no more than the rest" {
	printf 'id\tname\n\t\n\n2\t\xe4\n3\tx\n' >tabs
	printf 'id,name\n1,a\n2,"b\n3,c\n4,d\n' >quote.csv
	inside 'sfzb sql "CREATE TABLE main.default.t (id BIGINT, name STRING)"
		rc=0; sfzb ingest main.default.t tabs --format csv --delimiter "\t" || rc=$?; echo $rc
		sfzb sql -o csv "SELECT * FROM main.default.t ORDER BY id"
		sfzb ingest main.default.t quote.csv --rejects bad || sfzb sql "SELECT count(*) FROM main.default.t" -o tsv'
	[ "$(tr '\n' ' ' <"$out")" = "6 id,name , 3,x 3 " ] || { cat "$out" "$err"; return 1; }
	says "warning: tabs, line 4: column 'name': the cell is not UTF-8"
	says "warning: quote.csv, line 5: a quoted cell has no end"
	[ "$(jq -c '[.line, .text]' bad)" = '[5,"2,\"b\n3,c\n4,d"]' ]
}

@test "CSV: a header that cannot be one is told at once" {
	seq -s, 2001 >many.csv
	printf 'id,ID\n1,2\n' >twice.csv
	printf 'id,\n1,2\n' >nameless.csv
	inside "$CREATE
		for f in many twice nameless; do sfzb ingest -q main.default.t \$f.csv && exit 9; done; true"
	says "^sfzb: error: 'many.csv': the header names more than 2000 columns"
	says "^sfzb: error: 'twice.csv': the header names column 'ID' twice"
	says "^sfzb: error: 'nameless.csv': column 2 of the header has no name"
}

@test "--resume goes on in each file where it stopped, and sees a file that has changed" {
	seq 5 | sed 's/.*/{"id":&}/' >a
	printf 'id\n11\n12\n' >b.csv
	inside "$CREATE
		sfzb ingest -q main.default.t a b.csv --resume
		sfzb ingest -q main.default.t a b.csv --resume
		echo '{\"id\":6}' >>a; echo 13 >>b.csv
		sfzb ingest main.default.t a b.csv --resume -o json
		sfzb sql 'SELECT id FROM main.default.t ORDER BY id' -o csv
		sed -i 6d a
		rc=0; sfzb ingest -q main.default.t a --resume || rc=\$?; echo \"status \$rc\"
		rc=0; sfzb ingest -q main.default.t --resume </dev/null || rc=\$?; echo \"status \$rc\""
	jq -e '.read == 2 and .stored == 2' <(sed -n 1p "$out")
	[ "$(sed 1d "$out" | tr '\n' ' ')" = "id 1 2 3 4 5 6 11 12 13 status 8 status 2 " ] || { cat "$out"; return 1; }
	says "error: 'a' is not as it was: line 6 has changed or gone"
	says "going on behind line 5"
}

@test "--resume goes on behind a first line that has a spreadsheet's or Windows' mark in front of it" {
	printf '\xef\xbb\xbf{"id":1}\n' >a
	inside "$CREATE
		sfzb ingest -q main.default.t a --resume
		echo '{\"id\":2}' >>a
		sfzb ingest main.default.t a --resume -o json
		sed -i '1s/1/7/; 2d' a; sfzb ingest -q main.default.t a --resume && exit 9; true"
	says "error: 'a' is not as it was"
	jq -e '.read == 1 and .stored == 1' <(sed -n 1p "$out")
}

@test "a first signal waits for the rows in flight, a second one does not; both speak of rows" {
	seq 30 | sed 's/.*/{"id":&}/' >rows
	inside -f 'databricks.ingest ack-delay 60s' "$CREATE
		: >log; sfzb ingest -v main.default.t rows 2>log & pid=\$!
		until curl -s \$SFZB_EMULATOR_ADMIN/state | jq -e .databricks.zerobus.rows==30; do sleep 0.1; done >state
		kill -INT \$pid; until grep 'stopping when' log; do kill -0 \$pid; sleep 0.1; done
		kill -TERM \$pid; rc=0; wait \$pid || rc=\$?; echo \$rc; cat log >&2"
	[ "$(tail -n 1 "$out")" = 143 ]
	says "stopping when 30 rows in flight are stored; once more to stop at once"
	says "error: stopped before all rows in flight were stored"
	says "hint: which of them are stored is not known; --resume "
}

@test "a signal before the end of the input is no success: what follows && would believe that all is stored" {
	inside "$CREATE
		mkfifo pipe; exec 9<>pipe; printf '{\"id\":1}\n{\"id\":2}\n' >&9
		sfzb ingest -q main.default.t pipe 2>log & pid=\$!
		until curl -s \$SFZB_EMULATOR_ADMIN/state | jq -e .databricks.zerobus.rows==2; do kill -0 \$pid; sleep 0.1; done >state
		kill -INT \$pid; rc=0; wait \$pid || rc=\$?; echo \$rc; cat log >&2"
	[ "$(tail -n 1 "$out")" = 130 ]
	says "error: stopped before the end of the input; 2 rows were stored"
	says "hint: with --resume another run would go on there"
}

@test "broken streams, lost acknowledgements, close signals and lies are survived; every row is there" {
	seq 3000 | sed 's/.*/{"id":&,"name":"row &"}/' >rows
	for fault in 'ingest cut after 3 x2' 'ingest lose-ack after 2 x2' 'ingest close-signal 1s after 3 x3' \
		'ingest UNAVAILABLE x2' 'token http=503 x1' 'databricks.tokens expire x1'; do
		inside -f "databricks.${fault#databricks.}" "$CREATE
			sfzb ingest main.default.t rows --batch-rows 100 --retry-backoff 10ms..50ms
			curl -s \$SFZB_EMULATOR_ADMIN/faults >struck
			sfzb sql -o csv 'SELECT count(DISTINCT id) FROM main.default.t'" || { echo "$fault"; return 1; }
		[ "$(tail -1 "$out")" = 3000 ] || { echo "$fault"; cat "$out" "$err"; return 1; }
		grep -q '# struck [1-9]' struck || { cat struck; return 1; }
	done
}

@test "--no-recovery ends at the first failure, with status 5" {
	echo '{"id":1}' >rows
	inside -f 'databricks.ingest UNAVAILABLE' "$CREATE
		rc=0; sfzb ingest main.default.t rows --no-recovery || rc=\$?; echo \$rc"
	[ "$(cat "$out")" = 5 ]
}

@test "wrong usage" {
	fails 2 sfzb ingest t
	fails 2 sfzb ingest a.b.c no-such-file
	says "cannot read 'no-such-file'"
	fails 2 sfzb ingest a.b.c --delimiter ab
	fails 2 sfzb ingest a.b.c --retry-backoff 2s..1s
	fails 2 sfzb ingest a.b.c /
	fails 3 sfzb ingest a.b.c
}

@test "a table that is missing is not one that create-table makes" {
	ends 4 sfzb emulator -q -- sh -c 'echo "{}" | sfzb ingest main.default.nope'
	says 'hint: check the name, or make it: sfzb sql .CREATE TABLE main.default.nope'
}

@test "a schema whose name has a blank takes rows" {
	ends 0 sfzb emulator -q --events 50 --objects Account -- sh -euc '
		sfzb create-table -q "main.\`my schema\`.t" --create-schema --layout classic
		sfzb stream -q Account -t "main.\`my schema\`.t" --until-caught-up
		sfzb sql "select count(*) n from main.\`my schema\`.t"'
	jq -e ".n > 0" "$out"
}

@test "a file that is read takes no rejects: they would be read again, without an end" {
	printf '{"name":"no id"}\n' >in.ndjson
	cp in.ndjson bad.ndjson
	ln -s bad.ndjson other
	inside "$CREATE"'
		for rejects in bad.ndjson ./other; do
			rc=0; sfzb ingest main.default.t *.ndjson --rejects $rejects || rc=$?; echo $rc
			rc=0; sfzb ingest main.default.t --rejects $rejects <bad.ndjson || rc=$?; echo $rc
		done
		cmp in.ndjson bad.ndjson
		rc=0; sfzb ingest -q main.default.t in.ndjson --rejects bad.ndjson || rc=$?; echo $rc
		rc=0; sfzb ingest -q main.default.t --rejects /dev/null </dev/null || rc=$?; echo $rc'
	[ "$(tr '\n' ' ' <"$out")" = '2 2 2 2 6 0 ' ] || { cat "$out" "$err"; return 1; }
	[ "$(wc -l <bad.ndjson)" -eq 2 ]
	says "error: 'bad.ndjson' is to be read, and takes what is refused \(--rejects\)"
}

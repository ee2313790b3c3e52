# sfzb sql over the emulator: parameters, every form of output with every kind of value, a warehouse that starts, cancelling.
bats_require_minimum_version 1.5.0
load helper

within() { # EMULATOR-OPTIONS… -- SCRIPT
	local options=()
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	printf 'set -eu\n%s\n' "$2" >script
	ends 0 sfzb emulator -q "${options[@]}" -- bash script
}

@test "parameters: typed, NULL, with anything in their text; never part of the statement" {
	within -- 'sfzb sql -o json "SELECT :a AS a, :b AS b, :c + 1 AS c, :d AS d, :e AS e, :f AS f ;" \
		-p a="it'\''s; -- :b \"é\" =:=" -p b -p c:BIGINT=9007199254740992 -p "d:DECIMAL(10,2)=1.5" \
		-p e:TIMESTAMP="2026-11-01T10:00:00Z" --parameter f:BOOLEAN=true
		sfzb sql -o json "SELECT count(*) AS n FROM (SELECT 1 AS x) WHERE x = :x" -p x:INT=1'
	printf '%s\n' '{"a":"it'"'"'s; -- :b \"é\" =:=","b":null,"c":9007199254740993,"d":1.50,"e":"2026-11-01T10:00:00.000Z","f":true}' \
		'{"n":1}' >wanted
	diff -u wanted "$out"
}

@test "a statement from standard input, of many lines" {
	within -- 'printf "%s\n" "SELECT :x AS x," "  -- words; with a semicolon" "  \"é\" AS y" ";" "" | sfzb sql -o json - -p x:INT=7'
	[ "$(cat "$out")" = '{"x":7,"y":"é"}' ]
}

@test "names and values in the table are cleaned of control characters" {
	printf 'SELECT "\033[32mc\033[0m" AS `a\033[31mb`, 2 AS x' >statement
	within -- 'sfzb sql - -o table <statement'
	[ "$(cat "$out")" = "$(printf 'a?[31mb     x\n?[32mc?[0m  2')" ] || { cat -v "$out"; return 1; }
}

@test "parameters that are none are refused before anything is asked; the service's refusals are told" {
	local row given words
	while IFS='|' read -r given words; do
		fails 2 sfzb sql 'SELECT :x' -p "$given"
		says "error: option '--parameter': $words"
	done <<-'END'
		x y=1|'x y=1' is not name=value
		=1|'=1' is not name=value
		1x=1|'1x=1' is not name=value
		:INT=1|':INT=1' is not name=value
		x:=1|the type is empty
		x:ARRAY<INT>=[1]|a parameter cannot be of type ARRAY<INT>
		x:struct<a:INT>=1|a parameter cannot be of type struct<a:INT>
	END
	fails 2 sfzb sql 'SELECT :x' -p x=1 -p x=2
	says "'x' is given twice"
	fails 2 sfzb sql ' ; '
	says 'the statement is empty'
	fails 2 sfzb sql - # standard input is empty
	says 'the statement is empty'
	fails 2 sfzb sql $'SELECT "\xff"'
	says 'the statement is no UTF-8 text'
	within -- 'sfzb sql "SELECT :x" || echo $?; sfzb sql "SELECT :x" -p x:INT=abc || echo $?; sfzb sql "SELECT :x" -p x:NONSENSE=1 || echo $?'
	[ "$(tr '\n' ' ' <"$out")" = '1 1 1 ' ]
	says 'UNBOUND_SQL_PARAMETER.*: x'
	says "CAST_INVALID_INPUT.*'abc' cannot be cast"
}

@test "table, JSON, CSV and tabs: nested values, NULL, empty text, Unicode, control characters, 64 bits, bytes" {
	within -- 'sfzb sql "CREATE TABLE main.default.n (id BIGINT, s STRING, b BINARY, a ARRAY<STRUCT<x:INT,y:STRING>>, m MAP<STRING,INT>,
			v VARIANT, t TIMESTAMP, dt DATE, f DOUBLE, bo BOOLEAN)"
		printf "%s\n" "{\"id\":9007199254740993,\"s\":\"a\\\"b,c\\n\\té 日本 \\u001b[31mx\\\\\",\"b\":\"AP8Q\",\"a\":[{\"x\":1,\"y\":\"é\"},{\"x\":null}],
			\"m\":{\"k\":1},\"v\":{\"z\":[1,2.5,\"q\"]},\"t\":\"2026-11-01T10:00:00.123456Z\",\"dt\":\"2026-11-01\",\"f\":\"NaN\",\"bo\":true}" |
			tr -d "\n" >rows
		printf "\n%s\n" "{\"id\":2,\"s\":\"\"}" "{\"id\":3,\"v\":\"text\"}" >>rows
		sfzb ingest -q main.default.n rows
		for o in table json csv tsv; do sfzb sql -o $o "SELECT * FROM main.default.n ORDER BY id" >out.$o; done
		sfzb sql -o csv "SELECT id, s FROM main.default.n WHERE id > :i" -p i:BIGINT=9007199254740993 >out.none
		sfzb sql -o csv "DROP TABLE main.default.n" >out.drop'
	golden sql-table out.table
	golden sql-json out.json
	golden sql-csv out.csv
	golden sql-tsv out.tsv
	# what other programs make of it
	jq -se '.[2] | .id == 9007199254740993 and .s == "a\"b,c\n\té 日本 \u001b[31mx\\" and .a[1] == {"x":null,"y":null} and .v.z[2] == "q"' out.json
	/usr/bin/python3 - <<-'END'
		import csv
		rows = list(csv.reader(open("out.csv", newline="")))
		assert [len(r) for r in rows] == [10] * 4, rows
		assert rows[3][0] == "9007199254740993" and rows[3][1] == 'a"b,c\n\té 日本 \x1b[31mx\\', rows[3]
	END
	[ "$(cat out.none)" = id,s ]
	[ ! -s out.drop ]
	run ! grep -q "$(printf '\033')" out.table
}

@test "a warehouse that starts is waited for, with progress; a deadline cancels" {
	within --warehouse-start 12s -- 'sfzb sql "SELECT 1 AS one"'
	prints '^\{"one":1\}$'
	says 'waiting for the SQL warehouse to start'
	within --warehouse-start 10m -- 'rc=0; sfzb sql "SELECT 1" --timeout 1s || rc=$?; echo $rc'
	[ "$(cat "$out")" = 7 ]
	says 'still PENDING after [0-9]+ s and is cancelled'
	says 'hint: a stopped warehouse takes minutes to start'
	# on a terminal: a line that counts
	within --warehouse-start 6s -- 'script -qec "sfzb sql \"SELECT 1 AS one\"" /dev/null >typescript'
	grep -q 'waiting for the SQL warehouse to start: [1-9]' typescript
}

@test "Ctrl-C cancels the statement at the server and ends at once, in the middle of a request too; SIGTERM likewise" {
	local signal wanted
	for signal in INT TERM; do
		[ $signal = INT ] && wanted=130 || wanted=143
		within --warehouse-start 10m -- '
			: >log; sfzb -vv sql "SELECT 1" 2>log & pid=$!
			for i in $(seq 600); do ! grep -q "> GET .*/sql/statements/" log || break; sleep 0.1; done
			kill -'$signal' $pid
			rc=0; wait $pid || rc=$?; cat log >&2; echo $rc'
		[ "$(cat "$out")" = $wanted ]
		says '> POST .*/sql/statements/[0-9a-f-]+/cancel'
	done
	# a poll that hangs: nothing but the signal ends it; timeout sends it twice
	echo 'databricks.sql stall after 2' >rule
	within --warehouse-start 10m --faults rule -- '
		: >log; setsid timeout 200 sfzb -vv sql "SELECT 1" 2>log & pid=$!
		for i in $(seq 600); do [ "$(grep -c "> GET .*/sql/statements/" log)" -lt 2 ] || break; sleep 0.1; done
		kill -INT $pid
		rc=0; wait $pid || rc=$?; cat log >&2; echo $rc'
	[ "$(cat "$out")" = 130 ]
	says '> POST .*/sql/statements/[0-9a-f-]+/cancel'
}

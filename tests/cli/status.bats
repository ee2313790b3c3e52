# What a stream tells meanwhile: a status line on a terminal, summary lines elsewhere, JSON for programs.
bats_require_minimum_version 1.5.0
load helper

inside() { # COMMANDS   in a fresh emulator with 100 events, and RATE more each second; more N makes N, until_it COMMAND… waits for it
	ends "${STATUS:-0}" sfzb emulator -q --keepalive 300ms --events 100 --rate "${RATE:-0}" --objects Account -- bash -euc '
		stream() { sfzb stream Account -t main.default.a "$@"; }
		more() { curl -sSf -d "{\"count\":$1}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null; }
		until_it() { local n=0; until "$@"; do sleep 0.1; n=$((n + 1)); test $n -lt 600; done; }
		'"$1"
}

@test "on a terminal: one line that is written over, cut to its width, pushed aside by messages and gone at the end" {
	inside '
		script -qefc "stty cols 40 rows 20; exec sfzb stream Account -t main.default.a -n 500" typescript >/dev/null </dev/null & p=$!
		until_it grep -sq "received [0-9,]*, stored [0-9,]*, [0-9,]* ev" typescript
		more 400
		wait $p'
	tr -d '\n' <typescript | grep -oE $'\r\x1b\\[K(received|loading|connect)[^\r]*' | tr -d '\r' | sed $'s/^\x1b\\[K//' >shown
	grep -Eq '^received [0-9,]+, stored [0-9,]+, [0-9,]+ ev' shown
	[ "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' shown)" -eq 39 ]
	/usr/bin/python3 - typescript <<-'END' >screen
		import re, sys
		lines, column = [""], 0
		text = open(sys.argv[1], newline="").read()
		for part in re.findall(r"\x1b\[K|\x1b\[[0-9;]*m|[\r\n]|[^\r\n\x1b]+", text):
		    if part == "\n":
		        lines.append("")
		        column = 0
		    elif part == "\r":
		        column = 0
		    elif part == "\x1b[K":
		        lines[-1] = lines[-1][:column]
		    elif part[0] != "\x1b":
		        lines[-1] = lines[-1][:column] + part + lines[-1][column + len(part):]
		        column += len(part)
		print("\n".join(lines))
	END
	grep -q '^sfzb: stored 500 of 500 events received; ' screen
	grep -q "^sfzb: '/data/AccountChangeEvent' starts at the earliest event kept" screen
	run ! grep -qE '(^received|events/s, in flight)' screen
}

@test "a dumb terminal, --quiet and JSON messages have no status line" {
	RATE=100 inside '
		for how in "TERM=dumb sfzb stream" "sfzb stream -q" "sfzb stream --log-format json"; do
			script -qefc "$how Account -t main.default.a -n 150" typescript >/dev/null </dev/null
			! grep -q "$(printf "\033\[K")" typescript || { echo "$how"; exit 9; }
		done'
}

@test "--stats-interval: a summary line so often where there is no terminal; none with --quiet" {
	inside '
		: >often; stream -n 500 --stats-interval 100ms 2>often & p=$!
		three() { [ "$(grep -c "^sfzb: received" often)" -ge 3 ]; }
		until_it three
		more 600
		wait $p
		stream -q -n 100 --stats-interval 100ms 2>quiet
		stream -n 100 2>seldom'
	[ "$(grep -cE '^sfzb: received [0-9,]+, stored [0-9,]+, [0-9,]+ events/s, in flight [0-9,]+' often)" -ge 3 ]
	run ! grep -q 'sfzb: received' quiet seldom
	run ! grep -q $'\x1b' often
	fails 2 sfzb stream Account -t a.b.c --stats-interval 1ms
}

@test "--log-format json: each message is an object with time, level, area and words, at any -v; so is the error" {
	inside '
		: >log; stream -n 400 --log-format json -vv --stats-interval 100ms 2>log & p=$!
		until_it grep -q "\"message\":\"received" log
		more 300
		wait $p
		SFZB_LOG_FORMAT=json sfzb stream Nothing__c -t main.default.a 2>wrong && exit 9; test $? -eq 4'
	jq -es 'length > 20 and all(.[]; (.time | test("^20..-..-..T..:..:..\\....Z$")) and (.level | test("^(error|warning|info|debug|trace)$"))
		and (.area | type) == "string" and (.message | type) == "string")' log
	jq -es '[.[] | select(.level == "info") | .message | select(test("^received [0-9,]+, stored"))] | length >= 1' log
	jq -es '.[-1] | .level == "error" and .code == "NOT_FOUND" and .exit_status == 4 and (.message | test("Nothing__ChangeEvent"))' wrong
}

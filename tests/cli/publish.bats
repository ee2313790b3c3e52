# Publishing against the emulator, over TLS: ids, rate, quota, broken connections, raw events.
bats_require_minimum_version 1.5.0
load helper

orders() { # FROM TO   one JSON object a line
	seq "$1" "$2" | sed 's/.*/{"Order_Number__c":"&"}/'
}

@test "publish --id-field: the member is the event's id, not a field of the event" {
	fine sfzb emulator -q --keepalive 300ms -- sh -c '
		printf "%s\n" "{\"key\":\"A-1\",\"Order_Number__c\":\"1\"}" "{\"Order_Number__c\":\"2\",\"key\":12345678901234567890}" |
			sfzb publish Order_Event__e - --id-field key >results &&
		sfzb tail -q Order_Event__e --from earliest -n 2 >got'
	[ "$(jq -r .event_id results | tr '\n' ' ')" = "A-1 12345678901234567890 " ]
	[ "$(jq -r .event_id got | tr '\n' ' ')" = "A-1 12345678901234567890 " ]
	jq -se 'all(.record | has("key") | not)' got
}

@test "publish --id-field: a field of the topic stays, a missing or long one is refused" {
	ends 6 sfzb emulator -q -- sfzb publish Order_Event__e --id-field Order_Number__c \
		'{"Order_Number__c":"one"}' '{}' '{"Order_Number__c":"1234567890123456789012345678901234567"}' '{"Order_Number__c":"x"} y'
	[ "$(jq -r .result "$out" | tr '\n' ' ')" = "published refused refused refused " ]
	jq -se '(.[0].event_id == "one") and (.[1].message | test("--id-field names")) and (.[2].message | test("1 to 36 bytes"))' "$out"
}

@test "publish: a mark of the bytes' order before the first line is passed over" {
	ends 0 sfzb emulator -q -- sh -euc 'printf "\357\273\277{\"Order_Number__c\":\"1\"}\r\n{}\r\n" | sfzb publish Order_Event__e'
	jq -se 'map(.result) == ["published", "published"]' "$out"
}

@test "publish --template goes alone" {
	local more
	for more in '{}' '--raw' '--rate 5' '-f x' '--id-field a'; do
		# shellcheck disable=SC2086
		fails 2 sfzb publish Order_Event__e --template $more
		says "error: --template prints a sample"
	done
}

@test "publish --rate holds back" {
	orders 1 30 >in
	fine sfzb emulator -q -- sh -c 'a=$(date +%s%N); sfzb publish Order_Event__e --rate 20 <in >results; echo $((($(date +%s%N) - a) / 1000000))'
	[ "$(cat "$out")" -ge 1350 ]
	[ "$(jq -r .result results | sort -u)" = published ]
}

@test "publish: a spent quota is status 9, with a result for each event of the batch" {
	orders 1 50 >in
	ends 9 sfzb emulator -q --publish-limit 20 -- sh -c 'sfzb publish Order_Event__e <in'
	[ "$(jq -r .result "$out" | sort | uniq -c | tr -s ' \n' ' ')" = " 20 published 30 refused " ]
	says "error: the hourly quota of published events is spent"
}

@test "publish: a connection cut before the answer leaves results unknown, status 6, and the rest goes on" {
	orders 1 2000 >in
	echo 'publish-stream lose-ack after 2 x1' >faults
	ends 6 sfzb emulator -q --keepalive 300ms --faults faults -- sh -c '
		sfzb publish Order_Event__e <in >results; rc=$?
		sfzb tail -q Order_Event__e --from earliest --until-caught-up | jq -r .record.Order_Number__c >got; exit $rc'
	jq -r .line results | cmp - <(seq 1 2000)
	[ "$(jq -r .result results | sort -u | tr '\n' ' ')" = "published unknown " ]
	[ "$(jq -r 'select(.result == "unknown") | .line' results | wc -l)" -le 400 ]
	# every one was stored, none twice, in order: what is unknown is not sent again
	cmp got <(seq 1 2000)
	says "may or may not be stored|were not published"
	says "hint: [0-9]+ events? (is|are) unknown"
}

@test "publish: an access token that ends on the way is renewed, and all results are known" {
	orders 1 1000 >in
	echo 'tokens expire after 4' >faults
	ends 0 sfzb emulator -q --faults faults -- sh -c '
		sfzb publish Order_Event__e <in >results; rc=$?
		curl -s "$SFZB_EMULATOR_ADMIN/faults" >struck; exit $rc'
	[ "$(jq -r .result results | sort | uniq -c | tr -s ' ')" = " 1000 published" ]
	grep -q '# struck [1-9]' struck
}

@test "publish -o line says the id and the replay id" {
	fine sfzb emulator -q -- sfzb publish Order_Event__e '{}' -o line
	prints '^published [0-9a-f]{8}-[0-9a-f-]{27} [0-9a-f]{20}$'
}

@test "publish | head ends quietly" {
	orders 1 5000 >in
	fine sfzb emulator -q -- sh -c 'sfzb publish Order_Event__e <in | head -n 3'
	[ "$(wc -l <"$out")" -eq 3 ]
}

lines_of() { # FILE COUNT   waits until the file has so many lines
	local i
	for i in $(seq 600); do [ "$(wc -l <"$1")" -ge "$2" ] && return; sleep 0.1; done
	return 1
}

@test "publish: a signal ends the reading; what was read has its answers, and the status says that there was more" {
	export -f lines_of
	ends 143 sfzb emulator -q -- bash -c '
		mkfifo pipe; exec 9<>pipe
		sfzb publish Order_Event__e - <pipe >results & pid=$!
		printf "{}\n{}\n{}\n" >&9
		lines_of results 3 || exit 90
		kill -TERM $pid; wait $pid'
	[ "$(jq -r .result results | sort | uniq -c | tr -s ' ')" = " 3 published" ]
	says "error: stopped before the end of the input; 3 events were published"
	ends 0 sfzb emulator -q --faults <(echo "publish-stream delay 5s") -- bash -c '
		: >log; sfzb publish -vv Order_Event__e "{}" "{}" >results 2>log & pid=$!
		for i in $(seq 600); do grep -q "PublishStream" log && break; sleep 0.1; done
		kill -TERM $pid; wait $pid'
	[ "$(jq -r .result results | sort | uniq -c | tr -s ' ')" = " 2 published" ]
}

@test "publish: a second signal cuts it short, and what is in flight is unknown" {
	export -f lines_of
	echo 'publish-stream stall' >faults
	ends 143 sfzb emulator -q --faults faults -- bash -c '
		: >log; sfzb publish -vv Order_Event__e "{}" "{}" "{}" >results 2>log & pid=$!
		for i in $(seq 600); do grep -q "PublishStream" log && break; sleep 0.1; done
		kill -INT $pid; kill -TERM $pid
		wait $pid; rc=$?; cat log >&2; exit $rc'
	[ "$(jq -r .result results | sort | uniq -c | tr -s ' ')" = " 3 unknown" ]
	says "error: 3 events may or may not be stored: stopped before the answer came"
	echo 'publish stall' >faults
	ends 143 sfzb emulator -q --faults faults -- bash -c '
		: >log; sfzb publish -vv Order_Event__e "{}" >results 2>log & pid=$!
		for i in $(seq 600); do grep -q " Publish " log && break; sleep 0.1; done
		kill -INT $pid; kill -TERM $pid
		wait $pid; rc=$?; cat log >&2; exit $rc'
	[ "$(jq -r .result results)" = unknown ]
	says "error: 1 event may or may not be stored: stopped before the answer came"
}

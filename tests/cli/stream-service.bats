# A stream as a service: figures, health, the service manager's notifications, reloading.
bats_require_minimum_version 1.5.0
load helper

inside() { # COMMANDS   in a fresh emulator with 50 events; `until_it COMMAND…` waits until that succeeds
	ends "${STATUS:-0}" sfzb emulator -q --keepalive 300ms --events 50 --objects Account -- bash -euc '
		until_it() { local n=0; until "$@"; do sleep 0.1; n=$((n + 1)); test $n -lt 600; done; }
		has() { grep -Eq -- "$2" "$1"; }
		trap '\''kill -9 $(jobs -p) 2>/dev/null || :'\'' EXIT # a stream outlives its emulator, and bats waits for it
		t=main.default.account
		'"$1"
}

@test "--metrics serves every figure that the man page names, and health" {
	inside '
		: >log; sfzb stream Account -t $t --metrics 0 2>log & p=$!
		until_it has log "figures at http://127.0.0.1:[0-9]+/metrics"
		url=$(grep -o "http://127[^/]*" log)
		curl -s "$url/healthz" >alive
		stored() { curl -s "$url/metrics" >figures; has figures "^sfzb_rows_stored_total 50$"; }
		until_it stored
		quota() { curl -s "$url/metrics" >figures; has figures "^sfzb_delivery_quota_remaining [0-9]+$"; }
		until_it quota
		curl -s -o ready -w "%{http_code}\n" "$url/readyz" >codes
		curl -s -o /dev/null -w "%{http_code}\n" "$url/nothing" >>codes
		curl -s -o /dev/null -w "%{http_code}\n" -X POST "$url/metrics" >>codes
		kill $p; wait $p'
	[ "$(cat alive)" = ok ]
	[ "$(cat ready)" = ready ]
	[ "$(tr '\n' ' ' <codes)" = "200 404 405 " ]
	grep -q '^sfzb_events_received_total 50$' figures
	grep -q '^sfzb_in_flight_rows 0$' figures
	grep -q '^sfzb_retries_total{reason="sink-silent"} 0$' figures
	sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' figures | sort >served
	fine sfzb help --man stream
	sed -n 's/^\.B \(sfzb_[a-z_]*\)$/\1/p' "$out" | sort >documented
	diff served documented
}

@test "--metrics: a port in use and a wrong address are errors, before anything else" {
	ok sh -c '/usr/bin/python3 -c "
import socket, subprocess
s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen()
subprocess.run([\"sfzb\", \"stream\", \"Account\", \"-t\", \"a.b.c\", \"--metrics\", str(s.getsockname()[1])], stderr=open(\"busy\", \"w\"))"'
	grep -q 'error: cannot serve metrics: .*in use' busy
	for a in x 70000 1.2.3.4 ::1:80 host:; do
		fails 2 sfzb stream Account -t a.b.c --metrics "$a"
	done
}

@test "systemd is told: starting, ready, alive, reloading, stopping" {
	inside '
		: >log; "'"$tests"'/notified.py" told sfzb stream Account -t $t 2>log & p=$!
		until_it has told READY=1
		until_it has told "STATUS=received"
		until_it test -s told.pid
		kill -HUP "$(cat told.pid)"
		until_it has log "reloaded"
		alive() { [ "$(grep -c "^WATCHDOG=1" told)" -ge 2 ]; }
		until_it alive
		kill "$(cat told.pid)"; wait $p'
	[ "$(grep -E '^(READY|RELOADING|STOPPING)' told | tr '\n' ' ')" = "READY=1 RELOADING=1 READY=1 STOPPING=1 " ]
	grep -q '^MONOTONIC_USEC=[0-9]*$' told
	head -n 3 told | grep -q '^STATUS=starting'
}

@test "an event loop that hangs: /healthz and systemd's watchdog tell, and both come back" {
	[ -f "$BUILD/tests/faults/shim.so" ] || skip "no $BUILD/tests/faults/shim.so (make tools)"
	# a write of the replay store that does not return, as on a file server that is away, stops the loop
	LIMIT=240 inside '
		trap "rm -f away; kill -KILL \$(cat told.pid) || :" EXIT # it would outlive a test that fails
		: >log; "'"$tests"'/notified.py" told env LD_PRELOAD="'"$BUILD"'/tests/faults/shim.so" SFZB_SHIM=write:1:hang \
			SFZB_SHIM_PATH=replay.db SFZB_SHIM_WHILE="$PWD/away" sfzb stream Account -t $t --metrics 0 2>log & p=$!
		until_it has log "figures at http://127.0.0.1:[0-9]+/metrics"
		url=$(grep -o "http://127[^/]*" log)
		stored() { curl -s "$url/metrics" | grep -q "^sfzb_rows_stored_total $1$"; }
		until_it stored 50
		until_it has told READY=1
		answer() { curl -s -o answer -w "%{http_code} " "$url/healthz"; cat answer; }
		test "$(answer)" = "200 ok"
		touch away
		curl -s -d "{\"count\":10}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		stands() { answer | grep -Eq "^503 the event loop has stood still for [1-9][0-9]+ s$"; }
		until_it stands
		# as long as it has stood, nobody was told that it lives
		test $(($(date +%s) - $(stat -c %Y told))) -ge 20
		before=$(grep -c "^WATCHDOG=1" told)
		rm away
		alive() { test "$(answer)" = "200 ok"; }
		until_it alive
		again() { test "$(grep -c "^WATCHDOG=1" told)" -gt "$((before + 2))"; }
		until_it again
		until_it stored 60
		kill "$(cat told.pid)"; wait $p; trap - EXIT
		sfzb sql "select count(*) as n, count(distinct event_id) as d from main.default.account" >rows'
	jq -e '.n == 60 and .d == 60' rows
}

@test "SIGHUP: new secrets are used, another login is not, log.json sets level and form" {
	inside '
		f=$(find "$HOME" -name salesforce.json | head -n 1)
		: >log; sfzb stream Account -t $t 2>log & p=$!
		until_it has log "subscribed"
		cp "$f" saved
		printf "%s" "{\"level\":\"debug\",\"format\":\"json\"}" >"${f%/*}/log.json"; chmod 600 "${f%/*}/log.json"
		kill -HUP $p
		until_it has log "\"message\":\"reloaded\""
		printf "%s" "{\"level\":\"loud\"}" >"${f%/*}/log.json"
		jq ".client_id = \"another\" | .username = \"another\"" "$f" >new && cat new >"$f"
		kill -HUP $p
		until_it has log "not reloaded: the Salesforce login is another one now; .* start it anew"
		until_it has log "log.json: .level. is none of"
		chmod 644 "${f%/*}/log.json"
		kill -HUP $p
		until_it has log "can be read or written by other users .mode 0644.; chmod 600 .*log.json"
		cat saved >"$f"
		kill $p; wait $p'
}

@test "SIGHUP while the secrets are being read has them read once more" {
	inside '
		d=$(find "$HOME" -name databricks.json | head -n 1)
		cat >helper <<-END
			echo asked >>"$PWD/asked"
			while [ -e "$PWD/hold" ]; do sleep 0.05; done
			echo client_secret=$(jq -r .client_secret "$d")
		END
		jq --arg h "sh $PWD/helper" "del(.client_secret) | .credential_helper = \$h" "$d" >new && cat new >"$d"
		count() { test "$(wc -l <asked)" -ge "$1"; }
		: >log; sfzb stream Account -t $t 2>log & p=$!
		until_it has log "subscribed"
		n=$(wc -l <asked)
		>hold; kill -HUP $p
		until_it count $((n + 1))
		kill -HUP $p
		taken() { ! grep -q "^ShdPnd:.*1$" /proc/$p/status; } # SIGHUP is bit 1: a thread has it
		until_it taken; sleep 0.2 # and the loop
		rm hold
		until_it count $((n + 2))
		kill $p; wait $p'
}

@test "/readyz says what is missing, /healthz is about the process alone; lags are 0 where nothing is left" {
	echo "subscribe UNAVAILABLE" >script
	ends 0 sfzb emulator -q --faults script --keepalive 300ms --events 50 --objects Account -- bash -euc '
		until_it() { local n=0; until "$@"; do sleep 0.1; n=$((n + 1)); test $n -lt 600; done; }
		: >log; sfzb stream Account -t main.default.account --metrics 0 2>log & p=$!
		until_it grep -Eq "figures at http" log
		url=$(grep -o "http://127[^/]*" log)
		answer() { curl -s -o answer -w "%{http_code} " "$url/$1"; cat answer; }
		unsubscribed() { answer readyz | grep -q "^503 0 of 1 topics are subscribed$"; }
		until_it unsubscribed
		test "$(answer healthz)" = "200 ok"
		retried() { curl -s "$url/metrics" | grep -Eq "^sfzb_retries_total.reason=\"source-failed\". [1-9]"; }
		until_it retried
		curl -s -X DELETE "$SFZB_EMULATOR_ADMIN/faults" >/dev/null
		ready() { answer readyz | grep -q "^200 ready$"; }
		until_it ready
		settled() { curl -s "$url/metrics" >figures; grep -q "^sfzb_stored_lag_seconds 0.000$" figures && grep -q "^sfzb_rows_stored_total 50$" figures; }
		until_it settled
		kill $p; wait $p'
	grep -q '^sfzb_acknowledged_lag_seconds 0.000$' figures
	grep -q '^sfzb_row_bytes_stored_total [1-9]' figures
}

@test "two signals of a kind at once are one: what is in flight is stored all the same" {
	# the second follows on the log's word of the first; where the machine took too long in between it counts, and that is tried again
	echo 'ingest ack-delay 2s' >slow
	ends 0 sfzb emulator -q --events 5 --objects Account --faults slow -- bash -uc '
		for try in $(seq 10); do
			: >log; curl -sSf -d "{\"count\":3}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null
			sfzb stream Account -t main.default.a --metrics 0 2>log & p=$!
			for i in $(seq 600); do
				url=$(sed -n "s/.*figures at //p" log)
				[ -n "$url" ] && curl -s "$url" | grep -q "^sfzb_in_flight_rows [1-9]" && break
				sleep 0.05
			done
			kill -TERM $p
			for i in $(seq 3000); do grep -q "stopping when" log && break; sleep 0.01; done
			kill -TERM $p
			wait $p && exit 0
		done
		cat log >&2; exit 1'
}

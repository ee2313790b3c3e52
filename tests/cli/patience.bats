# What is down for a moment when a command begins: waited for, with the reason, as long as the command is told to.
bats_require_minimum_version 1.5.0
load helper

inside() { # STATUS FAULTS COMMAND…
	local wanted=$1
	printf '%s\n' "$2" >faults
	shift 2
	ends "$wanted" sfzb emulator -q --seed 1 --events 20 --objects "${objects:-Account}" --keepalive 300ms --faults faults -- "$@"
}

@test "stream waits for topics, the login service and the catalog, and says why" {
	local how="--until-caught-up --retry-backoff 10ms..50ms"
	inside 0 'get-topic status=UNAVAILABLE x5' sfzb stream Account --table main.crm.a $how -o json
	[ "$(jq .stored "$out")" -eq 20 ]
	[ "$(grep -c "warning: Salesforce GetTopic '/data/AccountChangeEvent': UNAVAILABLE.*; again in" "$err")" -eq 5 ]
	inside 0 'salesforce.token http=503 x4' sfzb stream Account --table main.crm.a $how -o json
	[ "$(jq .stored "$out")" -eq 20 ]
	says "warning: cannot log in to Salesforce: .*503.*; again in"
}

@test "stream gives up where it is told to" {
	inside 5 'get-topic status=UNAVAILABLE' sfzb stream Account --table main.crm.a --max-retries 2 --retry-backoff 10ms..20ms
	[ "$(grep -c "; again in" "$err")" -eq 2 ]
	inside 5 'get-topic status=UNAVAILABLE' sfzb stream Account --table main.crm.a --no-recovery
	run ! grep -q "again in" "$err"
	inside 7 'get-topic status=UNAVAILABLE' sfzb stream Account --table main.crm.a --timeout 1s
	says "error: the time given with --timeout is over: Salesforce GetTopic"
}

@test "tail waits for the topic, by --max-retries and --timeout" {
	inside 0 'get-topic status=UNAVAILABLE x2' sfzb tail Account --from earliest -n 1
	[ "$(wc -l <"$out")" -eq 1 ]
	says "UNAVAILABLE.*; again in"
	inside 5 'get-topic status=UNAVAILABLE' sfzb tail -q Account --max-retries 1
	inside 7 'get-topic status=RESOURCE_EXHAUSTED' sfzb tail -q Account -n 1 --timeout 1s
	inside 4 'get-topic status=NOT_FOUND' sfzb tail -q Account
	run ! grep -q "again in" "$err"
}

@test "--timeout counts from the start of the command, logging in included" {
	local login='salesforce.token delay 3s'
	inside 7 "$login" sfzb tail Account --from earliest -n 20 --timeout 2s
	[ ! -s "$out" ]
	says "error: 0 of 20 events came before --timeout was over"
	inside 0 "$login" sfzb tail Account --from earliest -n 20 --timeout 200s
	inside 7 "$login" sfzb stream Account --table main.crm.a -n 20 --timeout 2s
	says "error: the time given with --timeout is over"
}

@test "a run until it has caught up that --timeout ends before that has status 7" {
	local forever='subscribe delay 600s after 5'
	inside 7 "$forever" sfzb stream -q Account --table main.crm.a --from earliest --until-caught-up --timeout 3s
	says "error: the time given with --timeout is over"
	inside 7 "$forever" sfzb tail -q Account --from earliest --until-caught-up --timeout 3s
	inside 0 "$forever" sfzb tail -q Account --from earliest --timeout 3s
	inside 0 'subscribe delay 1ms x1' sfzb stream -q Account --table main.crm.a --from earliest --until-caught-up --timeout 200s
}

@test "--timeout while what is in flight is stored changes nothing: not the status, and it is no second signal" {
	local late='databricks.ingest ack-delay 15s every 1'
	inside 0 "$late" sfzb stream -q Account --table main.crm.a --from earliest --until-caught-up --timeout 10s
	inside 0 "$late" bash -c ': >log; sfzb stream Account --table main.crm.a --from earliest --timeout 10s 2>log & until grep -q subscribed log; do sleep 0.05; done
		kill -TERM $!; wait $!'
}

stop_when() { # SIGNAL PATTERN CMD…   starts it with -vv, sends the signal once its messages have the pattern; its status
	local signal=$1 pattern=$2 i
	shift 2
	: >log
	"$@" -vv 2>log & pid=$!
	for i in $(seq 600); do grep -q "$pattern" log && break; sleep 0.1; done
	kill -"$signal" $pid
	wait $pid || { rc=$?; grep error: log; return $rc; }
	grep stopped log
}

@test "a first signal while stream or tail starts ends it at once, with 0; what has a job to do ends with 130 or 143" {
	local wait='get-topic status=UNAVAILABLE' hang='get-topic stall' login='salesforce.token delay 60s'
	export -f stop_when
	while IFS='|' read -r status fault command; do
		echo "$status|$fault|$command"
		inside "$status" "$fault" bash -c "stop_when $command"
		if [ "$status" = 0 ]; then prints ': stopped before it began$'; else prints 'error: interrupted$'; fi
	done <<-END
		0|$wait|TERM "again in" sfzb stream Account --table main.crm.a --retry-backoff 50s..60s
		0|$wait|INT "again in" sfzb tail Account
		0|$hang|TERM "GetTopic" sfzb stream Account --table main.crm.a
		0|$hang|INT "GetTopic" sfzb tail Account
		0|$login|INT "POST .*token" sfzb stream Account --table main.crm.a
		0|$login|TERM "POST .*token" sfzb tail Account
		143|databricks.token delay 60s|TERM "POST .*token" sfzb ingest main.crm.a /dev/null
	END
}

@test "topics, schema, publish and login --check survive one refusal" {
	local command objects=Account,Order_Event__e
	for command in 'topics Account' 'schema Account' 'schema ChangeEvents -o tree' 'publish Order_Event__e {}' \
		'login salesforce --check'; do
		# shellcheck disable=SC2086
		inside 0 'get-topic status=UNAVAILABLE x1' sfzb $command
		[ -s "$out" ]
		says "UNAVAILABLE.*; again in"
	done
	inside 0 'get-schema status=UNAVAILABLE x1' sfzb schema Account
	says "GetSchema.*UNAVAILABLE.*; again in"
	inside 0 'salesforce.token http=503 x1' sfzb limits
	says "the login service did not answer: 503 Service Unavailable; again in"
	inside 0 'limits http=503 x1' sfzb limits
	says "limits: 503 .*; again in"
	inside 5 'get-topic status=UNAVAILABLE' sfzb topics Account
}

# Managed subscriptions against the emulator: the server keeps the place, and what is durable is committed.
bats_require_minimum_version 1.5.0
load helper

inside() { # EMULATOR OPTIONS… -- COMMAND…   fine, in a fresh emulator
	fine sfzb emulator -q --seed 1 --keepalive 300ms "$@"
}

@test "tail --managed goes on behind what it printed" {
	inside --events 60 --objects Account -- sh -c '
		sfzb tail -q Account --from earliest --until-caught-up >all
		sfzb tail -q --managed Account_Managed -n 20 >one
		sfzb tail -q --managed 18x5f0000000001AAA --until-caught-up >two
		sfzb tail -q --managed Account_Managed --until-caught-up >three'
	cat one two | cmp - all
	[ ! -s three ]
}

@test "stream --managed stores each event once, and commits behind what is stored" {
	inside --events 200 --objects Account -- sh -c '
		sfzb stream -q --managed Account_Managed --table main.crm.a --until-caught-up
		curl -sS -d "{\"count\":100}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		sfzb stream -q --managed Account_Managed --table main.crm.a --until-caught-up
		sfzb tail -q --managed Account_Managed --until-caught-up >rest
		sfzb sql -q -o tsv "SELECT count(*), count(DISTINCT event_id) FROM main.crm.a" | tr "\t" " "'
	[ "$(cat "$out")" = "300 300" ]
	[ ! -s rest ]
}

@test "a silent jump of the server is a lost position, status 8, and --on-lost-position says what then" {
	ends 8 sfzb emulator -q --keepalive 300ms --events 100 --objects Account -- sh -c '
		sfzb stream -q --managed Account_Managed --table main.crm.a -n 30
		curl -sS -d "{\"expire\":\"Account_Managed\"}" "$SFZB_EMULATOR_ADMIN/managed"
		curl -sS -d "{\"count\":5}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		sfzb stream -q --managed Account_Managed --table main.crm.a --until-caught-up'
	says "the managed subscription went on elsewhere than behind the stored position"
	says "hint: --on-lost-position earliest"
	ends 0 sfzb emulator -q --keepalive 300ms --events 100 --objects Account -- sh -c '
		sfzb stream -q --managed Account_Managed --table main.crm.a -n 30
		curl -sS -d "{\"expire\":\"Account_Managed\"}" "$SFZB_EMULATOR_ADMIN/managed"
		sfzb stream --managed Account_Managed --table main.crm.a --until-caught-up --on-lost-position latest'
	says "the position [0-9a-f]{20} is lost"
	says "may be missing"
}

@test "a slot that a broken connection holds is waited for" {
	ends 0 sfzb emulator -q --keepalive 300ms --managed-slot 10s --events 40 --objects Account -- sh -c '
		: >one; sfzb tail -q --managed Account_Managed >one & until [ "$(wc -l <one)" -eq 40 ]; do sleep 0.1; done
		last=$(tail -n 1 one | jq -r .replay_id)
		until curl -s "$SFZB_EMULATOR_ADMIN/state" | jq -e ".salesforce.managed_committed.Account_Managed >= $((0x${last%????}))" >/dev/null; do sleep 0.1; done
		kill -9 $!; wait $! 2>/dev/null
		curl -sS -d "{\"count\":10}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		sfzb tail --managed Account_Managed -n 10 >two'
	says "already.active|already active"
	[ "$(wc -l <two)" -eq 10 ]
	[ -z "$(comm -12 <(jq -r .event_id one | sort) <(jq -r .event_id two | sort))" ]
}

@test "the place is committed again with each keepalive, so the server stays patient" {
	ends 0 sfzb emulator -q --keepalive 200ms --managed-patience 4s --events 10 --objects Account -- sh -c '
		sfzb tail -v --managed Account_Managed --timeout 7s >one'
	[ "$(wc -l <one)" -eq 10 ]
	run ! grep -q 'No CommitReplayRequests' "$err"
}

@test "what cannot be: unknown, stopped, topics beside it, --from" {
	fails 4 sfzb emulator -q -- sfzb tail -q --managed Nothing_Managed
	says "no managed subscription 'Nothing_Managed' is known"
	fails 2 sfzb emulator -q -- sfzb tail -q --managed Stopped_Managed
	says "is in state STOP"
	fails 2 sfzb emulator -q -- sfzb tail -q --managed Account_Managed Contact
	says "is of '/data/AccountChangeEvent', not of 'Contact'"
	fails 2 sfzb emulator -q -- sfzb tail -q --managed Account_Managed Account Contact
	fails 2 sfzb emulator -q -- sfzb tail -q --managed Everything_Managed --on-lost-position latest
	says "'--on-lost-position latest' cannot be kept: .*errorRecoveryReplay"
	fails 2 sfzb emulator -q -- sfzb tail -q --managed Account_Managed --from earliest
	fails 2 sfzb emulator -q -- sfzb tail -q --managed "x' OR Name='y"
	fails 2 sfzb tail
	says "a topic is missing"
}

stored='sfzb sql -q -o tsv "SELECT count(*), count(DISTINCT event_id) FROM main.crm.a" | tr "\t" " "'

@test "--on-lost-position earliest: what lies before the place of the server is had past it, each event once" {
	# the place aged out, and the server went to the tip
	ends 0 sfzb emulator -q --keepalive 300ms --events 100 --objects Account -- sh -c '
		sfzb stream -q --managed Account_Managed --table main.crm.a -n 30
		curl -sS -d "{\"expire\":\"Account_Managed\"}" "$SFZB_EMULATOR_ADMIN/managed"
		curl -sS -d "{\"count\":5}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		sfzb stream --managed Account_Managed --table main.crm.a --until-caught-up --on-lost-position earliest
		'"$stored"
	[ "$(cat "$out")" = "105 105" ]
	says "what lies before the managed subscription's place is fetched past it"
	# somebody else has taken events from it, and left some
	ends 0 sfzb emulator -q --keepalive 300ms --events 100 --objects Account -- sh -c '
		sfzb stream -q --managed Account_Managed --table main.crm.a -n 30
		sfzb tail -q --managed Account_Managed -n 40 >taken
		sfzb stream -q --managed Account_Managed --table main.crm.a --until-caught-up; echo $?
		sfzb stream -q --managed Account_Managed --table main.crm.a --until-caught-up --on-lost-position earliest \
			-o json | jq .repeated
		'"$stored"
	[ "$(tr '\n' ' ' <"$out")" = "8 0 100 100 " ]
}

@test "who may not read Setup names the topic, too" {
	printf '%s\n' 'tooling http=403 message="[{\"errorCode\":\"INSUFFICIENT_ACCESS\",\"message\":\"insufficient access\"}]"' >denied
	printf '%s\n' "tooling http=400 message=\"[{\\\"errorCode\\\":\\\"INVALID_TYPE\\\",\\\"message\\\":\\\"sObject type 'ManagedEventSubscription' is not supported.\\\"}]\"" >unknown
	for faults in denied unknown; do
		fails 4 sfzb emulator -q --faults $faults -- sfzb tail -q --managed Account_Managed
		says "hint: .*'View Setup and Configuration'.* TOPIC --managed Account_Managed"
		ends 0 sfzb emulator -q --events 20 --objects Account --faults $faults -- sh -c '
			sfzb stream --managed Account_Managed Account --table main.crm.a -n 10
			sfzb tail -q --managed Account_Managed Account -n 10'
		says "warning: cannot read the managed subscription 'Account_Managed': .*; taken to be of 'Account'"
		[ "$(wc -l <"$out")" -eq 10 ]
	done
}

@test "one that has just been made is given three tries in 30 s" {
	echo 'subscribe status=NOT_FOUND error-code=sfdc.platform.eventbus.grpc.managed.subscription.developer.name.not.found x1' >faults
	sed 's/ x1//' faults >lasting
	# the two of them at once, for each waits
	mkdir other
	HOME=$PWD/other timeout -k 5 "$LIMIT" sfzb emulator -q --events 20 --objects Account --faults faults -- sfzb tail --managed Account_Managed -n 1 \
		>known 2>known.err </dev/null 3>&- & passing=$!
	fails 4 sfzb emulator -q --events 20 --objects Account --faults lasting -- sfzb tail --managed Account_Managed -n 1
	[ "$(grep -c 'again in 15 s' "$err")" -eq 2 ]
	wait $passing
	[ "$(wc -l <known)" -eq 1 ]
	grep -q "warning: .*a new one takes a moment to be known: again in 15 s" known.err
}

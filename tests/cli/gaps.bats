# Gap events: stored, counted, told, and given to a command.
bats_require_minimum_version 1.5.0
load helper

inside() { # COMMANDS   in a fresh emulator with 2,000 events, of which some are gaps
	ends "${STATUS:-0}" sfzb emulator -q --seed 3 --keepalive 300ms --events 2000 --objects Account -- bash -euc '
		t=main.default.account
		stream() { sfzb stream Account -t $t --until-caught-up -o json "$@"; }
		'"$1"
}

@test "gap events are rows, and are counted, warned about and listed" {
	inside '
		stream >summary
		sfzb sql "select event_id, change_type from $t where change_type like '\''GAP%'\''" >rows
		sfzb sql "select count(*) as n from $t" >all'
	jq -e '.n == 2000' all
	[ "$(wc -l <rows)" -gt 0 ]
	jq -e --argjson n "$(wc -l <rows)" '.gap_events == $n and ([.gaps[].count] | add) == $n and .gaps[0].entity == "Account"' summary
	says 'warning: GAP_[A-Z]+ of Account 001.*replay id [0-9a-f]{20}.*read the record again'
	says 'warning: [0-9]+ gap events?: GAP_[A-Z]+ of Account \([0-9]+\)'
}

@test "--on-gap command: is run for each, with the facts; its failure is a warning; standard output stays data" {
	inside '
		stream --on-gap '\''command:echo noise; echo "$SFZB_GAP_TYPE $SFZB_GAP_ENTITY $SFZB_GAP_TOPIC $SFZB_GAP_REPLAY_ID $SFZB_GAP_EVENT_ID $SFZB_GAP_TIME $SFZB_GAP_RECORD_IDS" >>told; false'\'' >summary
		sfzb sql "select event_id from $t where change_type like '\''GAP%'\''" >rows'
	jq -e '.gap_events > 0' summary
	[ "$(wc -l <summary)" -eq 1 ]
	diff <(jq -r .event_id rows | sort) <(cut -d' ' -f5 told | sort)
	grep -Eq '^GAP_[A-Z]+ Account /data/AccountChangeEvent [0-9a-f]{20} [0-9a-f-]{36} 20[0-9T:.-]+Z 001' told
	says 'warning: the command of --on-gap ended with status 1'
	says '^noise$'
}

@test "--on-gap fail ends the run behind the event; the next goes on" {
	inside '
		stream --on-gap fail >first && exit 9
		test $? -eq 1
		n=1
		until stream --on-gap fail -q >last; do n=$((n + 1)); test $n -lt 200; done
		sfzb sql "select count(*) as n, count(distinct event_id) as d from $t" >all'
	says 'error: a gap event came \(GAP_[A-Z]+ of Account\)'
	jq -e '.n == 2000 and .d == 2000' all
	fails 2 sfzb stream Account -t a.b.c --on-gap explode
}

@test "a gap event that names no record wants all records of its object read" {
	ends 0 sfzb emulator -q --keepalive 300ms --objects Account -- bash -euc '
		curl -sSf -d "{\"count\":1,\"object\":\"Account\",\"type\":\"GAP_OVERFLOW\"}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		sfzb stream Account -t main.default.account --until-caught-up'
	says 'warning: GAP_OVERFLOW of Account \(replay id [0-9a-f]{20}\): .*; read all its records again'
}

# Where a stream has stood before.
bats_require_minimum_version 1.5.0
load helper

@test "replay history lists the places of a stream, oldest first; show the last one, in hex and as a number" {
	ends 0 sfzb emulator -q --keepalive 300ms --events 30 --objects Account -- bash -euc '
		for n in 1 2 3; do sfzb stream -q Account -t main.default.a -n 10; done
		sfzb replay history Account >places
		sfzb replay history Account -o table >table
		sfzb replay history Contact >none
		sfzb replay show >now'
	[ "$(wc -l <places)" -ge 3 ]
	[ ! -s none ]
	grep -q '^/data/AccountChangeEvent' table
	[ "$(jq -r .replay_id now)" = "$(tail -n 1 places | jq -r .replay_id)" ]
	jq -se 'map(.replay_number | tonumber) | . == sort' places
	fails 2 sfzb replay history a b
}

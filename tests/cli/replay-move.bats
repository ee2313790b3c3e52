# Positions are moved to another machine, set to a time and to where the table ends.
bats_require_minimum_version 1.5.0
load helper

# For scripts that run inside: `other COMMAND…` runs it with the same logins on a machine of its own, so to say.
other='
	t=main.default.a
	home=$(dirname "$(dirname "$(dirname "$(find "$HOME" -path "*emulator/databricks.json")")")")
	mkdir -p other/profiles/emulator; chmod -R go= other
	cp "$home"/profiles/emulator/*.json other/profiles/emulator/
	other() { SFZB_HOME=$PWD/other "$@"; }
	stream() { sfzb stream -q Account -t $t --visibility-wait 200ms "$@"; }
	'"$settled"'
	rows() { sfzb sql "select count(*) as n, count(distinct event_id) as d from $t"; }
'
inside() { ends "${STATUS:-0}" sfzb emulator -q --keepalive 300ms --events 400 --objects Account -- bash -euc "$other$1"; }

@test "a stream moves to another machine: nothing lost, nothing twice, the history comes along" {
	inside '
		stream -n 50; stream -n 50
		timeout -s KILL 0.4 sfzb stream -q Account -t $t -n 200 || :
		settled
		sfzb replay export >positions.json
		sfzb replay history Account | jq -c "[.replay_id, .event_time]" >here
		other sfzb replay import positions.json -n
		other sfzb replay show >dry
		other sfzb replay import positions.json -q
		other sfzb replay history Account | jq -c "[.replay_id, .event_time]" >there
		other sfzb replay show >now
		# the first machine is started once more, against the advice
		stream -n 60
		other stream --until-caught-up
		rows >rows'
	says "would import position of '/data/AccountChangeEvent' to 'main.default.a': [0-9a-f]{20}"
	[ ! -s dry ]
	[ -s here ]
	diff here there
	jq -e '.in_flight == null and .table == "main.default.a"' now
	jq -e '.n == 400 and .d == 400' rows
	jq -e '.format == "sfzb-replay" and .version == 1 and (.positions | length) == 1' positions.json
}

@test "export: by topic and table, not of a stream that runs; without positions it is an error" {
	inside '
		sfzb replay export && exit 9; test $? -eq 8
		stream -n 10
		sfzb stream -q Account -t main.default.b -n 10
		sfzb replay export Account -t main.default.b | jq -c "[.positions[].table]" >one
		sfzb replay export Contact && exit 9; test $? -eq 8
		sfzb replay export -o table && exit 9; test $? -eq 2
		: >log; sfzb stream Account -t $t 2>log & p=$!
		n=0; until grep -q "subscribed" log; do sleep 0.1; n=$((n + 1)); test $n -lt 600; done
		sfzb replay export >none && exit 9; test $? -eq 2
		sfzb replay export --force | jq ".positions | length" >two
		kill $p; wait $p'
	[ "$(cat one)" = '["main.default.b"]' ]
	[ ! -s none ]
	[ "$(cat two)" = 2 ]
	says "process [0-9]+ is already streaming"
	says "hint: .*--force"
	says "warning: .*where it stands now"
}

@test "import refuses what is stored already, another organisation, a stream that runs, and what is damaged; all or nothing" {
	inside '
		stream -n 10
		sfzb replay export >good
		refused() { s=$1; shift; sfzb replay show | jq -c "del(.retention_left_ms, .event_age_ms)" >before
			"$@" && exit 9; test $? -eq $s; sfzb replay show | jq -c "del(.retention_left_ms, .event_age_ms)" | cmp - before; }
		refused 8 sfzb replay import good
		refused 8 sfzb replay import <good
		jq ".positions += [.positions[0] | .topic = \"/data/ContactChangeEvent\" | .org_id = \"00D000000000009AAA\"]" good >bad
		refused 8 sfzb replay import bad --force
		for change in ".version = 2" ".format = \"x\"" ".positions[0].replay_id = \"xyz\"" ".positions[0].replay_id = null" \
			".positions[0].topic = \"Account\"" ".positions[0].table = \"a.b\"" ".positions[0].position = \"before\"" \
			".positions[0].in_flight = -1" "del(.positions[0].in_flight)" ".positions[0].stored_time = \"2h\"" \
			".positions[0].org_id = \"../../x\"" ".positions += .positions" ".positions = []" ".positions[0].history[0].replay_id = 7"; do
			jq "$change" good >bad
			refused 2 sfzb replay import bad --force
		done
		head -c 100 good >bad; refused 2 sfzb replay import bad --force
		refused 2 sfzb replay import nowhere
		: >log; sfzb stream Account -t $t 2>log & p=$!
		n=0; until grep -q "subscribed" log; do sleep 0.1; n=$((n + 1)); test $n -lt 600; done
		sfzb replay import good --force && exit 9; test $? -eq 2
		kill $p; wait $p
		sfzb replay import -q good --force'
	says "is stored here already \([0-9a-f]{20}, stored 2"
	says "is of organisation 00D000000000009AAA, and this login is of 00D"
	says "written by a newer sfzb \(version 2 of the format, this one knows 1\)"
	says "cannot import 'bad': position 1: its replay_id is no hexadecimal"
	says "process [0-9]+ is already streaming"
}

@test "set --from-table: where the table ends, by which column; refuses what the rows cannot tell" {
	inside '
		stream -n 120
		sfzb replay show >stood
		sfzb replay set Account earliest -q
		sfzb replay set Account --from-table -n
		sfzb replay set Account --from-table -q
		sfzb replay show >ends
		sfzb stream -q Account -t main.default.classic --layout classic -n 10
		sfzb replay set Account --from-table -t main.default.classic -n
		sfzb replay set Contact --from-table -t $t && exit 9; test $? -eq 8
		sfzb replay set ChangeEvents --from-table -t "main.default.{entity}" && exit 9; test $? -eq 8
		sfzb replay set Account --from-table -t main.default.nothing && exit 9; test $? -eq 4
		stream --until-caught-up
		rows >rows'
	jq -e .replay_id stood
	diff <(jq -c '[.replay_id, .event_time]' stood) <(jq -c '[.replay_id, .event_time]' ends)
	jq -e '.in_flight == null' ends
	says "would set position of '/data/AccountChangeEvent' to 'main.default.a': [0-9a-f]{20} \(the newest row of the topic, told by column 'topic': sure"
	says "'main.default.classic': [0-9a-f]{20} \(.*told by column 'entity_name': sure if no other topic"
	says "holds no event of '/data/ContactChangeEvent'"
	says "a table each for its objects"
	jq -e '.n == 400 and .d == 400' rows
}

@test "set to a time: by the history where it reaches, else by reading forward, which stores nothing" {
	fine sfzb emulator -q --dir bus --clock-offset -5h --events 30 --objects Account -- true
	fine sfzb emulator -q --dir bus --clock-offset -3h --events 30 --objects Account -- true
	ends 0 sfzb emulator -q --dir bus --keepalive 300ms --events 30 --objects Account -- bash -euc "$other"'
		at() { sfzb replay set Account "$1" -t $t && sfzb replay show | jq -r ".replay_number // .position" >>places; }
		at 4h
		at 2h
		at 10h
		at latest
		sfzb replay set Account earliest -t $t -q
		stream --from earliest --until-caught-up
		sfzb replay history Account | jq -r .replay_number >history
		stream --from earliest -n 25; stream -n 20; stream --until-caught-up
		at 4h
		sfzb tail -q Account --from earliest --until-caught-up | jq -r "\"\(.replay_id) \(.commit_timestamp)\"" >all
		rows >rows'
	jq -e '.n == 90 and .d == 90' rows
	number() { echo $((16#$(sed -n "$1p" all | cut -c1-16))); }
	[ "$(sed -n 1p places)" = "$(number 30)" ]
	[ "$(sed -n 2p places)" = "$(number 60)" ]
	[ "$(sed -n 3p places)" = earliest ]
	[ "$(sed -n 4p places)" -ge "$(number 90)" ]
	# or behind one of the next five, which are as old, where a position was stored between
	[ "$(sed -n 5p places)" -ge "$(number 25)" ]
	[ "$(sed -n 5p places)" -le "$(number 30)" ]
	says ": [0-9a-f]{20} \(the tip, as the server names it\)"
	# the second time from the place that was set first
	[ "$(grep -c "(read forward over 31 events: the next is of 20" "$err")" -eq 2 ]
	says "earliest \(the first event that is kept is of 20"
	says "\(it stood there at the event of 20"
}

@test "reading forward goes on behind a connection that broke" {
	fine sfzb emulator -q --dir bus --clock-offset -3h --events 45 --objects Account -- true
	echo "subscribe cut after 20 x3" >script
	ends 0 sfzb emulator -q --dir bus --faults script --keepalive 300ms --events 10 --objects Account -- sh -c \
		'sfzb replay set Account 1h -t main.default.a -n -v'
	says "would set position of .*: [0-9a-f]{20} \(read forward over 46 events: the next is of 20"
	says "trying again"
	run ! grep -q "no connection found" "$err" # the emulator has cut it, whatever the address
}

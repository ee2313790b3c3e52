# A damaged replay.db costs a question to the table, and no event.
bats_require_minimum_version 1.5.0
load helper

@test "damaged, cut or emptied: kept aside, said aloud, the table is asked, nothing lost and nothing twice" {
	ends 0 sfzb emulator -q --keepalive 300ms --events 100 --objects Account -- bash -euc '
		stream() { sfzb stream Account -t main.default.a --visibility-wait 200ms "$@"; }
		db=$(dirname "$(find "$HOME" -name salesforce.json | head -n 1)")/replay.db
		round() { # NAME: the file is damaged now
			sum=$(sha256sum <"$db")
			stream -n 20 2>"$1"
			if [ "$1" != emptied ]; then
				kept=$(sed -n "s/.*kept as .\(.*damaged-[^,]*\)., and begun anew.*/\1/p" "$1")
				test "$(sha256sum <"$kept")" = "$sum"
				rm "$kept"*
			fi
		}
		stream -n 20 2>first
		printf XXXXXXXXXXXXXXXX | dd of="$db" conv=notrunc status=none; round header
		printf XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX | dd of="$db" bs=4096 seek=1 conv=notrunc status=none; round page
		truncate -s 5000 "$db"; round cut
		truncate -s 0 "$db"; round emptied
		stream --until-caught-up -q
		sfzb sql "select count(*) as n, count(distinct event_id) as d from main.default.a" >rows'
	jq -e '.n == 100 and .d == 100' rows
	for f in header page cut; do
		grep -Eq "warning: '.*/replay.db' is damaged \(.*\); kept as '.*/replay.db.damaged-20.*', and begun anew" $f
	done
	grep -q "warning: '.*/replay.db' was empty; begun anew" emptied
	for f in header page cut emptied; do
		grep -q "goes on behind [0-9a-f]*: the newest that the table holds of it; no position is stored" $f
	done
}

@test "put back from a copy: said aloud, what came since is looked up, nothing lost and nothing twice" {
	ends 0 sfzb emulator -q --keepalive 300ms --events 100 --objects Account -- bash -euc '
		stream() { sfzb stream Account -t main.default.a --visibility-wait 200ms "$@"; }
		db=$(dirname "$(find "$HOME" -name salesforce.json | head -n 1)")/replay.db
		stream -q -n 20
		cp "$db" copy
		stream -n 50 2>between
		cp copy "$db"
		stream --until-caught-up -o json 2>behind | tail -n 1 >end
		stream --until-caught-up 2>behind-it
		sfzb sql "select count(*) as n, count(distinct event_id) as d from main.default.a" >rows'
	jq -e '.n == 100 and .d == 100' rows
	jq -e '.already_stored == 50 and .stored == 30' end
	grep -q "warning: the position of '/data/AccountChangeEvent' is of .*: was replay.db put back from a copy" behind
	run ! grep -q "put back" between behind-it
}

@test "a profile that was put back whole: the same" {
	ends 0 sfzb emulator -q --keepalive 300ms --events 100 --objects Account -- bash -euc '
		stream() { sfzb stream Account -t main.default.a --visibility-wait 200ms "$@"; }
		profile=$(dirname "$(find "$HOME" -name salesforce.json | head -n 1)")
		stream -q -n 20
		cp -r "$profile" copy
		stream -n 50 2>between
		mv "$profile" gone; cp -r copy "$profile"
		sfzb replay export >exported # takes the lock, and changes nothing
		stream --until-caught-up -o json 2>behind | tail -n 1 >end
		stream --until-caught-up 2>behind-it
		sfzb sql "select count(*) as n, count(distinct event_id) as d from main.default.a" >rows'
	jq -e '.n == 100 and .d == 100' rows
	jq -e '.already_stored == 50 and .stored == 30' end
	grep -q "the profile is a copy: what was stored of '/data/AccountChangeEvent' since it was made is looked up" behind
	run ! grep "is a copy" between behind-it
}

@test "replay.db alone, put back where nothing else is left: the same" {
	ends 0 sfzb emulator -q --keepalive 300ms --events 100 --objects Account -- bash -euc '
		stream() { sfzb stream Account -t main.default.a --visibility-wait 200ms "$@"; }
		profile=$(dirname "$(find "$HOME" -name salesforce.json | head -n 1)")
		stream -q -n 20
		cp "$profile"/replay.db copy
		stream -n 50 2>between
		rm -r "$profile"/replay.db* "$profile"/locks; cp copy "$profile"/replay.db
		sfzb replay export >exported # takes the lock, and changes nothing
		stream --until-caught-up -o json 2>behind | tail -n 1 >end
		stream --until-caught-up 2>behind-it
		sfzb sql "select count(*) as n, count(distinct event_id) as d from main.default.a" >rows'
	jq -e '.n == 100 and .d == 100' rows
	jq -e '.already_stored == 50 and .stored == 30' end
	grep -q "nothing here says that the position of '/data/AccountChangeEvent' was the last one" behind
	! grep "nothing here says" between behind-it
}

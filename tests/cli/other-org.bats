# A login of another organisation (a refreshed sandbox) does not go on at the old one's positions.
bats_require_minimum_version 1.5.0
load helper

@test "the position of another organisation is not used; --from says what to do instead" {
	ends 0 sfzb emulator -q --keepalive 300ms --events 20 --objects Account -- bash -euc '
		stream() { sfzb stream -q Account -t main.default.a --until-caught-up "$@"; }
		db=$(dirname "$(find "$HOME" -name salesforce.json | head -n 1)")/replay.db
		stream
		/usr/bin/python3 -c "
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
for t in [r[0] for r in c.execute(\"SELECT name FROM sqlite_master WHERE type = '\''table'\''\")]:
    for col in [r[1] for r in c.execute(f\"PRAGMA table_info({t})\") if r[1].startswith(\"org\")]:
        c.execute(f\"UPDATE {t} SET {col} = '\''00DOTHER0000000'\'' \" + (\"|| '\''AAA'\''\" if col == \"org\" else \"\"))
c.commit()" "$db"
		stream && exit 9
		test $? -eq 8
		stream --from earliest
		stream
		sfzb sql "select count(*) as n, count(distinct event_id) as d from main.default.a" >all'
	says "is of organisation 00DOTHER0000000.*and this login is of 00D"
	says "hint: was the sandbox refreshed"
	jq -e '.n == 20 and .d == 20' all
}

#!/usr/bin/env bats
# What the README tells people to type works: each block fenced as sh is run as it stands.

load helper

blocks() { # each sh block of the README into a file of its own
	awk '/^```sh$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside { print > ("block-" n) }' "$tests/../../README.md"
	ls block-*
}

@test "every sh block of the README runs" {
	LIMIT=600
	[ "$(blocks | wc -l)" -ge 2 ]
	for block in block-*; do
		ends 0 sh -e "$block"
		[ -s "$out" ] || { cat "$block"; echo "printed nothing"; return 1; }
	done
}

@test "every command that the README names is there" {
	sed -n 's/^| `\([a-z-]*\)`\(, `\([a-z-]*\)`\)\{0,1\} |.*/\1 \3/p' "$tests/../../README.md" >named
	[ "$(wc -w <named)" -ge 10 ]
	for c in $(cat named); do
		fine sfzb "$c" -h
	done
}

@test "every make target that the README names is there" {
	grep -oE '(^    |`)(sudo )?make [a-z-]+' "$tests/../../README.md" | awk '{ print $NF }' | sort -u >named
	[ -s named ]
	for t in $(cat named); do
		grep -q "^$t:" "$tests/../../Makefile" || { echo "no target $t"; return 1; }
	done
}

@test "the README's unit, alerts and exit codes are those of the program" {
	readme=$tests/../../README.md
	fine sfzb help --man stream
	cp "$out" man
	grep -oE 'sfzb_[a-z_]+' "$readme" | sort -u >metrics
	[ -s metrics ]
	for m in $(cat metrics); do
		grep -qx ".B $m" man || { echo "no metric $m"; return 1; }
	done
	awk '/^```yaml$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$readme" >alerts
	[ "$(grep -c 'alert: .*expr: ' alerts)" -ge 5 ]
	for s in $(sed -n '/^| when it has ended with/,/^$/s/^| \([0-9, ]*\) |.*/\1/p' "$readme" | tr -d ,); do echo "$s"; done | sort -n >named
	fine sfzb help --man
	sed -n '/^.SH EXIT STATUS/,/^.SH [^E]/s/^.fB\([0-9]*\)$/\1/p; /^.SH EXIT STATUS/,/^.SH [^E]/s/.*fB\([0-9]*\).fR.*/\1/p' "$out" | sort -nu >known
	[ -s named ]
	diff named known
	# each line of the unit is in the man page's, but for where the secrets come from
	awk '/^```ini$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$readme" | grep -v '^EnvironmentFile=' >unit
	while read -r line; do grep -qxF -- "$(printf '%s' "$line" | sed 's/-/\\-/g')" man || { echo "not in the man page: $line"; return 1; }; done <unit
	# and the command is one that it takes
	set -- $(sed -n 's/^ExecStart=[^ ]*sfzb //p' "$readme")
	ends 3 sfzb "$@" --metrics 0
	says "not logged in to Salesforce"
}

@test "the manual's statement from events to records gives what the events add up to" {
	sed -n '/^WITH changes AS/,/^\.fi/p' "$tests/../../man/sfzb-stream.1" |
		sed "s/\\\\(aq/'/g; s/\\\\-/-/g; s/\\\\&//g; /^\.fi/d" >state.sql
	ends 0 sfzb emulator -q --seed 5 --keepalive 300ms --events 1500 --objects Account,Contact -- sh -ec '
		sfzb stream Account -q --table main.crm.events --until-caught-up
		sfzb sql - <state.sql >got
		sfzb tail -q Account -c CREATE,UPDATE,DELETE,UNDELETE --from earliest --until-caught-up >events'
	jq -s -c 'reduce .[] as $e ({}; reduce $e.record_ids[] as $id (.; if $e.change_type == "DELETE" then .[$id].gone = true
		else .[$id].gone = false | if $e.change_type != "UPDATE" or ($e.changed_fields + $e.nulled_fields | index("Industry"))
			then .[$id].is = $e.record.Industry else . end end))
		| to_entries[] | select(.value.gone | not) | [.key, .value.is]' events | sort >wanted
	jq -c '[.record_id, .Industry]' got | sort | diff wanted -
	[ "$(wc -l <wanted)" -gt 100 ]
}

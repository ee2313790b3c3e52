# What protects secrets: the programs' own hardening, modes and links of the profile, cleaned output.
bats_require_minimum_version 1.5.0
load helper

elf() { readelf -W "$@" 2>/dev/null; }

@test "programs are position independent, with read-only relocations, bound at start, stack protector and fortified calls" {
	command -v readelf >/dev/null || skip "no readelf"
	grep -q -- '-fsanitize' "$BUILD/flags" && skip "not a release build"
	for p in sfzb sfzb-emulator; do
		elf -h "$BUILD/$p" | grep -Eq 'Type: +DYN'
		elf -l "$BUILD/$p" | grep -q GNU_RELRO
		elf -d "$BUILD/$p" | grep -Eq 'BIND_NOW|FLAGS.*NOW'
		elf -l "$BUILD/$p" | grep GNU_STACK | grep -vq 'RWE'
		elf --dyn-syms "$BUILD/$p" | grep -q __stack_chk_fail
		elf --dyn-syms "$BUILD/$p" | grep -Eq '__[a-z]+_chk'
	done
}

@test "a running sfzb leaves no core dump and shows nobody its memory" {
	grep -q -- '-fsanitize' "$BUILD/flags" && skip "not a release build"
	ends 0 sfzb emulator -q --objects Account -- bash -euc '
		ulimit -c unlimited 2>/dev/null || :
		sfzb tail -q Account >/dev/null & p=$!
		n=0
		until grep -Eq "Max core file size +0 +0" /proc/$p/limits; do sleep 0.1; n=$((n + 1)); test $n -lt 600; done
		grep "Max core file size" /proc/$p/limits >core
		tr "\0" "\n" </proc/$p/cmdline >words
		kill -ABRT $p; wait $p || :
		ls >files'
	grep -Eq 'Max core file size +0 +0' core
	run ! grep -q '^core\.' files
	run ! grep -Eiq 'secret|token|00D' words
}

@test "the profile: what is made is private, links and open files are refused" {
	mkdir -p "$HOME/.config/sfzb/profiles/default"
	touch target; chmod 600 target
	ln -s "$PWD/target" "$HOME/.config/sfzb/profiles/default/salesforce.json"
	ends 2 sfzb topics
	says "salesforce.json"
	rm "$HOME/.config/sfzb/profiles/default/salesforce.json"
	printf '{}' >"$HOME/.config/sfzb/profiles/default/databricks.json"
	chmod 644 "$HOME/.config/sfzb/profiles/default/databricks.json"
	ends 2 sfzb sql x
	says "can be read or written by other users"
	umask 000
	fine sfzb emulator -q --keepalive 300ms --events 5 --objects Account -- sh -c '
		sfzb stream -q Account -t main.default.a --until-caught-up
		find "$HOME" -path "*profiles/emulator*" \( -type f -perm /077 -o -type d -perm /077 \)'
	[ ! -s "$out" ]
}

@test "a link in the place of the positions is not followed" {
	mkdir -p "$HOME/.config/sfzb/profiles/default" elsewhere
	ln -s "$PWD/elsewhere/db" "$HOME/.config/sfzb/profiles/default/replay.db"
	ends 2 sfzb replay set Account earliest -t a.b.c
	says "replay.db' is not a regular file"
	[ ! -e elsewhere/db ]
}

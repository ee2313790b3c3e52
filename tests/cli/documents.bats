# Man pages and completion scripts are made from the tables; what is checked in must be what the program makes now.
load helper

current() { # FILE, arguments of sfzb help…
	local file=$tests/../../$1
	shift
	fine sfzb help "$@"
	diff -u "$file" "$out" || { echo "not current: run 'make docs'"; return 1; }
}

@test "man pages are current" {
	current man/sfzb.1 --man
	for c in $(sfzb help --names commands); do
		[ "$c" = emulator ] || current "man/sfzb-$c.1" --man "$c"
	done
	diff -u "$tests/../../man/sfzb-emulator.1" <(sfzb-emulator --man)
}

@test "no man page is left over" {
	for f in "$tests"/../../man/sfzb-*.1; do
		f=${f##*/sfzb-}
		sfzb help --names commands | grep -qx "${f%.1}"
	done
}

@test "man pages are clean roff" {
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	for f in "$tests"/../../man/*.1; do
		mandoc -Tlint -Wwarning "$f" | grep -v 'missing date' >lint || :
		[ ! -s lint ] || { cat lint; return 1; }
	done
}

@test "the man page names every exit status" {
	fine sfzb help --man
	for s in 0 1 2 3 4 5 6 7 8 9 130 143; do prints "^.fB$s.fR$"; done
}

@test "completion scripts are current" {
	current completions/sfzb.bash --completion bash
	current completions/_sfzb --completion zsh
	current completions/sfzb.fish --completion fish
}

complete_bash() { # words…; the last is being typed
	bash --norc -c '
		source "$1"; shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_sfzb
		printf "%s\n" "${COMPREPLY[@]}"' bash "$tests/../../completions/sfzb.bash" "$@" >"$out" 2>"$err"
	[ ! -s "$err" ]
}

@test "bash completes commands, options, values and the names of the profile" {
	complete_bash sfzb he
	[ "$(cat "$out")" = help ]
	complete_bash sfzb --profile x he
	[ "$(cat "$out")" = help ]
	complete_bash sfzb help --comp
	[ "$(cat "$out")" = --completion ]
	complete_bash sfzb help --completion = z
	[ "$(cat "$out")" = zsh ]
	complete_bash sfzb --color al
	[ "$(cat "$out")" = always ]
	mkdir -p "$HOME/.config/sfzb/profiles/"{prod,test}
	complete_bash sfzb --profile pr
	[ "$(cat "$out")" = prod ]
	complete_bash sfzb tail --from s
	[ "$(cat "$out")" = stored ]
}

@test "bash completes topics as they are written, whole or short, and those of replay behind its word" {
	mkdir -p "$HOME/.config/sfzb/profiles/default"
	echo '{"topics":[{"name":"/data/AccountChangeEvent"},{"name":"/data/Invoice__ChangeEvent"},{"name":"/data/ChangeEvents"},
		{"name":"/data/Mine__chn"},{"name":"/event/Theirs__chn"},{"name":"/event/Order__e"}]}' \
		>"$HOME/.config/sfzb/profiles/default/topics.json"
	chmod -R go= "$HOME/.config"
	complete_bash sfzb tail ''
	[ "$(tr '\n' ' ' <"$out")" = "Account Invoice__c ChangeEvents Mine__chn /event/Theirs__chn Order__e " ]
	complete_bash sfzb tail Inv
	[ "$(cat "$out")" = Invoice__c ]
	complete_bash sfzb stream /data/A
	[ "$(cat "$out")" = /data/AccountChangeEvent ]
	complete_bash sfzb replay s
	[ "$(tr '\n' ' ' <"$out")" = "show set " ]
	complete_bash sfzb replay set O
	[ "$(cat "$out")" = Order__e ]
	if command -v fish >/dev/null; then
		cp "$tests/../../completions/sfzb.fish" .
		[ "$(fish -c 'source sfzb.fish; complete -C "sfzb tail Inv"')" = Invoice__c ]
		[ "$(fish -c 'source sfzb.fish; complete -C "sfzb replay set /data/A"')" = /data/AccountChangeEvent ]
		[ "$(fish -c 'source sfzb.fish; complete -C "sfzb replay h"')" = history ]
	fi
}

@test "zsh and fish take their scripts" {
	[ -z "$(grep -oE '^_sfzb[a-z_-]*\(\)' "$tests/../../completions/_sfzb" | sort | uniq -d)" ] # a second one hides the first
	command -v zsh >/dev/null || command -v fish >/dev/null || skip "neither zsh nor fish is installed"
	if command -v zsh >/dev/null; then zsh -n "$tests/../../completions/_sfzb"; fi
	if command -v fish >/dev/null; then fish -n "$tests/../../completions/sfzb.fish"; fi
}

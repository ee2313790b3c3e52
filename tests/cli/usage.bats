# What every command has in common: help, versions, wrong words, exit statuses, streams.
bats_require_minimum_version 1.5.0
load helper

@test "no command is an error that says where the commands are" {
	fails 2 sfzb
	says "'sfzb help' lists the commands"
}

@test "help goes to standard output, with status 0, for all commands and for each" {
	fine sfzb help
	golden help "$out"
	fine sfzb -h
	golden help "$out"
	fine sfzb --help
	golden help "$out"
	for c in $(sfzb help --names commands); do
		fine sfzb help "$c"
		golden "help-$c" "$out"
		[ "$c" = emulator ] && continue
		cp "$out" by-help
		fine sfzb "$c" -h
		diff by-help "$out"
		fine sfzb "$c" --help --profile ../wrong
		diff by-help "$out"
	done
}

@test "help fits 80 columns and has no tabs or spaces at line ends" {
	for c in '' $(sfzb help --names commands); do
		fine sfzb help $c
		run ! grep -nE '.{81}|	| $' "$out"
	done
}

@test "each command has a golden help and no golden help is left over" {
	for c in $(sfzb help --names commands); do [ -f "$tests/golden/help-$c" ]; done
	for f in "$tests"/golden/help-*; do sfzb help --names commands | grep -qx "${f##*/help-}"; done
}

@test "--version" {
	fine sfzb --version
	prints '^sfzb [0-9]+\.[0-9]+\.[0-9]+$'
	fine sfzb -q --version stream
	prints '^sfzb [0-9.]+$'
	fails 2 sfzb --versoin
	says "hint: did you mean '--version'\?"
	fails 2 sfzb stream --version
	says "unknown option '--version'"
}

@test "what the command line says is quoted without its control characters, at a bounded length" {
	local long bad=$'a\e[31mb\nc\xff\xc2\x9bä'
	fails 2 sfzb "$bad"
	says "^sfzb: error: no command 'a\?\[31mb c\?\?ä'$"
	fails 2 sfzb help --completion "$bad"
	says "^sfzb: error: option '--completion': 'a\?\[31mb c\?\?ä' is none of its values$"
	fails 2 sfzb "--$bad=x" help
	says "^sfzb: error: unknown option '--a\?\[31mb c\?\?ä'$"
	fails 2 sfzb help -ä
	says "^sfzb: error: unknown option '-ä'$"
	fails 2 sfzb dead-letters "$bad"
	says "^sfzb: error: 'dead-letters' does not know 'a\?\[31mb c\?\?ä'$"
	ends 2 sfzb --log-format json "$bad"
	jq -e '.message == "no command '"'a?[31mb c??ä'"'"' "$err"
	long=$(printf 'ä%.0s' $(seq 5000))
	fails 2 sfzb help --completion "$long"
	says "^sfzb: error: option '--completion': '(ä){90,100}…' is none of its values$"
	fails 2 sfzb replay "$long"
	says "^sfzb: error: 'replay' does not know '(ä)+…$"
	says "^sfzb: hint: write 'sfzb replay show"
	fails 2 sfzb replay import "$long"
	says "^sfzb: error: cannot import .*…$"
	fails 2 sfzb ingest main.a.b "$long"
	says "^sfzb: error: cannot read '(ä)+…': File name too long$"
	[ "$(wc -c <"$err")" -lt 2000 ]
	iconv -f UTF-8 -t UTF-8 "$err" >/dev/null
}

@test "a mistyped command is answered with the one that was meant" {
	fails 2 sfzb hlep
	says "error: no command 'hlep'$"
	says "hint: did you mean 'help'\?"
	fails 2 sfzb xyzzy
	says "hint: 'sfzb help' lists the commands"
}

@test "a mistyped option is named, and the one that was meant" {
	fails 2 sfzb help --complection=bash
	says "error: unknown option '--complection'$"
	says "hint: did you mean '--completion'\?"
	fails 2 sfzb help -x
	says "error: unknown option '-x'$"
	fails 2 sfzb --colour always help
	says "hint: did you mean '--color'\?"
}

@test "wrong values name the option and say what it takes" {
	fails 2 sfzb help --completion
	says "option '--completion' needs a value: <shell>"
	fails 2 sfzb help --completion bahs
	says "option '--completion': 'bahs' is none of its values"
	says "did you mean 'bash'\? It takes bash, zsh or fish"
	fails 2 sfzb help --man=yes
	says "option '--man' takes no value"
	fails 2 sfzb help -o tree
	says "option '--output': 'tree' is none of the forms of 'help'"
	fails 2 sfzb help tail stream
	says "too many arguments to 'help': 'stream'"
}

@test "a wrong value in the environment names the variable" {
	SFZB_LOG_FORMAT=xml fails 2 sfzb help
	says "environment variable 'SFZB_LOG_FORMAT': 'xml' is none of its values"
	SFZB_PROFILE=../up fails 2 sfzb help
	says "'../up'"
}

@test "options of every command stand before the command or behind it" {
	fine sfzb --profile one help help
	fine sfzb help --profile=one help
	fine sfzb help help -- 
	fails 2 sfzb --profile .. help
	fails 2 sfzb help --profile ..
}

@test "behind -- nothing is an option" {
	fails 2 sfzb help -- --man
	says "no command '--man'"
}

@test "--log-format json makes the error one JSON object" {
	ends 2 sfzb --log-format json nothing
	[ "$(wc -l <"$err")" -eq 1 ]
	jq -e '.level == "error" and .code == "USAGE" and .exit_status == 2 and (.message | test("nothing")) and .hint' "$err"
	ends 2 sfzb help --log-format=json nothing
	jq -e .message "$err"
}

@test "colour: on a terminal or on demand only, and never with NO_COLOR" {
	ends 2 sfzb nothing
	run ! grep -q $'\e' "$err"
	ends 2 sfzb --color always nothing
	says $'\e\\[1;31merror:\e\\[0m'
	ends 2 script -qec 'sfzb nothing' /dev/null
	prints $'\e\\[1;31merror:\e\\[0m'
	NO_COLOR=1 ends 2 script -qec 'sfzb nothing' /dev/null
	run ! grep -q $'\e' "$out"
	NO_COLOR=1 ends 2 sfzb nothing --color=always
	TERM=dumb ends 2 script -qec 'sfzb nothing' /dev/null
	run ! grep -q $'\e' "$out"
}

@test "a full disk under standard output is an error" {
	status=0
	sfzb help >/dev/full 2>"$err" || status=$?
	[ "$status" -eq 1 ]
	says "error: cannot write to standard output: No space left on device"
}

@test "a reader that goes away is no error" {
	for i in 1 2 3; do
		{ status=0; sfzb help --completion bash 2>"$err" || status=$?; echo "$status" >status; } | true
		[ "$(cat status)" -eq 0 ]
		[ ! -s "$err" ]
	done
}

@test "closed standard streams harm nothing" {
	status=0
	sfzb help >&- 2>"$err" || status=$?
	[ "$status" -eq 0 ] || says "standard output"
	sfzb help >"$out" 2>&- <&-
	[ -s "$out" ]
}

@test "standard input that is closed is an empty one" {
	fine sfzb emulator -q -- sh -c 'sfzb publish Order_Event__e <&-'
	[ ! -s "$out" ]
}

@test "emulator that is not there is an error that says where it was looked for" {
	mkdir bin
	cp "$BUILD/sfzb" bin/
	PATH=/usr/bin:/bin fails 1 bin/sfzb emulator
	says "cannot start 'sfzb-emulator'"
	says "hint: it is looked for beside sfzb"
}

@test "the emulator is found beside sfzb, in libexec and in PATH, and gets its arguments as they are" {
	mkdir -p bin libexec/sfzb other
	cp "$BUILD/sfzb" bin/
	printf '#!/bin/sh\nprintf "%%s\\n" "$0" "$@"; exit 42\n' >other/sfzb-emulator
	chmod +x other/sfzb-emulator
	PATH=/usr/bin:/bin:$PWD/other ends 42 bin/sfzb emulator --help -- x -y
	[ "$(tail -n +2 "$out" | tr '\n' ' ')" = "--help -- x -y " ]
	prints "other/sfzb-emulator"
	mv other/sfzb-emulator libexec/sfzb/
	PATH=/usr/bin:/bin ends 42 bin/sfzb emulator
	prints "libexec/sfzb/sfzb-emulator"
	cp libexec/sfzb/sfzb-emulator bin/
	PATH=/usr/bin:/bin ends 42 bin/sfzb emulator
	prints "bin/sfzb-emulator"
}

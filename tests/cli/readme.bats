#!/usr/bin/env bats
# What the README tells people to type works: each block fenced as sh is run as it stands.

load helper

blocks() { # each sh block of the README into a file of its own
	awk '/^```sh$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside { print > ("block-" n) }' "$tests/../../README.md"
	ls block-*
}

@test "every sh block of the README runs" {
	LIMIT=120
	for block in $(blocks); do
		ends 0 sh -e "$block"
		[ -s "$out" ] || { cat "$block"; echo "printed nothing"; return 1; }
	done
}

@test "every command that the README names is there" {
	for c in $(sed -n 's/^| `\([a-z-]*\)`\(, `\([a-z-]*\)`\)\{0,1\} |.*/\1 \3/p' "$tests/../../README.md"); do
		fine sfzb "$c" -h
	done
}

@test "every make target that the README names is there" {
	for t in $(grep -oE '(^    |`)(sudo )?make [a-z-]+' "$tests/../../README.md" | awk '{ print $NF }' | sort -u); do
		grep -q "^$t:" "$tests/../../Makefile" || { echo "no target $t"; return 1; }
	done
}

# The store of events that were set aside: looked at, emptied.
bats_require_minimum_version 1.5.0
load helper

store=.config/sfzb/profiles/default

letters() { # three of them: two topics, one event of two tables
	local one='"org":"00D000000000001AAA","schema_id":"S1","schema":"{\"type\":\"string\"}","replay_id":"0000000000000a2b0000"'
	"$tests/dead_letters.py" "$HOME/$store" <<-END
		{$one,"topic":"/data/AccountChangeEvent","table":"a.b.c","event_id":"e-1","payload":"00ff41","reason":"no \u001b[31mrow"}
		{$one,"topic":"/data/AccountChangeEvent","table":"a.b.d","event_id":"e-1","payload":"","reason":"two"}
		{$one,"topic":"/event/Order__e","table":"a.b.c","event_id":"e-2","payload":"42","reason":"three"}
	END
}

@test "without a store there is nothing to list, and none is made" {
	ok sfzb dead-letters
	ok sfzb dead-letters list -o table
	ok sfzb dead-letters -q drop --all
	[ ! -e "$HOME/.config" ]
	fails 4 sfzb dead-letters show 1
	says "no event '1' is set aside"
}

@test "list: a JSON object a line for programs, a clean table for people" {
	letters
	fine sfzb dead-letters list
	jq -se 'length == 3 and .[0].event_id == "e-1" and .[0].topic == "/data/AccountChangeEvent" and .[0].table == "a.b.c"
		and .[0].replay_id == "0000000000000a2b0000" and .[0].schema_id == "S1" and .[0].attempts == 1
		and .[0].payload_bytes == 3 and .[0].code == "REFUSED" and .[0].org_id == "00D000000000001AAA"
		and .[0].set_aside == "1970-01-01T00:00:00.002Z"' "$out"
	fine sfzb dead-letters list --topic Account --table a.b.d
	[ "$(jq -r .reason "$out")" = two ]
	fine sfzb dead-letters list -o table
	prints '^ *3 .*/event/Order__e +a.b.c +e-2 +0000000000000a2b0000 +1 +three'
	run ! grep -q $'\e' "$out"
	fails 2 sfzb dead-letters list 1
	fails 2 sfzb dead-letters lsit
}

@test "show: the bytes and the schema" {
	letters
	fine sfzb dead-letters show 1 -o table
	prints '^payload +3 bytes'
	prints '^  00000000  00 ff 41 .* \.\.A$'
	prints '^reason +no .\[31mrow$'
	run ! grep -q $'\e' "$out"
	fine sfzb dead-letters show e-1
	jq -se 'length == 2 and .[0].payload_base64 == "AP9B" and .[0].schema_json == "{\"type\":\"string\"}" and .[1].payload_base64 == ""' "$out"
	fails 2 sfzb dead-letters show
	fails 4 sfzb dead-letters show 3 4
	fails 2 sfzb dead-letters show --all 3
}

@test "drop asks, or wants --yes; drops what was named and no more" {
	letters
	fails 2 sfzb dead-letters drop 1
	says "needs --yes"
	[ "$(sfzb dead-letters | wc -l)" -eq 3 ]
	ok sfzb dead-letters -q drop e-1 --yes
	[ "$(sfzb dead-letters | jq -r .id)" = 3 ]
	ok sfzb dead-letters -q drop --all --topic Account --yes
	[ "$(sfzb dead-letters | jq -r .id)" = 3 ]
	ok sfzb dead-letters -q drop --all --yes
	ok sfzb dead-letters
}

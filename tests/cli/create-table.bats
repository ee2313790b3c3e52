# sfzb create-table over the emulator: schemas, properties, --alter, --check.
bats_require_minimum_version 1.5.0
load helper

inside() { # SCRIPT
	printf 'set -u\n%s\n' "$1" >script
	ends 0 sfzb emulator -q -- bash script
}

@test "a missing schema or catalog is named; --create-schema makes the one, nothing the other" {
	inside 'sfzb create-table main.nope.t; echo $?; sfzb create-table nope.nope.t; echo $?
		sfzb create-table nope.nope.t --create-schema; echo $?
		sfzb create-table "main.\`my-schema\`.t" --create-schema; echo $?
		echo "{\"event_id\":\"x\"}" | sfzb ingest -q "main.\`my-schema\`.t"
		sfzb sql "SELECT event_id FROM main.\`my-schema\`.t"'
	[ "$(tr '\n' ' ' <"$out")" = '4 4 4 0 {"event_id":"x"} ' ] || { cat "$out"; return 1; }
	says "cannot create table 'main.nope.t': there is no schema 'main.nope'"
	says 'hint: sfzb create-table main.nope.t --create-schema makes it'
	says "cannot create table 'nope.nope.t': there is no catalog 'nope'"
}

@test "a hint's command works as it is pasted" {
	inside "$(cat <<-'END'
		pasted() { sed -n 's/.*hint: \(.*\) makes it$/\1/p; s/.*make it: \(.*\)/\1/p; s/.*; \(sfzb .* --check\) names.*/\1/p' "$1"; }
		name="main.\`it's new-\$HOME\`.t"
		sfzb create-table "$name" 2>said && exit 1
		pasted said >command && sh -eu command || exit 1
		sfzb create-table "$name" --check
		sfzb stream Account --table main.\`it\'s\ new-\$HOME\`.other --no-create 2>said && exit 1
		pasted said >command && sh -eu command || exit 1
		sfzb create-table "main.\`it's new-\$HOME\`.other" --check
		sfzb create-table -q "main.\`it's new-\$HOME\`.old" --layout classic
		sfzb stream Account --table "main.\`it's new-\$HOME\`.old" --until-caught-up 2>said
		pasted said >command && [ -s command ] && sh -eu command | head -1
	END
	)"
	diff -u - "$out" <<-'END'
		table 'main.it's new-$HOME.t' fits
		table 'main.it's new-$HOME.other' fits
		table 'main.it's new-$HOME.old' fits, and could hold more
	END
}

@test "--property and --comment" {
	inside 'sfzb create-table main.default.t --property a=b,delta.x=1,2,enableRowTracking= --comment "it'"'"'s" -q
		sfzb sql -o csv "SHOW TBLPROPERTIES main.default.t" | grep -E "^(a|delta.x|enable)"'
	[ "$(tr '\n' ' ' <"$out")" = 'a,b delta.x,"1,2" enableRowTracking,"" ' ] || { cat "$out"; return 1; }
	fine sfzb create-table a.b.c --dry-run --comment "it's"
	prints "COMMENT 'it.*s'$"
	fine sfzb create-table a.b.c --dry-run --comment ''
	run ! grep -q '^COMMENT' "$out"
	fails 2 sfzb create-table a.b.c --dry-run --property novalue
	fine sfzb create-table a.b.c --dry-run --property a=1 --property "b=it's" --property c=3,d=4
	prints "'a'='1','b'='it.*s','c'='3','d'='4'"
	fails 2 sfzb create-table a.b.c --dry-run --cluster-by topic
	says 'liquid clustering'
}

@test "--alter adds what a table lacks and leaves its rows alone; --check names what does not fit, and why" {
	inside 'sfzb sql "CREATE TABLE main.default.t (event_id STRING, mine INT) TBLPROPERTIES (\"delta.enableRowTracking\"=\"true\")"
		sfzb sql "INSERT INTO main.default.t VALUES (\"a\", 7)" >/dev/null
		sfzb create-table main.default.t -q; echo $?
		sfzb create-table main.default.t --alter -q; echo $?
		sfzb create-table main.default.t --alter -q; echo $?
		sfzb create-table main.default.t --check -o json
		sfzb sql "SELECT event_id, mine, topic FROM main.default.t"
		sfzb sql "CREATE TABLE main.default.u (event_id INT, topic ARRAY<STRING>, x INT NOT NULL)"
		sfzb create-table main.default.u --check; echo $?
		sfzb create-table main.default.u --alter; echo $?
		sfzb sql -o csv "DESCRIBE TABLE main.default.u" | wc -l'
	[ "$(sed -n 1,3p "$out" | tr '\n' ' ')" = '4 0 0 ' ] || { cat "$out"; return 1; }
	sed -n 4p "$out" | jq -e '.fits and (.findings | all(.severity == "note"))'
	[ "$(sed -n 5p "$out")" = '{"event_id":"a","mine":7,"topic":null}' ]
	prints "misfit +column 'event_id' has type INT but"
	prints "misfit +column 'topic' has type ARRAY<STRING> but"
	prints "misfit +column 'x'.*NOT NULL"
	[ "$(tail -3 "$out" | tr '\n' ' ')" = '4 4 4 ' ] || { tail -3 "$out"; return 1; }
}

@test "every legal identifier is quoted, and none that is not gets to the workspace; hints can be pasted" {
	local name
	inside 'for n in main.crm.select "main.crm.\`order\`" MAIN.CRM.Upper "main.\`é-日\`.t" "\`main\`.\`it'"'"'s\`.\`t\`" "main.\`a\`\`b\`.t"; do
			sfzb create-table -q "$n" --create-schema || echo "bad $n"
			sfzb create-table "$n" --check | head -1
			sfzb create-table -q "$n" --alter || echo "bad $n"
		done
		rc=0; sfzb create-table "main.\`é-日\`.none" --check || rc=$?; echo $rc'
	run ! grep bad "$out"
	[ "$(grep -c ' fits$' "$out")" -eq 6 ]
	says "hint: sfzb create-table 'main.\`é-日\`.none' makes it"
	says "schema name 'é-日' cannot be told to Zerobus: 'stream' and 'ingest' cannot write to this table"
	fails 2 sfzb stream Account --table 'main.`é-日`.t'
	fails 2 sfzb ingest 'main.`a``b`.t'
	while read -r name; do
		fails 2 sfzb create-table "$name"
		fails 2 sfzb create-table "$name" --check
	done <<-'END'
		main.crm.`a b`
		main.crm.`a.b`
		main.crm.`x; DROP TABLE y`
		main.crm.é
		main.crm.1a
		main.crm
		a.b.c.d
		main..t
		main.crm.`open
	END
}

@test "--dry-run of --alter shows what would run and does nothing; --check goes with neither" {
	inside 'sfzb sql "CREATE TABLE main.default.t (event_id STRING)"
		sfzb create-table main.default.t --alter --dry-run >alters
		sfzb sql -o csv "DESCRIBE TABLE main.default.t" | wc -l
		while read -r statement; do sfzb sql "$statement" </dev/null; done < <(tr "\n" " " <alters | sed "s/; /;\n/g")
		sfzb create-table main.default.t --alter --dry-run
		sfzb create-table main.default.new --alter --dry-run | head -1
		sfzb create-table main.default.t --check | head -1'
	grep -q '^ALTER TABLE `main`.`default`.`t` ADD COLUMNS' alters
	printf '%s\n' 2 'CREATE TABLE IF NOT EXISTS `main`.`default`.`new` (' "table 'main.default.t' fits" | diff -u - "$out"
	fails 2 sfzb create-table a.b.c --check --dry-run
	fails 2 sfzb create-table a.b.c --check --alter
}

# What needs no server: logins that are not there, profiles that are damaged, positions, DDL.
bats_require_minimum_version 1.5.0
load helper

profile() { # NAME FILE CONTENT
	mkdir -p "$HOME/.config/sfzb/profiles/$1"
	printf '%s' "$3" >"$HOME/.config/sfzb/profiles/$1/$2"
	chmod 600 "$HOME/.config/sfzb/profiles/$1/$2"
}

@test "without a login every command says how to log in, with status 3" {
	for c in topics 'schema Account' 'tail Account' 'stream Account --table a.b.c'; do
		fails 3 sfzb $c
		says "error: not logged in to Salesforce"
		says "hint: run 'sfzb login salesforce' on a terminal, or set SALESFORCE_INSTANCE_URL"
	done
	for c in 'sql x' 'create-table a.b.c'; do
		fails 3 sfzb $c
		says "error: not logged in to Databricks"
	done
	fails 3 sfzb login --check
	[ ! -e "$HOME/.config" ]
}

@test "login --status without a login" {
	fine sfzb login --status
	[ "$(jq -rs 'map(.side + ":" + (.source // "none")) | join(" ")' "$out")" = "salesforce:none databricks:none" ]
	SALESFORCE_INSTANCE_URL=https://x.my.salesforce.com SALESFORCE_CLIENT_ID=a SALESFORCE_CLIENT_SECRET=hush-hush \
		fine sfzb login salesforce --status
	jq -e '.source == "environment" and .method == "client-credentials"' "$out"
	run ! grep -q hush-hush "$out"
}

@test "login with nothing to log in with does not ask where there is no terminal" {
	fails 3 sfzb login salesforce
	fails 3 sfzb login databricks
	fails 2 sfzb login sharepoint
	says "nothing to log in to by the name 'sharepoint'"
	fails 2 sfzb login --stdin
	fails 2 sfzb login salesforce --stdin --client-id x --host x.my.salesforce.com
	says "standard input holds no secret"
}

@test "a client id without its secret is not logged in, and told what is missing" {
	SALESFORCE_CLIENT_ID=x SALESFORCE_INSTANCE_URL=x.my.salesforce.com fails 3 sfzb topics
	says "not logged in to Salesforce: the client id's secret is missing"
	says 'hint: set SALESFORCE_CLIENT_SECRET, or run .* with --stdin'
	fails 3 sfzb login salesforce --client-id x --host x.my.salesforce.com
	says "the client id's secret is missing"
}

@test "a stream does not begin at a time to come: it would pass over all until then" {
	fails 2 sfzb stream Account --table a.b.c --from 2999-01-01
	says "option '--from': that time lies ahead"
}

@test "login: an option that would have no effect is refused, with the reason" {
	local row
	while IFS='|' read -r words reason; do
		# shellcheck disable=SC2086
		fails 2 sfzb login $words </dev/null
		says "$reason"
	done <<-'END'
		databricks --username x|option '--username' is for 'sfzb login salesforce', not for databricks
		databricks --key-file x|'--key-file' is for 'sfzb login salesforce'
		databricks --from-sf x|'--from-sf' is for 'sfzb login salesforce'
		databricks --topic x|'--topic' is for 'sfzb login salesforce'
		salesforce --table a.b.c|'--table' is for 'sfzb login databricks', not for salesforce
		salesforce --warehouse x|'--warehouse' is for 'sfzb login databricks'
		salesforce --topic Account|'--topic' goes with --check only
		salesforce --check --host x|'--host' has no effect with --check
		--status --table a.b.c|'--table' has no effect with --status
		--status --check|'--status' and '--check' do not go together
		--host x.my.salesforce.com|'--host' needs to know which side it is for
		salesforce --from-sf a --client-id x|'--client-id' has no effect with --from-sf
		salesforce --from-sf a --stdin|'--stdin' has no effect with --from-sf
		salesforce --from-sf a --method jwt|'--method' has no effect with --from-sf
		salesforce --no-browser --client-id x|'--no-browser' goes with --method browser
		salesforce --method browser --key-file x|'--key-file' has no effect with --method browser
		salesforce --method password --redirect-url http://localhost:1/x|'--redirect-url' has no effect with --method password
	END
}

@test "no option takes a secret" {
	for c in $(sfzb help --names commands); do
		fine sfzb help "$c"
		run ! grep -Eiq -- '--(password|secret|token|client-secret|access-token)\b' "$out"
	done
}

@test "logout without a login says so" {
	ends 0 sfzb logout
	says "not logged in to salesforce"
	says "not logged in to databricks"
	ok sfzb logout -q
}

@test "a damaged profile is named, with the file, and left as it is" {
	profile default salesforce.json '{"method": '
	fails 2 sfzb topics
	says "salesforce.json"
	[ "$(cat "$HOME/.config/sfzb/profiles/default/salesforce.json")" = '{"method": ' ]
	profile default databricks.json '[]'
	fails 2 sfzb sql x
	says "databricks.json"
}

@test "a profile that others can read, or that is a link, is refused" {
	profile default salesforce.json '{}'
	chmod 644 "$HOME/.config/sfzb/profiles/default/salesforce.json"
	fails 2 sfzb topics
	says "salesforce.json.* other users"
	mv "$HOME/.config/sfzb/profiles/default/salesforce.json" elsewhere
	chmod 600 elsewhere
	ln -s "$PWD/elsewhere" "$HOME/.config/sfzb/profiles/default/salesforce.json"
	fails 2 sfzb topics
	says "salesforce.json"
}

@test "a bad profile name is refused before it is a path" {
	for p in .. ../x a/b .x; do
		fails 2 sfzb --profile "$p" topics
		says "'$p'"
	done
}

@test "--profile, SFZB_PROFILE and SFZB_HOME choose the profile" {
	profile one salesforce.json '{"broken'
	fails 2 sfzb --profile one topics
	SFZB_PROFILE=one fails 2 sfzb topics
	SFZB_PROFILE=one fails 3 sfzb --profile two topics
	mv "$HOME/.config/sfzb" moved
	SFZB_HOME=$PWD/moved SFZB_PROFILE=one fails 2 sfzb topics
	mkdir xdg
	mv moved xdg/sfzb
	XDG_CONFIG_HOME=$PWD/xdg SFZB_PROFILE=one fails 2 sfzb topics
}

@test "nothing listens: one error, status 5, with the URL and what to look at" {
	export SALESFORCE_INSTANCE_URL=https://127.0.0.1:1 SALESFORCE_ACCESS_TOKEN=00Dxx!secret-token
	fails 5 sfzb topics
	says "https://127.0.0.1:1/"
	says "hint: nothing answers there"
	fails 5 sfzb stream Account --table a.b.c --max-retries 0
	run ! grep -q secret-token "$err"
	ends 5 sfzb -vv tail Account --max-retries 0
	run ! grep -q secret-token "$err"
}

@test "topics that can be none are refused before anything is asked" {
	for t in '' 'Acc ount' 'a/b' '/queue/x'; do
		fails 2 sfzb tail "$t"
	done
	fails 2 sfzb tail Account /data/AccountChangeEvent
	says "topic '/data/AccountChangeEvent' is given twice"
}

@test "stream checks its options before it asks anybody" {
	fails 2 sfzb stream Account
	says "option '--table' is missing"
	fails 2 sfzb stream Account --table main.crm
	says "option '--table': table name 'main.crm' is not catalog.schema.table"
	fails 2 sfzb stream Account --table a.b.c --from nowhere
	says "option '--from': 'nowhere' is no place to begin at"
	fails 2 sfzb stream Account --table a.b.c --schema-json sometimes
	says "it takes every, once or never"
	fails 2 sfzb stream --table a.b.c
	says "a topic is missing"
	fails 2 sfzb stream Account --table a.b.c --batch-rows 0
	says "'0' is not between 1 and 100000"
	SFZB_TABLE=a.b fails 2 sfzb stream Account
	says "table name 'a.b'"
}

@test "create-table --dry-run prints DDL and needs no login" {
	fine sfzb create-table main.crm.account --dry-run
	golden create-table-full.sql "$out"
	fine sfzb create-table main.crm.account --dry-run --layout classic
	golden create-table-classic.sql "$out"
	fails 2 sfzb create-table main.crm --dry-run
}

@test "replay show without positions says nothing to programs" {
	ok sfzb replay show
	ok sfzb replay
	ok sfzb replay show Account -o table
	[ ! -e "$HOME/.config" ]
	fails 2 sfzb replay sow
	fails 2 sfzb replay set Account
	says "hint: write 'sfzb replay set TOPIC WHERE'"
	fails 2 sfzb replay set
	says "hint: write 'sfzb replay show \[TOPIC\]'"
}

@test "replay set stores a position, replay show shows it" {
	# a position needs an organisation; the stored session names it
	profile default salesforce.json '{"method":"access-token","access_token":"x","login_url":"https://a.my.salesforce.com",
		"instance_url":"https://a.my.salesforce.com","pubsub_endpoint":"127.0.0.1:1","session":{"access_token":"x",
		"instance_url":"https://a.my.salesforce.com","login_url":"https://a.my.salesforce.com","org_id":"00D000000000001AAA",
		"user_id":"005000000000001AAA","username":"u"}}'
	fails 2 sfzb replay set Account earliest
	says "hint: give it with --table"
	ends 0 sfzb replay set Account earliest --table main.crm.account
	says "set position of '/data/AccountChangeEvent' to 'main.crm.account': earliest"
	fine sfzb replay show
	jq -e '.position == "earliest" and .org_id == "00D000000000001AAA" and .replay_id == null' "$out"
	# now the organisation and the table are known
	ok sfzb replay set Account 487273 -q
	fine sfzb replay show Account
	jq -e '.position == "after" and .replay_id == "0000000000076f690000" and .in_flight == null' "$out"
	ends 0 sfzb replay set Account 0000000000076f6a0000 --dry-run
	says "would set"
	fine sfzb replay show -o table
	prints "^/data/AccountChangeEvent +main.crm.account +0000000000076f690000 +487273 +AAAAAAAHb2kAAA== .* to be looked up +00D000000000001AAA$"
	fine sfzb replay show -o json
	jq -e '.replay_number == "487273" and .replay_base64 == "AAAAAAAHb2kAAA==" and .event_age_ms == null' "$out"
	ok sfzb replay set Account AAAAAAAHb2oAAA== -q
	[ "$(sfzb replay show | jq -r .replay_number)" = 487274 ]
	fails 2 sfzb replay set Account nowhere
	fails 2 sfzb replay set Account 2999-01-01
	says "has not come yet"
	fails 2 sfzb replay set Account earliest -t main.crm
	fails 2 sfzb replay set Account earliest --from-table
	fails 2 sfzb replay show --dry-run
	fails 2 sfzb replay history --force
	fails 5 sfzb replay set Account 2h
	says "the stored history does not reach .*, and reading forward failed"
	[ "$(sfzb replay show | jq -r .replay_number)" = 487274 ]
}

@test "replay set: what is stored of another organisation is refused, unless it is meant" {
	login() {
		profile default salesforce.json '{"method":"access-token","access_token":"x","login_url":"https://a.my.salesforce.com",
			"instance_url":"https://a.my.salesforce.com","session":{"access_token":"x","instance_url":"https://a.my.salesforce.com",
			"login_url":"https://a.my.salesforce.com","org_id":"'"$1"'","user_id":"005000000000001AAA","username":"u"}}'
	}
	login 00D000000000001AAA
	ok sfzb replay set Account 487273 -t main.crm.account -q
	login 00D000000000002AAA
	for table in "" "-t main.crm.account"; do
		fails 8 sfzb replay set Account earliest $table
		says "the position of '/data/AccountChangeEvent' to 'main.crm.account' is of organisation 00D000000000001AAA, and this login is of 00D000000000002AAA"
	done
	ok sfzb replay set Account earliest -q --force
	[ "$(sfzb replay show | jq -c '[.org_id, .position]' | sort | tr '\n' ' ')" = '["00D000000000001AAA","after"] ["00D000000000002AAA","earliest"] ' ]
	# each login has its own now
	ok sfzb replay set Account 9 -q
	[ "$(sfzb replay show | jq -c '[.org_id, .replay_number]' | sort | tr '\n' ' ')" = '["00D000000000001AAA","487273"] ["00D000000000002AAA","9"] ' ]
	rm "$HOME/.config/sfzb/profiles/default/salesforce.json"
	fails 2 sfzb replay set Account earliest
	says "stored for 2 organisations|are stored for 2 tables"
}

@test "a damaged replay.db is set aside, not overwritten" {
	profile default replay.db 'this is no database, and never was one, whatever its name says; it is long enough to be read'
	ends 0 sfzb replay show
	says "replay.db"
	[ "$(grep -l 'no database' "$HOME"/.config/sfzb/profiles/default/replay.db?* | wc -l)" -eq 1 ]
}

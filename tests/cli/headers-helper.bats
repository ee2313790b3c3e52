# --headers-helper: what the command prints is sent when an ingest stream is opened, and nothing of it is ever shown.
bats_require_minimum_version 1.5.0
load helper

inside() { # SCRIPT: runs it in the emulator with table main.default.t and a row to ingest
	echo '{"id":1}' >rows
	printf 'set -eu\nsfzb sql -q "CREATE TABLE main.default.t (id BIGINT, name STRING)"\n%s\n' "$1" >script
	ends 0 sfzb emulator -q -- bash script
}

@test "headers come on top of the token; each opening asks anew" {
	cat >helper <<-'END'
		#!/bin/sh
		cat >>asked
		echo 'x-team: s3cr3t-team'
	END
	chmod +x helper
	inside 'sfzb ingest main.default.t rows --headers-helper ./helper -vv
		SFZB_HEADERS_HELPER=./helper sfzb ingest -q main.default.t rows
		sfzb sql -o csv "SELECT count(*) FROM main.default.t"'
	[ "$(tail -1 "$out")" = 2 ]
	[ "$(grep -c '^table=main.default.t$' asked)" -eq 2 ] || { cat asked; return 1; }
	run ! grep -q 's3cr3t' "$err"
}

@test "an authorization of the helper's is used, and no token is got" {
	inside 'token() {
			jq -r "[.host, .client_id, .client_secret, .workspace_id] | @tsv" "$HOME/.config/sfzb/profiles/emulator/databricks.json" | {
				IFS=$(printf "\t") read -r host id secret workspace
				cacert=$(jq -r ".ca_file // empty" "$HOME/.config/sfzb/profiles/emulator/databricks.json")
				curl -s --cacert "$cacert" -u "$id:$secret" "$host/oidc/v1/token" -d grant_type=client_credentials -d scope=all-apis \
					--data-urlencode "resource=api://databricks/workspaces/$workspace/zerobusDirectWriteApi" \
					--data-urlencode "authorization_details=$(printf "[{\"type\":\"unity_catalog_privileges\",\"privileges\":[\"USE CATALOG\"],\"object_type\":\"CATALOG\",\"object_full_path\":\"main\"},{\"type\":\"unity_catalog_privileges\",\"privileges\":[\"USE SCHEMA\"],\"object_type\":\"SCHEMA\",\"object_full_path\":\"main.default\"},{\"type\":\"unity_catalog_privileges\",\"privileges\":[\"SELECT\",\"MODIFY\"],\"object_type\":\"TABLE\",\"object_full_path\":\"main.default.t\"}]")" |
					jq -r ".access_token"
			}
		}
		echo "authorization: Bearer $(token)" >header
		sfzb ingest main.default.t rows --headers-helper "cat header" -vv
		sfzb sql -o csv "SELECT count(*) FROM main.default.t"'
	[ "$(tail -1 "$out")" = 1 ] || { cat "$out" "$err"; return 1; }
	[ "$(grep -c '> POST .*/oidc/v1/token' "$err")" -eq 1 ] # for the catalog
	run ! grep -q "$(sed 's/.*Bearer //' header)" "$err"
}

@test "an authorization that is refused twice is status 3; the helper is told of the first time" {
	inside 'rc=0; sfzb ingest main.default.t rows --headers-helper "tee -a asked >&2; echo authorization: Bearer s3cr3t" -vv || rc=$?
		echo "status $rc"'
	prints '^status 3$'
	[ "$(grep -c '^refused=true$' asked)" -ge 1 ]
	[ "$(grep -c '^table=' asked)" -ge 2 ]
	run ! grep -q s3cr3t <(grep -v 'headers-helper' "$err")
}

@test "what the helper sets stands in for what sfzb would send" {
	inside 'rc=0; sfzb ingest main.default.t rows --headers-helper "echo X-Databricks-Zerobus-Table-Name: main.default.other" \
			--max-retries 0 || rc=$?; echo "status $rc"
		sfzb sql -o csv "SELECT count(*) FROM main.default.t"'
	prints '^status [1-9]'
	[ "$(tail -1 "$out")" = 0 ]
}

@test "a helper that fails, is not there, or prints something else ends the run and says so" {
	inside 'for h in "exit 3" no-such-helper "echo hello"; do
			rc=0; sfzb ingest main.default.t rows --headers-helper "$h" || rc=$?; echo "status $rc"
		done'
	[ "$(tr '\n' ' ' <"$out")" = 'status 3 status 2 status 3 ' ] || { cat "$out" "$err"; return 1; }
	says "headers helper 'exit 3': it ended with status 3"
	says "headers helper 'no-such-helper': it ended with status 127"
	says "headers helper 'echo hello': line 1 of what it printed is no 'name: value'"
}

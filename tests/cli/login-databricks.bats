# sfzb login databricks over the emulator: every kind of credentials, what a login may do, missing grants.
bats_require_minimum_version 1.5.0
load helper

# The emulator's own login is taken apart, so that each test can log in anew.
ahead='
	set -eu
	f=$SFZB_HOME/profiles/emulator/databricks.json
	host=$(jq -r .host "$f") id=$(jq -r .client_id "$f") secret=$(jq -r .client_secret "$f") ca=$(jq -r .ca_file "$f")
	ingest=$(jq -r .ingest_endpoint "$f")
	export SSL_CERT_FILE=$ca SFZB_PROFILE=mine
'
inside() { # SCRIPT
	printf '%s\n%s\n' "$ahead" "$1" >script
	SFZB_HOME=$HOME/sfzb ends 0 sfzb emulator -q -- bash script
}

@test "a service principal: endpoint, workspace id and warehouse are stored; the secret is never shown" {
	inside 'printf %s "$secret" | sfzb -vv login databricks --stdin --host "$host/?o=1#x" --client-id "$id" --endpoint "$ingest"
		sfzb login databricks --check -o json
		sfzb sql "SELECT 1 AS one"
		! grep -rF "$secret" "$BATS_TEST_TMPDIR/stderr"'
	jq -se '.[0].method == "oauth-m2m" and .[1].checked == "works" and .[2].one == 1' "$out"
}

@test "a personal access token does for SQL, and the login says what it does not do for" {
	inside 'curl -s --cacert "$ca" -u "$id:$secret" -d grant_type=client_credentials -d scope=all-apis "$host/oidc/v1/token" |
			jq -r .access_token | sfzb login databricks --stdin --host "$host" --endpoint "$ingest"
		sfzb sql "SELECT 1 AS one"
		rc=0; echo "{}" | sfzb ingest main.default.t || rc=$?; echo "$rc"'
	says 'warning: a personal access token does for SQL and the catalog'
	says 'error: Zerobus takes no personal access token'
	[ "$(tail -1 "$out")" = 3 ]
}

@test "--credential-helper: asked at each use; nothing it gives is stored" {
	printf '#!/bin/sh\necho "$1" >>asked; cat >>asked; echo "password=$(cat answer)"\n' >helper
	chmod +x helper
	inside 'echo "$secret" >answer
		sfzb login databricks --host "$host" --client-id "$id" --endpoint "$ingest" --credential-helper ./helper
		sfzb sql "SELECT 1 AS one"
		! grep -F "$secret" "$SFZB_HOME/profiles/mine/databricks.json"
		jq -r .credential_helper "$SFZB_HOME/profiles/mine/databricks.json"'
	[ "$(tail -1 "$out")" = ./helper ]
	grep -qx 'service=databricks' asked
	[ "$(grep -cx get asked)" -ge 2 ]
}

@test "~/.databrickscfg and the environment, in the ecosystem's order" {
	inside 'printf "[DEFAULT]\nhost = %s\nclient_id = wrong\nclient_secret = wrong\n[dev] ; mine\nhost = %s\nclient_id = %s\nclient_secret = %s\n" \
			"$host" "$host" "$id" "$secret" >"$HOME/.databrickscfg"
		DATABRICKS_CONFIG_PROFILE=dev sfzb sql "SELECT 1 AS one"
		rc=0; sfzb sql "SELECT 1 AS one" || rc=$?; echo "$rc"
		DATABRICKS_HOST=$host DATABRICKS_CLIENT_ID=$id DATABRICKS_CLIENT_SECRET=$secret sfzb sql "SELECT 2 AS two"'
	[ "$(tr '\n' ' ' <"$out")" = '{"one":1} 3 {"two":2} ' ] || { cat "$out" "$err"; return 1; }
}

@test "--table tries the grants and prints those that are missing" {
	inside 'unset SFZB_PROFILE; sfzb create-table main.default.t -q --profile emulator
		export SFZB_PROFILE=emulator
		sfzb login databricks --check --table main.default.t -o table
		rc=0; sfzb login databricks --check --table main.default.none -o table || rc=$?; echo "$rc"
		rc=0; sfzb login databricks --check --table main.none.t -o json || rc=$?; echo "$rc"'
	prints 'works .*may write to main.default.t'
	prints '^GRANT SELECT, MODIFY ON TABLE `main`.`default`.`none` TO `[0-9a-f-]+`;$'
	grep '^{' "$out" | jq -e '.missing_grants | length == 2 and (.[0] | startswith("GRANT USE SCHEMA ON SCHEMA `main`.`none` TO"))'
	[ "$(grep -cx 4 "$out")" -eq 2 ]
}

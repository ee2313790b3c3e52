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
	inside_with -- "$1"
}

inside_with() { # EMULATOR-OPTIONS… -- SCRIPT
	local options=()
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	printf '%s\n%s\n' "$ahead" "$2" >script
	SFZB_HOME=$HOME/sfzb ends 0 sfzb emulator -q "${options[@]}" -- bash script
}

@test "a service principal: endpoint, workspace id and warehouse are stored; the secret is never shown" {
	inside 'printf %s "$secret" | sfzb -vv login databricks --stdin --host "$host/?o=1#x" --client-id "$id" --endpoint "$ingest"
		sfzb login databricks --check -o json
		sfzb sql "SELECT 1 AS one"
		! grep -rF "$secret" "$BATS_TEST_TMPDIR/stderr" || exit 90'
	jq -se '.[0].method == "oauth-m2m" and .[1].checked == "works" and .[2].one == 1' "$out"
}

@test "a personal access token does for SQL, and the login says what it does not do for" {
	inside 'curl -s --cacert "$ca" -u "$id:$secret" -d grant_type=client_credentials -d scope=all-apis "$host/oidc/v1/token" |
			jq -r .access_token | sfzb login databricks --stdin --host "$host" --endpoint "$ingest"
		sfzb sql "SELECT 1 AS one"
		rc=0; echo "{}" | sfzb ingest main.default.t || rc=$?; echo "$rc"'
	says 'warning: a personal access token does for SQL and the catalog'
	says 'error: Zerobus takes a service principal, not a personal access token'
	[ "$(tail -1 "$out")" = 3 ]
}

@test "--credential-helper: asked at each use; nothing it gives is stored" {
	printf '#!/bin/sh\necho "$1" >>asked; cat >>asked; echo "password=$(cat answer)"\n' >helper
	chmod +x helper
	inside 'echo "$secret" >answer
		sfzb login databricks --host "$host" --client-id "$id" --endpoint "$ingest" --credential-helper ./helper
		sfzb sql "SELECT 1 AS one"
		! grep -F "$secret" "$SFZB_HOME/profiles/mine/databricks.json" || exit 90
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
	grep '^{' "$out" | jq -e '.missing_grants | length == 3 and (.[0] | startswith("GRANT USE SCHEMA ON SCHEMA `main`.`none` TO"))
		and (.[1] | startswith("GRANT CREATE TABLE ON SCHEMA `main`.`none` TO"))'
	[ "$(grep -cx 4 "$out")" -eq 2 ]
	says 'or the table is not there yet: sfzb create-table main.default.none$'
}

browse='
	rm -f log; : >log
	sfzb -vv login databricks --method browser --host "$host" --endpoint "$ingest" --no-browser $more 2>log & pid=$!
	for i in $(seq 600); do page=$(sed -n "s/.*open this address in a browser: //p" log); [ -z "$page" ] || break; sleep 0.1; done
	location=$(curl -s --cacert "$ca" -o page.html -w "%{redirect_url}" "$page")
	mine=$SFZB_HOME/profiles/$SFZB_PROFILE/databricks.json
'

@test "browser: PKCE by the public client, tokens stored, renewed when they are refused; logout revokes them" {
	inside "port=$(free_port); export DATABRICKS_OAUTH_CALLBACK_PORT=\$port; more=; $browse"'
		[ "${page%%\?*}" = "$host/oidc/v1/authorize" ] || exit 90
		case $page in *client_id=databricks-cli\&redirect_uri=http%3A%2F%2Flocalhost%3A$port\&scope=offline_access%20all-apis\&*S256) ;; *) exit 91;; esac
		curl -s "http://localhost:$port/?code=x&state=forged" | grep -q "not the answer" || exit 92
		curl -s "$location" | grep -q "Logged in" || exit 93
		wait $pid || { cat log >&2; exit 94; }
		cat log >&2
		[ "$(stat -c %a "$mine")" = 600 ]
		sfzb login databricks --check -o json
		sfzb sql "SELECT 1 AS one"
		access=$(jq -r .session.access_token "$mine") refresh=$(jq -r .refresh_token "$mine")
		! grep -qF -e "$access" -e "$refresh" log || exit 95
		jq ".session.access_token = \"stale\"" "$mine" >new && cat new >"$mine"
		sfzb sql "SELECT 2 AS one"
		[ "$(jq -r .session.access_token "$mine")" != stale ] && [ "$(jq -r .refresh_token "$mine")" = "$refresh" ] || exit 96
		rc=0; echo "{}" | sfzb ingest main.default.t || rc=$?; [ $rc = 3 ] || exit 97
		sfzb -vv logout databricks; [ ! -e "$mine" ] || exit 98
		curl -s --cacert "$ca" -d grant_type=refresh_token -d client_id=databricks-cli -d refresh_token="$refresh" "$host/oidc/v1/token"'
	says 'warning: a login in the browser does for SQL and the catalog; stream and ingest need the client id and secret of a service principal'
	says 'error: Zerobus takes a service principal, not a login in the browser'
	grep '"checked":"works"' "$out" | jq -e '.method == "external-browser" and .user == "Ada Emulator"'
	prints '^.."error":"invalid_request","error_description":"Refresh token is invalid"|"Refresh token is invalid"'
	[ "$(grep -c '{"one":[12]}' "$out")" -eq 2 ]
}

@test "browser: a pasted address, over SSH; a denial; a port that is taken; what the workspace refuses" {
	inside "more=--stdin; mkfifo pipe; exec 9<>pipe; ${browse/'2>log'/'2>log <pipe'}"'
		echo "http://localhost:8020/?code=x&state=forged" >&9
		echo "$location" >&9
		wait $pid || { cat log >&2; exit 90; }
		cat log >&2
		sfzb login databricks --check -o json'
	says 'not the answer to the login that was begun here'
	grep '"checked":"works"' "$out" | jq -e '.method == "external-browser"'
	inside "export SFZB_PROFILE=second; more=; $browse"'
		curl -s "${location%%\?*}?error=access_denied&error_description=not+today&state=${location##*state=}"
		rc=0; wait $pid || rc=$?; cat log >&2; [ $rc = 3 ]
		[ ! -e "$mine" ]'
	says 'error: login in the browser: access_denied: not today'
	# two at once: the second takes the next port
	inside "more=; $browse"'
		first=$location firstpid=$pid'"; $browse"'
		[ "${first%%\?*}" != "${location%%\?*}" ] || exit 90
		curl -s "$location" >/dev/null; wait $pid; curl -s "$first" >/dev/null; wait $firstpid'
	inside "more='--client-id somebody'; ${browse%location=*}"'
		curl -s --cacert "$ca" "$page"; kill $pid; wait $pid || :'
	prints '"error":"invalid_client"'
}

@test "browser: rotated refresh tokens are kept, by processes at once too; a reused one ends the login" {
	inside_with --rotate-refresh-tokens -- "more=; $browse"'
		curl -s "$location" >/dev/null; wait $pid || { cat log >&2; exit 90; }
		for i in 1 2 3; do
			before=$(jq -r .refresh_token "$mine")
			jq ".session.access_token = \"stale\"" "$mine" >new && cat new >"$mine"
			sfzb sql "SELECT 1 AS one" >>answers 2>log.1 & a=$!
			sfzb sql "SELECT 1 AS one" >>answers 2>log.2 & b=$!
			wait $a && wait $b || { cat log.1 log.2 >&2; exit 91; }
			[ "$before" != "$(jq -r .refresh_token "$mine")" ] || exit 92
		done
		[ "$(wc -l <answers)" = 6 ] || exit 93
		curl -s --cacert "$ca" -d grant_type=refresh_token -d client_id=databricks-cli -d refresh_token="$before" "$host/oidc/v1/token"
		rc=0; sfzb sql "SELECT 1 AS one" || rc=$?; echo; echo "$rc"'
	says 'Refresh token is invalid'
	says 'hint: log in again: sfzb login databricks --method browser'
	[ "$(tail -1 "$out")" = 3 ]
}

@test "browser: a token that ends in the middle of a statement is renewed, before it ends" {
	inside_with --rotate-refresh-tokens --token-lifetime 8s --warehouse-start 10s -- "more=; $browse"'
		curl -s "$location" >/dev/null; wait $pid || { cat log >&2; exit 90; }
		rc=0; sfzb -vv sql "SELECT 1 AS one" 2>log || rc=$?
		grep -c "> POST .*/oidc/v1/token" log
		! grep "< 401" log || exit 91
		exit $rc'
	prints '^\{"one":1\}$'
	[ "$(tail -1 "$out")" -ge 1 ]
}

@test "the vendor's CLI: its tokens, by profile or by host; what it lacks" {
	mkdir bin
	cat >bin/databricks <<-'END'
		#!/bin/sh
		echo "$*" >>calls
		[ "$1 $2" = 'auth token' ] || exit 9
		[ -z "${DATABRICKS_TOKEN-}" ] || exit 8
		case $4 in nobody) echo 'Error: cache: token not found' >&2; exit 1;; esac
		printf '{"access_token":"%s","token_type":"Bearer","expiry":"2099-01-01T00:00:00Z"}\n' "$(cat cli-token)"
	END
	chmod +x bin/databricks
	inside 'PATH=$PWD/bin:$PATH
		curl -s --cacert "$ca" -u "$id:$secret" -d grant_type=client_credentials -d scope=all-apis "$host/oidc/v1/token" |
			jq -r .access_token >cli-token
		printf "[dev]\nhost = %s\nauth_type = databricks-cli\n[nobody]\nhost = %s\n[odd]\nhost = %s\nauth_type = google-id\n" \
			"$host" "$host" "$host" >"$HOME/.databrickscfg"
		DATABRICKS_CONFIG_PROFILE=dev sfzb sql "SELECT 1 AS one"
		DATABRICKS_HOST=$host sfzb sql "SELECT 2 AS one"
		sfzb login databricks --config-profile dev && sfzb login databricks --check -o json && sfzb sql "SELECT 3 AS one"
		! grep -qF "$(cat cli-token)" "$SFZB_HOME/profiles/mine/databricks.json" || exit 90
		rc=0; DATABRICKS_CONFIG_PROFILE=nobody sfzb sql "SELECT 4 AS one" || rc=$?; echo $rc
		rc=0; DATABRICKS_CONFIG_PROFILE=odd sfzb sql "SELECT 4 AS one" || rc=$?; echo $rc
		rc=0; DATABRICKS_CLI_PATH=$PWD/none sfzb sql "SELECT 4 AS one" || rc=$?; echo $rc'
	[ "$(jq -c .one "$out" | grep -cx '[123]')" -ge 3 ]
	[ "$(tail -3 "$out" | tr '\n' ' ')" = '3 2 2 ' ]
	grep -qx 'auth token --profile dev' calls
	grep -q 'auth token --host https://localhost:' calls
	says 'warning: a login of the Databricks CLI does for SQL'
	says 'Error: cache: token not found'
	says 'hint: log in there again: databricks auth login --profile nobody'
	says 'error: Databricks authentication "google-id" is not supported'
	says 'hint: install the Databricks CLI'
}

@test "a secret never goes to another host; options and methods of the other service are refused" {
	inside 'printf %s "$secret" | sfzb login databricks --stdin --host "$host" --client-id "$id" --endpoint "$ingest"
		rc=0; DATABRICKS_HOST=https://elsewhere.cloud.databricks.com sfzb sql "SELECT 1" || rc=$?; echo $rc
		rc=0; sfzb login databricks --method jwt --host "$host" || rc=$?; echo $rc'
	[ "$(tail -2 "$out" | tr '\n' ' ')" = '3 2 ' ]
	says 'no credentials: profile mine is for https://localhost:'
	says "'jwt' is no way to log in to Databricks"
}

@test "each grant that is taken away is found by trying, and what is printed to paste gives it back" {
	inside 'export SFZB_PROFILE=emulator; t=main.crm.accounts
		sfzb create-table -q $t
		sfzb login databricks --check --table $t -o table | grep -c "may write to $t"
		for one in "USE CATALOG ON CATALOG main" "USE SCHEMA ON SCHEMA main.crm" "SELECT ON TABLE $t" "MODIFY ON TABLE $t"; do
			sfzb sql "REVOKE $one FROM \`$id\`"
			rc=0; sfzb login databricks --check --table $t -o table >missing || rc=$?
			[ $rc = 4 ] || { cat missing; exit 90; }
			echo "== $one: $(head -1 missing)" | sed "s/$id/ID/"
			while read -r grant; do sfzb sql "$grant" </dev/null; done <missing
			sfzb login databricks --check --table $t -o table | grep -c "may write to $t"
		done
		sfzb sql "REVOKE CREATE TABLE ON SCHEMA main.crm FROM \`$id\`"
		rc=0; sfzb create-table -q main.crm.other || rc=$?; [ $rc = 4 ] || exit 91
		rc=0; sfzb login databricks --check --table main.crm.other -o table >missing || rc=$?; [ $rc = 4 ] || exit 92
		while read -r grant; do case $grant in *"CREATE TABLE"*) sfzb sql "$grant" </dev/null;; esac; done <missing
		sfzb create-table -q main.crm.other && echo made'
	grep -v '^{' "$out" >said
	cat >wanted <<-'END'
		1
		== USE CATALOG ON CATALOG main: GRANT USE CATALOG ON CATALOG `main` TO `ID`;
		1
		== USE SCHEMA ON SCHEMA main.crm: GRANT USE SCHEMA ON SCHEMA `main`.`crm` TO `ID`;
		1
		== SELECT ON TABLE main.crm.accounts: GRANT SELECT, MODIFY ON TABLE `main`.`crm`.`accounts` TO `ID`;
		1
		== MODIFY ON TABLE main.crm.accounts: GRANT SELECT, MODIFY ON TABLE `main`.`crm`.`accounts` TO `ID`;
		1
		made
	END
	diff -u wanted said || { cat "$err"; return 1; }
}

@test "the emulator's workspace checks the challenge, and names each cause by its own OAuth error" {
	inside 'verifier=$(printf "v%.0s" $(seq 43))
		challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | base64 | tr "+/" "-_" | tr -d "=\n")
		page() { curl -s --cacert "$ca" -o body -w "%{redirect_url}" -G "$host/oidc/v1/authorize" -d response_type=code -d client_id=databricks-cli \
			-d redirect_uri=http://localhost:8020 -d scope=offline_access+all-apis -d state=s -d code_challenge=$challenge \
			-d code_challenge_method=${1-S256}; }
		code() { page | sed "s/.*code=\([^&]*\).*/\1/"; }
		token() { curl -s --cacert "$ca" -w " %{http_code}\n" "$host/oidc/v1/token" "$@" | jq -rR "sub(\" (?<s>[0-9]+)$\"; \"\") as \$b | \$b | fromjson | .error // \"granted\""; }
		by_code="-d grant_type=authorization_code -d client_id=databricks-cli -d redirect_uri=http://localhost:8020"
		c=$(code)
		token $by_code -d code=$c -d code_verifier=$(printf "w%.0s" $(seq 43))
		token $by_code -d code=$c -d code_verifier=short
		token $by_code -d code=$c
		token -d grant_type=authorization_code -d client_id=databricks-cli -d redirect_uri=http://localhost:8021 -d code=$c -d code_verifier=$verifier
		token -d grant_type=authorization_code -d client_id=nobody -d redirect_uri=http://localhost:8020 -d code=$c -d code_verifier=$verifier
		token $by_code -d code=$c -d code_verifier=$verifier
		token $by_code -d code=$c -d code_verifier=$verifier
		token -d grant_type=refresh_token -d client_id=databricks-cli -d refresh_token=none
		token -d grant_type=password
		token -d x=y
		token -u "$id:wrong" -d grant_type=client_credentials -d scope=all-apis
		token -u "$id:$secret" -d grant_type=client_credentials -d scope=some
		page plain | grep -o "error=[a-z_]*"
		curl -s --cacert "$ca" -o /dev/null -w "%{redirect_url}\n" -G "$host/oidc/v1/authorize" -d response_type=token -d client_id=databricks-cli \
			-d redirect_uri=http://localhost:8020 | grep -o "error=[a-z_]*"
		curl -s --cacert "$ca" -G "$host/oidc/v1/authorize" -d client_id=databricks-cli -d redirect_uri=https://evil.example | jq -r .error'
	cat >wanted <<-'END'
		invalid_grant
		invalid_request
		invalid_request
		invalid_grant
		invalid_client
		granted
		invalid_grant
		invalid_request
		unsupported_grant_type
		invalid_request
		invalid_client
		invalid_scope
		error=invalid_request
		error=unsupported_response_type
		invalid_request
	END
	diff -u wanted "$out"
}

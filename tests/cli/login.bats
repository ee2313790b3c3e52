# Every way in, against the emulator and over TLS: what works, what is refused and why, and that no secret is ever shown.
bats_require_minimum_version 1.5.0
load helper

# A fresh emulator in ./em runs the script; in it: $url, $ca, $endpoint, $id, $secret, $password, $admin, and SFZB_PROFILE is not the
# emulator's, so that every login starts from nothing.
within() { # STATUS EMULATOR-OPTIONS… -- SCRIPT
	local wanted=$1 options=()
	shift
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	cat >script <<'END'
set -u
f=$HOME/.config/sfzb/profiles/emulator/salesforce.json
url=$(jq -r .login_url "$f") ca=$(jq -r .ca_file "$f") endpoint=$(jq -r .pubsub_endpoint "$f") id=$(jq -r .client_id "$f")
secret=$(jq -r .client_secret "$f") password=$(cat em/salesforce-password) user=integration@emulator.example
export SFZB_PROFILE=mine SSL_CERT_FILE=$ca SALESFORCE_PUBSUB_ENDPOINT=$endpoint
mine=$HOME/.config/sfzb/profiles/mine/salesforce.json
check() { sfzb login salesforce --check -o json; }
END
	printf '%s\n' "$2" >>script
	ends "$wanted" sfzb emulator -q --dir em --events 20 --objects Account "${options[@]}" -- bash script
}

hides() { # nothing that is secret is on either stream
	local s
	for s in "$(cat em/salesforce-client-secret)" "$(cat em/salesforce-password)" 00D5f000000Emu1 5Aep861 aPrx "$@"; do
		run ! grep -qF -- "$s!" "$out" "$err"
		[ "${#s}" -lt 20 ] || run ! grep -qF -- "$s" "$out" "$err"
	done
}

keys() { # a key pair as an app's certificate
	mkdir -p em
	openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem 2>/dev/null
	openssl pkey -in key.pem -pubout -out em/jwt-public.pem
	openssl pkey -in key.pem -aes256 -passout pass:open-sesame-12345678 -out locked.pem
	chmod 600 key.pem locked.pem
}

@test "client credentials: from standard input, from the environment; --check says who, where and what" {
	within 0 -- '
		printf %s "$secret" | sfzb -vv login salesforce --host "$url" --client-id "$id" --stdin && check &&
		SALESFORCE_INSTANCE_URL=$url SALESFORCE_CLIENT_ID=$id SALESFORCE_CLIENT_SECRET=$secret sfzb topics Account'
	jq -se 'map(select(.checked))[0] | .checked == "works" and .user == "integration@emulator.example" and .organisation == "00D5f000000Emu1EAC"
		and (.host | startswith("https://localhost:")) and .edition == "Developer Edition" and .sandbox == false
		and .topic == "/data/ChangeEvents" and .may_subscribe' "$out"
	[ "$(stat -c %a "$HOME/.config/sfzb/profiles/mine/salesforce.json")" = 600 ]
	hides
}

@test "client credentials: wrong secret, wrong id, wrong host" {
	within 3 -- 'echo not-the-secret-at-all | sfzb -vv login salesforce --host "$url" --client-id "$id" --stdin'
	says "invalid_client: invalid client credentials"
	says "hint: the client secret does not belong to this client id"
	run ! grep -q not-the-secret "$err"
	within 3 -- 'printf %s "$secret" | sfzb login salesforce --host "$url" --client-id 3MVG9nobody --stdin'
	says "invalid_client_id"
	within 2 -- 'printf %s "$secret" | sfzb login salesforce --host login.salesforce.com --client-id "$id" --stdin'
	says "client credentials are not taken at"
	[ ! -e "$HOME/.config/sfzb/profiles/mine" ]
}

@test "JWT: key file, passphrase from the environment and from standard input" {
	keys
	within 0 -- '
		sfzb -vv login salesforce --host "$url" --client-id "$id" --username $user --key-file key.pem && check &&
		sfzb logout -q salesforce &&
		SALESFORCE_PRIVATE_KEY_PASSPHRASE=open-sesame-12345678 \
			sfzb -vv login salesforce --host "$url" --client-id "$id" --username $user --key-file locked.pem && check &&
		echo open-sesame-12345678 |
			sfzb login salesforce --method jwt --host "$url" --client-id "$id" --username $user --key-file locked.pem --stdin'
	[ "$(jq -r .method "$out" | sort -u)" = jwt ]
	hides open-sesame-12345678
}

@test "JWT: refusals name key, clock, audience, approval" {
	keys
	local jwt='sfzb -vv login salesforce --host "$url" --client-id "$id" --username $user --key-file'
	within 3 --clock-offset 10m -- "$jwt key.pem"
	says "hint: this machine's clock is (5[5-9]|6[0-4])[0-9] s behind the server's"
	within 3 --clock-offset -10m -- "$jwt key.pem"
	says "hint: this machine's clock is (5[5-9]|6[0-4])[0-9] s ahead of the server's"
	within 2 -- "$jwt locked.pem"
	says "SALESFORCE_PRIVATE_KEY_PASSPHRASE"
	within 2 -- "chmod 644 key.pem; $jwt key.pem"
	says "can be read by others"
	chmod 600 key.pem
	within 3 -- "sfzb login salesforce --host \$url --client-id \$id --username other@x.example --key-file key.pem"
	says "hasn't approved this consumer"
	says "hint: pre-authorise the user"
	echo 'token http=400 message="{\"error\":\"invalid_grant\",\"error_description\":\"audience is invalid\"}" x1' >aud
	within 0 --faults aud -- "$jwt key.pem && check"
	says "the audience was refused, trying https://login.salesforce.com"
	sed -i 's/ x1//' aud
	within 3 --faults aud -- "$jwt key.pem"
	says "audience is invalid"
	openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out em/jwt-public.pem.key 2>/dev/null
	openssl pkey -in em/jwt-public.pem.key -pubout -out em/jwt-public.pem
	within 3 -- "$jwt key.pem"
	says "invalid assertion"
	hides
}

browse='
	rm -f log; : >log
	sfzb -vv login salesforce --method browser --host "$url" --client-id "$id" --redirect-url http://localhost:$port/OauthRedirect \
		--no-browser $more 2>log & pid=$!
	for i in $(seq 600); do page=$(sed -n "s/.*open this address in a browser: //p" log); [ -z "$page" ] || break; sleep 0.1; done
	location=$(curl -s --cacert "$ca" -o page.html -w "%{redirect_url}" "$page")'

@test "browser: PKCE, redirect to loopback, refresh token stored; renewed with it; logout revokes it" {
	within 0 -- "port=$(free_port) more=; $browse"'
		curl -s "http://localhost:$port/OauthRedirect?code=x&state=forged" | grep -q "not the answer" || exit 90
		curl -s "$location" | grep -q "Logged in" || exit 91
		wait $pid || { cat log >&2; exit 92; }
		cat log >&2
		check || exit
		token=$(jq -r .refresh_token "$mine"); [ "$(jq -r .method "$mine")" = refresh-token ] || exit 93
		jq ".session.access_token = \"00D!stale\"" "$mine" >new && cat new >"$mine"
		sfzb -vv topics Account >/dev/null || exit 94
		sfzb -vv logout salesforce || exit 95
		[ ! -e "$mine" ] || exit 96
		curl -s --cacert "$ca" -d grant_type=refresh_token -d refresh_token="$token" -d client_id="$id" "$url/services/oauth2/token"'
	prints 'expired access/refresh token'
	[ "$(head -n 1 "$out" | jq -r .method)" = refresh-token ]
	hides
}

@test "browser: opened by \$BROWSER or xdg-open, which may stay; printed where neither does" {
	mkdir bin
	cat >bin/fake-browser <<-'END'
		#!/bin/sh
		[ -z "${2-}" ] || exit 1
		echo $$ >browser.pid
		curl -s "$(curl -s --cacert "$SSL_CERT_FILE" -o page.html -w "%{redirect_url}" "$1")" >/dev/null
		exec sleep 300 3>&-
	END
	chmod +x bin/fake-browser
	cp bin/fake-browser bin/xdg-open
	local how='sfzb login salesforce --method browser --host "$url" --client-id "$id" --redirect-url'
	within 0 -- '
		export PATH=$PWD/bin:$PATH; unset DISPLAY WAYLAND_DISPLAY
		log_in() { rm -f "$mine" browser.pid; '"$how"' http://localhost:$1/OauthRedirect && check && kill $(cat browser.pid) || exit; }
		BROWSER="not-there:fake-browser %s:sleep" log_in '"$(free_port)"'
		BROWSER="fake-browser" log_in '"$(free_port)"'
		DISPLAY=:99 log_in '"$(free_port)"
	[ "$(jq -r 'select(.checked).method' "$out" | tr '\n' ' ')" = "refresh-token refresh-token refresh-token " ]
	[ "$(grep -c 'the browser shows the login page' "$err")" -eq 3 ]
	run ! grep -q "open this address" "$err"
	hides
}

@test "browser: a pasted address, over SSH; a denial; a forged state" {
	within 0 -- "port=$(free_port) more=--stdin; mkfifo pipe; exec 9<>pipe; ${browse/'2>log'/'2>log <pipe'}"'
		echo "http://localhost:$port/OauthRedirect?code=x&state=forged" >&9
		echo "$location" >&9
		wait $pid || { cat log; exit 92; }
		cat log >&2; check'
	says "not the answer to the login that was begun here"
	jq -e '.method == "refresh-token"' "$out"
	within 3 -- "port=$(free_port) more=; $browse"'
		curl -s "${location%%\?*}?error=access_denied&error_description=end-user+denied+authorization&state=${location##*state=}"
		wait $pid; rc=$?; cat log >&2; exit $rc'
	says "access_denied: end-user denied authorization"
	hides
}

@test "browser: rotated refresh tokens are kept; one that was revoked says log in again" {
	within 3 --rotate-refresh-tokens -- "port=$(free_port) more=; $browse"'
		curl -s "$location" >/dev/null; wait $pid || exit 92
		for i in 1 2 3; do
			before=$(jq -r .refresh_token "$mine")
			jq ".session.access_token = \"00D!stale\"" "$mine" >new && cat new >"$mine"
			sfzb -q topics Account >/dev/null || exit 93
			[ "$before" != "$(jq -r .refresh_token "$mine")" ] || exit 94
		done
		curl -s --cacert "$ca" -d token="$(jq -r .refresh_token "$mine")" "$url/services/oauth2/revoke"
		sfzb topics Account'
	says "expired access/refresh token"
	says "hint: the refresh token was revoked or has expired: run 'sfzb login salesforce' again"
	hides
}

@test "two processes share a login: a rotated refresh token is used once, and both go on with what came of it" {
	within 0 --rotate-refresh-tokens --keepalive 300ms -- "port=$(free_port) more=; $browse"'
		curl -s "$location" >/dev/null; wait $pid || exit 92
		lines() { for i in $(seq 600); do [ "$(wc -l <$1)" -ge $2 ] && return; sleep 0.1; done; cat log.* >&2; exit 93; }
		for n in 1 2 3; do sfzb tail -v Account --from earliest >got.$n 2>log.$n & pids="${pids-} $!"; done
		for round in 20 40 60 80; do
			for n in 1 2 3; do lines got.$n $round; done
			printf "%s\n" "tokens expire" "subscribe UNAVAILABLE x3" "subscribe cut after 5 x3" |
				curl -sS --data-binary @- -X PUT "$SFZB_EMULATOR_ADMIN/faults" >/dev/null
			curl -sS -d "{\"count\":20}" "$SFZB_EMULATOR_ADMIN/events" >/dev/null
		done
		for n in 1 2 3; do lines got.$n 100; done
		kill $pids
		for p in $pids; do wait $p || { cat log.* >&2; exit 94; }; done
		cat log.* >&2
		check'
	says "another process has renewed the token"
	run ! grep -q "expired access/refresh token" "$err"
	jq -e '.checked == "works"' "$out"
}

@test "user name and password: with a client id by OAuth, without by SOAP; each says that it ends, and when" {
	within 0 -- '
		export SALESFORCE_INSTANCE_URL=$url SALESFORCE_USERNAME=$user SALESFORCE_PASSWORD=$password
		sfzb -vv login salesforce && check &&
		SALESFORCE_CLIENT_ID=$id SALESFORCE_CLIENT_SECRET=$secret sfzb -vv login salesforce --method password &&
		unset SALESFORCE_PASSWORD && check'
	[ "$(jq -r 'select(.checked).method' "$out" | tr '\n' ' ')" = "soap password " ]
	says "warning: Salesforce ends SOAP login on 1 June 2027"
	says "warning: Salesforce is ending logins by user name and password: off in new organisations already"
	hides
	within 3 -- 'echo wrong-password-12345 | sfzb -vv login salesforce --method soap --host "$url" --username $user --stdin'
	says "INVALID_LOGIN"
	says "hint: put the security token directly behind the password"
	run ! grep -q wrong-password "$err"
	within 3 -- 'SALESFORCE_CLIENT_SECRET=$secret SALESFORCE_PASSWORD=wrong-password-12345 \
		sfzb login salesforce --method password --host "$url" --client-id "$id" --username $user'
	says "authentication failure"
	run ! grep -q wrong-password "$err"
}

@test "an access token from standard input: used, never revoked, no way back when it is refused" {
	local token='curl -s --cacert "$ca" -d grant_type=client_credentials -d client_id="$id" -d client_secret="$secret" "$url/services/oauth2/token" | jq -r .access_token'
	within 0 -- "$token >t; sfzb -vv login salesforce --method access-token --host \$url --stdin <t && check && sfzb -vv logout salesforce &&
		[ ! -e \$mine ] && SALESFORCE_INSTANCE_URL=\$url SALESFORCE_ACCESS_TOKEN=\$(cat t) sfzb topics Account >/dev/null"
	jq -se 'map(select(.checked)) | length == 1 and .[0].method == "access-token"' "$out"
	hides "$(cat t)"
	within 3 -- "$token >t; curl -s --cacert \$ca -d token=\$(cat t) \$url/services/oauth2/revoke
		sfzb -vv login salesforce --method access-token --host \$url --stdin <t"
	hides "$(cat t)"
	within 3 -- "$token >t; sfzb -q login salesforce --method access-token --host \$url --stdin <t || exit 90
		curl -s --cacert \$ca -d token=\$(cat t) \$url/services/oauth2/revoke; check"
	says "it is all there is|SALESFORCE_ACCESS_TOKEN"
	hides "$(cat t)"
}

sf() { # a program that stands for the sf CLI of the year NEW (or an old one); the token is in ./token
	mkdir -p bin
	cat >bin/sf <<END
#!/bin/sh
echo "\$* NO_COLOR=\$NO_COLOR FORCE_COLOR=\${FORCE_COLOR-unset}" >>calls
cat >stdin
[ "\$(eval echo \\\${\$#})" = acme ] || {
	echo '{"status":1,"name":"NamedOrgNotFoundError","message":"No authorization information found for x.","exitCode":1}'; exit 1; }
case "\$*" in
"org display --json -o acme")
	echo " ›   Warning: an update is available"
	printf '{"status":0,"result":{"id":"00D5f000000Emu1EAC","accessToken":"%s","instanceUrl":"%s/","username":"etl@acme.example"},"warnings":[%s]}\n' \
		"\$([ $1 = new ] && echo "[REDACTED] Use 'sf org auth show-access-token' to view" || cat token)" "\$(cat url)" "\$(cat warning 2>/dev/null)";;
"org auth show-access-token --no-prompt --json -o acme")
	[ $1 = new ] || { echo '{"status":127,"name":"Error","message":"command org:auth:show-access-token not found"}'; exit 127; }
	printf '{"status":0,"result":{"accessToken":"%s"},"warnings":["This is secret."]}\n' "\$(cat token)";;
*) exit 2;;
esac
END
	chmod +x bin/sf
	PATH=$PWD/bin:$PATH
}

@test "--from-sf: the session of the sf CLI, new and old; renewed by asking it again; never revoked" {
	local fresh='new_token() { curl -s --cacert "$ca" -d grant_type=client_credentials -d client_id="$id" -d client_secret="$secret" "$url/services/oauth2/token" | jq -r .access_token >token; }
		revoke() { curl -s --cacert "$ca" -d token="$(cat token)" "$url/services/oauth2/revoke"; }
		echo "$url" >url; new_token;'
	for age in new old; do
		sf $age
		within 0 -- "$fresh"' FORCE_COLOR=1 sfzb -vv login salesforce --from-sf acme && check || exit
			revoke; new_token; sfzb topics Account >/dev/null && sfzb -vv logout salesforce || exit
			SALESFORCE_INSTANCE_URL=$url SALESFORCE_ACCESS_TOKEN=$(cat token) sfzb topics Account >/dev/null'
		jq -se 'map(select(.checked)) | length == 1 and .[0].method == "sf"' "$out"
		hides "$(cat token)"
	done
	run ! grep -q 'FORCE_COLOR=1\|NO_COLOR= ' calls
	[ ! -s stdin ]
	sf new
	echo '"Unable to refresh auth for acme"' >warning
	within 3 -- "$fresh"' sfzb -vv login salesforce --from-sf acme; revoke; sfzb topics Account'
	says "warning: sf: its session may be stale"
	says "the access token of sf was refused, and sf gives no other"
	says "hint: log in there again: sf org login web -a acme"
	hides "$(cat token)"
	fails 3 sfzb login salesforce --from-sf other
	says "NamedOrgNotFoundError: No authorization information found"
	PATH=$(dirname "$(command -v sfzb)"):/usr/bin:/bin fails 2 sfzb login salesforce --from-sf acme
	says "cannot start 'sf'"
}

@test "--credential-helper: asked as git asks, at each login; nothing it gives is stored" {
	printf '#!/bin/sh\necho "$1" >>asked; cat >>asked; cat "answer"\n' >helper
	chmod +x helper
	within 0 -- '
		printf "username=ignored\npassword=%s\n" "$secret" >answer
		sfzb -vv login salesforce --host "$url" --client-id "$id" --method client-credentials --credential-helper ./helper && check || exit
		! grep -F "$secret" "$mine" || exit 90
		jq "del(.session)" "$mine" >new && cat new >"$mine" && sfzb topics Account >/dev/null || exit
		sfzb logout -q salesforce
		printf "client_id=%s\nclient_secret=%s\n" "$id" "$secret" >answer
		SALESFORCE_INSTANCE_URL=$url SALESFORCE_CREDENTIAL_HELPER=./helper sfzb topics Account >/dev/null'
	jq -se 'any(.checked == "works" and .method == "client-credentials")' "$out"
	hides
	for line in get service=salesforce protocol=https 'host=localhost:[0-9]*'; do
		grep -qx "$line" asked || { echo "not asked: $line"; return 1; }
	done
	within 3 -- ': >answer; sfzb login salesforce --host "$url" --client-id "$id" --method client-credentials --credential-helper ./helper'
	says "credential helper './helper' gave nothing for salesforce"
	within 3 -- 'sfzb login salesforce --host "$url" --client-id "$id" --method client-credentials --credential-helper "exit 5 #"'
	says "ended with status 5"
}

@test "a token that expires or is revoked between two commands is renewed in silence" {
	within 0 -- 'printf %s "$secret" | sfzb -q login salesforce --host "$url" --client-id "$id" --stdin
		curl -s --cacert "$ca" -d token="$(jq -r .session.access_token "$mine")" "$url/services/oauth2/revoke"
		sfzb -q topics Account && sfzb -q tail Account --from earliest -n 3'
	[ "$(jq -r 'select(.event_id).event_id' "$out" | wc -l)" -eq 3 ]
	[ ! -s "$err" ]
}

@test "an hour of the emulator's time passes through twelve expiries of tokens, and the table holds each event once" {
	LIMIT=600 ends 0 sfzb emulator -q --clock-speed 120 --token-lifetime 5m --token-ends-streams --rate 750 --keepalive 300ms --objects Account -- sh -euc '
		t=main.default.accounts
		sfzb create-table -q $t
		sfzb stream -q Account -t $t --from earliest &
		# twelve tokens that lived for five minutes each
		until curl -sf $SFZB_EMULATOR_ADMIN/state | jq -e ".salesforce.tokens_issued > 12" >/dev/null; do
			kill -0 $!
			sleep 0.2
		done
		kill $!
		wait $!
		curl -sf -d "{\"rate\":0,\"count\":1}" $SFZB_EMULATOR_ADMIN/events >/dev/null
		sfzb stream -q Account -t $t --until-caught-up
		curl -s $SFZB_EMULATOR_ADMIN/state | jq -c .salesforce
		sfzb sql "select count(*) n, count(distinct event_id) d from $t"'
	jq -se '.[1].n == .[0].published and .[1].d == .[1].n' "$out" || { show; return 1; }
}

@test "--check --topic: a topic that is named must be readable, the default one need not" {
	within 4 -- 'printf %s "$secret" | sfzb login salesforce -q --host "$url" --client-id "$id" --stdin >/dev/null && check >/dev/null &&
		sfzb login --check salesforce --topic Account | jq -e .may_subscribe >/dev/null || exit 1
		sfzb login --check salesforce --topic Nope'
	says "topic /data/NopeChangeEvent not found"
	[ ! -s "$out" ]
}

# Secrets stay where they are; TLS is always verified; peers and the current directory are trusted with nothing.
bats_require_minimum_version 1.5.0
load helper

hunt() { # FILES…   nothing that is secret is in them: what the emulator keeps, what the profile keeps, tokens by their shape
	local s f
	for s in $(for f in em/salesforce-client-secret em/salesforce-password em/databricks-client-secret em/databricks-token tokens; do
		cat "$f"; echo; done); do
		[ "${#s}" -ge 8 ]
		if grep -laF -- "$s" "$@"; then echo "holds $s"; return 1; fi
	done
	if grep -laE '00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{8,}|eyJ[A-Za-z0-9_-]{8,}\.eyJ' "$@"; then echo "holds a token"; return 1; fi
}

@test "no command shows a secret at -vv, neither in what it does nor in what goes wrong" {
	LIMIT=900
	ends 0 sfzb emulator -q --dir em --keepalive 300ms --events 40 --objects Account -- bash -uc '
		exec >all 2>&1
		f=$(find "$HOME" -path "*emulator/salesforce.json") d=${f%/*} t=main.default.a
		token() { jq -r ".session.access_token // empty" "$f" >>tokens; }
		fault() { printf "%s\n" "$@" | curl -s -X PUT --data-binary @- "$SFZB_EMULATOR_ADMIN/faults"; }
		patience=30
		try() { timeout -k 1 $patience sfzb -vv "$@"; }
		few() {
			try login --check; try topics; try create-table $t --check; try sql "select 1"
			try tail Account --from earliest -n 2 --timeout 1s
			try stream Account -t $t --until-caught-up --timeout 2s --max-retries 1 --retry-backoff 10ms --visibility-wait 100ms
			token
		}
		all() {
			try login --status; try login --check -o json; try login databricks --check; try schema Account; try limits; try create-table $t
			few
			try stream Account -t $t --metrics 0 --timeout 1s --log-format json
			echo "{\"Order_Number__c\":\"1\"}" | try publish Order_Event__e
			echo "{\"a\":1}" | try ingest $t
			try replay show; try replay set Account --from-table -t $t; try replay set Account 1h -t $t -n
			try replay export; try dead-letters; try dead-letters retry --all
		}
		all
		fault "tokens expire x3"; few
		fault "subscribe status=UNAUTHENTICATED" "ingest status=UNAUTHENTICATED" "sql http=401" "limits http=401" "userinfo http=401"; few
		# what is tried again and again is seen soon
		patience=3
		fault "* http=503" "subscribe cut" "ingest cut"; jq "del(.session)" "$f" >new && cat new >"$f"; try topics; try sql "select 1"
		fault "salesforce.token http=400 message=no" "databricks.token http=500"; few
		patience=30
		fault ""; try topics; token
		cp -r "$d" profile
		try logout
		true'
	[ "$(grep -c . tokens)" -ge 2 ]
	# it was all tried: requests, failures, renewals
	for w in '> POST https' 'Bearer \*\*\*' 'UNAUTHENTICATED' '401' '503' '"area":"zerobus"|zerobus:' 'token'; do
		grep -Eq -- "$w" all || { echo "never: $w"; return 1; }
	done
	[ "$(wc -l <all)" -gt 1000 ]
	rm profile/salesforce.json profile/databricks.json
	hunt all $(find profile -type f)
	# the hunt finds what there is to find
	run ! hunt em/salesforce-password
	head -n 1 tokens >one
	run ! hunt one
}

@test "debugging aids of the libraries show no token and write down no key" {
	ends 0 sfzb emulator -q --dir em --keepalive 300ms --events 5 --objects Account -- bash -euc '
		f=$(find "$HOME" -path "*emulator/salesforce.json")
		export GRPC_VERBOSITY=DEBUG GRPC_TRACE=all SSLKEYLOGFILE=$PWD/keys
		sfzb -vv stream Account -t main.default.a -n 5 >all 2>&1
		sfzb -vv topics >>all 2>&1
		jq -r .session.access_token "$f" >tokens'
	hunt all
	[ ! -e keys ]
}

@test "a secret of the environment is in nobody's reach: not in the arguments, not in /proc" {
	grep -q -- '-fsanitize' "$BUILD/flags" && skip "not a release build"
	/usr/bin/python3 -c "
import socket, time
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
open('port', 'w').write(str(s.getsockname()[1]))
time.sleep(600)" 3>&- & silent=$!
	for _ in $(seq 600); do [ -s port ] && break; sleep 0.1; done
	chmod 755 . "$HOME"
	as=
	if [ "$(id -u)" -eq 0 ]; then
		command -v setpriv >/dev/null || skip "no setpriv"
		as="setpriv --reuid 65534 --clear-groups"
		cp "$BUILD/sfzb" sfzb-here 2>/dev/null && chmod 755 sfzb-here
		$as ./sfzb-here --version >/dev/null 2>&1 || skip "another user cannot run programs here"
	else
		ln -s "$BUILD/sfzb" sfzb-here
	fi
	SFZB_HOME=/nonexistent SALESFORCE_INSTANCE_URL=https://127.0.0.1:$(cat port) SALESFORCE_CLIENT_ID=id SALESFORCE_CLIENT_SECRET=hush-hush-hush \
		$as ./sfzb-here topics >said 2>&1 3>&- & p=$!
	for _ in $(seq 600); do grep -Eqs 'Max core file size +0 +0' /proc/$p/limits && break; sleep 0.1; done
	[ -d /proc/$p ] || { cat said; return 1; }
	grep -Eq 'Max core file size +0 +0' /proc/$p/limits
	run ! grep -q hush /proc/$p/cmdline
	# another process of the same user may not look
	for _ in $(seq 600); do $as cat /proc/$p/environ >seen 2>/dev/null || break; sleep 0.1; done
	run ! $as cat /proc/$p/environ
	run ! $as head -c 1 /proc/$p/mem
	kill $p $silent
	wait || :
}

@test "links in the place of directories and files of the profile: nothing is followed, nothing is made elsewhere" {
	export SALESFORCE_INSTANCE_URL=https://127.0.0.1:1
	base=$HOME/.config/sfzb/profiles
	session='{"method":"access-token","access_token":"x","login_url":"https://a.my.salesforce.com","instance_url":"https://a.my.salesforce.com",
		"session":{"access_token":"x","instance_url":"https://a.my.salesforce.com","login_url":"https://a.my.salesforce.com",
		"org_id":"00D000000000001AAA","user_id":"005000000000001AAA","username":"u"}}'
	unset SALESFORCE_INSTANCE_URL
	fresh() { rm -rf "$base" away; mkdir -p "$base/default" away; chmod 700 "$base/default"; (umask 077; printf '%s' "$session" >"$base/default/salesforce.json"); }
	set_one() { sfzb -q replay set Account earliest -t a.b.c; }
	fresh; set_one; [ -f "$base/default/replay.db" ]
	lock=$(ls "$base/default/locks")
	[ -n "$lock" ]

	fresh; mv "$base/default" elsewhere; ln -s "$PWD/elsewhere" "$base/default"; run ! set_one
	[ ! -e elsewhere/replay.db ]; [ ! -e elsewhere/locks ]; rm -r elsewhere
	fresh; ln -s "$PWD/away" "$base/default/locks"; run ! set_one; [ -z "$(ls away)" ]
	fresh; mkdir -m 700 "$base/default/locks"; echo keep >away/file; ln -s "$PWD/away/file" "$base/default/locks/$lock"; run ! set_one
	[ "$(cat away/file)" = keep ]
	fresh; ln -s "$PWD/away/db" "$base/default/replay.db"; run ! set_one; [ -z "$(ls away)" ]
	for kind in wal shm journal; do
		fresh; set_one; echo keep >away/file; ln -s "$PWD/away/file" "$base/default/replay.db-$kind"
		set_one || :
		[ "$(cat away/file)" = keep ] || { echo "$kind"; return 1; }
	done
	fresh; : >away/letters.db; ln -s "$PWD/away" "$base/default/dead-letters"; run ! sfzb dead-letters drop --all --yes; run ! sfzb dead-letters
	[ "$(ls away)" = letters.db ]; [ ! -s away/letters.db ]
	fresh; mkdir -m 700 "$base/default/dead-letters"; : >away/db; ln -s "$PWD/away/db" "$base/default/dead-letters/letters.db"
	run ! sfzb dead-letters
	[ ! -s away/db ]
	fresh; mv "$base/default/salesforce.json" away/; ln -s "$PWD/away/salesforce.json" "$base/default/salesforce.json"
	ends 2 sfzb topics
	says "is a symbolic link"
	# and what hangs when it is opened is not waited for
	fresh; rm "$base/default/salesforce.json"; mkfifo -m 600 "$base/default/salesforce.json"; ends 2 sfzb topics
	fresh; mkfifo -m 600 "$base/default/replay.db"; ends 2 sfzb replay show
}

@test "TLS: an unknown authority and a wrong name are refused, and nothing switches that off" {
	ends 0 sfzb emulator -q --dir em --objects Account -- bash -euc '
		f=$(find "$HOME" -path "*emulator/salesforce.json") d=${f%/*} host=$(jq -r .login_url "$f") pubsub=$(jq -r .pubsub_endpoint "$f")
		ca=$PWD/em/ca.pem
		printf "insecure\n" >"$HOME/.curlrc"; printf "machine localhost login a password b\n" >"$HOME/.netrc"
		export CURL_CA_BUNDLE= CURL_INSECURE=1 SSL_VERIFY=0 SSL_NO_VERIFY=1 INSECURE=1 NODE_TLS_REJECT_UNAUTHORIZED=0 PYTHONHTTPSVERIFY=0 \
			GIT_SSL_NO_VERIFY=1 REQUESTS_CA_BUNDLE= SFZB_INSECURE=1 SFZB_TLS_VERIFY=0 SALESFORCE_VERIFY=0 DATABRICKS_INSECURE=1 \
			DATABRICKS_TLS_INSECURE=1 DATABRICKS_SKIP_VERIFY=1 GRPC_SSL_VERIFY=0 CURL_HOME="$HOME"
		# Salesforce and Databricks over HTTP, Pub/Sub and Zerobus over gRPC: each without its authority
		jq "del(.ca_file, .session)" "$f" >new; cp "$f" kept; cat new >"$f"
		sfzb topics 2>login && exit 9; test $? -eq 5
		sfzb --cacert "$ca" topics >/dev/null
		cat kept >"$f"; sfzb topics >/dev/null; jq "del(.ca_file)" "$f" >new; cat new >"$f"
		sfzb tail Account -n 1 --timeout 20s 2>grpc && exit 9; test $? -eq 5
		cat kept >"$f"
		jq "del(.ca_file)" "$d/databricks.json" >new; cp "$d/databricks.json" kept; cat new >"$d/databricks.json"
		sfzb sql "select 1" 2>sql && exit 9; test $? -eq 5
		cat kept >"$d/databricks.json"
		# and what is no TLS at all
		jq ".login_url = \"http://example.invalid\" | .instance_url = .login_url | del(.session)" kept >new; cat new >"$f"
		sfzb topics 2>plain && exit 9; test $? -eq 2
		cat kept >"$f"'
	grep -Eiq 'certificate|SSL|TLS' login
	grep -Eiq 'certificate|SSL|TLS' sql
	grep -Eiq 'certificate|TLS|handshake|SSL' grpc
	# a certificate that is trusted, and of another name
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out other.pem -days 2 -subj /CN=elsewhere \
		-addext subjectAltName=DNS:elsewhere 2>/dev/null
	/usr/bin/python3 -c "
import socket, ssl
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain('other.pem', 'key.pem')
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print(s.getsockname()[1], flush=True)
for _ in range(20):
    try:
        t = c.wrap_socket(s.accept()[0], server_side=True)
        open('asked', 'ab').write(t.recv(65536)); t.close()
    except OSError:
        pass" >port 3>&- & peer=$!
	for _ in $(seq 600); do [ -s port ] && break; sleep 0.1; done
	SSL_CERT_FILE=$PWD/other.pem SALESFORCE_CLIENT_ID=id SALESFORCE_CLIENT_SECRET=hush-hush-hush \
		SALESFORCE_INSTANCE_URL=https://localhost:$(cat port) fails 5 sfzb topics
	kill $peer
	says "name|subject"
	[ ! -s asked ]
	for c in $(sfzb help --names commands); do
		sfzb "$c" --help >help
		run ! grep -Eiq -- '--(insecure|no-verify|skip-verify|no-tls|no-check|plaintext|verify)' help
	done
	fails 2 sfzb topics --insecure
	fails 2 sfzb topics -k
}

@test "a peer that never ends its answer gets an error, not the memory" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost 2>/dev/null
	cat >peer.py <<-'END'
		import socket, ssl, struct, sys, threading, zlib
		kind = sys.argv[1]
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		context.load_cert_chain("cert.pem", "key.pem")
		server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen()
		print(server.getsockname()[1], flush=True)
		def serve(raw):
		    try:
		        s = context.wrap_socket(raw, server_side=True)
		        s.recv(65536)
		        if kind == "body":
		            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
		            while True: s.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
		        if kind == "headers":
		            s.sendall(b"HTTP/1.1 200 OK\r\n")
		            n = 0
		            while True: s.sendall(b"X-H%d: " % n + b"y" * 1000 + b"\r\n"); n += 1
		        if kind == "line":
		            s.sendall(b"HTTP/1.1 200 OK\r\nX-H: ")
		            while True: s.sendall(b"y" * 65536)
		        if kind == "interim":
		            while True: s.sendall(b"HTTP/1.1 100 Continue\r\nX: " + b"y" * 1000 + b"\r\n\r\n")
		        if kind == "bomb":
		            z = zlib.compressobj(9, zlib.DEFLATED, -15) # a megabyte of blanks that can stand behind itself
		            megabyte = z.compress(b" " * (1 << 20)) + z.flush(zlib.Z_FULL_FLUSH)
		            body = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + megabyte * 512 + z.flush() + struct.pack("<II", 0, 512 << 20)
		            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
		        if kind == "deep":
		            body = b"[" * 5000000
		            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
		    except OSError:
		        pass
		while True: threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
	END
	export SSL_CERT_FILE=$PWD/cert.pem SALESFORCE_CLIENT_ID=id SALESFORCE_CLIENT_SECRET=hush-hush-hush
	for kind in body headers line interim bomb deep; do
		/usr/bin/python3 peer.py "$kind" >port 3>&- & peer=$!
		for _ in $(seq 600); do [ -s port ] && break; sleep 0.1; done
		status=0
		SALESFORCE_INSTANCE_URL=https://localhost:$(cat port) /usr/bin/python3 -c "
import resource, subprocess, sys
r = subprocess.run(sys.argv[1:], timeout=120)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=open('rss', 'w'))
sys.exit(r.returncode)" sfzb topics >"$out" 2>"$err" || status=$?
		kill $peer; wait $peer || :
		rm port
		echo "$kind: $status, $(cat rss) MB, $(head -n 1 "$err")"
		[ "$status" -ge 1 ]
		[ "$status" -le 9 ]
		grep -q '^sfzb: .*error: ' "$err"
		run ! grep -q hush "$err"
		grep -q -- '-fsanitize' "$BUILD/flags" || [ "$(cat rss)" -lt 300 ]
	done
}

@test "nothing of the current directory is run or read" {
	mkdir here; cd here
	for f in .databrickscfg .netrc .curlrc .env .jq salesforce.json databricks.json log.json topics.json replay.db openssl.cnf .sqliterc sfzb.json config.json profiles; do
		mkfifo "$f" # whoever opens one waits for ever
	done
	for f in sh bash sf git sfzb-emulator openssl xdg-open stty; do
		printf '#!/bin/sh\ntouch ../ran-%s\n' "$f" >"$f"; chmod 755 "$f"
	done
	ends 0 sfzb emulator -q --keepalive 300ms --events 10 --objects Account -- /bin/sh -c '
		sfzb stream -q Account -t main.default.a --until-caught-up --on-gap "command:true"
		sfzb tail -q Account --from earliest -n 1 --filter ".topic != null" >/dev/null
		sfzb topics >/dev/null; sfzb login --check >/dev/null; sfzb replay show >/dev/null; sfzb dead-letters; sfzb sql "select 1" >/dev/null'
	fails 3 sfzb topics
	fails 2 sfzb login salesforce --from-sf
	[ -z "$(ls .. | grep '^ran-' || :)" ] || { ls ..; return 1; }
}

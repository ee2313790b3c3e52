# Loaded by every .bats file. Each test has a scratch folder of its own, which is its HOME and where it stands, and
# nothing of the caller's environment that sfzb reads.
#
#   ok CMD…            exit 0 and silence on both streams
#   fine CMD…          exit 0 and silence on standard error; standard output is in $out
#   fails STATUS CMD…  that exit status and nothing on standard output; standard error is in $err
#   ends STATUS CMD…   that exit status; both streams are kept
#   free_port          prints a port for a listener that must name one
#   golden NAME FILE   the file is as tests/cli/golden/NAME (UPDATE=1 rewrites it)

LIMIT=${LIMIT:-240} # seconds a command may take: it ends what hangs, and says nothing of speed

setup() {
	local v
	for v in $(compgen -e | grep -E '^(SFZB|SALESFORCE|DATABRICKS)_|^(SSL_CERT_FILE|NO_COLOR|XDG_CONFIG_HOME)$|_proxy$|_PROXY$'); do
		unset "$v"
	done
	tests=$BATS_TEST_DIRNAME
	export HOME=$BATS_TEST_TMPDIR/home PATH=$BUILD:$PATH TERM=xterm LC_ALL=C
	export TMPDIR=$BATS_TEST_TMPDIR # nobody else cleans up there
	mkdir "$HOME"
	cd "$BATS_TEST_TMPDIR" || return 1
	out=$BATS_TEST_TMPDIR/stdout err=$BATS_TEST_TMPDIR/stderr
	if declare -F prepare >/dev/null; then prepare; fi
}

show() {
	echo "command: $*"
	echo "status: $status"
	echo "--- standard output"; head -c 4000 "$out"
	echo "--- standard error"; head -c 4000 "$err"
}

ends() {
	local wanted=$1
	shift
	status=0
	timeout -k 5 "$LIMIT" "$@" >"$out" 2>"$err" </dev/null || status=$?
	[ "$status" -eq "$wanted" ] || { show "$@"; echo "wanted status $wanted"; return 1; }
}

fine() {
	ends 0 "$@" || return 1
	[ ! -s "$err" ] || { show "$@"; echo "wanted silence on standard error"; return 1; }
}

ok() {
	fine "$@" || return 1
	[ ! -s "$out" ] || { show "$@"; echo "wanted silence on standard output"; return 1; }
}

fails() {
	ends "$@" || return 1
	[ ! -s "$out" ] || { show "$@"; echo "wanted silence on standard output"; return 1; }
	[ "$(grep -c '^sfzb: .*error:' "$err")" -eq 1 ] || { show "$@"; echo "wanted one error"; return 1; }
}

says() { # PATTERN: an extended regular expression for a line of standard error
	grep -Eq -- "$1" "$err" || { echo "--- standard error"; cat "$err"; echo "wanted: $1"; return 1; }
}

prints() { # the same for standard output
	grep -Eq -- "$1" "$out" || { echo "--- standard output"; cat "$out"; echo "wanted: $1"; return 1; }
}

# A port that nobody has and that the kernel gives nobody by itself: those that it gives begin at 16000 or above.
free_port() {
	/usr/bin/python3 -c '
import random, socket
while True:
    port = random.randrange(10000, 16000)
    try:
        socket.create_server(("127.0.0.1", port)).close()
        print(port)
        break
    except OSError:
        pass'
}

# For scripts inside: waits until the emulator has stored what a killed process had sent; the wait for what is visible begins there.
settled='settled() {
	until curl -s "$SFZB_EMULATOR_ADMIN/state" | jq -e ".databricks.zerobus | .open == 0 and .storing == 0" >/dev/null; do sleep 0.05; done
}'

golden() {
	if [ "${UPDATE:-0}" = 1 ]; then cp "$2" "$tests/golden/$1"; fi
	diff -u "$tests/golden/$1" "$2"
}

# The error transcript of the Databricks side: every gRPC status of an ingest stream, before and after it is open, every HTTP
# status of the REST calls; message, hint and exit status are in golden/databricks-errors.
bats_require_minimum_version 1.5.0
load helper

STATUSES='CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED
	FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'

# ports, ids and times differ from run to run
steady() {
	sed -E 's/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ID/g; s/(localhost|127\.0\.0\.1):[0-9]+/HOST/g;
		s/request [0-9a-zA-Z-]+/request ID/g; s/[0-9.]+m?s, [0-9]+ rows/TIME, N rows/; s/again in [0-9.ms]+/again in TIME/;
		/stored [0-9]+ rows/d; /^sfzb: warning: .*HOST/d'
}

one() { # WHAT, RULE, COMMAND…: runs it under that rule; ./struck tells how often that has struck
	local what=$1 rc=0
	echo "$2" >rule
	shift 2
	timeout -k 5 "$LIMIT" sfzb emulator -q -- sh -c 'sfzb sql "CREATE TABLE main.default.t (id BIGINT)" || exit 99
		curl -sf --data-binary @rule "$SFZB_EMULATOR_ADMIN/faults" >/dev/null || exit 98
		"$@"; rc=$?; curl -sf "$SFZB_EMULATOR_ADMIN/faults" >struck; exit $rc' sh "$@" >one.out 2>one.err </dev/null || rc=$?
	{ echo "== $what: $rc"; steady <one.err; } >>transcript
}

@test "every status of an ingest stream, and every HTTP status, has its message and exit status" {
	local s
	echo '{"id":1}' >rows
	for s in $STATUSES; do
		one "ingest, $s at open" "databricks.ingest status=$s message=\"the reason\"" sfzb ingest main.default.t rows --no-recovery
		one "ingest, $s in the stream" "databricks.ingest status=$s message=\"the reason\" after 1" \
			sfzb ingest main.default.t rows --no-recovery
	done
	for s in 400 401 403 404 409 500 501 502 504; do
		one "sql, HTTP $s" "databricks.sql http=$s message=\"the reason\"" sfzb sql 'SELECT 1'
	done
	for s in 400 401 403 404 501; do
		one "catalog, HTTP $s" "databricks.catalog http=$s message=\"the reason\"" sfzb ingest main.default.t rows
	done
	for s in 400 401 403; do
		one "token, HTTP $s" "databricks.token http=$s message=\"the reason\" after 1" sfzb ingest main.default.t rows
	done
	one 'no such table' '' sfzb ingest main.default.none rows
	one 'no such schema' '' sfzb ingest main.none.t rows
	one 'no such catalog' '' sfzb ingest none.none.t rows
	for s in 'SELEC 1' 'SELECT nope FROM main.default.t' 'SELECT * FROM main.default.none' 'SELECT * FROM main.none.t'; do
		one "sql, $s" '' sfzb sql "$s"
	done
	golden databricks-errors transcript
}

@test "what passes is tried again, and the command succeeds" {
	local s
	echo '{"id":1}' >rows
	for s in 'databricks.sql http=503 x1' 'databricks.sql http=429 retry-after=1 x1' \
		'databricks.token http=503 x1' 'databricks.catalog http=502 x1' 'databricks.tokens expire x1'; do
		: >transcript
		case $s in
		databricks.sql*) one "$s" "$s" sfzb sql 'SELECT 1' ;;
		*) one "$s" "$s" sfzb ingest main.default.t rows --retry-backoff 10ms..20ms ;;
		esac
		grep -qx "== $s: 0" transcript || { cat transcript; return 1; }
		grep -q '# struck 1' struck || { cat struck; return 1; }
	done
}

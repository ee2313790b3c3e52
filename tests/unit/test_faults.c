/* The error script: what is refused and why, and when each rule strikes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "emulator/faults.h"

static struct faults *
load(const char *script)
{
	struct faults *f = faults_new(1);
	struct error e = ERROR_INIT;

	if (faults_load(f, text_of(script), false, &e) != 0)
		fail_msg("%s: %s", script, e.text);
	return f;
}

static void
test_refused(void **state)
{
	static const struct {
		const char *name, *script, *error;
	} rows[] = {
		{ "no action", "subscribe x3", "line 1: \"subscribe\" has no action" },
		{ "unknown method", "# one\n\nsubscrib cut", "line 3: no method is called \"subscrib\"" },
		{ "unknown word", "subscribe explode", "line 1: unknown word \"explode\"" },
		{ "unknown key", "subscribe cut speed=3", "line 1: unknown key \"speed\"" },
		{ "two actions", "subscribe cut stall",
		    "line 1: a rule has one action: \"cut\" and \"stall\" are two" },
		{ "no such status", "subscribe status=NOPE", "line 1: \"NOPE\" is no gRPC status" },
		{ "action elsewhere", "token lose-ack", "line 1: \"lose-ack\" cannot happen to \"token\"" },
		{ "http on gRPC", "subscribe http=503", "line 1: \"http\" cannot happen to \"subscribe\"" },
		{ "x0", "subscribe cut x0", "line 1: \"x0\" never strikes" },
		{ "after 0", "subscribe cut after 0", "line 1: after \"0\": must be a number from 1" },
		{ "after nothing", "subscribe cut after", "line 1: \"after\" needs a value" },
		{ "probability", "subscribe cut p=2", "line 1: p=2: must be above 0 and at most 1" },
		{ "http status", "token http=99", "line 1: http=99: must be a status from 200 to 599" },
		{ "open quote", "subscribe UNAVAILABLE message=\"a",
		    "line 1: a quote is not closed, or a word is too long" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct faults *f = faults_new(1);
		struct error e = ERROR_INIT;
		int rc = faults_load(f, text_of(rows[i].script), false, &e);

		if (rc != -1 || strcmp(e.text, rows[i].error) != 0)
			fail_msg("%s: got %d, \"%s\"", rows[i].name, rc, e.text);
		faults_free(f);
	}
}

/* Ten askings of one kind; a strike prints its kind's letter, a pass '.'. */
static void
test_turns(void **state)
{
	static const struct {
		const char *name, *script, *method, *expected;
	} rows[] = {
		{ "always", "get-topic UNAVAILABLE", "salesforce.get-topic", "ssssssssss" },
		{ "three times", "get-topic UNAVAILABLE x3", "salesforce.get-topic", "sss......." },
		{ "after two", "token http=503 after 2 x2", "salesforce.token", "..hh......" },
		{ "every fourth", "sql http=500 every 4", "databricks.sql", "...h...h.." },
		{ "another method", "get-topic UNAVAILABLE", "salesforce.get-schema", ".........." },
		{ "glob", "databricks.* http=500 x1", "databricks.catalog", "h........." },
		{ "other side", "databricks.token http=500", "salesforce.token", ".........." },
		{ "delay gives way", "* delay 5ms\nsql http=500 every 5", "databricks.sql", "ddddhddddh" },
		{ "first of two", "sql http=500 x1\nsql drop x1", "databricks.sql", "hD........" },
	};
	static const char letters[FAULT_KINDS] = { '.', 's', 'c', 'S', 'd', 'h', 'D' };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct faults *f = load(rows[i].script);
		char got[11] = "";

		for (int k = 0; k < 10; k++) {
			struct fault out;

			got[k] = faults_call(f, rows[i].method, &out) ? letters[out.kind] : '.';
		}
		if (strcmp(got, rows[i].expected) != 0)
			fail_msg("%s: got %s", rows[i].name, got);
		faults_free(f);
	}
}

static void
test_messages(void **state)
{
	static const struct {
		const char *name, *script;
		uint64_t n, count;
		bool strikes;
		uint64_t before;
	} rows[] = {
		{ "within", "subscribe cut after 10", 0, 100, true, 10 },
		{ "at the end", "subscribe cut after 10", 0, 10, true, 10 },
		{ "not yet", "subscribe cut after 10", 0, 9, false, 0 },
		{ "passed", "subscribe cut after 10", 10, 90, false, 0 },
		{ "from the middle", "subscribe cut after 10", 7, 90, true, 3 },
		{ "every", "subscribe stall every 7", 7, 90, true, 7 },
		{ "every after", "subscribe stall after 5 every 7", 0, 90, true, 12 },
		{ "start only", "subscribe cut", 0, 90, false, 0 },
		{ "nearest", "subscribe cut after 9\nsubscribe stall after 3", 0, 90, true, 3 },
		{ "close signal", "ingest close-signal 2s", 0, 1, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct faults *f = load(rows[i].script);
		struct fault out;
		uint64_t before = 0;
		bool strikes =
		    faults_messages(f, "salesforce.subscribe", rows[i].n, rows[i].count, &before, &out);

		if (strikes != rows[i].strikes || before != rows[i].before)
			fail_msg("%s: got %d before %llu", rows[i].name, strikes,
			    (unsigned long long)before);
		faults_free(f);
	}
}

static void
test_moments(void **state)
{
	struct faults *f = load("subscribe cut x1\ningest lose-ack after 5 x1\ningest ack-delay 10ms\n"
				"ingest close-signal 2s\nsalesforce.tokens expire\n");
	struct fault out;
	uint64_t before;

	(void)state;
	assert_true(faults_start(f, "salesforce.subscribe", &out));
	assert_int_equal(out.kind, FAULT_CUT);
	assert_false(faults_start(f, "salesforce.subscribe", &out));
	assert_false(faults_start(f, "databricks.ingest", &out));
	assert_true(faults_messages(f, "databricks.ingest", 0, 1, &before, &out));
	assert_int_equal(out.kind, FAULT_CLOSE_SIGNAL);
	assert_int_equal(out.duration_ms, 2000);
	assert_true(faults_reply(f, "databricks.ingest", 4, &out));
	assert_int_equal(out.kind, FAULT_ACK_DELAY);
	assert_true(faults_reply(f, "databricks.ingest", 5, &out));
	assert_int_equal(out.kind, FAULT_LOSE_ACK);
	assert_true(faults_reply(f, "databricks.ingest", 6, &out));
	assert_int_equal(out.kind, FAULT_ACK_DELAY);
	assert_true(faults_tokens(f, "salesforce.tokens"));
	assert_false(faults_tokens(f, "salesforce.tokens"));
	assert_false(faults_tokens(f, "databricks.tokens"));
	faults_free(f);
}

/* What is written can be loaded again, and a refused script leaves the rules as they were. */
static void
test_round_trip(void **state)
{
	static const char script[] =
	    "subscribe status=INVALID_ARGUMENT error-code=a.b message=\"not # now\" x1 # why\n";
	struct faults *f = load(script), *again;
	struct buffer out = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct fault fault;

	(void)state;
	assert_int_equal(faults_load(f, text_of("nonsense"), false, &e), -1);
	faults_write(f, &out);
	assert_string_equal(buffer_text(&out),
	    "subscribe status=INVALID_ARGUMENT error-code=a.b message=\"not # now\" x1  # struck 0\n");
	again = load(buffer_text(&out));
	assert_true(faults_start(again, "salesforce.subscribe", &fault));
	assert_int_equal(fault.status, 3);
	assert_string_equal(fault.error_code, "a.b");
	assert_string_equal(fault.message, "not # now");
	buffer_release(&out);
	faults_free(again);
	faults_free(f);
}

/* A chance rule strikes about as often as it says, and a seed repeats it exactly. */
static void
test_chance(void **state)
{
	uint64_t strikes[2] = { 0 };

	(void)state;
	for (int run = 0; run < 2; run++) {
		struct faults *f = load("subscribe cut p=0.01");
		struct fault out;

		for (uint64_t n = 0; n < 100000;) {
			uint64_t before = 100;

			strikes[run] += faults_messages(f, "salesforce.subscribe", n, 100, &before, &out);
			n += before;
		}
		faults_free(f);
	}
	assert_in_range(strikes[0], 850, 1150);
	assert_int_equal(strikes[0], strikes[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_moments),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

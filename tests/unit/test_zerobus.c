/* databricks/zerobus and sink: every way a stream can go, against a server that shares no code with them. */
#include "zerobus_bench.h"

static void
test_streams(void **state)
{
	static const struct {
		const char *table;
		int batches, rows;
		int64_t acknowledged; /* -1: any */
		size_t stored;
		enum error_code code;
		const char *text; /* part of the error's */
	} rows[] = {
	    {"t_plain", 5, 3, 5, 15, ERR_OK, NULL},
	    {"t_single", 4, 1, 4, 4, ERR_OK, NULL},
	    {"t_nothing", 0, 0, 0, 0, ERR_OK, NULL},
	    {"t_late", 5, 2, 5, 10, ERR_OK, NULL},
	    {"t_twice", 4, 1, 4, 4, ERR_OK, NULL},
	    {"t_hang", 2, 1, 2, 2, ERR_OK, NULL},
	    {"t_cut", 2, 2, 1, 4, ERR_UNAVAILABLE, "_cut' broke: INTERNAL: cut"},
	    {"t_lost", 3, 2, 0, 6, ERR_UNAVAILABLE, "UNAVAILABLE: lost"},
	    {"t_absent", 1, 1, 0, 1, ERR_UNAVAILABLE, "an acknowledgement without an offset"},
	    {"t_high", 1, 1, 0, 1, ERR_UNAVAILABLE, "an acknowledgement of a batch that was not sent"},
	    {"t_noid", 0, 0, 0, 0, ERR_UNAVAILABLE, "the server named no stream id"},
	    {"t_empty", 0, 0, 0, 0, ERR_UNAVAILABLE, "a message of an unknown kind"},
	    {"t_garbage", 0, 0, 0, 0, ERR_UNAVAILABLE, "a message that cannot be decoded"},
	    {"t_silent", 0, 0, 0, 0, ERR_UNAVAILABLE, "_silent': the server did not answer within 1 s"},
	    {"t_details", 0, 0, 0, 0, ERR_MISFIT,
		"INVALID_ARGUMENT: schema mismatch (COLUMN_MISMATCH; field 'x' is a LONG)"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (int format = ROW_PROTO; format <= ROW_JSON; format++) {
			char table[64];
			struct json *log, *stored;
			struct bench b;

			/* the way is what stands behind the first '_' */
			snprintf(table, sizeof(table), "%c%s", format == ROW_PROTO ? 'p' : 'j', rows[i].table + 1);
			bench_init(&b, table, (enum row_format)format);
			open_sink(&b);
			send_batches(&b, rows[i].batches, rows[i].rows, "w-%d-%d");
			if (rows[i].code == ERR_OK) {
				b.sink->ops->finish(b.sink);
				assert_int_equal(b.ended, 0);
			}
			WAIT_FOR(&b, b.ended > 0);
			assert_int_equal(b.ended, 1);
			if (b.why.code != rows[i].code || b.acknowledged != rows[i].acknowledged ||
			    (rows[i].text != NULL && strstr(b.why.text, rows[i].text) == NULL))
				fail_msg("%s: %s, %ld acknowledged: %s", table, error_name(b.why.code), (long)b.acknowledged, b.why.text);
			log = read_log();
			stored = rows_of(log, table);
			if (json_count(stored) != rows[i].stored)
				fail_msg("%s: %zu rows stored", table, json_count(stored));
			json_free(stored);
			json_free(log);
			bench_release(&b);
		}
	}
}

/* Every status at open: one line of the table each. */
static void
test_statuses(void **state)
{
	static const struct {
		int status;
		enum error_code code;
		const char *hint; /* part of it */
	} rows[] = {{1, ERR_UNAVAILABLE, ""}, {2, ERR_UNAVAILABLE, ""}, {3, ERR_MISFIT, "row tracking"},
	    {4, ERR_UNAVAILABLE, ""}, {5, ERR_NOT_FOUND, "sfzb create-table main.crm.t_status_5 makes it"}, {6, ERR_UNAVAILABLE, ""},
	    {7, ERR_PERMISSION, "GRANT USE CATALOG ON CATALOG `main` TO `app-1`; GRANT USE SCHEMA ON SCHEMA `main`.`crm` TO `app-1`; "
			       "GRANT SELECT, MODIFY ON TABLE `main`.`crm`.`t_status_7` TO `app-1`;"},
	    {8, ERR_OVERLOADED, "quota"}, {9, ERR_UNAVAILABLE, ""}, {10, ERR_UNAVAILABLE, ""}, {11, ERR_FAILED, ""},
	    {12, ERR_MISFIT, "feature or format"}, {13, ERR_UNAVAILABLE, ""}, {14, ERR_UNAVAILABLE, ""}, {15, ERR_UNAVAILABLE, ""},
	    {16, ERR_SESSION, "service principal"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char table[32];
		struct bench b;

		snprintf(table, sizeof(table), "t_status_%d", rows[i].status);
		bench_init(&b, table, ROW_PROTO);
		open_sink(&b);
		WAIT_FOR(&b, b.ended > 0);
		if (b.opened != 0 || b.why.code != rows[i].code || strstr(b.why.hint, rows[i].hint) == NULL)
			fail_msg("status %d: %s: %s\n  hint: %s", rows[i].status, error_name(b.why.code), b.why.text, b.why.hint);
		bench_release(&b);
	}
}

/* A message over the server's limit is a record that is not taken, whatever the library calls it; a quota is none. */
static void
test_too_large(void **state)
{
	static const struct {
		const char *name;
		int status;
		bool at_open;
		const char *message;
		enum error_code code;
	} rows[] = {
	    {"tonic", 11, false, "Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes",
		ERR_REFUSED},
	    {"gRPC core", 8, false, "Received message larger than max (5000000 vs. 4194304)", ERR_REFUSED},
	    {"gRPC for Go", 8, false, "grpc: received message larger than max (5000000 vs. 4194304)", ERR_REFUSED},
	    {"gRPC for Java", 8, false, "gRPC message exceeds maximum size 4194304: 5000000", ERR_REFUSED},
	    {"an answer over our own limit", 8, false, "Received message larger than max (20000000 vs. 16777216)", ERR_OVERLOADED},
	    {"nothing was sent yet", 8, true, "Received message larger than max (5000000 vs. 4194304)", ERR_OVERLOADED},
	    {"a quota", 8, false, "the stream exceeds its quota of 100 records a second", ERR_OVERLOADED},
	    {"another range", 11, false, "offset out of range", ERR_FAILED},
	    {"the words under another status", 14, false, "message length too large: found 5000000 bytes", ERR_UNAVAILABLE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct call_status s = {.code = rows[i].status, .message = text_of(rows[i].message)};
		struct error e = ERROR_INIT;

		zerobus_status_error(&s, rows[i].at_open, "main.crm.t", "app-1", &e);
		if (e.code != rows[i].code || strstr(e.text, rows[i].message) == NULL ||
		    (e.hint[0] != '\0') != (e.code == ERR_OVERLOADED))
			fail_msg("%s: %s: %s\n  hint: %s", rows[i].name, error_name(e.code), e.text, e.hint);
	}
}

/* The same texts mean other things once a stream is open. */
static void
test_refused_record(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "t_bad", ROW_PROTO);
	open_sink(&b);
	assert_int_equal(send_batches(&b, 2, 2, "good-%d-%d"), 2);
	WAIT_FOR(&b, b.acknowledged == 2);
	send_batches(&b, 1, 1, "bad");
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_REFUSED);
	assert_int_equal(b.acknowledged, 2);
	bench_release(&b);
}

/* A stream that the server lets go when nothing is under way is nobody's error; one with work under way is. */
static void
test_let_go(void **state)
{
	for (int batches = 1; batches <= 2; batches++) {
		struct bench b;

		(void)state;
		bench_init(&b, batches == 1 ? "t_idle" : "t_early", ROW_PROTO);
		open_sink(&b);
		send_batches(&b, batches, 1, "i-%d-%d");
		WAIT_FOR(&b, b.ended > 0);
		assert_int_equal(b.acknowledged, 1);
		assert_int_equal(b.why.code, batches == 1 ? ERR_OK : ERR_UNAVAILABLE);
		bench_release(&b);
	}
}

static void
test_tokens(void **state)
{
	struct bench b;

	(void)state;
	/* a refused token is replaced by a fresh one, once */
	bench_init(&b, "t_once", ROW_PROTO);
	open_sink(&b);
	assert_int_equal(b.opened, 0);
	assert_int_equal(b.why.code, ERR_SESSION);
	open_sink(&b);
	assert_int_equal(b.opened, 1);
	assert_true(b.fresh);
	b.sink->ops->finish(b.sink);
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_OK);
	/* and not asked for afresh again once it worked */
	open_sink(&b);
	assert_false(b.fresh);
	bench_release(&b);

	bench_init(&b, "t_once", ROW_PROTO);
	b.never_fresh = true;
	open_sink(&b);
	assert_int_equal(b.why.code, ERR_SESSION);
	open_sink(&b);
	assert_int_equal(b.why.code, ERR_CREDENTIALS);
	bench_release(&b);

	/* the token's own error passes through, whether it comes at once or later */
	for (int i = 0; i < 2; i++) {
		bench_init(&b, "t_plain", ROW_PROTO);
		b.tokens = i;
		b.token_error = ERR_CREDENTIALS;
		open_sink(&b);
		assert_int_equal(b.ended, 1);
		assert_int_equal(b.why.code, ERR_CREDENTIALS);
		bench_release(&b);
	}

	/* none comes at all */
	bench_init(&b, "t_tokenless", ROW_PROTO);
	b.hold_token = true;
	open_sink(&b);
	assert_int_equal(b.why.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(b.why.text, "no token came within 1 s"));
	/* late, it is only put away; another stream is not disturbed */
	b.hold_token = false;
	give_token(&b);
	for (int tries = 0; tries < 10 && b.opened == 0; tries++)
		open_sink(&b);
	assert_int_equal(b.opened, 1);
	bench_release(&b);
}

static void
test_close_signal(void **state)
{
	struct json *log, *stored;
	struct bench b;
	int sent;

	(void)state;
	bench_init(&b, "t_close", ROW_PROTO);
	open_sink(&b);
	sent = send_batches(&b, 2, 2, "c-%d-%d");
	WAIT_FOR(&b, b.closing);
	assert_int_equal(b.pause_ms, 250);
	WAIT_FOR(&b, b.acknowledged == sent);
	/* no more is taken, until another stream is open */
	assert_int_equal(b.sink->ops->send(b.sink, &(struct rows){(const uint8_t *)"", (size_t[]){0}, 1}), 0);
	b.sink->ops->finish(b.sink);
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_OK);
	open_sink(&b);
	assert_int_equal(b.opened, 1);
	assert_int_equal(send_batches(&b, 1, 1, "d-%d-%d"), 1);
	WAIT_FOR(&b, b.acknowledged == 1);
	log = read_log();
	stored = rows_of(log, "t_close");
	assert_int_equal(json_count(stored), 5);
	json_free(stored);
	json_free(log);
	bench_release(&b);
}

/* The server dies, comes back, and takes the rest; nobody is listening in between. */
static void
test_cut_connection(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "t_plain2", ROW_PROTO);
	open_sink(&b);
	send_batches(&b, 3, 2, "x-%d-%d");
	WAIT_FOR(&b, b.acknowledged == 3);
	kill_peer();
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_UNAVAILABLE);
	open_sink(&b);
	assert_int_equal(b.opened, 0);
	assert_int_equal(b.why.code, ERR_UNAVAILABLE);
	start_peer(peer.port);
	do
		open_sink(&b);
	while (b.opened == 0);
	send_batches(&b, 2, 2, "y-%d-%d");
	b.sink->ops->finish(b.sink);
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_OK);
	assert_int_equal(b.acknowledged, 2);
	bench_release(&b);
}

static void
test_stopping(void **state)
{
	struct bench b;

	(void)state;
	/* cancel: waiting for a token, while it opens, when it is open */
	for (int when = 0; when < 3; when++) {
		bench_init(&b, when == 1 ? "t_silent" : "t_plain", ROW_PROTO);
		b.hold_token = when == 0;
		b.sink->ops->open(b.sink, &events, &b);
		if (when == 1)
			WAIT_FOR(&b, b.tokens > 0 && !loop_step(b.loop, 50));
		if (when == 2)
			WAIT_FOR(&b, b.opened > 0);
		b.sink->ops->cancel(b.sink);
		assert_int_equal(b.ended, 0);
		WAIT_FOR(&b, b.ended > 0);
		assert_int_equal(b.why.code, ERR_INTERRUPTED);
		if (when == 0)
			give_token(&b);
		bench_release(&b);
		assert_int_equal(b.ended, 1);
	}
	/* and freed in the same places, where no callback may follow */
	for (int when = 0; when < 3; when++) {
		struct sink *sink;

		bench_init(&b, when == 1 ? "t_silent" : "t_plain", ROW_PROTO);
		b.hold_token = when == 0;
		b.sink->ops->open(b.sink, &events, &b);
		if (when == 1)
			WAIT_FOR(&b, b.tokens > 0 && !loop_step(b.loop, 50));
		if (when == 2)
			WAIT_FOR(&b, b.opened > 0);
		sink = b.sink;
		b.sink = NULL;
		table_sink_free(sink);
		if (when == 0)
			give_token(&b);
		bench_release(&b);
		assert_int_equal(b.ended, 0);
	}
}

static void
test_find(void **state)
{
	struct sought ids[] = {{.id = text_of("stored-1")}, {.id = text_of("other")}, {.id = text_of("stored-2")}};
	struct bench b;

	(void)state;
	bench_init(&b, "t_plain", ROW_PROTO);
	b.sink->ops->find(b.sink, ids, 3, &events, &b);
	WAIT_FOR(&b, b.found_count == 3);
	assert_true(b.found[0] && !b.found[1] && b.found[2]);
	b.found_count = 0;
	ids[0].id = text_of("fail");
	b.sink->ops->find(b.sink, ids, 1, &events, &b);
	WAIT_FOR(&b, b.found_count == 1);
	assert_int_equal(b.found_why.code, ERR_UNAVAILABLE);
	/* freed with the question under way */
	b.sink->ops->find(b.sink, ids, 3, &events, &b);
	bench_release(&b);
	assert_int_equal(b.found_count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_streams), cmocka_unit_test(test_statuses), cmocka_unit_test(test_too_large),
	    cmocka_unit_test(test_refused_record), cmocka_unit_test(test_let_go), cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_close_signal), cmocka_unit_test(test_cut_connection), cmocka_unit_test(test_stopping), cmocka_unit_test(test_find)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* databricks/: SQL statements, their results, failures and ends, against a scripted workspace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "databricks/sql.h"
#include "databricks_web.h"

#define SQL "/api/2.0/sql/statements"

static void
test_statement_states(void **state)
{
	static const struct fake_row script[] = {
	    {"POST " SQL, 200, "{\"statement_id\":\"01ef\",\"status\":{\"state\":\"PENDING\"}}", NULL, 0, NULL},
	    {"GET " SQL "/01ef/result/chunks/1", 200,
		"{\"chunk_index\":1,\"data_array\":[[\"c\",null]],\"next_chunk_index\":2}", NULL, 0, NULL},
	    {"GET " SQL "/01ef/result/chunks/2", 200, "{\"chunk_index\":2,\"data_array\":[[\"\",\"4\"]]}", NULL, 0, NULL},
	    {"GET " SQL "/01ef", 200, "{\"statement_id\":\"01ef\",\"status\":{\"state\":\"PENDING\"}}", NULL, 1, NULL},
	    {"GET " SQL "/01ef", 200, "{\"statement_id\":\"01ef\",\"status\":{\"state\":\"RUNNING\"}}", NULL, 2, NULL},
	    {"GET " SQL "/01ef", 200,
		"{\"statement_id\":\"01ef\",\"status\":{\"state\":\"SUCCEEDED\"},\"manifest\":{\"schema\":{\"column_count\":2,"
		"\"columns\":[{\"name\":\"a\",\"type_text\":\"STRING\",\"type_name\":\"STRING\",\"position\":0},{\"name\":\"b\","
		"\"type_text\":\"BIGINT\",\"type_name\":\"LONG\",\"position\":1}]},\"truncated\":false},\"result\":{\"chunk_index\":0,"
		"\"data_array\":[[\"x\",\"1\"],[\"y\",\"9007199254740993\"]],\"next_chunk_index\":1,"
		"\"next_chunk_internal_link\":\"/api/2.0/sql/statements/01ef/result/chunks/1?row_offset=2\"}}",
		NULL, 0, NULL},
	};
	const struct sql_parameter parameters[] = {{"t", "/data/AccountChangeEvent", NULL}, {"n", NULL, "BIGINT"}};
	const struct sql_statement st = {.text = "SELECT a, b FROM t WHERE topic = :t", .parameters = parameters,
	    .parameter_count = 2, .deadline_ms = 600000};
	struct databricks_session *s = new_session(true);
	struct sql_result r;
	struct error e = ERROR_INIT;

	(void)state;
	sql_result_init(&r);
	SCRIPT(script);
	if (sql_run(s, &st, &r, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(r.row_count, 4);
	assert_int_equal(r.column_count, 2);
	assert_string_equal(r.columns[1].name, "b");
	assert_string_equal(r.columns[1].type_name, "LONG");
	assert_true(text_is(sql_result_cell(&r, 0, 0), "x"));
	assert_true(text_is(sql_result_cell(&r, 1, 1), "9007199254740993"));
	assert_true(text_is(sql_result_cell(&r, 2, 0), "c"));
	assert_null(sql_result_cell(&r, 2, 1).data);
	assert_non_null(sql_result_cell(&r, 3, 0).data); /* "" is not NULL */
	assert_int_equal(sql_result_cell(&r, 3, 0).len, 0);
	assert_null(sql_result_cell(&r, 4, 0).data);
	assert_int_equal(fake_web_asked(&web, "GET " SQL "/01ef "), 4);
	assert_int_equal(fake_web_asked(&web, "{\"name\":\"n\",\"value\":null,\"type\":\"BIGINT\"}"), 1);
	assert_int_equal(fake_web_asked(&web, "\"on_wait_timeout\":\"CONTINUE\""), 1);
	assert_int_equal(fake_web_asked(&web, "\"wait_timeout\":\"30s\""), 1);
	assert_int_equal(fake_web_asked(&web, "\"warehouse_id\":\"abc123\""), 1);
	assert_true(web.slept_ms >= 500 + 750 + 1125);
	sql_result_release(&r);
	databricks_session_free(s);
}

#define FAILED_ROW(code, message, sql_state)                                                       \
	{                                                                                          \
		"POST " SQL, 200,                                                                  \
		    "{\"statement_id\":\"9\",\"status\":{\"state\":\"FAILED\",\"error\":{\"error_code\":\"" code             \
		    "\",\"message\":\"" message "\"},\"sql_state\":\"" sql_state "\"}}", NULL, 0, NULL                       \
	}

static void
test_statement_failures(void **state)
{
	static const struct {
		const char *name;
		struct fake_row row;
		bool only_reads;
		enum error_code code;
		const char *text, *class;
		int runs;
	} rows[] = {
	    {"no such table", FAILED_ROW("BAD_REQUEST", "[TABLE_OR_VIEW_NOT_FOUND] The table `a` cannot be found.", "42P01"),
		true, ERR_NOT_FOUND, "cannot be found", "TABLE_OR_VIEW_NOT_FOUND", 1},
	    {"by its SQL state alone", FAILED_ROW("BAD_REQUEST", "nothing there", "42P01"), true, ERR_NOT_FOUND, "nothing there",
		"", 1},
	    {"no such schema", FAILED_ROW("BAD_REQUEST", "[SCHEMA_NOT_FOUND] x", "42704"), true, ERR_NOT_FOUND, "x",
		"SCHEMA_NOT_FOUND", 1},
	    {"no such column", FAILED_ROW("BAD_REQUEST", "[UNRESOLVED_COLUMN.WITH_SUGGESTION] x", "42703"), true, ERR_MISFIT, "x",
		"UNRESOLVED_COLUMN.WITH_SUGGESTION", 1},
	    {"no permission", FAILED_ROW("BAD_REQUEST", "[INSUFFICIENT_PERMISSIONS] x", "42501"), true, ERR_PERMISSION, "x",
		"INSUFFICIENT_PERMISSIONS", 1},
	    {"syntax", FAILED_ROW("BAD_REQUEST", "[PARSE_SYNTAX_ERROR] x", "42601"), true, ERR_FAILED, "x",
		"PARSE_SYNTAX_ERROR", 1},
	    {"stumble, reading", FAILED_ROW("TEMPORARILY_UNAVAILABLE", "later", ""), true, ERR_UNAVAILABLE, "later", "", 3},
	    {"stumble, writing", FAILED_ROW("TEMPORARILY_UNAVAILABLE", "later", ""), false, ERR_UNAVAILABLE, "later", "", 1},
	    {"cancelled by others", {"POST " SQL, 200, "{\"statement_id\":\"9\",\"status\":{\"state\":\"CANCELED\"}}", NULL, 0, NULL},
		true, ERR_FAILED, "cancelled", "", 1},
	    {"result gone, reading", {"POST " SQL, 200, "{\"statement_id\":\"9\",\"status\":{\"state\":\"CLOSED\"}}", NULL, 0, NULL},
		true, ERR_UNAVAILABLE, "gone", "", 3},
	    {"no such warehouse",
		{"POST " SQL, 404, "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\",\"message\":\"no warehouse\"}", NULL, 0, NULL}, true,
		ERR_NOT_FOUND, "no warehouse", "", 1},
	    {"no state", {"POST " SQL, 200, "{\"statement_id\":\"9\"}", NULL, 0, NULL}, true, ERR_REFUSED, "state", "", 1},
	    {"crooked row",
		{"POST " SQL, 200,
		    "{\"statement_id\":\"9\",\"status\":{\"state\":\"SUCCEEDED\"},\"manifest\":{\"schema\":{\"columns\":[{\"name\":\"a\"}]}},"
		    "\"result\":{\"data_array\":[[\"1\"],[]]}}",
		    NULL, 0, NULL},
		true, ERR_REFUSED, "cells", "", 1},
	    {"endless chunks",
		{"", 200,
		    "{\"statement_id\":\"9\",\"status\":{\"state\":\"SUCCEEDED\"},\"manifest\":{\"schema\":{\"columns\":[{\"name\":\"a\"}]}},"
		    "\"result\":{\"data_array\":[],\"next_chunk_index\":1},\"next_chunk_index\":1}",
		    NULL, 0, NULL},
		true, ERR_REFUSED, "follow", "", 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct sql_statement st = {.text = "SELECT 1", .only_reads = rows[i].only_reads};
		struct databricks_session *s = new_session(true);
		struct sql_result r;
		struct error e = ERROR_INIT;

		sql_result_init(&r);
		fake_web_script(&web, &rows[i].row, 1);
		if (sql_run(s, &st, &r, &e) == 0)
			fail_msg("%s: passed", rows[i].name);
		if (e.code != rows[i].code || strstr(e.text, rows[i].text) == NULL ||
		    strcmp(r.error_class, rows[i].class) != 0 || fake_web_asked(&web, "POST " SQL " ") != rows[i].runs)
			fail_msg("%s: %s \"%s\" class \"%s\", %d runs", rows[i].name, error_name(e.code), e.text,
			    r.error_class, fake_web_asked(&web, "POST " SQL " "));
		sql_result_release(&r);
		databricks_session_free(s);
	}
}

static bool
count_rows(void *context, const struct sql_column *columns, const struct text *cells, size_t count)
{
	int *n = context;

	(void)columns;
	assert_int_equal(count, 1);
	assert_true(text_is(cells[0], *n == 0 ? "1" : "2"));
	return ++*n < 2;
}

static void
test_row_callback(void **state)
{
	static const struct fake_row script[] = {{"POST " SQL, 200,
	    "{\"statement_id\":\"9\",\"status\":{\"state\":\"SUCCEEDED\"},\"manifest\":{\"schema\":{\"columns\":[{\"name\":\"a\"}]}},"
	    "\"result\":{\"data_array\":[[\"1\"],[\"2\"],[\"3\"]],\"next_chunk_index\":1}}",
	    NULL, 0, NULL}};
	int n = 0;
	const struct sql_statement st = {.text = "SELECT 1", .row = count_rows, .context = &n};
	struct databricks_session *s = new_session(true);
	struct sql_result r;
	struct error e = ERROR_INIT;

	(void)state;
	sql_result_init(&r);
	SCRIPT(script);
	assert_int_equal(sql_run(s, &st, &r, &e), 0);
	assert_int_equal(n, 2);
	assert_int_equal(r.row_count, 0);
	assert_int_equal(web.requests, 1);
	sql_result_release(&r);
	databricks_session_free(s);
}

static const struct fake_row endless[] = {
    {"POST " SQL "/7/cancel", 200, "", NULL, 0, NULL},
    {"POST " SQL, 200, "{\"statement_id\":\"7\",\"status\":{\"state\":\"PENDING\"}}", NULL, 0, NULL},
    {"GET " SQL "/7", 200, "{\"statement_id\":\"7\",\"status\":{\"state\":\"PENDING\"}}", NULL, 0, NULL},
};

static void
test_deadline(void **state)
{
	const struct sql_statement st = {.text = "SELECT 1", .deadline_ms = 60000};
	struct databricks_session *s = new_session(true);
	struct sql_result r;
	struct error e = ERROR_INIT;

	(void)state;
	sql_result_init(&r);
	SCRIPT(endless);
	assert_int_equal(sql_run(s, &st, &r, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_non_null(strstr(e.text, "PENDING"));
	assert_non_null(strstr(e.hint, "takes minutes to start"));
	assert_int_equal(web.slept_ms, 60000);
	assert_int_equal(fake_web_asked(&web, "POST " SQL "/7/cancel"), 1);
	sql_result_release(&r);
	databricks_session_free(s);
}

static bool
give_up(void *context, const char *state, int64_t elapsed_ms)
{
	int *left = context;

	(void)elapsed_ms;
	assert_string_equal(state, "PENDING");
	return (*left)-- > 0;
}

static void
interrupt_instead_of_sleep(void *context, int64_t ms)
{
	(void)ms;
	databricks_session_interrupt(*(struct databricks_session **)context, true);
}

static void
test_cancel(void **state)
{
	int left = 2;
	struct sql_statement st = {.text = "SELECT 1", .waiting = give_up, .context = &left, .only_reads = true};
	struct databricks_session *s = new_session(true), *interrupted = NULL;
	struct databricks_session_options o = {.clock = &web.clock, .sleep = interrupt_instead_of_sleep,
	    .sleep_context = &interrupted};
	struct sql_result r;
	struct error e = ERROR_INIT;

	(void)state;
	sql_result_init(&r);
	SCRIPT(endless);
	assert_int_equal(sql_run(s, &st, &r, &e), -1);
	assert_int_equal(e.code, ERR_INTERRUPTED);
	assert_int_equal(fake_web_asked(&web, "GET " SQL "/7"), 2);
	assert_int_equal(fake_web_asked(&web, "POST " SQL "/7/cancel"), 1);
	assert_int_equal(fake_web_asked(&web, "\"wait_timeout\":\"0s\""), 1); /* the id is known at once */

	/* and from another thread: the cancel goes out all the same */
	interrupted = databricks_session_new(databricks_session_config(s), &o);
	st.waiting = NULL;
	SCRIPT(endless);
	assert_int_equal(sql_run(interrupted, &st, &r, &e), -1);
	assert_int_equal(e.code, ERR_INTERRUPTED);
	assert_int_equal(fake_web_asked(&web, "POST " SQL "/7/cancel"), 1);
	databricks_session_free(interrupted);
	sql_result_release(&r);
	databricks_session_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_statement_states),
	    cmocka_unit_test(test_statement_failures),
	    cmocka_unit_test(test_row_callback),
	    cmocka_unit_test(test_deadline),
	    cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, databricks_web_setup, databricks_web_teardown);
}

/* databricks/: tokens, REST errors and retries, SQL statements and the catalog against a scripted workspace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "databricks/catalog.h"
#include "databricks/session.h"
#include "databricks/sql.h"
#include "databricks/token.h"
#include "fake_web.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SCRIPT(rows) fake_web_script(&web, rows, COUNT(rows))
#define TOKEN_ROW                                                                                  \
	{                                                                                          \
		"POST /oidc/v1/token", 200,                                                        \
		    "{\"access_token\":\"plain-token\",\"token_type\":\"Bearer\",\"expires_in\":3600}", NULL, 0, NULL \
	}
#define SQL "/api/2.0/sql/statements"

static struct fake_web web;

static int
group_setup(void **state)
{
	(void)state;
	return fake_web_init(&web);
}

static int
group_teardown(void **state)
{
	(void)state;
	fake_web_release(&web);
	return 0;
}

static struct databricks_session *
new_session(bool pat)
{
	struct databricks_session_options o = {.clock = &web.clock, .sleep = fake_web_sleep,
	    .sleep_context = &web, .seed = 1};
	struct databricks_config c;
	struct databricks_session *s;

	databricks_config_init(&c);
	c.method = pat ? DATABRICKS_TOKEN : DATABRICKS_M2M;
	strcpy(c.host.url, web.url);
	strcpy(c.workspace_id, "1234567890123456");
	strcpy(c.warehouse_id, "abc123");
	c.client_id = strdup("client");
	c.ca_file = strdup(web.tls.ca_file);
	secret_set(&c.client_secret, text_of("s3cret"));
	secret_set(&c.token, text_of("dapi-token"));
	s = databricks_session_new(&c, &o);
	databricks_config_release(&c);
	return s;
}

static void
test_error_bodies(void **state)
{
	static const struct {
		const char *name;
		int status;
		const char *body, *headers;
		enum error_code code;
		const char *text;
		int64_t retry_ms;
	} rows[] = {
	    {"standard", 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no USE CATALOG\"}", NULL,
		ERR_PERMISSION, "403 PERMISSION_DENIED: no USE CATALOG", 0},
	    {"details", 429,
		"{\"error_code\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"slow\",\"details\":[{\"@type\":"
		"\"type.googleapis.com/google.rpc.RequestInfo\",\"request_id\":\"r-1\"},{\"@type\":"
		"\"type.googleapis.com/google.rpc.RetryInfo\",\"retry_delay\":\"12s\"}]}",
		NULL, ERR_OVERLOADED, "slow (request id r-1)", 12000},
	    {"code as a number", 400, "{\"error_code\":1022,\"message\":\"bad\"}", NULL, ERR_FAILED, "1022: bad", 0},
	    {"oldest form", 400, "{\"error\":\"something is wrong\"}", NULL, ERR_FAILED,
		"Bad Request: something is wrong", 0},
	    {"oauth", 401, "{\"error\":\"invalid_client\",\"error_description\":\"who?\"}", NULL, ERR_SESSION,
		"invalid_client: who?", 0},
	    {"scim", 404, "{\"detail\":\"no such user\",\"status\":\"404\",\"scimType\":\"noTarget\"}", NULL,
		ERR_NOT_FOUND, "noTarget: no such user", 0},
	    {"plain with a code", 400, "RESOURCE_DOES_NOT_EXIST: no such thing", NULL, ERR_NOT_FOUND,
		"RESOURCE_DOES_NOT_EXIST: no such thing", 0},
	    {"plain", 500, "went wrong", NULL, ERR_UNAVAILABLE, "Internal Server Error: went wrong", 0},
	    {"html", 503, "<html><body><pre>in repair\n</pre></body></html>", NULL, ERR_UNAVAILABLE,
		"Service Unavailable: in repair", 0},
	    {"html without pre", 502, "<html>x</html>", NULL, ERR_UNAVAILABLE, "502 Bad Gateway", 0},
	    {"empty", 404, "", NULL, ERR_NOT_FOUND, "404 Not Found", 0},
	    {"login page with 200", 200, "<!doctype html><html>sign in</html>", NULL, ERR_CONFIG, "web page", 0},
	    {"redirect", 302, "", NULL, ERR_CONFIG, "web page", 0},
	    {"bad token is 403", 403, "{\"error_code\":\"403\",\"message\":\"Invalid access token.\"}", NULL,
		ERR_CREDENTIALS, "Invalid access token", 0},
	    {"aborted", 409, "{\"error_code\":\"ABORTED\",\"message\":\"again\"}", NULL, ERR_UNAVAILABLE, "ABORTED", 0},
	    {"exists", 409, "{\"error_code\":\"RESOURCE_ALREADY_EXISTS\",\"message\":\"x\"}", NULL, ERR_FAILED,
		"RESOURCE_ALREADY_EXISTS", 0},
	    {"request id in a header", 400, "{}", "x-request-id: abc\n", ERR_FAILED, "(request id abc)", 0},
	    {"control bytes", 400, "{\"error_code\":\"X\",\"message\":\"a\\u001b[31mb\"}", NULL, ERR_FAILED, "a?[31mb", 0},
	    {"broken json", 400, "{\"error_code\":", NULL, ERR_FAILED, "400", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_response r;
		struct error e = ERROR_INIT;

		http_response_init(&r);
		r.status = rows[i].status;
		buffer_append_text(&r.body, rows[i].body);
		if (rows[i].headers != NULL)
			buffer_append_text(&r.headers, rows[i].headers);
		assert_int_equal(databricks_error(&r, "GET https://h/x", &e), -1);
		if (e.code != rows[i].code || strstr(e.text, rows[i].text) == NULL ||
		    strncmp(e.text, "GET https://h/x: ", 17) != 0 || e.retry_after_ms != rows[i].retry_ms)
			fail_msg("%s: %s \"%s\" %lld", rows[i].name, error_name(e.code), e.text,
			    (long long)e.retry_after_ms);
		http_response_release(&r);
	}
}

static void
test_table_token(void **state)
{
	static const struct fake_row rows[] = {
	    {"POST /oidc/v1/token", 200, "{\"access_token\":\"table-1\",\"expires_in\":\"3600\"}", NULL, 1,
		"zerobusDirectWriteApi"},
	    {"POST /oidc/v1/token", 200, "{\"access_token\":\"table-2\"}", NULL, 1, "zerobusDirectWriteApi"},
	    {"POST /oidc/v1/token", 200, "{\"access_token\":\"table-3\"}", NULL, 0, "zerobusDirectWriteApi"},
	    TOKEN_ROW,
	};
	struct databricks_session *s = new_session(false);
	struct secret token = SECRET_INIT, plain = SECRET_INIT;
	struct error e = ERROR_INIT;

	(void)state;
	SCRIPT(rows);
	assert_int_equal(databricks_session_table_token(s, "main.crm.events", &token, &e), 0);
	assert_string_equal(secret_reveal(&token), "table-1");
	assert_int_equal(fake_web_asked(&web, "Basic Y2xpZW50OnMzY3JldA=="), 1);
	assert_int_equal(fake_web_asked(&web,
			     "resource=api%3A%2F%2Fdatabricks%2Fworkspaces%2F1234567890123456%2FzerobusDirectWriteApi"), 1);
	assert_int_equal(fake_web_asked(&web, "zerobuswrite"), 1);
	/* kept, and not mixed up with the plain one */
	assert_int_equal(databricks_session_token(s, &plain, &e), 0);
	assert_string_equal(secret_reveal(&plain), "plain-token");
	web.monotonic_ms += 3299 * 1000;
	assert_int_equal(databricks_session_table_token(s, "main.crm.events", &token, &e), 0);
	assert_string_equal(secret_reveal(&token), "table-1");
	/* 300 s before its end another is asked for */
	web.monotonic_ms += 2000;
	assert_int_equal(databricks_session_table_token(s, "main.crm.events", &token, &e), 0);
	assert_string_equal(secret_reveal(&token), "table-2");
	/* dropped when refused, but only that one */
	databricks_session_drop_table_token(s, "main.crm.events", &plain);
	assert_int_equal(databricks_session_table_token(s, "main.crm.events", &token, &e), 0);
	assert_string_equal(secret_reveal(&token), "table-2");
	databricks_session_drop_table_token(s, "main.crm.events", &token);
	assert_int_equal(databricks_session_table_token(s, "main.crm.events", &token, &e), 0);
	assert_string_equal(secret_reveal(&token), "table-3");
	secret_release(&token);
	secret_release(&plain);
	databricks_session_free(s);
}

static void
test_authorization_details(void **state)
{
	struct buffer b = BUFFER_INIT;
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(databricks_token_details(&b, "main.`crm`.events", &e), 0);
	assert_string_equal(buffer_text(&b),
	    "[{\"type\":\"unity_catalog_privileges\",\"privileges\":[\"USE CATALOG\"],\"object_type\":\"CATALOG\","
	    "\"object_full_path\":\"main\"},{\"type\":\"unity_catalog_privileges\",\"privileges\":[\"USE SCHEMA\"],"
	    "\"object_type\":\"SCHEMA\",\"object_full_path\":\"main.crm\"},{\"type\":\"unity_catalog_privileges\","
	    "\"privileges\":[\"SELECT\",\"MODIFY\"],\"object_type\":\"TABLE\",\"object_full_path\":\"main.crm.events\","
	    "\"operations\":[\"zerobuswrite\"]}]");
	buffer_clear(&b);
	assert_int_equal(databricks_token_details(&b, "main.events", &e), -1);
	buffer_release(&b);
}

static void
test_token_refusals(void **state)
{
	static const struct {
		const char *name;
		struct fake_row row;
		bool table;
		enum error_code code;
		int requests;
		const char *hint;
	} rows[] = {
	    {"wrong secret", {"POST", 401, "{\"error\":\"invalid_client\"}", NULL, 0, NULL}, false, ERR_CREDENTIALS, 1,
		"client id and secret"},
	    {"wrong secret, table", {"POST", 400, "{\"error\":\"invalid_client\"}", NULL, 0, NULL}, true, ERR_CREDENTIALS,
		1, "client id and secret"},
	    {"no grant on the table", {"POST", 403, "{\"error_code\":\"PERMISSION_DENIED\"}", NULL, 0, NULL}, true,
		ERR_PERMISSION, 1, "MODIFY"},
	    {"login page", {"POST", 200, "<html>", NULL, 0, NULL}, false, ERR_CONFIG, 1, "DATABRICKS_HOST"},
	    {"no token in it", {"POST", 200, "{}", NULL, 0, NULL}, false, ERR_REFUSED, 1, ""},
	    {"out of order for long", {"POST", 503, "", NULL, 0, NULL}, false, ERR_UNAVAILABLE, 11, ""},
	    {"asks for a long pause", {"POST", 429, "", "Retry-After: 70\n", 0, NULL}, false, ERR_OVERLOADED, 1, ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct databricks_session *s = new_session(false);
		struct secret token = SECRET_INIT;
		struct error e = ERROR_INIT;
		int rc;

		fake_web_script(&web, &rows[i].row, 1);
		rc = rows[i].table ? databricks_session_table_token(s, "a.b.c", &token, &e) :
				     databricks_session_token(s, &token, &e);
		if (rc != -1 || e.code != rows[i].code || strstr(e.hint, rows[i].hint) == NULL ||
		    web.requests != rows[i].requests)
			fail_msg("%s: %s \"%s\" hint \"%s\" after %d", rows[i].name, error_name(e.code), e.text, e.hint,
			    web.requests);
		if (strstr(e.text, "s3cret") != NULL)
			fail_msg("%s: shows the secret", rows[i].name);
		secret_release(&token);
		databricks_session_free(s);
	}
}

static void
test_pat_is_not_for_tables(void **state)
{
	struct databricks_session *s = new_session(true);
	struct secret token = SECRET_INIT;
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(databricks_session_token(s, &token, &e), 0);
	assert_string_equal(secret_reveal(&token), "dapi-token");
	assert_int_equal(databricks_session_table_token(s, "a.b.c", &token, &e), -1);
	assert_int_equal(e.code, ERR_CREDENTIALS);
	secret_release(&token);
	databricks_session_free(s);
}

static void
test_calls(void **state)
{
	static const struct {
		const char *name;
		struct fake_row rows[3];
		enum databricks_repeat repeat;
		enum error_code code; /* ERR_OK: works */
		int requests;	      /* but for tokens */
		int64_t slept_least_ms;
	} rows[] = {
	    {"works", {{"GET /x", 200, "{}", NULL, 0, NULL}}, REPEAT_SAFE, ERR_OK, 1, 0},
	    {"429 with Retry-After", {{"GET /x", 429, "", "Retry-After: 9\n", 1, NULL}, {"GET /x", 200, "{}", NULL, 0, NULL}},
		REPEAT_SAFE, ERR_OK, 2, 9000},
	    {"503 once", {{"GET /x", 503, "", NULL, 1, NULL}, {"GET /x", 200, "{}", NULL, 0, NULL}}, REPEAT_SAFE, ERR_OK, 2, 1050},
	    {"dropped once", {{"GET /x", 0, "", NULL, 2, NULL}, {"GET /x", 200, "{}", NULL, 0, NULL}}, REPEAT_SAFE, ERR_OK, 3, 0},
	    {"500 is not repeated for a statement", {{"GET /x", 500, "", NULL, 0, NULL}}, REPEAT_STATEMENT, ERR_UNAVAILABLE, 1, 0},
	    {"503 is", {{"GET /x", 503, "", NULL, 1, NULL}, {"GET /x", 200, "{}", NULL, 0, NULL}}, REPEAT_STATEMENT, ERR_OK, 2, 1050},
	    {"last word", {{"GET /x", 503, "", NULL, 0, NULL}}, REPEAT_LAST_WORD, ERR_UNAVAILABLE, 1, 0},
	    {"new token once", {{"GET /x", 401, "", NULL, 1, NULL}, {"GET /x", 200, "{}", NULL, 0, NULL}}, REPEAT_SAFE, ERR_OK, 2, 0},
	    {"and no more", {{"GET /x", 401, "", NULL, 0, NULL}}, REPEAT_SAFE, ERR_CREDENTIALS, 2, 0},
	    {"not found", {{"GET /x", 404, "", NULL, 0, NULL}}, REPEAT_SAFE, ERR_NOT_FOUND, 1, 0},
	    {"gives up after five minutes", {{"GET /x", 503, "", NULL, 0, NULL}}, REPEAT_SAFE, ERR_UNAVAILABLE, -1, 240000},
	    {"empty answer", {{"GET /x", 200, "", NULL, 0, NULL}}, REPEAT_SAFE, ERR_OK, 1, 0},
	    {"no JSON", {{"GET /x", 200, "hello", NULL, 0, NULL}}, REPEAT_SAFE, ERR_REFUSED, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fake_row script[4] = {TOKEN_ROW};
		struct databricks_session *s = new_session(false);
		struct json *answer = NULL;
		struct error e = ERROR_INIT;
		int asked;

		for (int j = 0; j < 3; j++)
			script[j + 1] = rows[i].rows[j];
		fake_web_script(&web, script, rows[i].rows[1].request != NULL ? 3 : 2);
		databricks_call(s, "GET", "/x?a=1", NULL, rows[i].repeat, &answer, &e);
		asked = fake_web_asked(&web, "GET /x?a=1 Bearer plain-token");
		if (e.code != rows[i].code && !(rows[i].code == ERR_OK && answer != NULL))
			if (strcmp(rows[i].name, "empty answer") != 0)
				fail_msg("%s: %s \"%s\"", rows[i].name, error_name(e.code), e.text);
		if ((rows[i].requests >= 0 && asked != rows[i].requests) || web.slept_ms < rows[i].slept_least_ms ||
		    web.slept_ms > 300000)
			fail_msg("%s: %d requests, slept %lld", rows[i].name, asked, (long long)web.slept_ms);
		json_free(answer);
		databricks_session_free(s);
	}
}

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

#define UC "/api/2.1/unity-catalog"

static void
test_catalog(void **state)
{
	/* the sample of wire/databricks-http.md §5 */
	static const struct fake_row script[] = {
	    {"GET " UC "/tables/main.crm.events", 200,
		"{\"name\":\"events\",\"catalog_name\":\"main\",\"schema_name\":\"crm\",\"full_name\":\"main.crm.events\","
		"\"table_type\":\"MANAGED\",\"data_source_format\":\"DELTA\",\"owner\":\"ada@example.com\","
		"\"properties\":{\"delta.enableRowTracking\":\"false\"},\"columns\":[{\"name\":\"event_id\",\"type_text\":\"string\","
		"\"type_json\":\"{\\\"name\\\":\\\"event_id\\\",\\\"type\\\":\\\"string\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}\","
		"\"type_name\":\"STRING\",\"type_precision\":0,\"type_scale\":0,\"type_interval_type\":null,\"position\":0,"
		"\"comment\":null,\"nullable\":true,\"partition_index\":null},{\"name\":\"timestamp\",\"type_text\":\"bigint\","
		"\"type_json\":\"{\\\"name\\\":\\\"timestamp\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}\","
		"\"type_name\":\"LONG\",\"position\":3,\"nullable\":true},{\"name\":\"record_ids\",\"type_text\":\"array<string>\","
		"\"type_json\":\"{\\\"name\\\":\\\"record_ids\\\",\\\"type\\\":{\\\"type\\\":\\\"array\\\",\\\"elementType\\\":\\\"string\\\","
		"\\\"containsNull\\\":true},\\\"nullable\\\":true,\\\"metadata\\\":{}}\",\"type_name\":\"ARRAY\",\"position\":7,"
		"\"nullable\":true}],\"created_at\":1760000000000,\"updated_at\":1760000000000,\"table_id\":\"t\"}",
		NULL, 0, NULL},
	    {"GET " UC "/catalogs/main", 200, "{}", NULL, 0, NULL},
	    {"GET " UC "/catalogs/shut", 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}", NULL, 0, NULL},
	    {"GET " UC "/schemas/main.crm", 200, "{}", NULL, 0, NULL},
	    {"GET " UC "/tables/shut.", 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}", NULL, 0, NULL},
	    {"GET " UC, 404, "{\"error_code\":\"TABLE_DOES_NOT_EXIST\",\"message\":\"no\"}", NULL, 0, NULL},
	};
	static const struct {
		const char *table;
		enum error_code code;
		const char *text, *asked;
	} missing[] = {
	    {"main.crm.none", ERR_NOT_FOUND, "no table \"main.crm.none\"", "tables/main.crm.none"},
	    {"main.none.events", ERR_NOT_FOUND, "no schema \"main.none\"", "schemas/main.none"},
	    {"none.crm.events", ERR_NOT_FOUND, "no catalog \"none\"", "catalogs/none"},
	    {"shut.crm.events", ERR_PERMISSION, "PERMISSION_DENIED", "tables/shut.crm.events"},
	    {"`a.b`.`c d`.`e/f`", ERR_NOT_FOUND, "no catalog \"a.b\"", "tables/a.b.c d.e/f"},
	    {"main.events", ERR_USAGE, "main.events", "tables"},
	};
	struct databricks_session *s = new_session(true);
	struct delta_table *t;
	struct error e = ERROR_INIT;

	(void)state;
	SCRIPT(script);
	t = catalog_get_table(s, "main.crm.events", &e);
	if (t == NULL)
		fail_msg("%s", e.text);
	assert_string_equal(t->full_name, "main.crm.events");
	assert_int_equal(t->column_count, 3);
	assert_string_equal(t->columns[2].name, "record_ids");
	delta_table_free(t);
	for (size_t i = 0; i < COUNT(missing); i++) {
		error_clear(&e);
		t = catalog_get_table(s, missing[i].table, &e);
		if (t != NULL || e.code != missing[i].code || strstr(e.text, missing[i].text) == NULL ||
		    fake_web_asked(&web, missing[i].asked) == 0)
			fail_msg("%s: %s \"%s\"\n%s", missing[i].table, error_name(e.code), e.text, buffer_text(&web.asked));
	}
	assert_int_equal(catalog_has_catalog(s, "main", &e), 1);
	assert_int_equal(catalog_has_catalog(s, "none", &e), 0);
	assert_int_equal(catalog_has_catalog(s, "shut", &e), -1);
	assert_int_equal(catalog_has_schema(s, "main", "crm", &e), 1);
	databricks_session_free(s);
}

static void
test_pick_warehouse(void **state)
{
	static const struct {
		const char *name, *body, *id;
		enum error_code code;
		const char *second_page;
	} rows[] = {
	    {"the only one", "{\"warehouses\":[{\"id\":\"w1\",\"name\":\"A\",\"state\":\"STOPPED\"}]}", "w1", ERR_OK, NULL},
	    {"the one that runs",
		"{\"warehouses\":[{\"id\":\"w1\",\"state\":\"STOPPED\"},{\"id\":\"w2\",\"state\":\"RUNNING\"}]}", "w2", ERR_OK, NULL},
	    {"two that run", "{\"warehouses\":[{\"id\":\"w1\",\"state\":\"RUNNING\"},{\"id\":\"w2\",\"state\":\"RUNNING\"}]}", "",
		ERR_CONFIG, NULL},
	    {"two that rest", "{\"warehouses\":[{\"id\":\"w1\",\"state\":\"STOPPED\"},{\"id\":\"w2\",\"state\":\"STOPPED\"}]}", "",
		ERR_CONFIG, NULL},
	    {"none", "{}", "", ERR_NOT_FOUND, NULL},
	    {"one on the second page", "{\"warehouses\":[{\"id\":\"w1\",\"state\":\"STOPPED\"}],\"next_page_token\":\"p 2\"}", "w2",
		ERR_OK, "{\"warehouses\":[{\"id\":\"w2\",\"state\":\"RUNNING\"}]}"},
	    {"pages without end", "{\"next_page_token\":\"p 2\"}", "", ERR_REFUSED, "{\"next_page_token\":\"p 2\"}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct databricks_session *base = new_session(true), *s;
		struct databricks_config c;
		const struct fake_row script[] = {
		    {"GET /api/2.0/sql/warehouses?page_token=p%202", 200, rows[i].second_page, NULL, 0, NULL},
		    {"GET /api/2.0/sql/warehouses", 200, rows[i].body, NULL, 0, NULL},
		};
		struct error e = ERROR_INIT;
		char id[WAREHOUSE_ID_SIZE];
		int rc;

		databricks_config_copy(&c, databricks_session_config(base));
		assert_int_equal(catalog_pick_warehouse(base, id, &e), 0);
		assert_string_equal(id, "abc123");
		c.warehouse_id[0] = '\0';
		s = databricks_session_new(&c, NULL);
		SCRIPT(script);
		rc = catalog_pick_warehouse(s, id, &e);
		if (e.code != rows[i].code || rc != (rows[i].code == ERR_OK ? 0 : -1) || strcmp(id, rows[i].id) != 0)
			fail_msg("%s: %d \"%s\" %s", rows[i].name, rc, id, e.text);
		databricks_config_release(&c);
		databricks_session_free(s);
		databricks_session_free(base);
	}
}

static void
test_workspace_facts(void **state)
{
	static const struct fake_row script[] = {
	    {"GET /.well-known/databricks-config", 200, "{\"workspace_id\":\"6543210\",\"cloud\":\"AWS\"}", NULL, 0, NULL},
	    {"GET " UC "/metastore_summary", 200, "{\"region\":\"us-west-2\",\"cloud\":\"aws\"}",
		"X-Databricks-Org-Id: 777777\n", 0, NULL},
	    {"GET /api/2.0/preview/scim/v2/Me", 200, "{\"userName\":\"app-id\",\"displayName\":\"Streamer\"}", NULL, 0, NULL},
	};
	struct databricks_session *s = new_session(true);
	struct databricks_config c;
	struct error e = ERROR_INIT;
	char id[WORKSPACE_ID_SIZE], *user, *display;

	(void)state;
	SCRIPT(script);
	databricks_config_copy(&c, databricks_session_config(s));
	c.workspace_id[0] = '\0';
	assert_int_equal(databricks_session_discover(s, &c, &e), 0);
	assert_string_equal(c.workspace_id, "6543210");
	assert_int_equal(c.host.cloud, CLOUD_AWS);
	assert_string_equal(c.region, "us-west-2");
	assert_int_equal(databricks_config_need_ingest(&c, &e), 0);
	assert_string_equal(c.ingest.target, "6543210.zerobus.us-west-2.cloud.databricks.com:443");
	databricks_session_workspace_id(s, id);
	assert_string_equal(id, "777777");
	assert_int_equal(databricks_session_user(s, &user, &display, &e), 0);
	assert_string_equal(user, "app-id");
	assert_string_equal(display, "Streamer");
	free(user);
	free(display);
	/* a workspace that answers neither is no error */
	fake_web_script(&web, &(struct fake_row){"GET", 404, "", NULL, 0, NULL}, 1);
	c.workspace_id[0] = c.region[0] = '\0';
	assert_int_equal(databricks_session_discover(s, &c, &e), 0);
	assert_string_equal(c.region, "");
	databricks_config_release(&c);
	databricks_session_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_error_bodies),
	    cmocka_unit_test(test_table_token),
	    cmocka_unit_test(test_authorization_details),
	    cmocka_unit_test(test_token_refusals),
	    cmocka_unit_test(test_pat_is_not_for_tables),
	    cmocka_unit_test(test_calls),
	    cmocka_unit_test(test_statement_states),
	    cmocka_unit_test(test_statement_failures),
	    cmocka_unit_test(test_row_callback),
	    cmocka_unit_test(test_deadline),
	    cmocka_unit_test(test_cancel),
	    cmocka_unit_test(test_catalog),
	    cmocka_unit_test(test_pick_warehouse),
	    cmocka_unit_test(test_workspace_facts),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

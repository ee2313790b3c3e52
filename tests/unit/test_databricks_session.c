/* databricks/: tokens, REST errors and retries, and what a workspace tells of itself, against a scripted one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "databricks/token.h"
#include "databricks_web.h"

#define TOKEN_ROW                                                                                  \
	{                                                                                          \
		"POST /oidc/v1/token", 200,                                                        \
		    "{\"access_token\":\"plain-token\",\"token_type\":\"Bearer\",\"expires_in\":3600}", NULL, 0, NULL \
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
	    {"a day at most", 503,
		"{\"error_code\":\"TEMPORARILY_UNAVAILABLE\",\"message\":\"later\",\"details\":[{\"@type\":"
		"\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1e300s\"}]}",
		NULL, ERR_UNAVAILABLE, "later", HTTP_RETRY_AFTER_MAX_MS},
	    {"a wait that is none", 503,
		"{\"error_code\":\"TEMPORARILY_UNAVAILABLE\",\"message\":\"later\",\"details\":[{\"@type\":"
		"\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"nan\"}]}",
		NULL, ERR_UNAVAILABLE, "later", 0},
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
	    {"POST /oidc/v1/token", 200, "{\"access_token\":\"table-3\",\"expires_in\":\"9300000000000000\"}", NULL, 1, "zerobusDirectWriteApi"},
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
	/* a life that no token has is a year's */
	web.monotonic_ms += INT64_C(364) * 24 * 3600 * 1000;
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
test_workspace_facts(void **state)
{
	static const struct fake_row script[] = {
	    {"GET /.well-known/databricks-config", 200, "{\"workspace_id\":\"6543210\",\"cloud\":\"AWS\"}", NULL, 0, NULL},
	    {"GET /api/2.1/unity-catalog/metastore_summary", 200, "{\"region\":\"us-west-2\",\"cloud\":\"aws\"}",
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
	    cmocka_unit_test(test_workspace_facts),
	};

	return cmocka_run_group_tests(tests, databricks_web_setup, databricks_web_teardown);
}

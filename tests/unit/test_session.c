/* salesforce/: a session that is stored, renewed and revoked, against a scripted organisation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "salesforce/rest.h"
#include "salesforce_web.h"

static void
check_token(struct salesforce_session *s, const char *expected)
{
	struct secret token = SECRET_INIT;

	salesforce_session_token(s, &token);
	assert_string_equal(secret_reveal(&token), expected);
	secret_release(&token);
}

static void
test_stored_and_renewed(void **state)
{
	static const struct fake_row rotating[] = {
	    {"POST /services/oauth2/token", 200,
		"{\"access_token\":\"a1\",\"refresh_token\":\"refresh-2\",\"instance_url\":\"%URL%\",\"id\":"
		"\"https://x/id/00Dxx0000001gERXXX/005xx000001AbCDEFG\"}",
		NULL, 1, "refresh-1"},
	    {"POST /services/oauth2/token", 200, TOKEN("a2"), NULL, 1, "refresh-2"},
	    {"POST /services/oauth2/token", 200,
		"{\"access_token\":\"a3\",\"instance_url\":\"%URL%\",\"id\":\"https://x/id/00Dyy0000001gERXXX/005xx000001AbCDEFG\"}", NULL,
		0, "refresh-2"},
	};
	struct salesforce_session_options o = {.clock = &web.clock, .sleep = fake_web_sleep, .sleep_context = &web};
	struct error e = ERROR_INIT;
	struct profile *p = profile_open("stored", &e);
	struct salesforce_session *s;
	struct salesforce_login l;
	struct salesforce_renewal renewal = {.session = NULL};

	(void)state;
	SCRIPT(rotating);
	s = open_session(LOGIN_REFRESH_TOKEN, p, &e);
	if (s == NULL)
		fail_msg("%s", e.text);
	check_token(s, "a1");
	assert_int_equal(salesforce_session_store(s, p, &e), 0);
	salesforce_session_free(s);

	/* the next run: no request, the stored token, the refresh token that was rotated */
	assert_int_equal(salesforce_login_load(&l, NULL, p, &e), 0);
	assert_int_equal(l.method, LOGIN_REFRESH_TOKEN);
	assert_string_equal(secret_reveal(&l.refresh_token), "refresh-2");
	web.requests = 0;
	s = salesforce_session_open(&l, p, &o, &e);
	salesforce_login_release(&l);
	assert_non_null(s);
	assert_int_equal(web.requests, 0);
	check_token(s, "a1");
	assert_string_equal(salesforce_session_org_id(s), "00Dxx0000001gERXXX");

	/* refused: renewed once, however many say so */
	secret_set(&renewal.refused, text_of("a1"));
	renewal.session = s;
	salesforce_renewal_work(&renewal);
	assert_int_equal(renewal.result, 0);
	check_token(s, "a2");
	salesforce_renewal_work(&renewal);
	assert_int_equal(renewal.result, 0);
	assert_int_equal(web.requests, 1);
	check_token(s, "a2");

	/* another organisation is no renewal */
	secret_set(&renewal.refused, text_of("a2"));
	salesforce_renewal_work(&renewal);
	assert_int_equal(renewal.result, -1);
	assert_int_equal(renewal.error.code, ERR_CREDENTIALS);
	assert_non_null(strstr(renewal.error.text, "00Dyy0000001gERXXX"));
	check_token(s, "a2");

	assert_int_equal(salesforce_session_forget(p, &e), 0);
	assert_int_equal(salesforce_login_load(&l, NULL, p, &e), -1);
	assert_int_equal(e.code, ERR_NOT_LOGGED_IN);
	secret_release(&renewal.refused);
	salesforce_session_free(s);
	profile_free(p);
}

/* A login that leads to another host of the same organisation: what is asked next is asked there, in this run and the next. */
static void
test_moved(void **state)
{
	char moved[64], answer[300];
	const struct fake_row rows[] = {
	    {"POST /services/oauth2/token", 200, TOKEN("m1"), NULL, 1, "refresh-1"},
	    {"GET /services/data/x", 401, "[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"Session expired or invalid\"}]",
		NULL, 1, "m1"},
	    {"POST /services/oauth2/token", 200, answer, NULL, 1, "refresh-1"},
	    {"GET /services/data/x", 404, "[{\"errorCode\":\"NOT_FOUND\",\"message\":\"none\"}]", NULL, 1, "m2"},
	};
	struct error e = ERROR_INIT;
	struct profile *p = profile_open("moved", &e);
	struct salesforce_session *s;
	struct salesforce_login l;
	struct json *j;
	const char *before;

	(void)state;
	snprintf(moved, sizeof(moved), "https://127.0.0.1:%u", http_server_port(web.server));
	snprintf(answer, sizeof(answer),
	    "{\"access_token\":\"m2\",\"refresh_token\":\"refresh-2\",\"instance_url\":\"%s\",\"id\":"
	    "\"https://x/id/00Dxx0000001gERXXX/005xx000001AbCDEFG\"}", moved);
	SCRIPT(rows);
	s = open_session(LOGIN_REFRESH_TOKEN, p, &e);
	assert_non_null(s);
	assert_int_equal(salesforce_session_store(s, p, &e), 0);
	before = salesforce_session_instance_url(s);
	assert_string_equal(before, web.url);
	assert_int_equal(salesforce_rest_get(s, "/services/data/x", &j, &e), -1);
	if (strstr(e.text, moved) == NULL || strstr(e.text, "404") == NULL)
		fail_msg("%s", e.text);
	assert_string_equal(salesforce_session_instance_url(s), moved);
	assert_string_equal(before, web.url);
	check_token(s, "m2");
	salesforce_session_free(s);

	assert_int_equal(salesforce_login_load(&l, NULL, p, &e), 0);
	assert_string_equal(secret_reveal(&l.refresh_token), "refresh-2");
	s = salesforce_session_open(&l, p, NULL, &e);
	salesforce_login_release(&l);
	assert_non_null(s);
	assert_string_equal(salesforce_session_instance_url(s), moved);
	check_token(s, "m2");
	assert_int_equal(salesforce_session_forget(p, &e), 0);
	salesforce_session_free(s);
	profile_free(p);
}

/* Which organisation answers at another host is told, or it is not gone to. */
static void
test_moved_untold(void **state)
{
	char moved[64], answer[200];
	const struct fake_row rows[] = {
	    {"POST /services/oauth2/token", 200, TOKEN("u1"), NULL, 1, NULL},
	    {"POST /services/oauth2/token", 200, "{\"access_token\":\"u2\",\"instance_url\":\"%URL%\"}", NULL, 1, NULL},
	    {"POST /services/oauth2/token", 200, answer, NULL, 1, NULL},
	};
	struct secret refused = SECRET_INIT;
	struct error e = ERROR_INIT;
	struct salesforce_session *s;

	(void)state;
	snprintf(moved, sizeof(moved), "https://127.0.0.1:%u", http_server_port(web.server));
	snprintf(answer, sizeof(answer), "{\"access_token\":\"u3\",\"instance_url\":\"%s\"}", moved);
	SCRIPT(rows);
	s = open_session(LOGIN_REFRESH_TOKEN, NULL, &e);
	assert_non_null(s);
	secret_set(&refused, text_of("u1"));
	assert_int_equal(salesforce_session_renew(s, &refused, &e), 0);
	secret_set(&refused, text_of("u2"));
	assert_int_equal(salesforce_session_renew(s, &refused, &e), -1);
	assert_int_equal(e.code, ERR_CREDENTIALS);
	assert_non_null(strstr(e.text, moved));
	assert_string_equal(salesforce_session_instance_url(s), web.url);
	check_token(s, "u2");
	secret_release(&refused);
	salesforce_session_free(s);
}

/* What the file of a profile has for a session, and is none: neither the next run takes it nor one that renews. */
static void
test_damaged(void **state)
{
	static const struct {
		const char *member, *value;
	} rows[] = {{"instance_url", ""}, {"instance_url", "nonsense"}, {"instance_url", "https://a b"}, {"instance_url", "https://"},
	    {"instance_url", "http://example.com"}, {"instance_url", "https://a%2fb"}, {"instance_url", NULL},
	    {"org_id", NULL}, {"access_token", NULL}};
	static const struct fake_row logins[] = {
	    {"POST /services/oauth2/token", 200, TOKEN("d1"), NULL, 0, NULL},
	};
	static const struct fake_row renewals[] = {
	    {"POST /services/oauth2/token", 200, TOKEN("d2"), NULL, 0, NULL},
	};
	struct salesforce_session_options o = {.clock = &web.clock, .sleep = fake_web_sleep, .sleep_context = &web};
	struct error e = ERROR_INIT;
	struct profile *p = profile_open("damaged", &e);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *value = rows[i].value != NULL ? rows[i].value : "a number";
		struct secret refused = SECRET_INIT;
		struct salesforce_session *s, *next;
		struct salesforce_login l;
		struct json *j, *session;

		SCRIPT(logins);
		s = open_session(LOGIN_REFRESH_TOKEN, p, &e);
		assert_non_null(s);
		assert_int_equal(salesforce_session_store(s, p, &e), 0);
		assert_int_equal(profile_load(p, SALESFORCE_SETTINGS_FILE, &j, &e), 0);
		session = json_object();
		json_set_string(session, "access_token", "of the file");
		json_set_string(session, "instance_url", web.url);
		json_set_string(session, "org_id", "00Dxx0000001gERXXX");
		json_set_string(session, "user_id", "005xx000001AbCDEFG");
		if (rows[i].value != NULL)
			json_set_string(session, rows[i].member, value);
		else
			json_set_int64(session, rows[i].member, 5);
		json_set(j, "session", session);
		assert_int_equal(profile_store(p, SALESFORCE_SETTINGS_FILE, j, &e), 0);
		json_free(j);

		SCRIPT(renewals);
		assert_int_equal(salesforce_login_load(&l, NULL, p, &e), 0);
		next = salesforce_session_open(&l, NULL, &o, &e);
		salesforce_login_release(&l);
		if (next == NULL || web.requests != 1 || strcmp(salesforce_session_instance_url(next), web.url) != 0)
			fail_msg("%s %s: the next run takes it: %s", rows[i].member, value, e.text);
		salesforce_session_free(next);

		web.requests = 0;
		secret_set(&refused, text_of("d1"));
		if (salesforce_session_renew(s, &refused, &e) != 0 || web.requests != 1 ||
		    strcmp(salesforce_session_instance_url(s), web.url) != 0)
			fail_msg("%s %s: a renewal takes it", rows[i].member, value);
		check_token(s, "d2");
		secret_release(&refused);
		salesforce_session_free(s);
	}
	assert_int_equal(salesforce_session_forget(p, &e), 0);
	profile_free(p);
}

static void
test_revoke(void **state)
{
	static const struct fake_row rows[] = {{"POST /services/oauth2/token", 200, TOKEN("t"), NULL, 0, NULL},
	    {"POST /services/oauth2/revoke", 200, "", NULL, 1, NULL},
	    {"POST /services/oauth2/revoke", 400, "error=invalid_token", NULL, 1, NULL},
	    {"POST /services/oauth2/revoke", 400, "{\"error\":\"unsupported_token_type\"}", NULL, 0, NULL}};
	struct error e = ERROR_INIT;
	struct salesforce_session *s;

	(void)state;
	SCRIPT(rows);
	s = open_session(LOGIN_REFRESH_TOKEN, NULL, &e);
	assert_non_null(s);
	assert_int_equal(salesforce_session_revoke(s, &e), 0);
	assert_int_equal(fake_web_asked(&web, "\ntoken=refresh-1\n"), 1);
	assert_int_equal(salesforce_session_revoke(s, &e), 0); /* it was over already */
	assert_int_equal(salesforce_session_revoke(s, &e), -1);
	salesforce_session_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stored_and_renewed),
	    cmocka_unit_test(test_moved),
	    cmocka_unit_test(test_moved_untold),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_revoke),
	};

	return cmocka_run_group_tests(tests, salesforce_web_setup, salesforce_web_teardown);
}

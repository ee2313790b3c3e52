/* salesforce/: a session that is stored, renewed and revoked, against a scripted organisation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

/* The run that learns of another host ends, and the next one has it, with the refresh token that came along. */
static void
test_moved(void **state)
{
	static const struct fake_row rows[] = {
	    {"POST /services/oauth2/token", 200, TOKEN("m1"), NULL, 1, "refresh-1"},
	    {"POST /services/oauth2/token", 200,
		"{\"access_token\":\"m2\",\"refresh_token\":\"refresh-2\",\"instance_url\":\"https://new.my.salesforce.com\",\"id\":"
		"\"https://x/id/00Dxx0000001gERXXX/005xx000001AbCDEFG\"}",
		NULL, 0, "refresh-1"},
	};
	struct error e = ERROR_INIT;
	struct profile *p = profile_open("moved", &e);
	struct salesforce_session *s;
	struct salesforce_login l;
	struct secret refused = SECRET_INIT;

	(void)state;
	SCRIPT(rows);
	s = open_session(LOGIN_REFRESH_TOKEN, p, &e);
	assert_non_null(s);
	assert_int_equal(salesforce_session_store(s, p, &e), 0);
	secret_set(&refused, text_of("m1"));
	assert_int_equal(salesforce_session_renew(s, &refused, &e), -1);
	assert_int_equal(e.code, ERR_FAILED);
	assert_non_null(strstr(e.text, "to https://new.my.salesforce.com"));
	check_token(s, "m1");
	salesforce_session_free(s);

	assert_int_equal(salesforce_login_load(&l, NULL, p, &e), 0);
	assert_string_equal(secret_reveal(&l.refresh_token), "refresh-2");
	s = salesforce_session_open(&l, p, NULL, &e);
	salesforce_login_release(&l);
	assert_non_null(s);
	assert_string_equal(salesforce_session_instance_url(s), "https://new.my.salesforce.com");
	check_token(s, "m2");
	assert_int_equal(salesforce_session_forget(p, &e), 0);
	secret_release(&refused);
	salesforce_session_free(s);
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
	    cmocka_unit_test(test_revoke),
	};

	return cmocka_run_group_tests(tests, salesforce_web_setup, salesforce_web_teardown);
}

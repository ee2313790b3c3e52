/* databricks/: logins of people (refresh tokens, renewed and shared by processes; the browser), and of Entra; over TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "databricks/login_browser.h"
#include "databricks/session.h"
#include "fake_web.h"
#include "profile/profile.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SCRIPT(rows) fake_web_script(&web, rows, COUNT(rows))
#define MINUTE 60000

static struct fake_web web;
static char home[] = "/tmp/sfzb-test-home-XXXXXX";

/* The settings of a login in the browser; access NULL: none yet. */
static void
store_login(struct profile *p, const char *host, const char *refresh, const char *access, int64_t renew_at_ms)
{
	struct json *j = json_object(), *session = json_object();
	struct error e = ERROR_INIT;

	json_set_string(j, "host", host);
	json_set_string(j, "auth_type", "external-browser");
	json_set_string(j, "refresh_token", refresh);
	json_set_string(j, "ca_file", web.tls.ca_file);
	json_set_string(j, "mark", "is kept");
	if (access != NULL) {
		json_set_string(session, "access_token", access);
		json_set_int64(session, "renew_at", renew_at_ms);
		json_set(j, "session", json_clone(session));
	}
	json_free(session);
	assert_int_equal(profile_store(p, DATABRICKS_SETTINGS_FILE, j, &e), 0);
	json_free(j);
}

static struct databricks_session *
open_session(struct profile *p)
{
	struct databricks_session_options o = {.clock = &web.clock, .sleep = fake_web_sleep, .sleep_context = &web, .seed = 1,
	    .profile = p};
	struct databricks_session *s;
	struct databricks_config c;
	struct error e = ERROR_INIT;

	if (databricks_config_load(&c, NULL, p, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(c.method, DATABRICKS_U2M);
	s = databricks_session_new(&c, &o);
	databricks_config_release(&c);
	return s;
}

static void
expect_token(struct databricks_session *s, const char *expected)
{
	struct secret token = SECRET_INIT;
	struct error e = ERROR_INIT;

	if (databricks_session_token(s, &token, &e) < 0)
		fail_msg("%s: %s", expected, e.text);
	assert_string_equal(secret_reveal(&token), expected);
	secret_release(&token);
}

static void
expect_stored(struct profile *p, const char *refresh, const char *access)
{
	struct error e = ERROR_INIT;
	struct json *j;

	assert_int_equal(profile_load(p, DATABRICKS_SETTINGS_FILE, &j, &e), 0);
	assert_string_equal(json_find_string(j, "refresh_token"), refresh);
	assert_string_equal(json_find_string(json_find(j, "session"), "access_token"), access);
	assert_string_equal(json_find_string(j, "mark"), "is kept");
	json_free(j);
}

#define GIVES(used, access, refresh)                                                               \
	{                                                                                          \
		"POST /oidc/v1/token", 200,                                                        \
		    "{\"access_token\":\"" access "\",\"refresh_token\":\"" refresh "\",\"expires_in\":3600}", NULL, 1,     \
		    "refresh_token=" used "&client_id=databricks-cli"                              \
	}

/* Each refresh token is used once; the new one is stored before it is needed; 5 minutes before the end is the time. */
static void
test_rotation(void **state)
{
	static const struct fake_row script[] = {GIVES("r1", "a1", "r2"), GIVES("r2", "a2", "r3"),
	    {"POST /oidc/v1/token", 200, "{\"access_token\":\"a3\",\"expires_in\":\"60\"}", NULL, 1, "refresh_token=r3"},
	    {"POST /oidc/v1/token", 200, "{\"access_token\":\"a4\",\"expires_in\":3600}", NULL, 1, "refresh_token=r3"}};
	struct error e = ERROR_INIT;
	struct profile *p = profile_open("rotation", &e);
	struct databricks_session *s;

	(void)state;
	SCRIPT(script);
	store_login(p, web.url, "r1", NULL, 0);
	s = open_session(p);
	expect_token(s, "a1");
	expect_stored(p, "r2", "a1");
	fake_web_sleep(&web, 54 * MINUTE);
	expect_token(s, "a1");
	assert_int_equal(web.requests, 1);
	fake_web_sleep(&web, 2 * MINUTE);
	expect_token(s, "a2");
	expect_stored(p, "r3", "a2");
	/* no new refresh token: the old one stays good; a short life is used by half */
	fake_web_sleep(&web, 56 * MINUTE);
	expect_token(s, "a3");
	expect_stored(p, "r3", "a3");
	fake_web_sleep(&web, MINUTE / 4);
	expect_token(s, "a3");
	fake_web_sleep(&web, MINUTE / 2);
	expect_token(s, "a4");
	assert_int_equal(web.requests, 4);
	databricks_session_free(s);
	/* the next process uses what is stored, and asks nobody */
	s = open_session(p);
	expect_token(s, "a4");
	assert_int_equal(web.requests, 4);
	databricks_session_free(s);
	profile_free(p);
}

/* What another process has renewed meanwhile is taken, and its refresh token is the one to use next. */
static void
test_other_process(void **state)
{
	static const struct fake_row script[] = {GIVES("r1", "a1", "r2"), GIVES("r9", "a10", "r10"),
	    {"POST /oidc/v1/token", 400, "{\"error\":\"invalid_request\",\"error_description\":\"Refresh token is invalid\"}", NULL, 0,
		NULL}};
	struct error e = ERROR_INIT;
	struct profile *p = profile_open("shared", &e);
	struct secret token = SECRET_INIT;
	struct databricks_session *s;

	(void)state;
	SCRIPT(script);
	store_login(p, web.url, "r1", NULL, 0);
	s = open_session(p);
	expect_token(s, "a1");
	store_login(p, web.url, "r9", "a9", web.wall_ms + 100 * MINUTE);
	fake_web_sleep(&web, 56 * MINUTE);
	expect_token(s, "a9");
	assert_int_equal(web.requests, 1);
	fake_web_sleep(&web, 45 * MINUTE);
	expect_token(s, "a10");
	expect_stored(p, "r10", "a10");
	/* somebody logged in elsewhere: that login is not touched, and this one goes on by itself until it is refused */
	store_login(p, "https://elsewhere.cloud.databricks.com", "rx", "ax", web.wall_ms + 1000 * MINUTE);
	fake_web_sleep(&web, 56 * MINUTE);
	assert_int_equal(databricks_session_token(s, &token, &e), -1);
	assert_int_equal(e.code, ERR_CREDENTIALS);
	assert_non_null(strstr(e.text, "Refresh token is invalid"));
	assert_non_null(strstr(e.hint, "sfzb login databricks --method browser"));
	expect_stored(p, "rx", "ax");
	secret_release(&token);
	databricks_session_free(s);
	profile_free(p);
}

/* A stored token that the server takes no more is not taken from the file again. */
static void
test_refused_token(void **state)
{
	static const struct fake_row script[] = {
	    {"GET /api/2.0/sql/warehouses", 401, "{\"error_code\":\"UNAUTHENTICATED\",\"message\":\"expired\"}", NULL, 0, "Bearer old"},
	    {"GET /api/2.0/sql/warehouses", 200, "{\"warehouses\":[]}", NULL, 0, "Bearer a1"}, GIVES("r1", "a1", "r2")};
	static const struct fake_row dead[] = {
	    {"GET /api/2.0/sql/warehouses", 401, "{}", NULL, 0, NULL}, GIVES("r2", "a2", "r3")};
	struct error e = ERROR_INIT;
	struct profile *p = profile_open("refused", &e);
	struct databricks_session *s;

	(void)state;
	SCRIPT(script);
	store_login(p, web.url, "r1", "old", web.wall_ms + 50 * MINUTE);
	s = open_session(p);
	if (databricks_call(s, "GET", "/api/2.0/sql/warehouses", NULL, REPEAT_SAFE, NULL, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(fake_web_asked(&web, "Bearer old"), 1);
	expect_stored(p, "r2", "a1");
	/* renewed once, and no more */
	SCRIPT(dead);
	assert_int_equal(databricks_call(s, "GET", "/api/2.0/sql/warehouses", NULL, REPEAT_SAFE, NULL, &e), -1);
	assert_int_equal(e.code, ERR_CREDENTIALS);
	assert_int_equal(fake_web_asked(&web, "POST /oidc/v1/token"), 1);
	databricks_session_free(s);
	profile_free(p);
}

/* What may have been done is not sent again, not by libcurl either, which would where a kept connection is lost. */
static void
test_sent_once(void **state)
{
	static const struct fake_row script[] = {{"GET /api/2.0/sql/warehouses", 200, "{}", NULL, 0, NULL},
	    {"POST /api/2.0/sql/statements", 0, "", NULL, 0, NULL}};
	struct error e = ERROR_INIT;
	struct profile *p = profile_open("once", &e);
	struct json *body = json_object();
	struct databricks_session *s;

	(void)state;
	SCRIPT(script);
	store_login(p, web.url, "r1", "a1", web.wall_ms + 50 * MINUTE);
	s = open_session(p);
	assert_int_equal(databricks_call(s, "GET", "/api/2.0/sql/warehouses", NULL, REPEAT_SAFE, NULL, &e), 0);
	assert_int_equal(databricks_call(s, "POST", "/api/2.0/sql/statements", body, REPEAT_STATEMENT, NULL, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.hint, "whether it has run is not known"));
	assert_int_equal(fake_web_asked(&web, "POST /api/2.0/sql/statements"), 1);
	json_free(body);
	databricks_session_free(s);
	profile_free(p);
}

static void
test_azure(void **state)
{
	static const struct fake_row script[] = {
	    {"GET /aad/auth", 302, "", "Location: https://login.microsoftonline.com/the-tenant/oauth2/authorize?x=y\n", 0, NULL},
	    {"POST /the-tenant/oauth2/token", 200, "{\"access_token\":\"for-databricks\",\"expires_in\":\"3599\"}", NULL, 0,
		"resource=2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"},
	    {"POST /the-tenant/oauth2/token", 200, "{\"access_token\":\"for-azure\",\"expires_in\":\"3599\"}", NULL, 0,
		"resource=https%3A%2F%2Fmanagement.core.windows.net%2F"},
	    {"GET /api/2.0/sql/warehouses", 200, "{\"warehouses\":[]}", NULL, 0, "Bearer for-databricks"},
	};
	static const struct fake_row refusing[] = {
	    {"GET /aad/auth", 200, "<html>", NULL, 0, NULL},
	};
	struct databricks_session_options o = {.clock = &web.clock, .sleep = fake_web_sleep, .sleep_context = &web, .seed = 1};
	struct databricks_session *s;
	struct databricks_config c;
	struct secret token = SECRET_INIT;
	struct error e = ERROR_INIT;

	(void)state;
	databricks_config_init(&c);
	assert_int_equal(databricks_host_parse(&c.host, web.url, &e), 0);
	c.method = DATABRICKS_AZURE;
	c.client_id = strdup("app");
	c.ca_file = strdup(web.tls.ca_file);
	c.azure_authority = strdup(web.url);
	c.azure_resource = strdup("/subscriptions/x");
	secret_set(&c.client_secret, text_of("s&cret"));
	SCRIPT(script);
	s = databricks_session_new(&c, &o);
	for (int i = 0; i < 2; i++)
		if (databricks_call(s, "GET", "/api/2.0/sql/warehouses", NULL, REPEAT_SAFE, NULL, &e) < 0)
			fail_msg("%s", e.text);
	assert_int_equal(fake_web_asked(&web, "POST /the-tenant/oauth2/token"), 2); /* each once */
	assert_int_equal(fake_web_asked(&web, "client_id=app&client_secret=s%26cret"), 2);
	assert_int_equal(databricks_session_table_token(s, "main.crm.t", &token, &e), -1);
	assert_int_equal(e.code, ERR_CREDENTIALS);
	assert_non_null(strstr(e.text, "an Azure client secret is not good for ingesting"));
	databricks_session_free(s);
	SCRIPT(refusing);
	s = databricks_session_new(&c, &o);
	assert_int_equal(databricks_session_token(s, &token, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.hint, "ARM_TENANT_ID"));
	databricks_session_free(s);
	databricks_config_release(&c);
}

/* The challenge of a verifier, not by our own encoder. */
static void
challenge_of(const char *verifier, char *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len;

	EVP_Digest(verifier, strlen(verifier), digest, &len, EVP_sha256(), NULL);
	EVP_EncodeBlock((unsigned char *)out, digest, (int)len);
	out[strcspn(out, "=")] = '\0';
	for (char *p = out; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
}

/* Endpoints as the workspace names them; RFC 7636 between the two requests; what a browser can bring back. */
static void
test_browser(void **state)
{
	static const struct fake_row script[] = {
	    {"GET /oidc/.well-known/oauth-authorization-server", 200,
		"{\"authorization_endpoint\":\"%URL%/other/authorize\",\"token_endpoint\":\"%URL%/other/token\"}", NULL, 0, NULL},
	    {"POST /other/token", 200, "{\"access_token\":\"a\",\"refresh_token\":\"r\",\"expires_in\":3600}", NULL, 1,
		"grant_type=authorization_code&code=c%2Fd"},
	    {"POST /other/token", 200, "{\"access_token\":\"a\",\"expires_in\":3600}", NULL, 0, NULL},
	};
	static const struct fake_row silent[] = {{"GET /oidc/", 404, "", NULL, 0, NULL},
	    {"POST /oidc/v1/token", 0, "", NULL, 0, NULL}};
	struct http_pool_options po = {.http = {.ca_file = web.tls.ca_file}, .clock = &web.clock, .sleep = fake_web_sleep,
	    .sleep_context = &web, .seed = 1};
	struct http_pool *pool = http_pool_new(&po);
	struct buffer oauth_state = BUFFER_INIT, challenge = BUFFER_INIT, redirect = BUFFER_INIT, sent = BUFFER_INIT;
	char pasted[300], expected[100];
	struct databricks_browser *b;
	struct databricks_config c;
	struct error e = ERROR_INIT;
	const char *query;

	(void)state;
	databricks_config_init(&c);
	assert_int_equal(databricks_host_parse(&c.host, web.url, &e), 0);
	for (int round = 0; round < 3; round++) {
		if (round < 2)
			SCRIPT(script);
		else
			SCRIPT(silent);
		if (round == 1)
			web.used[1] = 1; /* the row with a refresh token is used up */
		b = databricks_browser_begin(&c, pool, "http://localhost:0/back", &e);
		if (b == NULL)
			fail_msg("%s", e.text);
		query = strchr(databricks_browser_flow(b)->url, '?') + 1;
		assert_int_equal(strncmp(databricks_browser_flow(b)->url, web.url, strlen(web.url)), 0);
		assert_non_null(strstr(databricks_browser_flow(b)->url, round < 2 ? "/other/authorize?response_type=code&client_id=databricks-cli&"
									   : "/oidc/v1/authorize?"));
		buffer_clear(&oauth_state);
		buffer_clear(&challenge);
		assert_true(http_form_value(text_of(query), "state", &oauth_state));
		assert_true(http_form_value(text_of(query), "code_challenge", &challenge));
		snprintf(pasted, sizeof(pasted), "http://localhost/back?code=c%%2Fd&state=%s", buffer_text(&oauth_state));
		assert_int_equal(http_callback_paste(databricks_browser_flow(b)->callback, "http://localhost/back?code=x&state=y", &e), -1);
		assert_int_equal(http_callback_paste(databricks_browser_flow(b)->callback, pasted, &e), 0);
		if (round == 0) {
			if (databricks_browser_finish(b, &c, pool, 5000, &e) < 0)
				fail_msg("%s", e.text);
			assert_int_equal(c.method, DATABRICKS_U2M);
			assert_string_equal(secret_reveal(&c.refresh_token), "r");
			assert_non_null(strstr(c.token_endpoint, "/other/token"));
			assert_true(http_form_value(text_of(strstr(buffer_text(&web.asked), "grant_type=")), "code_verifier", &sent));
			assert_true(sent.len >= 43 && sent.len <= 128);
			challenge_of(buffer_text(&sent), expected);
			assert_string_equal(expected, buffer_text(&challenge));
			snprintf(expected, sizeof(expected), "redirect_uri=http%%3A%%2F%%2Flocalhost%%3A%u%%2Fback",
			    http_callback_port(databricks_browser_flow(b)->callback));
			assert_int_equal(fake_web_asked(&web, expected), 1);
		} else {
			assert_int_equal(databricks_browser_finish(b, &c, pool, 5000, &e), -1);
			assert_int_equal(e.code, round == 1 ? ERR_CREDENTIALS : ERR_UNAVAILABLE);
			/* a code is good for one exchange: what may have arrived is not sent again */
			assert_int_equal(fake_web_asked(&web, "grant_type=authorization_code"), 1);
		}
		databricks_browser_free(b);
	}
	buffer_release(&oauth_state);
	buffer_release(&challenge);
	buffer_release(&redirect);
	buffer_release(&sent);
	databricks_config_release(&c);
	http_pool_free(pool);
}

static int
group_setup(void **state)
{
	(void)state;
	if (mkdtemp(home) == NULL)
		return -1;
	setenv("SFZB_HOME", home, 1);
	setenv("HOME", home, 1);
	unsetenv("DATABRICKS_HOST");
	unsetenv("DATABRICKS_TOKEN");
	unsetenv("DATABRICKS_CLIENT_SECRET");
	unsetenv("DATABRICKS_AUTH_TYPE");
	unsetenv("DATABRICKS_CONFIG_PROFILE");
	return fake_web_init(&web);
}

static int
group_teardown(void **state)
{
	char command[100];

	(void)state;
	fake_web_release(&web);
	snprintf(command, sizeof(command), "rm -r %s", home);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rotation),
	    cmocka_unit_test(test_other_process),
	    cmocka_unit_test(test_refused_token),
	    cmocka_unit_test(test_sent_once),
	    cmocka_unit_test(test_azure),
	    cmocka_unit_test(test_browser),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

/* salesforce/: where a login comes from, every way in, every refusal, and the browser, against a scripted organisation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/encode.h"
#include "salesforce/login_browser.h"
#include "salesforce/soap.h"
#include "salesforce_web.h"

static void
test_hosts(void **state)
{
	static const struct {
		const char *given, *url; /* NULL: refused */
	} rows[] = {
	    {"https://acme.my.salesforce.com", "https://acme.my.salesforce.com"},
	    {"acme.my.salesforce.com", "https://acme.my.salesforce.com"},
	    {"https://acme.lightning.force.com/lightning/page/home", "https://acme.my.salesforce.com"},
	    {"acme--dev.sandbox.lightning.force.com", "https://acme--dev.sandbox.my.salesforce.com"},
	    {"https://acme.my.salesforce-setup.com/lightning/setup", "https://acme.my.salesforce.com"},
	    {"https://ACME.my.salesforce.com/", "https://acme.my.salesforce.com"},
	    {"https://login.salesforce.com?x=1", "https://login.salesforce.com"},
	    {"localhost:8080", "https://localhost:8080"},
	    {"http://localhost:8080/services", "http://localhost:8080"},
	    {"http://acme.my.salesforce.com", NULL},
	    {"https://acme%2eexample", "https://acme.example"},
	    {"https://acme%2fevil.example", NULL},
	    {"https://acme%2533", NULL},
	    {"https://acm\xc3\xa9.example", NULL},
	    {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		char *url = salesforce_host(rows[i].given, &e);

		if ((url != NULL) != (rows[i].url != NULL) || (url != NULL && strcmp(url, rows[i].url) != 0))
			fail_msg("\"%s\": %s %s", rows[i].given, url != NULL ? url : "refused", e.text);
		free(url);
	}
	assert_true(salesforce_host_is_sandbox("https://acme--dev.sandbox.my.salesforce.com"));
	assert_false(salesforce_host_is_sandbox("https://acme.my.salesforce.com"));
}

static const char *const variables[] = {"SALESFORCE_USERNAME", "SALESFORCE_PASSWORD", "SALESFORCE_INSTANCE_URL",
    "SALESFORCE_LOGIN_URL", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET", "SALESFORCE_PRIVATE_KEY_FILE",
    "SALESFORCE_ACCESS_TOKEN", "SALESFORCE_PUBSUB_ENDPOINT", "SALESFORCE_PRIVATE_KEY_PASSPHRASE"};

static void
set_environment(const char *const *pairs, size_t count)
{
	for (size_t i = 0; i < COUNT(variables); i++)
		unsetenv(variables[i]);
	for (size_t i = 0; i < count && pairs[i] != NULL; i++) {
		char *pair = strdup(pairs[i]), *equals = strchr(pair, '=');

		*equals = '\0';
		setenv(pair, equals + 1, 1);
		free(pair);
	}
}

static void
test_where_a_login_comes_from(void **state)
{
	static const char stored[] =
	    "{\"method\":\"client-credentials\",\"instance_url\":\"https://own.my.salesforce.com\",\"client_id\":\"own-id\","
	    "\"client_secret\":\"own-secret\",\"pubsub_endpoint\":\"own:7443\",\"ca_file\":\"/own.pem\",\"session\":{\"access_token\":\"t\"}}";
	static const struct {
		const char *name;
		const char *environment[5];
		const char *profile;
		struct salesforce_given given;
		enum error_code code;
		enum login_method method;
		const char *login_url, *pubsub;
		bool has_stored;
		const char *text; /* in the error */
	} rows[] = {
	    {"nothing", {NULL}, NULL, {.method = NULL}, ERR_NOT_LOGGED_IN, LOGIN_NONE, NULL, NULL, false, "not logged in"},
	    {"token",
		{"SALESFORCE_ACCESS_TOKEN=t", "SALESFORCE_INSTANCE_URL=acme.my.salesforce.com"}, NULL, {.method = NULL}, ERR_OK,
		LOGIN_ACCESS_TOKEN, "https://acme.my.salesforce.com", SALESFORCE_PUBSUB_ENDPOINT, false, NULL},
	    {"token without instance", {"SALESFORCE_ACCESS_TOKEN=t"}, NULL, {.method = NULL}, ERR_CONFIG, LOGIN_NONE, NULL, NULL,
		false, "SALESFORCE_INSTANCE_URL"},
	    {"client credentials",
		{"SALESFORCE_CLIENT_ID=i", "SALESFORCE_CLIENT_SECRET=s", "SALESFORCE_INSTANCE_URL=https://acme.my.salesforce.com"},
		NULL, {.method = NULL}, ERR_OK, LOGIN_CLIENT_CREDENTIALS, "https://acme.my.salesforce.com",
		SALESFORCE_PUBSUB_ENDPOINT, false, NULL},
	    {"client credentials at login.salesforce.com",
		{"SALESFORCE_CLIENT_ID=i", "SALESFORCE_CLIENT_SECRET=s", "SALESFORCE_INSTANCE_URL=https://login.salesforce.com"},
		NULL, {.method = NULL}, ERR_CONFIG, LOGIN_NONE, NULL, NULL, false, "client credentials"},
	    {"client credentials without a host", {"SALESFORCE_CLIENT_ID=i", "SALESFORCE_CLIENT_SECRET=s"}, NULL, {.method = NULL},
		ERR_CONFIG, LOGIN_NONE, NULL, NULL, false, "My Domain"},
	    {"the three variables of the Python project",
		{"SALESFORCE_USERNAME=u", "SALESFORCE_PASSWORD=p", "SALESFORCE_INSTANCE_URL=https://acme.my.salesforce.com"}, NULL,
		{.method = NULL}, ERR_OK, LOGIN_SOAP, "https://acme.my.salesforce.com", SALESFORCE_PUBSUB_ENDPOINT, false, NULL},
	    {"password with a client id", {"SALESFORCE_USERNAME=u", "SALESFORCE_PASSWORD=p", "SALESFORCE_CLIENT_ID=i"}, NULL,
		{.method = NULL}, ERR_OK, LOGIN_PASSWORD, "https://login.salesforce.com", SALESFORCE_PUBSUB_ENDPOINT, false, NULL},
	    {"password with an app's secret",
		{"SALESFORCE_USERNAME=u", "SALESFORCE_PASSWORD=p", "SALESFORCE_CLIENT_ID=i", "SALESFORCE_CLIENT_SECRET=s",
		    "SALESFORCE_INSTANCE_URL=https://acme.my.salesforce.com"},
		NULL, {.method = NULL}, ERR_OK, LOGIN_PASSWORD, "https://acme.my.salesforce.com", SALESFORCE_PUBSUB_ENDPOINT, false,
		NULL},
	    {"jwt", {"SALESFORCE_USERNAME=u", "SALESFORCE_PRIVATE_KEY_FILE=/k", "SALESFORCE_CLIENT_ID=i"}, NULL, {.method = NULL},
		ERR_OK, LOGIN_JWT, "https://login.salesforce.com", SALESFORCE_PUBSUB_ENDPOINT, false, NULL},
	    {"jwt without a user", {"SALESFORCE_PRIVATE_KEY_FILE=/k", "SALESFORCE_CLIENT_ID=i"}, NULL, {.method = NULL}, ERR_CONFIG,
		LOGIN_NONE, NULL, NULL, false, "SALESFORCE_USERNAME"},
	    {"profile", {NULL}, stored, {.method = NULL}, ERR_OK, LOGIN_CLIENT_CREDENTIALS, "https://own.my.salesforce.com",
		"own:7443", true, NULL},
	    {"environment sets the profile's credentials aside", {"SALESFORCE_USERNAME=u", "SALESFORCE_PASSWORD=p"}, stored,
		{.method = NULL}, ERR_OK, LOGIN_SOAP, "https://own.my.salesforce.com", "own:7443", false, NULL},
	    {"endpoint of the environment", {"SALESFORCE_PUBSUB_ENDPOINT=e:443"}, stored, {.method = NULL}, ERR_OK,
		LOGIN_CLIENT_CREDENTIALS, "https://own.my.salesforce.com", "e:443", true, NULL},
	    {"command line first", {"SALESFORCE_PUBSUB_ENDPOINT=e:443", "SALESFORCE_INSTANCE_URL=https://b.my.salesforce.com"},
		stored, {.pubsub_endpoint = "g:1", .instance_url = "https://g.my.salesforce.com"}, ERR_OK,
		LOGIN_CLIENT_CREDENTIALS, "https://g.my.salesforce.com", "g:1", true, NULL},
	    {"a host of the environment is not mixed with the profile's", {"SALESFORCE_INSTANCE_URL=https://b.my.salesforce.com"},
		"{\"login_url\":\"https://own.my.salesforce.com\",\"instance_url\":\"https://own.my.salesforce.com\",\"client_id\":\"i\","
		"\"client_secret\":\"s\"}",
		{.method = NULL}, ERR_OK, LOGIN_CLIENT_CREDENTIALS, "https://b.my.salesforce.com", SALESFORCE_PUBSUB_ENDPOINT, false,
		NULL},
	    {"method asked for", {"SALESFORCE_USERNAME=u", "SALESFORCE_PASSWORD=p", "SALESFORCE_CLIENT_ID=i"}, NULL,
		{.method = "soap"}, ERR_OK, LOGIN_SOAP, "https://login.salesforce.com", SALESFORCE_PUBSUB_ENDPOINT, false, NULL},
	    {"method asked for, something missing", {"SALESFORCE_USERNAME=u", "SALESFORCE_PASSWORD=p"}, NULL, {.method = "jwt"},
		ERR_CONFIG, LOGIN_NONE, NULL, NULL, false, "SALESFORCE_PRIVATE_KEY_FILE"},
	    {"unknown method", {NULL}, NULL, {.method = "device"}, ERR_CONFIG, LOGIN_NONE, NULL, NULL, false, "device"},
	    {"damaged profile", {NULL}, "{\"method\"", {.method = NULL}, ERR_CONFIG, LOGIN_NONE, NULL, NULL, false, "salesforce.json"},
	};
	struct error e = ERROR_INIT;
	struct profile *p = profile_open("where", &e);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct salesforce_login l;
		int rc;

		error_clear(&e);
		set_environment(rows[i].environment, COUNT(rows[i].environment));
		if (rows[i].profile != NULL)
			assert_int_equal(profile_store_bytes(p, "salesforce.json", text_of(rows[i].profile), &e), 0);
		else
			assert_int_equal(profile_remove(p, "salesforce.json", &e), 0);
		rc = salesforce_login_load(&l, &rows[i].given, p, &e);
		if (e.code != rows[i].code || (rows[i].text != NULL && strstr(e.text, rows[i].text) == NULL))
			fail_msg("%s: %s \"%s\"", rows[i].name, error_name(e.code), e.text);
		if (rc == 0 && (l.method != rows[i].method || strcmp(l.login_url, rows[i].login_url) != 0 ||
				   strcmp(l.pubsub_endpoint, rows[i].pubsub) != 0 || (l.stored != NULL) != rows[i].has_stored))
			fail_msg("%s: %s at %s, %s, stored %d", rows[i].name, login_method_name(l.method), l.login_url,
			    l.pubsub_endpoint, l.stored != NULL);
		salesforce_login_release(&l);
	}
	set_environment(NULL, 0);
	profile_free(p);
}

static const char soap_ok[] =
    "<?xml version=\"1.0\"?><soapenv:Envelope xmlns:soapenv=\"x\"><soapenv:Body><loginResponse><result>"
    "<passwordExpired>false</passwordExpired><serverUrl>%URL%/services/Soap/u/64.0/00Dxx0000001gER</serverUrl>"
    "<sessionId>soap&amp;session</sessionId><userId>005xx000001AbCDEFG</userId><userInfo><organizationId>00Dxx0000001gERXXX"
    "</organizationId></userInfo></result></loginResponse></soapenv:Body></soapenv:Envelope>";
static const char soap_expired[] =
    "<e><result><passwordExpired>true</passwordExpired><serverUrl>%URL%/s</serverUrl><sessionId>x</sessionId></result></e>";
static const char soap_fault[] =
    "<e><soapenv:Fault><faultcode>INVALID_LOGIN</faultcode><faultstring>INVALID_LOGIN: Invalid username, password, security "
    "token; or user locked out.</faultstring></soapenv:Fault></e>";

static void
test_every_way_in(void **state)
{
	static const struct {
		const char *name;
		enum login_method method;
		struct fake_row row;
		const char *token, *asked;
	} rows[] = {
	    {"client credentials", LOGIN_CLIENT_CREDENTIALS, {"POST /services/oauth2/token", 200, TOKEN("cc"), NULL, 0, NULL}, "cc",
		"grant_type=client_credentials&client_id=the-client&client_secret=s%2B%2F%3D%26\n"},
	    {"password", LOGIN_PASSWORD, {"POST /services/oauth2/token", 200, TOKEN("pw"), NULL, 0, NULL}, "pw",
		"grant_type=password&username=etl%40acme.example&password=p%3C%26%3Ew&client_id=the-client"},
	    {"refresh token", LOGIN_REFRESH_TOKEN, {"POST /services/oauth2/token", 200, TOKEN("rt"), NULL, 0, NULL}, "rt",
		"grant_type=refresh_token&refresh_token=refresh-1&client_id=the-client"},
	    {"jwt", LOGIN_JWT, {"POST /services/oauth2/token", 200, TOKEN("jwt"), NULL, 0, NULL}, "jwt",
		"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJhbGciOiJSUzI1NiJ9."},
	    {"soap", LOGIN_SOAP, {"POST /services/Soap/u/64.0", 200, soap_ok, NULL, 0, NULL}, "soap&session",
		"<username>etl@acme.example</username><password>p&lt;&amp;&gt;w</password>"},
	    {"given token", LOGIN_ACCESS_TOKEN,
		{"GET /services/oauth2/userinfo", 200,
		    "{\"user_id\":\"005xx000001AbCDEFG\",\"organization_id\":\"00Dxx0000001gERXXX\",\"preferred_username\":\"me@x\"}", NULL, 0,
		    "Bearer given"},
		"given", "GET /services/oauth2/userinfo"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct salesforce_session *s;
		struct secret token = SECRET_INIT;

		fake_web_script(&web, &rows[i].row, 1);
		s = open_session(rows[i].method, NULL, &e);
		if (s == NULL)
			fail_msg("%s: %s", rows[i].name, e.text);
		salesforce_session_token(s, &token);
		if (strcmp(secret_reveal(&token), rows[i].token) != 0 || fake_web_asked(&web, rows[i].asked) != 1 ||
		    strcmp(salesforce_session_org_id(s), "00Dxx0000001gERXXX") != 0 ||
		    strcmp(salesforce_session_user_id(s), "005xx000001AbCDEFG") != 0 ||
		    strcmp(salesforce_session_instance_url(s), web.url) != 0)
			fail_msg("%s: token %s org %s\n%s", rows[i].name, secret_reveal(&token), salesforce_session_org_id(s),
			    buffer_text(&web.asked));
		assert_string_equal(salesforce_session_username(s),
		    rows[i].method == LOGIN_ACCESS_TOKEN ? "me@x" : "etl@acme.example");
		secret_release(&token);
		salesforce_session_free(s);
	}
}

#define REFUSAL(status, error, description)                                                        \
	{                                                                                          \
		"POST", status, "{\"error\":\"" error "\",\"error_description\":\"" description "\"}", NULL, 0, NULL \
	}

static void
test_every_refusal(void **state)
{
	static const struct {
		struct fake_row row;
		enum login_method method;
		enum error_code code;
		const char *text, *hint;
		int requests;
	} rows[] = {
	    {REFUSAL(400, "invalid_grant", "request not supported on this domain"), LOGIN_CLIENT_CREDENTIALS, ERR_CREDENTIALS,
		"request not supported", "My Domain", 1},
	    {REFUSAL(400, "invalid_grant", "no client credentials user enabled"), LOGIN_CLIENT_CREDENTIALS, ERR_CREDENTIALS,
		"no client credentials", "Run-As", 1},
	    {REFUSAL(400, "invalid_client_id", "client identifier invalid"), LOGIN_CLIENT_CREDENTIALS, ERR_CREDENTIALS, "identifier",
		"ten minutes", 1},
	    {REFUSAL(401, "invalid_client", "invalid client credentials"), LOGIN_CLIENT_CREDENTIALS, ERR_CREDENTIALS, "invalid_client",
		"client secret", 1},
	    {REFUSAL(400, "unsupported_grant_type", "grant type not supported"), LOGIN_CLIENT_CREDENTIALS, ERR_CREDENTIALS,
		"unsupported", "not enabled", 1},
	    {REFUSAL(400, "invalid_grant", "user hasn't approved this consumer"), LOGIN_JWT, ERR_CREDENTIALS, "approved",
		"pre-authorise", 1},
	    {REFUSAL(400, "invalid_app_access", "user is not admin approved to access this app"), LOGIN_JWT, ERR_CREDENTIALS,
		"invalid_app_access", "pre-authorise", 1},
	    {REFUSAL(400, "invalid_grant", "audience is invalid"), LOGIN_JWT, ERR_CREDENTIALS, "audience", "test.salesforce.com", 2},
	    {REFUSAL(400, "invalid_grant", "invalid assertion"), LOGIN_JWT, ERR_CREDENTIALS, "assertion", "certificate", 1},
	    {REFUSAL(400, "invalid_grant", "expired access/refresh token"), LOGIN_REFRESH_TOKEN, ERR_CREDENTIALS, "expired",
		"revoked", 1},
	    {REFUSAL(400, "invalid_grant", "authentication failure"), LOGIN_PASSWORD, ERR_CREDENTIALS, "authentication",
		"security token", 1},
	    {REFUSAL(400, "inactive_user", "user is inactive"), LOGIN_PASSWORD, ERR_CREDENTIALS, "inactive", "deactivated", 1},
	    {REFUSAL(400, "inactive_org", ""), LOGIN_PASSWORD, ERR_CREDENTIALS, "inactive_org", "locked", 1},
	    {REFUSAL(403, "invalid_grant", "something new"), LOGIN_PASSWORD, ERR_CREDENTIALS, "something new", "again", 1},
	    {REFUSAL(400, "invalid_grant", "login rate exceeded"), LOGIN_JWT, ERR_OVERLOADED, "login rate exceeded", "an hour", 1},
	    {REFUSAL(400, "LOGIN_RATE_EXCEEDED", ""), LOGIN_CLIENT_CREDENTIALS, ERR_OVERLOADED, "LOGIN_RATE_EXCEEDED", "an hour", 1},
	    {{"POST", 404, "<html>no</html>", NULL, 0, NULL}, LOGIN_CLIENT_CREDENTIALS, ERR_CONFIG, "not a Salesforce login service",
		"instance URL", 1},
	    {{"POST", 302, "", NULL, 0, NULL}, LOGIN_CLIENT_CREDENTIALS, ERR_CONFIG, "302", "instance URL", 1},
	    {{"POST", 200, "<html>hello</html>", NULL, 0, NULL}, LOGIN_CLIENT_CREDENTIALS, ERR_CONFIG, "not a Salesforce", "", 1},
	    {{"POST", 200, "{}", NULL, 0, NULL}, LOGIN_CLIENT_CREDENTIALS, ERR_CONFIG, "access_token", "", 1},
	    {{"POST", 503, "<html>maintenance</html>", NULL, 0, NULL}, LOGIN_CLIENT_CREDENTIALS, ERR_UNAVAILABLE, "503",
		"status.salesforce.com", 3},
	    {{"POST", 429, "", NULL, 0, NULL}, LOGIN_CLIENT_CREDENTIALS, ERR_OVERLOADED, "429", "", 3},
	    {{"POST", 0, "", NULL, 0, NULL}, LOGIN_CLIENT_CREDENTIALS, ERR_UNAVAILABLE, "", "", 3},
	    {{"POST", 500, soap_fault, NULL, 0, NULL}, LOGIN_SOAP, ERR_CREDENTIALS, "Invalid username", "security token", 1},
	    {{"POST", 500, "<e><faultcode>sf:UNSUPPORTED_API_VERSION</faultcode><faultstring>x</faultstring></e>", NULL, 0, NULL},
		LOGIN_SOAP, ERR_CREDENTIALS, "x", "retired", 1},
	    {{"POST", 500, "<e><faultcode>sf:LOGIN_RATE_EXCEEDED</faultcode><faultstring>y</faultstring></e>", NULL, 0, NULL},
		LOGIN_SOAP, ERR_OVERLOADED, "put off: y", "an hour", 1},
	    {{"POST", 500, "<e><faultcode>sf:INVALID_LOGIN</faultcode><faultstring>Login Rate Exceeded</faultstring></e>", NULL, 0,
		 NULL},
		LOGIN_SOAP, ERR_OVERLOADED, "Login Rate", "an hour", 1},
	    {{"POST", 500, "<e><faultcode>sf:SERVER_UNAVAILABLE</faultcode><faultstring>z</faultstring></e>", NULL, 0, NULL},
		LOGIN_SOAP, ERR_UNAVAILABLE, "failed: z", "status.salesforce.com", 1},
	    {{"POST", 500, "<e><faultcode>sf:UNKNOWN_EXCEPTION</faultcode><faultstring>z</faultstring></e>", NULL, 0, NULL},
		LOGIN_SOAP, ERR_UNAVAILABLE, "failed: z", "status.salesforce.com", 1},
	    {{"POST", 503, "<html>maintenance</html>", NULL, 0, NULL}, LOGIN_SOAP, ERR_UNAVAILABLE, "503", "status.salesforce.com", 3},
	    {{"POST", 200, soap_expired, NULL, 0, NULL}, LOGIN_SOAP, ERR_CREDENTIALS, "password has expired", "new one", 1},
	    {{"POST", 200, "<!DOCTYPE x><e><sessionId>x</sessionId></e>", NULL, 0, NULL}, LOGIN_SOAP, ERR_CONFIG, "not a Salesforce",
		"", 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct salesforce_session *s;

		fake_web_script(&web, &rows[i].row, 1);
		s = open_session(rows[i].method, NULL, &e);
		if (s != NULL)
			fail_msg("row %zu: passed", i);
		if (e.code != rows[i].code || strstr(e.text, rows[i].text) == NULL || strstr(e.hint, rows[i].hint) == NULL ||
		    web.requests != rows[i].requests)
			fail_msg("%s: %s \"%s\" hint \"%s\" after %d", rows[i].row.body, error_name(e.code), e.text, e.hint,
			    web.requests);
		if (strstr(e.text, "p<&>w") != NULL || strstr(e.text, "s+/=&") != NULL)
			fail_msg("row %zu shows a secret", i);
	}
}

/* Splits "a.b.c", decodes b, and checks the signature c over "a.b". */
static void
check_assertion(const char *jwt, const char *claims_part)
{
	const char *dot = strchr(jwt, '.'), *dot2 = strchr(dot + 1, '.');
	struct buffer claims = BUFFER_INIT, signature = BUFFER_INIT;
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	assert_int_equal(encode_unbase64(text_span(dot + 1, (size_t)(dot2 - dot - 1)), &claims), 0);
	assert_int_equal(encode_unbase64(text_of(dot2 + 1), &signature), 0);
	if (strstr(buffer_text(&claims), claims_part) == NULL)
		fail_msg("%s", buffer_text(&claims));
	EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key);
	assert_int_equal(EVP_DigestVerify(md, signature.data, signature.len, (const unsigned char *)jwt, (size_t)(dot2 - jwt)), 1);
	EVP_MD_CTX_free(md);
	buffer_release(&claims);
	buffer_release(&signature);
}

static void
test_assertion(void **state)
{
	struct buffer jwt = BUFFER_INIT;
	struct salesforce_login l;
	struct error e = ERROR_INIT;
	char small[96];
	EVP_PKEY *small_key = EVP_RSA_gen(1024);
	FILE *f;

	(void)state;
	fill_login(&l, LOGIN_JWT);
	assert_int_equal(salesforce_login_assertion(&jwt, &l, "https://login.salesforce.com", 1764000000999, &e), 0);
	check_assertion(buffer_text(&jwt),
	    "{\"iss\":\"the-client\",\"sub\":\"etl@acme.example\",\"aud\":\"https://login.salesforce.com\",\"exp\":1764000180}");
	buffer_clear(&jwt);

	/* a passphrase: missing, wrong, right */
	free(l.private_key_file);
	l.private_key_file = strdup(locked_key_file);
	assert_int_equal(salesforce_login_assertion(&jwt, &l, "x", 0, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.hint, "SALESFORCE_PRIVATE_KEY_PASSPHRASE"));
	secret_set(&l.key_passphrase, text_of("wrong"));
	assert_int_equal(salesforce_login_assertion(&jwt, &l, "x", 0, &e), -1);
	assert_non_null(strstr(e.text, "with this passphrase"));
	secret_set(&l.key_passphrase, text_of("open sesame"));
	assert_int_equal(salesforce_login_assertion(&jwt, &l, "x", 0, &e), 0);

	/* readable by others, absent, too short */
	chmod(locked_key_file, 0640);
	assert_int_equal(salesforce_login_assertion(&jwt, &l, "x", 0, &e), -1);
	assert_non_null(strstr(e.text, "read by others"));
	chmod(locked_key_file, 0600);
	snprintf(small, sizeof(small), "%s/small.pem", home);
	f = fopen(small, "w");
	PEM_write_PrivateKey(f, small_key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	chmod(small, 0600);
	free(l.private_key_file);
	l.private_key_file = strdup(small);
	assert_int_equal(salesforce_login_assertion(&jwt, &l, "x", 0, &e), -1);
	assert_non_null(strstr(e.text, "2048"));
	unlink(small);
	assert_int_equal(salesforce_login_assertion(&jwt, &l, "x", 0, &e), -1);
	assert_non_null(strstr(e.text, "No such file"));
	EVP_PKEY_free(small_key);
	salesforce_login_release(&l);
	buffer_release(&jwt);
}

static void
test_clock_skew_and_audience(void **state)
{
	static const struct fake_row assertion[] = {REFUSAL(400, "invalid_grant", "invalid assertion")};
	static const struct fake_row audience[] = {
	    {"POST", 400, "{\"error\":\"invalid_grant\",\"error_description\":\"audience is invalid\"}", NULL, 1, NULL},
	    {"POST", 200, TOKEN("second"), NULL, 0, NULL}};
	struct error e = ERROR_INIT;
	struct salesforce_session *s;
	int64_t now = web.wall_ms;

	(void)state;
	SCRIPT(assertion);
	web.wall_ms = clock_wall_ms(&clock_system) + 412000;
	assert_null(open_session(LOGIN_JWT, NULL, &e));
	if (strstr(e.hint, "s ahead of the server's") == NULL)
		fail_msg("%s", e.hint);
	web.wall_ms = clock_wall_ms(&clock_system) - 412000;
	assert_null(open_session(LOGIN_JWT, NULL, &e));
	assert_non_null(strstr(e.hint, "s behind the server's"));
	web.wall_ms = now;

	/* a My Domain that is no audience: once more with the generic host */
	SCRIPT(audience);
	s = open_session(LOGIN_JWT, NULL, &e);
	assert_non_null(s);
	assert_int_equal(web.requests, 2);
	salesforce_session_free(s);
}

static void
test_soap_elements(void **state)
{
	static const struct {
		const char *xml, *name, *value; /* NULL: none */
	} rows[] = {
	    {"<a><b>x</b></a>", "b", "x"}, {"<n:a><n:b>x</n:b></n:a>", "b", "x"}, {"<a b=\"1\">x</a>", "a", "x"},
	    {"<a>x&amp;&lt;&gt;&quot;&apos;&#65;&#x42;&#xe4;</a>", "a", "x&<>\"'AB\xc3\xa4"}, {"<a/>", "a", ""},
	    {"<a></a>", "a", ""}, {"<a><b/></a>", "a", NULL}, {"<a>x", "a", NULL}, {"", "a", NULL}, {"<a", "a", NULL},
	    {"<aa>1</aa><a>2</a>", "a", "2"}, {"</a><a>2</a>", "a", "2"}, {"<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "a", NULL},
	    {"<a>&x;&#0;&#xD800;</a>", "a", "&x;&#0;&#xD800;"}, {"<:a>1</:a>", "a", "1"}, {"<>", "a", NULL}, {"<a>1<", "a", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buffer out = BUFFER_INIT;
		bool found = soap_element(text_of(rows[i].xml), rows[i].name, &out);

		if (found != (rows[i].value != NULL) || (found && strcmp(buffer_text(&out), rows[i].value) != 0))
			fail_msg("%s: \"%s\"", rows[i].xml, found ? buffer_text(&out) : "none");
		buffer_release(&out);
	}
}

/* What a browser does: opens the redirect. Returns the status. */
static int
visit(struct browser_login *b, const char *query)
{
	struct http_options o = {.ca_file = web.tls.ca_file};
	struct http_client *c = http_client_new(&o);
	struct http_response r;
	struct error e = ERROR_INIT;
	char url[300];
	struct http_request q = {.method = "GET", .url = url};
	int status;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", http_callback_port(browser_login_flow(b)->callback), query);
	http_response_init(&r);
	status = http_perform(c, &q, &r, &e) == 0 ? r.status : -1;
	http_response_release(&r);
	http_client_free(c);
	return status;
}

static void
test_browser_login(void **state)
{
	static const struct fake_row rows[] = {{"POST /services/oauth2/token", 200,
	    "{\"access_token\":\"a\",\"refresh_token\":\"from-browser\",\"instance_url\":\"%URL%\",\"id\":"
	    "\"https://x/id/00Dxx0000001gERXXX/005xx000001AbCDEFG\"}",
	    NULL, 0, "grant_type=authorization_code&code=aPrx%3D%3D&redirect_uri=http%3A%2F%2Flocalhost%3A"}};
	struct http_pool_options po = {.http = {.ca_file = web.tls.ca_file}, .clock = &web.clock};
	struct http_pool *pool = http_pool_new(&po);
	struct error e = ERROR_INIT;
	struct salesforce_login l;
	struct browser_login *b;
	struct buffer oauth_state = BUFFER_INIT, challenge = BUFFER_INIT, verifier = BUFFER_INIT, expected = BUFFER_INIT;
	unsigned char digest[32];
	char path[300];

	(void)state;
	SCRIPT(rows);
	fill_login(&l, LOGIN_NONE);
	b = browser_login_begin(&l, "http://localhost:0/OauthRedirect", &e);
	if (b == NULL)
		fail_msg("%s", e.text);
	assert_true(http_form_value(text_of(strchr(browser_login_flow(b)->url, '?') + 1), "state", &oauth_state));
	assert_true(http_form_value(text_of(strchr(browser_login_flow(b)->url, '?') + 1), "code_challenge", &challenge));
	assert_non_null(strstr(browser_login_flow(b)->url, "/services/oauth2/authorize?response_type=code&client_id=the-client&"));
	assert_non_null(strstr(browser_login_flow(b)->url, "scope=api%20refresh_token"));

	/* strangers are refused and change nothing */
	assert_int_equal(visit(b, "/favicon.ico"), 404);
	assert_int_equal(visit(b, "/OauthRedirect?code=evil"), 400);
	assert_int_equal(visit(b, "/OauthRedirect?code=evil&state=guess"), 400);
	assert_int_equal(http_callback_wait(browser_login_flow(b)->callback, 1, &expected, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);

	snprintf(path, sizeof(path), "/OauthRedirect?code=aPrx%%3D%%3D&state=%s", buffer_text(&oauth_state));
	assert_int_equal(visit(b, path), 200);
	if (browser_login_finish(b, &l, pool, 5000, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(l.method, LOGIN_REFRESH_TOKEN);
	assert_string_equal(secret_reveal(&l.refresh_token), "from-browser");
	/* what was sent fits the challenge */
	assert_true(http_form_value(text_of(strchr(buffer_text(&web.asked), '\n') + 1), "code_verifier", &verifier));
	EVP_Digest(verifier.data, verifier.len, digest, NULL, EVP_sha256(), NULL);
	encode_base64url(&expected, digest, sizeof(digest));
	assert_string_equal(buffer_text(&expected), buffer_text(&challenge));
	assert_int_equal(verifier.len, 171);
	browser_login_free(b);

	/* pasted by hand, and denied */
	b = browser_login_begin(&l, "http://localhost:0/OauthRedirect", &e);
	assert_non_null(b);
	buffer_clear(&oauth_state);
	assert_true(http_form_value(text_of(strchr(browser_login_flow(b)->url, '?') + 1), "state", &oauth_state));
	assert_int_equal(http_callback_paste(browser_login_flow(b)->callback, "http://localhost:1/OauthRedirect?code=x&state=y", &e), -1);
	snprintf(path, sizeof(path),
	    " http://localhost:1/OauthRedirect?error=access_denied&error_description=end-user+denied+authorization&state=%s\n",
	    buffer_text(&oauth_state));
	assert_int_equal(http_callback_paste(browser_login_flow(b)->callback, path, &e), 0);
	assert_int_equal(browser_login_finish(b, &l, pool, 5000, &e), -1);
	assert_int_equal(e.code, ERR_CREDENTIALS);
	assert_non_null(strstr(e.text, "end-user denied authorization"));
	browser_login_free(b);

	/* nobody comes */
	b = browser_login_begin(&l, "http://localhost:0/OauthRedirect", &e);
	assert_int_equal(browser_login_finish(b, &l, pool, 10, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_non_null(strstr(e.hint, "redirect_uri_mismatch"));
	browser_login_free(b);
	assert_null(browser_login_begin(&l, "https://example.com/x", &e));
	assert_int_equal(e.code, ERR_CONFIG);
	http_pool_free(pool);
	salesforce_login_release(&l);
	buffer_release(&oauth_state);
	buffer_release(&challenge);
	buffer_release(&verifier);
	buffer_release(&expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hosts),
	    cmocka_unit_test(test_where_a_login_comes_from),
	    cmocka_unit_test(test_every_way_in),
	    cmocka_unit_test(test_every_refusal),
	    cmocka_unit_test(test_assertion),
	    cmocka_unit_test(test_clock_skew_and_audience),
	    cmocka_unit_test(test_soap_elements),
	    cmocka_unit_test(test_browser_login),
	};

	return cmocka_run_group_tests(tests, salesforce_web_setup, salesforce_web_teardown);
}

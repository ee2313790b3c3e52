#include "salesforce/login_token.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "salesforce/sf_cli.h"
#include "salesforce/soap.h"

#define TRIES 3
#define BACKOFF_FIRST_MS 1000
#define SKEW_NOTICED_MS 30000
#define RATE_PAUSE_MS 60000
#define HINT_HOST "check the instance URL: https://….my.salesforce.com"

void
salesforce_token_init(struct salesforce_token *t)
{
	memset(t, 0, sizeof(*t));
}

void
salesforce_token_release(struct salesforce_token *t)
{
	secret_release(&t->access_token);
	secret_release(&t->refresh_token);
	free(t->instance_url);
	free(t->username);
	salesforce_token_init(t);
}

/*
 * What the token endpoint says, part of its description (NULL: any), and the cause in a user's terms. The first row
 * that fits counts (wire/salesforce-http.md §2).
 */
static const struct {
	const char *error, *description, *hint;
	bool clock; /* a wrong clock may be the cause */
} refusals[] = {
    {"invalid_grant", "request not supported on this domain",
	"client credentials need the My Domain of the organisation as instance URL, not login. or test.salesforce.com",
	false},
    {"invalid_grant", "no client credentials user enabled",
	"the app has no Run-As user: set one (a user name, not an e-mail address) in its client credentials flow",
	false},
    {"invalid_client_id", NULL,
	"the client id is not known here: wrong id, wrong organisation, or an app made less than ten minutes ago",
	false},
    {"invalid_client", NULL, "the client secret does not belong to this client id", false},
    {"unsupported_grant_type", NULL,
	"this flow is not enabled in the app, or the host is not the organisation's", false},
    {"invalid_grant", "user hasn't approved",
	"pre-authorise the user in the app: policies, 'Admin approved users are pre-authorized', and a profile or permission set",
	false},
    {"invalid_app_access", NULL,
	"pre-authorise the user in the app: policies, 'Admin approved users are pre-authorized', and a profile or permission set",
	false},
    {"invalid_grant", "audience", "the login URL must be login.salesforce.com, test.salesforce.com for a sandbox, or the My Domain",
	true},
    {"invalid_grant", "assertion",
	"the key must belong to the certificate uploaded to the app, and this machine's clock must be right", true},
    {"invalid_grant", "expired access/refresh token",
	"the refresh token was revoked or has expired: run 'sfzb login salesforce' again", false},
    {"invalid_grant", "expired", "this machine's clock must be right", true},
    {"invalid_grant", "authentication failure",
	"wrong user name or password, the security token is missing behind the password, the address is outside the "
	"allowed ranges, or the organisation blocks this flow",
	false},
    {"inactive_user", NULL, "the user is deactivated", false},
    {"inactive_org", NULL, "the organisation is locked or closed", false},
    {"invalid_grant", NULL, "log in again, and check that the app allows this flow for this user", false},
};

/*
 * A user may log in 3,600 times an hour, whichever program does: no fault of these credentials, and over within the hour.
 * In words at the token endpoint, as a code in SOAP's faults.
 */
static bool
is_rate(const char *words)
{
	return strcasestr(words, "login rate exceeded") != NULL || strcasestr(words, "LOGIN_RATE_EXCEEDED") != NULL;
}

static int
set_rate_error(struct error *e, const char *words)
{
	error_set(e, ERR_OVERLOADED, "login put off: %s", words);
	if (e != NULL)
		e->retry_after_ms = RATE_PAUSE_MS;
	return error_hint(e, "the user logs in too often, here or in other programs: Salesforce takes 3600 logins an hour");
}

int
salesforce_token_error(const char *error, const char *description, int64_t skew_ms, struct error *e)
{
	char clean_error[80], clean_description[300];
	int64_t seconds = (skew_ms < 0 ? -skew_ms : skew_ms) / 1000;

	if (description == NULL)
		description = "";
	text_clean(clean_error, sizeof(clean_error), text_of(error));
	text_clean(clean_description, sizeof(clean_description), text_of(description));
	if (is_rate(description) || is_rate(error))
		return set_rate_error(e, description[0] != '\0' ? clean_description : clean_error);
	error_set(e, ERR_CREDENTIALS, "credentials refused: %s%s%s", clean_error,
	    description[0] != '\0' ? ": " : "", clean_description);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (strcmp(refusals[i].error, error) != 0 ||
		    (refusals[i].description != NULL &&
			strcasestr(description, refusals[i].description) == NULL))
			continue;
		if (refusals[i].clock && seconds * 1000 >= SKEW_NOTICED_MS)
			error_hint(e, "this machine's clock is %" PRId64 " s %s the server's; %s", seconds,
			    skew_ms > 0 ? "ahead of" : "behind", refusals[i].hint);
		else
			error_hint(e, "%s", refusals[i].hint);
		break;
	}
	return -1;
}

static bool
is_id(struct text t)
{
	if (t.len != 15 && t.len != 18)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (memchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", t.data[i],
			62) == NULL)
			return false;
	return true;
}

/* The last two parts of "https://login.salesforce.com/id/00D…/005…". */
static void
take_identity(struct salesforce_token *t, const char *id)
{
	const char *user = id != NULL ? strrchr(id, '/') : NULL;
	const char *org;

	if (user == NULL || user == id)
		return;
	for (org = user; org > id && org[-1] != '/'; org--)
		;
	if (is_id(text_span(org, (size_t)(user - org))) && is_id(text_of(user + 1))) {
		memcpy(t->org_id, org, (size_t)(user - org));
		strcpy(t->user_id, user + 1);
	}
}

int
salesforce_token_parse(struct text body, struct salesforce_token *out, struct error *e)
{
	struct json *j = json_parse(body, e);
	const char *token = json_find_string(j, "access_token");
	const char *refresh = json_find_string(j, "refresh_token");
	const char *instance = json_find_string(j, "instance_url");
	int rc = -1;

	if (token == NULL || token[0] == '\0' || instance == NULL) {
		error_set(e, ERR_CONFIG, "the answer holds no %s: this is not a Salesforce login service",
		    token == NULL || token[0] == '\0' ? "access_token" : "instance_url");
		error_hint(e, HINT_HOST);
	} else if (strlen(token) > LIMIT_TOKEN_BYTES) {
		error_set(e, ERR_CONFIG, "the access token is longer than %d bytes", LIMIT_TOKEN_BYTES);
	} else if ((out->instance_url = salesforce_host(instance, e)) != NULL) {
		secret_set(&out->access_token, text_of(token));
		if (refresh != NULL)
			secret_set(&out->refresh_token, text_of(refresh));
		take_identity(out, json_find_string(j, "id"));
		rc = 0;
	}
	json_free(j);
	return rc;
}

static bool
is_html(const struct http_response *r)
{
	struct text body = buffer_span(&r->body);

	while (body.len > 0 && strchr(" \t\r\n", body.data[0]) != NULL) {
		body.data++;
		body.len--;
	}
	return body.len > 0 && body.data[0] == '<';
}

static bool
is_soap_fault(const struct http_response *r)
{
	struct buffer code = BUFFER_INIT;
	bool found = soap_element(buffer_span(&r->body), "faultcode", &code);

	buffer_release(&code);
	return found;
}

/* The request, again after 429, 5xx and connections lost on the way. */
static int
ask(struct http_pool *pool, const struct http_request *q, struct http_response *r, struct error *e)
{
	for (int i = 1;; i++) {
		int rc = http_pool_perform(pool, q, r, e);
		bool again = rc < 0 ? e->code == ERR_UNAVAILABLE && !r->never_sent :
				      r->status == 429 || r->status >= 500;
		int64_t wait;
		char took[40];

		/* SOAP answers a refusal with 500, and a password tried again locks the user out */
		if (!again || i == TRIES || (rc == 0 && is_soap_fault(r)))
			return rc;
		wait = http_retry_after_ms(r, clock_wall_ms(http_pool_clock(pool)));
		if (wait < BACKOFF_FIRST_MS << (i - 1))
			wait = BACKOFF_FIRST_MS << (i - 1);
		wait += http_pool_jitter(pool, BACKOFF_FIRST_MS);
		clock_format_duration(took, sizeof(took), wait);
		if (rc < 0)
			log_info("salesforce", "%s; again in %s", e->text, took);
		else
			log_info("salesforce", "the login service did not answer: %d %s; again in %s", r->status,
			    http_status_words(r->status), took);
		if (http_pool_pause(pool, wait, e) < 0)
			return -1;
	}
}

/* An answer that is neither a token nor a refusal. */
static int
strange_answer(const struct http_request *q, const struct http_response *r, struct error *e)
{
	char url[300];

	http_url_for_people(url, sizeof(url), q->url);
	if (r->status == 429 || r->status >= 500) {
		error_set(e, http_status_error_code(r->status), "POST %s: %d %s", url, r->status,
		    http_status_words(r->status));
		return error_hint(e, "Salesforce may be in maintenance: see status.salesforce.com");
	}
	error_set(e, ERR_CONFIG, "POST %s: %d %s: this is not a Salesforce login service", url, r->status,
	    http_status_words(r->status));
	return error_hint(e, HINT_HOST);
}

static int
read_answer(const struct http_request *q, const struct http_response *r, int64_t now_ms,
    struct salesforce_token *out, struct error *e)
{
	struct json *j = NULL;
	int64_t server_ms = http_response_date_ms(r);
	char url[300];
	int rc = -1;

	http_url_for_people(url, sizeof(url), q->url);
	if (r->status == 200 && !is_html(r)) {
		rc = salesforce_token_parse(buffer_span(&r->body), out, e);
		return rc < 0 ? error_wrap(e, "POST %s", url) : 0;
	}
	if (r->status >= 400 && r->status < 500 && r->status != 429)
		j = json_parse(buffer_span(&r->body), e);
	if (json_find_string(j, "error") != NULL) {
		salesforce_token_error(json_find_string(j, "error"),
		    json_find_string(j, "error_description"), server_ms > 0 ? now_ms - server_ms : 0, e);
		error_wrap(e, "POST %s", url);
	} else {
		strange_answer(q, r, e);
	}
	json_free(j);
	return rc;
}

static int
request_token(const struct salesforce_login *l, struct http_pool *pool, struct buffer *form,
    struct salesforce_token *out, struct error *e)
{
	char *url = memory_format("%s/services/oauth2/token", l->login_url);
	const struct http_header headers[] = {{"Content-Type", "application/x-www-form-urlencoded"},
	    {"Accept", "application/json"}};
	struct http_request q = {.method = "POST", .url = url, .headers = headers, .header_count = 2,
	    .body = buffer_span(form), .is_secret = true};
	struct http_response r;
	int rc;

	http_response_init(&r);
	rc = ask(pool, &q, &r, e);
	if (rc == 0)
		rc = read_answer(&q, &r, clock_wall_ms(http_pool_clock(pool)), out, e);
	http_response_release(&r);
	free(url);
	return rc;
}

static void
add_client(const struct salesforce_login *l, struct buffer *form)
{
	http_form_add(form, "client_id", text_of(l->client_id));
	if (secret_is_set(&l->client_secret))
		http_form_add(form, "client_secret", text_of(secret_reveal(&l->client_secret)));
}

static void
warn_of_end(atomic_bool *warned, const char *what)
{
	if (!atomic_exchange(warned, true))
		log_warn("salesforce", "%s", what);
}

static int
by_jwt(const struct salesforce_login *l, struct http_pool *pool, struct salesforce_token *out,
    struct error *e)
{
	const char *audience = l->login_url;

	/* a My Domain is a good audience in most organisations; where not, the generic host is */
	for (int i = 0;; i++) {
		struct buffer form = BUFFER_INIT, assertion = BUFFER_INIT;
		int rc = salesforce_login_assertion(&assertion, l, audience,
		    clock_wall_ms(http_pool_clock(pool)), e);

		if (rc == 0) {
			http_form_add(&form, "grant_type",
			    text_of("urn:ietf:params:oauth:grant-type:jwt-bearer"));
			http_form_add(&form, "assertion", buffer_span(&assertion));
			rc = request_token(l, pool, &form, out, e);
		}
		buffer_release_wiped(&form);
		buffer_release_wiped(&assertion);
		if (rc == 0 || i > 0 || salesforce_host_is_generic(l->login_url) ||
		    strstr(e->text, "audience is invalid") == NULL)
			return rc;
		audience = salesforce_host_is_sandbox(l->login_url) ? "https://test.salesforce.com" :
								      "https://login.salesforce.com";
		log_debug("salesforce", "the audience was refused, trying %s", audience);
	}
}

static int
by_form(const struct salesforce_login *l, struct http_pool *pool, struct salesforce_token *out,
    struct error *e)
{
	static atomic_bool warned;
	struct buffer form = BUFFER_INIT;
	int rc;

	switch (l->method) {
	case LOGIN_CLIENT_CREDENTIALS:
		http_form_add(&form, "grant_type", text_of("client_credentials"));
		break;
	case LOGIN_REFRESH_TOKEN:
		http_form_add(&form, "grant_type", text_of("refresh_token"));
		http_form_add(&form, "refresh_token", text_of(secret_reveal(&l->refresh_token)));
		break;
	default:
		warn_of_end(&warned,
		    "Salesforce is ending logins by user name and password: off in new organisations already, in others "
		    "without a date yet (SOAP login: " SOAP_LOGIN_ENDS "); move to client credentials or JWT");
		http_form_add(&form, "grant_type", text_of("password"));
		http_form_add(&form, "username", text_of(l->username));
		http_form_add(&form, "password", text_of(secret_reveal(&l->password)));
	}
	add_client(l, &form);
	rc = request_token(l, pool, &form, out, e);
	buffer_release_wiped(&form);
	return rc;
}

int
salesforce_login_exchange(const struct salesforce_login *l, struct http_pool *pool, const char *code,
    const char *redirect_url, const char *verifier, struct salesforce_token *out, struct error *e)
{
	struct buffer form = BUFFER_INIT;
	int rc;

	http_form_add(&form, "grant_type", text_of("authorization_code"));
	http_form_add(&form, "code", text_of(code));
	http_form_add(&form, "redirect_uri", text_of(redirect_url));
	http_form_add(&form, "code_verifier", text_of(verifier));
	add_client(l, &form);
	rc = request_token(l, pool, &form, out, e);
	buffer_release_wiped(&form);
	return rc;
}

static int
soap_refused(const struct http_response *r, struct error *e)
{
	struct buffer code = BUFFER_INIT, words = BUFFER_INIT;
	char clean[400];

	soap_element(buffer_span(&r->body), "faultcode", &code);
	soap_element(buffer_span(&r->body), "faultstring", &words);
	text_clean(clean, sizeof(clean), buffer_span(&words));
	error_set(e, ERR_CREDENTIALS, "credentials refused: %s", clean);
	if (is_rate(buffer_text(&code)) || is_rate(clean)) {
		set_rate_error(e, clean);
	} else if (text_ends(buffer_span(&code), "SERVER_UNAVAILABLE") || text_ends(buffer_span(&code), "UNKNOWN_EXCEPTION")) {
		error_set(e, ERR_UNAVAILABLE, "the login service failed: %s", clean);
		error_hint(e, "Salesforce may be in maintenance: see status.salesforce.com");
	} else if (text_ends(buffer_span(&code), "UNSUPPORTED_API_VERSION")) {
		error_hint(e, "SOAP login has been retired here: use client credentials or JWT");
	} else if (text_ends(buffer_span(&code), "INVALID_LOGIN")) {
		error_hint(e,
		    "put the security token directly behind the password; the user may also be locked out, or SOAP "
		    "login switched off");
	}
	buffer_release(&code);
	buffer_release(&words);
	return -1;
}

static int
soap_accepted(const struct http_response *r, struct salesforce_token *out, struct error *e)
{
	struct text xml = buffer_span(&r->body);
	struct buffer url = BUFFER_INIT, session = BUFFER_INIT, value = BUFFER_INIT;
	int rc = -1;

	if (!soap_element(xml, "serverUrl", &url) || !soap_element(xml, "sessionId", &session) ||
	    session.len == 0 || session.len > LIMIT_TOKEN_BYTES) {
		error_set(e, ERR_CONFIG, "the answer holds no session: this is not a Salesforce login service");
		error_hint(e, HINT_HOST);
		goto out;
	}
	/* 200, and a session that is good for nothing but a new password */
	if (soap_element(xml, "passwordExpired", &value) && text_is(buffer_span(&value), "true")) {
		error_set(e, ERR_CREDENTIALS, "the password has expired");
		error_hint(e, "set a new one in Salesforce, then log in again");
		goto out;
	}
	out->instance_url = salesforce_host(buffer_text(&url), e);
	if (out->instance_url == NULL)
		goto out;
	secret_set(&out->access_token, buffer_span(&session));
	buffer_clear(&value);
	if (soap_element(xml, "userId", &value) && is_id(buffer_span(&value)))
		strcpy(out->user_id, buffer_text(&value));
	buffer_clear(&value);
	if (soap_element(xml, "organizationId", &value) && is_id(buffer_span(&value)))
		strcpy(out->org_id, buffer_text(&value));
	rc = 0;
out:
	buffer_release(&url);
	buffer_release_wiped(&session);
	buffer_release(&value);
	return rc;
}

static int
by_soap(const struct salesforce_login *l, struct http_pool *pool, struct salesforce_token *out,
    struct error *e)
{
	static atomic_bool warned;
	char *url = memory_format("%s" SOAP_LOGIN_PATH, l->login_url);
	const struct http_header headers[] = {{"Content-Type", "text/xml; charset=UTF-8"},
	    {"SOAPAction", "\"\""}};
	struct buffer body = BUFFER_INIT;
	struct http_request q = {.method = "POST", .url = url, .headers = headers, .header_count = 2,
	    .is_secret = true};
	struct http_response r;
	char shown[300];
	int rc;

	warn_of_end(&warned,
	    "Salesforce ends SOAP login on " SOAP_LOGIN_ENDS " (Summer '27): move to client credentials or JWT");
	soap_login_request(&body, l->username, secret_reveal(&l->password));
	q.body = buffer_span(&body);
	http_response_init(&r);
	rc = ask(pool, &q, &r, e);
	if (rc == 0) {
		struct buffer code = BUFFER_INIT;

		http_url_for_people(shown, sizeof(shown), url);
		if (r.status == 200 && soap_element(buffer_span(&r.body), "sessionId", &code))
			rc = soap_accepted(&r, out, e);
		else if (soap_element(buffer_span(&r.body), "faultcode", &code))
			rc = soap_refused(&r, e);
		else
			rc = strange_answer(&q, &r, e);
		if (rc < 0 && strncmp(e->text, "POST ", 5) != 0)
			error_wrap(e, "POST %s", shown);
		buffer_release_wiped(&code);
	}
	buffer_release_wiped(&body);
	http_response_release(&r);
	free(url);
	return rc;
}

static bool
is_cancelled(void *pool)
{
	return http_pool_is_interrupted(pool);
}

static int
by_method(const struct salesforce_login *l, struct http_pool *pool, struct salesforce_token *out,
    struct error *e)
{
	switch (l->method) {
	case LOGIN_ACCESS_TOKEN:
		secret_copy(&out->access_token, &l->access_token);
		out->instance_url = memory_strdup(l->instance_url);
		return 0;
	case LOGIN_SF:
		return salesforce_sf_token(l->sf_alias, is_cancelled, pool, out, e);
	case LOGIN_JWT:
		return by_jwt(l, pool, out, e);
	case LOGIN_SOAP:
		return by_soap(l, pool, out, e);
	default:
		return by_form(l, pool, out, e);
	}
}

/* A helper's secrets live as long as the request that they are for. */
static int
by_helper(const struct salesforce_login *l, struct http_pool *pool, struct salesforce_token *out,
    struct error *e)
{
	struct salesforce_login filled;
	int rc;

	salesforce_login_copy(&filled, l);
	rc = salesforce_login_ask_helper(&filled, is_cancelled, pool, e);
	if (rc == 0) {
		/* now it must be there, not only promised */
		free(filled.credential_helper);
		filled.credential_helper = NULL;
		rc = salesforce_login_complete(&filled, e);
		if (rc < 0)
			error_wrap(e, "credential helper '%s'", l->credential_helper);
	}
	if (rc == 0)
		rc = by_method(&filled, pool, out, e);
	salesforce_login_release(&filled);
	return rc;
}

int
salesforce_login_request(const struct salesforce_login *l, struct http_pool *pool,
    struct salesforce_token *out, struct error *e)
{
	int rc;

	salesforce_token_init(out);
	rc = l->credential_helper != NULL ? by_helper(l, pool, out, e) : by_method(l, pool, out, e);
	if (rc == 0 && out->username == NULL && l->username != NULL && l->method != LOGIN_ACCESS_TOKEN)
		out->username = memory_strdup(l->username);
	if (rc < 0)
		salesforce_token_release(out);
	return rc;
}

#include "databricks/login_browser.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/memory.h"
#include "base/random.h"
#include "databricks/session.h"
#include "databricks/token.h"
#include "http/server.h"

#define STATE_BYTES 16
#define VERIFIER_BYTES 64
#define PORT_FIRST 8020
#define PORT_LAST 8040
#define SCOPES "offline_access all-apis"

struct databricks_browser {
	struct http_callback *callback;
	char *redirect_url, *url;
	char *token_endpoint; /* NULL: the host's usual one */
	struct secret verifier;
};

/* An endpoint that the workspace names counts when it is one that a secret may be sent to. */
static char *
endpoint_of(const struct json *facts, const char *key)
{
	const char *given = json_find_string(facts, key);
	struct error ignored = ERROR_INIT;
	char *origin = given != NULL ? http_origin(given, &ignored) : NULL;
	char *endpoint = origin != NULL && strstr(given, "://") != NULL ? memory_strdup(given) : NULL;

	free(origin);
	return endpoint;
}

/* Where login and tokens are. A workspace that does not tell has them in the usual places. */
static int
discover(const struct databricks_config *c, struct http_pool *pool, char **authorize, char **token, struct error *e)
{
	char *url = memory_format("%s/oidc/.well-known/oauth-authorization-server", c->host.url);
	char *usual = memory_format("%s/oidc/v1/token", c->host.url), *what = memory_format("GET %s", url);
	struct http_request q = {.method = "GET", .url = url};
	struct http_response r;
	struct json *facts = NULL;
	int rc;

	*authorize = *token = NULL;
	http_response_init(&r);
	rc = http_pool_perform(pool, &q, &r, e);
	if (rc == 0 && r.status == 200) {
		facts = json_parse(buffer_span(&r.body), e);
		if (facts == NULL)
			rc = databricks_error(&r, what, e); /* a page for people: the wrong host */
		*authorize = endpoint_of(facts, "authorization_endpoint");
		*token = endpoint_of(facts, "token_endpoint");
	} else if (rc == 0 && r.status >= 500) {
		rc = databricks_error(&r, what, e);
	}
	if (rc == 0 && *authorize == NULL)
		*authorize = memory_format("%s/oidc/v1/authorize", c->host.url);
	if (*token != NULL && strcmp(*token, usual) == 0) {
		free(*token);
		*token = NULL;
	}
	json_free(facts);
	http_response_release(&r);
	free(what);
	free(usual);
	free(url);
	return rc;
}

static int
listen_at(struct databricks_browser *b, uint16_t port, const char *path, const char *state, struct error *e)
{
	b->callback = http_callback_new(port, path, state, e);
	return b->callback != NULL ? 0 : -1;
}

/* The redirect's path is empty in what the service is told, and "/" in what the browser asks for. */
static int
listen_somewhere(struct databricks_browser *b, const char *redirect_url, const char *state, struct error *e)
{
	const char *fixed = profile_environment("DATABRICKS_OAUTH_CALLBACK_PORT");
	long first = PORT_FIRST, last = PORT_LAST;
	char *path = NULL, *end;
	uint16_t port;
	int rc = -1;

	if (redirect_url != NULL) {
		rc = http_callback_split(redirect_url, &port, &path, e);
		if (rc == 0)
			rc = listen_at(b, port, path, state, e);
		b->redirect_url = memory_strdup(redirect_url);
		free(path);
		return rc;
	}
	if (fixed != NULL) {
		first = last = strtol(fixed, &end, 10);
		if (*end != '\0' || first < 1 || first > 65535)
			return error_set(e, ERR_CONFIG, "DATABRICKS_OAUTH_CALLBACK_PORT: '%s' is not a port", fixed);
	}
	for (long p = first; p <= last && rc < 0; p++)
		rc = listen_at(b, (uint16_t)p, "/", state, e);
	if (rc == 0)
		b->redirect_url = memory_format("http://localhost:%u", http_callback_port(b->callback));
	else
		error_hint(e, "free one of the ports %ld to %ld, or name another with DATABRICKS_OAUTH_CALLBACK_PORT", first, last);
	return rc;
}

static void
build_url(struct databricks_browser *b, const struct databricks_config *c, const char *authorize, const char *state)
{
	struct buffer query = BUFFER_INIT, challenge = BUFFER_INIT;
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)secret_reveal(&b->verifier), b->verifier.len, digest);
	encode_base64url(&challenge, digest, sizeof(digest));
	http_form_add(&query, "response_type", text_of("code"));
	http_form_add(&query, "client_id", text_of(c->client_id != NULL ? c->client_id : DATABRICKS_PUBLIC_CLIENT));
	http_form_add(&query, "redirect_uri", text_of(b->redirect_url));
	http_form_add(&query, "scope", text_of(SCOPES));
	http_form_add(&query, "state", text_of(state));
	http_form_add(&query, "code_challenge", buffer_span(&challenge));
	http_form_add(&query, "code_challenge_method", text_of("S256"));
	b->url = memory_format("%s%c%s", authorize, strchr(authorize, '?') != NULL ? '&' : '?', buffer_text(&query));
	buffer_release(&query);
	buffer_release(&challenge);
}

static void
make_verifier(struct secret *out)
{
	unsigned char random[VERIFIER_BYTES];
	struct buffer text = BUFFER_INIT;

	random_system_bytes(random, sizeof(random));
	encode_base64url(&text, random, sizeof(random));
	secret_set(out, buffer_span(&text));
	secret_wipe(random, sizeof(random));
	secret_wipe(text.data, text.capacity);
	buffer_release(&text);
}

struct databricks_browser *
databricks_browser_begin(const struct databricks_config *c, struct http_pool *pool, const char *redirect_url,
    struct error *e)
{
	struct databricks_browser *b = memory_zero(1, sizeof(*b));
	unsigned char random[STATE_BYTES];
	struct buffer state = BUFFER_INIT;
	char *authorize = NULL;
	bool ready = false;

	random_system_bytes(random, sizeof(random));
	encode_base64url(&state, random, sizeof(random));
	make_verifier(&b->verifier);
	if (discover(c, pool, &authorize, &b->token_endpoint, e) == 0 &&
	    listen_somewhere(b, redirect_url, buffer_text(&state), e) == 0) {
		build_url(b, c, authorize, buffer_text(&state));
		ready = true;
	}
	if (!ready) {
		error_wrap(e, "login in the browser");
		databricks_browser_free(b);
		b = NULL;
	}
	buffer_release(&state);
	free(authorize);
	return b;
}

void
databricks_browser_free(struct databricks_browser *b)
{
	if (b == NULL)
		return;
	http_callback_free(b->callback);
	secret_release(&b->verifier);
	free(b->redirect_url);
	free(b->token_endpoint);
	free(b->url);
	free(b);
}

const char *
databricks_browser_url(const struct databricks_browser *b)
{
	return b->url;
}

struct http_callback *
databricks_browser_callback(struct databricks_browser *b)
{
	return b->callback;
}

/* "error=access_denied&error_description=…" instead of a code. */
static int
denied(struct text query, struct error *e)
{
	struct buffer error = BUFFER_INIT, description = BUFFER_INIT;
	char clean[80], clean_description[300];

	if (!http_form_value(query, "error", &error))
		buffer_append_text(&error, "no code");
	http_form_value(query, "error_description", &description);
	text_clean(clean, sizeof(clean), buffer_span(&error));
	text_clean(clean_description, sizeof(clean_description), buffer_span(&description));
	error_set(e, ERR_CREDENTIALS, "login in the browser: %s%s%s", clean, clean_description[0] != '\0' ? ": " : "",
	    clean_description);
	if (text_is(buffer_span(&error), "access_denied"))
		error_hint(e, "the login was refused in the browser, or this user may not use the workspace");
	else if (text_is(buffer_span(&error), "invalid_scope"))
		error_hint(e, "the app must have the scopes all-apis and offline_access");
	buffer_release(&error);
	buffer_release(&description);
	return -1;
}

static int
take_grant(struct databricks_config *c, struct databricks_browser *b, struct databricks_grant *g, int64_t now_ms,
    struct error *e)
{
	if (!secret_is_set(&g->refresh)) {
		error_set(e, ERR_CREDENTIALS, "login in the browser: the workspace gives no refresh token");
		return error_hint(e, "the app must have the scope offline_access");
	}
	c->method = DATABRICKS_U2M;
	secret_release(&c->client_secret);
	secret_release(&c->token);
	secret_move(&c->refresh_token, &g->refresh);
	secret_move(&c->access_token, &g->access);
	c->renew_at_ms = now_ms + g->life_ms - databricks_token_early_ms(g->life_ms);
	free(c->token_endpoint);
	c->token_endpoint = memory_strdup(b->token_endpoint);
	return 0;
}

int
databricks_browser_finish(struct databricks_browser *b, struct databricks_config *c, struct http_pool *pool,
    int64_t timeout_ms, struct error *e)
{
	struct buffer query = BUFFER_INIT, code = BUFFER_INIT;
	struct databricks_grant grant = {.life_ms = 0};
	struct databricks_config asking;
	int rc = -1;

	databricks_config_copy(&asking, c);
	free(asking.token_endpoint);
	asking.token_endpoint = memory_strdup(b->token_endpoint);
	if (http_callback_wait(b->callback, timeout_ms, &query, e) < 0) {
		if (e->code == ERR_TIMEOUT)
			error_hint(e, "if the browser says that the redirect is not registered, name the app's own with --redirect-url");
	} else if (!http_form_value(buffer_span(&query), "code", &code) || code.len == 0) {
		denied(buffer_span(&query), e);
	} else if (databricks_token_exchange(&asking, pool, buffer_text(&code), b->redirect_url, &b->verifier, &grant, e) < 0) {
		error_wrap(e, "login in the browser");
	} else {
		rc = take_grant(c, b, &grant, clock_wall_ms(http_pool_clock(pool)), e);
	}
	databricks_grant_release(&grant);
	databricks_config_release(&asking);
	if (code.data != NULL)
		secret_wipe(code.data, code.capacity);
	if (query.data != NULL)
		secret_wipe(query.data, query.capacity);
	buffer_release(&code);
	buffer_release(&query);
	return rc;
}

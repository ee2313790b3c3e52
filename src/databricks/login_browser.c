#include "databricks/login_browser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "databricks/session.h"
#include "databricks/token.h"

#define VERIFIER_BYTES 64
#define PORT_FIRST 8020
#define PORT_LAST 8040
#define SCOPES "offline_access all-apis"

struct databricks_browser {
	struct authorization flow;
	char *token_endpoint; /* NULL: the host's usual one */
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

/* The redirect's path is empty in what the service is told, and "/" in what the browser asks for. */
static int
listen_somewhere(struct authorization *a, const char *redirect_url, struct error *e)
{
	const char *fixed = profile_environment("DATABRICKS_OAUTH_CALLBACK_PORT");
	long first = PORT_FIRST, last = PORT_LAST;
	char usual[40], *end;
	int rc = -1;

	if (redirect_url != NULL)
		return authorization_listen(a, redirect_url, e);
	if (fixed != NULL) {
		first = last = strtol(fixed, &end, 10);
		if (*end != '\0' || first < 1 || first > 65535)
			return error_set(e, ERR_CONFIG, "DATABRICKS_OAUTH_CALLBACK_PORT: '%s' is not a port", fixed);
	}
	for (long p = first; p <= last && rc < 0; p++) {
		snprintf(usual, sizeof(usual), "http://localhost:%ld", p);
		rc = authorization_listen(a, usual, e);
	}
	if (rc < 0)
		error_hint(e, "free one of the ports %ld to %ld, or name another with DATABRICKS_OAUTH_CALLBACK_PORT", first, last);
	return rc;
}

struct databricks_browser *
databricks_browser_begin(const struct databricks_config *c, struct http_pool *pool, const char *redirect_url,
    struct error *e)
{
	struct databricks_browser *b = memory_zero(1, sizeof(*b));
	char *authorize;

	authorization_init(&b->flow, VERIFIER_BYTES);
	if (discover(c, pool, &authorize, &b->token_endpoint, e) == 0 && listen_somewhere(&b->flow, redirect_url, e) == 0) {
		authorization_set_url(&b->flow, authorize, c->client_id != NULL ? c->client_id : DATABRICKS_PUBLIC_CLIENT, SCOPES);
	} else {
		error_wrap(e, "login in the browser");
		databricks_browser_free(b);
		b = NULL;
	}
	free(authorize);
	return b;
}

void
databricks_browser_free(struct databricks_browser *b)
{
	if (b == NULL)
		return;
	authorization_release(&b->flow);
	free(b->token_endpoint);
	free(b);
}

struct authorization *
databricks_browser_flow(struct databricks_browser *b)
{
	return &b->flow;
}

/* "access_denied: why" instead of a code. */
static int
denied(const struct authorization *a, struct error *e)
{
	char error[80], description[300];

	text_clean(error, sizeof(error), buffer_span(&a->error));
	text_clean(description, sizeof(description), buffer_span(&a->description));
	error_set(e, ERR_CREDENTIALS, "login in the browser: %s%s%s", error, description[0] != '\0' ? ": " : "", description);
	if (text_is(buffer_span(&a->error), "access_denied"))
		return error_hint(e, "the login was refused in the browser, or this user may not use the workspace");
	if (text_is(buffer_span(&a->error), "invalid_scope"))
		return error_hint(e, "the app must have the scopes all-apis and offline_access");
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
	const struct authorization *a = &b->flow;
	struct databricks_grant grant = {.life_ms = 0};
	struct databricks_config asking;
	int rc = authorization_wait(&b->flow, timeout_ms, e);

	if (rc < 0) {
		if (e->code == ERR_TIMEOUT)
			error_hint(e, "if the browser says that the redirect is not registered, name the app's own with --redirect-url");
		return -1;
	}
	if (rc == 0)
		return denied(a, e);
	databricks_config_copy(&asking, c);
	free(asking.token_endpoint);
	asking.token_endpoint = memory_strdup(b->token_endpoint);
	rc = databricks_token_exchange(&asking, pool, secret_reveal(&a->code), a->redirect_url, &a->verifier, &grant, e);
	if (rc == 0)
		rc = take_grant(c, b, &grant, clock_wall_ms(http_pool_clock(pool)), e);
	else
		error_wrap(e, "login in the browser");
	databricks_grant_release(&grant);
	databricks_config_release(&asking);
	return rc;
}

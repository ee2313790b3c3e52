#include "salesforce/login_browser.h"

#include <stdlib.h>

#include "base/memory.h"
#include "salesforce/login_token.h"

#define VERIFIER_BYTES 128 /* what the vendor's own CLI takes */

struct browser_login {
	struct authorization flow;
};

struct browser_login *
browser_login_begin(const struct salesforce_login *l, const char *redirect_url, struct error *e)
{
	struct browser_login *b;
	char *endpoint;

	if (redirect_url == NULL)
		redirect_url = SALESFORCE_REDIRECT_URL;
	if (l->client_id == NULL) {
		error_set(e, ERR_CONFIG, "login in the browser: SALESFORCE_CLIENT_ID is missing");
		error_hint(e, "give the client id of an app of your own, with callback URL %s", redirect_url);
		return NULL;
	}
	b = memory_zero(1, sizeof(*b));
	authorization_init(&b->flow, VERIFIER_BYTES);
	if (authorization_listen(&b->flow, redirect_url, e) < 0) {
		error_wrap(e, "login in the browser");
		browser_login_free(b);
		return NULL;
	}
	endpoint = memory_format("%s/services/oauth2/authorize", l->login_url);
	authorization_set_url(&b->flow, endpoint, l->client_id, "api refresh_token");
	free(endpoint);
	return b;
}

void
browser_login_free(struct browser_login *b)
{
	if (b == NULL)
		return;
	authorization_release(&b->flow);
	free(b);
}

struct authorization *
browser_login_flow(struct browser_login *b)
{
	return &b->flow;
}

static void
take_token(struct salesforce_login *l, struct salesforce_token *t)
{
	free(l->instance_url);
	l->instance_url = memory_strdup(t->instance_url);
	if (secret_is_set(&t->refresh_token)) {
		l->method = LOGIN_REFRESH_TOKEN;
		secret_move(&l->refresh_token, &t->refresh_token);
	} else {
		l->method = LOGIN_ACCESS_TOKEN;
		secret_move(&l->access_token, &t->access_token);
	}
}

int
browser_login_finish(struct browser_login *b, struct salesforce_login *l, struct http_pool *pool,
    int64_t timeout_ms, struct error *e)
{
	struct authorization *a = &b->flow;
	struct salesforce_token token;
	int rc = authorization_wait(a, timeout_ms, e);

	if (rc < 0) {
		if (e->code == ERR_TIMEOUT)
			error_hint(e, "if the browser says redirect_uri_mismatch, register %s as callback URL of the app",
			    a->redirect_url);
		return -1;
	}
	if (rc == 0) {
		salesforce_token_error(buffer_text(&a->error), buffer_text(&a->description), 0, e);
		return error_wrap(e, "login in the browser");
	}
	salesforce_token_init(&token);
	rc = salesforce_login_exchange(l, pool, secret_reveal(&a->code), a->redirect_url, secret_reveal(&a->verifier), &token, e);
	if (rc == 0)
		take_token(l, &token);
	else
		error_wrap(e, "login in the browser");
	salesforce_token_release(&token);
	return rc;
}

#include "salesforce/login_browser.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/memory.h"
#include "base/random.h"
#include "http/client.h"
#include "http/server.h"
#include "salesforce/login_token.h"

#define STATE_BYTES 16
#define VERIFIER_BYTES 128 /* what the vendor's own CLI takes */

struct browser_login {
	struct http_callback *callback;
	char *redirect_url, *url;
	struct buffer verifier;
};

static void
build_url(struct browser_login *b, const struct salesforce_login *l, const char *state, bool prompt_login)
{
	struct buffer query = BUFFER_INIT, challenge = BUFFER_INIT;
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256(b->verifier.data, b->verifier.len, digest);
	encode_base64url(&challenge, digest, sizeof(digest));
	http_form_add(&query, "response_type", text_of("code"));
	http_form_add(&query, "client_id", text_of(l->client_id));
	http_form_add(&query, "redirect_uri", text_of(b->redirect_url));
	http_form_add(&query, "scope", text_of("api refresh_token"));
	http_form_add(&query, "state", text_of(state));
	http_form_add(&query, "code_challenge", buffer_span(&challenge));
	http_form_add(&query, "code_challenge_method", text_of("S256"));
	if (prompt_login)
		http_form_add(&query, "prompt", text_of("login"));
	b->url = memory_format("%s/services/oauth2/authorize?%s", l->login_url, buffer_text(&query));
	buffer_release(&query);
	buffer_release(&challenge);
}

struct browser_login *
browser_login_begin(const struct salesforce_login *l, const char *redirect_url, bool prompt_login,
    struct error *e)
{
	struct browser_login *b = memory_zero(1, sizeof(*b));
	unsigned char random[VERIFIER_BYTES];
	struct buffer state = BUFFER_INIT;
	char *path = NULL;
	uint16_t port = 0;
	bool ready = false;

	if (redirect_url == NULL)
		redirect_url = SALESFORCE_REDIRECT_URL;
	if (l->client_id == NULL) {
		error_set(e, ERR_CONFIG, "login in the browser: SALESFORCE_CLIENT_ID is missing");
		error_hint(e, "give the client id of an app of your own, with callback URL %s", redirect_url);
		goto out;
	}
	if (http_callback_split(redirect_url, &port, &path, e) < 0)
		goto out;
	random_system_bytes(random, STATE_BYTES);
	encode_base64url(&state, random, STATE_BYTES);
	random_system_bytes(random, sizeof(random));
	encode_base64url(&b->verifier, random, sizeof(random));
	secret_wipe(random, sizeof(random));
	b->callback = http_callback_new(port, path, buffer_text(&state), e);
	if (b->callback == NULL) {
		error_wrap(e, "login in the browser");
		goto out;
	}
	b->redirect_url = port != 0 ? memory_strdup(redirect_url) :
				      memory_format("http://localhost:%u%s", http_callback_port(b->callback), path);
	build_url(b, l, buffer_text(&state), prompt_login);
	ready = true;
out:
	buffer_release(&state);
	free(path);
	if (!ready) {
		browser_login_free(b);
		b = NULL;
	}
	return b;
}

void
browser_login_free(struct browser_login *b)
{
	if (b == NULL)
		return;
	http_callback_free(b->callback);
	free(b->redirect_url);
	free(b->url);
	if (b->verifier.data != NULL)
		secret_wipe(b->verifier.data, b->verifier.capacity);
	buffer_release(&b->verifier);
	free(b);
}

const char *
browser_login_url(const struct browser_login *b)
{
	return b->url;
}

struct http_callback *
browser_login_callback(struct browser_login *b)
{
	return b->callback;
}

/* "error=access_denied&error_description=…" instead of a code. */
static int
denied(struct text query, struct error *e)
{
	struct buffer error = BUFFER_INIT, description = BUFFER_INIT;

	if (!http_form_value(query, "error", &error))
		buffer_append_text(&error, "no code");
	http_form_value(query, "error_description", &description);
	salesforce_token_error(buffer_text(&error), buffer_text(&description), 0, e);
	buffer_release(&error);
	buffer_release(&description);
	return error_wrap(e, "login in the browser");
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
	struct buffer query = BUFFER_INIT, code = BUFFER_INIT;
	struct salesforce_token token;
	int rc = -1;

	salesforce_token_init(&token);
	if (http_callback_wait(b->callback, timeout_ms, &query, e) < 0) {
		if (e->code == ERR_TIMEOUT)
			error_hint(e, "if the browser says redirect_uri_mismatch, register %s as callback URL of the app",
			    b->redirect_url);
		goto out;
	}
	if (!http_form_value(buffer_span(&query), "code", &code) || code.len == 0) {
		denied(buffer_span(&query), e);
		goto out;
	}
	rc = salesforce_login_exchange(l, pool, buffer_text(&code), b->redirect_url, buffer_text(&b->verifier), &token, e);
	if (rc == 0)
		take_token(l, &token);
	else
		error_wrap(e, "login in the browser");
out:
	salesforce_token_release(&token);
	if (code.data != NULL)
		secret_wipe(code.data, code.capacity);
	if (query.data != NULL)
		secret_wipe(query.data, query.capacity);
	buffer_release(&code);
	buffer_release(&query);
	return rc;
}

/*
 * Our side of a login in the browser: an authorization code with PKCE (RFC 7636) and a loopback redirect (RFC 8252). Makes the
 * address to open and waits for the code; what that is exchanged for is the caller's affair.
 */
#ifndef SFZB_HTTP_AUTHORIZATION_H
#define SFZB_HTTP_AUTHORIZATION_H

#include "base/buffer.h"
#include "base/secret.h"
#include "http/callback.h"

struct authorization {
	struct http_callback *callback; /* listens; may take a pasted address from another thread */
	char *redirect_url;
	char *url; /* to open */
	char *state;
	struct secret verifier, code;
	struct buffer error, description; /* what came instead of a code: "access_denied", or "no code" where nothing was told */
};

/* A new state and a verifier of so many random bytes, 128 at most. */
void authorization_init(struct authorization *a, size_t verifier_bytes);
void authorization_release(struct authorization *a);

/* Listens at the redirect URL; port 0 in it, for tests, takes any free one. Errors as of http_callback_split and _new. */
int authorization_listen(struct authorization *a, const char *redirect_url, struct error *e);
/* Makes the address to open. endpoint may have a query of its own. */
void authorization_set_url(struct authorization *a, const char *endpoint, const char *client_id, const char *scope);
/* 1: the code came; 0: error and description came instead; -1: ERR_TIMEOUT. */
int authorization_wait(struct authorization *a, int64_t timeout_ms, struct error *e);

#endif

#include "http/authorization.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/memory.h"
#include "base/random.h"
#include "http/client.h"
#include "http/server.h"

#define STATE_BYTES 16
#define VERIFIER_MOST 128

void
authorization_init(struct authorization *a, size_t verifier_bytes)
{
	unsigned char random[VERIFIER_MOST];
	struct buffer state = BUFFER_INIT, verifier = BUFFER_INIT;

	random_system_bytes(random, STATE_BYTES);
	encode_base64url(&state, random, STATE_BYTES);
	random_system_bytes(random, verifier_bytes);
	encode_base64url(&verifier, random, verifier_bytes);
	*a = (struct authorization){.state = buffer_detach(&state)};
	secret_set(&a->verifier, buffer_span(&verifier));
	secret_wipe(random, sizeof(random));
	buffer_release_wiped(&verifier);
}

void
authorization_release(struct authorization *a)
{
	http_callback_free(a->callback);
	free(a->redirect_url);
	free(a->url);
	free(a->state);
	secret_release(&a->verifier);
	secret_release(&a->code);
	buffer_release(&a->error);
	buffer_release(&a->description);
	*a = (struct authorization){.callback = NULL};
}

int
authorization_listen(struct authorization *a, const char *redirect_url, struct error *e)
{
	uint16_t port;
	char *path;

	if (http_callback_split(redirect_url, &port, &path, e) < 0)
		return -1;
	a->callback = http_callback_new(port, path, a->state, e);
	if (a->callback != NULL)
		a->redirect_url = port != 0 ? memory_strdup(redirect_url) :
					      memory_format("http://localhost:%u%s", http_callback_port(a->callback), path);
	free(path);
	return a->callback != NULL ? 0 : -1;
}

void
authorization_set_url(struct authorization *a, const char *endpoint, const char *client_id, const char *scope)
{
	struct buffer query = BUFFER_INIT, challenge = BUFFER_INIT;
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)secret_reveal(&a->verifier), a->verifier.len, digest);
	encode_base64url(&challenge, digest, sizeof(digest));
	http_form_add(&query, "response_type", text_of("code"));
	http_form_add(&query, "client_id", text_of(client_id));
	http_form_add(&query, "redirect_uri", text_of(a->redirect_url));
	http_form_add(&query, "scope", text_of(scope));
	http_form_add(&query, "state", text_of(a->state));
	http_form_add(&query, "code_challenge", buffer_span(&challenge));
	http_form_add(&query, "code_challenge_method", text_of("S256"));
	a->url = memory_format("%s%c%s", endpoint, strchr(endpoint, '?') != NULL ? '&' : '?', buffer_text(&query));
	buffer_release(&query);
	buffer_release(&challenge);
}

int
authorization_wait(struct authorization *a, int64_t timeout_ms, struct error *e)
{
	struct buffer query = BUFFER_INIT, code = BUFFER_INIT;
	int rc;

	if (http_callback_wait(a->callback, timeout_ms, &query, e) < 0)
		return -1;
	if (http_form_value(buffer_span(&query), "code", &code) && code.len > 0) {
		secret_set(&a->code, buffer_span(&code));
		rc = 1;
	} else {
		if (!http_form_value(buffer_span(&query), "error", &a->error))
			buffer_append_text(&a->error, "no code");
		http_form_value(buffer_span(&query), "error_description", &a->description);
		rc = 0;
	}
	buffer_release_wiped(&code);
	buffer_release_wiped(&query);
	return rc;
}

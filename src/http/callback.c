#include "http/callback.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/secret.h"
#include "http/client.h"
#include "http/server.h"

#define BODY_MOST 4096

struct http_callback {
	struct http_server *v4, *v6;
	char *path;
	struct secret state;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct buffer query; /* of the redirect, once it came */
	bool came;
};

/* Takes a query when it has our state. */
static bool
take(struct http_callback *c, struct text query)
{
	struct buffer value = BUFFER_INIT;
	struct secret state = SECRET_INIT;
	bool good = http_form_value(query, "state", &value);

	secret_set(&state, buffer_span(&value));
	good = good && secret_equal(&state, &c->state);
	if (good) {
		pthread_mutex_lock(&c->mutex);
		/* the first one counts: a code is good for one exchange */
		if (!c->came) {
			c->came = true;
			buffer_append(&c->query, query.data, query.len);
			pthread_cond_broadcast(&c->changed);
		}
		pthread_mutex_unlock(&c->mutex);
	}
	secret_release(&state);
	buffer_release(&value);
	return good;
}

static void
handle(void *context, const struct http_query *q, struct http_answer *a)
{
	struct http_callback *c = context;
	const char *words = "The login did not work. The terminal says more.";
	struct buffer code = BUFFER_INIT;

	a->content_type = "text/html; charset=utf-8";
	if (strcmp(q->method, "GET") != 0 || strcmp(q->path, c->path) != 0) {
		a->status = 404;
		words = "There is nothing here.";
	} else if (!take(c, text_of(q->query))) {
		a->status = 400;
		words = "This is not the answer to the login that was begun here.";
	} else if (http_form_value(text_of(q->query), "code", &code)) {
		words = "Logged in. You can close this page and go back to the terminal.";
	}
	buffer_append_format(&a->body,
	    "<!doctype html><html lang=\"en\"><title>sfzb</title><body style=\"font-family:sans-serif;margin:4em\"><p>%s</p>"
	    "</body></html>\n",
	    words);
	buffer_append_text(&a->headers, "Cache-Control: no-store\nReferrer-Policy: no-referrer\nConnection: close\n");
	buffer_release(&code);
}

int
http_callback_split(const char *url, uint16_t *port, char **path, struct error *e)
{
	char *origin = http_origin(url, e);
	const char *colon = origin != NULL ? strrchr(origin, ':') : NULL;
	const char *authority = strstr(url, "://");
	const char *slash = authority != NULL ? strchr(authority + 3, '/') : NULL;
	char *end;
	long n;
	int rc = -1;

	if (origin == NULL)
		return error_wrap(e, "redirect URL");
	n = colon != NULL ? strtol(colon + 1, &end, 10) : -1;
	if (!text_starts(text_of(origin), "http://") || n < 0 || n > 65535 || *end != '\0') {
		error_set(e, ERR_CONFIG, "redirect URL \"%s\" is not http://localhost:<port>/<path>", origin);
		error_hint(e, "it must be the callback URL that the app has registered, to the letter");
	} else {
		*port = (uint16_t)n;
		*path = slash != NULL ? memory_strndup(slash, strcspn(slash, "?#")) : memory_strdup("/");
		rc = 0;
	}
	free(origin);
	return rc;
}

struct http_callback *
http_callback_new(uint16_t port, const char *path, const char *state, struct error *e)
{
	struct http_callback *c = memory_zero(1, sizeof(*c));
	struct http_server_options o = {.address = "127.0.0.1", .port = port, .body_limit_bytes = BODY_MOST};
	struct error ignored = ERROR_INIT;
	pthread_condattr_t attributes;

	c->path = memory_strdup(path);
	secret_set(&c->state, text_of(state));
	pthread_mutex_init(&c->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	c->v4 = http_server_new(&o, handle, c, e);
	if (c->v4 == NULL) {
		http_callback_free(c);
		return NULL;
	}
	/* "localhost" may mean either; a machine without IPv6 does without */
	o.address = "::1";
	o.port = http_server_port(c->v4);
	c->v6 = http_server_new(&o, handle, c, &ignored);
	return c;
}

void
http_callback_free(struct http_callback *c)
{
	if (c == NULL)
		return;
	http_server_free(c->v4);
	http_server_free(c->v6);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->mutex);
	secret_release(&c->state);
	buffer_release_wiped(&c->query);
	free(c->path);
	free(c);
}

uint16_t
http_callback_port(const struct http_callback *c)
{
	return http_server_port(c->v4);
}

int
http_callback_wait(struct http_callback *c, int64_t timeout_ms, struct buffer *out, struct error *e)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(timeout_ms / 1000);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&c->mutex);
	while (!c->came && rc == 0)
		rc = pthread_cond_timedwait(&c->changed, &c->mutex, &until);
	if (c->came) {
		buffer_append(out, c->query.data, c->query.len);
		rc = 0;
	} else {
		rc = error_set(e, ERR_TIMEOUT, "no answer from the browser in %lld s", (long long)(timeout_ms / 1000));
	}
	pthread_mutex_unlock(&c->mutex);
	return rc;
}

int
http_callback_paste(struct http_callback *c, const char *text, struct error *e)
{
	const char *query = strchr(text, '?');
	struct text t;

	query = query != NULL ? query + 1 : text + strspn(text, " \t\r\n");
	t = text_span(query, strcspn(query, "# \t\r\n"));
	if (take(c, t))
		return 0;
	error_set(e, ERR_REFUSED, "this is not the answer to the login that was begun here");
	return error_hint(e, "copy the whole address that the browser ended at, from http:// on");
}

/*
 * A web server with a script, for tests of what talks to one: rows say what a request is answered, and
 * everything asked is kept. Also a clock that pauses turn, so that no test waits.
 */
#ifndef SFZB_TESTS_FAKE_WEB_H
#define SFZB_TESTS_FAKE_WEB_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "http/server.h"
#include "tls_fixture.h"

/* The first row counts that fits the request and has not been used `times` times (0: any number). */
struct fake_row {
	const char *request; /* beginning of "METHOD /path?query" */
	int status;	     /* 0: the connection is dropped */
	const char *body;    /* %URL% becomes the server's own URL */
	const char *headers; /* or NULL */
	int times;
	const char *needs; /* must occur in the body or the authorization header; NULL: nothing */
};

struct fake_web {
	struct tls_fixture tls;
	struct http_server *server;
	char url[64];
	pthread_mutex_t mutex;
	const struct fake_row *rows;
	size_t row_count;
	int used[64];
	struct buffer asked; /* "METHOD /path?query authorization\nbody\n" each */
	int requests;
	int64_t wall_ms, monotonic_ms, slept_ms;
	struct clock clock;
};

static void
fake_web_body(struct fake_web *w, const char *body, struct buffer *out)
{
	const char *p;

	while ((p = strstr(body, "%URL%")) != NULL) {
		buffer_append(out, body, (size_t)(p - body));
		buffer_append_text(out, w->url);
		body = p + 5;
	}
	buffer_append_text(out, body);
}

static void
fake_web_handle(void *context, const struct http_query *q, struct http_answer *a)
{
	struct fake_web *w = context;
	const char *authorization = http_query_header(q, "authorization");
	struct buffer line = BUFFER_INIT, rest = BUFFER_INIT;

	buffer_append_format(&line, "%s %s%s%s", q->method, q->path, q->query[0] ? "?" : "", q->query);
	buffer_append_format(&rest, "%s\n", authorization != NULL ? authorization : "-");
	buffer_append(&rest, q->body.data, q->body.len);
	pthread_mutex_lock(&w->mutex);
	w->requests++;
	buffer_append_format(&w->asked, "%s %s\n", buffer_text(&line), buffer_text(&rest));
	a->status = 599;
	for (size_t i = 0; i < w->row_count; i++) {
		const struct fake_row *row = &w->rows[i];

		if (strncmp(buffer_text(&line), row->request, strlen(row->request)) != 0 ||
		    (row->times > 0 && w->used[i] >= row->times) ||
		    (row->needs != NULL && strstr(buffer_text(&rest), row->needs) == NULL))
			continue;
		w->used[i]++;
		a->status = row->status;
		a->drop = row->status == 0;
		fake_web_body(w, row->body, &a->body);
		if (row->headers != NULL)
			buffer_append_text(&a->headers, row->headers);
		break;
	}
	pthread_mutex_unlock(&w->mutex);
	buffer_release(&line);
	buffer_release(&rest);
}

static int64_t
fake_web_monotonic(void *context)
{
	return ((struct fake_web *)context)->monotonic_ms;
}

static int64_t
fake_web_wall(void *context)
{
	return ((struct fake_web *)context)->wall_ms;
}

static void
fake_web_sleep(void *context, int64_t ms)
{
	struct fake_web *w = context;

	w->slept_ms += ms;
	w->monotonic_ms += ms;
	w->wall_ms += ms;
}

static int
fake_web_init(struct fake_web *w)
{
	struct http_server_options o = {.port = 0};
	struct error e = ERROR_INIT;

	memset(w, 0, sizeof(*w));
	pthread_mutex_init(&w->mutex, NULL);
	tls_fixture_init(&w->tls);
	o.certificate_pem = w->tls.certificate_pem;
	o.key_pem = w->tls.key_pem;
	w->wall_ms = clock_wall_ms(&clock_system);
	w->clock = (struct clock){fake_web_monotonic, fake_web_wall, w};
	w->server = http_server_new(&o, fake_web_handle, w, &e);
	if (w->server == NULL) {
		fprintf(stderr, "%s\n", e.text);
		return -1;
	}
	snprintf(w->url, sizeof(w->url), "https://localhost:%u", http_server_port(w->server));
	return 0;
}

static void
fake_web_release(struct fake_web *w)
{
	http_server_free(w->server);
	tls_fixture_release(&w->tls);
	buffer_release(&w->asked);
	pthread_mutex_destroy(&w->mutex);
}

/* A new script; what was asked before is forgotten. */
static void
fake_web_script(struct fake_web *w, const struct fake_row *rows, size_t count)
{
	w->rows = rows;
	w->row_count = count;
	memset(w->used, 0, sizeof(w->used));
	buffer_clear(&w->asked);
	w->requests = 0;
	w->slept_ms = 0;
}

/* How often a text occurs in what was asked. */
static int
fake_web_asked(struct fake_web *w, const char *what)
{
	const char *p = buffer_text(&w->asked);
	int n = 0;

	for (; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	return n;
}

#endif

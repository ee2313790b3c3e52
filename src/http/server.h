/*
 * The door to libmicrohttpd: a small HTTP server, plain or TLS, for metrics, health, OAuth callbacks and
 * the emulator. Requests are handled on the server's own threads, one call each.
 */
#ifndef SFZB_HTTP_SERVER_H
#define SFZB_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

struct http_server;

struct http_query {
	const char *method, *path; /* the path as sent, percent-decoded, without the query */
	const char *query;	   /* raw, without '?'; "" when none */
	struct text body;
	void *native; /* for http_query_header */
};

struct http_answer {
	int status;
	const char *content_type; /* NULL: application/json */
	struct buffer body;
	struct buffer headers; /* more of them, "Name: value\n" each */
	int delay_ms;	       /* before the answer is sent */
	int drop;	       /* not 0: close the connection without an answer */
};

/* Value of a request header, NULL when absent. Case does not matter. */
const char *http_query_header(const struct http_query *q, const char *name);
/* Decoded value of one parameter in an application/x-www-form-urlencoded text (query or body); false: absent. */
int http_form_value(struct text form, const char *name, struct buffer *out);

typedef void http_handler(void *context, const struct http_query *q, struct http_answer *a);

struct http_server_options {
	const char *address; /* "127.0.0.1", "::1", "0.0.0.0" */
	uint16_t port;	     /* 0: any free one */
	const char *certificate_pem, *key_pem; /* both or none: TLS */
	size_t body_limit_bytes;	       /* 0: LIMIT_HTTP_BODY_BYTES */
};

struct http_server *http_server_new(const struct http_server_options *o, http_handler *handler,
    void *context, struct error *e);
uint16_t http_server_port(const struct http_server *s);
void http_server_free(struct http_server *s);

#endif

/*
 * The door to libmicrohttpd: a small HTTP server, plain or TLS, for metrics, health, OAuth callbacks and
 * the emulator.
 *
 * One thread a connection: the handler may be called by several threads at once, once a request, and
 * may block; others are served meanwhile. Bodies are collected before the call and bounded (413
 * without a call when one is larger).
 */
#ifndef SFZB_HTTP_SERVER_H
#define SFZB_HTTP_SERVER_H

#include <stdbool.h>
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

/* Initialised before the handler is called: status 200, empty buffers. The server releases the buffers. */
struct http_answer {
	int status;
	const char *content_type; /* NULL: application/json; must outlive the handler's return */
	struct buffer body;
	struct buffer headers; /* more of them, "Name: value\n" each */
	int delay_ms;	       /* before the answer is sent; cut short by http_server_free */
	int drop;	       /* not 0: close the connection without an answer */
};

/* Value of a request header, NULL when absent. Case does not matter. */
const char *http_query_header(const struct http_query *q, const char *name);
/*
 * Appends the decoded value of one parameter of an application/x-www-form-urlencoded text (query or body) to
 * out; false: absent or malformed.
 */
bool http_form_value(struct text form, const char *name, struct buffer *out);

typedef void http_handler(void *context, const struct http_query *q, struct http_answer *a);

struct http_server_options {
	const char *address; /* "127.0.0.1", "::1", "0.0.0.0"; NULL: "127.0.0.1" */
	uint16_t port;	     /* 0: any free one */
	const char *certificate_pem, *key_pem; /* both or none: TLS 1.2 or newer */
	size_t body_limit_bytes;	       /* 0: LIMIT_HTTP_BODY_BYTES */
};

/* Listening when it returns. ERR_CONFIG: a bad address or certificate, a port in use. */
struct http_server *http_server_new(const struct http_server_options *o, http_handler *handler,
    void *context, struct error *e);
uint16_t http_server_port(const struct http_server *s);
/* Waits for the handlers that are running, lets their answers go out (2 s at most), closes every connection. NULL is fine. */
void http_server_free(struct http_server *s);

#endif

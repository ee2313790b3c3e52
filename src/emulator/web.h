/*
 * HTTP for the emulator: a table of routes over http/server.h. Handlers run on the server's threads,
 * several at once: they lock what they share. Faults of the route's name are done here before the handler
 * is called (status, delay, drop, stall).
 */
#ifndef SFZB_EMULATOR_WEB_H
#define SFZB_EMULATOR_WEB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "emulator/faults.h"
#include "emulator/tls.h"
#include "http/server.h"

#define WEB_PARAMETERS 6

struct web_request {
	const struct http_query *query;
	const char *parameters[WEB_PARAMETERS]; /* what {…} stood for, in order; decoded; NULL behind the last */
};

typedef void web_handler(void *context, const struct web_request *r, struct http_answer *a);

struct web_route {
	const char *method;  /* "GET"; "*": any */
	const char *pattern; /* "/api/2.1/unity-catalog/tables/{name}"; {…} is one segment, a final {…+} the rest */
	const char *fault;   /* "databricks.catalog"; NULL: asks no faults */
	web_handler *handler;
	void *context; /* NULL: that of web_new */
};

struct web_options {
	const char *name; /* for messages: "salesforce" */
	uint16_t port;	  /* on 127.0.0.1; 0: any free one */
	const struct tls_identity *identity; /* NULL: plain HTTP */
	struct faults *faults;		     /* may be NULL */
	bool refuses_pages;	     /* of browsers: whatever carries an Origin and is not a GET gets 403 */
	web_handler *not_found;		     /* NULL: 404 with an empty body */
	/* what a fault with http= answers, in the vendor's shape; NULL: its message as plain text */
	void (*fault_body)(void *context, const struct web_request *r, const struct fault *f,
	    struct http_answer *a);
};

struct web;

/* routes is borrowed and ends with a pattern of NULL. The first that fits is taken. The port is open; requests wait for web_start. */
struct web *web_new(const struct web_options *o, const struct web_route *routes, void *context,
    struct error *e);
/* From here on handlers are called: what they look at is complete, its own port included. */
void web_start(struct web *w);
uint16_t web_port(const struct web *w);
void web_free(struct web *w);
uint64_t web_requests(const struct web *w); /* handled so far */

/* Appends "Name: value\n" to the answer's headers. */
void web_header(struct http_answer *a, const char *name, const char *value);
/* Sets status and a JSON body; takes the tree. */
void web_json(struct http_answer *a, int status, struct json *j);
/* Sets status and a plain body. type NULL: text/plain; charset=UTF-8 */
void web_text(struct http_answer *a, int status, const char *type, const char *body);
/* The text of an error and a line's end; what a client sent and the error repeats is cleaned. */
void web_refuse(struct http_answer *a, int status, const char *text);
/* Bearer token of the Authorization header: points into it; NULL when there is none. */
const char *web_bearer(const struct web_request *r);
/* User and password of Authorization: Basic, malloc'ed; false when there is none. */
bool web_basic(const struct web_request *r, char **user, char **password);
/* Decoded query or form parameter, malloc'ed; NULL when absent. */
char *web_query_value(const struct web_request *r, const char *name);
char *web_form_value(const struct web_request *r, const char *name);

#endif

/*
 * The door to libcurl: blocking HTTP requests over TLS, for the second thread or for commands that do
 * one thing. Never follows a redirect, never leaves TLS but for loopback, honours the proxy variables
 * as curl does, bounds every answer.
 */
#ifndef SFZB_HTTP_CLIENT_H
#define SFZB_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/secret.h"

struct http_client; /* one connection pool; used by one thread at a time */

struct http_options {
	const char *ca_file;	/* NULL: SSL_CERT_FILE, else the system's roots */
	const char *user_agent; /* "sfzb/1.0" */
	int64_t connect_timeout_ms; /* 0: 15000 */
	int64_t timeout_ms;	    /* without any byte moving; 0: 60000 */
};

struct http_client *http_client_new(const struct http_options *o);
void http_client_free(struct http_client *c);

struct http_header {
	const char *name, *value;
};

struct http_request {
	const char *method; /* "GET", "POST" … */
	const char *url;    /* https://…, or http:// to a loopback address */
	const struct http_header *headers;
	size_t header_count;
	const struct secret *bearer;	  /* Authorization: Bearer; may be NULL */
	const char *basic_user;		  /* Authorization: Basic, with basic_password */
	const struct secret *basic_password;
	struct text body; /* data NULL: none */
	bool body_is_secret; /* not shown by -vv */
};

struct http_response {
	int status; /* 100 … 599 */
	struct buffer body;
	struct buffer headers; /* "name: value\n" each, names lower case */
};

void http_response_init(struct http_response *r);
void http_response_release(struct http_response *r);
/* Value of a response header, cleaned of spaces around it; empty when absent. Name in lower case. */
struct text http_response_header(const struct http_response *r, const char *name);

/*
 * Performs the request. Any HTTP answer is success here; -1 means that none came: ERR_UNAVAILABLE (refused,
 * unresolved, timed out, TLS; the text names the URL without its query and the reason, the hint what to try).
 * r is released and filled anew.
 */
int http_perform(struct http_client *c, const struct http_request *q, struct http_response *r,
    struct error *e);
/* One table for every HTTP status: 401 → ERR_SESSION, 403 → ERR_PERMISSION, 404 → ERR_NOT_FOUND, 429 → ERR_OVERLOADED … */
enum error_code http_status_error_code(int status);
/* "Retry-After" of the answer in ms (seconds or a date), 0 when there is none. */
int64_t http_retry_after_ms(const struct http_response *r, int64_t now_wall_ms);

/* "https://host/path" without user, query and fragment, for messages. Returns out. */
char *http_url_for_people(char *out, size_t size, const char *url);

#endif

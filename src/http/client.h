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
	const char *user_agent; /* NULL: SFZB_USER_AGENT */
	int64_t connect_timeout_ms; /* 0: 15000 */
	int64_t timeout_ms;	    /* without any byte moving; 0: 60000 */
	size_t body_limit_bytes;    /* of an answer, unpacked; 0: LIMIT_HTTP_BODY_BYTES */
};

/* Never fails. Make the first one before other threads run (it initialises libcurl). */
struct http_client *http_client_new(const struct http_options *o);
void http_client_free(struct http_client *c);

/*
 * From any thread: ends the request under way within about a second, and every later one at once, with
 * ERR_INTERRUPTED, until it is called with false.
 */
void http_client_interrupt(struct http_client *c, bool on);

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
	bool is_once;	  /* never sent twice: libcurl sends anew what a kept connection lost, so that this one gets its own */
	bool is_secret;	  /* neither this body nor the answer's is shown by -vv */
	bool is_last_word; /* goes out even when interrupted, with 5 s to be answered: a cancel, a revoke */
};

struct http_response {
	int status; /* 100 … 599; 0 when no answer came */
	struct buffer body;
	struct buffer headers; /* "name: value\n" each, names lower case */
	bool never_sent; /* no answer, and the request never left: repeating it is safe */
};

void http_response_init(struct http_response *r);
void http_response_release(struct http_response *r); /* zeroes the body */
/* Value of a response header, cleaned of spaces around it; empty when absent. Name in lower case. */
struct text http_response_header(const struct http_response *r, const char *name);

/*
 * Performs the request. Any HTTP answer is success here; -1 means that none came: ERR_UNAVAILABLE (refused,
 * unresolved, timed out, TLS; the text names the URL without its query and the reason, the hint what to try),
 * ERR_CONFIG (an URL that is none, or http:// to a real host), ERR_FAILED (an answer over the limit),
 * ERR_INTERRUPTED. r is released and filled anew.
 */
int http_perform(struct http_client *c, const struct http_request *q, struct http_response *r,
    struct error *e);
/* One table for every HTTP status: 401 → ERR_SESSION, 403 → ERR_PERMISSION, 404 → ERR_NOT_FOUND, 429 → ERR_OVERLOADED … */
enum error_code http_status_error_code(int status);
/* "Not Found"; "" for numbers nobody uses */
const char *http_status_words(int status);
/* What a server asks to wait is never taken for longer than a day. */
#define HTTP_RETRY_AFTER_MAX_MS INT64_C(86400000)
/* "Retry-After" of the answer in ms (seconds or a date); 0 when there is none. */
int64_t http_retry_after_ms(const struct http_response *r, int64_t now_wall_ms);
/* The answer's own clock ("Date") in ms since 1970; 0 when it tells none. */
int64_t http_response_date_ms(const struct http_response *r);

/* "https://host/path" without user, query and fragment, for messages. Returns out. */
char *http_url_for_people(char *out, size_t size, const char *url);
/*
 * What a person pasted → "https://host[:port]" in lower case, to be freed: a missing scheme is added, path, query and
 * fragment are cut off. NULL and ERR_CONFIG when there is no host in it, or http:// to a real one.
 */
char *http_origin(const char *given, struct error *e);
/* 127.0.0.0/8, ::1 (with or without brackets) or localhost. */
bool http_host_is_loopback(const char *host);
/* Appends "name=value" with '&' before all but the first; both percent-encoded. */
void http_form_add(struct buffer *form, const char *name, struct text value);

#endif

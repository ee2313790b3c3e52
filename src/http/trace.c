#include "http/trace.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

#define BODY_SHOWN 2048 /* bytes */

static const char *const secret_headers[] = {"authorization", "proxy-authorization", "set-cookie",
    "cookie", "x-databricks-azure-sp-management-token"};

static bool
is_secret_header(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(secret_headers) / sizeof(secret_headers[0]); i++)
		if (strlen(secret_headers[i]) == len && strncasecmp(secret_headers[i], name, len) == 0)
			return true;
	return false;
}

static void
trace_body(const char *arrow, struct text body, bool is_secret)
{
	char clean[BODY_SHOWN];

	if (body.len == 0)
		return;
	if (is_secret)
		log_trace("http", "%s body of %zu bytes, not shown", arrow, body.len);
	else
		log_trace("http", "%s %s", arrow, text_clean(clean, sizeof(clean), body));
}

void
trace_request(const struct http_request *q)
{
	char clean[1024];

	if (log_get_level() < LOG_TRACE)
		return;
	log_trace("http", "> %s %s", q->method, text_clean(clean, sizeof(clean), text_of(q->url)));
	for (size_t i = 0; i < q->header_count; i++) {
		const char *name = q->headers[i].name;

		log_trace("http", "> %s: %s", name,
		    is_secret_header(name, strlen(name)) ?
			"***" :
			text_clean(clean, sizeof(clean), text_of(q->headers[i].value)));
	}
	if (q->bearer != NULL)
		log_trace("http", "> authorization: Bearer ***");
	else if (q->basic_user != NULL)
		log_trace("http", "> authorization: Basic ***");
	trace_body(">", q->body, q->is_secret);
}

void
trace_response(const struct http_request *q, const struct http_response *r)
{
	const char *p = (const char *)r->headers.data, *end;
	size_t left = r->headers.len;
	char clean[1024];

	if (log_get_level() < LOG_TRACE)
		return;
	log_trace("http", "< %d %s", r->status, http_status_words(r->status));
	for (; left > 0 && (end = memchr(p, '\n', left)) != NULL; left -= (size_t)(end + 1 - p), p = end + 1) {
		const char *colon = memchr(p, ':', (size_t)(end - p));
		size_t name_len = colon != NULL ? (size_t)(colon - p) : 0;

		if (is_secret_header(p, name_len))
			log_trace("http", "< %.*s: ***", (int)name_len, p);
		else
			log_trace("http", "< %s",
			    text_clean(clean, sizeof(clean), text_span(p, (size_t)(end - p))));
	}
	trace_body("<", buffer_span(&r->body), q->is_secret);
}

void
trace_failure(const struct http_request *q, const struct error *e)
{
	(void)q;
	log_trace("http", "! %s", e != NULL ? e->text : "failed");
}

void
trace_text(struct text line)
{
	char clean[512];

	while (line.len > 0 && line.data[line.len - 1] == '\n')
		line.len--;
	log_trace("http", "* %s", text_clean(clean, sizeof(clean), line));
}

/*
 * What -vv shows of HTTP: request and status lines, headers, and bodies of a readable size. Values of headers
 * that hold secrets, and the bodies of requests marked secret (theirs and their answers'), are never shown.
 * Private to http/.
 */
#ifndef SFZB_HTTP_TRACE_H
#define SFZB_HTTP_TRACE_H

#include "http/client.h"

void trace_request(const struct http_request *q);
void trace_response(const struct http_request *q, const struct http_response *r);
void trace_failure(const struct http_request *q, const struct error *e);
void trace_text(struct text line); /* libcurl's own remarks on connections and TLS */

#endif

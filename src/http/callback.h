/*
 * The loopback end of a browser login: waits for the one request that the login service makes the
 * browser send, with a state that only it knows. Requests with another state, path or method are refused and
 * change nothing. Where the browser runs on another machine, the redirected URL can be pasted instead.
 */
#ifndef SFZB_HTTP_CALLBACK_H
#define SFZB_HTTP_CALLBACK_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

struct http_callback;

/*
 * Listens on 127.0.0.1 and, where there is IPv6, ::1. port 0: any free one. ERR_CONFIG when the port is taken: no other
 * is tried, because the service compares the URL exactly. state is copied.
 */
struct http_callback *http_callback_new(uint16_t port, const char *path, const char *state, struct error *e);
/*
 * "http://localhost:1717/OauthRedirect" → 1717 and "/OauthRedirect" (to be freed), as http_callback_new takes them. ERR_CONFIG
 * when it is no such URL.
 */
int http_callback_split(const char *redirect_url, uint16_t *port, char **path, struct error *e);
void http_callback_free(struct http_callback *c);
uint16_t http_callback_port(const struct http_callback *c);

/* Waits for the redirect; its raw query ("code=…&state=…") is appended to out. ERR_TIMEOUT. */
int http_callback_wait(struct http_callback *c, int64_t timeout_ms, struct buffer *out, struct error *e);
/* From any thread: a URL, or its query, as a person pasted it. ERR_REFUSED when it has not our state. */
int http_callback_paste(struct http_callback *c, const char *text, struct error *e);

#endif

/*
 * HTTP requests from any thread: a client is taken for each request and given back after it, so that
 * two threads never wait for each other and connections are used again. With it come the pauses
 * between tries, which an interruption ends.
 */
#ifndef SFZB_HTTP_POOL_H
#define SFZB_HTTP_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "http/client.h"

struct http_pool;

struct http_pool_options {
	struct http_options http;
	const struct clock *clock; /* NULL: clock_system; borrowed */
	/* Instead of a real pause, for tests. NULL: sleeps. */
	void (*sleep)(void *context, int64_t ms);
	void *sleep_context;
	uint64_t seed; /* of the jitter; 0: the system's randomness */
};

struct http_pool *http_pool_new(const struct http_pool_options *o);
void http_pool_free(struct http_pool *p); /* no request may be under way */
const struct clock *http_pool_clock(const struct http_pool *p);
/* As http_perform. */
int http_pool_perform(struct http_pool *p, const struct http_request *q, struct http_response *r,
    struct error *e);
/* From any thread: what is under way and what comes ends with ERR_INTERRUPTED, pauses too; until called with false. */
void http_pool_interrupt(struct http_pool *p, bool on);
bool http_pool_is_interrupted(struct http_pool *p);
/* Waits. -1 and ERR_INTERRUPTED when cut short. */
int http_pool_pause(struct http_pool *p, int64_t ms, struct error *e);
/* A random number below bound: the jitter of a back-off. */
int64_t http_pool_jitter(struct http_pool *p, int64_t bound);

#endif

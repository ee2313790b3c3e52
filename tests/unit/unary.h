/* A unary call over the calls of rpc/channel.h: a bidirectional one that remembers one message. */
#ifndef SFZB_TESTS_UNARY_H
#define SFZB_TESTS_UNARY_H

#include <stdlib.h>

#include <grpc/status.h>

#include "base/memory.h"
#include "rpc/channel.h"

/* Called once, with the response's bytes when the status is OK. */
typedef void call_unary_done(void *context, const struct call_status *status, struct text response);

struct unary {
	struct buffer response;
	unsigned messages;
	call_unary_done *done;
	void *context;
};

static inline void
unary_message(void *context, struct text message)
{
	struct unary *u = context;

	if (u->messages++ == 0)
		buffer_append(&u->response, message.data, message.len);
}

static inline void
unary_ended(void *context, const struct call_status *status)
{
	struct unary *u = context;
	struct call_status s = *status;

	if (s.code == GRPC_STATUS_OK && u->messages != 1) {
		s.code = GRPC_STATUS_INTERNAL;
		s.message = text_of(u->messages == 0 ? "the server ended the call without an answer"
						     : "the server answered more than once");
	}
	u->done(u->context, &s,
	    s.code == GRPC_STATUS_OK ? buffer_span(&u->response) : text_span(NULL, 0));
	buffer_release(&u->response);
	free(u);
}

static inline struct call *
call_unary(struct channel *c, const char *method, const struct metadata *metadata,
    size_t metadata_count, int64_t deadline_ms, struct buffer *request, call_unary_done *done,
    void *context)
{
	static const struct call_events events = {.message = unary_message, .ended = unary_ended};
	struct unary *u = memory_zero(1, sizeof(*u));
	struct call *call;

	u->done = done;
	u->context = context;
	call = call_begin(c, method, metadata, metadata_count, deadline_ms, &events, u);
	if (!call_send(call, request)) /* it could not begin */
		buffer_release(request);
	call_half_close(call);
	return call;
}

#endif

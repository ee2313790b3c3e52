/* Calls to a real gRPC server in this process: what it answers, what comes of a call, a loop with a channel to it. Behind cmocka. */
#ifndef SFZB_TESTS_RPC_FIXTURE_H
#define SFZB_TESTS_RPC_FIXTURE_H

#include "grpc_peer.h"
#include "rpc/channel.h"
#include "rpc/loop.h"
#include "unary.h"

/* c-ares 1.18 forgets the name when it is "localhost". */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libcares\n";
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 60000

static inline void
wait_for(struct loop *l, const bool *flag)
{
	int64_t end = clock_monotonic_ms(&clock_system) + PATIENCE_MS;

	while (!*flag && clock_monotonic_ms(&clock_system) < end)
		loop_step(l, 100);
	assert_true(*flag);
}

/* Answers by method: echo, and several ways to fail. */
static inline void
serve(struct peer_call *c, void *context)
{
	struct buffer b = BUFFER_INIT;
	static const char *const trailers[] = {"error-code",
	    "sfdc.platform.eventbus.grpc.topic.not.found", "rpc-id", "547bb650",
	    "grpc-status-details-bin", "\x08\x05", NULL};

	(void)context;
	if (strcmp(c->method, "/t/Echo") == 0) {
		while (buffer_clear(&b), peer_read(c, &b))
			if (!peer_write(c, b.data, b.len))
				break;
	} else if (strcmp(c->method, "/t/Fail") == 0) {
		peer_finish(c, 5, "The topic was not found.\nrpcId: x", trailers);
	} else if (strcmp(c->method, "/t/Hang") == 0) {
		peer_wait_closed(c);
	} else if (strcmp(c->method, "/t/Empty") == 0) {
		peer_finish(c, 0, "", NULL);
	} else if (strcmp(c->method, "/t/Flood") == 0) {
		for (int i = 0; i < 200; i++) {
			char message[32];

			snprintf(message, sizeof(message), "%d", i);
			peer_write(c, message, strlen(message));
		}
	} else if (strcmp(c->method, "/t/Header") == 0) {
		char value[200];

		peer_metadata(c, "accesstoken", value, sizeof(value));
		while (peer_read(c, &b))
			;
		peer_write(c, value, strlen(value));
	}
	buffer_release(&b);
}

struct result {
	bool done;
	int code;
	char message[512], error_code[128], rpc_id[64];
	struct buffer response;
	int messages, ended_after;
	size_t details;
	struct error error;
	enum call_failure failure;
};

static inline void
keep_status(struct result *r, const struct call_status *s)
{
	r->done = true;
	r->code = s->code;
	r->failure = call_status_failure(s);
	text_clean(r->message, sizeof(r->message), s->message);
	text_clean(r->error_code, sizeof(r->error_code), s->error_code);
	text_clean(r->rpc_id, sizeof(r->rpc_id), s->rpc_id);
	r->details = s->details.len;
	error_clear(&r->error);
	call_status_error(s, "Test", &r->error);
}

static inline void
unary_done(void *context, const struct call_status *s, struct text response)
{
	struct result *r = context;

	keep_status(r, s);
	buffer_append(&r->response, response.data, response.len);
}
struct fixture {
	struct peer peer;
	struct loop *loop;
	struct channel *channel;
};

static inline struct channel *
connect_to(struct loop *l, int port, const char *scheme, const char *ca_file, struct error *e)
{
	char target[64];
	struct channel_options o = {.target = target, .ca_file = ca_file};

	snprintf(target, sizeof(target), "%slocalhost:%d", scheme, port);
	return channel_new(l, &o, e);
}

static inline int
setup(void **state)
{
	struct fixture *f = memory_zero(1, sizeof(*f));
	struct error e = ERROR_INIT;

	peer_start(&f->peer, 0, NULL, NULL, serve, NULL);
	f->loop = loop_new(&clock_system);
	f->channel = connect_to(f->loop, f->peer.port, "http://", NULL, &e);
	assert_non_null(f->channel);
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;

	channel_free(f->channel);
	loop_free(f->loop);
	peer_stop(&f->peer);
	free(f);
	return 0;
}

static inline void
unary(struct fixture *f, const char *method, const struct metadata *m, size_t count,
    const char *request, int64_t deadline_ms, struct result *r)
{
	struct buffer b = BUFFER_INIT;

	memset(r, 0, sizeof(*r));
	buffer_append_text(&b, request);
	call_unary(f->channel, method, m, count, deadline_ms, &b, unary_done, r);
	assert_false(r->done);
	assert_int_equal(b.len, 0);
	wait_for(f->loop, &r->done);
	buffer_release(&b);
}


#endif

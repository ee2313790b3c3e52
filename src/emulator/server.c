#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "emulator/server_internal.h"

static int64_t
now_ms(void)
{
	return clock_monotonic_ms(&clock_system);
}

void
server_timer_stop(struct server *s, struct server_timer *t)
{
	(void)s;
	if (t->due_ms == 0)
		return;
	t->previous->next = t->next;
	t->next->previous = t->previous;
	t->due_ms = 0;
}

void
server_timer_start(struct server *s, struct server_timer *t, int64_t delay_ms, server_function *f,
    void *context)
{
	struct server_timer *at;

	server_timer_stop(s, t);
	t->due_ms = now_ms() + (delay_ms > 0 ? delay_ms : 0);
	t->f = f;
	t->context = context;
	/* most timers are later than those that run already: look from the end */
	for (at = s->timers.previous; at != &s->timers && at->due_ms > t->due_ms; at = at->previous)
		;
	t->previous = at;
	t->next = at->next;
	at->next->previous = t;
	at->next = t;
}

static void
run_timers(struct server *s)
{
	int64_t now = now_ms();

	while (s->timers.next != &s->timers && s->timers.next->due_ms <= now) {
		struct server_timer *t = s->timers.next;

		server_timer_stop(s, t);
		t->f(t->context);
	}
}

void
server_post(struct server *s, server_function *f, void *context)
{
	struct posted *p = memory_alloc(sizeof *p);
	bool wake;

	*p = (struct posted){ .f = f, .context = context };
	pthread_mutex_lock(&s->lock);
	if (s->posted)
		s->posted_tail->next = p;
	else
		s->posted = p;
	s->posted_tail = p;
	wake = !s->woken;
	s->woken = true;
	pthread_mutex_unlock(&s->lock);
	if (wake)
		grpc_call_start_batch(s->wake_call, NULL, 0, NULL, NULL);
}

static void
run_posted(struct server *s)
{
	struct posted *p;

	pthread_mutex_lock(&s->lock);
	p = s->posted;
	s->posted = s->posted_tail = NULL;
	s->woken = false;
	pthread_mutex_unlock(&s->lock);
	while (p) {
		struct posted *next = p->next;

		p->f(p->context);
		free(p);
		p = next;
	}
}

static gpr_timespec
next_deadline(const struct server *s)
{
	if (s->timers.next == &s->timers)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	int64_t left = s->timers.next->due_ms - now_ms();

	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
	    gpr_time_from_millis(left > 0 ? left : 0, GPR_TIMESPAN));
}

/* The tag of the shutdown notification is the server itself; NULL is a wake-up. */
static void *
loop(void *context)
{
	struct server *s = context;

	for (;;) {
		grpc_event event = grpc_completion_queue_next(s->queue, next_deadline(s), NULL);

		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		if (event.type == GRPC_OP_COMPLETE) {
			if (event.tag == s)
				s->shut = true;
			else if (event.tag)
				call_batch_done(event.tag, event.success != 0);
			else
				run_posted(s);
		}
		run_timers(s);
		if (s->shut && !s->calls) {
			s->shut = false;
			grpc_call_unref(s->wake_call);
			grpc_completion_queue_shutdown(s->queue);
		}
	}
}

static int
listen_on(struct server *s, const struct server_options *o, struct error *e)
{
	grpc_ssl_pem_key_cert_pair pair = { o->identity->key_pem, o->identity->certificate_pem };
	grpc_server_credentials *credentials =
	    grpc_ssl_server_credentials_create(NULL, &pair, 1, 0, NULL);
	char address[64];
	int port;

	snprintf(address, sizeof address, "127.0.0.1:%u", o->port);
	port = grpc_server_add_http2_port(s->server, address, credentials);
	if (port > 0) {
		/* a machine without IPv6 is served on IPv4 alone */
		snprintf(address, sizeof address, "[::1]:%d", port);
		grpc_server_add_http2_port(s->server, address, credentials);
	}
	grpc_server_credentials_release(credentials);
	if (port <= 0)
		return error_set(e, ERR_CONFIG, "cannot listen on 127.0.0.1:%u for %s: the port is in use",
		    o->port, o->name);
	s->port = (uint16_t)port;
	return 0;
}

static grpc_arg
integer_arg(const char *key, int value)
{
	return (grpc_arg){ .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value };
}

static int
to_int(int64_t ms)
{
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* The library's own words, of failed handshakes and the like, are for who asks for them. */
static void
on_library_log(gpr_log_func_args *args)
{
	log_debug("grpc", "%s", args->message);
}

struct server *
server_new(const struct server_options *o, const struct server_method *methods, void *service,
    struct error *e)
{
	struct server *s = memory_zero(1, sizeof *s);
	grpc_arg args[] = {
		integer_arg(GRPC_ARG_ALLOW_REUSEPORT, 0),
		integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
		    o->receive_limit_bytes ? (int)o->receive_limit_bytes : -1),
		integer_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1),
		integer_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, o->streams_a_connection ? o->streams_a_connection : INT_MAX),
		integer_arg(GRPC_ARG_MAX_METADATA_SIZE, 65536),
		integer_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000),
		integer_arg(GRPC_ARG_MAX_CONNECTION_AGE_MS, to_int(o->connection_age_ms)),
		integer_arg(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, to_int(o->connection_age_ms / 10)),
	};
	grpc_channel_args channel_args = { sizeof args / sizeof *args - (o->connection_age_ms > 0 ? 0 : 2), args };

	gpr_set_log_function(on_library_log);
	grpc_init();
	s->name = o->name;
	s->faults = o->faults;
	s->methods = methods;
	s->service = service;
	s->timers.next = s->timers.previous = &s->timers;
	pthread_mutex_init(&s->lock, NULL);
	s->queue = grpc_completion_queue_create_for_next(NULL);
	s->wake_channel = grpc_lame_client_channel_create("wake", GRPC_STATUS_UNAVAILABLE, "wake");
	s->wake_call = grpc_channel_create_call(s->wake_channel, NULL, 0, s->queue,
	    grpc_slice_from_static_string("/wake"), NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	s->server = grpc_server_create(&channel_args, NULL);
	grpc_server_register_completion_queue(s->server, s->queue, NULL);
	if (listen_on(s, o, e) == 0)
		return s;
	server_free(s);
	return NULL;
}

void
server_start(struct server *s)
{
	grpc_server_start(s->server);
	call_accept_next(s);
	s->running = true;
	if (pthread_create(&s->thread, NULL, loop, s) != 0)
		memory_give_up("out of memory or threads (no thread can be started)");
}

uint16_t
server_port(const struct server *s)
{
	return s->port;
}

static void
begin_stop(void *context)
{
	struct server *s = context;

	s->stopping = true;
	grpc_server_shutdown_and_notify(s->server, s->queue, s);
	grpc_server_cancel_all_calls(s->server);
}

/* A server that never started has no loop: what the queue still holds is reaped here. */
static void
stop_unstarted(struct server *s)
{
	grpc_server_shutdown_and_notify(s->server, s->queue, s);
	while (grpc_completion_queue_next(s->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).tag != s)
		;
	grpc_call_unref(s->wake_call);
	grpc_completion_queue_shutdown(s->queue);
	while (grpc_completion_queue_next(s->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
	    GRPC_QUEUE_SHUTDOWN)
		;
}

void
server_free(struct server *s)
{
	if (!s)
		return;
	if (s->running) {
		server_post(s, begin_stop, s);
		pthread_join(s->thread, NULL);
	} else {
		stop_unstarted(s);
	}
	while (s->posted) {
		struct posted *next = s->posted->next;

		free(s->posted);
		s->posted = next;
	}
	grpc_server_destroy(s->server);
	grpc_channel_destroy(s->wake_channel);
	grpc_completion_queue_destroy(s->queue);
	pthread_mutex_destroy(&s->lock);
	free(s);
	grpc_shutdown_blocking();
}

void
server_counts(const struct server *s, struct server_counts *out)
{
	*out = (struct server_counts){
		.calls = s->count_calls,
		.open = s->count_open,
		.received = s->count_received,
		.sent = s->count_sent,
		.cut = s->count_cut,
	};
}

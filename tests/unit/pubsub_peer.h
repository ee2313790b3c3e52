/*
 * The server of pubsub_server.h with a client before it: a source, a listener, and a clock that is turned by hand. For tests that
 * have included cmocka.h.
 */
#ifndef SFZB_TESTS_PUBSUB_PEER_H
#define SFZB_TESTS_PUBSUB_PEER_H

#include "pubsub_server.h"
#include "salesforce/pubsub.h"

/* What the source told. */

struct listener {
	struct source *source;
	int opened, events, undecodable, idle, ended;
	int last; /* number of the last event */
	bool in_order;
	struct replay_id replay_id, latest;
	struct error why;
	uint32_t allow_after_each; /* 0: leave it */
	int close_at;		   /* close inside the callback of this event; 0: never */
	char record[128];
	char org_id[32];
};

static inline void
on_opened(void *context)
{
	((struct listener *)context)->opened++;
}

static inline void
take_event(struct listener *l, const struct event *event)
{
	int n = atoi(event->id.data + 6);

	if (n != l->last + 1)
		l->in_order = false;
	l->last = n;
	l->replay_id = event->replay_id;
	if (l->allow_after_each > 0)
		l->source->ops->allow(l->source, l->allow_after_each);
	if (l->close_at == n)
		l->source->ops->close(l->source);
}

static inline void
on_event(void *context, const struct event *event)
{
	struct listener *l = context;

	l->events++;
	snprintf(l->record, sizeof(l->record), TEXT_FORMAT, TEXT_ARGS(event->record_json));
	snprintf(l->org_id, sizeof(l->org_id), TEXT_FORMAT, TEXT_ARGS(event->org_id));
	take_event(l, event);
}

static inline void
on_undecodable(void *context, const struct event *event, const struct error *why)
{
	struct listener *l = context;

	l->undecodable++;
	l->why = *why;
	take_event(l, event);
}

static inline void
on_idle(void *context, const struct replay_id *latest)
{
	struct listener *l = context;

	l->idle++;
	l->latest = *latest;
}

static inline void
on_ended(void *context, const struct error *why)
{
	struct listener *l = context;

	l->ended++;
	l->why = *why;
}

static const struct source_events listener_events = {
    on_opened, on_event, on_undecodable, NULL, on_idle, on_ended};

/* A client, its source, and a clock turned by hand: real time still passes in it. */

static int64_t turned_ms;

static inline int64_t
turned_monotonic(void *context)
{
	(void)context;
	return clock_monotonic_ms(&clock_system) + turned_ms;
}

static inline int64_t
turned_wall(void *context)
{
	(void)context;
	return 1700000000000 + turned_ms;
}

static const struct clock turned_clock = {.monotonic_ms = turned_monotonic, .wall_ms = turned_wall};

struct fixture {
	struct peer peer;
	struct loop *loop;
	struct pubsub *pubsub;
	struct listener l;
	int renewals;
	const char *new_token;
	enum error_code renew_fails;
	pubsub_renewed *renewed;
	void *renewed_context;
};

static inline void
set_token(struct fixture *f, const char *token)
{
	struct secret s = SECRET_INIT;

	secret_set(&s, text_of(token));
	pubsub_set_token(f->pubsub, &s);
	secret_release(&s);
}

static inline void
answer_renewal(void *context)
{
	struct fixture *f = context;
	struct error why = ERROR_INIT;

	if (f->renew_fails != ERR_OK)
		error_set(&why, f->renew_fails, "the login was refused");
	else
		set_token(f, f->new_token);
	f->renewed(f->renewed_context, &why);
}

static inline void
renew(void *context, const struct secret *refused, pubsub_renewed *done, void *done_context)
{
	struct fixture *f = context;

	assert_string_equal(secret_reveal(refused), "old");
	f->renewals++;
	f->renewed = done;
	f->renewed_context = done_context;
	loop_post(f->loop, answer_renewal, f);
}

static inline int
setup(void **state)
{
	struct fixture *f = memory_zero(1, sizeof(*f));
	struct pubsub_options o = {.instance_url = "https://acme.my.salesforce.com/services/x",
	    .tenant_id = "core/acme/00D1"};
	struct error e = ERROR_INIT;
	char target[64];

	reset_fake();
	turned_ms = 0;
	peer_start(&f->peer, 0, NULL, NULL, serve, NULL);
	f->loop = loop_new(&turned_clock);
	snprintf(target, sizeof(target), "http://127.0.0.1:%d", f->peer.port);
	o.endpoint = target;
	o.renew = renew;
	o.renew_context = f;
	f->pubsub = pubsub_new(f->loop, &o, &e);
	assert_non_null(f->pubsub);
	f->new_token = "new";
	set_token(f, "old");
	f->l.in_order = true;
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;

	fake.schema_held = false;
	pubsub_source_free(f->l.source);
	pubsub_free(f->pubsub);
	loop_free(f->loop);
	peer_stop(&f->peer);
	free(f);
	return 0;
}

#define WAIT(f, condition)                                                                         \
	do {                                                                                       \
		int64_t end_ = clock_monotonic_ms(&clock_system) + PATIENCE_MS;                    \
		while (!(condition) && clock_monotonic_ms(&clock_system) < end_)                   \
			loop_step((f)->loop, 20);                                                  \
		if (!(condition))                                                                  \
			fail_msg("waited in vain for " #condition);                                \
	} while (0)

static inline void
step_for(struct fixture *f, int64_t ms)
{
	int64_t end = clock_monotonic_ms(&clock_system) + ms;

	while (clock_monotonic_ms(&clock_system) < end)
		loop_step(f->loop, 5);
}

static inline void
open_source(struct fixture *f, enum start_kind kind, int after, uint32_t allow)
{
	struct start start = {.kind = kind};

	if (f->l.source == NULL)
		f->l.source = pubsub_source_new(f->pubsub, TOPIC, NULL);
	if (kind == START_AFTER) {
		start.after.len = 10;
		start.after.bytes[6] = (uint8_t)(after >> 8);
		start.after.bytes[7] = (uint8_t)after;
		f->l.last = after;
	}
	f->l.source->ops->open(f->l.source, &start, &listener_events, &f->l);
	if (allow > 0)
		f->l.source->ops->allow(f->l.source, allow);
	assert_int_equal(f->l.opened + f->l.events + f->l.ended, 0);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif

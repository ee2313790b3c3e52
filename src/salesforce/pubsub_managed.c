#include "salesforce/pubsub_managed.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "salesforce/pubsub_client.h"

#define PROBE_SETTLE_MS 3000 /* without an answer the position was taken */
#define LAST_COMMIT_MS 2000  /* what is durable when the owner closes is committed before the stream ends */
#define PROBE_EVENT_MS 2000  /* behind the first sign: for the event's schema */

enum managed_state { MANAGED_CLOSED, MANAGED_PROBING, MANAGED_OPEN };

struct managed_source {
	struct source base; /* first */
	struct loop *loop;
	struct source *probe, *inner;
	enum managed_state state;
	bool opened, closing, last_commit; /* last_commit: asked for since closing */
	const struct source_events *events;
	void *context;
	struct start start;
	uint32_t allowed;
	bool checking;		/* the event that must come next has not come */
	struct replay_id first; /* that event */
	int64_t first_ms;	/* when it was committed; 0: not known */
	struct error fault;
	struct loop_timer patience;
};

static struct managed_source *
of(struct source *base)
{
	return (struct managed_source *)base;
}

static void
finish(struct managed_source *s, const struct error *why)
{
	struct error copy = *why;

	loop_timer_stop(s->loop, &s->patience);
	s->state = MANAGED_CLOSED;
	s->allowed = 0;
	s->events->ended(s->context, &copy);
}

/* ---- the managed subscription */

static void
jumped(struct managed_source *s, const char *what)
{
	char hex[REPLAY_ID_TEXT_SIZE];

	error_set(&s->fault, ERR_POSITION,
	    "the managed subscription went on elsewhere than behind the stored position: %s before event %s", what,
	    replay_id_hex(hex, &s->first));
	s->inner->ops->close(s->inner);
}

static void
inner_opened(void *context)
{
	struct managed_source *s = context;

	s->opened = true;
	if (!s->closing)
		s->events->opened(s->context);
}

/* Whether the event is the owner's; else it was taken before, or proves that the server has jumped. */
static bool
is_due(struct managed_source *s, const struct event *event)
{
	if (s->fault.code != ERR_OK || s->closing)
		return false;
	if (!s->checking)
		return true;
	if (replay_id_equal(&event->replay_id, &s->first)) {
		s->checking = false;
		return true;
	}
	if (s->first_ms > 0 && event->commit_timestamp_ms > s->first_ms) {
		jumped(s, "a later one came");
		return false;
	}
	/* the owner has not taken one, so the server may send one more */
	s->inner->ops->allow(s->inner, s->allowed);
	return false;
}

static void
inner_event(void *context, const struct event *event)
{
	struct managed_source *s = context;

	if (!is_due(s, event))
		return;
	if (s->allowed > 0)
		s->allowed--;
	s->events->event(s->context, event);
}

static void
inner_undecodable(void *context, const struct event *event, const struct error *why)
{
	struct managed_source *s = context;

	if (!is_due(s, event))
		return;
	if (s->allowed > 0)
		s->allowed--;
	s->events->undecodable(s->context, event, why);
}

static void
inner_idle(void *context, const struct replay_id *latest)
{
	struct managed_source *s = context;

	if (s->fault.code != ERR_OK || s->closing)
		return;
	if (s->checking)
		jumped(s, "nothing more came");
	else
		s->events->idle(s->context, latest);
}

static void
inner_ended(void *context, const struct error *why)
{
	struct managed_source *s = context;

	finish(s, s->fault.code != ERR_OK && !s->closing ? &s->fault : why);
}

static void
end_inner(void *context)
{
	struct managed_source *s = context;

	s->inner->ops->close(s->inner);
}

static void
committed(void *context)
{
	struct managed_source *s = context;

	if (s->closing && s->last_commit)
		loop_timer_start(s->loop, &s->patience, 0, end_inner, s);
}

static void
open_inner(struct managed_source *s)
{
	static const struct source_events own = {inner_opened, inner_event, inner_undecodable, inner_idle, inner_ended};

	loop_timer_stop(s->loop, &s->patience);
	s->state = MANAGED_OPEN;
	s->inner->ops->open(s->inner, &s->start, &own, s);
	s->inner->ops->allow(s->inner, s->allowed);
}

/* ---- the probe */

static void
end_probe(void *context)
{
	struct managed_source *s = context;

	s->probe->ops->close(s->probe);
}

static void
probe_opened(void *context)
{
	struct managed_source *s = context;

	loop_timer_start(s->loop, &s->patience, PROBE_EVENT_MS, end_probe, s);
}

static void
probe_event(void *context, const struct event *event)
{
	struct managed_source *s = context;

	if (s->checking)
		return;
	s->checking = true;
	s->first = event->replay_id;
	s->first_ms = event->commit_timestamp_ms;
	loop_timer_start(s->loop, &s->patience, 0, end_probe, s);
}

static void
probe_undecodable(void *context, const struct event *event, const struct error *why)
{
	(void)why;
	probe_event(context, event);
}

static void
probe_idle(void *context, const struct replay_id *latest)
{
	struct managed_source *s = context;

	(void)latest;
	loop_timer_start(s->loop, &s->patience, 0, end_probe, s);
}

static void
probe_ended(void *context, const struct error *why)
{
	struct managed_source *s = context;

	if (s->closing || (why->code != ERR_OK && !s->checking))
		finish(s, why);
	else
		open_inner(s);
}

/* ---- the source's operations */

static void
managed_open(struct source *base, const struct start *start, const struct source_events *events, void *context)
{
	static const struct source_events own = {
	    probe_opened, probe_event, probe_undecodable, probe_idle, probe_ended};
	struct managed_source *s = of(base);

	s->events = events;
	s->context = context;
	s->start = *start;
	s->closing = s->checking = s->opened = s->last_commit = false;
	s->allowed = 0;
	error_clear(&s->fault);
	if (start->kind != START_AFTER) {
		open_inner(s);
		return;
	}
	s->state = MANAGED_PROBING;
	s->probe->ops->open(s->probe, start, &own, s);
	s->probe->ops->allow(s->probe, 1);
}

static void
managed_allow(struct source *base, uint32_t events)
{
	struct managed_source *s = of(base);

	s->allowed = events;
	if (s->state == MANAGED_OPEN)
		s->inner->ops->allow(s->inner, events);
}

static void
managed_close(struct source *base)
{
	struct managed_source *s = of(base);

	if (s->state == MANAGED_CLOSED || s->closing)
		return;
	s->closing = true;
	loop_timer_stop(s->loop, &s->patience);
	if (s->state == MANAGED_PROBING)
		s->probe->ops->close(s->probe);
	else if (s->opened && s->fault.code == ERR_OK)
		loop_timer_start(s->loop, &s->patience, LAST_COMMIT_MS, end_inner, s);
	else
		s->inner->ops->close(s->inner);
}

struct source *
pubsub_managed_new(struct pubsub *p, const char *topic, const struct pubsub_source_options *o)
{
	static const struct source_ops ops = {.open = managed_open, .allow = managed_allow, .close = managed_close};
	struct pubsub_source_options plain = *o, managed = *o;
	struct managed_source *s = memory_zero(1, sizeof(*s));

	plain.managed = NULL;
	plain.decoder = NULL;
	plain.settle_ms = PROBE_SETTLE_MS;
	s->loop = pubsub_loop(p);
	managed.committed = committed;
	managed.committed_context = s;
	s->inner = pubsub_source_new(p, topic, &managed);
	s->probe = pubsub_source_new(p, topic, &plain);
	s->base = (struct source){.ops = &ops, .topic = s->inner->topic};
	return &s->base;
}

void
pubsub_managed_free(struct source *base)
{
	struct managed_source *s = of(base);

	if (s == NULL)
		return;
	loop_timer_stop(s->loop, &s->patience);
	pubsub_source_free(s->probe);
	pubsub_source_free(s->inner);
	free(s);
}

void
pubsub_managed_commit(struct source *base, const struct replay_id *id)
{
	struct managed_source *s = of(base);

	s->last_commit = s->closing;
	pubsub_source_commit(s->inner, id);
}

#include "salesforce/pubsub_managed.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "salesforce/pubsub_client.h"

#define PROBE_SETTLE_MS 3000 /* without an answer the position was taken */
#define LAST_COMMIT_MS 2000  /* what is durable when the owner closes is committed before the stream ends */
#define PROBE_EVENT_MS 2000  /* behind the first sign: for the event's schema */
#define UNKNOWN_TRIES 3
#define UNKNOWN_MS 15000 /* between them: 3 in 30 s */

enum managed_state {
	MANAGED_CLOSED,
	MANAGED_PROBING, /* which event comes behind the stored position, past the managed subscription */
	MANAGED_OPEN,
	MANAGED_UNKNOWN,     /* the server does not know it yet */
	MANAGED_LEARNING,    /* which event the server would deliver next */
	MANAGED_CATCHING_UP, /* up to that one, past the managed subscription */
};

struct managed_source {
	struct source base; /* first */
	struct loop *loop;
	struct source *probe, *inner;
	struct source *current; /* the one of them that is open, if any is */
	enum managed_state state;
	bool opened, closing, last_commit; /* last_commit: asked for since closing */
	const struct source_events *events;
	void *context;
	struct start start;
	uint32_t allowed;
	unsigned unknown, unknown_tries;
	bool lost;		/* the place, and what lies between is not had yet */
	bool caught_up;		/* it is now */
	/* the event that probing or learning found: it must come next, or catching up ends before it */
	bool has_first;
	struct replay_id first;
	int64_t first_ms; /* when it was committed; 0: not known */
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

static void
open_source(struct managed_source *s, struct source *which, enum managed_state state, const struct source_events *own,
    uint32_t allowed)
{
	loop_timer_stop(s->loop, &s->patience);
	s->state = state;
	s->current = which;
	which->ops->open(which, &s->start, own, s);
	which->ops->allow(which, allowed);
}

static void
end_current(void *context)
{
	struct managed_source *s = context;

	s->current->ops->close(s->current);
}

/* ---- the managed subscription */

static void
jumped(struct managed_source *s, const char *what)
{
	char hex[REPLAY_ID_TEXT_SIZE];

	error_set(&s->fault, ERR_POSITION,
	    "the managed subscription went on elsewhere than behind the stored position: %s before event %s", what,
	    replay_id_hex(hex, &s->first));
	s->lost = true;
	s->inner->ops->close(s->inner);
}

static void
inner_opened(void *context)
{
	struct managed_source *s = context;

	s->opened = true;
	s->unknown = 0;
	if (!s->closing)
		s->events->opened(s->context);
}

/* Whether the event is the owner's; else it was taken before, or proves that the server has jumped. */
static bool
is_due(struct managed_source *s, const struct event *event)
{
	if (s->fault.code != ERR_OK || s->closing)
		return false;
	if (!s->has_first)
		return true;
	if (replay_id_equal(&event->replay_id, &s->first)) {
		s->has_first = false;
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
	if (s->has_first)
		jumped(s, "nothing more came");
	else
		s->events->idle(s->context, latest);
}

static void open_inner(void *context);
static void learn(void *context);

/* One that has just been made takes a moment to be known. false: it has had that. */
static bool
wait_for_unknown(struct managed_source *s, const struct error *why, loop_function *again)
{
	if (why->code != ERR_NOT_FOUND || s->closing || ++s->unknown >= s->unknown_tries)
		return false;
	log_warn("pubsub", "%s; a new one takes a moment to be known: again in %d s", why->text, UNKNOWN_MS / 1000);
	s->state = MANAGED_UNKNOWN;
	loop_timer_start(s->loop, &s->patience, UNKNOWN_MS, again, s);
	return true;
}

static void
inner_ended(void *context, const struct error *why)
{
	struct managed_source *s = context;

	if (!s->opened && wait_for_unknown(s, why, open_inner))
		return;
	finish(s, s->fault.code != ERR_OK && !s->closing ? &s->fault : why);
}

static void
committed(void *context)
{
	struct managed_source *s = context;

	if (s->closing && s->last_commit)
		loop_timer_start(s->loop, &s->patience, 0, end_current, s);
}

static void
open_inner(void *context)
{
	struct managed_source *s = context;
	static const struct source_events own = {inner_opened, inner_event, inner_undecodable, NULL, inner_idle, inner_ended};

	open_source(s, s->inner, MANAGED_OPEN, &own, s->allowed);
}

/* ---- what lies before the server's place: had past the managed subscription, up to the event that it would deliver next */

static void
reached(struct managed_source *s)
{
	s->caught_up = true;
	loop_timer_start(s->loop, &s->patience, 0, end_current, s);
}

static void
missed_opened(void *context)
{
	struct managed_source *s = context;

	s->events->opened(s->context);
}

/* Whether the event is the owner's. */
static bool
is_missed(struct managed_source *s, const struct event *event)
{
	if (s->caught_up || s->closing)
		return false;
	if (s->has_first && replay_id_equal(&event->replay_id, &s->first)) {
		reached(s);
		return false;
	}
	if (s->allowed > 0)
		s->allowed--;
	return true;
}

static void
missed_event(void *context, const struct event *event)
{
	struct managed_source *s = context;

	if (is_missed(s, event))
		s->events->event(s->context, event);
}

static void
missed_undecodable(void *context, const struct event *event, const struct error *why)
{
	struct managed_source *s = context;

	if (is_missed(s, event))
		s->events->undecodable(s->context, event, why);
}

static void
missed_idle(void *context, const struct replay_id *latest)
{
	struct managed_source *s = context;

	if (s->caught_up || s->closing)
		return;
	/* with such an event this is not the end of what the server has: only behind it is */
	if (!s->has_first)
		s->events->idle(s->context, latest);
	reached(s);
}

static void
missed_ended(void *context, const struct error *why)
{
	struct managed_source *s = context;
	struct error none = ERROR_INIT;

	if (s->caught_up && !s->closing) {
		s->lost = false;
		finish(s, &none); /* the owner opens again, behind what it has taken */
	} else {
		finish(s, why);
	}
}

static void
catch_up(struct managed_source *s)
{
	static const struct source_events own = {missed_opened, missed_event, missed_undecodable, NULL, missed_idle, missed_ended};

	log_info("pubsub", "%s: what lies before the managed subscription's place is fetched past it", s->base.topic);
	s->caught_up = false;
	open_source(s, s->probe, MANAGED_CATCHING_UP, &own, s->allowed);
}

/* ---- one event is asked for: past the managed subscription (probing), or of it (learning) */

static void
asked_opened(void *context)
{
	struct managed_source *s = context;

	if (s->state == MANAGED_LEARNING) {
		s->opened = true;
		s->unknown = 0;
	}
	loop_timer_start(s->loop, &s->patience, PROBE_EVENT_MS, end_current, s);
}

static void
asked_event(void *context, const struct event *event)
{
	struct managed_source *s = context;

	if (s->has_first)
		return;
	s->has_first = true;
	s->first = event->replay_id;
	s->first_ms = event->commit_timestamp_ms;
	loop_timer_start(s->loop, &s->patience, 0, end_current, s);
}

static void
asked_undecodable(void *context, const struct event *event, const struct error *why)
{
	(void)why;
	asked_event(context, event);
}

static void
asked_idle(void *context, const struct replay_id *latest)
{
	struct managed_source *s = context;

	(void)latest;
	loop_timer_start(s->loop, &s->patience, 0, end_current, s);
}

static void
asked_ended(void *context, const struct error *why)
{
	struct managed_source *s = context;
	bool learning = s->state == MANAGED_LEARNING;

	if (learning && !s->opened && wait_for_unknown(s, why, learn))
		return;
	if (s->closing || (why->code != ERR_OK && !s->has_first)) {
		s->lost = s->lost || why->code == ERR_POSITION;
		finish(s, why);
	} else if (learning) {
		catch_up(s);
	} else {
		open_inner(s);
	}
}

static void
ask(struct managed_source *s, struct source *which, enum managed_state state)
{
	static const struct source_events own = {asked_opened, asked_event, asked_undecodable, NULL, asked_idle, asked_ended};

	s->has_first = false;
	open_source(s, which, state, &own, 1);
}

static void
learn(void *context)
{
	struct managed_source *s = context;

	ask(s, s->inner, MANAGED_LEARNING);
}

/* ---- the source's operations */

static void
managed_open(struct source *base, const struct start *start, const struct source_events *events, void *context)
{
	struct managed_source *s = of(base);

	s->events = events;
	s->context = context;
	s->start = *start;
	s->closing = s->has_first = s->opened = s->last_commit = false;
	s->allowed = 0;
	s->unknown = 0;
	error_clear(&s->fault);
	if (start->kind == START_LATEST)
		s->lost = false; /* new events only, the owner says */
	if (s->lost)
		learn(s);
	else if (start->kind != START_AFTER)
		open_inner(s);
	else
		ask(s, s->probe, MANAGED_PROBING);
}

static void
managed_allow(struct source *base, uint32_t events)
{
	struct managed_source *s = of(base);

	s->allowed = events;
	if (s->state == MANAGED_OPEN || s->state == MANAGED_CATCHING_UP)
		s->current->ops->allow(s->current, events);
}

static void
never_known(void *context)
{
	struct error none = ERROR_INIT;

	finish(context, &none);
}

static void
managed_close(struct source *base)
{
	struct managed_source *s = of(base);

	if (s->state == MANAGED_CLOSED || s->closing)
		return;
	s->closing = true;
	loop_timer_stop(s->loop, &s->patience);
	if (s->state == MANAGED_UNKNOWN)
		loop_timer_start(s->loop, &s->patience, 0, never_known, s);
	else if (s->state == MANAGED_OPEN && s->opened && s->fault.code == ERR_OK)
		loop_timer_start(s->loop, &s->patience, LAST_COMMIT_MS, end_current, s);
	else
		end_current(s);
}

struct source *
pubsub_managed_new(struct pubsub *p, const char *topic, const struct pubsub_source_options *o)
{
	static const struct source_ops ops = {.open = managed_open, .allow = managed_allow, .close = managed_close};
	struct pubsub_source_options plain = *o, managed = *o;
	struct managed_source *s = memory_zero(1, sizeof(*s));

	plain.managed = NULL;
	plain.settle_ms = PROBE_SETTLE_MS;
	s->loop = pubsub_loop(p);
	s->unknown_tries = o->unknown_tries > 0 ? o->unknown_tries : UNKNOWN_TRIES;
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

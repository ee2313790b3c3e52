/* One source: takes its events, keeps its window, opens it again when it ends. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "stream/internal.h"

/* Entities are named by the peer; an org has some thousands of objects at most. */
#define ROUTES_MAX 20000

static const struct source_events feed_events;

void
feed_init(struct feed *f, struct engine *e, struct source *s, size_t index,
    const struct position *from)
{
	memset(f, 0, sizeof(*f));
	f->engine = e;
	f->source = s;
	f->index = index;
	window_init(&f->window);
	f->resume.kind = START_LATEST;
	if (from == NULL)
		return;
	f->origin = *from;
	f->has_origin = true;
	f->stored = *from;
	f->suspect_until = s->shared ? INT64_MAX : from->in_flight;
	f->resume_event_ms = from->event_ms;
	if (from->kind == POSITION_AFTER) {
		f->resume.kind = START_AFTER;
		f->resume.after = from->replay_id;
	} else {
		f->resume.kind = START_EARLIEST;
		f->skipping = from->kind == POSITION_AT;
	}
}

void
feed_release(struct feed *f)
{
	for (size_t i = 0; i < f->route_count; i++)
		free(f->routes[i].entity);
	free(f->routes);
	window_release(&f->window);
}

bool
feed_position(const struct feed *f, struct position *p, int64_t *number)
{
	*number = 0;
	if (f->window.passed.done) {
		*p = (struct position){.kind = POSITION_AFTER,
		    .replay_id = f->window.passed.replay_id,
		    .event_ms = f->window.passed.event_ms};
		*number = f->window.passed.number;
		return true;
	}
	*p = f->origin;
	return f->has_origin;
}

int64_t
feed_reach(const struct feed *f)
{
	return f->sent_number > f->suspect_until ? f->sent_number : f->suspect_until;
}

bool
feed_is_suspect(const struct feed *f, const struct event *event, int64_t number)
{
	/* another source may have brought it so long ago that nobody remembers */
	if (f->source->shared && event->commit_timestamp_ms <= f->engine->recent.forgotten_ms)
		return true;
	return number <= f->suspect_until;
}

void
feed_row_done(struct feed *f, uint64_t sequence)
{
	window_done(&f->window, sequence);
}

/* ---- what comes from the source */

/* After close, or once the run ends, nothing is taken: what is not taken is fetched again by the next run. */
static bool
takes(const struct feed *f)
{
	const struct engine *e = f->engine;

	if (e->options.max_events > 0 && e->statistics.received >= e->options.max_events)
		return false;
	return f->state == FEED_OPEN && engine_is_running(e) && f->untaken.code == ERR_OK;
}

/* The source counts its allowance down by what it hands over, whatever becomes of it here. */
static void
use_credit(struct feed *f)
{
	if (f->allowed > 0)
		f->allowed--;
	if (f->allowed == 0)
		engine_wake(f->engine, engine_now(f->engine));
}

static void
sign_of_life(struct feed *f, const struct event *event)
{
	struct engine_statistics *s = &f->engine->statistics;

	f->failures = f->session_failures = 0;
	f->quiet_since_ms = engine_now(f->engine);
	if (event == NULL) {
		s->last_received_ms = clock_wall_ms(f->engine->clock);
		return;
	}
	s->received++;
	s->received_bytes += (int64_t)event->payload.len;
	s->last_received_ms = event->received_ms;
	if (event->commit_timestamp_ms > s->last_event_ms)
		s->last_event_ms = event->commit_timestamp_ms;
}

static void
resume_after(struct feed *f, const struct replay_id *id, int64_t event_ms)
{
	if (id->len == 0)
		return;
	f->resume.kind = START_AFTER;
	f->resume.after = *id;
	f->resume_event_ms = event_ms;
}

static void
report_gap(struct feed *f, const char *what)
{
	char since[CLOCK_TIME_SIZE] = "an unknown time";

	f->engine->statistics.gaps++;
	if (f->resume_event_ms > 0)
		clock_format_time(since, f->resume_event_ms);
	log_warn("stream", "%s: %s; events since %s may be missing", f->source->topic, what, since);
}

/* Anything may be in the table from here on, until the topic is drained. */
static void
suspect_all(struct feed *f)
{
	f->suspect_until = INT64_MAX;
	f->suspect_since_ms = engine_now(f->engine);
}

/* Not for us; a subscription that ends goes on behind it. */
static void
pass_over(struct feed *f, const struct event *event)
{
	resume_after(f, &event->replay_id, event->commit_timestamp_ms);
	sign_of_life(f, NULL);
}

/* true: this event lies before the one that the last run received first. */
static bool
skip(struct feed *f, const struct event *event)
{
	if (replay_id_equal(&event->replay_id, &f->origin.replay_id)) {
		f->skipping = false;
		return false;
	}
	if (f->origin.event_ms > 0 && event->commit_timestamp_ms > f->origin.event_ms) {
		/* it has aged out: what comes now is all younger */
		f->skipping = false;
		report_gap(f, "the event that the last run began with is no longer kept");
		suspect_all(f);
		return false;
	}
	pass_over(f, event);
	return true;
}

/* The event is ours from here on: it is in the window and must end as done or hold the position back. */
static int64_t
received(struct feed *f, const struct event *event)
{
	bool is_first = !f->has_origin || (f->source->skips && f->delivered == 0);

	if (is_first && !f->window.passed.done && event->replay_id.len > 0) {
		f->has_origin = true;
		f->origin = (struct position){.kind = POSITION_AT,
		    .replay_id = event->replay_id,
		    .event_ms = event->commit_timestamp_ms};
	}
	resume_after(f, &event->replay_id, event->commit_timestamp_ms);
	if (f->engine->first_event_ms == 0)
		f->engine->first_event_ms = engine_now(f->engine);
	return ++f->delivered;
}

static void
after_taking(struct feed *f)
{
	struct engine *e = f->engine;

	if (++e->uncredited >= 32)
		engine_share_room(e, engine_now(e));
	if (e->options.max_events > 0 && e->statistics.received >= e->options.max_events)
		engine_wake(e, 0);
}

static void
set_aside(struct feed *f, const struct event *event, const char *table, const struct error *why)
{
	struct dead_letter letter = {
	    .topic = text_of(f->source->topic),
	    .table = text_of(table),
	    .event_id = event->id,
	    .schema_id = event->schema_id,
	    .schema_json = event->schema_json,
	    .payload = event->payload,
	    .replay_id = event->replay_id,
	    .received_ms = event->received_ms,
	};
	uint64_t sequence;
	int64_t number = received(f, event);

	sequence = window_push(&f->window, &event->replay_id, event->commit_timestamp_ms, number, NULL);
	if (engine_set_aside(f->engine, &letter, why))
		window_done(&f->window, sequence);
	after_taking(f);
	engine_wake(f->engine, engine_now(f->engine));
}

/* The table of this event. 1: it is being prepared; -1: there is none (yet), *e says why. */
static int
find_route(struct feed *f, const struct event *event, struct spread **spread, struct error *e)
{
	const struct router *router = &f->engine->router;
	struct text entity = router->by_entity ? event->entity : text_of("");
	struct feed_route *r = f->last_route;
	struct sink *sink = NULL;

	if (r != NULL && text_equal(entity, text_span(r->entity, r->entity_len))) {
		*spread = r->spread;
		return 0;
	}
	for (size_t i = 0; i < f->route_count; i++) {
		r = &f->routes[i];
		if (text_equal(entity, text_span(r->entity, r->entity_len)))
			goto found;
	}
	if (f->route_count >= ROUTES_MAX)
		return error_set(e, ERR_FAILED, "'%s' has events of more than %d entities",
		    f->source->topic, ROUTES_MAX);
	if (router->is_ready != NULL && f->resume.kind != START_LATEST &&
	    !router->is_ready(router->context, f->source->topic, entity))
		return 1;
	if (router->route(router->context, f->source->topic, entity, &sink, e) != 0)
		return -1;
	f->routes = memory_reserve(f->routes, &f->route_capacity, f->route_count + 1, sizeof(*f->routes));
	r = &f->routes[f->route_count++];
	r->entity = text_dup(entity);
	r->entity_len = entity.len;
	r->spread = engine_spread(f->engine, sink);
found:
	f->last_route = r;
	*spread = r->spread;
	return 0;
}

/* The event stays with the server: the subscription ends and begins again before it. */
static void
leave(struct feed *f, const struct event *event, const struct error *why)
{
	/* at the tip there is nothing to begin again behind: as after a death there, by reading up to it */
	if (f->resume.kind == START_LATEST && event->replay_id.len > 0) {
		f->has_origin = f->skipping = true;
		f->origin = (struct position){.kind = POSITION_AT,
		    .replay_id = event->replay_id,
		    .event_ms = event->commit_timestamp_ms};
		f->resume.kind = START_EARLIEST;
	}
	f->untaken = *why;
	engine_wake(f->engine, engine_now(f->engine));
}

static void
on_event(void *context, const struct event *event)
{
	struct feed *f = context;
	struct engine *e = f->engine;
	struct error why = ERROR_INIT;
	struct spread *spread = NULL;
	struct lane *lane;
	struct fingerprint print;
	uint64_t sequence;
	int64_t number;
	bool fenced;
	int found;

	if (!takes(f))
		return;
	use_credit(f);
	if (f->skipping && skip(f, event))
		return;
	/* before anything remembers the event, or calls it progress: it may have to be fetched again */
	found = find_route(f, event, &spread, &why);
	if (found > 0) {
		f->unrouted = f->awaits_route = true;
		error_set(&why, ERR_UNAVAILABLE, "its table is being prepared");
		leave(f, event, &why);
		return;
	}
	if (found < 0) {
		switch (error_disposition(why.code)) {
		case DISPOSITION_SET_ASIDE:
			sign_of_life(f, event);
			set_aside(f, event, "", &why);
			return;
		case DISPOSITION_RETRY:
		case DISPOSITION_RETRY_SLOWLY:
		case DISPOSITION_LOG_IN_AGAIN:
			leave(f, event, &why);
			return;
		default:
			engine_fail(e, &why);
			return;
		}
	}
	sign_of_life(f, event);
	print = recent_print(&e->recent, spread->place + (e->options.apart ? f->index + 1 : 0), event);
	if (recent_add(&e->recent, &print, event->commit_timestamp_ms)) {
		e->statistics.repeated++;
		number = received(f, event);
		sequence = window_push(&f->window, &event->replay_id, event->commit_timestamp_ms, number, NULL);
		spread_follow(spread, f, sequence);
		after_taking(f);
		engine_wake(e, engine_now(e));
		return;
	}
	number = f->delivered + 1;
	sequence = f->window.tail;
	lane = spread_choose(spread, event, &fenced);
	if (lane_take(lane, f, event, fenced, sequence, number, &why) != 0) {
		if (error_disposition(why.code) == DISPOSITION_SET_ASIDE)
			set_aside(f, event, lane->sink->table, &why);
		else
			engine_fail(e, &why); /* not taken: the next run fetches it again */
		return;
	}
	spread_took(spread, event, lane);
	received(f, event);
	window_push(&f->window, &event->replay_id, event->commit_timestamp_ms, number, e->keeps_recent ? &print : NULL);
	if (event->is_gap) {
		e->statistics.gap_events++;
		if (e->host.gap != NULL)
			e->host.gap(e->host.context, event);
	}
	after_taking(f);
}

static void
on_undecodable(void *context, const struct event *event, const struct error *why)
{
	struct feed *f = context;
	const char *table = f->route_count == 1 ? f->routes[0].spread->lanes[0]->sink->table : "";

	if (!takes(f))
		return;
	use_credit(f);
	if (f->skipping && skip(f, event))
		return;
	sign_of_life(f, event);
	set_aside(f, event, table, why);
}

static void
on_left_out(void *context, const struct event *event)
{
	struct feed *f = context;

	if (takes(f))
		pass_over(f, event);
}

static void
on_opened(void *context)
{
	struct feed *f = context;

	if (f->state != FEED_OPEN)
		return;
	f->opened = true;
	f->quiet_since_ms = engine_now(f->engine);
	log_info("stream", "subscribed to %s", f->source->topic);
	engine_wake(f->engine, f->quiet_since_ms);
}

static void
on_idle(void *context, const struct replay_id *latest)
{
	struct feed *f = context;

	if (!takes(f))
		return;
	sign_of_life(f, NULL);
	if (f->skipping) {
		f->skipping = false;
		report_gap(f, "the event that the last run began with is no longer kept");
	}
	f->caught_up = true;
	/* whatever an earlier run had sent lies before this place */
	if (f->suspect_until > f->delivered)
		f->suspect_until = f->delivered;
	if (latest->len > 0) {
		window_pass(&f->window, latest, 0, f->delivered);
		f->resume.kind = START_AFTER;
		f->resume.after = *latest;
	}
	engine_wake(f->engine, engine_now(f->engine));
}

static void
lost_position(struct feed *f, const struct error *why, int64_t now)
{
	struct engine *e = f->engine;
	struct error error = *why;
	char since[CLOCK_TIME_SIZE] = "an unknown time", hex[REPLAY_ID_TEXT_SIZE];

	if (f->resume.kind != START_AFTER) {
		engine_fail(e, why);
		return;
	}
	if (f->resume_event_ms > 0)
		clock_format_time(since, f->resume_event_ms);
	replay_id_hex(hex, &f->resume.after);
	if (e->options.on_lost_position == ON_LOST_FAIL) {
		error_wrap(&error, "%s: the position %s (events since %s) is lost", f->source->topic, hex, since);
		error_hint(&error, "--on-lost-position earliest goes on with the oldest event that is still kept, "
				   "latest with new ones only; both leave a gap");
		engine_fail(e, &error);
		return;
	}
	log_warn("stream", "%s: the position %s is lost (%s)", f->source->topic, hex, why->text);
	report_gap(f, e->options.on_lost_position == ON_LOST_EARLIEST ?
		"going on with the oldest event that is still kept" :
		"going on with new events only");
	f->reset_wanted = true;
	f->open_at_ms = now;
}

/* false: all that has come from the earliest event on was passed over, and a place among that is no loss. */
static bool
has_begun(const struct feed *f)
{
	return f->delivered > 0 || f->window.passed.done || !f->has_origin || f->origin.kind == POSITION_AFTER;
}

static void
on_ended(void *context, const struct error *why)
{
	struct feed *f = context;
	struct engine *e = f->engine;
	int64_t now = engine_now(e);
	struct error error = f->untaken.code != ERR_OK ? f->untaken : *why;
	enum retry_reason reason;

	if (f->state == FEED_CLOSED)
		return;
	f->state = FEED_CLOSED;
	f->opened = false;
	f->allowed = 0;
	error_clear(&f->untaken);
	engine_wake(e, now);
	if (!engine_is_running(e))
		return;
	if (f->unrouted) {
		f->unrouted = false;
		return;
	}
	if (error.code == ERR_POSITION && f->resume.kind == START_AFTER && !has_begun(f)) {
		f->resume.kind = START_EARLIEST;
		error.code = ERR_UNAVAILABLE;
	}
	if (error.code == ERR_POSITION) {
		lost_position(f, &error, now);
		return;
	}
	if (error.code == ERR_OK) {
		e->statistics.retries[RETRY_SOURCE_ENDED]++;
		log_debug("stream", "the server ended the subscription to %s", f->source->topic);
		if (f->failures == 0) { /* routine; but a server that does only this is not hammered */
			f->failures = 1;
			f->open_at_ms = now;
			return;
		}
		error_set(&error, ERR_UNAVAILABLE, "the server ends the subscription at once");
	} else if (error_disposition(error.code) == DISPOSITION_SET_ASIDE) {
		error.code = ERR_UNAVAILABLE; /* there is no event here to set aside */
	}
	reason = error_disposition(error.code) == DISPOSITION_RETRY_SLOWLY ? RETRY_SOURCE_SLOWED :
	    error_disposition(error.code) == DISPOSITION_LOG_IN_AGAIN      ? RETRY_SOURCE_SESSION :
									     RETRY_SOURCE_FAILED;
	e->statistics.retries[reason]++;
	f->open_at_ms = engine_retry(e, "subscription to", f->source->topic, &error, &f->failures,
	    &f->session_failures, now);
}

static const struct source_events feed_events = {
    .opened = on_opened,
    .event = on_event,
    .undecodable = on_undecodable,
    .left_out = on_left_out,
    .idle = on_idle,
    .ended = on_ended,
};

/* ---- what goes to the source */

/* Only when all that came before is durable: else the old entries, done later, would bring the lost position back. */
static void
start_anew(struct feed *f)
{
	f->reset_wanted = false;
	f->window.passed.done = false;
	f->resume_event_ms = 0;
	f->skipping = false;
	if (f->engine->options.on_lost_position == ON_LOST_EARLIEST) {
		f->origin = (struct position){.kind = POSITION_EARLIEST};
		f->has_origin = true;
		f->resume.kind = START_EARLIEST;
		suspect_all(f); /* it may lie before what is stored */
	} else {
		f->has_origin = false;
		f->resume.kind = START_LATEST;
		f->suspect_until = f->delivered;
	}
}

static int64_t
tick_closed(struct feed *f, int64_t now)
{
	struct engine *e = f->engine;

	if (!engine_is_running(e))
		return NEVER;
	if (now < f->open_at_ms)
		return f->open_at_ms;
	if (f->awaits_route)
		return NEVER;
	if (f->reset_wanted && window_count(&f->window) > 0)
		return NEVER; /* acknowledgements wake us */
	/* with little room it would only be ended again for lack of credit */
	if (window_count(&f->window) > 0 && engine_room(e) < (int64_t)e->options.max_rows / 8)
		return NEVER;
	if (f->reset_wanted)
		start_anew(f);
	else if (f->resume.kind == START_LATEST && f->failures > 0)
		log_warn("stream", "%s: nothing was received yet; starting at the tip again, what came meanwhile "
				   "is not seen", f->source->topic);
	f->state = FEED_OPEN;
	f->opened = false;
	f->allowed = 0;
	f->quiet_since_ms = now;
	f->source->ops->open(f->source, &f->resume, &feed_events, f);
	engine_wake(e, now); /* to be given its share of the room */
	return NEVER;
}

int64_t
feed_tick(struct feed *f, int64_t now)
{
	const struct engine_options *o = &f->engine->options;

	if (f->state == FEED_CLOSED)
		return tick_closed(f, now);
	if (f->state != FEED_OPEN)
		return NEVER;
	if (f->untaken.code != ERR_OK) {
		feed_close(f);
		return NEVER;
	}
	if (!o->until_caught_up || f->caught_up || !f->opened || f->allowed == 0 || f->skipping)
		return NEVER;
	if (now - f->quiet_since_ms < o->quiet_for_ms)
		return f->quiet_since_ms + o->quiet_for_ms;
	f->caught_up = true;
	engine_wake(f->engine, now);
	return NEVER;
}

void
feed_close(struct feed *f)
{
	if (f->state != FEED_OPEN)
		return;
	f->state = FEED_CLOSING;
	f->source->ops->close(f->source);
}

void
feed_allow(struct feed *f, uint32_t events, int64_t now)
{
	/* the source acts on about a hundred at a time: a little more behind a lot is no news */
	if (events == f->allowed || (events > f->allowed && f->allowed > 400 && events / 2 < f->allowed))
		return;
	if (f->allowed == 0)
		f->quiet_since_ms = now;
	f->allowed = events;
	f->source->ops->allow(f->source, events);
}

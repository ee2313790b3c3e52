#include "stream/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "stream/backoff.h"
#include "stream/internal.h"

/* Schemas kept although no row points at them: rows of the same kind will come again. */
#define SCHEMAS_KEPT 64
#define ROW_COST_FIRST 4096
/* After the drain: how long sources and sinks may take to end in good order, and then after being cancelled. */
#define FINISH_MS 5000

void
engine_options_init(struct engine_options *o)
{
	*o = (struct engine_options){
	    .batch_rows = ENGINE_BATCH_ROWS,
	    .batch_bytes = ENGINE_BATCH_MIB * 1024 * 1024,
	    .linger_ms = ENGINE_LINGER_MS,
	    .max_rows = ENGINE_MAX_ROWS,
	    .max_bytes = ENGINE_MAX_MIB * 1024 * 1024,
	    .ack_timeout_ms = ENGINE_ACK_TIMEOUT_S * 1000,
	    .open_timeout_ms = 60000,
	    .position_interval_ms = 200,
	    .position_events = 20000,
	    .find_rows = 2000,
	    .drain_timeout_ms = ENGINE_DRAIN_TIMEOUT_S * 1000,
	    .close_wait_ms = ENGINE_CLOSE_WAIT_H * INT64_C(3600000),
	    .max_retries = ENGINE_MAX_RETRIES,
	    .backoff_first_ms = BACKOFF_FIRST_MS,
	    .backoff_last_ms = BACKOFF_LAST_MS,
	    .on_lost_position = ON_LOST_FAIL,
	    .quiet_for_ms = ENGINE_QUIET_FOR_S * 1000,
	    .max_dead_letters = ENGINE_MAX_DEAD_LETTERS,
	    .unit = "event",
	    .left_hint = "nothing is lost: the next run goes on with them",
	};
}

static const char *const retry_reasons[RETRY_REASONS] = {
    [RETRY_SOURCE_ENDED] = "source-ended",
    [RETRY_SOURCE_FAILED] = "source-failed",
    [RETRY_SOURCE_SLOWED] = "source-slowed",
    [RETRY_SOURCE_SESSION] = "source-session",
    [RETRY_SINK_FAILED] = "sink-failed",
    [RETRY_SINK_SLOWED] = "sink-slowed",
    [RETRY_SINK_SESSION] = "sink-session",
    [RETRY_SINK_REFUSED] = "sink-refused",
    [RETRY_SINK_SILENT] = "sink-silent",
    [RETRY_SINK_CLOSING] = "sink-closing",
    [RETRY_FIND_FAILED] = "find-failed",
};

const char *
retry_reason_name(enum retry_reason r)
{
	return retry_reasons[r];
}

struct engine *
engine_new(const struct engine_setup *setup)
{
	struct engine *e = memory_zero(1, sizeof(*e));

	if (setup->options != NULL)
		e->options = *setup->options;
	else
		engine_options_init(&e->options);
	if (e->options.batch_rows == 0)
		e->options.batch_rows = 1;
	if (e->options.find_rows == 0)
		e->options.find_rows = 1;
	if (e->options.max_rows == 0)
		e->options.max_rows = 1;
	e->clock = setup->clock;
	e->random = setup->random;
	e->host = setup->host;
	e->positions = setup->positions;
	e->letters = setup->letters;
	e->router = setup->router;
	e->row_cost = ROW_COST_FIRST;
	e->phase_until_ms = NEVER;
	e->deadline_ms = e->wake_ms = NEVER;
	recent_init(&e->recent, e->random);
	e->keeps_recent = setup->recent != NULL;
	if (e->keeps_recent)
		recent_restore(&e->recent, setup->recent->key, setup->recent->known, setup->recent->count);
	return e;
}

void
engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	for (size_t i = 0; i < e->spread_count; i++)
		spread_free(e->spreads[i]);
	for (size_t i = 0; i < e->feed_count; i++) {
		feed_release(e->feeds[i]);
		free(e->feeds[i]);
	}
	for (size_t i = 0; i < e->schema_count; i++) {
		free(e->schemas[i]->id);
		free(e->schemas[i]->json);
		free(e->schemas[i]);
	}
	batch_pool_release(&e->pool);
	recent_release(&e->recent);
	free(e->spreads);
	free(e->lanes);
	free(e->feeds);
	free(e->schemas);
	free(e->updates);
	free(e);
}

void
engine_add_source(struct engine *e, struct source *s, const struct position *from)
{
	struct feed *f = memory_zero(1, sizeof(*f));

	feed_init(f, e, s, e->feed_count, from);
	e->feeds = memory_reserve(e->feeds, &e->feed_capacity, e->feed_count + 1, sizeof(struct feed *));
	e->feeds[e->feed_count++] = f;
	e->updates = memory_grow(e->updates, e->feed_count, sizeof(*e->updates));
}

struct spread *
engine_spread(struct engine *e, struct sink *s)
{
	struct spread *new;

	for (size_t i = 0; i < e->spread_count; i++)
		if (e->spreads[i]->lanes[0]->sink == s)
			return e->spreads[i];
	new = spread_new(e, s);
	e->spreads = memory_reserve(e->spreads, &e->spread_capacity, e->spread_count + 1, sizeof(struct spread *));
	e->spreads[e->spread_count++] = new;
	e->lanes = memory_reserve(e->lanes, &e->lane_capacity, e->lane_count + new->count, sizeof(struct lane *));
	for (size_t i = 0; i < new->count; i++)
		e->lanes[e->lane_count++] = new->lanes[i];
	return new;
}

/* ---- time */

int64_t
engine_now(const struct engine *e)
{
	return clock_monotonic_ms(e->clock);
}

void
engine_wake(struct engine *e, int64_t at_ms)
{
	if (e->ticking) {
		if (at_ms < e->wake_ms)
			e->wake_ms = at_ms;
		return;
	}
	if (at_ms >= e->deadline_ms || e->phase == PHASE_NEW || e->phase == PHASE_DONE)
		return;
	e->deadline_ms = at_ms;
	e->host.timer(e->host.context, at_ms);
}

bool
engine_is_running(const struct engine *e)
{
	return e->phase == PHASE_RUNNING;
}

/* ---- room */

static int64_t
rows_held(const struct engine *e)
{
	int64_t rows = 0;

	/* windows, not queues: an event that is done but stands behind one that is not holds memory too */
	for (size_t i = 0; i < e->feed_count; i++)
		rows += (int64_t)window_count(&e->feeds[i]->window);
	return rows;
}

int64_t
engine_room(const struct engine *e)
{
	int64_t held = rows_held(e), room = (int64_t)e->options.max_rows - held;
	int64_t cost = e->row_cost > 64 ? e->row_cost : 64;
	int64_t by_bytes = ((int64_t)e->options.max_bytes - e->bytes) / cost;

	if (by_bytes < room)
		room = by_bytes;
	if (room <= 0)
		return held == 0 ? 1 : 0; /* however large one event is, it must get through */
	return room;
}

void
engine_share_room(struct engine *e, int64_t now)
{
	int64_t room = engine_room(e), share;
	unsigned open = 0;

	e->uncredited = 0;
	for (size_t i = 0; i < e->feed_count; i++)
		open += e->feeds[i]->state == FEED_OPEN;
	if (open == 0)
		return;
	share = room / open;
	if (share == 0 && room > 0)
		share = 1; /* a source without credit is ended by its server: better a little over the limit */
	for (size_t i = 0; i < e->feed_count; i++)
		if (e->feeds[i]->state == FEED_OPEN)
			feed_allow(e->feeds[i], share > UINT32_MAX ? UINT32_MAX : (uint32_t)share, now);
}

/* ---- schemas and dead letters */

static void
forget_schemas(struct engine *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->schema_count; i++) {
		struct kept_schema *s = e->schemas[i];

		if (s->rows > 0) {
			e->schemas[kept++] = s;
			continue;
		}
		for (size_t j = 0; j < e->feed_count; j++)
			if (e->feeds[j]->last_schema == s)
				e->feeds[j]->last_schema = NULL;
		free(s->id);
		free(s->json);
		free(s);
	}
	e->schema_count = kept;
}

static bool
is_schema(const struct kept_schema *s, const struct event *event)
{
	return text_equal(event->schema_id, text_span(s->id, s->id_len)) &&
	    event->schema_json.len == s->json_len;
}

struct kept_schema *
engine_keep_schema(struct engine *e, struct feed *f, const struct event *event)
{
	struct kept_schema *s = f->last_schema;

	if (s != NULL && is_schema(s, event))
		goto found;
	for (size_t i = 0; i < e->schema_count; i++) {
		s = e->schemas[i];
		if (is_schema(s, event))
			goto found;
	}
	if (e->schema_count >= SCHEMAS_KEPT)
		forget_schemas(e);
	s = memory_zero(1, sizeof(*s));
	s->id = text_dup(event->schema_id);
	s->id_len = event->schema_id.len;
	s->json = text_dup(event->schema_json);
	s->json_len = event->schema_json.len;
	e->schemas = memory_reserve(e->schemas, &e->schema_capacity, e->schema_count + 1,
	    sizeof(struct kept_schema *));
	e->schemas[e->schema_count++] = s;
found:
	f->last_schema = s;
	s->rows++;
	return s;
}

bool
engine_set_aside(struct engine *e, struct dead_letter *letter, const struct error *why)
{
	struct error error = ERROR_INIT;
	char id[80], count[TEXT_COUNT_SIZE];

	/* whatever could not be decoded or encoded then, the event is not to blame */
	if (memory_is_out(MEMORY_OF_EVENT))
		memory_give_up("out of memory");
	letter->code = why->code;
	letter->reason = text_of(why->text);
	if (e->letters.store(e->letters.context, letter, 1, &error) != 0) {
		engine_fail(e, &error);
		return false;
	}
	e->statistics.set_aside++;
	e->statistics.set_aside_bytes += (int64_t)letter->payload.len;
	/* a topic where all is bad must not drown the log: the store holds each one's reason; what has no id it names itself */
	log_message((e->statistics.set_aside <= 10 || e->statistics.set_aside % 1000 == 0) && letter->event_id.len > 0 &&
			!e->letters.tells ?
		LOG_WARN :
		LOG_DEBUG,
	    "stream", TEXT_FORMAT ": event %s is set aside (%lld by now): %s", TEXT_ARGS(letter->topic),
	    text_clean(id, sizeof(id), letter->event_id), (long long)e->statistics.set_aside, why->text);
	if (e->options.max_dead_letters >= 0 && e->statistics.set_aside > e->options.max_dead_letters) {
		error_set(&error, ERR_REFUSED, "%s set aside, more than allowed; the last: %s",
		    text_count(count, e->statistics.set_aside, "event was", "events were"), why->text);
		engine_fail(e, &error);
	}
	return true;
}

/* ---- trying again */

int64_t
engine_retry(struct engine *e, const char *what, const char *name, const struct error *why,
    unsigned *failures, unsigned *session_failures, int64_t now)
{
	struct error error = *why;
	bool session = error_disposition(why->code) == DISPOSITION_LOG_IN_AGAIN, is_routine;
	char wait[32];
	int64_t delay;

	error_wrap(&error, "%s %s", what, name);
	if (error_disposition(why->code) == DISPOSITION_STOP)
		goto fail;
	if (memory_is_out(MEMORY_OF_CONNECTION)) {
		error.code = ERR_FAILED;
		error_hint(&error, "there is no memory left; no repetition would help");
		goto fail;
	}
	if (session && ++*session_failures >= SESSION_FAILURES) {
		error.code = ERR_CREDENTIALS; /* new tokens are refused like the old one */
		goto fail;
	}
	/* a token that has ended is no failure of the service, and a new one is likely to do */
	is_routine = session && *session_failures == 1;
	if (e->options.max_retries >= 0 && *failures >= e->options.max_retries && !is_routine)
		goto fail;
	delay = is_routine ?
	    0 :
	    backoff_delay(why, *failures, e->options.backoff_first_ms, e->options.backoff_last_ms, e->random);
	++*failures;
	clock_format_duration(wait, sizeof(wait), delay);
	log_info("stream", "%s; again in %s", error.text, wait);
	return now + delay;
fail:
	engine_fail(e, &error);
	return NEVER;
}

/* ---- the end of a run */

static void
begin_drain(struct engine *e, int64_t limit_ms)
{
	int64_t now = engine_now(e), until = limit_ms == NEVER ? NEVER : now + limit_ms;

	if (e->phase > PHASE_DRAINING || (e->phase == PHASE_DRAINING && until >= e->phase_until_ms))
		return; /* nothing new, and no reason to tick: a fault may repeat at every one */
	e->phase_until_ms = until;
	e->phase = PHASE_DRAINING;
	engine_wake(e, now);
}

void
engine_stop(struct engine *e)
{
	if (e->phase == PHASE_NEW)
		e->phase = PHASE_RUNNING; /* stopped before it began: the same way out */
	if (e->phase == PHASE_DRAINING && e->phase_until_ms != NEVER)
		e->abandoned = true;
	if (e->phase >= PHASE_FINISHING)
		e->abandoned = true;
	engine_wake(e, engine_now(e));
	begin_drain(e, e->options.drain_timeout_ms);
}

void
engine_routed(struct engine *e)
{
	for (size_t i = 0; i < e->feed_count; i++)
		e->feeds[i]->awaits_route = false;
	engine_wake(e, engine_now(e));
}

void
engine_fail(struct engine *e, const struct error *why)
{
	if (e->result.code == ERR_OK)
		e->result = *why;
	begin_drain(e, e->options.drain_timeout_ms);
}

/* Nothing more can become durable, or what does cannot be written down. */
static bool
is_drained(const struct engine *e)
{
	if (e->unrecordable)
		return true;
	for (size_t i = 0; i < e->lane_count; i++)
		if (!e->lanes[i]->broken && !lane_is_empty(e->lanes[i]))
			return false;
	for (size_t i = 0; i < e->lane_count; i++)
		if (e->lanes[i]->broken && e->lanes[i]->sent > 0 && e->lanes[i]->state != STREAM_NONE)
			return false; /* acknowledgements may still come */
	return true;
}

static void
finish(struct engine *e, int64_t now)
{
	struct error error = ERROR_INIT;
	int64_t left = rows_held(e);
	char count[TEXT_COUNT_SIZE], one[32], many[32];

	snprintf(one, sizeof(one), "%s was", e->options.unit);
	snprintf(many, sizeof(many), "%ss were", e->options.unit);
	if (left > 0 && e->result.code == ERR_OK) {
		error_set(&e->result, e->abandoned ? ERR_INTERRUPTED : ERR_UNAVAILABLE,
		    "%s not yet acknowledged when the run ended", text_count(count, left, one, many));
		error_hint(&e->result, "%s", e->options.left_hint);
	}
	if (ledger_store(e, now, true, &error) != 0 && e->result.code == ERR_OK)
		e->result = error;
	e->phase = PHASE_FINISHING;
	e->phase_until_ms = now + FINISH_MS;
	for (size_t i = 0; i < e->lane_count; i++) {
		if (e->abandoned || e->lanes[i]->sent > 0)
			lane_cancel(e->lanes[i], now);
		else
			lane_finish(e->lanes[i], now);
	}
}

static bool
all_ended(const struct engine *e)
{
	for (size_t i = 0; i < e->feed_count; i++)
		if (e->feeds[i]->state != FEED_CLOSED)
			return false;
	for (size_t i = 0; i < e->lane_count; i++)
		if (e->lanes[i]->state != STREAM_NONE)
			return false;
	return true;
}

static void
check_end(struct engine *e, int64_t now)
{
	bool caught_up = e->options.until_caught_up;

	if (e->phase == PHASE_RUNNING) {
		for (size_t i = 0; i < e->feed_count; i++)
			caught_up &= e->feeds[i]->caught_up;
		if (caught_up || (e->options.max_events > 0 && e->statistics.received >= e->options.max_events))
			begin_drain(e, NEVER);
	}
	if (e->phase == PHASE_DRAINING) {
		for (size_t i = 0; i < e->feed_count; i++)
			feed_close(e->feeds[i]);
		if (e->abandoned || now >= e->phase_until_ms || is_drained(e))
			finish(e, now);
	}
	if (e->phase == PHASE_FINISHING) {
		if (e->abandoned || now >= e->phase_until_ms)
			for (size_t i = 0; i < e->lane_count; i++)
				lane_cancel(e->lanes[i], now);
		if (all_ended(e) || now >= e->phase_until_ms + FINISH_MS)
			e->phase = PHASE_DONE;
	}
}

static int64_t
end_deadline(const struct engine *e, int64_t now)
{
	if (e->phase == PHASE_DRAINING)
		return e->phase_until_ms;
	if (e->phase == PHASE_FINISHING)
		return now < e->phase_until_ms ? e->phase_until_ms : e->phase_until_ms + FINISH_MS;
	return NEVER;
}

/* ---- the whole */

void
engine_start(struct engine *e)
{
	int64_t now = engine_now(e);

	if (e->phase != PHASE_NEW)
		return;
	e->phase = PHASE_RUNNING;
	e->started_ms = now;
	e->ledger_last_ms = now;
	for (size_t i = 0; i < e->feed_count; i++)
		e->feeds[i]->suspect_since_ms = now; /* the death of the run before lies before this one's birth */
	engine_wake(e, now);
}

void
engine_tick(struct engine *e)
{
	int64_t now = engine_now(e), next = NEVER, t;

	if (e->phase == PHASE_NEW || e->phase == PHASE_DONE)
		return;
	e->ticking = true;
	e->wake_ms = NEVER;
	for (size_t i = 0; i < e->lane_count; i++) {
		t = lane_tick(e->lanes[i], now);
		next = t < next ? t : next;
	}
	if (e->phase < PHASE_FINISHING) {
		t = ledger_tick(e, now);
		next = t < next ? t : next;
	}
	for (size_t i = 0; i < e->feed_count; i++) {
		t = feed_tick(e->feeds[i], now);
		next = t < next ? t : next;
	}
	engine_share_room(e, now);
	check_end(e, now);
	t = end_deadline(e, now);
	next = t < next ? t : next;
	next = e->wake_ms < next ? e->wake_ms : next;
	e->ticking = false;
	if (e->phase == PHASE_DONE) {
		e->deadline_ms = NEVER;
		e->host.timer(e->host.context, NEVER);
		e->host.done(e->host.context, &e->result);
		return;
	}
	e->deadline_ms = next;
	e->host.timer(e->host.context, next);
}

void
engine_statistics(const struct engine *e, struct engine_statistics *out)
{
	int64_t now = engine_now(e), oldest = NEVER;

	*out = e->statistics;
	out->in_flight_rows = rows_held(e);
	out->in_flight_bytes = e->bytes;
	out->sources = (unsigned)e->feed_count;
	out->sinks = (unsigned)e->spread_count;
	out->stopping = e->phase > PHASE_RUNNING;
	for (size_t i = 0; i < e->feed_count; i++) {
		const struct feed *f = e->feeds[i];
		struct position acked;
		int64_t number;

		out->sources_open += f->state == FEED_OPEN && f->opened;
		if (f->stored.event_ms > 0 &&
		    (out->stored_event_ms == 0 || f->stored.event_ms < out->stored_event_ms))
			out->stored_event_ms = f->stored.event_ms;
		if (!feed_position(f, &acked, &number))
			continue;
		if (acked.event_ms > 0 && (out->acked_event_ms == 0 || acked.event_ms < out->acked_event_ms))
			out->acked_event_ms = acked.event_ms;
		out->sources_unstored += number > f->stored_number;
	}
	for (size_t i = 0; i < e->lane_count; i++) {
		const struct lane *l = e->lanes[i];

		out->suspect_rows += (int64_t)l->suspect_rows;
		if (lane_oldest_sent_ms(l) < oldest)
			oldest = lane_oldest_sent_ms(l);
	}
	for (size_t i = 0; i < e->spread_count; i++)
		out->sinks_open += spread_is_open(e->spreads[i]);
	if (oldest != NEVER)
		out->oldest_unacked_ms = now - oldest;
	if (e->last_durable_ms > e->first_event_ms && e->first_event_ms > 0)
		out->active_ms = e->last_durable_ms - e->first_event_ms;
}

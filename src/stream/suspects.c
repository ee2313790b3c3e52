/*
 * Rows that may be in the table already. They are looked up by event id, once a row that was stored must be
 * visible, and before anything behind them is sent: order within a topic is the table's order too.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "stream/internal.h"

/* A look-up normally takes seconds, with a cold warehouse minutes. */
#define OVERDUE_MS 120000

void
suspects_mark_row(struct lane *l, struct batch *b, struct row *r, int64_t visible_ms)
{
	if (r->suspect)
		return;
	if (l->sink->ops->find == NULL || r->id_len == 0) {
		if (!l->engine->unsure_said) {
			l->engine->unsure_said = true;
			log_warn("stream", "%s: what was in flight cannot be looked up %s; it is sent again and may "
					   "be stored twice", l->sink->table,
			    r->id_len == 0 || l->sink->cannot_find == NULL ? "without an event id" : l->sink->cannot_find);
		}
		return;
	}
	r->suspect = true;
	b->suspects++;
	l->suspect_rows++;
	if (b->visible_ms < visible_ms)
		b->visible_ms = visible_ms;
}

void
suspects_mark(struct lane *l, struct batch *b, int64_t visible_ms)
{
	for (size_t i = 0; i < b->count; i++)
		suspects_mark_row(l, b, &b->rows[i], visible_ms);
}

static void
ask_for(struct lane *l, struct batch *b)
{
	size_t most = l->engine->options.find_rows;

	l->asked = memory_reserve(l->asked, &l->asked_capacity, most, sizeof(*l->asked));
	l->sought = memory_reserve(l->sought, &l->sought_capacity, most, sizeof(*l->sought));
	for (size_t i = 0; i < b->count && l->asked_count < most; i++) {
		const struct row *r = &b->rows[i];

		if (!r->suspect)
			continue;
		l->asked[l->asked_count].batch = b;
		l->asked[l->asked_count].row = i;
		l->sought[l->asked_count++] = (struct sought){.id = batch_row_id(b, i),
		    .replay_id = window_at(&r->feed->window, r->sequence)->replay_id,
		    .id_is_unique = r->id_is_unique};
	}
}

int64_t
suspects_tick(struct lane *l, int64_t now)
{
	char count[TEXT_COUNT_SIZE];
	int64_t next = NEVER;

	if (l->asking) {
		if (now < l->asking_warn_ms)
			return l->asking_warn_ms;
		log_warn("stream", "%s: still waiting for a look-up of %s; is the warehouse starting?", l->sink->table,
		    text_count(count, (int64_t)l->asked_count, "event", "events"));
		l->asking_warn_ms = now + OVERDUE_MS;
		return l->asking_warn_ms;
	}
	if (l->suspect_rows == 0 || l->broken || l->engine->phase >= PHASE_FINISHING)
		return NEVER;
	if (now < l->ask_at_ms)
		return l->ask_at_ms;
	l->asked_count = 0;
	for (size_t i = l->sent; i < l->count && l->asked_count < l->engine->options.find_rows; i++) {
		struct batch *b = lane_at(l, i);
		int64_t due = b->visible_ms;

		if (b->suspects == 0)
			continue;
		/* an id must stay where it is while the question is open, so the batch takes no more rows */
		if (!b->closed && due < b->begun_ms + l->engine->options.linger_ms)
			due = b->begun_ms + l->engine->options.linger_ms;
		if (now < due) {
			next = due;
			break;
		}
		b->closed = true;
		ask_for(l, b);
	}
	if (l->asked_count == 0)
		return next;
	log_debug("stream", "%s: looking up %s", l->sink->table,
	    text_count(count, (int64_t)l->asked_count, "event", "events"));
	l->asking = true;
	l->asking_warn_ms = now + OVERDUE_MS;
	l->sink->ops->find(l->sink, l->sought, l->asked_count, lane_sink_events(), l);
	return l->asking_warn_ms;
}

static void
find_failed(struct lane *l, const struct error *why)
{
	int64_t now = engine_now(l->engine);

	l->engine->statistics.retries[RETRY_FIND_FAILED]++;
	l->ask_at_ms = engine_retry(l->engine, "look-up in", l->sink->table, why, &l->ask_failures,
	    &l->ask_session_failures, now);
	if (l->ask_at_ms == NEVER)
		l->broken = true;
}

/* Takes the rows asked for of one batch, from asked[at] on; returns how many they were. */
static size_t
settle_batch(struct lane *l, size_t at, const bool *found)
{
	struct batch *b = l->asked[at].batch;
	size_t n = 0, stored = 0, size = batch_size(b);
	bool *gone = memory_zero(b->count, sizeof(*gone));

	for (; at + n < l->asked_count && l->asked[at + n].batch == b; n++) {
		struct row *r = &b->rows[l->asked[at + n].row];

		r->suspect = false;
		b->suspects--;
		l->suspect_rows--;
		if (!found[at + n])
			continue;
		gone[l->asked[at + n].row] = true;
		lane_row_done(l, r);
		stored++;
	}
	l->engine->statistics.already_stored += (int64_t)stored;
	l->engine->last_durable_ms = engine_now(l->engine);
	if (stored > 0) {
		batch_compact(b, gone);
		l->engine->bytes -= (int64_t)(size - batch_size(b));
		refusal_passed(l, stored);
	}
	/* a fence stays where it is as long as others rely on it */
	if (b->count == 0 && spread_is_clear(l->spread, b)) {
		size_t i = 0;

		while (lane_at(l, i) != b)
			i++;
		lane_remove(l, i);
	}
	free(gone);
	return n;
}

void
suspects_found(struct lane *l, const bool *found, size_t count, const struct error *why)
{
	struct error error = ERROR_INIT;

	if (!l->asking)
		return;
	l->asking = false;
	if (found == NULL || count != l->asked_count) {
		if (why != NULL && why->code != ERR_OK && found == NULL)
			error = *why;
		else
			error_set(&error, ERR_UNAVAILABLE, "%zu answers to %zu questions", count, l->asked_count);
		find_failed(l, &error);
		return;
	}
	l->ask_failures = l->ask_session_failures = 0;
	for (size_t at = 0; at < l->asked_count;)
		at += settle_batch(l, at, found);
	l->asked_count = 0;
}

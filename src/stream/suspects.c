/*
 * Rows that may be in the table already. They are looked up by event id, once a row that was stored must be
 * visible, and before anything behind them is sent: order within a topic is the table's order too.
 *
 * When a row must be visible nobody promises; the vendor gives a time that 95 of 100 rows keep. So a look-up asks for
 * a witness too: the row that was acknowledged last. As long as the table does not show that one either, it does
 * not know, and is asked again; and once it does, doubtful rows get as long as the witness took. What this cannot
 * see is a table that falls behind between the witness and the doubtful rows, or a server that suddenly stores more
 * slowly than it has acknowledged, for longer than the wait that was told.
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

/* ---- what a server has taken and not acknowledged */

/* A slow acknowledgement is remembered for so long. */
#define SLOW_FOR_MS 600000

void
suspects_note_pace(struct lane *l, int64_t ack_ms, int64_t now)
{
	if (ack_ms < l->slow_ack_ms && now - l->slow_ack_at_ms < SLOW_FOR_MS)
		return;
	l->slow_ack_ms = ack_ms;
	l->slow_ack_at_ms = now;
}

/*
 * A server whose stream has broken may still be at work on what it has taken. How much longer it needs than a row needs
 * to be seen is anybody's guess: as long as it took of late, and as long as it has been at it already.
 */
static int64_t
storing_ms(const struct lane *l, int64_t now)
{
	int64_t waiting_ms = now - lane_at(l, 0)->sent_ms;

	return waiting_ms > l->slow_ack_ms ? waiting_ms : l->slow_ack_ms;
}

void
suspects_doubt(struct lane *l, size_t outstanding, int64_t now)
{
	for (size_t i = 0; i < outstanding; i++) {
		struct batch *b = lane_at(l, i);

		for (size_t j = 0; j < b->count; j++) {
			b->rows[j].sent = true;
			suspects_mark_row(l, b, &b->rows[j], now + suspects_visibility_ms(l) + storing_ms(l, now));
		}
	}
}

static void
ask_for(struct lane *l, struct batch *b)
{
	size_t most = l->engine->options.find_rows;

	l->asked = memory_reserve(l->asked, &l->asked_capacity, most, sizeof(*l->asked));
	l->sought = memory_reserve(l->sought, &l->sought_capacity, most + 1, sizeof(*l->sought));
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

/* ---- the witness */

/* A witness this old has been deleted rather than not been seen: so many times what rows take, and at least this. */
#define WITNESS_AGES 10
#define WITNESS_LEAST_MS 60000
#define ASK_AGAIN_LEAST_MS 250

void
suspects_note_witness(struct lane *l, const struct batch *b, int64_t now)
{
	const struct row *r = &b->rows[b->count - 1];
	struct text id = batch_row_id(b, b->count - 1);

	if (id.len == 0 || l->sink->ops->find == NULL)
		return;
	buffer_clear(&l->witness.id);
	buffer_append(&l->witness.id, id.data, id.len);
	l->witness.replay_id = window_at(&r->feed->window, r->sequence)->replay_id;
	l->witness.id_is_unique = r->id_is_unique;
	l->witness.acked_ms = now;
	l->witness.missed = false;
}

int64_t
suspects_visibility_ms(const struct lane *l)
{
	return l->sink->visibility_ms + l->lag_ms;
}

static bool
has_witness(const struct lane *l, int64_t now)
{
	int64_t limit = WITNESS_AGES * l->sink->visibility_ms;

	return l->witness.id.len > 0 &&
	    now - l->witness.acked_ms < (limit > WITNESS_LEAST_MS ? limit : WITNESS_LEAST_MS);
}

/* false: the answer is not to be believed yet, and the next question is set. */
static bool
is_believable(struct lane *l, const bool *found, int64_t now)
{
	int64_t age = now - l->witness.acked_ms, due = 0;

	if (!l->witness.asked)
		return true;
	if (!found[l->asked_count]) {
		if (!l->witness.missed)
			log_info("stream", "%s: rows take longer than %lld ms to be seen in the table; waiting for them",
			    l->sink->table, (long long)l->sink->visibility_ms);
		l->witness.missed = true;
		l->ask_at_ms = now + l->sink->visibility_ms / 4;
		if (l->ask_at_ms < now + ASK_AGAIN_LEAST_MS)
			l->ask_at_ms = now + ASK_AGAIN_LEAST_MS;
		return false;
	}
	if (!l->witness.missed)
		return true;
	l->witness.missed = false;
	/* the next witness may be too old to be late when it is asked for */
	if (l->lag_ms < age)
		l->lag_ms = age;
	for (size_t i = 0; i < l->asked_count; i++) {
		/* the wait that was told stays on top: a witness says how late rows were, not how late they can be */
		int64_t visible_ms = l->asked[i].batch->visible_ms + age;

		if (due < visible_ms)
			due = visible_ms;
	}
	l->ask_at_ms = due;
	return due <= now;
}

/* ---- asking */

/* Adds a batch to the question. false: it is not time yet, *next says when. */
static bool
consider(struct lane *l, struct batch *b, int64_t now, int64_t *next)
{
	int64_t due = b->visible_ms;

	if (b->suspects == 0)
		return true;
	/* an id must stay where it is while the question is open, so the batch takes no more rows */
	if (!b->closed && due < b->begun_ms + l->engine->options.linger_ms)
		due = b->begun_ms + l->engine->options.linger_ms;
	if (now < due) {
		*next = due < *next ? due : *next;
		return false;
	}
	b->closed = true;
	ask_for(l, b);
	return true;
}

static void
ask(struct lane *l, int64_t now)
{
	size_t count = l->asked_count;

	l->witness.asked = has_witness(l, now);
	if (l->witness.missed && !l->witness.asked) {
		l->witness.missed = false;
		log_warn("stream", "%s: a row that was acknowledged %lld s ago is still not to be seen; if nobody has deleted "
				   "it, rows may be stored twice", l->sink->table,
		    (long long)((now - l->witness.acked_ms) / 1000));
	}
	if (l->witness.asked)
		l->sought[count++] = (struct sought){.id = buffer_span(&l->witness.id),
		    .replay_id = l->witness.replay_id,
		    .id_is_unique = l->witness.id_is_unique};
	l->asking = true;
	l->asking_warn_ms = now + OVERDUE_MS;
	l->sink->ops->find(l->sink, l->sought, count, lane_sink_events(), l);
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
	for (struct batch *b = l->refused; b != NULL && l->asked_count < l->engine->options.find_rows; b = b->next)
		if (!consider(l, b, now, &next))
			break;
	for (size_t i = l->sent; i < l->count && l->asked_count < l->engine->options.find_rows; i++)
		if (!consider(l, lane_at(l, i), now, &next))
			break;
	if (l->asked_count == 0)
		return next;
	log_debug("stream", "%s: looking up %s", l->sink->table,
	    text_count(count, (int64_t)l->asked_count, "event", "events"));
	ask(l, now);
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
		lane_row_done(r);
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
	if (b->count == 0 && (b->why != NULL || spread_is_clear(l->spread, b)))
		lane_remove(l, b);
	else if (b->why != NULL && b->suspects == 0)
		refusal_settle(l, b);
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
	if (found == NULL || count != l->asked_count + l->witness.asked) {
		if (why != NULL && why->code != ERR_OK && found == NULL)
			error = *why;
		else
			error_set(&error, ERR_UNAVAILABLE, "%zu answers to %zu questions", count, l->asked_count);
		find_failed(l, &error);
		return;
	}
	l->ask_failures = l->ask_session_failures = 0;
	if (!is_believable(l, found, engine_now(l->engine)))
		return;
	for (size_t at = 0; at < l->asked_count;)
		at += settle_batch(l, at, found);
	l->asked_count = 0;
}

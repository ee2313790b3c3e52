/*
 * Finding the row that the table refuses. The server says that a record was refused, not which: what was
 * outstanding is looked up, then goes out one batch at a time. The batch that is refused alone is taken apart, and the
 * row that is refused alone is set aside; the rest goes on.
 *
 * A batch is stored whole or not at all (wire/zerobus.md §3), so one that was refused alone should not be in the table.
 * It is looked up nevertheless: a server that stores and then refuses would double it. A look-up takes as long as rows
 * may be invisible, so as few as possible are waited for: a batch falls apart into single rows at once, and a row that
 * was refused alone waits aside, for it never goes out again.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "stream/internal.h"

/*
 * So many rows more go out one batch at a time: bad rows rarely come alone, and one that is met with care costs a few
 * streams, while one that is met at full speed costs a look-up of all that was outstanding.
 */
#define CAREFUL_ROWS 5000

void
refusal_passed(struct lane *l, size_t rows)
{
	if (!l->careful)
		return;
	l->careful_rows -= rows < l->careful_rows ? rows : l->careful_rows;
	if (l->careful_rows == 0)
		l->careful = false;
}

/* A batch that is refused alone falls into at most so many parts, into single rows unless it was huge. */
#define PARTS 512

static void
set_row_aside(struct lane *l, struct batch *b)
{
	struct row *r = &b->rows[0];
	struct dead_letter letter = {
	    .topic = text_of(r->feed->source->topic),
	    .table = text_of(l->sink->table),
	    .event_id = batch_row_id(b, 0),
	    .payload = batch_row_payload(b, 0),
	    .replay_id = window_at(&r->feed->window, r->sequence)->replay_id,
	    .received_ms = r->received_ms,
	};

	if (r->schema != NULL) {
		letter.schema_id = text_span(r->schema->id, r->schema->id_len);
		letter.schema_json = text_span(r->schema->json, r->schema->json_len);
	}
	if (!engine_set_aside(l->engine, &letter, b->why)) {
		l->broken = true; /* the row stays, and holds the position back */
		return;
	}
	lane_row_done(r);
	lane_remove(l, b);
	refusal_passed(l, 1);
	if (l->careful_rows < CAREFUL_ROWS)
		l->careful_rows = CAREFUL_ROWS;
}

static void
take_apart(struct lane *l, struct batch *b)
{
	size_t part = (b->count + PARTS - 1) / PARTS, at = 0;

	free(b->why);
	b->why = NULL;
	while (lane_at(l, at) != b)
		at++;
	/* from the back, so that each part is cut off whole and lands in front of those cut before */
	while (b->count > part) {
		struct batch *last = batch_new(&l->engine->pool, b->begun_ms);

		batch_split(b, (b->count - 1) / part * part, last);
		lane_insert(l, at + 1, last);
	}
}

void
refusal_settle(struct lane *l, struct batch *b)
{
	if (b->count > 1)
		take_apart(l, b);
	else
		set_row_aside(l, b);
	engine_wake(l->engine, engine_now(l->engine));
}

void
refusal_begin(struct lane *l, size_t outstanding, const struct error *why, int64_t now)
{
	struct batch *b = lane_at(l, 0);

	l->open_at_ms = now; /* not a fault of the service: no back-off, the rate of openings is bounded anyway */
	if (!l->careful) {
		log_warn("stream", "%s: a row was refused (%s); looking for it", l->sink->table, why->text);
		l->careful = true;
		l->careful_rows = CAREFUL_ROWS;
		for (size_t i = 0; i < outstanding; i++)
			l->careful_rows += lane_at(l, i)->count;
	}
	suspects_doubt(l, outstanding, now);
	if (outstanding > 1)
		return; /* which of them it was the next streams will tell */
	b->why = memory_alloc(sizeof(*b->why));
	*b->why = *why;
	if (b->count == 1)
		lane_park(l, b);
	if (b->suspects == 0) /* nobody to ask: what the contract says must do */
		refusal_settle(l, b);
}

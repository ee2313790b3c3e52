/*
 * Finding the row that the table refuses. The server says that a record was refused, not which: what was
 * outstanding is looked up, then goes out one batch at a time; the batch that is refused alone is halved, on new
 * streams, until one row is left. That one is set aside and the rest goes on.
 */
#include "base/log.h"
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

static void
set_row_aside(struct lane *l, struct batch *b, const struct error *why)
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
	if (!engine_set_aside(l->engine, &letter, why)) {
		l->broken = true; /* the row stays, and holds the position back */
		return;
	}
	lane_row_done(l, r);
	lane_remove(l, 0);
	refusal_passed(l, 1);
	if (l->careful_rows < CAREFUL_ROWS)
		l->careful_rows = CAREFUL_ROWS;
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
		for (size_t i = 0; i < outstanding; i++) {
			struct batch *doubted = lane_at(l, i);

			l->careful_rows += doubted->count;
			for (size_t j = 0; j < doubted->count; j++)
				doubted->rows[j].sent = true;
			suspects_mark(l, doubted, now + l->sink->visibility_ms);
		}
		return;
	}
	/* A batch is stored whole or not at all (wire/zerobus.md §3), and this one was refused alone: it is not stored. */
	for (size_t j = 0; j < b->count; j++)
		b->rows[j].sent = true;
	if (b->count > 1) {
		struct batch *half = batch_new(&l->engine->pool, now);

		batch_split(b, b->count / 2, half);
		lane_insert(l, 1, half);
	} else {
		set_row_aside(l, b, why);
	}
}

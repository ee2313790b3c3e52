/* One sink: the queue of batches before it. What becomes of them on an ingest stream is in lane_stream.c. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "stream/internal.h"

struct lane *
lane_new(struct engine *e, struct spread *spread, size_t index, struct sink *s)
{
	struct lane *l = memory_zero(1, sizeof(*l));

	l->engine = e;
	l->spread = spread;
	l->index = index;
	l->sink = s;
	l->refused_end = &l->refused;
	l->name = spread->count > 1 ? memory_format("%s (%zu of %zu)", s->table, index + 1, spread->count)
				    : memory_strdup(s->table);
	return l;
}

void
lane_free(struct lane *l)
{
	for (size_t i = 0; i < l->count; i++)
		batch_free(&l->engine->pool, lane_at(l, i));
	while (l->refused != NULL) {
		struct batch *b = l->refused;

		l->refused = b->next;
		batch_free(&l->engine->pool, b);
	}
	free(l->ring);
	free(l->asked);
	free(l->sought);
	buffer_release(&l->witness.id);
	free(l->name);
	free(l);
}

/* ---- the queue */

struct batch *
lane_at(const struct lane *l, size_t i)
{
	return l->ring[(l->head + i) & (l->capacity - 1)];
}

void
lane_insert(struct lane *l, size_t i, struct batch *b)
{
	if (l->count == l->capacity) {
		size_t capacity = l->capacity == 0 ? 16 : l->capacity * 2;
		struct batch **ring = memory_zero(capacity, sizeof(struct batch *));

		for (size_t j = 0; j < l->count; j++)
			ring[j] = lane_at(l, j);
		free(l->ring);
		l->ring = ring;
		l->capacity = capacity;
		l->head = 0;
	}
	for (size_t j = l->count; j > i; j--)
		l->ring[(l->head + j) & (l->capacity - 1)] = lane_at(l, j - 1);
	l->ring[(l->head + i) & (l->capacity - 1)] = b;
	l->count++;
}

static void
take_out(struct lane *l, struct batch *b)
{
	size_t i = 0;

	for (struct batch **at = &l->refused; *at != NULL; at = &(*at)->next) {
		if (*at != b)
			continue;
		*at = b->next;
		if (b->next == NULL)
			l->refused_end = at;
		return;
	}
	while (lane_at(l, i) != b)
		i++;
	if (i == 0)
		l->head = (l->head + 1) & (l->capacity - 1);
	for (; i > 0 && i + 1 < l->count; i++)
		l->ring[(l->head + i) & (l->capacity - 1)] = lane_at(l, i + 1);
	l->count--;
}

void
lane_remove(struct lane *l, struct batch *b)
{
	take_out(l, b);
	l->engine->bytes -= (int64_t)batch_size(b);
	l->suspect_rows -= b->suspects;
	batch_free(&l->engine->pool, b);
	if (l->spread->follower_count > 0)
		spread_release(l->spread);
}

void
lane_park(struct lane *l, struct batch *b)
{
	take_out(l, b);
	b->next = NULL;
	*l->refused_end = b;
	l->refused_end = &b->next;
}

bool
lane_is_empty(const struct lane *l)
{
	return l->count == 0 && l->refused == NULL;
}

void
lane_row_done(struct row *r)
{
	feed_row_done(r->feed, r->sequence);
	if (r->schema != NULL)
		r->schema->rows--;
}

int64_t
lane_oldest_sent_ms(const struct lane *l)
{
	return l->sent > 0 ? lane_at(l, 0)->sent_ms : NEVER;
}

/* ---- taking events */

/* The last batch if it takes more rows, else a new one that is not in the queue yet. */
static struct batch *
open_batch(struct lane *l, int64_t now)
{
	if (l->count > 0 && !lane_at(l, l->count - 1)->closed)
		return lane_at(l, l->count - 1);
	return batch_new(&l->engine->pool, now);
}

/* The row just encoded behind `before` does not fit: it begins a batch of its own. */
static struct batch *
begin_next(struct lane *l, struct batch *full, size_t before, int64_t now)
{
	struct batch *next = batch_new(&l->engine->pool, now);

	buffer_append(&next->bytes, full->bytes.data + before, full->bytes.len - before);
	full->bytes.len = before;
	full->closed = true;
	engine_wake(l->engine, now);
	return next;
}

int
lane_take(struct lane *l, struct feed *f, const struct event *event, bool fenced, uint64_t sequence, int64_t number,
    struct error *e)
{
	struct engine *engine = l->engine;
	const struct engine_options *o = &engine->options;
	int64_t now = engine_now(engine), size;
	struct batch *b;
	struct row *r;
	size_t before;

	if (fenced)
		spread_fence(l->spread);
	b = open_batch(l, now);
	b->fenced |= fenced;
	before = b->bytes.len;
	if (l->sink->ops->encode(l->sink, event, &b->bytes, e) != 0) {
		b->bytes.len = before;
		if (b->count == 0)
			batch_free(&engine->pool, b);
		return -1;
	}
	if (b->count > 0 && b->bytes.len > o->batch_bytes)
		b = begin_next(l, b, before, now);
	if (b->count == 0)
		lane_insert(l, l->count, b);
	r = batch_add(b, event->id, event->payload);
	r->feed = f;
	r->sequence = sequence;
	r->number = number;
	r->received_ms = event->received_ms;
	r->id_is_unique = event->is_change;
	r->schema = engine_keep_schema(engine, f, event);
	size = (int64_t)(b->ends[b->count - 1] - (b->count > 1 ? b->ends[b->count - 2] : 0) + r->id_len +
	    r->payload_len);
	engine->bytes += size;
	engine->row_cost += (size - engine->row_cost) / 64;
	if (feed_is_suspect(f, event, number))
		suspects_mark_row(l, b, r, f->suspect_since_ms + suspects_visibility_ms(l));
	if (b->count >= o->batch_rows || b->bytes.len >= o->batch_bytes) {
		b->closed = true;
		engine_wake(engine, now);
	} else if (b->count == 1) {
		/* with nothing under way the tick sends it: after the burst that it came in, not before */
		engine_wake(engine, l->sent == 0 ? now : now + o->linger_ms);
	}
	return 0;
}

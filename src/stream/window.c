#include "stream/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define FIRST_CAPACITY 256

void
window_init(struct window *w)
{
	memset(w, 0, sizeof(*w));
}

void
window_release(struct window *w)
{
	free(w->ring);
	free(w->prints);
	window_init(w);
}

static struct window_entry *
entry(const struct window *w, uint64_t sequence)
{
	return &w->ring[sequence & (w->capacity - 1)];
}

static void
grow(struct window *w)
{
	size_t capacity = w->capacity == 0 ? FIRST_CAPACITY : w->capacity * 2;
	struct window_entry *ring = memory_zero(capacity, sizeof(*ring));

	for (uint64_t s = w->head; s != w->tail; s++)
		ring[s & (capacity - 1)] = *entry(w, s);
	free(w->ring);
	w->ring = ring;
	w->capacity = capacity;
}

static void
advance(struct window *w)
{
	while (w->head != w->tail && entry(w, w->head)->done) {
		struct window_entry *e = entry(w, w->head);

		if (e->replay_id.len > 0)
			w->passed = *e;
		if ((e->print.a | e->print.b) != 0) {
			w->prints = memory_reserve(w->prints, &w->print_capacity, w->print_count + 1, sizeof(*w->prints));
			w->prints[w->print_count++] = e->print;
		}
		w->head++;
	}
}

uint64_t
window_push(struct window *w, const struct replay_id *id, int64_t event_ms, int64_t number,
    const struct fingerprint *print)
{
	struct window_entry *e;

	if (w->tail - w->head == w->capacity)
		grow(w);
	e = entry(w, w->tail);
	e->replay_id = *id;
	e->event_ms = event_ms;
	e->number = number;
	e->print = print != NULL ? *print : (struct fingerprint){0, 0};
	e->done = false;
	return w->tail++;
}

void
window_pass(struct window *w, const struct replay_id *id, int64_t event_ms, int64_t number)
{
	if (w->head != w->tail && entry(w, w->tail - 1)->done) {
		struct window_entry *last = entry(w, w->tail - 1);

		/* nobody waits for the one before any more, so this one takes its place */
		if (id->len > 0) {
			last->replay_id = *id;
			last->event_ms = event_ms;
			last->number = number;
		}
		return;
	}
	if (id->len == 0)
		return;
	window_done(w, window_push(w, id, event_ms, number, NULL));
}

void
window_done(struct window *w, uint64_t sequence)
{
	struct window_entry *e = entry(w, sequence);

	assert(sequence - w->head < w->tail - w->head && !e->done);
	e->done = true;
	if (sequence == w->head)
		advance(w);
}

const struct window_entry *
window_at(const struct window *w, uint64_t sequence)
{
	assert(sequence - w->head < w->tail - w->head);
	return entry(w, sequence);
}

size_t
window_count(const struct window *w)
{
	return (size_t)(w->tail - w->head);
}

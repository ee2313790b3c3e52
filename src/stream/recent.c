#include "stream/recent.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Power of two; RECENT_EVENTS fill it to 61 %. */
#define SLOTS 32768

void
recent_init(struct recent *r, struct random *random)
{
	memset(r, 0, sizeof(*r));
	for (int i = 0; i < 4; i++)
		r->key[i] = random_next(random);
}

void
recent_release(struct recent *r)
{
	free(r->tables[0]);
	free(r->tables[1]);
	r->tables[0] = r->tables[1] = NULL;
}

static uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void
absorb(const struct recent *r, struct fingerprint *f, uint64_t x, uint64_t y)
{
	f->a = fold(x ^ r->key[0], y ^ f->a);
	f->b = fold(x ^ f->b, y ^ r->key[1]);
}

static void
absorb_text(const struct recent *r, struct fingerprint *f, struct text t)
{
	size_t i = 0;
	uint64_t word[2];

	for (; i + 16 <= t.len; i += 16) {
		memcpy(word, t.data + i, 16);
		absorb(r, f, word[0], word[1]);
	}
	memset(word, 0, sizeof(word));
	if (t.len > i)
		memcpy(word, t.data + i, t.len - i);
	absorb(r, f, word[0], word[1]);
	absorb(r, f, t.len, r->key[2]);
}

static bool
holds(const struct fingerprint *table, const struct fingerprint *f, size_t *slot)
{
	size_t i = f->a & (SLOTS - 1);

	while ((table[i].a | table[i].b) != 0) {
		if (table[i].a == f->a && table[i].b == f->b)
			return true;
		i = (i + 1) & (SLOTS - 1);
	}
	*slot = i;
	return false;
}

void
recent_restore(struct recent *r, const uint64_t key[4], const struct fingerprint *known, size_t count)
{
	memcpy(r->key, key, sizeof(r->key));
	for (size_t i = 0; i < count; i++)
		recent_add(r, &known[i], 0);
}

uint64_t
recent_place(const struct recent *r, const char *table)
{
	struct fingerprint f = {r->key[2], r->key[3]};

	absorb_text(r, &f, text_of(table));
	return f.a;
}

struct fingerprint
recent_print(const struct recent *r, uint64_t place, const struct event *event)
{
	struct fingerprint f = {r->key[2], r->key[3]};

	if (event->id.len == 0)
		return (struct fingerprint){0, 0};
	absorb(r, &f, place, event->is_change ? r->key[3] : r->key[2]);
	absorb_text(r, &f, event->id);
	if (event->is_change) {
		absorb_text(r, &f, event->transaction_key);
		absorb(r, &f, (uint64_t)event->sequence_number, r->key[2]);
	} else {
		absorb_text(r, &f, event->schema_id);
		absorb_text(r, &f, event->payload);
	}
	if ((f.a | f.b) == 0)
		f.b = 1; /* all zero marks an empty slot */
	return f;
}

bool
recent_add(struct recent *r, const struct fingerprint *f, int64_t event_ms)
{
	struct fingerprint *old;
	size_t slot;

	if ((f->a | f->b) == 0)
		return false;
	if (r->tables[0] == NULL) {
		r->tables[0] = memory_zero(SLOTS, sizeof(*r->tables[0]));
		r->tables[1] = memory_zero(SLOTS, sizeof(*r->tables[1]));
	}
	if (holds(r->tables[1], f, &slot) || holds(r->tables[0], f, &slot))
		return true;
	r->tables[0][slot] = *f;
	if (r->newest_ms[0] < event_ms)
		r->newest_ms[0] = event_ms;
	if (++r->count < RECENT_EVENTS)
		return false;
	old = r->tables[1];
	r->tables[1] = r->tables[0];
	r->tables[0] = old;
	memset(old, 0, SLOTS * sizeof(*old));
	if (r->forgotten_ms < r->newest_ms[1])
		r->forgotten_ms = r->newest_ms[1];
	r->newest_ms[1] = r->newest_ms[0];
	r->newest_ms[0] = 0;
	r->count = 0;
	return false;
}

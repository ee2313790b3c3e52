#include "stream/stores.h"

#include <stdlib.h>

#include "base/memory.h"

static int
store_positions(void *context, const struct position_update *updates, size_t count, struct error *e)
{
	struct stores *s = context;
	struct position_key *keys = memory_alloc(count * sizeof(*keys));
	struct position *positions = memory_alloc(count * sizeof(*positions));
	struct text *recent = memory_alloc(count * sizeof(*recent));
	int64_t now = clock_wall_ms(s->clock);
	int rc;

	for (size_t i = 0; i < count; i++) {
		keys[i] = (struct position_key){.org_id = s->org_id, .topic = updates[i].topic, .table = s->table};
		positions[i] = updates[i].position;
		positions[i].stored_ms = now;
		recent[i] = text_span(updates[i].passed, updates[i].passed_count * sizeof(*updates[i].passed));
	}
	rc = positions_advance_all(s->positions, keys, positions, recent, count, e);
	for (size_t i = 0; rc == 0 && i < count; i++)
		positions_locks_note(s->locks, s->lock_count, updates[i].topic, now);
	free(recent);
	free(positions);
	free(keys);
	return rc;
}

_Static_assert(sizeof(struct fingerprint) == POSITION_RECENT_BYTES, "a fingerprint is a record");
_Static_assert(RECENT_EVENTS <= POSITION_RECENT_KEPT, "all that is remembered is kept");
_Static_assert(sizeof(((struct recent_memory *)NULL)->key) == POSITION_SECRET_BYTES, "the secret is the key");

int
stores_recall(struct stores *s, const char *const *topics, const bool *goes_on, size_t count,
    struct recent_memory *memory, struct error *e)
{
	struct position_key *keys = memory_alloc(count * sizeof(*keys));
	struct buffer known = BUFFER_INIT;
	size_t n = 0;
	int rc = 0;

	*memory = (struct recent_memory){.count = 0};
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct position_key key = {.org_id = s->org_id, .topic = topics[i], .table = s->table};

		if (goes_on[i])
			keys[n++] = key;
		else
			rc = positions_forget_recent(s->positions, &key, e);
	}
	if (rc == 0)
		rc = positions_recall(s->positions, keys, n, (uint8_t *)memory->key, &known, e);
	free(keys);
	if (rc != 0) {
		buffer_release(&known);
		return -1;
	}
	memory->count = known.len / sizeof(struct fingerprint);
	memory->known = (const struct fingerprint *)(const void *)known.data;
	return 0;
}

void
stores_recall_release(struct recent_memory *memory)
{
	free((void *)memory->known);
	*memory = (struct recent_memory){.count = 0};
}

static int
store_letters(void *context, const struct dead_letter *letters, size_t count, struct error *e)
{
	struct stores *s = context;
	struct dead_letter *complete;
	int rc;

	if (s->dead_letters == NULL) {
		s->dead_letters = dead_letters_open(s->profile, NULL, e);
		if (s->dead_letters == NULL)
			return -1;
	}
	complete = memory_alloc(count * sizeof(*complete));
	for (size_t i = 0; i < count; i++) {
		complete[i] = letters[i];
		complete[i].org_id = text_of(s->org_id);
		complete[i].set_aside_ms = clock_wall_ms(s->clock);
		if (complete[i].table.len == 0)
			complete[i].table = text_of(s->table);
	}
	rc = dead_letters_store(s->dead_letters, complete, count, e);
	free(complete);
	return rc;
}

struct position_store
stores_positions(struct stores *s)
{
	return (struct position_store){.store = store_positions, .context = s};
}

struct letter_store
stores_letters(struct stores *s)
{
	return (struct letter_store){.store = store_letters, .context = s};
}

void
stores_release(struct stores *s)
{
	dead_letters_free(s->dead_letters);
	s->dead_letters = NULL;
}

#include "stream/stores.h"

#include <stdlib.h>

#include "base/memory.h"

static int
store_positions(void *context, const struct position_update *updates, size_t count, struct error *e)
{
	struct stores *s = context;
	struct position_key *keys = memory_alloc(count * sizeof(*keys));
	struct position *positions = memory_alloc(count * sizeof(*positions));
	int64_t now = clock_wall_ms(s->clock);
	int rc;

	for (size_t i = 0; i < count; i++) {
		keys[i] = (struct position_key){.org_id = s->org_id, .topic = updates[i].topic, .table = s->table};
		positions[i] = updates[i].position;
		positions[i].stored_ms = now;
	}
	rc = positions_store_all(s->positions, keys, positions, count, e);
	free(positions);
	free(keys);
	return rc;
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

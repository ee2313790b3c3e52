#include "salesforce/pubsub_arena.h"

#include <stdint.h>
#include <stdlib.h>

#define CHUNK_FIRST ((size_t)64 * 1024)
#define CHUNK_KEEP ((size_t)8 * 1024 * 1024)
#define ALIGNMENT ((size_t)16)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	_Alignas(16) unsigned char bytes[];
};

/* NULL tells protobuf-c that memory is out, and it refuses the message. */
static void *
take(void *context, size_t size)
{
	struct arena *a = context;
	struct arena_chunk *chunk = a->chunks;

	if (size > a->limit)
		return NULL;
	size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	if (chunk == NULL || chunk->size - a->used < size) {
		size_t want = chunk == NULL ? CHUNK_FIRST : chunk->size * 2;

		while (want < size)
			want *= 2;
		if (want > a->limit - a->total)
			want = a->limit - a->total;
		if (want < size || (chunk = malloc(sizeof(*chunk) + want)) == NULL)
			return NULL;
		chunk->next = a->chunks;
		chunk->size = want;
		a->chunks = chunk;
		a->total += want;
		a->used = 0;
	}
	a->used += size;
	return chunk->bytes + a->used - size;
}

static void
keep(void *context, void *p)
{
	(void)context;
	(void)p;
}

void
arena_init(struct arena *a, size_t limit_bytes)
{
	*a = (struct arena){.limit = limit_bytes, .allocator = {take, keep, a}};
}

static void
free_chunks(struct arena_chunk *chunk)
{
	while (chunk != NULL) {
		struct arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void
arena_reset(struct arena *a)
{
	struct arena_chunk *newest = a->chunks;

	a->used = 0;
	if (newest == NULL)
		return;
	free_chunks(newest->next);
	newest->next = NULL;
	if (newest->size > CHUNK_KEEP) {
		free(newest);
		a->chunks = NULL;
		a->total = 0;
	} else {
		a->total = newest->size;
	}
}

void
arena_release(struct arena *a)
{
	free_chunks(a->chunks);
	a->chunks = NULL;
	a->used = a->total = 0;
}

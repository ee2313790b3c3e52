/*
 * Memory for unpacked protobuf messages: taken in big pieces, given back all at once. A message of
 * a hundred events costs no allocation once the arena has grown. What a message may unfold to is
 * bounded.
 */
#ifndef SFZB_SALESFORCE_PUBSUB_ARENA_H
#define SFZB_SALESFORCE_PUBSUB_ARENA_H

#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks;   /* the newest and largest first */
	size_t used;		      /* bytes of the newest */
	size_t total, limit;	      /* bytes of all */
	ProtobufCAllocator allocator; /* for …__unpack; never call …__free_unpacked */
};

/* The arena must not move afterwards. */
void arena_init(struct arena *a, size_t limit_bytes);
void arena_reset(struct arena *a); /* everything unpacked is gone; keeps the largest piece */
void arena_release(struct arena *a);

#endif

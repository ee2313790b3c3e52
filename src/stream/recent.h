/*
 * The events taken lately, so that one which the bus publishes twice (same id, other replay id) is
 * taken once. Remembers at least the last RECENT_EVENTS by a 128-bit keyed fingerprint of id, schema
 * and payload: ids are chosen by publishers, and two different events under one id are two events.
 */
#ifndef SFZB_STREAM_RECENT_H
#define SFZB_STREAM_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "stream/source.h"

#define RECENT_EVENTS 20000

struct fingerprint {
	uint64_t a, b;
};

struct recent {
	uint64_t key[4];
	struct fingerprint *tables[2]; /* the generation being filled, and the one before it */
	size_t count;		       /* in tables[0] */
};

void recent_init(struct recent *r, struct random *random);
void recent_release(struct recent *r);
/* true: this event of this feed was added before. An event without an id is never known. */
bool recent_add(struct recent *r, uint64_t feed, const struct event *event);

#endif

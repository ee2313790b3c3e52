/*
 * The events taken lately, so that one which comes twice is taken once: published again by the bus (same id, other
 * replay id), or held by two of the topics. Remembers at least the last RECENT_EVENTS by a 128-bit keyed fingerprint.
 *
 * What counts as the same event, for one table: of change events, whose ids are Salesforce's own, the same id in the
 * same place of the same transaction (a channel may add fields to the payload); of platform events, whose ids
 * their publishers choose, the same id, schema and payload.
 *
 * Fingerprints of events that a stored position has passed are stored with it (engine.h, recent_memory), since the
 * second copy may come after a restart.
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
	uint64_t key[4]; /* a secret: who knows it could make two events look like one */
	struct fingerprint *tables[2]; /* the generation being filled, and the one before it */
	size_t count;		       /* in tables[0] */
	int64_t newest_ms[2];	       /* commit time of the newest in each */
	int64_t forgotten_ms;	       /* … and of those forgotten: only younger events are surely all remembered */
};

void recent_init(struct recent *r, struct random *random);
/* Goes on with what was remembered under this key, oldest first. Only before anything was added. */
void recent_restore(struct recent *r, const uint64_t key[4], const struct fingerprint *known, size_t count);
void recent_release(struct recent *r);
/* A table, for recent_print. */
uint64_t recent_place(const struct recent *r, const char *table);
/* Never all zero, unless the event has no id. */
struct fingerprint recent_print(const struct recent *r, uint64_t place, const struct event *event);
/* true: it was added before. All zero is never known. event_ms: commit time, 0: unknown. */
bool recent_add(struct recent *r, const struct fingerprint *print, int64_t event_ms);

#endif

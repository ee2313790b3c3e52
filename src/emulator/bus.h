/*
 * The event bus: one SQLite file of events in the order of their replay ids, kept for the retention time.
 *
 * An event belongs to one entity; a topic is a set of entities, so the same event has the same id and
 * replay id on every topic that holds it. Events are stored as the bytes that a FetchResponse carries, so
 * serving one is a copy. Replay ids have gaps, as those of a bus that many orgs share. Publishing is from
 * any thread; a reader is for one thread at a time.
 */
#ifndef SFZB_EMULATOR_BUS_H
#define SFZB_EMULATOR_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"

struct bus;
struct bus_reader;

struct bus_options {
	const char *path;
	int64_t retention_ms;
	uint64_t seed; /* of the gaps */
	const struct clock *clock;
};

struct bus_event {
	const char *id;	       /* at most 36 characters */
	const char *schema_id;
	unsigned entity;       /* 0 … 31 */
	struct text payload, enriched; /* the latter as a channel with enriched fields carries it; empty: the same */
	uint64_t replay; /* out */
};

struct bus *bus_open(const struct bus_options *o, struct error *e);
void bus_close(struct bus *b); /* every reader must be closed */

/* All or none, durable against a crash of the process when it returns; sets every event's replay. */
int bus_publish(struct bus *b, struct bus_event *events, size_t count, struct error *e);
/* Publishes the newest stored event up to a replay id once more, under a new one: what the vendor's bus does now and then. */
int bus_repeat(struct bus *b, uint64_t replay, struct error *e);
/*
 * Called after each publish, from the publisher's thread; must not publish. When this returns, the listener before (NULL: none)
 * has ended and is not called again.
 */
void bus_set_listener(struct bus *b, void (*published)(void *context), void *context);

uint64_t bus_last(const struct bus *b);	     /* the newest replay id; 0: none ever */
uint64_t bus_published(const struct bus *b); /* events in all, of this file */
/*
 * The tip for a keepalive: the newest replay id, moved on a little when the bus was quiet, as the traffic of
 * other orgs does. It ages like an event.
 */
uint64_t bus_tip(struct bus *b);
/* Whether a CUSTOM id names a place that is still kept. */
bool bus_holds(struct bus *b, uint64_t replay);
/* The id after which EARLIEST starts. Drops what is past the retention. */
uint64_t bus_earliest(struct bus *b);

/* A number kept in the bus's file under a name. */
void bus_keep(struct bus *b, const char *name, uint64_t value);
uint64_t bus_kept(struct bus *b, const char *name); /* 0: never */

#define BUS_REPLAY_BYTES 10
void bus_replay_bytes(uint8_t out[BUS_REPLAY_BYTES], uint64_t replay);
/* Ten bytes, or the bare eight; false for anything else. */
bool bus_replay_parse(struct text bytes, uint64_t *replay);

struct bus_reader *bus_reader_open(struct bus *b, struct error *e);
void bus_reader_close(struct bus_reader *r);
/*
 * Appends events of the entities (a bit each) with replay ids above *after, as repeated field 1 of a FetchResponse, until count or
 * bytes is reached (a first event is always taken); enriched: with the payloads of the channel with enriched fields. Moves *after to the last one. Returns how many, -1 on failure.
 */
int bus_read(struct bus_reader *r, uint32_t entities, bool enriched, uint64_t *after, int count, size_t bytes,
    struct buffer *out, struct error *e);

/* For GET /published: one line of JSON per event above *after, at most count. Returns how many. */
int bus_list(struct bus_reader *r, uint32_t entities, uint64_t *after, int count,
    void (*line)(void *context, uint64_t replay, const char *id, unsigned entity), void *context,
    struct error *e);

#endif

/*
 * The window of one source: its events between the first that is not durable and the last received, in the
 * topic's order. It answers the one question that the guarantees hang on: after which replay id may a restart go on?
 *
 * Each event enters with its own replay id and is marked done once it is durable (or set aside durably, or
 * known to be stored). The position moves over done entries only, so it never passes one that is not.
 * A keepalive's id enters as an entry that is done at once: it counts as soon as all before it do.
 *
 * The fingerprints of the events that the position has moved over gather in `prints`, for whoever stores it.
 *
 * Amortised O(1), no allocation once the ring has grown.
 */
#ifndef SFZB_STREAM_WINDOW_H
#define SFZB_STREAM_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/replay_id.h"
#include "stream/recent.h"

struct window_entry {
	struct replay_id replay_id; /* none: this entry names no place to go on from */
	int64_t event_ms;	    /* commit time, 0: unknown */
	int64_t number;		    /* how many events the source had delivered up to here */
	struct fingerprint print;   /* all zero: none */
	bool done;
};

struct window {
	struct window_entry *ring;
	size_t capacity;     /* a power of two */
	uint64_t head, tail; /* sequence numbers: of the oldest entry, and of the next to come */
	/* The newest entry that the head has passed and that has a replay id; done is true once there is one. */
	struct window_entry passed;
	struct fingerprint *prints; /* of the entries passed since somebody last set the count to 0, oldest first */
	size_t print_count, print_capacity;
};

void window_init(struct window *w);
void window_release(struct window *w);

/* Returns the entry's sequence number, for window_done. */
uint64_t window_push(struct window *w, const struct replay_id *id, int64_t event_ms, int64_t number,
    const struct fingerprint *print);
/* An entry that is done already: a keepalive, an event to be skipped. Takes no room behind another done one. */
void window_pass(struct window *w, const struct replay_id *id, int64_t event_ms, int64_t number);
/* Once for each pushed entry. */
void window_done(struct window *w, uint64_t sequence);
const struct window_entry *window_at(const struct window *w, uint64_t sequence);
size_t window_count(const struct window *w);

#endif

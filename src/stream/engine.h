/*
 * The engine: moves events from sources to sinks, loses none, stores none twice.
 *
 * What it promises (design.md, "Guarantees of stream"):
 *   1. A position is stored only when every event up to it is durable: acknowledged, found in the table, or
 *      set aside in the dead-letter store. Death at any instruction loses nothing.
 *   2. What may have been stored without our knowing is looked up before it is sent again. After a death these are the
 *      first `in_flight` events behind the stored position: no event is ever sent before a position whose
 *      in_flight covers it is durable. After a lost ingest stream it is every row sent and unacknowledged.
 *   3. Order is kept within a topic: rows of one table go out in the order in which they came. With several ingest streams to
 *      the table (struct sink.next) it is kept for each record: rows of change events that share a record id.
 *   4. Memory is bounded: sources are allowed as many events as there is room for.
 *   5. An event that cannot be decoded, encoded or stored is set aside and the rest goes on.
 *   6. A position that is lost is never replaced in silence.
 *   7. It retries for ever unless told otherwise, and does not take silence for health.
 *
 * It is a state machine without threads, timers or I/O of its own: the ports' callbacks bring news, engine_tick
 * acts. The host runs engine_tick at the time that its `timer` was last told. All times are the given clock's
 * monotonic ms unless they are said to be wall clock. Nothing here knows a vendor.
 */
#ifndef SFZB_STREAM_ENGINE_H
#define SFZB_STREAM_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "profile/dead_letters.h"
#include "profile/positions.h"
#include "stream/recent.h"
#include "stream/sink.h"
#include "stream/source.h"

struct engine;

/* Defaults of struct engine_options, in the units that people are told them in: options take their text from here. */
#define ENGINE_BATCH_ROWS 500
#define ENGINE_BATCH_MIB 1
#define ENGINE_LINGER_MS 50
#define ENGINE_MAX_ROWS 10000
#define ENGINE_MAX_MIB 16
#define ENGINE_ACK_TIMEOUT_S 60
#define ENGINE_DRAIN_TIMEOUT_S 60
#define ENGINE_CLOSE_WAIT_H 24
#define ENGINE_MAX_RETRIES -1
#define ENGINE_QUIET_FOR_S 10
#define ENGINE_MAX_DEAD_LETTERS -1

enum on_lost_position { ON_LOST_FAIL, ON_LOST_EARLIEST, ON_LOST_LATEST };

struct engine_options {
	size_t batch_rows;  /* a batch is closed at this many rows … */
	size_t batch_bytes; /* … or bytes; one row may be larger … */
	int64_t linger_ms;  /* … or this long after its first row, or when its table has nothing under way */
	size_t max_rows;    /* events in memory, of all topics together */
	size_t max_bytes;   /* bytes of rows and payloads in memory; exceeded by what one fetch brings at most */
	int64_t ack_timeout_ms;	     /* the oldest unacknowledged row may wait so long for progress */
	int64_t open_timeout_ms;     /* an ingest stream may take so long to open, or to end */
	int64_t position_interval_ms; /* positions are stored this far apart, or at every position_events */
	int64_t position_events;
	size_t find_rows;	  /* event ids in one look-up */
	int64_t drain_timeout_ms; /* after engine_stop: how long to wait for what is in flight */
	int64_t close_wait_ms;	  /* after a close signal: wait at most so long for acknowledgements */
	int64_t max_retries;	  /* failures in a row of one connection; -1: for ever */
	int64_t backoff_first_ms, backoff_last_ms; /* most of the wait before the first retry, and before any */
	enum on_lost_position on_lost_position;
	bool until_caught_up; /* stop when every topic is drained */
	int64_t quiet_for_ms; /* caught up: an empty response, or so long without an event while some were allowed */
	int64_t max_events;   /* stop after this many; 0: no limit */
	bool apart; /* an event that two sources hold is taken from each; else it is one in each table */
	int64_t max_dead_letters; /* stop with ERR_REFUSED when more are set aside in this run; -1: no limit */
	const char *unit;	  /* what messages call an event: "row" */
	const char *left_hint;	  /* what becomes of those in flight at an end without them; "": nothing is to be said */
};
void engine_options_init(struct engine_options *o); /* the defaults */

/* What the engine needs around it. Functions are called from the engine's own, never later. */
struct engine_host {
	/* Call engine_tick at this time, not at the one said before. INT64_MAX: no need. */
	void (*timer)(void *context, int64_t at_ms);
	/* The run is over. result: ERR_OK, or why it ended; the engine may be freed from here on (not inside). */
	void (*done)(void *context, const struct error *result);
	/* A gap event was taken, as a row like others; may be NULL. May call engine_fail. */
	void (*gap)(void *context, const struct event *event);
	void *context;
};

struct position_update {
	const char *topic;
	struct position position; /* stored_ms is the store's to fill in */
	/* Events that the position has passed since its last store, oldest first; none without recent_memory. */
	const struct fingerprint *passed;
	size_t passed_count;
};

/*
 * The events before the stored positions, as earlier runs have given them to the store (position_update.passed),
 * oldest first; the newest RECENT_EVENTS do. The key is chosen at random once and then stays the same. Only for runs
 * that go on from those positions: who goes back to store events anew must come without.
 */
struct recent_memory {
	uint64_t key[4];
	const struct fingerprint *known;
	size_t count;
};

/* Where positions go: all updates durable together, or none, when it returns. See stream/stores.h. */
struct position_store {
	int (*store)(void *context, const struct position_update *updates, size_t count,
	    struct error *e);
	void *context;
};

/* Where events go that are set aside; durable when it returns 0. org_id and set_aside_ms are the store's to fill in. */
struct letter_store {
	int (*store)(void *context, const struct dead_letter *letters, size_t count, struct error *e);
	void *context;
	bool tells; /* store says itself what becomes of each */
};

/* Which table an event goes to. */
struct router {
	/*
	 * Called once for each topic (by_entity: for each topic and entity); may take its time, when it has to make a
	 * table. The sink, and those behind it, live as long as the engine. ERR_REFUSED: no table for this event, set it aside; an error
	 * that can be retried: the event is fetched again later; others end the run. entity is "" unless by_entity.
	 */
	int (*route)(void *context, const char *topic, struct text entity, struct sink **sink,
	    struct error *e);
	/*
	 * Whether route answers at once. false: it is being prepared, and engine_routed follows; until then the event is left
	 * with its source, whose subscription ends and begins again before it. NULL: always. Not asked at the tip, where
	 * there is nothing to begin again behind.
	 */
	bool (*is_ready)(void *context, const char *topic, struct text entity);
	bool by_entity;
	void *context;
};

/* Everything is borrowed until engine_free; options are copied. */
struct engine_setup {
	const struct engine_options *options; /* NULL: the defaults */
	const struct clock *clock;
	struct random *random;
	struct engine_host host;
	struct position_store positions;
	struct letter_store letters;
	struct router router;
	const struct recent_memory *recent; /* copied; NULL: the store keeps no fingerprints */
};

struct engine *engine_new(const struct engine_setup *setup);
/* Before engine_start. from: as stored, in_flight included (INT64_MAX: all until caught up); NULL: at the tip. */
void engine_add_source(struct engine *e, struct source *s, const struct position *from);
void engine_start(struct engine *e);
void engine_tick(struct engine *e);
/*
 * Takes no more events, waits for what is in flight (at most drain_timeout_ms), stores the positions, closes
 * all. Called again: does not wait. `done` follows in any case.
 */
void engine_stop(struct engine *e);
/* What a router's is_ready was waiting for has come. */
void engine_routed(struct engine *e);
/* As engine_stop, with this as the run's result when the drain succeeds or not. */
void engine_fail(struct engine *e, const struct error *why);
/* After `done`, or at any time to play dead: no port is called. */
void engine_free(struct engine *e);

/* Why something was tried again. */
enum retry_reason {
	RETRY_SOURCE_ENDED, /* the server ended the subscription in good order */
	RETRY_SOURCE_FAILED,
	RETRY_SOURCE_SLOWED, /* a quota or an overload */
	RETRY_SOURCE_SESSION,
	RETRY_SINK_FAILED,
	RETRY_SINK_SLOWED,
	RETRY_SINK_SESSION,
	RETRY_SINK_REFUSED, /* a record: the batch is taken apart */
	RETRY_SINK_SILENT,  /* no acknowledgement in time */
	RETRY_SINK_CLOSING, /* the server asked for a new stream */
	RETRY_FIND_FAILED,
	RETRY_REASONS,
};
const char *retry_reason_name(enum retry_reason r); /* "sink-silent" */

struct engine_statistics {
	int64_t received, received_bytes; /* events, undecodable ones included; bytes of payloads */
	int64_t stored;		/* rows acknowledged */
	int64_t stored_bytes;	/* encoded, as sent */
	int64_t already_stored; /* found by a look-up */
	int64_t repeated;	/* published twice by the bus, taken once */
	int64_t set_aside, set_aside_bytes; /* bytes of payloads */
	int64_t resent, resent_bytes;	    /* rows sent again; encoded */
	int64_t gaps;	/* positions lost */
	int64_t gap_events; /* events that stand for changes without their data */
	int64_t retries[RETRY_REASONS];
	int64_t positions_stored; /* transactions */
	int64_t in_flight_rows, in_flight_bytes;
	int64_t suspect_rows;	   /* waiting for a look-up */
	int64_t oldest_unacked_ms; /* age; 0: none */
	int64_t active_ms;	   /* from the first event received to the last one durable */
	int64_t last_event_ms;	   /* wall clock: commit time of the newest event received */
	int64_t stored_event_ms;   /* wall clock: commit time of the oldest stored position among the topics that have one */
	int64_t acked_event_ms;	   /* the same for acknowledged positions, which are stored a little later */
	unsigned sources_unstored; /* topics whose acknowledged position is not stored yet */
	int64_t last_received_ms;  /* wall clock: the last sign of life of any source */
	unsigned sources_open, sinks_open, sources, sinks;
	bool stopping;
};
void engine_statistics(const struct engine *e, struct engine_statistics *out);

#endif

/*
 * Stored positions: after which replay id a stream goes on. SQLite (WAL, synchronous=FULL), keyed by organisation,
 * topic and table, with history. A position stored is a promise that every event up to it is durable.
 *
 * With a position goes a memory of the newest events before it, as records of POSITION_RECENT_BYTES that mean nothing
 * here. It holds as long as a stream goes on from the position: who sets the position to another place drops it.
 */
#ifndef SFZB_PROFILE_POSITIONS_H
#define SFZB_PROFILE_POSITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/replay_id.h"
#include "base/text.h"

struct positions;

struct position_key {
	const char *org_id; /* 18 or 15 characters, as the login gave it; compared by the first 15 */
	const char *topic;  /* full name */
	const char *table;  /* as given to --table, "{entity}" included */
};

enum position_kind {
	POSITION_AFTER, /* everything up to replay_id is durable: go on behind it */
	/* A run began at the start of retention and nothing is durable yet: begin there again. No replay_id. */
	POSITION_EARLIEST,
	/*
	 * A run began at the tip and nothing is durable yet: replay_id is the first event that it received. Go on
	 * with that one, itself included (the bus offers no such start: read from the earliest and skip to it).
	 */
	POSITION_AT,
};

struct position {
	enum position_kind kind;
	struct replay_id replay_id;
	int64_t event_ms;  /* commit time of the event it names; 0: unknown (a keepalive) */
	int64_t stored_ms; /* wall clock */
	/*
	 * At most this many events behind the position may have been sent when the run ended without saying
	 * goodbye; 0: it stopped in good order, nothing was in flight.
	 */
	int64_t in_flight;
};

/* Opens or creates. A damaged file is set aside (renamed, named in a warning), never overwritten; *was_damaged tells. */
struct positions *positions_open(const char *path, bool *was_damaged, struct error *e);
void positions_free(struct positions *p);

/* 0: found; 1: none stored; -1: error. */
int positions_find(struct positions *p, const struct position_key *key, struct position *out,
    struct error *e);
/* Durable when it returns 0. */
int positions_store(struct positions *p, const struct position_key *key,
    const struct position *position, struct error *e);
/* Several at once, in one transaction. */
int positions_store_all(struct positions *p, const struct position_key *keys,
    const struct position *positions, size_t count, struct error *e);
/* A stream has gone on: recent[i] are the records of the events that position i has passed since its last store. */
int positions_advance_all(struct positions *p, const struct position_key *keys,
    const struct position *positions, const struct text *recent, size_t count, struct error *e);

#define POSITION_RECENT_BYTES 16
#define POSITION_RECENT_KEPT 20000 /* records of each position, at least */
#define POSITION_SECRET_BYTES 32
/*
 * Appends the records kept of all these positions to out, those stored last at the end. secret: random bytes, made when
 * they are first asked for, and the same ever since.
 */
int positions_recall(struct positions *p, const struct position_key *keys, size_t count,
    uint8_t secret[POSITION_SECRET_BYTES], struct buffer *out, struct error *e);
/* Drops the records of one position. */
int positions_forget_recent(struct positions *p, const struct position_key *key, struct error *e);

/* Calls each for every stored position (or every one in the history of a key), oldest first; stops when it returns false. */
typedef bool positions_each(void *context, const struct position_key *key,
    const struct position *position);
int positions_list(struct positions *p, positions_each *each, void *context, struct error *e);
int positions_history(struct positions *p, const struct position_key *key, positions_each *each,
    void *context, struct error *e);

/*
 * The lock of a stream: one run per organisation, topic and table. Held by an open file description, so
 * that a dead process holds none. ERR_CONFIG names the pid of who has it.
 */
struct position_lock;
struct position_lock *positions_lock(const char *directory, const struct position_key *key,
    struct error *e);
void positions_unlock(struct position_lock *l);

/*
 * When a position was last stored under this lock, as its holders have noted it (wall clock; 0: nobody has). A stored
 * position that is older was put back from a copy. The note is not synced: a machine that dies may take it back, and never
 * forward.
 */
int64_t positions_lock_noted_ms(const struct position_lock *l);
bool positions_lock_is_noted(const struct position_lock *l); /* by this holder, since it took the lock */
/* Its file is another one than when a position was last stored: the profile is a copy, and what was stored since is not known. */
bool positions_lock_is_copy(const struct position_lock *l);
/* Behind the store: notes it in that of the locks that is of the topic. */
void positions_locks_note(struct position_lock *const *locks, size_t count, const char *topic, int64_t stored_ms);

/* Calls each for every lock that is held, this process's own included, until it returns false. The key is for the call. */
typedef bool positions_holder(void *context, const struct position_key *key, long pid);
void positions_each_holder(const char *directory, positions_holder *each, void *context);

#endif

/*
 * What the parts of the engine know of each other: feed.c (one source), spread.c (a table's lanes), lane.c (one sink's queue) with
 * lane_stream.c (the ingest stream that it goes out on), suspects.c (look-ups) and refusal.c (finding a refused row), ledger.c (storing
 * positions), engine.c (the whole).
 * Nobody outside stream/ includes this.
 */
#ifndef SFZB_STREAM_INTERNAL_H
#define SFZB_STREAM_INTERNAL_H

#include "stream/batch.h"
#include "stream/engine.h"
#include "stream/recent.h"
#include "stream/window.h"

#define NEVER INT64_MAX
#define SESSION_FAILURES 5 /* "log in again" in a row without data: then it is a fault */

/* ---- one source */

enum feed_state { FEED_CLOSED, FEED_OPEN, FEED_CLOSING };

struct feed_route {
	char *entity;
	size_t entity_len;
	struct spread *spread;
};

struct feed {
	struct engine *engine;
	struct source *source;
	size_t index;
	struct window window;
	enum feed_state state;
	bool opened; /* this subscription has answered */
	bool caught_up;

	/* Where the next subscription starts: behind the last received. */
	struct start resume;
	int64_t resume_event_ms; /* commit time there, 0: unknown */
	bool skipping;		 /* POSITION_AT: passing over what lies before it */
	int64_t delivered;	 /* events since the run began, skipped ones not counted */

	/* The position as long as the window has passed none: as the run was given it, or the first event at the tip. */
	struct position origin;
	bool has_origin;
	bool reset_wanted;	 /* the position is lost: start anew once the window is empty */
	int64_t suspect_since_ms; /* what made the first events suspect lies before this */

	/* What may be in the table: the events that this run sent, and those that an earlier one may have. */
	int64_t sent_number, suspect_until;
	int64_t sent_ms; /* last time something was sent */
	/* What the store holds. */
	bool recorded; /* this run has stored a position */
	struct position stored;
	int64_t stored_number;
	int64_t covered_until; /* events up to this number may be sent */
	int64_t cover_wanted;  /* more than that, at the next store; 0: no */
	int64_t headroom;      /* events that a record covers beyond those sent */
	int64_t sent_at_store; /* sent_number at the last store */
	bool storing;	       /* part of the transaction under way */

	uint32_t allowed;
	int64_t quiet_since_ms;
	int64_t open_at_ms; /* not before */
	unsigned failures, session_failures;
	struct error untaken; /* why an event was not taken and must be fetched again; ERR_OK: none */
	bool unrouted;	      /* … for that its table is being prepared, which is nobody's failure */
	bool awaits_route;    /* and is not ready yet */

	struct feed_route *routes;
	size_t route_count, route_capacity;
	struct feed_route *last_route;
	struct kept_schema *last_schema;
};

void feed_init(struct feed *f, struct engine *e, struct source *s, size_t index,
    const struct position *from);
void feed_release(struct feed *f);
int64_t feed_tick(struct feed *f, int64_t now); /* returns when it next needs one, as all of these do */
void feed_close(struct feed *f);
/* After which place a restart may go on, and how many delivered events lie up to it. false: none is known yet. */
bool feed_position(const struct feed *f, struct position *p, int64_t *number);
/* The last event, by number, that may be in the table without our having seen to it. */
int64_t feed_reach(const struct feed *f);
void feed_row_done(struct feed *f, uint64_t sequence);
void feed_allow(struct feed *f, uint32_t events, int64_t now);
bool feed_is_suspect(const struct feed *f, const struct event *event, int64_t number);

/* ---- one sink */

enum stream_state {
	STREAM_NONE,
	STREAM_OPENING,
	STREAM_OPEN,
	STREAM_PAUSED,	  /* close signal: acknowledgements only */
	STREAM_FINISHING, /* finish was called */
	STREAM_CANCELLED,
};

struct lane {
	struct engine *engine;
	struct spread *spread;
	size_t index; /* in the spread */
	struct sink *sink;
	char *name; /* for messages: the table, and which of its streams where it has several */
	/* FIFO; the first `sent` are on the stream, the last may still be open for rows. */
	struct batch **ring;
	size_t capacity, head, count, sent;

	enum stream_state state;
	bool writable;
	int64_t acked;	     /* batches of this stream, cumulative */
	int64_t progress_ms; /* last acknowledgement */
	int64_t blocked_ms;  /* since when it is not writable */
	int64_t state_until_ms; /* the stream's state must change by then */
	int64_t open_at_ms;
	unsigned failures, session_failures, refusals;
	size_t suspect_rows;
	bool broken;	     /* an error ended the run here: nothing more can be sent */
	enum retry_reason cancelled_for;

	/* After a refusal: one batch at a time until those rows are through. */
	bool careful;
	size_t careful_rows;
	/* Single rows that were refused alone, in order: they never go out again, and are set aside unless they turn up. */
	struct batch *refused, **refused_end;

	/* the open question */
	bool asking;
	int64_t asking_warn_ms; /* an answer is overdue by then */
	struct {
		struct batch *batch;
		size_t row;
	} *asked;
	struct sought *sought; /* the same, as the sink is asked */
	size_t asked_count, asked_capacity, sought_capacity;
	/* the row that was acknowledged last */
	struct {
		struct buffer id; /* empty: none yet */
		struct replay_id replay_id;
		bool id_is_unique;
		bool asked;  /* the open question has it, behind `asked` */
		bool missed; /* an answer did not have it */
		int64_t acked_ms;
	} witness;
	int64_t slow_ack_ms, slow_ack_at_ms; /* the longest time to an acknowledgement of late, and when that was */
	int64_t lag_ms; /* how late a witness has been seen that was not there at first; 0: none was late */
	int64_t ask_at_ms;
	unsigned ask_failures, ask_session_failures;
};

struct lane *lane_new(struct engine *e, struct spread *spread, size_t index, struct sink *s);
void lane_free(struct lane *l);
/*
 * Takes one event as a row; fenced: it goes out when all rows that the table's streams have taken before are done with.
 * -1: encode refused it (nothing was taken).
 */
int lane_take(struct lane *l, struct feed *f, const struct event *event, bool fenced, uint64_t sequence,
    int64_t number, struct error *e);
int64_t lane_tick(struct lane *l, int64_t now);
/* Everything taken has become durable. */
bool lane_is_empty(const struct lane *l);
void lane_finish(struct lane *l, int64_t now);
void lane_cancel(struct lane *l, int64_t now);
struct batch *lane_at(const struct lane *l, size_t i);
void lane_insert(struct lane *l, size_t i, struct batch *b);
void lane_park(struct lane *l, struct batch *b); /* from the queue to the end of `refused` */
void lane_remove(struct lane *l, struct batch *b); /* from the queue or from `refused`; its rows are done with */
/* One row is durable or set aside: tells its window and lets go of its schema. */
void lane_row_done(struct row *r);
int64_t lane_oldest_sent_ms(const struct lane *l); /* NEVER: none */

const struct sink_events *lane_sink_events(void);

/* ---- one table: the lanes of its ingest streams */

/* An event that was taken before: done when the batches that there were then are. */
struct follower {
	struct feed *feed;
	uint64_t sequence; /* in the feed's window */
	uint64_t serial;   /* of the last of those batches */
};

struct spread {
	struct lane **lanes;
	size_t count;
	struct spread_slot *slots; /* the last row of each record; NULL with one lane, as is the next */
	struct spread_slot *whole; /* the last row that may concern any record */
	size_t turn;		   /* the lane that rows without a key fill */
	int64_t open_spent_ms;	   /* how far the openings of streams have used up their rate */
	uint64_t place;		   /* for recent_print */
	struct follower *followers; /* FIFO, from follower_head on */
	size_t follower_head, follower_count, follower_capacity;
};

/* One lane for the sink, and one for each that its `next` leads to. */
struct spread *spread_new(struct engine *e, struct sink *first);
void spread_free(struct spread *s);
/* The lane of an event, for lane_take; and then that it was taken. */
struct lane *spread_choose(struct spread *s, const struct event *event, bool *fenced);
void spread_took(struct spread *s, const struct event *event, const struct lane *l);
/* What the lanes have taken so far lies in batches that take no more. */
void spread_fence(struct spread *s);
/* The batch waits for no other one; it waits for one that will never go out. */
bool spread_is_clear(const struct spread *s, const struct batch *b);
bool spread_is_stuck(const struct spread *s, const struct batch *b);
/*
 * Takes note of an event that is the same as one taken before, perhaps from another source: its place in the window is
 * done once that one must be, and not sooner.
 */
void spread_follow(struct spread *s, struct feed *f, uint64_t sequence);
void spread_release(struct spread *s); /* a batch is gone */
/* A stream is open, and none that has rows to send is not. */
bool spread_is_open(const struct spread *s);

/* suspects.c */
void suspects_doubt(struct lane *l, size_t outstanding, int64_t now); /* the first so many batches were sent and not acknowledged */
void suspects_mark_row(struct lane *l, struct batch *b, struct row *r, int64_t visible_ms);
int64_t suspects_tick(struct lane *l, int64_t now);
/* How long after its acknowledgement a row may be missing from an answer, by what was told and what was seen. */
int64_t suspects_visibility_ms(const struct lane *l);
void suspects_note_pace(struct lane *l, int64_t ack_ms, int64_t now); /* so long after it was sent a batch was acknowledged */
void suspects_note_witness(struct lane *l, const struct batch *b, int64_t now); /* it is acknowledged */
void suspects_found(struct lane *l, const bool *found, size_t count, const struct error *why);

/* refusal.c: the stream has ended with ERR_REFUSED and the first `outstanding` batches not acknowledged. */
void refusal_begin(struct lane *l, size_t outstanding, const struct error *why, int64_t now);
/* A batch with its `why` has been looked up, as far as that can be: what is left of it is not in the table. */
void refusal_settle(struct lane *l, struct batch *b);
void refusal_passed(struct lane *l, size_t rows);

/* ---- storing positions */

/* Makes it durable that events of f up to this number may be in the table. false: the run has failed. */
bool ledger_cover(struct engine *e, struct feed *f, int64_t number, int64_t now);
int64_t ledger_tick(struct engine *e, int64_t now);
int ledger_store(struct engine *e, int64_t now, bool final, struct error *error);

/* ---- the whole */

enum engine_phase { PHASE_NEW, PHASE_RUNNING, PHASE_DRAINING, PHASE_FINISHING, PHASE_DONE };

struct engine {
	int64_t first_event_ms, last_durable_ms; /* 0: not yet */
	struct engine_options options;
	const struct clock *clock;
	struct random *random;
	struct engine_host host;
	struct position_store positions;
	struct letter_store letters;
	struct router router;

	enum engine_phase phase;
	bool abandoned;
	bool unrecordable; /* positions could not be stored: nothing more may be sent, and no acknowledgement kept */
	int64_t phase_until_ms; /* NEVER: no limit */
	struct error result;
	int64_t started_ms;
	int64_t deadline_ms; /* as the host was told */
	int64_t wake_ms;     /* asked for during a tick */
	bool ticking;

	struct feed **feeds;
	size_t feed_count, feed_capacity;
	struct spread **spreads; /* one a table */
	size_t spread_count, spread_capacity;
	struct lane **lanes; /* of all of them */
	size_t lane_count, lane_capacity;
	struct batch_pool pool;
	struct recent recent;
	bool keeps_recent; /* somebody stores fingerprints */
	struct kept_schema **schemas;
	size_t schema_count, schema_capacity;

	int64_t bytes;	 /* of all batches */
	int64_t row_cost; /* running average of bytes a row */
	unsigned uncredited; /* events since the room was last shared out */
	bool unsure_said;    /* "at-least-once" */

	int64_t ledger_last_ms;
	struct position_update *updates;

	struct engine_statistics statistics;
};

int64_t engine_now(const struct engine *e);
/* Something has changed that the next tick must act on, now or at this time. */
void engine_wake(struct engine *e, int64_t at_ms);
bool engine_is_running(const struct engine *e); /* takes events */
struct spread *engine_spread(struct engine *e, struct sink *s);
/* Events that may still be taken; 0: none. */
int64_t engine_room(const struct engine *e);
void engine_share_room(struct engine *e, int64_t now);
/* Sets an event aside, durably. false: the store failed and the run ends; the event is not done. */
bool engine_set_aside(struct engine *e, struct dead_letter *letter, const struct error *why);
struct kept_schema *engine_keep_schema(struct engine *e, struct feed *f, const struct event *event);
/*
 * Counts a failure and says when to try again, or ends the run (NEVER) when its kind or max_retries says so.
 * what and name are for messages: "subscription to", "/data/AccountChangeEvent".
 */
int64_t engine_retry(struct engine *e, const char *what, const char *name, const struct error *why,
    unsigned *failures, unsigned *session_failures, int64_t now);

#endif

/*
 * The engine's lower port: where rows go. databricks/ implements it, tests fake it.
 *
 * One sink is one table, or one of several ingest streams to it. The engine encodes rows through it, keeps them until they are durable, and
 * sends them in batches over one ingest stream at a time; when a stream ends with rows
 * unacknowledged, the engine decides what is looked up and what is sent again.
 *
 * Callbacks come from the loop's thread and never from inside an operation.
 */
#ifndef SFZB_STREAM_SINK_H
#define SFZB_STREAM_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "stream/source.h"

/* Encoded rows, one behind the other in `bytes`; ends[i] is where row i ends. */
struct rows {
	const uint8_t *bytes;
	const size_t *ends;
	size_t count;
};

/*
 * An event whose row is looked for. A row is the event's when it has its id and, unless the source vouches for the id
 * (a change event's is Salesforce's own), its replay id too: publishers choose the ids of platform events, and two of
 * them may well have one. The borrowed texts are for the call only.
 */
struct sought {
	struct text id;
	struct replay_id replay_id; /* len 0: none, the id has to do */
	bool id_is_unique;
};

struct sink_events {
	/* The stream is open; sends are taken. */
	void (*opened)(void *context);
	/* Room for another send, after send said 0. */
	void (*writable)(void *context);
	/* The first `batches` batches sent on this stream are durable. Only ever grows within a stream. */
	void (*acknowledged)(void *context, int64_t batches);
	/*
	 * The server wants the stream to end: no more sends are taken, acknowledgements still come for at most
	 * pause_ms; then, or when all is acknowledged, the engine calls finish and opens another.
	 */
	void (*closing)(void *context, int64_t pause_ms);
	/*
	 * The stream is over; open may be called again. ERR_OK after finish. ERR_REFUSED when the
	 * server refused a record: batches behind the last acknowledgement may or may not be stored.
	 */
	void (*ended)(void *context, const struct error *why);
	/*
	 * Answer to find. found[i] tells whether events[i] is in the table; NULL with an error when
	 * the question could not be answered (the engine asks again).
	 */
	void (*found)(void *context, const bool *found, size_t count, const struct error *why);
};

struct sink;

struct sink_ops {
	/*
	 * Appends one row's bytes to out. No I/O. ERR_REFUSED when this event makes no row for this
	 * table (too large, a NOT NULL column without a value): out is then unchanged.
	 */
	int (*encode)(struct sink *s, const struct event *event, struct buffer *out, struct error *e);
	/* Begins an ingest stream. Never blocks, never fails: trouble comes as `ended`. */
	void (*open)(struct sink *s, const struct sink_events *events, void *context);
	/*
	 * Sends the next batch of this stream. Returns 1 when taken (rows are borrowed for the call only), 0
	 * when a send is still under way (`writable` will follow).
	 */
	int (*send)(struct sink *s, const struct rows *rows);
	/* No more sends: half-closes and ends in good order once the server has answered. */
	void (*finish)(struct sink *s);
	/* Ends the stream now; `ended` follows. */
	void (*cancel)(struct sink *s);
	/*
	 * Asks the table which of these events it holds, of any topic. One question at a time; the
	 * answer comes as `found`. Works with no stream open. NULL op: this sink cannot look (at-least-once).
	 */
	void (*find)(struct sink *s, const struct sought *sought, size_t count,
	    const struct sink_events *events, void *context);
};

struct sink {
	const struct sink_ops *ops;
	const char *table; /* "main.crm.events" */
	/* How long after its acknowledgement a row may still be missing from `find`, in ms. */
	int64_t visibility_ms;
	const char *cannot_find; /* where ops has no find: why, as in "without a SQL warehouse"; may be NULL */
	/* One more ingest stream to the same table, with a sink of its own; NULL: no more. */
	struct sink *next;
};

#endif

/*
 * A table as the engine's sink (stream/sink.h): rows by databricks/row.h, or by databricks/record.h
 * where an event's payload is a JSON object for any table; streams by databricks/zerobus.h; look-ups
 * by a function that its owner runs on a second thread.
 *
 * One sink is one table and one ingest stream at a time; with option streams it leads to further ones of
 * the same table (struct sink.next). Several sinks, of one table or of many, may share a channel.
 */
#ifndef SFZB_DATABRICKS_SINK_H
#define SFZB_DATABRICKS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "databricks/record.h"
#include "databricks/row.h"
#include "databricks/sink_columns.h"
#include "databricks/table.h"
#include "databricks/zerobus.h"
#include "stream/sink.h"

/*
 * How rows are looked up. find runs on a thread of the sink's own and may block for minutes (a
 * warehouse that starts is waited for). It sets found[i] for the events that the table holds; -1 with
 * an error when it could not find out. by_replay_id: the table has a column replay_id to compare.
 * databricks/sink_lookup.h has the usual one.
 */
struct sink_lookup {
	int (*find)(void *context, const char *table, bool by_replay_id, const struct sought *sought,
	    size_t count, bool *found, struct error *e);
	void *context;
};

struct table_sink_options {
	struct loop *loop;		 /* borrowed, as are the channel and the clock */
	struct channel *channel;	 /* to the ingest endpoint */
	const struct delta_table *table; /* for the call only */
	enum row_format format;
	enum schema_json_mode schema_json;
	/* Not NULL: rows are made of payloads, as this says (format is taken from here); never looked up. */
	const struct record_options *records;
	const struct clock *clock;
	struct zerobus_token_source token;
	const char *principal;	   /* application id, for GRANT hints; may be NULL */
	struct sink_lookup lookup; /* find NULL: cannot look (at-least-once) */
	/*
	 * Asked before a stream is opened again: columns that the table has got meanwhile are filled from there on. What else
	 * has changed is left to the server, which refuses the stream if rows no longer fit. get NULL: never asked. Not
	 * together with records.
	 */
	struct sink_columns_source columns;
	int64_t
	    visibility_ms; /* from an acknowledgement to the row being visible for sure; 0: 30000 */
	int64_t open_timeout_ms, finish_timeout_ms; /* 0: as in databricks/zerobus.h */
	size_t streams; /* to the table, a sink each, led to by `next` of the one before; 0: 1 */
};

/*
 * ERR_MISFIT when rows cannot be made for the table (row_writer_new, descriptor_write). A table
 * without an event_id column of a text type cannot be looked into: its find operation is NULL
 * whatever the options say.
 */
struct sink *table_sink_new(const struct table_sink_options *o, struct error *e);
/*
 * With all that it leads to; in any state; no callback follows. Waits for a look-up that is under way: make it give up first
 * (databricks_session_interrupt).
 */
void table_sink_free(struct sink *s);

/* The record writer of a sink that makes rows of payloads, else NULL. */
const struct record_writer *table_sink_records(const struct sink *s);

#endif

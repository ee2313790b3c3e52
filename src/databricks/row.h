/*
 * Rows: from an event to the bytes of one record, as the table's own columns want them.
 *
 * A writer is compiled once from the table: a short program of steps, one for each column that is
 * both in the table and known (databricks/table_layout.h). Running it allocates nothing but what
 * the output buffer needs to grow. Unknown nullable columns are left out; a column of an event
 * without a value is left out.
 *
 * PROTO records follow descriptor_write with row_writer_columns: plain proto2 fields, absent for
 * NULL, lists as repeated fields (empty: none). JSON records are one object with the columns' names
 * as keys, by wire/zerobus.md §8. VARIANT columns hold JSON text. Lists in a STRING column are a
 * JSON array, bytes in one are base64, integers decimal digits, times RFC 3339; a time in a BIGINT
 * is ms, in a TIMESTAMP µs since 1970 UTC.
 */
#ifndef SFZB_DATABRICKS_ROW_H
#define SFZB_DATABRICKS_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "databricks/table.h"
#include "stream/source.h"

enum row_format { ROW_PROTO = 1, ROW_JSON = 2 }; /* the numbers are the protocol's RecordType */

/* What the column schema_json gets. */
enum schema_json_mode {
	SCHEMA_JSON_EVERY,
	/*
	 * Only when a reader who goes by the rows in order does not have it: the first row of each
	 * kind of record (its Avro name) since row_writer_restart, and each row whose schema id is
	 * not that of the row of the same kind before. The choice is made when a row is encoded: a
	 * row that is sent again on another stream keeps what it has, and since a new stream
	 * restarts, the next newly encoded row has its schema again. More than
	 * LIMIT_SCHEMAS_IN_MEMORY kinds are forgotten together, which costs a repetition.
	 */
	SCHEMA_JSON_ONCE,
	SCHEMA_JSON_NEVER,
};

struct row_options {
	enum row_format format;
	enum schema_json_mode schema_json;
	const struct clock *clock; /* of processed_timestamp; borrowed */
	size_t max_bytes;	   /* of one record; 0: LIMIT_ROW_BYTES */
};

struct row_writer;

/*
 * Keeps nothing of the table. ERR_MISFIT names the first column that makes rows impossible: of a
 * wrong type, NOT NULL and unknown, GENERATED, schema_json NOT NULL but not always written; or that
 * there is no known column at all.
 */
struct row_writer *row_writer_new(
    const struct delta_table *t, const struct row_options *o, struct error *e);
void row_writer_free(struct row_writer *w);

/* One flag for each column of the table: whether records have a field for it. */
const bool *row_writer_columns(const struct row_writer *w);

/*
 * Appends one record. ERR_REFUSED, out unchanged, when this event makes none: too large, a NOT NULL
 * column without a value, a number or text that its column cannot hold.
 */
int row_writer_encode(
    struct row_writer *w, const struct event *event, struct buffer *out, struct error *e);

/* A new ingest stream begins: SCHEMA_JSON_ONCE starts over. */
void row_writer_restart(struct row_writer *w);

#endif

/*
 * Records: from JSON objects to the bytes of one record of any table, by the table's own columns. (Rows of change
 * events, whose columns are known beforehand, are databricks/row.h.)
 *
 * A writer is compiled once from the table and knows every type that Zerobus takes, nested ones too. Values are
 * checked before anything is sent, and nothing is rounded or cut:
 *   integers    numbers or text of digits, "1.0" and "1e3" too where they are whole; the range is exact
 *   DECIMAL     numbers or text; digits that the type cannot hold are refused
 *   FLOAT, DOUBLE  numbers or text, "NaN", "Infinity", "-Infinity" (not in JSON records, which have no word for them)
 *   BOOLEAN     true, false, also as text
 *   STRING, VARCHAR(n)  text; n counts characters
 *   BINARY      base64, either alphabet
 *   DATE        "2026-11-01", or days since 1970
 *   TIMESTAMP   RFC 3339 and its relatives ("2026-11-01 10:00", "…+0200"), UTC where no offset is given; or a number of
 *               record_options.unit since 1970. Digits behind the microseconds are dropped
 *   TIMESTAMP_NTZ  the same without an offset
 *   VARIANT     any JSON value
 *   ARRAY, MAP, STRUCT  array, object, object; NULL in an ARRAY or as a value of a MAP cannot be sent
 * A column that is absent or null stays NULL. Keys are compared without regard to case.
 */
#ifndef SFZB_DATABRICKS_RECORD_H
#define SFZB_DATABRICKS_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "databricks/row.h"
#include "databricks/table.h"

/* What a number in a TIMESTAMP column counts. */
enum record_unit { RECORD_SECONDS, RECORD_MILLIS, RECORD_MICROS, RECORD_NANOS };

struct record_options {
	enum row_format format;
	enum record_unit unit;
	bool ignore_unknown; /* keys that are no column are left out, not refused */
	const char *columns; /* "id,name": only these; NULL: all of the table */
	size_t max_bytes;    /* of one record; 0: LIMIT_ROW_BYTES */
};

struct record_writer;

/*
 * Keeps nothing of the table. ERR_MISFIT names the first column that Zerobus cannot take (its type at any depth, its
 * name, GENERATED), or that is NOT NULL and not among options.columns.
 */
struct record_writer *record_writer_new(const struct delta_table *t, const struct record_options *o, struct error *e);
void record_writer_free(struct record_writer *w);

/* One flag for each column of the table: whether records may have a field for it. For descriptor_write. */
const bool *record_writer_columns(const struct record_writer *w);

/*
 * Appends one record made of one JSON object. ERR_REFUSED, out unchanged, says which column or field is at fault and
 * why.
 */
int record_writer_encode(struct record_writer *w, struct text json, struct buffer *out, struct error *e);

/* How a cell of a text table (CSV) is written as JSON for a column. */
enum record_cell {
	RECORD_CELL_UNKNOWN, /* no such column */
	RECORD_CELL_TEXT,    /* a string; empty text is a value */
	RECORD_CELL_PLAIN,   /* a string; empty text is NULL */
	RECORD_CELL_JSON,    /* JSON as it stands: ARRAY, MAP, STRUCT */
	RECORD_CELL_VARIANT, /* the same, or a string where it is no JSON */
};
enum record_cell record_writer_cell(const struct record_writer *w, struct text name);

#endif

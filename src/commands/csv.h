/*
 * CSV by RFC 4180: cells parted by a delimiter, in double quotes where they hold one, a line break or a quote (doubled).
 * The first record names the columns. A record becomes one JSON object for databricks/record.h.
 */
#ifndef SFZB_COMMANDS_CSV_H
#define SFZB_COMMANDS_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "databricks/record.h"

struct csv_header {
	char delimiter;
	struct buffer names; /* one behind the other */
	struct text *columns; /* in names */
	enum record_cell *cells;
	size_t count;
};

/* Whether a quoted cell is open at the end of this line, so that the record goes on in the next; was_open: one was at its begin. */
bool csv_is_open(struct text line, char delimiter, bool was_open);
/* The record that names the columns; how each one is written says the writer. ERR_REFUSED: too many, one without a name or named twice. */
int csv_header_set(struct csv_header *h, struct text record, char delimiter, const struct record_writer *w,
    struct error *e);
void csv_header_release(struct csv_header *h);
/*
 * Appends the JSON object of one record. An empty cell without quotes is null. ERR_REFUSED: another number of cells,
 * quotes in the wrong place, a cell that is not UTF-8, or not JSON where it is for an ARRAY, MAP or STRUCT.
 */
int csv_write_json(const struct csv_header *h, struct text record, struct buffer *out, struct error *e);

#endif

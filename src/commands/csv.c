#include "commands/csv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json_text.h"
#include "base/limits.h"
#include "base/memory.h"

bool
csv_is_open(struct text line, char delimiter, bool was_open)
{
	enum { BEGIN, PLAIN, QUOTED, CLOSED } state = was_open ? QUOTED : BEGIN;

	for (size_t i = 0; i < line.len; i++) {
		char c = line.data[i];

		if (state == QUOTED)
			state = c == '"' ? CLOSED : QUOTED;
		else if (c == '"' && state != PLAIN) /* the first of a cell, or a doubled one */
			state = QUOTED;
		else
			state = c == delimiter ? BEGIN : PLAIN;
	}
	return state == QUOTED;
}

/*
 * The cell at *at, appended to out without its quotes. *at is then behind the delimiter, or behind the end (len + 1) after
 * the last cell.
 */
static int
next_cell(struct text record, char delimiter, size_t *at, struct buffer *out, bool *quoted, struct error *e)
{
	size_t i = *at;

	*quoted = i < record.len && record.data[i] == '"';
	if (!*quoted) {
		while (i < record.len && record.data[i] != delimiter)
			buffer_append_byte(out, (uint8_t)record.data[i++]);
		*at = i + 1;
		return 0;
	}
	for (i++;; i++) {
		if (i >= record.len)
			return error_set(e, ERR_REFUSED, "a quoted cell has no end");
		if (record.data[i] == '"' && (++i >= record.len || record.data[i] != '"'))
			break;
		buffer_append_byte(out, (uint8_t)record.data[i]);
	}
	if (i < record.len && record.data[i] != delimiter)
		return error_set(e, ERR_REFUSED, "there is text behind the quotes of a cell");
	*at = i + 1;
	return 0;
}

static int
check_header(const struct csv_header *h, struct error *e)
{
	char clean[128];

	for (size_t i = 0; i < h->count; i++) {
		text_clean(clean, sizeof(clean), h->columns[i]);
		if (h->columns[i].len == 0)
			return error_set(e, ERR_REFUSED, "column %zu of the header has no name", i + 1);
		for (size_t j = 0; j < i; j++)
			if (h->columns[j].len == h->columns[i].len &&
			    strncasecmp(h->columns[j].data, h->columns[i].data, h->columns[i].len) == 0)
				return error_set(e, ERR_REFUSED, "the header names column '%s' twice", clean);
	}
	return 0;
}

int
csv_header_set(struct csv_header *h, struct text record, char delimiter, const struct record_writer *w, struct error *e)
{
	static const char mark[] = "\xEF\xBB\xBF"; /* of files that spreadsheets write */
	size_t *ends = NULL, ends_capacity = 0, begin = 0;
	bool quoted;

	csv_header_release(h);
	h->delimiter = delimiter;
	if (text_starts(record, mark))
		record = text_span(record.data + 3, record.len - 3);
	for (size_t at = 0; at <= record.len; h->count++) {
		if (h->count == LIMIT_COLUMNS)
			error_set(e, ERR_REFUSED, "the header names more than %d columns", LIMIT_COLUMNS);
		if (h->count == LIMIT_COLUMNS || next_cell(record, delimiter, &at, &h->names, &quoted, e) != 0) {
			free(ends);
			return -1;
		}
		ends = memory_reserve(ends, &ends_capacity, h->count + 1, sizeof(*ends));
		ends[h->count] = h->names.len;
	}
	h->columns = memory_zero(h->count, sizeof(*h->columns));
	h->cells = memory_zero(h->count, sizeof(*h->cells));
	for (size_t i = 0; i < h->count; i++) {
		h->columns[i] = text_span(buffer_text(&h->names) + begin, ends[i] - begin);
		h->cells[i] = record_writer_cell(w, h->columns[i]);
		begin = ends[i];
	}
	free(ends);
	return check_header(h, e);
}

void
csv_header_release(struct csv_header *h)
{
	buffer_release(&h->names);
	free(h->columns);
	free(h->cells);
	*h = (struct csv_header){.delimiter = h->delimiter};
}

static bool
is_json(struct text s)
{
	struct json_reader r;
	enum json_token token;

	json_reader_init(&r, s);
	do
		token = json_reader_next(&r, NULL);
	while (token != JSON_TOKEN_END && token != JSON_TOKEN_ERROR);
	json_reader_release(&r);
	return token == JSON_TOKEN_END;
}

static int
write_cell(struct buffer *out, enum record_cell kind, struct text cell, bool quoted, struct error *e)
{
	bool empty_is_text = kind == RECORD_CELL_TEXT || kind == RECORD_CELL_UNKNOWN;

	if (!text_is_utf8(cell))
		return error_set(e, ERR_REFUSED, "the cell is not UTF-8: is the file of another encoding?");
	if (cell.len == 0 && !(quoted && empty_is_text)) {
		buffer_append_text(out, "null");
	} else if (kind == RECORD_CELL_JSON || (kind == RECORD_CELL_VARIANT && is_json(cell))) {
		if (kind == RECORD_CELL_JSON && !is_json(cell))
			return error_set(e, ERR_REFUSED, "the cell is not JSON");
		buffer_append(out, cell.data, cell.len);
	} else {
		json_text_string(out, cell);
	}
	return 0;
}

int
csv_write_json(const struct csv_header *h, struct text record, struct buffer *out, struct error *e)
{
	struct buffer cell = BUFFER_INIT;
	size_t i = 0, start = out->len;
	char clean[128];
	bool quoted;

	for (size_t at = 0; at <= record.len; i++) {
		buffer_clear(&cell);
		if (next_cell(record, h->delimiter, &at, &cell, &quoted, e) != 0)
			goto failed;
		if (i >= h->count)
			continue;
		buffer_append_byte(out, i == 0 ? '{' : ',');
		json_text_string(out, h->columns[i]);
		buffer_append_byte(out, ':');
		if (write_cell(out, h->cells[i], buffer_span(&cell), quoted, e) != 0) {
			error_wrap(e, "column '%s'", text_clean(clean, sizeof(clean), h->columns[i]));
			goto failed;
		}
	}
	if (i != h->count) {
		error_set(e, ERR_REFUSED, "the record has %zu cells, the header names %zu columns", i, h->count);
		goto failed;
	}
	buffer_append_byte(out, '}');
	buffer_release(&cell);
	return 0;
failed:
	out->len = start;
	buffer_release(&cell);
	return -1;
}

/* Rows of tests/tables: a line each of four columns, parted by '|'. Lines that begin with '#' are for people. Behind cmocka. */
#ifndef SFZB_TESTS_TABLE_ROWS_H
#define SFZB_TESTS_TABLE_ROWS_H

#include "tree.h"

#define TABLE_COLUMNS 4

static inline struct text
trimmed(struct text t)
{
	while (t.len > 0 && t.data[0] == ' ')
		t = text_span(t.data + 1, t.len - 1);
	while (t.len > 0 && t.data[t.len - 1] == ' ')
		t.len--;
	return t;
}

/* The next row of *rest; an empty column still has its place. false: there is none. */
static inline bool
table_next_row(struct text *rest, struct text columns[TABLE_COLUMNS])
{
	struct text line = {.len = 0};

	while (line.len == 0 || line.data[0] == '#')
		if (!tree_next_line(rest, &line))
			return false;
	for (int i = 0; i < TABLE_COLUMNS; i++) {
		bool last = i == TABLE_COLUMNS - 1;
		const char *bar = last ? line.data + line.len : memchr(line.data, '|', line.len);

		if (bar == NULL)
			fail_msg("a row with too few columns: " TEXT_FORMAT, TEXT_ARGS(line));
		columns[i] = trimmed(text_span(line.data, (size_t)(bar - line.data)));
		if (!last)
			line = text_span(bar + 1, line.len - (size_t)(bar + 1 - line.data));
	}
	return true;
}

#endif

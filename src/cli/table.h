/*
 * A table for people: columns aligned by what the terminal shows. Where the terminal is too narrow, prose and the last
 * column are cut, then spare columns left out; what still does not fit is printed as one cell a line, with its title, as
 * is a single row that would be cut. Cells are cleaned of control bytes; they may hold what a server sent.
 */
#ifndef SFZB_CLI_TABLE_H
#define SFZB_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct table;

/*
 * Where the terminal is too narrow, COLUMN_PROSE (left, like SPARE) may be cut: nobody copies it from here; COLUMN_SPARE
 * may be left out: -o json has it.
 */
enum column_align { COLUMN_LEFT, COLUMN_RIGHT, COLUMN_PROSE, COLUMN_SPARE };
struct column {
	const char *title;
	enum column_align align;
};

/* columns are borrowed as long as the table lives. */
struct table *table_new(const struct column *columns, size_t count);
void table_free(struct table *t);
/* The next cell, row by row; copied. NULL is an empty cell. */
void table_add(struct table *t, const char *cell);
void table_add_format(struct table *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
size_t table_rows(const struct table *t);
/* Writes titles and rows to standard output. */
int table_print(const struct table *t, struct error *e);

#endif

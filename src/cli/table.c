#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/width.h"

#define GAP "  "
/* Prose is not cut to less than this. */
#define PROSE_LEAST 12

struct table {
	const struct column *columns;
	size_t count, cell_count, capacity;
	char **cells;
};

struct table *
table_new(const struct column *columns, size_t count)
{
	struct table *t = memory_zero(1, sizeof(*t));

	t->columns = columns;
	t->count = count;
	return t;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->cell_count; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

void
table_add(struct table *t, const char *cell)
{
	struct text from = text_of(cell);
	char *copy = memory_alloc(from.len + 4);

	t->cells = memory_reserve(t->cells, &t->capacity, t->cell_count + 1, sizeof(*t->cells));
	t->cells[t->cell_count++] = text_clean(copy, from.len + 4, from);
}

void
table_add_format(struct table *t, const char *format, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		memory_give_up("out of memory");
	table_add(t, text);
	free(text);
}

size_t
table_rows(const struct table *t)
{
	return t->cell_count / t->count;
}

static void
append_spaces(struct buffer *line, size_t n)
{
	while (n-- > 0)
		buffer_append_byte(line, ' ');
}

/* room: columns that the cell may take, 0 for no limit. */
static void
append_cell(struct buffer *line, const char *cell, size_t wide, enum column_align align, bool last,
    size_t room)
{
	struct text s = text_of(cell);
	size_t shown = width_of(s);

	if (align == COLUMN_RIGHT && shown < wide)
		append_spaces(line, wide - shown);
	if (room > 1 && shown > room) {
		s.len = width_cut(s, room - 1, &shown);
		buffer_append(line, s.data, s.len);
		buffer_append_text(line, "…");
		shown++;
	} else {
		buffer_append(line, s.data, s.len);
	}
	if (!last && align != COLUMN_RIGHT && shown < wide)
		append_spaces(line, wide - shown);
}

static int
print_row(const struct table *t, const char *const *cells, const size_t *widths, enum style style,
    struct error *e)
{
	struct buffer line = BUFFER_INIT;
	size_t used = 0, columns = output_columns();
	int rc;

	buffer_append_text(&line, style == STYLE_PLAIN ? "" : output_style(style));
	for (size_t i = 0; i < t->count; i++) {
		bool last = i + 1 == t->count;

		append_cell(&line, cells[i], widths[i], t->columns[i].align, last,
		    !last	     ? t->columns[i].align == COLUMN_PROSE ? widths[i] : 0
		    : columns > used ? columns - used
				     : columns > 0);
		used += widths[i] + strlen(GAP);
		if (!last)
			buffer_append_text(&line, GAP);
	}
	while (line.len > 0 && line.data[line.len - 1] == ' ')
		line.len--;
	buffer_append_text(&line, style == STYLE_PLAIN ? "" : output_style(STYLE_PLAIN));
	rc = output_line(buffer_span(&line), e);
	buffer_release(&line);
	return rc;
}

/* Takes from the widest prose what the rows have too much for the terminal. The last column gives
 * way by itself. */
static void
fit(const struct table *t, size_t *widths, size_t columns)
{
	size_t total = 0;

	for (size_t i = 0; i < t->count; i++)
		total += widths[i] + (i > 0 ? strlen(GAP) : 0);
	for (; columns > 0 && total > columns; total--) {
		size_t widest = t->count;

		for (size_t i = 0; i < t->count; i++)
			if (t->columns[i].align == COLUMN_PROSE && widths[i] > PROSE_LEAST &&
			    (widest == t->count || widths[i] >= widths[widest]))
				widest = i;
		if (widest == t->count)
			return;
		widths[widest]--;
	}
}

int
table_print(const struct table *t, struct error *e)
{
	size_t *widths = memory_zero(t->count, sizeof(*widths));
	const char **titles = memory_zero(t->count, sizeof(*titles));
	int rc = -1;

	for (size_t i = 0; i < t->count; i++) {
		titles[i] = t->columns[i].title;
		widths[i] = width_of(text_of(titles[i]));
	}
	for (size_t i = 0; i < t->cell_count; i++) {
		size_t w = width_of(text_of(t->cells[i]));

		if (w > widths[i % t->count])
			widths[i % t->count] = w;
	}
	fit(t, widths, output_columns());
	if (print_row(t, titles, widths, STYLE_BOLD, e) != 0)
		goto out;
	for (size_t r = 0; r < table_rows(t); r++)
		if (print_row(t, (const char *const *)t->cells + r * t->count, widths, STYLE_PLAIN,
			e) != 0)
			goto out;
	rc = 0;
out:
	free(widths);
	free(titles);
	return rc;
}

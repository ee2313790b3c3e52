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
	char **cells, **titles; /* cleaned: both may be a server's */
};

static char *
cleaned(const char *s)
{
	struct text from = text_of(s);

	return text_clean(memory_alloc(from.len + 4), from.len + 4, from);
}

struct table *
table_new(const struct column *columns, size_t count)
{
	struct table *t = memory_zero(1, sizeof(*t));

	t->columns = columns;
	t->count = count;
	t->titles = memory_zero(count, sizeof(*t->titles));
	for (size_t i = 0; i < count; i++)
		t->titles[i] = cleaned(columns[i].title);
	return t;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->cell_count; i++)
		free(t->cells[i]);
	for (size_t i = 0; i < t->count; i++)
		free(t->titles[i]);
	free(t->titles);
	free(t->cells);
	free(t);
}

void
table_add(struct table *t, const char *cell)
{
	t->cells = memory_reserve(t->cells, &t->capacity, t->cell_count + 1, sizeof(*t->cells));
	t->cells[t->cell_count++] = cleaned(cell);
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

/* How wide each column is shown; a spare one may be left out. */
struct layout {
	size_t *widths;
	bool *hidden;
	size_t columns; /* of the terminal, 0: without end */
};

static size_t
last_shown(const struct table *t, const struct layout *l)
{
	size_t last = t->count - 1;

	while (last > 0 && l->hidden[last])
		last--;
	return last;
}

static int
print_row(const struct table *t, const struct layout *l, const char *const *cells, enum style style,
    struct error *e)
{
	struct buffer line = BUFFER_INIT;
	size_t last = last_shown(t, l);
	int rc;

	buffer_append_text(&line, style == STYLE_PLAIN ? "" : output_style(style));
	for (size_t i = 0; i <= last; i++) {
		if (l->hidden[i])
			continue;
		append_cell(&line, cells[i], l->widths[i], t->columns[i].align, i == last,
		    l->columns > 0 ? l->widths[i] : 0);
		if (i != last)
			buffer_append_text(&line, GAP);
	}
	while (line.len > 0 && line.data[line.len - 1] == ' ')
		line.len--;
	buffer_append_text(&line, style == STYLE_PLAIN ? "" : output_style(STYLE_PLAIN));
	rc = output_line(buffer_span(&line), e);
	buffer_release(&line);
	return rc;
}

/* The widths that the cells would like to have. */
static void
measure(const struct table *t, struct layout *l)
{
	for (size_t i = 0; i < t->count; i++)
		l->widths[i] = width_of(text_of(t->titles[i]));
	for (size_t i = 0; i < t->cell_count; i++) {
		size_t w = width_of(text_of(t->cells[i]));

		if (w > l->widths[i % t->count])
			l->widths[i % t->count] = w;
	}
}

/* Takes from the widest prose, and from the last column, what the rows have too much for the terminal. */
static bool
fits_cut(const struct table *t, struct layout *l)
{
	size_t total = 0, last = last_shown(t, l);

	measure(t, l);
	for (size_t i = 0; i <= last; i++)
		total += l->hidden[i] ? 0 : l->widths[i] + (i < last ? strlen(GAP) : 0);
	if (total > l->columns && table_rows(t) == 1)
		return false;
	for (; total > l->columns; total--) {
		size_t widest = t->count;

		for (size_t i = 0; i <= last; i++)
			if (!l->hidden[i] && t->columns[i].align != COLUMN_RIGHT &&
			    (i == last || t->columns[i].align == COLUMN_PROSE) && l->widths[i] > PROSE_LEAST && (widest == t->count || l->widths[i] >= l->widths[widest]))
				widest = i;
		if (widest == t->count)
			return false;
		l->widths[widest]--;
	}
	return true;
}

/* Whether the rows fit, cut and without spare columns if need be. */
static bool
fits(const struct table *t, struct layout *l)
{
	measure(t, l);
	if (l->columns == 0 || fits_cut(t, l))
		return true;
	for (size_t i = t->count; i-- > 0 && table_rows(t) > 1;)
		if (t->columns[i].align == COLUMN_SPARE) {
			l->hidden[i] = true;
			if (fits_cut(t, l))
				return true;
		}
	return false;
}

/* One cell a line behind its title, and an empty line between rows. Empty cells are left out. */
static int
print_upright(const struct table *t, struct error *e)
{
	size_t wide = 0;

	for (size_t i = 0; i < t->count; i++) {
		size_t w = width_of(text_of(t->titles[i]));

		wide = w > wide ? w : wide;
	}
	for (size_t i = 0; i < t->cell_count; i++) {
		struct buffer line = BUFFER_INIT;
		const char *title = t->titles[i % t->count];
		int rc = 0;

		if (i > 0 && i % t->count == 0)
			rc = output_line(text_of(""), e);
		buffer_append_text(&line, output_style(STYLE_BOLD));
		append_cell(&line, title, wide, COLUMN_LEFT, false, 0);
		buffer_append_text(&line, output_style(STYLE_PLAIN));
		buffer_append_text(&line, GAP);
		buffer_append_text(&line, t->cells[i]);
		if (rc == 0 && t->cells[i][0] != '\0')
			rc = output_line(buffer_span(&line), e);
		buffer_release(&line);
		if (rc != 0)
			return -1;
	}
	return 0;
}

int
table_print(const struct table *t, struct error *e)
{
	struct layout l = {.columns = output_columns()};
	int rc = -1;

	l.widths = memory_zero(t->count, sizeof(*l.widths));
	l.hidden = memory_zero(t->count, sizeof(*l.hidden));
	if (!fits(t, &l)) {
		rc = print_upright(t, e);
		goto out;
	}
	if (print_row(t, &l, (const char *const *)t->titles, STYLE_BOLD, e) != 0)
		goto out;
	for (size_t r = 0; r < table_rows(t); r++)
		if (print_row(t, &l, (const char *const *)t->cells + r * t->count, STYLE_PLAIN, e) != 0)
			goto out;
	rc = 0;
out:
	free(l.widths);
	free(l.hidden);
	return rc;
}

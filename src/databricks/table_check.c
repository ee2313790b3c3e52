#include "databricks/table_layout.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "databricks/descriptor.h"

struct check {
	const struct delta_table *table;
	struct fit *fit;
	size_t capacity;
};

static void add(struct check *k, enum finding_kind kind, enum finding_severity severity,
    const char *column, const char *format, ...) __attribute__((format(printf, 5, 6)));

static void
add(struct check *k, enum finding_kind kind, enum finding_severity severity, const char *column,
    const char *format, ...)
{
	struct fit *f = k->fit;
	struct finding *one;
	va_list ap;

	f->findings = memory_reserve(f->findings, &k->capacity, f->count + 1, sizeof(*f->findings));
	one = &f->findings[f->count++];
	*one = (struct finding){.kind = kind, .severity = severity};
	text_clean(one->column, sizeof(one->column), text_of(column));
	va_start(ap, format);
	vsnprintf(one->text, sizeof(one->text), format, ap);
	va_end(ap);
	f->misfits += severity == SEVERITY_MISFIT;
	f->lacking += severity == SEVERITY_LACKING;
}

static void
check_known(struct check *k, const struct delta_column *c, const struct event_column *known,
    const char *name)
{
	struct buffer sql = BUFFER_INIT;

	if (!event_column_takes(known, &c->type)) {
		delta_type_write_sql(&sql, &c->type);
		add(k, FINDING_TYPE, SEVERITY_MISFIT, c->name,
		    "column '%s' has type %.120s but its value needs %s", name, buffer_text(&sql),
		    event_column_types(known));
		buffer_release(&sql);
	} else if (!c->nullable && !known->always) {
		add(k, FINDING_MAY_BE_NULL, SEVERITY_LACKING, c->name,
		    "column '%s' is NOT NULL: events without a value for it are set aside", name);
	}
}

static void
check_unknown(struct check *k, const struct delta_column *c, const char *name)
{
	struct buffer sql = BUFFER_INIT;
	struct error why = ERROR_INIT;

	delta_type_write_sql(&sql, &c->type);
	if (!c->nullable)
		add(k, FINDING_REQUIRED, SEVERITY_MISFIT, c->name,
		    "column '%s' (%.120s) is NOT NULL and sfzb has no value for it", name,
		    buffer_text(&sql));
	else if (descriptor_check_column(c, &why) != 0)
		add(k, FINDING_UNSUPPORTED, SEVERITY_NOTE, c->name,
		    "column '%s' (%.120s) stays NULL: Zerobus does not take its type", name,
		    buffer_text(&sql));
	else
		add(k, FINDING_EXTRA, SEVERITY_NOTE, c->name,
		    "column '%s' (%.120s) stays NULL: sfzb does not know it", name,
		    buffer_text(&sql));
	buffer_release(&sql);
}

static void
check_column(struct check *k, const struct delta_column *c)
{
	int id = event_column_find(c->name);
	char name[128];

	text_clean(name, sizeof(name), text_of(c->name));
	if (c->generated) {
		add(k, FINDING_GENERATED, SEVERITY_MISFIT, c->name,
		    "column '%s' is GENERATED: Zerobus cannot open such a table for writing", name);
		return;
	}
	if (!delta_name_is_plain(c->name)) {
		add(k, FINDING_NAME, c->nullable ? SEVERITY_NOTE : SEVERITY_MISFIT, c->name,
		    "column '%s' %s: Zerobus takes only names of ASCII letters, digits and '_'",
		    name, c->nullable ? "stays NULL" : "is NOT NULL and cannot be written");
		return;
	}
	if (id >= 0)
		check_known(k, c, &event_columns[id], name);
	else
		check_unknown(k, c, name);
}

static void
check_table(struct check *k)
{
	const struct delta_table *t = k->table;
	char clean[128];

	if (*t->kind != '\0' && strcmp(t->kind, "MANAGED") != 0)
		add(k, FINDING_TABLE, SEVERITY_MISFIT, "",
		    "it is a %s table; Zerobus writes to MANAGED ones only",
		    text_clean(clean, sizeof(clean), text_of(t->kind)));
	if (*t->format != '\0' && strcmp(t->format, "DELTA") != 0)
		add(k, FINDING_TABLE, SEVERITY_MISFIT, "",
		    "its format is %s; Zerobus writes to DELTA only",
		    text_clean(clean, sizeof(clean), text_of(t->format)));
	if (!delta_name_is_plain(t->name))
		add(k, FINDING_NAME, SEVERITY_MISFIT, "",
		    "its name has other characters than ASCII letters, digits and '_', which "
		    "Zerobus does not take");
	if (t->row_tracking)
		add(k, FINDING_ROW_TRACKING, SEVERITY_MISFIT, "",
		    "row tracking is on (delta.enableRowTracking): Zerobus cannot open it for "
		    "writing, error 1022");
}

static void
check_missing(struct check *k, enum layout layout)
{
	int present = 0;

	for (int i = 0; i < EVENT_COLUMN_COUNT; i++) {
		if (delta_table_find(k->table, event_columns[i].name) != NULL) {
			present++;
			continue;
		}
		if (event_columns[i].layout > layout)
			continue;
		if (i == COLUMN_event_id)
			add(k, FINDING_NO_ID, SEVERITY_LACKING, event_columns[i].name,
			    "column '%s' (%s) is missing: rows cannot be looked up, so some may be "
			    "stored twice",
			    event_columns[i].name, event_columns[i].type);
		else
			add(k, FINDING_MISSING, SEVERITY_LACKING, event_columns[i].name,
			    "column '%s' (%s) is missing: its value is left out",
			    event_columns[i].name, event_columns[i].type);
	}
	if (present == 0)
		add(k, FINDING_EMPTY, SEVERITY_MISFIT, "",
		    "it has none of the columns that sfzb writes");
}

/* Misfits first, then what is lacking, then notes; each in the order found. */
static void
sort_findings(struct fit *f)
{
	struct finding *sorted = memory_zero(f->count + 1, sizeof(*sorted));
	size_t n = 0;

	for (int s = SEVERITY_MISFIT; s >= SEVERITY_NOTE; s--)
		for (size_t i = 0; i < f->count; i++)
			if (f->findings[i].severity == (enum finding_severity)s)
				sorted[n++] = f->findings[i];
	free(f->findings);
	f->findings = sorted;
}

void
delta_check(const struct delta_table *t, enum layout layout, struct fit *out)
{
	struct check k = {.table = t, .fit = out};

	*out = (struct fit){.findings = NULL};
	check_table(&k);
	for (size_t i = 0; i < t->column_count; i++)
		check_column(&k, &t->columns[i]);
	check_missing(&k, layout);
	sort_findings(out);
}

void
fit_release(struct fit *f)
{
	free(f->findings);
	*f = (struct fit){.findings = NULL};
}

int
fit_hint(const struct delta_table *t, struct error *e)
{
	char *shell_name = delta_shell_name(t->catalog, t->schema, t->name);

	error_hint(e, "sfzb create-table %s --check lists all differences", shell_name);
	free(shell_name);
	return -1;
}

int
fit_error(const struct fit *f, const struct delta_table *t, struct error *e)
{
	if (f->misfits == 0)
		return 0;
	if (f->misfits == 1)
		error_set(e, ERR_MISFIT, "table '%s' does not fit: %s", t->full_name, f->findings[0].text);
	else
		error_set(e, ERR_MISFIT, "table '%s' does not fit: %s (and %zu more)", t->full_name,
		    f->findings[0].text, f->misfits - 1);
	return fit_hint(t, e);
}

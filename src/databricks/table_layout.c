#include "databricks/table_layout.h"

#include <string.h>
#include <strings.h>

const struct event_column event_columns[EVENT_COLUMN_COUNT] = {
#define X(name, type, layout, value, always, comment)                                              \
	{#name, type, LAYOUT_##layout, VALUE_##value, always, comment},
    EVENT_COLUMNS(X)
#undef X
};

/* What Databricks wants of an ingested table: small files merged, and no row tracking (error 1022). */
static const struct delta_property usual_properties[] = {{"delta.autoOptimize.optimizeWrite", "true"},
    {"delta.autoOptimize.autoCompact", "true"}, {"delta.enableRowTracking", "false"}};
#define USUAL_COUNT (sizeof(usual_properties) / sizeof(usual_properties[0]))

int
event_column_find(const char *name)
{
	for (int i = 0; i < EVENT_COLUMN_COUNT; i++)
		if (strcasecmp(event_columns[i].name, name) == 0)
			return i;
	return -1;
}

static bool
is_text(const struct delta_type *t)
{
	return t->kind == DELTA_STRING || t->kind == DELTA_VARCHAR;
}

bool
event_column_takes(const struct event_column *c, const struct delta_type *t)
{
	switch (c->value) {
	case VALUE_TEXT:
	case VALUE_JSON:
		return is_text(t) || t->kind == DELTA_VARIANT;
	case VALUE_LIST:
		return is_text(t) || t->kind == DELTA_VARIANT ||
		    (t->kind == DELTA_ARRAY && is_text(t->element));
	case VALUE_BYTES:
		return is_text(t) || t->kind == DELTA_BINARY;
	case VALUE_INT:
		return is_text(t) || t->kind == DELTA_BYTE || t->kind == DELTA_SHORT || t->kind == DELTA_INT ||
		    t->kind == DELTA_LONG || (t->kind == DELTA_DECIMAL && t->scale == 0);
	case VALUE_TIME:
		return is_text(t) || t->kind == DELTA_LONG || t->kind == DELTA_TIMESTAMP ||
		    t->kind == DELTA_TIMESTAMP_NTZ;
	}
	return false;
}

const char *
event_column_types(const struct event_column *c)
{
	switch (c->value) {
	case VALUE_TEXT:
	case VALUE_JSON:
		return "STRING, VARCHAR or VARIANT";
	case VALUE_LIST:
		return "ARRAY<STRING>, STRING or VARIANT";
	case VALUE_BYTES:
		return "BINARY or STRING";
	case VALUE_INT:
		return "BIGINT, INT, DECIMAL(p,0) or STRING";
	case VALUE_TIME:
		return "BIGINT, TIMESTAMP, TIMESTAMP_NTZ or STRING";
	}
	return "";
}

/* One SQL literal: single quotes, a backslash before ' and \. */
static void
delta_quote_literal(struct buffer *out, const char *s)
{
	buffer_append_byte(out, '\'');
	for (; *s != '\0'; s++) {
		if (*s == '\'' || *s == '\\')
			buffer_append_byte(out, '\\');
		buffer_append_byte(out, (uint8_t)*s);
	}
	buffer_append_byte(out, '\'');
}

int
delta_write_name(struct buffer *out, const char *full, struct error *e)
{
	char parts[3][DELTA_PART_SIZE];

	if (delta_split_name(full, parts, e) != 0)
		return -1;
	for (int i = 0; i < 3; i++) {
		if (i > 0)
			buffer_append_byte(out, '.');
		delta_quote(out, parts[i]);
	}
	return 0;
}

/* The list's own types are SQL already. */
static void
write_column(struct buffer *out, const struct event_column *c, bool comment)
{
	delta_quote_if_needed(out, c->name);
	buffer_append_byte(out, ' ');
	buffer_append_text(out, c->type);
	if (comment) {
		buffer_append_text(out, " COMMENT ");
		delta_quote_literal(out, c->comment);
	}
}

static void
write_columns(struct buffer *out, const struct delta_plan *plan)
{
	/* where the lines break, so that a person sees the groups; one a line with comments */
	static const char *const breaks[] = {"change_origin", "diff_fields", "processed_timestamp", "topic", "sequence_number"};
	bool first = true;

	for (int i = 0; i < EVENT_COLUMN_COUNT; i++) {
		const struct event_column *c = &event_columns[i];
		bool new_line = first || plan->column_comments;

		if (c->layout > plan->layout)
			continue;
		for (size_t k = 0; k < sizeof(breaks) / sizeof(breaks[0]); k++)
			new_line = new_line || strcmp(breaks[k], c->name) == 0;
		if (!first)
			buffer_append_text(out, ",");
		buffer_append_text(out, new_line ? "\n  " : " ");
		write_column(out, c, plan->column_comments);
		first = false;
	}
}

static void
write_property(struct buffer *out, const char *key, const char *value, bool *first)
{
	if (!*first)
		buffer_append_byte(out, ',');
	delta_quote_literal(out, key);
	buffer_append_byte(out, '=');
	delta_quote_literal(out, value);
	*first = false;
}

static const char *
planned_value(const struct delta_plan *plan, const char *key)
{
	const char *value = NULL;

	for (size_t i = 0; i < plan->property_count; i++)
		if (strcmp(plan->properties[i].key, key) == 0)
			value = plan->properties[i].value;
	return value;
}

static bool
is_usual(const char *key)
{
	for (size_t i = 0; i < USUAL_COUNT; i++)
		if (strcmp(usual_properties[i].key, key) == 0)
			return true;
	return false;
}

static void
write_properties(struct buffer *out, const struct delta_plan *plan)
{
	bool first = true;

	buffer_append_text(out, "\nTBLPROPERTIES (");
	for (size_t i = 0; i < USUAL_COUNT; i++) {
		const char *value = planned_value(plan, usual_properties[i].key);

		write_property(out, usual_properties[i].key,
		    value != NULL ? value : usual_properties[i].value, &first);
	}
	for (size_t i = 0; i < plan->property_count; i++)
		if (!is_usual(plan->properties[i].key))
			write_property(out, plan->properties[i].key, plan->properties[i].value, &first);
	buffer_append_byte(out, ')');
}

int
delta_check_name(const char *name, struct error *e)
{
	char parts[3][DELTA_PART_SIZE], clean[300];

	if (delta_split_name(name, parts, e) != 0)
		return -1;
	if (delta_name_is_plain(parts[2]))
		return 0;
	error_set(e, ERR_USAGE, "table name '%s' is none that Zerobus takes", text_clean(clean, sizeof(clean), text_of(parts[2])));
	return error_hint(e, "use ASCII letters, digits and '_', not starting with a digit");
}

int
delta_check_ingest_name(const char *name, struct error *e)
{
	char parts[3][DELTA_PART_SIZE], clean[300];

	if (delta_check_name(name, e) != 0 || delta_split_name(name, parts, e) != 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		for (const char *c = parts[i]; *c != '\0'; c++) {
			if (*c >= ' ' && *c <= '~' && *c != '.' && *c != '`')
				continue;
			error_set(e, ERR_USAGE, "%s name '%s' cannot be told to Zerobus", i == 0 ? "catalog" : "schema",
			    text_clean(clean, sizeof(clean), text_of(parts[i])));
			return error_hint(e, "the table's name goes to it as catalog.schema.table in an ASCII header: no '.', no backtick");
		}
	}
	return 0;
}

int
delta_create_sql(struct buffer *out, const struct delta_plan *plan, struct error *e)
{
	const char *comment = plan->comment != NULL ? plan->comment : "Salesforce change events written by sfzb";
	size_t start = out->len;

	if (delta_check_name(plan->table, e) != 0)
		return -1;
	buffer_append_text(out, "CREATE TABLE IF NOT EXISTS ");
	if (delta_write_name(out, plan->table, e) != 0) {
		out->len = start;
		return -1;
	}
	buffer_append_text(out, " (");
	write_columns(out, plan);
	buffer_append_text(out, "\n) USING DELTA");
	if (*comment != '\0') {
		buffer_append_text(out, "\nCOMMENT ");
		delta_quote_literal(out, comment);
	}
	write_properties(out, plan);
	return 0;
}

void
delta_write_grants(struct buffer *out, const char *full, const char *principal)
{
	static const char *const grants[] = {"GRANT USE CATALOG ON CATALOG ", "GRANT USE SCHEMA ON SCHEMA ",
	    "GRANT SELECT, MODIFY ON TABLE "};
	char parts[3][DELTA_PART_SIZE];

	if (delta_split_name(full, parts, NULL) != 0)
		return;
	for (int i = 0; i < 3; i++) {
		buffer_append_text(out, grants[i]);
		for (int k = 0; k <= i; k++) {
			if (k > 0)
				buffer_append_byte(out, '.');
			delta_quote(out, parts[k]);
		}
		buffer_append_text(out, " TO ");
		delta_quote(out, principal != NULL && *principal != '\0' ? principal : "<application-id>");
		buffer_append_text(out, ";\n");
	}
}

void
delta_write_table(struct buffer *out, const struct delta_table *t)
{
	const char *const parts[] = {t->catalog, t->schema, t->name};

	for (int i = 0; i < 3; i++) {
		if (i > 0)
			buffer_append_byte(out, '.');
		delta_quote(out, parts[i]);
	}
}

static void
begin_alter(struct buffer *out, const struct delta_table *t)
{
	buffer_append_text(out, "ALTER TABLE ");
	delta_write_table(out, t);
}

int
delta_alter_sql(struct buffer *out, const struct delta_table *t, enum layout layout)
{
	int statements = 0;
	bool first = true;

	for (int i = 0; i < EVENT_COLUMN_COUNT; i++) {
		if (event_columns[i].layout > layout || delta_table_find(t, event_columns[i].name) != NULL)
			continue;
		if (first)
			begin_alter(out, t);
		buffer_append_text(out, first ? " ADD COLUMNS (" : ", ");
		write_column(out, &event_columns[i], false);
		first = false;
	}
	if (!first) {
		buffer_append_text(out, ");\n");
		statements++;
	}
	if (t->row_tracking) {
		begin_alter(out, t);
		buffer_append_text(out, " SET TBLPROPERTIES ('delta.enableRowTracking'='false');\n");
		statements++;
	}
	return statements;
}

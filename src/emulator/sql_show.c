/* SHOW and DESCRIBE. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/sql_private.h"

static void
string_columns(struct spark *q, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		spark_result_column(q->result, names[i], spark_type(LAKE_STRING));
}

/* [LIKE] 'pattern' with * and |; NULL: all. */
static int
take_pattern(struct spark *q, const char **pattern)
{
	*pattern = NULL;
	spark_take(q, "LIKE");
	if (spark_peek(q, 0)->kind == SQL_STRING) {
		*pattern = spark_peek(q, 0)->text;
		q->at++;
	}
	return spark_end(q);
}

/* Spark's pattern: * any text, | between alternatives, without case. */
static bool
matches(const char *pattern, const char *name)
{
	char *lower = memory_strdup(name), *one, *rest, *all;
	bool found = pattern == NULL;

	for (char *c = lower; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	all = memory_strdup(pattern ? pattern : "");
	for (char *c = all; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	for (one = strtok_r(all, "|", &rest); one != NULL && !found; one = strtok_r(NULL, "|", &rest))
		found = text_glob(one, lower);
	free(all);
	free(lower);
	return found;
}

static int
show_tables(struct spark *q)
{
	static const char *const names[] = {"database", "tableName", "isTemporary"};
	const char *catalog = q->request->catalog ? q->request->catalog : "main";
	const char *schema = q->request->schema ? q->request->schema : "default", *pattern;
	struct lake_table **tables;
	size_t count;

	if (spark_take(q, "IN") || spark_take(q, "FROM")) {
		schema = spark_name(q);
		if (schema == NULL)
			return -1;
		if (spark_take(q, ".")) {
			catalog = schema;
			schema = spark_name(q);
			if (schema == NULL)
				return -1;
		}
	}
	if (take_pattern(q, &pattern) < 0)
		return -1;
	if (!lakehouse_has_schema(q->lakehouse, catalog, schema))
		return spark_fail(q, "SCHEMA_NOT_FOUND", "42704", "The schema `%s`.`%s` cannot be found.", catalog, schema);
	string_columns(q, names, 2);
	spark_result_column(q->result, names[2], spark_type(LAKE_BOOLEAN));
	count = lakehouse_tables(q->lakehouse, catalog, schema, &tables);
	for (size_t i = 0; i < count; i++) {
		const char *row[] = {tables[i]->schema, tables[i]->name, "false"};

		if (matches(pattern, tables[i]->name))
			spark_result_row(q->result, row);
		lake_table_unref(tables[i]);
	}
	free(tables);
	return 0;
}

static int
show_namespaces(struct spark *q, bool schemas)
{
	const char *catalog = q->request->catalog ? q->request->catalog : "main", *pattern;
	const char *name = schemas ? "databaseName" : "catalog";
	struct lake_namespace *list;
	size_t count;

	if (schemas && (spark_take(q, "IN") || spark_take(q, "FROM")) && (catalog = spark_name(q)) == NULL)
		return -1;
	if (take_pattern(q, &pattern) < 0)
		return -1;
	if (schemas && !lakehouse_has_catalog(q->lakehouse, catalog))
		return spark_fail(q, "CATALOG_NOT_FOUND", "42P08", "The catalog `%s` was not found.", catalog);
	string_columns(q, &name, 1);
	count = lakehouse_namespaces(q->lakehouse, schemas ? catalog : NULL, &list);
	for (size_t i = 0; i < count; i++) {
		const char *row[] = {schemas ? list[i].schema : list[i].catalog};

		if (matches(pattern, row[0]))
			spark_result_row(q->result, row);
	}
	lake_namespaces_free(list, count);
	return 0;
}

static struct lake_table *
read_table(struct spark *q)
{
	struct spark_table_name name;

	return spark_read_table_name(q, &name) < 0 ? NULL : spark_open_table(q, &name, "SELECT");
}

static int
show_columns(struct spark *q)
{
	static const char *const names[] = {"col_name"};
	struct lake_table *t;

	if (!spark_take(q, "IN") && spark_expect(q, "FROM") < 0)
		return -1;
	t = read_table(q);
	if (t == NULL)
		return -1;
	if (spark_end(q) == 0) {
		string_columns(q, names, 1);
		for (size_t i = 0; i < t->column_count; i++) {
			const char *row[] = {t->columns[i].name};

			spark_result_row(q->result, row);
		}
	}
	lake_table_unref(t);
	return q->e->code == ERR_OK ? 0 : -1;
}

static int
show_properties(struct spark *q)
{
	static const char *const names[] = {"key", "value"};
	struct lake_table *t = read_table(q);

	if (t == NULL)
		return -1;
	if (spark_end(q) == 0) {
		string_columns(q, names, 2);
		for (size_t i = 0; i < t->property_count; i++) {
			const char *row[] = {t->properties[i].key, t->properties[i].value};

			spark_result_row(q->result, row);
		}
	}
	lake_table_unref(t);
	return q->e->code == ERR_OK ? 0 : -1;
}

static void
append_literal(struct buffer *out, const char *s)
{
	buffer_append_byte(out, '\'');
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\')
			buffer_append_byte(out, '\\');
		buffer_append_byte(out, (uint8_t)*s);
	}
	buffer_append_byte(out, '\'');
}

static void
append_ticked(struct buffer *out, const char *s)
{
	buffer_append_byte(out, '`');
	for (; *s; s++) {
		if (*s == '`')
			buffer_append_byte(out, '`');
		buffer_append_byte(out, (uint8_t)*s);
	}
	buffer_append_byte(out, '`');
}

static int
show_create(struct spark *q)
{
	static const char *const names[] = {"createtab_stmt"};
	struct lake_table *t = read_table(q);
	struct buffer text = BUFFER_INIT;
	const char *row[1];

	if (t == NULL)
		return -1;
	buffer_append_format(&text, "CREATE TABLE %s.%s.%s (", t->catalog, t->schema, t->name);
	for (size_t i = 0; i < t->column_count; i++) {
		const struct lake_field *f = &t->columns[i];

		buffer_append_text(&text, i ? ",\n  " : "\n  ");
		append_ticked(&text, f->name);
		buffer_append_text(&text, " ");
		lake_type_text(f->type, &text);
		buffer_append_text(&text, f->nullable ? "" : " NOT NULL");
		if (f->comment != NULL) {
			buffer_append_text(&text, " COMMENT ");
			append_literal(&text, f->comment);
		}
	}
	buffer_append_text(&text, ")\nUSING delta");
	if (t->comment != NULL) {
		buffer_append_text(&text, "\nCOMMENT ");
		append_literal(&text, t->comment);
	}
	for (size_t i = 0; i < t->property_count; i++) {
		buffer_append_text(&text, i ? ",\n  " : "\nTBLPROPERTIES (\n  ");
		append_literal(&text, t->properties[i].key);
		buffer_append_text(&text, " = ");
		append_literal(&text, t->properties[i].value);
	}
	buffer_append_text(&text, t->property_count ? ")\n" : "\n");
	if (spark_end(q) == 0) {
		string_columns(q, names, 1);
		row[0] = buffer_text(&text);
		spark_result_row(q->result, row);
	}
	buffer_release(&text);
	lake_table_unref(t);
	return q->e->code == ERR_OK ? 0 : -1;
}

static void
describe_row(struct spark *q, const char *name, const char *type, const char *comment)
{
	const char *row[] = {name, type, comment};

	spark_result_row(q->result, row);
}

static int
describe(struct spark *q)
{
	static const char *const names[] = {"col_name", "data_type", "comment"};
	bool extended;
	struct lake_table *t;

	spark_take(q, "TABLE");
	extended = spark_take(q, "EXTENDED") || spark_take(q, "FORMATTED");
	t = read_table(q);
	if (t == NULL)
		return -1;
	if (spark_end(q) < 0) {
		lake_table_unref(t);
		return -1;
	}
	string_columns(q, names, 3);
	for (size_t i = 0; i < t->column_count; i++) {
		struct buffer type = BUFFER_INIT;

		lake_type_text(t->columns[i].type, &type);
		describe_row(q, t->columns[i].name, buffer_text(&type), t->columns[i].comment);
		buffer_release(&type);
	}
	if (extended) {
		describe_row(q, "", "", "");
		describe_row(q, "# Detailed Table Information", "", "");
		describe_row(q, "Catalog", t->catalog, "");
		describe_row(q, "Database", t->schema, "");
		describe_row(q, "Table", t->name, "");
		describe_row(q, "Type", "MANAGED", "");
		describe_row(q, "Comment", t->comment ? t->comment : "", "");
		describe_row(q, "Provider", "delta", "");
	}
	lake_table_unref(t);
	return 0;
}

int
spark_show_statement(struct spark *q, bool *done)
{
	*done = true;
	if (spark_take2(q, "SHOW", "TABLES"))
		return show_tables(q);
	if (spark_take2(q, "SHOW", "SCHEMAS") || spark_take2(q, "SHOW", "DATABASES"))
		return show_namespaces(q, true);
	if (spark_take2(q, "SHOW", "CATALOGS"))
		return show_namespaces(q, false);
	if (spark_take2(q, "SHOW", "COLUMNS"))
		return show_columns(q);
	if (spark_take2(q, "SHOW", "TBLPROPERTIES"))
		return show_properties(q);
	if (spark_is(q, "SHOW") && spark_is_at(q, 1, "CREATE") && spark_is_at(q, 2, "TABLE")) {
		q->at += 3;
		return show_create(q);
	}
	if (spark_take(q, "DESCRIBE") || spark_take(q, "DESC"))
		return describe(q);
	*done = false;
	return 0;
}

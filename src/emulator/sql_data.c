/* INSERT, UPDATE, DELETE, TRUNCATE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/sql_private.h"

/* Runs one writing statement in a transaction; answers how many rows it touched. */
static int
write_rows(struct spark *q, const struct lake_table *t, const char *text, bool insert)
{
	sqlite3 *db = lakehouse_lock_writer(q->lakehouse);
	struct lake_table *now = lakehouse_find(q->lakehouse, (struct lake_name){t->catalog, t->schema, t->name});
	int rc = -1;
	char affected[24];
	const char *values[] = {affected, affected};

	if (now == NULL || now->version != t->version)
		spark_fail(q, "DELTA_METADATA_CHANGED", "2D521", "The table was changed by a concurrent update.");
	else if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		spark_fail(q, "IO_ERROR", "58030", "%s", sqlite3_errmsg(db));
	else
		rc = spark_execute(q, db, text, false);
	snprintf(affected, sizeof(affected), "%lld", (long long)(rc == 0 ? sqlite3_changes64(db) : 0));
	if (rc == 0 && insert)
		lakehouse_rows_inserted(q->lakehouse, t);
	if (rc == 0 && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		rc = spark_fail(q, "IO_ERROR", "58030", "%s", sqlite3_errmsg(db));
	if (sqlite3_get_autocommit(db) == 0)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	lakehouse_unlock_writer(q->lakehouse);
	lake_table_unref(now);
	if (rc < 0)
		return -1;
	spark_result_column(q->result, "num_affected_rows", spark_type(LAKE_LONG));
	if (insert)
		spark_result_column(q->result, "num_inserted_rows", spark_type(LAKE_LONG));
	spark_result_row(q->result, values);
	return 0;
}

/* The value for a column: cast to its type, and refused when it is null and may not be. */
static void
append_value(struct spark *q, struct spark_expression *x, const struct lake_field *column, struct buffer *out)
{
	spark_coerce(q, x, column->type);
	if (column->nullable) {
		buffer_append(out, x->text.data, x->text.len);
		return;
	}
	buffer_append_format(out, "sfzb_not_null(%s, ", buffer_text(&x->text));
	spark_append_string(out, text_of(column->name));
	buffer_append_text(out, ")");
}

struct insert {
	struct lake_table *table;
	int *columns;
	size_t count;
	struct buffer text;
};

static int
insert_columns(struct spark *q, struct insert *in)
{
	in->columns = memory_zero(in->table->column_count + 1, sizeof(*in->columns));
	if (spark_is(q, "(") && !spark_at_query(q, 1)) {
		spark_take(q, "(");
		do {
			const char *name = spark_name(q);
			int at = name == NULL ? -1 : lake_table_column(in->table, text_of(name));

			if (name == NULL)
				return -1;
			if (at < 0)
				return spark_fail(q, "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", "A column with name `%s` cannot be resolved.", name);
			if (in->count == in->table->column_count)
				return spark_syntax_error(q);
			in->columns[in->count++] = at;
		} while (spark_take(q, ","));
		if (spark_expect(q, ")") < 0)
			return -1;
	} else {
		for (size_t i = 0; i < in->table->column_count; i++)
			in->columns[in->count++] = (int)i;
	}
	for (size_t c = 0; c < in->table->column_count; c++) {
		bool given = in->table->columns[c].nullable;

		for (size_t i = 0; i < in->count && !given; i++)
			given = in->columns[i] == (int)c;
		if (!given)
			return spark_fail(q, "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502",
			    "NOT NULL constraint violated for column: %s.", in->table->columns[c].name);
	}
	buffer_append_text(&in->text, "INSERT INTO ");
	lake_table_sqlite_name(in->table, &in->text);
	buffer_append_text(&in->text, " (");
	for (size_t i = 0; i < in->count; i++) {
		buffer_append_text(&in->text, i ? ", " : "");
		lakehouse_quote(&in->text, in->table->columns[in->columns[i]].name);
	}
	buffer_append_text(&in->text, ") ");
	return 0;
}

static int
arity(struct spark *q, size_t want, size_t got)
{
	return spark_fail(q, "INSERT_COLUMN_ARITY_MISMATCH", "21S01", "%zu columns are to be filled, but %zu are given.", want, got);
}

static int
insert_values(struct spark *q, struct insert *in)
{
	bool comma = false;

	buffer_append_text(&in->text, "VALUES ");
	do {
		size_t n = 0;

		if (spark_expect(q, "(") < 0)
			return -1;
		buffer_append_text(&in->text, comma ? ", (" : "(");
		comma = true;
		do {
			struct spark_expression x = {.type = NULL};
			int rc = 0;

			if (n == in->count)
				return arity(q, in->count, n + 1);
			buffer_append_text(&in->text, n ? ", " : "");
			if (spark_take(q, "DEFAULT")) {
				buffer_append_text(&x.text, "NULL");
				x.type = spark_type(LAKE_VOID);
			} else {
				rc = spark_expression_parse(q, &x);
			}
			if (rc == 0)
				append_value(q, &x, &in->table->columns[in->columns[n++]], &in->text);
			spark_expression_release(&x);
			if (rc < 0)
				return -1;
		} while (spark_take(q, ","));
		if (n != in->count)
			return arity(q, in->count, n);
		buffer_append_text(&in->text, ")");
		if (spark_expect(q, ")") < 0)
			return -1;
	} while (spark_take(q, ","));
	return 0;
}

static int
insert_query(struct spark *q, struct insert *in)
{
	struct buffer query = BUFFER_INIT;
	struct spark_output *columns = NULL;
	size_t count = 0;
	int rc = spark_query(q, &query, &columns, &count);

	if (rc == 0 && count != in->count)
		rc = arity(q, in->count, count);
	if (rc == 0) {
		buffer_append_text(&in->text, "SELECT ");
		for (size_t i = 0; i < count; i++) {
			struct spark_expression x = {.type = columns[i].type};

			lakehouse_quote(&x.text, columns[i].name);
			buffer_append_text(&in->text, i ? ", " : "");
			append_value(q, &x, &in->table->columns[in->columns[i]], &in->text);
			spark_expression_release(&x);
		}
		buffer_append_format(&in->text, " FROM (%s) WHERE true", buffer_text(&query));
	}
	spark_outputs_free(columns, count);
	buffer_release(&query);
	return rc;
}

static int
parse_insert(struct spark *q)
{
	struct insert in = {.table = NULL};
	struct spark_table_name name;
	int rc = -1;

	spark_take(q, "TABLE");
	if (spark_read_table_name(q, &name) < 0)
		return -1;
	in.table = spark_open_table(q, &name, "MODIFY");
	if (in.table == NULL || insert_columns(q, &in) < 0)
		goto out;
	if (spark_take(q, "VALUES") ? insert_values(q, &in) < 0 :
				    spark_at_query(q, 0) ? insert_query(q, &in) < 0 : spark_syntax_error(q) < 0)
		goto out;
	if (spark_end(q) == 0)
		rc = write_rows(q, in.table, buffer_text(&in.text), true);
out:
	lake_table_unref(in.table);
	free(in.columns);
	buffer_release(&in.text);
	return rc;
}

/* WHERE of a DELETE or UPDATE; rows that may not be seen are not touched. */
static int
where(struct spark *q, const struct lake_table *t, struct buffer *out)
{
	struct spark_expression x = {.type = NULL};
	int rc = 0;

	buffer_append_text(out, " WHERE ");
	if (spark_take(q, "WHERE")) {
		rc = spark_expression_parse(q, &x);
		if (rc == 0)
			buffer_append_format(out, "(%s)", buffer_text(&x.text));
	} else {
		buffer_append_text(out, "true");
	}
	spark_expression_release(&x);
	lakehouse_visibility(q->lakehouse, t, out);
	return rc == 0 ? spark_end(q) : -1;
}

static int
assignments(struct spark *q, const struct lake_table *t, struct buffer *out)
{
	bool comma = false;

	buffer_append_text(out, " SET ");
	do {
		const char *name = spark_name(q);
		struct spark_expression x = {.type = NULL};
		int at, rc;

		if (name == NULL)
			return -1;
		if (spark_is(q, ".") && spark_take(q, ".") && (name = spark_name(q)) == NULL)
			return -1;
		at = lake_table_column(t, text_of(name));
		if (at < 0)
			return spark_fail(q, "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", "A column with name `%s` cannot be resolved.", name);
		if (spark_expect(q, "=") < 0)
			return -1;
		rc = spark_expression_parse(q, &x);
		if (rc == 0) {
			buffer_append_text(out, comma ? ", " : "");
			lakehouse_quote(out, t->columns[at].name);
			buffer_append_text(out, " = ");
			append_value(q, &x, &t->columns[at], out);
			comma = true;
		}
		spark_expression_release(&x);
		if (rc < 0)
			return -1;
	} while (spark_take(q, ","));
	return 0;
}

static int
parse_change(struct spark *q, bool update)
{
	struct spark_scope scope = {.outer = NULL};
	struct spark_table_name name;
	struct lake_table *t;
	struct buffer text = BUFFER_INIT;
	const char *alias;
	int rc = -1;

	if (spark_read_table_name(q, &name) < 0)
		return -1;
	t = spark_open_table(q, &name, "MODIFY");
	if (t == NULL)
		return -1;
	alias = t->name;
	if (spark_take(q, "AS") || (spark_peek(q, 0)->kind == SQL_WORD && !spark_is(q, "SET") && !spark_is(q, "WHERE"))) {
		alias = spark_name(q);
		if (alias == NULL)
			goto out;
	}
	spark_scope_add_table(&scope, t, alias);
	q->scope = &scope;
	buffer_append_text(&text, update ? "UPDATE " : "DELETE FROM ");
	lake_table_sqlite_name(t, &text);
	buffer_append_text(&text, " AS ");
	lakehouse_quote(&text, alias);
	if (update && (spark_expect(q, "SET") < 0 || assignments(q, t, &text) < 0))
		goto out;
	if (where(q, t, &text) == 0)
		rc = write_rows(q, t, buffer_text(&text), false);
out:
	q->scope = NULL;
	spark_scope_release(&scope);
	lake_table_unref(t);
	buffer_release(&text);
	return rc;
}

int
spark_data_statement(struct spark *q, bool *done)
{
	*done = true;
	if (spark_take2(q, "INSERT", "INTO"))
		return parse_insert(q);
	if (spark_take2(q, "DELETE", "FROM"))
		return parse_change(q, false);
	if (spark_take(q, "UPDATE"))
		return parse_change(q, true);
	if (spark_take2(q, "TRUNCATE", "TABLE"))
		return parse_change(q, false);
	*done = false;
	return 0;
}

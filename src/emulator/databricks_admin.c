/* What tests ask beside the workspace's own interface: every stored row at once, visible or not. */
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/memory.h"
#include "emulator/databricks.h"
#include "emulator/lakehouse_sqlite.h"

static int64_t
count_rows(sqlite3 *db, const struct lake_table *t)
{
	struct buffer sql = BUFFER_INIT;
	sqlite3_stmt *s = NULL;
	int64_t n = 0;

	buffer_append_text(&sql, "SELECT count(*) FROM ");
	lake_table_sqlite_name(t, &sql);
	if (sqlite3_prepare_v2(db, buffer_text(&sql), -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	buffer_release(&sql);
	return n;
}

/* [{"name": "main.crm.events", "rows": 3}, …] */
void
admin_tables_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	struct error e = ERROR_INIT;
	sqlite3 *db = lakehouse_borrow_reader(d->lakehouse, &e);
	struct lake_table **tables;
	struct json *list;
	size_t count;

	(void)r;
	if (db == NULL) {
		web_refuse(a, 500, e.text);
		return;
	}
	list = json_array();
	count = lakehouse_tables(d->lakehouse, NULL, NULL, &tables);
	for (size_t i = 0; i < count; i++) {
		struct json *j = json_object();
		struct buffer name = BUFFER_INIT;

		lake_table_full_name(tables[i], &name);
		json_set_string(j, "name", buffer_text(&name));
		json_set_int64(j, "rows", count_rows(db, tables[i]));
		json_add(list, j);
		buffer_release(&name);
		lake_table_unref(tables[i]);
	}
	free(tables);
	lakehouse_return_reader(d->lakehouse, db);
	web_json(a, 200, list);
}

/* The columns asked for, as SQLite's select list; false: one is not there. */
static bool
select_list(const struct lake_table *t, char *columns, struct buffer *sql, const char **names, size_t *count)
{
	char *rest = NULL;

	*count = 0;
	if (columns == NULL) {
		for (size_t i = 0; i < t->column_count; i++)
			names[(*count)++] = t->columns[i].name;
	} else {
		for (char *c = strtok_r(columns, ",", &rest); c != NULL; c = strtok_r(NULL, ",", &rest)) {
			int at = lake_table_column(t, text_of(c));

			if (at < 0 || *count == t->column_count)
				return false;
			names[(*count)++] = t->columns[at].name;
		}
	}
	for (size_t i = 0; i < *count; i++) {
		buffer_append_text(sql, i ? ", " : "SELECT ");
		lakehouse_quote(sql, names[i]);
	}
	buffer_append_text(sql, " FROM ");
	lake_table_sqlite_name(t, sql);
	buffer_append_text(sql, " ORDER BY _rowid_");
	return *count > 0;
}

static void
append_value(sqlite3_stmt *s, int i, struct buffer *out)
{
	struct text bytes = text_span(sqlite3_column_blob(s, i), (size_t)sqlite3_column_bytes(s, i));

	switch (sqlite3_column_type(s, i)) {
	case SQLITE_NULL:
		buffer_append_text(out, "null");
		break;
	case SQLITE_INTEGER:
		json_text_int64(out, sqlite3_column_int64(s, i));
		break;
	case SQLITE_FLOAT:
		json_text_double(out, sqlite3_column_double(s, i));
		break;
	case SQLITE_TEXT:
		json_text_string(out, bytes);
		break;
	default:
		buffer_append_byte(out, '"');
		buffer_append_base64(out, bytes.data, bytes.len);
		buffer_append_byte(out, '"');
		break;
	}
}

static void
write_rows(sqlite3 *db, const char *sql, const char **names, size_t count, struct buffer *out)
{
	sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		return;
	while (sqlite3_step(s) == SQLITE_ROW) {
		for (size_t i = 0; i < count; i++) {
			buffer_append_byte(out, i ? ',' : '{');
			json_text_string(out, text_of(names[i]));
			buffer_append_byte(out, ':');
			append_value(s, (int)i, out);
		}
		buffer_append_text(out, "}\n");
	}
	sqlite3_finalize(s);
}

/* ?table=main.crm.events[&columns=event_id,…]: one JSON object a line, in the order of storing. */
void
admin_rows_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	char *name = web_query_value(r, "table"), *columns = web_query_value(r, "columns");
	char *first = name ? strchr(name, '.') : NULL, *second = first ? strchr(first + 1, '.') : NULL;
	struct lake_table *t = NULL;
	struct buffer sql = BUFFER_INIT;
	struct error e = ERROR_INIT;
	const char **names = NULL;
	sqlite3 *db;
	size_t count;

	if (second != NULL) {
		*first = *second = '\0';
		t = lakehouse_find(d->lakehouse, (struct lake_name){name, first + 1, second + 1});
	}
	if (t == NULL) {
		web_text(a, 404, NULL, "no such table; ask for ?table=catalog.schema.table[&columns=a,b]\n");
		goto out;
	}
	names = memory_zero(t->column_count + 1, sizeof(*names));
	if (!select_list(t, columns, &sql, names, &count)) {
		web_text(a, 404, NULL, "no such column\n");
		goto out;
	}
	db = lakehouse_borrow_reader(d->lakehouse, &e);
	if (db == NULL) {
		web_refuse(a, 500, e.text);
		goto out;
	}
	web_text(a, 200, "application/x-ndjson", "");
	write_rows(db, buffer_text(&sql), names, count, &a->body);
	lakehouse_return_reader(d->lakehouse, db);
out:
	lake_table_unref(t);
	buffer_release(&sql);
	free(names);
	free(name);
	free(columns);
}

const struct web_route workspace_admin_routes[] = {
    {"GET", "/tables", NULL, admin_tables_get, NULL},
    {"GET", "/rows", NULL, admin_rows_get, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

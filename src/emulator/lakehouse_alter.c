/* ALTER TABLE: a copy of the table is changed, with SQLite's own, and takes its place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/lakehouse_private.h"

static struct lake_table *
copy_table(const struct lake_table *from)
{
	struct lake_definition d = {.name = {from->catalog, from->schema, from->name},
	    .columns = from->columns,
	    .column_count = from->column_count,
	    .comment = from->comment,
	    .properties = from->properties,
	    .property_count = from->property_count};
	struct lake_table *t = lakehouse_table_from(&d, from->created_ms);

	t->id = from->id;
	memcpy(t->uuid, from->uuid, sizeof(t->uuid));
	return t;
}

/* Delta's type widening. */
static bool
may_widen(const struct lake_type *from, const struct lake_type *to)
{
	if (lake_type_equal(from, to))
		return true;
	if (lake_kind_is_integer(from->kind) && lake_kind_is_integer(to->kind))
		return to->kind > from->kind;
	if (from->kind == LAKE_DECIMAL && to->kind == LAKE_DECIMAL)
		return to->scale >= from->scale && to->precision - to->scale >= from->precision - from->scale;
	if (lake_kind_is_text(from->kind) && lake_kind_is_text(to->kind))
		return to->kind == LAKE_STRING || to->precision > from->precision;
	return (from->kind == LAKE_FLOAT && to->kind == LAKE_DOUBLE) ||
	    (lake_kind_is_integer(from->kind) && from->kind != LAKE_LONG && to->kind == LAKE_DOUBLE) ||
	    (from->kind == LAKE_DATE && to->kind == LAKE_TIMESTAMP_NTZ);
}

static int
alter_sql(struct lakehouse *l, const struct lake_table *t, const char *verb, const char *first, const char *between,
    const char *second, struct error *e)
{
	struct buffer sql = BUFFER_INIT;
	int rc;

	buffer_append_text(&sql, "ALTER TABLE ");
	lake_table_sqlite_name(t, &sql);
	buffer_append_format(&sql, " %s ", verb);
	lakehouse_quote(&sql, first);
	buffer_append_text(&sql, between);
	if (second != NULL)
		lakehouse_quote(&sql, second);
	rc = lakehouse_execute(l->db, buffer_text(&sql), e);
	buffer_release(&sql);
	return rc;
}

static int
add_column(struct lakehouse *l, struct lake_table *t, const struct lake_field *column, struct error *e)
{
	char type[32];

	if (lake_table_column(t, text_of(column->name)) >= 0)
		return error_set(e, ERR_CONFIG, "column \"%s\" already exists", column->name);
	snprintf(type, sizeof(type), " %s", lake_type_sqlite(column->type->kind));
	t->columns = memory_grow(t->columns, t->column_count + 1, sizeof(*t->columns));
	lake_field_copy(&t->columns[t->column_count], column);
	t->columns[t->column_count++].nullable = true;
	return alter_sql(l, t, "ADD COLUMN", column->name, type, NULL, e);
}

static int
drop_column(struct lakehouse *l, struct lake_table *t, size_t at, struct error *e)
{
	if (t->column_count == 1)
		return error_set(e, ERR_MISFIT, "cannot drop the only column \"%s\"", t->columns[at].name);
	if (alter_sql(l, t, "DROP COLUMN", t->columns[at].name, "", NULL, e) < 0)
		return -1;
	lake_field_release(&t->columns[at]);
	t->column_count--;
	memmove(t->columns + at, t->columns + at + 1, (t->column_count - at) * sizeof(*t->columns));
	return 0;
}

/* NOT NULL may be set on a column only that holds no null. */
static int
set_nullable(struct lakehouse *l, struct lake_table *t, struct lake_field *f, bool nullable, struct error *e)
{
	struct buffer sql = BUFFER_INIT;
	sqlite3_stmt *s = NULL;
	bool nulls;

	f->nullable = nullable;
	if (nullable)
		return 0;
	buffer_append_text(&sql, "SELECT 1 FROM ");
	lake_table_sqlite_name(t, &sql);
	buffer_append_text(&sql, " WHERE ");
	lakehouse_quote(&sql, f->name);
	buffer_append_text(&sql, " IS NULL");
	sqlite3_prepare_v2(l->db, buffer_text(&sql), -1, &s, NULL);
	nulls = sqlite3_step(s) == SQLITE_ROW;
	sqlite3_finalize(s);
	buffer_release(&sql);
	return nulls ? error_set(e, ERR_MISFIT, "column \"%s\" holds nulls", f->name) : 0;
}

static void
set_text(char **to, const char *from)
{
	free(*to);
	*to = memory_strdup(from);
}

static void
set_property(struct lake_table *t, const char *key, const char *value)
{
	for (size_t i = 0; i < t->property_count; i++) {
		if (strcmp(t->properties[i].key, key) != 0)
			continue;
		if (value != NULL) {
			set_text(&t->properties[i].value, value);
			return;
		}
		free(t->properties[i].key);
		free(t->properties[i].value);
		t->properties[i] = t->properties[--t->property_count];
		return;
	}
	if (value == NULL)
		return;
	t->properties = memory_grow(t->properties, t->property_count + 1, sizeof(*t->properties));
	t->properties[t->property_count++] =
	    (struct lake_property){.key = memory_strdup(key), .value = memory_strdup(value)};
}

static int
rename_table(struct lakehouse *l, struct lake_table *t, const char *to, struct error *e)
{
	struct buffer full = BUFFER_INIT;
	struct lake_table *there = lakehouse_find(l, (struct lake_name){t->catalog, t->schema, to});
	int rc;

	if (there != NULL) {
		lake_table_unref(there);
		return error_set(e, ERR_CONFIG, "table \"%s.%s.%s\" already exists", t->catalog, t->schema, to);
	}
	buffer_append_format(&full, "%s.%s.%s", t->catalog, t->schema, to);
	rc = alter_sql(l, t, "RENAME TO", buffer_text(&full), "", NULL, e);
	buffer_release(&full);
	if (rc == 0)
		set_text(&t->name, to);
	return rc;
}

static int
change_column(struct lakehouse *l, struct lake_table *t, const struct lake_change *c, struct error *e)
{
	int at = lake_table_column(t, text_of(c->name));
	struct lake_field *f;

	if (at < 0)
		return error_set(e, ERR_NOT_FOUND, "column \"%s\" does not exist", c->name);
	f = &t->columns[at];
	switch (c->kind) {
	case LAKE_DROP_COLUMN:
		return drop_column(l, t, (size_t)at, e);
	case LAKE_RENAME_COLUMN:
		if (lake_table_column(t, text_of(c->text)) >= 0)
			return error_set(e, ERR_CONFIG, "column \"%s\" already exists", c->text);
		if (alter_sql(l, t, "RENAME COLUMN", f->name, " TO ", c->text, e) < 0)
			return -1;
		set_text(&f->name, c->text);
		return 0;
	case LAKE_COLUMN_TYPE:
		if (!may_widen(f->type, c->column.type))
			return error_set(e, ERR_MISFIT, "column \"%s\" cannot change to that type", f->name);
		lake_type_free(f->type);
		f->type = lake_type_clone(c->column.type);
		return 0;
	case LAKE_COLUMN_NULLABLE:
		return set_nullable(l, t, f, c->column.nullable, e);
	default:
		set_text(&f->comment, c->text);
		return 0;
	}
}

static int
change(struct lakehouse *l, struct lake_table *t, const struct lake_change *c, struct error *e)
{
	switch (c->kind) {
	case LAKE_ADD_COLUMN:
		return add_column(l, t, &c->column, e);
	case LAKE_TABLE_COMMENT:
		set_text(&t->comment, c->text);
		return 0;
	case LAKE_RENAME_TABLE:
		return rename_table(l, t, c->text, e);
	case LAKE_SET_PROPERTY:
	case LAKE_UNSET_PROPERTY:
		set_property(t, c->name, c->kind == LAKE_SET_PROPERTY ? c->text : NULL);
		return 0;
	default:
		return change_column(l, t, c, e);
	}
}

int
lakehouse_alter(struct lakehouse *l, struct lake_name name, const struct lake_change *changes, size_t count,
    struct error *e)
{
	struct lake_table *old, *t;
	struct table_state *s;
	int rc = 0;

	if (lakehouse_begin(l, e) < 0)
		return -1;
	old = lakehouse_find(l, name);
	t = old == NULL ? NULL : copy_table(old);
	if (old == NULL)
		rc = lakehouse_no_such_table(name, e);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = change(l, t, &changes[i], e);
	if (rc == 0) {
		t->updated_ms = lakehouse_now_ms(l);
		rc = lakehouse_save_definition(l, t, e);
	}
	if (lakehouse_commit(l, rc, e) < 0) {
		lake_table_unref(t);
		lake_table_unref(old);
		return -1;
	}
	t->version = ++l->version;
	s = lakehouse_state_by_id(l, t->id);
	lake_table_unref(s->table);
	s->table = t;
	lakehouse_end(l);
	lake_table_unref(old);
	return 0;
}

/* Changes of the catalog: each is one transaction of the writer, and only then one of memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/memory.h"
#include "emulator/lakehouse_private.h"

/* Runs one statement with text parameters (NULL: a null). */
static int
run(sqlite3 *db, const char *sql, int count, const char *const *values, struct error *e)
{
	sqlite3_stmt *s = NULL;
	int step;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		return lakehouse_sqlite_error(db, "lakehouse", e);
	for (int i = 0; i < count; i++)
		sqlite3_bind_text(s, i + 1, values[i], -1, SQLITE_STATIC);
	step = sqlite3_step(s);
	sqlite3_finalize(s);
	return step == SQLITE_DONE ? 0 : lakehouse_sqlite_error(db, "lakehouse", e);
}

int
lakehouse_begin(struct lakehouse *l, struct error *e)
{
	pthread_mutex_lock(&l->write_lock);
	if (lakehouse_execute(l->db, "BEGIN IMMEDIATE", e) == 0)
		return 0;
	pthread_mutex_unlock(&l->write_lock);
	return -1;
}

int
lakehouse_commit(struct lakehouse *l, int rc, struct error *e)
{
	if (rc == 0 && lakehouse_execute(l->db, "COMMIT", e) == 0) {
		pthread_mutex_lock(&l->lock);
		return 0;
	}
	sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
	pthread_mutex_unlock(&l->write_lock);
	return -1;
}

void
lakehouse_end(struct lakehouse *l)
{
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_unlock(&l->write_lock);
}

/* ---- catalogs and schemas ---- */

static int
create_namespace(struct lakehouse *l, const char *catalog, const char *schema, const char *comment, struct error *e)
{
	int64_t now = lakehouse_now_ms(l);
	char created[24];
	const char *values[] = {catalog, schema, comment, created};
	int rc;

	snprintf(created, sizeof(created), "%lld", (long long)now);
	if (lakehouse_begin(l, e) < 0)
		return -1;
	if (lakehouse_has_schema(l, catalog, schema))
		rc = error_set(e, ERR_CONFIG, "%s \"%s%s%s\" already exists", schema ? "schema" : "catalog", catalog,
		    schema ? "." : "", schema ? schema : "");
	else if (schema != NULL && !lakehouse_has_catalog(l, catalog))
		rc = error_set(e, ERR_NOT_FOUND, "catalog \"%s\" does not exist", catalog);
	else
		rc = run(l->db, "INSERT INTO _sfzb_namespaces VALUES (?, ?, ?, ?)", 4, values, e);
	if (lakehouse_commit(l, rc, e) < 0)
		return -1;
	lakehouse_add_namespace(l, (struct lake_namespace){.catalog = memory_strdup(catalog),
				       .schema = memory_strdup(schema),
				       .comment = memory_strdup(comment),
				       .created_ms = now});
	lakehouse_end(l);
	return 0;
}

int
lakehouse_create_schema(struct lakehouse *l, const char *catalog, const char *schema, const char *comment,
    struct error *e)
{
	return create_namespace(l, catalog, schema, comment, e);
}

int
lakehouse_create_catalog(struct lakehouse *l, const char *catalog, const char *comment, struct error *e)
{
	if (create_namespace(l, catalog, NULL, comment, e) < 0)
		return -1;
	return create_namespace(l, catalog, "default", NULL, e);
}

static void
forget_namespace(struct lakehouse *l, const struct lake_namespace *n)
{
	size_t i = (size_t)(n - l->namespaces);

	free(l->namespaces[i].catalog);
	free(l->namespaces[i].schema);
	free(l->namespaces[i].comment);
	l->namespace_count--;
	memmove(l->namespaces + i, l->namespaces + i + 1, (l->namespace_count - i) * sizeof(*l->namespaces));
}

/* Drops what a namespace holds; schemas of a catalog too. */
static int
empty_namespace(struct lakehouse *l, const char *catalog, const char *schema, bool cascade, struct error *e)
{
	struct lake_table **tables;
	size_t count = lakehouse_tables(l, catalog, schema, &tables);
	int rc = 0;

	for (size_t i = 0; i < count; i++) {
		struct lake_name name = {tables[i]->catalog, tables[i]->schema, tables[i]->name};

		if (rc == 0 && cascade)
			rc = lakehouse_drop_table(l, name, e);
		lake_table_unref(tables[i]);
	}
	free(tables);
	if (count > 0 && !cascade)
		return error_set(e, ERR_MISFIT, "schema \"%s.%s\" is not empty", catalog, schema ? schema : "*");
	return rc;
}

int
lakehouse_drop_namespace(struct lakehouse *l, const char *catalog, const char *schema, bool cascade, struct error *e)
{
	const char *values[] = {catalog, schema};
	struct lake_namespace *n;
	int rc = 0;

	if (!lakehouse_has_schema(l, catalog, schema))
		return error_set(e, ERR_NOT_FOUND, "%s \"%s%s%s\" does not exist", schema ? "schema" : "catalog",
		    catalog, schema ? "." : "", schema ? schema : "");
	if (empty_namespace(l, catalog, schema, cascade, e) < 0 || lakehouse_begin(l, e) < 0)
		return -1;
	rc = run(l->db,
	    schema ? "DELETE FROM _sfzb_namespaces WHERE catalog = ? COLLATE NOCASE AND schema = ? COLLATE NOCASE" :
		     "DELETE FROM _sfzb_namespaces WHERE catalog = ? COLLATE NOCASE",
	    schema ? 2 : 1, values, e);
	if (lakehouse_commit(l, rc, e) < 0)
		return -1;
	for (size_t i = l->namespace_count; i-- > 0;) {
		n = &l->namespaces[i];
		if (strcasecmp(n->catalog, catalog) == 0 &&
		    (schema == NULL || (n->schema != NULL && strcasecmp(n->schema, schema) == 0)))
			forget_namespace(l, n);
	}
	lakehouse_end(l);
	return 0;
}

/* ---- tables ---- */

static int
check_columns(const struct lake_field *columns, size_t count, struct error *e)
{
	if (count > LIMIT_COLUMNS - 1)
		return error_set(e, ERR_MISFIT, "more than %d columns", LIMIT_COLUMNS - 1);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (strcasecmp(columns[i].name, columns[j].name) == 0)
				return error_set(e, ERR_MISFIT, "column \"%s\" is there twice", columns[i].name);
	return 0;
}

struct lake_table *
lakehouse_table_from(const struct lake_definition *d, int64_t now)
{
	struct lake_table *t = memory_zero(1, sizeof(*t));

	t->refs = 1;
	t->catalog = memory_strdup(d->name.catalog);
	t->schema = memory_strdup(d->name.schema);
	t->name = memory_strdup(d->name.table);
	t->comment = memory_strdup(d->comment);
	t->created_ms = t->updated_ms = now;
	random_uuid(t->uuid);
	t->columns = memory_zero(d->column_count + 1, sizeof(*t->columns));
	t->column_count = d->column_count;
	for (size_t i = 0; i < d->column_count; i++)
		lake_field_copy(&t->columns[i], &d->columns[i]);
	t->properties = memory_zero(d->property_count + 1, sizeof(*t->properties));
	t->property_count = d->property_count;
	for (size_t i = 0; i < d->property_count; i++)
		t->properties[i] = (struct lake_property){.key = memory_strdup(d->properties[i].key),
		    .value = memory_strdup(d->properties[i].value)};
	return t;
}

static int
create_storage(struct lakehouse *l, const struct lake_table *t, struct error *e)
{
	struct buffer sql = BUFFER_INIT;
	int rc;

	buffer_append_text(&sql, "CREATE TABLE ");
	lake_table_sqlite_name(t, &sql);
	buffer_append_text(&sql, "(");
	for (size_t i = 0; i < t->column_count; i++) {
		buffer_append_text(&sql, i ? ", " : "");
		lakehouse_quote(&sql, t->columns[i].name);
		buffer_append_format(&sql, " %s", lake_type_sqlite(t->columns[i].type->kind));
	}
	/* SQLite has no table without a column */
	buffer_append_text(&sql, t->column_count ? ")" : "_sfzb_none)");
	rc = lakehouse_execute(l->db, buffer_text(&sql), e);
	buffer_release(&sql);
	return rc;
}

int
lakehouse_save_definition(struct lakehouse *l, struct lake_table *t, struct error *e)
{
	struct json *j = lakehouse_definition(t);
	struct buffer text = BUFFER_INIT;
	char id[24];
	const char *values[] = {t->catalog, t->schema, t->name, NULL, id};
	int rc;

	json_write(&text, j, false);
	json_free(j);
	values[3] = buffer_text(&text);
	snprintf(id, sizeof(id), "%lld", (long long)t->id);
	if (t->id == 0) {
		rc = run(l->db, "INSERT INTO _sfzb_tables(catalog, schema, name, definition) VALUES (?, ?, ?, ?)", 4,
		    values, e);
		t->id = sqlite3_last_insert_rowid(l->db);
	} else {
		rc = run(l->db, "UPDATE _sfzb_tables SET catalog = ?, schema = ?, name = ?, definition = ? WHERE id = ?",
		    5, values, e);
	}
	buffer_release(&text);
	return rc;
}

int
lakehouse_create_table(struct lakehouse *l, const struct lake_definition *d, struct error *e)
{
	struct lake_table *t, *there;
	int rc;

	if (!lakehouse_has_catalog(l, d->name.catalog))
		return error_set(e, ERR_NOT_FOUND, "catalog \"%s\" does not exist", d->name.catalog);
	if (!lakehouse_has_schema(l, d->name.catalog, d->name.schema))
		return error_set(e, ERR_NOT_FOUND, "schema \"%s.%s\" does not exist", d->name.catalog, d->name.schema);
	if (check_columns(d->columns, d->column_count, e) < 0 || lakehouse_begin(l, e) < 0)
		return -1;
	t = lakehouse_table_from(d, lakehouse_now_ms(l));
	there = lakehouse_find(l, d->name);
	if (there != NULL)
		rc = error_set(e, ERR_CONFIG, "table \"%s.%s.%s\" already exists", there->catalog, there->schema,
		    there->name);
	else
		rc = create_storage(l, t, e) < 0 || lakehouse_save_definition(l, t, e) < 0 ? -1 : 0;
	lake_table_unref(there);
	if (lakehouse_commit(l, rc, e) < 0) {
		lake_table_unref(t);
		return -1;
	}
	t->version = ++l->version;
	lakehouse_add_table(l, t, 1);
	lakehouse_end(l);
	return 0;
}

int
lakehouse_no_such_table(struct lake_name name, struct error *e)
{
	return error_set(e, ERR_NOT_FOUND, "table \"%s.%s.%s\" does not exist", name.catalog, name.schema, name.table);
}

int
lakehouse_drop_table(struct lakehouse *l, struct lake_name name, struct error *e)
{
	struct lake_table *t;
	struct buffer sql = BUFFER_INIT;
	struct table_state *s;
	int rc;

	if (lakehouse_begin(l, e) < 0)
		return -1;
	t = lakehouse_find(l, name);
	if (t == NULL) {
		rc = lakehouse_no_such_table(name, e);
	} else {
		buffer_append_format(&sql, "DELETE FROM _sfzb_tables WHERE id = %lld; DROP TABLE ", (long long)t->id);
		lake_table_sqlite_name(t, &sql);
		rc = lakehouse_execute(l->db, buffer_text(&sql), e);
	}
	buffer_release(&sql);
	if (lakehouse_commit(l, rc, e) < 0) {
		lake_table_unref(t);
		return -1;
	}
	s = lakehouse_state_by_id(l, t->id);
	lake_table_unref(s->table);
	free(s->pending);
	*s = l->tables[--l->table_count];
	lakehouse_end(l);
	lake_table_unref(t);
	return 0;
}

/* ---- grants ---- */

static struct lake_grant *
find_grant(struct lakehouse *l, const char *principal, const char *privilege, const char *object)
{
	for (size_t i = 0; i < l->grant_count; i++)
		if (strcmp(l->grants[i].principal, principal) == 0 &&
		    strcasecmp(l->grants[i].privilege, privilege) == 0 && strcasecmp(l->grants[i].object, object) == 0)
			return &l->grants[i];
	return NULL;
}

int
lakehouse_grant(struct lakehouse *l, const struct lake_grant *g, struct error *e)
{
	const char *values[] = {g->principal, g->privilege, g->object_type, g->object, g->revoked ? "1" : "0"};
	struct lake_grant *there;
	int rc;

	if (lakehouse_begin(l, e) < 0)
		return -1;
	rc = run(l->db, "INSERT OR REPLACE INTO _sfzb_grants VALUES (?, ?, ?, ?, ?)", 5, values, e);
	if (lakehouse_commit(l, rc, e) < 0)
		return -1;
	there = find_grant(l, g->principal, g->privilege, g->object);
	if (there == NULL)
		there = lakehouse_add_grant(l, (struct lake_grant){.principal = memory_strdup(g->principal),
						   .privilege = memory_strdup(g->privilege),
						   .object_type = memory_strdup(g->object_type),
						   .object = memory_strdup(g->object)});
	there->revoked = g->revoked;
	lakehouse_end(l);
	return 0;
}

size_t
lakehouse_grants(struct lakehouse *l, const char *object, struct lake_grant **out)
{
	size_t n = 0;

	pthread_mutex_lock(&l->lock);
	*out = memory_zero(l->grant_count + 1, sizeof(**out));
	for (size_t i = 0; i < l->grant_count; i++) {
		const struct lake_grant *g = &l->grants[i];

		if (g->revoked || (object != NULL && strcasecmp(g->object, object) != 0))
			continue;
		(*out)[n++] = (struct lake_grant){.principal = memory_strdup(g->principal),
		    .privilege = memory_strdup(g->privilege),
		    .object_type = memory_strdup(g->object_type),
		    .object = memory_strdup(g->object)};
	}
	pthread_mutex_unlock(&l->lock);
	return n;
}

void
lake_grants_free(struct lake_grant *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].principal);
		free(list[i].privilege);
		free(list[i].object_type);
		free(list[i].object);
	}
	free(list);
}

bool
lakehouse_is_denied(struct lakehouse *l, const char *principal, const char *privilege, const char *object)
{
	const struct lake_grant *one, *all;
	bool denied;

	pthread_mutex_lock(&l->lock);
	one = find_grant(l, principal, privilege, object);
	all = find_grant(l, principal, "ALL PRIVILEGES", object);
	denied = one != NULL ? one->revoked : all != NULL && all->revoked;
	pthread_mutex_unlock(&l->lock);
	return denied;
}

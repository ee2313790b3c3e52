#include "emulator/lakehouse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "emulator/lakehouse_private.h"

#define READER_CACHE_KB 4096
#define WRITER_CACHE_KB 32768 /* the pages of a transaction */

static lakehouse_prepare_connection *prepare_connection;

void
lakehouse_set_prepare(lakehouse_prepare_connection *prepare)
{
	prepare_connection = prepare;
}

int
lakehouse_sqlite_error(sqlite3 *db, const char *doing, struct error *e)
{
	return error_set(e, ERR_UNAVAILABLE, "%s: %s", doing, db ? sqlite3_errmsg(db) : "out of memory");
}

int
lakehouse_execute(sqlite3 *db, const char *sql, struct error *e)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return lakehouse_sqlite_error(db, "lakehouse", e);
}

int64_t
lakehouse_now_ms(struct lakehouse *l)
{
	return clock_wall_ms(l->options.clock);
}

void
lakehouse_quote(struct buffer *out, const char *name)
{
	buffer_append_byte(out, '"');
	for (; *name != '\0'; name++) {
		if (*name == '"')
			buffer_append_byte(out, '"');
		buffer_append_byte(out, (uint8_t)*name);
	}
	buffer_append_byte(out, '"');
}

/* ---- tables in memory ---- */

struct lake_table *
lake_table_ref(struct lake_table *t)
{
	__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
	return t;
}

void
lake_table_unref(struct lake_table *t)
{
	if (t == NULL || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < t->column_count; i++)
		lake_field_release(&t->columns[i]);
	for (size_t i = 0; i < t->property_count; i++) {
		free(t->properties[i].key);
		free(t->properties[i].value);
	}
	free(t->columns);
	free(t->properties);
	free(t->catalog);
	free(t->schema);
	free(t->name);
	free(t->comment);
	free(t);
}

int
lake_table_column(const struct lake_table *t, struct text name)
{
	for (size_t i = 0; i < t->column_count; i++)
		if (strncasecmp(t->columns[i].name, name.data, name.len) == 0 &&
		    t->columns[i].name[name.len] == '\0')
			return (int)i;
	return -1;
}

void
lake_table_full_name(const struct lake_table *t, struct buffer *out)
{
	buffer_append_format(out, "%s.%s.%s", t->catalog, t->schema, t->name);
}

void
lake_table_sqlite_name(const struct lake_table *t, struct buffer *out)
{
	struct buffer name = BUFFER_INIT;

	lake_table_full_name(t, &name);
	lakehouse_quote(out, buffer_text(&name));
	buffer_release(&name);
}

/* With lock held. */
static struct table_state *
lakehouse_state(struct lakehouse *l, struct lake_name name)
{
	for (size_t i = 0; i < l->table_count; i++) {
		const struct lake_table *t = l->tables[i].table;

		if (strcasecmp(t->name, name.table) == 0 && strcasecmp(t->schema, name.schema) == 0 &&
		    strcasecmp(t->catalog, name.catalog) == 0)
			return &l->tables[i];
	}
	return NULL;
}

struct table_state *
lakehouse_state_by_id(struct lakehouse *l, int64_t id)
{
	for (size_t i = 0; i < l->table_count; i++)
		if (l->tables[i].table->id == id)
			return &l->tables[i];
	return NULL;
}

/* With lock held. */
static struct lake_namespace *
lakehouse_namespace(struct lakehouse *l, const char *catalog, const char *schema)
{
	for (size_t i = 0; i < l->namespace_count; i++) {
		struct lake_namespace *n = &l->namespaces[i];

		if (strcasecmp(n->catalog, catalog) == 0 && (n->schema == NULL) == (schema == NULL) &&
		    (schema == NULL || strcasecmp(n->schema, schema) == 0))
			return n;
	}
	return NULL;
}

struct lake_table *
lakehouse_find(struct lakehouse *l, struct lake_name name)
{
	struct table_state *s;
	struct lake_table *t = NULL;

	pthread_mutex_lock(&l->lock);
	s = lakehouse_state(l, name);
	if (s != NULL)
		t = lake_table_ref(s->table);
	pthread_mutex_unlock(&l->lock);
	return t;
}

static int
by_name(const void *a, const void *b)
{
	const struct lake_table *x = *(struct lake_table *const *)a, *y = *(struct lake_table *const *)b;
	int c = strcmp(x->catalog, y->catalog);

	if (c == 0)
		c = strcmp(x->schema, y->schema);
	return c != 0 ? c : strcmp(x->name, y->name);
}

size_t
lakehouse_tables(struct lakehouse *l, const char *catalog, const char *schema, struct lake_table ***out)
{
	size_t n = 0;

	pthread_mutex_lock(&l->lock);
	*out = memory_zero(l->table_count + 1, sizeof(**out));
	for (size_t i = 0; i < l->table_count; i++) {
		struct lake_table *t = l->tables[i].table;

		if ((catalog == NULL || strcasecmp(t->catalog, catalog) == 0) &&
		    (schema == NULL || strcasecmp(t->schema, schema) == 0))
			(*out)[n++] = lake_table_ref(t);
	}
	pthread_mutex_unlock(&l->lock);
	qsort(*out, n, sizeof(**out), by_name);
	return n;
}

size_t
lakehouse_namespaces(struct lakehouse *l, const char *catalog, struct lake_namespace **out)
{
	size_t n = 0;

	pthread_mutex_lock(&l->lock);
	*out = memory_zero(l->namespace_count + 1, sizeof(**out));
	for (size_t i = 0; i < l->namespace_count; i++) {
		const struct lake_namespace *from = &l->namespaces[i];

		if (catalog == NULL ? from->schema != NULL :
				      from->schema == NULL || strcasecmp(from->catalog, catalog) != 0)
			continue;
		(*out)[n++] = (struct lake_namespace){.catalog = memory_strdup(from->catalog),
		    .schema = memory_strdup(from->schema),
		    .comment = memory_strdup(from->comment),
		    .created_ms = from->created_ms};
	}
	pthread_mutex_unlock(&l->lock);
	return n;
}

void
lake_namespaces_free(struct lake_namespace *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].catalog);
		free(list[i].schema);
		free(list[i].comment);
	}
	free(list);
}

bool
lakehouse_has_catalog(struct lakehouse *l, const char *catalog)
{
	return lakehouse_has_schema(l, catalog, NULL);
}

bool
lakehouse_has_schema(struct lakehouse *l, const char *catalog, const char *schema)
{
	bool there;

	pthread_mutex_lock(&l->lock);
	there = lakehouse_namespace(l, catalog, schema) != NULL;
	pthread_mutex_unlock(&l->lock);
	return there;
}

/* ---- what memory holds ---- */

void
lakehouse_add_table(struct lakehouse *l, struct lake_table *t, int64_t next_row)
{
	l->tables = memory_reserve(l->tables, &l->table_capacity, l->table_count + 1, sizeof(*l->tables));
	l->tables[l->table_count++] = (struct table_state){.table = t, .next_row = next_row};
}

void
lakehouse_add_namespace(struct lakehouse *l, struct lake_namespace n)
{
	l->namespaces = memory_reserve(l->namespaces, &l->namespace_capacity, l->namespace_count + 1,
	    sizeof(*l->namespaces));
	l->namespaces[l->namespace_count++] = n;
}

struct lake_grant *
lakehouse_add_grant(struct lakehouse *l, struct lake_grant g)
{
	l->grants = memory_reserve(l->grants, &l->grant_capacity, l->grant_count + 1, sizeof(*l->grants));
	l->grants[l->grant_count] = g;
	return &l->grants[l->grant_count++];
}

/* ---- opening ---- */

static int
open_connection(struct lakehouse *l, sqlite3 **db, int cache_kb, struct error *e)
{
	char pragma[128];

	if (sqlite3_open_v2(l->path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
		NULL) != SQLITE_OK) {
		error_set(e, ERR_UNAVAILABLE, "cannot open \"%s\": %s", l->path,
		    *db ? sqlite3_errmsg(*db) : "out of memory");
		goto fail;
	}
	sqlite3_extended_result_codes(*db, 1);
	/* "x" is a name that is there or an error, never a string */
	sqlite3_db_config(*db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_busy_timeout(*db, 10000);
	/* pages of 16 kB: an event's row of some kB stays in one page */
	snprintf(pragma, sizeof(pragma),
	    "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=%s; PRAGMA cache_size=-%d;",
	    l->options.synchronous_full ? "FULL" : "NORMAL", cache_kb);
	if (lakehouse_execute(*db, pragma, e) < 0 ||
	    lakehouse_execute(*db, "PRAGMA case_sensitive_like=ON; PRAGMA wal_autocheckpoint=2000", e) < 0)
		goto fail;
	if (prepare_connection != NULL && prepare_connection(*db) != SQLITE_OK) {
		lakehouse_sqlite_error(*db, "lakehouse", e);
		goto fail;
	}
	return 0;
fail:
	sqlite3_close(*db);
	*db = NULL;
	return -1;
}

sqlite3 *
lakehouse_borrow_reader(struct lakehouse *l, struct error *e)
{
	sqlite3 *db = NULL;

	pthread_mutex_lock(&l->lock);
	if (l->reader_count > 0)
		db = l->readers[--l->reader_count];
	pthread_mutex_unlock(&l->lock);
	if (db == NULL && open_connection(l, &db, READER_CACHE_KB, e) < 0)
		return NULL;
	return db;
}

void
lakehouse_return_reader(struct lakehouse *l, sqlite3 *db)
{
	bool kept = false;

	pthread_mutex_lock(&l->lock);
	if (l->reader_count < LAKEHOUSE_READERS) {
		l->readers[l->reader_count++] = db;
		kept = true;
	}
	pthread_mutex_unlock(&l->lock);
	if (!kept)
		sqlite3_close(db);
}

static int
load_columns(struct lake_table *t, const struct json *columns, struct error *e)
{
	t->columns = memory_zero(json_count(columns) + 1, sizeof(*t->columns));
	for (const struct json *c = json_first(columns); c != NULL; c = json_next(c))
		if (lake_field_from_json(&t->columns[t->column_count++], c, e) < 0)
			return -1;
	return 0;
}

static int
load_definition(struct lake_table *t, struct text definition, struct error *e)
{
	struct json *j = json_parse(definition, e);
	const struct json *properties = json_find(j, "properties");
	const char *uuid = json_find_string(j, "table_id");
	int rc;

	if (j == NULL)
		return -1;
	snprintf(t->uuid, sizeof(t->uuid), "%s", uuid ? uuid : "");
	t->comment = memory_strdup(json_find_string(j, "comment"));
	t->created_ms = json_find_int64(j, "created_at", 0);
	t->updated_ms = json_find_int64(j, "updated_at", 0);
	t->properties = memory_zero(json_count(properties) + 1, sizeof(*t->properties));
	for (const struct json *p = json_first(properties); p != NULL; p = json_next(p))
		if (json_string(p) != NULL)
			t->properties[t->property_count++] = (struct lake_property){
			    .key = memory_strdup(json_key(p)), .value = memory_strdup(json_string(p))};
	rc = load_columns(t, json_find(j, "columns"), e);
	json_free(j);
	return rc;
}

struct json *
lakehouse_definition(const struct lake_table *t)
{
	struct json *j = json_object(), *columns = json_array(), *properties = json_object();

	json_set_string(j, "table_id", t->uuid);
	json_set_string(j, "comment", t->comment);
	json_set_int64(j, "created_at", t->created_ms);
	json_set_int64(j, "updated_at", t->updated_ms);
	for (size_t i = 0; i < t->property_count; i++)
		json_set_string(properties, t->properties[i].key, t->properties[i].value);
	for (size_t i = 0; i < t->column_count; i++)
		json_add(columns, lake_field_json(&t->columns[i]));
	json_set(j, "properties", properties);
	json_set(j, "columns", columns);
	return j;
}

static char *
column_text(sqlite3_stmt *s, int i)
{
	const char *v = (const char *)sqlite3_column_text(s, i);

	return v == NULL ? NULL : memory_strndup(v, (size_t)sqlite3_column_bytes(s, i));
}

static int
load_table(struct lakehouse *l, sqlite3_stmt *s, struct error *e)
{
	struct lake_table *t = memory_zero(1, sizeof(*t));
	struct buffer sql = BUFFER_INIT;
	sqlite3_stmt *max = NULL;
	int64_t next = 1;
	int rc;

	t->refs = 1;
	t->version = 1;
	t->id = sqlite3_column_int64(s, 0);
	t->catalog = column_text(s, 1);
	t->schema = column_text(s, 2);
	t->name = column_text(s, 3);
	rc = load_definition(t,
	    text_span(sqlite3_column_text(s, 4), (size_t)sqlite3_column_bytes(s, 4)), e);
	if (rc < 0) {
		lake_table_unref(t);
		return error_wrap(e, "damaged definition of a table");
	}
	buffer_append_text(&sql, "SELECT coalesce(max(_rowid_), 0) + 1 FROM ");
	lake_table_sqlite_name(t, &sql);
	if (sqlite3_prepare_v2(l->db, buffer_text(&sql), -1, &max, NULL) == SQLITE_OK &&
	    sqlite3_step(max) == SQLITE_ROW)
		next = sqlite3_column_int64(max, 0);
	else
		rc = lakehouse_sqlite_error(l->db, "lakehouse", e);
	sqlite3_finalize(max);
	buffer_release(&sql);
	lakehouse_add_table(l, t, next);
	return rc;
}

static int
load_namespace(struct lakehouse *l, sqlite3_stmt *s, struct error *e)
{
	(void)e;
	lakehouse_add_namespace(l, (struct lake_namespace){.catalog = column_text(s, 0),
				       .schema = column_text(s, 1),
				       .comment = column_text(s, 2),
				       .created_ms = sqlite3_column_int64(s, 3)});
	return 0;
}

static int
load_grant(struct lakehouse *l, sqlite3_stmt *s, struct error *e)
{
	(void)e;
	lakehouse_add_grant(l, (struct lake_grant){.principal = column_text(s, 0),
				   .privilege = column_text(s, 1),
				   .object_type = column_text(s, 2),
				   .object = column_text(s, 3),
				   .revoked = sqlite3_column_int(s, 4) != 0});
	return 0;
}

static int
load_all(struct lakehouse *l, const char *sql, int (*load)(struct lakehouse *, sqlite3_stmt *, struct error *),
    struct error *e)
{
	sqlite3_stmt *s = NULL;
	int rc = 0, step = SQLITE_DONE;

	if (sqlite3_prepare_v2(l->db, sql, -1, &s, NULL) != SQLITE_OK)
		return lakehouse_sqlite_error(l->db, "lakehouse", e);
	while (rc == 0 && (step = sqlite3_step(s)) == SQLITE_ROW)
		rc = load(l, s, e);
	if (rc == 0 && step != SQLITE_DONE)
		rc = lakehouse_sqlite_error(l->db, "lakehouse", e);
	sqlite3_finalize(s);
	return rc;
}

static int
load(struct lakehouse *l, struct error *e)
{
	static const char create[] =
	    "CREATE TABLE IF NOT EXISTS _sfzb_namespaces(catalog TEXT, schema TEXT, comment TEXT, created_ms INTEGER);"
	    "CREATE TABLE IF NOT EXISTS _sfzb_tables(id INTEGER PRIMARY KEY AUTOINCREMENT, catalog TEXT, schema TEXT,"
	    " name TEXT, definition TEXT);"
	    "CREATE TABLE IF NOT EXISTS _sfzb_grants(principal TEXT, privilege TEXT, object_type TEXT, object TEXT,"
	    " revoked INTEGER, PRIMARY KEY(principal, privilege, object));";

	if (lakehouse_execute(l->db, create, e) < 0 ||
	    load_all(l, "SELECT catalog, schema, comment, created_ms FROM _sfzb_namespaces", load_namespace, e) < 0 ||
	    load_all(l, "SELECT principal, privilege, object_type, object, revoked FROM _sfzb_grants", load_grant, e) < 0 ||
	    load_all(l, "SELECT id, catalog, schema, name, definition FROM _sfzb_tables", load_table, e) < 0)
		return -1;
	l->version = 1;
	if (lakehouse_has_catalog(l, "main"))
		return 0;
	if (lakehouse_create_catalog(l, "main", NULL, e) < 0)
		return -1;
	return lakehouse_create_schema(l, "main", "crm", NULL, e);
}

struct lakehouse *
lakehouse_open(const struct lakehouse_options *o, struct error *e)
{
	struct lakehouse *l = memory_zero(1, sizeof(*l));
	int rc;

	l->options = *o;
	if (l->options.clock == NULL)
		l->options.clock = &clock_system;
	l->path = memory_strdup(o->path);
	l->last = &l->first;
	pthread_mutex_init(&l->write_lock, NULL);
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->queue_lock, NULL);
	pthread_cond_init(&l->queue_ready, NULL);
	if (open_connection(l, &l->db, WRITER_CACHE_KB, e) < 0 || load(l, e) < 0)
		goto fail;
	rc = pthread_create(&l->writer, NULL, lakehouse_writer, l);
	if (rc != 0) {
		error_set_errno(e, ERR_FAILED, rc, "cannot start the lakehouse's writer");
		goto fail;
	}
	l->writer_runs = true;
	return l;
fail:
	lakehouse_close(l);
	return NULL;
}

void
lakehouse_close(struct lakehouse *l)
{
	if (l == NULL)
		return;
	pthread_mutex_lock(&l->queue_lock);
	l->closing = true;
	pthread_cond_signal(&l->queue_ready);
	pthread_mutex_unlock(&l->queue_lock);
	if (l->writer_runs)
		pthread_join(l->writer, NULL);
	for (size_t i = 0; i < l->table_count; i++) {
		lake_table_unref(l->tables[i].table);
		free(l->tables[i].pending);
	}
	free(l->tables);
	lake_namespaces_free(l->namespaces, l->namespace_count);
	lake_grants_free(l->grants, l->grant_count);
	for (size_t i = 0; i < l->reader_count; i++)
		sqlite3_close(l->readers[i]);
	sqlite3_close(l->db);
	pthread_cond_destroy(&l->queue_ready);
	pthread_mutex_destroy(&l->queue_lock);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->write_lock);
	free(l->path);
	free(l);
}

#include "emulator/schema_store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

/* Below what the writer of events and its bitmaps hold (change_event.c). */
#define FIELDS_MAX 120

struct schema_store {
	sqlite3 *db;
	pthread_mutex_t lock; /* all below */
	sqlite3_stmt *store;
	struct schema *first; /* newest first */
	const struct schema *current[ENTITY_COUNT];
	unsigned long long changes; /* made in all, of this file */
};

static int
fail(struct schema_store *s, struct error *e)
{
	return error_set(e, ERR_FAILED, "cannot keep a schema: %s", sqlite3_errmsg(s->db));
}

/* Takes it in without writing it down. NULL: an own one that the writer of events does not understand. */
static struct schema *
take(struct schema_store *s, enum entity entity, const char *id, const char *json, bool is_own, struct error *e)
{
	struct schema *x = memory_zero(1, sizeof *x);

	*x = (struct schema){ .id = memory_strdup(id), .json = memory_strdup(json), .entity = entity, .is_own = is_own };
	if (is_own && event_type_parse(&x->type, json, e) != 0) {
		event_type_release(&x->type);
		free((char *)x->id);
		free((char *)x->json);
		free(x);
		return NULL;
	}
	x->next = s->first;
	s->first = x;
	return x;
}

static const struct schema *
find(const struct schema_store *s, struct text id)
{
	for (const struct schema *x = s->first; x; x = x->next)
		if (text_is(id, x->id))
			return x;
	return NULL;
}

static int
keep(struct schema_store *s, const struct schema *x, struct error *e)
{
	int rc;

	sqlite3_bind_text(s->store, 1, x->id, -1, SQLITE_STATIC);
	sqlite3_bind_int(s->store, 2, x->entity);
	sqlite3_bind_text(s->store, 3, x->json, -1, SQLITE_STATIC);
	sqlite3_bind_int(s->store, 4, x->is_own);
	rc = sqlite3_step(s->store);
	sqlite3_reset(s->store);
	sqlite3_clear_bindings(s->store);
	return rc == SQLITE_DONE ? 0 : fail(s, e);
}

static int
load(struct schema_store *s, struct error *e)
{
	sqlite3_stmt *q = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(s->db, "SELECT id, entity, json, own FROM schema ORDER BY number", -1, &q, NULL) != SQLITE_OK)
		return fail(s, e);
	while (rc == 0 && sqlite3_step(q) == SQLITE_ROW) {
		unsigned entity = (unsigned)sqlite3_column_int(q, 1);
		bool own = sqlite3_column_int(q, 3) != 0;
		struct schema *x;

		if (entity >= ENTITY_COUNT)
			continue;
		/* one that an object had before is told of again when it has it again */
		x = (struct schema *)find(s, text_of((const char *)sqlite3_column_text(q, 0)));
		if (!x || x->is_own != own)
			x = take(s, (enum entity)entity, (const char *)sqlite3_column_text(q, 0),
			    (const char *)sqlite3_column_text(q, 2), own, e);
		if (!x) {
			rc = -1;
		} else if (own) {
			s->current[entity] = x;
			s->changes++;
		}
	}
	sqlite3_finalize(q);
	return rc;
}

struct schema_store *
schema_store_open(sqlite3 *db, struct error *e)
{
	struct schema_store *s = memory_zero(1, sizeof *s);
	char id[SCHEMA_ID_SIZE];

	s->db = db;
	pthread_mutex_init(&s->lock, NULL);
	if (sqlite3_exec(db,
		"CREATE TABLE IF NOT EXISTS schema (number INTEGER PRIMARY KEY, id TEXT NOT NULL, entity INTEGER NOT NULL,"
		" json TEXT NOT NULL, own INTEGER NOT NULL)",
		NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "INSERT INTO schema (id, entity, json, own) VALUES (?1, ?2, ?3, ?4)", -1, &s->store,
		NULL) != SQLITE_OK) {
		fail(s, e);
		goto failed;
	}
	for (int i = 0; i < ENTITY_COUNT; i++)
		if (!(s->current[i] = take(s, (enum entity)i, schema_id(id, schema_sources[i].json), schema_sources[i].json,
			  true, e)))
			goto failed;
	if (load(s, e) == 0)
		return s;
failed:
	schema_store_free(s);
	return NULL;
}

void
schema_store_free(struct schema_store *s)
{
	if (!s)
		return;
	sqlite3_finalize(s->store);
	while (s->first) {
		struct schema *x = s->first;

		s->first = (struct schema *)x->next;
		event_type_release(&x->type);
		free((char *)x->id);
		free((char *)x->json);
		free(x);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const struct schema *
schema_store_current(struct schema_store *s, enum entity entity)
{
	const struct schema *x;

	pthread_mutex_lock(&s->lock);
	x = s->current[entity];
	pthread_mutex_unlock(&s->lock);
	return x;
}

const struct schema *
schema_store_find(struct schema_store *s, struct text id)
{
	const struct schema *x;

	pthread_mutex_lock(&s->lock);
	x = find(s, id);
	pthread_mutex_unlock(&s->lock);
	return x;
}

int
schema_store_add(struct schema_store *s, enum entity entity, const char *id, const char *json, struct error *e)
{
	const struct schema *x;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (!find(s, text_of(id))) {
		x = take(s, entity, id, json, false, e);
		rc = x ? keep(s, x, e) : -1;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* --- changes -------------------------------------------------------------------------------------- */

static const char *
avro_type(const char *word)
{
	static const struct {
		const char *type, *words;
	} known[] = {
		{ "string", " Text StringPlusClob Email Url Phone EntityId ExternalId DynamicEnum StaticEnum MultiEnum " },
		{ "double", " Double Currency Percent " },
		{ "boolean", " Boolean " },
		{ "int", " Integer " },
		{ "long", " DateTime DateOnly TimeOnly " },
	};
	char padded[40];

	snprintf(padded, sizeof padded, " %s ", word);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strstr(known[i].words, padded))
			return known[i].type;
	return NULL;
}

static bool
is_custom_name(const char *name)
{
	size_t len = strlen(name);

	return len > 3 && strcmp(name + len - 3, "__c") == 0 && strspn(name, "_0123456789") == 0 &&
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static const struct event_field *
find_field(const struct event_type *t, const char *name)
{
	for (size_t i = 0; i < t->types[0].count; i++)
		if (strcmp(t->types[0].fields[i].name, name) == 0)
			return &t->types[0].fields[i];
	return NULL;
}

/* Behind the last field, as the vendor's own keys are ordered. */
static int
append_field(struct schema_store *s, const char *old, const struct schema_change *c, struct buffer *out, struct error *e)
{
	const char *type = avro_type(c->word);
	size_t len = strlen(old);

	if (!type)
		return error_set(e, ERR_REFUSED, "\"%s\" is no type of a field: Text, Currency, Boolean, DateTime, …", c->word);
	if (!is_custom_name(c->field))
		return error_set(e, ERR_REFUSED, "\"%s\" is no name of a custom field: letters and digits, then __c", c->field);
	if (len < 2 || strcmp(old + len - 2, "]}") != 0)
		return error_set(e, ERR_FAILED, "the schema does not end as expected");
	buffer_append(out, old, len - 2);
	buffer_append_format(out, ",{\"name\":\"%s\",\"type\":[\"null\",\"%s\"],\"doc\":\"Data:%s:00N5f00000Ev%03llu\",\"default\":null}]}",
	    c->field, type, c->word, (s->changes + 1) % 1000);
	return 0;
}

/* The end of the JSON value that begins at p. */
static const char *
skip_value(const char *p)
{
	int depth = 0;
	bool quoted = false;

	for (; *p; p++) {
		if (quoted) {
			if (*p == '\\' && p[1])
				p++;
			else if (*p == '"')
				quoted = false;
		} else if (*p == '"') {
			quoted = true;
		} else if (*p == '{' || *p == '[') {
			depth++;
		} else if (*p == '}' || *p == ']') {
			if (--depth == 0)
				return p + 1;
		}
	}
	return p;
}

/* The objects of the outermost "fields" follow each other with commas between; names are their first members. */
static int
cut_field(const char *old, const struct schema_change *c, const struct event_field *f, struct buffer *out, struct error *e)
{
	static const char key[] = "\"fields\":[";
	char *opening = memory_format("{\"name\":\"%s\",", c->field);
	const char *p = strstr(old, key), *end;
	int rc = -1;

	if (f->kind == VALUE_RECORD) {
		error_set(e, ERR_REFUSED, "\"%s\" cannot be dropped: it is a compound", c->field);
	} else {
		for (p = p ? p + strlen(key) : NULL; p && *p == '{' && rc != 0; p = *end == ',' ? end + 1 : end) {
			end = skip_value(p);
			if (strncmp(p, opening, strlen(opening)) != 0)
				continue;
			/* the header is first, so a comma stands before */
			buffer_append(out, old, (size_t)(p - 1 - old));
			buffer_append_text(out, end);
			rc = 0;
		}
		if (rc != 0)
			error_set(e, ERR_FAILED, "the schema does not spell \"%s\" as expected", c->field);
	}
	free(opening);
	return rc;
}

static int
change_locked(struct schema_store *s, const struct schema_change *c, struct error *e)
{
	const struct schema *old = s->current[c->entity], *again;
	const struct event_field *f = find_field(&old->type, c->field);
	struct buffer json = BUFFER_INIT;
	char id[SCHEMA_ID_SIZE];
	struct schema *fresh = NULL;
	int rc;

	if (c->drops && (!f || f == old->type.types[0].fields || !f->is_nullable))
		rc = error_set(e, ERR_REFUSED, "%s has no field \"%s\" that could be dropped", schema_sources[c->entity].object, c->field);
	else if (!c->drops && f)
		rc = error_set(e, ERR_REFUSED, "%s has a field \"%s\" already", schema_sources[c->entity].object, c->field);
	else if (!c->drops && old->type.types[0].count >= FIELDS_MAX)
		rc = error_set(e, ERR_REFUSED, "%s has %d fields, the most there can be", schema_sources[c->entity].object, FIELDS_MAX);
	else
		rc = c->drops ? cut_field(old->json, c, f, &json, e) : append_field(s, old->json, c, &json, e);
	if (rc == 0) {
		/* dropping what was added last gives the bytes, and so the id, of the version before */
		again = find(s, text_of(schema_id(id, buffer_text(&json))));
		fresh = again && again->is_own ? (struct schema *)again : take(s, c->entity, id, buffer_text(&json), true, e);
		rc = fresh ? keep(s, fresh, e) : -1;
	}
	if (rc == 0) {
		s->current[c->entity] = fresh;
		s->changes++;
	}
	buffer_release(&json);
	return rc;
}

int
schema_store_change(struct schema_store *s, const struct schema_change *c, struct error *e)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = change_locked(s, c, e);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

bool
schema_store_has(struct schema_store *s, enum entity entity, const char *field)
{
	return find_field(&schema_store_current(s, entity)->type, field) != NULL;
}

int
schema_change_parse(struct schema_change *c, const char *text, bool drops, uint64_t *at, struct error *e)
{
	const char *dot = strchr(text, '.'), *end = text + strcspn(text, "@"), *colon = dot ? strchr(dot, ':') : NULL;
	const char *name_end = colon ? colon : end;
	int entity = 0, n = 0;

	*c = (struct schema_change){ .drops = drops, .word = "Text" };
	*at = 0;
	while (dot && entity < ENTITY_COUNT &&
	    !text_is(text_span(text, (size_t)(dot - text)), schema_sources[entity].object))
		entity++;
	if (!dot || entity == ENTITY_COUNT || (drops && colon) || name_end <= dot + 1 ||
	    (size_t)(name_end - dot) > sizeof c->field || (colon && (size_t)(end - colon) > sizeof c->word) ||
	    (*end && (sscanf(end + 1, "%" SCNu64 "%n", at, &n) != 1 || end[1 + n] != '\0')))
		return error_set(e, ERR_USAGE, "\"%s\": OBJECT.FIELD%s[@EVENTS] is expected", text, drops ? "" : "[:TYPE]");
	c->entity = (enum entity)entity;
	memcpy(c->field, dot + 1, (size_t)(name_end - dot - 1));
	if (colon)
		snprintf(c->word, sizeof c->word, "%.*s", (int)(end - colon - 1), colon + 1);
	return 0;
}

#include "emulator/enrichment.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "emulator/event_walk.h"

struct enrichment {
	sqlite3 *db;
	sqlite3_stmt *store, *forget, *find;
	char *fields[ENTITY_COUNT][ENRICHED_FIELDS_MAX + 1]; /* NULL-ended */
};

static const struct event_field *
find_field(const struct record_type *t, struct text name)
{
	for (size_t i = 0; i < t->count; i++)
		if (text_is(name, t->fields[i].name))
			return &t->fields[i];
	return NULL;
}

/* "Account.Industry" */
static int
add(struct enrichment *n, struct schema_store *schemas, struct text item, struct error *e)
{
	const char *dot = memchr(item.data, '.', item.len);
	struct text object = text_span(item.data, dot ? (size_t)(dot - item.data) : 0), name;
	const struct event_field *f;
	size_t entity = 0, count = 0;

	while (dot && entity < ENTITY_ORDER_EVENT && !text_is(object, schema_sources[entity].object))
		entity++;
	if (!dot || entity == ENTITY_ORDER_EVENT)
		return error_set(e, ERR_USAGE, "\"" TEXT_FORMAT "\": OBJECT.FIELD is expected, of an object with change events",
		    TEXT_ARGS(item));
	name = text_span(dot + 1, item.len - object.len - 1);
	f = find_field(&schema_store_current(schemas, (enum entity)entity)->type.types[0], name);
	if (!f || !f->is_nullable)
		return error_set(e, ERR_USAGE, "\"" TEXT_FORMAT "\": there is no such field", TEXT_ARGS(item));
	if (f->record || strcmp(f->word, "StringPlusClob") == 0 || strcmp(f->word, "HtmlStringPlusClob") == 0)
		return error_set(e, ERR_USAGE, "\"" TEXT_FORMAT "\": compounds and long texts cannot enrich an event", TEXT_ARGS(item));
	while (n->fields[entity][count])
		count++;
	if (count == ENRICHED_FIELDS_MAX)
		return error_set(e, ERR_USAGE, "an object has at most %d enriched fields", ENRICHED_FIELDS_MAX);
	n->fields[entity][count] = text_dup(name);
	return 0;
}

struct enrichment *
enrichment_open(sqlite3 *db, struct schema_store *schemas, const char *list, struct error *e)
{
	struct enrichment *n;
	int rc = 0;

	if (!list)
		return NULL;
	n = memory_zero(1, sizeof *n);
	n->db = db;
	while (*list && rc == 0) {
		size_t len = strcspn(list, ",");

		rc = add(n, schemas, text_span(list, len), e);
		list += len + (list[len] == ',');
	}
	if (rc == 0 &&
	    (sqlite3_exec(db,
		 "CREATE TABLE IF NOT EXISTS enriched (record TEXT NOT NULL, field TEXT NOT NULL, value BLOB NOT NULL,"
		 " PRIMARY KEY (record, field)) WITHOUT ROWID",
		 NULL, NULL, NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO enriched VALUES (?1, ?2, ?3)", -1, &n->store, NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(db, "DELETE FROM enriched WHERE record = ?1 AND field = ?2", -1, &n->forget, NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(db, "SELECT value FROM enriched WHERE record = ?1 AND field = ?2", -1, &n->find, NULL) != SQLITE_OK))
		rc = error_set(e, ERR_FAILED, "cannot keep enriched fields: %s", sqlite3_errmsg(db));
	if (rc == 0)
		return n;
	enrichment_free(n);
	return NULL;
}

void
enrichment_free(struct enrichment *n)
{
	if (!n)
		return;
	sqlite3_finalize(n->store);
	sqlite3_finalize(n->forget);
	sqlite3_finalize(n->find);
	for (int i = 0; i < ENTITY_COUNT; i++)
		for (int k = 0; k < ENRICHED_FIELDS_MAX; k++)
			free(n->fields[i][k]);
	free(n);
}

const char *const *
enrichment_fields(const struct enrichment *n, enum entity entity)
{
	static const char *const none[] = { NULL };

	return n ? (const char *const *)n->fields[entity] : none;
}

/* --- values --------------------------------------------------------------------------------------- */

static void
run(struct enrichment *n, sqlite3_stmt *s, const char *record, const char *field, struct text value)
{
	sqlite3_bind_text(s, 1, record, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, field, -1, SQLITE_STATIC);
	if (s == n->store)
		sqlite3_bind_blob64(s, 3, value.data, value.len, SQLITE_STATIC);
	if (sqlite3_step(s) != SQLITE_DONE)
		log_warn("emulator", "cannot keep an enriched field: %s", sqlite3_errmsg(n->db));
	sqlite3_reset(s);
}

/* Appends the bytes of a record's field, union branch included; false: it is null, as far as is known. */
static bool
recall(struct enrichment *n, const char *record, const char *field, struct buffer *out)
{
	bool found;

	sqlite3_bind_text(n->find, 1, record, -1, SQLITE_STATIC);
	sqlite3_bind_text(n->find, 2, field, -1, SQLITE_STATIC);
	found = sqlite3_step(n->find) == SQLITE_ROW;
	if (found)
		buffer_append(out, sqlite3_column_blob(n->find, 0), (size_t)sqlite3_column_bytes(n->find, 0));
	sqlite3_reset(n->find);
	return found;
}

/* The one value that all records of an event have; an event of several with different ones stays without. */
static bool
common_value(struct enrichment *n, const struct change *c, const char *field, struct buffer *out)
{
	struct buffer next = BUFFER_INIT;
	bool same = c->record_count > 0 && recall(n, c->record_ids[0], field, out);

	for (size_t i = 1; same && i < c->record_count; i++) {
		buffer_clear(&next);
		same = recall(n, c->record_ids[i], field, &next) && text_equal(buffer_span(out), buffer_span(&next));
	}
	buffer_release(&next);
	return same;
}

static void
remember(struct enrichment *n, const struct change *c, const char *field, bool is_null, struct text value)
{
	for (size_t i = 0; i < c->record_count; i++)
		run(n, is_null ? n->forget : n->store, c->record_ids[i], field, value);
}

bool
enrichment_apply(struct enrichment *n, const struct schema *schema, const struct change *c, struct text payload,
    struct buffer *out)
{
	const struct record_type *root = &schema->type.types[0];
	bool complete = c->type == CHANGE_CREATE || c->type == CHANGE_UNDELETE, filled = false;
	struct text fields[CHANGE_FIELDS_MAX];
	struct buffer values[ENRICHED_FIELDS_MAX] = { BUFFER_INIT };

	if (!n || c->type >= CHANGE_GAP_CREATE || root->count > CHANGE_FIELDS_MAX || !event_walk(&schema->type, payload, fields))
		return false;
	for (size_t k = 0; n->fields[schema->entity][k]; k++) {
		const char *name = n->fields[schema->entity][k];
		const struct event_field *f = find_field(root, text_of(name));
		size_t at;

		if (!f) /* the object has it no longer */
			continue;
		at = (size_t)(f - root->fields);
		/* of a person's name that is changed in part, the rest is not known */
		if (f->person && !complete && fields[at].data[0] == (char)(f->person_branch << 1))
			continue;
		if (!event_field_is_null(f, fields[at])) {
			remember(n, c, name, false, fields[at]);
		} else if (complete || (c->nulled && c->nulled[at])) {
			remember(n, c, name, true, fields[at]);
		} else if (common_value(n, c, name, &values[k])) {
			fields[at] = buffer_span(&values[k]);
			filled = true;
		}
	}
	for (size_t i = 0; filled && i < root->count; i++)
		buffer_append(out, fields[i].data, fields[i].len);
	for (size_t k = 0; k < ENRICHED_FIELDS_MAX; k++)
		buffer_release(&values[k]);
	return filled;
}

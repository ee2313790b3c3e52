#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "emulator/change_event.h"
#include "emulator/enrichment.h"
#include "emulator/org.h"
#include "emulator/values.h"

/* Events that one transaction of the bus takes. */
#define BATCH 256
/* So many records an object before creating gives way to changing. */
#define RECORDS_AIM 2000
#define MERGED_MAX 5

struct pool {
	size_t *alive, *deleted; /* indexes of records */
	size_t alive_count, alive_capacity, deleted_count, deleted_capacity;
	uint64_t numbers; /* record ids given so far */
};

struct org {
	const struct clock *clock;
	struct bus *bus;
	pthread_mutex_t lock; /* everything below that changes */
	struct random random;
	struct schema_store *schemas; /* has a lock of its own */
	struct enrichment *enrichment; /* NULL: none */
	const struct org_change *changes; /* still to come */
	size_t change_count;
	uint64_t made; /* events, in this run */
	enum entity selected[ENTITY_COUNT];
	size_t selected_count;
	struct org_record *records;
	size_t record_count, record_capacity;
	struct pool pools[ENTITY_COUNT];
	sqlite3 *db;
	sqlite3_stmt *store;
	int64_t commit_number;
	/* the transaction that events still belong to */
	char transaction_key[UUID_SIZE];
	int sequence_number, sequence_length;

	pthread_t thread;
	bool running;
	pthread_cond_t wake;
	pthread_mutex_t wake_lock; /* stopping */
	bool stopping;
	pthread_mutex_t rate_lock; /* held while events of the rate are made: once it is 0, none come any more */
	_Atomic double rate;
	_Atomic bool ended; /* no more events */
};

/* --- records ------------------------------------------------------------------------------------ */

static void
pool_add(size_t **items, size_t *count, size_t *capacity, size_t index)
{
	*items = memory_reserve(*items, capacity, *count + 1, sizeof **items);
	(*items)[(*count)++] = index;
}

static void
keep(struct org *g, const struct org_record *r)
{
	sqlite3_bind_text(g->store, 1, r->id, -1, SQLITE_STATIC);
	sqlite3_bind_int(g->store, 2, r->entity);
	sqlite3_bind_int(g->store, 3, r->deleted);
	if (sqlite3_step(g->store) != SQLITE_DONE)
		log_warn("emulator", "cannot keep record %s: %s", r->id, sqlite3_errmsg(g->db));
	sqlite3_reset(g->store);
}

static size_t
add_record(struct org *g, const char *id, uint8_t entity, bool deleted)
{
	struct pool *p = &g->pools[entity];
	size_t index = g->record_count++;
	struct org_record *r;

	g->records = memory_reserve(g->records, &g->record_capacity, g->record_count, sizeof *g->records);
	r = &g->records[index];
	snprintf(r->id, sizeof r->id, "%s", id);
	r->entity = entity;
	r->deleted = deleted;
	if (deleted)
		pool_add(&p->deleted, &p->deleted_count, &p->deleted_capacity, index);
	else
		pool_add(&p->alive, &p->alive_count, &p->alive_capacity, index);
	p->numbers++;
	return index;
}

static size_t
create(struct org *g, enum entity entity)
{
	char id[RECORD_ID_SIZE];
	size_t index;

	value_record_id(id, schema_sources[entity].key_prefix, g->pools[entity].numbers + 1);
	index = add_record(g, id, (uint8_t)entity, false);
	keep(g, &g->records[index]);
	return index;
}

/* Takes one out of a list, at random; the order of the list does not matter. */
static size_t
take(struct random *r, size_t *items, size_t *count)
{
	size_t at = random_below(r, *count), index = items[at];

	items[at] = items[--*count];
	return index;
}

static size_t
move(struct org *g, enum entity entity, bool deleted)
{
	struct pool *p = &g->pools[entity];
	size_t index;

	if (deleted) {
		index = take(&g->random, p->alive, &p->alive_count);
		pool_add(&p->deleted, &p->deleted_count, &p->deleted_capacity, index);
	} else {
		index = take(&g->random, p->deleted, &p->deleted_count);
		pool_add(&p->alive, &p->alive_count, &p->alive_capacity, index);
	}
	g->records[index].deleted = deleted;
	keep(g, &g->records[index]);
	return index;
}

/* --- events ------------------------------------------------------------------------------------- */

static enum change_type
choose_type(struct org *g, const struct pool *p)
{
	uint64_t roll = random_below(&g->random, 1000);

	if (p->alive_count < 10)
		return CHANGE_CREATE;
	if (roll < 2)
		return roll == 0 ? CHANGE_GAP_OVERFLOW
				 : CHANGE_GAP_CREATE + (enum change_type)random_below(&g->random, 4);
	if (roll < 30 && p->deleted_count > 0)
		return CHANGE_UNDELETE;
	if (roll < 80)
		return CHANGE_DELETE;
	if (p->alive_count < RECORDS_AIM ? roll < 400 : roll < 200)
		return CHANGE_CREATE;
	return CHANGE_UPDATE;
}

static void
next_transaction(struct org *g)
{
	if (g->sequence_number < g->sequence_length) {
		g->sequence_number++;
		return;
	}
	random_uuid_seeded(&g->random, g->transaction_key);
	memcpy(g->transaction_key, "0000", 4);
	g->sequence_number = 1;
	g->sequence_length = random_below(&g->random, 4) == 0 ? 1 + (int)random_below(&g->random, 5) : 1;
	g->commit_number += 1 + (int64_t)random_below(&g->random, 100000);
}

/* The records that an event is about. Ids are borrowed from the records, which do not move until the next one. */
static size_t
choose_records(struct org *g, enum entity entity, enum change_type type, const char **ids)
{
	struct pool *p = &g->pools[entity];
	size_t count = 1, index;

	switch (type) {
	case CHANGE_GAP_OVERFLOW:
		return 0;
	case CHANGE_CREATE:
		index = create(g, entity); /* may move the records */
		ids[0] = g->records[index].id;
		return 1;
	case CHANGE_DELETE:
		index = move(g, entity, true);
		ids[0] = g->records[index].id;
		return 1;
	case CHANGE_UNDELETE:
		index = move(g, entity, false);
		ids[0] = g->records[index].id;
		return 1;
	default:
		if (random_below(&g->random, 60) == 0)
			count = 2 + random_below(&g->random, MERGED_MAX - 1);
		for (size_t i = 0; i < count; i++)
			ids[i] = g->records[p->alive[random_below(&g->random, p->alive_count)]].id;
		return count;
	}
}

/* Appends the payload to out, and to enriched that of the channel with enriched fields where it is another. */
static void
write_change(struct org *g, const struct schema *schema, int type, struct buffer *out, struct buffer *enriched)
{
	static const char *const origins[] = { "com/salesforce/api/soap/64.0;client=devconsole",
		"com/salesforce/api/rest/64.0", "com/salesforce/api/bulkapi/64.0;client=dataloader", "" };
	const char *ids[MERGED_MAX];
	enum entity entity = schema->entity;
	bool nulled[CHANGE_FIELDS_MAX];
	size_t start = out->len;
	struct change c = { .entity_name = schema_sources[entity].object,
		.record_ids = ids,
		.transaction_key = g->transaction_key,
		.user_id = ORG_USER_ID,
		.nulled = g->enrichment ? nulled : NULL };

	next_transaction(g);
	c.type = type >= 0 ? (enum change_type)type : choose_type(g, &g->pools[entity]);
	c.origin = origins[random_below(&g->random, sizeof origins / sizeof *origins)];
	c.sequence_number = c.type >= CHANGE_GAP_CREATE ? 1 : g->sequence_number;
	c.commit_timestamp_ms = clock_wall_ms(g->clock) / 1000 * 1000;
	c.commit_number = g->commit_number;
	c.record_count = choose_records(g, entity, c.type, ids);
	change_event_write(out, &schema->type, &c, &g->random);
	if (g->enrichment)
		enrichment_apply(g->enrichment, schema, &c, text_span(out->data + start, out->len - start), enriched);
}

struct draft {
	char id[UUID_SIZE];
	size_t start, enriched_start; /* in the buffers of payloads */
};

/* What the options say is done to the objects by now. A kept org may have it done already. */
static void
make_changes(struct org *g)
{
	struct error e = ERROR_INIT;

	while (g->change_count > 0 && g->changes[0].at <= g->made) {
		const struct schema_change *c = &g->changes[0].change;

		if (schema_store_has(g->schemas, c->entity, c->field) == c->drops && schema_store_change(g->schemas, c, &e) != 0)
			log_warn("emulator", "%s", e.text);
		g->changes++;
		g->change_count--;
	}
}

static enum entity
choose_entity(struct org *g, const struct org_wish *wish)
{
	enum entity entity;

	if (wish && wish->entity >= 0)
		return (enum entity)wish->entity;
	do
		entity = g->selected[random_below(&g->random, g->selected_count)];
	while (wish && wish->type >= 0 && entity == ENTITY_ORDER_EVENT && g->selected_count > 1);
	return entity;
}

/* Whether a record is there for it. */
static bool
has_record(const struct org *g, enum entity entity, enum change_type type)
{
	const struct pool *p = &g->pools[entity];

	if (entity == ENTITY_ORDER_EVENT)
		return false;
	if (type == CHANGE_CREATE || type == CHANGE_GAP_OVERFLOW)
		return true;
	return type == CHANGE_UNDELETE ? p->deleted_count > 0 : p->alive_count > 0;
}

static int
make_batch(struct org *g, size_t count, const struct org_wish *wish, struct error *e)
{
	struct bus_event events[BATCH];
	struct draft drafts[BATCH];
	struct buffer payloads = BUFFER_INIT, enriched = BUFFER_INIT;
	int rc = 0;

	sqlite3_exec(g->db, "BEGIN", NULL, NULL, NULL);
	for (size_t i = 0; i < count; i++) {
		enum entity entity = choose_entity(g, wish);
		const struct schema *schema;

		if (wish && wish->type >= 0 && !has_record(g, entity, (enum change_type)wish->type)) {
			rc = error_set(e, ERR_REFUSED, "%s has no record for such an event",
			    schema_sources[entity].object);
			count = i;
			break;
		}
		make_changes(g);
		schema = schema_store_current(g->schemas, entity);
		g->made++;
		random_uuid_seeded(&g->random, drafts[i].id);
		drafts[i].start = payloads.len;
		drafts[i].enriched_start = enriched.len;
		events[i] = (struct bus_event){ .id = drafts[i].id,
			.schema_id = schema->id,
			.entity = entity };
		if (entity == ENTITY_ORDER_EVENT)
			platform_event_write(&payloads, &schema->type, clock_wall_ms(g->clock), ORG_USER_ID,
			    &g->random);
		else
			write_change(g, schema, wish ? wish->type : -1, &payloads, &enriched);
		events[i].payload.len = payloads.len - drafts[i].start;
		events[i].enriched.len = enriched.len - drafts[i].enriched_start;
	}
	for (size_t i = 0; i < count; i++) {
		events[i].payload.data = (const char *)payloads.data + drafts[i].start;
		events[i].enriched.data = (const char *)enriched.data + drafts[i].enriched_start;
	}
	sqlite3_exec(g->db, "COMMIT", NULL, NULL, NULL);
	if (bus_publish(g->bus, events, count, e) != 0)
		rc = -1;
	buffer_release(&payloads);
	buffer_release(&enriched);
	return rc;
}

int
org_make(struct org *g, uint64_t count, const struct org_wish *wish, struct error *e)
{
	int rc = 0;

	while (count > 0 && rc == 0) {
		size_t n = count < BATCH ? (size_t)count : BATCH;

		if (g->ended)
			return error_set(e, ERR_FAILED, "the emulator ends");
		pthread_mutex_lock(&g->lock);
		rc = make_batch(g, n, wish, e);
		pthread_mutex_unlock(&g->lock);
		count -= n;
	}
	return rc;
}

void
org_end(struct org *g)
{
	if (g)
		g->ended = true;
}

/* --- the rate ----------------------------------------------------------------------------------- */

/* Waits for ms, or until the org is told something; false: it is to stop. */
static bool
wait_ms(struct org *g, int64_t ms)
{
	struct timespec until;
	bool going;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&g->wake_lock);
	if (!g->stopping)
		pthread_cond_timedwait(&g->wake, &g->wake_lock, &until);
	going = !g->stopping;
	pthread_mutex_unlock(&g->wake_lock);
	return going;
}

static void *
run_rate(void *context)
{
	struct org *g = context;
	int64_t then = clock_monotonic_ms(g->clock);
	double owed = 0;

	for (;;) {
		double rate = g->rate;
		/* one event at a time when slow, ticks of 20 ms when fast */
		int64_t pause = rate <= 0 ? 500 : rate < 50 ? (int64_t)(1000 / rate) : 20, now;
		struct error e = ERROR_INIT;

		if (!wait_ms(g, pause < 60000 ? pause : 60000))
			return NULL;
		now = clock_monotonic_ms(g->clock);
		owed += rate * (double)(now - then) / 1000;
		then = now;
		if (owed > rate * 2 + 1) /* the machine is too slow: do not pile up */
			owed = rate * 2 + 1;
		pthread_mutex_lock(&g->rate_lock);
		if (g->rate <= 0)
			owed = 0;
		if (owed >= 1 && !g->ended && org_make(g, (uint64_t)owed, NULL, &e) != 0 && !g->ended)
			log_warn("emulator", "%s", e.text);
		pthread_mutex_unlock(&g->rate_lock);
		owed -= floor(owed);
	}
}

void
org_set_rate(struct org *g, double rate)
{
	pthread_mutex_lock(&g->rate_lock);
	g->rate = rate;
	pthread_mutex_unlock(&g->rate_lock);
	pthread_mutex_lock(&g->wake_lock);
	if (rate > 0 && !g->running)
		g->running = pthread_create(&g->thread, NULL, run_rate, g) == 0;
	pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->wake_lock);
}

double
org_rate(const struct org *g)
{
	return g->rate;
}

/* --- opening ------------------------------------------------------------------------------------ */

static int
select_objects(struct org *g, const char *list, struct error *e)
{
	if (!list) {
		for (int i = 0; i < ENTITY_COUNT; i++)
			g->selected[g->selected_count++] = (enum entity)i;
		return 0;
	}
	while (*list) {
		size_t len = strcspn(list, ",");
		int i = 0;

		while (i < ENTITY_COUNT && (strlen(schema_sources[i].object) != len ||
					       memcmp(schema_sources[i].object, list, len) != 0))
			i++;
		if (i == ENTITY_COUNT) {
			error_set(e, ERR_USAGE, "the emulator's org has no object \"%.*s\"", (int)len, list);
			return error_hint(e,
			    "it has Account, Contact, Opportunity, Invoice__c and Order_Event__e");
		}
		if (!org_is_selected(g, (enum entity)i))
			g->selected[g->selected_count++] = (enum entity)i;
		list += len + (list[len] == ',');
	}
	return g->selected_count > 0 ? 0 : error_set(e, ERR_USAGE, "no object is named");
}

static int
load_records(struct org *g, const char *path, struct error *e)
{
	sqlite3_stmt *s = NULL;

	if (sqlite3_open(path, &g->db) != SQLITE_OK ||
	    sqlite3_exec(g->db,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
		"CREATE TABLE IF NOT EXISTS record (id TEXT PRIMARY KEY, entity INTEGER NOT NULL,"
		" deleted INTEGER NOT NULL) WITHOUT ROWID",
		NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(g->db, "INSERT OR REPLACE INTO record VALUES (?1, ?2, ?3)", -1, &g->store,
		NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(g->db, "SELECT id, entity, deleted FROM record ORDER BY id", -1, &s, NULL) !=
		SQLITE_OK)
		return error_set(e, ERR_FAILED, "cannot open the org \"%s\": %s", path,
		    sqlite3_errmsg(g->db));
	while (sqlite3_step(s) == SQLITE_ROW) {
		unsigned entity = (unsigned)sqlite3_column_int(s, 1);

		if (entity < ENTITY_COUNT)
			add_record(g, (const char *)sqlite3_column_text(s, 0), (uint8_t)entity,
			    sqlite3_column_int(s, 2) != 0);
	}
	sqlite3_finalize(s);
	return 0;
}

struct org *
org_open(const struct org_options *o, struct error *e)
{
	struct org *g = memory_zero(1, sizeof *g);
	pthread_condattr_t attributes;

	g->clock = o->clock;
	g->bus = o->bus;
	g->changes = o->changes;
	g->change_count = o->change_count;
	pthread_mutex_init(&g->lock, NULL);
	pthread_mutex_init(&g->wake_lock, NULL);
	pthread_mutex_init(&g->rate_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&g->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	/* an org that goes on must not give the ids of its first run again */
	random_seed(&g->random, o->seed ^ bus_last(o->bus) << 20);
	g->commit_number = 1709306004367179779 + (int64_t)bus_last(o->bus) * 100000;
	if (select_objects(g, o->objects, e) == 0 && load_records(g, o->path, e) == 0 &&
	    (g->schemas = schema_store_open(g->db, e)) != NULL) {
		g->enrichment = enrichment_open(g->db, g->schemas, o->enrich, e);
		if (g->enrichment || !e->code)
			return g;
	}
	org_close(g);
	return NULL;
}

void
org_close(struct org *g)
{
	if (!g)
		return;
	pthread_mutex_lock(&g->wake_lock);
	g->stopping = true;
	pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->wake_lock);
	if (g->running)
		pthread_join(g->thread, NULL);
	enrichment_free(g->enrichment);
	schema_store_free(g->schemas);
	sqlite3_finalize(g->store);
	sqlite3_close(g->db);
	for (int i = 0; i < ENTITY_COUNT; i++) {
		free(g->pools[i].alive);
		free(g->pools[i].deleted);
	}
	free(g->records);
	pthread_cond_destroy(&g->wake);
	pthread_mutex_destroy(&g->wake_lock);
	pthread_mutex_destroy(&g->rate_lock);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

/* --- questions ---------------------------------------------------------------------------------- */

struct schema_store *
org_schemas(struct org *g)
{
	return g->schemas;
}

const char *const *
org_enriched_fields(const struct org *g, enum entity entity)
{
	return enrichment_fields(g->enrichment, entity);
}

bool
org_has_enriched_fields(const struct org *g)
{
	return g->enrichment != NULL;
}

bool
org_is_selected(const struct org *g, enum entity entity)
{
	for (size_t i = 0; i < g->selected_count; i++)
		if (g->selected[i] == entity)
			return true;
	return false;
}

uint64_t
org_records(struct org *g, enum entity entity, bool with_deleted, uint64_t limit,
    void (*each)(void *context, const struct org_record *r), void *context)
{
	uint64_t n = 0;

	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < g->record_count; i++) {
		const struct org_record *r = &g->records[i];

		if (r->entity != entity || (r->deleted && !with_deleted))
			continue;
		if (n++ < limit)
			each(context, r);
	}
	pthread_mutex_unlock(&g->lock);
	return n;
}

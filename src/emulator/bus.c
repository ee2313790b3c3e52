#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "emulator/bus_internal.h"

/* The first replay id of a new bus: any number will do, a small one would look like an index. */
#define FIRST_REPLAY 487272

struct bus {
	char *path;
	int64_t retention_ms;
	const struct clock *clock;
	pthread_mutex_t lock; /* the writer's connection, random, last, marked_ms, swept_ms */
	sqlite3 *db;
	sqlite3_stmt *insert, *insert_enriched, *repeat, *repeat_enriched, *expired, *drop;
	struct random random;
	_Atomic uint64_t last, count;
	uint64_t expired_to; /* ids up to here are past the retention */
	int64_t marked_ms, swept_ms;
	pthread_mutex_t listener_lock; /* what follows; held while it is called, so that a former one never is */
	void (*published)(void *context);
	void *published_context;
};

int
bus_fail(sqlite3 *db, const char *what, struct error *e)
{
	return error_set(e, ERR_FAILED, "event bus: cannot %s: %s", what, sqlite3_errmsg(db));
}

int
bus_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct error *e)
{
	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
		return bus_fail(db, sql, e);
	return 0;
}

int
bus_execute(sqlite3 *db, const char *sql, struct error *e)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : bus_fail(db, sql, e);
}

static uint64_t
query_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s = NULL;
	uint64_t n = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		n = (uint64_t)sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return n;
}

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS event (replay INTEGER PRIMARY KEY, entity INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL, id TEXT NOT NULL, wire BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS event_entity ON event (entity, replay);"
    "CREATE TABLE IF NOT EXISTS enriched (replay INTEGER PRIMARY KEY, wire BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS mark (replay INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;";

static int
open_writer(struct bus *b, struct error *e)
{
	if (sqlite3_open(b->path, &b->db) != SQLITE_OK)
		return bus_fail(b->db, "open its file", e);
	sqlite3_busy_timeout(b->db, 10000);
	if (bus_execute(b->db, schema, e) != 0 ||
	    bus_prepare(b->db,
		"INSERT INTO event (replay, entity, at_ms, id, wire) VALUES (?1, ?2, ?3, ?4, ?5)",
		&b->insert, e) != 0 ||
	    bus_prepare(b->db, "INSERT INTO enriched (replay, wire) VALUES (?1, ?2)", &b->insert_enriched, e) != 0 ||
	    bus_prepare(b->db, "SELECT entity, id, wire, replay FROM event WHERE replay <= ?1 ORDER BY replay DESC LIMIT 1",
		&b->repeat, e) != 0 ||
	    bus_prepare(b->db, "SELECT wire FROM enriched WHERE replay = ?1", &b->repeat_enriched, e) != 0 ||
	    bus_prepare(b->db,
		"SELECT max("
		" (SELECT coalesce(max(replay), 0) FROM mark WHERE at_ms < ?1),"
		" (SELECT coalesce(max(replay), 0) FROM event WHERE replay < coalesce("
		"  (SELECT replay FROM event WHERE at_ms >= ?1 ORDER BY replay LIMIT 1),"
		"  9223372036854775807)))",
		&b->expired, e) != 0 ||
	    bus_prepare(b->db, "DELETE FROM event WHERE replay <= ?1", &b->drop, e) != 0)
		return -1;
	b->last = query_number(b->db,
	    "SELECT max(coalesce((SELECT max(replay) FROM event), 0),"
	    " coalesce((SELECT max(replay) FROM mark), 0),"
	    " coalesce((SELECT value FROM state WHERE key = 'last'), 0))");
	b->count = query_number(b->db, "SELECT value FROM state WHERE key = 'published'");
	b->expired_to = query_number(b->db, "SELECT value FROM state WHERE key = 'expired_to'");
	return 0;
}

struct bus *
bus_open(const struct bus_options *o, struct error *e)
{
	struct bus *b = memory_zero(1, sizeof *b);

	b->path = memory_strdup(o->path);
	b->retention_ms = o->retention_ms;
	b->clock = o->clock;
	pthread_mutex_init(&b->lock, NULL);
	pthread_mutex_init(&b->listener_lock, NULL);
	if (open_writer(b, e) != 0) {
		bus_close(b);
		return NULL;
	}
	/* a bus that goes on must not repeat the gaps of its first run, or a seed would show in them */
	random_seed(&b->random, o->seed ^ b->last);
	return b;
}

void
bus_close(struct bus *b)
{
	if (!b)
		return;
	sqlite3_finalize(b->insert);
	sqlite3_finalize(b->insert_enriched);
	sqlite3_finalize(b->repeat);
	sqlite3_finalize(b->repeat_enriched);
	sqlite3_finalize(b->expired);
	sqlite3_finalize(b->drop);
	sqlite3_close(b->db);
	pthread_mutex_destroy(&b->lock);
	pthread_mutex_destroy(&b->listener_lock);
	free(b->path);
	free(b);
}

void
bus_set_listener(struct bus *b, void (*published)(void *context), void *context)
{
	pthread_mutex_lock(&b->listener_lock);
	b->published = published;
	b->published_context = context;
	pthread_mutex_unlock(&b->listener_lock);
}

static void
tell_listener(struct bus *b)
{
	pthread_mutex_lock(&b->listener_lock);
	if (b->published)
		b->published(b->published_context);
	pthread_mutex_unlock(&b->listener_lock);
}

void
bus_replay_bytes(uint8_t out[BUS_REPLAY_BYTES], uint64_t replay)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(replay >> (56 - 8 * i));
	out[8] = out[9] = 0;
}

bool
bus_replay_parse(struct text bytes, uint64_t *replay)
{
	const uint8_t *p = (const uint8_t *)bytes.data;

	if (bytes.len != 8 && bytes.len != BUS_REPLAY_BYTES)
		return false;
	*replay = 0;
	for (int i = 0; i < 8; i++)
		*replay = *replay << 8 | p[i];
	return bytes.len == 8 || (p[8] == 0 && p[9] == 0);
}

/* --- publishing --------------------------------------------------------------------------------- */

static size_t
varint_size(size_t v)
{
	size_t n = 1;

	while (v >= 0x80) {
		v >>= 7;
		n++;
	}
	return n;
}

static void
append_varint(struct buffer *out, size_t v)
{
	while (v >= 0x80) {
		buffer_append_byte(out, (uint8_t)(v | 0x80));
		v >>= 7;
	}
	buffer_append_byte(out, (uint8_t)v);
}

static size_t
field_size(size_t len)
{
	return 1 + varint_size(len) + len;
}

static void
append_field(struct buffer *out, unsigned number, const void *data, size_t len)
{
	buffer_append_byte(out, (uint8_t)(number << 3 | 2));
	append_varint(out, len);
	buffer_append(out, data, len);
}

/* Field 1 of a FetchResponse: ConsumerEvent { event { id, schema_id, payload }, replay_id }. */
static void
append_event(struct buffer *out, const struct bus_event *v, struct text payload)
{
	size_t id_len = strlen(v->id), schema_len = strlen(v->schema_id);
	size_t event_len = field_size(id_len) + field_size(schema_len) + field_size(payload.len);
	uint8_t replay[BUS_REPLAY_BYTES];

	bus_replay_bytes(replay, v->replay);
	buffer_append_byte(out, 1 << 3 | 2);
	append_varint(out, field_size(event_len) + field_size(sizeof replay));
	buffer_append_byte(out, 1 << 3 | 2);
	append_varint(out, event_len);
	append_field(out, 1, v->id, id_len);
	append_field(out, 2, v->schema_id, schema_len);
	append_field(out, 3, payload.data, payload.len);
	append_field(out, 2, replay, sizeof replay);
}

static uint64_t
next_replay(struct bus *b, uint64_t last)
{
	uint64_t step = 1;

	/* mostly neighbours; now and then other orgs' events lie between */
	if (random_below(&b->random, 8) == 0)
		step += random_below(&b->random, 40);
	return (last ? last : FIRST_REPLAY) + step;
}

static int
insert(struct bus *b, uint64_t replay, unsigned entity, int64_t now, const char *id, struct text wire)
{
	sqlite3_bind_int64(b->insert, 1, (sqlite3_int64)replay);
	sqlite3_bind_int64(b->insert, 2, entity);
	sqlite3_bind_int64(b->insert, 3, now);
	sqlite3_bind_text(b->insert, 4, id, -1, SQLITE_STATIC);
	sqlite3_bind_blob64(b->insert, 5, wire.data, wire.len, SQLITE_STATIC);
	int rc = sqlite3_step(b->insert);

	sqlite3_reset(b->insert);
	return rc == SQLITE_DONE ? 0 : -1;
}

/* The same event as the channel with enriched fields carries it. */
static int
insert_enriched(struct bus *b, uint64_t replay, struct text wire)
{
	sqlite3_bind_int64(b->insert_enriched, 1, (sqlite3_int64)replay);
	sqlite3_bind_blob64(b->insert_enriched, 2, wire.data, wire.len, SQLITE_STATIC);
	int rc = sqlite3_step(b->insert_enriched);

	sqlite3_reset(b->insert_enriched);
	return rc == SQLITE_DONE ? 0 : -1;
}

/* Keeps in the file what its rows cannot tell once they are dropped. */
static int
store_state(struct bus *b, uint64_t last, uint64_t count)
{
	char sql[256];

	snprintf(sql, sizeof sql,
	    "INSERT OR REPLACE INTO state VALUES ('last', %llu), ('published', %llu), ('expired_to', %llu)",
	    (unsigned long long)last, (unsigned long long)count, (unsigned long long)b->expired_to);
	return sqlite3_exec(b->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int
publish_locked(struct bus *b, struct bus_event *events, size_t count, struct error *e)
{
	struct buffer wire = BUFFER_INIT;
	int64_t now = clock_wall_ms(b->clock);
	uint64_t last = b->last;
	int rc;

	if (bus_execute(b->db, "BEGIN IMMEDIATE", e) != 0)
		return -1;
	rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		last = events[i].replay = next_replay(b, last);
		buffer_clear(&wire);
		append_event(&wire, &events[i], events[i].payload);
		rc = insert(b, last, events[i].entity, now, events[i].id, buffer_span(&wire));
		if (rc != 0 || events[i].enriched.len == 0)
			continue;
		buffer_clear(&wire);
		append_event(&wire, &events[i], events[i].enriched);
		rc = insert_enriched(b, last, buffer_span(&wire));
	}
	buffer_release(&wire);
	if (rc == 0)
		rc = store_state(b, last, b->count + count);
	if (rc == 0 && sqlite3_exec(b->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK) {
		b->last = last;
		b->count += count;
		return 0;
	}
	bus_fail(b->db, "store events", e);
	sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

int
bus_publish(struct bus *b, struct bus_event *events, size_t count, struct error *e)
{
	int rc;

	if (count == 0)
		return 0;
	pthread_mutex_lock(&b->lock);
	rc = publish_locked(b, events, count, e);
	pthread_mutex_unlock(&b->lock);
	if (rc == 0)
		tell_listener(b);
	return rc;
}

/* The replay id is the last thing in an event's bytes. */
static void
set_replay(struct buffer *wire, uint64_t replay)
{
	uint8_t bytes[BUS_REPLAY_BYTES];

	bus_replay_bytes(bytes, replay);
	memcpy(wire->data + wire->len - BUS_REPLAY_BYTES, bytes, sizeof bytes);
}

static int
repeat_enriched(struct bus *b, uint64_t replay, uint64_t fresh)
{
	struct buffer wire = BUFFER_INIT;
	int rc = 0;

	sqlite3_bind_int64(b->repeat_enriched, 1, (sqlite3_int64)replay);
	if (sqlite3_step(b->repeat_enriched) == SQLITE_ROW)
		buffer_append(&wire, sqlite3_column_blob(b->repeat_enriched, 0),
		    (size_t)sqlite3_column_bytes(b->repeat_enriched, 0));
	sqlite3_reset(b->repeat_enriched);
	if (wire.len > BUS_REPLAY_BYTES) {
		set_replay(&wire, fresh);
		rc = insert_enriched(b, fresh, buffer_span(&wire));
	}
	buffer_release(&wire);
	return rc;
}

int
bus_repeat(struct bus *b, uint64_t replay, struct error *e)
{
	struct buffer wire = BUFFER_INIT;
	char id[64] = "";
	unsigned entity = 0;
	uint64_t fresh;
	int rc = -1;

	pthread_mutex_lock(&b->lock);
	sqlite3_bind_int64(b->repeat, 1, (sqlite3_int64)replay);
	if (sqlite3_step(b->repeat) == SQLITE_ROW) {
		entity = (unsigned)sqlite3_column_int(b->repeat, 0);
		snprintf(id, sizeof id, "%s", (const char *)sqlite3_column_text(b->repeat, 1));
		buffer_append(&wire, sqlite3_column_blob(b->repeat, 2),
		    (size_t)sqlite3_column_bytes(b->repeat, 2));
		replay = (uint64_t)sqlite3_column_int64(b->repeat, 3);
	}
	sqlite3_reset(b->repeat);
	if (wire.len > BUS_REPLAY_BYTES) {
		fresh = next_replay(b, b->last);
		set_replay(&wire, fresh);
		rc = insert(b, fresh, entity, clock_wall_ms(b->clock), id, buffer_span(&wire));
		if (rc == 0)
			rc = repeat_enriched(b, replay, fresh);
		if (rc == 0)
			b->last = fresh;
		else
			bus_fail(b->db, "repeat an event", e);
	} else {
		error_set(e, ERR_NOT_FOUND, "event bus: no event has the replay id %llu",
		    (unsigned long long)replay);
	}
	pthread_mutex_unlock(&b->lock);
	buffer_release(&wire);
	if (rc == 0)
		tell_listener(b);
	return rc;
}

const char *
bus_path(const struct bus *b)
{
	return b->path;
}

uint64_t
bus_last(const struct bus *b)
{
	return b->last;
}

uint64_t
bus_published(const struct bus *b)
{
	return b->count;
}

/* --- places ------------------------------------------------------------------------------------- */

uint64_t
bus_tip(struct bus *b)
{
	char sql[128];
	int64_t now = clock_wall_ms(b->clock);
	uint64_t tip;

	pthread_mutex_lock(&b->lock);
	/* a mark at most every second: enough for any retention, and a file that stays small */
	if (now - b->marked_ms >= 1000) {
		tip = next_replay(b, b->last);
		snprintf(sql, sizeof sql, "INSERT INTO mark VALUES (%llu, %lld)", (unsigned long long)tip,
		    (long long)now);
		if (sqlite3_exec(b->db, sql, NULL, NULL, NULL) == SQLITE_OK)
			b->last = tip;
		b->marked_ms = now;
	}
	tip = b->last;
	pthread_mutex_unlock(&b->lock);
	return tip;
}

/* Drops what is past the retention; looks at most every second, or each time when the retention is short. */
static void
sweep(struct bus *b)
{
	int64_t now = clock_wall_ms(b->clock), pause = b->retention_ms < 100000 ? 10 : 1000;
	char sql[160];
	uint64_t to;

	if (now - b->swept_ms < pause)
		return;
	b->swept_ms = now;
	sqlite3_bind_int64(b->expired, 1, now - b->retention_ms);
	to = sqlite3_step(b->expired) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(b->expired, 0) : 0;
	sqlite3_reset(b->expired);
	if (to <= b->expired_to)
		return;
	b->expired_to = to;
	sqlite3_bind_int64(b->drop, 1, (sqlite3_int64)to);
	sqlite3_step(b->drop);
	sqlite3_reset(b->drop);
	snprintf(sql, sizeof sql, "DELETE FROM mark WHERE replay <= %llu; DELETE FROM enriched WHERE replay <= %llu",
	    (unsigned long long)to, (unsigned long long)to);
	sqlite3_exec(b->db, sql, NULL, NULL, NULL);
	store_state(b, b->last, b->count);
}

bool
bus_holds(struct bus *b, uint64_t replay)
{
	bool held;

	pthread_mutex_lock(&b->lock);
	sweep(b);
	held = replay > b->expired_to && replay > FIRST_REPLAY && replay <= b->last;
	pthread_mutex_unlock(&b->lock);
	return held;
}

uint64_t
bus_earliest(struct bus *b)
{
	uint64_t to;

	pthread_mutex_lock(&b->lock);
	sweep(b);
	to = b->expired_to;
	pthread_mutex_unlock(&b->lock);
	return to;
}

/* --- what others keep ----------------------------------------------------------------------------- */

void
bus_keep(struct bus *b, const char *name, uint64_t value)
{
	char *sql = sqlite3_mprintf("INSERT OR REPLACE INTO state VALUES (%Q, %lld)", name, (long long)value);

	pthread_mutex_lock(&b->lock);
	if (sqlite3_exec(b->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		log_warn("emulator", "cannot keep \"%s\": %s", name, sqlite3_errmsg(b->db));
	pthread_mutex_unlock(&b->lock);
	sqlite3_free(sql);
}

uint64_t
bus_kept(struct bus *b, const char *name)
{
	char *sql = sqlite3_mprintf("SELECT value FROM state WHERE key = %Q", name);
	uint64_t n;

	pthread_mutex_lock(&b->lock);
	n = query_number(b->db, sql);
	pthread_mutex_unlock(&b->lock);
	sqlite3_free(sql);
	return n;
}

#include "profile/positions.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "profile/database.h"

#define FORMAT_VERSION 2 /* 2: records of recent events, which whoever moves a position must know to drop */
#define HOUR_MS 3600000
/* Of each key's history: this many newest ones whole, and one an hour for as long as a replay id lives, and then some. */
#define HISTORY_KEPT 1000
#define HISTORY_HOURLY_MS (8 * 24 * (int64_t)HOUR_MS)
#define ORG_COMPARED 15

static const char schema_sql[] =
    "CREATE TABLE IF NOT EXISTS position ("
    " id INTEGER PRIMARY KEY, org15 TEXT NOT NULL, topic TEXT NOT NULL, target TEXT NOT NULL,"
    " org TEXT NOT NULL, kind INTEGER NOT NULL, replay_id BLOB NOT NULL, event_ms INTEGER NOT NULL,"
    " stored_ms INTEGER NOT NULL, in_flight INTEGER NOT NULL, UNIQUE (org15, topic, target));"
    "CREATE TABLE IF NOT EXISTS history ("
    " n INTEGER PRIMARY KEY AUTOINCREMENT, position INTEGER NOT NULL REFERENCES position (id),"
    " replay_id BLOB NOT NULL, event_ms INTEGER NOT NULL, stored_ms INTEGER NOT NULL,"
    " in_flight INTEGER NOT NULL, hourly INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS history_of ON history (position, n);"
    "CREATE INDEX IF NOT EXISTS history_hourly ON history (position, n) WHERE hourly;"
    /* last: how many records of this position there have been with this row's */
    "CREATE TABLE IF NOT EXISTS recent ("
    " n INTEGER PRIMARY KEY, position INTEGER NOT NULL REFERENCES position (id),"
    " last INTEGER NOT NULL, events BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS recent_of ON recent (position, last);"
    "CREATE TABLE IF NOT EXISTS secret (id INTEGER PRIMARY KEY CHECK (id = 1), bytes BLOB NOT NULL)";

enum statement {
	FIND,
	UPSERT,
	APPEND,
	PRUNE,
	LIST,
	HISTORY,
	REMEMBER,
	SHORTEN,
	LEAVE,
	FORGET_RECENT,
	RECALL,
	SECRET,
	NEW_SECRET,
	STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
    [FIND] = "SELECT replay_id, event_ms, stored_ms, in_flight, kind FROM position"
	     " WHERE org15 = ?1 AND topic = ?2 AND target = ?3",
    [UPSERT] = "INSERT INTO position (org15, topic, target, org, replay_id, event_ms, stored_ms, in_flight,"
	       " kind) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (org15, topic, target) DO UPDATE SET"
	       " org = ?4, replay_id = ?5, event_ms = ?6, stored_ms = ?7, in_flight = ?8, kind = ?9 RETURNING id",
    /* the same replay id again (only in_flight changed) is not news; hourly: the first one of its hour */
    [APPEND] = "INSERT INTO history (position, replay_id, event_ms, stored_ms, in_flight, hourly)"
	       " SELECT ?1, ?2, ?3, ?4, ?5, coalesce((SELECT stored_ms FROM history WHERE position = ?1"
	       " AND hourly ORDER BY n DESC LIMIT 1), -3600000) / 3600000 <> ?4 / 3600000"
	       " WHERE (SELECT replay_id FROM history WHERE position = ?1 ORDER BY n DESC LIMIT 1)"
	       " IS NOT ?2",
    [PRUNE] = "DELETE FROM history WHERE position = ?1 AND n < (SELECT n FROM history WHERE position = ?1"
	      " ORDER BY n DESC LIMIT 1 OFFSET ?2) AND NOT (hourly AND stored_ms >= ?3)",
    [LIST] = "SELECT replay_id, event_ms, stored_ms, in_flight, kind, org, topic, target FROM position"
	     " ORDER BY stored_ms, id",
    [HISTORY] = "SELECT h.replay_id, h.event_ms, h.stored_ms, h.in_flight, 0 FROM history h JOIN position p"
		" ON p.id = h.position WHERE p.org15 = ?1 AND p.topic = ?2 AND p.target = ?3 ORDER BY h.n",
    [REMEMBER] = "INSERT INTO recent (position, last, events) VALUES (?1, coalesce((SELECT last FROM recent"
		 " WHERE position = ?1 ORDER BY last DESC LIMIT 1), 0) + ?2, ?3)",
    [SHORTEN] = "DELETE FROM recent WHERE position = ?1 AND last <= (SELECT last FROM recent WHERE position = ?1"
		" ORDER BY last DESC LIMIT 1) - ?2",
    /* unless the position is where it was */
    [LEAVE] = "DELETE FROM recent WHERE position = (SELECT id FROM position WHERE org15 = ?1 AND topic = ?2"
	      " AND target = ?3 AND NOT (replay_id = ?4 AND kind = ?5))",
    [FORGET_RECENT] = "DELETE FROM recent WHERE position = (SELECT id FROM position"
		      " WHERE org15 = ?1 AND topic = ?2 AND target = ?3)",
    [RECALL] = "SELECT r.n, r.events FROM recent r JOIN position p ON p.id = r.position"
	       " WHERE p.org15 = ?1 AND p.topic = ?2 AND p.target = ?3",
    [SECRET] = "SELECT bytes FROM secret WHERE id = 1",
    [NEW_SECRET] = "INSERT INTO secret (id, bytes) VALUES (1, ?1)",
};

struct positions {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
};

struct positions *
positions_open(const char *path, bool *was_damaged, struct error *e)
{
	struct positions *p = memory_zero(1, sizeof(*p));

	p->db = database_open(path, FORMAT_VERSION, schema_sql, was_damaged, e);
	if (p->db == NULL)
		goto fail;
	for (int i = 0; i < STATEMENTS; i++) {
		p->statements[i] = database_prepare(p->db, statement_sql[i], e);
		if (p->statements[i] == NULL)
			goto fail;
	}
	return p;
fail:
	positions_free(p);
	return NULL;
}

void
positions_free(struct positions *p)
{
	if (p == NULL)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(p->statements[i]);
	database_close(p->db);
	free(p);
}

/* Salesforce writes one id with 15 characters or with 18, the last three being a checksum. */
static struct text
org_compared(const struct position_key *key)
{
	struct text org = text_of(key->org_id);

	if (org.len > ORG_COMPARED)
		org.len = ORG_COMPARED;
	return org;
}

static sqlite3_stmt *
bind_key(struct positions *p, enum statement which, const struct position_key *key)
{
	sqlite3_stmt *s = p->statements[which];

	database_bind_text(s, 1, org_compared(key));
	database_bind_text(s, 2, text_of(key->topic));
	database_bind_text(s, 3, text_of(key->table));
	return s;
}

static int
read_position(sqlite3_stmt *s, struct position *out, struct error *e)
{
	int kind;

	if (replay_id_set(&out->replay_id, database_blob(s, 0)) != 0)
		return error_set(e, ERR_FAILED, "a stored replay id is longer than %d bytes",
		    LIMIT_REPLAY_ID_BYTES);
	out->event_ms = sqlite3_column_int64(s, 1);
	out->stored_ms = sqlite3_column_int64(s, 2);
	out->in_flight = sqlite3_column_int64(s, 3);
	kind = sqlite3_column_int(s, 4);
	if (kind < POSITION_AFTER || kind > POSITION_AT)
		return error_set(e, ERR_FAILED, "a stored position has the unknown kind %d", kind);
	out->kind = (enum position_kind)kind;
	return 0;
}

int
positions_find(struct positions *p, const struct position_key *key, struct position *out,
    struct error *e)
{
	sqlite3_stmt *s = bind_key(p, FIND, key);
	int rc;

	switch (sqlite3_step(s)) {
	case SQLITE_ROW:
		rc = read_position(s, out, e);
		break;
	case SQLITE_DONE:
		rc = 1;
		break;
	default:
		rc = database_error(p->db, "read the position", e);
	}
	sqlite3_reset(s);
	return rc;
}

/*
 * About one in 256, whichever rows of the table are this position's: every 256th of all would always be the same one's
 * where several move in step.
 */
static bool
is_pruned_at(int64_t n)
{
	return (uint64_t)n * UINT64_C(0x9e3779b97f4a7c15) >> 56 == 0;
}

static int
append_history(struct positions *p, int64_t id, const struct position *position, struct error *e)
{
	sqlite3_stmt *s = p->statements[APPEND];

	if (position->kind != POSITION_AFTER) /* "a run has begun": no place to go back to */
		return 0;
	sqlite3_bind_int64(s, 1, id);
	database_bind_blob(s, 2, text_span(position->replay_id.bytes, position->replay_id.len));
	sqlite3_bind_int64(s, 3, position->event_ms);
	sqlite3_bind_int64(s, 4, position->stored_ms);
	sqlite3_bind_int64(s, 5, position->in_flight);
	if (database_finish(p->db, s, "store the position's history", e) != 0)
		return -1;
	if (sqlite3_changes(p->db) == 0 || !is_pruned_at(sqlite3_last_insert_rowid(p->db)))
		return 0;
	s = p->statements[PRUNE];
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_int64(s, 2, HISTORY_KEPT - 1);
	sqlite3_bind_int64(s, 3, position->stored_ms - HISTORY_HOURLY_MS);
	return database_finish(p->db, s, "shorten the position's history", e);
}

/* More than are kept are not written at all. */
static int
remember(struct positions *p, int64_t id, struct text recent, struct error *e)
{
	const size_t most = (size_t)POSITION_RECENT_KEPT * POSITION_RECENT_BYTES;
	sqlite3_stmt *s = p->statements[REMEMBER];

	if (recent.len == 0)
		return 0;
	if (recent.len > most)
		recent = text_span(recent.data + (recent.len - most), most);
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_int64(s, 2, (int64_t)(recent.len / POSITION_RECENT_BYTES));
	database_bind_blob(s, 3, recent);
	if (database_finish(p->db, s, "store the newest events", e) != 0)
		return -1;
	s = p->statements[SHORTEN];
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_int64(s, 2, POSITION_RECENT_KEPT);
	return database_finish(p->db, s, "shorten the list of the newest events", e);
}

/* What was remembered as lying before the position does not lie before another one. */
static int
leave(struct positions *p, const struct position_key *key, const struct position *position, struct error *e)
{
	sqlite3_stmt *s = bind_key(p, LEAVE, key);

	database_bind_blob(s, 4, text_span(position->replay_id.bytes, position->replay_id.len));
	sqlite3_bind_int(s, 5, position->kind);
	return database_finish(p->db, s, "forget the newest events", e);
}

static int
store_one(struct positions *p, const struct position_key *key, const struct position *position,
    struct text recent, struct error *e)
{
	sqlite3_stmt *s = bind_key(p, UPSERT, key);
	int64_t id;

	database_bind_text(s, 4, text_of(key->org_id));
	database_bind_blob(s, 5, text_span(position->replay_id.bytes, position->replay_id.len));
	sqlite3_bind_int64(s, 6, position->event_ms);
	sqlite3_bind_int64(s, 7, position->stored_ms);
	sqlite3_bind_int64(s, 8, position->in_flight);
	sqlite3_bind_int(s, 9, position->kind);
	if (sqlite3_step(s) != SQLITE_ROW) {
		database_error(p->db, "store the position", e);
		sqlite3_reset(s);
		return -1;
	}
	id = sqlite3_column_int64(s, 0);
	if (database_finish(p->db, s, "store the position", e) != 0)
		return -1;
	return append_history(p, id, position, e) == 0 ? remember(p, id, recent, e) : -1;
}

/* Rolls back unless rc is 0; the first error is the one that counts. */
static int
end_transaction(struct positions *p, int rc, struct error *e)
{
	if (rc == 0)
		rc = database_run(p->db, "COMMIT", "store the position", e);
	if (rc != 0 && sqlite3_get_autocommit(p->db) == 0)
		sqlite3_exec(p->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

int
positions_store_all(struct positions *p, const struct position_key *keys,
    const struct position *positions, size_t count, struct error *e)
{
	int rc = database_run(p->db, "BEGIN IMMEDIATE", "store the position", e);

	for (size_t i = 0; rc == 0 && i < count; i++)
		if ((rc = leave(p, &keys[i], &positions[i], e)) == 0)
			rc = store_one(p, &keys[i], &positions[i], text_of(NULL), e);
	return end_transaction(p, rc, e);
}

int
positions_advance_all(struct positions *p, const struct position_key *keys,
    const struct position *positions, const struct text *recent, size_t count, struct error *e)
{
	int rc = database_run(p->db, "BEGIN IMMEDIATE", "store the position", e);

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = store_one(p, &keys[i], &positions[i], recent[i], e);
	return end_transaction(p, rc, e);
}

int
positions_store(struct positions *p, const struct position_key *key,
    const struct position *position, struct error *e)
{
	return positions_store_all(p, key, position, 1, e);
}

/* key NULL: each row brings its own. */
static int
each_row(struct positions *p, sqlite3_stmt *s, const struct position_key *key, positions_each *each,
    void *context, struct error *e)
{
	int rc = 0, result;

	while ((result = sqlite3_step(s)) == SQLITE_ROW) {
		struct position_key own;
		struct position position;

		rc = read_position(s, &position, e);
		if (rc != 0)
			break;
		if (key == NULL) {
			own.org_id = (const char *)sqlite3_column_text(s, 5);
			own.topic = (const char *)sqlite3_column_text(s, 6);
			own.table = (const char *)sqlite3_column_text(s, 7);
		}
		if (!each(context, key != NULL ? key : &own, &position))
			break;
	}
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		rc = database_error(p->db, "list the positions", e);
	sqlite3_reset(s);
	return rc;
}

int
positions_list(struct positions *p, positions_each *each, void *context, struct error *e)
{
	return each_row(p, p->statements[LIST], NULL, each, context, e);
}

int
positions_history(struct positions *p, const struct position_key *key, positions_each *each,
    void *context, struct error *e)
{
	return each_row(p, bind_key(p, HISTORY, key), key, each, context, e);
}

/* ---- recent events */

int
positions_forget_recent(struct positions *p, const struct position_key *key, struct error *e)
{
	return database_finish(p->db, bind_key(p, FORGET_RECENT, key), "forget the newest events", e);
}

static int
find_secret(struct positions *p, uint8_t out[POSITION_SECRET_BYTES], struct error *e)
{
	sqlite3_stmt *s = p->statements[SECRET];
	struct text bytes;
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW) {
		bytes = database_blob(s, 0);
		rc = bytes.len == POSITION_SECRET_BYTES ? 0 : error_set(e, ERR_FAILED, "the secret of the positions is damaged");
		if (rc == 0)
			memcpy(out, bytes.data, bytes.len);
	} else {
		rc = rc == SQLITE_DONE ? 1 : database_error(p->db, "read the secret of the positions", e);
	}
	sqlite3_reset(s);
	return rc;
}

static int
get_secret(struct positions *p, uint8_t out[POSITION_SECRET_BYTES], struct error *e)
{
	int rc = database_run(p->db, "BEGIN IMMEDIATE", "read the secret of the positions", e);

	if (rc != 0)
		return -1;
	rc = find_secret(p, out, e);
	if (rc > 0) {
		random_system_bytes(out, POSITION_SECRET_BYTES);
		database_bind_blob(p->statements[NEW_SECRET], 1, text_span(out, POSITION_SECRET_BYTES));
		rc = database_finish(p->db, p->statements[NEW_SECRET], "store the secret of the positions", e);
	}
	return end_transaction(p, rc, e);
}

struct remembered {
	int64_t n;
	size_t at, len; /* in the buffer of all */
};

static int
by_age(const void *a, const void *b)
{
	const struct remembered *x = a, *y = b;

	return (x->n > y->n) - (x->n < y->n);
}

int
positions_recall(struct positions *p, const struct position_key *keys, size_t count,
    uint8_t secret[POSITION_SECRET_BYTES], struct buffer *out, struct error *e)
{
	struct remembered *rows = NULL;
	size_t row_count = 0, capacity = 0;
	struct buffer all = BUFFER_INIT;
	int rc = get_secret(p, secret, e), result;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		sqlite3_stmt *s = bind_key(p, RECALL, &keys[i]);

		while ((result = sqlite3_step(s)) == SQLITE_ROW) {
			struct text events = database_blob(s, 1);

			rows = memory_reserve(rows, &capacity, row_count + 1, sizeof(*rows));
			rows[row_count++] = (struct remembered){sqlite3_column_int64(s, 0), all.len,
			    events.len - events.len % POSITION_RECENT_BYTES};
			buffer_append(&all, events.data, events.len);
		}
		if (result != SQLITE_DONE)
			rc = database_error(p->db, "read the newest events", e);
		sqlite3_reset(s);
	}
	if (row_count > 0)
		qsort(rows, row_count, sizeof(*rows), by_age);
	for (size_t i = 0; rc == 0 && i < row_count; i++)
		buffer_append(out, all.data + rows[i].at, rows[i].len);
	buffer_release(&all);
	free(rows);
	return rc;
}

#include "profile/dead_letters.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "profile/database.h"

#define FORMAT_VERSION 1
#define FILE_NAME "dead-letters/letters.db"

static const char schema_sql[] =
    "CREATE TABLE IF NOT EXISTS schema (id TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS letter ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT NOT NULL, topic TEXT NOT NULL, target TEXT NOT NULL,"
    " event_id TEXT NOT NULL, replay_id BLOB NOT NULL, schema_id TEXT NOT NULL, payload BLOB NOT NULL,"
    " code TEXT NOT NULL, reason TEXT NOT NULL, received_ms INTEGER NOT NULL,"
    " set_aside_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " UNIQUE (org, topic, target, event_id, replay_id))";

enum statement { STORE_SCHEMA, STORE, REMOVE, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
    [STORE_SCHEMA] = "INSERT INTO schema (id, json) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
    [STORE] = "INSERT INTO letter (org, topic, target, event_id, replay_id, schema_id, payload, code, reason,"
	      " received_ms, set_aside_ms, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)"
	      " ON CONFLICT (org, topic, target, event_id, replay_id) DO UPDATE SET schema_id = ?6,"
	      " payload = ?7, code = ?8, reason = ?9, set_aside_ms = ?11, attempts = attempts + 1",
    [REMOVE] = "DELETE FROM letter WHERE id = ?1",
};

static const char each_sql[] =
    "SELECT l.id, l.org, l.topic, l.target, l.event_id, l.replay_id, l.schema_id, s.json, l.payload,"
    " l.code, l.reason, l.received_ms, l.set_aside_ms, l.attempts"
    " FROM letter l LEFT JOIN schema s ON s.id = l.schema_id"
    " WHERE (?1 = '' OR l.org = ?1) AND (?2 = '' OR l.topic = ?2) AND (?3 = '' OR l.target = ?3)"
    " AND (?4 = '' OR l.event_id = ?4) AND (?5 = 0 OR l.id = ?5) AND l.id > ?6 ORDER BY l.id";

struct dead_letters {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
};

bool
dead_letters_exist(struct profile *p)
{
	return access(profile_path(p, FILE_NAME), F_OK) == 0;
}

struct dead_letters *
dead_letters_open(struct profile *p, bool *was_damaged, struct error *e)
{
	struct dead_letters *d;

	if (profile_make_directory(p, "dead-letters", e) != 0)
		return NULL;
	d = memory_zero(1, sizeof(*d));
	d->db = database_open(profile_path(p, FILE_NAME), FORMAT_VERSION, schema_sql, was_damaged, e);
	if (d->db == NULL)
		goto fail;
	for (int i = 0; i < STATEMENTS; i++) {
		d->statements[i] = database_prepare(d->db, statement_sql[i], e);
		if (d->statements[i] == NULL)
			goto fail;
	}
	return d;
fail:
	dead_letters_free(d);
	return NULL;
}

void
dead_letters_free(struct dead_letters *d)
{
	if (d == NULL)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(d->statements[i]);
	database_close(d->db);
	free(d);
}

static int
store_one(struct dead_letters *d, const struct dead_letter *l, struct error *e)
{
	sqlite3_stmt *s = d->statements[STORE_SCHEMA];

	if (l->schema_id.len > 0 && l->schema_json.len > 0) {
		database_bind_text(s, 1, l->schema_id);
		database_bind_text(s, 2, l->schema_json);
		if (database_finish(d->db, s, "set an event's schema aside", e) != 0)
			return -1;
	}
	s = d->statements[STORE];
	database_bind_text(s, 1, l->org_id);
	database_bind_text(s, 2, l->topic);
	database_bind_text(s, 3, l->table);
	database_bind_text(s, 4, l->event_id);
	database_bind_blob(s, 5, text_span(l->replay_id.bytes, l->replay_id.len));
	database_bind_text(s, 6, l->schema_id);
	database_bind_blob(s, 7, l->payload);
	database_bind_text(s, 8, text_of(error_name(l->code)));
	database_bind_text(s, 9, l->reason);
	sqlite3_bind_int64(s, 10, l->received_ms);
	sqlite3_bind_int64(s, 11, l->set_aside_ms);
	return database_finish(d->db, s, "set an event aside", e);
}

int
dead_letters_store(struct dead_letters *d, const struct dead_letter *letters, size_t count,
    struct error *e)
{
	int rc = database_run(d->db, "BEGIN IMMEDIATE", "set an event aside", e);

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = store_one(d, &letters[i], e);
	if (rc == 0)
		rc = database_run(d->db, "COMMIT", "set an event aside", e);
	if (rc != 0 && sqlite3_get_autocommit(d->db) == 0)
		sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

static sqlite3_stmt *
prepare_each(struct dead_letters *d, const struct dead_letter_filter *f, struct error *e)
{
	static const struct dead_letter_filter all;
	sqlite3_stmt *s = database_prepare(d->db, each_sql, e);

	if (s == NULL)
		return NULL;
	if (f == NULL)
		f = &all;
	database_bind_text(s, 1, text_of(f->org_id));
	database_bind_text(s, 2, text_of(f->topic));
	database_bind_text(s, 3, text_of(f->table));
	database_bind_text(s, 4, text_of(f->event_id));
	sqlite3_bind_int64(s, 5, f->id);
	sqlite3_bind_int64(s, 6, f->after);
	return s;
}

static enum error_code
code_of(struct text name)
{
	for (int i = 0; i < ERROR_CODE_COUNT; i++)
		if (text_is(name, error_name((enum error_code)i)))
			return (enum error_code)i;
	return ERR_REFUSED; /* a name that a later version gave */
}

int
dead_letters_each(struct dead_letters *d, const struct dead_letter_filter *filter,
    dead_letters_visit *visit, void *context, struct error *e)
{
	sqlite3_stmt *s = prepare_each(d, filter, e);
	int result, rc = 0;

	if (s == NULL)
		return -1;
	while ((result = sqlite3_step(s)) == SQLITE_ROW) {
		struct dead_letter l = {
		    .id = sqlite3_column_int64(s, 0),
		    .org_id = database_text(s, 1),
		    .topic = database_text(s, 2),
		    .table = database_text(s, 3),
		    .event_id = database_text(s, 4),
		    .schema_id = database_text(s, 6),
		    .schema_json = database_text(s, 7),
		    .payload = database_blob(s, 8),
		    .code = code_of(database_text(s, 9)),
		    .reason = database_text(s, 10),
		    .received_ms = sqlite3_column_int64(s, 11),
		    .set_aside_ms = sqlite3_column_int64(s, 12),
		    .attempts = sqlite3_column_int64(s, 13),
		};

		if (replay_id_set(&l.replay_id, database_blob(s, 5)) != 0)
			l.replay_id.len = 0;
		if (!visit(context, &l))
			break;
	}
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		rc = database_error(d->db, "list the events set aside", e);
	sqlite3_finalize(s);
	return rc;
}

int
dead_letters_remove(struct dead_letters *d, int64_t id, struct error *e)
{
	sqlite3_stmt *s = d->statements[REMOVE];

	sqlite3_bind_int64(s, 1, id);
	if (database_finish(d->db, s, "remove an event set aside", e) != 0)
		return -1;
	return sqlite3_changes(d->db) > 0 ? 0 : 1;
}

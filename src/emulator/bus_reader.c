#include <stdlib.h>

#include "base/memory.h"
#include "emulator/bus_internal.h"

struct bus_reader {
	sqlite3 *db;
	sqlite3_stmt *one, *all, *some, *enriched, *list;
};

struct bus_reader *
bus_reader_open(struct bus *b, struct error *e)
{
	struct bus_reader *r = memory_zero(1, sizeof *r);

	if (sqlite3_open_v2(bus_path(b), &r->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		bus_fail(r->db, "open its file", e);
	} else {
		sqlite3_busy_timeout(r->db, 10000);
		if (bus_execute(r->db, "PRAGMA mmap_size = 1073741824", e) == 0 &&
		    bus_prepare(r->db,
			"SELECT replay, wire FROM event WHERE entity = ?1 AND replay > ?2"
			" ORDER BY replay LIMIT ?3",
			&r->one, e) == 0 &&
		    bus_prepare(r->db, "SELECT replay, wire FROM event WHERE replay > ?2 ORDER BY replay LIMIT ?3",
			&r->all, e) == 0 &&
		    bus_prepare(r->db,
			"SELECT replay, wire FROM event WHERE replay > ?2 AND (1 << entity) & ?1"
			" ORDER BY replay LIMIT ?3",
			&r->some, e) == 0 &&
		    bus_prepare(r->db,
			"SELECT e.replay, coalesce(x.wire, e.wire) FROM event e LEFT JOIN enriched x ON x.replay = e.replay"
			" WHERE e.replay > ?2 AND (1 << e.entity) & ?1 ORDER BY e.replay LIMIT ?3",
			&r->enriched, e) == 0 &&
		    bus_prepare(r->db,
			"SELECT replay, id, entity FROM event WHERE replay > ?2 AND (1 << entity) & ?1"
			" ORDER BY replay LIMIT ?3",
			&r->list, e) == 0)
			return r;
	}
	bus_reader_close(r);
	return NULL;
}

void
bus_reader_close(struct bus_reader *r)
{
	if (!r)
		return;
	sqlite3_finalize(r->one);
	sqlite3_finalize(r->all);
	sqlite3_finalize(r->some);
	sqlite3_finalize(r->enriched);
	sqlite3_finalize(r->list);
	sqlite3_close(r->db);
	free(r);
}

/* One entity goes by the index, all of them by the table; what lies between reads and skips. */
static sqlite3_stmt *
bind(struct bus_reader *r, sqlite3_stmt *some, uint32_t entities, uint64_t after, int count)
{
	bool single = entities != 0 && (entities & (entities - 1)) == 0;
	sqlite3_stmt *s = some;

	if (some == r->some)
		s = single ? r->one : entities == UINT32_MAX ? r->all : r->some;
	if (s != r->all)
		sqlite3_bind_int64(s, 1, s == r->one ? __builtin_ctz(entities) : (sqlite3_int64)entities);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)after);
	sqlite3_bind_int(s, 3, count);
	return s;
}

int
bus_read(struct bus_reader *r, uint32_t entities, bool enriched, uint64_t *after, int count, size_t bytes,
    struct buffer *out, struct error *e)
{
	sqlite3_stmt *s = bind(r, enriched ? r->enriched : r->some, entities, *after, count);
	size_t start = out->len;
	int n = 0, rc;

	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		size_t len = (size_t)sqlite3_column_bytes(s, 1);

		if (n > 0 && out->len - start + len > bytes)
			break;
		buffer_append(out, sqlite3_column_blob(s, 1), len);
		*after = (uint64_t)sqlite3_column_int64(s, 0);
		n++;
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		n = bus_fail(r->db, "read events", e);
	sqlite3_reset(s);
	return n;
}

int
bus_list(struct bus_reader *r, uint32_t entities, uint64_t *after, int count,
    void (*line)(void *context, uint64_t replay, const char *id, unsigned entity), void *context,
    struct error *e)
{
	sqlite3_stmt *s = bind(r, r->list, entities, *after, count);
	int n = 0, rc;

	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		*after = (uint64_t)sqlite3_column_int64(s, 0);
		line(context, *after, (const char *)sqlite3_column_text(s, 1),
		    (unsigned)sqlite3_column_int(s, 2));
		n++;
	}
	if (rc != SQLITE_DONE)
		n = bus_fail(r->db, "list events", e);
	sqlite3_reset(s);
	return n;
}

/*
 * The writer: one thread that takes whatever appends have queued up since its last commit and stores them in one
 * transaction, so that the more there is to do the fewer commits it takes.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "emulator/lakehouse_private.h"

/* A transaction is closed at this many rows even when more are queued: an acknowledgement waits for the COMMIT. */
#define ROWS_PER_TRANSACTION 20000

struct lake_layout {
	struct lakehouse *lakehouse;
	struct lake_table *table; /* what the layout was made for */
	int *columns;
	size_t count;
	sqlite3_stmt *insert;
	uint64_t version; /* the table's when insert was prepared */
	bool failed;	  /* one of its appends was: later ones would leave a gap behind it */
};

struct lake_layout *
lake_layout_new(struct lakehouse *l, struct lake_table *table, const int *columns, size_t count)
{
	struct lake_layout *y = memory_zero(1, sizeof(*y));

	y->lakehouse = l;
	y->table = lake_table_ref(table);
	y->count = count;
	y->columns = memory_alloc((count + 1) * sizeof(*columns));
	if (count > 0)
		memcpy(y->columns, columns, count * sizeof(*columns));
	return y;
}

void
lake_layout_free(struct lake_layout *y)
{
	if (y == NULL)
		return;
	sqlite3_finalize(y->insert);
	lake_table_unref(y->table);
	free(y->columns);
	free(y);
}

void
lakehouse_append(struct lakehouse *l, struct lake_append *a)
{
	a->next = NULL;
	pthread_mutex_lock(&l->queue_lock);
	*l->last = a;
	l->last = &a->next;
	pthread_cond_signal(&l->queue_ready);
	pthread_mutex_unlock(&l->queue_lock);
}

/* Checks that the table is still what the layout was made for; where it only grew, or other columns changed, it goes on. */
static int
layout_fits(const struct lake_layout *y, const struct lake_table *now, struct error *e)
{
	const struct lake_table *then = y->table;

	for (size_t i = 0; i < y->count; i++) {
		const struct lake_field *f = &then->columns[y->columns[i]];
		int c = lake_table_column(now, text_of(f->name));

		if (c < 0)
			return error_set(e, ERR_MISFIT, "column \"%s\" is gone from table \"%s.%s.%s\"", f->name,
			    now->catalog, now->schema, now->name);
		if (!lake_type_equal(now->columns[c].type, f->type) || (f->nullable && !now->columns[c].nullable))
			return error_set(e, ERR_MISFIT, "column \"%s\" of table \"%s.%s.%s\" has changed its type",
			    f->name, now->catalog, now->schema, now->name);
	}
	for (size_t c = 0; c < now->column_count; c++) {
		bool filled = now->columns[c].nullable;

		for (size_t i = 0; i < y->count && !filled; i++)
			filled = strcasecmp(then->columns[y->columns[i]].name, now->columns[c].name) == 0;
		if (!filled)
			return error_set(e, ERR_MISFIT, "column \"%s\" of table \"%s.%s.%s\" is now NOT NULL",
			    now->columns[c].name, now->catalog, now->schema, now->name);
	}
	return 0;
}

static int
prepare_insert(struct lakehouse *l, struct lake_layout *y, const struct lake_table *now, struct error *e)
{
	struct buffer sql = BUFFER_INIT;
	int rc;

	if (y->insert != NULL && y->version == now->version)
		return 0;
	sqlite3_finalize(y->insert);
	y->insert = NULL;
	if (now != y->table && layout_fits(y, now, e) < 0)
		return -1;
	buffer_append_text(&sql, "INSERT INTO ");
	lake_table_sqlite_name(now, &sql);
	buffer_append_text(&sql, "(_rowid_");
	for (size_t i = 0; i < y->count; i++) {
		buffer_append_text(&sql, ", ");
		lakehouse_quote(&sql, y->table->columns[y->columns[i]].name);
	}
	buffer_append_text(&sql, ") VALUES (?");
	for (size_t i = 0; i < y->count; i++)
		buffer_append_text(&sql, ", ?");
	buffer_append_text(&sql, ")");
	rc = sqlite3_prepare_v3(l->db, buffer_text(&sql), -1, SQLITE_PREPARE_PERSISTENT, &y->insert, NULL);
	buffer_release(&sql);
	if (rc != SQLITE_OK)
		return lakehouse_sqlite_error(l->db, "lakehouse", e);
	y->version = now->version;
	return 0;
}

static void
bind_cell(sqlite3_stmt *s, int at, const struct lake_cell *c)
{
	const char *data = c->bytes.data ? c->bytes.data : "";

	switch (c->kind) {
	case LAKE_CELL_NULL:
		sqlite3_bind_null(s, at);
		break;
	case LAKE_CELL_INTEGER:
		sqlite3_bind_int64(s, at, c->integer);
		break;
	case LAKE_CELL_REAL:
		sqlite3_bind_double(s, at, c->real);
		break;
	case LAKE_CELL_TEXT:
		sqlite3_bind_text64(s, at, data, c->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
		break;
	case LAKE_CELL_BYTES:
		sqlite3_bind_blob64(s, at, data, c->bytes.len, SQLITE_STATIC);
		break;
	}
}

/* One append inside the open transaction. Its error is the append's own unless it came from SQLite (ERR_UNAVAILABLE). */
static int
store(struct lakehouse *l, struct lake_append *a, int64_t now_ms, struct error *e)
{
	struct lake_layout *y = a->layout;
	struct table_state *s = lakehouse_state_by_id(l, y->table->id);
	const struct lake_cell *cell = a->cells;
	int64_t first;

	if (y->failed)
		return error_set(e, ERR_FAILED, "an earlier request of the stream was not stored");
	if (s == NULL)
		return error_set(e, ERR_NOT_FOUND, "table \"%s.%s.%s\" does not exist any more", y->table->catalog,
		    y->table->schema, y->table->name);
	if (prepare_insert(l, y, s->table, e) < 0)
		return -1;
	first = s->next_row;
	for (size_t r = 0; r < a->rows; r++) {
		int step;

		sqlite3_bind_int64(y->insert, 1, s->next_row++);
		for (size_t i = 0; i < y->count; i++)
			bind_cell(y->insert, (int)i + 2, cell++);
		step = sqlite3_step(y->insert);
		sqlite3_reset(y->insert);
		if (step != SQLITE_DONE)
			return lakehouse_sqlite_error(l->db, "cannot store rows", e);
	}
	if (l->options.visibility_delay_ms > 0 && a->rows > 0) {
		s->pending = memory_reserve(s->pending, &s->pending_capacity, s->pending_count + 1,
		    sizeof(*s->pending));
		s->pending[s->pending_count++] = (struct pending_rows){.first = first,
		    .last = s->next_row - 1,
		    .visible_ms = now_ms + l->options.visibility_delay_ms};
	}
	return 0;
}

static void
finish_all(struct lake_append *list, const struct error *e)
{
	while (list != NULL) {
		struct lake_append *next = list->next; /* done may free it */

		list->layout->failed |= e != NULL;
		list->done(list, e);
		list = next;
	}
}

/*
 * Stores the list in one transaction, up to the first append that is refused for a reason of its own. Tells all of
 * these, and returns the rest.
 */
static struct lake_append *
transaction(struct lakehouse *l, struct lake_append *list)
{
	struct lake_append *stored = NULL, **stored_last = &stored, *refused = NULL;
	struct error e = ERROR_INIT, reason = ERROR_INIT;
	int64_t now_ms;
	int rc;

	pthread_mutex_lock(&l->write_lock);
	now_ms = lakehouse_now_ms(l);
	rc = lakehouse_execute(l->db, "BEGIN IMMEDIATE", &e);
	while (list != NULL && rc == 0 && refused == NULL) {
		struct lake_append *a = list;

		list = a->next;
		a->next = NULL;
		pthread_mutex_lock(&l->lock);
		rc = store(l, a, now_ms, &reason);
		pthread_mutex_unlock(&l->lock);
		if (rc < 0 && reason.code != ERR_UNAVAILABLE) {
			refused = a;
			rc = 0;
			continue;
		}
		if (rc < 0)
			e = reason;
		*stored_last = a;
		stored_last = &a->next;
	}
	if (rc == 0)
		rc = lakehouse_execute(l->db, "COMMIT", &e);
	if (sqlite3_get_autocommit(l->db) == 0)
		sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
	pthread_mutex_unlock(&l->write_lock);
	finish_all(stored, rc == 0 ? NULL : &e);
	finish_all(refused, &reason);
	if (rc == 0)
		return list;
	finish_all(list, &e);
	return NULL;
}

void *
lakehouse_writer(void *lakehouse)
{
	struct lakehouse *l = lakehouse;

	for (;;) {
		struct lake_append *list, **cut;
		size_t rows = 0;

		pthread_mutex_lock(&l->queue_lock);
		while (l->first == NULL && !l->closing)
			pthread_cond_wait(&l->queue_ready, &l->queue_lock);
		list = l->first;
		for (cut = &l->first; *cut != NULL && rows < ROWS_PER_TRANSACTION; cut = &(*cut)->next)
			rows += (*cut)->rows;
		l->first = *cut;
		if (l->first == NULL)
			l->last = &l->first;
		if (list != NULL)
			*cut = NULL;
		pthread_mutex_unlock(&l->queue_lock);
		if (list == NULL)
			return NULL;
		while (list != NULL)
			list = transaction(l, list);
	}
}

/* ---- visibility ---- */

static void
lakehouse_forget_pending(struct table_state *s, int64_t now_ms)
{
	size_t seen = 0;

	while (seen < s->pending_count && s->pending[seen].visible_ms <= now_ms)
		seen++;
	if (seen == 0)
		return;
	s->pending_count -= seen;
	memmove(s->pending, s->pending + seen, s->pending_count * sizeof(*s->pending));
}

void
lakehouse_visibility(struct lakehouse *l, const struct lake_table *t, struct buffer *out)
{
	struct table_state *s;

	pthread_mutex_lock(&l->lock);
	s = lakehouse_state_by_id(l, t->id);
	if (s != NULL)
		lakehouse_forget_pending(s, lakehouse_now_ms(l));
	for (size_t i = 0; s != NULL && i < s->pending_count; i++) {
		int64_t first = s->pending[i].first;

		while (i + 1 < s->pending_count && s->pending[i + 1].first == s->pending[i].last + 1)
			i++;
		buffer_append_format(out, " AND _rowid_ NOT BETWEEN %lld AND %lld", (long long)first,
		    (long long)s->pending[i].last);
	}
	pthread_mutex_unlock(&l->lock);
}

void
lakehouse_rows_inserted(struct lakehouse *l, const struct lake_table *t)
{
	int64_t last = sqlite3_last_insert_rowid(l->db);
	struct table_state *s;

	pthread_mutex_lock(&l->lock);
	s = lakehouse_state_by_id(l, t->id);
	if (s != NULL && s->next_row <= last)
		s->next_row = last + 1;
	pthread_mutex_unlock(&l->lock);
}

sqlite3 *
lakehouse_lock_writer(struct lakehouse *l)
{
	pthread_mutex_lock(&l->write_lock);
	return l->db;
}

void
lakehouse_unlock_writer(struct lakehouse *l)
{
	pthread_mutex_unlock(&l->write_lock);
}

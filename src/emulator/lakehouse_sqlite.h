/*
 * The SQLite side of the lakehouse, for the SQL translator alone: connections, and which rows are not to be seen yet.
 */
#ifndef SFZB_EMULATOR_LAKEHOUSE_SQLITE_H
#define SFZB_EMULATOR_LAKEHOUSE_SQLITE_H

#include <sqlite3.h>

#include "emulator/lakehouse.h"

/* Called on every new connection, to add functions. */
typedef int lakehouse_prepare_connection(sqlite3 *db);
void lakehouse_set_prepare(lakehouse_prepare_connection *prepare); /* before lakehouse_open */

/* A reading connection of one's own until it is given back. NULL: the error is set. */
sqlite3 *lakehouse_borrow_reader(struct lakehouse *l, struct error *e);
void lakehouse_return_reader(struct lakehouse *l, sqlite3 *db);

/* The writing connection, exclusively until unlocked. No transaction is open. */
sqlite3 *lakehouse_lock_writer(struct lakehouse *l);
void lakehouse_unlock_writer(struct lakehouse *l);

/*
 * Appends " AND _rowid_ NOT BETWEEN a AND b …" for the rows of the table that are committed but not yet visible;
 * nothing when all are.
 */
void lakehouse_visibility(struct lakehouse *l, const struct lake_table *t, struct buffer *out);
/* After INSERTs by SQL, with the writer locked: row numbers of later appends lie behind them. */
void lakehouse_rows_inserted(struct lakehouse *l, const struct lake_table *t);

/* Appends name in double quotes, doubled inside. */
void lakehouse_quote(struct buffer *out, const char *name);
int64_t lakehouse_now_ms(struct lakehouse *l);

#endif

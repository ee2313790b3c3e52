/*
 * The door to SQLite for a profile's databases: opened without following a link, mode 0600, WAL,
 * synchronous=FULL, checked at open. A damaged file is renamed aside and named in a warning, never overwritten.
 * For positions.c and dead_letters.c only.
 */
#ifndef SFZB_PROFILE_DATABASE_H
#define SFZB_PROFILE_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

/* Creates the tables when the file is new. version: PRAGMA user_version of this schema; a higher one is refused. */
sqlite3 *database_open(const char *path, int version, const char *schema_sql, bool *was_damaged,
    struct error *e);
void database_close(sqlite3 *db);

/* What SQLite's result codes mean to the program, over every primary code. */
enum error_code database_error_code(int result);
/* Sets the error from the connection's last fault; returns -1. */
int database_error(sqlite3 *db, const char *doing, struct error *e);

int database_run(sqlite3 *db, const char *sql, const char *doing, struct error *e);
sqlite3_stmt *database_prepare(sqlite3 *db, const char *sql, struct error *e);
/* Steps a statement that returns no row, and resets it. */
int database_finish(sqlite3 *db, sqlite3_stmt *s, const char *doing, struct error *e);
void database_bind_text(sqlite3_stmt *s, int index, struct text t); /* borrowed until the reset */
void database_bind_blob(sqlite3_stmt *s, int index, struct text t);
struct text database_text(sqlite3_stmt *s, int column); /* borrowed until the next step */
struct text database_blob(sqlite3_stmt *s, int column);

#endif

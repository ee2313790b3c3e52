/* What bus.c (the writer) and bus_reader.c share. Nobody else includes it. */
#ifndef SFZB_EMULATOR_BUS_INTERNAL_H
#define SFZB_EMULATOR_BUS_INTERNAL_H

#include <sqlite3.h>

#include "emulator/bus.h"

const char *bus_path(const struct bus *b);
int bus_fail(sqlite3 *db, const char *what, struct error *e);
int bus_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct error *e);
int bus_execute(sqlite3 *db, const char *sql, struct error *e);

#endif

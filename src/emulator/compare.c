#include "emulator/compare.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"

static int
fail(sqlite3 *db, const char *table, struct error *e)
{
	return error_set(e, ERR_NOT_FOUND, "cannot compare '%s' with what was published: %s", table,
	    sqlite3_errmsg(db));
}

/* One number; the statement may name the table by %s. */
static int
ask(sqlite3 *db, const char *sql, const char *quoted, const char *table, int64_t *out, struct error *e)
{
	char *text = sqlite3_mprintf(sql, quoted);
	sqlite3_stmt *s = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(db, text, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		*out = sqlite3_column_int64(s, 0);
		rc = 0;
	} else {
		fail(db, table, e);
	}
	sqlite3_finalize(s);
	sqlite3_free(text);
	return rc;
}

int
compare_run(const char *directory, const char *table, struct comparison *out, struct error *e)
{
	char *bus = memory_format("%s/bus.db", directory), *lakehouse = memory_format("%s/lakehouse.db", directory);
	char *quoted = sqlite3_mprintf("lakehouse.\"%w\"", table);
	char *attach = sqlite3_mprintf("ATTACH %Q AS lakehouse", lakehouse);
	sqlite3 *db = NULL;
	int rc = -1;

	if (access(bus, R_OK) != 0 || access(lakehouse, R_OK) != 0) {
		error_set(e, ERR_NOT_FOUND, "'%s' is no directory of an emulator", directory);
		goto out;
	}
	if (sqlite3_open_v2(bus, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
	    sqlite3_busy_timeout(db, 10000) != SQLITE_OK || sqlite3_exec(db, attach, NULL, NULL, NULL) != SQLITE_OK) {
		fail(db, table, e);
		goto out;
	}
	if (ask(db, "SELECT count(DISTINCT id) FROM event", quoted, table, &out->published, e) != 0 ||
	    ask(db, "SELECT count(*) FROM %s", quoted, table, &out->stored, e) != 0 ||
	    ask(db, "SELECT count(*) FROM (SELECT id FROM event EXCEPT SELECT event_id FROM %s)", quoted, table,
		&out->missing, e) != 0 ||
	    ask(db, "SELECT count(*) - count(DISTINCT event_id) FROM %s", quoted, table, &out->duplicates, e) != 0)
		goto out;
	rc = 0;
out:
	sqlite3_close(db);
	sqlite3_free(attach);
	sqlite3_free(quoted);
	free(lakehouse);
	free(bus);
	return rc;
}

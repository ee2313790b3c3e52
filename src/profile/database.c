#include "profile/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#define BUSY_MS 10000

enum error_code
database_error_code(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return ERR_OK;
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_CONFIG;
	case SQLITE_INTERRUPT:
		return ERR_INTERRUPTED;
	default:
		return ERR_FAILED;
	}
}

int
database_error(sqlite3 *db, const char *doing, struct error *e)
{
	int result = sqlite3_extended_errcode(db);
	int errnum = db != NULL ? sqlite3_system_errno(db) : 0;
	/* not even memory for the handle: SQLite's other functions take NULL for that */
	const char *path = db != NULL ? sqlite3_db_filename(db, "main") : NULL;
	enum error_code code = database_error_code(result);

	if (code == ERR_OK)
		code = ERR_FAILED;
	error_set(e, code, "cannot %s%s%s%s: %s%s%s", doing, path != NULL ? " in '" : "", path != NULL ? path : "",
	    path != NULL ? "'" : "", sqlite3_errmsg(db), errnum != 0 ? ": " : "", errnum != 0 ? strerror(errnum) : "");
	switch (result & 0xff) {
	case SQLITE_FULL:
		return error_hint(e, "free some space there and start again; what was stored is intact");
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_hint(e, "another program holds the file; is a backup or a shell open on it?");
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return error_hint(e, "the profile must be writable by this user; SFZB_HOME names another place");
	default:
		return -1;
	}
}

int
database_run(sqlite3 *db, const char *sql, const char *doing, struct error *e)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return database_error(db, doing, e);
	return 0;
}

sqlite3_stmt *
database_prepare(sqlite3 *db, const char *sql, struct error *e)
{
	sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK) {
		database_error(db, "prepare a statement", e);
		return NULL;
	}
	return s;
}

int
database_finish(sqlite3 *db, sqlite3_stmt *s, const char *doing, struct error *e)
{
	int rc = 0;

	if (sqlite3_step(s) != SQLITE_DONE)
		rc = database_error(db, doing, e);
	sqlite3_reset(s);
	return rc;
}

void
database_bind_text(sqlite3_stmt *s, int index, struct text t)
{
	sqlite3_bind_text64(s, index, t.data != NULL ? t.data : "", t.len, SQLITE_STATIC, SQLITE_UTF8);
}

void
database_bind_blob(sqlite3_stmt *s, int index, struct text t)
{
	sqlite3_bind_blob64(s, index, t.data != NULL ? t.data : "", t.len, SQLITE_STATIC);
}

struct text
database_text(sqlite3_stmt *s, int column)
{
	const void *data = sqlite3_column_text(s, column);

	return text_span(data, (size_t)sqlite3_column_bytes(s, column));
}

struct text
database_blob(sqlite3_stmt *s, int column)
{
	const void *data = sqlite3_column_blob(s, column);

	return text_span(data, (size_t)sqlite3_column_bytes(s, column));
}

/* Creates the file with the right mode, or checks that what is there is a file of its own. *empty: it held nothing before. */
static int
prepare_file(const char *path, bool *created, bool *empty, struct error *e)
{
	struct stat st;
	int fd;

	*created = *empty = false;
	/* never an open and a close of an existing one: that would drop the locks that SQLite holds in this process */
	if (lstat(path, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return error_set(e, ERR_CONFIG, "'%s' is not a regular file", path);
		*empty = st.st_size == 0;
		return 0;
	}
	if (errno != ENOENT)
		return error_set_errno(e, ERR_CONFIG, errno, "cannot look at '%s'", path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		if (errno == EEXIST) /* another run was quicker */
			return 0;
		error_set_errno(e, ERR_CONFIG, errno, "cannot create '%s'", path);
		return error_hint(e, "the profile must be writable by this user; SFZB_HOME names another place");
	}
	close(fd);
	*created = true;
	return 0;
}

static void
rename_aside(const char *path, const char *suffix, const char *aside)
{
	char *from = memory_format("%s%s", path, suffix);
	char *to = memory_format("%s%s", aside, suffix);

	if (rename(from, to) != 0 && errno != ENOENT)
		log_warn("profile", "cannot rename '%s': %s", from, strerror(errno));
	free(to);
	free(from);
}

static int
set_aside(const char *path, const char *why, struct error *e)
{
	char stamp[CLOCK_TIME_SIZE], *aside, *p;
	int rc = 0;

	clock_format_time(stamp, clock_wall_ms(&clock_system));
	for (p = stamp; *p != '\0'; p++)
		if (*p == ':')
			*p = '-';
	aside = memory_format("%s.damaged-%s", path, stamp);
	if (rename(path, aside) != 0) {
		error_set_errno(e, ERR_FAILED, errno, "'%s' is damaged (%s) and cannot be renamed", path, why);
		rc = -1;
	} else {
		rename_aside(path, "-wal", aside);
		rename_aside(path, "-shm", aside);
		log_warn("profile", "'%s' is damaged (%s); kept as '%s', and begun anew", path, why, aside);
	}
	free(aside);
	return rc;
}

static bool
is_damage(int result)
{
	int primary = result & 0xff;

	return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_FORMAT;
}

/* 0: sound, *found is its version; 1: damaged, why is filled; -1: error. */
static int
check(sqlite3 *db, int version, int *found, char *why, size_t size, struct error *e)
{
	sqlite3_stmt *s = NULL;
	int rc = -1, result;

	result = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &s, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(s);
	if (result == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0) {
		rc = 0;
	} else if (result == SQLITE_ROW) {
		text_clean(why, size, database_text(s, 0));
		rc = 1;
	} else if (is_damage(result)) {
		snprintf(why, size, "%s", sqlite3_errmsg(db));
		rc = 1;
	} else {
		database_error(db, "check the database", e);
	}
	sqlite3_finalize(s);
	if (rc != 0)
		return rc;
	s = NULL;
	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW) {
		sqlite3_finalize(s);
		return database_error(db, "read the version", e);
	}
	*found = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	if (*found > version) {
		error_set(e, ERR_CONFIG, "'%s' was written by a newer sfzb (format %d, this one knows %d)",
		    sqlite3_db_filename(db, "main"), *found, version);
		return error_hint(e, "use the newer sfzb, or another --profile");
	}
	return 0;
}

/* 0, 1 (damaged) or -1 as check; the connection is closed unless 0. */
static int
open_once(const char *path, int version, const char *schema_sql, sqlite3 **db, char *why, size_t size,
    struct error *e)
{
	char *begin = memory_format("BEGIN IMMEDIATE;%s;PRAGMA user_version=%d;COMMIT", schema_sql, version);
	int rc = -1, result, found = 0;

	result = sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (result != SQLITE_OK) {
		char *doing = memory_format("open the database '%s'", path);

		database_error(*db, doing, e);
		free(doing);
		goto out;
	}
	sqlite3_extended_result_codes(*db, 1);
	sqlite3_busy_timeout(*db, BUSY_MS);
	rc = check(*db, version, &found, why, size, e);
	if (rc != 0)
		goto out;
	rc = -1;
	if (database_run(*db, "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA trusted_schema=OFF",
		"prepare the database", e) != 0 ||
	    /* who only reads does not write, and works on a full disk */
	    (found < version && database_run(*db, begin, "prepare the tables", e) != 0)) {
		if (is_damage(sqlite3_errcode(*db))) {
			snprintf(why, size, "%s", sqlite3_errmsg(*db));
			rc = 1;
		}
		goto out;
	}
	rc = 0;
out:
	if (rc != 0) {
		sqlite3_close(*db);
		*db = NULL;
	}
	free(begin);
	return rc;
}

sqlite3 *
database_open(const char *path, int version, const char *schema_sql, bool *was_damaged,
    struct error *e)
{
	sqlite3 *db = NULL;
	bool created, empty;
	char why[200];
	int rc;

	if (was_damaged != NULL)
		*was_damaged = false;
	if (prepare_file(path, &created, &empty, e) != 0)
		return NULL;
	rc = open_once(path, version, schema_sql, &db, why, sizeof(why), e);
	if (rc == 0 && empty) {
		/* cut to nothing, or a run that died before its first write: nothing to keep, but say so */
		log_warn("profile", "'%s' was empty; begun anew", path);
		if (was_damaged != NULL)
			*was_damaged = true;
	}
	if (rc == 1) {
		if (set_aside(path, why, e) != 0 || prepare_file(path, &created, &empty, e) != 0)
			return NULL;
		if (was_damaged != NULL)
			*was_damaged = true;
		rc = open_once(path, version, schema_sql, &db, why, sizeof(why), e);
		if (rc == 1)
			error_set(e, ERR_FAILED, "cannot begin '%s' anew: %s", path, why);
	}
	return rc == 0 ? db : NULL;
}

void
database_close(sqlite3 *db)
{
	if (db != NULL)
		sqlite3_close_v2(db);
}

/*
 * SQL on a warehouse: a statement is submitted, waited for as long as its caller says (a warehouse that
 * starts takes minutes and is never "no rows"), cancelled when the caller gives up, and its rows are
 * read chunk by chunk (wire/databricks-http.md §6). Blocking.
 *
 * Every value comes as text: select what has no settled text form as unix_micros(x), base64(x) or to_json(x).
 */
#ifndef SFZB_DATABRICKS_SQL_H
#define SFZB_DATABRICKS_SQL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "databricks/session.h"

/* A named parameter, ":name" in the statement. */
struct sql_parameter {
	const char *name;
	const char *value; /* NULL: NULL */
	const char *type;  /* "STRING", "BIGINT" …; NULL: STRING */
};

struct sql_column {
	char *name;
	char *type_text; /* "ARRAY<STRING>" */
	char *type_name; /* "ARRAY" */
};

struct sql_statement {
	const char *text; /* one statement, no trailing ';' */
	const struct sql_parameter *parameters;
	size_t parameter_count;
	const char *warehouse_id; /* NULL: the configured one; none: catalog_pick_warehouse */
	const char *catalog, *schema; /* defaults, may be NULL */
	int64_t deadline_ms;	      /* from now until it must have ended; 0: none */
	/*
	 * Called when the state is first known and whenever a poll told it again: "PENDING", "RUNNING". Returns false
	 * to give up (the statement is cancelled, ERR_INTERRUPTED). May be NULL.
	 */
	bool (*waiting)(void *context, const char *state, int64_t elapsed_ms);
	/*
	 * Called for each row instead of keeping it, cells as in sql_result_cell; false stops reading. May be NULL.
	 */
	bool (*row)(void *context, const struct sql_column *columns, const struct text *cells, size_t count);
	/* In place of databricks_call, for who has the answers from elsewhere (tests); NULL: asks the workspace. */
	int (*call)(void *context, const char *method, const char *path, const struct json *body, struct json **out,
	    struct error *e);
	void *context;
	bool only_reads; /* may be run again when its result was lost or the service stumbled */
};

struct sql_result {
	struct sql_column *columns;
	size_t column_count;
	struct text *cells; /* row_count rows of column_count each; data NULL: SQL NULL */
	size_t row_count;
	bool truncated; /* the server cut the result */
	/* of a statement that failed, "" otherwise: "TABLE_OR_VIEW_NOT_FOUND", "42P01" */
	char error_class[80], sql_state[8];
	struct buffer arena; /* the cells' bytes */
};

void sql_result_init(struct sql_result *r);
void sql_result_release(struct sql_result *r);
/* data NULL: SQL NULL, or no such cell. */
struct text sql_result_cell(const struct sql_result *r, size_t row, size_t column);

/*
 * Runs it to the end. ERR_NOT_FOUND (no such table, schema, warehouse), ERR_MISFIT (no such column), ERR_PERMISSION,
 * ERR_TIMEOUT (deadline; cancelled), ERR_INTERRUPTED (cancelled), ERR_UNAVAILABLE, ERR_FAILED (any other SQL error) …
 * r is released and filled anew.
 */
int sql_run(struct databricks_session *s, const struct sql_statement *statement, struct sql_result *r,
    struct error *e);

#endif

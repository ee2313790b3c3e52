#include "databricks/sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "databricks/catalog.h"

#define STATEMENTS "/api/2.0/sql/statements"
#define POLL_FIRST_MS 500
#define POLL_SOON_MS 100 /* where nothing was waited for with the submission */
#define POLL_MOST_MS 5000
#define WAIT_LEAST_S 5 /* wait_timeout: 0 or 5 … 50 seconds */
#define WAIT_MOST_S 30
#define RUNS 3 /* of a statement that only reads */

void
sql_result_init(struct sql_result *r)
{
	memset(r, 0, sizeof(*r));
}

void
sql_result_release(struct sql_result *r)
{
	for (size_t i = 0; i < r->column_count; i++) {
		free(r->columns[i].name);
		free(r->columns[i].type_text);
		free(r->columns[i].type_name);
	}
	free(r->columns);
	free(r->cells);
	buffer_release(&r->arena);
	sql_result_init(r);
}

struct text
sql_result_cell(const struct sql_result *r, size_t row, size_t column)
{
	if (row >= r->row_count || column >= r->column_count)
		return (struct text){.data = NULL};
	return r->cells[row * r->column_count + column];
}

/* What a failed statement means, by the first of class (a prefix), SQL state and error_code that fits. */
static const struct {
	const char *class, *sql_state, *error_code;
	enum error_code code;
} failures[] = {
    {"TABLE_OR_VIEW_NOT_FOUND", NULL, NULL, ERR_NOT_FOUND},
    {"SCHEMA_NOT_FOUND", NULL, NULL, ERR_NOT_FOUND},
    {"NO_SUCH_CATALOG", NULL, NULL, ERR_NOT_FOUND},
    {"CATALOG_NOT_FOUND", NULL, NULL, ERR_NOT_FOUND},
    {"UNRESOLVED_COLUMN", NULL, NULL, ERR_MISFIT},
    {"INSUFFICIENT_PERMISSIONS", NULL, NULL, ERR_PERMISSION},
    {"PERMISSION_DENIED", NULL, NULL, ERR_PERMISSION},
    {NULL, "42P01", NULL, ERR_NOT_FOUND},
    {NULL, "42704", NULL, ERR_NOT_FOUND},
    {NULL, "3F000", NULL, ERR_NOT_FOUND},
    {NULL, "42703", NULL, ERR_MISFIT},
    {NULL, "42501", NULL, ERR_PERMISSION},
};

/*
 * One table: the error of a statement that ended FAILED, by class, SQL state and error_code. error_code may be NULL;
 * class is taken from the message's "[CLASS] …".
 */
static enum error_code
sql_error_code(const char *error_code, const char *sql_state, const char *error_class)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (failures[i].class != NULL && error_class != NULL &&
		    strncmp(error_class, failures[i].class, strlen(failures[i].class)) == 0)
			return failures[i].code;
		if (failures[i].sql_state != NULL && sql_state != NULL &&
		    strcmp(sql_state, failures[i].sql_state) == 0)
			return failures[i].code;
	}
	return error_code != NULL ? databricks_error_code(error_code) : ERR_FAILED;
}

/* One run of one statement. */
struct run {
	struct databricks_session *session;
	const struct sql_statement *statement;
	struct sql_result *result;
	const struct clock *clock;
	int64_t begun_ms; /* monotonic */
	char id[128];	  /* statement_id, "" before it is known */
	char shown[128];  /* the same for messages */
	struct text *cells; /* of one row, for the row callback */
	bool stopped;	  /* the row callback wants no more */
	bool lost;	  /* CLOSED: it succeeded, but its result is gone */
};

static struct json *
parameters_json(const struct sql_statement *st)
{
	struct json *list = json_array();

	for (size_t i = 0; i < st->parameter_count; i++) {
		struct json *p = json_object();

		json_set_string(p, "name", st->parameters[i].name);
		json_set_string(p, "value", st->parameters[i].value);
		json_set_string(p, "type",
		    st->parameters[i].type != NULL ? st->parameters[i].type : "STRING");
		json_add(list, p);
	}
	return list;
}

static int
ask(struct run *run, const char *method, const char *path, const struct json *body, enum databricks_repeat repeat,
    struct json **answer, struct error *e)
{
	const struct sql_statement *st = run->statement;

	if (st->call != NULL)
		return st->call(st->context, method, path, body, answer, e);
	return databricks_call(run->session, method, path, body, repeat, answer, e);
}

static int64_t
elapsed_ms(const struct run *run)
{
	return clock_monotonic_ms(run->clock) - run->begun_ms;
}

static int
submit(struct run *run, const char *warehouse_id, struct json **answer, struct error *e)
{
	const struct sql_statement *st = run->statement;
	struct json *body = json_object();
	int64_t wait_s = WAIT_MOST_S;
	char wait[16];
	int rc;

	if (st->deadline_ms > 0 && st->deadline_ms / 1000 < wait_s)
		wait_s = st->deadline_ms / 1000;
	/*
	 * Whoever wants to hear of the waiting hears of it by polls, and may give up at any moment: only a statement whose id is
	 * known can be cancelled, so that its submission must not wait.
	 */
	if (wait_s < WAIT_LEAST_S || st->waiting != NULL)
		wait_s = 0;
	snprintf(wait, sizeof(wait), "%" PRId64 "s", wait_s);
	json_set_string(body, "warehouse_id", warehouse_id);
	json_set_string(body, "statement", st->text);
	if (st->catalog != NULL)
		json_set_string(body, "catalog", st->catalog);
	if (st->schema != NULL)
		json_set_string(body, "schema", st->schema);
	if (st->parameter_count > 0)
		json_set(body, "parameters", parameters_json(st));
	json_set_string(body, "disposition", "INLINE");
	json_set_string(body, "format", "JSON_ARRAY");
	json_set_string(body, "wait_timeout", wait);
	json_set_string(body, "on_wait_timeout", "CONTINUE");
	rc = ask(run, "POST", STATEMENTS, body, st->only_reads ? REPEAT_SAFE : REPEAT_STATEMENT, answer, e);
	json_free(body);
	return rc;
}

/* "/api/2.0/sql/statements/<id><rest>" */
static char *
statement_path(const struct run *run, const char *rest)
{
	struct buffer path = BUFFER_INIT;

	buffer_append_text(&path, STATEMENTS "/");
	encode_percent(&path, text_of(run->id));
	buffer_append_text(&path, rest);
	return buffer_detach(&path);
}

/* Best effort: what goes on running costs the user money. */
static void
cancel(struct run *run)
{
	struct error ignored = ERROR_INIT;
	struct json *answer = NULL;
	char *path;

	if (run->id[0] == '\0')
		return;
	path = statement_path(run, "/cancel");
	if (ask(run, "POST", path, NULL, REPEAT_LAST_WORD, &answer, &ignored) < 0)
		log_debug("databricks", "statement %s is not cancelled: %s", run->shown, ignored.text);
	json_free(answer);
	free(path);
}

/* "[TABLE_OR_VIEW_NOT_FOUND] The table …" → the class. */
static void
take_class(struct sql_result *r, const char *message)
{
	const char *end = message != NULL && message[0] == '[' ? strchr(message, ']') : NULL;

	if (end != NULL && (size_t)(end - message) < sizeof(r->error_class)) {
		memcpy(r->error_class, message + 1, (size_t)(end - message - 1));
		r->error_class[end - message - 1] = '\0';
	}
}

static int
failed(struct run *run, const struct json *status, struct error *e)
{
	const struct json *error = json_find(status, "error");
	const char *code = json_find_string(error, "error_code");
	const char *message = json_find_string(error, "message");
	const char *sql_state = json_find_string(status, "sql_state");
	char clean[700], clean_code[80];
	enum error_code result;

	take_class(run->result, message);
	if (sql_state != NULL && strlen(sql_state) < sizeof(run->result->sql_state))
		strcpy(run->result->sql_state, sql_state);
	result = sql_error_code(code, sql_state, run->result->error_class);
	text_clean(clean, sizeof(clean), text_of(message != NULL ? message : "no reason given"));
	text_clean(clean_code, sizeof(clean_code), text_of(code));
	error_set(e, result, "SQL: %s%s%s (statement %s)", clean_code, code != NULL ? ": " : "",
	    clean, run->shown);
	if (result == ERR_SESSION)
		error_hint(e, "log in again with 'sfzb login databricks'");
	else if (result == ERR_UNAVAILABLE || result == ERR_OVERLOADED)
		error_hint(e, "this passes: run it again in a while");
	else if (result == ERR_PERMISSION)
		error_hint(e, "SQL takes USE CATALOG, USE SCHEMA and SELECT on the table, and CAN USE on the warehouse");
	return -1;
}

static void
take_columns(struct run *run, const struct json *manifest)
{
	const struct json *columns = json_find(json_find(manifest, "schema"), "columns");
	struct sql_result *r = run->result;

	r->truncated = json_find_bool(manifest, "truncated", false);
	r->columns = memory_zero(json_count(columns) + 1, sizeof(*r->columns));
	for (struct json *c = json_first(columns); c != NULL; c = json_next(c)) {
		const char *name = json_find_string(c, "name");
		const char *text = json_find_string(c, "type_text");
		const char *type = json_find_string(c, "type_name");

		r->columns[r->column_count++] = (struct sql_column){
		    .name = memory_strdup(name != NULL ? name : ""),
		    .type_text = memory_strdup(text != NULL ? text : ""),
		    .type_name = memory_strdup(type != NULL ? type : "")};
	}
	run->cells = memory_zero(r->column_count + 1, sizeof(*run->cells));
}

/*
 * Keeps one row. The arena may move while it grows, so that the cells hold offsets (+ 1; NULL is 0) until all
 * rows are there; sql_run turns them into pointers.
 */
static int
keep_row(struct run *run, size_t *capacity, struct error *e)
{
	struct sql_result *r = run->result;
	size_t first = r->row_count * r->column_count;

	r->cells = memory_reserve(r->cells, capacity, first + r->column_count, sizeof(*r->cells));
	for (size_t i = 0; i < r->column_count; i++) {
		struct text cell = run->cells[i];

		r->cells[first + i].len = cell.len;
		r->cells[first + i].data = cell.data != NULL ? (const char *)(uintptr_t)(r->arena.len + 1) : NULL;
		if (r->arena.len + cell.len > LIMIT_SQL_RESULT_BYTES)
			return error_set(e, ERR_FAILED, "the result of a query is larger than %d bytes",
			    LIMIT_SQL_RESULT_BYTES);
		buffer_append(&r->arena, cell.data, cell.len);
	}
	r->row_count++;
	return 0;
}

static void
settle_cells(struct sql_result *r)
{
	for (size_t i = 0; i < r->row_count * r->column_count; i++)
		if (r->cells[i].data != NULL)
			r->cells[i].data = (const char *)r->arena.data + ((uintptr_t)r->cells[i].data - 1);
}

static int
take_rows(struct run *run, const struct json *chunk, size_t *capacity, struct error *e)
{
	const struct sql_statement *st = run->statement;
	struct sql_result *r = run->result;
	struct json *row = json_first(json_find(chunk, "data_array"));

	for (; row != NULL && !run->stopped; row = json_next(row)) {
		size_t i = 0;

		if (json_count(row) != r->column_count)
			return error_set(e, ERR_REFUSED, "statement %s: a row has %zu cells, not %zu", run->shown, json_count(row),
			    r->column_count);
		for (struct json *cell = json_first(row); cell != NULL; cell = json_next(cell)) {
			const char *text = json_string(cell);

			if (text == NULL && !json_is_null(cell))
				return error_set(e, ERR_REFUSED, "statement %s: a cell is neither text nor null", run->shown);
			run->cells[i++] = text_of(text);
		}
		if (st->row != NULL)
			run->stopped = !st->row(st->context, r->columns, run->cells, r->column_count);
		else if (keep_row(run, capacity, e) < 0)
			return -1;
	}
	return 0;
}

/* The first chunk came with the answer; each names the next. */
static int
read_result(struct run *run, struct json *answer, struct error *e)
{
	const struct json *chunk = json_find(answer, "result");
	struct json *page = NULL;
	size_t capacity = 0;
	int64_t last = 0;
	int rc = -1;

	take_columns(run, json_find(answer, "manifest"));
	while (chunk != NULL) {
		int64_t next = json_find_int64(chunk, "next_chunk_index", -1);
		char rest[60];
		char *path;

		if (take_rows(run, chunk, &capacity, e) < 0)
			goto out;
		if (next < 0 || run->stopped)
			break;
		if (next <= last) {
			error_set(e, ERR_REFUSED, "statement %s: its chunks do not follow each other", run->shown);
			goto out;
		}
		last = next;
		json_free(page);
		page = NULL;
		snprintf(rest, sizeof(rest), "/result/chunks/%" PRId64, next);
		path = statement_path(run, rest);
		if (ask(run, "GET", path, NULL, REPEAT_SAFE, &page, e) < 0) {
			free(path);
			goto out;
		}
		free(path);
		chunk = page;
	}
	rc = 0;
out:
	json_free(page);
	return rc;
}

/* Between two polls. -1: the caller gives up, or the deadline has passed; the statement is then cancelled. */
static int
wait_turn(struct run *run, const char *state, int64_t wait_ms, struct error *e)
{
	const struct sql_statement *st = run->statement;
	int64_t left = st->deadline_ms > 0 ? st->deadline_ms - elapsed_ms(run) : wait_ms;
	char clean[40];

	if (st->waiting != NULL && !st->waiting(st->context, state, elapsed_ms(run))) {
		cancel(run);
		return error_set(e, ERR_INTERRUPTED, "the statement was given up");
	}
	if (left <= 0) {
		cancel(run);
		error_set(e, ERR_TIMEOUT, "statement %s was still %s after %" PRId64 " s and is cancelled", run->shown,
		    text_clean(clean, sizeof(clean), text_of(state)), elapsed_ms(run) / 1000);
		return strcmp(state, "PENDING") == 0 ?
		    error_hint(e, "a stopped warehouse takes minutes to start: try again, or allow more time") :
		    -1;
	}
	if (http_pool_pause(databricks_session_pool(run->session), wait_ms < left ? wait_ms : left, e) < 0) {
		cancel(run);
		return -1;
	}
	return 0;
}

static int
poll_state(struct run *run, struct json **answer, struct error *e)
{
	char *path = statement_path(run, "");
	int rc = ask(run, "GET", path, NULL, REPEAT_SAFE, answer, e);

	free(path);
	if (rc < 0 && e->code == ERR_INTERRUPTED)
		cancel(run);
	return rc;
}

/* It becomes a part of URLs and messages. */
static bool
names_statement(const char *id)
{
	size_t len = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	return len > 0 && len < sizeof(((struct run *)NULL)->id) && id[len] == '\0';
}

/* Submits and waits for the end. -1 with the error, or 0 with the result read. */
static int
run_once(struct run *run, const char *warehouse_id, struct error *e)
{
	int64_t wait_ms = run->statement->waiting != NULL ? POLL_SOON_MS : POLL_FIRST_MS;
	struct json *answer = NULL;
	int rc = submit(run, warehouse_id, &answer, e);

	while (rc == 0) {
		const struct json *status = json_find(answer, "status");
		const char *state = json_find_string(status, "state");
		const char *id = json_find_string(answer, "statement_id");

		if (id != NULL && names_statement(id))
			snprintf(run->id, sizeof(run->id), "%s", id);
		text_clean(run->shown, sizeof(run->shown), text_of(run->id));
		if (state == NULL || run->id[0] == '\0') {
			rc = error_set(e, ERR_REFUSED, "POST %s: the answer names no statement or no state", STATEMENTS);
		} else if (strcmp(state, "SUCCEEDED") == 0) {
			rc = read_result(run, answer, e);
			break;
		} else if (strcmp(state, "FAILED") == 0) {
			rc = failed(run, status, e);
		} else if (strcmp(state, "CANCELED") == 0) {
			rc = error_set(e, ERR_FAILED, "statement %s was cancelled by somebody else", run->shown);
		} else if (strcmp(state, "CLOSED") == 0) {
			run->lost = true;
			rc = error_set(e, ERR_UNAVAILABLE, "statement %s succeeded, but its result is gone", run->shown);
		} else {
			rc = wait_turn(run, state, wait_ms, e);
			wait_ms = wait_ms * 3 / 2 < POLL_MOST_MS ? wait_ms * 3 / 2 : POLL_MOST_MS;
			json_free(answer);
			answer = NULL;
			if (rc == 0)
				rc = poll_state(run, &answer, e);
		}
	}
	json_free(answer);
	return rc;
}

int
sql_run(struct databricks_session *s, const struct sql_statement *statement, struct sql_result *r,
    struct error *e)
{
	struct run run = {.session = s, .statement = statement, .result = r,
	    .clock = http_pool_clock(databricks_session_pool(s))};
	char warehouse_id[WAREHOUSE_ID_SIZE] = "";
	struct error own = ERROR_INIT;
	int rc = -1;

	if (e == NULL)
		e = &own;
	sql_result_release(r);
	if (statement->warehouse_id != NULL)
		snprintf(warehouse_id, sizeof(warehouse_id), "%s", statement->warehouse_id);
	else if (catalog_pick_warehouse(s, warehouse_id, e) < 0)
		return -1;
	run.begun_ms = clock_monotonic_ms(run.clock);
	for (int tries = 1;; tries++) {
		run.id[0] = '\0';
		run.lost = false;
		rc = run_once(&run, warehouse_id, e);
		/* what only reads may run again; not when rows have gone out already */
		if (rc == 0 || !statement->only_reads || tries == RUNS || run.id[0] == '\0' ||
		    r->column_count > 0 || (!run.lost && error_disposition(e->code) != DISPOSITION_RETRY))
			break;
		log_debug("databricks", "%s; running it again", e->text);
		if (http_pool_pause(databricks_session_pool(s), tries * 1000, e) < 0)
			break;
	}
	settle_cells(r);
	free(run.cells);
	return rc;
}

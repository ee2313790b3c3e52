/*
 * What a workspace answers about a SQL statement: its state, the manifest, chunks. The first byte says how the statement is run
 * (rows kept or handed over, with somebody who gives up, with a deadline); the answers follow, parted by bytes 0, and each is
 * JSON or counts as a call that failed. Whatever is taken must hold together: cells lie in the result's own bytes, a row
 * has as many as there are columns, and an error has text that a terminal can be given.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "databricks/sql.h"

#define CALLS_MOST 200

struct script {
	struct text left;
	size_t columns, rows;
	int calls, patience;
	int64_t now_ms;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
answer(void *context, const char *method, const char *path, const struct json *body, struct json **out, struct error *e)
{
	struct script *s = context;
	const char *end = s->left.len > 0 ? memchr(s->left.data, '\0', s->left.len) : NULL;
	size_t len = end != NULL ? (size_t)(end - s->left.data) : s->left.len;
	struct text one = text_span(s->left.data, len);

	(void)body;
	*out = NULL;
	/* an id of the server's is escaped in a path */
	if (strncmp(path, "/api/2.0/sql/statements", 23) != 0 || strpbrk(path + 23, "?# \n") != NULL ||
	    (strcmp(method, "GET") != 0 && strcmp(method, "POST") != 0))
		abort();
	if (++s->calls > CALLS_MOST)
		return error_set(e, ERR_INTERRUPTED, "enough");
	if (s->left.len == 0)
		return error_set(e, ERR_FAILED, "no more answers");
	s->left = text_span(s->left.data + len + (end != NULL), s->left.len - len - (end != NULL));
	if (one.len == 0)
		return 0; /* an empty answer */
	*out = json_parse(one, e);
	return *out != NULL ? 0 : error_set(e, ERR_UNAVAILABLE, "an answer was lost");
}

static bool
waiting(void *context, const char *state, int64_t elapsed_ms)
{
	struct script *s = context;

	if (state == NULL || elapsed_ms < 0)
		abort();
	return s->patience-- > 0;
}

static bool
take_row(void *context, const struct sql_column *columns, const struct text *cells, size_t count)
{
	struct script *s = context;
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += strlen(columns[i].name) + cells[i].len;
	s->columns = count;
	return sum < 100000 && ++s->rows < 50;
}

static void
turn_clock(void *context, int64_t ms)
{
	((struct script *)context)->now_ms += ms;
}

static int64_t
now(void *context)
{
	return ((struct script *)context)->now_ms;
}

static void
check_result(const struct sql_result *r)
{
	for (size_t row = 0; row <= r->row_count; row++) {
		for (size_t i = 0; i <= r->column_count; i++) {
			struct text cell = sql_result_cell(r, row, i);
			const char *begin = (const char *)r->arena.data;

			if (cell.data != NULL && (cell.data < begin || cell.data + cell.len > begin + r->arena.len) && cell.len > 0)
				abort();
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {.patience = 5};
	struct clock clock = {now, now, &s};
	struct databricks_session_options options = {.clock = &clock, .sleep = turn_clock, .sleep_context = &s, .seed = 1};
	struct databricks_config config;
	struct sql_statement st = {.text = "SELECT 1", .warehouse_id = "w", .call = answer, .context = &s};
	struct databricks_session *session;
	struct sql_result r;
	struct error e = ERROR_INIT;

	if (size == 0)
		return 0;
	s.left = text_span((const char *)data + 1, size - 1);
	st.row = data[0] & 1 ? take_row : NULL;
	st.waiting = data[0] & 2 ? waiting : NULL;
	st.deadline_ms = data[0] & 4 ? 20000 : 10 * 60 * 1000;
	st.only_reads = (data[0] & 8) != 0;
	databricks_config_init(&config);
	session = databricks_session_new(&config, &options);
	sql_result_init(&r);
	if (sql_run(session, &st, &r, &e) == 0)
		check_result(&r);
	else if (e.code == ERR_OK)
		abort();
	for (const char *p = e.text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			abort();
	sql_result_release(&r);
	databricks_session_free(session);
	return 0;
}

/* Warehouses and SQL statements over REST (wire/databricks-http.md §5, §6). */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/databricks.h"

#define STATEMENT_BYTES ((size_t)16 * 1024 * 1024)
#define INLINE_BYTES ((size_t)25 * 1024 * 1024)

/* ---- warehouses ---- */

static struct json *
warehouse_json(struct databricks *d)
{
	static const char *const states[] = {"STOPPED", "STARTING", "RUNNING"};
	struct json *j = json_object(), *odbc = json_object();

	json_set_string(j, "id", WAREHOUSE_ID);
	json_set_string(j, "name", "emulator");
	json_set_string(j, "state", states[warehouse_state(d->warehouse)]);
	json_set_string(j, "cluster_size", "2X-Small");
	json_set_string(j, "warehouse_type", "PRO");
	json_set_bool(j, "enable_serverless_compute", true);
	json_set_int64(j, "auto_stop_mins", 0);
	json_set_string(odbc, "hostname", "localhost");
	json_set_string(odbc, "path", "/sql/1.0/warehouses/" WAREHOUSE_ID);
	json_set(j, "odbc_params", odbc);
	return j;
}

/* Authorized, and the path names the one warehouse there is. */
static bool
check_warehouse(struct databricks *d, const struct web_request *r, struct http_answer *a)
{
	char *principal;

	if (!workspace_authorize(d, r, a, &principal))
		return false;
	free(principal);
	if (strcmp(r->parameters[0], WAREHOUSE_ID) == 0)
		return true;
	workspace_error(a, 404, "RESOURCE_DOES_NOT_EXIST", "SQL warehouse %s does not exist.", r->parameters[0]);
	return false;
}

void
warehouses_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	struct json *j, *list;
	char *principal;

	if (!workspace_authorize(d, r, a, &principal))
		return;
	free(principal);
	j = json_object();
	list = json_array();
	json_add(list, warehouse_json(d));
	json_set(j, "warehouses", list);
	workspace_answer(a, j);
}

void
warehouse_get(void *context, const struct web_request *r, struct http_answer *a)
{
	if (check_warehouse(context, r, a))
		workspace_answer(a, warehouse_json(context));
}

void
warehouse_start_post(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;

	if (!check_warehouse(d, r, a))
		return;
	warehouse_start(d->warehouse);
	workspace_answer(a, json_object());
}

void
warehouse_stop_post(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;

	if (!check_warehouse(d, r, a))
		return;
	warehouse_stop(d->warehouse);
	workspace_answer(a, json_object());
}

/* ---- statements ---- */

static void
answer_text(struct http_answer *a, struct buffer *text)
{
	web_header(a, "X-Databricks-Org-Id", DATABRICKS_WORKSPACE_ID);
	a->status = 200;
	a->content_type = NULL;
	buffer_release(&a->body);
	a->body = *text;
	*text = (struct buffer)BUFFER_INIT;
}

static bool
bad(struct http_answer *a, const char *words)
{
	workspace_error(a, 400, "INVALID_PARAMETER_VALUE", "%s", words);
	return false;
}

/* "0s" or 5s … 50s; absent: 10s. */
static bool
wait_of(const struct json *body, int64_t *ms, struct http_answer *a)
{
	const char *s = json_find_string(body, "wait_timeout");
	char *end;
	long seconds;

	*ms = 10000;
	if (s == NULL)
		return true;
	seconds = strtol(s, &end, 10);
	if (end == s || strcmp(end, "s") != 0 || !(seconds == 0 || (seconds >= 5 && seconds <= 50)))
		return bad(a, "wait_timeout must be 0s or from 5s to 50s");
	*ms = seconds * 1000;
	return true;
}

static bool
is_one_of(const struct json *body, const char *key, const char *first, const char *second)
{
	const char *s = json_find_string(body, key);

	return json_find(body, key) == NULL || (s != NULL && (strcmp(s, first) == 0 || strcmp(s, second) == 0));
}

/* The parts of a request; names and values point into the body. */
static bool
read_request(const struct json *body, struct spark_request *q, struct spark_parameter **parameters, struct http_answer *a)
{
	const struct json *list = json_find(body, "parameters");

	if (json_find_string(body, "warehouse_id") == NULL)
		return bad(a, "warehouse_id is required");
	if (strcmp(json_find_string(body, "warehouse_id"), WAREHOUSE_ID) != 0) {
		workspace_error(a, 404, "RESOURCE_DOES_NOT_EXIST", "SQL warehouse %s does not exist.",
		    json_find_string(body, "warehouse_id"));
		return false;
	}
	q->statement = json_find_string(body, "statement");
	if (q->statement == NULL || *q->statement == '\0')
		return bad(a, "statement is required");
	if (strlen(q->statement) > STATEMENT_BYTES)
		return bad(a, "the statement is longer than 16 MiB");
	if (!is_one_of(body, "disposition", "INLINE", "INLINE"))
		return bad(a, "only the disposition INLINE is supported here");
	if (!is_one_of(body, "format", "JSON_ARRAY", "JSON_ARRAY"))
		return bad(a, "the disposition INLINE takes the format JSON_ARRAY only");
	if (!is_one_of(body, "on_wait_timeout", "CONTINUE", "CANCEL"))
		return bad(a, "on_wait_timeout must be CONTINUE or CANCEL");
	q->catalog = json_find_string(body, "catalog");
	q->schema = json_find_string(body, "schema");
	q->row_limit = (size_t)json_find_int64(body, "row_limit", 0);
	q->byte_limit = (size_t)json_find_int64(body, "byte_limit", 0);
	q->byte_ceiling = INLINE_BYTES;
	*parameters = memory_zero(json_count(list) + 1, sizeof(**parameters));
	q->parameters = *parameters;
	for (const struct json *p = json_first(list); p != NULL; p = json_next(p)) {
		struct spark_parameter *to = &(*parameters)[q->parameter_count++];

		to->name = json_find_string(p, "name");
		to->type = json_find_string(p, "type");
		to->value = json_find_string(p, "value");
		if (to->name == NULL)
			return bad(a, "a parameter needs a name");
		if (to->value == NULL && !json_is_null(json_find(p, "value")))
			return bad(a, "the value of a parameter must be a string or null");
	}
	return true;
}

void
statement_post(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	struct spark_request q = {.statement = NULL};
	struct spark_parameter *parameters = NULL;
	struct error e = ERROR_INIT;
	struct json *body = NULL;
	struct buffer text = BUFFER_INIT;
	char *principal;
	const char *late;
	int64_t wait;

	if (!workspace_authorize(d, r, a, &principal))
		return;
	body = json_parse(r->query->body, &e);
	if (body == NULL || !json_is_object(body)) {
		workspace_error(a, 400, "MALFORMED_REQUEST", "the body is not a JSON object");
	} else if (read_request(body, &q, &parameters, a) && wait_of(body, &wait, a)) {
		late = json_find_string(body, "on_wait_timeout");
		q.principal = principal;
		/* with 0s nothing is waited for, and so nothing is too late */
		warehouse_submit(d->warehouse, &q, wait, wait > 0 && late != NULL && strcmp(late, "CANCEL") == 0, &text);
		answer_text(a, &text);
	}
	free(parameters);
	json_free(body);
	free(principal);
}

static void
no_statement(const struct web_request *r, struct http_answer *a)
{
	workspace_error(a, 404, "NOT_FOUND", "The statement %s was not found.", r->parameters[0]);
}

void
statement_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	struct buffer text = BUFFER_INIT;
	char *principal;

	if (!workspace_authorize(d, r, a, &principal))
		return;
	free(principal);
	if (warehouse_poll(d->warehouse, r->parameters[0], &text))
		answer_text(a, &text);
	else
		no_statement(r, a);
}

void
statement_chunk_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	struct buffer text = BUFFER_INIT;
	char *principal;
	int found;

	if (!workspace_authorize(d, r, a, &principal))
		return;
	free(principal);
	found = warehouse_chunk(d->warehouse, r->parameters[0], strtoul(r->parameters[1], NULL, 10), &text);
	if (found > 0)
		answer_text(a, &text);
	else if (found < 0)
		workspace_error(a, 400, "INVALID_PARAMETER_VALUE", "the statement has no chunk %s", r->parameters[1]);
	else
		no_statement(r, a);
}

void
statement_cancel_post(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	char *principal;

	if (!workspace_authorize(d, r, a, &principal))
		return;
	free(principal);
	if (warehouse_cancel(d->warehouse, r->parameters[0]))
		workspace_answer(a, json_object());
	else
		no_statement(r, a);
}

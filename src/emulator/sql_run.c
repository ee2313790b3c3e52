/* One statement from text to result: lexing, the helpers of all parsers, running, and values as the API shows them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json_text.h"
#include "base/memory.h"
#include "emulator/lakehouse_text.h"
#include "emulator/sql_private.h"

/* ---- errors ---- */

int
spark_fail(struct spark *q, const char *class, const char *state, const char *format, ...)
{
	char words[ERROR_TEXT_MAX - 128];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	snprintf(q->result->state, sizeof(q->result->state), "%s", state);
	snprintf(q->result->kind, sizeof(q->result->kind), "BAD_REQUEST");
	return error_set(q->e, ERR_USAGE, "[%s] %s SQLSTATE: %s", class, words, state);
}

int
spark_syntax_error(struct spark *q)
{
	const struct spark_token *t = spark_peek(q, 0);

	return spark_fail(q, "PARSE_SYNTAX_ERROR", "42601", "Syntax error at or near '%s'. (pos %zu)", t->text, t->start);
}

int
spark_lakehouse_error(struct spark *q, const char *what)
{
	struct error e = *q->e;

	switch (e.code) {
	case ERR_NOT_FOUND:
		return spark_fail(q, strcmp(what, "SCHEMA") == 0 ? "SCHEMA_NOT_FOUND" : "TABLE_OR_VIEW_NOT_FOUND",
		    strcmp(what, "SCHEMA") == 0 ? "42704" : "42P01", "%s.", e.text);
	case ERR_CONFIG:
		return spark_fail(q, strcmp(what, "SCHEMA") == 0 ? "SCHEMA_ALREADY_EXISTS" :
			    strcmp(what, "COLUMN") == 0	      ? "FIELD_ALREADY_EXISTS" :
								 "TABLE_OR_VIEW_ALREADY_EXISTS",
		    strcmp(what, "SCHEMA") == 0 ? "42P06" : strcmp(what, "COLUMN") == 0 ? "42710" : "42P07", "%s.", e.text);
	case ERR_MISFIT:
		return spark_fail(q, "DELTA_OPERATION_NOT_ALLOWED", "0AKDC", "%s.", e.text);
	default:
		snprintf(q->result->state, sizeof(q->result->state), "58030");
		snprintf(q->result->kind, sizeof(q->result->kind), "IO_ERROR");
		return -1;
	}
}

/* ---- tokens ---- */

const struct spark_token *
spark_peek(struct spark *q, size_t ahead)
{
	size_t at = q->at + ahead;

	return &q->tokens.items[at < q->tokens.count ? at : q->tokens.count - 1];
}

bool
spark_is_at(struct spark *q, size_t ahead, const char *what)
{
	const struct spark_token *t = spark_peek(q, ahead);

	return (t->kind == SQL_WORD || t->kind == SQL_SIGN) && strcasecmp(t->text, what) == 0;
}

bool
spark_is(struct spark *q, const char *what)
{
	return spark_is_at(q, 0, what);
}

bool
spark_take(struct spark *q, const char *what)
{
	if (!spark_is(q, what))
		return false;
	q->at++;
	return true;
}

bool
spark_take2(struct spark *q, const char *first, const char *second)
{
	if (!spark_is(q, first) || !spark_is_at(q, 1, second))
		return false;
	q->at += 2;
	return true;
}

int
spark_expect(struct spark *q, const char *what)
{
	return spark_take(q, what) ? 0 : spark_syntax_error(q);
}

int
spark_end(struct spark *q)
{
	spark_take(q, ";");
	return spark_peek(q, 0)->kind == SQL_END ? 0 : spark_syntax_error(q);
}

const char *
spark_name(struct spark *q)
{
	const struct spark_token *t = spark_peek(q, 0);

	if (t->kind != SQL_WORD && t->kind != SQL_NAME) {
		spark_syntax_error(q);
		return NULL;
	}
	q->at++;
	return t->text;
}

/* ---- types ---- */

const struct lake_type *
spark_type(enum lake_kind kind)
{
	static const struct lake_type scalars[LAKE_KIND_COUNT] = {
#define X(k, name, ddl, json, sqlite)                                                              \
	[LAKE_##k] = {.kind = LAKE_##k, .precision = LAKE_##k == LAKE_DECIMAL ? 10 : 0, .contains_null = true},
	    LAKE_KINDS(X)
#undef X
	};

	return &scalars[kind];
}

struct lake_type *
spark_keep_type(struct spark *q, struct lake_type *t)
{
	q->types = memory_reserve(q->types, &q->type_capacity, q->type_count + 1, sizeof(*q->types));
	q->types[q->type_count++] = t;
	return t;
}

const struct lake_type *
spark_array_of(struct spark *q, const struct lake_type *element)
{
	struct lake_type *t = lake_type_new(LAKE_ARRAY);

	t->element = lake_type_clone(element);
	return spark_keep_type(q, t);
}

const struct lake_type *
spark_read_type(struct spark *q)
{
	const char *base = q->request->statement, *at = base + spark_peek(q, 0)->start;
	struct lake_type *t = lake_type_parse(&at, q->e);

	if (t == NULL) {
		spark_syntax_error(q);
		return NULL;
	}
	while (spark_peek(q, 0)->kind != SQL_END && base + spark_peek(q, 0)->start < at)
		q->at++;
	/* a >> that closes two types at once may reach beyond this one */
	return spark_keep_type(q, t);
}

/* ---- names ---- */

int
spark_read_table_name(struct spark *q, struct spark_table_name *n)
{
	const char *parts[3] = {NULL, NULL, NULL};
	int count = 0;

	do {
		if (count == 3)
			return spark_fail(q, "REQUIRES_SINGLE_PART_NAMESPACE", "42K05", "a table name has at most three parts.");
		parts[count] = spark_name(q);
		if (parts[count++] == NULL)
			return -1;
	} while (spark_take(q, "."));
	n->part[0] = count == 3 ? parts[0] : q->request->catalog ? q->request->catalog : "main";
	n->part[1] = count >= 2 ? parts[count - 2] : q->request->schema ? q->request->schema : "default";
	n->part[2] = parts[count - 1];
	return 0;
}

struct lake_name
spark_lake_name(const struct spark_table_name *n)
{
	return (struct lake_name){n->part[0], n->part[1], n->part[2]};
}

int
spark_table_not_found(struct spark *q, const struct spark_table_name *n)
{
	return spark_fail(q, "TABLE_OR_VIEW_NOT_FOUND", "42P01",
	    "The table or view `%s`.`%s`.`%s` cannot be found. Verify the spelling and correctness of the schema and catalog.",
	    n->part[0], n->part[1], n->part[2]);
}

static bool
is_allowed(struct spark *q, const char *privilege, const char *type, const char *object)
{
	if (q->request->principal == NULL || !lakehouse_is_denied(q->lakehouse, q->request->principal, privilege, object))
		return true;
	spark_fail(q, "INSUFFICIENT_PERMISSIONS", "42501", "User does not have %s on %s '%s'.", privilege, type, object);
	return false;
}

bool
spark_may_use(struct spark *q, const char *catalog, const char *schema, const char *privilege)
{
	char *full = memory_format("%s.%s", catalog, schema);
	bool may = is_allowed(q, "USE CATALOG", "Catalog", catalog) && is_allowed(q, "USE SCHEMA", "Schema", full) &&
	    (privilege == NULL || is_allowed(q, privilege, "Schema", full));

	free(full);
	return may;
}

struct lake_table *
spark_open_table(struct spark *q, const struct spark_table_name *n, const char *privilege)
{
	struct lake_table *t = lakehouse_find(q->lakehouse, spark_lake_name(n));
	struct buffer full = BUFFER_INIT;

	if (t == NULL) {
		spark_table_not_found(q, n);
		return NULL;
	}
	lake_table_full_name(t, &full);
	if (!spark_may_use(q, t->catalog, t->schema, NULL) || !is_allowed(q, privilege, "Table", buffer_text(&full))) {
		lake_table_unref(t);
		t = NULL;
	}
	buffer_release(&full);
	return t;
}

/* ---- values ---- */

static void
nested_text(const struct lake_type *t, struct text kept, struct buffer *out)
{
	spark_json_text(t, kept, true, out);
}

void
spark_value_text(const struct lake_type *t, sqlite3_value *v, struct buffer *out)
{
	struct text s = text_span(sqlite3_value_blob(v), (size_t)sqlite3_value_bytes(v));
	bool text = sqlite3_value_type(v) == SQLITE_TEXT;

	switch (t->kind) {
	case LAKE_BOOLEAN:
		buffer_append_text(out, sqlite3_value_int64(v) ? "true" : "false");
		return;
	case LAKE_BYTE:
	case LAKE_SHORT:
	case LAKE_INT:
	case LAKE_LONG:
		if (sqlite3_value_type(v) == SQLITE_FLOAT)
			break;
		json_text_int64(out, sqlite3_value_int64(v));
		return;
	case LAKE_FLOAT:
		if (text)
			break;
		lake_text_float(out, (float)sqlite3_value_double(v));
		return;
	case LAKE_DOUBLE:
		if (text)
			break;
		lake_text_double(out, sqlite3_value_double(v));
		return;
	case LAKE_DATE:
		lake_text_date(out, sqlite3_value_int64(v));
		return;
	case LAKE_TIMESTAMP:
	case LAKE_TIMESTAMP_NTZ:
		lake_text_timestamp(out, sqlite3_value_int64(v), t->kind == LAKE_TIMESTAMP);
		return;
	case LAKE_BINARY:
		buffer_append_base64(out, s.data, s.len);
		return;
	case LAKE_ARRAY:
	case LAKE_MAP:
	case LAKE_STRUCT:
		nested_text(t, s, out);
		return;
	default:
		break;
	}
	buffer_append(out, s.data, s.len);
}

/* ---- results ---- */

void
spark_result_release(struct spark_result *r)
{
	for (size_t i = 0; i < r->column_count; i++) {
		free(r->columns[i].name);
		lake_type_free(r->columns[i].type);
	}
	free(r->columns);
	free(r->row_ends);
	buffer_release(&r->data);
	*r = (struct spark_result){.columns = NULL};
}

void
spark_result_column(struct spark_result *r, const char *name, const struct lake_type *type)
{
	r->columns = memory_grow(r->columns, r->column_count + 1, sizeof(*r->columns));
	r->columns[r->column_count++] =
	    (struct spark_column){.name = memory_strdup(name), .type = lake_type_clone(type)};
	r->has_rows = true;
}

static void
end_row(struct spark_result *r)
{
	r->row_ends = memory_reserve(r->row_ends, &r->row_capacity, r->rows + 1, sizeof(*r->row_ends));
	r->row_ends[r->rows++] = r->data.len;
}

void
spark_result_row(struct spark_result *r, const char *const *values)
{
	buffer_append_byte(&r->data, '[');
	for (size_t i = 0; i < r->column_count; i++) {
		buffer_append_text(&r->data, i ? "," : "");
		if (values[i] == NULL)
			buffer_append_text(&r->data, "null");
		else
			json_text_string(&r->data, text_of(values[i]));
	}
	buffer_append_byte(&r->data, ']');
	end_row(r);
}

static void
add_sqlite_row(struct spark_result *r, sqlite3_stmt *s, struct buffer *value)
{
	buffer_append_byte(&r->data, '[');
	for (size_t i = 0; i < r->column_count; i++) {
		sqlite3_value *v = sqlite3_column_value(s, (int)i);

		buffer_append_text(&r->data, i ? "," : "");
		if (sqlite3_value_type(v) == SQLITE_NULL) {
			buffer_append_text(&r->data, "null");
			continue;
		}
		buffer_clear(value);
		spark_value_text(r->columns[i].type, v, value);
		if (text_is_utf8(buffer_span(value))) {
			json_text_string(&r->data, buffer_span(value));
		} else {
			char *clean = memory_alloc(value->len * 3 + 8);

			json_text_string(&r->data, text_of(text_clean(clean, value->len * 3 + 8, buffer_span(value))));
			free(clean);
		}
	}
	buffer_append_byte(&r->data, ']');
	end_row(r);
}

/* ---- running ---- */

static int
canceled(void *cancel)
{
	return __atomic_load_n((const int *)cancel, __ATOMIC_RELAXED);
}

static void
bind(struct spark *q, sqlite3_stmt *s)
{
	for (size_t i = 0; i < q->request->parameter_count; i++) {
		const struct spark_parameter *p = &q->request->parameters[i];
		char name[256];
		int at;

		snprintf(name, sizeof(name), ":%s", p->name);
		at = sqlite3_bind_parameter_index(s, name);
		if (at > 0)
			sqlite3_bind_text(s, at, p->value, -1, SQLITE_STATIC);
	}
}

static int
sqlite_failed(struct spark *q, sqlite3 *db)
{
	const char *words = sqlite3_errmsg(db);
	int code = sqlite3_errcode(db) & 0xff;

	if (code == SQLITE_INTERRUPT) {
		q->result->canceled = true;
		snprintf(q->result->kind, sizeof(q->result->kind), "CANCELLED");
		return error_set(q->e, ERR_FAILED, "statement was canceled");
	}
	if (words[0] == '[') {
		/* from a function of ours: "[CLASS] words SQLSTATE: 22018" */
		const char *state = strstr(words, "SQLSTATE: ");

		snprintf(q->result->state, sizeof(q->result->state), "%.5s", state ? state + 10 : "HY000");
		snprintf(q->result->kind, sizeof(q->result->kind), "BAD_REQUEST");
		return error_set(q->e, ERR_USAGE, "%s", words);
	}
	/* dropped since the statement was read */
	if (code == SQLITE_ERROR && strncmp(words, "no such table: ", 15) == 0)
		return spark_fail(q, "TABLE_OR_VIEW_NOT_FOUND", "42P01", "The table or view `%s` cannot be found.", words + 15);
	if (code == SQLITE_ERROR)
		return spark_fail(q, "UNSUPPORTED_FEATURE", "0A000", "%s.", words);
	snprintf(q->result->state, sizeof(q->result->state), "58030");
	snprintf(q->result->kind, sizeof(q->result->kind), "IO_ERROR");
	return error_set(q->e, ERR_UNAVAILABLE, "%s", words);
}

int
spark_execute(struct spark *q, sqlite3 *db, const char *text, bool rows)
{
	struct spark_result *r = q->result;
	struct buffer value = BUFFER_INIT;
	sqlite3_stmt *s = NULL;
	int step = SQLITE_ERROR;

	if (q->request->cancel != NULL)
		sqlite3_progress_handler(db, 10000, canceled, (void *)(uintptr_t)q->request->cancel);
	if (sqlite3_prepare_v2(db, text, -1, &s, NULL) == SQLITE_OK) {
		bind(q, s);
		while ((step = sqlite3_step(s)) == SQLITE_ROW && rows) {
			if ((q->request->row_limit > 0 && r->rows >= q->request->row_limit) ||
			    (q->request->byte_limit > 0 && r->data.len >= q->request->byte_limit)) {
				r->truncated = true;
				step = SQLITE_DONE;
				break;
			}
			add_sqlite_row(r, s, &value);
			if (q->request->byte_ceiling > 0 && r->data.len > q->request->byte_ceiling)
				break;
		}
	}
	buffer_release(&value);
	if (step == SQLITE_ROW && rows) {
		sqlite3_finalize(s);
		sqlite3_progress_handler(db, 0, NULL, NULL);
		return spark_fail(q, "INLINE_RESULT_TOO_LARGE", "54000", "Inline byte limit exceeded: the result is larger than %zu bytes.",
		    q->request->byte_ceiling);
	}
	if (step != SQLITE_DONE && step != SQLITE_ROW)
		sqlite_failed(q, db);
	sqlite3_finalize(s);
	sqlite3_progress_handler(db, 0, NULL, NULL);
	return step == SQLITE_DONE || step == SQLITE_ROW ? 0 : -1;
}

static int
run_query(struct spark *q)
{
	struct buffer text = BUFFER_INIT;
	struct spark_output *columns = NULL;
	size_t count = 0;
	sqlite3 *db = lakehouse_borrow_reader(q->lakehouse, q->e);
	int rc;

	if (db == NULL)
		return spark_lakehouse_error(q, "TABLE");
	/* the snapshot comes before the question which rows may be seen */
	sqlite3_exec(db, "BEGIN; SELECT 1 FROM _sfzb_namespaces", NULL, NULL, NULL);
	rc = spark_query(q, &text, &columns, &count);
	if (rc == 0)
		rc = spark_end(q);
	for (size_t i = 0; i < count && rc == 0; i++)
		spark_result_column(q->result, columns[i].name, columns[i].type);
	if (rc == 0)
		rc = spark_execute(q, db, buffer_text(&text), true);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	lakehouse_return_reader(q->lakehouse, db);
	spark_outputs_free(columns, count);
	buffer_release(&text);
	return rc;
}

static int
dispatch(struct spark *q)
{
	bool done = false;
	int rc = 0;

	if (spark_at_query(q, 0) || spark_is(q, "("))
		return run_query(q);
	rc = spark_data_statement(q, &done);
	if (rc == 0 && !done)
		rc = spark_definition_statement(q, &done);
	if (rc == 0 && !done)
		rc = spark_show_statement(q, &done);
	if (rc == 0 && !done)
		rc = spark_syntax_error(q);
	return rc;
}

int
spark_run(struct lakehouse *l, const struct spark_request *request, struct spark_result *r, struct error *e)
{
	struct spark q = {.lakehouse = l, .request = request, .result = r, .e = e};
	struct error why = ERROR_INIT;
	int rc;

	if (spark_lex(request->statement, &q.tokens, &why) < 0) {
		rc = spark_fail(&q, "PARSE_SYNTAX_ERROR", "42601", "Syntax error: %s.", why.text);
	} else {
		rc = q.tokens.count == 1 ? spark_fail(&q, "PARSE_EMPTY_STATEMENT", "42617", "Syntax error, unexpected empty statement.") :
					   dispatch(&q);
	}
	spark_tokens_release(&q.tokens);
	for (size_t i = 0; i < q.type_count; i++)
		lake_type_free(q.types[i]);
	free(q.types);
	return rc;
}

void
spark_set_up(void)
{
	lakehouse_set_prepare(spark_register_functions);
}

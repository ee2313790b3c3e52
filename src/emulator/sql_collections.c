/* SQLite functions over arrays and maps kept as JSON, aggregates of values, and JSON as to_json writes it. */
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/limits.h"
#include "base/memory.h"
#include "emulator/lakehouse_text.h"
#include "emulator/sql_private.h"

/* ---- kept JSON → shown JSON ---- */

struct shower {
	struct json_reader r;
	struct buffer *out;
	bool nulls;
	struct error e;
};

static void show(struct shower *s, const struct lake_type *t, enum json_token token);

static void
show_scalar(struct shower *s, const struct lake_type *t, enum json_token token)
{
	char digits[32] = "";
	bool time = t != NULL && (t->kind == LAKE_TIMESTAMP || t->kind == LAKE_TIMESTAMP_NTZ || t->kind == LAKE_DATE);

	if (token == JSON_TOKEN_NUMBER && time && s->r.value.len < sizeof(digits)) {
		int64_t v;

		memcpy(digits, s->r.value.data, s->r.value.len);
		v = strtoll(digits, NULL, 10);
		buffer_append_byte(s->out, '"');
		if (t->kind == LAKE_DATE)
			lake_text_date(s->out, v);
		else
			lake_text_timestamp(s->out, v, t->kind == LAKE_TIMESTAMP);
		buffer_append_byte(s->out, '"');
	} else if (token == JSON_TOKEN_STRING && t != NULL && t->kind == LAKE_DECIMAL) {
		buffer_append(s->out, s->r.value.data, s->r.value.len);
	} else if (token == JSON_TOKEN_STRING) {
		json_text_string(s->out, s->r.value);
	} else if (token == JSON_TOKEN_NUMBER) {
		buffer_append(s->out, s->r.value.data, s->r.value.len);
	} else {
		buffer_append_text(s->out, token == JSON_TOKEN_TRUE ? "true" : token == JSON_TOKEN_FALSE ? "false" : "null");
	}
}

static const struct lake_type *
member_type(const struct lake_type *t, struct text key)
{
	if (t == NULL || t->kind == LAKE_MAP)
		return t ? t->element : NULL;
	for (size_t i = 0; t->kind == LAKE_STRUCT && i < t->field_count; i++)
		if (text_is(key, t->fields[i].name))
			return t->fields[i].type;
	return NULL;
}

static void
show_object(struct shower *s, const struct lake_type *t)
{
	bool comma = false, keep_nulls = s->nulls || t == NULL || t->kind != LAKE_STRUCT;
	enum json_token token;

	buffer_append_byte(s->out, '{');
	while ((token = json_reader_next(&s->r, &s->e)) == JSON_TOKEN_KEY) {
		const struct lake_type *member = member_type(t, s->r.value);
		size_t back = s->out->len;

		buffer_append_text(s->out, comma ? "," : "");
		json_text_string(s->out, s->r.value);
		buffer_append_byte(s->out, ':');
		token = json_reader_next(&s->r, &s->e);
		if (token == JSON_TOKEN_NULL && !keep_nulls) {
			s->out->len = back;
			continue;
		}
		show(s, member, token);
		comma = true;
	}
	buffer_append_byte(s->out, '}');
}

static void
show(struct shower *s, const struct lake_type *t, enum json_token token)
{
	if (token == JSON_TOKEN_OBJECT) {
		show_object(s, t);
	} else if (token == JSON_TOKEN_ARRAY) {
		bool comma = false;

		buffer_append_byte(s->out, '[');
		while ((token = json_reader_next(&s->r, &s->e)) != JSON_TOKEN_ARRAY_END && token != JSON_TOKEN_ERROR) {
			buffer_append_text(s->out, comma ? "," : "");
			comma = true;
			show(s, t != NULL && t->kind == LAKE_ARRAY ? t->element : NULL, token);
		}
		buffer_append_byte(s->out, ']');
	} else {
		show_scalar(s, t, token);
	}
}

void
spark_json_text(const struct lake_type *t, struct text kept, bool nulls, struct buffer *out)
{
	struct shower s = {.out = out, .nulls = nulls, .e = ERROR_INIT};
	size_t back = out->len;

	json_reader_init(&s.r, kept);
	show(&s, t->kind == LAKE_VARIANT ? NULL : t, json_reader_next(&s.r, &s.e));
	json_reader_release(&s.r);
	if (s.e.code != ERR_OK) {
		/* not of the emulator's making (a cast by hand): as it is */
		out->len = back;
		buffer_append(out, kept.data, kept.len);
	}
}

/* ---- arrays ---- */

/* Calls f with each element of an array as JSON text and as token; f says whether to go on. */
typedef bool element_function(void *context, enum json_token token, struct text value, struct text json);

static void
each_element(struct text array, element_function *f, void *context)
{
	struct json_reader r;
	struct error e = ERROR_INIT;
	enum json_token token;

	json_reader_init(&r, array);
	if (json_reader_next(&r, &e) == JSON_TOKEN_ARRAY) {
		while ((token = json_reader_next(&r, &e)) != JSON_TOKEN_ARRAY_END && token != JSON_TOKEN_ERROR) {
			bool nested = token == JSON_TOKEN_OBJECT || token == JSON_TOKEN_ARRAY;
			size_t start = r.at - 1;

			if (nested && json_reader_skip(&r, token, &e) < 0)
				break;
			if (!f(context, token, nested ? text_of("") : r.value, text_span(array.data + start, nested ? r.at - start : 0)))
				break;
		}
	}
	json_reader_release(&r);
}

static bool
count_element(void *context, enum json_token token, struct text value, struct text json)
{
	(void)token;
	(void)value;
	(void)json;
	++*(int64_t *)context;
	return true;
}

static void
native_size(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct text s = spark_value(argv[0]);
	struct json_reader r;
	struct error e = ERROR_INIT;
	int64_t n = 0;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	each_element(s, count_element, &n);
	json_reader_init(&r, s);
	if (json_reader_next(&r, &e) == JSON_TOKEN_OBJECT) {
		enum json_token token;

		while ((token = json_reader_next(&r, &e)) == JSON_TOKEN_KEY) {
			n++;
			if (json_reader_skip(&r, json_reader_next(&r, &e), &e) < 0)
				break;
		}
	}
	json_reader_release(&r);
	sqlite3_result_int64(c, n);
}

static void
native_map_keys(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct json_reader r;
	struct error e = ERROR_INIT;
	struct buffer b = BUFFER_INIT;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	json_reader_init(&r, spark_value(argv[0]));
	buffer_append_byte(&b, '[');
	if (json_reader_next(&r, &e) == JSON_TOKEN_OBJECT)
		while (json_reader_next(&r, &e) == JSON_TOKEN_KEY) {
			buffer_append_text(&b, b.len > 1 ? "," : "");
			json_text_string(&b, r.value);
			if (json_reader_skip(&r, json_reader_next(&r, &e), &e) < 0)
				break;
		}
	buffer_append_byte(&b, ']');
	json_reader_release(&r);
	spark_result_buffer(c, &b);
}

static void
element_json(enum json_token token, struct text value, struct text json, struct buffer *out)
{
	switch (token) {
	case JSON_TOKEN_STRING:
		json_text_string(out, value);
		break;
	case JSON_TOKEN_NUMBER:
		buffer_append(out, value.data, value.len);
		break;
	case JSON_TOKEN_OBJECT:
	case JSON_TOKEN_ARRAY:
		buffer_append(out, json.data, json.len);
		break;
	default:
		buffer_append_text(out, token == JSON_TOKEN_TRUE ? "true" : token == JSON_TOKEN_FALSE ? "false" : "null");
		break;
	}
}

struct distinct {
	struct buffer *seen;
	size_t count, capacity;
};

static bool
add_distinct(void *context, enum json_token token, struct text value, struct text json)
{
	struct distinct *d = context;
	struct buffer b = BUFFER_INIT;

	element_json(token, value, json, &b);
	for (size_t i = 0; i < d->count; i++)
		if (text_equal(buffer_span(&d->seen[i]), buffer_span(&b))) {
			buffer_release(&b);
			return true;
		}
	d->seen = memory_reserve(d->seen, &d->capacity, d->count + 1, sizeof(*d->seen));
	d->seen[d->count++] = b;
	return true;
}

static void
native_array_distinct(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct distinct d = {.seen = NULL};
	struct buffer b = BUFFER_INIT;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	each_element(spark_value(argv[0]), add_distinct, &d);
	buffer_append_byte(&b, '[');
	for (size_t i = 0; i < d.count; i++) {
		buffer_append_text(&b, i ? "," : "");
		buffer_append(&b, d.seen[i].data, d.seen[i].len);
		buffer_release(&d.seen[i]);
	}
	buffer_append_byte(&b, ']');
	free(d.seen);
	spark_result_buffer(c, &b);
}

struct joined {
	struct buffer text;
	struct text separator, null;
	bool has_null, any;
};

static bool
add_joined(void *context, enum json_token token, struct text value, struct text json)
{
	struct joined *j = context;
	struct text s = value;

	if (token == JSON_TOKEN_NULL && !j->has_null)
		return true;
	if (token == JSON_TOKEN_NULL)
		s = j->null;
	else if (token == JSON_TOKEN_TRUE || token == JSON_TOKEN_FALSE)
		s = text_of(token == JSON_TOKEN_TRUE ? "true" : "false");
	else if (token == JSON_TOKEN_OBJECT || token == JSON_TOKEN_ARRAY)
		s = json;
	if (j->any)
		buffer_append(&j->text, j->separator.data, j->separator.len);
	j->any = true;
	buffer_append(&j->text, s.data, s.len);
	return true;
}

static void
native_array_join(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct joined j = {.separator = spark_value(argv[1])};

	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	j.has_null = argc > 2 && sqlite3_value_type(argv[2]) != SQLITE_NULL;
	if (j.has_null)
		j.null = spark_value(argv[2]);
	each_element(spark_value(argv[0]), add_joined, &j);
	spark_result_buffer(c, &j.text);
}

/* ---- get_json_object ---- */

/* Moves to the value of a key; the token of that value, or END when there is none. */
static enum json_token
enter_key(struct json_reader *r, const char *key, size_t len, struct error *e)
{
	enum json_token token;

	while ((token = json_reader_next(r, e)) == JSON_TOKEN_KEY) {
		bool same = r->value.len == len && memcmp(r->value.data, key, len) == 0;

		token = json_reader_next(r, e);
		if (same)
			return token;
		if (json_reader_skip(r, token, e) < 0)
			break;
	}
	return JSON_TOKEN_END;
}

static enum json_token
enter_index(struct json_reader *r, long index, struct error *e)
{
	enum json_token token;

	for (long i = 0; (token = json_reader_next(r, e)) != JSON_TOKEN_ARRAY_END && token != JSON_TOKEN_ERROR; i++) {
		if (i == index)
			return token;
		if (json_reader_skip(r, token, e) < 0)
			break;
	}
	return JSON_TOKEN_END;
}

/* One step of a path, $.name or [n] or ["name"]; moves *path behind it. */
static enum json_token
enter(struct json_reader *r, enum json_token token, const char **path, struct error *e)
{
	const char *p = *path;
	char quote;
	size_t len;

	if (*p == '.' && p[1] != '"') {
		p++;
		len = strcspn(p, ".[");
		*path = p + len;
		return token == JSON_TOKEN_OBJECT && len > 0 ? enter_key(r, p, len, e) : JSON_TOKEN_END;
	}
	if (*p == '[' && p[1] >= '0' && p[1] <= '9') {
		char *end;
		long index = strtol(p + 1, &end, 10);

		*path = *end == ']' ? end + 1 : end;
		return token == JSON_TOKEN_ARRAY && *end == ']' ? enter_index(r, index, e) : JSON_TOKEN_END;
	}
	p += *p == '[' ? 1 : *p == '.' ? 1 : 0;
	quote = *p;
	if (quote != '"' && quote != '\'')
		return JSON_TOKEN_END;
	len = strcspn(p + 1, (char[]){quote, '\0'});
	*path = p + 1 + len;
	*path += **path != '\0';
	*path += **path == ']';
	return token == JSON_TOKEN_OBJECT ? enter_key(r, p + 1, len, e) : JSON_TOKEN_END;
}

static void
native_get_json(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct text s = spark_value(argv[0]);
	const char *path = (const char *)sqlite3_value_text(argv[1]);
	struct json_reader r;
	struct error e = ERROR_INIT;
	enum json_token token;
	struct buffer b = BUFFER_INIT;

	(void)argc;
	if (s.data == NULL || path == NULL || *path != '$')
		return;
	json_reader_init(&r, s);
	token = json_reader_next(&r, &e);
	for (path++; *path != '\0' && token != JSON_TOKEN_END && token != JSON_TOKEN_ERROR;)
		token = enter(&r, token, &path, &e);
	if (token == JSON_TOKEN_STRING) {
		buffer_append(&b, r.value.data, r.value.len);
		spark_result_buffer(c, &b);
	} else if (token == JSON_TOKEN_OBJECT || token == JSON_TOKEN_ARRAY) {
		size_t start = r.at - 1;

		if (json_reader_skip(&r, token, &e) == 0)
			sqlite3_result_text(c, s.data + start, (int)(r.at - start), SQLITE_TRANSIENT);
	} else if (token == JSON_TOKEN_NUMBER || token == JSON_TOKEN_TRUE || token == JSON_TOKEN_FALSE) {
		element_json(token, r.value, text_of(""), &b);
		spark_result_buffer(c, &b);
	}
	json_reader_release(&r);
}

/* ---- aggregates ---- */

struct chosen {
	sqlite3_value *value, *by;
};

static int
compare(sqlite3_value *a, sqlite3_value *b)
{
	bool text = sqlite3_value_type(a) == SQLITE_TEXT || sqlite3_value_type(a) == SQLITE_BLOB;

	if (text && (sqlite3_value_type(b) == SQLITE_TEXT || sqlite3_value_type(b) == SQLITE_BLOB)) {
		int la = sqlite3_value_bytes(a), lb = sqlite3_value_bytes(b);
		int c = memcmp(sqlite3_value_blob(a) ? sqlite3_value_blob(a) : "",
		    sqlite3_value_blob(b) ? sqlite3_value_blob(b) : "", (size_t)(la < lb ? la : lb));

		return c != 0 ? c : la - lb;
	}
	if (sqlite3_value_type(a) == SQLITE_INTEGER && sqlite3_value_type(b) == SQLITE_INTEGER) {
		int64_t x = sqlite3_value_int64(a), y = sqlite3_value_int64(b);

		return x < y ? -1 : x > y;
	}
	{
		double x = sqlite3_value_double(a), y = sqlite3_value_double(b);

		return x < y ? -1 : x > y;
	}
}

/* The user data says which: 1 max_by, -1 min_by, 2 first, 3 last. */
static void
step_chosen(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct chosen *a = sqlite3_aggregate_context(c, sizeof(*a));
	intptr_t how = (intptr_t)sqlite3_user_data(c);
	sqlite3_value *by = argc > 1 ? argv[1] : argv[0];

	if (a == NULL || (how < 2 && sqlite3_value_type(by) == SQLITE_NULL) || (how == 2 && a->value != NULL))
		return;
	if (how < 2 && a->by != NULL && compare(by, a->by) * (int)how <= 0)
		return;
	sqlite3_value_free(a->value);
	sqlite3_value_free(a->by);
	a->value = sqlite3_value_dup(argv[0]);
	a->by = sqlite3_value_dup(by);
}

static void
end_chosen(sqlite3_context *c)
{
	struct chosen *a = sqlite3_aggregate_context(c, 0);

	if (a == NULL || a->value == NULL)
		return;
	sqlite3_result_value(c, a->value);
	sqlite3_value_free(a->value);
	sqlite3_value_free(a->by);
}

static void
step_collect(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct buffer *b = sqlite3_aggregate_context(c, sizeof(*b));
	sqlite3_value *v = argv[0];

	(void)argc;
	if (b == NULL || sqlite3_value_type(v) == SQLITE_NULL || b->len > LIMIT_HTTP_BODY_BYTES)
		return;
	buffer_append_byte(b, b->len ? ',' : '[');
	if (sqlite3_value_subtype(v) == 'J')
		buffer_append(b, spark_value(v).data, spark_value(v).len);
	else if (sqlite3_value_type(v) == SQLITE_INTEGER)
		json_text_int64(b, sqlite3_value_int64(v));
	else if (sqlite3_value_type(v) == SQLITE_FLOAT)
		json_text_double(b, sqlite3_value_double(v));
	else
		json_text_string(b, spark_value(v));
}

static void
end_collect(sqlite3_context *c)
{
	struct buffer *b = sqlite3_aggregate_context(c, 0);

	if (b == NULL || b->len == 0) {
		sqlite3_result_text(c, "[]", -1, SQLITE_STATIC);
		return;
	}
	buffer_append_byte(b, ']');
	spark_result_buffer(c, b);
}

int
spark_register_collections(sqlite3 *db)
{
	static const struct {
		const char *name;
		int arguments;
		void (*f)(sqlite3_context *, int, sqlite3_value **);
	} functions[] = {{"sfzb_size", 1, native_size},
	    {"sfzb_map_keys", 1, native_map_keys}, {"sfzb_array_distinct", 1, native_array_distinct},
	    {"sfzb_array_join", -1, native_array_join}, {"sfzb_get_json", 2, native_get_json}};
	static const struct {
		const char *name;
		int arguments;
		intptr_t how;
	} choosing[] = {{"sfzb_max_by", 2, 1}, {"sfzb_min_by", 2, -1}, {"sfzb_first", 1, 2}, {"sfzb_last", 1, 3}};
	int rc = SQLITE_OK, flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]) && rc == SQLITE_OK; i++)
		rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].arguments, flags, NULL, functions[i].f,
		    NULL, NULL, NULL);
	for (size_t i = 0; i < sizeof(choosing) / sizeof(choosing[0]) && rc == SQLITE_OK; i++)
		rc = sqlite3_create_function_v2(db, choosing[i].name, choosing[i].arguments, flags, (void *)choosing[i].how,
		    NULL, step_chosen, end_chosen, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_create_function_v2(db, "sfzb_collect", 1, flags | SQLITE_SUBTYPE, NULL, NULL, step_collect,
		    end_collect, NULL);
	return rc;
}

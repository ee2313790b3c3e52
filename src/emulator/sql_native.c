/* The dialect's casts and JSON conversions, as SQLite functions named sfzb_…. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/json_text.h"
#include "emulator/lakehouse_text.h"
#include "emulator/sql_private.h"

#define US_PER_DAY (INT64_C(86400) * 1000000)

struct text
spark_value(sqlite3_value *v)
{
	const char *data = (const char *)sqlite3_value_text(v);

	return text_span(data, data ? (size_t)sqlite3_value_bytes(v) : 0);
}

void
spark_result_buffer(sqlite3_context *c, struct buffer *b)
{
	sqlite3_result_text64(c, b->len ? (char *)b->data : "", b->len, SQLITE_TRANSIENT, SQLITE_UTF8);
	buffer_release(b);
}

/* ---- casts ---- */

static void
cast_failed(sqlite3_context *c, sqlite3_value *v, enum lake_kind to)
{
	char words[400], clean[120];

	text_clean(clean, sizeof(clean), spark_value(v));
	snprintf(words, sizeof(words),
	    "[CAST_INVALID_INPUT] The value '%s' cannot be cast to \"%s\" because it is malformed or out of range. "
	    "Use `try_cast` to tolerate malformed input and return NULL instead. SQLSTATE: 22018",
	    clean, lake_type_name(to));
	sqlite3_result_error(c, words, -1);
}

static bool
text_integer(struct text s, int64_t *v)
{
	char copy[64], *end;
	size_t from = 0;

	while (from < s.len && isspace((unsigned char)s.data[from]))
		from++;
	while (s.len > from && isspace((unsigned char)s.data[s.len - 1]))
		s.len--;
	if (s.len == from || s.len - from >= sizeof(copy))
		return false;
	memcpy(copy, s.data + from, s.len - from);
	copy[s.len - from] = '\0';
	errno = 0;
	*v = strtoll(copy, &end, 10);
	if (errno != 0 || end == copy)
		return false;
	/* "12.7" is cut, as Spark does */
	if (*end == '.')
		for (end++; isdigit((unsigned char)*end);)
			end++;
	return *end == '\0';
}

static bool
text_real(struct text s, double *v)
{
	char copy[64], *end;

	if (s.len == 0 || s.len >= sizeof(copy))
		return false;
	memcpy(copy, s.data, s.len);
	copy[s.len] = '\0';
	if (strpbrk(copy, "xXpP") != NULL)
		return false;
	*v = strtod(copy, &end);
	while (isspace((unsigned char)*end))
		end++;
	return end != copy && *end == '\0';
}

static bool
to_integer(sqlite3_value *v, const struct lake_type *from, enum lake_kind to, int64_t *out)
{
	int64_t low = INT64_MIN, high = INT64_MAX;

	if (from->kind == LAKE_TIMESTAMP || from->kind == LAKE_TIMESTAMP_NTZ) {
		int64_t us = sqlite3_value_int64(v);

		*out = us / 1000000 - (us % 1000000 < 0);
	} else if (sqlite3_value_type(v) == SQLITE_TEXT) {
		if (!text_integer(spark_value(v), out))
			return false;
	} else if (sqlite3_value_type(v) == SQLITE_FLOAT) {
		double d = sqlite3_value_double(v);

		if (!(d >= -9223372036854775808.0 && d < 9223372036854775808.0))
			return false;
		*out = (int64_t)d;
	} else {
		*out = sqlite3_value_int64(v);
	}
	if (to == LAKE_BYTE)
		low = INT8_MIN, high = INT8_MAX;
	else if (to == LAKE_SHORT)
		low = INT16_MIN, high = INT16_MAX;
	else if (to == LAKE_INT)
		low = INT32_MIN, high = INT32_MAX;
	return *out >= low && *out <= high;
}

static bool
to_boolean(sqlite3_value *v, int64_t *out)
{
	static const char *const yes[] = {"true", "t", "yes", "y", "1"}, *const no[] = {"false", "f", "no", "n", "0"};

	if (sqlite3_value_type(v) != SQLITE_TEXT) {
		*out = sqlite3_value_double(v) != 0;
		return true;
	}
	for (size_t i = 0; i < 5; i++) {
		const char *s = (const char *)sqlite3_value_text(v);

		if (strcasecmp(s, yes[i]) == 0 || strcasecmp(s, no[i]) == 0) {
			*out = strcasecmp(s, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

static bool
to_time(sqlite3_value *v, const struct lake_type *from, enum lake_kind to, int64_t *out)
{
	int64_t us;

	if (sqlite3_value_type(v) == SQLITE_TEXT) {
		if (to == LAKE_DATE)
			return lake_parse_date(spark_value(v), out);
		return lake_parse_timestamp(spark_value(v), out);
	}
	if (from->kind == LAKE_DATE)
		us = sqlite3_value_int64(v) * US_PER_DAY;
	else if (from->kind == LAKE_TIMESTAMP || from->kind == LAKE_TIMESTAMP_NTZ)
		us = sqlite3_value_int64(v);
	else
		us = (int64_t)(sqlite3_value_double(v) * 1e6);
	*out = to == LAKE_DATE ? us / US_PER_DAY - (us % US_PER_DAY < 0) : us;
	return true;
}

/* A value as CAST(x AS STRING) writes it. */
static void
to_string(sqlite3_value *v, const struct lake_type *from, struct buffer *out)
{
	if (from->kind == LAKE_BINARY) {
		buffer_append(out, sqlite3_value_blob(v), (size_t)sqlite3_value_bytes(v));
		return;
	}
	spark_value_text(from, v, out);
	if (from->kind == LAKE_TIMESTAMP || from->kind == LAKE_TIMESTAMP_NTZ) {
		/* 2026-11-01 10:00:00[.5], without the zeros behind */
		char *t = memchr(out->data, 'T', out->len);

		if (t != NULL)
			*t = ' ';
		if (out->len > 0 && out->data[out->len - 1] == 'Z')
			out->len--;
		while (out->len > 0 && out->data[out->len - 1] == '0' && memchr(out->data, '.', out->len) != NULL)
			out->len--;
		if (out->len > 0 && out->data[out->len - 1] == '.')
			out->len--;
	}
}

static bool
to_decimal(sqlite3_value *v, int precision, int scale, struct buffer *out)
{
	char digits[64];
	struct text s = spark_value(v);

	if (sqlite3_value_type(v) == SQLITE_FLOAT) {
		snprintf(digits, sizeof(digits), "%.17g", sqlite3_value_double(v));
		if (strtod(digits, NULL) == sqlite3_value_double(v))
			for (int p = 1; p < 17; p++) {
				char shorter[64];

				snprintf(shorter, sizeof(shorter), "%.*g", p, sqlite3_value_double(v));
				if (strtod(shorter, NULL) == sqlite3_value_double(v)) {
					memcpy(digits, shorter, sizeof(digits));
					break;
				}
			}
		s = text_of(digits);
	}
	while (s.len > 0 && s.data[0] == ' ')
		s = text_span(s.data + 1, s.len - 1);
	return lake_text_decimal(s, precision, scale, true, out);
}

static bool
cast_value(sqlite3_context *c, sqlite3_value *v, const struct lake_type *from, enum lake_kind to, int precision, int scale)
{
	struct buffer b = BUFFER_INIT;
	int64_t i;
	double d;

	switch (to) {
	case LAKE_BOOLEAN:
		if (!to_boolean(v, &i))
			return false;
		sqlite3_result_int64(c, i);
		return true;
	case LAKE_BYTE:
	case LAKE_SHORT:
	case LAKE_INT:
	case LAKE_LONG:
		if (!to_integer(v, from, to, &i))
			return false;
		sqlite3_result_int64(c, i);
		return true;
	case LAKE_FLOAT:
	case LAKE_DOUBLE:
		d = sqlite3_value_double(v);
		if (from->kind == LAKE_TIMESTAMP)
			d /= 1e6;
		else if (sqlite3_value_type(v) == SQLITE_TEXT && !text_real(spark_value(v), &d))
			return false;
		if (isnan(d))
			sqlite3_result_text(c, "NaN", -1, SQLITE_STATIC);
		else
			sqlite3_result_double(c, to == LAKE_FLOAT ? (double)(float)d : d);
		return true;
	case LAKE_DECIMAL:
		if (!to_decimal(v, precision, scale, &b)) {
			buffer_release(&b);
			return false;
		}
		break;
	case LAKE_DATE:
	case LAKE_TIMESTAMP:
	case LAKE_TIMESTAMP_NTZ:
		if (!to_time(v, from, to, &i))
			return false;
		sqlite3_result_int64(c, i);
		return true;
	case LAKE_BINARY:
		sqlite3_result_blob(c, sqlite3_value_blob(v), sqlite3_value_bytes(v), SQLITE_TRANSIENT);
		return true;
	case LAKE_VARIANT:
		spark_json_text(from, spark_value(v), true, &b);
		break;
	default:
		to_string(v, from, &b);
		break;
	}
	spark_result_buffer(c, &b);
	return true;
}

static void
free_type(void *t)
{
	lake_type_free(t);
}

/* The type that argument n spells, kept by SQLite between rows. */
static struct lake_type *
type_argument(sqlite3_context *c, sqlite3_value **argv, int n)
{
	struct lake_type *t = sqlite3_get_auxdata(c, n);
	const char *at = (const char *)sqlite3_value_text(argv[n]);
	struct error e = ERROR_INIT;

	if (t != NULL)
		return t;
	t = at == NULL ? NULL : lake_type_parse(&at, &e);
	if (t == NULL)
		sqlite3_result_error(c, "not a type", -1);
	else
		sqlite3_set_auxdata(c, n, t, free_type);
	/* SQLite may have released it at once when memory was short */
	return t == NULL ? NULL : sqlite3_get_auxdata(c, n);
}

/* sfzb_cast(value, kind, precision, scale, try, 'from') */
static void
native_cast(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	const struct lake_type *from;
	enum lake_kind to = (enum lake_kind)sqlite3_value_int(argv[1]);

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	from = type_argument(c, argv, 5);
	if (from == NULL ||
	    cast_value(c, argv[0], from, to, sqlite3_value_int(argv[2]), sqlite3_value_int(argv[3])))
		return;
	if (sqlite3_value_int(argv[4]))
		sqlite3_result_null(c);
	else
		cast_failed(c, argv[0], to);
}

static void
native_not_null(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	char words[300];

	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_NULL) {
		sqlite3_result_value(c, argv[0]);
		return;
	}
	snprintf(words, sizeof(words),
	    "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: %s. SQLSTATE: 23502",
	    (const char *)sqlite3_value_text(argv[1]));
	sqlite3_result_error(c, words, -1);
}

/* ---- JSON ---- */

/* What ->> took out of a nested value, back in the form of the kind: sfzb_scalar(value, kind). */
static void
scalar(sqlite3_context *c, sqlite3_value *v, enum lake_kind kind)
{
	struct buffer b = BUFFER_INIT;

	if (kind == LAKE_BINARY && sqlite3_value_type(v) == SQLITE_TEXT && encode_unbase64(spark_value(v), &b) == 0)
		sqlite3_result_blob(c, b.len ? (const void *)b.data : "", (int)b.len, SQLITE_TRANSIENT);
	else
		sqlite3_result_value(c, v);
	buffer_release(&b);
}

static void
native_scalar(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	(void)argc;
	scalar(c, argv[0], (enum lake_kind)sqlite3_value_int(argv[1]));
}

/* sfzb_element(json_each.value, json_each.type, kind) */
static void
native_element(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	(void)argc;
	scalar(c, argv[0], (enum lake_kind)sqlite3_value_int(argv[2]));
}

static bool
text_is_json(struct text s)
{
	struct json_reader r;
	struct error e = ERROR_INIT;
	enum json_token t;

	json_reader_init(&r, s);
	do
		t = json_reader_next(&r, &e);
	while (t != JSON_TOKEN_END && t != JSON_TOKEN_ERROR);
	json_reader_release(&r);
	return t == JSON_TOKEN_END;
}

static void
native_from_json(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_NULL && text_is_json(spark_value(argv[0])))
		sqlite3_result_value(c, argv[0]);
}

static void
native_parse_json(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	if (text_is_json(spark_value(argv[0])))
		sqlite3_result_value(c, argv[0]);
	else
		sqlite3_result_error(c, "[MALFORMED_RECORD_IN_PARSING] not JSON. SQLSTATE: 22023", -1);
}

static void
native_to_json(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	const struct lake_type *t;
	struct buffer b = BUFFER_INIT;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL || (t = type_argument(c, argv, 1)) == NULL)
		return;
	if (lake_kind_is_nested(t->kind) || t->kind == LAKE_VARIANT) {
		spark_json_text(t, spark_value(argv[0]), false, &b);
	} else {
		struct buffer plain = BUFFER_INIT;

		spark_value_text(t, argv[0], &plain);
		if (lake_kind_is_number(t->kind) || t->kind == LAKE_BOOLEAN)
			buffer_append(&b, plain.data, plain.len);
		else
			json_text_string(&b, buffer_span(&plain));
		buffer_release(&plain);
	}
	spark_result_buffer(c, &b);
}

static void
native_typeof(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	(void)argc;
	sqlite3_result_value(c, argv[1]);
}

int
spark_register_functions(sqlite3 *db)
{
	static const struct {
		const char *name;
		int arguments;
		void (*f)(sqlite3_context *, int, sqlite3_value **);
	} functions[] = {{"sfzb_cast", 6, native_cast}, {"sfzb_not_null", 2, native_not_null},
	    {"sfzb_scalar", 2, native_scalar}, {"sfzb_element", 3, native_element},
	    {"sfzb_from_json", 2, native_from_json}, {"sfzb_parse_json", 1, native_parse_json},
	    {"sfzb_to_json", 2, native_to_json}, {"sfzb_typeof", 2, native_typeof}};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		int rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].arguments,
		    SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, functions[i].f, NULL, NULL, NULL);

		if (rc != SQLITE_OK)
			return rc;
	}
	if (spark_register_texts(db) != SQLITE_OK)
		return SQLITE_ERROR;
	return spark_register_collections(db);
}

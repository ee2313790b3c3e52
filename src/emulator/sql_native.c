/* The dialect's functions that SQLite lacks, as SQLite functions named sfzb_…. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/random.h"
#include "emulator/lakehouse_text.h"
#include "emulator/sql_private.h"

#define US_PER_DAY (INT64_C(86400) * 1000000)

static struct text
value_text(sqlite3_value *v)
{
	const char *data = (const char *)sqlite3_value_text(v);

	return text_span(data, data ? (size_t)sqlite3_value_bytes(v) : 0);
}

static bool
any_null(int argc, sqlite3_value **argv)
{
	for (int i = 0; i < argc; i++)
		if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
			return true;
	return false;
}

/* Hands the buffer's bytes to SQLite. */
static void
result_buffer(sqlite3_context *c, struct buffer *b)
{
	sqlite3_result_text64(c, b->len ? (char *)b->data : "", b->len, SQLITE_TRANSIENT, SQLITE_UTF8);
	buffer_release(b);
}

/* ---- casts ---- */

static void
cast_failed(sqlite3_context *c, sqlite3_value *v, enum lake_kind to)
{
	char words[400], clean[120];

	text_clean(clean, sizeof(clean), value_text(v));
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
		if (!text_integer(value_text(v), out))
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
			return lake_parse_date(value_text(v), out);
		return lake_parse_timestamp(value_text(v), out);
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
	struct text s = value_text(v);

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
		else if (sqlite3_value_type(v) == SQLITE_TEXT && !text_real(value_text(v), &d))
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
		spark_json_text(from, value_text(v), true, &b);
		break;
	default:
		to_string(v, from, &b);
		break;
	}
	result_buffer(c, &b);
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

	if (kind == LAKE_BINARY && sqlite3_value_type(v) == SQLITE_TEXT && encode_unbase64(value_text(v), &b) == 0)
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
	if (sqlite3_value_type(argv[0]) != SQLITE_NULL && text_is_json(value_text(argv[0])))
		sqlite3_result_value(c, argv[0]);
}

static void
native_parse_json(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	if (text_is_json(value_text(argv[0])))
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
		spark_json_text(t, value_text(argv[0]), false, &b);
	} else {
		struct buffer plain = BUFFER_INIT;

		spark_value_text(t, argv[0], &plain);
		if (lake_kind_is_number(t->kind) || t->kind == LAKE_BOOLEAN)
			buffer_append(&b, plain.data, plain.len);
		else
			json_text_string(&b, buffer_span(&plain));
		buffer_release(&plain);
	}
	result_buffer(c, &b);
}

static void
native_typeof(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	(void)argc;
	sqlite3_result_value(c, argv[1]);
}

/* ---- strings and bytes ---- */

static void
native_base64(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct buffer b = BUFFER_INIT;

	if (any_null(argc, argv))
		return;
	buffer_append_base64(&b, sqlite3_value_blob(argv[0]), (size_t)sqlite3_value_bytes(argv[0]));
	result_buffer(c, &b);
}

static void
native_unbase64(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct buffer b = BUFFER_INIT;

	if (any_null(argc, argv))
		return;
	if (encode_unbase64(value_text(argv[0]), &b) == 0)
		sqlite3_result_blob(c, b.len ? (const void *)b.data : "", (int)b.len, SQLITE_TRANSIENT);
	else
		sqlite3_result_error(c, "[CONVERSION_INVALID_INPUT] not base64. SQLSTATE: 22018", -1);
	buffer_release(&b);
}

static void
native_hex(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct buffer b = BUFFER_INIT;

	if (any_null(argc, argv))
		return;
	buffer_append_hex(&b, sqlite3_value_blob(argv[0]), (size_t)sqlite3_value_bytes(argv[0]));
	for (size_t i = 0; i < b.len; i++)
		b.data[i] = (uint8_t)toupper(b.data[i]);
	result_buffer(c, &b);
}

static void
native_unhex(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct text s = value_text(argv[0]);
	uint8_t *out;
	ssize_t n;

	if (any_null(argc, argv))
		return;
	out = memory_alloc(s.len / 2 + 1);
	n = encode_unhex(s, out, s.len / 2 + 1);
	if (n >= 0)
		sqlite3_result_blob(c, out, (int)n, SQLITE_TRANSIENT);
	free(out);
}

static void
free_regex(void *r)
{
	regfree(r);
	free(r);
}

static regex_t *
regex_argument(sqlite3_context *c, sqlite3_value **argv, int n)
{
	regex_t *r = sqlite3_get_auxdata(c, n);

	if (r != NULL)
		return r;
	r = memory_zero(1, sizeof(*r));
	if (regcomp(r, (const char *)sqlite3_value_text(argv[n]), REG_EXTENDED) != 0) {
		free(r);
		sqlite3_result_error(c, "[INVALID_PARAMETER_VALUE.PATTERN] not a regular expression. SQLSTATE: 22023", -1);
		return NULL;
	}
	sqlite3_set_auxdata(c, n, r, free_regex);
	return sqlite3_get_auxdata(c, n);
}

static void
native_rlike(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	regex_t *r;

	if (any_null(argc, argv) || (r = regex_argument(c, argv, 1)) == NULL)
		return;
	sqlite3_result_int(c, regexec(r, (const char *)sqlite3_value_text(argv[0]), 0, NULL, 0) == 0);
}

static void
native_split(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct buffer b = BUFFER_INIT;
	const char *s = (const char *)sqlite3_value_text(argv[0]);
	regmatch_t m;
	regex_t *r;

	if (any_null(argc, argv) || (r = regex_argument(c, argv, 1)) == NULL)
		return;
	buffer_append_byte(&b, '[');
	while (*s != '\0' && regexec(r, s, 1, &m, 0) == 0 && m.rm_eo > m.rm_so) {
		json_text_string(&b, text_span(s, (size_t)m.rm_so));
		buffer_append_byte(&b, ',');
		s += m.rm_eo;
	}
	json_text_string(&b, text_of(s));
	buffer_append_byte(&b, ']');
	result_buffer(c, &b);
}

static void
native_split_part(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct text s = value_text(argv[0]), by = value_text(argv[1]);
	int64_t want = sqlite3_value_int64(argv[2]), n = 1;
	const char *at, *end = s.data + s.len;

	if (any_null(argc, argv))
		return;
	if (by.len == 0) {
		sqlite3_result_value(c, argv[0]);
		return;
	}
	if (want < 0) {
		for (at = s.data; (at = memmem(at, (size_t)(end - at), by.data, by.len)) != NULL; at += by.len)
			n++;
		want += n + 1;
		n = 1;
	}
	for (const char *from = s.data;; from = at + by.len, n++) {
		at = memmem(from, (size_t)(end - from), by.data, by.len);
		if (n == want) {
			sqlite3_result_text(c, from, (int)((at ? at : end) - from), SQLITE_TRANSIENT);
			return;
		}
		if (at == NULL)
			break;
	}
	sqlite3_result_text(c, "", 0, SQLITE_STATIC);
}

/* concat_ws(separator, text or array …): nulls are left out. */
static void
native_concat_ws(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct buffer b = BUFFER_INIT;
	struct text separator = value_text(argv[0]);
	bool any = false;

	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	for (int i = 1; i < argc; i++) {
		struct text s = value_text(argv[i]);

		if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
			continue;
		if (any)
			buffer_append(&b, separator.data, separator.len);
		any = true;
		buffer_append(&b, s.data, s.len);
	}
	result_buffer(c, &b);
}

static void
native_uuid(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	char uuid[UUID_SIZE];

	(void)argc;
	(void)argv;
	sqlite3_result_text(c, random_uuid(uuid), -1, SQLITE_TRANSIENT);
}

/* ---- time ---- */

static void
native_now(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	(void)argc;
	(void)argv;
	sqlite3_result_int64(c, clock_wall_ms(&clock_system) * 1000);
}

static void
native_floor_div(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	int64_t a = sqlite3_value_int64(argv[0]), b = sqlite3_value_int64(argv[1]);

	if (!any_null(argc, argv))
		sqlite3_result_int64(c, a / b - (a % b < 0));
}

/* Java's letters, those that are numbers: yyyy MM dd HH mm ss SSS SSSSSS; text in single quotes. */
static void
native_date_format(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct buffer iso = BUFFER_INIT, b = BUFFER_INIT;
	const char *f, *t;
	int64_t us = sqlite3_value_int64(argv[0]);

	if (any_null(argc, argv))
		return;
	lake_text_timestamp(&iso, us, false);
	t = buffer_text(&iso);
	for (f = (const char *)sqlite3_value_text(argv[1]); *f != '\0';) {
		size_t n = strspn(f, (char[]){*f, '\0'});
		const char *dot = strchr(t, '.');
		size_t year = strcspn(t + 1, "-") + 1;

		if (*f == '\'') {
			const char *close = strchr(f + 1, '\'');

			n = close == NULL ? strlen(f) : (size_t)(close - f) + 1;
			buffer_append(&b, f + 1, n > 2 ? n - 2 : 0);
		} else if (*f == 'y') {
			buffer_append(&b, t + (n == 2 ? year - 2 : 0), n == 2 ? 2 : year);
		} else if (strchr("MdHms", *f) != NULL) {
			size_t at = year + (*f == 'M' ? 1 : *f == 'd' ? 4 : *f == 'H' ? 7 : *f == 'm' ? 10 : 13);

			if (n == 1 && t[at] == '0')
				buffer_append(&b, t + at + 1, 1);
			else
				buffer_append(&b, t + at, 2);
		} else if (*f == 'S') {
			for (size_t i = 0; i < n; i++)
				buffer_append_byte(&b, (uint8_t)(dot != NULL && i < strlen(dot + 1) ? dot[1 + i] : '0'));
		} else {
			buffer_append(&b, f, n);
		}
		f += n;
	}
	buffer_release(&iso);
	result_buffer(c, &b);
}

static void
native_date_trunc(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = {{"MICROSECOND", 1}, {"MILLISECOND", 1000}, {"SECOND", 1000000}, {"MINUTE", 60000000},
	    {"HOUR", INT64_C(3600000000)}, {"DAY", US_PER_DAY}};
	const char *unit = (const char *)sqlite3_value_text(argv[0]);
	int64_t us = sqlite3_value_int64(argv[1]), days, rest;
	struct buffer day = BUFFER_INIT;

	if (any_null(argc, argv))
		return;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcasecmp(units[i].unit, unit) == 0) {
			rest = us % units[i].us;
			sqlite3_result_int64(c, us - rest - (rest < 0 ? units[i].us : 0));
			return;
		}
	days = us / US_PER_DAY - (us % US_PER_DAY < 0);
	if (strcasecmp(unit, "WEEK") == 0) {
		/* 1970-01-01 was a Thursday; weeks begin on Monday */
		rest = (days + 3) % 7;
		sqlite3_result_int64(c, (days - (rest < 0 ? rest + 7 : rest)) * US_PER_DAY);
		return;
	}
	lake_text_date(&day, days);
	if (day.len >= 10 && (strcasecmp(unit, "MONTH") == 0 || strcasecmp(unit, "YEAR") == 0)) {
		memcpy(day.data + day.len - 2, "01", 2);
		if (strcasecmp(unit, "YEAR") == 0)
			memcpy(day.data + day.len - 5, "01", 2);
		if (lake_parse_timestamp(buffer_span(&day), &us))
			sqlite3_result_int64(c, us);
	}
	buffer_release(&day);
}

int
spark_register_functions(sqlite3 *db)
{
	static const struct {
		const char *name;
		int arguments;
		void (*f)(sqlite3_context *, int, sqlite3_value **);
		bool changes; /* not the same each time */
	} functions[] = {{"sfzb_cast", 6, native_cast, false}, {"sfzb_not_null", 2, native_not_null, false},
	    {"sfzb_scalar", 2, native_scalar, false}, {"sfzb_element", 3, native_element, false},
	    {"sfzb_from_json", 2, native_from_json, false}, {"sfzb_parse_json", 1, native_parse_json, false},
	    {"sfzb_to_json", 2, native_to_json, false}, {"sfzb_typeof", 2, native_typeof, false},
	    {"sfzb_base64", 1, native_base64, false}, {"sfzb_unbase64", 1, native_unbase64, false},
	    {"sfzb_hex", 1, native_hex, false}, {"sfzb_unhex", 1, native_unhex, false},
	    {"sfzb_rlike", 2, native_rlike, false}, {"sfzb_split", 2, native_split, false},
	    {"sfzb_split_part", 3, native_split_part, false}, {"sfzb_concat_ws", -1, native_concat_ws, false},
	    {"sfzb_uuid", 0, native_uuid, true}, {"sfzb_now", 0, native_now, false},
	    {"sfzb_floor_div", 2, native_floor_div, false}, {"sfzb_date_format", 2, native_date_format, false},
	    {"sfzb_date_trunc", 2, native_date_trunc, false}};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		int rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].arguments,
		    SQLITE_UTF8 | (functions[i].changes ? 0 : SQLITE_DETERMINISTIC), NULL, functions[i].f, NULL, NULL,
		    NULL);

		if (rc != SQLITE_OK)
			return rc;
	}
	return spark_register_collections(db);
}

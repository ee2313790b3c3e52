/* The dialect's functions of text, bytes and time, as SQLite functions named sfzb_…. */
#include <ctype.h>
#include <regex.h>
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

static bool
any_null(int argc, sqlite3_value **argv)
{
	for (int i = 0; i < argc; i++)
		if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
			return true;
	return false;
}

/* ---- strings and bytes ---- */

static void
native_base64(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct buffer b = BUFFER_INIT;

	if (any_null(argc, argv))
		return;
	buffer_append_base64(&b, sqlite3_value_blob(argv[0]), (size_t)sqlite3_value_bytes(argv[0]));
	spark_result_buffer(c, &b);
}

static void
native_unbase64(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct buffer b = BUFFER_INIT;

	if (any_null(argc, argv))
		return;
	if (encode_unbase64(spark_value(argv[0]), &b) == 0)
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
	spark_result_buffer(c, &b);
}

static void
native_unhex(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct text s = spark_value(argv[0]);
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
	spark_result_buffer(c, &b);
}

static void
native_split_part(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	struct text s = spark_value(argv[0]), by = spark_value(argv[1]);
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
	struct text separator = spark_value(argv[0]);
	bool any = false;

	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	for (int i = 1; i < argc; i++) {
		struct text s = spark_value(argv[i]);

		if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
			continue;
		if (any)
			buffer_append(&b, separator.data, separator.len);
		any = true;
		buffer_append(&b, s.data, s.len);
	}
	spark_result_buffer(c, &b);
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
	spark_result_buffer(c, &b);
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
spark_register_texts(sqlite3 *db)
{
	static const struct {
		const char *name;
		int arguments;
		void (*f)(sqlite3_context *, int, sqlite3_value **);
		bool changes; /* not the same each time */
	} functions[] = {{"sfzb_base64", 1, native_base64, false}, {"sfzb_unbase64", 1, native_unbase64, false},
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
	return SQLITE_OK;
}

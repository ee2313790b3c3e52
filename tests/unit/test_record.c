/* databricks/record: JSON objects to records of any table, PROTO and JSON, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/memory.h"
#include "databricks/record.h"
#include "databricks/record_value.h"
#include "delta_table.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The record, hexadecimal for PROTO; "refused: …" or "misfit: …". To be freed. */
static char *
encode(const char *columns, const struct record_options *o, const char *json)
{
	struct delta_table *t = table_of(columns);
	struct buffer out = BUFFER_INIT, hex = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct record_writer *w = record_writer_new(t, o, &e);
	char *result;

	delta_table_free(t);
	if (w == NULL) {
		assert_int_equal(e.code, ERR_MISFIT);
		return memory_format("misfit: %s", e.text);
	}
	buffer_append_text(&out, "keep");
	if (record_writer_encode(w, text_of(json), &out, &e) != 0) {
		assert_int_equal(e.code, ERR_REFUSED);
		assert_int_equal(out.len, 4);
		result = memory_format("refused: %s", e.text);
	} else if (o->format == ROW_JSON) {
		result = memory_strndup((char *)out.data + 4, out.len - 4);
	} else {
		buffer_append_hex(&hex, out.data + 4, out.len - 4);
		result = buffer_detach(&hex);
		if (result == NULL)
			result = memory_strdup("");
	}
	buffer_release(&out);
	record_writer_free(w);
	return result;
}

static void
check(const char *name, const char *columns, const struct record_options *o, const char *json, const char *wanted)
{
	char *got = encode(columns, o, json);

	if (strcmp(got, wanted) != 0)
		fail_msg("%s: %s: got '%s', wanted '%s'", name, json, got, wanted);
	free(got);
}

#define DEEP "s struct<a:array<struct<m:map<string,struct<x:int>>,t:timestamp>>,n:decimal(5,2)>"

/* Records by hand from wire/zerobus.md §7: tag, value. */
static const struct {
	const char *name, *columns, *json, *wanted;
} proto_rows[] = {
	{"nothing", "a int", "{}", ""},
	{"null", "a int", "{\"a\":null}", ""},
	{"zero is sent", "a int", "{\"a\":0}", "0800"},
	{"negative int", "a int", "{\"a\":-1}", "08ffffffffffffffffff01"},
	{"order of the object", "a int;b string", "{\"b\":\"x\",\"a\":1}", "1201780801"},
	{"any case of a key", "Abc int", "{\"aBC\":1}", "0801"},
	{"boolean", "a boolean", "{\"a\":true}", "0801"},
	{"float", "a float", "{\"a\":1.5}", "0d0000c03f"},
	{"double", "a double", "{\"a\":\"-Infinity\"}", "09000000000000f0ff"},
	{"binary", "a binary", "{\"a\":\"3q0=\"}", "0a02dead"},
	{"date", "a date", "{\"a\":\"1970-01-02\"}", "0801"},
	{"timestamp", "a timestamp", "{\"a\":\"1970-01-01T00:00:00.000001Z\"}", "0801"},
	{"decimal", "a decimal(5,2)", "{\"a\":-12.50}", "0a052d31322e35"},
	{"variant", "a variant", "{\"a\": {\"k\" : [1.10]} }", "0a0e7b226b22203a205b312e31305d7d"},
	{"variant text", "a variant", "{\"a\":\"x\"}", "0a03227822"},
	{"list", "a array<int>", "{\"a\":[1,2]}", "08010802"},
	{"list of texts", "a array<string>", "{\"a\":[\"\",\"x\"]}", "0a000a0178"},
	{"empty list", "a array<string>", "{\"a\":[]}", ""},
	{"struct", "s struct<street:string>", "{\"s\":{\"street\":\"x\"}}", "0a030a0178"},
	{"empty struct", "s struct<street:string>", "{\"s\":{}}", "0a00"},
	{"map", "m map<string,int>", "{\"m\":{\"k\":7}}", "0a050a016b1007"},
	{"map by number", "m map<bigint,boolean>", "{\"m\":{\"-1\":true}}", "0a0d08ffffffffffffffffff011001"},
	{"three deep", DEEP, "{\"s\":{\"a\":[{\"m\":{\"k\":{\"x\":1}}}],\"n\":\"1\"}}",
	    "0a0e0a090a070a016b12020801120131"},
	{"a gap in the numbers", "a int;b int", "{\"b\":1}", "1001"},
};

static void
test_proto(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(proto_rows); i++)
		check(proto_rows[i].name, proto_rows[i].columns, &(struct record_options){.format = ROW_PROTO, .unit = RECORD_MICROS},
		    proto_rows[i].json, proto_rows[i].wanted);
}

static const struct {
	const char *name, *columns, *json, *wanted;
} json_rows[] = {
	{"integers", "a tinyint;b bigint", "{\"a\":\"-128\",\"b\":9223372036854775807}", "{\"a\":-128,\"b\":9223372036854775807}"},
	{"whole though written otherwise", "a int;b int;c int", "{\"a\":1e3,\"b\":\"20.00\",\"c\":1200e-2}",
	    "{\"a\":1000,\"b\":20,\"c\":12}"},
	{"the column's own name", "Abc int", "{\"ABC\":1}", "{\"Abc\":1}"},
	{"boolean as text", "a boolean;b boolean", "{\"a\":\"TRUE\",\"b\":\"false\"}", "{\"a\":true,\"b\":false}"},
	{"decimals", "a decimal(38,18);b decimal(3,0);c decimal(4,4)",
	    "{\"a\":\"12345678901234567890.123456789012345678\",\"b\":\"1.2e2\",\"c\":0.0012}",
	    "{\"a\":\"12345678901234567890.123456789012345678\",\"b\":\"120\",\"c\":\"0.0012\"}"},
	{"zero", "a decimal(2,2);b decimal(2,2)", "{\"a\":-0.00,\"b\":\"0e50\"}", "{\"a\":\"0\",\"b\":\"0\"}"},
	{"binary", "a binary", "{\"a\":\"3q0\"}", "{\"a\":\"3q0=\"}"},
	{"dates", "a date;b date;c date", "{\"a\":\"2026-11-01\",\"b\":20758,\"c\":\"0001-01-01\"}",
	    "{\"a\":20758,\"b\":20758,\"c\":-719162}"},
	{"times", "a timestamp;b timestamp;c timestamp;d timestamp",
	    "{\"a\":\"2026-11-01T10:00:00Z\",\"b\":\"2026-11-01 12:00:00.123+02:00\",\"c\":\"2026-11-01T10:00:00.000+0000\","
	    "\"d\":\"2026-11-01\"}",
	    "{\"a\":1793527200000000,\"b\":1793527200123000,\"c\":1793527200000000,\"d\":1793491200000000}"},
	{"times as numbers", "a timestamp;b timestamp_ntz", "{\"a\":1793527200000000,\"b\":-1}",
	    "{\"a\":1793527200000000,\"b\":-1}"},
	{"behind the microseconds", "a timestamp", "{\"a\":\"1970-01-01T00:00:00.123456789Z\"}", "{\"a\":123456}"},
	{"wall clock", "a timestamp_ntz", "{\"a\":\"1970-01-01T00:00:01\"}", "{\"a\":1000000}"},
	{"variant is text", "a variant;b variant", "{\"a\":{\"k\":[1,null]},\"b\":1.0}",
	    "{\"a\":\"{\\\"k\\\":[1,null]}\",\"b\":\"1.0\"}"},
	{"nested", DEEP, "{\"s\":{\"a\":[{\"m\":{\"k\":{\"x\":1},\"l\":{}},\"t\":0},{}],\"n\":1}}",
	    "{\"s\":{\"a\":[{\"m\":{\"k\":{\"x\":1},\"l\":{}},\"t\":0},{}],\"n\":\"1\"}}"},
	{"text of all kinds", "a string", "{\"a\":\"\\u0000\\ud83d\\ude00\\\"\"}", "{\"a\":\"\\u0000\xF0\x9F\x98\x80\\\"\"}"},
	{"characters, not bytes", "a varchar(2)", "{\"a\":\"\xC3\xA4\xC3\xA4\"}", "{\"a\":\"\xC3\xA4\xC3\xA4\"}"},
	{"double", "a double;b double", "{\"a\":0.1,\"b\":\"1e300\"}", "{\"a\":0.1,\"b\":1e+300}"},
};

static void
test_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(json_rows); i++)
		check(json_rows[i].name, json_rows[i].columns, &(struct record_options){.format = ROW_JSON, .unit = RECORD_MICROS},
		    json_rows[i].json, json_rows[i].wanted);
}

static const struct {
	const char *name, *columns, *json, *wanted;
} refused_rows[] = {
	{"no object", "a int", "[1]", "refused: a row must be one JSON object, not an array"},
	{"no JSON", "a int", "{\"a\":1", "refused: not valid JSON: the end came too early at byte 6"},
	{"two objects", "a int", "{\"a\":1}{}", "refused: not valid JSON: more text after the value at byte 7"},
	{"no column", "a int", "{\"b\":1}", "refused: the table has no column 'b'"},
	{"a NUL behind a name", "a int", "{\"a\\u0000\":1}", "refused: the table has no column 'a?'"},
	{"no field", "s struct<x:struct<y:int>>", "{\"s\":{\"x\":{\"z\":1}}}", "refused: column 's.x': it has no field 'z'"},
	{"twice", "a int", "{\"a\":1,\"A\":2}", "refused: column 'a': it is there twice"},
	{"missing", "a int!;b int", "{\"b\":1}", "refused: column 'a': it is NOT NULL, and there is no value for it"},
	{"null", "a int!", "{\"a\":null}", "refused: column 'a': it is NOT NULL, and its value is null"},
	{"missing inside", "s struct<x:int not null>", "{\"s\":{}}",
	    "refused: column 's.x': it is NOT NULL, and there is no value for it"},
	{"tinyint", "a tinyint", "{\"a\":128}", "refused: column 'a': '128' is out of range"},
	{"smallint", "a smallint", "{\"a\":-32769}", "refused: column 'a': '-32769' is out of range"},
	{"int", "a int", "{\"a\":2147483648}", "refused: column 'a': '2147483648' is out of range"},
	{"bigint", "a bigint", "{\"a\":9223372036854775808}", "refused: column 'a': '9223372036854775808' is out of range"},
	{"huge exponent", "a bigint", "{\"a\":1e999999999}", "refused: column 'a': '1e999999999' is out of range"},
	{"fraction", "a int", "{\"a\":1.5}", "refused: column 'a': '1.5' is no whole number"},
	{"no number", "a int", "{\"a\":\"12a\"}", "refused: column 'a': '12a' is no number"},
	{"empty number", "a int", "{\"a\":\"\"}", "refused: column 'a': '' is no number"},
	{"true as a number", "a int", "{\"a\":true}", "refused: column 'a': it takes a number or text, not true or false"},
	{"precision", "a decimal(5,2)", "{\"a\":1000}", "refused: column 'a': '1000' has too many digits before the point"},
	{"scale", "a decimal(5,2)", "{\"a\":0.001}", "refused: column 'a': '0.001' has too many digits behind the point"},
	{"float", "a float", "{\"a\":1e39}", "refused: column 'a': '1e39' is out of range"},
	{"double", "a double", "{\"a\":1e309}", "refused: column 'a': '1e309' is out of range"},
	{"no boolean", "a boolean", "{\"a\":1}", "refused: column 'a': it takes true or false, not a number"},
	{"number for text", "a string", "{\"a\":1}", "refused: column 'a': it takes text, not a number"},
	{"too long", "a varchar(2)", "{\"a\":\"abc\"}",
	    "refused: column 'a': its text of 3 characters is longer than VARCHAR(2)"},
	{"base64", "a binary", "{\"a\":\"*\"}", "refused: column 'a': its text is no base64"},
	{"no date", "a date", "{\"a\":\"2026-02-29\"}", "refused: column 'a': '2026-02-29' is no date as 2026-11-01"},
	{"no time", "a timestamp", "{\"a\":\"2026-11-01T25:00\"}",
	    "refused: column 'a': '2026-11-01T25:00' is no time as 2026-11-01T10:00:00Z"},
	{"offset", "a timestamp_ntz", "{\"a\":\"2026-11-01T10:00Z\"}",
	    "refused: column 'a': '2026-11-01T10:00Z' has an offset, and a TIMESTAMP_NTZ holds none"},
	{"null in a list", "a array<int>", "{\"a\":[1,null]}", "refused: column 'a[]': Zerobus cannot take NULL in an ARRAY"},
	{"null in a map", "a map<string,int>", "{\"a\":{\"x\":null}}",
	    "refused: column 'a[]': Zerobus cannot take NULL as a value of a MAP"},
	{"key", "a map<int,int>", "{\"a\":{\"x\":1}}", "refused: column 'a[]': 'x' is no number"},
	{"element", "a array<struct<b:tinyint>>", "{\"a\":[{\"b\":1},{\"b\":300}]}",
	    "refused: column 'a[].b': '300' is out of range"},
	{"object for a list", "a array<int>", "{\"a\":{}}", "refused: column 'a': it takes an array, not an object"},
	{"unsupported", "a interval day to second", "{}",
	    "misfit: table 'main.crm.t': column 'a' (INTERVAL DAY TO SECOND): Zerobus does not take this type"},
	{"unsupported inside", "s struct<a:array<map<string,int>>>", "{}",
	    "misfit: table 'main.crm.t': column 's.a' (ARRAY<MAP<STRING, INT>>): Zerobus does not take this type in an ARRAY"},
	{"char", "a char(3)", "{}", "misfit: table 'main.crm.t': column 'a' (CHAR(3)): Zerobus does not take this type"},
};

static void
test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused_rows); i++)
		check(refused_rows[i].name, refused_rows[i].columns,
		    &(struct record_options){.format = ROW_PROTO, .unit = RECORD_MICROS}, refused_rows[i].json, refused_rows[i].wanted);
}

static void
test_options(void **state)
{
	struct record_options o = {.format = ROW_JSON, .unit = RECORD_MILLIS, .ignore_unknown = true};

	(void)state;
	check("unknown keys", "a int", &o, "{\"x\":{\"y\":[1]},\"a\":1,\"z\":null}", "{\"a\":1}");
	check("milliseconds", "a timestamp", &o, "{\"a\":-1}", "{\"a\":-1000}");
	check("too far", "a timestamp", &o, "{\"a\":9223372036854776}",
	    "refused: column 'a': the time 9223372036854776 is out of range");
	check("nan", "a double", &o, "{\"a\":\"NaN\"}", "refused: column 'a': JSON records cannot hold NaN or Infinity");
	o.unit = RECORD_NANOS;
	check("nanoseconds, down", "a timestamp", &o, "{\"a\":-1}", "{\"a\":-1}");
	o.unit = RECORD_SECONDS;
	check("seconds", "a timestamp", &o, "{\"a\":2}", "{\"a\":2000000}");
	o.columns = "b,A";
	check("some columns", "a int;b int;c interval day", &o, "{\"c\":1,\"a\":2}", "{\"a\":2}");
	check("a required one is left out", "a int;b int;c int!", &o, "{}",
	    "misfit: column 'c' of table 'main.crm.t' is NOT NULL and not among the columns given");
	check("none such", "a int", &o, "{}", "misfit: table 'main.crm.t' has no column 'b'");
	o.columns = NULL;
	o.max_bytes = 10;
	check("too large", "a string", &o, "{\"a\":\"0123456789\"}",
	    "refused: the row is larger than 10 bytes, the most that one record may have");
}

static void
test_cells(void **state)
{
	static const struct {
		const char *name;
		enum record_cell wanted;
	} rows[] = {{"S", RECORD_CELL_TEXT}, {"i", RECORD_CELL_PLAIN}, {"l", RECORD_CELL_JSON}, {"v", RECORD_CELL_VARIANT},
	    {"x", RECORD_CELL_UNKNOWN}, {"", RECORD_CELL_UNKNOWN}};
	struct delta_table *t = table_of("s string;i int;l array<int>;v variant");
	struct record_writer *w = record_writer_new(t, &(struct record_options){.format = ROW_PROTO, .unit = RECORD_MICROS}, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (record_writer_cell(w, text_of(rows[i].name)) != rows[i].wanted)
			fail_msg("%s", rows[i].name);
	record_writer_free(w);
	delta_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proto),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_cells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* emulator/zerobus_record: bytes that python3-protobuf made (and some that nobody should make) into rows; JSON records too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "emulator/zerobus_record.h"
#include "lakehouse_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct lake_table *table;
static struct record_plan *proto, *json;

/*
 * By protoc: message T { required int64 id=1; optional string s=2; repeated string tags=3; map<string,int32> m=4; message Addr
 * {optional string street=1; optional double n=2;} optional Addr addr=5; repeated int32 nums=6; optional bytes b=7; optional bool
 * o=8; optional float f=9; repeated Addr many=10; }
 */
static const char descriptor[] =
    "0a0154120e0a02696418012002280352026964120c0a017318022001280952017312120a047461677318032003280952047461677312170a016d18042003280b"
    "32092e542e4d456e74727952016d121b0a046164647218052001280b32072e542e4164647252046164647212120a046e756d7318062003280552046e756d7312"
    "0c0a016218072001280c520162120c0a016f18082001280852016f120c0a0166180920012802520166121b0a046d616e79180a2003280b32072e542e41646472"
    "52046d616e791a340a064d456e74727912100a036b657918012001280952036b657912140a0576616c7565180220012805520576616c75653a0238011a2c0a04"
    "4164647212160a067374726565741801200128095206737472656574120c0a016e18022001280152016e";
static const char full[] = "08fbffffffffffffffff01120368c3a41a01611a026222220e0a016b10fdffffffffffffffff0122050a016c10002a0c0a01781100000000000004"
			   "4030ffffffffffffffffff0130073a0200ff40014d0000003f52030a01795200";

/* The row's cells as a JSON array; bytes as hex behind an x. */
static void
row_text(const struct record_rows *r, size_t count, struct buffer *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct lake_cell *c = &r->cells[i];

		buffer_append_text(out, i ? " " : "");
		switch (c->kind) {
		case LAKE_CELL_NULL:
			buffer_append_text(out, "-");
			break;
		case LAKE_CELL_INTEGER:
			json_text_int64(out, c->integer);
			break;
		case LAKE_CELL_REAL:
			json_text_double(out, c->real);
			break;
		case LAKE_CELL_TEXT:
			buffer_append(out, c->bytes.data, c->bytes.len);
			break;
		case LAKE_CELL_BYTES:
			buffer_append_text(out, "x");
			buffer_append_hex(out, c->bytes.data, c->bytes.len);
			break;
		}
	}
}

/* Columns in order: id s tags m addr nums b o f many t */
static const struct record_case {
	const char *name;
	const char *hex;  /* or JSON, when it begins with a bracket or a brace */
	const char *want; /* cells, or "!" and words of the refusal */
} cases[] = {
    {"all fields", full, "-5 h\xc3\xa4 [\"a\",\"b\\\"\"] {\"k\":-3,\"l\":0} {\"street\":\"x\",\"n\":2.5} [-1,7] x00ff 1 0.5 "
			 "[{\"street\":\"y\",\"n\":null},{\"street\":null,\"n\":null}]"},
    {"the least", "0801", "1 - - - - - - - - -"},
    {"out of order", "1201610807", "7 a - - - - - - - -"},
    {"the last of two counts", "08010802", "2 - - - - - - - - -"},
    {"elements apart", "08011a016112017a1a0162", "1 z [\"a\",\"b\"] - - - - - - -"},
    {"packed", "08013203010207", "1 - - - - [1,2,7] - - - -"},
    {"packed and not", "080130053201063007", "1 - - - - [5,6,7] - - - -"},
    {"the last of a key counts", "080122050a016b100122050a016a100222050a016b1003", "1 - - {\"j\":2,\"k\":3} - - - - - -"},
    {"an entry without value", "080122030a016b", "1 - - {\"k\":0} - - - - - -"},
    {"a message in two parts", "08012a030a017a2a09110000000000000440", "1 - - - {\"street\":\"z\",\"n\":2.5} - - - - -"},
    {"empty values", "08011200220022003a002a00", "1  - {\"\":0} {\"street\":null,\"n\":null} - x - - -"},
    {"not a number", "08014d0000c07f", "1 - - - - - - - NaN -"},
    {"required missing", "12016a", "!\"id\": required"},
    {"nothing", "", "!\"id\": required"},
    {"unknown number", "080158010a", "!field number 11"},
    {"wire type", "0d00000000", "!\"id\": wire type 5"},
    {"cut in a varint", "0880", "!ends early"},
    {"varint of eleven bytes", "08ffffffffffffffffffff01", "!ends early"},
    {"length past the end", "0801120561", "!ends early"},
    {"length of 2^63", "080112ffffffffffffffffff01", "!ends early"},
    {"tag zero", "080100", "!bad tag"},
    {"a group", "08010b0c", "!ends early"},
    {"bad text", "08011202c328", "!UTF-8"},
    {"half a surrogate", "08011203eda080", "!UTF-8"},
    {"bad text in a map", "080122040a02c328", "!UTF-8"},
    {"int32 too large", "0801308080808010", "!out of range for INT"},
    {"map entry of three", "080122021801", "!key and value"},
    {"nested cut", "08012a020a05", "!ends early"},
    {"json", "{\"id\":-5,\"s\":\"\\u00e4\",\"tags\":[\"a\"],\"m\":{\"k\":1},\"addr\":{\"n\":1,\"street\":null},\"b\":\"AP8=\",\"o\":true,\"f\":0.5}",
	"-5 \xc3\xa4 [\"a\"] {\"k\":1} {\"street\":null,\"n\":1.0} - x00ff 1 0.5 - -"},
    {"json, the least", " { \"id\" : 9223372036854775807 } ", "9223372036854775807 - - - - - - - - - -"},
    {"json, byte", "{\"id\":1,\"t\":-128}", "1 - - - - - - - - - -128"},
    {"json, byte too large", "{\"id\":1,\"t\":128}", "!out of range for BYTE"},
    {"json, missing", "{}", "!\"id\": required"},
    {"json, null", "{\"id\":null}", "!\"id\": required and null"},
    {"json, unknown", "{\"id\":1,\"q\":1}", "!\"q\" is not a column"},
    {"json, twice", "{\"id\":1,\"id\":1}", "!twice"},
    {"json, fraction", "{\"id\":1.0}", "!\"id\": not a 64-bit integer"},
    {"json, text for a number", "{\"id\":\"1\"}", "!\"id\": not a value of type bigint"},
    {"json, struct field", "{\"id\":1,\"addr\":{\"x\":1}}", "!unknown struct field"},
    {"json, not base64", "{\"id\":1,\"b\":\"?\"}", "!\"b\": not base64"},
    {"json, not closed", "{\"id\":1", "!"},
    {"json, more behind", "{\"id\":1} x", "!"},
    {"json, a list", "[1]", "!not a JSON object"},
};

static bool
check(const struct record_case *c)
{
	bool is_json = strchr(" {[", c->hex[0]) != NULL && c->hex[0] != '\0', ok;
	const struct record_plan *plan = is_json ? json : proto;
	size_t len = is_json ? strlen(c->hex) : strlen(c->hex) / 2, count;
	struct record_rows rows = {.rows = 0};
	struct buffer got = BUFFER_INIT;
	struct error e = ERROR_INIT;
	uint8_t *bytes = memory_alloc(len + 1); /* exactly so long: a read beyond it is seen */
	int rc;

	if (is_json)
		memcpy(bytes, c->hex, len);
	else
		assert_int_equal(encode_unhex(text_of(c->hex), bytes, len + 1), (ssize_t)len);
	bytes = realloc(bytes, len ? len : 1);
	record_plan_columns(plan, &count);
	rc = record_rows_add(&rows, plan, text_span(bytes, len), &e);
	if (rc == 0)
		row_text(&rows, count, &got);
	else
		buffer_append_format(&got, "!%s", e.text);
	ok = c->want[0] == '!' ? rc < 0 && e.code == ERR_REFUSED && strstr(e.text, c->want + 1) != NULL :
				 strcmp(buffer_text(&got), c->want) == 0;
	if (!ok)
		print_message("row \"%s\": got %s\n", c->name, buffer_text(&got));
	record_rows_release(&rows);
	buffer_release(&got);
	free(bytes);
	return ok;
}

static void
test_records(void **state)
{
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		bad += !check(&cases[i]);
	assert_int_equal(bad, 0);
}

/* Damaged records and descriptors are refused or read, never more than that (with the sanitizers on). */
static void
test_damage(void **state)
{
	uint8_t bytes[256], shape[512];
	size_t len = strlen(full) / 2, shape_len = strlen(descriptor) / 2;
	struct random random;

	(void)state;
	random_seed(&random, 7);
	encode_unhex(text_of(full), bytes, sizeof(bytes));
	encode_unhex(text_of(descriptor), shape, sizeof(shape));
	for (int n = 0; n < 20000; n++) {
		bool of_descriptor = n % 4 == 0;
		size_t size = of_descriptor ? shape_len : len, cut = size - random_below(&random, n % 3 ? 1 : size);
		uint8_t *copy = memory_alloc(cut ? cut : 1);
		struct error e = ERROR_INIT;

		memcpy(copy, of_descriptor ? shape : bytes, cut);
		for (uint64_t k = random_below(&random, 4); k > 0 && cut > 0; k--)
			copy[random_below(&random, cut)] = (uint8_t)random_next(&random);
		if (of_descriptor) {
			record_plan_free(record_plan_proto(text_span(copy, cut), table, &e));
		} else {
			struct record_rows rows = {.rows = 0};

			record_rows_add(&rows, proto, text_span(copy, cut), &e);
			record_rows_release(&rows);
		}
		free(copy);
	}
}

static int
set_up(void **state)
{
	const struct spark_request create = {
	    .statement = "CREATE TABLE main.crm.t (id BIGINT NOT NULL, s STRING, tags ARRAY<STRING>, m MAP<STRING,INT>, "
			 "addr STRUCT<street: STRING, n: DOUBLE>, nums ARRAY<INT>, b BINARY, o BOOLEAN, f FLOAT, "
			 "many ARRAY<STRUCT<street: STRING, n: DOUBLE>>, t TINYINT)"};
	struct spark_result result = {.columns = NULL};
	struct error e = ERROR_INIT;
	uint8_t shape[512];
	ssize_t len = encode_unhex(text_of(descriptor), shape, sizeof(shape));

	if (lakehouse_set_up(state) != 0 || spark_run(lakehouse, &create, &result, &e) < 0)
		return -1;
	spark_result_release(&result);
	table = lakehouse_find(lakehouse, (struct lake_name){"main", "crm", "t"});
	proto = record_plan_proto(text_span(shape, (size_t)len), table, &e);
	json = record_plan_json(table, &e);
	if (proto == NULL)
		print_message("%s\n", e.text);
	return proto != NULL && json != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	record_plan_free(proto);
	record_plan_free(json);
	lake_table_unref(table);
	return lakehouse_tear_down(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_records), cmocka_unit_test(test_damage)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* The emulator's Avro writer, bitmaps, and the check of published payloads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "emulator/avro_write.h"
#include "emulator/change_event.h"
#include "emulator/event_check.h"
#include "emulator/schemas.h"
#include "emulator/values.h"

static void
assert_hex(const char *name, const struct buffer *got, const char *expected)
{
	struct buffer hex = BUFFER_INIT;

	buffer_append_hex(&hex, got->data, got->len);
	if (strcmp(buffer_text(&hex), expected) != 0)
		fail_msg("%s: %s instead of %s", name, buffer_text(&hex), expected);
	buffer_release(&hex);
}

static void
test_long(void **state)
{
	static const struct {
		int64_t value;
		const char *hex;
	} rows[] = {
		{ 0, "00" },
		{ -1, "01" },
		{ 1, "02" },
		{ -64, "7f" },
		{ 64, "8001" },
		{ 1767522565000, "90eeef88f166" }, /* the sample of the contract */
		{ 1709306651191403428, "c88ecfc7f9d5d6b82f" },
		{ INT64_MAX, "feffffffffffffffff01" },
		{ INT64_MIN, "ffffffffffffffffff01" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buffer out = BUFFER_INIT;

		avro_long(&out, rows[i].value);
		assert_hex(rows[i].hex, &out, rows[i].hex);
		buffer_release(&out);
	}
}

static void
test_others(void **state)
{
	static const char *const items[] = { "0x20", "18-0x03", "19-0x02" };
	struct buffer out = BUFFER_INIT;

	(void)state;
	avro_strings(&out, items, 3);
	assert_hex("array", &out, "0608307832300e31382d307830330e31392d3078303200");
	buffer_clear(&out);
	avro_strings(&out, NULL, 0);
	assert_hex("empty array", &out, "00");
	buffer_clear(&out);
	avro_double(&out, -88.72848);
	assert_hex("double", &out, "91f2936a9f2e56c0");
	buffer_clear(&out);
	avro_bytes(&out, text_span("a\0b", 3));
	assert_hex("a NUL within", &out, "06610062");
	buffer_clear(&out);
	avro_boolean(&out, true);
	assert_hex("boolean", &out, "01");
	buffer_release(&out);
}

/* The worked examples of the contract. */
static void
test_bitmaps(void **state)
{
	static const struct {
		const char *name;
		int prefix;
		int bits[5]; /* ends with -1 */
		const char *expected;
	} rows[] = {
		{ "Phone, LastModifiedDate", -1, { 7, 23, -1 }, "0x800080" },
		{ "Account__c.total", -1, { 5, 8, -1 }, "0x0120" },
		{ "name parts", 1, { 1, 2, -1 }, "1-0x06" },
		{ "ninth child", 6, { 9, -1 }, "6-0x0200" },
		{ "first child", 18, { 0, -1 }, "18-0x01" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buffer out = BUFFER_INIT;
		uint8_t bits[80] = { 0 };

		for (const int *bit = rows[i].bits; *bit >= 0; bit++)
			bits[*bit] = 1;
		change_bitmap(&out, rows[i].prefix, bits, sizeof bits);
		if (strcmp(buffer_text(&out), rows[i].expected) != 0)
			fail_msg("%s: %s", rows[i].name, buffer_text(&out));
		buffer_release(&out);
	}
}

static void
test_ids(void **state)
{
	char id[RECORD_ID_SIZE], schema[SCHEMA_ID_SIZE];

	(void)state;
	/* the check letters say which of the fifteen are upper case */
	assert_string_equal(value_record_id(id, "001", 11), "0015f000000000BAAQ");
	assert_int_equal(strlen(value_record_id(id, "a0B", 61)), 18);
	assert_string_equal(schema_id(schema, schema_sources[ENTITY_ACCOUNT].json), "Z9QGC7PCPgbQdkX-ELWnkA");
	assert_string_equal(schema_id(schema, schema_sources[ENTITY_ORDER_EVENT].json),
	    "FPophmJreRsA2VLfoUI7-Q");
}

/* CreatedDate, CreatedById, six nullable fields */
static void
test_check(void **state)
{
	static const struct {
		const char *name, *hex, *error;
	} rows[] = {
		{ "all null", "020261000000000000", NULL },
		{ "amount", "0202610000" "02" "0000000000000840" "000000", NULL },
		{ "text", "020261" "0206616263" "0000000000", NULL },
		{ "nothing", "", "field CreatedDate: it is no long" },
		{ "bytes left", "02026100000000000000", "1 bytes are left behind the last field" },
		{ "ends within", "0202610000" "02" "00000000", "field Amount__c: the payload ends within it" },
		{ "branch", "020261" "04" "0000000000",
		    "field Order_Number__c: its union has no such branch" },
		{ "length", "020261" "02" "fefffffffffffffffe01",
		    "field Order_Number__c: its length is not within the payload" },
		{ "negative length", "020261" "02" "01" "0000000000",
		    "field Order_Number__c: its length is not within the payload" },
		{ "UTF-8", "020261" "02" "02ff" "0000000000", "field Order_Number__c: its text is not UTF-8" },
		{ "boolean", "020261000000" "0202" "0000", "field Has_Shipped__c: it is no boolean" },
		{ "long varint", "ffffffffffffffffffff01", "field CreatedDate: it is no long" },
	};
	struct event_type type;
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(event_type_parse(&type, schema_sources[ENTITY_ORDER_EVENT].json, &e), 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t bytes[64];
		ssize_t len = encode_unhex(text_of(rows[i].hex), bytes, sizeof bytes);
		uint8_t *exact = malloc(len > 0 ? (size_t)len : 1); /* so that a sanitizer sees a read past the end */
		int rc;

		assert_true(len >= 0);
		memcpy(exact, bytes, (size_t)len);
		error_clear(&e);
		rc = event_check(&type, text_span(exact, (size_t)len), &e);
		if ((rc == 0) != !rows[i].error || (rc != 0 && strcmp(e.text, rows[i].error) != 0))
			fail_msg("%s: %d, \"%s\"", rows[i].name, rc, e.text);
		free(exact);
	}
	event_type_release(&type);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_bitmaps),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

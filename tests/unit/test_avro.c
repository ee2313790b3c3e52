/*
 * avro/ by the tables tests/tables/avro.txt and avro-encode.txt, and what the schema, its
 * descriptions and samples say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "avro/decode.h"
#include "avro/describe.h"
#include "avro/encode.h"
#include "avro/schema.h"
#include "base/encode.h"
#include "table_rows.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	struct text name, schema, third, result;
};

static void
unhex(struct row *row, struct text hex, struct buffer *out)
{
	struct buffer digits = BUFFER_INIT;
	ssize_t n;

	for (size_t i = 0; i < hex.len; i++)
		if (hex.data[i] != ' ')
			buffer_append_byte(&digits, (uint8_t)hex.data[i]);
	buffer_clear(out);
	buffer_reserve(out, digits.len + 1);
	n = encode_unhex(buffer_span(&digits), out->data, digits.len + 1);
	if (n < 0)
		fail_msg("%.*s: bad hex", (int)row->name.len, row->name.data);
	out->len = (size_t)n;
	buffer_release(&digits);
}

static void
expect_refusal(const struct row *row, int rc, const struct error *e)
{
	char part[256];

	if (rc == 0)
		fail_msg("%.*s: taken", (int)row->name.len, row->name.data);
	snprintf(part, sizeof(part), "%.*s", (int)row->result.len - 2, row->result.data + 2);
	if (e->code != ERR_REFUSED || strstr(e->text, part) == NULL)
		fail_msg(
		    "%.*s: '%s' without '%s'", (int)row->name.len, row->name.data, e->text, part);
}

static void
expect_round_trip(const struct row *row, struct avro_schema *schema, const struct avro_decoder *d)
{
	struct buffer datum = BUFFER_INIT, json = BUFFER_INIT;
	struct error e = ERROR_INIT;
	char why[256];

	if (avro_encode(schema, row->result, NULL, 0, &datum, &e) != 0)
		fail_msg("%.*s: back: %s", (int)row->name.len, row->name.data, e.text);
	if (avro_decode_json(d, buffer_span(&datum), &json, &e) != 0 ||
	    !tree_text_equal(buffer_span(&json), row->result, why))
		fail_msg(
		    "%.*s: back gives %s", (int)row->name.len, row->name.data, buffer_text(&json));
	buffer_release(&datum);
	buffer_release(&json);
}

static void
check_decode(struct row *row)
{
	struct error e = ERROR_INIT;
	struct avro_schema *schema = avro_schema_parse(row->schema, &e);
	struct avro_decoder *d;
	struct buffer datum = BUFFER_INIT, json = BUFFER_INIT;
	bool bad = text_starts(row->result, "! ");
	char why[256] = "";

	if (schema == NULL) {
		if (!bad)
			fail_msg("%.*s: %s", (int)row->name.len, row->name.data, e.text);
		expect_refusal(row, -1, &e);
		return;
	}
	d = avro_decoder_new(schema);
	unhex(row, row->third, &datum);
	buffer_append_text(&json, "before");
	if (bad) {
		expect_refusal(row, avro_decode_json(d, buffer_span(&datum), &json, &e), &e);
		assert_int_equal(json.len, 6);
	} else {
		if (avro_decode_json(d, buffer_span(&datum), &json, &e) != 0)
			fail_msg("%.*s: %s", (int)row->name.len, row->name.data, e.text);
		if (!tree_text_equal(text_span(json.data + 6, json.len - 6), row->result, why))
			fail_msg("%.*s: %s: %s", (int)row->name.len, row->name.data,
			    buffer_text(&json), why);
		if (!text_ends(row->name, "(one way)"))
			expect_round_trip(row, schema, d);
	}
	avro_decoder_free(d);
	avro_schema_unref(schema);
	buffer_release(&datum);
	buffer_release(&json);
}

static void
check_encode(struct row *row)
{
	static const struct avro_default defaults[] = {
	    {"other", {"1", 1}}, {"given", {"\"given by default\"", 18}}};
	struct error e = ERROR_INIT;
	struct avro_schema *schema = avro_schema_parse(row->schema, &e);
	struct buffer want = BUFFER_INIT, got = BUFFER_INIT;
	int rc;

	if (schema == NULL)
		fail_msg("%.*s: %s", (int)row->name.len, row->name.data, e.text);
	buffer_append_text(&got, "x");
	rc = avro_encode(schema, row->third, defaults, COUNT(defaults), &got, &e);
	if (text_starts(row->result, "!")) {
		expect_refusal(row, rc, &e);
		assert_int_equal(got.len, 1);
	} else {
		if (rc != 0)
			fail_msg("%.*s: %s", (int)row->name.len, row->name.data, e.text);
		unhex(row, row->result, &want);
		if (!text_equal(buffer_span(&want), text_span(got.data + 1, got.len - 1))) {
			struct buffer hex = BUFFER_INIT;

			buffer_append_hex(&hex, got.data + 1, got.len - 1);
			fail_msg("%.*s: gives %s", (int)row->name.len, row->name.data,
			    buffer_text(&hex));
		}
	}
	avro_schema_unref(schema);
	buffer_release(&want);
	buffer_release(&got);
}

static void
each_row(const char *path, size_t least, void (*check)(struct row *row))
{
	struct text file = tree_read_file(path), rest = file, columns[TABLE_COLUMNS];
	size_t n = 0;

	for (; table_next_row(&rest, columns); n++)
		check(&(struct row){columns[0], columns[1], columns[2], columns[3]});
	assert_true(n >= least);
	free((char *)(uintptr_t)file.data);
}

static void
test_decode_table(void **state)
{
	(void)state;
	each_row("tests/tables/avro.txt", 80, check_decode);
}

static void
test_encode_table(void **state)
{
	(void)state;
	each_row("tests/tables/avro-encode.txt", 45, check_encode);
}

static struct avro_schema *
load(const char *name)
{
	struct error e = ERROR_INIT;
	char path[128];
	struct text json;
	struct avro_schema *s;

	snprintf(path, sizeof(path), "tests/data/schemas/%s.avsc", name);
	json = tree_read_file(path);
	s = avro_schema_parse(json, &e);
	if (s == NULL)
		fail_msg("%s: %s", name, e.text);
	free((char *)(uintptr_t)json.data);
	return s;
}

static void
test_hint(void **state)
{
	struct avro_schema *s = load("Order_Event__e");
	struct buffer out = BUFFER_INIT;
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(avro_encode(s, text_of("{\"createdDate\":1}"), NULL, 0, &out, &e), -1);
	assert_string_equal(e.hint, "names are case-sensitive: it is 'CreatedDate'");
	avro_schema_unref(s);
	buffer_release(&out);
}

/* What the sample of a schema says is taken by the encoder, whole and without the fields filled by
 * the caller. */
static void
test_template(void **state)
{
	static const char *const names[] = {
	    "AccountChangeEvent", "All_Types__e", "Order_Event__e", "Invoice__ChangeEvent"};
	static const char *const leave_out[] = {"CreatedDate", "CreatedById", NULL};
	static const struct avro_default defaults[] = {
	    {"CreatedDate", {"1", 1}}, {"CreatedById", {"\"x\"", 3}}};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct avro_schema *s = load(names[i]);
		struct avro_decoder *d = avro_decoder_new(s);
		struct buffer sample = BUFFER_INIT, datum = BUFFER_INIT, json = BUFFER_INIT;
		struct error e = ERROR_INIT;

		avro_template(s, NULL, &sample);
		if (avro_encode(s, buffer_span(&sample), NULL, 0, &datum, &e) != 0 ||
		    avro_decode_json(d, buffer_span(&datum), &json, &e) != 0)
			fail_msg("%s: %s", names[i], e.text);
		buffer_clear(&sample);
		buffer_clear(&datum);
		avro_template(s, leave_out, &sample);
		assert_null(
		    strstr(buffer_text(&sample), i == 1 ? "CreatedDate" : "\"CreatedById\":  "));
		if (avro_encode(s, buffer_span(&sample), defaults, 2, &datum, &e) != 0)
			fail_msg("%s: %s", names[i], e.text);
		buffer_release(&sample);
		buffer_release(&datum);
		buffer_release(&json);
		avro_decoder_free(d);
		avro_schema_unref(s);
	}
}

static void
test_schema(void **state)
{
	struct avro_schema *s = load("AccountChangeEvent");
	const struct avro_type *root = avro_schema_root(s), *address, *header;
	ptrdiff_t at;

	(void)state;
	assert_true(text_is(avro_schema_record_name(s), "AccountChangeEvent"));
	assert_true(text_is(root->namespace, "com.sforce.eventbus"));
	assert_int_equal(root->count, 80);
	header = avro_type_record(root->fields[0].type);
	assert_int_equal(header->count, 12);
	assert_int_equal(header->fields[2].type->kind, AVRO_KIND_ENUM);
	assert_false(root->fields[0].nullable);
	at = avro_type_find(root, text_of("ShippingAddress"));
	assert_int_equal(at, 6);
	assert_true(text_is(root->fields[at].doc, "Data:Address"));
	assert_true(root->fields[at].nullable);
	address = avro_type_record(root->fields[at].type);
	assert_ptr_equal(address, avro_type_record(root->fields[5].type));
	assert_ptr_equal(address, root->fields[at].value);
	assert_int_equal(address->count, 10);
	assert_int_equal(avro_type_find(root, text_of("Nothing")), -1);
	avro_schema_unref(avro_schema_ref(s));
	avro_schema_unref(s);
}

/* Ceilings: each just within and just beyond. */
static void
test_ceilings(void **state)
{
	static const struct {
		int fields;
		bool good;
	} rows[] = {{10000, true}, {10001, false}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buffer b = BUFFER_INIT;
		struct error e = ERROR_INIT;
		struct avro_schema *s;

		buffer_append_text(&b, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[");
		for (int f = 0; f < rows[i].fields; f++)
			buffer_append_format(
			    &b, "%s{\"name\":\"f%d\",\"type\":\"int\"}", f ? "," : "", f);
		buffer_append_text(&b, "]}");
		s = avro_schema_parse(buffer_span(&b), &e);
		if ((s != NULL) != rows[i].good)
			fail_msg("%d fields: %s", rows[i].fields, e.text);
		avro_schema_unref(s);
		buffer_release(&b);
	}
}

static void
expect_lines(const char *name, struct buffer *got, const char *const *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(buffer_text(got), lines[i]) == NULL)
			fail_msg("%s: no '%s' in:\n%s", name, lines[i], buffer_text(got));
}

static void
test_descriptions(void **state)
{
	static const char *const tree[] = {"Invoice__ChangeEvent (com.sforce.eventbus)\n",
	    "    changeType       ChangeType         required\n      one of CREATE, UPDATE,",
	    "  Warehouse__c       Location           null      Data:Location:00N",
	    "    Latitude         double             null\n"};
	static const char *const ddl[] = {
	    "Warehouse__c STRUCT<Latitude: DOUBLE, Longitude: DOUBLE> COMMENT 'Data:Location:00N",
	    "LastModifiedDate BIGINT COMMENT 'Data:DateTime, ms since 1970-01-01 UTC',\n",
	    "Due__c BIGINT COMMENT 'Data:DateOnly:00N5f00000Kz1E6, ms since 1970-01-01 at 00:00 UTC of the day',\n",
	    "Cut_Off__c BIGINT COMMENT 'Data:TimeOnly:00N5f00000Kz1E8, ms since midnight',\n",
	    "Lines__c DOUBLE COMMENT 'Data:Double:00N5f00000Kz1E4',\n", "ARRAY<STRING>"};
	static const char *const birthday[] = {
	    "PersonBirthdate BIGINT COMMENT 'Data:Birthday, ms since 1970-01-01 at 00:00 UTC of the day',\n"};
	static const char *const proto[] = {"message Invoice__ChangeEvent {\n",
	    "  required .ChangeEventHeader ChangeEventHeader = 1;",
	    "  repeated string recordIds = 2;\n", "  optional double Total__c = 9;"};
	static const char *const types[] = {"Any VARIANT,\n",
	    "Counts MAP<STRING, BIGINT> NOT NULL,\n",
	    "Points ARRAY<STRUCT<X: INT, Y: DOUBLE>> NOT NULL",
	    "Tree STRUCT<Label: STRING, Next: VARIANT>", "Day DATE NOT NULL\n",
	    "When TIMESTAMP NOT NULL"};
	struct avro_schema *s = load("Invoice__ChangeEvent"), *all = load("All_Types__e");
	struct avro_schema *person = load("AccountChangeEvent.v1");
	struct buffer out = BUFFER_INIT;

	(void)state;
	avro_describe_tree(s, &out);
	expect_lines("tree", &out, tree, COUNT(tree));
	buffer_clear(&out);
	avro_describe_ddl(s, &out);
	expect_lines("ddl", &out, ddl, COUNT(ddl));
	buffer_clear(&out);
	avro_describe_proto(s, &out);
	expect_lines("proto", &out, proto, COUNT(proto));
	buffer_clear(&out);
	avro_describe_ddl(all, &out);
	expect_lines("types", &out, types, COUNT(types));
	buffer_clear(&out);
	avro_describe_ddl(person, &out);
	expect_lines("birthday", &out, birthday, COUNT(birthday));
	buffer_release(&out);
	avro_schema_unref(s);
	avro_schema_unref(all);
	avro_schema_unref(person);
}

/* The type's word of a field's doc. */
static void
test_doc_type(void **state)
{
	static const struct {
		const char *doc, *type;
	} rows[] = {{"Data:DateTime", "DateTime"}, {"Data:Text:00N5f00000Kz1A9", "Text"}, {"a:b:c:d", "b"}, {"Data:", ""},
	    {"Data::00N", ""}, {"DateTime", ""}, {"", ""}, {":Text", "Text"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (!text_is(avro_doc_type(text_of(rows[i].doc)), rows[i].type))
			fail_msg("%s", rows[i].doc);
	assert_true(text_is(avro_doc_type((struct text){0}), ""));
}

static void
test_diff(void **state)
{
	struct avro_schema *before = load("AccountChangeEvent.v1"),
			   *now = load("AccountChangeEvent");
	struct buffer out = BUFFER_INIT;

	(void)state;
	assert_int_equal(avro_describe_diff(now, now, &out), 0);
	assert_int_equal(out.len, 0);
	assert_true(avro_describe_diff(before, now, &out) > 0);
	assert_non_null(strstr(buffer_text(&out), "- BillingAddress.Xyz  string, null\n"));
	assert_non_null(strstr(buffer_text(&out), "ChangeType, required +SNAPSHOT\n"));
	assert_non_null(strstr(buffer_text(&out), "- Name.MiddleName  string, null\n"));
	buffer_release(&out);
	avro_schema_unref(before);
	avro_schema_unref(now);
}

/* Records inside each other by twos, forty deep: what walks them must not go down each of the 2^40
 * ways. */
static void
test_twos(void **state)
{
	struct buffer b = BUFFER_INIT, out = BUFFER_INIT, sample = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct avro_schema *s;
	struct avro_decoder *d;

	(void)state;
	buffer_append_text(&b,
	    "{\"type\":\"record\",\"name\":\"Root\",\"fields\":["
	    "{\"name\":\"f0\",\"type\":{\"type\":\"record\",\"name\":\"R0\",\"fields\":[]}}");
	for (int i = 1; i <= 40; i++)
		buffer_append_format(&b,
		    ",{\"name\":\"f%d\",\"type\":{\"type\":\"record\",\"name\":\"R%d\",\"fields\":["
		    "{\"name\":\"a\",\"type\":\"R%d\"},{\"name\":\"b\",\"type\":\"R%d\"}]}}",
		    i, i, i - 1, i - 1);
	buffer_append_text(&b, "]}");
	s = avro_schema_parse(buffer_span(&b), &e);
	if (s == NULL)
		fail_msg("%s", e.text);
	d = avro_decoder_new(s);
	assert_int_equal(avro_describe_diff(s, s, &out), 0);
	avro_describe_tree(s, &out);
	avro_describe_proto(s, &out);
	avro_describe_ddl(s, &out);
	assert_in_range(out.len, 1, 3 * DESCRIBE_BYTES_MAX);
	avro_template(s, NULL, &sample);
	/* of no bytes at all: only the ceiling on what it unfolds to ends it */
	assert_int_equal(avro_decode_json(d, text_of(""), &sample, &e), -1);
	assert_non_null(strstr(e.text, "bytes of JSON"));
	avro_decoder_free(d);
	avro_schema_unref(s);
	buffer_release(&b);
	buffer_release(&out);
	buffer_release(&sample);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_schema),
	    cmocka_unit_test(test_ceilings),
	    cmocka_unit_test(test_decode_table),
	    cmocka_unit_test(test_encode_table),
	    cmocka_unit_test(test_hint),
	    cmocka_unit_test(test_template),
	    cmocka_unit_test(test_descriptions),
	    cmocka_unit_test(test_doc_type),
	    cmocka_unit_test(test_diff),
	    cmocka_unit_test(test_twos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Events of schemas made here: what has changed in them, what is no change event, and more schemas than are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "avro/encode.h"
#include "avro/schema.h"
#include "base/limits.h"
#include "event_lines.h"
#include "salesforce/event.h"

#define TEXT_FIELD(name) "{\"name\":\"" name "\",\"type\":[\"null\",\"string\"]}"
#define TEXTS_FIELD(name)                                                                          \
	"{\"name\":\"" name "\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}"

/* Fields: 1 A, 2 N (a text or a record), 3 G and 4 H (records). The header lacks what these tests
 * do not need. */
static const char thing_schema[] =
    "{\"type\":\"record\",\"name\":\"ThingChangeEvent\",\"fields\":["
    "{\"name\":\"ChangeEventHeader\",\"type\":{\"type\":\"record\",\"name\":\"ChangeEventHeader\",\"fields\":["
    "{\"name\":\"changeType\",\"type\":\"string\"}," TEXTS_FIELD("nulledFields") "," TEXTS_FIELD("diffFields") ","
    TEXTS_FIELD("changedFields") ",{\"name\":\"more\",\"type\":{\"type\":\"map\",\"values\":\"double\"}}]}},"
    TEXT_FIELD("A") ","
    "{\"name\":\"N\",\"type\":[\"null\",\"string\",{\"type\":\"record\",\"name\":\"P\",\"fields\":["
    TEXT_FIELD("First") "," TEXT_FIELD("Last") "]}]},"
    "{\"name\":\"G\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"L\",\"fields\":["
    "{\"name\":\"Lat\",\"type\":[\"null\",\"int\"]},{\"name\":\"Lon\",\"type\":[\"null\",\"int\"]}]}]},"
    "{\"name\":\"H\",\"type\":[\"L\",\"null\"]}]}";

static const struct {
	const char *name, *type, *nulled, *diff, *changed, *body, *expected;
} changes[] = {
    {"one field", "UPDATE", "", "", "\"0x02\"", "\"A\":\"x\"", "{\"A\":\"x\"}"},
    {"nothing", "UPDATE", "", "", "", "\"A\":\"x\"", "{}"},
    {"nulled", "UPDATE", "\"0x02\"", "", "\"0x02\"", "\"A\":null", "{\"A\":null}"},
    {"nulled alone in its list", "UPDATE", "\"0x02\"", "", "", "\"A\":null", "{\"A\":null}"},
    {"nulled, whatever the body says", "UPDATE", "\"0x02\"", "", "", "\"A\":\"x\"", "{\"A\":null}"},
    {"diff", "UPDATE", "", "\"0x02\"", "\"0x02\"", "\"A\":\"--- \"", "{\"A\":\"--- \"}"},
    {"diff alone in its list", "UPDATE", "", "\"0x02\"", "", "\"A\":\"--- \"", "{\"A\":\"--- \"}"},
    {"enriched fields are no changes", "UPDATE", "", "", "\"0x02\"",
	"\"A\":\"x\",\"G\":{\"Lat\":1}", "{\"A\":\"x\"}"},
    {"a compound as a whole", "UPDATE", "", "", "\"0x08\"", "\"G\":{\"Lat\":1,\"Lon\":2}",
	"{\"G\":{\"Lat\":1,\"Lon\":2}}"},
    {"one child", "UPDATE", "", "", "\"3-0x01\"", "\"G\":{\"Lat\":1,\"Lon\":2}",
	"{\"G\":{\"Lat\":1}}"},
    {"the second child", "UPDATE", "", "", "\"3-0x02\"", "\"G\":{\"Lat\":1,\"Lon\":2}",
	"{\"G\":{\"Lon\":2}}"},
    {"a child of a union with null behind", "UPDATE", "", "", "\"4-0x02\"",
	"\"H\":{\"Lat\":1,\"Lon\":2}", "{\"H\":{\"Lon\":2}}"},
    {"whole and child", "UPDATE", "", "", "\"0x08\",\"3-0x01\"", "\"G\":{\"Lat\":1,\"Lon\":2}",
	"{\"G\":{\"Lat\":1,\"Lon\":2}}"},
    {"a changed and a nulled child", "UPDATE", "\"3-0x02\"", "", "\"3-0x01\"", "\"G\":{\"Lat\":1}",
	"{\"G\":{\"Lat\":1,\"Lon\":null}}"},
    {"both children nulled, no compound", "UPDATE", "\"3-0x03\"", "", "\"3-0x03\"", "",
	"{\"G\":{\"Lat\":null,\"Lon\":null}}"},
    {"the compound nulled", "UPDATE", "\"0x08\"", "", "\"0x08\"", "", "{\"G\":null}"},
    {"a text in place of the record", "UPDATE", "", "", "\"2-0x03\"", "\"N\":\"x\"",
	"{\"N\":\"x\"}"},
    {"children of the record branch", "UPDATE", "", "", "\"2-0x02\"",
	"\"N\":{\"First\":\"a\",\"Last\":\"b\"}", "{\"N\":{\"Last\":\"b\"}}"},
    {"null in place of the record", "UPDATE", "\"2-0x01\"", "", "", "", "{\"N\":{\"First\":null}}"},
    {"an order of its own", "UPDATE", "", "", "\"4-0x01\",\"0x02\"",
	"\"A\":\"x\",\"H\":{\"Lat\":1}", "{\"A\":\"x\",\"H\":{\"Lat\":1}}"},
    {"what has no name", "UPDATE", "", "", "\"0x4000\",\"1-0x01\",\"Strange\"", "\"A\":\"x\"",
	"{}"},
    {"the header's own bit", "UPDATE", "", "", "\"0x01\",\"0-0x01\"", "", "{}"},
    {"create", "CREATE", "", "", "", "\"A\":\"x\"",
	"{\"A\":\"x\",\"N\":null,\"G\":null,\"H\":null}"},
    {"undelete", "UNDELETE", "", "", "", "\"A\":\"x\"",
	"{\"A\":\"x\",\"N\":null,\"G\":null,\"H\":null}"},
    {"delete", "DELETE", "", "", "", "", "{}"},
    {"gap", "GAP_CREATE", "", "", "", "", "{}"},
    {"overflow", "GAP_OVERFLOW", "", "", "", "", "{}"},
    {"a type of the future", "SNAPSHOT", "", "", "", "\"A\":\"x\"",
	"{\"A\":\"x\",\"N\":null,\"G\":null,\"H\":null}"},
};

static void
test_changed_json(void **state)
{
	struct error e = ERROR_INIT;
	struct avro_schema *schema = avro_schema_parse(text_of(thing_schema), &e);
	struct event_decoder *d[2] = {
	    event_decoder_new(EVENT_ALL), event_decoder_new(EVENT_CHANGED_JSON)};

	(void)state;
	if (schema == NULL)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < COUNT(changes); i++) {
		struct buffer json = BUFFER_INIT, payload = BUFFER_INIT;
		struct event v;
		char why[256];

		buffer_append_format(&json,
		    "{\"ChangeEventHeader\":{\"changeType\":\"%s\",\"nulledFields\":[%s],"
		    "\"diffFields\":[%s],\"changedFields\":[%s],\"more\":{\"x\":1}}%s%s}",
		    changes[i].type, changes[i].nulled, changes[i].diff, changes[i].changed,
		    changes[i].body[0] ? "," : "", changes[i].body);
		if (avro_encode(schema, buffer_span(&json), NULL, 0, &payload, &e) != 0)
			fail_msg("%s: %s", changes[i].name, e.text);
		for (int k = 0; k < 2; k++) {
			struct event_raw raw = {.payload = buffer_span(&payload)};

			if (event_decode(d[k], schema, &raw, &v, &e) != 0)
				fail_msg("%s: %s", changes[i].name, e.text);
			if (!tree_text_equal(v.changed_json, text_of(changes[i].expected), why))
				fail_msg("%s: %.*s: %s", changes[i].name, (int)v.changed_json.len,
				    v.changed_json.data, why);
		}
		/* the header lacks these */
		expect_text(changes[i].name, v.entity, "UNKNOWN");
		expect_text(changes[i].name, v.change_origin, "");
		assert_null(v.transaction_key.data);
		assert_int_equal(v.record_ids.count, 0);
		buffer_release(&json);
		buffer_release(&payload);
	}
	event_decoder_free(d[0]);
	event_decoder_free(d[1]);
	avro_schema_unref(schema);
}

/* Records that are no change events, and what is no record. */
static void
test_other_shapes(void **state)
{
	static const struct {
		const char *name, *schema, *json, *record;
		int64_t created;
	} rows[] = {
	    {"no fields", "{\"type\":\"record\",\"name\":\"X__e\",\"fields\":[]}", "{}", "{}", 0},
	    {"CreatedDate last and nullable",
		"{\"type\":\"record\",\"name\":\"X__e\",\"fields\":[" TEXT_FIELD(
		    "A") ",{\"name\":\"CreatedDate\",\"type\":[\"null\",\"long\"]}]}",
		"{\"CreatedDate\":5}", "{\"A\":null,\"CreatedDate\":5}", 5},
	    {"CreatedDate is a text",
		"{\"type\":\"record\",\"name\":\"X__e\",\"fields\":[" TEXT_FIELD(
		    "CreatedDate") "]}",
		"{\"CreatedDate\":\"x\"}", "{\"CreatedDate\":\"x\"}", 0},
	    {"header is a text",
		"{\"type\":\"record\",\"name\":\"X__e\",\"fields\":[" TEXT_FIELD(
		    "ChangeEventHeader") "]}",
		"{\"ChangeEventHeader\":\"x\"}", "{\"ChangeEventHeader\":\"x\"}", 0},
	    {"header is null",
		"{\"type\":\"record\",\"name\":\"X\",\"fields\":[{\"name\":\"ChangeEventHeader\","
		"\"type\":[\"null\","
		"{\"type\":\"record\",\"name\":\"H\",\"fields\":[]}]}," TEXT_FIELD("A") "]}",
		"{\"A\":\"x\"}", "{\"A\":\"x\"}", 0},
	};
	struct event_decoder *d = event_decoder_new(EVENT_ALL);
	struct error e = ERROR_INIT;
	struct event v;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct avro_schema *schema = avro_schema_parse(text_of(rows[i].schema), &e);
		struct buffer payload = BUFFER_INIT;
		struct event_raw raw;
		char why[256];

		if (schema == NULL ||
		    avro_encode(schema, text_of(rows[i].json), NULL, 0, &payload, &e) != 0)
			fail_msg("%s: %s", rows[i].name, e.text);
		raw = (struct event_raw){.payload = buffer_span(&payload)};
		if (event_decode(d, schema, &raw, &v, &e) != 0)
			fail_msg("%s: %s", rows[i].name, e.text);
		if (!tree_text_equal(v.record_json, text_of(rows[i].record), why) ||
		    !text_equal(v.record_json, v.changed_json))
			fail_msg(
			    "%s: %.*s", rows[i].name, (int)v.record_json.len, v.record_json.data);
		assert_false(v.is_change);
		expect_text(rows[i].name, v.change_type, "UNKNOWN");
		assert_int_equal(v.commit_timestamp_ms, rows[i].created);
		avro_schema_unref(schema);
		buffer_release(&payload);
	}
	{
		struct avro_schema *schema = avro_schema_parse(text_of("\"string\""), &e);
		struct event_raw raw = {.payload = {"\0", 1}};

		assert_int_equal(event_decode(d, schema, &raw, &v, &e), -1);
		assert_int_equal(e.code, ERR_REFUSED);
		avro_schema_unref(schema);
	}
	event_decoder_free(d);
}

/* More schemas than are kept: the oldest plans go, the answers stay right. */
static void
test_many_schemas(void **state)
{
	struct event_decoder *d = event_decoder_new(EVENT_ALL);
	struct avro_schema *schemas_made[LIMIT_SCHEMAS_IN_MEMORY + 10];
	struct error e = ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(schemas_made); i++) {
		char json[128];

		snprintf(json, sizeof(json),
		    "{\"type\":\"record\",\"name\":\"R%zu\",\"fields\":[" TEXT_FIELD("F%zu") "]}",
		    i, i);
		schemas_made[i] = avro_schema_parse(text_of(json), &e);
		assert_non_null(schemas_made[i]);
	}
	for (size_t n = 0; n < 2 * COUNT(schemas_made); n++) {
		struct event_raw raw = {.payload = {"\0", 1}};
		struct event v;
		char want[32];

		assert_int_equal(
		    event_decode(d, schemas_made[n % COUNT(schemas_made)], &raw, &v, &e), 0);
		snprintf(want, sizeof(want), "{\"F%zu\":null}", n % COUNT(schemas_made));
		expect_text("many", v.record_json, want);
	}
	for (size_t i = 0; i < COUNT(schemas_made); i++)
		avro_schema_unref(schemas_made[i]);
	event_decoder_free(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_changed_json),
	    cmocka_unit_test(test_other_shapes),
	    cmocka_unit_test(test_many_schemas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

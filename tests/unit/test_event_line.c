/* Lines for people: dates by the schema, and what comes last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "avro/schema.h"
#include "commands/event_date.h"
#include "commands/event_print.h"
#include "commands/raw_event.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A schema of one record; fields: its fields' JSON. */
static struct avro_schema *
schema_of(const char *fields)
{
	char json[2048];
	struct error e = ERROR_INIT;
	struct avro_schema *s;

	snprintf(json, sizeof(json), "{\"type\":\"record\",\"name\":\"R\",\"fields\":[%s]}", fields);
	s = avro_schema_parse(text_of(json), &e);
	if (s == NULL)
		fail_msg("%s: %s", fields, e.text);
	return s;
}

#define NULLABLE_LONG "[\"null\",\"long\"]"
#define LOGICAL(type, word) "{\"type\":\"" type "\",\"logicalType\":\"" word "\"}"

static const struct {
	const char *name, *type, *doc, *value, *want; /* want NULL: left as it is */
} dates[] = {
	{"date and time", NULLABLE_LONG, "Data:DateTime", "1767522549000", "2026-01-04T10:29:09Z"},
	{"of a custom field", NULLABLE_LONG, "Data:DateTime:00N5f00000Kz1A9", "1767522549000", "2026-01-04T10:29:09Z"},
	{"another role, not nullable", "\"long\"", "CreatedDate:DateTime", "1767522549007", "2026-01-04T10:29:09.007Z"},
	{"before 1970", NULLABLE_LONG, "Data:DateTime", "-1", "1969-12-31T23:59:59.999Z"},
	{"day", NULLABLE_LONG, "Data:DateOnly:00N5f00000Kz1E6", "1821830400000", "2027-09-25"},
	{"day before 1970", NULLABLE_LONG, "Data:Birthday", "-86400000", "1969-12-31"},
	{"day that is not at midnight", NULLABLE_LONG, "Data:DateOnly", "1767522549000", "2026-01-04T10:29:09Z"},
	{"time", NULLABLE_LONG, "Data:TimeOnly", "25882000", "07:11:22"},
	{"time with milliseconds", NULLABLE_LONG, "Data:TimeOnly", "86399999", "23:59:59.999"},
	{"no time of a day", NULLABLE_LONG, "Data:TimeOnly", "86400000", NULL},
	{"negative time", NULLABLE_LONG, "Data:TimeOnly", "-1", NULL},
	{"no year of the calendar", NULLABLE_LONG, "Data:DateTime", "9223372036854775807", NULL},
	{"null", NULLABLE_LONG, "Data:DateTime", "null", NULL},
	{"too long", NULLABLE_LONG, "Data:DateTime", "99999999999999999999999", NULL},
	{"beyond 64 bits", NULLABLE_LONG, "Data:DateTime", "9223372036854775808", NULL},
	{"text", "[\"null\",\"string\"]", "Data:DateTime", "\"2026\"", NULL},
	{"double", "[\"null\",\"double\"]", "Data:DateTime", "1767522549000.0", NULL},
	{"number", NULLABLE_LONG, "Data:Integer", "1767522549000", NULL},
	{"word in the role", NULLABLE_LONG, "DateTime:Integer", "1767522549000", NULL},
	{"word in the id", NULLABLE_LONG, "Data:Integer:DateTime", "1767522549000", NULL},
	{"no parts", NULLABLE_LONG, "DateTime", "1767522549000", NULL},
	{"empty", NULLABLE_LONG, "", "1767522549000", NULL},
	{"two branches", "[\"null\",\"long\",\"string\"]", "Data:DateTime", "1767522549000", NULL},
	{"logical date", "[\"null\"," LOGICAL("int", "date") "]", "Data:DateOnly", "20457", "2026-01-04"},
	{"logical date beyond", LOGICAL("int", "date"), "", "2147483647", NULL},
	{"int without", "[\"null\",\"int\"]", "Data:DateOnly", "20457", NULL},
	{"logical timestamp", LOGICAL("long", "timestamp-millis"), "", "1767522549000", "2026-01-04T10:29:09Z"},
	{"microseconds", LOGICAL("long", "timestamp-micros"), "Data:DateTime", "1767522549000000", NULL},
};

static void
test_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(dates); i++) {
		struct buffer out = BUFFER_INIT;
		char field[512];
		struct avro_schema *s;
		bool is;

		snprintf(field, sizeof(field), "{\"name\":\"F\",\"type\":%s,\"doc\":\"%s\"}", dates[i].type, dates[i].doc);
		s = schema_of(field);
		is = event_date_append(&out, avro_schema_root(s), text_of("F"), text_of(dates[i].value));
		if (is != (dates[i].want != NULL) || strcmp(buffer_text(&out), is ? dates[i].want : "") != 0)
			fail_msg("%s: %s → '%s'", dates[i].name, dates[i].value, buffer_text(&out));
		assert_false(event_date_append(&out, avro_schema_root(s), text_of("G"), text_of(dates[i].value)));
		assert_false(event_date_append(&out, NULL, text_of("F"), text_of(dates[i].value)));
		buffer_release(&out);
		avro_schema_unref(s);
	}
}

#define DATE(name) "{\"name\":\"" name "\",\"type\":" NULLABLE_LONG ",\"doc\":\"Data:DateTime\"}"

static const char fields[] = "{\"name\":\"CreatedDate\",\"type\":\"long\",\"doc\":\"CreatedDate:DateTime\"},"
			     "{\"name\":\"CreatedById\",\"type\":\"string\"}," DATE("LastModifiedDate") "," DATE("Sent__c") ","
			     "{\"name\":\"Stay__c\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"Stay\",\"fields\":[" DATE(
				 "From") "," DATE("To") "]}]},{\"name\":\"Lines__c\",\"type\":" NULLABLE_LONG "}";

static const struct {
	const char *name, *change, *record, *changed;
	bool schema;
	const char *want; /* behind the clock */
} lines[] = {
	{"what is in every update comes last", "UPDATE",
	    "{\"CreatedDate\":null,\"CreatedById\":null,\"LastModifiedDate\":1767522549000,\"Sent__c\":0,\"Stay__c\":null,\"Lines__c\":7}",
	    "{\"LastModifiedDate\":1767522549000,\"Sent__c\":0,\"Lines__c\":7}", true,
	    " A UPDATE Sent__c=1970-01-01T00:00:00Z Lines__c=7 LastModifiedDate=2026-01-04T10:29:09Z"},
	{"without a schema they stay numbers", "UPDATE",
	    "{\"CreatedDate\":null,\"CreatedById\":null,\"LastModifiedDate\":1767522549000,\"Sent__c\":0,\"Stay__c\":null,\"Lines__c\":7}",
	    "{\"LastModifiedDate\":1767522549000,\"Lines__c\":7}", false, " A UPDATE Lines__c=7 LastModifiedDate=1767522549000"},
	{"it alone, and a null", "UPDATE", "{\"LastModifiedDate\":1767522549000,\"Sent__c\":null}",
	    "{\"LastModifiedDate\":1767522549000,\"Sent__c\":null}", true, " A UPDATE Sent__c=null LastModifiedDate=2026-01-04T10:29:09Z"},
	{"a part of a compound", "UPDATE", "{\"Stay__c\":{\"From\":0,\"To\":null}}", "{\"Stay__c\":{\"From\":0}}", true,
	    " A UPDATE Stay__c.From=1970-01-01T00:00:00Z"},
	{"a create", "CREATE", "{\"CreatedDate\":0,\"CreatedById\":\"005\",\"Sent__c\":1000}",
	    "{\"CreatedDate\":0,\"CreatedById\":\"005\",\"Sent__c\":1000}", true,
	    " A CREATE Sent__c=1970-01-01T00:00:01Z CreatedDate=1970-01-01T00:00:00Z CreatedById=\"005\""},
};

static void
test_lines(void **state)
{
	struct avro_schema *s = schema_of(fields);

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct event event = {
			.is_change = true,
			.entity = text_of("A"),
			.change_type = text_of(lines[i].change),
			.record_json = text_of(lines[i].record),
			.changed_json = text_of(lines[i].changed),
		};
		struct buffer line = BUFFER_INIT, row = BUFFER_INIT;
		const struct avro_type *record = lines[i].schema ? avro_schema_root(s) : NULL;
		const char *cells;

		event_print_line(&line, &event, record, 0);
		if (line.len < 8 || strcmp(buffer_text(&line) + 8, lines[i].want) != 0)
			fail_msg("%s: %s", lines[i].name, buffer_text(&line));
		/* a row has the same fields behind its columns */
		cells = strchr(lines[i].want + 3, ' ') + 1;
		event_print_row(&row, &event, record, 0);
		if (row.len < strlen(cells) || strcmp(buffer_text(&row) + row.len - strlen(cells), cells) != 0)
			fail_msg("%s: %s", lines[i].name, buffer_text(&row));
		buffer_release(&line);
		buffer_release(&row);
	}
	avro_schema_unref(s);
}

/* Each schema is parsed once; what is none is no fault. */
static void
test_schemas(void **state)
{
	struct raw_schemas kept = {.items = NULL};
	struct event good = {.schema_id = text_of("a"), .schema_json = text_of("\"long\"")};
	struct event bad = {.schema_id = text_of("b"), .schema_json = text_of("{")}, none = {.schema_id = text_of("c")};
	const struct avro_schema *first = raw_schemas_of(&kept, &good);

	(void)state;
	assert_non_null(first);
	assert_null(raw_schemas_of(&kept, &bad));
	assert_null(raw_schemas_of(&kept, &none));
	assert_ptr_equal(raw_schemas_of(&kept, &good), first);
	assert_int_equal(kept.count, 3);
	raw_schemas_release(&kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_schemas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* databricks/row: events to records, PROTO and JSON, for tables of many shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "databricks/row.h"
#include "databricks/table_layout.h"
#include "databricks/zerobus_wire.h"
#include "delta_table.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW_MS 1767600000123

static int64_t
fixed_time(void *context)
{
	(void)context;
	return NOW_MS;
}

static const struct clock test_clock = {.monotonic_ms = fixed_time, .wall_ms = fixed_time};

static struct delta_table *
table_of_layout(enum layout layout)
{
	struct buffer b = BUFFER_INIT;
	struct delta_table *t;

	for (int i = 0; i < EVENT_COLUMN_COUNT; i++)
		if (event_columns[i].layout <= layout)
			buffer_append_format(&b, "%s%s:%s", i > 0 ? ";" : "", event_columns[i].name, event_columns[i].type);
	t = table_of(buffer_text(&b));
	buffer_release(&b);
	return t;
}

static const struct text ids[] = {{"001A", 4}, {"001B\"", 5}};

static struct event
sample_event(void)
{
	struct event event = {.topic = text_of("/data/AccountChangeEvent"), .id = text_of("e1"), .schema_id = text_of("s1"),
	    .schema_json = text_of("{\"type\":\"record\"}"), .payload = text_span("\0\xff\x01", 3), .org_id = text_of("00D"),
	    .record_name = text_of("AccountChangeEvent"), .is_change = true, .entity = text_of("Account"),
	    .change_type = text_of("UPDATE"), .change_origin = text_of(""), .transaction_key = text_of("k"),
	    .commit_user = text_of("005"), .sequence_number = 3, .commit_timestamp_ms = 1767522565000,
	    .commit_number = 9223372036854775807, .record_ids = {ids, 2}, .record_json = text_of("{\"Name\":\"\xc3\xa4\"}"),
	    .changed_json = text_of("{\"Name\":\"\xc3\xa4\"}"), .received_ms = 1};

	replay_id_set(&event.replay_id, text_span("\0\0\0\0\0\x07\x65\xfa\0\0", 10));
	return event;
}

/* A record as text: "number=value" in order; strings as they are, other bytes as hex. */
static char *
show_proto(struct text record)
{
	struct buffer b = BUFFER_INIT;
	struct wire_field f;
	int rc;

	while ((rc = wire_next(&record, &f)) == 1) {
		buffer_append_format(&b, "%s%u=", b.len > 0 ? " " : "", f.number);
		if (f.type == WIRE_VARINT)
			buffer_append_format(&b, "%lld", (long long)f.value);
		else if (text_is_utf8(f.bytes) && memchr(f.bytes.data, '\0', f.bytes.len) == NULL)
			buffer_append(&b, f.bytes.data, f.bytes.len);
		else
			buffer_append_hex(&b, f.bytes.data, f.bytes.len);
	}
	if (rc != 0)
		buffer_append_text(&b, " MALFORMED");
	return buffer_detach(&b);
}

static void
test_values(void **state)
{
	static const struct {
		const char *name, *columns;
		const char *proto, *json, *error; /* error: of compiling or encoding */
	} rows[] = {
	    {"texts", "event_id:string;entity_name:varchar(7);change_origin:string", "1=e1 2=Account 3=",
		"{\"event_id\":\"e1\",\"entity_name\":\"Account\",\"change_origin\":\"\"}", NULL},
	    {"column order, an unknown column, capitals", "note:string;TOPIC:string;extra:map<int,int>;replay_id:string",
		"2=/data/AccountChangeEvent 4=000000000007" "65fa0000",
		"{\"TOPIC\":\"/data/AccountChangeEvent\",\"replay_id\":\"00000000000765fa0000\"}", NULL},
	    {"variant of text and of JSON", "entity_name:variant;record_data_json:variant;record_ids:variant",
		"1=\"Account\" 2={\"Name\":\"\xc3\xa4\"} 3=[\"001A\",\"001B\\\"\"]",
		"{\"entity_name\":\"\\\"Account\\\"\",\"record_data_json\":\"{\\\"Name\\\":\\\"\xc3\xa4\\\"}\","
		"\"record_ids\":\"[\\\"001A\\\",\\\"001B\\\\\\\"\\\"]\"}", NULL},
	    {"lists", "record_ids:array<string>;changed_fields:array<varchar(9)>;nulled_fields:string", "1=001A 1=001B\" 3=[]",
		"{\"record_ids\":[\"001A\",\"001B\\\"\"],\"changed_fields\":[],\"nulled_fields\":\"[]\"}", NULL},
	    {"bytes", "payload_binary:binary", "1=00ff01", "{\"payload_binary\":\"AP8B\"}", NULL},
	    {"bytes in a string", "payload_binary:string", "1=AP8B", "{\"payload_binary\":\"AP8B\"}", NULL},
	    {"integers", "commit_number:bigint;sequence_number:tinyint", "1=9223372036854775807 2=3",
		"{\"commit_number\":9223372036854775807,\"sequence_number\":3}", NULL},
	    {"integers as text", "commit_number:decimal(19,0);sequence_number:string", "1=9223372036854775807 2=3",
		"{\"commit_number\":\"9223372036854775807\",\"sequence_number\":\"3\"}", NULL},
	    {"an integer too large", "commit_number:int", NULL, NULL,
		"the value 9223372036854775807 of column 'commit_number' is out of its type's range"},
	    {"a decimal too small", "commit_number:decimal(18,0)", NULL, NULL,
		"the value 9223372036854775807 of column 'commit_number' is out of its type's range"},
	    {"times", "timestamp:bigint;commit_timestamp:timestamp;processed_timestamp:timestamp_ntz",
		"1=1767522565000 2=1767522565000000 3=1767600000123000",
		"{\"timestamp\":1767522565000,\"commit_timestamp\":1767522565000000,\"processed_timestamp\":1767600000123000}", NULL},
	    {"times as text", "timestamp:string;processed_timestamp:string", "1=2026-01-04T10:29:25.000Z 2=2026-01-05T08:00:00.123Z",
		"{\"timestamp\":\"2026-01-04T10:29:25.000Z\",\"processed_timestamp\":\"2026-01-05T08:00:00.123Z\"}", NULL},
	    {"a text too long", "change_type:varchar(5)", NULL, NULL, "the value of column 'change_type' is longer than its VARCHAR"},
	    {"an item too long", "record_ids:array<varchar(4)>", NULL, NULL, "the value of column 'record_ids' is longer than its VARCHAR"},
	    {"length counts characters", "record_data_json:varchar(12)", "1={\"Name\":\"\xc3\xa4\"}", "{\"record_data_json\":\"{\\\"Name\\\":\\\"\xc3\xa4\\\"}\"}", NULL},
	    {"an unknown NOT NULL column", "event_id:string;tenant:int!", NULL, NULL,
		"column 'tenant' (INT) of table 'main.crm.t' is NOT NULL and there is no value for it"},
	    {"a wrong type", "timestamp:int", NULL, NULL,
		"column 'timestamp' (INT) of table 'main.crm.t' cannot hold its value, which needs BIGINT, TIMESTAMP, TIMESTAMP_NTZ or STRING"},
	    {"nothing known", "a:int", NULL, NULL, "table 'main.crm.t' has none of the columns that sfzb writes"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (int f = ROW_PROTO; f <= ROW_JSON; f++) {
			struct row_options o = {.format = (enum row_format)f, .clock = &test_clock};
			const char *want = f == ROW_PROTO ? rows[i].proto : rows[i].json;
			struct delta_table *t = table_of(rows[i].columns);
			struct error e = ERROR_INIT;
			struct row_writer *w = row_writer_new(t, &o, &e);
			struct event event = sample_event();
			struct buffer out = BUFFER_INIT;
			int rc = -1;

			buffer_append_text(&out, "before");
			if (w != NULL)
				rc = row_writer_encode(w, &event, &out, &e);
			if (rc == 0) {
				struct text record = text_span(out.data + 6, out.len - 6);
				char *is = f == ROW_PROTO ? show_proto(record) : text_dup(record);

				if (want == NULL || strcmp(is, want) != 0)
					fail_msg("%s:\n  is  %s\n  not %s", rows[i].name, is, want);
				free(is);
			} else {
				if (rows[i].error == NULL || strcmp(e.text, rows[i].error) != 0)
					fail_msg("%s: %s", rows[i].name, e.text);
				assert_int_equal(e.code, w == NULL ? ERR_MISFIT : ERR_REFUSED);
				assert_int_equal(out.len, 6);
			}
			row_writer_free(w);
			delta_table_free(t);
			buffer_release(&out);
		}
	}
}

static void
test_absent(void **state)
{
	struct event event = {.topic = text_of("/event/Order__e"), .id = text_of("e"), .entity = text_of("UNKNOWN")};
	static const struct {
		const char *name, *columns, *proto;
	} rows[] = {{"a platform event has no transaction", "transaction_key:string;commit_number:bigint;sequence_number:int;topic:string",
			"4=/event/Order__e"},
	    {"NOT NULL without a value", "event_id:string;commit_user:string!", NULL},
	    {"NOT NULL with one", "event_id:string!;record_ids:array<string>!", "1=e"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct row_options o = {.format = ROW_PROTO, .clock = &test_clock};
		struct delta_table *t = table_of(rows[i].columns);
		struct error e = ERROR_INIT;
		struct row_writer *w = row_writer_new(t, &o, &e);
		struct buffer out = BUFFER_INIT;
		char *is = NULL;

		assert_non_null(w);
		if (row_writer_encode(w, &event, &out, &e) == 0)
			is = show_proto(buffer_span(&out));
		if (is == NULL ? rows[i].proto != NULL || e.code != ERR_REFUSED : rows[i].proto == NULL || strcmp(is, rows[i].proto) != 0)
			fail_msg("%s: %s %s", rows[i].name, is != NULL ? is : "refused", e.text);
		free(is);
		row_writer_free(w);
		delta_table_free(t);
		buffer_release(&out);
	}
}

/* '+' for a row with its schema, '-' without, 'x' for one that is refused; R restarts. */
static void
test_schema_once(void **state)
{
	static const struct {
		const char *name, *events, *written; /* events: a letter for the record, a digit for the schema */
		enum schema_json_mode mode;
	} rows[] = {{"every", "a1a1", "++", SCHEMA_JSON_EVERY}, {"never", "a1a2", "--", SCHEMA_JSON_NEVER},
	    {"once", "a1a1a1", "+--", SCHEMA_JSON_ONCE}, {"the schema changes, and back", "a1a2a2a1a1", "++-+-", SCHEMA_JSON_ONCE},
	    {"several kinds keep apart", "a1b2a1b2b2a1", "++----", SCHEMA_JSON_ONCE},
	    {"a new stream", "a1a1R.a1a1", "+-+-", SCHEMA_JSON_ONCE},
	    {"a refused row does not count", "X1a1a1", "x+-", SCHEMA_JSON_ONCE}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct row_options o = {.format = ROW_PROTO, .schema_json = rows[i].mode, .clock = &test_clock, .max_bytes = 100};
		struct delta_table *t = table_of("schema_json:string;record_data_json:string");
		struct error e = ERROR_INIT;
		struct row_writer *w = row_writer_new(t, &o, &e);
		char is[32] = "", big[200];
		size_t n = 0;

		assert_non_null(w);
		memset(big, 'x', sizeof(big));
		for (const char *p = rows[i].events; *p != '\0'; p += 2) {
			struct event event = sample_event();
			struct buffer out = BUFFER_INIT;

			if (*p == 'R') {
				row_writer_restart(w);
				continue;
			}
			event.record_name = *p == 'X' ? text_of("a") : text_span(p, 1);
			event.schema_id = text_span(p + 1, 1);
			if (*p == 'X')
				event.record_json = text_span(big, sizeof(big));
			if (row_writer_encode(w, &event, &out, &e) != 0)
				is[n++] = 'x';
			else
				is[n++] = out.data[0] == (1 << 3 | WIRE_BYTES) ? '+' : '-';
			buffer_release(&out);
		}
		if (strcmp(is, rows[i].written) != 0)
			fail_msg("%s: %s", rows[i].name, is);
		row_writer_free(w);
		delta_table_free(t);
	}
}

static void
test_size(void **state)
{
	struct row_options o = {.format = ROW_PROTO, .clock = &test_clock};
	struct delta_table *t = table_of("event_id:string;payload_binary:binary");
	struct error e = ERROR_INIT;
	struct row_writer *w = row_writer_new(t, &o, &e);
	struct buffer out = BUFFER_INIT;
	char *big = memory_zero(1, LIMIT_ROW_BYTES);
	struct event event = sample_event();

	(void)state;
	event.payload = text_span(big, LIMIT_ROW_BYTES - 4 - 5); /* event_id has 4 bytes, the payload's tag and length 5 */
	assert_int_equal(row_writer_encode(w, &event, &out, &e), 0);
	assert_int_equal(out.len, LIMIT_ROW_BYTES);
	event.payload.len++;
	assert_int_equal(row_writer_encode(w, &event, &out, &e), -1);
	assert_int_equal(e.code, ERR_REFUSED);
	assert_int_equal(out.len, LIMIT_ROW_BYTES);
	free(big);
	buffer_release(&out);
	row_writer_free(w);
	delta_table_free(t);
}

/* The rows that the Python project writes: read back, each value as it was. */
struct expected {
	struct event event;
	struct buffer payload;
	struct text lists[4][64];
};

static void
read_list(const struct json *row, const char *name, struct text *items, struct text_list *list)
{
	size_t n = 0;

	for (const struct json *j = json_first(json_find(row, name)); j != NULL; j = json_next(j)) {
		assert_true(n < 64);
		items[n++] = text_of(json_string(j));
	}
	*list = (struct text_list){items, n};
}

static void
read_row(const struct json *row, struct expected *x)
{
	struct event *event = &x->event;
	uint8_t id[LIMIT_REPLAY_ID_BYTES];
	ssize_t len = encode_unhex(text_of(json_find_string(row, "replay_id")), id, sizeof(id));

	*event = (struct event){.id = text_of(json_find_string(row, "event_id")),
	    .schema_id = text_of(json_find_string(row, "schema_id")), .change_type = text_of(json_find_string(row, "change_type")),
	    .entity = text_of(json_find_string(row, "entity_name")), .change_origin = text_of(json_find_string(row, "change_origin")),
	    .record_json = text_of(json_find_string(row, "record_data_json")), .org_id = text_of(json_find_string(row, "org_id")),
	    .schema_json = text_of("{}"), .commit_timestamp_ms = 5};
	replay_id_set(&event->replay_id, text_span(id, (size_t)len));
	buffer_init(&x->payload);
	assert_int_equal(encode_unbase64(text_of(json_find_string(row, "payload_binary")), &x->payload), 0);
	event->payload = buffer_span(&x->payload);
	read_list(row, "record_ids", x->lists[0], &event->record_ids);
	read_list(row, "changed_fields", x->lists[1], &event->changed_fields);
	read_list(row, "nulled_fields", x->lists[2], &event->nulled_fields);
	read_list(row, "diff_fields", x->lists[3], &event->diff_fields);
}

/* One field of a decoded record against the same column of the expected row. */
static void
compare_field(const struct json *row, const char *name, const struct wire_field *f, size_t index)
{
	const struct json *want = json_find(row, name);
	struct buffer bytes = BUFFER_INIT;

	if (json_is_array(want))
		for (want = json_first(want); index > 0; index--)
			want = json_next(want);
	if (strcmp(name, "timestamp") == 0 || strcmp(name, "processed_timestamp") == 0) {
		assert_int_equal(f->value, *name == 't' ? 5 : NOW_MS);
	} else if (strcmp(name, "schema_json") == 0) {
		assert_true(text_is(f->bytes, "{}"));
	} else if (strcmp(name, "payload_binary") == 0) {
		assert_int_equal(encode_unbase64(text_of(json_string(want)), &bytes), 0);
		assert_true(text_equal(f->bytes, buffer_span(&bytes)));
	} else if (!text_is(f->bytes, json_string(want))) {
		fail_msg("%s: %s", name, json_string(want));
	}
	buffer_release(&bytes);
}

static void
compare_row(const struct json *row, struct text record)
{
	size_t seen[EVENT_COLUMN_COUNT] = {0};
	struct wire_field f;
	int rc;

	while ((rc = wire_next(&record, &f)) == 1) {
		assert_in_range(f.number, 1, EVENT_COLUMN_COUNT);
		compare_field(row, event_columns[f.number - 1].name, &f, seen[f.number - 1]++);
	}
	assert_int_equal(rc, 0);
	for (int i = 0; i < EVENT_COLUMN_COUNT; i++)
		if (event_columns[i].layout == LAYOUT_CLASSIC)
			assert_int_equal(seen[i], event_columns[i].value == VALUE_LIST ? json_count(json_find(row, event_columns[i].name)) : 1);
}

static void
test_reference_rows(void **state)
{
	struct row_options o = {.format = ROW_PROTO, .clock = &test_clock};
	struct delta_table *t = table_of_layout(LAYOUT_CLASSIC);
	struct error e = ERROR_INIT;
	struct row_writer *w = row_writer_new(t, &o, &e);
	FILE *file = fopen("tests/data/rows.jsonl", "r");
	char *line = NULL;
	size_t capacity = 0, count = 0;
	ssize_t len;

	(void)state;
	assert_non_null(file);
	assert_non_null(w);
	while ((len = getline(&line, &capacity, file)) > 0) {
		struct json *j = json_parse(text_span(line, (size_t)len), &e);
		const struct json *row = json_find(j, "row");
		struct buffer out = BUFFER_INIT;
		struct expected x;

		assert_non_null(row);
		read_row(row, &x);
		assert_int_equal(row_writer_encode(w, &x.event, &out, &e), 0);
		compare_row(row, buffer_span(&out));
		buffer_release(&out);
		buffer_release(&x.payload);
		json_free(j);
		count++;
	}
	assert_true(count >= 10);
	free(line);
	fclose(file);
	row_writer_free(w);
	delta_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_absent),
	    cmocka_unit_test(test_schema_once), cmocka_unit_test(test_size), cmocka_unit_test(test_reference_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

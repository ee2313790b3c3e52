/*
 * tests/data through the event decoder: every field of struct event, the record, the names, what is
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "avro/encode.h"
#include "avro/schema.h"
#include "base/encode.h"
#include "base/limits.h"
#include "commands/event_print.h"
#include "salesforce/bitmap.h"
#include "salesforce/event.h"
#include "table_rows.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const event_files[] = {"AccountChangeEvent", "AccountChangeEvent.evolution",
    "ContactChangeEvent", "OpportunityChangeEvent", "Invoice__ChangeEvent", "Order_Event__e",
    "All_Types__e"};

static struct {
	char name[64];
	struct avro_schema *schema;
} schemas[16];

static struct avro_schema *
load_schema(const char *name)
{
	char path[128];
	struct text json;
	struct error e = ERROR_INIT;
	size_t i = 0;

	while (schemas[i].schema != NULL) {
		if (strcmp(schemas[i].name, name) == 0)
			return schemas[i].schema;
		i++;
	}
	snprintf(path, sizeof(path), "tests/data/schemas/%s.avsc", name);
	json = tree_read_file(path);
	schemas[i].schema = avro_schema_parse(json, &e);
	if (schemas[i].schema == NULL)
		fail_msg("%s: %s", name, e.text);
	assert_int_equal(avro_schema_json(schemas[i].schema).len, json.len);
	assert_memory_equal(avro_schema_json(schemas[i].schema).data, json.data, json.len);
	free((char *)(uintptr_t)json.data);
	snprintf(schemas[i].name, sizeof(schemas[i].name), "%s", name);
	return schemas[i].schema;
}

static int
drop_schemas(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(schemas); i++)
		avro_schema_unref(schemas[i].schema);
	memset(schemas, 0, sizeof(schemas));
	return 0;
}

/* One line of a file of events as raw event; bytes live in the two buffers. */
static void
to_raw(const struct tree *line, struct buffer *payload, struct event_raw *raw)
{
	struct buffer replay = BUFFER_INIT;

	buffer_clear(payload);
	assert_int_equal(encode_unbase64(text_of(tree_string(line, "payload_b64")), payload), 0);
	assert_int_equal(encode_unbase64(text_of(tree_string(line, "replay_id_b64")), &replay), 0);
	*raw = (struct event_raw){.topic = text_of("/data/X"),
	    .id = text_of(tree_string(line, "id")),
	    .schema_id = text_of(tree_string(line, "schema_id")),
	    .payload = buffer_span(payload),
	    .org_id = text_of("00D5f000000AbCdEAK"),
	    .received_ms = 42};
	assert_int_equal(replay_id_set(&raw->replay_id, buffer_span(&replay)), 0);
	buffer_release(&replay);
}

static void
list_json(struct buffer *out, struct text_list list)
{
	buffer_append_byte(out, '[');
	for (size_t i = 0; i < list.count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		json_text_string(out, list.items[i]);
	}
	buffer_append_byte(out, ']');
}

static void
expect_list(const char *name, struct text_list list, const struct tree *expected)
{
	struct buffer b = BUFFER_INIT;
	struct tree t;
	struct error e = ERROR_INIT;
	char why[256];

	list_json(&b, list);
	assert_int_equal(tree_parse(&t, buffer_span(&b), &e), 0);
	if (expected == NULL || !tree_equal(&t, expected, why))
		fail_msg(
		    "%s: list %s: %s", name, buffer_text(&b), expected ? why : "nothing expected");
	tree_release(&t);
	buffer_release(&b);
}

static void
expect_json(const char *name, struct text json, const struct tree *expected)
{
	struct tree t;
	struct error e = ERROR_INIT;
	char why[256];

	if (tree_parse(&t, json, &e) != 0)
		fail_msg("%s: not JSON: %s", name, e.text);
	if (!tree_equal(&t, expected, why))
		fail_msg("%s: %s", name, why);
	tree_release(&t);
}

static void
expect_text(const char *name, struct text got, const char *expected)
{
	if (!text_is(got, expected))
		fail_msg("%s: '%.*s' is not '%s'", name, (int)got.len, got.data, expected);
}

/* "Name.First" is in one of the lists, alone or by its parent */
static bool
listed(struct text_list list, const char *parent, const char *child)
{
	for (size_t i = 0; i < list.count; i++) {
		char full[256];

		snprintf(full, sizeof(full), "%s.%s", parent, child);
		if (text_is(list.items[i], child ? full : parent))
			return true;
	}
	return false;
}

static bool
any_listed(const struct event *v, const char *parent, const char *child)
{
	return listed(v->changed_fields, parent, child) ||
	       listed(v->nulled_fields, parent, child) || listed(v->diff_fields, parent, child);
}

/* What changed_json must be, worked out from the expected record and names in another way than the
 * decoder's. */
static void
expect_changed(const char *name, const struct event *v, const struct tree *record)
{
	struct tree t;
	struct error e = ERROR_INIT;
	char why[256];
	size_t at = 0;

	if (!text_is(v->change_type, "UPDATE")) {
		if (text_is(v->change_type, "DELETE") || text_starts(v->change_type, "GAP_"))
			expect_text(name, v->changed_json, "{}");
		else
			expect_json(name, v->changed_json, record);
		return;
	}
	assert_int_equal(tree_parse(&t, v->changed_json, &e), 0);
	for (size_t i = 0; i < record->count; i++) {
		const struct tree *want = &record->items[i],
				  *got = at < t.count ? &t.items[at] : NULL;
		size_t children = 0;

		if (any_listed(v, want->key, NULL)) {
			if (got == NULL || strcmp(got->key, want->key) != 0 ||
			    !tree_equal(got, want, why))
				fail_msg("%s: changed '%s' differs", name, want->key);
			at++;
			continue;
		}
		for (size_t c = 0; c < want->count; c++)
			children += any_listed(v, want->key, want->items[c].key);
		if (children > 0) {
			if (got == NULL || strcmp(got->key, want->key) != 0 ||
			    got->count != children)
				fail_msg("%s: children of '%s' differ", name, want->key);
			for (size_t c = 0; c < got->count; c++)
				if (!any_listed(v, want->key, got->items[c].key) ||
				    !tree_equal(
					&got->items[c], tree_find(want, got->items[c].key), why))
					fail_msg("%s: child '%s' differs", name, got->items[c].key);
			at++;
		} else if (want->kind == JSON_TOKEN_NULL && got != NULL &&
			   strcmp(got->key, want->key) == 0) {
			/* a compound that is null in the record: each listed child must be here, as
			 * null */
			for (size_t c = 0; c < got->count; c++)
				if (!any_listed(v, want->key, got->items[c].key) ||
				    got->items[c].kind != JSON_TOKEN_NULL)
					fail_msg("%s: nulled child '%s' differs", name,
					    got->items[c].key);
			at++;
		}
	}
	if (at != t.count)
		fail_msg("%s: %zu changed fields, not %zu", name, t.count, at);
	tree_release(&t);
}

static int64_t
number(const struct tree *t, const char *key)
{
	return strtoll(tree_string(t, key), NULL, 10);
}

static void
expect_event(const char *name, const struct event *v, const struct tree *line)
{
	const struct tree *expected = tree_find(line, "expected"),
			  *header = tree_find(expected, "header");
	char hex[REPLAY_ID_TEXT_SIZE];

	expect_text(
	    name, text_of(replay_id_hex(hex, &v->replay_id)), tree_string(expected, "replay_id"));
	expect_text(name, v->id, tree_string(line, "id"));
	expect_json(name, v->record_json, tree_find(expected, "record"));
	expect_list(name, v->changed_fields, tree_find(expected, "changed_fields"));
	expect_list(name, v->nulled_fields, tree_find(expected, "nulled_fields"));
	expect_list(name, v->diff_fields, tree_find(expected, "diff_fields"));
	expect_changed(name, v, tree_find(expected, "record"));
	if (header->kind == JSON_TOKEN_NULL) {
		assert_false(v->is_change);
		expect_text(name, v->entity, "UNKNOWN");
		expect_text(name, v->change_type, "UNKNOWN");
		expect_text(name, v->change_origin, "");
		assert_int_equal(
		    v->commit_timestamp_ms, number(tree_find(expected, "record"), "CreatedDate"));
		return;
	}
	assert_true(v->is_change);
	expect_text(name, v->entity, tree_string(header, "entityName"));
	expect_text(name, v->change_type, tree_string(header, "changeType"));
	expect_text(name, v->change_origin, tree_string(header, "changeOrigin"));
	expect_text(name, v->transaction_key, tree_string(header, "transactionKey"));
	expect_text(name, v->commit_user, tree_string(header, "commitUser"));
	expect_list(name, v->record_ids, tree_find(header, "recordIds"));
	assert_int_equal(v->sequence_number, number(header, "sequenceNumber"));
	assert_true(v->commit_timestamp_ms == number(header, "commitTimestamp"));
	assert_true(v->commit_number == number(header, "commitNumber"));
}

/* " NAME=" somewhere in the line that people read */
static bool
shows(struct buffer *line, const char *name)
{
	char *sought = memory_format(" %s=", name);
	bool does = strstr(buffer_text(line), sought) != NULL;

	free(sought);
	return does;
}

/* Of an update the line names what has changed: the parts of a compound, or its own name for all of them ("collapsed"). */
static void
expect_line(const char *name, const struct event *v, const struct tree *expected)
{
	const struct tree *all = tree_find(expected, "changed_fields");
	const struct tree *collapsed = tree_find(tree_find(expected, "collapsed"), "changed_fields");
	struct buffer line = BUFFER_INIT;

	if (!v->is_change || !text_is(v->change_type, "UPDATE"))
		return;
	event_print_line(&line, v, 0);
	if (collapsed == NULL)
		collapsed = all;
	for (size_t i = 0; i < collapsed->count; i++)
		if (!shows(&line, collapsed->items[i].text))
			fail_msg("%s: no %s in: %s", name, collapsed->items[i].text, buffer_text(&line));
	for (size_t i = 0; i < all->count; i++) {
		bool wanted = false;

		for (size_t j = 0; j < collapsed->count; j++)
			wanted |= strcmp(all->items[i].text, collapsed->items[j].text) == 0;
		if (!wanted && shows(&line, all->items[i].text))
			fail_msg("%s: %s in: %s", name, all->items[i].text, buffer_text(&line));
	}
	buffer_release(&line);
}

/* Calls back for each line of a file of tests/data. */
static size_t
each_line(const char *path, void (*call)(const struct tree *line, void *context), void *context)
{
	struct text file = tree_read_file(path), rest = file, line;
	struct error e = ERROR_INIT;
	size_t n = 0;

	while (tree_next_line(&rest, &line)) {
		struct tree t;

		if (tree_parse(&t, line, &e) != 0)
			fail_msg("%s:%zu: %s", path, n + 1, e.text);
		call(&t, context);
		tree_release(&t);
		n++;
	}
	free((char *)(uintptr_t)file.data);
	return n;
}

static void
check_good(const struct tree *line, void *context)
{
	struct event_decoder *d = context;
	struct buffer payload = BUFFER_INIT;
	struct event_raw raw;
	struct event v;
	struct error e = ERROR_INIT;
	char name[300];

	snprintf(name, sizeof(name), "%s: %.200s", tree_string(line, "schema"),
	    tree_string(line, "case"));
	to_raw(line, &payload, &raw);
	if (event_decode(d, load_schema(tree_string(line, "schema")), &raw, &v, &e) != 0)
		fail_msg("%s: %s", name, e.text);
	expect_event(name, &v, line);
	expect_line(name, &v, tree_find(line, "expected"));
	buffer_release(&payload);
}

static void
test_events(void **state)
{
	struct event_decoder *d = event_decoder_new(EVENT_ALL);
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(event_files); i++) {
		char path[128];

		snprintf(path, sizeof(path), "tests/data/events/%s.jsonl", event_files[i]);
		n += each_line(path, check_good, d);
	}
	assert_int_equal(n, 270);
	event_decoder_free(d);
}

/* With less asked for, what is left is the same. */
static void
check_parts(const struct tree *line, void *context)
{
	struct event_decoder **d = context;
	struct buffer payload = BUFFER_INIT;
	struct event_raw raw;
	struct event all, v;
	struct error e = ERROR_INIT;

	to_raw(line, &payload, &raw);
	assert_int_equal(
	    event_decode(d[EVENT_ALL], load_schema(tree_string(line, "schema")), &raw, &all, &e),
	    0);
	for (unsigned parts = 0; parts < EVENT_ALL; parts++) {
		assert_int_equal(
		    event_decode(d[parts], load_schema(tree_string(line, "schema")), &raw, &v, &e),
		    0);
		assert_int_equal(v.record_json.data != NULL, (parts & EVENT_RECORD_JSON) != 0);
		assert_int_equal(v.changed_json.data != NULL, (parts & EVENT_CHANGED_JSON) != 0);
		assert_true(
		    v.record_json.data == NULL || text_equal(v.record_json, all.record_json));
		assert_true(
		    v.changed_json.data == NULL || text_equal(v.changed_json, all.changed_json));
		assert_true(
		    text_equal(v.entity, all.entity) && v.commit_number == all.commit_number);
		assert_int_equal(v.changed_fields.count, all.changed_fields.count);
	}
	buffer_release(&payload);
}

static void
test_parts(void **state)
{
	struct event_decoder *d[EVENT_ALL + 1];

	(void)state;
	for (unsigned i = 0; i <= EVENT_ALL; i++)
		d[i] = event_decoder_new(i);
	for (size_t i = 0; i < COUNT(event_files); i++) {
		char path[128];

		snprintf(path, sizeof(path), "tests/data/events/%s.jsonl", event_files[i]);
		each_line(path, check_parts, d);
	}
	for (unsigned i = 0; i <= EVENT_ALL; i++)
		event_decoder_free(d[i]);
}

/* By the case's name, or how it begins, a part of the reason. */
static const struct {
	const char *name, *part;
} reasons[] = {
    {"empty payload", "the datum ends inside a number at byte 0 of 0"},
    {"cut after 1 of", "length 7, but 0 bytes are left at byte 0 of 1"},
    {"cut after", "at byte"},
    {"three bytes after the end", "3 bytes left over at byte 286 of 289"},
    {"string length -1", "field 'ChangeEventHeader.entityName': length -1 at byte 0"},
    {"string length beyond", "length 1048576, but"},
    {"string length 2^62", "length 4611686018427387904, but"},
    {"varint of eleven bytes", "a long of more than 64 bits"},
    {"varint that does not end", "the datum ends inside a number"},
    {"array count beyond", "field 'ChangeEventHeader.recordIds': a block of 1099511627776 items"},
    {"array count of the least", "a block of -9223372036854775808 items"},
    {"array block size", "a block of 1073741824 bytes, but"},
    {"enum index 10", "enum index 10 of 10 symbols"},
    {"enum index -1", "enum index -1 of 10 symbols"},
    {"union branch 3", "field 'Name': union branch 3 of 3"},
    {"union branch -1", "union branch -1 of 3"},
    {"text that", "field 'Name': text that is not UTF-8 at byte 28"},
    {"text cut", "text that is not UTF-8"},
    {"surrogate", "text that is not UTF-8"},
    {"int that does not fit", "an int of more than 32 bits"},
};

static void
expect_reason(const char *name, const char *text)
{
	for (size_t i = 0; i < COUNT(reasons); i++) {
		if (strncmp(name, reasons[i].name, strlen(reasons[i].name)) != 0)
			continue;
		if (strstr(text, reasons[i].part) == NULL)
			fail_msg("%s: '%s' without '%s'", name, text, reasons[i].part);
		return;
	}
	fail_msg("%s: no reason is expected for it", name);
}

static void
check_refused(const struct tree *line, void *context)
{
	struct event_decoder *d = context;
	struct buffer payload = BUFFER_INIT;
	struct event_raw raw;
	struct event v;
	struct error e = ERROR_INIT;
	const char *name = tree_string(line, "case");

	to_raw(line, &payload, &raw);
	if (event_decode(d, load_schema(tree_string(line, "schema")), &raw, &v, &e) == 0)
		fail_msg("%s: taken", name);
	if (e.code != ERR_REFUSED || strstr(e.text, " at byte ") == NULL)
		fail_msg("%s: %s", name, e.text);
	expect_reason(name, e.text);
	expect_text(name, v.id, tree_string(line, "id"));
	assert_null(v.entity.data);
	buffer_release(&payload);
}

static void
test_malformed(void **state)
{
	struct event_decoder *full = event_decoder_new(EVENT_ALL), *bare = event_decoder_new(0);

	(void)state;
	assert_int_equal(each_line("tests/data/events/malformed.jsonl", check_refused, full), 23);
	assert_int_equal(each_line("tests/data/events/malformed.jsonl", check_refused, bare), 23);
	event_decoder_free(full);
	event_decoder_free(bare);
}

static void
check_bitmap(const struct tree *line, void *context)
{
	const struct tree *list = tree_find(line, "list");
	struct avro_schema *schema = load_schema(tree_string(line, "schema"));
	struct bitmap_names *names = bitmap_names_new(avro_schema_root(schema));
	struct bitmap_list out = {0};
	struct text items[8];
	char name[128];

	(void)context;
	for (size_t i = 0; i < list->count; i++)
		items[i] = text_of(list->items[i].text);
	snprintf(name, sizeof(name), "%s %s", tree_string(line, "schema"),
	    list->count ? items[0].data : "empty");
	bitmap_expand(names, (struct text_list){items, list->count}, &out);
	expect_list(name, (struct text_list){out.names, out.count}, tree_find(line, "fields"));
	bitmap_list_release(&out);
	bitmap_names_free(names);
}

static void
test_bitmaps(void **state)
{
	(void)state;
	assert_int_equal(each_line("tests/data/bitmaps.jsonl", check_bitmap, NULL), 24);
}

/* The columns of the rows that the Python reference makes, clocks and the schema's text left out.
 */
static void
check_row(const struct tree *line, void *context)
{
	struct event_decoder *d = context;
	const struct tree *row = tree_find(line, "row");
	struct buffer payload = BUFFER_INIT;
	uint8_t replay[64];
	struct event_raw raw = {.id = text_of(tree_string(row, "event_id")),
	    .schema_id = text_of(tree_string(row, "schema_id")),
	    .org_id = text_of(tree_string(row, "org_id"))};
	struct event v;
	struct error e = ERROR_INIT;
	const char *name = tree_string(line, "case"), *file = tree_string(line, "schema_json_file");
	char schema[64], got_hex[REPLAY_ID_TEXT_SIZE], why[256];
	ssize_t n = encode_unhex(text_of(tree_string(row, "replay_id")), replay, sizeof(replay));

	assert_true(n > 0);
	assert_int_equal(replay_id_set(&raw.replay_id, text_span(replay, (size_t)n)), 0);
	assert_int_equal(encode_unbase64(text_of(tree_string(row, "payload_binary")), &payload), 0);
	raw.payload = buffer_span(&payload);
	snprintf(schema, sizeof(schema), "%.*s", (int)(strlen(file) - strlen("schemas/.avsc")),
	    file + strlen("schemas/"));
	if (event_decode(d, load_schema(schema), &raw, &v, &e) != 0)
		fail_msg("%s: %s", name, e.text);
	expect_text(
	    name, text_of(replay_id_hex(got_hex, &v.replay_id)), tree_string(row, "replay_id"));
	expect_text(name, v.id, tree_string(row, "event_id"));
	expect_text(name, v.schema_id, tree_string(row, "schema_id"));
	expect_text(name, v.change_type, tree_string(row, "change_type"));
	expect_text(name, v.entity, tree_string(row, "entity_name"));
	expect_text(name, v.change_origin, tree_string(row, "change_origin"));
	expect_text(name, v.org_id, tree_string(row, "org_id"));
	expect_list(name, v.record_ids, tree_find(row, "record_ids"));
	expect_list(name, v.changed_fields, tree_find(row, "changed_fields"));
	expect_list(name, v.nulled_fields, tree_find(row, "nulled_fields"));
	expect_list(name, v.diff_fields, tree_find(row, "diff_fields"));
	if (!tree_text_equal(v.record_json, text_of(tree_string(row, "record_data_json")), why))
		fail_msg("%s: %s", name, why);
	assert_true(text_equal(v.payload, raw.payload));
	buffer_release(&payload);
}

static void
test_rows(void **state)
{
	struct event_decoder *d = event_decoder_new(EVENT_ALL);

	(void)state;
	assert_int_equal(each_line("tests/data/rows.jsonl", check_row, d), 20);
	event_decoder_free(d);
}

static size_t
words(struct text t, struct text *out, size_t most)
{
	size_t n = 0;

	for (t = trimmed(t); t.len > 0 && n < most; t = trimmed(t)) {
		const char *end = memchr(t.data, ' ', t.len);
		size_t len = end != NULL ? (size_t)(end - t.data) : t.len;

		out[n++] = text_span(t.data, len);
		t = text_span(t.data + len, t.len - len);
	}
	return n;
}

static void
expect_names(struct text name, const struct bitmap_list *got, struct text expected)
{
	struct text want[64];
	size_t n = words(expected, want, COUNT(want));

	for (size_t i = 0; i < n || i < got->count; i++)
		if (n != got->count || !text_equal(want[i], got->names[i]))
			fail_msg("%.*s: %zu names, expected %zu; name %zu is '%.*s'",
			    (int)name.len, name.data, got->count, n, i,
			    i < got->count ? (int)got->names[i].len : 0,
			    i < got->count ? got->names[i].data : "");
}

static void
check_bitmap_row(struct text columns[TABLE_COLUMNS])
{
	struct text items[64];
	char schema[64];
	struct bitmap_names *names;
	struct bitmap_list out = {0};
	struct text_list list = {items, words(columns[2], items, COUNT(items))};

	snprintf(schema, sizeof(schema), "%.*s", (int)columns[1].len, columns[1].data);
	names = bitmap_names_new(avro_schema_root(load_schema(schema)));
	bitmap_expand(names, list, &out);
	expect_names(columns[0], &out, columns[3]);
	for (size_t i = 0; i < out.count; i++)
		assert_true(out.places[i].field >= -1 && out.places[i].field < 80);
	bitmap_list_release(&out);
	bitmap_names_free(names);
}

static void
test_bitmap_table(void **state)
{
	struct text file = tree_read_file("tests/tables/bitmaps.txt"), rest = file, columns[TABLE_COLUMNS];
	size_t rows = 0;

	(void)state;
	for (; table_next_row(&rest, columns); rows++)
		check_bitmap_row(columns);
	assert_true(rows >= 25);
	free((char *)(uintptr_t)file.data);
}

/* A list that unfolds to more than its ceiling keeps the rest of its elements as they came. */
static void
test_bitmap_ceiling(void **state)
{
	struct bitmap_names *names =
	    bitmap_names_new(avro_schema_root(load_schema("AccountChangeEvent")));
	struct bitmap_list out = {0};
	size_t n = 10000;
	struct text *items = memory_zero(n, sizeof(*items));

	(void)state;
	for (size_t i = 0; i < n; i++)
		items[i] = text_of("0xFFFFFFFFFFFFFFFFFFFF");
	bitmap_expand(names, (struct text_list){items, n}, &out);
	assert_in_range(out.count, LIMIT_BITMAP_NAMES, LIMIT_BITMAP_NAMES + n + 80);
	assert_true(text_is(out.names[out.count - 1], "0xFFFFFFFFFFFFFFFFFFFF"));
	free(items);
	bitmap_list_release(&out);
	bitmap_names_free(names);
}

/* 4,990 fields that all are the same record of 4,990: no room is taken for 25 million names. */
static void
test_bitmap_children(void **state)
{
	struct text items[] = {text_of("1-0x01"), text_of("4000-0x01"), text_of("0x02")};
	struct buffer b = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct avro_schema *s;
	struct bitmap_names *names;
	struct bitmap_list out = {0};

	(void)state;
	buffer_append_text(&b,
	    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"f0\",\"type\":"
	    "{\"type\":\"record\",\"name\":\"C\",\"fields\":[");
	for (int i = 0; i < 4990; i++)
		buffer_append_format(&b, "%s{\"name\":\"c%d\",\"type\":\"int\"}", i ? "," : "", i);
	buffer_append_text(&b, "]}}");
	for (int i = 1; i < 4990; i++)
		buffer_append_format(&b, ",{\"name\":\"f%d\",\"type\":\"C\"}", i);
	buffer_append_text(&b, "]}");
	s = avro_schema_parse(buffer_span(&b), &e);
	if (s == NULL)
		fail_msg("%s", e.text);
	names = bitmap_names_new(avro_schema_root(s));
	bitmap_expand(names, (struct text_list){items, COUNT(items)}, &out);
	assert_int_equal(out.count, 3);
	expect_text("named", out.names[0], "f1.c0");
	expect_text("beyond the ceiling", out.names[1], "4000-0x01");
	expect_text("whole", out.names[2], "f1");
	bitmap_list_release(&out);
	bitmap_names_free(names);
	avro_schema_unref(s);
	buffer_release(&b);
}

#define TEXT_FIELD(name) "{\"name\":\"" name "\",\"type\":[\"null\",\"string\"]}"
#define TEXTS_FIELD(name)                                                                          \
	"{\"name\":\"" name "\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}"

/* Fields: 1 A, 2 N (a text or a record), 3 G and 4 H (records). The header lacks what these tests
 * do not need. */
static const char thing_schema[] =
    "{\"type\":\"record\",\"name\":\"ThingChangeEvent\",\"fields\":["
    "{\"name\":\"ChangeEventHeader\",\"type\":{\"type\":\"record\",\"name\":\"ChangeEventHeader\","
    "\"fields\":["
    "{\"name\":\"changeType\",\"type\":\"string\"}," TEXTS_FIELD("nulledFields") "," TEXTS_FIELD(
	"d"
	"i"
	"f"
	"f"
	"F"
	"i"
	"e"
	"l"
	"d"
	"s") "," TEXTS_FIELD("changedFields") ",{\"name\":\"more\",\"type\":{\"type\":\"map\","
					      "\"values\":\"double\"}}]}}"
					      "," TEXT_FIELD(
						  "A") ",{\"name\":\"N\",\"type\":[\"null\","
						       "\"string\",{"
						       "\"type\":\"record\",\"name\":\"P\","
						       "\"fields\":"
						       "[" TEXT_FIELD("First") "," TEXT_FIELD(
							   "Last") "]}]},{"
								   "\"name"
								   "\":"
								   "\"G\","
								   "\"type"
								   "\":["
								   "\"null"
								   "\",{"
								   "\"type"
								   "\":"
								   "\"reco"
								   "rd\","
								   "\"name"
								   "\":"
								   "\"L\","
								   "\"fiel"
								   "ds\":["
								   "{\"nam"
								   "e\":"
								   "\"Lat"
								   "\","
								   "\"type"
								   "\":["
								   "\"null"
								   "\","
								   "\"int"
								   "\"]},{"
								   "\"name"
								   "\":"
								   "\"Lon"
								   "\","
								   "\"type"
								   "\":["
								   "\"null"
								   "\","
								   "\"int"
								   "\"]}]}"
								   "]},"
								   "{\"nam"
								   "e\":"
								   "\"H\","
								   "\"type"
								   "\":["
								   "\"L\","
								   "\"null"
								   "\"]}]"
								   "}";

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
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_bitmaps),
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_bitmap_table),
	    cmocka_unit_test(test_bitmap_ceiling),
	    cmocka_unit_test(test_bitmap_children),
	    cmocka_unit_test(test_changed_json),
	    cmocka_unit_test(test_other_shapes),
	    cmocka_unit_test(test_many_schemas),
	};

	return cmocka_run_group_tests(tests, NULL, drop_schemas);
}

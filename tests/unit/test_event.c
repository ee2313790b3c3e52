/*
 * tests/data through the event decoder: every field of struct event, the record, the names, what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "avro/schema.h"
#include "base/encode.h"
#include "salesforce/bitmap.h"
#include "salesforce/event.h"
#include "tree.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const event_files[] = {"AccountChangeEvent", "AccountChangeEvent.evolution",
    "ContactChangeEvent", "OpportunityChangeEvent", "Invoice__ChangeEvent", "Order_Event__e", "All_Types__e"};

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
	*raw = (struct event_raw){.topic = text_of("/data/X"), .id = text_of(tree_string(line, "id")),
	    .schema_id = text_of(tree_string(line, "schema_id")), .payload = buffer_span(payload),
	    .org_id = text_of("00D5f000000AbCdEAK"), .received_ms = 42};
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
		fail_msg("%s: list %s: %s", name, buffer_text(&b), expected ? why : "nothing expected");
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
	return listed(v->changed_fields, parent, child) || listed(v->nulled_fields, parent, child) ||
	    listed(v->diff_fields, parent, child);
}

/* What changed_json must be, worked out from the expected record and names in another way than the decoder's. */
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
		const struct tree *want = &record->items[i], *got = at < t.count ? &t.items[at] : NULL;
		size_t children = 0;

		if (any_listed(v, want->key, NULL)) {
			if (got == NULL || strcmp(got->key, want->key) != 0 || !tree_equal(got, want, why))
				fail_msg("%s: changed '%s' differs", name, want->key);
			at++;
			continue;
		}
		for (size_t c = 0; c < want->count; c++)
			children += any_listed(v, want->key, want->items[c].key);
		if (children > 0) {
			if (got == NULL || strcmp(got->key, want->key) != 0 || got->count != children)
				fail_msg("%s: children of '%s' differ", name, want->key);
			for (size_t c = 0; c < got->count; c++)
				if (!any_listed(v, want->key, got->items[c].key) ||
				    !tree_equal(&got->items[c], tree_find(want, got->items[c].key), why))
					fail_msg("%s: child '%s' differs", name, got->items[c].key);
			at++;
		} else if (want->kind == JSON_TOKEN_NULL && got != NULL && strcmp(got->key, want->key) == 0) {
			/* a compound that is null in the record: each listed child must be here, as null */
			for (size_t c = 0; c < got->count; c++)
				if (!any_listed(v, want->key, got->items[c].key) ||
				    got->items[c].kind != JSON_TOKEN_NULL)
					fail_msg("%s: nulled child '%s' differs", name, got->items[c].key);
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
	const struct tree *expected = tree_find(line, "expected"), *header = tree_find(expected, "header");
	char hex[REPLAY_ID_TEXT_SIZE];

	expect_text(name, text_of(replay_id_hex(hex, &v->replay_id)), tree_string(expected, "replay_id"));
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
		assert_int_equal(v->commit_timestamp_ms, number(tree_find(expected, "record"), "CreatedDate"));
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

static void
expect_collapsed(const char *name, struct event_decoder *d, const struct event *v, const struct tree *line)
{
	const struct tree *collapsed = tree_find(tree_find(line, "expected"), "collapsed");
	struct event_lists lists;

	if (!v->is_change)
		return;
	event_collapsed(d, &lists);
	expect_list(name, lists.changed, tree_find(collapsed, "changed_fields")
	    ? tree_find(collapsed, "changed_fields") : tree_find(tree_find(line, "expected"), "changed_fields"));
	expect_list(name, lists.nulled, tree_find(collapsed, "nulled_fields")
	    ? tree_find(collapsed, "nulled_fields") : tree_find(tree_find(line, "expected"), "nulled_fields"));
	expect_list(name, lists.diff, tree_find(collapsed, "diff_fields")
	    ? tree_find(collapsed, "diff_fields") : tree_find(tree_find(line, "expected"), "diff_fields"));
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

	snprintf(name, sizeof(name), "%s: %.200s", tree_string(line, "schema"), tree_string(line, "case"));
	to_raw(line, &payload, &raw);
	if (event_decode(d, load_schema(tree_string(line, "schema")), &raw, &v, &e) != 0)
		fail_msg("%s: %s", name, e.text);
	expect_event(name, &v, line);
	expect_collapsed(name, d, &v, line);
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
	assert_int_equal(event_decode(d[EVENT_ALL], load_schema(tree_string(line, "schema")), &raw, &all, &e), 0);
	for (unsigned parts = 0; parts < EVENT_ALL; parts++) {
		assert_int_equal(event_decode(d[parts], load_schema(tree_string(line, "schema")), &raw, &v, &e), 0);
		assert_int_equal(v.record_json.data != NULL, (parts & EVENT_RECORD_JSON) != 0);
		assert_int_equal(v.changed_json.data != NULL, (parts & EVENT_CHANGED_JSON) != 0);
		assert_true(v.record_json.data == NULL || text_equal(v.record_json, all.record_json));
		assert_true(v.changed_json.data == NULL || text_equal(v.changed_json, all.changed_json));
		assert_true(text_equal(v.entity, all.entity) && v.commit_number == all.commit_number);
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
	print_message("%s: %s\n", name, e.text);
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
	snprintf(name, sizeof(name), "%s %s", tree_string(line, "schema"), list->count ? items[0].data : "empty");
	bitmap_expand(names, (struct text_list){items, list->count}, false, &out);
	expect_list(name, (struct text_list){out.names, out.count}, tree_find(line, "fields"));
	out.count = 0;
	bitmap_expand(names, (struct text_list){items, list->count}, true, &out);
	expect_list(name, (struct text_list){out.names, out.count},
	    tree_find(line, "collapsed") ? tree_find(line, "collapsed") : tree_find(line, "fields"));
	bitmap_list_release(&out);
	bitmap_names_free(names);
}

static void
test_bitmaps(void **state)
{
	(void)state;
	assert_int_equal(each_line("tests/data/bitmaps.jsonl", check_bitmap, NULL), 24);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_bitmaps),
	};

	return cmocka_run_group_tests(tests, NULL, drop_schemas);
}

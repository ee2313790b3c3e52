/* tests/data through the event decoder: every field of struct event, the record, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "avro/schema.h"
#include "base/encode.h"
#include "commands/event_print.h"
#include "event_lines.h"
#include "salesforce/event.h"

static const char *const event_files[] = {"AccountChangeEvent", "AccountChangeEvent.evolution",
    "ContactChangeEvent", "OpportunityChangeEvent", "Invoice__ChangeEvent", "Order_Event__e",
    "All_Types__e"};

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
expect_line(const char *name, const char *schema, const struct event *v, const struct tree *expected)
{
	const struct tree *all = tree_find(expected, "changed_fields");
	const struct tree *collapsed = tree_find(tree_find(expected, "collapsed"), "changed_fields");
	struct buffer line = BUFFER_INIT;

	if (!v->is_change || !text_is(v->change_type, "UPDATE"))
		return;
	event_print_line(&line, v, avro_schema_root(load_schema(schema)), 0);
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
	expect_line(name, tree_string(line, "schema"), &v, tree_find(line, "expected"));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, drop_schemas);
}

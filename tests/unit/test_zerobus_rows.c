/* databricks/sink: what arrives at the server, decoded by the descriptor that was sent: many tables, large rows. */
#include "zerobus_bench.h"

/* A batch that is too large for one message is refused as a bad one would be, so that the engine halves it. */
static void
test_ceiling(void **state)
{
	char *big = memory_zero(1, 6000000);
	struct buffer bytes = BUFFER_INIT;
	struct event event = make_event("big");
	struct error e = ERROR_INIT;
	struct bench b;
	size_t ends[2];

	(void)state;
	bench_init(&b, "t_plain", ROW_PROTO);
	event.payload = text_span(big, 6000000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(b.sink->ops->encode(b.sink, &event, &bytes, &e), 0);
		ends[i] = bytes.len;
	}
	open_sink(&b);
	send_rows(&b, &(struct rows){bytes.data, ends, 1});
	WAIT_FOR(&b, b.acknowledged == 1);
	send_rows(&b, &(struct rows){bytes.data, ends, 2});
	WAIT_FOR(&b, b.ended > 0);
	assert_int_equal(b.why.code, ERR_REFUSED);
	assert_int_equal(b.acknowledged, 1);
	bench_release(&b);
	buffer_release(&bytes);
	free(big);
}

/* Two tables on one channel at the same time. */
static void
test_two_sinks(void **state)
{
	struct bench a, b;
	struct sink *own;

	(void)state;
	bench_init(&a, "two_one", ROW_PROTO);
	bench_init(&b, "two_other", ROW_JSON);
	/* b's sink is made anew on a's loop and channel */
	own = b.sink;
	{
		struct delta_table *t = make_table("two_other", LAYOUT_CLASSIC);
		struct error e = ERROR_INIT;

		b.sink = table_sink_new(&(struct table_sink_options){.loop = a.loop, .channel = a.channel, .table = t,
		    .format = ROW_JSON, .clock = &row_clock, .token = {get_token, &b}}, &e);
		assert_non_null(b.sink);
		assert_null(b.sink->ops->find);
		delta_table_free(t);
	}
	b.tokens = 1; /* answer at once: its timer is on another loop */
	a.sink->ops->open(a.sink, &events, &a);
	b.sink->ops->open(b.sink, &events, &b);
	WAIT_FOR(&a, a.opened && b.opened);
	send_batches(&a, 1, 2, "a-%d-%d");
	send_batches(&b, 1, 2, "b-%d-%d");
	WAIT_FOR(&a, a.acknowledged == 1 && b.acknowledged == 1);
	a.sink->ops->finish(a.sink);
	b.sink->ops->finish(b.sink);
	WAIT_FOR(&a, a.ended && b.ended);
	table_sink_free(b.sink);
	b.sink = own;
	bench_release(&b);
	bench_release(&a);
}

/* A row of rows.jsonl as an event; what it borrows is the row's. */
static void
event_of_row(const struct json *row, struct event *event, struct buffer *payload, struct text lists[4][64])
{
	static const char *const names[] = {"record_ids", "changed_fields", "nulled_fields", "diff_fields"};
	struct text_list *const into[] = {&event->record_ids, &event->changed_fields, &event->nulled_fields, &event->diff_fields};
	uint8_t id[LIMIT_REPLAY_ID_BYTES];
	ssize_t len = encode_unhex(text_of(json_find_string(row, "replay_id")), id, sizeof(id));

	*event = make_event(json_find_string(row, "event_id"));
	replay_id_set(&event->replay_id, text_span(id, (size_t)len));
	event->schema_id = text_of(json_find_string(row, "schema_id"));
	event->change_type = text_of(json_find_string(row, "change_type"));
	event->entity = text_of(json_find_string(row, "entity_name"));
	event->change_origin = text_of(json_find_string(row, "change_origin"));
	event->record_json = text_of(json_find_string(row, "record_data_json"));
	event->org_id = text_of(json_find_string(row, "org_id"));
	assert_int_equal(encode_unbase64(text_of(json_find_string(row, "payload_binary")), payload), 0);
	event->payload = buffer_span(payload);
	for (int i = 0; i < 4; i++) {
		size_t n = 0;

		for (const struct json *j = json_first(json_find(row, names[i])); j != NULL && n < 64; j = json_next(j))
			lists[i][n++] = text_of(json_string(j));
		*into[i] = (struct text_list){lists[i], n};
	}
}

/* Each column of the expected row against what the peer decoded; an empty list is an absent field. */
static void
compare_rows(const struct json *want, const struct json *is)
{
	for (const struct json *j = json_first(want); j != NULL; j = json_next(j)) {
		const struct json *value = json_find(is, json_key(j));
		struct buffer a = BUFFER_INIT, b = BUFFER_INIT;

		if (json_is_null(j) || (json_is_array(j) && json_count(j) == 0 && value == NULL))
			continue;
		json_write(&a, j, false);
		if (value != NULL)
			json_write(&b, value, false);
		if (strcmp(buffer_text(&a), buffer_text(&b)) != 0)
			fail_msg("%s, %s:\n  is  %s\n  not %s", json_find_string(want, "event_id"), json_key(j), buffer_text(&b), buffer_text(&a));
		buffer_release(&a);
		buffer_release(&b);
	}
	assert_int_equal(json_find_int64(is, "timestamp", 0), 7);
	assert_int_equal(json_find_int64(is, "processed_timestamp", 0), 1767600000123);
	assert_int_equal(json_find_int64(is, "commit_timestamp", 0), 7000);
	assert_int_equal(json_find_int64(is, "sequence_number", 0), -2);
	assert_string_equal(json_find_string(is, "topic"), "/data/AccountChangeEvent");
}

static struct json *
read_rows(void)
{
	FILE *f = fopen("tests/data/rows.jsonl", "r");
	struct json *rows = json_array();
	struct error e = ERROR_INIT;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;

	assert_non_null(f);
	while ((len = getline(&line, &capacity, f)) > 0) {
		struct json *j = json_parse(text_span(line, (size_t)len), &e);

		json_add(rows, json_clone(json_find(j, "row")));
		json_free(j);
	}
	free(line);
	fclose(f);
	assert_true(json_count(rows) >= 10);
	return rows;
}

/* The Python project's rows arrive as they are, decoded by the descriptor that was sent. */
static void
test_reference_rows(void **state)
{
	struct json *rows = read_rows();

	(void)state;
	for (int format = ROW_PROTO; format <= ROW_JSON; format++) {
		const char *table = format == ROW_PROTO ? "rows_proto" : "rows_json";
		struct json *log, *stored;
		const struct json *is, *want;
		struct bench b;
		int64_t sent = 0;

		bench_init(&b, table, (enum row_format)format);
		open_sink(&b);
		for (want = json_first(rows); want != NULL; want = json_next(want)) {
			struct buffer bytes = BUFFER_INIT, payload = BUFFER_INIT;
			struct error e = ERROR_INIT;
			struct text lists[4][64];
			struct event event;

			event_of_row(want, &event, &payload, lists);
			assert_int_equal(b.sink->ops->encode(b.sink, &event, &bytes, &e), 0);
			send_rows(&b, &(struct rows){bytes.data, &bytes.len, 1});
			sent++;
			WAIT_FOR(&b, b.acknowledged == sent);
			buffer_release(&bytes);
			buffer_release(&payload);
		}
		b.sink->ops->finish(b.sink);
		WAIT_FOR(&b, b.ended > 0);
		assert_int_equal(b.why.code, ERR_OK);
		log = read_log();
		stored = rows_of(log, table);
		assert_int_equal(json_count(stored), json_count(rows));
		for (want = json_first(rows), is = json_first(stored); want != NULL; want = json_next(want), is = json_next(is))
			compare_rows(want, is);
		json_free(stored);
		json_free(log);
		bench_release(&b);
	}
	json_free(rows);
}

/* Fields of the descriptors that streams to a table were opened with, one number each. */
static size_t
fields_opened(const char *table, int stream)
{
	struct json *log = read_log();
	size_t count = 0;
	char full[64];
	int seen = 0;

	snprintf(full, sizeof(full), "main.crm.%s", table);
	for (const struct json *j = json_first(log); j != NULL; j = json_next(j))
		if (strcmp(json_find_string(j, "event"), "open") == 0 && strcmp(json_find_string(j, "table"), full) == 0 && seen++ == stream)
			count = json_count(json_find(j, "fields"));
	json_free(log);
	return count;
}

struct catalog {
	enum layout layout;
	enum error_code code;
	bool unusable; /* no row can be made for it */
	int asked;
};

static int
ask_catalog(void *context, const char *table, struct delta_table **out, struct error *e)
{
	struct catalog *c = context;

	assert_string_equal(table, "main.crm.reopened");
	c->asked++;
	*out = NULL;
	if (c->code != ERR_OK)
		return error_set(e, c->code, "no answer");
	*out = make_table("reopened", c->layout);
	(*out)->columns[0].generated = c->unusable;
	return 0;
}

/* A stream that is opened again fills columns that the table has got, and nothing else changes with it. */
static void
test_reopened(void **state)
{
	static const struct {
		const char *name;
		enum layout layout;
		enum error_code code;
		size_t fields;
		bool unusable;
	} rows[] = {{"the first one: nobody is asked", LAYOUT_FULL, ERR_OK, 16, false},
	    {"nothing is new", LAYOUT_CLASSIC, ERR_OK, 16, false}, {"no answer", LAYOUT_FULL, ERR_UNAVAILABLE, 16, false},
	    {"new columns, and no row can be made for them", LAYOUT_FULL, ERR_OK, 16, true},
	    {"new columns", LAYOUT_FULL, ERR_OK, EVENT_COLUMN_COUNT, false},
	    {"columns are gone: the server will say so", LAYOUT_CLASSIC, ERR_OK, EVENT_COLUMN_COUNT, false}};
	struct catalog catalog = {.asked = 0};
	struct bench b;

	(void)state;
	bench_make(&b, "reopened", ROW_PROTO, LAYOUT_CLASSIC, (struct sink_columns_source){ask_catalog, &catalog});
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		catalog.layout = rows[i].layout;
		catalog.code = rows[i].code;
		catalog.unusable = rows[i].unusable;
		if (i > 0) { /* cancelled before the catalog has answered: it ends, and once */
			b.opened = b.ended = 0;
			b.sink->ops->open(b.sink, &events, &b);
			b.sink->ops->cancel(b.sink);
			b.sink->ops->cancel(b.sink);
			assert_int_equal(b.ended, 0);
			WAIT_FOR(&b, b.ended > 0);
			assert_int_equal(b.why.code, ERR_INTERRUPTED);
		}
		open_sink(&b);
		assert_int_equal(send_batches(&b, 2, 2, "n-%d-%d"), 2);
		b.sink->ops->finish(b.sink);
		WAIT_FOR(&b, b.ended > 0);
		assert_int_equal(b.ended, 1);
		assert_int_equal(b.why.code, ERR_OK);
		if (fields_opened("reopened", (int)i) != rows[i].fields || (catalog.asked > 0) != (i > 0))
			fail_msg("%s: %zu fields, asked %d times", rows[i].name, fields_opened("reopened", (int)i), catalog.asked);
	}
	bench_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_ceiling), cmocka_unit_test(test_two_sinks),
	    cmocka_unit_test(test_reopened), cmocka_unit_test(test_reference_rows)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

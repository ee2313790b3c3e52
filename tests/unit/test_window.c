/* stream/: the window, the set of recent events, batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "stream/batch.h"
#include "stream/recent.h"
#include "stream/window.h"

/*
 * A script, a letter a step: 'p' pushes the next event, a digit marks that one done, 'k' a keepalive, 'n' an
 * event without a replay id that is done, ' ' nothing. Then the number of the position and what is left.
 */
static void
test_window(void **state)
{
	static const struct {
		const char *script;
		int passed; /* replay id; -1: none */
		size_t left;
	} rows[] = {{"", -1, 0}, {"p", -1, 1}, {"p0", 0, 0}, {"pp1", -1, 2}, {"pp10", 1, 0}, {"ppp02", 0, 2},
	    {"ppp021", 2, 0}, {"k", 100, 0}, {"pk", -1, 2}, {"pk0", 101, 0}, {"pkk0", 102, 0}, {"pkkkkkkp", -1, 3},
	    {"kp", 100, 1}, {"kp0", 0, 0}, {"p0n", 0, 0}, {"pn0", 0, 0}, {"pkn0", 101, 0}, {"ppkp10", 102, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct window w;
		uint64_t sequences[10];
		int pushed = 0, seen = 0;

		window_init(&w);
		for (const char *p = rows[i].script; *p != '\0'; p++) {
			struct replay_id id = {.len = 1};

			if (*p == 'p') {
				id.bytes[0] = (uint8_t)pushed;
				sequences[pushed++] = window_push(&w, &id, 0, ++seen, NULL);
			} else if (*p == 'k') {
				id.bytes[0] = (uint8_t)(100 + seen);
				seen += 1;
				window_pass(&w, &id, 0, seen);
			} else if (*p == 'n') {
				id.len = 0;
				window_pass(&w, &id, 0, ++seen);
			} else {
				window_done(&w, sequences[*p - '0']);
			}
		}
		if ((w.passed.done ? w.passed.replay_id.bytes[0] : -1) != rows[i].passed ||
		    window_count(&w) != rows[i].left)
			fail_msg("'%s': passed %d, %zu left", rows[i].script,
			    w.passed.done ? w.passed.replay_id.bytes[0] : -1, window_count(&w));
		window_release(&w);
	}
}

/* Random order of completion against the plain definition, over many growths and turns of the ring. */
static void
test_window_at_random(void **state)
{
	enum { EVENTS = 20000 };
	struct window w;
	struct random r;
	bool *done = memory_zero(EVENTS, 1);
	uint64_t *sequences = memory_zero(EVENTS, sizeof(*sequences));
	int pushed = 0, head = 0;

	(void)state;
	window_init(&w);
	random_seed(&r, 7);
	while (head < EVENTS) {
		uint64_t i;

		if (pushed < EVENTS && random_below(&r, 2) == 0) {
			struct replay_id id = {.len = 4};

			memcpy(id.bytes, &pushed, 4);
			sequences[pushed] = window_push(&w, &id, pushed, pushed + 1, NULL);
			pushed++;
			continue;
		}
		if (pushed == head)
			continue;
		i = (uint64_t)head + random_below(&r, (uint64_t)(pushed - head < 700 ? pushed - head : 700));
		if (done[i])
			i = (uint64_t)head;
		done[i] = true;
		window_done(&w, sequences[i]);
		while (head < pushed && done[head])
			head++;
		assert_int_equal(window_count(&w), pushed - head);
		if (head > 0)
			assert_int_equal(w.passed.number, head);
	}
	window_release(&w);
	free(sequences);
	free(done);
}

static bool
add_event(struct recent *r, uint64_t place, const struct event *e)
{
	struct fingerprint print = recent_print(r, place, e);

	return recent_add(r, &print, 0);
}

static void
test_recent(void **state)
{
	struct recent r;
	struct random random;
	char id[40], payload[40];
	struct event e = {.schema_id = text_of("s"), .payload = text_of("p")};

	(void)state;
	random_seed(&random, 3);
	recent_init(&r, &random);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < RECENT_EVENTS; i++) {
			snprintf(id, sizeof(id), "%d-%d", round, i);
			e.id = text_of(id);
			assert_false(add_event(&r, 0, &e));
		}
		for (int i = 0; i < RECENT_EVENTS; i += 97) {
			snprintf(id, sizeof(id), "%d-%d", round, i);
			e.id = text_of(id);
			assert_true(add_event(&r, 0, &e));
		}
	}
	e.id = text_of("x");
	for (int i = 0; i < 40; i++) { /* each of these is another event */
		snprintf(payload, sizeof(payload), "%0*d", i, 0);
		e.payload = text_of(payload);
		if (i == 1) /* "%0*d" with 0 and 1 are the same */
			continue;
		assert_false(add_event(&r, 0, &e));
		assert_true(add_event(&r, 0, &e));
		assert_false(add_event(&r, 1, &e));
	}
	e.id = text_of("");
	assert_false(add_event(&r, 0, &e));
	assert_false(add_event(&r, 0, &e));
	recent_release(&r);
}

/* Which two events are one: of change events by header, whatever a channel adds to them; of others by content. */
static void
test_same_event(void **state)
{
	static const struct {
		const char *name, *id, *schema, *payload, *transaction;
		int sequence;
		bool is_change, same;
	} rows[] = {{"a copy", "i", "s", "p", "t", 1, false, true}, {"a copy of a change", "i", "s", "p", "t", 1, true, true},
	    {"more fields", "i", "s", "pp", "t", 1, false, false}, {"more fields of a change", "i", "s2", "pp", "t", 1, true, true},
	    {"another schema", "i", "s2", "p", "t", 1, false, false}, {"another place", "i", "s", "p", "t", 2, true, false},
	    {"another transaction", "i", "s", "p", "u", 1, true, false}, {"another id", "j", "s", "p", "t", 1, true, false}};
	struct random random;
	struct recent r;

	(void)state;
	random_seed(&random, 3);
	recent_init(&r, &random);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event first = {.id = text_of("i"), .schema_id = text_of("s"), .payload = text_of("p"),
		    .transaction_key = text_of("t"), .sequence_number = 1, .is_change = rows[i].is_change};
		struct event second = {.id = text_of(rows[i].id), .schema_id = text_of(rows[i].schema),
		    .payload = text_of(rows[i].payload), .transaction_key = text_of(rows[i].transaction),
		    .sequence_number = rows[i].sequence, .is_change = rows[i].is_change};
		struct fingerprint a = recent_print(&r, 7, &first), b = recent_print(&r, 7, &second);

		if ((memcmp(&a, &b, sizeof(a)) == 0) != rows[i].same)
			fail_msg("%s", rows[i].name);
	}
	recent_release(&r);
}

/* Another run knows what this one knew; and how old an event must be to be forgotten. */
static void
test_recent_restored(void **state)
{
	struct fingerprint known[3];
	struct random random;
	struct recent r, next;
	struct event e = {.schema_id = text_of("s")};

	(void)state;
	random_seed(&random, 3);
	recent_init(&r, &random);
	for (size_t i = 0; i < 3; i++) {
		e.id = text_of(i == 0 ? "a" : i == 1 ? "b" : "c");
		known[i] = recent_print(&r, recent_place(&r, "main.crm.t"), &e);
	}
	recent_init(&next, &random);
	recent_restore(&next, r.key, known, 3);
	assert_true(add_event(&next, recent_place(&next, "main.crm.t"), &e));
	assert_false(add_event(&next, recent_place(&next, "main.crm.u"), &e));
	for (int i = 0; next.forgotten_ms == 0; i++) {
		struct fingerprint print = {(uint64_t)i, 1};

		recent_add(&next, &print, 1000 + i);
		assert_true(next.forgotten_ms == 0 || next.forgotten_ms <= 1000 + i - RECENT_EVENTS);
	}
	recent_release(&r);
	recent_release(&next);
}

/* A window hands out the fingerprints of what its position has passed, and of nothing else. */
static void
test_window_prints(void **state)
{
	struct window w;
	struct replay_id id = {.len = 1};

	(void)state;
	window_init(&w);
	for (uint64_t i = 0; i < 5; i++) {
		struct fingerprint print = {i, 9};

		id.bytes[0] = (uint8_t)i;
		window_push(&w, &id, 0, (int64_t)i + 1, i == 1 ? NULL : &print);
	}
	window_pass(&w, &id, 0, 5);
	window_done(&w, 1);
	window_done(&w, 2);
	assert_int_equal(w.print_count, 0);
	window_done(&w, 0);
	assert_int_equal(w.print_count, 2);
	assert_true(w.prints[0].a == 0 && w.prints[1].a == 2);
	w.print_count = 0;
	window_done(&w, 4);
	assert_int_equal(w.print_count, 0);
	window_done(&w, 3);
	assert_int_equal(w.print_count, 2);
	assert_true(w.prints[0].a == 3 && w.prints[1].a == 4);
	window_release(&w);
}

static void
add(struct batch *b, int i)
{
	char id[16], payload[16];

	snprintf(id, sizeof(id), "id%d", i);
	snprintf(payload, sizeof(payload), "payload%d", i);
	buffer_append_format(&b->bytes, "row%d", i);
	batch_add(b, text_of(id), text_of(payload))->number = i;
}

static void
expect(const struct batch *b, size_t at, int i)
{
	char id[16], payload[16], row[16];
	size_t begin = at == 0 ? 0 : b->ends[at - 1];

	snprintf(id, sizeof(id), "id%d", i);
	snprintf(payload, sizeof(payload), "payload%d", i);
	snprintf(row, sizeof(row), "row%d", i);
	assert_int_equal(b->rows[at].number, i);
	assert_true(text_is(batch_row_id(b, at), id));
	assert_true(text_is(batch_row_payload(b, at), payload));
	assert_true(text_is(text_span(b->bytes.data + begin, b->ends[at] - begin), row));
}

static void
test_batch(void **state)
{
	struct batch_pool pool = {0};
	struct batch *b = batch_new(&pool, 0), *half = batch_new(&pool, 0);
	bool gone[12] = {[0] = true, [3] = true, [4] = true, [11] = true};
	static const int left[] = {1, 2, 5, 6, 7, 8, 9, 10};

	(void)state;
	for (int i = 0; i < 12; i++)
		add(b, i);
	batch_compact(b, gone);
	assert_int_equal(b->count, 8);
	for (size_t i = 0; i < 8; i++)
		expect(b, i, left[i]);
	batch_split(b, 3, half);
	assert_int_equal(b->count, 3);
	assert_int_equal(half->count, 5);
	for (size_t i = 0; i < 3; i++)
		expect(b, i, left[i]);
	for (size_t i = 0; i < 5; i++)
		expect(half, i, left[3 + i]);
	add(b, 77);
	expect(b, 3, 77);
	batch_free(&pool, b);
	batch_free(&pool, half);
	b = batch_new(&pool, 9);
	assert_int_equal(batch_size(b), 0);
	assert_int_equal(b->count, 0);
	batch_free(&pool, b);
	batch_pool_release(&pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_window),
	    cmocka_unit_test(test_window_at_random),
	    cmocka_unit_test(test_recent),
	    cmocka_unit_test(test_same_event),
	    cmocka_unit_test(test_recent_restored),
	    cmocka_unit_test(test_window_prints),
	    cmocka_unit_test(test_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Several ingest streams to one table: what each gets, and that the guarantees hold for each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream_scenario.h"

#define STREAMS 3

static int
begin_world(void **state)
{
	(void)state;
	world_init(&w, 1, 1, 1);
	world_open_streams(&w, STREAMS);
	w.options.until_caught_up = true;
	return 0;
}

/* One event of these records, a bit each. */
static void
publish(unsigned records)
{
	w.topics[0].events[world_publish(&w.topics[0], SOUND, 0)].records = records;
}

static void
stop_and_check(void)
{
	engine_stop(w.engine);
	world_calm(&w);
	expect_complete();
}

static void
deliver(void)
{
	world_pass(&w, 0);
	while (world_deliver(&w.topics[0], 7) > 0)
		world_pass(&w, 0);
}

/* The streams open and take what may be sent; nothing is stored. */
static void
let_send(void)
{
	for (int i = 0; i < 100; i++) {
		world_pass(&w, 1);
		for (size_t j = 0; j < STREAMS; j++) {
			world_announce(&w.tables[j]);
			world_unblock(&w.tables[j]);
		}
	}
}

static size_t
rows_sent(const struct bus_table *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->sent; i++)
		n += b->inbox[i].count;
	return n;
}

static void
store_and_acknowledge(struct bus_table *b)
{
	while (world_process(b))
		;
	world_acknowledge(b);
}

static void
test_all_streams_are_used(void **state)
{
	static const struct {
		const char *name;
		bool platform;
	} rows[] = {{"change events, by their records", false}, {"platform events, by their ids", true}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		end_world(state);
		begin_world(state);
		w.topics[0].chosen_ids = rows[i].platform;
		for (unsigned n = 0; n < 300; n++)
			publish(1U << n % RECORDS_MAX);
		world_begin(&w);
		world_calm(&w);
		expect_complete();
		engine_statistics(w.engine, &s);
		if (s.stored != 300 || s.sinks != 1)
			fail_msg("%s: %lld rows in %u tables", rows[i].name, (long long)s.stored, s.sinks);
		for (size_t j = 0; j < STREAMS; j++)
			if (w.tables[j].openings != 1 || w.tables[j].acked == 0)
				fail_msg("%s: stream %zu was opened %u times and took %zu batches", rows[i].name, j,
				    w.tables[j].openings, w.tables[j].acked);
	}
}

/* The stored position stands before the first event that is not durable, whichever stream that is on. */
static void
test_position_waits_for_the_slowest(void **state)
{
	size_t slow = 0;

	(void)state;
	for (unsigned n = 0; n < 30; n++)
		publish(1U << n % RECORDS_MAX);
	world_begin(&w);
	deliver();
	let_send();
	while (slow < STREAMS && (w.tables[slow].sent == 0 || w.tables[slow].inbox[0].index[0] != 0))
		slow++;
	assert_true(slow < STREAMS);
	for (size_t j = 0; j < STREAMS; j++)
		if (j != slow)
			store_and_acknowledge(&w.tables[j]);
	world_pass(&w, 1000);
	no_fault();
	assert_int_equal(world_start_of(&w.topics[0], &w.topics[0].position), 0);
	store_and_acknowledge(&w.tables[slow]);
	world_calm(&w);
	expect_complete();
	assert_int_equal(world_start_of(&w.topics[0], &w.topics[0].position), 30);
}

/* An event of records that are under way on several streams waits for all of them; what follows it waits with it. */
static void
test_merged_event_waits(void **state)
{
	size_t before[STREAMS], all = 0, moved = 0;

	(void)state;
	for (unsigned r = 0; r < RECORDS_MAX; r++)
		publish(1U << r);
	publish((1U << RECORDS_MAX) - 1);
	for (unsigned r = 0; r < RECORDS_MAX; r++)
		publish(1U << r);
	world_begin(&w);
	deliver();
	let_send();
	for (size_t j = 0; j < STREAMS; j++)
		all += before[j] = rows_sent(&w.tables[j]);
	assert_int_equal(all, RECORDS_MAX);
	for (size_t j = 0; j < STREAMS; j++) {
		store_and_acknowledge(&w.tables[j]);
		let_send();
		for (size_t k = 0; k < STREAMS; k++)
			moved += rows_sent(&w.tables[k]) > before[k];
		if (moved > 0 && j + 1 < STREAMS && before[j + 1] > 0)
			fail_msg("the merged event went out after %zu of %d streams", j + 1, STREAMS);
	}
	assert_int_equal(moved, 1); /* it and all behind it, on one stream */
	world_calm(&w);
	expect_complete();
}

/* The stream on which the first row of topic 0 with this index went out. */
static struct bus_table *
stream_of(uint32_t index)
{
	for (size_t j = 0; j < STREAMS; j++)
		for (size_t i = 0; i < w.tables[j].sent; i++)
			for (size_t k = 0; k < w.tables[j].inbox[i].count; k++)
				if (w.tables[j].inbox[i].topic[k] == 0 && w.tables[j].inbox[i].index[k] == index)
					return &w.tables[j];
	fail_msg("event %u was not sent", index);
	return NULL;
}

/*
 * An event of two records that turns out to be in the table holds together what is under way of them all the same: a
 * later row of one of them does not overtake an earlier one.
 */
static void
follow_a_found_event(unsigned a, unsigned b, unsigned c)
{
	struct bus_table *last;

	world_release(&w);
	world_init(&w, 1, 2, 1);
	world_open_streams(&w, STREAMS);
	w.topics[1].events[world_publish(&w.topics[1], SOUND, 0)].records = 1U << b | 1U << c;
	world_begin(&w);
	world_pass(&w, 0);
	world_deliver(&w.topics[1], 1);
	let_send();
	for (size_t j = 0; j < STREAMS; j++)
		world_process(&w.tables[j]);
	world_kill(&w);
	memset(w.tables[0].last_record, 0, sizeof(w.tables[0].last_record));
	publish(1U << a | 1U << c);
	publish(1U << b);
	world_begin(&w);
	deliver();
	world_deliver(&w.topics[1], 1);
	let_send();
	for (size_t j = 0; j < STREAMS; j++)
		world_answer(&w.tables[j], true);
	let_send();
	last = stream_of(0);
	if (stream_of(1) != last)
		store_and_acknowledge(stream_of(1));
	publish(1U << c);
	deliver();
	let_send();
	for (size_t j = 0; j < STREAMS; j++)
		if (&w.tables[j] != last)
			store_and_acknowledge(&w.tables[j]);
	world_calm(&w);
	stop_and_check();
}

static void
test_found_event_keeps_its_place(void **state)
{
	(void)state;
	for (unsigned c = 2; c < RECORDS_MAX; c++)
		for (unsigned b = 0; b < c; b++)
			for (unsigned a = 0; a < c; a++)
				if (a != b)
					follow_a_found_event(a, b, c);
}

/* One stream breaks: the others go on, and only its rows are looked up. */
static void
test_one_stream_breaks(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 60; n++)
		publish(1U << n % RECORDS_MAX);
	world_begin(&w);
	deliver();
	let_send();
	world_process(&w.tables[1]);
	world_end_sink(&w.tables[1], ERR_UNAVAILABLE);
	world_pass(&w, 5000); /* longer than the rows were under way */
	assert_false(w.tables[0].asked);
	assert_true(w.tables[1].asked);
	assert_false(w.tables[2].asked);
	assert_true(w.tables[0].open && w.tables[2].open);
	world_calm(&w);
	expect_complete();
	engine_statistics(w.engine, &s);
	assert_int_equal(s.stored + s.already_stored, 60);
	assert_true(s.already_stored > 0);
}

/* A row that one stream's server refuses is found there; the others never hear of it. */
static void
test_refused_row(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 60; n++)
		publish(1U << n % RECORDS_MAX);
	w.topics[0].events[31].flaw = REFUSED;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
	engine_statistics(w.engine, &s);
	assert_int_equal(s.set_aside, 1);
	assert_int_equal(s.stored, 59);
	for (size_t j = 0, once = 0; j < STREAMS; j++) {
		once += w.tables[j].openings == 1;
		if (j + 1 == STREAMS)
			assert_int_equal(once, STREAMS - 1);
	}
}

/* All streams to a table share the rate at which they may be opened (wire/zerobus.md §3). */
static void
test_opening_rate(void **state)
{
	unsigned openings = 0;

	(void)state;
	w.options.backoff_first_ms = w.options.backoff_last_ms = 1;
	for (unsigned n = 0; n < 60; n++)
		publish(1U << n % RECORDS_MAX);
	world_begin(&w);
	deliver();
	for (int ms = 0; ms < 60000; ms++) {
		world_pass(&w, 1);
		for (size_t j = 0; j < STREAMS; j++)
			world_end_sink(&w.tables[j], ERR_UNAVAILABLE);
	}
	for (size_t j = 0; j < STREAMS; j++)
		openings += w.tables[j].openings;
	assert_in_range(openings, 50, 81); /* 20 at once and one a second */
	world_calm(&w);
	expect_complete();
}

/* Rows that wait for a stream which can send no more do not hold up the end. */
static void
test_end_with_a_stuck_stream(void **state)
{
	int64_t began;

	(void)state;
	for (unsigned r = 0; r < RECORDS_MAX; r++)
		publish(1U << r);
	publish((1U << RECORDS_MAX) - 1);
	w.topics[0].events[0].flaw = REFUSED;
	world_begin(&w);
	w.fail_letters = true;
	began = w.now;
	world_calm(&w);
	no_fault();
	assert_true(w.done);
	assert_int_equal(w.result.code, ERR_FAILED);
	assert_in_range(w.now - began, 0, w.options.drain_timeout_ms / 2);
	assert_int_equal(world_start_of(&w.topics[0], &w.topics[0].position), 0);
	world_kill(&w);
	w.fail_letters = false;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_world, end_world)
	const struct CMUnitTest tests[] = {
	    TEST(test_all_streams_are_used),
	    TEST(test_position_waits_for_the_slowest),
	    TEST(test_merged_event_waits),
	    TEST(test_found_event_keeps_its_place),
	    TEST(test_one_stream_breaks),
	    TEST(test_refused_row),
	    TEST(test_opening_rate),
	    TEST(test_end_with_a_stuck_stream),
	};

	world_silence();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

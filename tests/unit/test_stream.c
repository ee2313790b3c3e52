/* The engine's guarantees, one scenario each: what is stored, what is looked up, what is set aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_topic.h"

static void
test_all_arrives(void **state)
{
	(void)state;
	publish(100);
	w.options.until_caught_up = true;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
	statistics();
	assert_int_equal(s.stored, 100);
	assert_int_equal(s.in_flight_rows, 0);
	assert_int_equal(s.in_flight_bytes, 0);
	assert_int_equal(world_number(&w.topics[0].position.replay_id), w.topics[0].events[99].replay);
}

static void
test_nothing_stored_before_the_acknowledgement(void **state)
{
	(void)state;
	publish(5);
	world_begin(&w);
	deliver_and_send();
	assert_int_equal(w.topics[0].position.kind, POSITION_EARLIEST); /* begun, and no further */
	assert_true(w.topics[0].position.in_flight >= 5);
	world_process(&w.tables[0]);
	world_pass(&w, 1000);
	assert_int_equal(w.topics[0].position.kind, POSITION_EARLIEST);
	statistics();
	assert_int_equal(s.acked_event_ms, 0);
	world_acknowledge(&w.tables[0]);
	statistics(); /* acknowledged, and not stored yet */
	assert_true(s.acked_event_ms > 0 && s.stored_event_ms == 0 && s.sources_unstored == 1);
	assert_true(s.stored_bytes > 0 && s.resent_bytes == 0);
	world_pass(&w, 1000);
	assert_int_equal(w.topics[0].position.kind, POSITION_AFTER);
	statistics();
	assert_true(s.stored_event_ms == s.acked_event_ms && s.sources_unstored == 0);
	no_fault();
}

static void
test_death_with_rows_in_flight(void **state)
{
	(void)state;
	publish(20);
	w.tables[0].sink.visibility_ms = 5000;
	world_begin(&w);
	deliver_and_send();
	while (world_process(&w.tables[0]))
		; /* all is durable, and nobody has heard of it */
	world_kill(&w);
	w.options.until_caught_up = true;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
	statistics();
	assert_int_equal(s.already_stored, 20);
	assert_int_equal(s.stored, 0);
}

static void
test_acknowledgement_lost(void **state)
{
	(void)state;
	publish(20);
	w.tables[0].sink.visibility_ms = 3000;
	world_begin(&w);
	deliver_and_send();
	world_process(&w.tables[0]);
	world_end_sink(&w.tables[0], ERR_UNAVAILABLE);
	world_pass(&w, 2900);
	assert_false(w.tables[0].asked); /* not before a stored row must be visible */
	world_pass(&w, 2200); /* and as long as the batch was under way */
	assert_true(w.tables[0].asked);
	world_calm(&w);
	statistics();
	assert_int_equal(s.already_stored, 8); /* one batch */
	assert_int_equal(s.stored, 12);
	assert_true(s.resent > 0);
	assert_int_equal(s.retries[RETRY_SINK_FAILED], 1);
	stop_and_end();
	expect_complete();
}

static void
test_look_up_fails_for_a_while(void **state)
{
	(void)state;
	publish(3);
	world_begin(&w);
	deliver_and_send();
	world_process(&w.tables[0]);
	world_end_sink(&w.tables[0], ERR_UNAVAILABLE);
	for (int i = 0; i < 5; i++) {
		for (int j = 0; j < 100 && !w.tables[0].asked; j++)
			world_pass(&w, 1000);
		assert_true(world_answer(&w.tables[0], false));
	}
	world_calm(&w);
	statistics();
	assert_int_equal(s.already_stored, 3);
	assert_int_equal(s.retries[RETRY_FIND_FAILED], 5);
	stop_and_end();
	expect_complete();
}

static void
test_without_look_up_at_least_once(void **state)
{
	(void)state;
	publish(3);
	w.can_find = false;
	world_begin(&w);
	deliver_and_send();
	world_process(&w.tables[0]);
	world_end_sink(&w.tables[0], ERR_UNAVAILABLE);
	world_calm(&w);
	statistics();
	assert_int_equal(s.resent, 3);
	assert_int_equal(w.topics[0].events[0].stored, 2);
	stop_and_end();
	expect_complete();
}

static void
test_bad_events(void **state)
{
	static const enum flaw flaws[] = {UNDECODABLE, UNENCODABLE, REFUSED};

	(void)state;
	for (size_t i = 0; i < 60; i++)
		world_publish(&w.topics[0], i % 7 == 3 ? flaws[i % 3] : SOUND, 0);
	w.options.until_caught_up = true;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
	statistics();
	assert_int_equal(s.set_aside, 9);
	assert_int_equal(s.stored + s.already_stored, 51);
}

static void
test_refused_row_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < 64; i++)
		world_publish(&w.topics[0], i == 37 ? REFUSED : SOUND, 0);
	w.options.batch_rows = 64;
	w.options.until_caught_up = true;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
	statistics();
	assert_int_equal(s.set_aside, 1);
	/* whole, alone, and what comes behind it; a stream each */
	assert_in_range(w.tables[0].openings, 3, 4);
}

/* A server that refuses what it has stored: only a look-up can tell, before anything is sent again or set aside. */
static void
test_stored_and_refused(void **state)
{
	static const size_t sizes[] = {8, 1};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		world_release(&w);
		world_init(&w, 1, 1, 1);
		publish(8);
		w.options.batch_rows = sizes[i];
		w.tables[0].sink.visibility_ms = 3000;
		world_begin(&w);
		for (int refusals = 0; refusals < 3; refusals++) {
			for (int j = 0; j < 60 && w.tables[0].sent == 0; j++) {
				world_pass(&w, 100);
				world_deliver(&w.topics[0], 100);
				world_announce(&w.tables[0]);
				world_unblock(&w.tables[0]);
				world_answer(&w.tables[0], true);
			}
			if ((refusals > 0 || sizes[i] == 1) && w.tables[0].open)
				world_process(&w.tables[0]);
			world_end_sink(&w.tables[0], ERR_REFUSED);
			w.tables[0].sent = 0;
		}
		world_calm(&w);
		statistics();
		if (w.fault[0] != '\0' || s.stored + s.already_stored != 8 || s.set_aside != 0)
			fail_msg("%zu: %s, %lld stored, %lld found, %lld set aside", sizes[i], w.fault, (long long)s.stored,
			    (long long)s.already_stored, (long long)s.set_aside);
		stop_and_end();
	}
}

/* The table is slower than anybody said: the row acknowledged last tells. */
static void
test_rows_are_seen_late(void **state)
{
	(void)state;
	publish(24);
	w.tables[0].sink.visibility_ms = 1000;
	world_begin(&w);
	deliver_and_send();
	world_process(&w.tables[0]);
	world_acknowledge(&w.tables[0]);
	world_pass(&w, 200);
	world_process(&w.tables[0]);
	for (uint32_t i = 0; i < 16; i++)
		w.topics[0].events[i].visible_ms = w.now + (i < 8 ? 9000 : 9200);
	world_end_sink(&w.tables[0], ERR_UNAVAILABLE);
	for (int i = 0; i < 80; i++) {
		world_pass(&w, 100);
		world_answer(&w.tables[0], true);
	}
	assert_false(w.tables[0].sent > 0 && w.tables[0].open);
	world_calm(&w);
	statistics();
	assert_int_equal(s.already_stored, 8);
	assert_int_equal(s.stored, 16);
	stop_and_end();
	expect_complete();
}

/*
 * A server that is slow to store goes on storing what it has taken, though the stream has broken: as long as it took
 * before, or has taken already.
 */
static void
test_rows_are_stored_late(void **state)
{
	static const struct {
		const char *name;
		int64_t first_ms, second_ms;
	} rows[] = {{"it was slow before", 8000, 100}, {"it is slow now", 100, 8000}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_release(&w);
		world_init(&w, 1, 1, 1);
		publish(8);
		w.tables[0].sink.visibility_ms = 1000;
		world_begin(&w);
		deliver_and_send();
		world_pass(&w, rows[i].first_ms);
		world_process(&w.tables[0]);
		world_acknowledge(&w.tables[0]);
		publish(8);
		deliver_and_send();
		world_pass(&w, rows[i].second_ms);
		world_process(&w.tables[0]);
		for (uint32_t j = 8; j < 16; j++)
			w.topics[0].events[j].visible_ms = w.now + 9000;
		world_end_sink(&w.tables[0], ERR_UNAVAILABLE);
		world_calm(&w);
		statistics();
		if (w.fault[0] != '\0' || s.already_stored != 8 || s.stored != 8)
			fail_msg("%s: %s, %lld found, %lld stored", rows[i].name, w.fault, (long long)s.already_stored,
			    (long long)s.stored);
		stop_and_end();
	}
}

/* … unless somebody has deleted it: then it is not waited for without end. */
static void
test_witness_deleted(void **state)
{
	(void)state;
	publish(16);
	w.tables[0].sink.visibility_ms = 1000;
	world_begin(&w);
	deliver_and_send();
	world_process(&w.tables[0]);
	world_acknowledge(&w.tables[0]);
	for (uint32_t i = 0; i < 8; i++)
		w.topics[0].events[i].visible_ms = INT64_MAX;
	world_end_sink(&w.tables[0], ERR_UNAVAILABLE);
	world_calm(&w);
	statistics();
	assert_int_equal(s.stored, 16);
	stop_and_end();
	expect_complete();
}

static void
test_settled_record_costs_no_look_up(void **state)
{
	(void)state;
	publish(5);
	world_begin(&w);
	world_calm(&w);
	world_pass(&w, 5000);
	assert_int_equal(w.topics[0].position.in_flight, 0);
	world_kill(&w);
	publish(5);
	world_begin(&w);
	world_pass(&w, 0);
	world_deliver(&w.topics[0], 10);
	world_pass(&w, 1000);
	assert_false(w.tables[0].asked);
	world_calm(&w);
	stop_and_end();
	expect_complete();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_all_arrives),
	    TEST(test_nothing_stored_before_the_acknowledgement),
	    TEST(test_death_with_rows_in_flight),
	    TEST(test_acknowledgement_lost),
	    TEST(test_look_up_fails_for_a_while),
	    TEST(test_without_look_up_at_least_once),
	    TEST(test_bad_events),
	    TEST(test_refused_row_is_found),
	    TEST(test_stored_and_refused),
	    TEST(test_rows_are_seen_late),
	    TEST(test_rows_are_stored_late),
	    TEST(test_witness_deleted),
	    TEST(test_settled_record_costs_no_look_up),
	};

	world_silence();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

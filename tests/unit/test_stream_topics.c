/* The engine with events that come twice, topics that hold the same events, and several tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_topic.h"

static void
test_published_twice(void **state)
{
	(void)state;
	publish(5);
	world_publish_again(&w.topics[0], 2);
	world_publish_again(&w.topics[0], 4);
	publish(2);
	w.options.until_caught_up = true;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
	statistics();
	assert_int_equal(s.repeated, 2);
	assert_int_equal(s.stored, 7);
	assert_int_equal(world_start_of(&w.topics[0], &w.topics[0].position), 9);
}

/* … also when the second copy comes after a restart, in good order or not. */
static void
test_published_twice_around_a_restart(void **state)
{
	(void)state;
	for (int killed = 0; killed < 2; killed++) {
		world_release(&w);
		world_init(&w, 1, 1, 1);
		publish(50);
		w.options.until_caught_up = !killed;
		world_begin(&w);
		world_calm(&w);
		world_pass(&w, 2000);
		if (killed)
			world_kill(&w);
		else
			expect_complete();
		assert_int_equal(w.topics[0].position.in_flight, 0);
		engine_free(w.engine);
		for (uint32_t i = 0; i < 50; i += 7)
			world_publish_again(&w.topics[0], i);
		publish(2);
		w.options.until_caught_up = true;
		world_begin(&w);
		world_calm(&w);
		expect_complete();
		statistics();
		assert_int_equal(s.repeated, 8);
		assert_int_equal(s.stored, 2);
	}
}

/* One event that two topics hold is one row; neither topic's position passes it before that row is durable. */
static void
test_two_topics_hold_it(void **state)
{
	(void)state;
	world_release(&w);
	world_init(&w, 1, 2, 1);
	w.shared = true;
	for (int i = 0; i < 12; i++) {
		publish(1);
		assert_true(world_publish_through(&w.topics[0], w.topics[0].count - 1, &w.topics[1]));
	}
	world_begin(&w);
	world_pass(&w, 0);
	world_deliver(&w.topics[0], 100);
	world_pass(&w, 1000);
	world_answer(&w.tables[0], true); /* there may have been another run */
	world_pass(&w, 1000);
	world_answer(&w.tables[0], true);
	deliver_and_send();
	world_deliver(&w.topics[1], 100);
	world_idle(&w.topics[1], false);
	world_pass(&w, 5000);
	assert_false(w.topics[1].has_position && w.topics[1].position.kind == POSITION_AFTER);
	world_calm(&w);
	world_check_all(&w);
	no_fault();
	statistics();
	assert_int_equal(s.stored, 12);
	assert_int_equal(s.repeated, 12);
	assert_int_equal(s.in_flight_rows, 0);
	assert_int_equal(world_start_of(&w.topics[1], &w.topics[1].position), 12);
	/* what a run that died had of one topic, the next may meet in the other first */
	for (int i = 0; i < 12; i++) {
		publish(1);
		assert_true(world_publish_through(&w.topics[0], w.topics[0].count - 1, &w.topics[1]));
	}
	deliver_and_send();
	world_kill(&w);
	world_begin(&w);
	world_pass(&w, 0);
	world_deliver(&w.topics[1], 100);
	world_calm(&w);
	world_check_all(&w);
	no_fault();
	stop_and_end();
}

/* Publishers choose the ids of platform events: two under one id are two, also when they are looked up. */
static void
test_one_id_twice(void **state)
{
	(void)state;
	w.topics[0].chosen_ids = true;
	publish(20);
	w.topics[0].events[11].id_of = 3;
	w.topics[0].events[12].id_of = 2;
	world_begin(&w);
	deliver_and_send();
	world_process(&w.tables[0]); /* the first eight */
	world_end_sink(&w.tables[0], ERR_UNAVAILABLE);
	world_calm(&w);
	statistics();
	assert_int_equal(s.already_stored, 8);
	assert_int_equal(s.stored, 12);
	stop_and_end();
	expect_complete();
}

static void
test_one_topic_several_tables(void **state)
{
	(void)state;
	world_release(&w);
	world_init(&w, 1, 1, 3);
	w.by_entity = true;
	for (int i = 0; i < 90; i++)
		world_publish(&w.topics[0], SOUND, i % 3);
	w.options.until_caught_up = true;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
	for (int i = 0; i < 3; i++)
		assert_int_equal(w.tables[i].last_stored[0], 88 + i);
}

/* A table that takes its time: the event stays with its source, nothing else waits, and it is no failure. */
static void
test_tables_take_their_time(void **state)
{
	(void)state;
	world_release(&w);
	world_init(&w, 1, 2, 3);
	w.by_entity = w.routes_late = true;
	for (int i = 0; i < 60; i++) {
		world_publish(&w.topics[0], SOUND, i / 20);
		world_publish(&w.topics[1], SOUND, 0);
	}
	world_begin(&w);
	world_pass(&w, 0);
	world_deliver(&w.topics[0], 10);
	world_pass(&w, 60000);
	world_deliver(&w.topics[0], 10); /* says goodbye */
	world_pass(&w, 60000);
	assert_false(w.topics[0].open);
	statistics();
	assert_int_equal(s.received, 0);
	assert_true(world_prepare_route(&w));
	world_pass(&w, 0);
	assert_true(w.topics[0].open);
	world_deliver(&w.topics[0], 25);
	assert_int_equal(w.route_under_way, 2);
	world_pass(&w, 100);
	world_deliver(&w.topics[1], 60); /* the other topic has all it needs */
	statistics();
	assert_int_equal(s.received, 80);
	world_calm(&w);
	statistics();
	assert_int_equal(s.stored, 120);
	for (int i = 0; i < RETRY_REASONS; i++)
		assert_int_equal(s.retries[i], 0);
	stop_and_end();
	expect_complete();
}

static void
test_router(void **state)
{
	static const struct {
		const char *name;
		enum error_code code, result;
		int64_t stored, set_aside;
	} rows[] = {{"later", ERR_UNAVAILABLE, ERR_OK, 5, 0}, {"never", ERR_REFUSED, ERR_OK, 0, 5},
	    {"fault", ERR_PERMISSION, ERR_PERMISSION, 0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_release(&w);
		world_init(&w, 1, 1, 1);
		for (int j = 0; j < 5; j++)
			world_publish(&w.topics[0], rows[i].code == ERR_REFUSED ? UNENCODABLE : SOUND, 0);
		error_set(&w.route_error, rows[i].code, "no table");
		w.options.until_caught_up = true;
		world_begin(&w);
		for (int j = 0; j < 50; j++) {
			world_pass(&w, 100);
			world_deliver(&w.topics[0], 2);
		}
		error_clear(&w.route_error);
		world_calm(&w);
		statistics();
		if (!w.done || w.result.code != rows[i].result || s.stored != rows[i].stored ||
		    s.set_aside != rows[i].set_aside)
			fail_msg("%s: done %d, %s, %lld stored, %lld set aside", rows[i].name, w.done, w.result.text,
			    (long long)s.stored, (long long)s.set_aside);
		no_fault();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_published_twice),
	    TEST(test_published_twice_around_a_restart),
	    TEST(test_two_topics_hold_it),
	    TEST(test_one_id_twice),
	    TEST(test_one_topic_several_tables),
	    TEST(test_tables_take_their_time),
	    TEST(test_router),
	};

	world_silence();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

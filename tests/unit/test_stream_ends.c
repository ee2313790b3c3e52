/* Where a run of the engine begins and when it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_topic.h"

static void
test_stop(void **state)
{
	static const struct {
		const char *name;
		int stops;
		bool server_answers;
		enum error_code result;
	} rows[] = {{"drained", 1, true, ERR_OK}, {"drain too slow", 1, false, ERR_UNAVAILABLE},
	    {"cut short", 2, false, ERR_INTERRUPTED}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_release(&w);
		world_init(&w, 1, 1, 1);
		publish(20);
		world_begin(&w);
		deliver_and_send();
		for (int j = 0; j < rows[i].stops; j++) {
			engine_stop(w.engine);
			world_pass(&w, 10);
		}
		world_end_source(&w.topics[0], NULL);
		if (rows[i].server_answers)
			world_calm(&w);
		else
			world_pass(&w, rows[i].stops == 2 ? 10000 : 80000);
		if (!w.done || w.result.code != rows[i].result || w.fault[0] != '\0')
			fail_msg("%s: done %d, %s, %s", rows[i].name, w.done, w.result.text, w.fault);
		world_kill(&w);
		w.options.until_caught_up = true;
		world_begin(&w);
		world_calm(&w);
		expect_complete();
	}
}

static void
test_caught_up_by_silence(void **state)
{
	(void)state;
	publish(10);
	w.topics[0].said_idle = true;
	w.options.until_caught_up = true;
	w.options.quiet_for_ms = 10000;
	world_begin(&w);
	world_pass(&w, 60000);
	assert_false(w.done); /* a subscription that has not answered is not a quiet one */
	world_deliver(&w.topics[0], 10);
	w.topics[0].said_idle = true;
	world_calm(&w);
	expect_complete();
}

static void
test_number_of_events(void **state)
{
	(void)state;
	publish(50);
	w.options.max_events = 13;
	world_begin(&w);
	world_calm(&w);
	assert_true(w.done);
	statistics();
	assert_int_equal(s.stored, 13);
	assert_int_equal(world_start_of(&w.topics[0], &w.topics[0].position), 13);
	no_fault();
}

static void
test_keepalive(void **state)
{
	struct bus_topic *t = &w.topics[0];

	(void)state;
	publish(3);
	world_begin(&w);
	deliver_and_send();
	world_idle(t, true); /* named while rows are in flight */
	world_pass(&w, 10000);
	assert_int_equal(t->position.kind, POSITION_EARLIEST);
	world_calm(&w);
	world_pass(&w, 10000);
	assert_int_equal(world_number(&t->position.replay_id), t->keepalive);
	assert_int_equal(t->position.in_flight, 0);
	world_idle(t, true); /* a quiet topic does not age */
	world_pass(&w, 1000);
	assert_int_equal(world_number(&t->position.replay_id), t->keepalive);
	stop_and_end();
}

static void
test_from_the_tip(void **state)
{
	struct bus_topic *t = &w.topics[0];

	(void)state;
	publish(7);
	t->at_tip = true;
	world_begin(&w);
	world_pass(&w, 0);
	publish(5);
	deliver_and_send();
	assert_int_equal(t->position.kind, POSITION_AT);
	assert_int_equal(t->required_from, 7);
	world_kill(&w);
	publish(3);
	w.options.until_caught_up = true;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
	assert_int_equal(t->events[6].stored, 0); /* before the tip */
	assert_int_equal(t->events[7].stored, 1);
}

/* A source that leaves out what is too old: a run after a death begins with the first event that it handed over. */
static void
test_from_a_time(void **state)
{
	struct bus_topic *t = &w.topics[0];

	(void)state;
	publish(110);
	t->retained_from = t->required_from = 100; /* how the world leaves out */
	t->source.skips = true;
	world_begin(&w);
	deliver_and_send();
	assert_int_equal(t->position.kind, POSITION_AT);
	while (world_process(&w.tables[0]))
		;
	world_kill(&w);
	t->retained_from = 0;
	t->source.skips = false;
	w.options.until_caught_up = true;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
	statistics();
	assert_int_equal(s.already_stored, 10);
	assert_int_equal(t->events[99].stored, 0);
}

/* What a source leaves out is life, and progress: it is not silence, not a failure, and does not come again. */
static void
test_left_out(void **state)
{
	struct bus_topic *t = &w.topics[0];
	struct error why = ERROR_INIT;

	(void)state;
	publish(30);
	t->required_from = 20;
	w.options.until_caught_up = true;
	w.options.quiet_for_ms = 10000;
	w.options.max_retries = 3;
	error_set(&why, ERR_UNAVAILABLE, "trouble");
	world_begin(&w);
	for (uint32_t i = 0; i < 20; i++) {
		const struct event old = {.replay_id = world_replay(t->events[i].replay)};

		while (!t->open && !w.done)
			world_pass(&w, 1000);
		assert_false(w.done);
		assert_int_equal(t->cursor, i);
		if (!t->announced)
			t->to->opened(t->context);
		t->announced = t->said_idle = true;
		world_pass(&w, 6000);
		t->to->left_out(t->context, &old);
		t->cursor++;
		world_pass(&w, 3000);
		if (i % 2 == 1)
			world_end_source(t, &why);
	}
	while (!t->open && !w.done)
		world_pass(&w, 1000);
	/* where it stands is no longer kept, and nothing was lost by that */
	t->retained_from = 20;
	world_end_source(t, &why);
	while (!t->open && !w.done)
		world_pass(&w, 1000);
	t->cursor = UINT32_MAX;
	world_deliver(t, 1);
	while (!t->open && !w.done)
		world_pass(&w, 1000);
	world_deliver(t, 10);
	world_calm(&w);
	world_pass(&w, 20000);
	world_calm(&w);
	assert_true(w.done);
	no_fault();
	statistics();
	assert_int_equal(s.stored, 10);
	assert_int_equal(t->events[19].stored, 0);
}

/* The first event at the tip, whose table cannot be had at once, is not left behind. */
static void
test_no_table_at_the_tip(void **state)
{
	struct bus_topic *t = &w.topics[0];

	(void)state;
	publish(7);
	t->at_tip = true;
	error_set(&w.route_error, ERR_UNAVAILABLE, "no table");
	world_begin(&w);
	world_pass(&w, 0);
	publish(5);
	world_deliver(t, 10);
	world_pass(&w, 100);
	world_deliver(t, 10); /* says goodbye */
	error_clear(&w.route_error);
	world_calm(&w);
	statistics();
	assert_int_equal(s.stored, 5);
	stop_and_end();
	expect_complete();
	assert_int_equal(t->events[6].stored, 0);
	assert_int_equal(t->events[7].stored, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_stop),
	    TEST(test_caught_up_by_silence),
	    TEST(test_number_of_events),
	    TEST(test_keepalive),
	    TEST(test_from_the_tip),
	    TEST(test_from_a_time),
	    TEST(test_left_out),
	    TEST(test_no_table_at_the_tip),
	};

	world_silence();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

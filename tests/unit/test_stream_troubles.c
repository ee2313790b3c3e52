/* The engine in trouble: stores that fail, servers that fail or are silent, too much at a time, and how long it waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_topic.h"
#include "stream/backoff.h"

static void
test_dead_letters_cannot_be_stored(void **state)
{
	(void)state;
	publish(4);
	world_publish(&w.topics[0], UNDECODABLE, 0);
	publish(4);
	w.fail_letters = true;
	w.options.until_caught_up = true;
	world_begin(&w);
	world_calm(&w);
	assert_true(w.done);
	assert_int_equal(w.result.code, ERR_FAILED);
	no_fault();
	assert_int_equal(world_start_of(&w.topics[0], &w.topics[0].position), 4);
	w.fail_letters = false;
	world_kill(&w);
	world_begin(&w);
	world_calm(&w);
	expect_complete();
}

static void
test_positions_cannot_be_stored(void **state)
{
	(void)state;
	publish(4);
	w.fail_positions = true;
	world_begin(&w);
	world_calm(&w);
	assert_true(w.done);
	assert_int_equal(w.result.code, ERR_FAILED);
	assert_int_equal(w.topics[0].sent_end, 0); /* nothing is sent that a next run would not know of */
	no_fault();
}

/* A disk that fills up ends the run at once: neither rows that cannot go out nor acknowledgements are waited for. */
static void
test_full_disk_ends_soon(void **state)
{
	int64_t began;

	(void)state;
	publish(12);
	world_begin(&w);
	deliver_and_send();
	publish(200);
	w.fail_positions = true;
	world_process(&w.tables[0]);
	world_acknowledge(&w.tables[0]);
	world_deliver(&w.topics[0], 1000);
	began = w.now;
	for (int i = 0; i < 100 && !w.done; i++) {
		world_pass(&w, 100);
		if (w.tables[0].cancelled)
			world_end_sink(&w.tables[0], ERR_UNAVAILABLE);
		if (w.topics[0].closing)
			world_end_source(&w.topics[0], NULL);
	}
	assert_true(w.done);
	assert_true(w.now - began < 3000);
	assert_int_equal(w.result.code, ERR_FAILED);
	no_fault();
	w.fail_positions = false;
	world_kill(&w);
	w.options.until_caught_up = true;
	world_begin(&w);
	world_calm(&w);
	expect_complete();
}

static void
test_too_many_dead_letters(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		world_publish(&w.topics[0], UNDECODABLE, 0);
	w.options.max_dead_letters = 3;
	world_begin(&w);
	world_calm(&w);
	assert_true(w.done);
	assert_int_equal(w.result.code, ERR_REFUSED);
	statistics();
	assert_int_equal(s.set_aside, 4);
	no_fault();
}

static void
test_lost_position(void **state)
{
	static const struct {
		const char *name;
		enum on_lost_position policy;
		enum error_code result;
		uint32_t first; /* of the events still kept: 10 … 19 */
	} rows[] = {{"fail", ON_LOST_FAIL, ERR_POSITION, 20}, {"earliest", ON_LOST_EARLIEST, ERR_OK, 10},
	    {"latest", ON_LOST_LATEST, ERR_OK, 20}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bus_topic *t = &w.topics[0];

		world_release(&w);
		world_init(&w, 1, 1, 1);
		publish(20);
		t->has_position = true;
		t->position = (struct position){.kind = POSITION_AFTER, .replay_id = world_replay(t->events[4].replay)};
		t->retained_from = 10;
		t->required_from = rows[i].first;
		for (uint32_t j = 0; j < 10; j++) /* gone: not the engine's fault */
			t->events[j].stored = 1;
		w.options.until_caught_up = true;
		w.options.on_lost_position = rows[i].policy;
		world_begin(&w);
		if (rows[i].policy == ON_LOST_LATEST)
			for (uint32_t j = 10; j < 20; j++)
				t->events[j].stored = 1;
		world_calm(&w);
		world_check_all(&w);
		if (!w.done || w.result.code != rows[i].result || w.fault[0] != '\0')
			fail_msg("%s: done %d, %s, %s", rows[i].name, w.done, w.result.text, w.fault);
		statistics();
		if (s.gaps != (rows[i].policy != ON_LOST_FAIL) || s.stored != 20 - rows[i].first)
			fail_msg("%s: %lld gaps, %lld stored", rows[i].name, (long long)s.gaps, (long long)s.stored);
	}
}

static void
test_source_failures(void **state)
{
	static const struct {
		const char *name;
		enum error_code code;
		int64_t max_retries;
		int failures; /* that it takes to end the run; 0: never */
		enum error_code result;
	} rows[] = {{"stop", ERR_PERMISSION, -1, 1, ERR_PERMISSION}, {"for ever", ERR_UNAVAILABLE, -1, 0, ERR_OK},
	    {"three retries", ERR_UNAVAILABLE, 3, 4, ERR_UNAVAILABLE}, {"no retries", ERR_QUOTA, 0, 1, ERR_QUOTA},
	    {"sessions", ERR_SESSION, -1, 5, ERR_CREDENTIALS}, {"a new token costs no retry", ERR_SESSION, 0, 2, ERR_SESSION},
	    {"quota", ERR_QUOTA, -1, 0, ERR_OK},
	    {"data refused", ERR_REFUSED, -1, 0, ERR_OK}, {"in good order", ERR_OK, -1, 0, ERR_OK}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bus_topic *t = &w.topics[0];
		int failures = 0;

		world_release(&w);
		world_init(&w, 1, 1, 1);
		w.options.max_retries = rows[i].max_retries;
		world_begin(&w);
		for (int j = 0; j < 40 && !w.done; j++) {
			struct error why = ERROR_INIT;

			for (int k = 0; k < 8000 && !t->open && !w.done; k++)
				world_pass(&w, 1000);
			if (rows[i].code != ERR_OK)
				error_set(&why, rows[i].code, "trouble");
			world_end_source(t, &why);
			failures++;
			world_pass(&w, 0);
		}
		if (rows[i].failures == 0) {
			/* and then it works as if nothing had been */
			publish(3);
			for (int k = 0; k < 8000 && !t->open; k++)
				world_pass(&w, 1000);
			world_calm(&w);
			engine_stop(w.engine);
			world_calm(&w);
			world_check_all(&w);
		} else if (failures != rows[i].failures) {
			fail_msg("%s: ended after %d", rows[i].name, failures);
		}
		if (!w.done || w.result.code != rows[i].result || w.fault[0] != '\0')
			fail_msg("%s: done %d, %s, %s", rows[i].name, w.done, w.result.text, w.fault);
	}
}

static void
test_sink_failures(void **state)
{
	static const struct {
		const char *name;
		enum error_code code;
		int failures;
		enum error_code result;
	} rows[] = {{"stop", ERR_MISFIT, 1, ERR_MISFIT}, {"for ever", ERR_UNAVAILABLE, 0, ERR_OK},
	    {"sessions", ERR_SESSION, 5, ERR_CREDENTIALS}, {"refused before a row", ERR_REFUSED, 3, ERR_REFUSED}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int failures = 0;

		world_release(&w);
		world_init(&w, 1, 1, 1);
		publish(3);
		w.options.drain_timeout_ms = 1000;
		world_begin(&w);
		world_pass(&w, 0);
		world_deliver(&w.topics[0], 10);
		for (int j = 0; j < 40 && !w.done; j++) {
			for (int k = 0; k < 8000 && !w.tables[0].open && !w.done; k++)
				world_pass(&w, 100);
			if (!w.tables[0].open)
				break;
			world_end_sink(&w.tables[0], rows[i].code);
			failures++;
			world_pass(&w, 0);
			if (w.topics[0].closing)
				world_end_source(&w.topics[0], NULL);
		}
		if (rows[i].failures == 0) {
			world_calm(&w);
			engine_stop(w.engine);
		} else if (failures != rows[i].failures) {
			fail_msg("%s: ended after %d", rows[i].name, failures);
		}
		world_calm(&w);
		if (!w.done || w.result.code != rows[i].result || w.fault[0] != '\0')
			fail_msg("%s: done %d, %s, %s", rows[i].name, w.done, w.result.text, w.fault);
		/* what was not stored is the next run's */
		world_kill(&w);
		w.options.until_caught_up = true;
		world_begin(&w);
		world_calm(&w);
		world_check_all(&w);
		no_fault();
	}
}

static void
test_memory_is_bounded(void **state)
{
	(void)state;
	publish(1000);
	w.options.max_rows = 50;
	world_begin(&w);
	for (int i = 0; i < 200; i++) {
		world_pass(&w, 10);
		world_deliver(&w.topics[0], 1000); /* the sink never opens */
	}
	statistics();
	assert_int_equal(s.in_flight_rows, 50);
	assert_int_equal(w.topics[0].allowed, 0);
	world_end_source(&w.topics[0], NULL); /* for lack of credit */
	world_pass(&w, 60000);
	assert_false(w.topics[0].open); /* no use in opening it */
	world_calm(&w);
	statistics();
	assert_int_equal(s.stored, 1000);
	stop_and_end();
	expect_complete();
}

static void
test_large_events_pass_one_by_one(void **state)
{
	(void)state;
	publish(30);
	w.options.max_bytes = 10; /* less than any event */
	world_begin(&w);
	world_calm(&w);
	statistics();
	assert_int_equal(s.stored, 30);
	stop_and_end();
	expect_complete();
}

static void
test_silent_server(void **state)
{
	(void)state;
	publish(3);
	world_begin(&w);
	deliver_and_send();
	world_pass(&w, 57000);
	assert_false(w.tables[0].cancelled);
	world_pass(&w, 3000);
	assert_true(w.tables[0].cancelled);
	world_calm(&w);
	statistics();
	assert_int_equal(s.retries[RETRY_SINK_SILENT], 1);
	assert_int_equal(s.stored, 3);
	stop_and_end();
	expect_complete();
}

static void
test_close_signal(void **state)
{
	(void)state;
	publish(20);
	world_begin(&w);
	deliver_and_send();
	world_process(&w.tables[0]);
	w.tables[0].close_said = true;
	w.tables[0].to->closing(w.tables[0].context, 5000);
	world_acknowledge(&w.tables[0]);
	publish(20); /* must not go out on this stream: the world would say so */
	world_deliver(&w.topics[0], 100);
	world_pass(&w, 4000);
	assert_false(w.tables[0].finishing);
	world_pass(&w, 1500);
	assert_true(w.tables[0].finishing);
	world_end_sink(&w.tables[0], ERR_OK);
	world_calm(&w);
	statistics();
	assert_int_equal(s.stored, 40);
	assert_int_equal(s.retries[RETRY_SINK_CLOSING], 1);
	stop_and_end();
	expect_complete();
}

static void
test_backoff(void **state)
{
	static const struct {
		enum error_code code;
		unsigned failures;
		int64_t after_ms, least, most;
	} rows[] = {{ERR_UNAVAILABLE, 0, 0, 0, 1000}, {ERR_UNAVAILABLE, 3, 0, 0, 8000},
	    {ERR_UNAVAILABLE, 1000, 0, 0, 60000}, {ERR_OVERLOADED, 0, 0, 10000, 30000}, {ERR_QUOTA, 0, 0, 150000, 300000},
	    {ERR_QUOTA, 50, 0, 150000, 3600000}, {ERR_UNAVAILABLE, 0, 7000, 7000, 8000}};
	struct random random;

	(void)state;
	random_seed(&random, 5);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t least = INT64_MAX, most = 0;
		struct error why = {.code = rows[i].code, .retry_after_ms = rows[i].after_ms};

		for (int j = 0; j < 1000; j++) {
			int64_t ms = backoff_delay(&why, rows[i].failures, BACKOFF_FIRST_MS, BACKOFF_LAST_MS, &random);

			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
		}
		if (least < rows[i].least || most > rows[i].most || most < rows[i].most / 2)
			fail_msg("row %zu: %lld … %lld", i, (long long)least, (long long)most);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_dead_letters_cannot_be_stored),
	    TEST(test_positions_cannot_be_stored),
	    TEST(test_full_disk_ends_soon),
	    TEST(test_too_many_dead_letters),
	    TEST(test_lost_position),
	    TEST(test_source_failures),
	    TEST(test_sink_failures),
	    TEST(test_memory_is_bounded),
	    TEST(test_large_events_pass_one_by_one),
	    TEST(test_silent_server),
	    TEST(test_close_signal),
	    TEST(test_backoff),
	};

	world_silence();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

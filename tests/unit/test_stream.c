/* The engine's guarantees, one scenario each, in the small world of stream_world.h with the clock turned by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream/backoff.h"
#include "stream_scenario.h"

static int
begin_world(void **state)
{
	(void)state;
	world_init(&w, 1, 1, 1);
	return 0;
}

static void
publish(uint32_t n)
{
	while (n-- > 0)
		world_publish(&w.topics[0], SOUND, 0);
}

static void
statistics(void)
{
	engine_statistics(w.engine, &s);
}

static void
stop_and_end(void)
{
	engine_stop(w.engine);
	world_calm(&w);
	assert_true(w.done);
	no_fault();
}

/* Delivers all and sends it; the server has not answered. */
static void
deliver_and_send(void)
{
	world_pass(&w, 0);
	world_deliver(&w.topics[0], 1000);
	for (int i = 0; i < 20; i++) {
		world_pass(&w, 100);
		world_announce(&w.tables[0]);
		world_unblock(&w.tables[0]);
	}
	assert_true(w.tables[0].sent > 0);
}

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
	w.options.max_retries = 2;
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_world, end_world)

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
	    TEST(test_published_twice),
	    TEST(test_published_twice_around_a_restart),
	    TEST(test_two_topics_hold_it),
	    TEST(test_one_id_twice),
	    TEST(test_one_topic_several_tables),
	    TEST(test_tables_take_their_time),
	    TEST(test_router),
	    TEST(test_stop),
	    TEST(test_caught_up_by_silence),
	    TEST(test_number_of_events),
	    TEST(test_keepalive),
	    TEST(test_from_the_tip),
	    TEST(test_from_a_time),
	    TEST(test_left_out),
	    TEST(test_no_table_at_the_tip),
	    TEST(test_settled_record_costs_no_look_up),
	    TEST(test_backoff),
	};

	world_silence();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* stream/stores: the engine's stores over a real profile, as the next run finds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "stream/stores.h"

static bool
is_complete(void *context, const struct dead_letter *l)
{
	*(bool *)context = text_is(l->org_id, "00D000000000001") && text_is(l->topic, "/data/A") &&
	    text_is(l->table, "c.s.{entity}") && l->set_aside_ms > 0 && l->attempts == 1;
	return true;
}

static void
test_stores(void **state)
{
	char home[] = "/tmp/sfzb-stores-XXXXXX";
	struct error e = ERROR_INIT;
	struct stores s = {.clock = &clock_system, .org_id = "00D000000000001", .table = "c.s.{entity}"};
	static const struct fingerprint passed[2] = {{1, 2}, {3, 4}};
	const struct position_update updates[2] = {
	    {"/data/A", {.replay_id = {.len = 1, .bytes = {1}}, .in_flight = 9}, passed, 2},
	    {"/data/B", {.kind = POSITION_EARLIEST, .in_flight = INT64_MAX}, NULL, 0}};
	const char *const topics[2] = {"/data/A", "/data/B"};
	bool goes_on[2] = {true, true};
	struct recent_memory recent;
	const struct dead_letter letter = {.topic = text_of("/data/A"), .event_id = text_of("e"),
	    .code = ERR_REFUSED, .reason = text_of("no row")};
	struct position_key key = {s.org_id, "/data/B", s.table};
	struct position_lock *locks[2];
	struct position_store positions;
	struct letter_store letters;
	struct position found;
	bool complete = false;

	(void)state;
	assert_non_null(mkdtemp(home));
	setenv("SFZB_HOME", home, 1);
	s.profile = profile_open("p", &e);
	assert_int_equal(profile_make_directory(s.profile, NULL, &e), 0);
	s.positions = positions_open(profile_path(s.profile, "replay.db"), NULL, &e);
	assert_non_null(s.positions);
	for (int i = 0; i < 2; i++) {
		locks[i] = positions_lock(profile_directory(s.profile), &(struct position_key){s.org_id, topics[i], s.table}, &e);
		assert_non_null(locks[i]);
	}
	s.locks = locks;
	s.lock_count = 2;
	positions = stores_positions(&s);
	letters = stores_letters(&s);
	assert_int_equal(positions.store(positions.context, updates, 2, &e), 0);
	assert_int_equal(positions_find(s.positions, &key, &found, &e), 0);
	assert_true(found.kind == POSITION_EARLIEST && found.in_flight == INT64_MAX && found.stored_ms > 0);
	assert_int_equal(positions_lock_noted_ms(locks[1]), found.stored_ms);
	assert_int_equal(stores_recall(&s, topics, goes_on, 2, &recent, &e), 0);
	assert_int_equal(recent.count, 2);
	assert_memory_equal(recent.known, passed, sizeof(passed));
	stores_recall_release(&recent);
	goes_on[0] = false; /* a run that begins elsewhere, so that the one after it must not know either */
	assert_int_equal(stores_recall(&s, topics, goes_on, 2, &recent, &e), 0);
	stores_recall_release(&recent);
	goes_on[0] = true;
	assert_int_equal(stores_recall(&s, topics, goes_on, 2, &recent, &e), 0);
	assert_int_equal(recent.count, 0);
	stores_recall_release(&recent);
	assert_false(dead_letters_exist(s.profile)); /* none came, none made */
	assert_int_equal(letters.store(letters.context, &letter, 1, &e), 0);
	assert_int_equal(dead_letters_each(s.dead_letters, NULL, is_complete, &complete, &e), 0);
	assert_true(complete);
	stores_release(&s);
	positions_free(s.positions);
	positions_unlock(locks[0]);
	positions_unlock(locks[1]);
	profile_free(s.profile);
	assert_int_equal(scratch_remove(home), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_stores)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

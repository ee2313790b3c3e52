/* What most scenarios of the engine share: a world with one topic and one table, and what is often done in it. Behind cmocka. */
#ifndef SFZB_TESTS_ONE_TOPIC_H
#define SFZB_TESTS_ONE_TOPIC_H

#include "stream_scenario.h"

static inline int
begin_world(void **state)
{
	(void)state;
	world_init(&w, 1, 1, 1);
	return 0;
}

static inline void
publish(uint32_t n)
{
	while (n-- > 0)
		world_publish(&w.topics[0], SOUND, 0);
}

static inline void
statistics(void)
{
	engine_statistics(w.engine, &s);
}

static inline void
stop_and_end(void)
{
	engine_stop(w.engine);
	world_calm(&w);
	assert_true(w.done);
	no_fault();
}

/* Delivers all and sends it; the server has not answered. */
static inline void
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_world, end_world)

#endif

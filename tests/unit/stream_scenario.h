/* What the scenarios of one world share: the world, its end, and what must hold then. Included once, behind cmocka. */
#ifndef SFZB_TESTS_STREAM_SCENARIO_H
#define SFZB_TESTS_STREAM_SCENARIO_H

#include "stream_world.h"

static struct world w;
static struct engine_statistics s;

static int
end_world(void **state)
{
	(void)state;
	world_release(&w);
	return 0;
}

static void
no_fault(void)
{
	if (w.fault[0] != '\0')
		fail_msg("%s", w.fault);
}

/* Everything that was published is in the table or set aside, and the run ended well. */
static void
expect_complete(void)
{
	world_check_all(&w);
	no_fault();
	assert_true(w.done);
	assert_int_equal(w.result.code, ERR_OK);
	assert_int_equal(w.topics[0].position.in_flight, 0);
}

#endif

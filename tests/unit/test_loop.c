/* rpc/: the loop, its timers, posts, workers and signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "rpc/loop.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 60000

/* A clock turned by hand. */
static int64_t hand_ms;

static int64_t
hand(void *context)
{
	(void)context;
	return hand_ms;
}

static const struct clock hand_clock = {.monotonic_ms = hand, .wall_ms = hand};

static void
wait_for(struct loop *l, const bool *flag)
{
	int64_t end = clock_monotonic_ms(&clock_system) + PATIENCE_MS;

	while (!*flag && clock_monotonic_ms(&clock_system) < end)
		loop_step(l, 100);
	assert_true(*flag);
}

/* Timers. */

static char fired[64];

static void
fire(void *context)
{
	strcat(fired, context);
}

static void
test_timers(void **state)
{
	struct loop *l;
	struct loop_timer t[5] = {0};
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	static const int64_t delays[] = {50, 10, 30, 20, 40};

	(void)state;
	hand_ms = 1000;
	l = loop_new(&hand_clock);
	fired[0] = '\0';
	for (size_t i = 0; i < 5; i++)
		loop_timer_start(l, &t[i], delays[i], fire, (void *)names[i]);
	assert_false(loop_step(l, 0));
	hand_ms += 9;
	assert_false(loop_step(l, 0));
	hand_ms += 1;
	assert_true(loop_step(l, 0));
	assert_string_equal(fired, "b");
	assert_false(loop_timer_is_running(&t[1]));
	loop_timer_stop(l, &t[2]);
	loop_timer_start(l, &t[3], 100, fire, (void *)names[3]); /* moved */
	hand_ms += 60;
	loop_step(l, 0);
	assert_string_equal(fired, "bea");
	hand_ms += 60;
	loop_step(l, 0);
	assert_string_equal(fired, "bead");
	loop_free(l);
}

/* Many timers in an order that a small generator makes: they fire sorted. */
struct many {
	struct loop_timer timer;
	int64_t due;
};
static int64_t last_due;
static size_t many_fired;

static void
fire_many(void *context)
{
	struct many *m = context;

	assert_true(m->due >= last_due);
	last_due = m->due;
	many_fired++;
}

static void
test_timer_heap(void **state)
{
	static struct many many[1000];
	struct loop *l;
	uint32_t x = 7;

	(void)state;
	hand_ms = 0;
	last_due = 0;
	many_fired = 0;
	l = loop_new(&hand_clock);
	for (size_t i = 0; i < COUNT(many); i++) {
		x = x * 1664525 + 1013904223;
		many[i].due = (x >> 8) % 500;
		loop_timer_start(l, &many[i].timer, many[i].due, fire_many, &many[i]);
	}
	for (size_t i = 0; i < COUNT(many); i += 3)
		loop_timer_stop(l, &many[i].timer);
	for (; hand_ms < 600; hand_ms++)
		loop_step(l, 0);
	assert_int_equal(many_fired, 666);
	loop_free(l);
}

/* Posts. */

struct posting {
	struct loop *loop;
	int got, wanted;
	bool done, ordered;
};
struct post_item {
	struct posting *p;
	int thread, number;
};
static int last_number[4];

static void
take_post(void *context)
{
	struct post_item *item = context;

	if (item->number != last_number[item->thread] + 1)
		item->p->ordered = false;
	last_number[item->thread] = item->number;
	item->p->done = ++item->p->got == item->p->wanted;
	free(item);
}

static void *
post_many(void *context)
{
	struct post_item *seed = context;

	for (int i = 1; i <= 5000; i++) {
		struct post_item *item = memory_alloc(sizeof(*item));

		*item = *seed;
		item->number = i;
		loop_post(seed->p->loop, take_post, item);
	}
	return NULL;
}

static void
test_posts(void **state)
{
	struct posting p = {.wanted = 20000, .ordered = true};
	struct post_item seeds[4];
	pthread_t threads[4];

	(void)state;
	p.loop = loop_new(&clock_system);
	for (int i = 0; i < 4; i++) {
		last_number[i] = 0;
		seeds[i] = (struct post_item){.p = &p, .thread = i};
		pthread_create(&threads[i], NULL, post_many, &seeds[i]);
	}
	wait_for(p.loop, &p.done);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(p.ordered);
	loop_free(p.loop);
}

/* Workers. */

static char worked[32], finished[32];

static void
work_job(void *context)
{
	strcat(worked, context);
}

static void
done_job(void *context)
{
	strcat(finished, context);
}

static void
test_worker(void **state)
{
	struct loop *l = loop_new(&clock_system);
	struct worker *w = worker_new(l, "test");
	int64_t end;

	(void)state;
	worked[0] = finished[0] = '\0';
	worker_submit(w, work_job, done_job, (void *)"1");
	worker_submit(w, work_job, done_job, (void *)"2");
	worker_submit(w, work_job, NULL, (void *)"3");
	worker_submit(w, work_job, done_job, (void *)"4");
	end = clock_monotonic_ms(&clock_system) + PATIENCE_MS;
	while (strlen(finished) < 3 && clock_monotonic_ms(&clock_system) < end)
		loop_step(l, 100);
	assert_string_equal(worked, "1234");
	assert_string_equal(finished, "124");
	worker_free(w);
	loop_free(l);
}

/* The job ends when the thread that frees its worker sleeps, waiting for it. */
struct gate {
	pid_t waiter;
	atomic_bool entered, freeing;
};
static struct gate gate;

static bool
sleeps(pid_t thread)
{
	char path[64], state = 'R';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
	f = fopen(path, "r");
	if (f == NULL || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		abort();
	fclose(f);
	return state == 'S';
}

static void
work_gate(void *context)
{
	(void)context;
	atomic_store(&gate.entered, true);
	while (!atomic_load(&gate.freeing) || !sleeps(gate.waiter))
		usleep(1000);
}

static void
test_worker_free(void **state)
{
	struct loop *l = loop_new(&clock_system);
	struct worker *w = worker_new(l, "test");

	(void)state;
	worked[0] = finished[0] = '\0';
	gate.waiter = gettid();
	worker_submit(w, work_gate, done_job, (void *)"gate");
	worker_submit(w, work_job, done_job, (void *)"never");
	while (!atomic_load(&gate.entered))
		usleep(1000);
	atomic_store(&gate.freeing, true);
	worker_free(w);
	assert_string_equal(finished, "gate");
	assert_string_equal(worked, "");
	loop_step(l, 0);
	loop_free(l);
}

/* Signals. */

static int signals_seen;

static void
on_signal(void *context, int number)
{
	assert_int_equal(number, SIGTERM);
	if (++signals_seen == 2)
		loop_stop(context);
}

static void
test_signals(void **state)
{
	struct loop *l;

	(void)state;
	l = loop_new(&clock_system);
	loop_signals_handle(l, on_signal, l);
	kill(getpid(), SIGTERM);
	while (signals_seen < 1)
		loop_step(l, 100);
	kill(getpid(), SIGTERM);
	loop_run(l);
	assert_int_equal(signals_seen, 2);
	loop_free(l);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_timers),
	    cmocka_unit_test(test_timer_heap),
	    cmocka_unit_test(test_posts),
	    cmocka_unit_test(test_worker),
	    cmocka_unit_test(test_worker_free),
	    cmocka_unit_test(test_signals),
	};

	loop_signals_block();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

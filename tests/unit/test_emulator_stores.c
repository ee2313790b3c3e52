/* emulator/bus and emulator/sql_warehouse: what several threads ask of them, and how long a warehouse remembers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "base/json.h"
#include "base/memory.h"
#include "emulator/bus.h"
#include "emulator/sql_warehouse.h"
#include "lakehouse_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HOUR_MS 3600000LL

static _Atomic int64_t time_ms = 1790000000000;

static int64_t
given_time(void *context)
{
	(void)context;
	return time_ms;
}

static const struct clock given_clock = {.wall_ms = given_time, .monotonic_ms = given_time};

/* ---- the bus's listener ---- */

struct listener {
	sem_t entered, go;
	atomic_bool ended;
};

static void
listen(void *context)
{
	struct listener *l = context;

	sem_post(&l->entered);
	sem_wait(&l->go);
	l->ended = true;
}

static void *
publish(void *bus)
{
	struct bus_event v = {.id = "e-1", .schema_id = "s", .payload = text_of("x")};
	struct error e = ERROR_INIT;

	return (void *)(intptr_t)bus_publish(bus, &v, 1, &e);
}

struct change {
	struct bus *bus;
	struct listener *listener;
	bool had_ended;
};

static void *
take_listener_away(void *context)
{
	struct change *c = context;

	bus_set_listener(c->bus, NULL, NULL);
	c->had_ended = c->listener->ended;
	return NULL;
}

/* Whoever takes a listener away frees what it looks at next. */
static void
test_a_listener_taken_away_has_ended(void **state)
{
	char *path = memory_format("%s/bus.db", directory);
	struct error e = ERROR_INIT;
	struct bus *b = bus_open(&(struct bus_options){.path = path, .retention_ms = HOUR_MS, .clock = &clock_system}, &e);
	struct listener l = {.ended = false};
	struct change c = {.bus = b, .listener = &l};
	pthread_t publisher, changer;
	void *rc;

	(void)state;
	assert_non_null(b);
	sem_init(&l.entered, 0, 0);
	sem_init(&l.go, 0, 0);
	bus_set_listener(b, listen, &l);
	assert_int_equal(pthread_create(&publisher, NULL, publish, b), 0);
	sem_wait(&l.entered);
	assert_int_equal(pthread_create(&changer, NULL, take_listener_away, &c), 0);
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* for a listener that is not waited for to show it */
	sem_post(&l.go);
	pthread_join(changer, NULL);
	pthread_join(publisher, &rc);
	assert_int_equal((intptr_t)rc, 0);
	assert_true(c.had_ended);
	assert_null(publish(b)); /* nobody hears of it */
	assert_int_equal(bus_published(b), 2);
	bus_close(b);
	sem_destroy(&l.entered);
	sem_destroy(&l.go);
	free(path);
}

/* ---- the warehouse ---- */

/* Submits; the state in the answer, and the statement's id. */
static void
submit(struct warehouse *w, const char *statement, int64_t wait_ms, char id[UUID_SIZE], char said[16])
{
	struct buffer answer = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct json *j;

	warehouse_submit(w, &(struct spark_request){.statement = statement}, wait_ms, false, &answer);
	j = json_parse(buffer_span(&answer), &e);
	assert_non_null(j);
	snprintf(id, UUID_SIZE, "%s", json_find_string(j, "statement_id"));
	snprintf(said, 16, "%s", json_find_string(json_find(j, "status"), "state"));
	json_free(j);
	buffer_release(&answer);
}

/* "SUCCEEDED", …; "" when there is no such statement. */
static void
poll_state(struct warehouse *w, const char *id, char said[16])
{
	struct buffer answer = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct json *j = NULL;

	*said = '\0';
	if (warehouse_poll(w, id, &answer)) {
		j = json_parse(buffer_span(&answer), &e);
		assert_non_null(j);
		snprintf(said, 16, "%s", json_find_string(json_find(j, "status"), "state"));
	}
	json_free(j);
	buffer_release(&answer);
}

/* Results for an hour, what became of a statement for twelve, by wire/databricks-http.md §6: also the newest's. */
static void
test_statements_are_forgotten(void **state)
{
	static const struct {
		const char *name;
		int64_t later_ms;
		const char *good, *bad; /* states of a SELECT and of a statement that failed */
		int chunk;		/* what warehouse_chunk says of the first's */
	} rows[] = {
	    {"at once", 0, "SUCCEEDED", "FAILED", 1},
	    {"nearly an hour", HOUR_MS - 1000, "SUCCEEDED", "FAILED", 1},
	    {"over an hour", 2000, "CLOSED", "FAILED", -1},
	    {"nearly twelve", 11 * HOUR_MS - 2000, "CLOSED", "FAILED", -1},
	    {"over twelve", 2000, "", "", 0},
	};
	struct warehouse *w = warehouse_open(&(struct warehouse_options){.lakehouse = lakehouse, .clock = &given_clock});
	char good[UUID_SIZE], bad[UUID_SIZE], said[16];

	(void)state;
	submit(w, "SELECT nothing FROM nowhere", HOUR_MS, bad, said);
	assert_string_equal(said, "FAILED");
	submit(w, "SELECT 1", HOUR_MS, good, said);
	assert_string_equal(said, "SUCCEEDED");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buffer chunk = BUFFER_INIT;
		char other[16];

		time_ms += rows[i].later_ms;
		poll_state(w, good, said);
		poll_state(w, bad, other);
		if (strcmp(said, rows[i].good) != 0 || strcmp(other, rows[i].bad) != 0 ||
		    warehouse_chunk(w, good, 0, &chunk) != rows[i].chunk)
			fail_msg("%s: \"%s\" and \"%s\"", rows[i].name, said, other);
		buffer_release(&chunk);
	}
	warehouse_close(w);
}

struct waiter {
	struct warehouse *warehouse;
	char said[16];
};

static void *
wait_for_answer(void *context)
{
	struct waiter *t = context;
	char id[UUID_SIZE];

	submit(t->warehouse, "SELECT 1", HOUR_MS, id, t->said);
	return NULL;
}

/* A server that is stopped waits for its requests, and one of them may wait for a warehouse that is not up yet. */
static void
test_the_end_answers_who_waits(void **state)
{
	struct waiter t = {.warehouse = warehouse_open(&(struct warehouse_options){
			       .lakehouse = lakehouse, .clock = &clock_system, .start_ms = HOUR_MS})};
	char id[UUID_SIZE], said[16];
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, wait_for_answer, &t), 0);
	while (warehouse_statements(t.warehouse) == 0)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	warehouse_end(t.warehouse);
	pthread_join(thread, NULL);
	assert_string_equal(t.said, "CANCELED");
	submit(t.warehouse, "SELECT 1", HOUR_MS, id, said);
	assert_string_equal(said, "FAILED"); /* it takes no more */
	warehouse_close(t.warehouse);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_listener_taken_away_has_ended),
	    cmocka_unit_test(test_statements_are_forgotten), cmocka_unit_test(test_the_end_answers_who_waits)};

	return cmocka_run_group_tests(tests, lakehouse_set_up, lakehouse_tear_down);
}

/*
 * The engine driven through random interleavings of everything that its ports can do, with deaths at any point,
 * against the rules of stream_world.h. SFZB_MODEL_STEPS sets how long (default 200000), SFZB_MODEL_SEED where it
 * begins; a failure prints the seed of its world, which alone brings it back:
 *     SFZB_MODEL_SEED=… SFZB_MODEL_STEPS=1 make check-unit UNIT=test_stream_model
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream_world.h"

#define STEPS_A_WORLD 2000

struct rates { /* out of 1000 steps */
	unsigned flawed, repeated, kill, break_source, break_sink, refuse_find, close_signal, stop;
};

static int64_t
environment(const char *name, int64_t otherwise)
{
	const char *s = getenv(name);

	return s != NULL && *s != '\0' ? strtoll(s, NULL, 10) : otherwise;
}

static bool
chance(struct world *w, unsigned per_thousand)
{
	return random_below(&w->random, 1000) < per_thousand;
}

static void
publish_some(struct world *w, const struct rates *r)
{
	struct bus_topic *t = &w->topics[random_below(&w->random, w->topic_count)];

	for (uint64_t n = random_below(&w->random, 6); n > 0 && t->count < EVENTS_MAX - 1; n--) {
		enum flaw flaw = chance(w, r->flawed) ? (enum flaw)(1 + random_below(&w->random, 3)) : SOUND;

		if (random_below(&w->random, 10) == 0)
			t->next_replay += random_below(&w->random, 5); /* other orgs' events */
		/* of a chosen id, published twice and held by two topics, the table cannot tell which copy it has */
		if (t->count > 0 && !(w->shared && w->any_chosen) && chance(w, r->repeated))
			world_publish_again(t, t->count - 1 - (uint32_t)random_below(&w->random, t->count < 3 ? t->count : 3));
		else
			world_publish(t, flaw, (int)random_below(&w->random, w->table_count));
		if (t->chosen_ids && t->count > 5 && random_below(&w->random, 20) == 0)
			t->events[t->count - 1].id_of = t->count - 2 - (uint32_t)random_below(&w->random, 4);
		if (w->shared && random_below(&w->random, 2) == 0)
			world_publish_through(t, t->count - 1, &w->topics[random_below(&w->random, w->topic_count)]);
	}
}

static enum error_code
some_trouble(struct world *w)
{
	static const enum error_code codes[] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, ERR_OVERLOADED, ERR_QUOTA, ERR_OK,
	    ERR_SESSION};

	return codes[random_below(&w->random, sizeof(codes) / sizeof(codes[0]))];
}

static void
trouble_source(struct world *w, struct bus_topic *t)
{
	struct error why = ERROR_INIT;
	enum error_code code = some_trouble(w);

	/* five in a row without data end a run, as they should; that has its own test */
	if (code != ERR_OK && code != ERR_SESSION)
		error_set(&why, code, "trouble");
	world_end_source(t, &why);
}

static void
trouble_sink(struct world *w, struct bus_table *b)
{
	enum error_code code = some_trouble(w);

	if (!b->open)
		return;
	for (uint64_t n = random_below(&w->random, b->sent - b->processed + 1); n > 0; n--)
		world_process(b);
	world_end_sink(b, code == ERR_SESSION ? ERR_OK : code);
}

static void
act_on_table(struct world *w, struct bus_table *b, const struct rates *r)
{
	if (chance(w, r->break_sink)) {
		trouble_sink(w, b);
	} else if (chance(w, r->close_signal) && b->open && b->announced && !b->close_said && !b->cancelled &&
	    !b->finishing) {
		b->close_said = true;
		b->to->closing(b->context, (int64_t)random_below(&w->random, 3000));
	} else if (b->open && b->refused && random_below(&w->random, 2) == 0) {
		world_end_sink(b, ERR_REFUSED); /* what lies before the refused batch may be stored and not acknowledged */
	} else if (b->asked && random_below(&w->random, 2) == 0) {
		world_answer(b, !chance(w, r->refuse_find));
	} else {
		switch (random_below(&w->random, 5)) {
		case 0:
			world_announce(b);
			break;
		case 1:
			world_unblock(b);
			break;
		case 2:
			if (b->open)
				world_process(b);
			break;
		case 3:
			world_acknowledge(b);
			break;
		default:
			world_serve_sink(b);
		}
	}
}

static void
act(struct world *w, const struct rates *r)
{
	struct bus_topic *t = &w->topics[random_below(&w->random, w->topic_count)];

	switch (random_below(&w->random, 12)) {
	case 0:
	case 1:
		publish_some(w, r);
		break;
	case 2:
	case 3:
	case 4:
		world_deliver(t, (uint32_t)random_below(&w->random, 20));
		break;
	case 5:
		world_idle(t, random_below(&w->random, 2) == 0);
		break;
	case 6:
		world_pass(w, (int64_t)random_below(&w->random, 100));
		break;
	case 7:
		world_pass(w, random_below(&w->random, 10) == 0 ? (int64_t)random_below(&w->random, 90000) : 1);
		break;
	default:
		act_on_table(w, &w->tables[random_below(&w->random, w->stream_count)], r);
	}
	if (chance(w, 100))
		world_prepare_route(w);
	if (chance(w, r->break_source))
		trouble_source(w, t);
	/* the engine is told late as often as in time */
	if (!w->done && w->timer_ms <= w->now && random_below(&w->random, 2) == 0)
		world_tick(w);
}

static void
draw_world(struct world *w, struct rates *r, uint64_t seed)
{
	struct random draw;

	random_seed(&draw, seed);
	world_init(w, seed, 1 + random_below(&draw, 3), 1 + random_below(&draw, 2));
	w->by_entity = w->table_count > 1;
	w->can_find = random_below(&draw, 5) != 0;
	w->options.batch_rows = 1 + random_below(&draw, 20);
	w->options.batch_bytes = random_below(&draw, 3) == 0 ? 60 : 100000;
	w->options.linger_ms = (int64_t)random_below(&draw, 60);
	w->options.max_rows = 5 + random_below(&draw, 200);
	w->options.max_bytes = random_below(&draw, 3) == 0 ? 3000 : 1000000;
	w->options.find_rows = 1 + random_below(&draw, 40);
	w->options.position_interval_ms = (int64_t)random_below(&draw, 400);
	w->options.position_events = 1 + (int64_t)random_below(&draw, 100);
	w->options.ack_timeout_ms = 5000;
	if (random_below(&draw, 2) == 0)
		world_open_streams(w, 2 + random_below(&draw, STREAMS_MAX - 1));
	for (size_t i = 0; i < w->stream_count; i++)
		w->tables[i].sink.visibility_ms = i >= w->table_count ? w->tables[i % w->table_count].sink.visibility_ms :
		    random_below(&draw, 2) == 0			      ? 0 :
									(int64_t)random_below(&draw, 8000);
	for (size_t i = 0; i < w->topic_count; i++)
		w->topics[i].at_tip = random_below(&draw, 4) == 0;
	*r = (struct rates){
	    .flawed = random_below(&draw, 3) == 0 ? 60 : 3,
	    .repeated = random_below(&draw, 2) == 0 ? 0 : 60,
	    .kill = random_below(&draw, 3) == 0 ? 0 : (unsigned)random_below(&draw, 20),
	    .break_source = (unsigned)random_below(&draw, 30),
	    .break_sink = (unsigned)random_below(&draw, 60),
	    .refuse_find = (unsigned)random_below(&draw, 300),
	    .close_signal = (unsigned)random_below(&draw, 60),
	    .stop = (unsigned)random_below(&draw, 6),
	};
	for (size_t i = 0; i < w->topic_count; i++)
		w->any_chosen |= w->topics[i].chosen_ids = random_below(&draw, 3) == 0;
	w->routes_late = random_below(&draw, 3) == 0;
	w->shared = w->topic_count > 1 && random_below(&draw, 3) == 0;
}

static void
run_world(uint64_t seed, int64_t *totals)
{
	struct world w;
	struct rates r;
	int step, letters_full_until = 0, positions_full_until = 0;

	draw_world(&w, &r, seed);
	world_begin(&w);
	for (step = 0; step < STEPS_A_WORLD && w.fault[0] == '\0'; step++) {
		if (chance(&w, 4)) { /* the disk is full for a while */
			letters_full_until = step + (int)random_below(&w.random, 100);
			positions_full_until = step + (int)random_below(&w.random, 30);
		}
		w.fail_letters = step < letters_full_until;
		w.fail_positions = step < positions_full_until;
		act(&w, &r);
		if (chance(&w, r.stop))
			engine_stop(w.engine);
		if (w.done || chance(&w, r.kill)) {
			world_kill(&w);
			world_pass(&w, (int64_t)random_below(&w.random, 20000));
			world_begin(&w);
			totals[0]++;
		}
	}
	w.fail_letters = w.fail_positions = false;
	/* then all goes well: a last run takes everything */
	for (int i = 0; i < 2 && w.fault[0] == '\0'; i++) {
		world_kill(&w);
		w.options.until_caught_up = true;
		for (size_t j = 0; j < w.topic_count; j++)
			w.topics[j].keepalive = 0;
		world_begin(&w);
		world_calm(&w);
		if (!w.done)
			WORLD_FAULT(&w, "the last run does not end");
		else if (w.result.code != ERR_OK)
			WORLD_FAULT(&w, "the last run ends with: %s", w.result.text);
	}
	if (w.fault[0] == '\0')
		world_check_all(&w);
	for (size_t j = 0; j < w.topic_count && w.fault[0] == '\0'; j++)
		if (w.topics[j].has_position && w.topics[j].position.in_flight != 0)
			WORLD_FAULT(&w, "%s: a clean end leaves %lld in flight", w.topics[j].name,
			    (long long)w.topics[j].position.in_flight);
	for (size_t j = 0; j < w.topic_count; j++)
		totals[1] += w.topics[j].count;
	world_release(&w);
	if (w.fault[0] != '\0')
		fail_msg("SFZB_MODEL_SEED=%llu: step %d, run %u: %s", (unsigned long long)seed, step, w.runs, w.fault);
}

static void
test_model(void **state)
{
	int64_t steps = environment("SFZB_MODEL_STEPS", 200000), totals[2] = {0, 0};
	uint64_t seed = (uint64_t)environment("SFZB_MODEL_SEED", 1), worlds = 0;

	(void)state;
	world_silence();
	for (; steps > 0; steps -= STEPS_A_WORLD, worlds++)
		run_world(seed + worlds, totals);
	print_message("%llu worlds, %lld runs begun again, %lld events\n", (unsigned long long)worlds,
	    (long long)totals[0], (long long)totals[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

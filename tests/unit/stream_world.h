/*
 * A small world for the engine: a bus of topics, tables with servers in front of them, a store of positions and dead
 * letters, and a clock. The engine's ports lead here; a test moves the world by hand, step by step, and the world
 * checks at every step what must always hold:
 *   - a stored position has nothing behind it that is not durable;
 *   - the events sent beyond a stored position are no more than its in_flight;
 *   - a table never holds an event twice, and holds each topic in order (when there is a look-up), or with several
 *     ingest streams to it each record's changes;
 *   - no more events are held than the limit allows.
 * A broken rule is put into world.fault; the first one stays.
 */
#ifndef SFZB_TESTS_STREAM_WORLD_H
#define SFZB_TESTS_STREAM_WORLD_H

#include "stream_world_sink.h"

static inline void
world_timer(void *context, int64_t at_ms)
{
	((struct world *)context)->timer_ms = at_ms;
}

static inline void
world_done(void *context, const struct error *result)
{
	struct world *w = context;

	w->done = true;
	w->result = *result;
}

static inline int
world_route(void *context, const char *topic, struct text entity, struct sink **sink, struct error *e)
{
	struct world *w = context;
	char number[16];

	(void)topic;
	if (w->route_error.code != ERR_OK) {
		*e = w->route_error;
		return -1;
	}
	snprintf(number, sizeof(number), TEXT_FORMAT, TEXT_ARGS(entity));
	*sink = &w->tables[w->by_entity ? atoi(number) : 0].sink;
	return 0;
}

static inline bool
world_is_routed(void *context, const char *topic, struct text entity)
{
	struct world *w = context;
	char number[16];
	int table;

	(void)topic;
	snprintf(number, sizeof(number), TEXT_FORMAT, TEXT_ARGS(entity));
	table = w->by_entity ? atoi(number) : 0;
	if (w->routes_late && !w->route_ready[table] && w->route_under_way == 0)
		w->route_under_way = 1 + table;
	return !w->routes_late || w->route_ready[table];
}

static inline bool
world_prepare_route(struct world *w)
{
	if (w->route_under_way == 0 || w->engine == NULL)
		return false;
	w->route_ready[w->route_under_way - 1] = true;
	w->route_under_way = 0;
	engine_routed(w->engine);
	return true;
}

static inline void
world_init(struct world *w, uint64_t seed, size_t topics, size_t tables)
{
	memset(w, 0, sizeof(*w));
	w->now = 1000;
	w->clock = (struct clock){.monotonic_ms = world_monotonic, .wall_ms = world_wall, .context = w};
	random_seed(&w->random, seed);
	engine_options_init(&w->options);
	w->options.batch_rows = 8;
	w->topic_count = topics;
	w->table_count = w->stream_count = tables;
	w->can_find = true;
	w->timer_ms = INT64_MAX;
	for (int i = 0; i < 4; i++)
		w->recent_key[i] = random_next(&w->random);
	for (size_t i = 0; i < topics; i++) {
		struct bus_topic *t = &w->topics[i];

		t->world = w;
		t->events = memory_zero(EVENTS_MAX, sizeof(*t->events));
		t->next_replay = 1000;
		snprintf(t->name, sizeof(t->name), "/data/T%zu", i);
		t->source = (struct source){.ops = &world_source_ops, .topic = t->name};
	}
	for (size_t i = 0; i < tables; i++) {
		struct bus_table *b = &w->tables[i];

		b->world = w;
		b->first = b;
		snprintf(b->name, sizeof(b->name), "main.crm.t%zu", i);
		b->sink = (struct sink){.ops = &world_sink_ops, .table = b->name, .visibility_ms = 0};
	}
}

/* More than one ingest stream to each table. Before world_begin. */
static inline void
world_open_streams(struct world *w, size_t streams)
{
	for (; w->stream_count < w->table_count * streams; w->stream_count++) {
		struct bus_table *before = &w->tables[w->stream_count - w->table_count];
		struct bus_table *b = &w->tables[w->stream_count];

		*b = *before;
		before->sink.next = &b->sink;
		b->sink.table = b->name;
	}
}

static inline void
world_release(struct world *w)
{
	engine_free(w->engine);
	for (size_t i = 0; i < w->topic_count; i++)
		free(w->topics[i].events);
	free(w->recent);
}

/* Begins a run as commands/stream.c does: the stored position, else the tip or the earliest. */
static inline void
world_begin(struct world *w)
{
	struct engine_setup setup = {
	    .options = &w->options,
	    .clock = &w->clock,
	    .random = &w->random,
	    .host = {.timer = world_timer, .done = world_done, .context = w},
	    .positions = {.store = world_store_positions, .context = w},
	    .letters = {.store = world_store_letters, .context = w},
	    .router = {.route = world_route, .is_ready = world_is_routed, .by_entity = w->by_entity, .context = w},
	};
	static const struct position earliest = {.kind = POSITION_EARLIEST};
	struct recent_memory recent = {.known = w->recent, .count = w->recent_count};

	memcpy(recent.key, w->recent_key, sizeof(recent.key));
	setup.recent = &recent;
	for (size_t i = 0; i < w->stream_count; i++)
		w->route_ready[i % w->table_count] = false;
	w->route_under_way = 0;
	for (size_t i = 0; i < w->stream_count; i++)
		w->tables[i].sink.ops = w->can_find ? &world_sink_ops : &world_blind_sink_ops;
	w->engine = engine_new(&setup);
	w->done = false;
	w->runs++;
	for (size_t i = 0; i < w->topic_count; i++) {
		struct bus_topic *t = &w->topics[i];

		t->source.shared = w->shared;
		engine_add_source(w->engine, &t->source, t->has_position ? &t->position : t->at_tip ? NULL : &earliest);
	}
	engine_start(w->engine);
}

/* SIGKILL: the process is gone; of what it had sent, the servers may still store a part. */
static inline void
world_kill(struct world *w)
{
	engine_free(w->engine);
	w->engine = NULL;
	w->timer_ms = INT64_MAX;
	for (size_t i = 0; i < w->topic_count; i++)
		w->topics[i].open = false;
	for (size_t i = 0; i < w->stream_count; i++) {
		struct bus_table *b = &w->tables[i];

		for (uint64_t n = random_below(&w->random, b->sent - b->processed + 1); n > 0; n--)
			world_process(b);
		b->sent = b->processed; /* the rest is gone with the stream */
		b->open = b->asked = false;
	}
}

static inline void
world_tick(struct world *w)
{
	struct engine_statistics s;

	engine_tick(w->engine);
	engine_statistics(w->engine, &s);
	if (s.in_flight_rows > (int64_t)(w->options.max_rows + w->topic_count))
		WORLD_FAULT(w, "%lld events are held", (long long)s.in_flight_rows);
}

/* Lets time pass; the engine ticks whenever it said it must. */
static inline void
world_pass(struct world *w, int64_t ms)
{
	int64_t until = w->now + ms;

	for (int i = 0; i < 100000 && !w->done && w->timer_ms <= until; i++) {
		if (w->now < w->timer_ms)
			w->now = w->timer_ms;
		world_tick(w);
		if (i == 99999)
			WORLD_FAULT(w, "the engine ticks without end");
	}
	if (w->now < until)
		w->now = until;
}

/* Everything works from here on. Runs until nothing moves any more, or the run is over. */
static inline void
world_calm(struct world *w)
{
	for (int i = 0; i < 100000; i++) {
		bool moved = false;

		world_pass(w, 0);
		moved |= world_prepare_route(w);
		for (size_t j = 0; j < w->topic_count && !w->done; j++)
			moved |= world_deliver(&w->topics[j], 7) > 0;
		for (size_t j = 0; j < w->stream_count && !w->done; j++) {
			moved |= world_serve_sink(&w->tables[j]);
			if (w->tables[j].asked)
				moved |= world_answer(&w->tables[j], true);
		}
		if (w->done || w->fault[0] != '\0')
			return;
		for (size_t j = 0; j < w->topic_count && !moved && !w->done; j++)
			if (!w->topics[j].said_idle && world_idle(&w->topics[j], false))
				moved = w->topics[j].said_idle = true;
		if (!moved) {
			if (w->timer_ms == INT64_MAX || w->timer_ms > w->now + 7200000)
				return;
			w->now = w->timer_ms > w->now ? w->timer_ms : w->now;
		}
	}
	WORLD_FAULT(w, "it never comes to rest");
}

/* At the end: each event that was promised is where it belongs. */
static inline void
world_check_all(struct world *w)
{
	for (size_t i = 0; i < w->topic_count; i++) {
		struct bus_topic *t = &w->topics[i];

		for (uint32_t j = t->required_from; j < t->count; j++) {
			const struct bus_event *e = &t->events[j], *first = world_original(t, j);

			if (!world_is_durable(t, j))
				WORLD_FAULT(w, "%s: event %u is lost", t->name, j);
			if (e->flaw != SOUND && first->stored > 0)
				WORLD_FAULT(w, "%s: event %u is stored although refused", t->name, j);
		}
	}
}

static void
world_forget_words(void *context, enum log_level level, const char *area, const char *message)
{
	(void)context;
	(void)level;
	(void)area;
	(void)message;
}

/* What the engine says is not shown, except with SFZB_MODEL_LOG set. */
static void
world_silence(void)
{
	if (getenv("SFZB_MODEL_LOG") == NULL)
		log_set_writer(world_forget_words, NULL);
}

#endif

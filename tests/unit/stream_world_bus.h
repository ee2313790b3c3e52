/* The world's topics: what was published and where it is by now, the rules, the stores, and the source that hands events over. */
#ifndef SFZB_TESTS_STREAM_WORLD_BUS_H
#define SFZB_TESTS_STREAM_WORLD_BUS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "stream/engine.h"

#define TOPICS_MAX 4
#define TABLES_MAX 3
#define STREAMS_MAX 4 /* to one table */
#define RECORDS_MAX 6
#define EVENTS_MAX 4096
#define INBOX_MAX 64
#define BATCH_MAX 64

struct world;

/* What is wrong with an event, if anything. */
enum flaw { SOUND, UNDECODABLE, UNENCODABLE, REFUSED };

struct bus_event {
	uint64_t replay; /* number of its replay id */
	uint32_t same_as; /* index of the event that it repeats, or its own */
	int same_topic;	  /* of the world: where that one was published */
	uint32_t id_of;	  /* the event whose id it has: its own, unless its publisher chose another's */
	enum flaw flaw;
	int table; /* of the world */
	unsigned records; /* which were changed, a bit each; 0: it does not say */
	int stored; /* times in the table; of the original only */
	uint64_t stored_replay; /* as the row has it */
	int set_aside;
	int64_t visible_ms;
};

struct bus_topic {
	struct world *world;
	struct source source;
	char name[32];
	struct bus_event *events;
	uint32_t count;
	uint64_t next_replay, keepalive; /* keepalive: the newest id that a keepalive named */
	uint32_t required_from; /* events before this one are nobody's promise (begun at the tip) */
	/* the subscription */
	const struct source_events *to;
	void *context;
	bool open, announced, closing, said_idle;
	uint32_t cursor, allowed;
	/* what the store holds */
	bool has_position;
	struct position position;
	uint32_t sent_end; /* one behind the last event ever sent, by any run */
	bool at_tip; /* no position yet and the runs begin at the tip */
	bool chosen_ids; /* of platform events: no id is known to be unique */
	uint32_t retained_from; /* older ones are gone from the bus */
};

struct sent_batch {
	uint32_t topic[BATCH_MAX], index[BATCH_MAX];
	size_t count;
};

/* A table, or one of several ingest streams to it. */
struct bus_table {
	struct world *world;
	struct bus_table *first; /* of them; itself */
	struct sink sink;
	char name[32];
	const struct sink_events *to;
	void *context;
	bool open, announced, finishing, cancelled, blocked, close_said;
	struct sent_batch inbox[INBOX_MAX]; /* sent on this stream */
	size_t sent, processed, acked;
	bool refused; /* the server met a bad row at `processed` */
	uint32_t last_stored[TOPICS_MAX]; /* 1 + index of the last row of each topic, in order of storing */
	uint32_t last_record[TOPICS_MAX][RECORDS_MAX]; /* the same of each record; of the first stream only */
	/* the question */
	bool asked;
	const struct sink_events *ask_to;
	void *ask_context;
	bool answers[1024];
	size_t asked_count;
	unsigned openings;
};

struct world {
	int64_t now, wall;
	struct clock clock;
	struct random random;
	struct engine_options options;
	struct engine *engine;
	int64_t timer_ms;
	bool done;
	struct error result;
	struct bus_topic topics[TOPICS_MAX];
	struct bus_table tables[TABLES_MAX * STREAMS_MAX]; /* the first stream of each table, then the second ones … */
	size_t topic_count, table_count, stream_count;	   /* stream_count: of all tables together */
	bool can_find, by_entity;
	bool shared; /* topics may hold each other's events */
	bool any_chosen; /* some topic has chosen_ids */
	uint64_t recent_key[4];
	struct fingerprint *recent; /* stored with the positions */
	size_t recent_count, recent_capacity;
	bool fail_positions, fail_letters; /* the disk is full */
	struct error route_error;	   /* what the router says; ERR_OK: the table */
	bool routes_late;		   /* a table takes its time … */
	bool route_ready[TABLES_MAX];
	int route_under_way; /* … one after the other; 1 + table */
	int64_t positions_stored;
	unsigned runs;
	char fault[1400];
};

#define WORLD_FAULT(w, ...)                                                                        \
	do {                                                                                       \
		if ((w)->fault[0] == '\0')                                                         \
			snprintf((w)->fault, sizeof((w)->fault), __VA_ARGS__);                     \
	} while (0)

static inline int64_t
world_monotonic(void *context)
{
	return ((struct world *)context)->now;
}

static inline int64_t
world_wall(void *context)
{
	return ((struct world *)context)->now + 1700000000000;
}

static inline struct replay_id
world_replay(uint64_t number)
{
	struct replay_id id = {.len = 10};

	for (int i = 0; i < 8; i++)
		id.bytes[i] = (uint8_t)(number >> (56 - 8 * i));
	return id;
}

static inline uint64_t
world_number(const struct replay_id *id)
{
	uint64_t n = 0;

	replay_id_number(id, &n);
	return n;
}

/* The first event strictly behind this replay id. */
static inline uint32_t
world_behind(const struct bus_topic *t, uint64_t replay)
{
	uint32_t low = 0, high = t->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (t->events[middle].replay > replay)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The event that this one repeats, or itself. */
static inline struct bus_event *
world_original(const struct bus_topic *t, uint32_t i)
{
	return &t->world->topics[t->events[i].same_topic].events[t->events[i].same_as];
}

/* ---- rules */

static inline bool
world_is_durable(const struct bus_topic *t, uint32_t i)
{
	const struct bus_event *e = world_original(t, i);

	return e->stored > 0 || t->events[i].set_aside > 0 || e->set_aside > 0;
}

/* Where a run that begins at this position would begin. */
static inline uint32_t
world_start_of(const struct bus_topic *t, const struct position *p)
{
	switch (p->kind) {
	case POSITION_AFTER:
		return world_behind(t, world_number(&p->replay_id));
	case POSITION_AT:
		return world_behind(t, world_number(&p->replay_id) - 1);
	default:
		return 0;
	}
}

static inline void
world_check_cover(struct world *w, const struct bus_topic *t, const char *when)
{
	uint32_t start = t->has_position ? world_start_of(t, &t->position) : 0;
	int64_t covered = t->has_position ? t->position.in_flight : 0;

	if (t->sent_end > start && (int64_t)(t->sent_end - start) > covered)
		WORLD_FAULT(w, "%s: %s: event %u was sent, the position stands before %u and covers %lld", when,
		    t->name, t->sent_end - 1, start, (long long)covered);
}

static inline int
world_store_positions(void *context, const struct position_update *updates, size_t count,
    struct error *e)
{
	struct world *w = context;

	if (w->fail_positions)
		return error_set(e, ERR_FAILED, "the disk is full");
	w->positions_stored++;
	for (size_t i = 0; i < count; i++) {
		struct bus_topic *t = w->topics;
		uint32_t start;

		while (strcmp(t->name, updates[i].topic) != 0)
			t++;
		start = world_start_of(t, &updates[i].position);
		if (t->at_tip) {
			t->at_tip = false;
			t->required_from = start;
		}
		for (uint32_t j = t->required_from; j < start; j++)
			if (!world_is_durable(t, j))
				WORLD_FAULT(w, "%s: the stored position passes event %u, which is not durable",
				    t->name, j);
		t->position = updates[i].position;
		t->has_position = true;
		w->recent = memory_reserve(w->recent, &w->recent_capacity, w->recent_count + updates[i].passed_count,
		    sizeof(*w->recent));
		if (updates[i].passed_count > 0)
			memcpy(w->recent + w->recent_count, updates[i].passed, updates[i].passed_count * sizeof(*w->recent));
		w->recent_count += updates[i].passed_count;
		world_check_cover(w, t, "store");
	}
	return 0;
}

static inline int
world_store_letters(void *context, const struct dead_letter *letters, size_t count, struct error *e)
{
	struct world *w = context;

	if (w->fail_letters)
		return error_set(e, ERR_FAILED, "the disk is full");
	for (size_t i = 0; i < count; i++) {
		struct bus_topic *t = w->topics;
		uint32_t at;

		while (!text_is(letters[i].topic, t->name))
			t++;
		at = world_behind(t, world_number(&letters[i].replay_id) - 1);
		t->events[at].set_aside++;
		world_original(t, at)->set_aside++;
		if (t->events[at].flaw == SOUND)
			WORLD_FAULT(w, "%s: event %u is sound and was set aside", t->name, at);
		if (letters[i].payload.len != 8 || letters[i].schema_id.len == 0 || letters[i].event_id.len == 0)
			WORLD_FAULT(w, "%s: event %u was set aside without its bytes", t->name, at);
	}
	return 0;
}

/* ---- the source */

static inline void
world_source_open(struct source *s, const struct start *start, const struct source_events *to, void *context)
{
	struct bus_topic *t = (struct bus_topic *)((char *)s - offsetof(struct bus_topic, source));

	if (t->open)
		WORLD_FAULT(t->world, "%s: opened twice", t->name);
	t->open = true;
	t->announced = t->closing = t->said_idle = false;
	t->to = to;
	t->context = context;
	t->allowed = 0;
	t->cursor = start->kind == START_LATEST ? t->count :
	    start->kind == START_EARLIEST	? t->retained_from :
						  world_behind(t, world_number(&start->after));
	if (start->kind == START_AFTER && t->cursor < t->retained_from)
		t->cursor = UINT32_MAX; /* world_serve says so */
}

static inline void
world_source_allow(struct source *s, uint32_t events)
{
	struct bus_topic *t = (struct bus_topic *)((char *)s - offsetof(struct bus_topic, source));

	if (!t->open)
		WORLD_FAULT(t->world, "%s: allow while closed", t->name);
	t->allowed = events;
}

static inline void
world_source_close(struct source *s)
{
	struct bus_topic *t = (struct bus_topic *)((char *)s - offsetof(struct bus_topic, source));

	t->closing = true;
}

static const struct source_ops world_source_ops = {
    .open = world_source_open,
    .allow = world_source_allow,
    .close = world_source_close,
};

static inline void
world_end_source(struct bus_topic *t, const struct error *why)
{
	static const struct error ok;

	if (!t->open)
		return;
	t->open = false;
	t->to->ended(t->context, why != NULL ? why : &ok);
}

/* Hands over at most n events, as credit allows. Returns how many. */
static inline uint32_t
world_deliver(struct bus_topic *t, uint32_t n)
{
	uint32_t given = 0;

	if (!t->open)
		return 0;
	if (t->closing) {
		world_end_source(t, NULL);
		return 0;
	}
	if (t->cursor == UINT32_MAX) {
		struct error lost = ERROR_INIT;

		error_set(&lost, ERR_POSITION, "the replay id is no longer kept");
		world_end_source(t, &lost);
		return 0;
	}
	if (!t->announced && n > 0) {
		t->announced = true;
		t->to->opened(t->context);
	}
	for (; given < n && t->open && !t->closing && t->allowed > 0 && t->cursor < t->count; given++) {
		struct bus_event *b = &t->events[t->cursor];
		const struct bus_event *original = world_original(t, t->cursor);
		char id[40], payload[9], entity[16], names[RECORDS_MAX][24];
		struct text records[RECORDS_MAX];
		struct error why = ERROR_INIT;
		struct event e = {
		    .topic = text_of(t->name),
		    .replay_id = world_replay(b->replay),
		    .schema_id = text_of("schema"),
		    .received_ms = world_wall(t->world),
		    .commit_timestamp_ms = 1600000000000 + t->cursor,
		};
		e.is_change = !t->world->topics[b->same_topic].chosen_ids;
		e.id = text_span(id, (size_t)snprintf(id, sizeof(id), "%s-%u", t->world->topics[b->same_topic].name,
		    original->id_of));
		e.payload = text_span(payload, (size_t)snprintf(payload, sizeof(payload), "%08x", b->same_as));
		t->cursor++;
		t->allowed--;
		if (b->flaw == UNDECODABLE) {
			error_set(&why, ERR_REFUSED, "no Avro");
			e.commit_timestamp_ms = 0;
			t->to->undecodable(t->context, &e, &why);
			continue;
		}
		e.schema_json = text_of("{}");
		e.entity = text_span(entity, (size_t)snprintf(entity, sizeof(entity), "%d", b->table));
		e.sequence_number = (int32_t)b->same_as;
		e.commit_number = t - t->world->topics;
		e.record_ids.items = records;
		for (unsigned r = 0; r < RECORDS_MAX; r++)
			if ((b->records & 1U << r) != 0)
				records[e.record_ids.count++] = text_span(names[r],
				    (size_t)snprintf(names[r], sizeof(names[r]), "00100000000000%u", r));
		t->to->event(t->context, &e);
	}
	return given;
}

/* A keepalive, if there is nothing else to say. beyond: its id lies behind the last event's. */
static inline bool
world_idle(struct bus_topic *t, bool beyond)
{
	struct replay_id id = {.len = 0};

	if (!t->open || t->closing || t->allowed == 0 || t->cursor != t->count)
		return false;
	if (!t->announced) {
		t->announced = true;
		t->to->opened(t->context);
	}
	if (beyond)
		t->keepalive = t->next_replay++;
	if (t->keepalive > 0 && (t->count == 0 || t->keepalive > t->events[t->count - 1].replay))
		id = world_replay(t->keepalive);
	else if (t->count > 0)
		id = world_replay(t->events[t->count - 1].replay);
	t->to->idle(t->context, &id);
	return true;
}

static inline uint32_t
world_publish(struct bus_topic *t, enum flaw flaw, int table)
{
	struct bus_event *e = &t->events[t->count];
	struct random *random = &t->world->random;

	*e = (struct bus_event){.replay = t->next_replay++, .same_as = t->count,
	    .same_topic = (int)(t - t->world->topics), .id_of = t->count, .flaw = flaw, .table = table,
	    .records = 1};
	if (t->world->stream_count > t->world->table_count) {
		e->records = 1U << random_below(random, RECORDS_MAX);
		if (random_below(random, 4) == 0)
			e->records |= 1U << random_below(random, RECORDS_MAX);
		if (random_below(random, 30) == 0)
			e->records = 0;
	}
	return t->count++;
}

static inline void
world_publish_again(struct bus_topic *t, uint32_t index)
{
	uint32_t copy = world_publish(t, t->events[index].flaw, t->events[index].table);

	t->events[copy].same_as = t->events[index].same_as;
	t->events[copy].same_topic = t->events[index].same_topic;
	t->events[copy].records = t->events[index].records;
}

/* The same event on another topic too: same id, same replay id. false: that topic is further on. */
static inline bool
world_publish_through(struct bus_topic *from, uint32_t index, struct bus_topic *to)
{
	const struct bus_event *e = &from->events[index];
	uint32_t copy;

	if (to->next_replay > e->replay || from == to)
		return false;
	to->next_replay = e->replay;
	copy = world_publish(to, e->flaw, e->table);
	to->events[copy].same_as = e->same_as;
	to->events[copy].same_topic = e->same_topic;
	to->events[copy].records = e->records;
	return true;
}

#endif

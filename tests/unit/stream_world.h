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

/* ---- the sink */

static inline struct bus_table *
world_table_of(struct sink *s)
{
	return (struct bus_table *)((char *)s - offsetof(struct bus_table, sink));
}

static inline int
world_encode(struct sink *s, const struct event *event, struct buffer *out, struct error *e)
{
	struct bus_table *b = world_table_of(s);
	uint32_t topic = (uint32_t)event->commit_number;
	uint32_t index = world_behind(&b->world->topics[topic], world_number(&event->replay_id) - 1);
	const struct bus_event *known = &b->world->topics[topic].events[index];
	uint32_t head[2] = {topic, index};

	if (known->flaw == UNENCODABLE)
		return error_set(e, ERR_REFUSED, "no row");
	buffer_append(out, head, sizeof(head));
	for (uint32_t i = 0; i < index % 37; i++)
		buffer_append_byte(out, 'x');
	return 0;
}

static inline void
world_sink_open(struct sink *s, const struct sink_events *to, void *context)
{
	struct bus_table *b = world_table_of(s);

	if (b->open)
		WORLD_FAULT(b->world, "%s: opened twice", b->name);
	b->open = true;
	b->announced = b->finishing = b->cancelled = b->blocked = b->close_said = b->refused = false;
	b->sent = b->processed = b->acked = 0;
	b->to = to;
	b->context = context;
	b->openings++;
}

static inline int
world_send(struct sink *s, const struct rows *rows)
{
	struct bus_table *b = world_table_of(s);
	struct world *w = b->world;
	struct sent_batch *sent = &b->inbox[b->sent % INBOX_MAX];

	if (!b->open || !b->announced || b->finishing || b->cancelled || b->close_said)
		WORLD_FAULT(w, "%s: send on a stream that takes none", b->name);
	if (b->blocked)
		WORLD_FAULT(w, "%s: send before writable", b->name);
	if (b->sent - b->processed == INBOX_MAX || random_below(&w->random, 8) == 0) {
		b->blocked = true;
		return 0;
	}
	if (rows->count == 0 || rows->count > BATCH_MAX)
		WORLD_FAULT(w, "%s: a batch of %zu rows", b->name, rows->count);
	sent->count = 0;
	for (size_t i = 0; i < rows->count && i < BATCH_MAX; i++) {
		uint32_t head[2];
		struct bus_topic *t;

		memcpy(head, rows->bytes + (i == 0 ? 0 : rows->ends[i - 1]), sizeof(head));
		if (rows->ends[i] - (i == 0 ? 0 : rows->ends[i - 1]) != sizeof(head) + head[1] % 37) {
			WORLD_FAULT(w, "%s: a row's bytes are not as they were encoded", b->name);
			break;
		}
		t = &w->topics[head[0]];
		sent->topic[sent->count] = head[0];
		sent->index[sent->count++] = head[1];
		if (t->sent_end <= head[1])
			t->sent_end = head[1] + 1;
		world_check_cover(w, t, "send");
	}
	b->sent++;
	return 1;
}

static inline void
world_sink_finish(struct sink *s)
{
	world_table_of(s)->finishing = true;
}

static inline void
world_sink_cancel(struct sink *s)
{
	world_table_of(s)->cancelled = true;
}

static inline void
world_find(struct sink *s, const struct sought *sought, size_t count, const struct sink_events *to,
    void *context)
{
	struct bus_table *b = world_table_of(s);
	struct world *w = b->world;

	if (b->asked)
		WORLD_FAULT(w, "%s: two questions at once", b->name);
	b->asked = true;
	b->asked_count = count;
	b->ask_to = to;
	b->ask_context = context;
	for (size_t i = 0; i < count; i++) {
		char id[48];
		char *dash;
		struct bus_topic *t = w->topics;
		uint64_t replay = world_number(&sought[i].replay_id);
		const struct bus_event *e;
		uint32_t number, at;

		snprintf(id, sizeof(id), TEXT_FORMAT, TEXT_ARGS(sought[i].id));
		dash = strrchr(id, '-');
		*dash = '\0';
		while (strcmp(t->name, id) != 0)
			t++;
		number = (uint32_t)strtoul(dash + 1, NULL, 10);
		at = world_behind(t, replay - 1);
		e = sought[i].id_is_unique || at == t->count ? &t->events[number] : world_original(t, at);
		b->answers[i] = e->stored > 0 && e->visible_ms <= w->now &&
		    (sought[i].id_is_unique || (e->stored_replay == replay && e->id_of == number));
	}
}

static const struct sink_ops world_sink_ops = {
    .encode = world_encode,
    .open = world_sink_open,
    .send = world_send,
    .finish = world_sink_finish,
    .cancel = world_sink_cancel,
    .find = world_find,
};
static const struct sink_ops world_blind_sink_ops = {
    .encode = world_encode,
    .open = world_sink_open,
    .send = world_send,
    .finish = world_sink_finish,
    .cancel = world_sink_cancel,
};

static inline bool
world_announce(struct bus_table *b)
{
	if (!b->open || b->announced || b->cancelled)
		return false;
	b->announced = true;
	b->to->opened(b->context);
	return true;
}

static inline bool
world_unblock(struct bus_table *b)
{
	if (!b->open || !b->blocked || b->cancelled || b->sent - b->processed == INBOX_MAX)
		return false;
	b->blocked = false;
	b->to->writable(b->context);
	return true;
}

/* Order of each record's rows in a table with several streams. An event that names none may be about each. */
static inline void
world_check_records(struct bus_table *b, uint32_t topic, uint32_t index)
{
	struct world *w = b->world;
	const struct bus_topic *t = &w->topics[topic];
	unsigned records = t->events[index].records;

	for (unsigned r = 0; r < RECORDS_MAX && !w->topics[t->events[index].same_topic].chosen_ids; r++) {
		uint32_t *last = &b->first->last_record[topic][r];

		if (records != 0 && (records & 1U << r) == 0)
			continue;
		if (w->can_find && *last > index)
			WORLD_FAULT(w, "%s: event %u of record %u is stored behind %u", t->name, index, r, *last - 1);
		*last = index + 1;
	}
}

/* The server stores the next batch, or meets a row that it refuses. */
static inline bool
world_process(struct bus_table *b)
{
	struct world *w = b->world;
	const struct sent_batch *batch = &b->inbox[b->processed % INBOX_MAX];

	if (b->processed == b->sent || b->refused)
		return false;
	for (size_t i = 0; i < batch->count; i++) {
		if (w->topics[batch->topic[i]].events[batch->index[i]].flaw == REFUSED) {
			b->refused = true;
			return true;
		}
	}
	for (size_t i = 0; i < batch->count; i++) {
		struct bus_topic *t = &w->topics[batch->topic[i]];
		struct bus_event *e = world_original(t, batch->index[i]);

		e->stored++;
		e->stored_replay = t->events[batch->index[i]].replay;
		if (w->can_find && e->stored > 1)
			WORLD_FAULT(w, "%s: event %u is stored %d times", t->name, batch->index[i], e->stored);
		world_check_records(b, batch->topic[i], batch->index[i]);
		if (w->can_find && !w->by_entity && !w->shared && w->stream_count == w->table_count &&
		    b->last_stored[batch->topic[i]] > batch->index[i])
			WORLD_FAULT(w, "%s: event %u is stored behind %u", t->name, batch->index[i],
			    b->last_stored[batch->topic[i]] - 1);
		b->last_stored[batch->topic[i]] = batch->index[i] + 1;
		e->visible_ms = w->now + (int64_t)random_below(&w->random, (uint64_t)b->sink.visibility_ms + 1);
	}
	b->processed++;
	return true;
}

static inline bool
world_acknowledge(struct bus_table *b)
{
	if (!b->open || b->acked == b->processed)
		return false;
	b->acked = b->processed;
	b->to->acknowledged(b->context, (int64_t)b->acked);
	return true;
}

static inline void
world_end_sink(struct bus_table *b, enum error_code code)
{
	struct error why = ERROR_INIT;

	if (!b->open)
		return;
	b->open = false;
	if (code != ERR_OK)
		error_set(&why, code, "the stream broke");
	b->to->ended(b->context, &why);
}

/* What a well-behaved server does next with this stream. false: nothing. */
static inline bool
world_serve_sink(struct bus_table *b)
{
	if (world_announce(b) || world_unblock(b) || (b->open && world_process(b)) || world_acknowledge(b))
		return true;
	if (b->open && b->refused) {
		world_end_sink(b, ERR_REFUSED);
		return true;
	}
	if (b->open && (b->cancelled || (b->finishing && b->acked == b->sent))) {
		world_end_sink(b, b->cancelled ? ERR_UNAVAILABLE : ERR_OK);
		return true;
	}
	return false;
}

static inline bool
world_answer(struct bus_table *b, bool well)
{
	struct error why = ERROR_INIT;

	if (!b->asked)
		return false;
	b->asked = false;
	if (!well) {
		error_set(&why, ERR_UNAVAILABLE, "the warehouse sleeps");
		b->ask_to->found(b->ask_context, NULL, 0, &why);
	} else {
		b->ask_to->found(b->ask_context, b->answers, b->asked_count, NULL);
	}
	return true;
}

/* ---- the world */

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

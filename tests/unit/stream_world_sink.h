/* The world's tables: the sink that the engine sends to, and the server behind it, which stores, acknowledges, refuses, ends. */
#ifndef SFZB_TESTS_STREAM_WORLD_SINK_H
#define SFZB_TESTS_STREAM_WORLD_SINK_H

#include "stream_world_bus.h"

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

#endif

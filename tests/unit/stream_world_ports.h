/*
 * The ports of the small world: its bus as sources, its tables and the servers before them as
 * sinks. Part of stream_world.h, which includes it behind the world's own definitions.
 */
#ifndef SFZB_TESTS_STREAM_WORLD_PORTS_H
#define SFZB_TESTS_STREAM_WORLD_PORTS_H

/* ---- the source */

static inline void
world_source_open(
    struct source *s, const struct start *start, const struct source_events *to, void *context)
{
	struct bus_topic *t = (struct bus_topic *)((char *)s - offsetof(struct bus_topic, source));

	if (t->open)
		WORLD_FAULT(t->world, "%s: opened twice", t->name);
	t->open = true;
	t->announced = t->closing = t->said_idle = false;
	t->to = to;
	t->context = context;
	t->allowed = 0;
	t->cursor = start->kind == START_LATEST	    ? t->count
		    : start->kind == START_EARLIEST ? t->retained_from
						    : world_behind(t, world_number(&start->after));
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
	for (; given < n && t->open && !t->closing && t->allowed > 0 && t->cursor < t->count;
	     given++) {
		struct bus_event *b = &t->events[t->cursor];
		char id[40], payload[9], entity[16];
		struct error why = ERROR_INIT;
		struct event e = {
		    .topic = text_of(t->name),
		    .replay_id = world_replay(b->replay),
		    .schema_id = text_of("schema"),
		    .received_ms = world_wall(t->world),
		    .commit_timestamp_ms = 1600000000000 + t->cursor,
		};
		uint32_t index = t->cursor;

		e.id =
		    text_span(id, (size_t)snprintf(id, sizeof(id), "%s-%u", t->name, b->same_as));
		e.payload = text_span(
		    payload, (size_t)snprintf(payload, sizeof(payload), "%08x", b->same_as));
		t->cursor++;
		t->allowed--;
		if (b->flaw == UNDECODABLE) {
			error_set(&why, ERR_REFUSED, "no Avro");
			e.commit_timestamp_ms = 0;
			t->to->undecodable(t->context, &e, &why);
			continue;
		}
		e.schema_json = text_of("{}");
		e.entity =
		    text_span(entity, (size_t)snprintf(entity, sizeof(entity), "%d", b->table));
		e.sequence_number = (int32_t)index;
		e.commit_number = t - t->world->topics;
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

	*e = (struct bus_event){
	    .replay = t->next_replay++, .same_as = t->count, .flaw = flaw, .table = table};
	return t->count++;
}

static inline void
world_publish_again(struct bus_topic *t, uint32_t index)
{
	uint32_t copy = world_publish(t, t->events[index].flaw, t->events[index].table);

	t->events[copy].same_as = t->events[index].same_as;
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
	uint32_t topic = (uint32_t)event->commit_number, index = (uint32_t)event->sequence_number;
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
	b->announced = b->finishing = b->cancelled = b->blocked = b->close_said = b->refused =
	    false;
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
		if (rows->ends[i] - (i == 0 ? 0 : rows->ends[i - 1]) !=
		    sizeof(head) + head[1] % 37) {
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
world_find(struct sink *s, const struct text *ids, size_t count, const struct sink_events *to,
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
		const struct bus_event *e;

		snprintf(id, sizeof(id), TEXT_FORMAT, TEXT_ARGS(ids[i]));
		dash = strrchr(id, '-');
		*dash = '\0';
		while (strcmp(t->name, id) != 0)
			t++;
		e = &t->events[strtoul(dash + 1, NULL, 10)];
		b->answers[i] = e->stored > 0 && e->visible_ms <= w->now;
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
		struct bus_event *e = &t->events[t->events[batch->index[i]].same_as];
		bool repeated = false;

		for (uint32_t j = 0; j < t->count && !repeated; j++)
			repeated = j != t->events[j].same_as &&
				   t->events[j].same_as == t->events[batch->index[i]].same_as;
		e->stored++;
		/* what the bus publishes twice is taken twice when a run begins between the two */
		if (w->can_find && e->stored > 1 && !(repeated && w->runs > 1))
			WORLD_FAULT(w, "%s: event %u is stored %d times", t->name, batch->index[i],
			    e->stored);
		if (w->can_find && !w->by_entity &&
		    b->last_stored[batch->topic[i]] > batch->index[i])
			WORLD_FAULT(w, "%s: event %u is stored behind %u", t->name, batch->index[i],
			    b->last_stored[batch->topic[i]] - 1);
		b->last_stored[batch->topic[i]] = batch->index[i] + 1;
		e->visible_ms =
		    w->now + (int64_t)random_below(&w->random, (uint64_t)b->sink.visibility_ms + 1);
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
	if (world_announce(b) || world_unblock(b) || (b->open && world_process(b)) ||
	    world_acknowledge(b))
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

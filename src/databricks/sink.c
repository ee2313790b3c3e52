#include "databricks/sink.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "databricks/descriptor.h"

#define VISIBILITY_MS 30000 /* P95 of the vendor's figures (wire/zerobus.md §3) */

/* One question to the table, worked on by the second thread. */
struct question {
	struct table_sink *owner;
	const struct sink_events *events;
	void *context;
	char *table;
	char *bytes; /* of all ids */
	bool by_replay_id;
	struct sought *sought;
	bool *found;
	size_t count;
	int rc;
	struct error why;
};

/* One of the two. */
struct writers {
	struct row_writer *rows;
	struct record_writer *records;
};

struct table_sink {
	struct sink port; /* first: the engine's pointer is ours */
	struct loop *loop;
	struct sink_lookup lookup;
	struct worker *worker; /* of look-ups, from the first one on */
	bool freeing;
	bool takes_payloads;
	bool has_replay_id; /* the table has */
	struct row_options row_options;
	struct record_options record_options;
	char *record_columns;
	struct writers writers;
	struct buffer descriptor; /* of the writer's columns, whatever the record type */
	struct sink_columns *columns;
	bool was_opened;
	struct { /* a stream that waits for the columns; or its end to be told, where it was cancelled */
		const struct sink_events *events;
		void *context;
		bool waiting;
		struct loop_timer end;
	} opening;
	struct zerobus *zerobus;
	struct question *question;
	char *table;
};

static struct table_sink *
of(struct sink *s)
{
	return (struct table_sink *)(void *)s;
}

static int
sink_encode(struct sink *s, const struct event *event, struct buffer *out, struct error *e)
{
	struct writers *w = &of(s)->writers;

	if (w->records != NULL)
		return record_writer_encode(w->records, event->payload, out, e);
	return row_writer_encode(w->rows, event, out, e);
}

static void take_columns(void *context, const struct delta_table *t);

static void
open_stream(struct table_sink *s)
{
	s->opening.waiting = false;
	s->was_opened = true;
	if (s->writers.rows != NULL)
		row_writer_restart(s->writers.rows);
	zerobus_open(s->zerobus, s->opening.events, s->opening.context);
}

static void
sink_open(struct sink *port, const struct sink_events *events, void *context)
{
	struct table_sink *s = of(port);

	s->opening.events = events;
	s->opening.context = context;
	if (s->columns == NULL || !s->was_opened) {
		open_stream(s);
		return;
	}
	s->opening.waiting = true;
	sink_columns_ask(s->columns, take_columns, s);
}

static void
tell_end(void *context)
{
	struct table_sink *s = context;
	struct error why = ERROR_INIT;

	error_set(&why, ERR_INTERRUPTED, "the ingest stream to table '%s' was cancelled", s->table);
	s->opening.events->ended(s->opening.context, &why);
}

static bool
stop_opening(struct table_sink *s)
{
	if (!s->opening.waiting)
		return false;
	s->opening.waiting = false;
	sink_columns_forget(s->columns);
	loop_timer_start(s->loop, &s->opening.end, 0, tell_end, s);
	return true;
}

static int
sink_send(struct sink *s, const struct rows *rows)
{
	return zerobus_send(of(s)->zerobus, rows);
}

static void
sink_finish(struct sink *s)
{
	if (!stop_opening(of(s)))
		zerobus_finish(of(s)->zerobus);
}

static void
sink_cancel(struct sink *s)
{
	if (!stop_opening(of(s)))
		zerobus_cancel(of(s)->zerobus);
}

static void
question_free(struct question *q)
{
	free(q->table);
	free(q->bytes);
	free(q->sought);
	free(q->found);
	free(q);
}

static void
ask(void *context)
{
	struct question *q = context;

	q->rc = q->owner->lookup.find(
	    q->owner->lookup.context, q->table, q->by_replay_id, q->sought, q->count, q->found, &q->why);
}

static void
answer(void *context)
{
	struct question *q = context;

	q->owner->question = NULL;
	if (!q->owner->freeing && q->rc == 0)
		q->events->found(q->context, q->found, q->count, NULL);
	else if (!q->owner->freeing)
		q->events->found(q->context, NULL, q->count, &q->why);
	question_free(q);
}

static void
sink_find(struct sink *s, const struct sought *sought, size_t count, const struct sink_events *events,
    void *context)
{
	struct table_sink *t = of(s);
	struct question *q = memory_zero(1, sizeof(*q));
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += sought[i].id.len;
	*q = (struct question){.owner = t,
	    .events = events,
	    .context = context,
	    .table = memory_strdup(t->table),
	    .bytes = memory_alloc(bytes + 1),
	    .by_replay_id = t->has_replay_id,
	    .sought = memory_zero(count + 1, sizeof(*q->sought)),
	    .found = memory_zero(count + 1, sizeof(*q->found)),
	    .count = count};
	bytes = 0;
	for (size_t i = 0; i < count; i++) {
		struct text id = sought[i].id;

		if (id.len > 0)
			memcpy(q->bytes + bytes, id.data, id.len);
		q->sought[i] = sought[i];
		q->sought[i].id = text_span(q->bytes + bytes, id.len);
		bytes += id.len;
	}
	t->question = q;
	if (t->worker == NULL)
		t->worker = worker_new(t->loop, "look-up");
	worker_submit(t->worker, ask, answer, q);
}

static const struct sink_ops ops = {.encode = sink_encode,
    .open = sink_open,
    .send = sink_send,
    .finish = sink_finish,
    .cancel = sink_cancel,
    .find = sink_find};
static const struct sink_ops ops_without_find = {.encode = sink_encode,
    .open = sink_open,
    .send = sink_send,
    .finish = sink_finish,
    .cancel = sink_cancel};

static void
set_ops(struct table_sink *s, const struct delta_table *t)
{
	s->has_replay_id = delta_table_has_text(t, "replay_id");
	s->port.cannot_find = s->takes_payloads			? "without an event id" :
	    s->lookup.find == NULL				? "without a SQL warehouse" :
	    !delta_table_has_text(t, "event_id") ? "without a column event_id of a text type in the table" :
				       NULL;
	s->port.ops = s->port.cannot_find == NULL ? &ops : &ops_without_find;
}

static void
writers_free(struct writers *w)
{
	row_writer_free(w->rows);
	record_writer_free(w->records);
	*w = (struct writers){NULL, NULL};
}

/* Writers and descriptor for a table; nothing is left behind on an error. */
static int
prepare(const struct table_sink *s, const struct delta_table *t, struct writers *w, struct buffer *descriptor,
    struct error *e)
{
	const bool *columns;

	*w = (struct writers){NULL, NULL};
	if (s->takes_payloads)
		w->records = record_writer_new(t, &s->record_options, e);
	else
		w->rows = row_writer_new(t, &s->row_options, e);
	if (w->records == NULL && w->rows == NULL)
		return -1;
	columns = s->takes_payloads ? record_writer_columns(w->records) : row_writer_columns(w->rows);
	if (descriptor_write(descriptor, t, columns, NULL, e) != 0) {
		writers_free(w);
		return -1;
	}
	return 0;
}

static void
free_sink(struct table_sink *s)
{
	s->freeing = true;
	worker_free(s->worker);
	/* it had not begun, so nobody answers it */
	if (s->question != NULL)
		question_free(s->question);
	sink_columns_free(s->columns);
	loop_timer_stop(s->loop, &s->opening.end);
	zerobus_free(s->zerobus);
	writers_free(&s->writers);
	buffer_release(&s->descriptor);
	free(s->record_columns);
	free(s->table);
	free(s);
}

void
table_sink_free(struct sink *s)
{
	while (s != NULL) {
		struct sink *next = s->next;

		free_sink(of(s));
		s = next;
	}
}

static struct table_sink *
new_empty(const struct table_sink_options *o)
{
	struct table_sink *s = memory_zero(1, sizeof(*s));

	s->row_options =
	    (struct row_options){.format = o->format, .schema_json = o->schema_json, .clock = o->clock};
	if (o->records != NULL) {
		s->takes_payloads = true;
		s->record_options = *o->records;
		s->record_columns = memory_strdup(o->records->columns);
		s->record_options.columns = s->record_columns;
	}
	s->loop = o->loop;
	s->lookup = o->lookup;
	s->table = memory_strdup(o->table->full_name);
	return s;
}

static struct sink *
new_sink(const struct table_sink_options *o, struct error *e)
{
	struct table_sink *s = new_empty(o);

	if (prepare(s, o->table, &s->writers, &s->descriptor, e) != 0) {
		free_sink(s);
		return NULL;
	}
	s->zerobus = zerobus_new(&(struct zerobus_options){.loop = o->loop,
	    .channel = o->channel,
	    .table = s->table,
	    .format = o->records != NULL ? o->records->format : o->format,
	    .descriptor = buffer_span(&s->descriptor),
	    .token = o->token,
	    .principal = o->principal,
	    .open_timeout_ms = o->open_timeout_ms,
	    .finish_timeout_ms = o->finish_timeout_ms});
	if (o->columns.get != NULL)
		s->columns = sink_columns_new(o->loop, &o->columns, s->table);
	s->port = (struct sink){.table = s->table,
	    .visibility_ms = o->visibility_ms > 0 ? o->visibility_ms : VISIBILITY_MS};
	set_ops(s, o->table);
	return &s->port;
}

struct sink *
table_sink_new(const struct table_sink_options *o, struct error *e)
{
	struct sink *first = NULL, **end = &first;

	for (size_t i = 0; i == 0 || i < o->streams; i++) {
		*end = new_sink(o, e);
		if (*end == NULL) {
			table_sink_free(first);
			return NULL;
		}
		end = &(*end)->next;
	}
	return first;
}

const struct record_writer *
table_sink_records(const struct sink *port)
{
	return ((const struct table_sink *)(const void *)port)->writers.records;
}

/* Takes the writers over, and what the descriptor holds. */
static void
adopt(struct table_sink *s, const struct delta_table *t, const struct writers *writers, const struct buffer *descriptor)
{
	writers_free(&s->writers);
	s->writers = *writers;
	buffer_clear(&s->descriptor);
	buffer_append(&s->descriptor, descriptor->data, descriptor->len);
	zerobus_set_descriptor(s->zerobus, buffer_span(&s->descriptor));
	set_ops(s, t);
}

/* The table as it is by now: rows that wait must fit the new descriptor as they fit the old one. */
static void
take_columns(void *context, const struct delta_table *t)
{
	struct table_sink *s = context;
	struct buffer descriptor = BUFFER_INIT, added = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct writers writers;
	char names[200];

	if (t != NULL && prepare(s, t, &writers, &descriptor, &e) == 0) {
		if (descriptor_extends(buffer_span(&s->descriptor), buffer_span(&descriptor), &added) && added.len > 0) {
			log_info("sink", "table '%s' has got more columns, which are filled from here on: %s", s->table,
			    text_clean(names, sizeof(names), buffer_span(&added)));
			adopt(s, t, &writers, &descriptor);
		} else {
			writers_free(&writers);
		}
	} else if (e.code != ERR_OK) {
		log_debug("sink", "%s", e.text); /* the server says so too, if it minds */
	}
	buffer_release(&descriptor);
	buffer_release(&added);
	open_stream(s);
}

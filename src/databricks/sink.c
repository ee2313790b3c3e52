#include "databricks/sink.h"

#include <stdlib.h>
#include <string.h>

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

static void
sink_open(struct sink *s, const struct sink_events *events, void *context)
{
	if (of(s)->writers.rows != NULL)
		row_writer_restart(of(s)->writers.rows);
	zerobus_open(of(s)->zerobus, events, context);
}

static int
sink_send(struct sink *s, const struct rows *rows)
{
	return zerobus_send(of(s)->zerobus, rows);
}

static void
sink_finish(struct sink *s)
{
	zerobus_finish(of(s)->zerobus);
}

static void
sink_cancel(struct sink *s)
{
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

static bool
has_text(const struct delta_table *t, const char *column)
{
	const struct delta_column *c = delta_table_find(t, column);

	return c != NULL && (c->type.kind == DELTA_STRING || c->type.kind == DELTA_VARCHAR);
}

static const struct sink_ops *
ops_for(struct table_sink *s, const struct delta_table *t)
{
	s->has_replay_id = has_text(t, "replay_id");
	return !s->takes_payloads && s->lookup.find != NULL && has_text(t, "event_id") ? &ops : &ops_without_find;
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
	if ((s->takes_payloads ? s->record_options.format : s->row_options.format) == ROW_PROTO &&
	    descriptor_write(descriptor, t, columns, NULL, e) != 0) {
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
	zerobus_free(s->zerobus);
	writers_free(&s->writers);
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
	struct buffer descriptor = BUFFER_INIT;

	if (prepare(s, o->table, &s->writers, &descriptor, e) != 0) {
		buffer_release(&descriptor);
		free_sink(s);
		return NULL;
	}
	s->zerobus = zerobus_new(&(struct zerobus_options){.loop = o->loop,
	    .channel = o->channel,
	    .table = s->table,
	    .format = o->records != NULL ? o->records->format : o->format,
	    .descriptor = buffer_span(&descriptor),
	    .token = o->token,
	    .principal = o->principal,
	    .open_timeout_ms = o->open_timeout_ms,
	    .finish_timeout_ms = o->finish_timeout_ms});
	s->port = (struct sink){.ops = ops_for(s, o->table),
	    .table = s->table,
	    .visibility_ms = o->visibility_ms > 0 ? o->visibility_ms : VISIBILITY_MS};
	buffer_release(&descriptor);
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

int
table_sink_set_table(struct sink *port, const struct delta_table *t, struct error *e)
{
	struct table_sink *s = of(port);
	struct buffer descriptor = BUFFER_INIT;
	struct writers writers;
	int rc = prepare(s, t, &writers, &descriptor, e);

	if (rc == 0) {
		writers_free(&s->writers);
		s->writers = writers;
		zerobus_set_descriptor(s->zerobus, buffer_span(&descriptor));
		s->port.ops = ops_for(s, t);
	}
	buffer_release(&descriptor);
	return rc;
}

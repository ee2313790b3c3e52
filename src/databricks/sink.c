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
	struct text *ids;
	bool *found;
	size_t count;
	int rc;
	struct error why;
};

struct table_sink {
	struct sink port; /* first: the engine's pointer is ours */
	struct loop *loop;
	struct sink_lookup lookup;
	struct worker *worker; /* of look-ups, from the first one on */
	bool freeing;
	struct row_options row_options;
	struct row_writer *writer;
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
	return row_writer_encode(of(s)->writer, event, out, e);
}

static void
sink_open(struct sink *s, const struct sink_events *events, void *context)
{
	row_writer_restart(of(s)->writer);
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
	free(q->ids);
	free(q->found);
	free(q);
}

static void
ask(void *context)
{
	struct question *q = context;

	q->rc = q->owner->lookup.find(
	    q->owner->lookup.context, q->table, q->ids, q->count, q->found, &q->why);
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
sink_find(struct sink *s, const struct text *ids, size_t count, const struct sink_events *events,
    void *context)
{
	struct table_sink *t = of(s);
	struct question *q = memory_zero(1, sizeof(*q));
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += ids[i].len;
	*q = (struct question){.owner = t,
	    .events = events,
	    .context = context,
	    .table = memory_strdup(t->table),
	    .bytes = memory_alloc(bytes + 1),
	    .ids = memory_zero(count + 1, sizeof(*q->ids)),
	    .found = memory_zero(count + 1, sizeof(*q->found)),
	    .count = count};
	bytes = 0;
	for (size_t i = 0; i < count; i++) {
		if (ids[i].len > 0)
			memcpy(q->bytes + bytes, ids[i].data, ids[i].len);
		q->ids[i] = text_span(q->bytes + bytes, ids[i].len);
		bytes += ids[i].len;
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
can_look(const struct sink_lookup *lookup, const struct delta_table *t)
{
	const struct delta_column *id = delta_table_find(t, "event_id");

	return lookup->find != NULL && id != NULL &&
	       (id->type.kind == DELTA_STRING || id->type.kind == DELTA_VARCHAR);
}

static int
prepare(const struct delta_table *t, const struct row_options *o, struct row_writer **writer,
    struct buffer *descriptor, struct error *e)
{
	*writer = row_writer_new(t, o, e);
	if (*writer == NULL)
		return -1;
	if (o->format == ROW_PROTO &&
	    descriptor_write(descriptor, t, row_writer_columns(*writer), NULL, e) != 0) {
		row_writer_free(*writer);
		*writer = NULL;
		return -1;
	}
	return 0;
}

struct sink *
table_sink_new(const struct table_sink_options *o, struct error *e)
{
	struct row_options row = {
	    .format = o->format, .schema_json = o->schema_json, .clock = o->clock};
	struct buffer descriptor = BUFFER_INIT;
	struct row_writer *writer;
	struct table_sink *s;

	if (prepare(o->table, &row, &writer, &descriptor, e) != 0) {
		buffer_release(&descriptor);
		return NULL;
	}
	s = memory_zero(1, sizeof(*s));
	s->row_options = row;
	s->writer = writer;
	s->loop = o->loop;
	s->lookup = o->lookup;
	s->table = memory_strdup(o->table->full_name);
	s->zerobus = zerobus_new(&(struct zerobus_options){.loop = o->loop,
	    .channel = o->channel,
	    .table = s->table,
	    .format = o->format,
	    .descriptor = buffer_span(&descriptor),
	    .token = o->token,
	    .principal = o->principal,
	    .open_timeout_ms = o->open_timeout_ms,
	    .finish_timeout_ms = o->finish_timeout_ms});
	s->port = (struct sink){.ops = can_look(&o->lookup, o->table) ? &ops : &ops_without_find,
	    .table = s->table,
	    .visibility_ms = o->visibility_ms > 0 ? o->visibility_ms : VISIBILITY_MS};
	buffer_release(&descriptor);
	return &s->port;
}

int
table_sink_set_table(struct sink *port, const struct delta_table *t, struct error *e)
{
	struct table_sink *s = of(port);
	struct buffer descriptor = BUFFER_INIT;
	struct row_writer *writer;
	int rc = prepare(t, &s->row_options, &writer, &descriptor, e);

	if (rc == 0) {
		row_writer_free(s->writer);
		s->writer = writer;
		zerobus_set_descriptor(s->zerobus, buffer_span(&descriptor));
		s->port.ops = can_look(&s->lookup, t) ? &ops : &ops_without_find;
	}
	buffer_release(&descriptor);
	return rc;
}

void
table_sink_free(struct sink *port)
{
	struct table_sink *s;

	if (port == NULL)
		return;
	s = of(port);
	s->freeing = true;
	worker_free(s->worker);
	/* it had not begun, so nobody answers it */
	if (s->question != NULL)
		question_free(s->question);
	zerobus_free(s->zerobus);
	row_writer_free(s->writer);
	free(s->table);
	free(s);
}

#include "emulator/zerobus_server.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "emulator/zerobus_private.h"
#include "emulator/zerobus_stream.h"

/* Requests that are being stored: above this many bytes a stream is not read until some are done. */
#define STREAM_BYTES ((size_t)64 * 1024 * 1024)
#define METHOD "databricks.ingest"

/* One request on its way to the disk. */
struct job {
	struct lake_append append; /* first: the lakehouse hands it back */
	struct zerobus_stream *stream;
	struct record_rows rows;
	char *message; /* the rows point into it */
	size_t bytes;
	int64_t offset;
	bool failed;
	struct error error;
	struct job *next;
};

/* ---- ends ---- */

static void
stream_free(struct zerobus_stream *s)
{
	lake_layout_free(s->layout);
	record_plan_free(s->plan);
	free(s->client);
	free(s->scope);
	free(s);
}

/* google.rpc.Status with one ErrorInfo, as newer servers add to refusals at setup. */
static void
details(const struct zerobus_stream *s, struct buffer *out)
{
	static const char type[] = "type.googleapis.com/google.rpc.ErrorInfo", domain[] = "zerobus.databricks.com";
	struct buffer info = BUFFER_INIT, any = BUFFER_INIT;

	zerobus_put_bytes(&info, 1, text_of(s->reason));
	zerobus_put_bytes(&info, 2, text_of(domain));
	zerobus_put_bytes(&any, 1, text_of(type));
	zerobus_put_bytes(&any, 2, buffer_span(&info));
	zerobus_put_varint(out, 1, (uint64_t)s->status);
	zerobus_put_bytes(out, 2, text_of(s->words));
	zerobus_put_bytes(out, 3, buffer_span(&any));
	buffer_release(&info);
	buffer_release(&any);
}

static void
finish(struct zerobus_stream *s)
{
	struct buffer more = BUFFER_INIT;

	if (s->call == NULL)
		return;
	if (s->reason[0] != '\0')
		details(s, &more);
	server_call_finish(s->call,
	    &(struct server_status){.code = s->status, .message = s->words, .details = buffer_span(&more)});
	buffer_release(&more);
}

static void acknowledge(struct zerobus_stream *s);

/* Ends the call when nothing is being stored and all that was is acknowledged. */
static void
settle(struct zerobus_stream *s)
{
	if (s->call == NULL || s->jobs > 0 || !(s->failing || s->half_closed))
		return;
	if (s->acknowledged < s->committed) {
		acknowledge(s);
		if (s->acknowledged < s->committed)
			return;
	}
	s->state = ENDING;
	finish(s);
}

void
zerobus_stream_fail(struct zerobus_stream *s, int status, const char *reason, const char *format, ...)
{
	char raw[sizeof(s->words)];
	va_list args;

	if (s->failing)
		return;
	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	text_clean(s->words, sizeof(s->words), text_of(raw));
	snprintf(s->reason, sizeof(s->reason), "%s", reason ? reason : "");
	s->failing = true;
	s->status = status;
	s->server->refused++;
	settle(s);
}

/* ---- acknowledgements ---- */

static void
send_acknowledgement(struct zerobus_stream *s)
{
	struct buffer ack = BUFFER_INIT, message = BUFFER_INIT;

	zerobus_put_varint(&ack, 1, (uint64_t)s->committed);
	zerobus_put_bytes(&message, 2, buffer_span(&ack));
	buffer_release(&ack);
	s->acknowledged = s->committed;
	s->server->acknowledgements++;
	server_call_send(s->call, &message);
	buffer_release(&message);
}

static void
acknowledge_late(void *context)
{
	struct zerobus_stream *s = context;

	if (s->call == NULL)
		return;
	if (s->acknowledged < s->committed)
		send_acknowledgement(s);
	settle(s);
}

/* Asks the error script, then sends, holds back, or loses the acknowledgement. */
static void
acknowledge(struct zerobus_stream *s)
{
	struct zerobus_server *z = s->server;
	int64_t wait = s->failing || s->half_closed ? 0 : z->options.ack_interval_ms;
	struct fault fault;

	if (s->call == NULL || s->acknowledged >= s->committed || s->ack_timer.due_ms != 0)
		return;
	if (z->options.emulator->faults != NULL &&
	    faults_reply(z->options.emulator->faults, METHOD, (uint64_t)s->committed + 1, &fault)) {
		if (fault.kind == FAULT_LOSE_ACK) {
			server_call_cut(s->call);
			return;
		}
		if (fault.kind == FAULT_ACK_DELAY)
			wait = fault.duration_ms > 0 ? fault.duration_ms : 1;
	}
	if (wait > 0)
		server_timer_start(z->server, &s->ack_timer, wait, acknowledge_late, s);
	else
		send_acknowledgement(s);
}

/* ---- storing ---- */

static void
job_free(struct job *j)
{
	record_rows_release(&j->rows);
	free(j->message);
	free(j);
}

static void
read_more(struct zerobus_stream *s)
{
	if (s->call == NULL || s->reading || s->failing || s->half_closed || s->stalled || s->bytes > STREAM_BYTES)
		return;
	s->reading = true;
	server_call_read(s->call);
}

static void
job_done(struct job *j)
{
	struct zerobus_stream *s = j->stream;

	s->jobs--;
	s->bytes -= j->bytes;
	if (!j->failed) {
		s->committed = j->offset;
		s->server->rows += j->append.rows;
	} else if (j->error.code == ERR_NOT_FOUND) {
		zerobus_stream_fail(s, NOT_FOUND, "TABLE_NOT_FOUND", "%s", j->error.text);
	} else if (j->error.code == ERR_MISFIT) {
		zerobus_stream_fail(s, INVALID_ARGUMENT, "SCHEMA_MISMATCH", "the table was changed under the stream: %s", j->error.text);
	} else {
		zerobus_stream_fail(s, UNAVAILABLE, NULL, "%s", j->error.text);
	}
	job_free(j);
}

/* On the server's thread: all that the writer has finished since. */
static void
collect(void *context)
{
	struct zerobus_server *z = context;
	struct job *list, *j;

	pthread_mutex_lock(&z->lock);
	list = z->done;
	z->done = NULL;
	z->done_last = &z->done;
	z->posted = false;
	pthread_mutex_unlock(&z->lock);
	while (list != NULL) {
		struct zerobus_stream *s = list->stream;
		bool same;

		j = list;
		list = j->next;
		job_done(j);
		same = list != NULL && list->stream == s;
		if (same)
			continue; /* one acknowledgement for all of a commit */
		if (s->call == NULL) {
			if (s->jobs == 0)
				stream_free(s);
			continue;
		}
		acknowledge(s);
		settle(s);
		read_more(s);
	}
}

/* On the writer's thread. */
static void
stored(struct lake_append *append, const struct error *e)
{
	struct job *j = (struct job *)append;
	struct zerobus_server *z = j->append.context;
	bool post;

	j->failed = e != NULL;
	if (e != NULL)
		j->error = *e;
	j->next = NULL;
	pthread_mutex_lock(&z->lock);
	*z->done_last = j;
	z->done_last = &j->next;
	post = !z->posted && !z->closed;
	z->posted |= post;
	z->jobs--;
	/* posted under the lock: after `closed` the server may be gone */
	if (post)
		server_post(z->server, collect, z);
	pthread_cond_signal(&z->idle);
	pthread_mutex_unlock(&z->lock);
}

/* ---- requests ---- */

static int
decode(struct zerobus_stream *s, struct job *j, const struct zerobus_ingest *in, struct error *e)
{
	const uint8_t *p, *end;
	struct wire_field f;
	size_t n = 0;

	if (!in->is_batch)
		return record_rows_add(&j->rows, s->plan, in->records, e);
	p = (const uint8_t *)in->records.data;
	end = p + in->records.len;
	for (; p < end; n++) {
		if (!zerobus_wire_next(&p, end, &f) || f.number != 1 || f.wire != 2)
			return error_set(e, ERR_REFUSED, "the batch is not decodable");
		if (record_rows_add(&j->rows, s->plan, f.span, e) < 0)
			return error_wrap(e, "record %zu of the batch", n);
	}
	return n > 0 ? 0 : error_set(e, ERR_REFUSED, "the batch is empty");
}

static void
ingest(struct zerobus_stream *s, struct text message)
{
	struct zerobus_server *z = s->server;
	struct job *j = memory_zero(1, sizeof(*j));
	struct zerobus_message m;
	struct error e = ERROR_INIT;

	/* the rows borrow from the message, which the harness takes back */
	j->message = memory_alloc(message.len + 1);
	memcpy(j->message, message.data ? message.data : "", message.len);
	j->bytes = message.len;
	if (!zerobus_parse(text_span(j->message, message.len), &m) || m.kind != ZEROBUS_INGEST) {
		zerobus_stream_fail(s, INVALID_ARGUMENT, NULL, "not an ingest request");
	} else if (!m.ingest.has_offset || m.ingest.offset != s->next_offset) {
		zerobus_stream_fail(s, INVALID_ARGUMENT, NULL,
		    "NonIncrementalOffset: offset_id is %lld where %lld was expected. Error Code: 4002, Error State: 0",
		    (long long)m.ingest.offset, (long long)s->next_offset);
	} else if (m.ingest.is_json != s->json) {
		zerobus_stream_fail(s, INVALID_ARGUMENT, NULL, "the stream was opened for %s records", s->json ? "JSON" : "PROTO");
	} else if (decode(s, j, &m.ingest, &e) < 0) {
		zerobus_stream_fail(s, INVALID_ARGUMENT, NULL, "offset %lld: %s", (long long)s->next_offset, e.text);
	} else if (zerobus_stream_may_send(s, j->rows.rows)) {
		j->stream = s;
		j->offset = s->next_offset++;
		j->append = (struct lake_append){.layout = s->layout,
		    .cells = j->rows.cells,
		    .rows = j->rows.rows,
		    .done = stored,
		    .context = z};
		j->bytes += j->rows.bytes + j->rows.cell_capacity * sizeof(*j->rows.cells);
		s->jobs++;
		s->bytes += j->bytes;
		pthread_mutex_lock(&z->lock);
		z->jobs++;
		pthread_mutex_unlock(&z->lock);
		lakehouse_append(z->options.lakehouse, &j->append);
		return;
	}
	job_free(j);
}

static void
end_by_signal(void *context)
{
	struct zerobus_stream *s = context;

	/* the announced pause, or the patience with a silent stream, is over: it ends as one that was closed */
	s->half_closed = true;
	settle(s);
}

/* From now on it is silent, until the next message. */
static void
be_idle(struct zerobus_stream *s)
{
	int64_t limit = s->server->options.emulator->options->ingest_idle_ms;

	if (limit > 0)
		server_timer_start(s->server->server, &s->idle_timer, limit, end_by_signal, s);
}

static void
send_close_signal(struct zerobus_stream *s, int64_t duration_ms)
{
	struct buffer duration = BUFFER_INIT, signal = BUFFER_INIT, message = BUFFER_INIT;

	zerobus_put_varint(&duration, 1, (uint64_t)(duration_ms / 1000));
	zerobus_put_varint(&duration, 2, (uint64_t)(duration_ms % 1000) * 1000000);
	zerobus_put_bytes(&signal, 1, buffer_span(&duration));
	zerobus_put_bytes(&message, 3, buffer_span(&signal));
	server_call_send(s->call, &message);
	server_timer_start(s->server->server, &s->close_timer, duration_ms > 0 ? duration_ms : 1, end_by_signal, s);
	buffer_release(&duration);
	buffer_release(&signal);
	buffer_release(&message);
}

/* What the error script wants after n messages. false: the call goes no further. */
static bool
strike(struct zerobus_stream *s, const struct fault *fault)
{
	if (fault->kind == FAULT_CLOSE_SIGNAL) {
		if (s->close_timer.due_ms == 0)
			send_close_signal(s, fault->duration_ms);
		return true;
	}
	if (!server_call_apply(s->call, fault))
		return true;
	if (fault->kind == FAULT_DELAY)
		return true;
	s->stalled = true;
	return false;
}

static void
take_message(struct zerobus_stream *s, struct text message)
{
	if (s->state == NEW) {
		struct zerobus_message m;

		if (!zerobus_parse(message, &m) || m.kind != ZEROBUS_CREATE)
			zerobus_stream_fail(s, INVALID_ARGUMENT, "INVALID_FIRST_MESSAGE", "the first message must be create_stream");
		else
			zerobus_stream_open(s, &m.create);
		return;
	}
	s->server->requests++;
	ingest(s, message);
}

static void
on_message(void *service, struct server_call *call, struct text message)
{
	struct zerobus_stream *s = server_call_data(call);
	struct faults *faults = s->server->options.emulator->faults;
	struct fault fault;
	uint64_t before;
	bool taken = false;

	(void)service;
	s->reading = false;
	if (s->failing || s->state == ENDING)
		return;
	be_idle(s);
	/* the script counts ingest requests: the first message opens the stream and is not one */
	if (s->state == NEW) {
		take_message(s, message);
		read_more(s);
		return;
	}
	if (!zerobus_stream_still_authorized(s))
		return;
	while (faults != NULL && !taken && faults_messages(faults, METHOD, s->received, 1, &before, &fault)) {
		if (before > 0) {
			take_message(s, message);
			s->received++;
			taken = true;
		}
		if (server_call_is_over(call) || !strike(s, &fault))
			return;
	}
	if (!taken) {
		take_message(s, message);
		s->received++;
	}
	read_more(s);
}

static void
on_started(void *service, struct server_call *call)
{
	struct zerobus_server *z = service;
	struct zerobus_stream *s = memory_zero(1, sizeof(*s));

	s->server = z;
	s->call = call;
	s->committed = s->acknowledged = -1;
	server_call_set_data(call, s);
	z->streams++;
	if (zerobus_stream_authorize(s))
		read_more(s);
}

static void
on_half_closed(void *service, struct server_call *call)
{
	struct zerobus_stream *s = server_call_data(call);

	(void)service;
	s->half_closed = true;
	settle(s);
}

static void
on_ended(void *service, struct server_call *call, bool cancelled)
{
	struct zerobus_server *z = service;
	struct zerobus_stream *s = server_call_data(call);

	(void)cancelled;
	if (s == NULL)
		return;
	server_timer_stop(z->server, &s->ack_timer);
	server_timer_stop(z->server, &s->close_timer);
	server_timer_stop(z->server, &s->idle_timer);
	s->call = NULL;
	if (s->jobs == 0)
		stream_free(s);
}

static const struct server_method methods[] = {
    {
	.path = "/databricks.zerobus.Zerobus/EphemeralStream",
	.fault = METHOD,
	.streaming = true,
	.started = on_started,
	.message = on_message,
	.half_closed = on_half_closed,
	.ended = on_ended,
    },
    {.path = NULL},
};

/* ---- the server ---- */

struct zerobus_server *
zerobus_server_open(const struct zerobus_options *o, struct error *e)
{
	struct zerobus_server *z = memory_zero(1, sizeof(*z));

	z->options = *o;
	z->done_last = &z->done;
	pthread_mutex_init(&z->lock, NULL);
	pthread_cond_init(&z->idle, NULL);
	z->server = server_new(&(struct server_options){.name = "Zerobus",
				   .port = o->emulator->options->zerobus_port,
				   .identity = &o->emulator->identity,
				   .receive_limit_bytes = LIMIT_ZEROBUS_MESSAGE_BYTES,
				   .faults = o->emulator->faults,
				   .connection_age_ms = o->emulator->options->connection_age_ms},
	    methods, z, e);
	if (z->server == NULL) {
		zerobus_server_close(z);
		return NULL;
	}
	server_start(z->server);
	return z;
}

uint16_t
zerobus_server_port(const struct zerobus_server *z)
{
	return server_port(z->server);
}

void
zerobus_server_report(struct zerobus_server *z, struct json *state)
{
	struct json *j = json_object();
	struct server_counts c;
	size_t storing;

	pthread_mutex_lock(&z->lock);
	storing = z->jobs;
	pthread_mutex_unlock(&z->lock);
	server_counts(z->server, &c);
	json_set_int64(j, "streams", (int64_t)z->streams);
	json_set_int64(j, "open", (int64_t)c.open);
	json_set_int64(j, "requests", (int64_t)z->requests);
	json_set_int64(j, "rows", (int64_t)z->rows);
	json_set_int64(j, "storing", (int64_t)storing);
	json_set_int64(j, "acknowledgements", (int64_t)z->acknowledgements);
	json_set_int64(j, "refused", (int64_t)z->refused);
	json_set(state, "zerobus", j);
}

void
zerobus_server_close(struct zerobus_server *z)
{
	if (z == NULL)
		return;
	pthread_mutex_lock(&z->lock);
	z->closed = true;
	pthread_mutex_unlock(&z->lock);
	if (z->server != NULL)
		server_free(z->server);
	pthread_mutex_lock(&z->lock);
	while (z->jobs > 0)
		pthread_cond_wait(&z->idle, &z->lock);
	pthread_mutex_unlock(&z->lock);
	collect(z); /* every call is over: this frees jobs and streams */
	pthread_cond_destroy(&z->idle);
	pthread_mutex_destroy(&z->lock);
	free(z);
}

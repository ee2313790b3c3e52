#include "salesforce/pubsub_publish.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "proto/pubsub_api.pb-c.h"
#include "salesforce/pubsub_arena.h"
#include "salesforce/pubsub_client.h"

#define ANSWER_MS 60000 /* for the response to one send */
#define IDLE_MS 60000	/* the server closes idle streams at 70 s, in some documents */
#define CLOSE_MS 2000

/* Requests and answers. */

/* The ids of a send, kept for its answer. */
struct batch {
	struct buffer ids;
	size_t *ends;
	size_t count;
};

static void
batch_release(struct batch *b)
{
	buffer_release(&b->ids);
	free(b->ends);
	memset(b, 0, sizeof(*b));
}

static struct text
batch_id(const struct batch *b, size_t i)
{
	size_t from = i > 0 ? b->ends[i - 1] : 0;

	return text_span((const char *)b->ids.data + from, b->ends[i] - from);
}

static void
batch_fill(struct batch *b, const struct pubsub_publish_event *events, size_t count)
{
	batch_release(b);
	b->count = count;
	b->ends = memory_zero(count > 0 ? count : 1, sizeof(b->ends[0]));
	for (size_t i = 0; i < count; i++) {
		buffer_append(&b->ids, events[i].id.data, events[i].id.len);
		b->ends[i] = b->ids.len;
	}
}

/* protobuf-c wants C strings, and wants them writable. */
static void
pack_request(
    struct buffer *out, const char *topic, const struct pubsub_publish_event *events, size_t count)
{
	Eventbus__V1__PublishRequest request = EVENTBUS__V1__PUBLISH_REQUEST__INIT;
	Eventbus__V1__ProducerEvent *items = memory_zero(count > 0 ? count : 1, sizeof(items[0]));
	Eventbus__V1__ProducerEvent **list = memory_zero(count > 0 ? count : 1, sizeof(list[0]));

	for (size_t i = 0; i < count; i++) {
		eventbus__v1__producer_event__init(&items[i]);
		items[i].id = text_dup(events[i].id);
		items[i].schema_id = text_dup(events[i].schema_id);
		items[i].payload.data = (uint8_t *)events[i].payload.data;
		items[i].payload.len = events[i].payload.len;
		list[i] = &items[i];
	}
	request.topic_name = (char *)topic;
	request.events = list;
	request.n_events = count;
	pubsub_pack(out, &request.base);
	for (size_t i = 0; i < count; i++) {
		free(items[i].id);
		free(items[i].schema_id);
	}
	free(items);
	free(list);
}

static void
fill_result(struct pubsub_publish_result *to, const Eventbus__V1__PublishResult *from)
{
	to->code = ERR_OK;
	replay_id_set(&to->replay_id, text_span(from->replay_id.data, from->replay_id.len));
	if (from->error == NULL)
		return;
	to->message = text_of(from->error->msg);
	to->code = strstr(from->error->msg, "LIMIT_EXCEEDED") != NULL ? ERR_QUOTA : ERR_REFUSED;
}

/* By the key first; a failed event that has none by its place. */
static const Eventbus__V1__PublishResult *
find_result(const Eventbus__V1__PublishResponse *r, size_t i, struct text id)
{
	const Eventbus__V1__PublishResult *at = i < r->n_results ? r->results[i] : NULL;

	if (at != NULL && (at->correlation_key[0] == '\0' || text_is(id, at->correlation_key)))
		return at;
	for (size_t j = 0; j < r->n_results; j++)
		if (text_is(id, r->results[j]->correlation_key))
			return r->results[j];
	return NULL;
}

/* false: not a PublishResponse. */
static bool
tell_results(const struct batch *b, struct text response, pubsub_publish_done *done, void *context)
{
	struct arena arena;
	Eventbus__V1__PublishResponse *r;
	struct pubsub_publish_result *results;
	struct error none = ERROR_INIT;

	arena_init(&arena, LIMIT_UNPACKED_BYTES);
	r = eventbus__v1__publish_response__unpack(
	    &arena.allocator, response.len, (const uint8_t *)response.data);
	if (r == NULL) {
		arena_release(&arena);
		return false;
	}
	results = memory_zero(b->count > 0 ? b->count : 1, sizeof(results[0]));
	for (size_t i = 0; i < b->count; i++) {
		const Eventbus__V1__PublishResult *from = find_result(r, i, batch_id(b, i));

		results[i].id = batch_id(b, i);
		results[i].code = ERR_UNAVAILABLE;
		results[i].message = text_of("the answer says nothing of this event");
		if (from != NULL) {
			results[i].message = text_of("");
			fill_result(&results[i], from);
		}
	}
	log_debug("pubsub", "published %zu events, rpc id %s", b->count, r->rpc_id);
	done(context, results, b->count, &none, false);
	free(results);
	arena_release(&arena);
	return true;
}

static void
set_malformed(struct error *e, const char *rpc, const char *topic)
{
	error_set(
	    e, ERR_FAILED, "Salesforce %s '%s': the answer is no PublishResponse", rpc, topic);
}

/* One call. */

struct publish {
	struct batch batch;
	char *topic;
	pubsub_publish_done *done;
	void *context;
};

static void
published(void *context, struct text response, const struct error *why, bool maybe_done)
{
	struct publish *q = context;
	struct error malformed = ERROR_INIT;

	if (why->code != ERR_OK) {
		q->done(q->context, NULL, 0, why, maybe_done);
	} else if (!tell_results(&q->batch, response, q->done, q->context)) {
		set_malformed(&malformed, "Publish", q->topic);
		q->done(q->context, NULL, 0, &malformed, true);
	}
	batch_release(&q->batch);
	free(q->topic);
	free(q);
}

void
pubsub_publish(struct pubsub *p, const char *topic, const struct pubsub_publish_event *events,
    size_t count, pubsub_publish_done *done, void *context)
{
	struct publish *q = memory_zero(1, sizeof(*q));
	struct buffer request = BUFFER_INIT;

	q->topic = memory_strdup(topic);
	q->done = done;
	q->context = context;
	batch_fill(&q->batch, events, count);
	pack_request(&request, topic, events, count);
	pubsub_unary_bytes(p, "Publish", topic, ANSWER_MS, &request, published, q);
}

/* A stream. */

struct pubsub_publisher {
	struct pubsub *pubsub;
	struct loop *loop;
	char *topic;
	struct call *call;
	char trace[UUID_SIZE];
	unsigned generation;
	bool closing; /* half-closed: a send waits for another stream */
	bool freed;
	bool in_flight, sent;  /* sent: with the call that is open */
	bool repeated;	       /* with another token */
	struct buffer request; /* of the send in flight, for a repeat */
	struct batch batch;
	pubsub_publish_done *done;
	void *context;
	struct error error;
	struct loop_timer timer; /* for the answer, else for idleness, else for the end */
};

static void
publisher_release(struct pubsub_publisher *b)
{
	loop_timer_stop(b->loop, &b->timer);
	buffer_release(&b->request);
	batch_release(&b->batch);
	free(b->topic);
	free(b);
}

static void
publisher_cancel(void *context)
{
	struct pubsub_publisher *b = context;

	if (b->call != NULL)
		call_cancel(b->call);
}

static void
publisher_close(void *context)
{
	struct pubsub_publisher *b = context;

	b->closing = true;
	call_half_close(b->call);
	loop_timer_start(b->loop, &b->timer, CLOSE_MS, publisher_cancel, b);
}

/* The send in flight has failed. */
static void
publisher_fail(struct pubsub_publisher *b, const struct error *why, bool maybe_stored)
{
	b->in_flight = false;
	b->done(b->context, NULL, 0, why, maybe_stored);
}

static void
publisher_message(void *context, struct text message)
{
	struct pubsub_publisher *b = context;
	struct batch batch = b->batch;
	struct error malformed = ERROR_INIT;

	if (b->freed || !b->in_flight || !b->sent)
		return;
	/* the callback may send the next at once, so what it needs is its own */
	memset(&b->batch, 0, sizeof(b->batch));
	b->in_flight = false;
	if (!b->closing)
		loop_timer_start(b->loop, &b->timer, IDLE_MS, publisher_close, b);
	if (!tell_results(&batch, message, b->done, b->context)) {
		set_malformed(&malformed, "PublishStream", b->topic);
		b->done(b->context, NULL, 0, &malformed, true);
	}
	batch_release(&batch);
}

static void publisher_start(struct pubsub_publisher *b);

static void
publisher_renewed(void *context, const struct error *why)
{
	struct pubsub_publisher *b = context;

	if (why->code == ERR_OK) {
		publisher_start(b);
		return;
	}
	pubsub_refused(b->pubsub, &b->error, why);
	publisher_fail(b, &b->error, false);
}

static void
publisher_ended(void *context, const struct call_status *status)
{
	struct pubsub_publisher *b = context;
	struct pubsub_request request = {
	    pubsub_endpoint(b->pubsub), "PublishStream", b->topic, b->trace};
	bool was_sent = b->sent;

	b->call = NULL;
	b->closing = b->sent = false;
	pubsub_call_over(b->pubsub);
	loop_timer_stop(b->loop, &b->timer);
	if (b->freed) {
		publisher_release(b);
		return;
	}
	error_clear(&b->error);
	if (pubsub_error(status, &request, &b->error) == 0)
		error_set(&b->error, ERR_UNAVAILABLE,
		    "Salesforce PublishStream '%s': the server ended the stream without "
		    "an answer (%s, trace id %s)",
		    b->topic, request.endpoint, b->trace);
	if (!b->in_flight)
		log_debug("pubsub", "%s: idle publish stream over: %s", b->topic, b->error.text);
	else if (!was_sent)
		publisher_start(b); /* it waited for this end */
	else if (b->error.code == ERR_SESSION && !b->repeated) {
		b->repeated = true;
		pubsub_renew_token(b->pubsub, b->generation, publisher_renewed, b);
	} else
		publisher_fail(b, &b->error, status->code == 0 || pubsub_maybe_done(status));
}

/* An answer can be here before the transport says that it has room for the next send. */
static void
publisher_flush(void *context)
{
	struct pubsub_publisher *b = context;
	struct buffer copy = BUFFER_INIT;

	if (!b->in_flight || b->sent || b->closing || !call_can_send(b->call))
		return;
	buffer_append(&copy, b->request.data, b->request.len);
	b->sent = call_send(b->call, &copy);
	buffer_release(&copy);
}

/* Sends what is in flight, on the stream that is open or on a new one. */
static void
publisher_start(struct pubsub_publisher *b)
{
	static const struct call_events events = {
	    publisher_message, publisher_flush, publisher_ended};

	if (b->call == NULL) {
		b->generation = pubsub_generation(b->pubsub);
		b->call = pubsub_call(b->pubsub, "PublishStream", b->trace, 0, &events, b);
		log_debug("pubsub", "PublishStream %s, trace id %s", b->topic, b->trace);
	}
	b->sent = false;
	publisher_flush(b);
	loop_timer_start(b->loop, &b->timer, ANSWER_MS, publisher_cancel, b);
}

struct pubsub_publisher *
pubsub_publisher_new(struct pubsub *p, const char *topic)
{
	struct pubsub_publisher *b = memory_zero(1, sizeof(*b));

	b->pubsub = p;
	b->loop = pubsub_loop(p);
	b->topic = memory_strdup(topic);
	return b;
}

bool
pubsub_publisher_send(struct pubsub_publisher *b, const struct pubsub_publish_event *events,
    size_t count, pubsub_publish_done *done, void *context)
{
	if (b->in_flight)
		return false;
	b->in_flight = true;
	b->sent = b->repeated = false;
	b->done = done;
	b->context = context;
	batch_fill(&b->batch, events, count);
	buffer_clear(&b->request);
	pack_request(&b->request, b->topic, events, count);
	/* a stream that is closing takes no more: its end starts another */
	if (!b->closing)
		publisher_start(b);
	return true;
}

void
pubsub_publisher_free(struct pubsub_publisher *b)
{
	if (b == NULL)
		return;
	pubsub_renew_forget(b->pubsub, b);
	if (b->call == NULL) {
		publisher_release(b);
		return;
	}
	b->freed = true;
	publisher_close(b);
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "emulator/event_check.h"
#include "emulator/pubsub_internal.h"

struct result {
	Eventbus__V1__PublishResult wire;
	Eventbus__V1__Error error;
	uint8_t replay[BUS_REPLAY_BYTES];
	char text[256];
	char id[UUID_SIZE]; /* made for an event that came without one */
	int event;	    /* place among those that are published, -1: refused */
};

/* Why an event is refused; NULL: it is not. */
static const char *
refuse(struct pubsub_server *p, const struct topic *topic, const Eventbus__V1__ProducerEvent *v, char *text,
    size_t size)
{
	const struct schema *schema = schema_store_find(org_schemas(p->org), text_of(v->schema_id));
	struct error e = ERROR_INIT;

	if (strlen(v->id) > EVENT_ID_MAX)
		snprintf(text, size, "The event ID is longer than %d characters.", EVENT_ID_MAX);
	else if (!schema || !schema->is_own || (int)schema->entity != topic->entity)
		/* an older version of the topic's is good: the publisher may not know of the change yet */
		snprintf(text, size, "The schema ID %.40s is not the one of the topic, %s.", v->schema_id,
		    topic_schema_id(topic, p->org));
	else if (v->payload.len > EVENT_BYTES_MAX)
		snprintf(text, size, "The event message size exceeded the maximum limit of 1 MB.");
	else if (event_check(&schema->type, text_span(v->payload.data, v->payload.len), &e) != 0)
		snprintf(text, size, "The payload does not conform to the event's schema: %.180s.", e.text);
	else
		return NULL;
	return text;
}

static bool
over_limit(const struct pubsub_server *p, size_t before, char *text, size_t size)
{
	if (before < quota_left(p->publishing))
		return false;
	snprintf(text, size, "LIMIT_EXCEEDED: The hourly limit of published platform events is exceeded.");
	return true;
}

/* Checks and publishes the events of one request; false: the call has been ended. */
static bool
publish_events(struct pubsub_server *p, struct server_call *c, const struct topic *topic,
    const Eventbus__V1__PublishRequest *q, struct result *results)
{
	struct bus_event *good = memory_zero(q->n_events, sizeof *good);
	struct error e = ERROR_INIT;
	size_t count = 0;
	bool ok;

	for (size_t i = 0; i < q->n_events; i++) {
		const Eventbus__V1__ProducerEvent *v = q->events[i];
		struct result *r = &results[i];

		eventbus__v1__publish_result__init(&r->wire);
		eventbus__v1__error__init(&r->error);
		r->wire.correlation_key = v->id;
		r->event = -1;
		if (refuse(p, topic, v, r->text, sizeof r->text) ||
		    over_limit(p, count, r->text, sizeof r->text)) {
			r->error.code = EVENTBUS__V1__ERROR_CODE__PUBLISH;
			r->error.msg = r->text;
			r->wire.error = &r->error;
			continue;
		}
		r->event = (int)count;
		if (*v->id == '\0')
			r->wire.correlation_key = random_uuid(r->id);
		good[count++] = (struct bus_event){ .id = r->wire.correlation_key,
			.schema_id = v->schema_id,
			.entity = (unsigned)topic->entity,
			.payload = text_span(v->payload.data, v->payload.len) };
	}
	ok = bus_publish(p->bus, good, count, &e) == 0;
	if (!ok)
		pubsub_fail(c, 13, "service.unavailable", "%s.", e.text);
	for (size_t i = 0; ok && i < q->n_events; i++) {
		struct result *r = &results[i];

		if (r->event < 0)
			continue;
		bus_replay_bytes(r->replay, good[r->event].replay);
		r->wire.replay_id = (ProtobufCBinaryData){ sizeof r->replay, r->replay };
	}
	if (ok) {
		p->published += count;
		quota_take(p->publishing, count);
		p->refused += q->n_events - count;
	}
	free(good);
	return ok;
}

/* What the script says of an answer that is about to go; false: it does not go. */
static bool
may_answer(struct pubsub_server *p, struct server_call *c, uint64_t requests)
{
	struct fault fault;

	if (!server_call_method(c)->streaming ||
	    !faults_reply(p->emulator->faults, "salesforce.publish-stream", requests, &fault))
		return true;
	if (fault.kind == FAULT_LOSE_ACK)
		server_call_cut(c);
	else
		server_call_hold(c, fault.duration_ms);
	return fault.kind != FAULT_LOSE_ACK;
}

/* requests: how many of this stream, this one included. */
static void
answer(struct pubsub_server *p, struct server_call *c, const struct topic *topic,
    const Eventbus__V1__PublishRequest *q, uint64_t requests)
{
	struct result *results = memory_zero(q->n_events, sizeof *results);
	Eventbus__V1__PublishResult **list = memory_zero(q->n_events, sizeof *list);
	Eventbus__V1__PublishResponse response = EVENTBUS__V1__PUBLISH_RESPONSE__INIT;
	char rpc_id[UUID_SIZE];

	if (publish_events(p, c, topic, q, results) && may_answer(p, c, requests)) {
		for (size_t i = 0; i < q->n_events; i++)
			list[i] = &results[i].wire;
		response.results = list;
		response.n_results = q->n_events;
		response.schema_id = (char *)topic_schema_id(topic, p->org);
		response.rpc_id = random_uuid(rpc_id);
		pubsub_send(c, &response.base);
	}
	free(results);
	free(list);
}

/* A request read and held against the rules for all; NULL: the call has been ended. */
static Eventbus__V1__PublishRequest *
read_request(struct server_call *c, struct text message)
{
	Eventbus__V1__PublishRequest *q;

	if (message.len > REQUEST_BYTES_MAX) {
		/* it is a proxy in front of the service that refuses these, so there is no code and no rpc id */
		server_call_finish(c, &(struct server_status){ .code = 14,
					  .message = "upstream connect error or disconnect/reset before headers. "
						     "reset reason: remote reset" });
		return NULL;
	}
	q = eventbus__v1__publish_request__unpack(NULL, message.len, (const uint8_t *)message.data);
	if (!q)
		pubsub_fail(c, 13, NULL, "The request is not a PublishRequest.");
	return q;
}

/* A topic that events may be published to; NULL: the call has been ended. */
static const struct topic *
find_topic(struct pubsub_server *p, struct server_call *c, const Eventbus__V1__PublishRequest *q)
{
	const struct topic *topic =
	    pubsub_find_topic(p, c, q->topic_name, "publish.topic.validation.empty");

	if (topic && !topic->can_publish) {
		pubsub_fail(c, 7, "topic.meta.permission", "Events can't be published to the topic %s.",
		    topic->name);
		return NULL;
	}
	return topic;
}

static bool
has_events(struct server_call *c, const Eventbus__V1__PublishRequest *q)
{
	if (q->n_events > 0)
		return true;
	pubsub_fail(c, 3, "publish.event.count.invalid",
	    "The number of events to publish must be greater than zero.");
	return false;
}

void
pubsub_publish_message(void *service, struct server_call *c, struct text message)
{
	struct pubsub_server *p = service;
	Eventbus__V1__PublishRequest *q = read_request(c, message);
	const struct topic *topic;

	if (!q)
		return;
	if (pubsub_authorize(p, c) && (topic = find_topic(p, c, q)) != NULL && has_events(c, q)) {
		answer(p, c, topic, q, 1);
		server_call_finish(c, &(struct server_status){ 0 });
	}
	eventbus__v1__publish_request__free_unpacked(q, NULL);
}

/* --- the stream --------------------------------------------------------------------------------- */

struct publisher {
	struct pubsub_server *service;
	struct server_call *call;
	const struct topic *topic;
	uint64_t requests;
	struct server_timer idle;
};

static void
swept(void *context)
{
	struct publisher *s = context;

	pubsub_fail(s->call, 4, "publish.stream.sweeper.timeout",
	    "The publish stream was closed because no event was published for %lld seconds.",
	    (long long)s->service->emulator->options->publish_idle_ms / 1000);
}

static void
be_idle(struct publisher *s)
{
	struct pubsub_server *p = s->service;

	server_timer_start(p->server, &s->idle, p->emulator->options->publish_idle_ms, swept, s);
}

void
pubsub_publish_stream_started(void *service, struct server_call *c)
{
	struct pubsub_server *p = service;
	struct publisher *s = memory_zero(1, sizeof *s);

	s->service = p;
	s->call = c;
	server_call_set_data(c, s);
	if (!pubsub_stream_started(p, c))
		return;
	be_idle(s);
	server_call_read(c);
}

void
pubsub_publish_stream_ended(void *service, struct server_call *c, bool cancelled)
{
	struct pubsub_server *p = service;
	struct publisher *s = server_call_data(c);

	(void)cancelled;
	server_timer_stop(p->server, &s->idle);
	pubsub_stream_ended(p);
	free(s);
}

static bool
check_stream_request(struct publisher *s, const Eventbus__V1__PublishRequest *q)
{
	if (!s->topic)
		s->topic = find_topic(s->service, s->call, q);
	if (!s->topic)
		return false;
	if (*q->topic_name && strcmp(q->topic_name, s->topic->name) != 0) {
		pubsub_fail(s->call, 3, "publish.topic.mismatch",
		    "The topic name of a later PublishRequest must be that of the first one, %s.",
		    s->topic->name);
		return false;
	}
	if (*q->auth_refresh && s->requests == 0) {
		pubsub_fail(s->call, 3, "publish.auth.refresh.invalid",
		    "The first PublishRequest can't refresh the authentication.");
		return false;
	}
	return has_events(s->call, q);
}

void
pubsub_publish_stream_message(void *service, struct server_call *c, struct text message)
{
	struct pubsub_server *p = service;
	struct publisher *s = server_call_data(c);
	Eventbus__V1__PublishRequest *q = read_request(c, message);
	struct fault fault;
	uint64_t before;

	if (!q)
		return;
	if ((s->requests == 0 || pubsub_authorize_again(p, c)) && check_stream_request(s, q)) {
		answer(p, c, s->topic, q, s->requests + 1);
		if (faults_messages(p->emulator->faults, "salesforce.publish-stream", s->requests++, 1, &before,
			&fault))
			server_call_apply(c, &fault);
		be_idle(s);
		server_call_read(c);
	}
	eventbus__v1__publish_request__free_unpacked(q, NULL);
}

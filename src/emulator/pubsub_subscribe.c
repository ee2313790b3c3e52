#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "emulator/pubsub_internal.h"

/* In replay ids, of which an event takes three or four. A bus repeats what it has published just now, however far behind a reader may be. */
#define REPEATED_WITHIN 30000

static void
append_varint(struct buffer *out, uint64_t v)
{
	while (v >= 0x80) {
		buffer_append_byte(out, (uint8_t)(v | 0x80));
		v >>= 7;
	}
	buffer_append_byte(out, (uint8_t)v);
}

/* Fields 2, 3 and 4 of a FetchResponse, behind its events. */
static void
append_tail(struct buffer *out, const struct subscription *s, uint64_t latest)
{
	uint8_t replay[BUS_REPLAY_BYTES];

	bus_replay_bytes(replay, latest);
	buffer_append_byte(out, 2 << 3 | 2);
	append_varint(out, sizeof replay);
	buffer_append(out, replay, sizeof replay);
	buffer_append_byte(out, 3 << 3 | 2);
	append_varint(out, UUID_SIZE - 1);
	buffer_append(out, s->rpc_id, UUID_SIZE - 1);
	if (s->credit > 0) {
		buffer_append_byte(out, 4 << 3);
		append_varint(out, (uint64_t)s->credit);
	}
}

static void
starved(void *context)
{
	struct subscription *s = context;

	/* how the vendor ends it is not known: without an error, as its other routine ends */
	server_call_finish(s->call, &(struct server_status){ 0 });
}

static void pump(struct subscription *s);

static void
send_keepalive(void *context)
{
	struct subscription *s = context;
	struct pubsub_server *p = s->service;
	struct buffer out = BUFFER_INIT;
	uint64_t before = s->after, tip;

	if (server_call_is_over(s->call) || s->credit == 0)
		return;
	if (s->unsettled) { /* there is no place to tell yet */
		server_timer_start(p->server, &s->keepalive, p->emulator->options->keepalive_ms, send_keepalive, s);
		return;
	}
	/* what was published since the last look goes first: a keepalive says that there is nothing */
	tip = bus_tip(p->bus);
	pump(s);
	if (server_call_is_over(s->call) || s->credit == 0)
		return;
	if (s->after == before && server_call_queued_bytes(s->call) == 0) {
		if (s->after < tip)
			s->after = tip;
		append_tail(&out, s, s->after);
		p->keepalives++;
		server_call_send(s->call, &out);
	}
	server_timer_start(p->server, &s->keepalive, p->emulator->options->keepalive_ms, send_keepalive,
	    s);
}

static void
send_events(struct subscription *s, struct buffer *out, int count)
{
	struct pubsub_server *p = s->service;

	s->credit -= count;
	s->delivered += (uint64_t)count;
	p->delivered += (uint64_t)count;
	quota_take(p->deliveries, (uint64_t)count);
	append_tail(out, s, s->after);
	server_call_send(s->call, out);
	if (s->credit == 0) {
		server_timer_stop(p->server, &s->keepalive);
		server_timer_start(p->server, &s->starving, p->emulator->options->zero_credit_ms, starved, s);
	} else {
		server_timer_start(p->server, &s->keepalive, p->emulator->options->keepalive_ms,
		    send_keepalive, s);
	}
}

static void
strike(struct subscription *s, const struct fault *fault)
{
	struct error e = ERROR_INIT;

	if (fault->kind == FAULT_DUPLICATE) {
		uint64_t newest = bus_last(s->service->bus);

		if (bus_repeat(s->service->bus, newest - s->after > REPEATED_WITHIN ? newest : s->after, &e) != 0)
			log_warn("emulator", "%s", e.text);
		return;
	}
	server_call_apply(s->call, fault);
}

/* Reads one response's worth of events and sends it; false: there is nothing to send now. */
static bool
pump_once(struct subscription *s)
{
	struct pubsub_server *p = s->service;
	struct buffer out = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct fault fault;
	uint64_t after = s->after, before = 0;
	uint64_t left = quota_left(p->deliveries);
	int credit = left < (uint64_t)s->credit ? (int)left : s->credit, count;
	bool struck;

	if (credit == 0) {
		pubsub_fail(s->call, 8, "subscription.limit.exceeded",
		    "You have exceeded the event delivery limit for your org.");
		return false;
	}
	count = bus_read(p->reader, s->topic->entities, s->topic->is_enriched, &s->after, credit, RESPONSE_BYTES_MAX, &out, &e);
	if (count < 0)
		pubsub_fail(s->call, 13, "subscription.internal.error", "%s.", e.text);
	if (count <= 0) {
		buffer_release(&out);
		return false;
	}
	struck = faults_messages(p->emulator->faults, "salesforce.subscribe", s->delivered, (uint64_t)count,
	    &before, &fault);
	if (struck && before < (uint64_t)count) {
		/* the script strikes within this batch: what comes before goes alone */
		s->after = after;
		buffer_clear(&out);
		count = bus_read(p->reader, s->topic->entities, s->topic->is_enriched, &s->after, (int)before, RESPONSE_BYTES_MAX,
		    &out, &e);
	}
	if (count > 0)
		send_events(s, &out, count);
	buffer_release(&out);
	if (struck)
		strike(s, &fault);
	return true;
}

static void
pump(struct subscription *s)
{
	while (s->topic && !s->unsettled && s->credit > 0 && !server_call_is_over(s->call) &&
	    server_call_queued_bytes(s->call) < QUEUED_BYTES_MAX)
		if (!pump_once(s))
			break;
}

void
pubsub_subscribe_pump_all(void *server)
{
	struct pubsub_server *p = server;

	p->wake_posted = false;
	for (struct subscription *s = p->subscriptions; s; s = s->next)
		pump(s);
}

/* One more on the list, without authority yet. */
static struct subscription *
pubsub_subscription_new(struct pubsub_server *p, struct server_call *c)
{
	struct subscription *s = memory_zero(1, sizeof *s);

	s->service = p;
	s->call = c;
	random_uuid(s->rpc_id);
	s->next = p->subscriptions;
	if (s->next)
		s->next->previous = s;
	p->subscriptions = s;
	p->subscribed++;
	server_call_set_data(c, s);
	return s;
}

void
pubsub_subscribe_started(void *service, struct server_call *c)
{
	pubsub_subscription_new(service, c);
	if (pubsub_stream_started(service, c))
		server_call_read(c);
}

void
pubsub_subscribe_ended(void *service, struct server_call *c, bool cancelled)
{
	struct pubsub_server *p = service;
	struct subscription *s = server_call_data(c);

	(void)cancelled;
	server_timer_stop(p->server, &s->keepalive);
	server_timer_stop(p->server, &s->starving);
	server_timer_stop(p->server, &s->uncommitted);
	server_timer_stop(p->server, &s->settling);
	pubsub_stream_ended(p);
	if (s->previous)
		s->previous->next = s->next;
	else
		p->subscriptions = s->next;
	if (s->next)
		s->next->previous = s->previous;
	free(s);
}

void
pubsub_subscribe_writable(void *service, struct server_call *c)
{
	(void)service;
	pump(server_call_data(c));
}

static void
settle(void *context)
{
	struct subscription *s = context;

	s->unsettled = false;
	s->after = bus_last(s->service->bus);
	pump(s);
}

/* Where the stream begins; false: the call has been ended. */
static bool
find_start(struct subscription *s, const Eventbus__V1__FetchRequest *q)
{
	struct bus *bus = s->service->bus;

	switch (q->replay_preset) {
	case EVENTBUS__V1__REPLAY_PRESET__EARLIEST:
		s->after = bus_earliest(bus);
		return true;
	case EVENTBUS__V1__REPLAY_PRESET__CUSTOM:
		if (q->replay_id.len == 0) {
			pubsub_fail(s->call, 3, "subscription.fetch.replayid.validation.failed",
			    "The Replay ID validation failed. A Replay ID is required when the replay preset is "
			    "CUSTOM.");
			return false;
		}
		if (bus_replay_parse(text_span(q->replay_id.data, q->replay_id.len), &s->after) &&
		    bus_holds(bus, s->after))
			return true;
		pubsub_fail(s->call, 3, "subscription.fetch.replayid.corrupted",
		    "The Replay ID validation failed. Ensure that the Replay ID is valid and within the "
		    "retention window.");
		return false;
	default:
		s->after = bus_last(bus);
		s->unsettled = s->service->emulator->options->latest_delay_ms > 0;
		if (s->unsettled)
			server_timer_start(s->service->server, &s->settling, s->service->emulator->options->latest_delay_ms, settle, s);
		return true;
	}
}

bool
pubsub_subscription_may_ask(struct subscription *s)
{
	uint64_t limit = s->service->emulator->options->fetch_rate;
	int64_t second = clock_monotonic_ms(s->service->emulator->clock) / 1000;

	if (second != s->second)
		s->requests = 0;
	s->second = second;
	if (limit == 0 || ++s->requests <= limit)
		return true;
	pubsub_fail(s->call, 8, "service.protection.stream.limit.triggered",
	    "The rate of requests on the stream exceeds %llu a second.", (unsigned long long)limit);
	return false;
}

/* What holds for every request; false: the call has been ended. */
static bool
check_request(struct subscription *s, const Eventbus__V1__FetchRequest *q)
{
	if (s->topic && *q->topic_name && strcmp(q->topic_name, s->topic->name) != 0) {
		pubsub_fail(s->call, 3, "subscription.fetch.topic.mismatch",
		    "The topic name of a later FetchRequest must be that of the first one, %s.",
		    s->topic->name);
		return false;
	}
	if (*q->auth_refresh) {
		pubsub_fail(s->call, 3, "service.auth.refresh.invalid",
		    "The auth_refresh value is for internal use.");
		return false;
	}
	if (s->topic && q->num_requested == 0) {
		pubsub_fail(s->call, 3, "subscription.fetch.request.invalid",
		    "The FetchRequest asks for no events.");
		return false;
	}
	if (q->num_requested <= 0) {
		pubsub_fail(s->call, 3, "subscription.fetch.requested.events.invalid",
		    "The number of events requested must be greater than zero.");
		return false;
	}
	return true;
}

void
pubsub_subscription_credit(struct subscription *s, int32_t requested)
{
	struct pubsub_server *p = s->service;

	s->credit += requested > CREDIT_MAX ? CREDIT_MAX : requested;
	if (s->credit > CREDIT_MAX)
		s->credit = CREDIT_MAX;
	server_timer_stop(p->server, &s->starving);
	if (s->keepalive.due_ms == 0)
		server_timer_start(p->server, &s->keepalive, p->emulator->options->keepalive_ms, send_keepalive, s);
	pump(s);
}

void
pubsub_subscribe_message(void *service, struct server_call *c, struct text message)
{
	struct pubsub_server *p = service;
	struct subscription *s = server_call_data(c);
	Eventbus__V1__FetchRequest *q =
	    eventbus__v1__fetch_request__unpack(NULL, message.len, (const uint8_t *)message.data);
	const struct topic *topic = s->topic;

	if (!q) {
		pubsub_fail(c, 13, NULL, "The request is not a FetchRequest.");
		return;
	}
	if ((s->topic && !pubsub_authorize_again(p, c)) || !pubsub_subscription_may_ask(s)) {
		eventbus__v1__fetch_request__free_unpacked(q, NULL);
		return;
	}
	if (!topic)
		topic = pubsub_find_topic(p, c, q->topic_name, "topic.validation.empty");
	if (topic && check_request(s, q) && (s->topic || find_start(s, q))) {
		s->topic = topic;
		pubsub_subscription_credit(s, q->num_requested);
		server_call_read(c);
	}
	eventbus__v1__fetch_request__free_unpacked(q, NULL);
}

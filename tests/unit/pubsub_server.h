/* A small Pub/Sub server inside a test, steered through one struct. For tests that have included cmocka.h. */
#ifndef SFZB_TESTS_PUBSUB_SERVER_H
#define SFZB_TESTS_PUBSUB_SERVER_H

#include <unistd.h>

#include "base/clock.h"
#include "grpc_peer.h"
#include "proto/pubsub_api.pb-c.h"
#include "rpc/channel.h"
#include "salesforce/codes.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 60000
#define TOPIC "/event/Order__e"

struct seen {
	char topic[128], preset[16], token[64], instance[64], tenant[64], trace[64];
	uint8_t replay_id[80];
	size_t replay_id_len;
};

/* The test sets it and looks at it while the peer's threads serve: each member is atomic, or under the lock. */
static struct {
	pthread_mutex_t lock; /* of first and order */
	/* what to do */
	atomic_int events;	       /* that exist; replay ids 1 … events */
	atomic_int batch;	       /* events a response */
	atomic_bool silent;	       /* no responses at all */
	atomic_bool keepalive;	       /* an empty response when all is delivered */
	atomic_bool end_in_order;      /* an OK status when all is delivered */
	atomic_int second_schema_from; /* events from here on have another schema; 0: none */
	atomic_int bad_payload;	       /* the event of this number is cut short; 0: none */
	atomic_bool schema_held;       /* GetSchema waits */
	atomic_int schema_status;      /* of GetSchema */
	_Atomic(const char *) schema_code;
	atomic_int status; /* of Subscribe, at once */
	_Atomic(const char *) code, message;
	_Atomic(const char *) good_token; /* others are UNAUTHENTICATED; NULL: all are fine */
	/* what was seen */
	struct seen first;
	atomic_int subscriptions, requests, schema_calls, topic_calls;
	atomic_int outstanding, most_outstanding;
	atomic_bool half_closed;
	/* publishing */
	atomic_int refuse, quota; /* numbers of events that get an error */
	atomic_int break_after;	  /* answers; then the stream breaks with the next request read */
	atomic_bool mute;	  /* Publish takes the events and ends in good order, without an answer */
	atomic_int end_at;	  /* events published: the stream then ends in good order; 0: never */
	atomic_int ended;	  /* streams that did */
	atomic_int published, publish_streams, publish_calls;
	char order[4096]; /* ids as they came */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The first request of the latest subscription. */
static inline struct seen
seen_first(void)
{
	struct seen first;

	pthread_mutex_lock(&fake.lock);
	first = fake.first;
	pthread_mutex_unlock(&fake.lock);
	return first;
}

static inline bool
order_begins(const char *ids)
{
	bool begins;

	pthread_mutex_lock(&fake.lock);
	begins = strncmp(fake.order, ids, strlen(ids)) == 0;
	pthread_mutex_unlock(&fake.lock);
	return begins;
}

static const char schema_1[] =
    "{\"type\":\"record\",\"name\":\"Order__e\",\"namespace\":\"com.sforce.eventbus\",\"fields\":[{"
    "\"name\":\"CreatedDate\",\"type\":\"long\"},{\"name\":\"N\",\"type\":\"long\"}]}";
static const char schema_2[] =
    "{\"type\":\"record\",\"name\":\"Order__e\",\"namespace\":\"com.sforce.eventbus\",\"fields\":[{"
    "\"name\":\"CreatedDate\",\"type\":\"long\"},{\"name\":\"M\",\"type\":\"long\"}]}";

static inline void
reset_fake(void)
{
	pthread_mutex_lock(&fake.lock);
	memset((char *)&fake + sizeof(fake.lock), 0, sizeof(fake) - sizeof(fake.lock));
	fake.batch = 10;
	pthread_mutex_unlock(&fake.lock);
}

static inline bool
send_message(struct peer_call *c, const ProtobufCMessage *m)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = memory_alloc(size + 1);
	bool ok;

	protobuf_c_message_pack(m, bytes);
	ok = peer_write(c, bytes, size);
	free(bytes);
	return ok;
}

static inline bool
authorised(struct peer_call *c)
{
	static const char *const trailers[] = {
	    "error-code", "sfdc.platform.eventbus.grpc.service.auth.error", NULL};
	const char *good = fake.good_token;
	char token[64];
	bool ok;

	peer_metadata(c, "accesstoken", token, sizeof(token));
	ok = good == NULL || strcmp(good, token) == 0;
	if (!ok)
		peer_finish(c, 16, "An authentication exception occurred. rpcId: 4711", trailers);
	return ok;
}

static inline void
put_long(struct buffer *b, int64_t v)
{
	uint64_t n = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);

	for (; n >= 0x80; n >>= 7)
		buffer_append_byte(b, (uint8_t)(n | 0x80));
	buffer_append_byte(b, (uint8_t)n);
}

static inline bool
send_events(struct peer_call *c, int from, int count, int pending)
{
	Eventbus__V1__FetchResponse r = EVENTBUS__V1__FETCH_RESPONSE__INIT;
	Eventbus__V1__ConsumerEvent events[100], *list[100];
	Eventbus__V1__ProducerEvent inner[100];
	struct buffer payloads[100];
	uint8_t ids[100][10];
	char names[100][32];
	uint8_t latest[10] = {0};
	bool ok;

	for (int i = 0; i < count; i++) {
		int n = from + i;

		eventbus__v1__consumer_event__init(&events[i]);
		eventbus__v1__producer_event__init(&inner[i]);
		buffer_init(&payloads[i]);
		put_long(&payloads[i], 1700000000000 + n);
		put_long(&payloads[i], n);
		memset(ids[i], 0, 10);
		ids[i][6] = (uint8_t)(n >> 8);
		ids[i][7] = (uint8_t)n;
		snprintf(names[i], sizeof(names[i]), "event-%d", n);
		inner[i].id = names[i];
		inner[i].schema_id =
		    (char *)(fake.second_schema_from > 0 && n >= fake.second_schema_from ? "two"
											 : "one");
		inner[i].payload.data = payloads[i].data;
		inner[i].payload.len = payloads[i].len - (n == fake.bad_payload ? 1 : 0);
		events[i].event = &inner[i];
		events[i].replay_id.data = ids[i];
		events[i].replay_id.len = 10;
		list[i] = &events[i];
	}
	r.events = list;
	r.n_events = (size_t)count;
	r.rpc_id = (char *)"rpc-1";
	r.pending_num_requested = pending;
	latest[6] = (uint8_t)((from + count - 1) >> 8);
	latest[7] = (uint8_t)(from + count - 1);
	r.latest_replay_id.data = latest;
	r.latest_replay_id.len = 10;
	ok = send_message(c, &r.base);
	for (int i = 0; i < count; i++)
		buffer_release(&payloads[i]);
	return ok;
}

/* false: the client is done. */
static inline bool
read_request(struct peer_call *c, struct seen *first)
{
	struct buffer b = BUFFER_INIT;
	Eventbus__V1__FetchRequest *r;
	bool ok = peer_read(c, &b);

	if (ok) {
		r = eventbus__v1__fetch_request__unpack(NULL, b.len, b.data);
		pthread_mutex_lock(&fake.lock);
		fake.requests++;
		fake.outstanding += r->num_requested;
		if (fake.outstanding > fake.most_outstanding)
			fake.most_outstanding = fake.outstanding;
		if (first != NULL) {
			snprintf(first->topic, sizeof(first->topic), "%s", r->topic_name);
			snprintf(first->preset, sizeof(first->preset), "%d", (int)r->replay_preset);
			first->replay_id_len = r->replay_id.len;
			if (r->replay_id.len > 0)
				memcpy(first->replay_id, r->replay_id.data, r->replay_id.len);
			fake.first = *first;
		}
		pthread_mutex_unlock(&fake.lock);
		eventbus__v1__fetch_request__free_unpacked(r, NULL);
	} else {
		fake.half_closed = true;
	}
	buffer_release(&b);
	return ok;
}

static inline void
serve_subscribe(struct peer_call *c)
{
	struct seen first;
	const char *trailers[] = {"error-code", NULL, NULL, NULL};
	char code[160];
	int next = 1;

	memset(&first, 0, sizeof(first));
	peer_metadata(c, "accesstoken", first.token, sizeof(first.token));
	peer_metadata(c, "instanceurl", first.instance, sizeof(first.instance));
	peer_metadata(c, "tenantid", first.tenant, sizeof(first.tenant));
	peer_metadata(c, "x-client-trace-id", first.trace, sizeof(first.trace));
	pthread_mutex_lock(&fake.lock);
	fake.subscriptions++;
	fake.outstanding = 0;
	pthread_mutex_unlock(&fake.lock);
	if (!read_request(c, &first))
		return;
	if (fake.status != 0) {
		const char *suffix = fake.code, *message = fake.message;

		snprintf(code, sizeof(code), "%s%s", PUBSUB_CODE_PREFIX,
		    suffix != NULL ? suffix : "");
		trailers[1] = code;
		peer_finish(c, fake.status, message != NULL ? message : "no. rpcId: 4711",
		    suffix != NULL ? trailers : NULL);
		return;
	}
	if (strcmp(first.preset, "2") == 0)
		next = first.replay_id[6] * 256 + first.replay_id[7] + 1;
	while (!fake.silent && next <= fake.events) {
		int n = fake.events - next + 1;

		if (n > fake.batch)
			n = fake.batch;
		pthread_mutex_lock(&fake.lock);
		if (n > fake.outstanding)
			n = fake.outstanding;
		fake.outstanding -= n;
		pthread_mutex_unlock(&fake.lock);
		if (n == 0) {
			if (!read_request(c, NULL))
				return;
			continue;
		}
		if (!send_events(c, next, n, fake.outstanding))
			return;
		next += n;
	}
	if (fake.keepalive)
		send_events(c, fake.events + 5, 0, fake.outstanding);
	if (fake.end_in_order)
		return;
	while (read_request(c, NULL))
		;
}

static inline void
serve_schema(struct peer_call *c)
{
	struct buffer b = BUFFER_INIT;
	Eventbus__V1__SchemaRequest *q;
	Eventbus__V1__SchemaInfo r = EVENTBUS__V1__SCHEMA_INFO__INIT;
	const char *trailers[] = {"error-code", NULL, NULL, NULL};
	char code[160];

	peer_read(c, &b);
	fake.schema_calls++;
	while (fake.schema_held && !atomic_load(&c->peer->stopping))
		usleep(1000);
	q = eventbus__v1__schema_request__unpack(NULL, b.len, b.data);
	if (fake.schema_status != 0) {
		snprintf(code, sizeof(code), "%s%s", PUBSUB_CODE_PREFIX, (const char *)fake.schema_code);
		trailers[1] = code;
		peer_finish(c, fake.schema_status, "no schema", trailers);
	} else {
		r.schema_id = q->schema_id;
		r.schema_json = (char *)(strcmp(q->schema_id, "one") == 0 ? schema_1 : schema_2);
		send_message(c, &r.base);
	}
	eventbus__v1__schema_request__free_unpacked(q, NULL);
	buffer_release(&b);
}

static inline void
serve_topic(struct peer_call *c)
{
	Eventbus__V1__TopicInfo r = EVENTBUS__V1__TOPIC_INFO__INIT;
	struct buffer b = BUFFER_INIT;

	peer_read(c, &b);
	fake.topic_calls++;
	r.topic_name = (char *)TOPIC;
	r.schema_id = (char *)"one";
	r.can_subscribe = 1;
	send_message(c, &r.base);
	buffer_release(&b);
}

/* One request answered, result by result. false: the client is done, or was told so. */
static inline bool
serve_publish_request(struct peer_call *c, int answered)
{
	struct buffer b = BUFFER_INIT;
	Eventbus__V1__PublishRequest *q;
	Eventbus__V1__PublishResponse r = EVENTBUS__V1__PUBLISH_RESPONSE__INIT;
	Eventbus__V1__PublishResult items[200], *list[200];
	Eventbus__V1__Error errors[200];
	uint8_t ids[200][10];
	bool ok = peer_read(c, &b);

	if (!ok)
		goto out;
	q = eventbus__v1__publish_request__unpack(NULL, b.len, b.data);
	if (fake.break_after > 0 && answered == fake.break_after) {
		eventbus__v1__publish_request__free_unpacked(q, NULL);
		peer_finish(c, 14, "RST_STREAM closed stream", NULL);
		ok = false;
		goto out;
	}
	for (size_t i = 0; i < q->n_events; i++) {
		int n = atoi(q->events[i]->id + 6);

		eventbus__v1__publish_result__init(&items[i]);
		eventbus__v1__error__init(&errors[i]);
		memset(ids[i], 0, 10);
		ids[i][7] = (uint8_t)n;
		items[i].correlation_key = q->events[i]->id;
		errors[i].code = EVENTBUS__V1__ERROR_CODE__PUBLISH;
		errors[i].msg = (char *)(n == fake.quota ? "LIMIT_EXCEEDED: hourly" : "no good");
		if (n == fake.refuse || n == fake.quota)
			items[i].error = &errors[i];
		else
			items[i].replay_id = (ProtobufCBinaryData){10, ids[i]};
		list[i] = &items[i];
		fake.published++;
		pthread_mutex_lock(&fake.lock);
		if (strlen(fake.order) < sizeof(fake.order) - 40)
			sprintf(fake.order + strlen(fake.order), "%d ", n);
		pthread_mutex_unlock(&fake.lock);
	}
	r.results = list;
	r.n_results = q->n_events;
	r.rpc_id = (char *)"rpc-2";
	ok = !fake.mute && send_message(c, &r.base);
	eventbus__v1__publish_request__free_unpacked(q, NULL);
out:
	buffer_release(&b);
	return ok;
}

static inline void
serve_publish(struct peer_call *c)
{
	fake.publish_calls++;
	serve_publish_request(c, 0);
}

static inline void
serve_publish_stream(struct peer_call *c)
{
	fake.publish_streams++;
	for (int n = 0; serve_publish_request(c, n); n++)
		if (fake.end_at > 0 && fake.published >= fake.end_at) {
			fake.ended++;
			return;
		}
	if (!c->finished)
		fake.half_closed = true;
}

static inline void
serve(struct peer_call *c, void *context)
{
	(void)context;
	if (!authorised(c))
		return;
	if (strcmp(c->method, "/eventbus.v1.PubSub/Subscribe") == 0)
		serve_subscribe(c);
	else if (strcmp(c->method, "/eventbus.v1.PubSub/GetSchema") == 0)
		serve_schema(c);
	else if (strcmp(c->method, "/eventbus.v1.PubSub/GetTopic") == 0)
		serve_topic(c);
	else if (strcmp(c->method, "/eventbus.v1.PubSub/Publish") == 0)
		serve_publish(c);
	else if (strcmp(c->method, "/eventbus.v1.PubSub/PublishStream") == 0)
		serve_publish_stream(c);
	else
		peer_finish(c, 12, "no such method", NULL);
}

#endif

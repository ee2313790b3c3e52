/* salesforce/: topic names, error codes, and the Pub/Sub client against a small server in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "grpc_peer.h"
#include "proto/pubsub_api.pb-c.h"
#include "rpc/channel.h"
#include "salesforce/codes.h"
#include "salesforce/pubsub.h"
#include "salesforce/pubsub_publish.h"
#include "salesforce/topic_name.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 20000
#define TOPIC "/event/Order__e"

/* Names. */

static void
test_topic_names(void **state)
{
	static const struct {
		const char *name, *whole; /* NULL: refused */
	} rows[] = {
	    {"Account", "/data/AccountChangeEvent"},
	    {"AccountChangeEvent", "/data/AccountChangeEvent"},
	    {"account", "/data/accountChangeEvent"},
	    {"Event", "/data/EventChangeEvent"},
	    {"Invoice__c", "/data/Invoice__ChangeEvent"},
	    {"ns__Invoice__c", "/data/ns__Invoice__ChangeEvent"},
	    {"Invoice__ChangeEvent", "/data/Invoice__ChangeEvent"},
	    {"ChangeEvents", "/data/ChangeEvents"},
	    {"Order__e", "/event/Order__e"},
	    {"ns__Order_Event__e", "/event/ns__Order_Event__e"},
	    {"Mine__chn", "/data/Mine__chn"},
	    {"LoginEventStream", "/event/LoginEventStream"},
	    {"BatchApexErrorEvent", "/event/BatchApexErrorEvent"},
	    {"/data/AccountChangeEvent", "/data/AccountChangeEvent"},
	    {"/event/Order__e", "/event/Order__e"},
	    {"/event/Mine__chn", "/event/Mine__chn"},
	    {"/data/ChangeEvents", "/data/ChangeEvents"},
	    {"/data/Invoice__c", NULL},
	    {"/topic/X", NULL},
	    {"/u/notifications/X", NULL},
	    {"/data/", NULL},
	    {"/other/X", NULL},
	    {"data/X", NULL},
	    {"", NULL},
	    {"1Account", NULL},
	    {"Acc ount", NULL},
	    {"Account*", NULL},
	    {"Setting__mdt", NULL},
	    {"__c", NULL},
	    {"A23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
	     "23456789012345678901234567890123456789012345678901234567890123456789",
		NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char out[TOPIC_NAME_SIZE] = "";
		struct error e = ERROR_INIT;
		int rc = topic_name_expand(out, rows[i].name, &e);

		if (rows[i].whole == NULL) {
			if (rc == 0 || e.code != ERR_USAGE || e.hint[0] == '\0')
				fail_msg("'%s' became '%s'", rows[i].name, out);
		} else if (rc != 0 || strcmp(out, rows[i].whole) != 0) {
			fail_msg("'%s' became '%s' (%s)", rows[i].name, out, e.text);
		}
	}
}

/* The server. */

struct seen {
	char topic[128], preset[16], token[64], instance[64], tenant[64], trace[64];
	uint8_t replay_id[80];
	size_t replay_id_len;
};

static struct {
	pthread_mutex_t lock;
	/* what to do */
	int events;	       /* that exist; replay ids 1 … events */
	int batch;	       /* events a response */
	bool silent;	       /* no responses at all */
	bool keepalive;	       /* an empty response when all is delivered */
	bool end_in_order;     /* an OK status when all is delivered */
	int second_schema_from; /* events from here on have another schema; 0: none */
	int bad_payload;	/* the event of this number is cut short; 0: none */
	bool schema_held;	/* GetSchema waits */
	int schema_status;	/* of GetSchema */
	const char *schema_code;
	int status; /* of Subscribe, at once */
	const char *code, *message;
	char good_token[32]; /* others are UNAUTHENTICATED; "": all are fine */
	/* what was seen */
	struct seen first;
	int subscriptions, requests, schema_calls, topic_calls;
	int outstanding, most_outstanding;
	bool half_closed;
	/* publishing */
	int refuse, quota;    /* numbers of events that get an error */
	int break_after;      /* answers; then the stream breaks with the next request read */
	bool end_after_answer; /* in good order */
	int published, publish_streams, publish_calls;
	char order[4096]; /* ids as they came */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char schema_1[] = "{\"type\":\"record\",\"name\":\"Order__e\",\"namespace\":\"com.sforce.eventbus\",\"fields\":[{"
			       "\"name\":\"CreatedDate\",\"type\":\"long\"},{\"name\":\"N\",\"type\":\"long\"}]}";
static const char schema_2[] = "{\"type\":\"record\",\"name\":\"Order__e\",\"namespace\":\"com.sforce.eventbus\",\"fields\":[{"
			       "\"name\":\"CreatedDate\",\"type\":\"long\"},{\"name\":\"M\",\"type\":\"long\"}]}";

static void
reset_fake(void)
{
	pthread_mutex_lock(&fake.lock);
	memset((char *)&fake + sizeof(fake.lock), 0, sizeof(fake) - sizeof(fake.lock));
	fake.batch = 10;
	pthread_mutex_unlock(&fake.lock);
}

static bool
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

static bool
authorised(struct peer_call *c)
{
	static const char *const trailers[] = {"error-code", "sfdc.platform.eventbus.grpc.service.auth.error", NULL};
	char token[64];
	bool ok;

	peer_metadata(c, "accesstoken", token, sizeof(token));
	pthread_mutex_lock(&fake.lock);
	ok = fake.good_token[0] == '\0' || strcmp(fake.good_token, token) == 0;
	pthread_mutex_unlock(&fake.lock);
	if (!ok)
		peer_finish(c, 16, "An authentication exception occurred. rpcId: 4711", trailers);
	return ok;
}

static void
put_long(struct buffer *b, int64_t v)
{
	uint64_t n = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);

	for (; n >= 0x80; n >>= 7)
		buffer_append_byte(b, (uint8_t)(n | 0x80));
	buffer_append_byte(b, (uint8_t)n);
}

static bool
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
		inner[i].schema_id = (char *)(fake.second_schema_from > 0 && n >= fake.second_schema_from ? "two" : "one");
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
static bool
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

static void
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
		snprintf(code, sizeof(code), "%s%s", PUBSUB_CODE_PREFIX, fake.code != NULL ? fake.code : "");
		trailers[1] = code;
		peer_finish(c, fake.status, fake.message != NULL ? fake.message : "no. rpcId: 4711",
		    fake.code != NULL ? trailers : NULL);
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

static void
serve_schema(struct peer_call *c)
{
	struct buffer b = BUFFER_INIT;
	Eventbus__V1__SchemaRequest *q;
	Eventbus__V1__SchemaInfo r = EVENTBUS__V1__SCHEMA_INFO__INIT;
	const char *trailers[] = {"error-code", NULL, NULL, NULL};
	char code[160];

	peer_read(c, &b);
	pthread_mutex_lock(&fake.lock);
	fake.schema_calls++;
	pthread_mutex_unlock(&fake.lock);
	while (fake.schema_held && !atomic_load(&c->peer->stopping))
		usleep(1000);
	q = eventbus__v1__schema_request__unpack(NULL, b.len, b.data);
	if (fake.schema_status != 0) {
		snprintf(code, sizeof(code), "%s%s", PUBSUB_CODE_PREFIX, fake.schema_code);
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

static void
serve_topic(struct peer_call *c)
{
	Eventbus__V1__TopicInfo r = EVENTBUS__V1__TOPIC_INFO__INIT;
	struct buffer b = BUFFER_INIT;

	peer_read(c, &b);
	pthread_mutex_lock(&fake.lock);
	fake.topic_calls++;
	pthread_mutex_unlock(&fake.lock);
	r.topic_name = (char *)TOPIC;
	r.schema_id = (char *)"one";
	r.can_subscribe = 1;
	send_message(c, &r.base);
	buffer_release(&b);
}

/* One request answered, result by result. false: the client is done, or was told so. */
static bool
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
		if (strlen(fake.order) < sizeof(fake.order) - 40)
			sprintf(fake.order + strlen(fake.order), "%d ", n);
	}
	r.results = list;
	r.n_results = q->n_events;
	r.rpc_id = (char *)"rpc-2";
	ok = send_message(c, &r.base);
	eventbus__v1__publish_request__free_unpacked(q, NULL);
out:
	buffer_release(&b);
	return ok;
}

static void
serve_publish(struct peer_call *c)
{
	fake.publish_calls++;
	serve_publish_request(c, 0);
}

static void
serve_publish_stream(struct peer_call *c)
{
	fake.publish_streams++;
	for (int n = 0; serve_publish_request(c, n); n++)
		if (fake.end_after_answer)
			return;
	if (!c->finished)
		fake.half_closed = true;
}

static void
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

/* What the source told. */

struct listener {
	struct source *source;
	int opened, events, undecodable, idle, ended;
	int last; /* number of the last event */
	bool in_order;
	struct replay_id replay_id, latest;
	struct error why;
	uint32_t allow_after_each; /* 0: leave it */
	int close_at;		   /* close inside the callback of this event; 0: never */
	char record[128];
	char org_id[32];
};

static void
on_opened(void *context)
{
	((struct listener *)context)->opened++;
}

static void
take_event(struct listener *l, const struct event *event)
{
	int n = atoi(event->id.data + 6);

	if (n != l->last + 1)
		l->in_order = false;
	l->last = n;
	l->replay_id = event->replay_id;
	if (l->allow_after_each > 0)
		l->source->ops->allow(l->source, l->allow_after_each);
	if (l->close_at == n)
		l->source->ops->close(l->source);
}

static void
on_event(void *context, const struct event *event)
{
	struct listener *l = context;

	l->events++;
	snprintf(l->record, sizeof(l->record), TEXT_FORMAT, TEXT_ARGS(event->record_json));
	snprintf(l->org_id, sizeof(l->org_id), TEXT_FORMAT, TEXT_ARGS(event->org_id));
	take_event(l, event);
}

static void
on_undecodable(void *context, const struct event *event, const struct error *why)
{
	struct listener *l = context;

	l->undecodable++;
	l->why = *why;
	take_event(l, event);
}

static void
on_idle(void *context, const struct replay_id *latest)
{
	struct listener *l = context;

	l->idle++;
	l->latest = *latest;
}

static void
on_ended(void *context, const struct error *why)
{
	struct listener *l = context;

	l->ended++;
	l->why = *why;
}

static const struct source_events listener_events = {on_opened, on_event, on_undecodable, on_idle, on_ended};

/* A client, its source, and a clock turned by hand: real time still passes in it. */

static int64_t turned_ms;

static int64_t
turned_monotonic(void *context)
{
	(void)context;
	return clock_monotonic_ms(&clock_system) + turned_ms;
}

static int64_t
turned_wall(void *context)
{
	(void)context;
	return 1700000000000 + turned_ms;
}

static const struct clock turned_clock = {.monotonic_ms = turned_monotonic, .wall_ms = turned_wall};

struct fixture {
	struct peer peer;
	struct loop *loop;
	struct pubsub *pubsub;
	struct listener l;
	int renewals;
	const char *new_token;
	enum error_code renew_fails;
	pubsub_renewed *renewed;
	void *renewed_context;
};

static void
set_token(struct fixture *f, const char *token)
{
	struct secret s = SECRET_INIT;

	secret_set(&s, text_of(token));
	pubsub_set_token(f->pubsub, &s);
	secret_release(&s);
}

static void
answer_renewal(void *context)
{
	struct fixture *f = context;
	struct error why = ERROR_INIT;

	if (f->renew_fails != ERR_OK)
		error_set(&why, f->renew_fails, "the login was refused");
	else
		set_token(f, f->new_token);
	f->renewed(f->renewed_context, &why);
}

static void
renew(void *context, const struct secret *refused, pubsub_renewed *done, void *done_context)
{
	struct fixture *f = context;

	assert_string_equal(secret_reveal(refused), "old");
	f->renewals++;
	f->renewed = done;
	f->renewed_context = done_context;
	loop_post(f->loop, answer_renewal, f);
}

static int
setup(void **state)
{
	struct fixture *f = memory_zero(1, sizeof(*f));
	struct pubsub_options o = {.instance_url = "https://acme.my.salesforce.com/services/x", .tenant_id = "core/acme/00D1"};
	struct error e = ERROR_INIT;
	char target[64];

	reset_fake();
	turned_ms = 0;
	peer_start(&f->peer, 0, NULL, NULL, serve, NULL);
	f->loop = loop_new(&turned_clock);
	snprintf(target, sizeof(target), "http://127.0.0.1:%d", f->peer.port);
	o.endpoint = target;
	o.renew = renew;
	o.renew_context = f;
	f->pubsub = pubsub_new(f->loop, &o, &e);
	assert_non_null(f->pubsub);
	f->new_token = "new";
	set_token(f, "old");
	f->l.in_order = true;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	fake.schema_held = false;
	pubsub_source_free(f->l.source);
	pubsub_free(f->pubsub);
	loop_free(f->loop);
	peer_stop(&f->peer);
	free(f);
	return 0;
}

#define WAIT(f, condition)                                                                         \
	do {                                                                                       \
		int64_t end_ = clock_monotonic_ms(&clock_system) + PATIENCE_MS;                    \
		while (!(condition) && clock_monotonic_ms(&clock_system) < end_)                   \
			loop_step((f)->loop, 20);                                                  \
		if (!(condition))                                                                  \
			fail_msg("waited in vain for " #condition);                                \
	} while (0)

static void
step_for(struct fixture *f, int64_t ms)
{
	int64_t end = clock_monotonic_ms(&clock_system) + ms;

	while (clock_monotonic_ms(&clock_system) < end)
		loop_step(f->loop, 5);
}

static void
open_source(struct fixture *f, enum start_kind kind, int after, uint32_t allow)
{
	struct start start = {.kind = kind};

	if (f->l.source == NULL)
		f->l.source = pubsub_source_new(f->pubsub, TOPIC, NULL);
	if (kind == START_AFTER) {
		start.after.len = 10;
		start.after.bytes[6] = (uint8_t)(after >> 8);
		start.after.bytes[7] = (uint8_t)after;
		f->l.last = after;
	}
	f->l.source->ops->open(f->l.source, &start, &listener_events, &f->l);
	if (allow > 0)
		f->l.source->ops->allow(f->l.source, allow);
	assert_int_equal(f->l.opened + f->l.events + f->l.ended, 0);
}

static void
test_events(void **state)
{
	struct fixture *f = *state;

	fake.events = 500;
	fake.keepalive = true;
	open_source(f, START_EARLIEST, 0, 10000);
	WAIT(f, f->l.idle > 0);
	assert_int_equal(f->l.opened, 1);
	assert_int_equal(f->l.events, 500);
	assert_true(f->l.in_order);
	assert_int_equal(f->l.undecodable, 0);
	assert_string_equal(f->l.record, "{\"CreatedDate\":1700000000500,\"N\":500}");
	assert_string_equal(f->l.org_id, "00D1");
	assert_int_equal(f->l.latest.bytes[6] * 256 + f->l.latest.bytes[7], 504);
	assert_int_equal(fake.schema_calls, 1);
	assert_true(fake.most_outstanding <= 100);
	assert_true(fake.requests <= 12);
	assert_string_equal(fake.first.topic, TOPIC);
	assert_string_equal(fake.first.preset, "1");
	assert_string_equal(fake.first.token, "old");
	assert_string_equal(fake.first.instance, "https://acme.my.salesforce.com");
	assert_string_equal(fake.first.tenant, "core/acme/00D1");
	assert_int_equal(strlen(fake.first.trace), 36);
	f->l.source->ops->close(f->l.source);
	assert_int_equal(f->l.ended, 0);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_OK);
	assert_true(fake.half_closed);
}

static void
test_resume(void **state)
{
	struct fixture *f = *state;

	fake.events = 30;
	fake.end_in_order = true;
	open_source(f, START_AFTER, 20, 100);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_OK);
	assert_int_equal(f->l.events, 10);
	assert_true(f->l.in_order);
	assert_string_equal(fake.first.preset, "2");
	assert_int_equal(fake.first.replay_id_len, 10);
	/* the same source again, behind what it had */
	f->l.opened = f->l.events = f->l.ended = 0;
	fake.events = 40;
	open_source(f, START_AFTER, 30, 100);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.events, 10);
	assert_int_equal(f->l.last, 40);
}

/* Credit stays within what is allowed, and without any the stream ends in good order before the server would. */
static void
test_credit(void **state)
{
	struct fixture *f = *state;

	fake.events = 100;
	fake.batch = 3;
	open_source(f, START_EARLIEST, 0, 0);
	step_for(f, 50);
	assert_int_equal(fake.subscriptions, 0); /* no credit, no call */
	f->l.source->ops->allow(f->l.source, 7);
	WAIT(f, f->l.events == 7);
	step_for(f, 50);
	assert_int_equal(f->l.events, 7);
	assert_true(fake.most_outstanding <= 7);
	turned_ms += 44000;
	step_for(f, 20);
	assert_int_equal(f->l.ended, 0);
	f->l.source->ops->allow(f->l.source, 5); /* room again: the stall is over */
	WAIT(f, f->l.events == 12);
	turned_ms += 44000;
	step_for(f, 20);
	assert_int_equal(f->l.ended, 0);
	turned_ms += 2000;
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_OK);
	assert_int_equal(f->l.events, 12);
	assert_true(f->l.in_order);
	assert_int_equal(fake.subscriptions, 1);
}

/* The engine that allows anew after each event does not make a request of each. */
static void
test_request_rate(void **state)
{
	struct fixture *f = *state;

	fake.events = 1000;
	fake.batch = 100;
	fake.keepalive = true;
	f->l.allow_after_each = 100;
	open_source(f, START_EARLIEST, 0, 100);
	WAIT(f, f->l.idle > 0);
	assert_int_equal(f->l.events, 1000);
	assert_true(fake.requests <= 22);
	assert_true(fake.most_outstanding <= 100);
}

static void
test_close_inside(void **state)
{
	struct fixture *f = *state;

	fake.events = 100;
	f->l.close_at = 25;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.events, 25);
	assert_int_equal(f->l.why.code, ERR_OK);
}

static void
test_watchdog(void **state)
{
	struct fixture *f = *state;

	fake.silent = true;
	open_source(f, START_LATEST, 0, 100);
	WAIT(f, fake.requests > 0);
	step_for(f, 50);
	assert_int_equal(f->l.opened, 0);
	turned_ms += 5100; /* settled */
	WAIT(f, f->l.opened > 0);
	turned_ms += 290000;
	step_for(f, 20);
	assert_int_equal(f->l.ended, 0);
	turned_ms += 6000;
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(f->l.why.text, "nothing came for 5m"));
	assert_int_equal(f->l.opened, 1);
}

/* Events behind one whose schema is not there yet wait in order, and the server is held back meanwhile. */
static void
test_schema_wait(void **state)
{
	struct fixture *f = *state;

	fake.events = 300;
	fake.second_schema_from = 15;
	fake.keepalive = true;
	fake.schema_held = true;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, fake.schema_calls == 1);
	step_for(f, 50);
	assert_int_equal(f->l.events, 0);
	assert_true(fake.most_outstanding <= 100);
	fake.schema_held = false;
	WAIT(f, f->l.events > 0);
	WAIT(f, f->l.idle > 0);
	assert_int_equal(f->l.events, 300);
	assert_true(f->l.in_order);
	assert_int_equal(fake.schema_calls, 2);
	assert_string_equal(f->l.record, "{\"CreatedDate\":1700000000300,\"M\":300}");
}

/* The stream ends while a schema is awaited: what had come is delivered first. */
static void
test_schema_after_end(void **state)
{
	struct fixture *f = *state;

	fake.events = 10;
	fake.end_in_order = true;
	fake.schema_held = true;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, fake.schema_calls == 1);
	step_for(f, 50);
	assert_int_equal(f->l.ended, 0);
	fake.schema_held = false;
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.events, 10);
	assert_int_equal(f->l.why.code, ERR_OK);
}

static void
test_close_while_waiting(void **state)
{
	struct fixture *f = *state;

	fake.events = 10;
	fake.schema_held = true;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, fake.schema_calls == 1);
	step_for(f, 20);
	f->l.source->ops->close(f->l.source);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.events, 0);
	assert_int_equal(f->l.why.code, ERR_OK);
}

static void
test_schema_errors(void **state)
{
	static const struct {
		const char *name, *code;
		int status, undecodable;
		enum error_code ended; /* ERR_OK: goes on */
	} rows[] = {
	    {"no permission", "schema.meta.permission", 7, 20, ERR_OK},
	    {"not a schema id", "schema.validation.failed", 3, 20, ERR_OK},
	    {"down", "schema.api.unavailable", 14, 0, ERR_UNAVAILABLE},
	    {"overload", "service.protection.triggered", 8, 0, ERR_OVERLOADED},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		reset_fake();
		fake.events = 20;
		fake.keepalive = true;
		fake.schema_status = rows[i].status;
		fake.schema_code = rows[i].code;
		turned_ms += 61000; /* an older refusal is forgotten */
		f->l = (struct listener){.source = f->l.source, .in_order = true};
		open_source(f, START_EARLIEST, 0, 1000);
		WAIT(f, f->l.idle > 0 || f->l.ended > 0);
		if (f->l.undecodable != rows[i].undecodable || f->l.events != 0 ||
		    (f->l.ended > 0) != (rows[i].ended != ERR_OK) ||
		    (f->l.ended > 0 && f->l.why.code != rows[i].ended))
			fail_msg("%s: %d undecodable, ended %d %s", rows[i].name, f->l.undecodable, f->l.ended, f->l.why.text);
		assert_int_equal(fake.schema_calls, 1);
		if (f->l.ended == 0) {
			f->l.source->ops->close(f->l.source);
			WAIT(f, f->l.ended > 0);
		}
	}
}

static void
test_bad_event(void **state)
{
	struct fixture *f = *state;

	fake.events = 20;
	fake.bad_payload = 7;
	fake.keepalive = true;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, f->l.idle > 0);
	assert_int_equal(f->l.events, 19);
	assert_int_equal(f->l.undecodable, 1);
	assert_true(f->l.in_order);
	assert_int_equal(f->l.why.code, ERR_REFUSED);
}

/* Tokens. */

static void
test_renewal(void **state)
{
	struct fixture *f = *state;
	struct pubsub_topic topic;
	struct error e = ERROR_INIT;

	strcpy(fake.good_token, "new");
	if (pubsub_get_topic_wait(f->pubsub, TOPIC, &topic, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(f->renewals, 1);
	assert_string_equal(topic.schema_id, "one");
	assert_true(topic.can_subscribe);
	assert_false(topic.can_publish);
	pubsub_topic_release(&topic);

	/* a subscription: renewed, then to be opened again */
	set_token(f, "old");
	fake.events = 3;
	open_source(f, START_EARLIEST, 0, 100);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_UNAVAILABLE);
	assert_int_equal(f->renewals, 2);
	f->l.ended = 0;
	open_source(f, START_EARLIEST, 0, 100);
	WAIT(f, f->l.events == 3);
	assert_int_equal(f->renewals, 2);
}

struct topics_answered {
	int good, bad;
};

static void
count_topic(void *context, const struct pubsub_topic *topic, const struct error *why)
{
	struct topics_answered *t = context;

	(void)why;
	if (topic != NULL)
		t->good++;
	else
		t->bad++;
}

/* Many calls refused with one token ask for one new one. */
static void
test_one_renewal(void **state)
{
	struct fixture *f = *state;
	struct topics_answered t = {0};

	strcpy(fake.good_token, "new");
	for (int i = 0; i < 20; i++)
		pubsub_get_topic(f->pubsub, TOPIC, count_topic, &t);
	WAIT(f, t.good + t.bad == 20);
	assert_int_equal(t.good, 20);
	assert_int_equal(f->renewals, 1);
}

static void
test_renewal_fails(void **state)
{
	struct fixture *f = *state;
	struct pubsub_topic topic;
	struct error e = ERROR_INIT;

	strcpy(fake.good_token, "new");
	f->renew_fails = ERR_CREDENTIALS;
	assert_int_equal(pubsub_get_topic_wait(f->pubsub, TOPIC, &topic, &e), -1);
	assert_int_equal(e.code, ERR_CREDENTIALS);
	open_source(f, START_EARLIEST, 0, 100);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_CREDENTIALS);
	/* the server refuses every token: the fifth in a row is the last */
	f->renew_fails = ERR_OK;
	f->new_token = "old";
	f->l.why.code = ERR_OK;
	for (int i = 0; i < 10 && f->l.why.code != ERR_SESSION; i++) {
		f->l.ended = 0;
		open_source(f, START_EARLIEST, 0, 100);
		WAIT(f, f->l.ended > 0);
	}
	assert_int_equal(f->l.why.code, ERR_SESSION);
	assert_int_equal(f->renewals, 5);
	assert_non_null(strstr(f->l.why.text, "5 access tokens"));
}

static void
test_free_while_busy(void **state)
{
	struct fixture *f = *state;
	struct topics_answered t = {0};

	fake.events = 100;
	fake.schema_held = true;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, fake.schema_calls == 1);
	pubsub_get_topic(f->pubsub, TOPIC, count_topic, &t);
	/* teardown frees all of it */
}

/* Publishing. */

struct publishing {
	struct fixture *f;
	struct pubsub_publisher *publisher;
	int sent, batch, batches;
	int answers, good, refused, quota, failed;
	bool maybe_stored;
	struct error why;
};

static void
make_events(struct pubsub_publish_event *events, char ids[][40], int from, int count)
{
	for (int i = 0; i < count; i++) {
		snprintf(ids[i], 40, "event-%d", from + i);
		events[i] = (struct pubsub_publish_event){text_of(ids[i]), text_of("one"), text_of("payload")};
	}
}

static void send_batch(struct publishing *p);

static void
take_results(void *context, const struct pubsub_publish_result *results, size_t count, const struct error *why,
    bool maybe_stored)
{
	struct publishing *p = context;

	p->answers++;
	for (size_t i = 0; i < count; i++) {
		p->good += results[i].code == ERR_OK && results[i].replay_id.len == 10 &&
		    text_starts(results[i].id, "event-");
		p->refused += results[i].code == ERR_REFUSED && text_is(results[i].message, "no good");
		p->quota += results[i].code == ERR_QUOTA;
	}
	if (results == NULL) {
		p->failed++;
		p->why = *why;
		p->maybe_stored = maybe_stored;
	}
	if (p->publisher != NULL && p->sent < p->batches)
		send_batch(p);
}

static void
send_batch(struct publishing *p)
{
	struct pubsub_publish_event events[100];
	char ids[100][40];

	make_events(events, ids, p->sent * p->batch + 1, p->batch);
	p->sent++;
	assert_true(pubsub_publisher_send(p->publisher, events, (size_t)p->batch, take_results, p));
	assert_false(pubsub_publisher_send(p->publisher, events, 1, take_results, p));
}

static void
test_publish(void **state)
{
	struct fixture *f = *state;
	struct publishing p = {.f = f};
	struct pubsub_publish_event events[10];
	char ids[10][40];

	fake.refuse = 3;
	fake.quota = 5;
	strcpy(fake.good_token, "new"); /* renewed on the way */
	make_events(events, ids, 1, 10);
	pubsub_publish(f->pubsub, TOPIC, events, 10, take_results, &p);
	WAIT(f, p.answers > 0);
	assert_int_equal(p.good, 8);
	assert_int_equal(p.refused, 1);
	assert_int_equal(p.quota, 1);
	assert_int_equal(f->renewals, 1);
	assert_int_equal(fake.published, 10);
}

static void
test_publish_stream(void **state)
{
	struct fixture *f = *state;
	struct publishing p = {.f = f, .batch = 7, .batches = 20};

	strcpy(fake.good_token, "new");
	p.publisher = pubsub_publisher_new(f->pubsub, TOPIC);
	send_batch(&p);
	WAIT(f, p.answers == 20);
	assert_int_equal(p.good, 140);
	assert_int_equal(fake.publish_streams, 1);
	assert_int_equal(f->renewals, 1);
	assert_memory_equal(fake.order, "1 2 3 4 5 6 7 8 9 10 11 ", 24);
	/* idle for a minute: closed, and opened again when needed */
	turned_ms += 61000;
	WAIT(f, fake.half_closed);
	p.batches++;
	send_batch(&p);
	WAIT(f, p.answers == 21);
	assert_int_equal(fake.publish_streams, 2);
	assert_int_equal(p.good, 147);
	pubsub_publisher_free(p.publisher);
}

/* A stream that breaks with a send unanswered: told as open, never sent again; the next send opens another. */
static void
test_publish_break(void **state)
{
	struct fixture *f = *state;
	struct publishing p = {.f = f, .batch = 5, .batches = 4};

	fake.break_after = 2;
	p.publisher = pubsub_publisher_new(f->pubsub, TOPIC);
	send_batch(&p);
	WAIT(f, p.answers == 4);
	assert_int_equal(p.failed, 1);
	assert_true(p.maybe_stored);
	assert_int_equal(p.why.code, ERR_UNAVAILABLE);
	assert_int_equal(p.good, 15);
	assert_int_equal(fake.published, 15);
	assert_int_equal(fake.publish_streams, 2);
	/* an end in good order between two sends is nobody's business */
	fake.break_after = 0;
	fake.end_after_answer = true;
	for (int i = 5; i <= 6; i++) {
		p.batches++;
		send_batch(&p);
		WAIT(f, p.answers == i);
		step_for(f, 100);
	}
	assert_int_equal(p.failed, 1);
	assert_int_equal(p.good, 25);
	assert_int_equal(fake.publish_streams, 3);
	pubsub_publisher_free(p.publisher);
}

static void
test_publish_unreached(void **state)
{
	struct fixture *f = *state;
	struct publishing p = {.f = f, .batch = 5, .batches = 1};
	int port = f->peer.port;

	peer_stop(&f->peer);
	p.publisher = pubsub_publisher_new(f->pubsub, TOPIC);
	send_batch(&p);
	WAIT(f, p.answers == 1);
	assert_int_equal(p.failed, 1);
	assert_false(p.maybe_stored);
	assert_int_equal(p.why.code, ERR_UNAVAILABLE);
	pubsub_publisher_free(p.publisher);
	peer_start(&f->peer, port, NULL, NULL, serve, NULL);
}

/* Every error-code of wire/pubsub.md §6 with the exit status that it asks for, over the wire. */
static void
test_codes(void **state)
{
	static const struct {
		const char *suffix;
		int exit_status;
		enum disposition disposition;
	} rows[] = {
	    {"service.unavailable", 5, DISPOSITION_RETRY},
	    {"service.auth.headers.invalid", 3, DISPOSITION_STOP},
	    {"service.protection.triggered", 5, DISPOSITION_RETRY_SLOWLY},
	    {"service.protection.stream.limit.triggered", 5, DISPOSITION_RETRY_SLOWLY},
	    {"service.tenant.license", 3, DISPOSITION_STOP},
	    {"concurrent.client.limit.exceeded", 5, DISPOSITION_RETRY_SLOWLY},
	    {"topic.not.found", 4, DISPOSITION_STOP},
	    {"topic.notfound", 4, DISPOSITION_STOP},
	    {"subscription.topic.notfound", 4, DISPOSITION_STOP},
	    {"topic.meta.permission", 4, DISPOSITION_STOP},
	    {"topic.api.unavailable", 5, DISPOSITION_RETRY},
	    {"schema.api.unavailable", 5, DISPOSITION_RETRY},
	    {"topic.validation.empty", 1, DISPOSITION_STOP},
	    {"publish.topic.validation.empty", 1, DISPOSITION_STOP},
	    {"schema.meta.permission", 4, DISPOSITION_STOP},
	    {"schema.validation.failed", 1, DISPOSITION_STOP},
	    {"subscription.fetch.replayid.corrupted", 8, DISPOSITION_STOP},
	    {"subscription.fetch.replayid.validation.failed", 8, DISPOSITION_STOP},
	    {"subscription.fetch.replay.repeated", 5, DISPOSITION_RETRY},
	    {"subscription.limit.exceeded", 9, DISPOSITION_RETRY_SLOWLY},
	    {"subscription.fetch.overflow", 5, DISPOSITION_RETRY},
	    {"subscription.fetch.requested.events.invalid", 1, DISPOSITION_STOP},
	    {"subscription.fetch.topic.mismatch", 1, DISPOSITION_STOP},
	    {"subscription.fetch.request.invalid", 1, DISPOSITION_STOP},
	    {"subscription.topic.cannot.subscribe", 4, DISPOSITION_STOP},
	    {"subscription.internal.error", 5, DISPOSITION_RETRY},
	    {"publish.stream.sweeper.timeout", 5, DISPOSITION_RETRY},
	    {"publish.auth.refresh.invalid", 1, DISPOSITION_STOP},
	    {"publish.event.count.invalid", 1, DISPOSITION_STOP},
	    {"publish.topic.mismatch", 1, DISPOSITION_STOP},
	    {"managed.subscription.already.active", 5, DISPOSITION_RETRY},
	    {"managed.subscription.config.stopped", 2, DISPOSITION_STOP},
	    {"managed.subscription.config.deleted", 2, DISPOSITION_STOP},
	    {"managed.subscription.developer.name.not.found", 4, DISPOSITION_STOP},
	    {"managed.subscription.subscription.id.not.found", 4, DISPOSITION_STOP},
	    {"managed.subscription.subscription.id.invalid", 2, DISPOSITION_STOP},
	    {"managed.subscription.id.or.developer.name.empty", 2, DISPOSITION_STOP},
	    {"managed.subscription.fetch.request.events.invalid", 1, DISPOSITION_STOP},
	    {"managed.subscription.fetch.request.invalid", 1, DISPOSITION_STOP},
	    {"managed.subscription.fetch.request.commit.request.restricted", 1, DISPOSITION_STOP},
	    {"managed.subscription.fetch.request.auth.request.restricted", 1, DISPOSITION_STOP},
	};
	struct fixture *f = *state;
	size_t count;
	const struct pubsub_code *codes = pubsub_codes(&count);

	/* two more, service.auth.error and service.auth.refresh.invalid, are renewed: see the token tests */
	assert_int_equal(count, COUNT(rows) + 2);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct pubsub_code *code = pubsub_code_find(text_of(rows[i].suffix), text_of(""));

		assert_non_null(code);
		assert_string_equal(code->suffix, rows[i].suffix);
		fake.status = code->status;
		fake.code = rows[i].suffix;
		f->l.ended = 0;
		open_source(f, START_EARLIEST, 0, 100);
		WAIT(f, f->l.ended > 0);
		if (error_exit_status(f->l.why.code) != rows[i].exit_status ||
		    error_disposition(f->l.why.code) != rows[i].disposition)
			fail_msg("%s: exit status %d, %s", rows[i].suffix, error_exit_status(f->l.why.code), f->l.why.text);
		if (strstr(f->l.why.text, rows[i].suffix) == NULL || strstr(f->l.why.text, "Salesforce Subscribe '" TOPIC "'") == NULL ||
		    strstr(f->l.why.text, call_status_name(code->status)) == NULL || strstr(f->l.why.text, "4711") == NULL ||
		    strstr(f->l.why.text, fake.first.trace) == NULL || strstr(f->l.why.text, "127.0.0.1") == NULL ||
		    f->l.why.hint[0] == '\0')
			fail_msg("%s: %s (%s)", rows[i].suffix, f->l.why.text, f->l.why.hint);
		assert_int_equal(f->l.why.retry_after_ms, code->pause_ms);
	}
	for (size_t i = 0; i < count; i++)
		assert_ptr_equal(pubsub_code_find(text_of(codes[i].suffix), text_of("")), &codes[i]);
}

/* Without a known code: the words, then the status. */
static void
test_messages(void **state)
{
	static const struct {
		const char *name;
		int status;
		const char *code, *message;
		enum error_code error;
	} rows[] = {
	    {"words of a lost trailer", 3, NULL, "The Replay ID validation failed. rpcId: x", ERR_POSITION},
	    {"code inside the words", 3, NULL, "failed: sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted.",
		ERR_POSITION},
	    {"not found", 5, NULL,
		"The topic information for org CORE/prod/00D and topic /data/X not found. Ensure the topic name is correct",
		ERR_NOT_FOUND},
	    {"quota", 8, NULL, "You have exceeded the event delivery limit for your org.", ERR_QUOTA},
	    {"proxy", 14, NULL, "upstream connect error or disconnect/reset before headers", ERR_UNAVAILABLE},
	    {"unknown code", 9, "something.new", "?", ERR_FAILED},
	    {"unknown code of a retriable status", 14, "something.new", "?", ERR_UNAVAILABLE},
	    {"unknown code beside known words", 3, "something.new", "The Replay ID validation failed.", ERR_FAILED},
	    {"status only", 7, NULL, "no", ERR_PERMISSION},
	    {"routine", 13, NULL, "Received RST_STREAM with code 0", ERR_UNAVAILABLE},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		fake.status = rows[i].status;
		fake.code = rows[i].code;
		fake.message = rows[i].message;
		f->l.ended = 0;
		open_source(f, START_EARLIEST, 0, 100);
		WAIT(f, f->l.ended > 0);
		if (f->l.why.code != rows[i].error)
			fail_msg("%s: %s, %s", rows[i].name, error_name(f->l.why.code), f->l.why.text);
	}
}

static void
test_closed_port(void **state)
{
	struct call_status s = {.code = 14, .message = text_of("failed to connect to all addresses; last error: UNKNOWN: "
							       "ipv4:1.2.3.4:7443: Failed to connect to remote host: "
							       "Connection refused")};
	struct pubsub_request r = {.endpoint = "api.pubsub.salesforce.com:7443", .rpc = "Subscribe", .subject = "/data/X"};
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(pubsub_error(&s, &r, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.text, "connection refused"));
	assert_non_null(strstr(e.hint, "api.pubsub.salesforce.com:443"));
}

int
main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_topic_names),
	    cmocka_unit_test(test_closed_port),
	    ROW(test_events),
	    ROW(test_resume),
	    ROW(test_credit),
	    ROW(test_request_rate),
	    ROW(test_close_inside),
	    ROW(test_watchdog),
	    ROW(test_schema_wait),
	    ROW(test_schema_after_end),
	    ROW(test_close_while_waiting),
	    ROW(test_schema_errors),
	    ROW(test_bad_event),
	    ROW(test_renewal),
	    ROW(test_one_renewal),
	    ROW(test_renewal_fails),
	    ROW(test_free_while_busy),
	    ROW(test_publish),
	    ROW(test_publish_stream),
	    ROW(test_publish_break),
	    ROW(test_publish_unreached),
	    ROW(test_codes),
	    ROW(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "emulator/pubsub_internal.h"

void
pubsub_fail(struct server_call *c, int status, const char *suffix, const char *format, ...)
{
	char rpc_id[UUID_SIZE], text[1024], message[1100], code[160] = "";
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	random_uuid(rpc_id);
	snprintf(message, sizeof message, "%s rpcId: %s", text, rpc_id);
	if (suffix)
		snprintf(code, sizeof code, ERROR_CODE_PREFIX "%s", suffix);
	server_call_finish(c, &(struct server_status){
				  .code = status, .message = message, .error_code = code, .rpc_id = rpc_id });
}

/* "00D…" of 15 or 18 characters, or core/<subdomain>/<org id> */
static bool
is_tenant(struct text value)
{
	struct text id = value;

	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] == '/')
			id = text_span(value.data + i + 1, value.len - i - 1);
	if (id.len != value.len && !text_starts(value, "core/"))
		return false;
	return text_is(id, ORG_ID) || (id.len == 15 && memcmp(id.data, ORG_ID, 15) == 0);
}

bool
pubsub_authorize(struct pubsub_server *p, struct server_call *c)
{
	static const char *const keys[] = { "accesstoken", "instanceurl", "tenantid" };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (server_call_metadata(c, keys[i]).len > 0)
			continue;
		pubsub_fail(c, 16, "service.auth.headers.invalid",
		    "The %s metadata value is blank. Ensure that every RPC carries accesstoken, instanceurl and "
		    "tenantid.",
		    keys[i]);
		return false;
	}
	if (!text_is(server_call_metadata(c, "instanceurl"), p->instance_url)) {
		pubsub_fail(c, 16, "service.auth.headers.invalid",
		    "The instanceurl metadata value is not this org's: it must be %s without a path.",
		    p->instance_url);
		return false;
	}
	if (!is_tenant(server_call_metadata(c, "tenantid")) ||
	    tokens_check(p->tokens, server_call_metadata(c, "accesstoken"), NULL) != TOKEN_GOOD) {
		pubsub_fail(c, 16, "service.auth.error",
		    "An authentication exception occurred. Provide valid authentication credentials in the "
		    "request, and ensure that the org of the token and of the tenantid are the same.");
		return false;
	}
	return true;
}

bool
pubsub_authorize_again(struct pubsub_server *p, struct server_call *c)
{
	struct text token = server_call_metadata(c, "accesstoken");

	/* the script may end tokens now; a session that times out does not end what it has begun */
	if (!p->emulator->options->token_ends_streams &&
	    (tokens_check(p->tokens, token, NULL) == TOKEN_GOOD || !tokens_ended_early(p->tokens, token)))
		return true;
	return pubsub_authorize(p, c);
}

bool
pubsub_stream_started(struct pubsub_server *p, struct server_call *c)
{
	p->streams++;
	if (!pubsub_authorize(p, c))
		return false;
	if (p->streams <= p->emulator->options->client_limit)
		return true;
	pubsub_fail(c, 8, "concurrent.client.limit.exceeded",
	    "The number of concurrent clients exceeds the limit of %llu. Close subscriptions or publish streams first.",
	    (unsigned long long)p->emulator->options->client_limit);
	return false;
}

void
pubsub_stream_ended(struct pubsub_server *p)
{
	p->streams--;
}

const struct topic *
pubsub_find_topic(struct pubsub_server *p, struct server_call *c, const char *name,
    const char *blank_suffix)
{
	const struct topic *t;

	if (*name == '\0') {
		pubsub_fail(c, 3, blank_suffix, "Topic validation failed. The topic name can't be blank.");
		return NULL;
	}
	t = topics_find(&p->topics, name);
	if (!t)
		pubsub_fail(c, 5, "topic.not.found",
		    "The topic information for org CORE/prod/%s and topic %.200s not found. Ensure the topic "
		    "name is correct and that the topic exists.",
		    ORG_ID, name);
	return t;
}

void
pubsub_send(struct server_call *c, const ProtobufCMessage *message)
{
	struct buffer out = BUFFER_INIT;

	buffer_reserve(&out, protobuf_c_message_get_packed_size(message) + 1);
	out.len = protobuf_c_message_pack(message, out.data);
	server_call_send(c, &out);
	buffer_release(&out);
}

static void
get_topic(void *service, struct server_call *c, struct text message)
{
	struct pubsub_server *p = service;
	Eventbus__V1__TopicRequest *q =
	    eventbus__v1__topic_request__unpack(NULL, message.len, (const uint8_t *)message.data);
	Eventbus__V1__TopicInfo info = EVENTBUS__V1__TOPIC_INFO__INIT;
	const struct topic *topic = NULL;
	char rpc_id[UUID_SIZE];

	if (!q)
		pubsub_fail(c, 13, NULL, "The request is not a TopicRequest.");
	else if (pubsub_authorize(p, c))
		topic = pubsub_find_topic(p, c, q->topic_name, "topic.validation.empty");
	if (topic) {
		info.topic_name = (char *)topic->name;
		info.tenant_guid = (char *)"CORE/prod/" ORG_ID;
		info.can_publish = topic->can_publish;
		info.can_subscribe = 1;
		info.schema_id = (char *)topic_schema_id(topic, p->org);
		info.rpc_id = random_uuid(rpc_id);
		pubsub_send(c, &info.base);
		server_call_finish(c, &(struct server_status){ 0 });
	}
	eventbus__v1__topic_request__free_unpacked(q, NULL);
}

static void
get_schema(void *service, struct server_call *c, struct text message)
{
	struct pubsub_server *p = service;
	Eventbus__V1__SchemaRequest *q =
	    eventbus__v1__schema_request__unpack(NULL, message.len, (const uint8_t *)message.data);
	Eventbus__V1__SchemaInfo info = EVENTBUS__V1__SCHEMA_INFO__INIT;
	const struct schema *schema;
	char rpc_id[UUID_SIZE];

	if (!q) {
		pubsub_fail(c, 13, NULL, "The request is not a SchemaRequest.");
	} else if (!pubsub_authorize(p, c)) {
		;
	} else if (*q->schema_id == '\0') {
		pubsub_fail(c, 3, "schema.validation.failed",
		    "Schema validation failed. The schema ID can't be blank.");
	} else if (!(schema = schema_store_find(org_schemas(p->org), text_of(q->schema_id)))) {
		pubsub_fail(c, 5, NULL, "The schema with the ID %.64s was not found.", q->schema_id);
	} else {
		info.schema_json = (char *)schema->json;
		info.schema_id = q->schema_id;
		info.rpc_id = random_uuid(rpc_id);
		pubsub_send(c, &info.base);
		server_call_finish(c, &(struct server_status){ 0 });
	}
	eventbus__v1__schema_request__free_unpacked(q, NULL);
}

static const struct server_method methods[] = {
	{ .path = "/eventbus.v1.PubSub/Subscribe",
	    .fault = "salesforce.subscribe",
	    .streaming = true,
	    .started = pubsub_subscribe_started,
	    .message = pubsub_subscribe_message,
	    .writable = pubsub_subscribe_writable,
	    .ended = pubsub_subscribe_ended },
	{ .path = "/eventbus.v1.PubSub/ManagedSubscribe",
	    .fault = "salesforce.subscribe",
	    .streaming = true,
	    .started = pubsub_managed_started,
	    .message = pubsub_managed_message,
	    .half_closed = pubsub_managed_half_closed,
	    .writable = pubsub_subscribe_writable,
	    .ended = pubsub_managed_ended },
	{ .path = "/eventbus.v1.PubSub/GetTopic", .fault = "salesforce.get-topic", .message = get_topic },
	{ .path = "/eventbus.v1.PubSub/GetSchema", .fault = "salesforce.get-schema", .message = get_schema },
	{ .path = "/eventbus.v1.PubSub/Publish",
	    .fault = "salesforce.publish",
	    .message = pubsub_publish_message },
	{ .path = "/eventbus.v1.PubSub/PublishStream",
	    .fault = "salesforce.publish-stream",
	    .streaming = true,
	    .started = pubsub_publish_stream_started,
	    .message = pubsub_publish_stream_message,
	    .ended = pubsub_publish_stream_ended },
	{ .path = NULL },
};

/* From whichever thread publishes: many publishes before the server's thread comes round are one pump. */
static void
published(void *context)
{
	struct pubsub_server *p = context;

	if (!atomic_exchange(&p->wake_posted, true))
		server_post(p->server, pubsub_subscribe_pump_all, p);
}

struct pubsub_server *
pubsub_server_open(const struct pubsub_server_options *o, struct error *e)
{
	struct pubsub_server *p = memory_zero(1, sizeof *p);
	struct server_options so = { .name = "the Pub/Sub API",
		.port = o->emulator->options->pubsub_port,
		.identity = &o->emulator->identity,
		.receive_limit_bytes = RECEIVE_BYTES_MAX,
		.streams_a_connection = STREAMS_A_CONNECTION,
		.faults = o->emulator->faults,
		.connection_age_ms = o->emulator->options->connection_age_ms };

	p->emulator = o->emulator;
	p->bus = o->bus;
	p->org = o->org;
	p->tokens = o->tokens;
	p->deliveries = o->deliveries;
	p->publishing = o->publishing;
	p->instance_url = memory_strdup(o->instance_url);
	topics_init(&p->topics, o->org);
	pubsub_managed_open(p);
	if (!(p->reader = bus_reader_open(o->bus, e)) ||
	    !(p->server = server_new(&so, methods, p, e))) {
		pubsub_server_close(p);
		return NULL;
	}
	bus_set_listener(o->bus, published, p);
	server_start(p->server);
	return p;
}

void
pubsub_server_close(struct pubsub_server *p)
{
	if (!p)
		return;
	bus_set_listener(p->bus, NULL, NULL);
	server_free(p->server);
	bus_reader_close(p->reader);
	free(p->instance_url);
	free(p);
}

uint16_t
pubsub_server_port(const struct pubsub_server *p)
{
	return server_port(p->server);
}

void
pubsub_server_report(const struct pubsub_server *p, struct json *state)
{
	struct json *managed = json_object();
	struct server_counts counts;

	for (size_t i = 0; i < MANAGED_COUNT; i++)
		if (p->managed[i].committed != 0)
			json_set_int64(managed, p->managed[i].record->name, (int64_t)p->managed[i].committed);
	json_set(state, "managed_committed", managed);
	server_counts(p->server, &counts);
	json_set_int64(state, "calls", (int64_t)counts.calls);
	json_set_int64(state, "open_calls", (int64_t)counts.open);
	json_set_int64(state, "connections_cut", (int64_t)counts.cut);
	json_set_int64(state, "subscriptions", (int64_t)p->subscribed);
	json_set_int64(state, "delivered", (int64_t)p->delivered);
	json_set_int64(state, "keepalives", (int64_t)p->keepalives);
	json_set_int64(state, "published_by_clients", (int64_t)p->published);
	json_set_int64(state, "refused_events", (int64_t)p->refused);
}

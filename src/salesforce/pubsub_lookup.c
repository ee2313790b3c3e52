/* GetTopic and GetSchema. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "proto/pubsub_api.pb-c.h"
#include "salesforce/pubsub.h"
#include "salesforce/pubsub_client.h"
#include "salesforce/schemas.h"

struct topic_query {
	pubsub_topic_done *done;
	void *context;
};

static void
topic_reply(void *context, struct text response, const struct error *why, bool maybe_done)
{
	struct topic_query *q = context;
	Eventbus__V1__TopicInfo *info = NULL;
	struct error error = ERROR_INIT;

	(void)maybe_done;
	if (why->code != ERR_OK) {
		q->done(q->context, NULL, why);
	} else if ((info = eventbus__v1__topic_info__unpack(
			NULL, response.len, (const uint8_t *)response.data)) == NULL) {
		error_set(&error, ERR_FAILED, "Salesforce GetTopic: the answer is no TopicInfo");
		q->done(q->context, NULL, &error);
	} else {
		struct pubsub_topic topic = {.name = info->topic_name,
		    .schema_id = info->schema_id,
		    .tenant_guid = info->tenant_guid,
		    .can_publish = info->can_publish,
		    .can_subscribe = info->can_subscribe};

		q->done(q->context, &topic, &error);
	}
	if (info != NULL)
		eventbus__v1__topic_info__free_unpacked(info, NULL);
	free(q);
}

void
pubsub_get_topic(struct pubsub *p, const char *topic, pubsub_topic_done *done, void *context)
{
	Eventbus__V1__TopicRequest request = EVENTBUS__V1__TOPIC_REQUEST__INIT;
	struct topic_query *q = memory_zero(1, sizeof(*q));

	q->done = done;
	q->context = context;
	request.topic_name = (char *)topic;
	pubsub_unary(p, "GetTopic", topic, PUBSUB_UNARY_MS, &request.base, topic_reply, q);
}

struct topic_wait {
	struct pubsub_topic *out;
	struct error *error;
	bool done;
	int result;
};

static void
topic_arrived(void *context, const struct pubsub_topic *topic, const struct error *why)
{
	struct topic_wait *w = context;

	w->done = true;
	if (topic == NULL) {
		w->result = -1;
		if (w->error != NULL)
			*w->error = *why;
		return;
	}
	*w->out = *topic;
	w->out->name = memory_strdup(topic->name);
	w->out->schema_id = memory_strdup(topic->schema_id);
	w->out->tenant_guid = memory_strdup(topic->tenant_guid);
}

int
pubsub_get_topic_wait(
    struct pubsub *p, const char *topic, struct pubsub_topic *out, struct error *e)
{
	struct topic_wait w = {.out = out, .error = e};

	memset(out, 0, sizeof(*out));
	pubsub_get_topic(p, topic, topic_arrived, &w);
	while (!w.done)
		loop_step(pubsub_loop(p), -1);
	return w.result;
}

void
pubsub_topic_release(struct pubsub_topic *t)
{
	free((char *)t->name);
	free((char *)t->schema_id);
	free((char *)t->tenant_guid);
	memset(t, 0, sizeof(*t));
}

struct schema_query {
	pubsub_schema_done *done;
	void *context;
};

static void
schema_reply(void *context, struct text response, const struct error *why, bool maybe_done)
{
	struct schema_query *q = context;
	Eventbus__V1__SchemaInfo *info = NULL;
	struct error error = *why;
	struct text json = {NULL, 0};

	(void)maybe_done;
	if (error.code == ERR_OK) {
		info = eventbus__v1__schema_info__unpack(
		    NULL, response.len, (const uint8_t *)response.data);
		if (info == NULL)
			error_set(&error, ERR_FAILED,
			    "Salesforce GetSchema: the answer is no SchemaInfo");
		else
			json = text_of(info->schema_json);
		if (json.len > LIMIT_SCHEMA_BYTES)
			error_set(&error, ERR_REFUSED,
			    "Salesforce GetSchema: the schema is larger than %d bytes",
			    LIMIT_SCHEMA_BYTES);
	}
	q->done(q->context, error.code == ERR_OK ? json : text_span(NULL, 0), &error);
	if (info != NULL)
		eventbus__v1__schema_info__free_unpacked(info, NULL);
	free(q);
}

void
pubsub_get_schema(struct pubsub *p, struct text schema_id, pubsub_schema_done *done, void *context)
{
	Eventbus__V1__SchemaRequest request = EVENTBUS__V1__SCHEMA_REQUEST__INIT;
	struct schema_query *q = memory_zero(1, sizeof(*q));

	q->done = done;
	q->context = context;
	request.schema_id = text_dup(schema_id);
	pubsub_unary(
	    p, "GetSchema", request.schema_id, PUBSUB_UNARY_MS, &request.base, schema_reply, q);
	free(request.schema_id);
}

struct schema_wait {
	struct avro_schema *schema;
	struct error *error;
	bool done;
};

static void
schema_arrived(void *context, struct avro_schema *schema, const struct error *why)
{
	struct schema_wait *w = context;

	w->done = true;
	if (schema != NULL)
		w->schema = avro_schema_ref(schema);
	else if (w->error != NULL)
		*w->error = *why;
}

int
pubsub_get_schema_wait(
    struct pubsub *p, struct text schema_id, struct avro_schema **out, struct error *e)
{
	struct schema_cache *cache = pubsub_schemas(p);
	struct avro_schema *found = schema_cache_find(cache, schema_id);
	struct schema_wait w = {.error = e};

	if (found != NULL) {
		*out = avro_schema_ref(found);
		return 0;
	}
	schema_cache_fetch(cache, schema_id, schema_arrived, &w);
	while (!w.done)
		loop_step(pubsub_loop(p), -1);
	*out = w.schema;
	return w.schema != NULL ? 0 : -1;
}

/* From a FetchResponse to events, in order, each with its own schema. */
#include <stdio.h>
#include <string.h>

#include "salesforce/pubsub_client.h"
#include "salesforce/pubsub_subscription.h"
#include "salesforce/schemas.h"

void
subscription_drop(struct pubsub_source *s)
{
	if (s->waiting)
		schema_cache_forget(pubsub_schemas(s->pubsub), s);
	s->waiting = false;
	s->held = NULL;
}

static bool
has_schema(const struct pubsub_source *s, struct text id)
{
	return s->schema != NULL && text_is(id, s->schema_id);
}

static void
set_schema(struct pubsub_source *s, struct text id, struct avro_schema *schema)
{
	avro_schema_unref(s->schema);
	s->schema = avro_schema_ref(schema);
	snprintf(s->schema_id, sizeof(s->schema_id), TEXT_FORMAT, TEXT_ARGS(id));
}

static void
fill_raw(
    const struct pubsub_source *s, const Eventbus__V1__ConsumerEvent *from, struct event_raw *raw)
{
	memset(raw, 0, sizeof(*raw));
	raw->topic = text_of(s->topic);
	raw->org_id = text_of(pubsub_org_id(s->pubsub));
	raw->received_ms = s->received_ms;
	replay_id_set(&raw->replay_id, text_span(from->replay_id.data, from->replay_id.len));
	if (from->event == NULL)
		return;
	raw->id = text_of(from->event->id);
	raw->schema_id = text_of(from->event->schema_id);
	raw->payload = text_span(from->event->payload.data, from->event->payload.len);
}

/* Hands one event over, undecodable when why says so. */
static void
hand_over(struct pubsub_source *s, const struct event_raw *raw, const struct error *why)
{
	struct event event;
	struct error error = ERROR_INIT;

	s->next++;
	s->delivered++;
	if (s->allowed > 0)
		s->allowed--;
	memset(&event, 0, sizeof(event));
	if (why != NULL) {
		event_set_raw(raw, &event);
		s->events->undecodable(s->context, &event, why);
	} else if (event_decode(s->decoder, s->schema, raw, &event, &error) == 0) {
		s->events->event(s->context, &event);
	} else {
		s->events->undecodable(s->context, &event, &error);
	}
}

static void
on_schema(void *context, struct avro_schema *schema, const struct error *why)
{
	struct pubsub_source *s = context;
	struct event_raw raw;

	s->waiting = false;
	if (schema == NULL && !schema_cache_is_final(why->code)) {
		subscription_give_up(s, why);
		return;
	}
	fill_raw(s, s->held->events[s->next], &raw);
	if (schema != NULL)
		set_schema(s, raw.schema_id, schema);
	else
		hand_over(s, &raw, why);
	subscription_deliver(s);
	if (!s->waiting && s->call != NULL && s->state == SUBSCRIPTION_OPEN) {
		call_pause(s->call, false);
		subscription_watch(s);
	}
	subscription_top_up(s);
}

static void
wait_for_schema(struct pubsub_source *s, struct text id)
{
	s->waiting = true;
	loop_timer_stop(s->loop, &s->watchdog);
	if (s->call != NULL)
		call_pause(s->call, true);
	schema_cache_fetch(pubsub_schemas(s->pubsub), id, on_schema, s);
}

/* Why an event cannot even be looked at; false: it can. */
static bool
is_broken(const Eventbus__V1__ConsumerEvent *from, const struct event_raw *raw, struct error *why)
{
	if (from->event == NULL)
		error_set(why, ERR_REFUSED, "the response holds an event without content");
	else if (raw->schema_id.len == 0)
		error_set(why, ERR_REFUSED, "the event names no schema");
	else if (raw->schema_id.len > LIMIT_SCHEMA_ID_BYTES)
		error_set(why, ERR_REFUSED, "the event's schema id is longer than %d bytes",
		    LIMIT_SCHEMA_ID_BYTES);
	return why->code != ERR_OK;
}

void
subscription_deliver(struct pubsub_source *s)
{
	while (s->state == SUBSCRIPTION_OPEN && s->held != NULL && s->next < s->held->n_events) {
		const Eventbus__V1__ConsumerEvent *from = s->held->events[s->next];
		struct error why = ERROR_INIT;
		struct event_raw raw;
		struct avro_schema *schema;

		fill_raw(s, from, &raw);
		if (raw.replay_id.len == 0) {
			/* nobody could go on behind it */
			subscription_fault(s, &why, ERR_FAILED,
			    "an event came without a replay id, or with one too long");
			subscription_give_up(s, &why);
			return;
		}
		if (is_broken(from, &raw, &why)) {
			hand_over(s, &raw, &why);
			continue;
		}
		if (!has_schema(s, raw.schema_id)) {
			schema = schema_cache_find(pubsub_schemas(s->pubsub), raw.schema_id);
			if (schema == NULL) {
				wait_for_schema(s, raw.schema_id);
				return;
			}
			set_schema(s, raw.schema_id, schema);
		}
		hand_over(s, &raw, NULL);
	}
	s->held = NULL;
	if (s->over && s->state == SUBSCRIPTION_OPEN) {
		s->over = false;
		subscription_conclude(s);
	}
}

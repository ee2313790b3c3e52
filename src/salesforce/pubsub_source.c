/*
 * Subscribe as a source of the engine.
 *
 * Credit: `outstanding` is what was requested and has not come; it is kept within the window and within what the
 * engine allows. A response is unpacked into an arena and delivered event by event. Where a schema is not there yet the
 * response is held, reading pauses (so the server is held back too), and delivery goes on with the schema.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "proto/pubsub_api.pb-c.h"
#include "salesforce/event.h"
#include "salesforce/pubsub.h"
#include "salesforce/pubsub_arena.h"
#include "salesforce/pubsub_client.h"
#include "salesforce/schemas.h"

#define WINDOW_MAX 100
#define WINDOW_MIN 10
#define PENDING_TRUST_MS 5000 /* the server's count is believed when nothing was requested for so long */
#define CLOSE_MS 2000	      /* how long a half-closed stream may take to end */
#define REFUSALS_MAX 5	      /* tokens in a row */

enum state {
	CLOSED,
	WAITING,  /* open, but there is no credit to begin with */
	OPEN,
	CLOSING,  /* half-closed, or about to say so; nothing is delivered any more */
	RENEWING, /* the call is over, a new token is on its way */
};

typedef Eventbus__V1__FetchResponse response;

struct pubsub_source {
	struct source base; /* first */
	struct pubsub *pubsub;
	struct loop *loop;
	char *topic;
	struct pubsub_source_options options;
	struct event_decoder *decoder;
	const struct source_events *events;
	void *context;
	struct start start;
	enum state state;
	bool freed; /* the owner is gone; the call is not yet */

	struct call *call;
	char trace[UUID_SIZE];
	unsigned generation; /* of the token that the call began with */
	unsigned refusals;   /* of tokens, without a message between */
	bool first_sent, opened;

	uint32_t allowed, outstanding, window;
	int64_t requested_ms; /* when credit was last asked for */
	uint64_t delivered;   /* since the window was cut */

	struct arena arena;
	response *held; /* being delivered */
	size_t next;	/* of its events */
	int64_t received_ms;
	bool waiting; /* for a schema */
	struct avro_schema *schema;
	char schema_id[LIMIT_SCHEMA_ID_BYTES + 1]; /* of schema */
	bool over;	   /* the call ended while a response was held */
	struct error fault; /* why we end it ourselves */
	struct error end;   /* to be told once all is delivered */

	struct loop_timer watchdog, settle, stall, close_timer, tell;
};

static void deliver(struct pubsub_source *s);
static void top_up(struct pubsub_source *s);

static struct pubsub_source *
of(struct source *base)
{
	return (struct pubsub_source *)base;
}

static int
set_fault(struct pubsub_source *s, struct error *e, enum error_code code, const char *reason)
{
	return error_set(e, code, "Salesforce Subscribe '%s': %s (%s, trace id %s)", s->topic, reason,
	    pubsub_endpoint(s->pubsub), s->trace);
}

/* The end. */

static void
stop_timers(struct pubsub_source *s)
{
	loop_timer_stop(s->loop, &s->watchdog);
	loop_timer_stop(s->loop, &s->settle);
	loop_timer_stop(s->loop, &s->stall);
	loop_timer_stop(s->loop, &s->close_timer);
	loop_timer_stop(s->loop, &s->tell);
}

static void
drop_held(struct pubsub_source *s)
{
	if (s->waiting)
		schema_cache_forget(pubsub_schemas(s->pubsub), s);
	s->waiting = false;
	s->held = NULL;
}

static void
source_release(struct pubsub_source *s)
{
	event_decoder_free(s->decoder);
	avro_schema_unref(s->schema);
	arena_release(&s->arena);
	free(s->topic);
	free(s);
}

static void
finish(struct pubsub_source *s, const struct error *why)
{
	struct error copy = *why;

	stop_timers(s);
	drop_held(s);
	s->state = CLOSED;
	s->allowed = s->outstanding = 0;
	s->over = false;
	log_debug("pubsub", "%s: subscription over: %s", s->topic, copy.code == ERR_OK ? "in good order" : copy.text);
	s->events->ended(s->context, &copy);
}

static void
finish_in_order(void *context)
{
	struct error none = ERROR_INIT;

	finish(context, &none);
}

static void
renewed(void *context, const struct error *why)
{
	struct pubsub_source *s = context;

	if (why->code != ERR_OK) {
		pubsub_refused(s->pubsub, &s->end, why);
	} else {
		s->end.code = ERR_UNAVAILABLE;
		error_wrap(&s->end, "the access token was renewed");
	}
	finish(s, &s->end);
}

/* The call is over and everything has been delivered. */
static void
conclude(struct pubsub_source *s)
{
	if (s->end.code != ERR_SESSION) {
		finish(s, &s->end);
	} else if (++s->refusals >= REFUSALS_MAX) {
		error_wrap(&s->end, "%u access tokens in a row were refused", s->refusals);
		s->refusals = 0;
		pubsub_refused(s->pubsub, &s->end, &s->end);
		finish(s, &s->end);
	} else {
		stop_timers(s);
		s->state = RENEWING;
		pubsub_renew_token(s->pubsub, s->generation, renewed, s);
	}
}

/* What the server's own words mean for the next subscription. */
static void
learn(struct pubsub_source *s, const struct call_status *status)
{
	const struct pubsub_code *code = pubsub_code_find(status->error_code, status->message);

	if (code == NULL || (strcmp(code->suffix, "service.protection.stream.limit.triggered") != 0 &&
	    strcmp(code->suffix, "subscription.fetch.overflow") != 0))
		return;
	s->window = s->window / 2 > WINDOW_MIN ? s->window / 2 : WINDOW_MIN;
	s->delivered = 0;
}

static void
on_ended(void *context, const struct call_status *status)
{
	struct pubsub_source *s = context;
	struct pubsub_request request = {pubsub_endpoint(s->pubsub), "Subscribe", s->topic, s->trace};

	s->call = NULL;
	pubsub_call_over(s->pubsub);
	if (s->freed) {
		source_release(s);
		return;
	}
	error_clear(&s->end);
	if (s->state == CLOSING) {
		finish(s, &s->end);
		return;
	}
	if (s->fault.code != ERR_OK)
		s->end = s->fault;
	else
		pubsub_error(status, &request, &s->end);
	learn(s, status);
	if (s->held != NULL)
		s->over = true;
	else
		conclude(s);
}

/* Gives the stream up; `ended` follows. */
static void
give_up(struct pubsub_source *s, const struct error *why)
{
	drop_held(s);
	s->fault = *why;
	loop_timer_stop(s->loop, &s->watchdog);
	if (s->call != NULL) {
		call_cancel(s->call);
	} else {
		s->end = *why;
		conclude(s);
	}
}

static void
on_silence(void *context)
{
	struct pubsub_source *s = context;
	struct error why = ERROR_INIT;
	char took[40], reason[80];

	snprintf(reason, sizeof(reason), "nothing came for %s, not even a keepalive",
	    clock_format_duration(took, sizeof(took), s->options.watchdog_ms));
	set_fault(s, &why, ERR_UNAVAILABLE, reason);
	give_up(s, &why);
}

static void
watch(struct pubsub_source *s)
{
	loop_timer_start(s->loop, &s->watchdog, s->options.watchdog_ms, on_silence, s);
}

static void
on_slow_close(void *context)
{
	struct pubsub_source *s = context;

	if (s->call != NULL)
		call_cancel(s->call);
}

static void
begin_close(struct pubsub_source *s)
{
	drop_held(s);
	stop_timers(s);
	s->state = CLOSING;
	if (s->call == NULL) {
		loop_timer_start(s->loop, &s->tell, 0, finish_in_order, s);
		return;
	}
	call_half_close(s->call);
	call_pause(s->call, false);
	loop_timer_start(s->loop, &s->close_timer, CLOSE_MS, on_slow_close, s);
}

static void
on_stall(void *context)
{
	struct pubsub_source *s = context;

	log_debug("pubsub", "%s: no room for events; the subscription pauses", s->topic);
	begin_close(s);
}

/* Credit. */

static void
send_request(struct pubsub_source *s, uint32_t credit)
{
	Eventbus__V1__FetchRequest request = EVENTBUS__V1__FETCH_REQUEST__INIT;
	struct buffer b = BUFFER_INIT;

	request.num_requested = (int32_t)credit;
	if (!s->first_sent) {
		request.topic_name = s->topic;
		if (s->start.kind == START_EARLIEST)
			request.replay_preset = EVENTBUS__V1__REPLAY_PRESET__EARLIEST;
		if (s->start.kind == START_AFTER) {
			request.replay_preset = EVENTBUS__V1__REPLAY_PRESET__CUSTOM;
			request.replay_id.data = s->start.after.bytes;
			request.replay_id.len = s->start.after.len;
		}
	}
	pubsub_pack(&b, &request.base);
	if (call_send(s->call, &b)) {
		s->first_sent = true;
		s->outstanding += credit;
		s->requested_ms = clock_monotonic_ms(loop_clock(s->loop));
		log_trace("pubsub", "%s: %u events requested, %u outstanding", s->topic, credit, s->outstanding);
	}
	buffer_release(&b);
}

static void
top_up(struct pubsub_source *s)
{
	uint32_t room = s->allowed < s->window ? s->allowed : s->window;

	if (s->state != OPEN || s->call == NULL)
		return;
	if (s->outstanding > 0) {
		loop_timer_stop(s->loop, &s->stall);
	} else if (room == 0 || s->held != NULL) {
		if (!loop_timer_is_running(&s->stall))
			loop_timer_start(s->loop, &s->stall, s->options.stall_ms, on_stall, s);
		return;
	}
	/* requests that come too often are refused: only below half is it worth one */
	if (s->held != NULL || 2 * s->outstanding >= room || !call_can_send(s->call))
		return;
	send_request(s, room - s->outstanding);
	loop_timer_stop(s->loop, &s->stall);
}

/* Delivery. */

static void
mark_opened(void *context)
{
	struct pubsub_source *s = context;

	loop_timer_stop(s->loop, &s->settle);
	if (s->opened)
		return;
	s->opened = true;
	s->events->opened(s->context);
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
fill_raw(const struct pubsub_source *s, const Eventbus__V1__ConsumerEvent *from, struct event_raw *raw)
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
		give_up(s, why);
		return;
	}
	fill_raw(s, s->held->events[s->next], &raw);
	if (schema != NULL)
		set_schema(s, raw.schema_id, schema);
	else
		hand_over(s, &raw, why);
	deliver(s);
	if (!s->waiting && s->call != NULL && s->state == OPEN) {
		call_pause(s->call, false);
		watch(s);
	}
	top_up(s);
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
		error_set(why, ERR_REFUSED, "the event's schema id is longer than %d bytes", LIMIT_SCHEMA_ID_BYTES);
	return why->code != ERR_OK;
}

/* All events of the held response, or up to one whose schema is not there yet. */
static void
deliver(struct pubsub_source *s)
{
	while (s->state == OPEN && s->held != NULL && s->next < s->held->n_events) {
		const Eventbus__V1__ConsumerEvent *from = s->held->events[s->next];
		struct error why = ERROR_INIT;
		struct event_raw raw;
		struct avro_schema *schema;

		fill_raw(s, from, &raw);
		if (raw.replay_id.len == 0) {
			/* nobody could go on behind it */
			set_fault(s, &why, ERR_FAILED, "an event came without a replay id, or with one too long");
			give_up(s, &why);
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
	if (s->over && s->state == OPEN) {
		s->over = false;
		conclude(s);
	}
}

static void
count_credit(struct pubsub_source *s, const response *r)
{
	int64_t now = clock_monotonic_ms(loop_clock(s->loop));
	uint32_t pending = r->pending_num_requested > 0 ? (uint32_t)r->pending_num_requested : 0;

	s->outstanding = s->outstanding > r->n_events ? s->outstanding - (uint32_t)r->n_events : 0;
	/* a response may be older than our last request, so the server's figure needs time to be true */
	if (pending < s->outstanding && now - s->requested_ms >= PENDING_TRUST_MS)
		s->outstanding = pending;
	if (s->window < WINDOW_MAX && s->delivered > 100 * (uint64_t)s->window)
		s->window = WINDOW_MAX;
}

static void
on_message(void *context, struct text message)
{
	struct pubsub_source *s = context;
	struct replay_id latest;
	struct error why = ERROR_INIT;
	response *r;

	if (s->state != OPEN || s->freed || s->fault.code != ERR_OK)
		return;
	watch(s);
	arena_reset(&s->arena);
	r = eventbus__v1__fetch_response__unpack(&s->arena.allocator, message.len, (const uint8_t *)message.data);
	if (r == NULL) {
		set_fault(s, &why, ERR_UNAVAILABLE, "a message came that is no FetchResponse");
		give_up(s, &why);
		return;
	}
	s->received_ms = clock_wall_ms(loop_clock(s->loop));
	s->refusals = 0;
	count_credit(s, r);
	log_trace("pubsub", "%s: %zu events, rpc id %s", s->topic, r->n_events, r->rpc_id);
	mark_opened(s);
	if (s->state != OPEN)
		return;
	if (r->n_events == 0) {
		replay_id_set(&latest, text_span(r->latest_replay_id.data, r->latest_replay_id.len));
		s->events->idle(s->context, &latest);
	} else {
		s->held = r;
		s->next = 0;
		deliver(s);
	}
	top_up(s);
}

static void
on_sent(void *context)
{
	struct pubsub_source *s = context;

	if (!s->opened && s->state == OPEN && !loop_timer_is_running(&s->settle))
		loop_timer_start(s->loop, &s->settle, s->options.settle_ms, mark_opened, s);
	top_up(s);
}

/* The source's operations. */

static void
try_begin(struct pubsub_source *s)
{
	static const struct call_events events = {on_message, on_sent, on_ended};

	if (s->state != WAITING || s->allowed == 0)
		return;
	s->state = OPEN;
	s->first_sent = s->opened = s->over = false;
	s->outstanding = 0;
	error_clear(&s->fault);
	s->generation = pubsub_generation(s->pubsub);
	s->call = pubsub_call(s->pubsub, "Subscribe", s->trace, 0, &events, s);
	log_debug("pubsub", "Subscribe %s, trace id %s", s->topic, s->trace);
	watch(s);
	top_up(s);
}

static void
source_open(struct source *base, const struct start *start, const struct source_events *events, void *context)
{
	struct pubsub_source *s = of(base);

	s->start = *start;
	s->events = events;
	s->context = context;
	s->state = WAITING;
	try_begin(s);
}

static void
source_allow(struct source *base, uint32_t events)
{
	struct pubsub_source *s = of(base);

	s->allowed = events;
	try_begin(s);
	top_up(s);
}

static void
source_close(struct source *base)
{
	struct pubsub_source *s = of(base);

	if (s->state == RENEWING)
		pubsub_renew_forget(s->pubsub, s);
	if (s->state != CLOSED && s->state != CLOSING)
		begin_close(s);
}

static const struct source_ops ops = {.open = source_open, .allow = source_allow, .close = source_close};

struct source *
pubsub_source_new(struct pubsub *p, const char *topic, const struct pubsub_source_options *o)
{
	struct pubsub_source *s = memory_zero(1, sizeof(*s));

	s->pubsub = p;
	s->loop = pubsub_loop(p);
	s->topic = memory_strdup(topic);
	if (o != NULL)
		s->options = *o;
	if (s->options.watchdog_ms == 0)
		s->options.watchdog_ms = 300000;
	if (s->options.settle_ms == 0)
		s->options.settle_ms = 5000;
	if (s->options.stall_ms == 0)
		s->options.stall_ms = 45000;
	s->window = WINDOW_MAX;
	s->decoder = event_decoder_new(s->options.parts != 0 ? s->options.parts : EVENT_ALL);
	if (s->options.decoder != NULL)
		*s->options.decoder = s->decoder;
	arena_init(&s->arena, LIMIT_UNPACKED_BYTES);
	s->base.ops = &ops;
	s->base.topic = s->topic;
	return &s->base;
}

void
pubsub_source_free(struct source *base)
{
	struct pubsub_source *s = of(base);

	if (s == NULL)
		return;
	drop_held(s);
	stop_timers(s);
	if (s->state == RENEWING)
		pubsub_renew_forget(s->pubsub, s);
	if (s->call == NULL) {
		source_release(s);
		return;
	}
	s->freed = true;
	call_cancel(s->call);
}

/*
 * Subscribe as a source of the engine.
 *
 * Credit: `outstanding` is what was requested and has not come; it is kept within the window and
 * within what the engine allows. A response is unpacked into an arena and delivered event by event.
 * Where a schema is not there yet the response is held, reading pauses (so the server is held back
 * too), and delivery goes on with the schema.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "salesforce/pubsub_client.h"
#include "salesforce/pubsub_subscription.h"

#define WINDOW_MAX 100
#define WINDOW_MIN 10
#define PENDING_TRUST_MS                                                                           \
	5000	       /* the server's count is believed when nothing was requested for so long */
#define CLOSE_MS 2000  /* how long a half-closed stream may take to end */
#define REFUSALS_MAX 5 /* tokens in a row */

static struct pubsub_source *
of(struct source *base)
{
	return (struct pubsub_source *)base;
}

static const char *
subject(const struct pubsub_source *s)
{
	return s->managed != NULL ? s->managed : s->topic;
}

int
subscription_fault(
    struct pubsub_source *s, struct error *e, enum error_code code, const char *reason)
{
	return error_set(e, code, "Salesforce %s '%s': %s (%s, trace id %s)", subscription_rpc(s), subject(s),
	    reason, pubsub_endpoint(s->pubsub), s->trace);
}

const char *
subscription_rpc(const struct pubsub_source *s)
{
	return s->managed != NULL ? "ManagedSubscribe" : "Subscribe";
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
source_release(struct pubsub_source *s)
{
	event_decoder_free(s->decoder);
	avro_schema_unref(s->schema);
	arena_release(&s->arena);
	free(s->topic);
	free(s->managed);
	free(s);
}

static void
finish(struct pubsub_source *s, const struct error *why)
{
	struct error copy = *why;

	stop_timers(s);
	subscription_drop(s);
	s->state = SUBSCRIPTION_CLOSED;
	s->allowed = s->outstanding = 0;
	s->over = false;
	log_debug("pubsub", "%s: subscription over: %s", s->topic,
	    copy.code == ERR_OK ? "in good order" : copy.text);
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

	if (why->code != ERR_OK)
		pubsub_refused(s->pubsub, &s->end, why);
	else
		error_wrap(&s->end, "the access token was renewed");
	finish(s, &s->end);
}

void
subscription_conclude(struct pubsub_source *s)
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
		s->state = SUBSCRIPTION_RENEWING;
		pubsub_renew_token(s->pubsub, s->generation, renewed, s);
	}
}

/* What the server's own words mean for the next subscription. */
static void
learn(struct pubsub_source *s, const struct call_status *status)
{
	const struct pubsub_code *code = pubsub_code_find(status->error_code, status->message);

	if (code == NULL ||
	    (strcmp(code->suffix, "service.protection.stream.limit.triggered") != 0 &&
		strcmp(code->suffix, "subscription.fetch.overflow") != 0))
		return;
	s->window = s->window / 2 > WINDOW_MIN ? s->window / 2 : WINDOW_MIN;
	s->delivered = 0;
}

static void
on_ended(void *context, const struct call_status *status)
{
	struct pubsub_source *s = context;
	struct pubsub_request request = {
	    pubsub_endpoint(s->pubsub), subscription_rpc(s), subject(s), s->trace};

	s->call = NULL;
	pubsub_call_over(s->pubsub);
	if (s->freed) {
		source_release(s);
		return;
	}
	error_clear(&s->end);
	if (s->state == SUBSCRIPTION_CLOSING) {
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
		subscription_conclude(s);
}

void
subscription_give_up(struct pubsub_source *s, const struct error *why)
{
	subscription_drop(s);
	s->fault = *why;
	loop_timer_stop(s->loop, &s->watchdog);
	if (s->call != NULL) {
		call_cancel(s->call);
	} else {
		s->end = *why;
		subscription_conclude(s);
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
	subscription_fault(s, &why, ERR_UNAVAILABLE, reason);
	pubsub_distrust(s->pubsub);
	subscription_give_up(s, &why);
}

void
subscription_watch(struct pubsub_source *s)
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
	subscription_drop(s);
	stop_timers(s);
	s->state = SUBSCRIPTION_CLOSING;
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
pack_request(struct pubsub_source *s, uint32_t credit, struct buffer *out)
{
	Eventbus__V1__FetchRequest request = EVENTBUS__V1__FETCH_REQUEST__INIT;

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
	pubsub_pack(out, &request.base);
}

static void
send_request(struct pubsub_source *s, uint32_t credit)
{
	struct buffer b = BUFFER_INIT;

	if (s->managed != NULL)
		subscription_pack_managed(s, credit, &b);
	else
		pack_request(s, credit, &b);
	if (call_send(s->call, &b)) {
		s->first_sent = true;
		s->outstanding += credit;
		s->requested_ms = clock_monotonic_ms(loop_clock(s->loop));
		log_trace("pubsub", "%s: %u events requested, %u outstanding", s->topic, credit,
		    s->outstanding);
	}
	buffer_release(&b);
}

void
subscription_top_up(struct pubsub_source *s)
{
	uint32_t room = s->allowed < s->window ? s->allowed : s->window;

	if (s->state != SUBSCRIPTION_OPEN || s->call == NULL)
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

static void
count_credit(struct pubsub_source *s, const Eventbus__V1__FetchResponse *r)
{
	int64_t now = clock_monotonic_ms(loop_clock(s->loop));
	uint32_t pending = r->pending_num_requested > 0 ? (uint32_t)r->pending_num_requested : 0;

	s->outstanding = s->outstanding > r->n_events ? s->outstanding - (uint32_t)r->n_events : 0;
	/* a response may be older than our last request, so the server's figure needs time to be
	 * true */
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
	Eventbus__V1__FetchResponse *r;
	bool is_commit = false;

	if (s->state != SUBSCRIPTION_OPEN || s->freed || s->fault.code != ERR_OK)
		return;
	subscription_watch(s);
	arena_reset(&s->arena);
	r = s->managed != NULL ? subscription_unpack_managed(s, message, &is_commit)
			       : eventbus__v1__fetch_response__unpack(
				     &s->arena.allocator, message.len, (const uint8_t *)message.data);
	if (r == NULL) {
		subscription_fault(
		    s, &why, ERR_UNAVAILABLE, "a message came that is no FetchResponse");
		subscription_give_up(s, &why);
		return;
	}
	s->received_ms = clock_wall_ms(loop_clock(s->loop));
	s->refusals = 0;
	count_credit(s, r);
	log_trace("pubsub", "%s: %zu events, rpc id %s", s->topic, r->n_events, r->rpc_id);
	mark_opened(s);
	if (s->state != SUBSCRIPTION_OPEN)
		return;
	if (r->n_events == 0 && is_commit) {
		subscription_send_commit(s);
	} else if (r->n_events == 0) {
		replay_id_set(
		    &latest, text_span(r->latest_replay_id.data, r->latest_replay_id.len));
		s->events->idle(s->context, &latest);
		s->commit_wanted = s->commit_wanted || s->commit.len > 0;
		subscription_send_commit(s);
	} else {
		s->held = r;
		s->next = 0;
		subscription_deliver(s);
	}
	subscription_top_up(s);
}

static void
on_sent(void *context)
{
	struct pubsub_source *s = context;

	if (!s->opened && s->state == SUBSCRIPTION_OPEN && !loop_timer_is_running(&s->settle))
		loop_timer_start(s->loop, &s->settle, s->options.settle_ms, mark_opened, s);
	subscription_top_up(s);
	subscription_send_commit(s);
}

/* The source's operations. */

static void
try_begin(struct pubsub_source *s)
{
	static const struct call_events events = {on_message, on_sent, on_ended};

	if (s->state != SUBSCRIPTION_WAITING || s->allowed == 0)
		return;
	s->state = SUBSCRIPTION_OPEN;
	s->first_sent = s->opened = s->over = false;
	s->outstanding = 0;
	s->commit_request[0] = '\0';
	s->commit_wanted = s->commit.len > 0;
	error_clear(&s->fault);
	s->generation = pubsub_generation(s->pubsub);
	s->call = pubsub_call(s->pubsub, subscription_rpc(s), s->trace, 0, &events, s);
	log_debug("pubsub", "%s %s, trace id %s", subscription_rpc(s), s->topic, s->trace);
	subscription_watch(s);
	subscription_top_up(s);
}

static void
source_open(struct source *base, const struct start *start, const struct source_events *events,
    void *context)
{
	struct pubsub_source *s = of(base);

	s->start = *start;
	s->events = events;
	s->context = context;
	s->state = SUBSCRIPTION_WAITING;
	try_begin(s);
}

static void
source_allow(struct source *base, uint32_t events)
{
	struct pubsub_source *s = of(base);

	s->allowed = events;
	try_begin(s);
	subscription_top_up(s);
}

static void
source_close(struct source *base)
{
	struct pubsub_source *s = of(base);

	if (s->state == SUBSCRIPTION_RENEWING)
		pubsub_renew_forget(s->pubsub, s);
	if (s->state != SUBSCRIPTION_CLOSED && s->state != SUBSCRIPTION_CLOSING)
		begin_close(s);
}

static const struct source_ops ops = {
    .open = source_open, .allow = source_allow, .close = source_close};

struct source *
pubsub_source_new(struct pubsub *p, const char *topic, const struct pubsub_source_options *o)
{
	struct pubsub_source *s = memory_zero(1, sizeof(*s));

	s->pubsub = p;
	s->loop = pubsub_loop(p);
	s->topic = memory_strdup(topic);
	if (o != NULL)
		s->options = *o;
	s->managed = memory_strdup(s->options.managed);
	if (s->options.watchdog_ms == 0)
		s->options.watchdog_ms = 300000;
	if (s->options.settle_ms == 0)
		s->options.settle_ms = 5000;
	if (s->options.stall_ms == 0)
		s->options.stall_ms = 45000;
	s->window = WINDOW_MAX;
	s->decoder = event_decoder_new(s->options.parts != 0 ? s->options.parts : EVENT_ALL);
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
	subscription_drop(s);
	stop_timers(s);
	if (s->state == SUBSCRIPTION_RENEWING)
		pubsub_renew_forget(s->pubsub, s);
	if (s->call == NULL) {
		source_release(s);
		return;
	}
	s->freed = true;
	call_cancel(s->call);
}

/* Batches on their way: one in flight, a result line for each event, what may have been stored never sent again. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_text.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "commands/publish.h"
#include "stream/backoff.h"

/* ---- results */

static void
print_result(struct publish *p, const struct publish_entry *x, const struct pubsub_publish_result *r,
    const char *what, const char *message)
{
	struct buffer b = BUFFER_INIT;
	char hex[REPLAY_ID_TEXT_SIZE], clean[512];

	text_clean(clean, sizeof(clean), text_of(message));
	if (app_outputs(p->app, "json")) {
		buffer_append_format(&b, "{\"line\":%lld,\"result\":\"%s\",\"event_id\":", x->line, what);
		json_text_string(&b, text_of(x->id));
		if (r != NULL)
			buffer_append_format(&b, ",\"replay_id\":\"%s\"", replay_id_hex(hex, &r->replay_id));
		else
			buffer_append_text(&b, ",\"message\":");
		if (r == NULL)
			json_text_string(&b, text_of(clean));
		buffer_append_byte(&b, '}');
	} else {
		char id[2 * UUID_SIZE];

		buffer_append_format(&b, "%s %s%s%s", what, text_clean(id, sizeof(id), text_of(x->id)),
		    r != NULL ? " " : ": ", r != NULL ? replay_id_hex(hex, &r->replay_id) : clean);
	}
	if (output_line(buffer_span(&b), &p->failure) != 0)
		p->stopping = true;
	buffer_release(&b);
}

static void
print_one(struct publish *p, const struct publish_entry *x, const struct pubsub_publish_result *r,
    const struct error *why, bool maybe_stored)
{
	char *words = r != NULL && r->message.len > 0 ? text_dup(r->message) : NULL;

	if (r != NULL && r->code == ERR_OK) {
		p->published++;
		print_result(p, x, r, "published", "");
	} else if (x->refusal != NULL || (r != NULL && r->code != ERR_UNAVAILABLE)) {
		p->refused++;
		if (r != NULL && r->code == ERR_QUOTA && p->failure.code == ERR_OK)
			error_set(&p->failure, ERR_QUOTA, "the hourly quota of published events is spent");
		print_result(p, x, NULL, "refused", x->refusal != NULL ? x->refusal : words != NULL ? words : "");
	} else if (r != NULL || maybe_stored) {
		p->unknown++;
		print_result(p, x, NULL, "unknown", words != NULL ? words : why != NULL ? why->text : "");
	} else {
		print_result(p, x, NULL, "failed", why->text);
	}
	free(words);
}

/* A line for each event of the batch, in its order; then it is empty. */
static void
settle(struct publish *p, const struct pubsub_publish_result *results, const struct error *why,
    bool maybe_stored)
{
	char status[TEXT_COUNT_SIZE + 16], count[TEXT_COUNT_SIZE];
	size_t sent = 0;

	for (size_t i = 0; i < p->batch.count; i++) {
		const struct publish_entry *x = &p->batch.entries[i];

		print_one(p, x, results != NULL && x->refusal == NULL ? &results[sent] : NULL, why, maybe_stored);
		sent += x->refusal == NULL;
	}
	publish_batch_clear(&p->batch);
	if (output_flush(&p->failure) != 0 || p->failure.code != ERR_OK)
		p->stopping = true;
	if (terminal_has_status() && !output_is_terminal()) {
		snprintf(status, sizeof(status), "%s published", text_count(count, p->published, "event", "events"));
		terminal_set_status(status);
	}
}

/* ---- sending */

static void
awake(void *context)
{
	struct publish *p = context;

	p->waiting = false;
	publish_go_on(p);
}

static void
wait_for(struct publish *p, int64_t ms)
{
	p->waiting = true;
	loop_timer_start(p->app->loop, &p->timer, ms, awake, p);
}

/* A send without results. What surely was not stored stays in the batch and goes out once more. */
static void
take_failure(struct publish *p, const struct error *why, bool maybe_stored)
{
	enum disposition d = error_disposition(why->code);
	bool again = (d == DISPOSITION_RETRY || d == DISPOSITION_RETRY_SLOWLY) && why->code != ERR_QUOTA &&
	    !p->stopping && p->signal == 0 && (p->options->max_retries < 0 || p->failures < p->options->max_retries);
	char text[32];
	int64_t delay;

	if (!again) {
		/* before the lines are printed: a reader that has gone must not hide this */
		if (p->failure.code == ERR_OK)
			p->failure = *why;
		p->stopping = true;
	}
	if (maybe_stored || !again)
		settle(p, NULL, why, maybe_stored);
	if (!again)
		return;
	delay = backoff_delay(why, p->failures++, BACKOFF_FIRST_MS, BACKOFF_LAST_MS, &p->random);
	log_warn("publish", "%s; going on in %s", why->text, clock_format_duration(text, sizeof(text), delay));
	wait_for(p, delay);
}

static void
sent(void *context, const struct pubsub_publish_result *results, size_t count, const struct error *why,
    bool maybe_stored)
{
	struct publish *p = context;

	(void)count;
	p->sending = false;
	if (results != NULL) {
		p->failures = 0;
		settle(p, results, NULL, false);
	} else {
		take_failure(p, why, maybe_stored);
	}
	/* the next send may come, but not from inside: the loop goes on first */
	loop_post(p->app->loop, publish_go_on, p);
}

/* The events that are not refused already. */
static size_t
to_send(const struct publish *p, struct pubsub_publish_event *events)
{
	size_t n = 0;

	for (size_t i = 0; i < p->batch.count; i++) {
		const struct publish_entry *x = &p->batch.entries[i];

		if (x->refusal == NULL)
			events[n++] = (struct pubsub_publish_event){
				.id = text_of(x->id),
				.schema_id = text_of(p->schema_id),
				.payload = text_span(p->batch.payloads.data + x->from, x->len),
			};
	}
	return n;
}

static void
pace(struct publish *p, int64_t now_ms, size_t events)
{
	if (p->options->rate == 0)
		return;
	if (p->next_us < 1000 * now_ms)
		p->next_us = 1000 * now_ms;
	p->next_us += (int64_t)events * 1000000 / p->options->rate;
}

static void
send_batch(struct publish *p)
{
	struct pubsub_publish_event *events = memory_zero(p->batch.count, sizeof(*events));
	size_t n = to_send(p, events);

	if (n == 0) {
		settle(p, NULL, NULL, false);
		loop_post(p->app->loop, publish_go_on, p);
	} else {
		p->sending = true;
		pace(p, clock_monotonic_ms(loop_clock(p->app->loop)), n);
		if (n == 1 && p->input_ended && p->published + p->unknown == 0)
			pubsub_publish(p->app->pubsub, p->topic, events, n, sent, p);
		else
			pubsub_publisher_send(p->publisher, events, n, sent, p);
	}
	free(events);
}

void
publish_go_on(void *context)
{
	struct publish *p = context;
	int64_t early_us;

	if (p->sending || p->waiting || p->done)
		return;
	if (!p->stopping && !output_gone())
		publish_fill(p);
	if (p->batch.count > 0 && !p->stopping && !output_gone()) {
		early_us = p->next_us - 1000 * clock_monotonic_ms(loop_clock(p->app->loop));
		if (early_us > 0)
			wait_for(p, (early_us + 999) / 1000);
		else
			send_batch(p);
	} else if (p->input_ended || p->stopping || output_gone()) {
		p->done = true;
		loop_stop(p->app->loop);
	}
}

static void
cut_short(struct publish *p)
{
	struct error why = ERROR_INIT;

	error_set(&why, app_signal_code(p->signal), "stopped before the answer came");
	p->failure = why;
	settle(p, NULL, &why, p->sending);
	p->done = true;
	loop_stop(p->app->loop);
}

static void
take_signal(void *context, int number)
{
	struct publish *p = context;

	if (number == SIGUSR1 || p->done)
		return;
	/* first: nothing more is read, and what was read is sent and gets its answer; second: it does not */
	if (p->signal != 0) {
		p->signal = number;
		cut_short(p);
		return;
	}
	p->signal = number;
	p->stopped_early = !p->input_ended;
	p->input_ended = true;
	/* what waits for its turn goes out at once */
	p->next_us = 0;
	loop_timer_stop(p->app->loop, &p->timer);
	p->waiting = false;
	publish_go_on(p);
}

static int
conclude(const struct publish *p, struct error *e)
{
	long long missing = p->refused + p->unknown;
	char count[TEXT_COUNT_SIZE];

	if (p->failure.code != ERR_OK) {
		*e = p->failure;
		if (p->unknown > 0) {
			enum error_code code = p->signal != 0 && e->code == app_signal_code(p->signal) ? e->code : ERR_REFUSED;

			error_wrap(e, "%s may or may not be stored", text_count(count, p->unknown, "event", "events"));
			e->code = code;
		}
		return -1;
	}
	if (p->stopped_early) {
		error_set(e, app_signal_code(p->signal), "stopped before the end of the input; %s published",
		    text_count(count, p->published, "event was", "events were"));
		return missing > 0 ? error_wrap(e, "%lld refused or unknown", missing) : -1;
	}
	if (missing == 0)
		return 0;
	error_set(e, ERR_REFUSED, "%lld of %s not published", missing,
	    text_count(count, missing + p->published, missing == 1 ? "event was" : "event were",
		missing == 1 ? "events was" : "events were"));
	if (p->unknown > 0)
		error_hint(e, "%s unknown: the connection broke before the answer; what may be stored is not sent twice",
		    text_count(count, p->unknown, "event is", "events are"));
	return -1;
}

int
publish_run(struct publish *p, struct error *e)
{
	struct loop *loop = p->app->loop;

	random_seed_system(&p->random);
	/* results go out batch by batch, not by a call each */
	output_set_line_buffered(false);
	p->publisher = pubsub_publisher_new(p->app->pubsub, p->topic);
	app_handle_signals(p->app, take_signal, p);
	loop_post(loop, publish_go_on, p);
	while (!p->done)
		loop_run(loop);
	app_handle_signals(p->app, NULL, NULL);
	loop_timer_stop(loop, &p->timer);
	terminal_set_status(NULL);
	output_set_line_buffered(true);
	pubsub_publisher_free(p->publisher);
	if (p->sending) { /* a unary call: its answer must not come when p is gone */
		pubsub_free(p->app->pubsub);
		p->app->pubsub = NULL;
	}
	return conclude(p, e);
}

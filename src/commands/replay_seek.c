/*
 * Places in a topic that only the server knows: the tip, and the first event of a time. Subscribes, and stores nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "cli/terminal.h"
#include "commands/replay.h"
#include "salesforce/event.h"
#include "stream/backoff.h"
#include "stream/source.h"

#define TIP_WAIT_MS 300000 /* a quiet topic names its tip with the first keepalive, within 270 s */
#define QUIET_MS 10000	   /* after events have come: no more of them for so long is the end of what is kept */
#define RETRIES_MAX 10	   /* failures in a row without an event between them */
#define ALLOWED 1000
#define REPORT_MS 500
#define LOG_MS 10000

struct seek {
	struct app *app;
	const char *topic;
	struct source *source;
	int64_t time_ms; /* of the first event to find; INT64_MIN: any will do, and so will the server's word for the tip */
	struct start start;

	struct replay_id before; /* the last event that is older; len 0: none yet */
	int64_t before_ms;
	struct replay_id first; /* the one that was looked for */
	int64_t first_ms;
	struct replay_id latest; /* the server's word: nothing is undelivered up to here */
	bool found, caught_up, open;
	struct error why; /* of the end of a subscription */
	unsigned failures;

	int64_t count, heard_ms, read_ms; /* read_ms: commit time of the last event */
	int64_t report_ms, log_ms;
	struct random random;
};

static void
on_opened(void *context)
{
	struct seek *s = context;

	s->heard_ms = clock_monotonic_ms(&clock_system);
}

static void
on_event(void *context, const struct event *event)
{
	struct seek *s = context;

	if (s->found)
		return;
	s->count++;
	s->failures = 0;
	s->heard_ms = clock_monotonic_ms(&clock_system);
	s->read_ms = event->commit_timestamp_ms;
	if (event->commit_timestamp_ms >= s->time_ms) {
		s->found = true;
		s->first = event->replay_id;
		s->first_ms = event->commit_timestamp_ms;
		return;
	}
	s->before = event->replay_id;
	s->before_ms = event->commit_timestamp_ms;
	s->source->ops->allow(s->source, ALLOWED);
}

/* Of an unknown time: never passed over unless an older one follows. */
static void
on_undecodable(void *context, const struct event *event, const struct error *why)
{
	struct seek *s = context;

	(void)why;
	s->count++;
	s->failures = 0;
	s->heard_ms = clock_monotonic_ms(&clock_system);
	if (s->time_ms == INT64_MIN && !s->found) {
		s->found = true;
		s->first = event->replay_id;
	} else if (!s->found) {
		s->source->ops->allow(s->source, ALLOWED);
	}
}

static void
on_idle(void *context, const struct replay_id *latest)
{
	struct seek *s = context;

	if (latest->len == 0 && s->time_ms == INT64_MIN)
		return;
	s->latest = *latest;
	s->caught_up = true;
}

static void
on_ended(void *context, const struct error *why)
{
	struct seek *s = context;

	s->open = false;
	s->why = *why;
}

static void
open_source(struct seek *s)
{
	static const struct source_events events = {
		.opened = on_opened,
		.event = on_event,
		.undecodable = on_undecodable,
		.idle = on_idle,
		.ended = on_ended,
	};

	if (s->before.len > 0)
		s->start = (struct start){.kind = START_AFTER, .after = s->before};
	s->open = true;
	s->heard_ms = clock_monotonic_ms(&clock_system);
	s->source->ops->open(s->source, &s->start, &events, s);
	s->source->ops->allow(s->source, s->time_ms == INT64_MIN ? 1 : ALLOWED);
}

static void
no_news(void *context)
{
	(void)context;
}

static void
wait_ms(struct loop *loop, int64_t ms)
{
	int64_t until = clock_monotonic_ms(&clock_system) + ms;
	struct loop_timer timer = {0};

	loop_timer_start(loop, &timer, ms, no_news, NULL);
	while (clock_monotonic_ms(&clock_system) < until)
		loop_step(loop, 1000);
	loop_timer_stop(loop, &timer);
}

/* A subscription that broke is begun anew behind the last event; 0: go on. */
static int
try_again(struct seek *s, struct error *e)
{
	enum disposition d = error_disposition(s->why.code);

	if (s->why.code == ERR_POSITION && s->start.kind == START_AFTER && s->before.len == 0) {
		log_info("replay", "'%s' has no events behind that position any more: reading from the earliest", s->topic);
		s->start = (struct start){.kind = START_EARLIEST};
	} else if (s->why.code != ERR_OK) {
		if ((d != DISPOSITION_RETRY && d != DISPOSITION_RETRY_SLOWLY) || ++s->failures >= RETRIES_MAX) {
			*e = s->why;
			return -1;
		}
		log_debug("replay", "%s; trying again", s->why.text);
		wait_ms(s->app->loop,
		    backoff_delay(&s->why, s->failures - 1, BACKOFF_FIRST_MS, BACKOFF_LAST_MS, &s->random));
	}
	open_source(s);
	return 0;
}

static void
report(struct seek *s, int64_t now)
{
	char status[160], time[CLOCK_TIME_SIZE], n[TEXT_NUMBER_SIZE];

	if (now - s->report_ms < REPORT_MS || s->time_ms == INT64_MIN)
		return;
	s->report_ms = now;
	if (s->count > 0)
		snprintf(status, sizeof(status), "reading forward: %s events, at %s", text_number(n, s->count),
		    clock_format_time(time, s->read_ms));
	else
		snprintf(status, sizeof(status), "reading forward: waiting for events (up to 270 s on a quiet topic)");
	terminal_set_status(status);
	if (!terminal_has_status() && now - s->log_ms >= LOG_MS) {
		s->log_ms = now;
		log_info("replay", "%s", status);
	}
}

static int
seek(struct seek *s, struct error *e)
{
	int64_t now = clock_monotonic_ms(&clock_system), until = now + TIP_WAIT_MS;
	struct pubsub_source_options o = {.parts = EVENT_CHANGED_JSON};
	int rc = -1;

	if (app_open_pubsub(s->app, e) != 0 || app_need_topic(s->app, s->topic, false, NULL, e) != 0)
		return -1;
	random_seed_system(&s->random);
	s->log_ms = now;
	s->source = pubsub_source_new(s->app->pubsub, s->topic, &o);
	open_source(s);
	while (!s->found && !s->caught_up) {
		now = clock_monotonic_ms(&clock_system);
		if (s->time_ms == INT64_MIN && now >= until) {
			error_set(e, ERR_UNAVAILABLE, "the server did not name the tip of '%s'", s->topic);
			goto out;
		}
		if (s->before.len > 0 && s->open && now - s->heard_ms >= QUIET_MS)
			break;
		if (!s->open && try_again(s, e) != 0)
			goto out;
		report(s, now);
		loop_step(s->app->loop, REPORT_MS);
	}
	rc = 0;
out:
	terminal_set_status(NULL);
	pubsub_source_free(s->source);
	return rc;
}

int
replay_tip(struct app *app, const char *topic, struct replay_place *out, struct error *e)
{
	struct seek s = {.app = app, .topic = topic, .time_ms = INT64_MIN, .start = {.kind = START_LATEST}};

	terminal_set_status("waiting for the server to name the tip (up to 270 s on a quiet topic)");
	if (seek(&s, e) != 0)
		return -1;
	*out = (struct replay_place){
		.position = {.kind = POSITION_AFTER, .replay_id = s.found ? s.first : s.latest, .event_ms = s.first_ms},
		.how = "the tip, as the server names it",
	};
	return 0;
}

int
replay_read_forward(struct app *app, const char *topic, const struct position *from, int64_t time_ms,
    struct replay_place *out, struct error *e)
{
	struct seek s = {.app = app, .topic = topic, .time_ms = time_ms, .start = {.kind = START_EARLIEST}};
	char read[TEXT_NUMBER_SIZE], first[CLOCK_TIME_SIZE];

	if (from != NULL)
		s.start = (struct start){.kind = START_AFTER, .after = from->replay_id};
	if (seek(&s, e) != 0)
		return -1;
	*out = (struct replay_place){.position = {.kind = POSITION_EARLIEST}};
	text_number(read, s.count);
	clock_format_time(first, s.first_ms);
	if (s.before.len > 0)
		out->position = (struct position){.kind = POSITION_AFTER, .replay_id = s.before, .event_ms = s.before_ms};
	else if (s.start.kind == START_AFTER)
		out->position = *from;
	else if (!s.found && s.count == 0 && s.latest.len > 0)
		out->position = (struct position){.kind = POSITION_AFTER, .replay_id = s.latest};
	if (!s.found)
		snprintf(out->how, sizeof(out->how), "read forward over %s events: none of that time or later has come yet", read);
	else if (out->position.kind == POSITION_EARLIEST)
		snprintf(out->how, sizeof(out->how), "the first event that is kept is of %s", first);
	else
		snprintf(out->how, sizeof(out->how), "read forward over %s events: the next is of %s", read, first);
	return 0;
}

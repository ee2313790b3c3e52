/* What `sfzb stream` tells while it runs, and at its end. */
#include "base/json.h"
#include "base/log.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "commands/stream.h"

#define TERMINAL_INTERVAL_MS 500

static int64_t
per_second(int64_t events, int64_t ms)
{
	return ms > 0 ? (events * 1000 + ms / 2) / ms : 0;
}

void
stream_report_init(struct stream_report *r, int64_t interval_ms)
{
	*r = (struct stream_report){.on_terminal = terminal_has_status(), .interval_ms = interval_ms};
	r->past[0].ms = clock_monotonic_ms(&clock_system);
	r->count = 1;
	if (r->on_terminal)
		r->interval_ms = TERMINAL_INTERVAL_MS;
}

/* Since the oldest report that is remembered; remembers this one. */
static int64_t
recent_rate(struct stream_report *r, int64_t now, int64_t stored)
{
	size_t kept = r->on_terminal ? STREAM_REPORT_PAST : 1;
	size_t oldest = r->count < kept ? 0 : r->count % kept;
	int64_t rate = per_second(stored - r->past[oldest].stored, now - r->past[oldest].ms);

	r->past[r->count % kept].ms = now;
	r->past[r->count % kept].stored = stored;
	r->count++;
	return rate;
}

/* How old the oldest event is that is not stored yet; what is all stored has no lag. */
static void
append_lag(struct buffer *b, const struct engine_statistics *s)
{
	char age[32];

	if (s->in_flight_rows == 0 || s->stored_event_ms == 0)
		return;
	buffer_append_format(b, ", lag %s",
	    clock_format_duration(age, sizeof(age), clock_wall_ms(&clock_system) - s->stored_event_ms));
}

static void
append_extras(struct buffer *b, const struct engine_statistics *s)
{
	char n[32];

	if (s->already_stored + s->repeated > 0)
		buffer_append_format(b, ", %s were stored already", text_number(n, s->already_stored + s->repeated));
	if (s->set_aside > 0)
		buffer_append_format(b, ", %s set aside", text_number(n, s->set_aside));
	if (s->resent > 0)
		buffer_append_format(b, ", %s sent again", text_number(n, s->resent));
}

void
stream_report_progress(void *context, const struct engine_statistics *s)
{
	struct stream_report *r = context;
	int64_t now = clock_monotonic_ms(&clock_system);
	char received[32], stored[32], rate[32], flight[32];
	struct buffer b = BUFFER_INIT;

	buffer_append_format(&b, "received %s, stored %s, %s events/s, in flight %s", text_number(received, s->received),
	    text_number(stored, s->stored), text_number(rate, recent_rate(r, now, s->stored)),
	    text_number(flight, s->in_flight_rows));
	append_lag(&b, s);
	append_extras(&b, s);
	if (s->sources_open < s->sources)
		buffer_append_format(&b, ", %u of %u topics open", s->sources_open, s->sources);
	if (r->on_terminal)
		terminal_set_status(buffer_text(&b));
	else
		log_info("stream", "%s", buffer_text(&b));
	buffer_release(&b);
}

static int
print_json(const struct engine_statistics *s, const struct gaps *gaps, int64_t elapsed_ms, struct error *e)
{
	struct json *j = json_object();

	json_set_int64(j, "received", s->received);
	json_set_int64(j, "stored", s->stored);
	json_set_int64(j, "already_stored", s->already_stored);
	json_set_int64(j, "repeated", s->repeated);
	json_set_int64(j, "set_aside", s->set_aside);
	json_set_int64(j, "resent", s->resent);
	json_set_int64(j, "gap_events", s->gap_events);
	json_set(j, "gaps", gaps_json(gaps));
	json_set_int64(j, "elapsed_ms", elapsed_ms);
	json_set_int64(j, "active_ms", s->active_ms);
	return output_json(j, e);
}

int
stream_report_end(const struct app *app, const struct engine_statistics *s, const struct gaps *gaps,
    int64_t elapsed_ms, struct error *e)
{
	char stored[32], received[TEXT_COUNT_SIZE], rate[32], time[32];
	struct buffer b = BUFFER_INIT;

	terminal_set_status(NULL);
	buffer_append_format(&b, "stored %s of %s received", text_number(stored, s->stored),
	    text_count(received, s->received, "event", "events"));
	append_extras(&b, s);
	log_info("stream", "%s; %s, %s events/s", buffer_text(&b),
	    clock_format_duration(time, sizeof(time), elapsed_ms),
	    text_number(rate, per_second(s->stored + s->already_stored, s->active_ms)));
	if (s->set_aside > 0)
		log_warn("stream", "%s set aside; 'sfzb dead-letters' lists them, with the reasons",
		    text_count(received, s->set_aside, "event was", "events were"));
	gaps_report(gaps);
	buffer_release(&b);
	return app_outputs(app, "json") ? print_json(s, gaps, elapsed_ms, e) : 0;
}

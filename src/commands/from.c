#include "commands/from.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "cli/option.h"

static const char *const kind_names[] = {
	[FROM_AUTO] = "auto",
	[FROM_EARLIEST] = "earliest",
	[FROM_LATEST] = "latest",
	[FROM_STORED] = "stored",
};

int
from_parse(struct from *from, const char *words, const char *s, struct error *e)
{
	struct error ignored = ERROR_INIT;
	char listed[128];

	*from = (struct from){.kind = FROM_AUTO};
	if (option_choice_index(words, s) >= 0) {
		for (int i = FROM_AUTO; i <= FROM_STORED; i++)
			if (strcmp(s, kind_names[i]) == 0)
				from->kind = (enum from_kind)i;
		return 0;
	}
	from->kind = FROM_REPLAY_ID;
	if (replay_id_parse(&from->replay_id, s, &ignored) == 0)
		return 0;
	from->kind = FROM_TIME;
	if (clock_parse_time(s, clock_wall_ms(&clock_system), &from->time_ms, &ignored) == 0)
		return 0;
	error_set(e, ERR_USAGE, "'%s' is no place to begin at", s);
	option_choice_words(listed, sizeof(listed), words);
	return error_hint(e,
	    "it is %s, a replay id (hex, base64 or decimal), or a time such as 2h or 2026-11-01T10:00Z", listed);
}

#define CLOCKS_DIFFER_MS (5 * 60 * 1000)

int
from_check_past(const struct from *from, struct error *e)
{
	if (from->kind != FROM_TIME || from->time_ms <= clock_wall_ms(&clock_system) + CLOCKS_DIFFER_MS)
		return 0;
	error_set(e, ERR_USAGE, "that time lies ahead: all events until then would be passed over");
	return error_hint(e, "check its year and its time zone (Z is UTC); 'latest' begins now");
}

static void
since_opened(void *context)
{
	struct since_source *s = context;

	s->events->opened(s->context);
}

static void
since_event(void *context, const struct event *event)
{
	struct since_source *s = context;

	if (!s->passed && event->commit_timestamp_ms < s->since_ms) {
		s->events->left_out(s->context, event);
		/* the owner has not taken one, so the server may send one more */
		s->inner->ops->allow(s->inner, s->allowed);
		return;
	}
	s->passed = true;
	if (s->allowed > 0)
		s->allowed--;
	s->events->event(s->context, event);
}

static void
since_undecodable(void *context, const struct event *event, const struct error *why)
{
	struct since_source *s = context;

	if (s->allowed > 0)
		s->allowed--;
	s->events->undecodable(s->context, event, why);
}

static void
since_idle(void *context, const struct replay_id *latest)
{
	struct since_source *s = context;

	s->events->idle(s->context, latest);
}

static void
since_ended(void *context, const struct error *why)
{
	struct since_source *s = context;

	s->events->ended(s->context, why);
}

static const struct source_events since_events = {
	.opened = since_opened,
	.event = since_event,
	.undecodable = since_undecodable,
	.idle = since_idle,
	.ended = since_ended,
};

static void
since_open(struct source *source, const struct start *start, const struct source_events *events,
    void *context)
{
	struct since_source *s = (struct since_source *)source;

	s->events = events;
	s->context = context;
	s->inner->ops->open(s->inner, start, &since_events, s);
}

static void
since_allow(struct source *source, uint32_t count)
{
	struct since_source *s = (struct since_source *)source;

	s->allowed = count;
	s->inner->ops->allow(s->inner, count);
}

static void
since_close(struct source *source)
{
	struct since_source *s = (struct since_source *)source;

	s->inner->ops->close(s->inner);
}

static const struct source_ops since_ops = {
	.open = since_open,
	.allow = since_allow,
	.close = since_close,
};

void
since_source_init(struct since_source *s, struct source *inner, int64_t since_ms)
{
	*s = (struct since_source){
		.source = {.ops = &since_ops, .topic = inner->topic, .skips = true},
		.inner = inner,
		.since_ms = since_ms,
	};
}

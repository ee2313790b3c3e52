#include "commands/sift.h"

#include <string.h>
#include <strings.h>

/* ---- the source */

static void
on_opened(void *context)
{
	struct sift_source *s = context;

	s->events->opened(s->context);
}

static void
on_event(void *context, const struct event *event)
{
	struct sift_source *s = context;

	if (!s->passes(s->passes_context, event)) {
		s->events->left_out(s->context, event);
		/* the owner has not taken one, so the server may send one more */
		s->inner->ops->allow(s->inner, s->allowed);
		return;
	}
	if (s->allowed > 0)
		s->allowed--;
	s->events->event(s->context, event);
}

static void
on_undecodable(void *context, const struct event *event, const struct error *why)
{
	struct sift_source *s = context;

	if (s->allowed > 0)
		s->allowed--;
	s->events->undecodable(s->context, event, why);
}

static void
on_left_out(void *context, const struct event *event)
{
	struct sift_source *s = context;

	s->events->left_out(s->context, event);
}

static void
on_idle(void *context, const struct replay_id *latest)
{
	struct sift_source *s = context;

	s->events->idle(s->context, latest);
}

static void
on_ended(void *context, const struct error *why)
{
	struct sift_source *s = context;

	s->events->ended(s->context, why);
}

static void
sift_open(struct source *source, const struct start *start, const struct source_events *events, void *context)
{
	static const struct source_events own = {
		.opened = on_opened,
		.event = on_event,
		.undecodable = on_undecodable,
		.left_out = on_left_out,
		.idle = on_idle,
		.ended = on_ended,
	};
	struct sift_source *s = (struct sift_source *)source;

	s->events = events;
	s->context = context;
	s->inner->ops->open(s->inner, start, &own, s);
}

static void
sift_allow(struct source *source, uint32_t count)
{
	struct sift_source *s = (struct sift_source *)source;

	s->allowed = count;
	s->inner->ops->allow(s->inner, count);
}

static void
sift_close(struct source *source)
{
	struct sift_source *s = (struct sift_source *)source;

	s->inner->ops->close(s->inner);
}

void
sift_source_init(struct sift_source *s, struct source *inner,
    bool (*passes)(void *context, const struct event *event), void *context)
{
	static const struct source_ops ops = {.open = sift_open, .allow = sift_allow, .close = sift_close};

	*s = (struct sift_source){
		.source = {.ops = &ops, .topic = inner->topic},
		.inner = inner,
		.passes = passes,
		.passes_context = context,
	};
}

/* ---- lists of words */

static bool
next_word(const char **list, struct text *word)
{
	const char *at = *list + strspn(*list, ", ");
	size_t len = strcspn(at, ", ");

	*word = text_span(at, len);
	*list = at + len;
	return len > 0;
}

static bool
same(struct text a, struct text b)
{
	return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

bool
sift_has_entity(const char *list, const struct event *event)
{
	struct text word;

	while (list != NULL && next_word(&list, &word))
		if (same(word, event->is_change ? event->entity : event->record_name))
			return true;
	return list == NULL;
}

int
sift_check_changes(const char *list, struct error *e)
{
	static const char *const known[] = {"CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP", "GAP_CREATE",
		"GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW", "SNAPSHOT"};
	struct text word;
	bool found = true;

	while (found && list != NULL && next_word(&list, &word)) {
		found = false;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || same(word, text_of(known[i]));
	}
	if (found)
		return 0;
	error_set(e, ERR_USAGE, "'" TEXT_FORMAT "' is no change type", TEXT_ARGS(word));
	return error_hint(e, "they are CREATE, UPDATE, DELETE, UNDELETE, GAP (all of them), GAP_CREATE, GAP_UPDATE, "
			     "GAP_DELETE, GAP_UNDELETE and GAP_OVERFLOW");
}

bool
sift_has_change(const char *list, const struct event *event)
{
	struct text word;

	while (list != NULL && next_word(&list, &word))
		if (same(word, event->change_type) ||
		    (same(word, text_of("GAP")) && text_starts(event->change_type, "GAP_")))
			return true;
	return list == NULL;
}

#include "commands/print_sink.h"

#include <stdlib.h>

#include "base/memory.h"
#include "cli/output.h"

/* What is still to be told from the loop: callbacks never come from inside an operation. */
enum news { NEWS_OPENED = 1, NEWS_ACKNOWLEDGED = 2, NEWS_ENDED = 4, NEWS_STOP = 8 };

struct print_sink {
	struct sink sink; /* first: operations get its address */
	struct print_sink_options options;
	const struct sink_events *events;
	void *context;
	struct loop_timer teller;
	unsigned news;
	int64_t batches;
	bool stopped;
	struct error why; /* of stopped; ERR_OK: the reader has gone */
};

static void
tell(void *context)
{
	struct print_sink *s = context;
	struct error none = ERROR_INIT;
	unsigned news = s->news;

	s->news = 0;
	if (news & NEWS_OPENED)
		s->events->opened(s->context);
	if (news & NEWS_ACKNOWLEDGED)
		s->events->acknowledged(s->context, s->batches);
	if (news & NEWS_STOP)
		s->options.stop(s->options.context, s->why.code != ERR_OK ? &s->why : NULL);
	if (news & NEWS_ENDED)
		s->events->ended(s->context, &none);
}

static void
add_news(struct print_sink *s, enum news news)
{
	s->news |= news;
	if (!loop_timer_is_running(&s->teller))
		loop_timer_start(s->options.loop, &s->teller, 0, tell, s);
}

static int
print_encode(struct sink *sink, const struct event *event, struct buffer *out, struct error *e)
{
	struct print_sink *s = (struct print_sink *)sink;

	size_t before = out->len;

	if (s->options.print(s->options.context, event, out, e) == 0)
		return 0;
	out->len = before;
	return -1;
}

static void
print_open(struct sink *sink, const struct sink_events *events, void *context)
{
	struct print_sink *s = (struct print_sink *)sink;

	s->events = events;
	s->context = context;
	s->batches = 0;
	add_news(s, NEWS_OPENED);
}

static int
print_send(struct sink *sink, const struct rows *rows)
{
	struct print_sink *s = (struct print_sink *)sink;
	size_t bytes = rows->count > 0 ? rows->ends[rows->count - 1] : 0;

	/* what cannot be written any more counts as written: the run ends, and nothing may hold it up */
	if (!s->stopped &&
	    (output_write(text_span(rows->bytes, bytes), &s->why) != 0 || output_flush(&s->why) != 0 ||
		output_gone())) {
		s->stopped = true;
		add_news(s, NEWS_STOP);
	}
	s->batches++;
	add_news(s, NEWS_ACKNOWLEDGED);
	return 1;
}

static void
print_finish(struct sink *sink)
{
	add_news((struct print_sink *)sink, NEWS_ENDED);
}

static const struct sink_ops print_ops = {
	.encode = print_encode,
	.open = print_open,
	.send = print_send,
	.finish = print_finish,
	.cancel = print_finish,
};

struct print_sink *
print_sink_new(const struct print_sink_options *o)
{
	struct print_sink *s = memory_zero(1, sizeof(*s));

	s->sink = (struct sink){.ops = &print_ops, .table = "standard output"};
	s->options = *o;
	return s;
}

struct sink *
print_sink_sink(struct print_sink *s)
{
	return &s->sink;
}

void
print_sink_free(struct print_sink *s)
{
	if (s == NULL)
		return;
	loop_timer_stop(s->options.loop, &s->teller);
	free(s);
}

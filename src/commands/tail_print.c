/* The forms of an event on standard output. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/output.h"
#include "commands/event_format.h"
#include "commands/event_print.h"
#include "commands/tail.h"

int
tail_choose_form(struct tail *t, struct error *e)
{
	const struct tail_options *o = t->options;
	int asked = (o->raw ? 1 : 0) + (o->format != NULL) + (o->transform != NULL) + (t->app->common->output != NULL);

	if (asked > 1)
		return error_set(e, ERR_USAGE, "--raw, --format, --transform and --output each choose the form: only one of them");
	if (o->format != NULL && event_format_check(o->format, e) != 0)
		return error_wrap(e, "option '--format'");
	t->form = o->raw		   ? TAIL_RAW
	    : o->format != NULL		   ? TAIL_FORMAT
	    : o->transform != NULL	   ? TAIL_TRANSFORM
	    : app_outputs(t->app, "line")  ? TAIL_LINE
	    : app_outputs(t->app, "table") ? TAIL_TABLE
	    : app_outputs(t->app, "avro")  ? TAIL_AVRO
					   : TAIL_JSON;
	if (o->explode && (t->form == TAIL_RAW || t->form == TAIL_AVRO))
		return error_set(e, ERR_USAGE, "--explode makes lines of an event, and what --raw and -o avro print are whole events");
	if (o->changes && (t->form == TAIL_RAW || t->form == TAIL_AVRO))
		return error_set(e, ERR_USAGE, "--changes leaves fields out, and what --raw and -o avro print are whole events");
	if (t->form == TAIL_AVRO && output_is_terminal())
		return error_set(e, ERR_USAGE, "-o avro is no text: it goes to a file or a pipe, not to a terminal");
	return 0;
}

/* What the lines and rows for people know of an event's fields. */
static const struct avro_type *
record_of(struct tail *t, const struct event *event)
{
	const struct avro_schema *schema = raw_schemas_of(&t->schemas, event);

	return schema != NULL ? avro_schema_root(schema) : NULL;
}

static int
print_one(struct tail *t, const struct event *event, struct buffer *out, struct error *e)
{
	switch (t->form) {
	case TAIL_RAW:
		raw_event_print(&t->schemas, event, out);
		return 0;
	case TAIL_AVRO:
		return tail_avro_print(&t->avro, event, out, e);
	case TAIL_FORMAT:
		event_format_print(t->options->format, event, out);
		return 0;
	case TAIL_TRANSFORM:
		buffer_clear(&t->scratch);
		event_print_json(&t->scratch, event, t->options->changes);
		return filter_apply(t->transform, buffer_span(&t->scratch), out, e);
	case TAIL_TABLE:
		if (!t->titles_printed)
			event_print_titles(out);
		t->titles_printed = true;
		event_print_row(out, event, record_of(t, event), t->columns);
		break;
	case TAIL_LINE:
		event_print_line(out, event, record_of(t, event), t->columns);
		break;
	case TAIL_JSON:
		event_print_json(out, event, t->options->changes);
		break;
	}
	buffer_append_byte(out, '\n');
	return 0;
}

int
tail_print(struct tail *t, const struct event *event, struct buffer *out, struct error *e)
{
	struct event one = *event;

	if (!t->options->explode || event->record_ids.count < 2)
		return print_one(t, event, out, e);
	for (size_t i = 0; i < event->record_ids.count; i++) {
		one.record_ids = (struct text_list){.items = &event->record_ids.items[i], .count = 1};
		if (print_one(t, &one, out, e) != 0)
			return -1;
	}
	return 0;
}

void
tail_print_undecodable(struct tail *t, const struct event *event, const struct error *why, struct buffer *out)
{
	if (t->form == TAIL_RAW)
		raw_event_print(&t->schemas, event, out);
	if (t->form != TAIL_JSON)
		return;
	event_print_undecodable(out, event, why);
	buffer_append_byte(out, '\n');
}

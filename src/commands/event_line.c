/* An event as people read it: a line, or a row of a table. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_text.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/width.h"
#include "commands/event_date.h"
#include "commands/event_print.h"

/* Columns of the table; a wider cell moves the rest of its row. */
#define ENTITY_WIDTH 20
#define CHANGE_WIDTH 8
#define ID_WIDTH 18

static void
append_cleaned(struct buffer *out, struct text from)
{
	size_t size = 2 * from.len + 4;
	char *clean = memory_alloc(size);

	buffer_append_text(out, text_clean(clean, size, from));
	free(clean);
}

static enum style
style_of(struct text change)
{
	if (text_is(change, "CREATE") || text_is(change, "UNDELETE"))
		return STYLE_GREEN;
	if (text_is(change, "DELETE"))
		return STYLE_RED;
	return text_starts(change, "GAP_") ? STYLE_YELLOW : STYLE_BLUE;
}

/* ---- fields */

/* The next member of the object that r is in. */
static bool
next_member(struct json_reader *r, struct buffer *name, struct text *value)
{
	enum json_token t = json_reader_next(r, NULL);
	size_t from;

	if (t != JSON_TOKEN_KEY)
		return false;
	buffer_clear(name);
	buffer_append(name, r->value.data, r->value.len);
	from = r->at;
	t = json_reader_next(r, NULL);
	if (json_reader_skip(r, t, NULL) != 0)
		return false;
	while (from < r->at && (r->input.data[from] == ':' || r->input.data[from] == ' '))
		from++;
	*value = text_span(r->input.data + from, r->at - from);
	return true;
}

/* The same object without its nulls. false: nothing is left. */
static bool
append_without_nulls(struct buffer *out, struct text json)
{
	struct buffer name = BUFFER_INIT;
	struct json_reader r;
	struct text value;
	bool any = false;

	json_reader_init(&r, json);
	json_reader_next(&r, NULL);
	while (next_member(&r, &name, &value)) {
		if (text_is(value, "null"))
			continue;
		buffer_append_byte(out, any ? ',' : '{');
		any = true;
		json_text_string(out, buffer_span(&name));
		buffer_append_byte(out, ':');
		buffer_append(out, value.data, value.len);
	}
	if (any)
		buffer_append_byte(out, '}');
	json_reader_release(&r);
	buffer_release(&name);
	return any;
}

/* Members of an object of scalars; 0: no object, or not there. */
static size_t
count_members(struct text object)
{
	struct buffer name = BUFFER_INIT;
	struct json_reader r;
	struct text value;
	size_t n = 0;

	if (!text_starts(object, "{"))
		return 0;
	json_reader_init(&r, object);
	json_reader_next(&r, NULL);
	while (next_member(&r, &name, &value))
		n++;
	json_reader_release(&r);
	buffer_release(&name);
	return n;
}

/* How many parts the compound field has by its schema: the whole record writes them all. */
static size_t
count_parts(const struct event *event, struct text field)
{
	struct buffer name = BUFFER_INIT;
	struct json_reader r;
	struct text value;
	size_t n = 0;

	json_reader_init(&r, event->record_json);
	json_reader_next(&r, NULL);
	while (n == 0 && next_member(&r, &name, &value))
		if (text_equal(buffer_span(&name), field))
			n = count_members(value);
	json_reader_release(&r);
	buffer_release(&name);
	return n;
}

/* What stands there is the difference to the text before, not the value. */
static bool
is_diff(const struct event *event, struct text name)
{
	for (size_t i = 0; i < event->diff_fields.count; i++)
		if (text_equal(event->diff_fields.items[i], name))
			return true;
	return false;
}

/* Of whom and when, which is in every event: behind what the event is about. */
static bool
is_audit(struct text name)
{
	return text_is(name, "LastModifiedDate") || text_is(name, "LastModifiedById") || text_is(name, "SystemModstamp") ||
	    text_is(name, "CreatedDate") || text_is(name, "CreatedById");
}

/* NULL where record is, or has no compound of that name. */
static const struct avro_type *
compound_type(const struct avro_type *record, struct text field)
{
	ptrdiff_t at = record != NULL ? avro_type_find(record, field) : -1;

	return at >= 0 ? avro_type_record(record->fields[at].type) : NULL;
}

/* name: as shown; field: what record has it as. */
static void
append_field(struct buffer *out, const struct event *event, const struct avro_type *record, struct text name,
    struct text field, struct text value, size_t widest)
{
	size_t used;

	if (out->len > 0)
		buffer_append_byte(out, ' ');
	buffer_append(out, name.data, name.len);
	buffer_append_text(out, is_diff(event, name) ? "=diff:" : "=");
	if (event_date_append(out, record, field, value))
		return;
	if (widest == 0 || width_of(value) <= widest) {
		buffer_append(out, value.data, value.len);
		return;
	}
	buffer_append(out, value.data, width_cut(value, widest - 1, &used));
	buffer_append_text(out, "…");
}

/* A compound of which a part changed: Name.FirstName="Ada" Name.Suffix=null. */
static void
append_parts(struct buffer *out, const struct event *event, const struct avro_type *compound, struct text field,
    struct text object, size_t widest)
{
	struct buffer name = BUFFER_INIT, whole = BUFFER_INIT;
	struct json_reader r;
	struct text value;

	json_reader_init(&r, object);
	json_reader_next(&r, NULL);
	while (next_member(&r, &name, &value)) {
		buffer_clear(&whole);
		buffer_append(&whole, field.data, field.len);
		buffer_append_byte(&whole, '.');
		buffer_append(&whole, name.data, name.len);
		append_field(out, event, compound, buffer_span(&whole), buffer_span(&name), value, widest);
	}
	json_reader_release(&r);
	buffer_release(&name);
	buffer_release(&whole);
}

/* How fields are written. */
struct manner {
	const struct avro_type *record; /* of the event's schema; NULL: not known */
	bool nulls;
	size_t widest; /* columns of one value, so that a long one leaves room for others; 0: any */
};

static void
append_some_fields(struct buffer *line, const struct event *event, struct text json, const struct manner *m, bool audit)
{
	struct buffer name = BUFFER_INIT, compound = BUFFER_INIT;
	struct json_reader r;
	struct text value;

	json_reader_init(&r, json);
	json_reader_next(&r, NULL);
	while (next_member(&r, &name, &value)) {
		struct text field = buffer_span(&name);

		if (is_audit(field) != audit || (!m->nulls && text_is(value, "null")))
			continue;
		if (!m->nulls && text_starts(value, "{")) {
			buffer_clear(&compound);
			if (!append_without_nulls(&compound, value))
				continue;
			value = buffer_span(&compound);
		}
		if (m->nulls && text_starts(value, "{") && count_members(value) < count_parts(event, field))
			append_parts(line, event, compound_type(m->record, field), field, value, m->widest);
		else
			append_field(line, event, m->record, field, field, value, m->widest);
	}
	json_reader_release(&r);
	buffer_release(&name);
	buffer_release(&compound);
}

/*
 * {"Name":"Acme","Phone":null} → Name="Acme" Phone=null. nulls: those, too, and of a compound just the parts that are there,
 * unless that is all of them (wire/cdc-events.md §3, "collapsed"); without, compounds stay JSON.
 */
static void
append_fields(struct buffer *out, const struct event *event, struct text json, const struct manner *m)
{
	struct buffer line = BUFFER_INIT;

	append_some_fields(&line, event, json, m, false);
	append_some_fields(&line, event, json, m, true);
	append_cleaned(out, buffer_span(&line));
	buffer_release(&line);
}

/* What an update set to null is told; of other events nulls are left out. */
static void
append_content(struct buffer *out, const struct event *event, const struct avro_type *record, size_t columns)
{
	struct manner m = {
		.record = record != NULL && record->kind == AVRO_KIND_RECORD ? record : NULL,
		.nulls = event->is_change && text_is(event->change_type, "UPDATE"),
		.widest = columns == 0 ? 0 : columns < 72 ? 24 : columns / 3,
	};

	append_fields(out, event, event->changed_json.len > 0 ? event->changed_json : event->record_json, &m);
}

/* ---- lines and rows */

static void
append_clock(struct buffer *out, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char clock[16];

	localtime_r(&seconds, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	buffer_append_text(out, clock);
}

static void
append_ids(struct buffer *out, const struct event *event)
{
	for (size_t i = 0; i < event->record_ids.count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		append_cleaned(out, event->record_ids.items[i]);
	}
}

/* Head in the change's colour, and as much of what is behind it as the terminal has columns for. */
static void
append_cut(struct buffer *out, const struct event *event, const struct buffer *head, const struct buffer *tail,
    size_t columns)
{
	struct text shown = buffer_span(tail);
	size_t used = width_of(buffer_span(head));

	if (columns > 0 && used + width_of(shown) > columns)
		shown.len = columns > used + 1 ? width_cut(shown, columns - used - 1, &used) : 0;
	buffer_append_text(out, output_style(event->is_change ? style_of(event->change_type) : STYLE_BLUE));
	buffer_append(out, head->data, head->len);
	buffer_append_text(out, output_style(STYLE_PLAIN));
	buffer_append(out, shown.data, shown.len);
	if (shown.len < tail->len)
		buffer_append_text(out, "…");
}

void
event_print_line(struct buffer *out, const struct event *event, const struct avro_type *record, size_t columns)
{
	struct buffer head = BUFFER_INIT, tail = BUFFER_INIT;

	append_clock(&head, event->commit_timestamp_ms);
	buffer_append_byte(&head, ' ');
	append_cleaned(&head, event->is_change ? event->entity : event->record_name);
	if (event->is_change) {
		buffer_append_byte(&head, ' ');
		append_cleaned(&head, event->change_type);
	}
	if (event->record_ids.count > 0)
		buffer_append_byte(&tail, ' ');
	append_ids(&tail, event);
	buffer_append_byte(&tail, ' ');
	append_content(&tail, event, record, columns);
	if (tail.data[tail.len - 1] == ' ')
		tail.len--;
	append_cut(out, event, &head, &tail, columns);
	buffer_release(&head);
	buffer_release(&tail);
}

static void
pad(struct buffer *out, size_t from, size_t width)
{
	size_t is = width_of(text_span(out->data + from, out->len - from));

	for (size_t i = 0; i == 0 || is + i < width + 2; i++)
		buffer_append_byte(out, ' ');
}

void
event_print_titles(struct buffer *out)
{
	buffer_append_text(out, output_style(STYLE_BOLD));
	buffer_append_format(out, "%-8s  %-*s  %-*s  %-*s  %s", "TIME", ENTITY_WIDTH, "ENTITY", CHANGE_WIDTH, "CHANGE",
	    ID_WIDTH, "RECORD", "FIELDS");
	buffer_append_text(out, output_style(STYLE_PLAIN));
	buffer_append_byte(out, '\n');
}

void
event_print_row(struct buffer *out, const struct event *event, const struct avro_type *record, size_t columns)
{
	struct buffer head = BUFFER_INIT, tail = BUFFER_INIT;
	size_t from;

	append_clock(&head, event->commit_timestamp_ms);
	buffer_append_text(&head, "  ");
	from = head.len;
	append_cleaned(&head, event->is_change ? event->entity : event->record_name);
	pad(&head, from, ENTITY_WIDTH);
	from = head.len;
	append_cleaned(&head, event->is_change ? event->change_type : text_of("-"));
	pad(&head, from, CHANGE_WIDTH);
	append_ids(&tail, event);
	pad(&tail, 0, ID_WIDTH);
	append_content(&tail, event, record, columns);
	append_cut(out, event, &head, &tail, columns);
	buffer_release(&head);
	buffer_release(&tail);
}

#include "commands/event_print.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/width.h"

static void
append_member(struct buffer *out, const char *name, struct text value)
{
	buffer_append_format(out, ",\"%s\":", name);
	if (value.data == NULL)
		buffer_append_text(out, "null");
	else
		json_text_string(out, value);
}

static void
append_list(struct buffer *out, const char *name, const struct text_list *list)
{
	buffer_append_format(out, ",\"%s\":[", name);
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		json_text_string(out, list->items[i]);
	}
	buffer_append_byte(out, ']');
}

static void
append_time(struct buffer *out, const char *name, int64_t ms)
{
	char time[CLOCK_TIME_SIZE];

	buffer_append_format(out, ",\"%s\":\"%s\"", name, clock_format_time(time, ms));
}

static void
append_identity(struct buffer *out, const struct event *event)
{
	char hex[REPLAY_ID_TEXT_SIZE];

	buffer_append_text(out, "{\"topic\":");
	json_text_string(out, event->topic);
	buffer_append_format(out, ",\"replay_id\":\"%s\"", replay_id_hex(hex, &event->replay_id));
	append_member(out, "event_id", event->id);
	append_member(out, "schema_id", event->schema_id);
	append_member(out, "org_id", event->org_id);
}

void
event_print_json(struct buffer *out, const struct event *event, bool changes)
{
	struct text record = changes ? event->changed_json : event->record_json;

	append_identity(out, event);
	if (event->is_change) {
		append_member(out, "entity_name", event->entity);
		append_member(out, "change_type", event->change_type);
		append_list(out, "record_ids", &event->record_ids);
		append_list(out, "changed_fields", &event->changed_fields);
		append_list(out, "nulled_fields", &event->nulled_fields);
		append_list(out, "diff_fields", &event->diff_fields);
		append_member(out, "change_origin", event->change_origin);
		append_member(out, "transaction_key", event->transaction_key);
		buffer_append_format(out, ",\"sequence_number\":%d", (int)event->sequence_number);
		buffer_append_format(out, ",\"commit_number\":\"%lld\"", (long long)event->commit_number);
		append_member(out, "commit_user", event->commit_user);
	}
	append_time(out, "commit_timestamp", event->commit_timestamp_ms);
	buffer_append_text(out, ",\"record\":");
	buffer_append(out, record.data, record.len);
	buffer_append_byte(out, '}');
}

void
event_print_undecodable(struct buffer *out, const struct event *event, const struct error *why)
{
	append_identity(out, event);
	buffer_append_text(out, ",\"error\":");
	json_text_string(out, text_of(why->text));
	buffer_append_text(out, ",\"payload\":\"");
	buffer_append_base64(out, event->payload.data, event->payload.len);
	buffer_append_text(out, "\"}");
}

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

/* {"Name":"Acme","Phone":null} → Name="Acme" Phone=null; nested values stay JSON. nulls: those, too. */
static void
append_fields(struct buffer *out, struct text json, bool nulls)
{
	struct json_reader r;
	struct buffer line = BUFFER_INIT;

	json_reader_init(&r, json);
	json_reader_next(&r, NULL);
	while (json_reader_next(&r, NULL) == JSON_TOKEN_KEY) {
		size_t start = line.len, from;
		enum json_token t;

		buffer_append(&line, r.value.data, r.value.len);
		buffer_append_byte(&line, '=');
		from = r.at;
		t = json_reader_next(&r, NULL);
		if (json_reader_skip(&r, t, NULL) != 0)
			break;
		while (from < r.at && (json.data[from] == ':' || json.data[from] == ' '))
			from++;
		buffer_append(&line, json.data + from, r.at - from);
		buffer_append_byte(&line, ' ');
		if (t == JSON_TOKEN_NULL && !nulls)
			line.len = start;
	}
	if (line.len > 0)
		line.len--;
	append_cleaned(out, buffer_span(&line));
	json_reader_release(&r);
	buffer_release(&line);
}

void
event_print_line(struct buffer *out, const struct event *event, size_t columns)
{
	struct buffer head = BUFFER_INIT, tail = BUFFER_INIT;
	time_t seconds = (time_t)(event->commit_timestamp_ms / 1000);
	struct tm tm;
	char clock[16];
	struct text shown;
	size_t used;

	localtime_r(&seconds, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	buffer_append_format(&head, "%s ", clock);
	append_cleaned(&head, event->is_change ? event->entity : event->record_name);
	if (event->is_change) {
		buffer_append_byte(&head, ' ');
		append_cleaned(&head, event->change_type);
	}
	for (size_t i = 0; i < event->record_ids.count; i++) {
		buffer_append_byte(&tail, i == 0 ? ' ' : ',');
		append_cleaned(&tail, event->record_ids.items[i]);
	}
	buffer_append_byte(&tail, ' ');
	append_fields(&tail, event->changed_json.len > 0 ? event->changed_json : event->record_json,
	    text_is(event->change_type, "UPDATE"));
	shown = buffer_span(&tail);
	used = width_of(buffer_span(&head));
	if (columns > 0 && used + width_of(shown) > columns) {
		shown.len = columns > used + 1 ? width_cut(shown, columns - used - 1, &used) : 0;
	}
	buffer_append_text(out, output_style(event->is_change ? style_of(event->change_type) : STYLE_BLUE));
	buffer_append(out, head.data, head.len);
	buffer_append_text(out, output_style(STYLE_PLAIN));
	buffer_append(out, shown.data, shown.len);
	if (shown.len < tail.len)
		buffer_append_text(out, "…");
	buffer_release(&head);
	buffer_release(&tail);
}

#include "commands/event_print.h"

#include "base/clock.h"
#include "base/json_text.h"

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

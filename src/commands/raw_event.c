#include "commands/raw_event.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/json_text.h"
#include "base/limits.h"
#include "base/memory.h"

static void
add_schema(struct raw_schemas *s, struct text id, struct avro_schema *schema)
{
	s->items = memory_reserve(s->items, &s->capacity, s->count + 1, sizeof(*s->items));
	s->items[s->count++] = (struct raw_schema){.id = text_dup(id), .schema = schema};
}

void
raw_schemas_release(struct raw_schemas *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].id);
		avro_schema_unref(s->items[i].schema);
	}
	free(s->items);
	*s = (struct raw_schemas){.items = NULL};
}

static const struct raw_schema *
find(const struct raw_schemas *s, struct text id)
{
	for (size_t i = 0; i < s->count; i++)
		if (text_is(id, s->items[i].id))
			return &s->items[i];
	return NULL;
}

struct avro_schema *
raw_schemas_find(const struct raw_schemas *s, const char *id)
{
	const struct raw_schema *found = find(s, text_of(id));

	return found != NULL ? found->schema : NULL;
}

const struct avro_schema *
raw_schemas_of(struct raw_schemas *s, const struct event *event)
{
	const struct raw_schema *found = find(s, event->schema_id);
	struct error ignored = ERROR_INIT;

	if (found != NULL)
		return found->schema;
	if (s->count >= LIMIT_SCHEMAS_IN_MEMORY)
		raw_schemas_release(s);
	add_schema(s, event->schema_id, avro_schema_parse(event->schema_json, &ignored));
	return s->items[s->count - 1].schema;
}

static void
append_member(struct buffer *out, const char *before, struct text value)
{
	buffer_append_text(out, before);
	json_text_string(out, value);
}

void
raw_event_print(struct raw_schemas *written, const struct event *event, struct buffer *out)
{
	char hex[REPLAY_ID_TEXT_SIZE];

	if (event->schema_json.data != NULL && find(written, event->schema_id) == NULL) {
		add_schema(written, event->schema_id, NULL);
		append_member(out, "{\"schema_id\":", event->schema_id);
		append_member(out, ",\"schema_json\":", event->schema_json);
		buffer_append_text(out, "}\n");
	}
	append_member(out, "{\"topic\":", event->topic);
	append_member(out, ",\"replay_id\":", text_of(replay_id_hex(hex, &event->replay_id)));
	append_member(out, ",\"event_id\":", event->id);
	append_member(out, ",\"schema_id\":", event->schema_id);
	append_member(out, ",\"org_id\":", event->org_id);
	buffer_append_text(out, ",\"payload_b64\":\"");
	buffer_append_base64(out, event->payload.data, event->payload.len);
	buffer_append_text(out, "\"}\n");
}

void
raw_event_release(struct raw_event *r)
{
	free(r->id);
	free(r->schema_id);
	buffer_release(&r->payload);
	*r = (struct raw_event){.id = NULL};
}

static int
keep_schema(struct raw_schemas *schemas, const char *id, const char *json, struct error *e)
{
	struct avro_schema *schema;

	if (find(schemas, text_of(id)) != NULL)
		return 0;
	schema = avro_schema_parse(text_of(json), e);
	if (schema == NULL)
		return error_wrap(e, "schema '%s'", id);
	add_schema(schemas, text_of(id), schema);
	return 0;
}

int
raw_event_parse(struct raw_schemas *schemas, struct text line, struct raw_event *out, struct error *e)
{
	struct json *j = json_parse(line, e);
	const char *schema_id = json_find_string(j, "schema_id"), *schema = json_find_string(j, "schema_json");
	const char *payload = json_find_string(j, "payload_b64"), *id = json_find_string(j, "event_id");
	int rc = -1;

	if (j == NULL)
		return -1;
	if (schema_id != NULL && schema != NULL && payload == NULL) {
		rc = keep_schema(schemas, schema_id, schema, e);
	} else if (schema_id == NULL || payload == NULL) {
		error_set(e, ERR_REFUSED, "no raw event: it needs schema_id and payload_b64, as 'sfzb tail --raw' prints them");
	} else if (encode_unbase64(text_of(payload), &out->payload) != 0) {
		error_set(e, ERR_REFUSED, "field 'payload_b64' is not base64");
	} else {
		out->schema_id = memory_strdup(schema_id);
		out->id = id != NULL ? memory_strdup(id) : NULL;
		rc = 1;
	}
	json_free(j);
	return rc;
}

#include "emulator/raw_events.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/random.h"
#include "emulator/org.h"

/* --- schemas ------------------------------------------------------------------------------------ */

static int
add_schema(struct org *g, const char *id, const char *text, struct error *e)
{
	struct json *j = json_parse(text_of(text), e);
	const char *name = json_find_string(j, "name");
	int entity = 0, rc = -1;

	while (entity < ENTITY_COUNT && (!name || strcmp(name, schema_sources[entity].event) != 0))
		entity++;
	if (!j)
		error_wrap(e, "schema_json");
	else if (strlen(id) > LIMIT_SCHEMA_ID_BYTES || !*id)
		error_set(e, ERR_REFUSED, "a schema id has 1 to %d bytes", LIMIT_SCHEMA_ID_BYTES);
	else if (entity == ENTITY_COUNT || !org_is_selected(g, (enum entity)entity))
		error_set(e, ERR_REFUSED, "the org has no object whose events are called \"%.80s\"", name ? name : "");
	else
		rc = schema_store_add(org_schemas(g), (enum entity)entity, id, text, e);
	json_free(j);
	return rc;
}

/* --- events ------------------------------------------------------------------------------------- */

struct import {
	struct org *org;
	struct bus_event *events;
	size_t count, capacity;
};

static void
import_release(struct import *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free((char *)m->events[i].id);
		free((char *)m->events[i].schema_id);
		free((char *)m->events[i].payload.data);
	}
	free(m->events);
}

static int
add_event(struct import *m, const struct json *j, struct error *e)
{
	const char *schema_id = json_find_string(j, "schema_id"), *id = json_find_string(j, "event_id");
	const char *payload = json_find_string(j, "payload_b64");
	struct buffer bytes = BUFFER_INIT;
	char made[UUID_SIZE];
	const struct schema *schema;

	if (!schema_id || !payload)
		return error_set(e, ERR_REFUSED, "no raw event: it needs schema_id and payload_b64");
	if (id && strlen(id) > 36)
		return error_set(e, ERR_REFUSED, "event_id is longer than 36 characters");
	schema = schema_store_find(org_schemas(m->org), text_of(schema_id));
	if (!schema || !org_is_selected(m->org, schema->entity))
		return error_set(e, ERR_REFUSED, "no line before has schema %.64s", schema_id);
	if (encode_unbase64(text_of(payload), &bytes) != 0) {
		buffer_release(&bytes);
		return error_set(e, ERR_REFUSED, "payload_b64 is not base64");
	}
	m->events = memory_reserve(m->events, &m->capacity, m->count + 1, sizeof *m->events);
	m->events[m->count++] = (struct bus_event){ .id = memory_strdup(id && *id ? id : random_uuid(made)),
		.schema_id = memory_strdup(schema_id),
		.entity = (unsigned)schema->entity,
		.payload = { .len = bytes.len } };
	m->events[m->count - 1].payload.data = buffer_detach(&bytes);
	return 0;
}

static int
add_line(struct import *m, struct text line, struct error *e)
{
	struct json *j = json_parse(line, e);
	const char *schema_id = json_find_string(j, "schema_id"), *schema = json_find_string(j, "schema_json");
	int rc = -1;

	if (j)
		rc = schema && schema_id && !json_find(j, "payload_b64") ? add_schema(m->org, schema_id, schema, e)
									  : add_event(m, j, e);
	json_free(j);
	return rc;
}

int
raw_events_publish(struct org *g, struct bus *b, struct text body, uint64_t *count, struct error *e)
{
	struct import m = { .org = g };
	const char *at = body.data, *end = body.data + body.len;
	int rc = 0;

	for (unsigned long long number = 1; at < end && rc == 0; number++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		struct text line = text_span(at, (size_t)((newline ? newline : end) - at));

		at = newline ? newline + 1 : end;
		if (line.len > 0 && (rc = add_line(&m, line, e)) != 0)
			error_wrap(e, "line %llu", number);
	}
	if (rc == 0)
		rc = bus_publish(b, m.events, m.count, e);
	*count = m.count;
	import_release(&m);
	return rc;
}

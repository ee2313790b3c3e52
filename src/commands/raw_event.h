/*
 * Raw events: a container of events as they came from the wire, NDJSON. `tail --raw` writes it; `publish --raw` and the
 * emulator's POST /events take it; a bug report can hold it.
 *
 *   {"schema_id":"…","schema_json":"…"}      once, in front of the first event of that schema
 *   {"topic":"…","replay_id":"hex","event_id":"…","schema_id":"…","org_id":"…","payload_b64":"…"}
 *
 * Other members may be there and are passed over.
 */
#ifndef SFZB_COMMANDS_RAW_EVENT_H
#define SFZB_COMMANDS_RAW_EVENT_H

#include "avro/schema.h"
#include "base/buffer.h"
#include "base/error.h"
#include "stream/source.h"

/* Schemas of a container, by their ids. Zero it before the first use. */
struct raw_schemas {
	struct raw_schema {
		char *id;
		struct avro_schema *schema; /* NULL: only known to have been written */
	} *items;
	size_t count, capacity;
};
void raw_schemas_release(struct raw_schemas *s);
/* NULL: not there. */
struct avro_schema *raw_schemas_find(const struct raw_schemas *s, const char *id);
/* The schema of an event, parsed when it is first asked for. NULL: it is none. */
const struct avro_schema *raw_schemas_of(struct raw_schemas *s, const struct event *event);

/* Appends the event's line, and its schema's in front of it when that has not been written; newlines included. */
void raw_event_print(struct raw_schemas *written, const struct event *event, struct buffer *out);

struct raw_event {
	char *id, *schema_id; /* may be NULL; owned */
	struct buffer payload;
};
void raw_event_release(struct raw_event *r);
/*
 * Reads one line. 1: an event, in *out; 0: a schema, kept in *schemas; -1: ERR_REFUSED, neither.
 */
int raw_event_parse(struct raw_schemas *schemas, struct text line, struct raw_event *out, struct error *e);

#endif

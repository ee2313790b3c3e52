/*
 * Payloads of change events and of the platform event, written from an event type with random values: header, body,
 * and for updates the bitmaps that say which fields changed (wire/cdc-events.md §2 and §3).
 */
#ifndef SFZB_EMULATOR_CHANGE_EVENT_H
#define SFZB_EMULATOR_CHANGE_EVENT_H

#include "base/buffer.h"
#include "base/random.h"
#include "emulator/event_type.h"

#define CHANGE_FIELDS_MAX 128 /* top-level fields of an event */

/* In the order of the schema's enum. */
enum change_type {
	CHANGE_CREATE,
	CHANGE_UPDATE,
	CHANGE_DELETE,
	CHANGE_UNDELETE,
	CHANGE_GAP_CREATE,
	CHANGE_GAP_UPDATE,
	CHANGE_GAP_DELETE,
	CHANGE_GAP_UNDELETE,
	CHANGE_GAP_OVERFLOW,
};

int change_type_find(const char *name); /* "GAP_UPDATE"; -1: no such type */

struct change {
	enum change_type type;
	const char *entity_name;
	const char *const *record_ids;
	size_t record_count;
	const char *origin;
	const char *transaction_key;
	int sequence_number;
	int64_t commit_timestamp_ms, commit_number;
	const char *user_id;
	bool *nulled; /* out: which top-level fields it sets to null, CHANGE_FIELDS_MAX of them; NULL: not asked */
};

void change_event_write(struct buffer *out, const struct event_type *t, const struct change *c,
    struct random *r);
void platform_event_write(struct buffer *out, const struct event_type *t, int64_t now_ms,
    const char *user_id, struct random *r);

#endif

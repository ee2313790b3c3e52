/*
 * From a ProducerEvent to struct event: the header's fields, the names of changed fields, the
 * record as JSON and what changed as JSON (wire/cdc-events.md). One decoder for each source; it
 * keeps what it compiled from each schema and reuses its buffers, so that an event costs no
 * allocation once they have grown.
 *
 * changed_json holds, for an UPDATE, the fields in changedFields, nulledFields and diffFields, in
 * schema order, with compound fields as objects of just the children that changed; for CREATE,
 * UNDELETE, a platform event and a change type that is not known the whole record; for DELETE and
 * GAP_* "{}".
 */
#ifndef SFZB_SALESFORCE_EVENT_H
#define SFZB_SALESFORCE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "avro/schema.h"
#include "base/error.h"
#include "base/replay_id.h"
#include "base/text.h"
#include "stream/source.h"

/* An event as it came from the wire. */
struct event_raw {
	struct text topic; /* as subscribed */
	struct replay_id replay_id;
	struct text id;
	struct text schema_id;
	struct text payload;
	struct text org_id;
	int64_t received_ms;
};

/* What to leave out: the texts are then unset (data == NULL). Everything is checked all the same.
 */
enum event_parts {
	EVENT_RECORD_JSON = 1,
	EVENT_CHANGED_JSON = 2,
	EVENT_ALL = EVENT_RECORD_JSON | EVENT_CHANGED_JSON,
};

struct event_decoder;

struct event_decoder *event_decoder_new(unsigned parts);
void event_decoder_free(struct event_decoder *d); /* NULL is fine */

/*
 * Fills *out. Its texts are borrowed from raw, from the schema and from d: good until the next
 * event_decode with the same d. The decoder keeps a reference to schema. ERR_REFUSED: not a datum
 * of this schema; *out then has what undecodable events have (topic, ids, payload, org_id,
 * received_ms).
 */
int event_decode(struct event_decoder *d, struct avro_schema *schema, const struct event_raw *raw,
    struct event *out, struct error *e);

/* Only what undecodable events have, for an event whose schema cannot be had. */
void event_set_raw(const struct event_raw *raw, struct event *out);

#endif

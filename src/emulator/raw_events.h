/*
 * Raw events, as `sfzb tail --raw` prints them (src/commands/raw_event.h says the form), back onto the bus: same ids, same
 * payloads, their schemas beside those of the org. Replay ids are new ones. Schemas are kept while the emulator runs.
 */
#ifndef SFZB_EMULATOR_RAW_EVENTS_H
#define SFZB_EMULATOR_RAW_EVENTS_H

#include <stdint.h>

#include "emulator/bus.h"
#include "emulator/schemas.h"

/* Schemas that are not the org's own. Any thread. */
struct other_schemas;
struct other_schemas *other_schemas_new(void);
void other_schemas_free(struct other_schemas *s); /* NULL is fine */
/* The schema's JSON, good as long as s; NULL: unknown. entity may be NULL. */
const char *other_schemas_find(struct other_schemas *s, struct text id, enum entity *entity);

struct org;
/*
 * Publishes all lines of the container or, on an error, none. ERR_REFUSED: "line 3: …". An event must be of an object
 * that the org has; a schema's name says of which. *count: events.
 */
int raw_events_publish(struct org *g, struct bus *b, struct text body, uint64_t *count, struct error *e);

#endif

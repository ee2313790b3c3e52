/*
 * Raw events, as `sfzb tail --raw` prints them (src/commands/raw_event.h says the form), back onto the bus: same ids, same
 * payloads, their schemas beside those of the org. Replay ids are new ones.
 */
#ifndef SFZB_EMULATOR_RAW_EVENTS_H
#define SFZB_EMULATOR_RAW_EVENTS_H

#include <stdint.h>

#include "emulator/bus.h"

struct org;
/*
 * Publishes all lines of the container or, on an error, none. ERR_REFUSED: "line 3: …". An event must be of an object
 * that the org has; a schema's name says of which. *count: events.
 */
int raw_events_publish(struct org *g, struct bus *b, struct text body, uint64_t *count, struct error *e);

#endif

/*
 * Enriched fields: on a channel whose members have some, an event carries their values though it did not change them
 * (wire/cdc-events.md §2.3). Remembers, record by record, what the latest event said of these fields, in the org's file.
 * Not thread-safe: the org's lock is around it.
 */
#ifndef SFZB_EMULATOR_ENRICHMENT_H
#define SFZB_EMULATOR_ENRICHMENT_H

#include <sqlite3.h>

#include "base/buffer.h"
#include "emulator/change_event.h"
#include "emulator/schema_store.h"

#define ENRICHED_FIELDS_MAX 10

struct enrichment;

/* list: "Account.Industry,Contact.Email"; NULL: nothing is enriched, and the answer is NULL without an error. ERR_USAGE. */
struct enrichment *enrichment_open(sqlite3 *db, struct schema_store *schemas, const char *list, struct error *e);
void enrichment_free(struct enrichment *n); /* NULL is fine */

/* Names of an object's enriched fields, NULL-ended. */
const char *const *enrichment_fields(const struct enrichment *n, enum entity entity);
/*
 * An event has been written: c says what of (c->nulled filled), payload is its bytes. Remembers its values, and appends to out the
 * payload as the channel carries it; false: there it is the same.
 */
bool enrichment_apply(struct enrichment *n, const struct schema *schema, const struct change *c, struct text payload,
    struct buffer *out);

#endif

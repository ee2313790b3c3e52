/*
 * Avro schemas by id: from memory, from the profile's disk, from GetSchema; one call in flight for
 * each id, whoever asks. A schema id never changes its meaning (wire/pubsub.md §3), so nothing is
 * ever asked twice; a refusal that is final (no permission, not a schema) is remembered for a
 * minute.
 */
#ifndef SFZB_SALESFORCE_SCHEMAS_H
#define SFZB_SALESFORCE_SCHEMAS_H

#include <stdbool.h>

#include "avro/schema.h"
#include "base/error.h"
#include "base/text.h"
#include "profile/profile.h"

struct pubsub;
struct schema_cache;

struct schema_cache *schema_cache_new(struct pubsub *p, struct profile *profile);
void schema_cache_free(struct schema_cache *s);

/* In memory or on disk; borrowed until the next call here. NULL: neither. */
struct avro_schema *schema_cache_find(struct schema_cache *s, struct text schema_id);

/*
 * Asks the server. schema is borrowed for the call, NULL with an error: schema_cache_is_final
 * tells whether asking again could help. Never from inside schema_cache_fetch.
 */
typedef void schema_cache_done(void *context, struct avro_schema *schema, const struct error *why);
void schema_cache_fetch(
    struct schema_cache *s, struct text schema_id, schema_cache_done *done, void *context);
/* The fault is this schema's, or the rights on it; not the connection's or the login's. */
bool schema_cache_is_final(enum error_code code);
/* Whoever asked with this context is not told any more. */
void schema_cache_forget(struct schema_cache *s, void *context);

#endif

/*
 * The bitmaps of a change event's changedFields, nulledFields and diffFields, and the names that
 * they stand for (wire/cdc-events.md §3). Positions belong to one schema: the names are compiled
 * from it once and lent.
 *
 * Nothing is dropped and nothing stops an event: an element that cannot be named in full (a bit
 * past the end, a position that is no compound, a plain name) stays in the list as it came, after
 * the names that it did give.
 */
#ifndef SFZB_SALESFORCE_BITMAP_H
#define SFZB_SALESFORCE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "avro/schema.h"
#include "base/text.h"

/* The names of one record: "Name", "BillingAddress.City". */
struct bitmap_names;

/* record: the root of an event's schema, kept by the caller for as long as the names. */
struct bitmap_names *bitmap_names_new(const struct avro_type *record);
void bitmap_names_free(struct bitmap_names *n); /* NULL is fine */

/* What one name stands for. field < 0: an element kept as it came; child < 0: the whole field. */
struct bitmap_place {
	int32_t field, child;
};

/* Names with their places, room reused from list to list. Zero it before the first use. */
struct bitmap_list {
	struct text *names;
	struct bitmap_place *places;
	size_t count, capacity;
};
void bitmap_list_release(struct bitmap_list *l);

/*
 * Appends the names of elements to out, a compound's children one by one also where all are set. Names are borrowed from n, or
 * from elements where these are kept.
 */
void bitmap_expand(const struct bitmap_names *n, struct text_list elements, struct bitmap_list *out);

#endif

/*
 * The emulator's org: accounts, contacts, opportunities, invoices and order events whose records are created,
 * changed, deleted and undeleted, one event each (sometimes one for several records, now and then a gap).
 *
 * Deterministic: a seed gives the same ids, values and order; only the times are those of the clock, since
 * the bus drops what is past its retention. A kept org goes on with the records it has.
 */
#ifndef SFZB_EMULATOR_ORG_H
#define SFZB_EMULATOR_ORG_H

#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "emulator/bus.h"
#include "emulator/schema_store.h"

#define ORG_ID "00D5f000000Emu1EAC"
#define ORG_USER_ID "0055f000000Emu1AAC"
#define ORG_USERNAME "integration@emulator.example"

struct org;

struct org_options {
	const char *path;     /* of the file that keeps the records */
	const char *objects;  /* "Account,Invoice__c": which live; NULL: all */
	uint64_t seed;
	const struct clock *clock;
	struct bus *bus;
	const char *enrich; /* enriched fields, as enrichment_open takes them; NULL: none */
	/* what administrators do once so many events have been made: in this order, by `at` */
	const struct org_change *changes;
	size_t change_count;
};

struct org_change {
	struct schema_change change;
	uint64_t at;
};

/* ERR_CONFIG: an object that the org has not. */
struct org *org_open(const struct org_options *o, struct error *e);
void org_close(struct org *g); /* stops the rate first */
/* From here on org_make fails, also one that is at it. Any thread. NULL is fine. */
void org_end(struct org *g);

/* Which events are to be made; -1: the org chooses. */
struct org_wish {
	int entity;
	int type; /* enum change_type */
};
/*
 * Makes so many events now; wish NULL: the org chooses. ERR_REFUSED: no record is there that could be changed so. Any thread.
 */
int org_make(struct org *g, uint64_t count, const struct org_wish *wish, struct error *e);
/* Events a second from now on, made by a thread of the org's own; 0: none, not even one that was on its way. */
void org_set_rate(struct org *g, double rate);
double org_rate(const struct org *g);

struct schema_store *org_schemas(struct org *g);
/* Of the members of the custom channel; NULL-ended. */
const char *const *org_enriched_fields(const struct org *g, enum entity entity);
bool org_has_enriched_fields(const struct org *g);
bool org_is_selected(const struct org *g, enum entity entity);

struct org_record {
	char id[19];
	uint8_t entity;
	bool deleted;
};
/* Calls for each record of an entity, at most limit of them; returns how many there are. Any thread. */
uint64_t org_records(struct org *g, enum entity entity, bool with_deleted, uint64_t limit,
    void (*each)(void *context, const struct org_record *r), void *context);

#endif

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
#include "emulator/raw_events.h"
#include "emulator/schemas.h"

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
};

/* ERR_CONFIG: an object that the org has not. */
struct org *org_open(const struct org_options *o, struct error *e);
void org_close(struct org *g); /* stops the rate first */

/* Makes so many events now. Any thread. */
int org_make(struct org *g, uint64_t count, struct error *e);
/* Events a second from now on, made by a thread of the org's own; 0: none. */
void org_set_rate(struct org *g, double rate);
double org_rate(const struct org *g);

const char *org_schema_id(const struct org *g, enum entity entity);
/* The schema of an id; NULL: unknown. */
const char *org_schema_json(const struct org *g, struct text id);
/* Of which object its events are; false: unknown, or of an object that is not selected. */
bool org_schema_entity(const struct org *g, struct text id, enum entity *entity);
/* Those that came with raw events (emulator/raw_events.h). */
struct other_schemas *org_other_schemas(struct org *g);
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

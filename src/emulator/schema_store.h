/*
 * Every Avro schema that the org's events have, by id: for each object a line of versions, the newest of which is
 * for new events, and those that came with raw events. Kept in the org's file, so that an event of the bus finds
 * its schema after a restart too. What was given out stays good until the store is freed. Thread-safe.
 */
#ifndef SFZB_EMULATOR_SCHEMA_STORE_H
#define SFZB_EMULATOR_SCHEMA_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "emulator/event_type.h"
#include "emulator/schemas.h"

/* One version of an object's events. Never changes. */
struct schema {
	const char *id, *json;
	enum entity entity;
	bool is_own;		/* made here, not come with raw events */
	struct event_type type; /* of own ones */
	const struct schema *next;
};

struct schema_store;

/* Makes its table in db, which stays the caller's, and reads what is there. */
struct schema_store *schema_store_open(sqlite3 *db, struct error *e);
void schema_store_free(struct schema_store *s); /* NULL is fine */

const struct schema *schema_store_current(struct schema_store *s, enum entity entity);
const struct schema *schema_store_find(struct schema_store *s, struct text id); /* NULL: unknown */
/* One that came with raw events. The same id again changes nothing. */
int schema_store_add(struct schema_store *s, enum entity entity, const char *id, const char *json, struct error *e);

/* What an administrator does to an object. */
struct schema_change {
	enum entity entity;
	bool drops;
	char field[64];
	char word[32]; /* of the vendor's doc: "Text", "Currency", …; not with drops */
};
/*
 * A new version with the change, for events from now on. ERR_REFUSED: the field is there already (or is not), its name is not
 * that of a custom field, the type is not known, or it cannot be dropped because others name its type.
 */
int schema_store_change(struct schema_store *s, const struct schema_change *c, struct error *e);

bool schema_store_has(struct schema_store *s, enum entity entity, const char *field);
/* "Account.Region__c:Text@500", with drops "Account.Fax@800": *at is the number, 0 when there is none. ERR_USAGE. */
int schema_change_parse(struct schema_change *c, const char *text, bool drops, uint64_t *at, struct error *e);

#endif

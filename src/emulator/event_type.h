/*
 * The shape of an event as its generator needs it: the fields of a record with the union branch of each value
 * and the type word of the vendor's doc string.
 */
#ifndef SFZB_EMULATOR_EVENT_TYPE_H
#define SFZB_EMULATOR_EVENT_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/json.h"

enum value_kind { VALUE_STRING, VALUE_DOUBLE, VALUE_INT, VALUE_LONG, VALUE_BOOLEAN, VALUE_RECORD };

struct record_type;

struct event_field {
	char *name;
	char *word; /* "Phone", of "Data:Phone:00N…" */
	bool is_nullable;
	int null_branch, branch; /* of the value; meaningless when not nullable */
	enum value_kind kind;
	const struct record_type *record; /* of VALUE_RECORD */
	/* a union of a string and a record (Account.Name): the record's branch, -1 otherwise */
	int person_branch;
	const struct record_type *person;
};

struct record_type {
	char *name;
	struct event_field *fields;
	size_t count;
};

struct event_type {
	struct record_type *types; /* named ones in the order of their spelling out; 0 is the event's own */
	size_t count;
};

/* Only schemas that the emulator holds itself; anything else is ERR_FAILED. */
int event_type_parse(struct event_type *t, const char *schema_json, struct error *e);
void event_type_release(struct event_type *t);

#endif

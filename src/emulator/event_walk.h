/* Where the fields of a payload lie: for putting values into an event that is written already. */
#ifndef SFZB_EMULATOR_EVENT_WALK_H
#define SFZB_EMULATOR_EVENT_WALK_H

#include "base/text.h"
#include "emulator/event_type.h"

/*
 * fields gets the bytes of each top-level field, union branch included: t->types[0].count of them. Change events and platform
 * events. false: the payload is not of this type.
 */
bool event_walk(const struct event_type *t, struct text payload, struct text *fields);
/* Whether the bytes of a field are those of null. */
bool event_field_is_null(const struct event_field *f, struct text bytes);

#endif

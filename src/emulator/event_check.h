/*
 * Whether bytes are one datum of an event type, read as the vendor's server must: every length held against the
 * bytes left, text in UTF-8, nothing behind the end.
 */
#ifndef SFZB_EMULATOR_EVENT_CHECK_H
#define SFZB_EMULATOR_EVENT_CHECK_H

#include "emulator/event_type.h"

/* ERR_REFUSED: "field Amount__c: …". Scalars and compounds; change events are not published, so no header. */
int event_check(const struct event_type *t, struct text payload, struct error *e);

#endif

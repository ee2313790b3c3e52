/*
 * Topic names as people write them, and whole ones (wire/pubsub.md §3). Every command goes through
 * here.
 *
 *   Account, AccountChangeEvent   /data/AccountChangeEvent
 *   Invoice__c                    /data/Invoice__ChangeEvent
 *   ChangeEvents                  /data/ChangeEvents
 *   Mine__chn                     /data/Mine__chn      (a channel of platform events needs /event/
 * in front) Order__e                      /event/Order__e LoginEventStream, …Event
 * /event/LoginEventStream /data/…, /event/…             kept
 *
 * Case is kept, because the server minds it.
 */
#ifndef SFZB_SALESFORCE_TOPIC_NAME_H
#define SFZB_SALESFORCE_TOPIC_NAME_H

#include <stdbool.h>

#include "base/error.h"

#define TOPIC_NAME_SIZE                                                                            \
	160 /* bytes with the NUL; the vendor's own names end at 80 characters or so */

/* ERR_USAGE, with a hint, for what can be no topic. */
int topic_name_expand(char out[TOPIC_NAME_SIZE], const char *name, struct error *e);
/* The name that people would write for a whole one; that itself where there is none. Returns out. */
const char *topic_name_short(char out[TOPIC_NAME_SIZE], const char *whole);
/* More than one entity may come: /data/ChangeEvents and …__chn. */
bool topic_name_is_channel(const char *whole);
/* Under /data/: change events, which nobody can publish. */
bool topic_name_is_change(const char *whole);

#endif

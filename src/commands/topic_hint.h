/*
 * The topic that was probably meant by one that is not there: the nearest of those that 'sfzb topics' showed last with
 * this profile, so it costs no call and no permission. Nothing for whoever never listed them.
 */
#ifndef SFZB_COMMANDS_TOPIC_HINT_H
#define SFZB_COMMANDS_TOPIC_HINT_H

#include "base/error.h"
#include "profile/profile.h"

/* e: why the topic of that whole name could not be had; its hint grows when that is ERR_NOT_FOUND. */
void topic_hint(struct profile *profile, const char *whole, struct error *e);

#endif

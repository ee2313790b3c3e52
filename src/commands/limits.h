/*
 * What is left of the organisation's quotas, for the commands that spend them.
 */
#ifndef SFZB_COMMANDS_LIMITS_H
#define SFZB_COMMANDS_LIMITS_H

#include "commands/app.h"

/*
 * Warns of every quota of which little is left, before events are asked for. Who may not read limits is not troubled.
 * Blocking, for app_wait; needs app->salesforce. Returns 0.
 */
int limits_warn(void *app, struct error *unused);

#endif

/*
 * The two halves of `sfzb replay`. Private to that command.
 */
#ifndef SFZB_COMMANDS_REPLAY_H
#define SFZB_COMMANDS_REPLAY_H

#include <stdbool.h>

#include "base/error.h"
#include "profile/positions.h"

#define REPLAY_RETENTION_MS (72 * INT64_C(3600000)) /* wire/pubsub.md §4 */

/* topic, table: NULL for every one. positions NULL: there is no store yet. */
int replay_show(struct positions *positions, const char *topic, const char *table, bool json,
    struct error *e);

#endif

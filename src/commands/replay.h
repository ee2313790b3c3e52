/*
 * The two halves of `sfzb replay`. Private to that command.
 */
#ifndef SFZB_COMMANDS_REPLAY_H
#define SFZB_COMMANDS_REPLAY_H

#include <stdbool.h>

#include "commands/app.h"
#include "profile/positions.h"

#define REPLAY_DATABASE "replay.db" /* in the profile */
#define REPLAY_RETENTION_MS (72 * INT64_C(3600000)) /* wire/pubsub.md §4 */
/* Not known how many: the engine looks everything up until it has caught up. */
#define POSITION_ALL_IN_FLIGHT INT64_MAX

/* topic, table: NULL for every one. history: all places where each has stood, oldest first. positions NULL: there is no store yet. */
int replay_show(struct positions *positions, const char *topic, const char *table, bool history, bool json,
    struct error *e);

struct replay_set_options {
	const char *topic, *table, *where;
	bool dry_run;
};
int replay_set(struct app *app, struct positions *positions, const struct replay_set_options *o,
    struct error *e);

#endif

/*
 * What a running command has at hand: what its entry says it needs, opened by app_open in front of run and
 * closed behind it. Everything that is not needed is NULL.
 */
#ifndef SFZB_COMMANDS_APP_H
#define SFZB_COMMANDS_APP_H

#include "base/error.h"
#include "cli/command.h"
#include "profile/profile.h"

struct app {
	const struct command *command;
	const struct common_options *common;
	char *output; /* the word of -o that holds, "json"; NULL when the command has none */
	struct profile *profile;
};

int app_open(struct app *app, const struct command *command, const struct common_options *common,
    struct error *e);
void app_close(struct app *app);
/* Is this the form of the output? */
bool app_outputs(const struct app *app, const char *form);

#endif

/*
 * What a running command has at hand: what its entry says it needs, opened by app_open in front of run and
 * closed behind it. Everything that is not needed is NULL. What a command may or may not need it opens
 * itself, by the functions below; each does nothing when it is open already.
 */
#ifndef SFZB_COMMANDS_APP_H
#define SFZB_COMMANDS_APP_H

#include "base/error.h"
#include "cli/command.h"
#include "profile/profile.h"
#include "rpc/loop.h"
#include "salesforce/session.h"

struct app {
	const struct command *command;
	const struct common_options *common;
	char *output; /* the word of -o that holds, "json"; NULL when the command has none */
	struct profile *profile;
	struct salesforce_session *salesforce;
	struct loop *loop;
	struct worker *worker; /* for sessions and tokens: quick jobs */
};

int app_open(struct app *app, const struct command *command, const struct common_options *common,
    struct error *e);
void app_close(struct app *app);
/* Is this the form of the output? */
bool app_outputs(const struct app *app, const char *form);

int app_open_salesforce(struct app *app, struct error *e);
/*
 * From here on SIGINT, SIGTERM and SIGHUP come to the loop: what may block for long is done before, where they
 * end the program at once.
 */
void app_open_loop(struct app *app);

#endif

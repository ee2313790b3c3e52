#include "commands/app.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/output.h"

/* The word that -o gives, else the one for a terminal or for a program. Owned by app. */
static char *
choose_output(const struct command *command, const struct common_options *common)
{
	if (common->output != NULL)
		return memory_strdup(common->output);
	if (command->outputs == NULL)
		return NULL;
	if (command->piped_output != NULL && !output_is_terminal())
		return memory_strdup(command->piped_output);
	return memory_strndup(command->outputs, strcspn(command->outputs, "|"));
}

int
app_open(struct app *app, const struct command *command, const struct common_options *common,
    struct error *e)
{
	*app = (struct app){.command = command, .common = common};
	app->output = choose_output(command, common);
	if (command->needs != NEEDS_NOTHING) {
		app->profile = profile_open(common->profile, e);
		if (app->profile == NULL)
			return -1;
	}
	return 0;
}

void
app_close(struct app *app)
{
	profile_free(app->profile);
	free(app->output);
	*app = (struct app){.command = NULL};
}

bool
app_outputs(const struct app *app, const char *form)
{
	return app->output != NULL && strcmp(app->output, form) == 0;
}

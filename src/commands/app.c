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
app_open_salesforce(struct app *app, struct error *e)
{
	struct salesforce_given given = {.ca_file = app->common->ca_file};
	struct salesforce_login login;

	if (app->salesforce != NULL)
		return 0;
	if (salesforce_login_load(&login, &given, app->profile, e) != 0)
		return -1;
	app->salesforce = salesforce_session_open(&login, app->profile, NULL, e);
	salesforce_login_release(&login);
	return app->salesforce != NULL ? 0 : -1;
}

void
app_open_loop(struct app *app)
{
	if (app->loop != NULL)
		return;
	loop_signals_block();
	app->loop = loop_new(&clock_system);
	app->worker = worker_new(app->loop, "session");
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
	if ((command->needs & NEEDS_SALESFORCE) && app_open_salesforce(app, e) != 0)
		return -1;
	if (command->needs & NEEDS_LOOP)
		app_open_loop(app);
	return 0;
}

void
app_close(struct app *app)
{
	/* a job of the worker may be asking the server: it need not wait for the answer any more */
	if (app->salesforce != NULL)
		salesforce_session_interrupt(app->salesforce, true);
	if (app->worker != NULL)
		worker_free(app->worker);
	if (app->loop != NULL)
		loop_free(app->loop);
	salesforce_session_free(app->salesforce);
	profile_free(app->profile);
	free(app->output);
	*app = (struct app){.command = NULL};
}

bool
app_outputs(const struct app *app, const char *form)
{
	return app->output != NULL && strcmp(app->output, form) == 0;
}

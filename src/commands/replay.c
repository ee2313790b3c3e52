/*
 * sfzb replay - show and set the stored positions.
 *
 * show reads replay.db and never the network. set refuses while a stream holds the position.
 */
#include <string.h>
#include <sys/stat.h>

#include "commands/list.h"
#include "commands/replay.h"
#include "salesforce/topic_name.h"

struct replay_options {
	const char *table;
	bool dry_run;
};

static const struct option options[] = {
	OPTION_STRING('t', "table", struct replay_options, table, "<catalog.schema.table>", NULL,
	    "only positions of this table, as it was given to stream"),
	OPTION_FLAG('n', "dry-run", struct replay_options, dry_run, "say what set would store, and store nothing"),
	OPTION_END,
};

/* Asking creates nothing: without a file there are no positions. */
static int
open_existing(struct app *app, struct positions **out, struct error *e)
{
	const char *path = profile_path(app->profile, REPLAY_DATABASE);
	struct stat st;
	bool was_damaged;

	*out = NULL;
	if (stat(path, &st) != 0)
		return 0;
	*out = positions_open(path, &was_damaged, e);
	return *out != NULL ? 0 : -1;
}

static int
show(struct app *app, const struct replay_options *o, const char *topic, bool history, struct error *e)
{
	struct positions *positions = NULL;
	char whole[TOPIC_NAME_SIZE];
	int rc = -1;

	if (topic != NULL && topic_name_expand(whole, topic, e) != 0)
		return -1;
	if (open_existing(app, &positions, e) == 0)
		rc = replay_show(positions, topic != NULL ? whole : NULL, o->table, history, app_outputs(app, "json"), e);
	positions_free(positions);
	return rc;
}

static int
set(struct app *app, const struct replay_options *o, char **argv, struct error *e)
{
	struct replay_set_options wanted = {argv[0], o->table, argv[1], o->dry_run};
	struct positions *positions;
	bool was_damaged;
	int rc = -1;

	if (profile_make_directory(app->profile, NULL, e) != 0)
		return -1;
	positions = positions_open(profile_path(app->profile, REPLAY_DATABASE), &was_damaged, e);
	if (positions != NULL)
		rc = replay_set(app, positions, &wanted, e);
	positions_free(positions);
	return rc;
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct replay_options *o = given;
	const char *action = argc > 0 ? argv[0] : "show";

	if (strcmp(action, "show") == 0 && argc <= 2)
		return show(app, o, argc == 2 ? argv[1] : NULL, false, e);
	if (strcmp(action, "history") == 0 && argc <= 2)
		return show(app, o, argc == 2 ? argv[1] : NULL, true, e);
	if (strcmp(action, "set") == 0 && argc == 3)
		return set(app, o, argv + 1, e);
	if (strcmp(action, "show") != 0 && strcmp(action, "set") != 0 && strcmp(action, "history") != 0)
		error_set(e, ERR_USAGE, "'replay' does not know '%s'", action);
	else if (argc == 2)
		error_set(e, ERR_USAGE, "'replay set' needs to know where to");
	else
		error_set(e, ERR_USAGE, "'replay %s' with %d arguments", action, argc - 1);
	return error_hint(e, "write 'sfzb replay show [TOPIC]' or 'sfzb replay set TOPIC WHERE --table C.S.T'");
}

static const struct command_example examples[] = {
	{"sfzb replay show", NULL},
	{"sfzb replay set Account earliest --table main.crm.account", "all that is retained, again"},
	{"sfzb replay set Account 2h --table main.crm.account", "where it stood two hours ago"},
	{NULL, NULL},
};

const struct command command_replay = {
	.name = "replay",
	.summary = "show and set the stored positions of streams",
	.arguments = "[show [TOPIC] | history [TOPIC] | set TOPIC WHERE]",
	.description =
	    "A position is the replay id up to which every event is durable in the table; a stream goes on behind it. "
	    "'show' lists the positions of this profile with their age and what is left of the 72 hours for which "
	    "Salesforce keeps events; 'history' where each has stood before.\n\n"
	    "'set' stores another one: earliest, latest, a replay id (hex, base64 or decimal; the stream goes on behind it), or a "
	    "time such as 2h or 2026-11-01T10:00Z (the newest stored position of that time or before). It refuses while a "
	    "stream holds the position. Events behind the new position that the table holds already are not stored "
	    "again: the next run looks them up.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct replay_options),
	.outputs = "table|json",
	.piped_output = "json",
	.needs = NEEDS_PROFILE,
	.max_operands = 3,
	.operand = COMPLETE_WORDS,
	.operand_words = "show|history|set",
	.run = run,
};

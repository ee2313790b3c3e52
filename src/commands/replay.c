/*
 * sfzb replay - show, set and move the stored positions.
 *
 * show, history and export read replay.db and never the network. set and import refuse while a stream holds the position.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/man.h"
#include "commands/list.h"
#include "commands/replay.h"
#include "commands/stream.h"
#include "salesforce/topic_name.h"

struct replay_options {
	const char *table;
	bool dry_run, from_table, force;
};

static const struct option options[] = {
	OPTION_STRING('t', "table", struct replay_options, table, "<catalog.schema.table>", NULL,
	    "only positions of this table, as it was given to stream"),
	OPTION_FLAG(0, "from-table", struct replay_options, from_table,
	    "set: instead of WHERE: behind the newest event that the table holds of the topic, asked through the SQL warehouse"),
	OPTION_FLAG('f', "force", struct replay_options, force,
	    "import: replace what is stored; export: also of a stream that runs; set: although what is stored is of another "
	    "organisation"),
	OPTION_FLAG('n', "dry-run", struct replay_options, dry_run, "say what set or import would store, and store nothing"),
	OPTION_END,
};

/* Asking creates nothing: without a file there are no positions, and *out is NULL. */
static int
open_existing(struct app *app, struct positions **out, struct error *e)
{
	const char *path = profile_path(app->profile, REPLAY_DATABASE);
	struct stat st;
	bool was_damaged;

	*out = NULL;
	if (lstat(path, &st) != 0 && errno == ENOENT)
		return 0;
	*out = positions_open(path, &was_damaged, e);
	return *out != NULL ? 0 : -1;
}

static int
look(struct app *app, const struct replay_options *o, const char *topic, bool history, struct error *e)
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
show(struct app *app, const struct replay_options *o, int argc, char **argv, struct error *e)
{
	return look(app, o, argc > 0 ? argv[0] : NULL, false, e);
}

static int
history(struct app *app, const struct replay_options *o, int argc, char **argv, struct error *e)
{
	return look(app, o, argc > 0 ? argv[0] : NULL, true, e);
}

static int
set(struct app *app, const struct replay_options *o, int argc, char **argv, struct error *e)
{
	struct replay_set_options wanted = {.topic = argv[0], .table = o->table, .where = argc > 1 ? argv[1] : NULL,
		.from_table = o->from_table, .force = o->force, .dry_run = o->dry_run};
	struct positions *positions = NULL;
	bool was_damaged;
	int rc = -1;

	if (o->from_table != (wanted.where == NULL)) {
		error_set(e, ERR_USAGE, o->from_table ? "--from-table and '%s' are two places" : "'replay set' needs to know where to",
		    wanted.where);
		return error_hint(e, "write 'sfzb replay set TOPIC WHERE' or 'sfzb replay set TOPIC --from-table'");
	}
	if (o->table != NULL && stream_table_check(o->table, e) != 0)
		return error_wrap(e, "option '--table'");
	if (o->dry_run) {
		if (open_existing(app, &positions, e) != 0)
			return -1;
	} else if (profile_make_directory(app->profile, NULL, e) != 0 ||
	    (positions = positions_open(profile_path(app->profile, REPLAY_DATABASE), &was_damaged, e)) == NULL) {
		return -1;
	}
	rc = replay_set(app, positions, &wanted, e);
	positions_free(positions);
	return rc;
}

static int
export(struct app *app, const struct replay_options *o, int argc, char **argv, struct error *e)
{
	struct replay_move_options wanted = {.topic = argc > 0 ? argv[0] : NULL, .table = o->table, .force = o->force};
	struct positions *positions = NULL;
	int rc = -1;

	if (app->common->output != NULL && !app_outputs(app, "json"))
		return error_set(e, ERR_USAGE, "'replay export' writes JSON and no %s", app->output);
	if (open_existing(app, &positions, e) == 0)
		rc = replay_export(app, positions, &wanted, e);
	positions_free(positions);
	return rc;
}

static int
import(struct app *app, const struct replay_options *o, int argc, char **argv, struct error *e)
{
	struct replay_move_options wanted = {.file = argc > 0 ? argv[0] : "-", .force = o->force, .dry_run = o->dry_run};

	if (o->table != NULL)
		return error_set(e, ERR_USAGE, "--table is for what is exported: import takes all that the file holds");
	return replay_import(app, &wanted, e);
}

static const struct action {
	const char *name;
	int min, max; /* operands behind the word */
	int (*run)(struct app *app, const struct replay_options *o, int argc, char **argv, struct error *e);
	bool sets, forces, from_table; /* which options it takes */
} actions[] = {
	{"show", 0, 1, show, false, false, false},
	{"history", 0, 1, history, false, false, false},
	{"set", 1, 2, set, true, true, true},
	{"export", 0, 1, export, false, true, false},
	{"import", 0, 1, import, true, true, false},
};

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct replay_options *o = given;
	const char *word = argc > 0 ? argv[0] : "show";
	const struct action *a = NULL;
	int operands = argc > 0 ? argc - 1 : 0;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, word) == 0)
			a = &actions[i];
	if (a == NULL)
		error_set(e, ERR_USAGE, "'replay' does not know '%s'", word);
	else if (operands < a->min || operands > a->max)
		error_set(e, ERR_USAGE, "'replay %s' with %d arguments", word, operands);
	else if ((o->dry_run && !a->sets) || (o->force && !a->forces) || (o->from_table && !a->from_table))
		error_set(e, ERR_USAGE, "'replay %s' takes no %s", word,
		    o->dry_run && !a->sets ? "--dry-run" : o->force && !a->forces ? "--force" : "--from-table");
	else
		return a->run(app, o, operands, argv + 1, e);
	return error_hint(e, "write 'sfzb replay show [TOPIC]' or 'sfzb replay set TOPIC WHERE --table C.S.T'");
}

static void
manual(struct buffer *man)
{
	man_section(man, "WHERE");
	man_item(man, "earliest", "all that Salesforce still keeps, 72 hours at most");
	man_item(man, "latest", "behind the newest event; what came before and is not stored is passed over");
	man_item(man, "a replay id", "behind this event: hex (0000000000076f690000), base64 (AAAAAAAHb2kAAA==) or decimal (487273)");
	man_item(man, "a time",
	    "2h, 3d or 2026-11-01T10:00Z: where the stream stood then, by the history in the profile. Where the history does not "
	    "reach that time, the topic is read from the nearest place before it, or from the earliest event kept, and nothing "
	    "of it stored, until the first event committed at or after that time: the position is in front of that one. "
	    "What is read counts against the organisation's delivery quota.");
	man_item(man, "--from-table",
	    "behind the newest event of the topic in the table. It says by which column the rows were told to be of the topic, "
	    "and so how sure that is. A row is visible some time after its acknowledgement; what is missed so is looked up "
	    "before it is stored.");
	man_section(man, "MOVING A STREAM");
	man_paragraphs(man,
	    "Stop the stream, write its positions to a file, and read that on the other machine with a login of the same "
	    "organisation. Whatever was in flight, and whatever the first machine may have stored since, is looked up by the first "
	    "run there, until it has caught up. Events that were set aside stay where they are; see sfzb-dead-letters(1).");
	man_lines(man,
	    "old$ systemctl stop sfzb && sfzb replay export >positions.json\n"
	    "new$ sfzb replay import positions.json && systemctl start sfzb");
	man_paragraphs(man,
	    "Such a file is a backup, too (of a stream that runs: --force). A copy of replay.db is none: it says that nothing was in "
	    "flight at a place that the stream has long left. Where it is put back, or the whole profile is copied to where it was or "
	    "elsewhere, the stream sees that by the files in locks/, or by their absence, says so, and looks up what came since. Where a "
	    "whole disk or volume is set back, or all files of a profile are written over in place, nothing tells, and what came since is stored again: "
	    "remove replay.db then. Without it the table is asked where it ends, and nothing is stored twice.");
	man_paragraphs(man,
	    "The file is one JSON object: format (\"sfzb-replay\"), version (1), written, by, and positions, a list of objects with "
	    "org_id, topic, table (as given to stream), position (\"after\": behind replay_id; \"at\": with it; \"earliest\"), "
	    "replay_id (hex, or null), event_time, stored_time, in_flight (how many events may have been sent behind it; "
	    "\"unknown\": all must be looked up), and history (a list of replay_id, event_time, stored_time, oldest first). "
	    "Unknown members are passed over; a higher version is refused. All of a file is stored, or nothing.");
}

static const struct command_example examples[] = {
	{"sfzb replay show", NULL},
	{"sfzb replay set Account earliest --table main.crm.account", "all that is retained, again"},
	{"sfzb replay set Account 2h --table main.crm.account", "the events of the last two hours"},
	{"sfzb replay set Account --from-table --table main.crm.account", "where the table ends"},
	{"sfzb replay export Account >account.json", "for 'sfzb replay import' on another machine"},
	{NULL, NULL},
};

const struct command command_replay = {
	.name = "replay",
	.summary = "show, set and move the stored positions of streams",
	.arguments = "[show|history|set|export|import ...]",
	.description =
	    "A position is the replay id up to which every event is durable in the table; a stream goes on behind it. "
	    "'show' lists the positions of this profile: the event they name and its age, what is left of the 72 hours for which "
	    "Salesforce keeps events, and how many events were in flight when the stream was last heard of. 'history' lists "
	    "where each has stood before.\n\n"
	    "'set' stores another one: earliest, latest, a replay id (hex, base64 or decimal; the stream goes on behind it), a "
	    "time such as 2h or 2026-11-01T10:00Z, or, with --from-table, where the table ends. Events behind the new position "
	    "that the table holds already are not stored again: the next run looks them up.\n\n"
	    "'export' writes positions to standard output as text, 'import' reads them on another machine (from standard input, or "
	    "a file).\n\n"
	    "set, export and import refuse while a stream holds the position. Positions of another organisation than the "
	    "login's, as after the refresh of a sandbox, are refused, too.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct replay_options),
	.outputs = "table|json",
	.piped_output = "json",
	.needs = NEEDS_PROFILE,
	.max_operands = 3,
	.operand = COMPLETE_WORDS,
	.operand_words = "show|history|set|export|import",
	.operand_next = COMPLETE_TOPIC,
	.manual = manual,
	.run = run,
};

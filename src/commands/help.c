/*
 * sfzb help - the commands, or one of them.
 *
 * Also the door for those who build and complete: man pages, completion scripts and names, all from
 * the same tables. Reads at most the profile's topics.json; never the network.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/man.h"
#include "cli/output.h"
#include "commands/app.h"
#include "commands/list.h"
#include "salesforce/topic_name.h"

struct help_options {
	bool man;
	const char *completion, *names;
};

static const struct option options[] = {
	OPTION_FLAG(0, "man", struct help_options, man, "print the man page as roff"),
	OPTION_STRING(0, "completion", struct help_options, completion, "<shell>", NULL,
	    "print the completion script for bash, zsh or fish", .choices = "bash|zsh|fish",
	    .complete = COMPLETE_WORDS),
	OPTION_STRING(0, "names", struct help_options, names, "<kind>", NULL,
	    "print what a shell may complete: topics, short-topics, profiles or commands",
	    .choices = "topics|short-topics|profiles|commands", .complete = COMPLETE_WORDS),
	OPTION_END,
};

static void
append_topics(struct buffer *out, struct profile *profile, bool in_short)
{
	struct json *stored = NULL;
	struct error ignored = ERROR_INIT; /* completion must not talk */

	if (profile_load(profile, "topics.json", &stored, &ignored) != 0)
		return;
	for (const struct json *t = json_first(json_find(stored, "topics")); t != NULL; t = json_next(t)) {
		const char *name = json_find_string(t, "name");

		char brief[TOPIC_NAME_SIZE];

		if (name != NULL)
			buffer_append_format(out, "%s\n", in_short ? topic_name_short(brief, name) : name);
	}
	json_free(stored);
}

static void
append_profiles(struct buffer *out, const struct profile *profile)
{
	const char *own = profile_directory(profile);
	char *parent = memory_strndup(own, (size_t)(strrchr(own, '/') - own));
	DIR *d = opendir(parent);

	for (struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;)
		if (entry->d_name[0] != '.')
			buffer_append_format(out, "%s\n", entry->d_name);
	if (d != NULL)
		closedir(d);
	free(parent);
}

static void
append_names(struct buffer *out, struct app *app, const char *kind)
{
	if (strcmp(kind, "topics") == 0 || strcmp(kind, "short-topics") == 0)
		append_topics(out, app->profile, kind[0] == 's');
	else if (strcmp(kind, "profiles") == 0)
		append_profiles(out, app->profile);
	else
		for (const struct command *const *c = command_list; *c != NULL; c++)
			if (!(*c)->hidden)
				buffer_append_format(out, "%s\n", (*c)->name);
}

static void
append_completion(struct buffer *out, const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		completion_bash(out, command_list);
	else if (strcmp(shell, "zsh") == 0)
		completion_zsh(out, command_list);
	else
		completion_fish(out, command_list);
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct help_options *o = given;
	const struct command *command = NULL;
	struct buffer out = BUFFER_INIT;
	int rc;

	if (argc > 0 && (command = command_find(command_list, argv[0], e)) == NULL)
		return -1;
	if (o->names != NULL) {
		append_names(&out, app, o->names);
	} else if (o->completion != NULL) {
		append_completion(&out, o->completion);
	} else if (o->man) {
		if (command != NULL)
			man_command(&out, command);
		else
			man_overview(&out, command_list);
	} else if (command != NULL) {
		help_command(&out, command, output_columns());
	} else {
		help_overview(&out, command_list);
	}
	rc = output_write(buffer_span(&out), e);
	buffer_release(&out);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb help stream", NULL},
	{"sfzb help --man tail | man -l -", "the man page without installing it"},
	{"source <(sfzb help --completion bash)", "completion for this shell"},
	{NULL, NULL},
};

const struct command command_help = {
	.name = "help",
	.summary = "explain a command",
	.arguments = "[COMMAND]",
	.description = "Without an argument lists the commands, with one prints what 'sfzb COMMAND -h' prints. Also "
		       "prints the man pages and the completion scripts, which are made from the same tables.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct help_options),
	.outputs = "text",
	.needs = NEEDS_PROFILE,
	.max_operands = 1,
	.operand = COMPLETE_COMMAND,
	.run = run,
};

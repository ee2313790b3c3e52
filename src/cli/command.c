#include "cli/command.h"

#include <string.h>

#include "cli/suggest.h"

const struct option common_options[] = {
	OPTION_STRING(0, "profile", struct common_options, profile, "<name>", NULL,
	    "use this stored profile (default: default)", .environment = "SFZB_PROFILE",
	    .complete = COMPLETE_PROFILE),
	OPTION_STRING('o', "output", struct common_options, output, "<form>", NULL,
	    "form of the output"),
	OPTION_FLAG('q', "quiet", struct common_options, quiet, "say nothing but warnings and errors"),
	OPTION_COUNT('v', "verbose", struct common_options, verbose,
	    "say more; twice: every message on the wire, by name and size"),
	OPTION_STRING(0, "cacert", struct common_options, ca_file, "<file>", NULL,
	    "trust the authorities in this PEM file (default: what the profile says, SSL_CERT_FILE, the "
	    "system's)",
	    .complete = COMPLETE_FILE),
	OPTION_CHOICE(0, "color", struct common_options, color, "auto|always|never", "auto",
	    "colour on a terminal; NO_COLOR in the environment means never"),
	OPTION_CHOICE(0, "log-format", struct common_options, log_format, "text|json", "text",
	    "form of messages on standard error", .environment = "SFZB_LOG_FORMAT"),
	OPTION_FLAG('h', "help", struct common_options, help, "print this help"),
	OPTION_END,
};

const struct command *
command_find(const struct command *const *list, const char *name, struct error *e)
{
	char shown[TEXT_SHOWN_SIZE];
	struct suggestion s;

	suggest_init(&s, name);
	for (; *list != NULL; list++) {
		if (strcmp((*list)->name, name) == 0)
			return *list;
		if (!(*list)->hidden)
			suggest_consider(&s, (*list)->name);
	}
	error_set(e, ERR_USAGE, "no command '%s'", text_shown(shown, name));
	if (s.best != NULL)
		error_hint(e, "did you mean '%s'?", s.best);
	else
		error_hint(e, "'sfzb help' lists the commands");
	return NULL;
}

static int
check_output(const struct command *command, const char *output, struct error *e)
{
	char words[128], shown[TEXT_SHOWN_SIZE];

	if (output == NULL || option_choice_index(command->outputs, output) >= 0)
		return 0;
	error_set(e, ERR_USAGE, "option '--output': '%s' is none of the forms of '%s'", text_shown(shown, output),
	    command->name);
	return error_hint(e, "it takes %s",
	    option_choice_words(words, sizeof(words), command->outputs));
}

static int
check_operands(const struct command *command, int count, char **argv, struct error *e)
{
	char shown[TEXT_SHOWN_SIZE];

	if (count < command->min_operands)
		error_set(e, ERR_USAGE, "'%s' needs %s", command->name, command->arguments);
	else if (command->max_operands == 0 && count > 0)
		error_set(e, ERR_USAGE, "'%s' takes no arguments: '%s'", command->name, text_shown(shown, argv[0]));
	else if (command->max_operands >= 0 && count > command->max_operands)
		error_set(e, ERR_USAGE, "too many arguments to '%s': '%s'", command->name,
		    text_shown(shown, argv[command->max_operands]));
	else
		return 0;
	return error_hint(e, "usage: sfzb %s [options]%s%s", command->name,
	    command->arguments != NULL ? " " : "",
	    command->arguments != NULL ? command->arguments : "");
}

int
command_parse(const struct command *command, struct common_options *common, void *options, int argc,
    char **argv, int *operands, struct error *e)
{
	struct option_group groups[] = {{command->options, options}, {common_options, common}};

	if (options_set_defaults(&groups[0], e) != 0)
		return -1;
	if (command->passes_arguments) {
		*operands = argc;
		return 0;
	}
	if (options_parse(groups, 2, OPTIONS_ANYWHERE, argc, argv, operands, e) != 0)
		return -1;
	if (common->help)
		return 0;
	if (check_output(command, common->output, e) != 0)
		return -1;
	return check_operands(command, *operands, argv, e);
}

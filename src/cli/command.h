/*
 * What a command is: a constant entry with its words, its options, what it needs opened, and the
 * function that does it. Help, man pages and completions are made from the entry; the list of all
 * entries is commands/list.h.
 *
 * run parses nothing and prints no error: it returns -1 with the error set, and main prints it.
 */
#ifndef SFZB_CLI_COMMAND_H
#define SFZB_CLI_COMMAND_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/option.h"

struct app; /* commands/app.h */

/* What the framework opens before run; nothing of it for --help. */
enum command_needs {
	NEEDS_NOTHING = 0,
	NEEDS_PROFILE = 1 << 0,
	NEEDS_LOOP = 1 << 1,	   /* the event loop and its worker thread */
	NEEDS_SALESFORCE = 1 << 2, /* a session, and what it stands on */
	NEEDS_DATABRICKS = 1 << 3,
};

struct command_example {
	const char *line; /* "sfzb tail Account" */
	const char *text; /* what it shows, without a full stop; NULL: none */
};

struct command {
	const char *name;
	const char *summary;	 /* "list the topics this login may read" */
	const char *arguments;	 /* synopsis of the operands, "TOPIC..."; NULL: none */
	const char *description; /* paragraphs, parted by an empty line */
	const struct command_example *examples; /* ends with a NULL line; may be NULL */
	const struct option *options;		/* may be NULL */
	size_t options_size;
	/*
	 * Words of -o, "table|json". The first is for a terminal, piped_output (NULL: the first, too) for
	 * anything else.
	 */
	const char *outputs;
	const char *piped_output;
	unsigned needs; /* of enum command_needs */
	int min_operands, max_operands; /* max -1: any number */
	enum complete operand;
	const char *operand_words; /* of COMPLETE_WORDS */
	enum complete operand_next; /* behind one of these words */
	bool passes_arguments; /* takes its arguments as they are, no options of ours */
	bool goes_on; /* until it is told to stop: a first SIGINT or SIGTERM ends it with 0, also before it has begun */
	bool hidden;	       /* from the overview, the man pages and the completions */
	void (*manual)(struct buffer *man); /* more sections of the man page, by cli/man.h; NULL: none */
	int (*run)(struct app *app, const void *options, int argc, char **argv, struct error *e);
};

/* Options that every command takes, before its name or behind it. */
enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
struct common_options {
	const char *profile, *output, *ca_file;
	bool quiet, help;
	int verbose;
	int color;	/* enum color */
	int log_format; /* enum log_format */
};
extern const struct option common_options[];

/* The command of that name, or NULL with ERR_USAGE and the name that was probably meant. */
const struct command *command_find(const struct command *const *list, const char *name,
    struct error *e);
/*
 * Reads a command's arguments: fills options (of command->options_size bytes, zeroed) and common; checks
 * the number of operands and the word of -o. With common->help set on return, nothing else was checked.
 */
int command_parse(const struct command *command, struct common_options *common, void *options,
    int argc, char **argv, int *operands, struct error *e);

#endif

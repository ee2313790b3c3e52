/*
 * What -h prints, and the pieces of text that it shares with the man pages: all made from the tables.
 */
#ifndef SFZB_CLI_HELP_H
#define SFZB_CLI_HELP_H

#include "base/buffer.h"
#include "cli/command.h"

/* The overview of all commands. */
void help_overview(struct buffer *out, const struct command *const *list);
/* One command. columns: width to wrap at. */
void help_command(struct buffer *out, const struct command *command, size_t columns);

/* The row's help with its default and variable: "how many events (default: 10)". Appended. */
void help_option_text(struct buffer *out, const struct option *o);
/* -o as this command takes it, since its words are the command's. */
void help_output_text(struct buffer *out, const struct command *command);
/* Variables that every command reads, "NAME" and what it is for; ends with a NULL name. */
struct help_variable {
	const char *name, *text;
};
extern const struct help_variable help_variables[];       /* of every command */
extern const struct help_variable help_login_variables[]; /* besides, in sfzb(1) */

#endif

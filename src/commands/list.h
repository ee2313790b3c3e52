/*
 * Every command, once, in the order of the overview. The dispatcher, help, man pages and completions read this list.
 */
#ifndef SFZB_COMMANDS_LIST_H
#define SFZB_COMMANDS_LIST_H

#include "cli/command.h"

#define COMMANDS(X)                                                                 \
	X(login)                                                                    \
	X(logout)                                                                   \
	X(topics)                                                                   \
	X(schema)                                                                   \
	X(limits)                                                                   \
	X(tail)                                                                     \
	X(stream)                                                                   \
	X(ingest)                                                                    \
	X(publish)                                                                  \
	X(replay)                                                                   \
	X(dead_letters)                                                             \
	X(create_table)                                                             \
	X(sql)                                                                      \
	X(emulator)                                                                 \
	X(help)

#define X(name) extern const struct command command_##name;
COMMANDS(X)
#undef X

extern const struct command *const command_list[]; /* ends with NULL */

#endif

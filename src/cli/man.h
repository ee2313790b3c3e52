/*
 * Man pages, made from the tables: sfzb(1) and one page a command.
 */
#ifndef SFZB_CLI_MAN_H
#define SFZB_CLI_MAN_H

#include "base/buffer.h"
#include "cli/command.h"

void man_overview(struct buffer *out, const struct command *const *list);
void man_command(struct buffer *out, const struct command *command);

#endif

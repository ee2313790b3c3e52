/*
 * Man pages, made from the tables: sfzb(1) and one page a command.
 */
#ifndef SFZB_CLI_MAN_H
#define SFZB_CLI_MAN_H

#include "base/buffer.h"
#include "cli/command.h"

void man_overview(struct buffer *out, const struct command *const *list);
/* For command.manual: a heading, paragraphs parted by an empty line, an entry of a list, lines as they are. */
void man_section(struct buffer *man, const char *title);
void man_paragraphs(struct buffer *man, const char *text);
void man_item(struct buffer *man, const char *name, const char *text);
void man_lines(struct buffer *man, const char *lines);

void man_command(struct buffer *out, const struct command *command);

#endif

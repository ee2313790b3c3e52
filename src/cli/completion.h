/*
 * Completion scripts for bash, zsh and fish, made from the tables. Names that only a profile knows
 * (topics, profiles) are asked of `sfzb help --names`, which reads files and never the network.
 */
#ifndef SFZB_CLI_COMPLETION_H
#define SFZB_CLI_COMPLETION_H

#include "base/buffer.h"
#include "cli/command.h"

void completion_bash(struct buffer *out, const struct command *const *list);
void completion_zsh(struct buffer *out, const struct command *const *list);
void completion_fish(struct buffer *out, const struct command *const *list);

#endif

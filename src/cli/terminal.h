/*
 * Standard error and the person in front of it: messages, the status line, questions.
 *
 * The status line lives at the bottom of a terminal's standard error; messages push it aside and it comes
 * back behind them. Where standard error is no terminal there is no status line.
 */
#ifndef SFZB_CLI_TERMINAL_H
#define SFZB_CLI_TERMINAL_H

#include <stdbool.h>

#include "base/error.h"
#include "base/log.h"
#include "base/secret.h"

enum log_format { LOG_TEXT, LOG_JSON };

/* Takes over the log's messages. Call after output_init. */
void terminal_init(enum log_format format, bool quiet, int verbose);

/* Changes the form and the level of messages; the status line stays as it is. */
void terminal_set_log(enum log_format format, enum log_level level);

/* Is there a status line? Not with --quiet, nor with JSON messages. */
bool terminal_has_status(void);
/* Shows the text (cut to the terminal's width) in place of what it showed; NULL takes it away. */
void terminal_set_status(const char *text);

/* Prints the one error and its hint. */
void terminal_print_error(const struct error *e);

/*
 * The last word of a process that cannot go on (no memory, a library that aborts): says why and ends with status 1. May be
 * called from a signal handler; why is plain text.
 */
void terminal_give_up(const char *why) __attribute__((noreturn));
/* The same with an error that was found before, or, when that is ERR_OK, without a word and with status 0. */
void terminal_give_up_with(const struct error *e) __attribute__((noreturn));

/* Standard input and standard error are both a terminal: questions make sense. */
bool terminal_can_ask(void);
/* Asks on the terminal; *answer is malloc'ed, without its newline; fallback (may be NULL) for an empty one. */
int terminal_ask(const char *question, const char *fallback, char **answer, struct error *e);
/* The same without echo. */
int terminal_ask_secret(const char *question, struct secret *answer, struct error *e);

#endif

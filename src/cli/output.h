/*
 * Standard output: data and nothing else. Bytes are buffered; a whole line goes out at once, so that a
 * reader behind a pipe sees each record when it is complete.
 *
 * A reader that has gone away (EPIPE) is no failure: output_gone tells, commands stop in good order, and
 * the program ends with 0. Any other failure to write is an error like every other.
 */
#ifndef SFZB_CLI_OUTPUT_H
#define SFZB_CLI_OUTPUT_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, STYLE_BLUE };

void output_init(enum color color);
bool output_is_terminal(void);
/* Columns of the terminal, 0 when there is none (lines are then never cut). */
size_t output_columns(void);
bool output_error_has_color(void); /* on standard error */
/* The escape sequence for a style, "" where there is no colour; STYLE_PLAIN ends it. */
const char *output_style(enum style style);

/* Bytes and lines; the latter add the newline and hand the line over to the system. */
int output_write(struct text bytes, struct error *e);
int output_line(struct text line, struct error *e);
/* As one line; j is freed. */
int output_json(struct json *j, struct error *e);
int output_format(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whether lines are handed over one by one (the initial state) or when the buffer is full. */
void output_set_line_buffered(bool line_buffered);
int output_flush(struct error *e);
/* The reader has closed the pipe. */
bool output_gone(void);

#endif

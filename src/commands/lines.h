/*
 * Lines of standard input or a file, read on a thread of their own and handed over on the loop's, so that a
 * slow writer holds up nothing. One chunk is read ahead, no more.
 */
#ifndef SFZB_COMMANDS_LINES_H
#define SFZB_COMMANDS_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "rpc/loop.h"

struct lines;

/* path NULL or "-": standard input. `ready` is called on the loop whenever lines_next may have more to say. */
struct lines *lines_open(struct loop *l, const char *path, loop_function *ready, void *context, struct error *e);
/*
 * 1: a line, without its newline, borrowed until the next call; 0: none yet (`ready` will follow); -1: the error, of
 * code ERR_OK at the end. A line is at most LIMIT_LINE_BYTES long.
 */
int lines_next(struct lines *l, struct text *line, struct error *e);
/* Of the line that came last, from 1. */
long long lines_number(const struct lines *l);
/* The byte behind that line and its newline, from the beginning of the file. */
int64_t lines_offset(const struct lines *l);
/* Before the first line: goes on at this byte, behind that many lines. ERR_USAGE for what cannot be gone back to. */
int lines_seek(struct lines *l, int64_t offset, long long number, struct error *e);
/* From now on a carriage return in front of the newline is left to the line. */
void lines_keep_returns(struct lines *l);
/* Also while a read is under way. */
void lines_close(struct lines *l);

#endif

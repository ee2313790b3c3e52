/*
 * jq programs over JSON text: the door to libjq. jq's numbers are doubles: integers beyond 2^53 lose digits in what a
 * program puts out (not in what it only selects).
 */
#ifndef SFZB_CLI_FILTER_H
#define SFZB_CLI_FILTER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

struct filter;

/* ERR_USAGE with jq's own words when the program does not compile. */
struct filter *filter_new(const char *program, struct error *e);
void filter_free(struct filter *f); /* NULL is fine */

/* *passes: the first value that the program puts out for json is neither false nor null. ERR_REFUSED: it failed. */
int filter_test(struct filter *f, struct text json, bool *passes, struct error *e);
/* Appends every value that it puts out, a line each. */
int filter_apply(struct filter *f, struct text json, struct buffer *out, struct error *e);

#endif

/*
 * What decode.c and cursor.c share: reading single things of a datum, and running a step. All take
 * the cursor and say false once a fault is noted in it; run_refuse makes an error of it. out NULL
 * means: check and skip.
 */
#ifndef SFZB_AVRO_RUN_H
#define SFZB_AVRO_RUN_H

#include <stdbool.h>

#include "avro/decode.h"
#include "avro/program.h"

void run_init(struct avro_cursor *c, const struct avro_decoder *d, struct text datum);
/* problem: a format with places for number, then of; always false. */
bool run_fail(
    struct avro_cursor *c, size_t at, const char *problem, long long number, long long of);
/* Puts a field's name in front of the fault's path; always false. */
bool run_fail_in(struct avro_cursor *c, struct text name);
int run_refuse(const struct avro_cursor *c, struct error *e);
int run_check_end(struct avro_cursor *c, struct error *e);

bool run_varint(struct avro_cursor *c, unsigned last_shift, uint8_t last_max, const char *too_long,
    uint64_t *v);
bool run_int(struct avro_cursor *c, int64_t *v);
bool run_boolean(struct avro_cursor *c, int64_t *v);
bool run_string(struct avro_cursor *c, struct text *s);
bool run_index(struct avro_cursor *c, size_t count, const char *outside, size_t *index);
/* Head of the next block: how many items (0: the end), and where it ends when it says its size
 * (else 0). */
bool run_block_head(struct avro_cursor *c, size_t least, uint64_t *count, size_t *end);
/* One level deeper; leaving is c->depth--. */
bool run_enter(struct avro_cursor *c);
/* The step of the branch that the datum chose; NULL with the fault noted. *null: it chose the null
 * of a pair. */
const struct step *run_choose(struct avro_cursor *c, const struct step *s, bool *null);
bool run_value(struct avro_cursor *c, const struct step *s, struct buffer *out);
/* Fields from … to - 1 of the record whose steps begin at fields. */
bool run_members(struct avro_cursor *c, const struct avro_type *record, const struct step *fields,
    size_t from, size_t to, struct buffer *out, size_t *offsets);
/*
 * Items are written with a comma before each; closing makes the first comma the opening bracket.
 * start: where the first comma is, or would be.
 */
void run_bracket(struct buffer *out, size_t start, char open, char close);

static inline bool
run_long(struct avro_cursor *c, int64_t *v)
{
	uint64_t u;

	if (c->at < c->len && c->data[c->at] < 0x80)
		u = c->data[c->at++];
	else if (!run_varint(c, 63, 1, "a long of more than 64 bits", &u))
		return false;
	*v = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
	return true;
}

#endif

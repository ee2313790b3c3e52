/*
 * The compiled form of a schema that decode.c runs: one array of steps. The fields of a record
 * stand one behind the other, so do the branches of a union; a step names the block of steps that
 * its value goes on with.
 */
#ifndef SFZB_AVRO_PROGRAM_H
#define SFZB_AVRO_PROGRAM_H

#include <stdint.h>

#include "avro/schema.h"
#include "base/buffer.h"

struct step {
	uint8_t op;   /* enum avro_kind of the value; of ["null", T] and [T, "null"] that of T */
	uint8_t null; /* 0, or 1 + the index of the null branch of such a pair */
	uint32_t first,
	    count;    /* steps of fields, items, values or branches; symbols; bytes of a fixed */
	size_t least; /* fewest bytes that the value without its branch index takes */
	/*
	 * Of a record's field: `,"Name":null` in the pool, key_len bytes without the null. The
	 * texts of neighbours are neighbours, so that a run of null fields is one copy.
	 */
	uint32_t text, key_len;
	const struct avro_type *type;
};

struct symbol {
	uint32_t text, len; /* the symbol in quotes, in the pool */
};

struct avro_decoder {
	struct avro_schema *schema;
	struct step *steps; /* [0] is the root */
	size_t step_count;
	struct symbol *symbols;
	struct buffer pool;
};

#endif

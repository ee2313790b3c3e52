/*
 * JSON → Avro datum, for publishing. The JSON may be written by hand, so an error names the field,
 * what was expected and what stood there; numbers keep their 64 bits.
 *
 * A union takes its value without a wrapper (also with one, {"string": "x"}, where that cannot mean
 * anything else). An integer goes to the branches for integers first. A field that is left out is
 * the caller's default, else null where it may be; else it is missing. bytes and fixed are base64;
 * doubles also the strings "NaN", "Infinity", "-Infinity".
 */
#ifndef SFZB_AVRO_ENCODE_H
#define SFZB_AVRO_ENCODE_H

#include <stddef.h>

#include "avro/schema.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

/* What a field of the root record is when the JSON does not have it, as JSON. */
struct avro_default {
	const char *field;
	struct text json;
};

/*
 * Appends the datum. A default for a field that the schema does not have is not used. ERR_REFUSED:
 * not JSON, an unknown, repeated or missing field, a wrong type, a number out of range; out is then
 * as it was.
 */
int avro_encode(const struct avro_schema *schema, struct text json,
    const struct avro_default *defaults, size_t default_count, struct buffer *out, struct error *e);

/*
 * Appends a sample that avro_encode takes, on one line: every field of the schema with a value of
 * its type, but for the root's fields in leave_out (NULL-terminated, may be NULL).
 */
void avro_template(
    const struct avro_schema *schema, const char *const *leave_out, struct buffer *out);

#endif

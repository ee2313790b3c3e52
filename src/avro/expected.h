/* The words of "expected double or null, got the text "x"". */
#ifndef SFZB_AVRO_EXPECTED_H
#define SFZB_AVRO_EXPECTED_H

#include "avro/schema.h"
#include "base/json_text.h"

/* Appends what JSON a type takes: "double or null", "one of RED, GREEN". */
void expected_type(struct buffer *b, const struct avro_type *t);
/* Appends what stood there instead; value: the token's text. */
void expected_not(struct buffer *b, enum json_token token, struct text value);

#endif

/*
 * The emulator's own Avro encoder: the few binary forms that events need, appended to a buffer. It shares
 * nothing with the reader under test (src/avro).
 */
#ifndef SFZB_EMULATOR_AVRO_WRITE_H
#define SFZB_EMULATOR_AVRO_WRITE_H

#include <stdbool.h>

#include "base/buffer.h"

void avro_long(struct buffer *out, int64_t v); /* also int, enum index, union branch */
void avro_double(struct buffer *out, double v);
void avro_boolean(struct buffer *out, bool v);
void avro_bytes(struct buffer *out, struct text v); /* string too */
void avro_string(struct buffer *out, const char *v);
void avro_strings(struct buffer *out, const char *const *items, size_t count); /* array of string */

#endif

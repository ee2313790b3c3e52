/*
 * Protobuf by hand, for what is written too often or is too regular for generated code: varints,
 * tags, length-delimited fields. Sizes are in bytes.
 */
#ifndef SFZB_DATABRICKS_ZEROBUS_WIRE_H
#define SFZB_DATABRICKS_ZEROBUS_WIRE_H

#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
#define WIRE_VARINT_MAX 10

static inline size_t
wire_varint_size(uint64_t v)
{
	size_t n = 1;

	while (v >= 0x80) {
		v >>= 7;
		n++;
	}
	return n;
}

/* Writes at p and returns the place behind; WIRE_VARINT_MAX bytes must be free. */
static inline uint8_t *
wire_put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static inline void
wire_varint(struct buffer *out, uint64_t v)
{
	buffer_reserve(out, WIRE_VARINT_MAX);
	out->len = (size_t)(wire_put_varint(out->data + out->len, v) - out->data);
}

static inline void
wire_tag(struct buffer *out, uint32_t field, unsigned type)
{
	wire_varint(out, (uint64_t)field << 3 | type);
}

static inline void
wire_field_varint(struct buffer *out, uint32_t field, uint64_t v)
{
	wire_tag(out, field, WIRE_VARINT);
	wire_varint(out, v);
}

static inline void
wire_field_bytes(struct buffer *out, uint32_t field, const void *data, size_t len)
{
	wire_tag(out, field, WIRE_BYTES);
	wire_varint(out, len);
	buffer_append(out, data, len);
}

static inline void
wire_field_text(struct buffer *out, uint32_t field, const char *s)
{
	wire_field_bytes(out, field, s, strlen(s));
}

/* The next field of a message that others wrote; bounds are checked. */
struct wire_field {
	uint32_t number;
	unsigned type;
	uint64_t value;	   /* WIRE_VARINT, WIRE_FIXED32, WIRE_FIXED64 */
	struct text bytes; /* WIRE_BYTES */
};
/* 1: one read, *message is what is left; 0: at the end; -1: malformed (groups too). */
int wire_next(struct text *message, struct wire_field *field);

#endif

/*
 * A growing byte buffer. Placed by value; releasing an initial value is fine. Grows by doubling and
 * aborts when memory is out, so whoever appends what a peer sized checks a ceiling first.
 */
#ifndef SFZB_BASE_BUFFER_H
#define SFZB_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct buffer {
	uint8_t *data;
	size_t len, capacity; /* bytes */
};

#define BUFFER_INIT                                                                                \
	{                                                                                          \
		.data = NULL                                                                       \
	}

void buffer_init(struct buffer *b);
void buffer_release(struct buffer *b);
void buffer_release_wiped(struct buffer *b);	/* of what was secret: zeroed first */
void buffer_clear(struct buffer *b);		/* keeps the capacity */
void buffer_reserve(struct buffer *b, size_t more); /* room for more bytes behind len */
void buffer_append(struct buffer *b, const void *data, size_t len);
void buffer_append_text(struct buffer *b, const char *s);
void buffer_append_format(struct buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_append_hex(struct buffer *b, const void *data, size_t len);	   /* lower case */
void buffer_append_base64(struct buffer *b, const void *data, size_t len); /* standard, padded */
/* Puts a NUL behind len, not counted, and returns the bytes as a C string. */
char *buffer_text(struct buffer *b);
struct text buffer_span(const struct buffer *b);
/* Hands the bytes over as a malloc'ed C string and leaves the buffer initial. */
char *buffer_detach(struct buffer *b);

static inline void
buffer_append_byte(struct buffer *b, uint8_t byte)
{
	if (b->len == b->capacity)
		buffer_reserve(b, 1);
	b->data[b->len++] = byte;
}

#endif

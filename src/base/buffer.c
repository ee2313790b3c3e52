#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/secret.h"

void
buffer_init(struct buffer *b)
{
	*b = (struct buffer)BUFFER_INIT;
}

void
buffer_release(struct buffer *b)
{
	free(b->data);
	buffer_init(b);
}

void
buffer_release_wiped(struct buffer *b)
{
	secret_wipe(b->data, b->capacity);
	buffer_release(b);
}

void
buffer_clear(struct buffer *b)
{
	b->len = 0;
}

void
buffer_reserve(struct buffer *b, size_t more)
{
	if (b->capacity - b->len >= more)
		return;
	b->data = memory_reserve(b->data, &b->capacity, b->len + more < 64 ? 64 : b->len + more, 1);
}

void
buffer_append(struct buffer *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	buffer_reserve(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void
buffer_append_text(struct buffer *b, const char *s)
{
	buffer_append(b, s, strlen(s));
}

void
buffer_append_format(struct buffer *b, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n <= 0)
		return;
	buffer_reserve(b, (size_t)n + 1);
	va_start(ap, format);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, format, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
buffer_append_hex(struct buffer *b, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	buffer_reserve(b, len * 2);
	for (size_t i = 0; i < len; i++) {
		b->data[b->len++] = (uint8_t)digits[p[i] >> 4];
		b->data[b->len++] = (uint8_t)digits[p[i] & 15];
	}
}

void
buffer_append_base64(struct buffer *b, const void *data, size_t len)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = data;
	size_t i;

	buffer_reserve(b, (len + 2) / 3 * 4);
	for (i = 0; i + 3 <= len; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];

		b->data[b->len++] = (uint8_t)digits[v >> 18];
		b->data[b->len++] = (uint8_t)digits[v >> 12 & 63];
		b->data[b->len++] = (uint8_t)digits[v >> 6 & 63];
		b->data[b->len++] = (uint8_t)digits[v & 63];
	}
	if (i < len) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0);

		b->data[b->len++] = (uint8_t)digits[v >> 18];
		b->data[b->len++] = (uint8_t)digits[v >> 12 & 63];
		b->data[b->len++] = i + 1 < len ? (uint8_t)digits[v >> 6 & 63] : '=';
		b->data[b->len++] = '=';
	}
}

char *
buffer_text(struct buffer *b)
{
	buffer_reserve(b, 1);
	b->data[b->len] = '\0';
	return (char *)b->data;
}

struct text
buffer_span(const struct buffer *b)
{
	return text_span(b->data, b->len);
}

char *
buffer_detach(struct buffer *b)
{
	char *s = buffer_text(b);

	buffer_init(b);
	return s;
}

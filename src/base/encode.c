#include "base/encode.h"

#include <string.h>

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

ssize_t
encode_unhex(struct text from, uint8_t *out, size_t size)
{
	if (from.len % 2 != 0 || from.len / 2 > size)
		return -1;
	for (size_t i = 0; i < from.len; i += 2) {
		int high = hex_digit(from.data[i]), low = hex_digit(from.data[i + 1]);

		if (high < 0 || low < 0)
			return -1;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return (ssize_t)(from.len / 2);
}

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

int
encode_unbase64(struct text from, struct buffer *out)
{
	uint32_t v = 0;
	int bits = 0;

	while (from.len > 0 && from.data[from.len - 1] == '=') {
		if (from.len % 4 != 0 && from.len % 4 != 3)
			return -1;
		from.len--;
	}
	if (from.len % 4 == 1)
		return -1;
	buffer_reserve(out, from.len * 3 / 4 + 1);
	for (size_t i = 0; i < from.len; i++) {
		int d = base64_digit(from.data[i]);

		if (d < 0)
			return -1;
		v = v << 6 | (uint32_t)d;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buffer_append_byte(out, (uint8_t)(v >> bits));
		}
	}
	return (v & ((1u << bits) - 1)) == 0 ? 0 : -1;
}

void
encode_base64url(struct buffer *out, const void *data, size_t len)
{
	size_t start = out->len;

	buffer_append_base64(out, data, len);
	for (size_t i = start; i < out->len; i++) {
		if (out->data[i] == '+')
			out->data[i] = '-';
		else if (out->data[i] == '/')
			out->data[i] = '_';
		else if (out->data[i] == '=') {
			out->len = i;
			break;
		}
	}
}

void
encode_percent(struct buffer *out, struct text from)
{
	for (size_t i = 0; i < from.len; i++) {
		char c = from.data[i];

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    (c != '\0' && strchr("-._~", c) != NULL))
			buffer_append_byte(out, (uint8_t)c);
		else
			buffer_append_format(out, "%%%02X", (unsigned)(unsigned char)c);
	}
}

int
encode_unpercent(struct text from, struct buffer *out)
{
	for (size_t i = 0; i < from.len; i++) {
		if (from.data[i] == '%') {
			uint8_t byte;

			if (from.len - i < 3 ||
			    encode_unhex(text_span(from.data + i + 1, 2), &byte, 1) != 1)
				return -1;
			buffer_append_byte(out, byte);
			i += 2;
		} else {
			buffer_append_byte(out, from.data[i] == '+' ? ' ' : (uint8_t)from.data[i]);
		}
	}
	return 0;
}

#include <string.h>

#include "emulator/avro_write.h"

void
avro_long(struct buffer *out, int64_t v)
{
	uint64_t zigzag = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);

	while (zigzag >= 0x80) {
		buffer_append_byte(out, (uint8_t)(zigzag | 0x80));
		zigzag >>= 7;
	}
	buffer_append_byte(out, (uint8_t)zigzag);
}

void
avro_double(struct buffer *out, double v)
{
	uint64_t bits;
	uint8_t bytes[8];

	memcpy(&bits, &v, sizeof bits);
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(bits >> (8 * i));
	buffer_append(out, bytes, sizeof bytes);
}

void
avro_boolean(struct buffer *out, bool v)
{
	buffer_append_byte(out, v);
}

void
avro_bytes(struct buffer *out, struct text v)
{
	avro_long(out, (int64_t)v.len);
	buffer_append(out, v.data, v.len);
}

void
avro_string(struct buffer *out, const char *v)
{
	avro_bytes(out, text_of(v));
}

void
avro_strings(struct buffer *out, const char *const *items, size_t count)
{
	if (count > 0) {
		avro_long(out, (int64_t)count);
		for (size_t i = 0; i < count; i++)
			avro_string(out, items[i]);
	}
	avro_long(out, 0);
}

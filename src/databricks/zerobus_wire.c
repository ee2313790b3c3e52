#include "databricks/zerobus_wire.h"

static int
read_varint(struct text *m, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (m->len == 0)
			return -1;
		byte = (uint8_t)*m->data;
		m->data++;
		m->len--;
		if (shift == 63 && byte > 1)
			return -1;
		*v |= (uint64_t)(byte & 0x7F) << shift;
		if (byte < 0x80)
			return 0;
	}
	return -1;
}

static int
read_fixed(struct text *m, uint64_t *v, size_t bytes)
{
	if (m->len < bytes)
		return -1;
	*v = 0;
	for (size_t i = 0; i < bytes; i++)
		*v |= (uint64_t)(uint8_t)m->data[i] << (8 * i);
	m->data += bytes;
	m->len -= bytes;
	return 0;
}

int
wire_next(struct text *m, struct wire_field *f)
{
	uint64_t tag;

	if (m->len == 0)
		return 0;
	*f = (struct wire_field){.number = 0};
	if (read_varint(m, &tag) != 0 || tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF)
		return -1;
	f->number = (uint32_t)(tag >> 3);
	f->type = (unsigned)(tag & 7);
	switch (f->type) {
	case WIRE_VARINT:
		return read_varint(m, &f->value) == 0 ? 1 : -1;
	case WIRE_FIXED64:
		return read_fixed(m, &f->value, 8) == 0 ? 1 : -1;
	case WIRE_FIXED32:
		return read_fixed(m, &f->value, 4) == 0 ? 1 : -1;
	case WIRE_BYTES:
		if (read_varint(m, &f->value) != 0 || f->value > m->len)
			return -1;
		f->bytes = text_span(m->data, (size_t)f->value);
		m->data += f->value;
		m->len -= (size_t)f->value;
		return 1;
	default:
		return -1;
	}
}

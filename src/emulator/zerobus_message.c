#include "emulator/zerobus_message.h"

#include "emulator/zerobus_private.h"

static bool
parse_create(struct text bytes, struct zerobus_create *c)
{
	const uint8_t *p = (const uint8_t *)bytes.data, *end = p + bytes.len;
	struct wire_field f;

	while (p < end) {
		if (!zerobus_wire_next(&p, end, &f))
			return false;
		if (f.number == 1 && f.wire == 2)
			c->table = f.span;
		else if (f.number == 3 && f.wire == 2)
			c->descriptor = f.span;
		else if (f.number == 4 && f.wire == 0)
			c->record_type = (int64_t)f.bits;
	}
	return true;
}

static bool
parse_ingest(struct text bytes, struct zerobus_ingest *in)
{
	const uint8_t *p = (const uint8_t *)bytes.data, *end = p + bytes.len;
	bool has_records = false;
	struct wire_field f;

	while (p < end) {
		if (!zerobus_wire_next(&p, end, &f))
			return false;
		if (f.number == 1 && f.wire == 0) {
			in->offset = (int64_t)f.bits;
			in->has_offset = true;
		} else if ((f.number == 2 || f.number == 3) && f.wire == 2) {
			in->is_json = f.number == 3;
			in->records = f.span;
			has_records = true;
		}
	}
	return has_records;
}

bool
zerobus_parse(struct text message, struct zerobus_message *m)
{
	const uint8_t *p = (const uint8_t *)message.data, *end = p + message.len;
	struct wire_field f;

	*m = (struct zerobus_message){.kind = ZEROBUS_NONE};
	while (p < end) {
		if (!zerobus_wire_next(&p, end, &f))
			return false;
		if (f.wire != 2 || f.number < 1 || f.number > 3)
			continue;
		if (f.number == 1) {
			m->kind = ZEROBUS_CREATE;
			if (!parse_create(f.span, &m->create))
				return false;
		} else {
			m->kind = ZEROBUS_INGEST;
			m->ingest = (struct zerobus_ingest){.is_batch = f.number == 3};
			if (!parse_ingest(f.span, &m->ingest))
				return false;
		}
	}
	return m->kind != ZEROBUS_NONE;
}

static void
put(struct buffer *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buffer_append_byte(out, (uint8_t)(v | 0x80));
	buffer_append_byte(out, (uint8_t)v);
}

void
zerobus_put_varint(struct buffer *out, int field, uint64_t v)
{
	put(out, (uint64_t)field << 3);
	put(out, v);
}

void
zerobus_put_bytes(struct buffer *out, int field, struct text bytes)
{
	put(out, ((uint64_t)field << 3) | 2);
	put(out, bytes.len);
	buffer_append(out, bytes.data, bytes.len);
}

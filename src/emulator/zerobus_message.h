/* The messages of EphemeralStream on the wire (wire/zerobus.md §2), read and written by hand: batches are large. */
#ifndef SFZB_EMULATOR_ZEROBUS_MESSAGE_H
#define SFZB_EMULATOR_ZEROBUS_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct zerobus_create {
	struct text table, descriptor;
	int64_t record_type; /* 0 when absent */
};

struct zerobus_ingest {
	int64_t offset;
	bool has_offset, is_batch, is_json;
	struct text records; /* the record, or the whole batch message: repeated field 1 */
};

struct zerobus_message {
	enum { ZEROBUS_NONE, ZEROBUS_CREATE, ZEROBUS_INGEST } kind;
	struct zerobus_create create;
	struct zerobus_ingest ingest;
};

/* Spans point into the message. false: not a request, or one without payload or records. */
bool zerobus_parse(struct text message, struct zerobus_message *m);

void zerobus_put_varint(struct buffer *out, int field, uint64_t v);
void zerobus_put_bytes(struct buffer *out, int field, struct text bytes);

#endif

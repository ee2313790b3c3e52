/*
 * A replay id: opaque bytes that name a place in a topic's stream. Stored and sent back unchanged,
 * compared for equality only (wire/pubsub.md §4).
 */
#ifndef SFZB_BASE_REPLAY_ID_H
#define SFZB_BASE_REPLAY_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

struct replay_id {
	uint8_t len; /* bytes; 0: none */
	uint8_t bytes[LIMIT_REPLAY_ID_BYTES];
};

#define REPLAY_ID_TEXT_SIZE (2 * LIMIT_REPLAY_ID_BYTES + 1)

/* -1 when longer than LIMIT_REPLAY_ID_BYTES; *id is then none. */
int replay_id_set(struct replay_id *id, struct text bytes);
bool replay_id_equal(const struct replay_id *a, const struct replay_id *b);
/* Lower-case hex of all bytes, no prefix; "" for none. Returns out, of REPLAY_ID_TEXT_SIZE bytes. */
char *replay_id_hex(char *out, const struct replay_id *id);
/*
 * The number people know from older tools: the first 8 bytes, big-endian, when the id has the usual ten bytes
 * (or eight). false: it has another shape.
 */
bool replay_id_number(const struct replay_id *id, uint64_t *number);
/*
 * As people write it: hex with or without 0x (an even number of digits, at least 16), base64 (ten bytes are 16
 * characters), or a decimal number (the usual ten bytes: eight of number, two zero). ERR_USAGE otherwise.
 */
int replay_id_parse(struct replay_id *id, const char *s, struct error *e);

#endif

/*
 * Hex, base64 (both alphabets) and percent-encoding. Decoders are strict and say no by -1.
 */
#ifndef SFZB_BASE_ENCODE_H
#define SFZB_BASE_ENCODE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

/* Bytes written to out (at most size), or -1: odd length, a character that is none, or too long. */
ssize_t encode_unhex(struct text from, uint8_t *out, size_t size);
/* Appends the decoded bytes; standard or URL alphabet, padding optional. -1 when malformed. */
int encode_unbase64(struct text from, struct buffer *out);
void encode_base64url(struct buffer *out, const void *data, size_t len); /* no padding */
/* Appends from with everything but A-Z a-z 0-9 - . _ ~ as %XX. */
void encode_percent(struct buffer *out, struct text from);
int encode_unpercent(struct text from, struct buffer *out); /* '+' becomes ' '; -1 when malformed */

#endif

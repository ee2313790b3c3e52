/*
 * JSON as text, without a tree: a writer of scalars that loses nothing (64-bit integers exact, doubles
 * shortest that read back the same, NUL and all of UTF-8), and a pull reader that hands numbers over
 * as their digits. For trees there is base/json.h.
 */
#ifndef SFZB_BASE_JSON_TEXT_H
#define SFZB_BASE_JSON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

/* A quoted string. Escapes only what JSON demands; UTF-8 passes as it is. */
void json_text_string(struct buffer *out, struct text s);
void json_text_int64(struct buffer *out, int64_t v);
/*
 * Shortest digits that strtod reads back to the same bits, always with '.' or an exponent ("100.0",
 * "1e+21", "-0.0"). NaN and infinities become the strings "NaN", "Infinity", "-Infinity".
 */
void json_text_double(struct buffer *out, double v);

enum json_token {
	JSON_TOKEN_END,	  /* after the one top-level value */
	JSON_TOKEN_ERROR, /* the error is set: what and at which byte */
	JSON_TOKEN_NULL,
	JSON_TOKEN_TRUE,
	JSON_TOKEN_FALSE,
	JSON_TOKEN_NUMBER, /* text: as written */
	JSON_TOKEN_STRING, /* text: unescaped */
	JSON_TOKEN_KEY,	   /* text: unescaped; the value follows */
	JSON_TOKEN_OBJECT,
	JSON_TOKEN_OBJECT_END,
	JSON_TOKEN_ARRAY,
	JSON_TOKEN_ARRAY_END,
};

struct json_reader {
	struct text input;
	size_t at;		 /* byte offset of the next token */
	struct text value;	 /* of the last token; borrowed until the next call */
	struct buffer unescaped; /* holds value when it had escapes */
	unsigned char stack[128]; /* open brackets; depth bounded by LIMIT_JSON_DEPTH */
	int depth;
	int state;
};

/* Borrows input until release. */
void json_reader_init(struct json_reader *r, struct text input);
void json_reader_release(struct json_reader *r);
enum json_token json_reader_next(struct json_reader *r, struct error *e);
/* Skips the value whose first token was just returned. */
int json_reader_skip(struct json_reader *r, enum json_token first, struct error *e);

#endif

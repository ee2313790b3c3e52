/*
 * Avro datum → JSON text, by a flat program of steps compiled from the schema once; no tree in
 * between and nothing allocated but the growth of the caller's buffer.
 *
 * A datum is never trusted: each length and count is checked against the bytes left before anything
 * is done with it; a varint of more than 5 (int) or 10 (long) bytes or beyond its range, an index
 * outside its enum or union, a block whose size is not what it said, text that is not UTF-8 and
 * bytes left over are refused: ERR_REFUSED with the field and the byte offset. Ceilings:
 * LIMIT_EVENT_JSON_BYTES on what comes out, LIMIT_JSON_DEPTH on nesting.
 *
 * JSON: 64-bit integers exact, doubles shortest, a float as the double that it equals, NaN and
 * infinities as strings, bytes and fixed as base64 with padding, enums as their symbol, unions
 * without a wrapper, nulls written, keys in schema order (wire/cdc-events.md §6). No spaces.
 *
 * On an error the output buffer is cut back to where it was.
 */
#ifndef SFZB_AVRO_DECODE_H
#define SFZB_AVRO_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "avro/schema.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

struct avro_decoder;

/* Keeps a reference to the schema. Never fails for a schema that was parsed. */
struct avro_decoder *avro_decoder_new(struct avro_schema *schema);
void avro_decoder_free(struct avro_decoder *d); /* NULL is fine */

/* Appends the whole datum as one JSON value. */
int avro_decode_json(
    const struct avro_decoder *d, struct text datum, struct buffer *out, struct error *e);

/*
 * A walk over the fields of a root record, in order, for callers who want them one by one. After
 * each call the cursor stands behind the last field read; on an error it is spent.
 */
struct avro_cursor {
	const struct avro_decoder *decoder;
	const uint8_t *data;
	size_t len, at;	 /* bytes of the datum; where the next byte is */
	size_t json_end; /* where the output buffer must stop: LIMIT_EVENT_JSON_BYTES behind its
			    start */
	int depth;
	const char *problem;  /* first fault: what, and where */
	long long number, of; /* said in the problem's text where it has a place for them */
	size_t problem_at;
	char path[192]; /* the field at fault, filled from its end while the calls return */
	size_t path_len;
};

/* Borrows datum. ERR_REFUSED when the root is no record. */
int avro_cursor_begin(
    struct avro_cursor *c, const struct avro_decoder *d, struct text datum, struct error *e);
/*
 * Reads fields from … to - 1 and appends each as `,"Name":value` (the comma stands before the
 * first, too). out NULL: checks and skips. offsets, if given: offsets[i] becomes where field i
 * begins in the datum, for from ≤ i < to.
 */
int avro_cursor_members(struct avro_cursor *c, size_t from, size_t to, struct buffer *out,
    size_t *offsets, struct error *e);
/* ERR_REFUSED when bytes are left over. */
int avro_cursor_end(struct avro_cursor *c, struct error *e);
/* Appends `,"Name":` of a field. */
void avro_cursor_key(const struct avro_cursor *c, size_t field, struct buffer *out);
/*
 * Appends the value of field `field`, which begins at offset `at` and was read before: where it is
 * the record that avro_type_record finds in its type, or null in place of it, an object of those
 * children whose bit in wanted (bit i%8 of byte i/8, enough bytes for all) is set, each null where
 * the record is; any other value comes whole. The cursor stays where it is.
 */
int avro_cursor_children(const struct avro_cursor *c, size_t field, size_t at,
    const uint8_t *wanted, struct buffer *out, struct error *e);

/* One value, read without JSON. What the schema has in another shape than these is skipped:
 * AVRO_ITEM_NONE. */
enum avro_item_kind {
	AVRO_ITEM_NONE,
	AVRO_ITEM_NUMBER, /* boolean, int, long */
	AVRO_ITEM_TEXT,	  /* string, enum (its symbol) */
	AVRO_ITEM_TEXTS,  /* array of strings */
};
struct avro_item {
	enum avro_item_kind kind;
	int64_t number;
	struct text text;
	struct text_list texts;
};

/* Room for the items of lists, reused from datum to datum. Zero it before the first use. */
struct avro_texts {
	struct text *items;
	size_t count, capacity;
};
void avro_texts_release(struct avro_texts *t);

/*
 * Reads the next field, a record (or a union that holds one), child by child into values, of as
 * many elements as that record has fields. *present becomes false when a union held something else.
 * Texts are borrowed from the datum and the schema, lists from texts (which the caller has
 * emptied).
 */
int avro_cursor_record(struct avro_cursor *c, size_t field, struct avro_item *values, bool *present,
    struct avro_texts *texts, struct error *e);
/* Reads the next field as one value. */
int avro_cursor_value(struct avro_cursor *c, size_t field, struct avro_item *value,
    struct avro_texts *texts, struct error *e);

#endif

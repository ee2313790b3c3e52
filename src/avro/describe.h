/*
 * A schema in words: a tree for people, columns for a Delta table, a protobuf message, and what
 * differs between two. All append to a buffer, end with a newline, and stop unfolding beyond
 * DESCRIBE_BYTES_MAX (types may be used many times inside each other).
 */
#ifndef SFZB_AVRO_DESCRIBE_H
#define SFZB_AVRO_DESCRIBE_H

#include "avro/schema.h"
#include "base/buffer.h"

#define DESCRIBE_BYTES_MAX (2 * 1024 * 1024)

/*
 * A line for each field, nested records indented below theirs: name, type, whether it may be null,
 * doc. A record type is unfolded where it is first used.
 */
void avro_describe_tree(const struct avro_schema *s, struct buffer *out);

/*
 * Delta column definitions, one for each field of the root record, separated by commas: STRUCT,
 * ARRAY and MAP nested; VARIANT for unions of several types and for recursive types; NOT NULL where
 * the schema has no null; doc as COMMENT. Dates and times are BIGINT, as they arrive; the comment
 * says what they count.
 */
void avro_describe_ddl(const struct avro_schema *s, struct buffer *out);

/* What a long counts, which only Salesforce's doc tells: "ms since midnight"; NULL: a number. */
const char *avro_describe_count(const struct avro_field *f);

/* A proto2 file: a message for each record; what protobuf cannot nest is a string of JSON. */
void avro_describe_proto(const struct avro_schema *s, struct buffer *out);

/*
 * "+ Path  type" for fields that are only in now, "- Path  type" for those only in before, "~ Path
 * type → type" for changed types, nullability and doc. Returns how many; nothing is appended for 0.
 */
size_t avro_describe_diff(
    const struct avro_schema *before, const struct avro_schema *now, struct buffer *out);

#endif

/*
 * The protobuf message type of a table's rows, made from its columns (wire/zerobus.md §7): what the
 * first message of a Zerobus stream carries, and what records are encoded by.
 */
#ifndef SFZB_DATABRICKS_DESCRIPTOR_H
#define SFZB_DATABRICKS_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "databricks/table.h"

/* protobuf's FieldDescriptorProto.Type */
enum proto_type {
	PROTO_DOUBLE = 1,
	PROTO_FLOAT = 2,
	PROTO_INT64 = 3,
	PROTO_INT32 = 5,
	PROTO_BOOL = 8,
	PROTO_STRING = 9,
	PROTO_MESSAGE = 11,
	PROTO_BYTES = 12,
};

/* Of a scalar kind; 0 for ARRAY, MAP, STRUCT and what Zerobus does not take. */
enum proto_type descriptor_scalar(enum delta_kind kind);

/* The field number of a column or, with the index, of a struct's field: + 1, and not 19000 … 19999.
 */
uint32_t descriptor_number(int position);

/* Whether Zerobus takes a column: its name and, at every depth, its type. ERR_MISFIT names the
 * column and the part. */
int descriptor_check_column(const struct delta_column *c, struct error *e);

/*
 * Appends a serialized DescriptorProto of the columns with included[i] (NULL: all). ERR_MISFIT, out
 * unchanged, when one of them cannot be taken. root is the message's name; NULL makes it from
 * schema and table.
 */
int descriptor_write(struct buffer *out, const struct delta_table *t, const bool *included,
    const char *root, struct error *e);

/*
 * Whether records of the descriptor `old` are records of `new` as well: each of its fields is there unchanged. *added (may
 * be NULL) gets the names of the fields that only new has, ", " between them.
 */
bool descriptor_extends(struct text old, struct text new, struct buffer *added);

#endif

/*
 * What the parts of databricks/record.h know of each other: record.c (the program that is compiled from a table's columns,
 * and how its parts are named in errors), record_read.c (a value of the input becomes a scalar), record_write.c (a row becomes a
 * record). Nobody else includes this.
 */
#ifndef SFZB_DATABRICKS_RECORD_PARTS_H
#define SFZB_DATABRICKS_RECORD_PARTS_H

#include <stdint.h>

#include "base/json_text.h"
#include "databricks/record.h"

/* A message: the row itself, a STRUCT. Or one of its parts, down to the scalars. */
struct node {
	const struct node *parent; /* the message, ARRAY or MAP that it is a part of; NULL: the row */
	char *name;		   /* of a column or field; NULL: element, key or value */
	enum delta_kind kind;
	int precision, scale;
	bool nullable;
	uint8_t tag[5], tag_len; /* PROTO */
	struct text key;	 /* JSON: `"name":` */
	struct node *parts;	 /* fields, or {element}, or {key, value} */
	size_t part_count;
	uint32_t *by_name; /* of a message: its fields in the order of their names */
};

struct record_writer {
	struct record_options options;
	struct node row;
	bool *columns;
	bool warned; /* of times that look like another unit */
	struct json_reader reader;
	struct buffer state;   /* one byte a field of each message that is open */
	struct buffer scratch; /* a converted value */
};

/* The field of a message with that name, without regard to case, or NULL. */
const struct node *node_find_field(const struct node *n, struct text key);

/* Puts "column 'addr.tags[]': " in front; -1, as the next two, which set ERR_REFUSED. */
int node_at_fault(const struct node *n, struct error *e);
int node_refuse(const struct node *n, struct error *e, const char *why);
int node_wrong_kind(const struct node *n, enum json_token token, const char *wanted, struct error *e);
/* What a value that begins with this token is called: "a number". */
const char *record_token_words(enum json_token token);

/* A value as the wire will carry it. */
struct scalar {
	enum { SCALAR_INTEGER, SCALAR_REAL, SCALAR_BOOLEAN, SCALAR_TEXT } form;
	int64_t integer; /* of a BOOLEAN too */
	double real;
	struct text text;
};
/*
 * The value that begins with this token, for a node that is no ARRAY, MAP or STRUCT. A text is valid until the next one is
 * read.
 */
int record_read_scalar(struct record_writer *w, const struct node *n, enum json_token token, struct scalar *v,
    struct error *e);

#endif

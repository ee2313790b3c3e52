/*
 * An Avro schema: the JSON as it was served, and the tree of types that it means.
 *
 * avro-c is the referee of what is a schema; what it takes and no datum could ever fill (a record
 * that contains itself without a way out, a negative size, a field twice) is refused here.
 * Everything in the tree belongs to the schema, never changes, and is reached through types; named
 * types are resolved, so a recursive record is a cycle. Reference counts are plain: a schema stays
 * in one thread.
 *
 * Ceilings: LIMIT_SCHEMA_BYTES, LIMIT_SCHEMA_DEPTH, LIMIT_SCHEMA_FIELDS (fields, branches and
 * symbols together).
 */
#ifndef SFZB_AVRO_SCHEMA_H
#define SFZB_AVRO_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum avro_kind {
	AVRO_KIND_NULL,
	AVRO_KIND_BOOLEAN,
	AVRO_KIND_INT,
	AVRO_KIND_LONG,
	AVRO_KIND_FLOAT,
	AVRO_KIND_DOUBLE,
	AVRO_KIND_BYTES,
	AVRO_KIND_STRING,
	AVRO_KIND_FIXED,
	AVRO_KIND_ENUM,
	AVRO_KIND_ARRAY,
	AVRO_KIND_MAP,
	AVRO_KIND_UNION,
	AVRO_KIND_RECORD,
};

/* Texts are also NUL-terminated. data == NULL: the schema does not say. */
struct avro_type {
	enum avro_kind kind;
	uint32_t index;	       /* its place in avro_schema_type() */
	struct text name;      /* fixed, enum, record: without the namespace */
	struct text namespace; /* the same; empty: the null namespace */
	struct text doc;
	struct text
	    logical; /* "timestamp-millis", "decimal", …: information, never acted upon here */
	int32_t precision, scale;	   /* decimal */
	size_t size;			   /* fixed: bytes */
	const struct text *symbols;	   /* enum */
	const struct avro_type **branches; /* union; array and map: one, the items or values */
	const struct avro_field *fields;   /* record */
	size_t count;			   /* of symbols, branches or fields */
};

struct avro_field {
	struct text name;
	struct text doc;
	const struct avro_type *type;
	/* the type without the null branch when that leaves one branch; else the same as type */
	const struct avro_type *value;
	bool nullable; /* null, or a union with a null branch */
};

struct avro_schema;

/* ERR_REFUSED with the reason. The reference belongs to the caller. */
struct avro_schema *avro_schema_parse(struct text json, struct error *e);
struct avro_schema *avro_schema_ref(struct avro_schema *s);
void avro_schema_unref(struct avro_schema *s); /* NULL is fine */

/* Byte for byte as given to parse. */
struct text avro_schema_json(const struct avro_schema *s);
const struct avro_type *avro_schema_root(const struct avro_schema *s);
/* Name of the root record, without the namespace: "AccountChangeEvent"; empty when the root has no
 * name. */
struct text avro_schema_record_name(const struct avro_schema *s);
/* Types are numbered 0 … count - 1, each occurrence of an unnamed type one. */
size_t avro_schema_type_count(const struct avro_schema *s);
const struct avro_type *avro_schema_type(const struct avro_schema *s, size_t index);

/* Position of the record's field of that name, or -1. */
ptrdiff_t avro_type_find(const struct avro_type *record, struct text name);
/* The record that a field holds: its type, or the first record among its branches; NULL for none.
 */
const struct avro_type *avro_type_record(const struct avro_type *t);
/*
 * "DateTime" of the doc "Data:DateTime:00N…": what Salesforce calls a field's type (wire/cdc-events.md §2.2), which is more
 * than Avro's type tells. Empty: the doc is of no such form.
 */
struct text avro_doc_type(struct text doc);
/* "string", "long", …, "union"; the word that a schema uses. */
const char *avro_kind_name(enum avro_kind kind);

#endif

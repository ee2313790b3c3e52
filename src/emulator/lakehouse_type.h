/*
 * Delta column types as trees: read from DDL text ("array<struct<a:int>>", "DECIMAL(10,2)") or from
 * Spark's JSON, written as either and as Unity Catalog's type_name. All types that Unity Catalog knows are
 * kept, also those that Zerobus cannot take, so that a client can be shown them (wire/databricks-http.md §5).
 *
 * Types are immutable once built and owned by the column or the field that holds them.
 */
#ifndef SFZB_EMULATOR_LAKEHOUSE_TYPE_H
#define SFZB_EMULATOR_LAKEHOUSE_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"

/*
 * kind, Unity Catalog's type_name, DDL word, word in Spark's JSON, SQLite's column type (none for FLOAT and DOUBLE: a REAL
 * column would keep -0.0 as the integer 0)
 */
#define LAKE_KINDS(X)                                                                              \
	X(BOOLEAN, "BOOLEAN", "boolean", "boolean", "INTEGER")                                     \
	X(BYTE, "BYTE", "tinyint", "byte", "INTEGER")                                              \
	X(SHORT, "SHORT", "smallint", "short", "INTEGER")                                          \
	X(INT, "INT", "int", "integer", "INTEGER")                                                 \
	X(LONG, "LONG", "bigint", "long", "INTEGER")                                               \
	X(FLOAT, "FLOAT", "float", "float", "")                                                    \
	X(DOUBLE, "DOUBLE", "double", "double", "")                                                \
	X(DECIMAL, "DECIMAL", "decimal", "decimal", "TEXT")                                        \
	X(STRING, "STRING", "string", "string", "TEXT")                                            \
	X(VARCHAR, "STRING", "varchar", "varchar", "TEXT")                                         \
	X(CHAR, "CHAR", "char", "char", "TEXT")                                                    \
	X(BINARY, "BINARY", "binary", "binary", "BLOB")                                            \
	X(DATE, "DATE", "date", "date", "INTEGER")                                                 \
	X(TIMESTAMP, "TIMESTAMP", "timestamp", "timestamp", "INTEGER")                             \
	X(TIMESTAMP_NTZ, "TIMESTAMP_NTZ", "timestamp_ntz", "timestamp_ntz", "INTEGER")             \
	X(VARIANT, "VARIANT", "variant", "variant", "TEXT")                                        \
	X(INTERVAL, "INTERVAL", "interval day to second", "interval day to second", "TEXT")        \
	X(GEOGRAPHY, "GEOGRAPHY", "geography", "geography", "TEXT")                                \
	X(GEOMETRY, "GEOMETRY", "geometry", "geometry", "TEXT")                                    \
	X(VOID, "NULL", "void", "void", "TEXT")                                                    \
	X(ARRAY, "ARRAY", "array", "array", "TEXT")                                                \
	X(MAP, "MAP", "map", "map", "TEXT")                                                        \
	X(STRUCT, "STRUCT", "struct", "struct", "TEXT")

enum lake_kind {
#define X(kind, name, ddl, json, sqlite) LAKE_##kind,
	LAKE_KINDS(X)
#undef X
	    LAKE_KIND_COUNT
};

struct lake_field;

struct lake_type {
	enum lake_kind kind;
	int precision, scale;	   /* DECIMAL; the length of VARCHAR and CHAR is the precision */
	struct lake_type *key;	   /* MAP */
	struct lake_type *element; /* ARRAY: elements, MAP: values */
	bool contains_null;	   /* of elements or values */
	struct lake_field *fields; /* STRUCT */
	size_t field_count;
};

struct lake_field {
	char *name;
	struct lake_type *type;
	bool nullable;
	char *comment; /* or NULL */
};

struct lake_type *lake_type_new(enum lake_kind kind);
struct lake_type *lake_type_clone(const struct lake_type *t);
void lake_type_free(struct lake_type *t);
void lake_field_copy(struct lake_field *to, const struct lake_field *from);
void lake_field_release(struct lake_field *f);
bool lake_type_equal(const struct lake_type *a, const struct lake_type *b); /* names and shapes, not comments */

/* Reads one type at *at and moves *at behind it. ERR_USAGE naming what is no type. */
struct lake_type *lake_type_parse(const char **at, struct error *e);
/* Spark's JSON: a word or an object. */
struct lake_type *lake_type_from_json(const struct json *j, struct error *e);

/* Fills *to also on failure; the caller releases it. */
int lake_field_from_json(struct lake_field *to, const struct json *f, struct error *e);

/* Spark's JSON of the type, and of a field {name, type, nullable, metadata}. New trees, the caller's. */
struct json *lake_type_json(const struct lake_type *t);
struct json *lake_field_json(const struct lake_field *f);
/* "array<string>", "decimal(10,2)", "struct<a:int,b:string>" */
void lake_type_text(const struct lake_type *t, struct buffer *out);
const char *lake_type_name(enum lake_kind kind);   /* "LONG" */
const char *lake_type_sqlite(enum lake_kind kind); /* "INTEGER" */

static inline bool
lake_kind_is_integer(enum lake_kind k)
{
	return k == LAKE_BYTE || k == LAKE_SHORT || k == LAKE_INT || k == LAKE_LONG;
}

static inline bool
lake_kind_is_number(enum lake_kind k)
{
	return lake_kind_is_integer(k) || k == LAKE_FLOAT || k == LAKE_DOUBLE || k == LAKE_DECIMAL;
}

static inline bool
lake_kind_is_text(enum lake_kind k)
{
	return k == LAKE_STRING || k == LAKE_VARCHAR || k == LAKE_CHAR;
}

static inline bool
lake_kind_is_nested(enum lake_kind k)
{
	return k == LAKE_ARRAY || k == LAKE_MAP || k == LAKE_STRUCT;
}

#endif

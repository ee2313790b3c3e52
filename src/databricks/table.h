/*
 * A Delta table as Unity Catalog describes it: its columns with their types as trees, and what
 * decides whether rows can be ingested into it. Read from the answer of GET …/unity-catalog/tables/…
 * (wire/databricks-http.md §5). The catalog is asked, never assumed.
 *
 * No I/O here. Everything in a struct delta_table belongs to it and is released with it.
 */
#ifndef SFZB_DATABRICKS_TABLE_H
#define SFZB_DATABRICKS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"

/* Kind, name in SQL, name in type_json, type_name in the catalog. */
#define DELTA_KINDS(X)                                                                              \
	X(BOOLEAN, "BOOLEAN", "boolean", "BOOLEAN")                                                \
	X(BYTE, "TINYINT", "byte", "BYTE")                                                         \
	X(SHORT, "SMALLINT", "short", "SHORT")                                                     \
	X(INT, "INT", "integer", "INT")                                                            \
	X(LONG, "BIGINT", "long", "LONG")                                                          \
	X(FLOAT, "FLOAT", "float", "FLOAT")                                                        \
	X(DOUBLE, "DOUBLE", "double", "DOUBLE")                                                    \
	X(DECIMAL, "DECIMAL", "decimal", "DECIMAL")                                                \
	X(STRING, "STRING", "string", "STRING")                                                    \
	X(VARCHAR, "VARCHAR", "varchar", "VARCHAR")                                                \
	X(CHAR, "CHAR", "char", "CHAR")                                                            \
	X(BINARY, "BINARY", "binary", "BINARY")                                                    \
	X(DATE, "DATE", "date", "DATE")                                                            \
	X(TIMESTAMP, "TIMESTAMP", "timestamp", "TIMESTAMP")                                        \
	X(TIMESTAMP_NTZ, "TIMESTAMP_NTZ", "timestamp_ntz", "TIMESTAMP_NTZ")                        \
	X(VARIANT, "VARIANT", "variant", "VARIANT")                                                \
	X(ARRAY, "ARRAY", "array", "ARRAY")                                                        \
	X(MAP, "MAP", "map", "MAP")                                                                \
	X(STRUCT, "STRUCT", "struct", "STRUCT")                                                    \
	/* INTERVAL, GEOGRAPHY, VOID and whatever comes next: known by its name only */            \
	X(OTHER, "", "", "")

enum delta_kind {
#define X(kind, sql, json, catalog) DELTA_##kind,
	DELTA_KINDS(X)
#undef X
};

struct delta_field;

struct delta_type {
	enum delta_kind kind;
	int precision, scale;	/* DECIMAL(p,s); precision is also the length of VARCHAR and CHAR */
	struct delta_type *key;	/* MAP */
	struct delta_type *element;	/* of an ARRAY, or the value type of a MAP */
	bool element_nullable;	/* containsNull, valueContainsNull */
	struct delta_field *fields;	/* STRUCT */
	size_t field_count;
	char *name;		/* OTHER: as the catalog spells it */
};

/* A field of a struct, or the part of a column that is the same. */
struct delta_field {
	char *name;
	struct delta_type type;
	bool nullable;
};

struct delta_column {
	char *name;
	struct delta_type type;
	bool nullable;
	bool generated; /* GENERATED ALWAYS AS: cannot be ingested into */
	char *comment;	/* or NULL */
	int position;	/* from 0 */
};

struct delta_table {
	char *catalog, *schema, *name; /* unquoted */
	char *full_name;	       /* "main.crm.events" */
	char *kind;		       /* "MANAGED", "VIEW", …; "" when the answer did not say */
	char *format;		       /* "DELTA", …; "" when the answer did not say */
	bool row_tracking;	       /* property delta.enableRowTracking is true */
	struct delta_column *columns;	       /* by rising position */
	size_t column_count;
};

/*
 * The table in a catalog's answer. ERR_REFUSED when the answer is not one (a column is named); ERR_MISFIT
 * past LIMIT_COLUMNS or LIMIT_TYPE_DEPTH.
 */
struct delta_table *delta_table_parse(const struct json *answer, struct error *e);
void delta_table_free(struct delta_table *t);

/* By name, without regard to case, as Delta compares them. NULL when there is none. */
const struct delta_column *delta_table_find(const struct delta_table *t, const char *name);
/* Whether there is such a column, and it holds text. */
bool delta_table_has_text(const struct delta_table *t, const char *name);

/*
 * "main.crm.events", with parts quoted by backticks or not → its three unquoted parts (each of
 * DELTA_PART_SIZE bytes). ERR_USAGE when there are not exactly three or one is empty.
 */
#define DELTA_PART_SIZE 256
int delta_split_name(const char *full, char parts[3][DELTA_PART_SIZE], struct error *e);

/* A legal Zerobus name: ASCII letters, digits and '_', not starting with a digit (wire/zerobus.md §6). */
bool delta_name_is_plain(const char *name);

/*
 * The name for a command that a person pastes into a shell: parts in backticks that need them, and then the whole in single
 * quotes. To be freed. The latter of a full name, as delta_split_name takes it.
 */
char *delta_shell_name(const char *catalog, const char *schema, const char *name);
char *delta_shell_full_name(const char *full);

/* One type as JSON (a string such as "long", or an object); depth-bounded. */
int delta_type_parse_json(struct delta_type *out, const struct json *j, struct error *e);
/* As SQL spells it, of any nesting: "decimal(10,2)", "array<struct<a:bigint>>". For answers without type_json. */
int delta_type_parse_text(struct delta_type *out, const char *text, struct error *e);
void delta_type_release(struct delta_type *t);
/* "ARRAY<STRING>", "DECIMAL(10,2)", "STRUCT<`a b`: BIGINT>" as DDL takes it. */
void delta_type_write_sql(struct buffer *out, const struct delta_type *t);
bool delta_type_equal(const struct delta_type *a, const struct delta_type *b);

/* `name` in backticks, a backtick inside doubled. */
void delta_quote(struct buffer *out, const char *name);
/* The same only where the name needs it: it is not plain, or it is a reserved word. */
void delta_quote_if_needed(struct buffer *out, const char *name);

#endif

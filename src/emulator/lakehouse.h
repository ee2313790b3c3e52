/*
 * The emulator's lakehouse: catalogs, schemas and Delta tables over one SQLite file.
 *
 * A Delta table is one SQLite table under its three-part name, with its own column names, so that the
 * file can be looked at with any SQLite tool. Scalars are native; TIMESTAMP and DATE are integers (µs and days
 * since 1970), DECIMAL is text, ARRAY, MAP, STRUCT and VARIANT are JSON text.
 *
 * Promises: an append is told done only after its COMMIT (write-ahead log; synchronous FULL by option);
 * appends of one caller are stored in order, each whole or not at all; many share one transaction. Rows become
 * visible to SQL visibility_delay_ms after their commit. All functions may be called from any thread.
 *
 * Names compare without case, as Unity Catalog does.
 */
#ifndef SFZB_EMULATOR_LAKEHOUSE_H
#define SFZB_EMULATOR_LAKEHOUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "emulator/lakehouse_type.h"

struct lakehouse;

struct lakehouse_options {
	const char *path; /* of the SQLite file; created when absent */
	bool synchronous_full;
	int64_t visibility_delay_ms;
	const struct clock *clock; /* NULL: the system's */
};

/* Catalog "main" with schemas "default" and "crm" is there from the start. */
struct lakehouse *lakehouse_open(const struct lakehouse_options *o, struct error *e);
/* Stores what was appended, then closes. */
void lakehouse_close(struct lakehouse *l);

struct lake_property {
	char *key, *value;
};

/* A table as it was at one moment; immutable, shared by count. */
struct lake_table {
	int64_t id;
	uint64_t version; /* grows with every change of the table */
	char *catalog, *schema, *name;
	char uuid[UUID_SIZE];
	char *comment; /* or NULL */
	struct lake_field *columns;
	size_t column_count;
	struct lake_property *properties;
	size_t property_count;
	int64_t created_ms, updated_ms;
	int refs; /* atomic */
};

struct lake_name {
	const char *catalog, *schema, *table; /* the last may be NULL */
};

/* The table now, to be unreferenced by the caller; NULL when there is none. */
struct lake_table *lakehouse_find(struct lakehouse *l, struct lake_name name);
struct lake_table *lake_table_ref(struct lake_table *t);
void lake_table_unref(struct lake_table *t);
/* Index of a column, -1: none. */
int lake_table_column(const struct lake_table *t, struct text name);
/* "main.crm.events", appended. */
void lake_table_full_name(const struct lake_table *t, struct buffer *out);
/* The name as SQLite sees it, quoted: "main.crm.events". */
void lake_table_sqlite_name(const struct lake_table *t, struct buffer *out);

/* All tables of a schema (or of all: NULLs), by name, each referenced; the array is freed by the caller. */
size_t lakehouse_tables(struct lakehouse *l, const char *catalog, const char *schema, struct lake_table ***out);

struct lake_namespace {
	char *catalog, *schema; /* schema NULL: a catalog */
	char *comment;		/* or NULL */
	int64_t created_ms;
};

/* Catalogs (catalog NULL) or the schemas of one; copies, released with lake_namespaces_free. */
size_t lakehouse_namespaces(struct lakehouse *l, const char *catalog, struct lake_namespace **out);
void lake_namespaces_free(struct lake_namespace *list, size_t count);
bool lakehouse_has_catalog(struct lakehouse *l, const char *catalog);
bool lakehouse_has_schema(struct lakehouse *l, const char *catalog, const char *schema);

/*
 * Changes of the catalog. Errors: ERR_NOT_FOUND for a missing parent or object, ERR_CONFIG for one that is there
 * already, ERR_MISFIT for a change that Delta does not allow, ERR_FAILED for the disk's.
 */
int lakehouse_create_catalog(struct lakehouse *l, const char *catalog, const char *comment, struct error *e);
int lakehouse_create_schema(struct lakehouse *l, const char *catalog, const char *schema, const char *comment,
    struct error *e);
/* Drops a schema (or, schema NULL, a catalog); with cascade also what it holds, else ERR_MISFIT when not empty. */
int lakehouse_drop_namespace(struct lakehouse *l, const char *catalog, const char *schema, bool cascade,
    struct error *e);

struct lake_definition {
	struct lake_name name;
	const struct lake_field *columns;
	size_t column_count;
	const char *comment;
	const struct lake_property *properties;
	size_t property_count;
};

int lakehouse_create_table(struct lakehouse *l, const struct lake_definition *d, struct error *e);
int lakehouse_drop_table(struct lakehouse *l, struct lake_name name, struct error *e);

enum lake_change_kind {
	LAKE_ADD_COLUMN,      /* column; nullable whatever it says */
	LAKE_DROP_COLUMN,     /* name */
	LAKE_RENAME_COLUMN,   /* name, text */
	LAKE_COLUMN_TYPE,     /* name, column.type: widening only */
	LAKE_COLUMN_NULLABLE, /* name, column.nullable */
	LAKE_COLUMN_COMMENT,  /* name, text */
	LAKE_TABLE_COMMENT,   /* text */
	LAKE_RENAME_TABLE,    /* text: the last part only */
	LAKE_SET_PROPERTY,    /* name, text */
	LAKE_UNSET_PROPERTY,  /* name */
};

struct lake_change {
	enum lake_change_kind kind;
	const char *name;
	const char *text;
	struct lake_field column;
};

/* All or none. */
int lakehouse_alter(struct lakehouse *l, struct lake_name name, const struct lake_change *changes, size_t count,
    struct error *e);

/* Grants are recorded and shown; what they deny is up to who asks (lakehouse_is_denied). */
struct lake_grant {
	char *principal, *privilege, *object_type, *object; /* "SELECT", "TABLE", "main.crm.events" */
	bool revoked;					    /* by REVOKE: refused from then on */
};

int lakehouse_grant(struct lakehouse *l, const struct lake_grant *g, struct error *e);
size_t lakehouse_grants(struct lakehouse *l, const char *object, struct lake_grant **out);
void lake_grants_free(struct lake_grant *list, size_t count);
/* Whether a REVOKE took this privilege on the object (or all of them) from the principal. */
bool lakehouse_is_denied(struct lakehouse *l, const char *principal, const char *privilege, const char *object);

/* One value of a row. Text and bytes are borrowed. */
enum lake_cell_kind { LAKE_CELL_NULL, LAKE_CELL_INTEGER, LAKE_CELL_REAL, LAKE_CELL_TEXT, LAKE_CELL_BYTES };

struct lake_cell {
	enum lake_cell_kind kind;
	union {
		int64_t integer;
		double real;
		struct text bytes;
	};
};

/*
 * Which columns of a table the rows of a stream fill, in order; the others become NULL. Holds the prepared statement
 * of the writer. Used by one thread at a time beside the writer.
 */
struct lake_layout;

/* Keeps the table; columns are indexes into its columns. */
struct lake_layout *lake_layout_new(struct lakehouse *l, struct lake_table *table, const int *columns, size_t count);
/* Only when none of its appends is under way. */
void lake_layout_free(struct lake_layout *y);

/*
 * Rows to store: rows × the layout's columns cells. Belongs to the lakehouse from lakehouse_append until done is called, once,
 * on the writer's thread, where nothing may block: e is NULL after the COMMIT; ERR_NOT_FOUND: the table is gone;
 * ERR_MISFIT: it was changed and the layout no longer fits (names the column); ERR_UNAVAILABLE: the disk's fault.
 */
struct lake_append {
	struct lake_layout *layout;
	const struct lake_cell *cells;
	size_t rows;
	void (*done)(struct lake_append *a, const struct error *e);
	void *context;		  /* the caller's */
	struct lake_append *next; /* the lakehouse's */
};

void lakehouse_append(struct lakehouse *l, struct lake_append *a);

#endif

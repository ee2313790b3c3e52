/*
 * The event table: the columns sfzb knows, what a `create-table` makes of them, and whether a table
 * that exists fits.
 *
 * One list says everything about a column: its name, the type that a new table gets, the layout it
 * belongs to, what kind of value an event has for it, and its comment. Which other types may hold
 * that value says event_column_takes, which the row writer and the fit check share.
 */
#ifndef SFZB_DATABRICKS_TABLE_LAYOUT_H
#define SFZB_DATABRICKS_TABLE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "databricks/table.h"

enum layout { LAYOUT_CLASSIC, LAYOUT_FULL };

/* What an event gives for a column. */
enum event_value {
	VALUE_TEXT,  /* text */
	VALUE_JSON,  /* text that is a JSON value */
	VALUE_LIST,  /* texts */
	VALUE_BYTES, /* bytes */
	VALUE_INT,   /* an exact integer */
	VALUE_TIME,  /* a point in time, ms since 1970 */
};

/*
 * Column, type of a new table's, layout that has it first, value, whether every event has it, comment. The 16
 * of LAYOUT_CLASSIC in the order of the tables that the Python project made (wire/zerobus.md §9).
 */
#define EVENT_COLUMNS(X)                                                                           \
	X(event_id, "STRING", CLASSIC, TEXT, true, "id of the event, unique")                      \
	X(schema_id, "STRING", CLASSIC, TEXT, true, "id of the Avro schema the event was written with") \
	X(replay_id, "STRING", CLASSIC, TEXT, true, "place in the topic, hexadecimal")             \
	X(timestamp, "BIGINT", CLASSIC, TIME, true, "when the change was committed, ms since 1970 UTC") \
	X(change_type, "STRING", CLASSIC, TEXT, true, "CREATE, UPDATE, DELETE, UNDELETE, GAP_...") \
	X(entity_name, "STRING", CLASSIC, TEXT, true, "object that changed; UNKNOWN for platform events") \
	X(change_origin, "STRING", CLASSIC, TEXT, true, "API and client that made the change")     \
	X(record_ids, "ARRAY<STRING>", CLASSIC, LIST, true, "ids of the changed records")          \
	X(changed_fields, "ARRAY<STRING>", CLASSIC, LIST, true, "names of the fields an update changed") \
	X(nulled_fields, "ARRAY<STRING>", CLASSIC, LIST, true, "names of the fields an update set to null") \
	X(diff_fields, "ARRAY<STRING>", CLASSIC, LIST, true, "names of the fields sent as a unified diff") \
	X(record_data_json, "STRING", CLASSIC, JSON, true, "all fields of the event, nulls included") \
	X(payload_binary, "BINARY", CLASSIC, BYTES, true, "the event as received, Avro")           \
	X(schema_json, "STRING", CLASSIC, JSON, false, "the Avro schema; see --schema-json")       \
	X(org_id, "STRING", CLASSIC, TEXT, true, "Salesforce organisation")                        \
	X(processed_timestamp, "BIGINT", CLASSIC, TIME, true, "when sfzb wrote the row, ms since 1970 UTC") \
	X(topic, "STRING", FULL, TEXT, true, "topic the event came from")                          \
	X(commit_timestamp, "TIMESTAMP", FULL, TIME, true, "when the change was committed; for a platform event, when it was created") \
	X(commit_number, "BIGINT", FULL, INT, false, "order of the transaction in the organisation") \
	X(commit_user, "STRING", FULL, TEXT, false, "id of the user who made the change")          \
	X(transaction_key, "STRING", FULL, TEXT, false, "the same for all changes of one transaction") \
	X(sequence_number, "INT", FULL, INT, false, "order within the transaction, from 1")        \
	X(changed_json, "STRING", FULL, JSON, true, "just the fields that changed, nulls included")

enum event_column_id {
#define X(name, type, layout, value, always, comment) COLUMN_##name,
	EVENT_COLUMNS(X)
#undef X
	    EVENT_COLUMN_COUNT
};

struct event_column {
	const char *name, *type; /* type: SQL */
	enum layout layout;
	enum event_value value;
	bool always; /* no event is without a value */
	const char *comment;
};
extern const struct event_column event_columns[EVENT_COLUMN_COUNT];

/* The known column of that name (without regard to case), or -1. */
int event_column_find(const char *name);
/*
 * Whether a column of this type can hold the values: TEXT: STRING, VARCHAR, VARIANT; JSON: the same; LIST:
 * ARRAY of STRING or VARCHAR, STRING (a JSON array), VARIANT; BYTES: BINARY, STRING (base64); INT: integers,
 * DECIMAL without fraction, STRING; TIME: BIGINT (ms), TIMESTAMP, TIMESTAMP_NTZ, STRING (RFC 3339).
 */
bool event_column_takes(const struct event_column *c, const struct delta_type *t);
/* The types it takes, for messages: "STRING, VARCHAR or VARIANT". */
const char *event_column_types(const struct event_column *c);

/*
 * The statements that let a principal (NULL: a placeholder) write to a table, one a line, each ending in ";\n". Nothing when
 * full is no table name.
 */
void delta_write_grants(struct buffer *out, const char *full, const char *principal);
/* `main`.`crm`.`events`. ERR_USAGE when full is no such name. */
int delta_write_name(struct buffer *out, const char *full, struct error *e);
void delta_write_table(struct buffer *out, const struct delta_table *t);

struct delta_property {
	const char *key, *value;
};
struct delta_plan {
	const char *table; /* "main.crm.events" */
	enum layout layout;
	bool column_comments;
	const char *comment;			 /* of the table; NULL: the usual one, "": none */
	const struct delta_property *properties; /* more, or others for the usual keys */
	size_t property_count;
};
/* Whether a table can have this name: three parts, the last one that Zerobus takes. ERR_USAGE. */
int delta_check_name(const char *name, struct error *e);
/* And whether rows can go there: all parts travel unquoted in an ASCII header (wire/zerobus.md §1). ERR_USAGE. */
int delta_check_ingest_name(const char *name, struct error *e);
/*
 * CREATE TABLE IF NOT EXISTS … as wire/databricks-http.md §8 has it; no trailing ';'. ERR_USAGE when a name is
 * none that Zerobus takes.
 */
int delta_create_sql(struct buffer *out, const struct delta_plan *plan, struct error *e);

/* How a table differs from what a row needs. */
enum finding_kind {
	FINDING_MISSING,	/* a column of the layout that the table lacks: its value is left out */
	FINDING_TYPE,		/* a known column of a type that cannot hold its value */
	FINDING_EXTRA,		/* an unknown nullable column: stays NULL */
	FINDING_REQUIRED,	/* an unknown NOT NULL column: no row can be written */
	FINDING_MAY_BE_NULL,	/* a known NOT NULL column that some events have no value for */
	FINDING_GENERATED,	/* a GENERATED column: Zerobus refuses the table */
	FINDING_UNSUPPORTED,	/* an unknown column of a type that Zerobus cannot take */
	FINDING_NAME,		/* a name that Zerobus does not take */
	FINDING_TABLE,		/* not MANAGED, not DELTA */
	FINDING_ROW_TRACKING,	/* delta.enableRowTracking: opening fails with 1022 */
	FINDING_EMPTY,		/* not one known column */
	FINDING_NO_ID,		/* no event_id column: rows cannot be looked up */
};
enum finding_severity {
	SEVERITY_NOTE,	  /* works, and nothing is lost by it */
	SEVERITY_LACKING, /* works, but less is stored than could be */
	SEVERITY_MISFIT,  /* no stream can be opened, or rows would be refused */
};
struct finding {
	enum finding_kind kind;
	enum finding_severity severity;
	char column[128]; /* cleaned; "" when it is about the table */
	char text[320];	  /* "column 'timestamp' is STRUCT<…> but must be …" */
};
struct fit {
	struct finding *findings; /* misfits first */
	size_t count, misfits, lacking;
};

/* Compares; no error is possible. Release with fit_release. */
void delta_check(const struct delta_table *t, enum layout layout, struct fit *out);
void fit_release(struct fit *f);
/* -1 and ERR_MISFIT naming the first misfit and how many more there are; 0 when rows can be written. */
int fit_error(const struct fit *f, const struct delta_table *t, struct error *e);
/* For an error about a table's columns: the command that lists them. Returns -1. */
int fit_hint(const struct delta_table *t, struct error *e);
/*
 * The statements that add what the table lacks of the layout and switch off what is in the way, one
 * a line, each ending in ";\n". Returns how many; 0 and nothing appended when there is nothing to do. What an
 * ALTER cannot mend (a type, NOT NULL) is not in it.
 */
int delta_alter_sql(struct buffer *out, const struct delta_table *t, enum layout layout);

#endif

/* What the files of record decoding share. */
#ifndef SFZB_EMULATOR_ZEROBUS_PRIVATE_H
#define SFZB_EMULATOR_ZEROBUS_PRIVATE_H

#include "emulator/zerobus_record.h"

struct plan_message;

enum plan_shape { PLAN_SINGLE, PLAN_ARRAY, PLAN_MAP };

/* One field of a message and the column, struct field, element or map value that it fills. */
struct plan_field {
	uint32_t number;
	const char *name;	      /* the table's spelling; borrowed from the table's type */
	const struct lake_type *type; /* of the single value, the element, or the map's value */
	const struct lake_type *key;  /* PLAN_MAP */
	enum plan_shape shape;
	bool required;
	struct plan_message *message; /* of a STRUCT value */
};

struct plan_message {
	struct plan_field *fields;
	size_t count;
	int16_t *by_number; /* field number → index, -1 none; up to highest */
	uint32_t highest;
};

struct record_plan {
	struct lake_table *table;
	int *columns;
	size_t count;
	struct plan_message *message; /* PROTO: its fields are the columns, in the same order; NULL: JSON */
};

/* One field of a protobuf message. */
struct wire_field {
	uint32_t number;
	int wire;	  /* 0 varint, 1 64 bits, 2 bytes, 5 32 bits */
	uint64_t bits;	  /* of 0, 1 and 5 */
	struct text span; /* of 2 */
};

/* Reads the field at *p and moves behind it. false: malformed. */
bool zerobus_wire_next(const uint8_t **p, const uint8_t *end, struct wire_field *f);

/* Memory of the rows' own. */
void *record_memory_add(struct record_rows *r, const void *data, size_t len);

/* Text values, checked by type: UTF-8, length, decimal digits, JSON of a VARIANT. Sets cell or the error. */
int record_text_cell(struct record_rows *r, const struct lake_type *t, const char *name, struct text value,
    struct lake_cell *cell, struct error *e);
/* ERR_REFUSED, naming the field; -1, always. */
int record_refuse(const char *name, const char *why, struct error *e);
int record_check_integer(const struct lake_type *t, const char *name, int64_t v, struct error *e);
/* One checked scalar as it is kept inside the JSON of a nested value. */
void record_cell_json(const struct lake_type *t, const struct lake_cell *cell, struct buffer *out);

int record_add_json(struct record_rows *r, const struct record_plan *p, struct text record, struct lake_cell *cells,
    struct error *e);

#endif

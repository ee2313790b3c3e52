/*
 * Ingested records → rows: the descriptor that a client sent is held against the table's columns once (the plan), then
 * each record is read by it, every value checked (wire/zerobus.md §7, §8, §10). Written from the wire pages and
 * sharing nothing with the client in databricks/, so that a mistake cannot hide in code that both ends use.
 */
#ifndef SFZB_EMULATOR_ZEROBUS_RECORD_H
#define SFZB_EMULATOR_ZEROBUS_RECORD_H

#include "base/buffer.h"
#include "base/error.h"
#include "emulator/lakehouse.h"

struct record_plan;

/*
 * For PROTO: descriptor is a serialized DescriptorProto. ERR_MISFIT with the words for INVALID_ARGUMENT when it does not
 * parse, is not self-contained (4033), or does not fit the table. Keeps the table.
 */
struct record_plan *record_plan_proto(struct text descriptor, struct lake_table *table, struct error *e);
/* For JSON: every column of the table, by name. ERR_MISFIT: a NOT NULL column has a type that cannot be ingested. */
struct record_plan *record_plan_json(struct lake_table *table, struct error *e);
void record_plan_free(struct record_plan *p);

/* The columns that its rows fill, as for lake_layout_new. */
const int *record_plan_columns(const struct record_plan *p, size_t *count);

/* Rows decoded so far: rows × columns cells, which point into the records or into memory of this struct. */
struct record_rows {
	struct lake_cell *cells;
	size_t rows, cell_capacity;
	struct record_memory *memory; /* of text that was made */
	size_t bytes;		      /* of memory */
};

void record_rows_release(struct record_rows *r);
/* Adds one row. ERR_REFUSED naming column and reason; what was added before stays. The record must outlive the rows. */
int record_rows_add(struct record_rows *r, const struct record_plan *p, struct text record, struct error *e);

#endif

/*
 * Databricks SQL on the lakehouse: one statement is translated to SQLite's dialect, with the Delta types of every
 * expression followed through it, and run. Good for what sfzb sends and for a person's SELECTs, not for all of Spark.
 * Errors carry Databricks' classes and SQLSTATEs.
 */
#ifndef SFZB_EMULATOR_SQL_H
#define SFZB_EMULATOR_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emulator/lakehouse.h"

struct spark_parameter {
	const char *name;
	const char *type;  /* "STRING", "BIGINT", …; NULL: STRING */
	const char *value; /* NULL: null */
};

struct spark_request {
	const char *statement;
	const char *catalog, *schema; /* defaults for short names; NULL: main, default */
	const char *principal;	      /* whose grants count; NULL: nobody's */
	const struct spark_parameter *parameters;
	size_t parameter_count;
	size_t row_limit;  /* 0: none */
	size_t byte_limit; /* of all values; 0: none. Both cut the result and set truncated */
	size_t byte_ceiling; /* a result of more bytes fails; 0: none */
	const int *cancel;   /* atomic; not 0: stop */
};

struct spark_column {
	char *name;
	struct lake_type *type;
};

struct spark_result {
	struct spark_column *columns;
	size_t column_count;
	struct buffer data;  /* every row as a JSON array of strings and nulls, one after the other */
	size_t *row_ends;    /* offsets into data */
	size_t rows, row_capacity;
	bool has_rows; /* a statement that answers rows (even none), not DDL */
	bool truncated, canceled;
	char state[8]; /* SQLSTATE of a failure */
	char kind[64]; /* error_code of the statements API: "BAD_REQUEST" */
};

void spark_result_release(struct spark_result *r);
/* -1: failed; the error's text is "[CLASS] words", r->state its SQLSTATE. */
int spark_run(struct lakehouse *l, const struct spark_request *q, struct spark_result *r, struct error *e);

/* To be called once, before the lakehouse is opened: its connections get the functions of the dialect. */
void spark_set_up(void);

#endif

/*
 * Scalar values of records: from the spellings that people and programs use to what the wire carries. Exact:
 * what a type cannot hold is ERR_REFUSED, and the text says why (the column is the caller's to name).
 */
#ifndef SFZB_DATABRICKS_RECORD_VALUE_H
#define SFZB_DATABRICKS_RECORD_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "databricks/record.h"

/* A whole number, as digits with or without point and exponent, between min and max. */
int record_read_integer(struct text s, int64_t min, int64_t max, int64_t *out, struct error *e);
/* Appends plain decimal text: "-12.50" is kept as "-12.5", "1e3" is "1000". */
int record_read_decimal(struct text s, int precision, int scale, struct buffer *out, struct error *e);
/* "NaN", "Infinity", "-Infinity" (and "inf", in any case) too. single: within the range of FLOAT. */
int record_read_real(struct text s, bool single, double *out, struct error *e);
int record_read_boolean(struct text s, bool *out, struct error *e);
/* Days since 1970-01-01. */
int record_read_date(struct text s, int64_t *days, struct error *e);
/* Microseconds since 1970-01-01 UTC; of the wall clock when zoned is false (an offset is then refused). */
int record_read_timestamp(struct text s, bool zoned, int64_t *micros, struct error *e);
/* A number of some unit to microseconds. */
int record_scale_time(int64_t number, enum record_unit unit, int64_t *micros, struct error *e);

#endif

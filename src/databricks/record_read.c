/* Reading a value: what stands in the input, by the type of its column, without rounding or cutting anything. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "databricks/record_parts.h"
#include "databricks/record_value.h"

/* Milliseconds read as microseconds lie in January 1970: the one mistake everybody makes once. */
static void
doubt_unit(struct record_writer *w, const struct node *n, int64_t number, int64_t micros)
{
	char time[CLOCK_TIME_SIZE];

	if (w->warned || w->options.unit != RECORD_MICROS || number < INT64_C(100000000) ||
	    number >= INT64_C(20000000000000))
		return;
	w->warned = true;
	log_warn("ingest", "column '%s': the number %" PRId64 " counts microseconds, which makes it %s; see --time-unit",
	    n->name != NULL ? n->name : "[]", number, clock_format_time(time, micros / 1000));
}

static int
read_time(struct record_writer *w, const struct node *n, enum json_token token, struct text s, int64_t *micros,
    struct error *e)
{
	int64_t number;

	if (token == JSON_TOKEN_STRING)
		return record_read_timestamp(s, n->kind == DELTA_TIMESTAMP, micros, e);
	if (record_read_integer(s, INT64_MIN, INT64_MAX, &number, e) != 0 ||
	    record_scale_time(number, w->options.unit, micros, e) != 0)
		return -1;
	doubt_unit(w, n, number, *micros);
	return 0;
}

static int
check_length(const struct node *n, struct text t, struct error *e)
{
	size_t characters = 0;

	for (size_t i = 0; i < t.len; i++)
		characters += ((unsigned char)t.data[i] & 0xC0) != 0x80;
	if (n->kind == DELTA_VARCHAR && characters > (size_t)n->precision)
		return error_set(e, ERR_REFUSED, "its text of %zu characters is longer than VARCHAR(%d)", characters,
		    n->precision);
	return 0;
}

/* Any JSON value as it stands: numbers keep their digits. */
static int
read_variant(struct record_writer *w, enum json_token token, struct scalar *v, struct error *e)
{
	struct json_reader *r = &w->reader;
	size_t start = r->at - 1;

	buffer_clear(&w->scratch);
	switch (token) {
	case JSON_TOKEN_OBJECT:
	case JSON_TOKEN_ARRAY:
		if (json_reader_skip(r, token, e) != 0)
			return -1;
		v->text = text_span(r->input.data + start, r->at - start);
		return 0;
	case JSON_TOKEN_STRING:
		json_text_string(&w->scratch, r->value);
		v->text = buffer_span(&w->scratch);
		return 0;
	case JSON_TOKEN_NUMBER:
		v->text = r->value;
		return 0;
	default:
		v->text = text_of(token == JSON_TOKEN_TRUE ? "true" : "false");
		return 0;
	}
}

static void
bounds(enum delta_kind kind, int64_t *min, int64_t *max)
{
	*min = kind == DELTA_BYTE ? INT8_MIN : kind == DELTA_SHORT ? INT16_MIN : kind == DELTA_LONG ? INT64_MIN : INT32_MIN;
	*max = kind == DELTA_BYTE ? INT8_MAX : kind == DELTA_SHORT ? INT16_MAX : kind == DELTA_LONG ? INT64_MAX : INT32_MAX;
}

/* A number, or text that is one. */
static int
read_numeric(struct record_writer *w, const struct node *n, enum json_token token, struct scalar *v, struct error *e)
{
	struct text s = w->reader.value;
	int64_t min, max;

	switch (n->kind) {
	case DELTA_FLOAT:
	case DELTA_DOUBLE:
		v->form = SCALAR_REAL;
		if (record_read_real(s, n->kind == DELTA_FLOAT, &v->real, e) != 0)
			return -1;
		if (w->options.format == ROW_JSON && !isfinite(v->real))
			return error_set(e, ERR_REFUSED, "JSON records cannot hold NaN or Infinity");
		return 0;
	case DELTA_DECIMAL:
		v->form = SCALAR_TEXT;
		buffer_clear(&w->scratch);
		if (record_read_decimal(s, n->precision, n->scale, &w->scratch, e) != 0)
			return -1;
		v->text = buffer_span(&w->scratch);
		return 0;
	case DELTA_TIMESTAMP:
	case DELTA_TIMESTAMP_NTZ:
		return read_time(w, n, token, s, &v->integer, e);
	case DELTA_DATE:
		if (token == JSON_TOKEN_STRING)
			return record_read_date(s, &v->integer, e);
		break;
	default:
		break;
	}
	bounds(n->kind, &min, &max);
	return record_read_integer(s, min, max, &v->integer, e);
}

/* Of the token just read; its text may be a key's. */
int
record_read_scalar(struct record_writer *w, const struct node *n, enum json_token token, struct scalar *v, struct error *e)
{
	struct text s = w->reader.value;
	bool boolean;

	*v = (struct scalar){.form = SCALAR_INTEGER};
	if (n->kind == DELTA_VARIANT) {
		v->form = SCALAR_TEXT;
		return read_variant(w, token, v, e);
	}
	if (n->kind == DELTA_BOOLEAN) {
		v->form = SCALAR_BOOLEAN;
		boolean = token == JSON_TOKEN_TRUE;
		if (token == JSON_TOKEN_STRING ? record_read_boolean(s, &boolean, e) != 0
					       : token != JSON_TOKEN_TRUE && token != JSON_TOKEN_FALSE)
			return token == JSON_TOKEN_STRING ? node_at_fault(n, e) : node_wrong_kind(n, token, "true or false", e);
		v->integer = boolean;
		return 0;
	}
	if (n->kind == DELTA_STRING || n->kind == DELTA_VARCHAR) {
		v->form = SCALAR_TEXT;
		v->text = s;
		if (token != JSON_TOKEN_STRING)
			return node_wrong_kind(n, token, "text", e);
		return check_length(n, s, e) != 0 ? node_at_fault(n, e) : 0;
	}
	if (n->kind == DELTA_BINARY) {
		v->form = SCALAR_TEXT;
		buffer_clear(&w->scratch);
		if (token != JSON_TOKEN_STRING)
			return node_wrong_kind(n, token, "base64 text", e);
		if (encode_unbase64(s, &w->scratch) != 0)
			return node_refuse(n, e, "its text is no base64");
		v->text = buffer_span(&w->scratch);
		return 0;
	}
	if (token != JSON_TOKEN_NUMBER && token != JSON_TOKEN_STRING)
		return node_wrong_kind(n, token, "a number or text", e);
	return read_numeric(w, n, token, v, e) != 0 ? node_at_fault(n, e) : 0;
}

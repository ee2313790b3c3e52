/* Rows and their cells, whatever they came in: memory of their own, and the checks by type. */
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/memory.h"
#include "emulator/lakehouse_text.h"
#include "emulator/zerobus_private.h"

#define MEMORY_BYTES ((size_t)64 * 1024)

struct record_memory {
	struct record_memory *next;
	size_t used, size;
	char data[];
};

void *
record_memory_add(struct record_rows *r, const void *data, size_t len)
{
	struct record_memory *m = r->memory;
	void *p;

	if (m == NULL || m->size - m->used < len) {
		size_t size = len > MEMORY_BYTES / 4 ? len : MEMORY_BYTES;

		m = memory_alloc(sizeof(*m) + size);
		m->used = 0;
		m->size = size;
		m->next = r->memory;
		r->memory = m;
		r->bytes += size;
	}
	p = m->data + m->used;
	if (len > 0)
		memcpy(p, data, len);
	m->used += len;
	return p;
}

void
record_rows_release(struct record_rows *r)
{
	while (r->memory != NULL) {
		struct record_memory *next = r->memory->next;

		free(r->memory);
		r->memory = next;
	}
	free(r->cells);
	*r = (struct record_rows){.rows = 0};
}

int
record_refuse(const char *name, const char *why, struct error *e)
{
	return error_set(e, ERR_REFUSED, "field \"%s\": %s", name, why);
}

int
record_check_integer(const struct lake_type *t, const char *name, int64_t v, struct error *e)
{
	int64_t low, high;

	switch (t->kind) {
	case LAKE_BYTE:
		low = INT8_MIN, high = INT8_MAX;
		break;
	case LAKE_SHORT:
		low = INT16_MIN, high = INT16_MAX;
		break;
	case LAKE_INT:
	case LAKE_DATE:
		low = INT32_MIN, high = INT32_MAX;
		break;
	default:
		return 0;
	}
	if (v >= low && v <= high)
		return 0;
	return error_set(e, ERR_REFUSED, "field \"%s\": %lld is out of range for %s", name, (long long)v,
	    lake_type_name(t->kind));
}

static size_t
characters(struct text s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.data[i] & 0xC0) != 0x80;
	return n;
}

static bool
is_json(struct text s, struct error *why)
{
	struct json_reader j;
	enum json_token t;

	json_reader_init(&j, s);
	do
		t = json_reader_next(&j, why);
	while (t != JSON_TOKEN_END && t != JSON_TOKEN_ERROR);
	json_reader_release(&j);
	return t == JSON_TOKEN_END;
}

int
record_text_cell(struct record_rows *r, const struct lake_type *t, const char *name, struct text value,
    struct lake_cell *cell, struct error *e)
{
	struct buffer decimal = BUFFER_INIT;
	struct error why = ERROR_INIT;

	if (!text_is_utf8(value))
		return record_refuse(name, "not valid UTF-8", e);
	cell->kind = LAKE_CELL_TEXT;
	cell->bytes = value;
	switch (t->kind) {
	case LAKE_VARCHAR:
		if (characters(value) > (size_t)t->precision)
			return error_set(e, ERR_REFUSED, "field \"%s\": longer than %d characters", name, t->precision);
		return 0;
	case LAKE_VARIANT:
		if (!is_json(value, &why))
			return error_set(e, ERR_REFUSED, "field \"%s\": not JSON: %s", name, why.text);
		return 0;
	case LAKE_DECIMAL:
		if (!lake_text_decimal(value, t->precision, t->scale, false, &decimal)) {
			buffer_release(&decimal);
			return error_set(e, ERR_REFUSED, "field \"%s\": not a number that fits decimal(%d,%d)", name,
			    t->precision, t->scale);
		}
		cell->bytes = text_span(record_memory_add(r, decimal.data, decimal.len), decimal.len);
		buffer_release(&decimal);
		return 0;
	default:
		return 0;
	}
}

void
record_cell_json(const struct lake_type *t, const struct lake_cell *cell, struct buffer *out)
{
	switch (cell->kind) {
	case LAKE_CELL_NULL:
		buffer_append_text(out, "null");
		break;
	case LAKE_CELL_INTEGER:
		if (t->kind == LAKE_BOOLEAN)
			buffer_append_text(out, cell->integer ? "true" : "false");
		else
			json_text_int64(out, cell->integer);
		break;
	case LAKE_CELL_REAL:
		if (cell->real - cell->real != 0)
			json_text_double(out, cell->real);
		else if (t->kind == LAKE_FLOAT)
			lake_text_float(out, (float)cell->real);
		else
			json_text_double(out, cell->real);
		break;
	case LAKE_CELL_TEXT:
		if (t->kind == LAKE_VARIANT)
			buffer_append(out, cell->bytes.data, cell->bytes.len);
		else
			json_text_string(out, cell->bytes);
		break;
	case LAKE_CELL_BYTES:
		buffer_append_byte(out, '"');
		buffer_append_base64(out, cell->bytes.data, cell->bytes.len);
		buffer_append_byte(out, '"');
		break;
	}
}

/* JSON records → cells (wire/zerobus.md §8). Strict: what the page does not know as a form is refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "emulator/zerobus_private.h"

struct json_decoder {
	struct record_rows *rows;
	struct json_reader reader;
	struct text record;
	struct error *e;
};

/* The reader's text, kept: as it is when it lies in the record, else copied. */
static struct text
keep(struct json_decoder *d)
{
	struct text v = d->reader.value;

	if (v.data >= d->record.data && v.data + v.len <= d->record.data + d->record.len)
		return v;
	return text_span(record_memory_add(d->rows, v.data, v.len), v.len);
}

static bool
read_integer(struct text digits, int64_t *v)
{
	char copy[32], *end;

	if (digits.len == 0 || digits.len >= sizeof(copy))
		return false;
	memcpy(copy, digits.data, digits.len);
	copy[digits.len] = '\0';
	errno = 0;
	*v = strtoll(copy, &end, 10);
	return errno == 0 && *end == '\0' && end != copy;
}

static int
integer_cell(struct json_decoder *d, const struct lake_type *t, const char *name, struct text digits,
    struct lake_cell *cell)
{
	cell->kind = LAKE_CELL_INTEGER;
	if (!read_integer(digits, &cell->integer))
		return record_refuse(name, "not a 64-bit integer", d->e);
	return record_check_integer(t, name, cell->integer, d->e);
}

static int
real_cell(struct json_decoder *d, const struct lake_type *t, const char *name, struct lake_cell *cell)
{
	char *copy = text_dup(d->reader.value);

	cell->kind = LAKE_CELL_REAL;
	cell->real = t->kind == LAKE_FLOAT ? (double)strtof(copy, NULL) : strtod(copy, NULL);
	free(copy);
	return cell->real - cell->real == 0 ? 0 : record_refuse(name, "a number out of range", d->e);
}

static int
binary_cell(struct json_decoder *d, const char *name, struct lake_cell *cell)
{
	struct buffer bytes = BUFFER_INIT;
	int rc = encode_unbase64(d->reader.value, &bytes);

	cell->kind = LAKE_CELL_BYTES;
	cell->bytes = text_span(record_memory_add(d->rows, bytes.data, bytes.len), bytes.len);
	buffer_release(&bytes);
	return rc == 0 ? 0 : record_refuse(name, "not base64", d->e);
}

static int
expected(struct json_decoder *d, const struct lake_type *t, const char *name)
{
	struct buffer text = BUFFER_INIT;

	lake_type_text(t, &text);
	error_set(d->e, ERR_REFUSED, "field \"%s\": not a value of type %s", name, buffer_text(&text));
	buffer_release(&text);
	return -1;
}

static int
scalar_cell(struct json_decoder *d, const struct lake_type *t, const char *name, enum json_token token,
    struct lake_cell *cell)
{
	switch (t->kind) {
	case LAKE_BOOLEAN:
		if (token != JSON_TOKEN_TRUE && token != JSON_TOKEN_FALSE)
			return expected(d, t, name);
		cell->kind = LAKE_CELL_INTEGER;
		cell->integer = token == JSON_TOKEN_TRUE;
		return 0;
	case LAKE_FLOAT:
	case LAKE_DOUBLE:
		return token == JSON_TOKEN_NUMBER ? real_cell(d, t, name, cell) : expected(d, t, name);
	case LAKE_STRING:
	case LAKE_VARCHAR:
	case LAKE_VARIANT:
	case LAKE_DECIMAL:
		if (token != JSON_TOKEN_STRING)
			return expected(d, t, name);
		return record_text_cell(d->rows, t, name, keep(d), cell, d->e);
	case LAKE_BINARY:
		return token == JSON_TOKEN_STRING ? binary_cell(d, name, cell) : expected(d, t, name);
	default:
		return token == JSON_TOKEN_NUMBER ? integer_cell(d, t, name, d->reader.value, cell) : expected(d, t, name);
	}
}

static int write_value(struct json_decoder *d, const struct lake_type *t, const char *name, bool nullable,
    enum json_token token, struct buffer *out);

static int
write_array(struct json_decoder *d, const struct lake_type *t, const char *name, struct buffer *out)
{
	enum json_token token;
	bool comma = false;

	buffer_append_byte(out, '[');
	while ((token = json_reader_next(&d->reader, d->e)) != JSON_TOKEN_ARRAY_END) {
		if (token == JSON_TOKEN_ERROR)
			return -1;
		if (comma)
			buffer_append_byte(out, ',');
		comma = true;
		if (write_value(d, t->element, name, t->contains_null, token, out) < 0)
			return -1;
	}
	buffer_append_byte(out, ']');
	return 0;
}

/* A key of the declared type, as text. */
static int
check_key(struct json_decoder *d, const struct lake_type *key, const char *name, struct text k)
{
	int64_t v;

	if (lake_kind_is_integer(key->kind))
		return read_integer(k, &v) ? record_check_integer(key, name, v, d->e) :
					     record_refuse(name, "a map key that is no integer", d->e);
	if (key->kind == LAKE_BOOLEAN && !text_is(k, "true") && !text_is(k, "false"))
		return record_refuse(name, "a map key that is no boolean", d->e);
	return 0;
}

static int
write_map(struct json_decoder *d, const struct lake_type *t, const char *name, struct buffer *out)
{
	enum json_token token;
	bool comma = false;

	buffer_append_byte(out, '{');
	while ((token = json_reader_next(&d->reader, d->e)) == JSON_TOKEN_KEY) {
		if (check_key(d, t->key, name, d->reader.value) < 0)
			return -1;
		if (comma)
			buffer_append_byte(out, ',');
		comma = true;
		json_text_string(out, d->reader.value);
		buffer_append_byte(out, ':');
		if (write_value(d, t->element, name, t->contains_null, json_reader_next(&d->reader, d->e), out) < 0)
			return -1;
	}
	buffer_append_byte(out, '}');
	return token == JSON_TOKEN_OBJECT_END ? 0 : -1;
}

static int
find_field(const struct lake_type *t, struct text name)
{
	for (size_t i = 0; i < t->field_count; i++)
		if (text_is(name, t->fields[i].name))
			return (int)i;
	return -1;
}

/* Fields come in any order and are kept in the type's. */
static int
write_struct(struct json_decoder *d, const struct lake_type *t, const char *name, struct buffer *out)
{
	struct buffer *values = memory_zero(t->field_count + 1, sizeof(*values));
	enum json_token token;
	int rc = 0, at;

	while ((token = json_reader_next(&d->reader, d->e)) == JSON_TOKEN_KEY && rc == 0) {
		at = find_field(t, d->reader.value);
		if (at < 0 || values[at].len > 0) {
			rc = error_set(d->e, ERR_REFUSED, "field \"%s\": %s \"" TEXT_FORMAT "\"", name,
			    at < 0 ? "unknown struct field" : "twice the struct field", TEXT_ARGS(d->reader.value));
			break;
		}
		rc = write_value(d, t->fields[at].type, t->fields[at].name, t->fields[at].nullable,
		    json_reader_next(&d->reader, d->e), &values[at]);
		if (rc < 0)
			break;
	}
	if (rc == 0 && token != JSON_TOKEN_OBJECT_END)
		rc = -1;
	buffer_append_byte(out, '{');
	for (size_t i = 0; i < t->field_count && rc == 0; i++) {
		if (values[i].len == 0 && !t->fields[i].nullable)
			rc = record_refuse(t->fields[i].name, "required and missing", d->e);
		buffer_append_text(out, i ? "," : "");
		json_text_string(out, text_of(t->fields[i].name));
		buffer_append_byte(out, ':');
		if (values[i].len > 0)
			buffer_append(out, values[i].data, values[i].len);
		else
			buffer_append_text(out, "null");
	}
	buffer_append_byte(out, '}');
	for (size_t i = 0; i < t->field_count; i++)
		buffer_release(&values[i]);
	free(values);
	return rc;
}

static int
write_value(struct json_decoder *d, const struct lake_type *t, const char *name, bool nullable, enum json_token token,
    struct buffer *out)
{
	struct lake_cell cell = {.kind = LAKE_CELL_NULL};

	if (token == JSON_TOKEN_ERROR)
		return -1;
	if (token == JSON_TOKEN_NULL) {
		if (!nullable)
			return record_refuse(name, "required and null", d->e);
		buffer_append_text(out, "null");
		return 0;
	}
	if (t->kind == LAKE_ARRAY)
		return token == JSON_TOKEN_ARRAY ? write_array(d, t, name, out) : expected(d, t, name);
	if (t->kind == LAKE_MAP)
		return token == JSON_TOKEN_OBJECT ? write_map(d, t, name, out) : expected(d, t, name);
	if (t->kind == LAKE_STRUCT)
		return token == JSON_TOKEN_OBJECT ? write_struct(d, t, name, out) : expected(d, t, name);
	if (scalar_cell(d, t, name, token, &cell) < 0)
		return -1;
	record_cell_json(t, &cell, out);
	return 0;
}

static int
column_cell(struct json_decoder *d, const struct lake_field *f, struct lake_cell *cell)
{
	enum json_token token = json_reader_next(&d->reader, d->e);
	struct buffer text = BUFFER_INIT;
	int rc;

	if (token == JSON_TOKEN_ERROR)
		return -1;
	if (token == JSON_TOKEN_NULL)
		return f->nullable ? 0 : record_refuse(f->name, "required and null", d->e);
	if (!lake_kind_is_nested(f->type->kind))
		return scalar_cell(d, f->type, f->name, token, cell);
	rc = write_value(d, f->type, f->name, f->nullable, token, &text);
	cell->kind = LAKE_CELL_TEXT;
	cell->bytes = text_span(record_memory_add(d->rows, text.data, text.len), text.len);
	buffer_release(&text);
	return rc;
}

/* Index among the plan's columns; keys mostly come in the columns' order, so the search starts at the expected one. */
static int
find_column(const struct record_plan *p, struct text name, size_t hint)
{
	for (size_t i = 0; i < p->count; i++) {
		size_t at = (hint + i) % p->count;

		if (text_is(name, p->table->columns[p->columns[at]].name))
			return (int)at;
	}
	return -1;
}

static int
decode_object(struct json_decoder *d, const struct record_plan *p, struct lake_cell *cells, bool *seen)
{
	enum json_token token = json_reader_next(&d->reader, d->e);
	size_t hint = 0;

	if (token == JSON_TOKEN_ERROR)
		return -1;
	if (token != JSON_TOKEN_OBJECT)
		return error_set(d->e, ERR_REFUSED, "record is not a JSON object");
	while ((token = json_reader_next(&d->reader, d->e)) == JSON_TOKEN_KEY) {
		int at = find_column(p, d->reader.value, hint);

		if (at < 0 || seen[at])
			return error_set(d->e, ERR_REFUSED, "key \"" TEXT_FORMAT "\" %s",
			    TEXT_ARGS(d->reader.value), at < 0 ? "is not a column of the table" : "is there twice");
		seen[at] = true;
		hint = (size_t)at + 1;
		if (column_cell(d, &p->table->columns[p->columns[at]], &cells[at]) < 0)
			return -1;
	}
	if (token != JSON_TOKEN_OBJECT_END || json_reader_next(&d->reader, d->e) != JSON_TOKEN_END)
		return -1;
	for (size_t i = 0; i < p->count; i++)
		if (!seen[i] && !p->table->columns[p->columns[i]].nullable)
			return record_refuse(p->table->columns[p->columns[i]].name, "required and missing", d->e);
	return 0;
}

int
record_add_json(struct record_rows *r, const struct record_plan *p, struct text record, struct lake_cell *cells,
    struct error *e)
{
	struct json_decoder d = {.rows = r, .record = record, .e = e};
	bool *seen = memory_zero(p->count + 1, sizeof(*seen));
	int rc;

	for (size_t i = 0; i < p->count; i++)
		cells[i].kind = LAKE_CELL_NULL;
	json_reader_init(&d.reader, record);
	rc = decode_object(&d, p, cells, seen);
	if (rc < 0 && e->code != ERR_REFUSED)
		error_set(e, ERR_REFUSED, "record is not JSON");
	json_reader_release(&d.reader);
	free(seen);
	return rc;
}

#include "databricks/record.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/json_text.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "databricks/descriptor.h"
#include "databricks/record_value.h"
#include "databricks/zerobus_wire.h"

/* A message: the row itself, a STRUCT. Or one of its parts, down to the scalars. */
struct node {
	const struct node *parent; /* the message, ARRAY or MAP that it is a part of; NULL: the row */
	char *name;		   /* of a column or field; NULL: element, key or value */
	enum delta_kind kind;
	int precision, scale;
	bool nullable;
	uint8_t tag[5], tag_len; /* PROTO */
	struct text key;	 /* JSON: `"name":` */
	struct node *parts;	 /* fields, or {element}, or {key, value} */
	size_t part_count;
	uint32_t *by_name; /* of a message: its fields in the order of their names */
};

struct record_writer {
	struct record_options options;
	struct node row;
	bool *columns;
	bool warned; /* of times that look like another unit */
	struct json_reader reader;
	struct buffer state;   /* one byte a field of each message that is open */
	struct buffer scratch; /* a converted value */
};

enum field_state { FIELD_ABSENT, FIELD_NULL, FIELD_WRITTEN };

/* ---- compiling */

/* The name of a field and a key, in the order that strcasecmp has for names. */
static int
compare_names(const char *name, struct text key)
{
	size_t len = strlen(name);
	int order = strncasecmp(name, key.data, len < key.len ? len : key.len);

	return order != 0 ? order : (len > key.len) - (len < key.len);
}

static void
sort_names(struct node *n)
{
	n->by_name = memory_zero(n->part_count + 1, sizeof(*n->by_name));
	for (size_t i = 0; i < n->part_count; i++) {
		const char *name = n->parts[i].name;
		size_t at = i;

		for (; at > 0 && strcasecmp(n->parts[n->by_name[at - 1]].name, name) > 0; at--)
			n->by_name[at] = n->by_name[at - 1];
		n->by_name[at] = (uint32_t)i;
	}
}

static unsigned
wire_type(enum delta_kind kind)
{
	switch (descriptor_scalar(kind)) {
	case PROTO_DOUBLE:
		return WIRE_FIXED64;
	case PROTO_FLOAT:
		return WIRE_FIXED32;
	case PROTO_INT32:
	case PROTO_INT64:
	case PROTO_BOOL:
		return WIRE_VARINT;
	default:
		return WIRE_BYTES;
	}
}

/* The addresses of parts stay: each array of them is allocated whole, before its parts are filled in. */
static void
compile(struct node *n, const struct node *parent, const char *name, const struct delta_type *t, bool nullable,
    uint32_t number)
{
	const struct delta_type *inner[2] = {t->kind == DELTA_MAP ? t->key : t->element, t->element};
	struct buffer key = BUFFER_INIT;

	*n = (struct node){.parent = parent,
	    .name = memory_strdup(name),
	    .kind = t->kind,
	    .precision = t->precision,
	    .scale = t->scale,
	    .nullable = nullable};
	n->tag_len = (uint8_t)(wire_put_varint(n->tag, (uint64_t)number << 3 | wire_type(t->kind)) - n->tag);
	if (name != NULL) {
		json_text_string(&key, text_of(name));
		buffer_append_byte(&key, ':');
		n->key.len = key.len;
		n->key.data = buffer_detach(&key);
	}
	n->part_count = t->kind == DELTA_STRUCT ? t->field_count : t->kind == DELTA_MAP ? 2 : t->kind == DELTA_ARRAY;
	if (n->part_count > 0)
		n->parts = memory_zero(n->part_count, sizeof(*n->parts));
	for (size_t i = 0; i < n->part_count; i++) {
		if (t->kind == DELTA_STRUCT)
			compile(&n->parts[i], n, t->fields[i].name, &t->fields[i].type, t->fields[i].nullable,
			    descriptor_number((int)i));
		else /* an element has its array's number; key and value are fields of the entry */
			compile(&n->parts[i], n, NULL, inner[i], false, t->kind == DELTA_ARRAY ? number : (uint32_t)i + 1);
	}
	if (t->kind == DELTA_STRUCT)
		sort_names(n);
}

static void
node_release(struct node *n)
{
	for (size_t i = 0; i < n->part_count; i++)
		node_release(&n->parts[i]);
	free(n->parts);
	free(n->by_name);
	free(n->name);
	free((char *)n->key.data);
}

/* Whether "a,b,c" has the name. */
static bool
is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; *at != '\0'; at += *at == ',') {
		size_t n = strcspn(at, ",");

		if (n == len && strncasecmp(at, name, n) == 0)
			return true;
		at += n;
	}
	return false;
}

static int
check_list(const struct delta_table *t, const char *list, struct error *e)
{
	for (const char *at = list; *at != '\0'; at += *at == ',') {
		size_t n = strcspn(at, ",");
		char *name = memory_strndup(at, n), clean[128];
		bool known = delta_table_find(t, name) != NULL;

		text_clean(clean, sizeof(clean), text_of(name));
		free(name);
		if (!known)
			return error_set(e, ERR_MISFIT, "table '%s' has no column '%s'", t->full_name, clean);
		at += n;
	}
	return 0;
}

static int
choose_column(struct record_writer *w, const struct delta_table *t, size_t i, struct error *e)
{
	const struct delta_column *c = &t->columns[i];
	const char *list = w->options.columns;
	char clean[128];

	text_clean(clean, sizeof(clean), text_of(c->name));
	if (c->generated)
		return error_set(e, ERR_MISFIT, "column '%s' of table '%s' is GENERATED, which Zerobus cannot write to", clean,
		    t->full_name);
	if (list != NULL && !is_listed(list, c->name)) {
		if (!c->nullable)
			return error_set(e, ERR_MISFIT, "column '%s' of table '%s' is NOT NULL and not among the columns given",
			    clean, t->full_name);
		return 0;
	}
	if (descriptor_check_column(c, e) != 0) {
		error_wrap(e, "table '%s'", t->full_name);
		if (c->nullable)
			error_hint(e, "leave it out: name the other columns with --columns, and it stays NULL");
		return -1;
	}
	w->columns[i] = true;
	return 1;
}

struct record_writer *
record_writer_new(const struct delta_table *t, const struct record_options *o, struct error *e)
{
	struct record_writer *w = memory_zero(1, sizeof(*w));

	w->options = *o;
	if (w->options.max_bytes == 0)
		w->options.max_bytes = LIMIT_ROW_BYTES;
	w->columns = memory_zero(t->column_count + 1, sizeof(*w->columns));
	w->row.kind = DELTA_STRUCT;
	w->row.parts = memory_zero(t->column_count + 1, sizeof(*w->row.parts));
	if (o->columns != NULL && check_list(t, o->columns, e) != 0)
		goto failed;
	for (size_t i = 0; i < t->column_count; i++) {
		const struct delta_column *c = &t->columns[i];
		int chosen = choose_column(w, t, i, e);

		if (chosen < 0)
			goto failed;
		if (chosen > 0)
			compile(&w->row.parts[w->row.part_count++], &w->row, c->name, &c->type, c->nullable,
			    descriptor_number(c->position));
	}
	if (w->row.part_count == 0) {
		error_set(e, ERR_MISFIT, "table '%s' has no column to ingest into", t->full_name);
		goto failed;
	}
	sort_names(&w->row);
	w->options.columns = NULL; /* borrowed for this call */
	return w;
failed:
	record_writer_free(w);
	return NULL;
}

void
record_writer_free(struct record_writer *w)
{
	if (w == NULL)
		return;
	node_release(&w->row);
	free(w->columns);
	buffer_release(&w->state);
	buffer_release(&w->scratch);
	free(w);
}

const bool *
record_writer_columns(const struct record_writer *w)
{
	return w->columns;
}

/* ---- errors */

static void
write_path(struct buffer *out, const struct node *n)
{
	if (n->parent != NULL && n->parent->parent != NULL) {
		write_path(out, n->parent);
		if (n->name != NULL)
			buffer_append_byte(out, '.');
	}
	buffer_append_text(out, n->name != NULL ? n->name : "[]");
}

/* Puts "column 'addr.tags[]': " in front. */
static int
at_fault(const struct node *n, struct error *e)
{
	struct buffer path = BUFFER_INIT;
	char clean[200];

	write_path(&path, n);
	text_clean(clean, sizeof(clean), buffer_span(&path));
	buffer_release(&path);
	return error_wrap(e, "column '%s'", clean);
}

static int
refuse(const struct node *n, struct error *e, const char *why)
{
	error_set(e, ERR_REFUSED, "%s", why);
	return at_fault(n, e);
}

static const char *
token_words(enum json_token token)
{
	switch (token) {
	case JSON_TOKEN_NULL:
		return "NULL";
	case JSON_TOKEN_TRUE:
	case JSON_TOKEN_FALSE:
		return "true or false";
	case JSON_TOKEN_NUMBER:
		return "a number";
	case JSON_TOKEN_STRING:
		return "text";
	case JSON_TOKEN_OBJECT:
		return "an object";
	case JSON_TOKEN_ARRAY:
		return "an array";
	default:
		return "nothing";
	}
}

static int
wrong_kind(const struct node *n, enum json_token token, const char *wanted, struct error *e)
{
	error_set(e, ERR_REFUSED, "it takes %s, not %s", wanted, token_words(token));
	return at_fault(n, e);
}

/* ---- scalars */

struct scalar {
	enum { SCALAR_INTEGER, SCALAR_REAL, SCALAR_BOOLEAN, SCALAR_TEXT } form;
	int64_t integer; /* of a BOOLEAN too */
	double real;
	struct text text;
};

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
static int
read_scalar(struct record_writer *w, const struct node *n, enum json_token token, struct scalar *v, struct error *e)
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
			return token == JSON_TOKEN_STRING ? at_fault(n, e) : wrong_kind(n, token, "true or false", e);
		v->integer = boolean;
		return 0;
	}
	if (n->kind == DELTA_STRING || n->kind == DELTA_VARCHAR) {
		v->form = SCALAR_TEXT;
		v->text = s;
		if (token != JSON_TOKEN_STRING)
			return wrong_kind(n, token, "text", e);
		return check_length(n, s, e) != 0 ? at_fault(n, e) : 0;
	}
	if (n->kind == DELTA_BINARY) {
		v->form = SCALAR_TEXT;
		buffer_clear(&w->scratch);
		if (token != JSON_TOKEN_STRING)
			return wrong_kind(n, token, "base64 text", e);
		if (encode_unbase64(s, &w->scratch) != 0)
			return refuse(n, e, "its text is no base64");
		v->text = buffer_span(&w->scratch);
		return 0;
	}
	if (token != JSON_TOKEN_NUMBER && token != JSON_TOKEN_STRING)
		return wrong_kind(n, token, "a number or text", e);
	return read_numeric(w, n, token, v, e) != 0 ? at_fault(n, e) : 0;
}

static void
put_fixed(struct buffer *out, uint64_t bits, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buffer_append_byte(out, (uint8_t)(bits >> (8 * i)));
}

static void
put_scalar_proto(const struct node *n, const struct scalar *v, struct buffer *out)
{
	float single = (float)v->real;
	uint32_t bits32;
	uint64_t bits64;

	buffer_append(out, n->tag, n->tag_len);
	switch (v->form) {
	case SCALAR_INTEGER:
	case SCALAR_BOOLEAN:
		wire_varint(out, (uint64_t)v->integer);
		break;
	case SCALAR_REAL:
		memcpy(&bits32, &single, sizeof(bits32));
		memcpy(&bits64, &v->real, sizeof(bits64));
		put_fixed(out, n->kind == DELTA_FLOAT ? bits32 : bits64, n->kind == DELTA_FLOAT ? 4 : 8);
		break;
	case SCALAR_TEXT:
		wire_varint(out, v->text.len);
		buffer_append(out, v->text.data, v->text.len);
		break;
	}
}

static void
put_scalar_json(const struct node *n, const struct scalar *v, struct buffer *out)
{
	switch (v->form) {
	case SCALAR_INTEGER:
		json_text_int64(out, v->integer);
		break;
	case SCALAR_BOOLEAN:
		buffer_append_text(out, v->integer ? "true" : "false");
		break;
	case SCALAR_REAL:
		json_text_double(out, v->real);
		break;
	case SCALAR_TEXT:
		if (n->kind != DELTA_BINARY) {
			json_text_string(out, v->text);
			break;
		}
		buffer_append_byte(out, '"');
		buffer_append_base64(out, v->text.data, v->text.len);
		buffer_append_byte(out, '"');
		break;
	}
}

/* ---- nesting */

static int put_value(struct record_writer *w, const struct node *n, enum json_token token, struct buffer *out,
    struct error *e);

/* Puts the length of what was written since `start` in front of it. */
static void
put_length(struct buffer *out, size_t start)
{
	size_t len = out->len - start, prefix = wire_varint_size(len);

	buffer_reserve(out, prefix);
	memmove(out->data + start + prefix, out->data + start, len);
	wire_put_varint(out->data + start, len);
	out->len += prefix;
}

static const struct node *
find_field(const struct node *n, struct text key)
{
	size_t low = 0, high = n->part_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct node *field = &n->parts[n->by_name[middle]];
		int order = compare_names(field->name, key);

		if (order == 0)
			return field;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int
unknown_field(const struct node *n, struct text key, struct error *e)
{
	char clean[128];

	text_clean(clean, sizeof(clean), key);
	if (n->parent != NULL) {
		error_set(e, ERR_REFUSED, "it has no field '%s'", clean);
		return at_fault(n, e);
	}
	return error_set(e, ERR_REFUSED, "the table has no column '%s'", clean);
}

static int
put_field(struct record_writer *w, const struct node *n, size_t states, struct buffer *out, struct error *e)
{
	const struct node *field = find_field(n, w->reader.value);
	enum json_token token;
	size_t slot;

	if (field == NULL) {
		if (!w->options.ignore_unknown)
			return unknown_field(n, w->reader.value, e);
		return json_reader_skip(&w->reader, json_reader_next(&w->reader, e), e);
	}
	slot = states + (size_t)(field - n->parts);
	token = json_reader_next(&w->reader, e);
	if (token == JSON_TOKEN_ERROR)
		return -1;
	if (w->state.data[slot] != FIELD_ABSENT)
		return refuse(field, e, "it is there twice");
	if (token == JSON_TOKEN_NULL) {
		w->state.data[slot] = FIELD_NULL;
		return 0;
	}
	w->state.data[slot] = FIELD_WRITTEN;
	if (w->options.format == ROW_PROTO)
		return put_value(w, field, token, out, e);
	if (out->data[out->len - 1] != '{')
		buffer_append_byte(out, ',');
	buffer_append(out, field->key.data, field->key.len);
	return put_value(w, field, token, out, e);
}

static int
check_required(const struct record_writer *w, const struct node *n, size_t states, struct error *e)
{
	for (size_t i = 0; i < n->part_count; i++)
		if (!n->parts[i].nullable && w->state.data[states + i] != FIELD_WRITTEN)
			return refuse(&n->parts[i], e,
			    w->state.data[states + i] == FIELD_NULL ? "it is NOT NULL, and its value is null"
								    : "it is NOT NULL, and there is no value for it");
	return 0;
}

/* The fields of a message whose opening brace was just read. */
static int
put_fields(struct record_writer *w, const struct node *n, struct buffer *out, struct error *e)
{
	size_t states = w->state.len;
	enum json_token token;
	int rc = 0;

	buffer_reserve(&w->state, n->part_count);
	if (n->part_count > 0)
		memset(w->state.data + states, FIELD_ABSENT, n->part_count);
	w->state.len += n->part_count;
	if (w->options.format == ROW_JSON)
		buffer_append_byte(out, '{');
	while (rc == 0 && (token = json_reader_next(&w->reader, e)) != JSON_TOKEN_OBJECT_END)
		rc = token == JSON_TOKEN_ERROR ? -1 : put_field(w, n, states, out, e);
	if (rc == 0)
		rc = check_required(w, n, states, e);
	if (w->options.format == ROW_JSON)
		buffer_append_byte(out, '}');
	w->state.len = states;
	return rc;
}

static int
put_array(struct record_writer *w, const struct node *n, struct buffer *out, struct error *e)
{
	bool json = w->options.format == ROW_JSON, first = true;
	enum json_token token;

	if (json)
		buffer_append_byte(out, '[');
	while ((token = json_reader_next(&w->reader, e)) != JSON_TOKEN_ARRAY_END) {
		if (token == JSON_TOKEN_ERROR)
			return -1;
		if (token == JSON_TOKEN_NULL)
			return refuse(&n->parts[0], e, "Zerobus cannot take NULL in an ARRAY");
		if (json && !first)
			buffer_append_byte(out, ',');
		first = false;
		if (put_value(w, &n->parts[0], token, out, e) != 0)
			return -1;
	}
	if (json)
		buffer_append_byte(out, ']');
	return 0;
}

static int
put_entry(struct record_writer *w, const struct node *n, bool first, struct buffer *out, struct error *e)
{
	const struct node *value = &n->parts[1];
	enum json_token token;
	struct scalar key;
	size_t start;

	/* a key is text; what it must be says its type */
	token = n->parts[0].kind == DELTA_STRING || n->parts[0].kind == DELTA_VARCHAR ||
	    n->parts[0].kind == DELTA_BOOLEAN ? JSON_TOKEN_STRING : JSON_TOKEN_NUMBER;
	if (read_scalar(w, &n->parts[0], token, &key, e) != 0)
		return -1;
	if (w->options.format == ROW_PROTO) {
		buffer_append(out, n->tag, n->tag_len);
		start = out->len;
		put_scalar_proto(&n->parts[0], &key, out);
	} else {
		if (!first)
			buffer_append_byte(out, ',');
		start = out->len;
		json_text_string(out, w->reader.value);
		buffer_append_byte(out, ':');
	}
	token = json_reader_next(&w->reader, e);
	if (token == JSON_TOKEN_ERROR)
		return -1;
	if (token == JSON_TOKEN_NULL)
		return refuse(value, e, "Zerobus cannot take NULL as a value of a MAP");
	if (put_value(w, value, token, out, e) != 0)
		return -1;
	if (w->options.format == ROW_PROTO)
		put_length(out, start);
	return 0;
}

static int
put_map(struct record_writer *w, const struct node *n, struct buffer *out, struct error *e)
{
	bool json = w->options.format == ROW_JSON, first = true;
	enum json_token token;

	if (json)
		buffer_append_byte(out, '{');
	while ((token = json_reader_next(&w->reader, e)) != JSON_TOKEN_OBJECT_END) {
		if (token == JSON_TOKEN_ERROR || put_entry(w, n, first, out, e) != 0)
			return -1;
		first = false;
	}
	if (json)
		buffer_append_byte(out, '}');
	return 0;
}

/* token is the value's first, and not NULL. */
static int
put_value(struct record_writer *w, const struct node *n, enum json_token token, struct buffer *out, struct error *e)
{
	struct scalar v;
	size_t start;

	switch (n->kind) {
	case DELTA_ARRAY:
		return token == JSON_TOKEN_ARRAY ? put_array(w, n, out, e) : wrong_kind(n, token, "an array", e);
	case DELTA_MAP:
		return token == JSON_TOKEN_OBJECT ? put_map(w, n, out, e) : wrong_kind(n, token, "an object", e);
	case DELTA_STRUCT:
		if (token != JSON_TOKEN_OBJECT)
			return wrong_kind(n, token, "an object", e);
		if (w->options.format == ROW_PROTO)
			buffer_append(out, n->tag, n->tag_len);
		start = out->len;
		if (put_fields(w, n, out, e) != 0)
			return -1;
		if (w->options.format == ROW_PROTO)
			put_length(out, start);
		return 0;
	default:
		break;
	}
	if (read_scalar(w, n, token, &v, e) != 0)
		return -1;
	if (w->options.format == ROW_PROTO)
		put_scalar_proto(n, &v, out);
	else
		put_scalar_json(n, &v, out);
	return 0;
}

int
record_writer_encode(struct record_writer *w, struct text json, struct buffer *out, struct error *e)
{
	size_t start = out->len;
	enum json_token token;
	int rc = -1;

	w->state.len = 0;
	json_reader_init(&w->reader, json);
	token = json_reader_next(&w->reader, e);
	if (token == JSON_TOKEN_ERROR)
		goto out;
	if (token != JSON_TOKEN_OBJECT) {
		error_set(e, ERR_REFUSED, "a row must be one JSON object, not %s", token_words(token));
		goto out;
	}
	if (put_fields(w, &w->row, out, e) != 0 || json_reader_next(&w->reader, e) != JSON_TOKEN_END)
		goto out;
	if (out->len - start > w->options.max_bytes) {
		error_set(e, ERR_REFUSED, "the row is larger than %zu bytes, the most that one record may have",
		    w->options.max_bytes);
		goto out;
	}
	rc = 0;
out:
	if (rc != 0)
		out->len = start;
	json_reader_release(&w->reader);
	return rc;
}

enum record_cell
record_writer_cell(const struct record_writer *w, struct text name)
{
	const struct node *n = find_field(&w->row, name);

	if (n == NULL)
		return RECORD_CELL_UNKNOWN;
	switch (n->kind) {
	case DELTA_ARRAY:
	case DELTA_MAP:
	case DELTA_STRUCT:
		return RECORD_CELL_JSON;
	case DELTA_VARIANT:
		return RECORD_CELL_VARIANT;
	case DELTA_STRING:
	case DELTA_VARCHAR:
	case DELTA_BINARY:
		return RECORD_CELL_TEXT;
	default:
		return RECORD_CELL_PLAIN;
	}
}

/* Writing a row: one JSON object in, the bytes of one PROTO or JSON record out, nested as the columns are. */
#include <string.h>

#include "databricks/descriptor.h"
#include "databricks/record_parts.h"
#include "databricks/zerobus_wire.h"

enum field_state { FIELD_ABSENT, FIELD_NULL, FIELD_WRITTEN };

/* ---- scalars */

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

static int
unknown_field(const struct node *n, struct text key, struct error *e)
{
	char clean[128];

	text_clean(clean, sizeof(clean), key);
	if (n->parent != NULL) {
		error_set(e, ERR_REFUSED, "it has no field '%s'", clean);
		return node_at_fault(n, e);
	}
	return error_set(e, ERR_REFUSED, "the table has no column '%s'", clean);
}

static int
put_field(struct record_writer *w, const struct node *n, size_t states, struct buffer *out, struct error *e)
{
	const struct node *field = node_find_field(n, w->reader.value);
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
		return node_refuse(field, e, "it is there twice");
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
			return node_refuse(&n->parts[i], e,
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
			return node_refuse(&n->parts[0], e, "Zerobus cannot take NULL in an ARRAY");
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
	if (record_read_scalar(w, &n->parts[0], token, &key, e) != 0)
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
		return node_refuse(value, e, "Zerobus cannot take NULL as a value of a MAP");
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
		return token == JSON_TOKEN_ARRAY ? put_array(w, n, out, e) : node_wrong_kind(n, token, "an array", e);
	case DELTA_MAP:
		return token == JSON_TOKEN_OBJECT ? put_map(w, n, out, e) : node_wrong_kind(n, token, "an object", e);
	case DELTA_STRUCT:
		if (token != JSON_TOKEN_OBJECT)
			return node_wrong_kind(n, token, "an object", e);
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
	if (record_read_scalar(w, n, token, &v, e) != 0)
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
		error_set(e, ERR_REFUSED, "a row must be one JSON object, not %s", record_token_words(token));
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

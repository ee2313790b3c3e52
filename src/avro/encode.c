#include "avro/encode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "avro/describe.h"
#include "avro/expected.h"
#include "base/encode.h"
#include "base/json_text.h"
#include "base/memory.h"

/* Where a value stands, from the leaf up. */
struct path {
	const struct path *up;
	const char *field; /* NULL: an item */
	size_t index;
};

struct encode {
	struct buffer *out;
	struct buffer scratch; /* decoded base64 */
	const struct avro_default *defaults;
	size_t default_count;
	struct error *e;
};

static void
append_path(struct buffer *b, const struct path *p)
{
	if (p == NULL)
		return;
	append_path(b, p->up);
	if (p->field == NULL)
		buffer_append_format(b, "[%zu]", p->index);
	else
		buffer_append_format(b, "%s%s", b->len > 0 ? "." : "", p->field);
}

static int
refuse(struct encode *x, const struct path *path, const char *what)
{
	struct buffer b = BUFFER_INIT;
	char place[256];

	append_path(&b, path);
	text_clean(place, sizeof(place), buffer_span(&b));
	buffer_release(&b);
	return error_set(x->e, ERR_REFUSED, "%s%s%s%s", place[0] ? "field '" : "", place,
	    place[0] ? "': " : "", what);
}

static int
refuse_type(struct encode *x, const struct path *path, const struct avro_type *t,
    enum json_token token, struct text value)
{
	struct buffer b = BUFFER_INIT;
	int rc;

	buffer_append_text(&b, "expected ");
	expected_type(&b, t);
	buffer_append_text(&b, ", got ");
	expected_not(&b, token, value);
	rc = refuse(x, path, buffer_text(&b));
	buffer_release(&b);
	return rc;
}

static void
write_long(struct buffer *out, int64_t v)
{
	uint64_t u = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);

	while (u >= 0x80) {
		buffer_append_byte(out, (uint8_t)(u | 0x80));
		u >>= 7;
	}
	buffer_append_byte(out, (uint8_t)u);
}

static void
write_sized(struct buffer *out, struct text bytes)
{
	write_long(out, (int64_t)bytes.len);
	buffer_append(out, bytes.data, bytes.len);
}

static void
write_double(struct buffer *out, enum avro_kind kind, double v)
{
	float f = (float)v;
	uint64_t bits;
	uint32_t low;

	memcpy(&bits, &v, sizeof(bits));
	memcpy(&low, &f, sizeof(low));
	if (kind == AVRO_KIND_FLOAT)
		bits = low;
	for (int i = 0; i < (kind == AVRO_KIND_FLOAT ? 4 : 8); i++)
		buffer_append_byte(out, (uint8_t)(bits >> 8 * i));
}

/* An integer as written: digits only. false: a fraction, an exponent, or more than 64 bits. */
static bool
to_int64(struct text number, int64_t *v)
{
	bool negative = number.len > 0 && number.data[0] == '-';
	uint64_t u = 0, most = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;

	for (size_t i = negative; i < number.len; i++) {
		unsigned d = (unsigned)(number.data[i] - '0');

		if (d > 9 || u > (most - d) / 10)
			return false;
		u = u * 10 + d;
	}
	*v = negative ? (int64_t)(0 - u) : (int64_t)u;
	return true;
}

static bool
to_int(enum avro_kind kind, struct text number, int64_t *v)
{
	return to_int64(number, v) &&
	       (kind == AVRO_KIND_LONG || (*v >= INT32_MIN && *v <= INT32_MAX));
}

/* Numbers, and the words for what JSON has no number for. false: neither, or beyond the range. */
static bool
to_double(enum avro_kind kind, enum json_token token, struct text value, double *v)
{
	char small[64], *text;

	if (token == JSON_TOKEN_STRING) {
		if (text_is(value, "NaN"))
			*v = NAN;
		else if (text_is(value, "Infinity") || text_is(value, "-Infinity"))
			*v = value.data[0] == '-' ? -INFINITY : INFINITY;
		else
			return false;
		return true;
	}
	text = value.len < sizeof(small) ? memcpy(small, value.data, value.len) : text_dup(value);
	text[value.len] = '\0';
	*v = strtod(text, NULL);
	if (text != small)
		free(text);
	return isfinite(*v) && (kind == AVRO_KIND_DOUBLE || isfinite((float)*v));
}

static bool
to_bytes(struct encode *x, const struct avro_type *t, struct text value)
{
	buffer_clear(&x->scratch);
	return encode_unbase64(value, &x->scratch) == 0 &&
	       (t->kind == AVRO_KIND_BYTES || x->scratch.len == t->size);
}

static ptrdiff_t
find_symbol(const struct avro_type *t, struct text value)
{
	for (size_t i = 0; i < t->count; i++)
		if (text_equal(t->symbols[i], value))
			return (ptrdiff_t)i;
	return -1;
}

static int encode_value(
    struct encode *x, const struct avro_type *t, struct text json, const struct path *path);

/* Everything without items. false: the value is not of this type. */
static bool
encode_scalar(struct encode *x, const struct avro_type *t, enum json_token token, struct text value)
{
	bool text = token == JSON_TOKEN_STRING, number = token == JSON_TOKEN_NUMBER;
	int64_t integer;
	ptrdiff_t symbol;
	double d;

	switch (t->kind) {
	case AVRO_KIND_NULL:
		return token == JSON_TOKEN_NULL;
	case AVRO_KIND_BOOLEAN:
		if (token != JSON_TOKEN_TRUE && token != JSON_TOKEN_FALSE)
			return false;
		buffer_append_byte(x->out, token == JSON_TOKEN_TRUE);
		return true;
	case AVRO_KIND_INT:
	case AVRO_KIND_LONG:
		if (!number || !to_int(t->kind, value, &integer))
			return false;
		write_long(x->out, integer);
		return true;
	case AVRO_KIND_FLOAT:
	case AVRO_KIND_DOUBLE:
		if ((!number && !text) || !to_double(t->kind, token, value, &d))
			return false;
		write_double(x->out, t->kind, d);
		return true;
	case AVRO_KIND_STRING:
		if (text)
			write_sized(x->out, value);
		return text;
	case AVRO_KIND_BYTES:
	case AVRO_KIND_FIXED:
		if (!text || !to_bytes(x, t, value))
			return false;
		if (t->kind == AVRO_KIND_BYTES)
			write_long(x->out, (int64_t)x->scratch.len);
		buffer_append(x->out, x->scratch.data, x->scratch.len);
		return true;
	case AVRO_KIND_ENUM:
		symbol = text ? find_symbol(t, value) : -1;
		if (symbol >= 0)
			write_long(x->out, symbol);
		return symbol >= 0;
	default:
		return false;
	}
}

/*
 * Reads on to the next member or item: its key (members) and its value's text. 1: there is one, 0:
 * the container ends, -1: not JSON.
 */
static int
next_part(
    struct json_reader *r, bool member, struct buffer *key, struct text *value, struct error *e)
{
	enum json_token token;
	size_t start;

	if (member) {
		token = json_reader_next(r, e);
		if (token != JSON_TOKEN_KEY)
			return token == JSON_TOKEN_OBJECT_END ? 0 : -1;
		buffer_clear(key);
		buffer_append(key, r->value.data, r->value.len);
	}
	for (start = r->at;
	     start < r->input.len && strchr(" \t\r\n:,", r->input.data[start]) != NULL; start++)
		;
	token = json_reader_next(r, e);
	if (token == JSON_TOKEN_ARRAY_END && !member)
		return 0;
	if (token == JSON_TOKEN_ERROR || json_reader_skip(r, token, e) != 0)
		return -1;
	*value = text_span(r->input.data + start, r->at - start);
	return 1;
}

static int
refuse_unknown(
    struct encode *x, const struct avro_type *t, const struct path *path, struct buffer *key)
{
	struct path here = {.up = path, .field = buffer_text(key)};
	char what[256];

	snprintf(what, sizeof(what), "there is no such field in '%s'", t->name.data);
	refuse(x, &here, what);
	for (size_t i = 0; i < t->count; i++)
		if (strcasecmp(t->fields[i].name.data, here.field) == 0)
			error_hint(
			    x->e, "names are case-sensitive: it is '%s'", t->fields[i].name.data);
	return -1;
}

/* The JSON of each field of the record, data == NULL where the object has none. */
static int
find_members(struct encode *x, const struct avro_type *t, struct json_reader *r,
    const struct path *path, struct text *values)
{
	struct buffer key = BUFFER_INIT;
	struct text value;
	int more, rc = -1;

	while ((more = next_part(r, true, &key, &value, x->e)) == 1) {
		ptrdiff_t field = avro_type_find(t, buffer_span(&key));

		if (field < 0) {
			refuse_unknown(x, t, path, &key);
			goto out;
		}
		if (values[field].data != NULL) {
			struct path here = {.up = path, .field = t->fields[field].name.data};

			refuse(x, &here, "given twice");
			goto out;
		}
		values[field] = value;
	}
	rc = more;
out:
	buffer_release(&key);
	return rc;
}

static struct text
find_default(const struct encode *x, const struct path *path, const struct avro_field *f)
{
	for (size_t i = 0; path == NULL && i < x->default_count; i++)
		if (text_is(f->name, x->defaults[i].field))
			return x->defaults[i].json;
	return f->nullable ? text_of("null") : (struct text){0};
}

/* Whoever wrote a date as text is told what stands for it. */
static void
explain_count(const struct avro_field *f, struct error *e)
{
	const char *count = avro_describe_count(f);
	size_t len = e != NULL ? strlen(e->text) : 0;

	if (e != NULL && count != NULL)
		snprintf(e->text + len, sizeof(e->text) - len, "; the field counts %s", count);
}

static int
encode_record(
    struct encode *x, const struct avro_type *t, struct json_reader *r, const struct path *path)
{
	struct text *values = memory_zero(t->count + 1, sizeof(*values));
	int rc = find_members(x, t, r, path, values);

	for (size_t i = 0; i < t->count && rc == 0; i++) {
		const struct avro_field *f = &t->fields[i];
		struct path here = {.up = path, .field = f->name.data};

		if (values[i].data == NULL)
			values[i] = find_default(x, path, f);
		if (values[i].data == NULL) {
			struct buffer b = BUFFER_INIT;

			buffer_append_text(&b, "missing: expected ");
			expected_type(&b, f->type);
			rc = refuse(x, &here, buffer_text(&b));
			buffer_release(&b);
		} else {
			rc = encode_value(x, f->type, values[i], &here);
			if (rc != 0)
				explain_count(f, x->e);
		}
	}
	free(values);
	return rc;
}

/* Arrays and maps: one block of all items. How many there are is known only behind the last. */
static int
encode_items(
    struct encode *x, const struct avro_type *t, struct json_reader *r, const struct path *path)
{
	struct buffer *out = x->out, items = BUFFER_INIT, key = BUFFER_INIT;
	bool map = t->kind == AVRO_KIND_MAP;
	struct text value;
	size_t count = 0;
	int more, rc = -1;

	x->out = &items;
	while ((more = next_part(r, map, &key, &value, x->e)) == 1) {
		struct path here = {
		    .up = path, .field = map ? buffer_text(&key) : NULL, .index = count};

		if (map)
			write_sized(&items, buffer_span(&key));
		if (encode_value(x, t->branches[0], value, &here) != 0)
			goto out;
		count++;
	}
	if (more != 0)
		goto out;
	if (count > 0)
		write_long(out, (int64_t)count);
	buffer_append(out, items.data, items.len);
	write_long(out, 0);
	rc = 0;
out:
	x->out = out;
	buffer_release(&items);
	buffer_release(&key);
	return rc;
}

/* Every key of the object is a field of the record. */
static bool
all_known(const struct avro_type *t, struct text json)
{
	struct json_reader r;
	struct buffer key = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct text value;
	bool known = true;

	json_reader_init(&r, json);
	json_reader_next(&r, &e);
	while (known && next_part(&r, true, &key, &value, &e) == 1)
		known = avro_type_find(t, buffer_span(&key)) >= 0;
	json_reader_release(&r);
	buffer_release(&key);
	return known;
}

/* How well the value suits the branch; 0: not at all. */
static int
suits(struct encode *x, const struct avro_type *t, enum json_token token, struct text value,
    struct text json)
{
	bool text = token == JSON_TOKEN_STRING, number = token == JSON_TOKEN_NUMBER;
	int64_t integer;
	double d;

	switch (t->kind) {
	case AVRO_KIND_NULL:
		return token == JSON_TOKEN_NULL;
	case AVRO_KIND_BOOLEAN:
		return token == JSON_TOKEN_TRUE || token == JSON_TOKEN_FALSE;
	case AVRO_KIND_INT:
		return number && to_int(t->kind, value, &integer) ? 4 : 0;
	case AVRO_KIND_LONG:
		return number && to_int(t->kind, value, &integer) ? 3 : 0;
	case AVRO_KIND_DOUBLE:
		return (number || text) && to_double(t->kind, token, value, &d) ? 2 : 0;
	case AVRO_KIND_FLOAT:
		return (number || text) && to_double(t->kind, token, value, &d) ? 1 : 0;
	case AVRO_KIND_STRING:
		return text ? 6 : 0;
	case AVRO_KIND_ENUM:
		return text && find_symbol(t, value) >= 0 ? 5 : 0;
	case AVRO_KIND_FIXED:
		return text && to_bytes(x, t, value) ? 4 : 0;
	case AVRO_KIND_BYTES:
		return text && to_bytes(x, t, value) ? 3 : 0;
	case AVRO_KIND_ARRAY:
		return token == JSON_TOKEN_ARRAY;
	case AVRO_KIND_MAP:
		return token == JSON_TOKEN_OBJECT ? 2 : 0;
	case AVRO_KIND_RECORD:
		return token != JSON_TOKEN_OBJECT ? 0 : all_known(t, json) ? 3 : 1;
	case AVRO_KIND_UNION:
		break;
	}
	return 0;
}

static bool
named(const struct avro_type *t, struct text key)
{
	struct buffer full = BUFFER_INIT;
	bool same;

	if (t->name.data == NULL)
		return text_is(key, avro_kind_name(t->kind));
	if (text_equal(key, t->name))
		return true;
	buffer_append(&full, t->namespace.data, t->namespace.len);
	buffer_append_byte(&full, '.');
	buffer_append(&full, t->name.data, t->name.len);
	same = text_equal(key, buffer_span(&full));
	buffer_release(&full);
	return same;
}

/*
 * {"string": "x"}: the branch that the only key names, its value in *inner; -1 when this is no
 * wrapper, or when a map or a record with a field of that name could be meant.
 */
static ptrdiff_t
unwrap(const struct avro_type *t, struct text json, struct text *inner)
{
	struct json_reader r;
	struct buffer key = BUFFER_INIT, second = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct text other;
	ptrdiff_t branch = -1;

	json_reader_init(&r, json);
	json_reader_next(&r, &e);
	if (next_part(&r, true, &key, inner, &e) == 1 &&
	    next_part(&r, true, &second, &other, &e) == 0) {
		for (size_t i = 0; i < t->count; i++)
			if (branch < 0 && named(t->branches[i], buffer_span(&key)))
				branch = (ptrdiff_t)i;
		for (size_t i = 0; i < t->count; i++)
			if (t->branches[i]->kind == AVRO_KIND_MAP ||
			    (t->branches[i]->kind == AVRO_KIND_RECORD &&
				avro_type_find(t->branches[i], buffer_span(&key)) >= 0))
				branch = -1;
	}
	json_reader_release(&r);
	buffer_release(&key);
	buffer_release(&second);
	return branch;
}

static int
encode_union(struct encode *x, const struct avro_type *t, enum json_token token, struct text value,
    struct text json, const struct path *path)
{
	struct text inner = json;
	ptrdiff_t branch = token == JSON_TOKEN_OBJECT ? unwrap(t, json, &inner) : -1;
	int best = 0;

	if (branch < 0) {
		inner = json;
		for (size_t i = 0; i < t->count; i++) {
			int how = suits(x, t->branches[i], token, value, json);

			if (how > best) {
				best = how;
				branch = (ptrdiff_t)i;
			}
		}
	}
	if (branch < 0)
		return refuse_type(x, path, t, token, value);
	write_long(x->out, branch);
	return encode_value(x, t->branches[branch], inner, path);
}

static int
encode_value(struct encode *x, const struct avro_type *t, struct text json, const struct path *path)
{
	struct json_reader r;
	enum json_token token;
	int rc = -1;

	json_reader_init(&r, json);
	token = json_reader_next(&r, x->e);
	if (token == JSON_TOKEN_ERROR)
		goto out;
	if (t->kind == AVRO_KIND_UNION) {
		rc = encode_union(x, t, token, r.value, json, path);
		if (rc == 0)
			rc = json_reader_skip(&r, token, x->e);
	} else if (t->kind == AVRO_KIND_RECORD && token == JSON_TOKEN_OBJECT)
		rc = encode_record(x, t, &r, path);
	else if ((t->kind == AVRO_KIND_MAP && token == JSON_TOKEN_OBJECT) ||
		 (t->kind == AVRO_KIND_ARRAY && token == JSON_TOKEN_ARRAY))
		rc = encode_items(x, t, &r, path);
	else if (encode_scalar(x, t, token, r.value))
		rc = 0;
	else
		rc = refuse_type(x, path, t, token, r.value);
	if (rc == 0 && json_reader_next(&r, x->e) != JSON_TOKEN_END)
		rc = -1;
out:
	json_reader_release(&r);
	return rc;
}

int
avro_encode(const struct avro_schema *schema, struct text json, const struct avro_default *defaults,
    size_t default_count, struct buffer *out, struct error *e)
{
	struct encode x = {
	    .out = out, .defaults = defaults, .default_count = default_count, .e = e};
	size_t start = out->len;
	int rc = encode_value(&x, avro_schema_root(schema), json, NULL);

	buffer_release(&x.scratch);
	if (rc != 0)
		out->len = start;
	return rc;
}

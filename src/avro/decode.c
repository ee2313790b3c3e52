#include "avro/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avro/program.h"
#include "base/json_text.h"
#include "base/limits.h"
#include "base/memory.h"

/* Notes the fault; the text is made once the calls have returned and the path is known. */
static bool
fail(struct avro_cursor *c, size_t at, const char *problem, long long number, long long of)
{
	c->problem = problem;
	c->problem_at = at;
	c->number = number;
	c->of = of;
	return false;
}

/* Puts a field's name in front of the path. */
static bool
fail_in(struct avro_cursor *c, struct text name)
{
	size_t dot = c->path_len > 0, need = name.len + dot;

	if (need <= sizeof(c->path) - c->path_len) {
		char *start = c->path + sizeof(c->path) - c->path_len - need;

		memcpy(start, name.data, name.len);
		if (dot)
			start[name.len] = '.';
		c->path_len += need;
	}
	return false;
}

static int
refuse(const struct avro_cursor *c, struct error *e)
{
	struct text record = avro_schema_record_name(c->decoder->schema);
	char what[128], path[256];

	snprintf(what, sizeof(what), c->problem, c->number, c->of);
	text_clean(path, sizeof(path), text_span(c->path + sizeof(c->path) - c->path_len, c->path_len));
	return error_set(e, ERR_REFUSED, "not a datum of '%.*s': %s%s%s%s at byte %zu of %zu", (int)record.len,
	    record.data, path[0] ? "field '" : "", path, path[0] ? "': " : "", what, c->problem_at, c->len);
}

static bool
read_varint(struct avro_cursor *c, unsigned last_shift, uint8_t last_max, const char *too_long, uint64_t *v)
{
	size_t at = c->at;
	uint64_t u = 0;
	uint8_t byte;

	for (unsigned shift = 0;; shift += 7) {
		if (at >= c->len)
			return fail(c, c->at, "the datum ends inside a number", 0, 0);
		byte = c->data[at++];
		if (shift == last_shift && byte > last_max)
			return fail(c, c->at, too_long, 0, 0);
		u |= (uint64_t)(byte & 0x7F) << shift;
		if (byte < 0x80)
			break;
	}
	c->at = at;
	*v = u;
	return true;
}

static inline bool
read_long(struct avro_cursor *c, int64_t *v)
{
	uint64_t u;

	if (c->at < c->len && c->data[c->at] < 0x80)
		u = c->data[c->at++];
	else if (!read_varint(c, 63, 1, "a long of more than 64 bits", &u))
		return false;
	*v = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
	return true;
}

static bool
read_int(struct avro_cursor *c, int64_t *v)
{
	uint64_t u;

	if (!read_varint(c, 28, 0x0F, "an int of more than 32 bits", &u))
		return false;
	*v = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
	return true;
}

static bool
read_index(struct avro_cursor *c, size_t count, const char *outside, size_t *index)
{
	size_t at = c->at;
	int64_t v;

	if (!read_long(c, &v))
		return false;
	if (v < 0 || (uint64_t)v >= count)
		return fail(c, at, outside, v, (long long)count);
	*index = (size_t)v;
	return true;
}

static bool
read_boolean(struct avro_cursor *c, int64_t *v)
{
	if (c->at >= c->len)
		return fail(c, c->at, "the datum ends before a boolean", 0, 0);
	if (c->data[c->at] > 1)
		return fail(c, c->at, "boolean %lld, neither 0 nor 1", c->data[c->at], 0);
	*v = c->data[c->at++];
	return true;
}

static bool
read_bytes(struct avro_cursor *c, uint64_t n, struct text *bytes)
{
	if (n > c->len - c->at)
		return fail(c, c->at, "%lld bytes, but %lld are left", (long long)n, (long long)(c->len - c->at));
	*bytes = text_span(c->data + c->at, (size_t)n);
	c->at += (size_t)n;
	return true;
}

static bool
read_sized(struct avro_cursor *c, struct text *bytes)
{
	size_t at = c->at;
	int64_t n;

	if (!read_long(c, &n))
		return false;
	if (n < 0)
		return fail(c, at, "length %lld", n, 0);
	if ((uint64_t)n > c->len - c->at)
		return fail(c, at, "length %lld, but %lld bytes are left", n, (long long)(c->len - c->at));
	return read_bytes(c, (uint64_t)n, bytes);
}

static bool
read_string(struct avro_cursor *c, struct text *s)
{
	if (!read_sized(c, s))
		return false;
	if (!text_is_utf8(*s))
		return fail(c, c->at - s->len, "text that is not UTF-8", 0, 0);
	return true;
}

static void
append_float(struct buffer *out, struct text bytes)
{
	const uint8_t *p = (const uint8_t *)bytes.data;
	uint32_t bits = 0;
	float v;

	for (int i = 3; i >= 0; i--)
		bits = bits << 8 | p[i];
	memcpy(&v, &bits, sizeof(v));
	json_text_double(out, (double)v);
}

static void
append_double(struct buffer *out, struct text bytes)
{
	const uint8_t *p = (const uint8_t *)bytes.data;
	uint64_t bits = 0;
	double v;

	for (int i = 7; i >= 0; i--)
		bits = bits << 8 | p[i];
	memcpy(&v, &bits, sizeof(v));
	json_text_double(out, v);
}

static void
append_base64(struct buffer *out, struct text bytes)
{
	buffer_append_byte(out, '"');
	buffer_append_base64(out, bytes.data, bytes.len);
	buffer_append_byte(out, '"');
}

static bool value(struct avro_cursor *c, const struct step *s, struct buffer *out);

static inline bool
within(struct avro_cursor *c, const struct buffer *out)
{
	if (out != NULL && out->len > c->json_end)
		return fail(c, c->at, "more than %lld bytes of JSON", LIMIT_EVENT_JSON_BYTES, 0);
	return true;
}

static bool
enter(struct avro_cursor *c)
{
	if (c->depth >= LIMIT_JSON_DEPTH)
		return fail(c, c->at, "nesting deeper than %lld", LIMIT_JSON_DEPTH, 0);
	c->depth++;
	return true;
}

/*
 * Fields from … to - 1 of the record whose steps begin at fields. A run of null fields, each the one byte 0, is the
 * common case by far (an update fills a handful of eighty): it costs a look at each byte and one copy.
 */
static bool
members(struct avro_cursor *c, const struct avro_type *record, const struct step *fields, size_t from, size_t to,
    struct buffer *out, size_t *offsets)
{
	const uint8_t *pool = c->decoder->pool.data;

	for (size_t i = from; i < to;) {
		const struct step *s = &fields[i];
		size_t run = i;

		while (run < to && fields[run].null == 1 && c->at < c->len && c->data[c->at] == 0) {
			if (offsets != NULL)
				offsets[run] = c->at;
			c->at++;
			run++;
		}
		if (run > i) {
			const struct step *last = &fields[run - 1];

			if (out != NULL)
				buffer_append(out, pool + s->text, last->text + last->key_len + 4 - s->text);
			i = run;
		} else {
			if (offsets != NULL)
				offsets[i] = c->at;
			if (out != NULL)
				buffer_append(out, pool + s->text, s->key_len);
			if (!value(c, s, out))
				return fail_in(c, record->fields[i].name);
			i++;
		}
		if (!within(c, out))
			return false;
	}
	return true;
}

/*
 * Items are written with a comma before each; the first comma becomes the opening bracket.
 */
static void
bracket(struct buffer *out, size_t start, char open, char close)
{
	if (out->len == start)
		buffer_append_byte(out, (uint8_t)open);
	else
		out->data[start] = (uint8_t)open;
	buffer_append_byte(out, (uint8_t)close);
}

static bool
record_value(struct avro_cursor *c, const struct step *s, struct buffer *out)
{
	size_t start = out != NULL ? out->len : 0;

	if (!enter(c) || !members(c, s->type, c->decoder->steps + s->first, 0, s->count, out, NULL))
		return false;
	c->depth--;
	if (out != NULL)
		bracket(out, start, '{', '}');
	return true;
}

/* Head of the next block: how many items (0: the end), and where it ends when it says its size (else 0). */
static bool
block_head(struct avro_cursor *c, size_t least, uint64_t *count, size_t *end)
{
	size_t at = c->at;
	int64_t n, size = 0;

	*end = 0;
	if (!read_long(c, &n))
		return false;
	if (n < 0) {
		if (n == INT64_MIN)
			return fail(c, at, "a block of %lld items", n, 0);
		n = -n;
		if (!read_long(c, &size))
			return false;
		if (size < 0 || (uint64_t)size > c->len - c->at)
			return fail(c, at, "a block of %lld bytes, but %lld are left", size,
			    (long long)(c->len - c->at));
		*end = c->at + (size_t)size;
	}
	if (least > 0 && (uint64_t)n > (c->len - c->at) / least)
		return fail(c, at, "a block of %lld items, but %lld bytes are left", n,
		    (long long)(c->len - c->at));
	*count = (uint64_t)n;
	return true;
}

static bool
item(struct avro_cursor *c, const struct step *s, bool map, struct buffer *out)
{
	struct text key;

	if (out != NULL)
		buffer_append_byte(out, ',');
	if (map) {
		if (!read_string(c, &key))
			return false;
		if (out != NULL) {
			json_text_string(out, key);
			buffer_append_byte(out, ':');
		}
	}
	return value(c, s, out) && within(c, out);
}

static bool
blocks_value(struct avro_cursor *c, const struct step *s, struct buffer *out)
{
	const struct step *inner = c->decoder->steps + s->first;
	bool map = s->op == AVRO_KIND_MAP;
	size_t least = (inner->null != 0 ? 1 : inner->least) + map;
	size_t start = out != NULL ? out->len : 0, end, at;
	uint64_t count;

	if (!enter(c))
		return false;
	for (;;) {
		at = c->at;
		if (!block_head(c, least, &count, &end))
			return false;
		if (count == 0 && end == 0)
			break;
		/* items without a byte: with an output its ceiling ends the loop, without one there is nothing to do */
		if (least == 0 && out == NULL)
			count = 0;
		for (uint64_t i = 0; i < count; i++)
			if (!item(c, inner, map, out))
				return false;
		if (end != 0 && c->at != end)
			return fail(c, at, "a block that is not of the size it says", 0, 0);
	}
	c->depth--;
	if (out != NULL)
		bracket(out, start, map ? '{' : '[', map ? '}' : ']');
	return true;
}

static bool
enum_value(struct avro_cursor *c, const struct step *s, struct buffer *out)
{
	const struct symbol *symbol;
	size_t index;

	if (!read_index(c, s->count, "enum index %lld of %lld symbols", &index))
		return false;
	symbol = &c->decoder->symbols[s->first + index];
	if (out != NULL)
		buffer_append(out, c->decoder->pool.data + symbol->text, symbol->len);
	return true;
}

/* The step of the branch that the datum chose; NULL with the fault noted. *null: it chose the null of a pair. */
static const struct step *
choose(struct avro_cursor *c, const struct step *s, bool *null)
{
	size_t index;

	*null = false;
	for (;;) {
		if (s->null != 0) {
			if (!read_index(c, 2, "union branch %lld of %lld", &index))
				return NULL;
			*null = index + 1 == s->null;
			return s;
		}
		if (s->op != AVRO_KIND_UNION)
			return s;
		if (!read_index(c, s->count, "union branch %lld of %lld", &index))
			return NULL;
		s = c->decoder->steps + s->first + index;
	}
}

static bool
value(struct avro_cursor *c, const struct step *s, struct buffer *out)
{
	struct text bytes;
	int64_t number;
	bool null;

	if (s->null != 0 || s->op == AVRO_KIND_UNION) {
		s = choose(c, s, &null);
		if (s == NULL)
			return false;
		if (null) {
			if (out != NULL)
				buffer_append(out, "null", 4);
			return true;
		}
	}
	if (out == NULL && s->least == 0)
		return true;
	switch ((enum avro_kind)s->op) {
	case AVRO_KIND_NULL: buffer_append(out, "null", 4); return true;
	case AVRO_KIND_BOOLEAN:
		if (!read_boolean(c, &number))
			return false;
		if (out != NULL)
			buffer_append_text(out, number ? "true" : "false");
		return true;
	case AVRO_KIND_INT:
	case AVRO_KIND_LONG:
		if (!(s->op == AVRO_KIND_INT ? read_int(c, &number) : read_long(c, &number)))
			return false;
		if (out != NULL)
			json_text_int64(out, number);
		return true;
	case AVRO_KIND_FLOAT:
	case AVRO_KIND_DOUBLE:
		if (!read_bytes(c, s->op == AVRO_KIND_FLOAT ? 4 : 8, &bytes))
			return false;
		if (out != NULL)
			(s->op == AVRO_KIND_FLOAT ? append_float : append_double)(out, bytes);
		return true;
	case AVRO_KIND_BYTES:
	case AVRO_KIND_FIXED:
		if (!(s->op == AVRO_KIND_BYTES ? read_sized(c, &bytes) : read_bytes(c, s->count, &bytes)))
			return false;
		if (out != NULL)
			append_base64(out, bytes);
		return true;
	case AVRO_KIND_STRING:
		if (!read_string(c, &bytes))
			return false;
		if (out != NULL)
			json_text_string(out, bytes);
		return true;
	case AVRO_KIND_ENUM: return enum_value(c, s, out);
	case AVRO_KIND_ARRAY:
	case AVRO_KIND_MAP: return blocks_value(c, s, out);
	case AVRO_KIND_RECORD: return record_value(c, s, out);
	case AVRO_KIND_UNION: break; /* chosen above, and no union holds a union */
	}
	return fail(c, c->at, "a union inside a union", 0, 0);
}

static void
cursor_init(struct avro_cursor *c, const struct avro_decoder *d, struct text datum)
{
	*c = (struct avro_cursor){.decoder = d, .data = (const uint8_t *)datum.data, .len = datum.len};
}

static int
check_end(struct avro_cursor *c, struct error *e)
{
	if (c->at == c->len)
		return 0;
	fail(c, c->at, "%lld bytes left over", (long long)(c->len - c->at), 0);
	return refuse(c, e);
}

int
avro_decode_json(const struct avro_decoder *d, struct text datum, struct buffer *out, struct error *e)
{
	struct avro_cursor c;
	size_t start = out->len;

	cursor_init(&c, d, datum);
	c.json_end = start + LIMIT_EVENT_JSON_BYTES;
	if ((value(&c, d->steps, out) ? 0 : refuse(&c, e)) == 0 && check_end(&c, e) == 0)
		return 0;
	out->len = start;
	return -1;
}

int
avro_cursor_begin(struct avro_cursor *c, const struct avro_decoder *d, struct text datum, struct error *e)
{
	cursor_init(c, d, datum);
	if (avro_schema_root(d->schema)->kind != AVRO_KIND_RECORD)
		return error_set(e, ERR_REFUSED, "the Avro schema is no record but a %s",
		    avro_kind_name(avro_schema_root(d->schema)->kind));
	return enter(c) ? 0 : refuse(c, e);
}

int
avro_cursor_members(struct avro_cursor *c, size_t from, size_t to, struct buffer *out, size_t *offsets,
    struct error *e)
{
	const struct step *root = c->decoder->steps;
	size_t start = out != NULL ? out->len : 0;

	c->json_end = start + LIMIT_EVENT_JSON_BYTES;
	if (members(c, root->type, c->decoder->steps + root->first, from, to, out, offsets))
		return 0;
	if (out != NULL)
		out->len = start;
	return refuse(c, e);
}

int
avro_cursor_end(struct avro_cursor *c, struct error *e)
{
	return check_end(c, e);
}

static bool
children(struct avro_cursor *c, const struct step *s, const uint8_t *wanted, struct buffer *out)
{
	const struct step *fields = c->decoder->steps + s->first;
	size_t start = out->len;

	if (!enter(c))
		return false;
	for (size_t i = 0; i < s->count; i++) {
		bool want = wanted[i / 8] >> i % 8 & 1;

		if (!members(c, s->type, fields, i, i + 1, want ? out : NULL, NULL))
			return false;
	}
	c->depth--;
	bracket(out, start, '{', '}');
	return true;
}

void
avro_cursor_key(const struct avro_cursor *c, size_t field, struct buffer *out)
{
	const struct step *s = c->decoder->steps + c->decoder->steps->first + field;

	buffer_append(out, c->decoder->pool.data + s->text, s->key_len);
}

/* The record among what a field may hold, or NULL. */
static const struct step *
record_step(const struct avro_decoder *d, const struct step *s)
{
	if (s->op == AVRO_KIND_RECORD)
		return s;
	for (size_t i = 0; s->op == AVRO_KIND_UNION && i < s->count; i++)
		if (d->steps[s->first + i].op == AVRO_KIND_RECORD)
			return d->steps + s->first + i;
	return NULL;
}

static void
null_children(const struct avro_decoder *d, const struct step *record, const uint8_t *wanted, struct buffer *out)
{
	size_t start = out->len;

	for (size_t i = 0; i < record->count; i++) {
		const struct step *s = d->steps + record->first + i;

		if (wanted[i / 8] >> i % 8 & 1)
			buffer_append(out, d->pool.data + s->text, s->key_len + 4);
	}
	bracket(out, start, '{', '}');
}

int
avro_cursor_children(const struct avro_cursor *c, size_t field, size_t at, const uint8_t *wanted,
    struct buffer *out, struct error *e)
{
	const struct step *root = c->decoder->steps, *declared = c->decoder->steps + root->first + field;
	const struct step *record = record_step(c->decoder, declared), *s;
	struct avro_cursor here = *c;
	size_t start = out->len;
	bool null = false, good = true;

	here.at = at;
	here.json_end = start + LIMIT_EVENT_JSON_BYTES;
	s = choose(&here, declared, &null);
	if (s == NULL) {
		good = false;
	} else if (record != NULL && (null || s->op == AVRO_KIND_NULL)) {
		null_children(c->decoder, record, wanted, out);
	} else if (record != NULL && s->type == record->type) {
		good = children(&here, s, wanted, out);
	} else {
		here.at = at;
		good = value(&here, declared, out);
	}
	if (good)
		return 0;
	fail_in(&here, root->type->fields[field].name);
	out->len = start;
	return refuse(&here, e);
}

void
avro_texts_release(struct avro_texts *t)
{
	free(t->items);
	*t = (struct avro_texts){0};
}

static bool
read_texts(struct avro_cursor *c, struct avro_value *v, struct avro_texts *texts)
{
	size_t end, at;
	uint64_t count;

	v->kind = AVRO_VALUE_TEXTS;
	for (;;) {
		at = c->at;
		if (!block_head(c, 1, &count, &end))
			return false;
		if (count == 0 && end == 0)
			return true;
		for (uint64_t i = 0; i < count; i++) {
			if (texts->count == texts->capacity)
				texts->items = memory_reserve(texts->items, &texts->capacity, texts->count + 1,
				    sizeof(*texts->items));
			if (!read_string(c, &texts->items[texts->count]))
				return false;
			texts->count++;
			v->texts.count++;
		}
		if (end != 0 && c->at != end)
			return fail(c, at, "a block that is not of the size it says", 0, 0);
	}
}

static bool
read_value(struct avro_cursor *c, const struct step *s, struct avro_value *v, struct avro_texts *texts)
{
	size_t index;
	bool null;

	*v = (struct avro_value){0};
	s = choose(c, s, &null);
	if (s == NULL)
		return false;
	if (null)
		return true;
	switch ((enum avro_kind)s->op) {
	case AVRO_KIND_BOOLEAN: v->kind = AVRO_VALUE_NUMBER; return read_boolean(c, &v->number);
	case AVRO_KIND_INT: v->kind = AVRO_VALUE_NUMBER; return read_int(c, &v->number);
	case AVRO_KIND_LONG: v->kind = AVRO_VALUE_NUMBER; return read_long(c, &v->number);
	case AVRO_KIND_STRING: v->kind = AVRO_VALUE_TEXT; return read_string(c, &v->text);
	case AVRO_KIND_ENUM:
		if (!read_index(c, s->count, "enum index %lld of %lld symbols", &index))
			return false;
		v->kind = AVRO_VALUE_TEXT;
		v->text = s->type->symbols[index];
		return true;
	case AVRO_KIND_ARRAY:
		if (c->decoder->steps[s->first].op == AVRO_KIND_STRING && c->decoder->steps[s->first].null == 0)
			return read_texts(c, v, texts);
		return value(c, s, NULL);
	default: return value(c, s, NULL);
	}
}

/* The lists were read one behind the other; now that the array no longer moves they get their pointers. */
static void
set_lists(struct avro_value *values, size_t n, const struct avro_texts *texts, size_t at)
{
	for (size_t i = 0; i < n; i++) {
		if (values[i].kind != AVRO_VALUE_TEXTS)
			continue;
		values[i].texts.items = texts->items + at;
		at += values[i].texts.count;
	}
}

int
avro_cursor_record(struct avro_cursor *c, size_t field, struct avro_value *values, bool *present,
    struct avro_texts *texts, struct error *e)
{
	const struct step *root = c->decoder->steps, *s;
	size_t at = c->at, lists = texts->count;
	bool null = false;

	*present = false;
	s = choose(c, c->decoder->steps + root->first + field, &null);
	if (s == NULL)
		goto bad;
	if (null)
		return 0;
	if (s->op != AVRO_KIND_RECORD) {
		c->at = at;
		return value(c, c->decoder->steps + root->first + field, NULL) ? 0 : refuse(c, e);
	}
	for (size_t i = 0; i < s->count; i++)
		if (!read_value(c, c->decoder->steps + s->first + i, &values[i], texts)) {
			fail_in(c, s->type->fields[i].name);
			goto bad;
		}
	set_lists(values, s->count, texts, lists);
	*present = true;
	return 0;
bad:
	fail_in(c, root->type->fields[field].name);
	return refuse(c, e);
}

int
avro_cursor_value(struct avro_cursor *c, size_t field, struct avro_value *v, struct avro_texts *texts,
    struct error *e)
{
	const struct step *root = c->decoder->steps;
	size_t lists = texts->count;

	if (!read_value(c, c->decoder->steps + root->first + field, v, texts)) {
		fail_in(c, root->type->fields[field].name);
		return refuse(c, e);
	}
	set_lists(v, 1, texts, lists);
	return 0;
}

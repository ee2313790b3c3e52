#include "avro/decode.h"

#include <stdio.h>
#include <string.h>

#include "avro/run.h"
#include "base/json_text.h"
#include "base/limits.h"

/* Notes the fault; the text is made once the calls have returned and the path is known. */
bool
run_fail(struct avro_cursor *c, size_t at, const char *problem, long long number, long long of)
{
	c->problem = problem;
	c->problem_at = at;
	c->number = number;
	c->of = of;
	return false;
}

bool
run_fail_in(struct avro_cursor *c, struct text name)
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

int
run_refuse(const struct avro_cursor *c, struct error *e)
{
	struct text record = avro_schema_record_name(c->decoder->schema);
	char what[128], path[256];

	snprintf(what, sizeof(what), c->problem, c->number, c->of);
	text_clean(
	    path, sizeof(path), text_span(c->path + sizeof(c->path) - c->path_len, c->path_len));
	return error_set(e, ERR_REFUSED, "not a datum of '%s': %s%s%s%s at byte %zu of %zu",
	    record.len > 0 ? record.data
			   : avro_kind_name(avro_schema_root(c->decoder->schema)->kind),
	    path[0] ? "field '" : "", path, path[0] ? "': " : "", what, c->problem_at, c->len);
}

bool
run_varint(
    struct avro_cursor *c, unsigned last_shift, uint8_t last_max, const char *too_long, uint64_t *v)
{
	size_t at = c->at;
	uint64_t u = 0;
	uint8_t byte;

	for (unsigned shift = 0;; shift += 7) {
		if (at >= c->len)
			return run_fail(c, c->at, "the datum ends inside a number", 0, 0);
		byte = c->data[at++];
		if (shift == last_shift && byte > last_max)
			return run_fail(c, c->at, too_long, 0, 0);
		u |= (uint64_t)(byte & 0x7F) << shift;
		if (byte < 0x80)
			break;
	}
	c->at = at;
	*v = u;
	return true;
}

bool
run_int(struct avro_cursor *c, int64_t *v)
{
	uint64_t u;

	if (!run_varint(c, 28, 0x0F, "an int of more than 32 bits", &u))
		return false;
	*v = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
	return true;
}

bool
run_index(struct avro_cursor *c, size_t count, const char *outside, size_t *index)
{
	size_t at = c->at;
	int64_t v;

	if (!run_long(c, &v))
		return false;
	if (v < 0 || (uint64_t)v >= count)
		return run_fail(c, at, outside, v, (long long)count);
	*index = (size_t)v;
	return true;
}

bool
run_boolean(struct avro_cursor *c, int64_t *v)
{
	if (c->at >= c->len)
		return run_fail(c, c->at, "the datum ends before a boolean", 0, 0);
	if (c->data[c->at] > 1)
		return run_fail(c, c->at, "boolean %lld, neither 0 nor 1", c->data[c->at], 0);
	*v = c->data[c->at++];
	return true;
}

static bool
read_bytes(struct avro_cursor *c, uint64_t n, struct text *bytes)
{
	if (n > c->len - c->at)
		return run_fail(c, c->at, "%lld bytes, but %lld are left", (long long)n,
		    (long long)(c->len - c->at));
	*bytes = text_span(c->data + c->at, (size_t)n);
	c->at += (size_t)n;
	return true;
}

static bool
read_sized(struct avro_cursor *c, struct text *bytes)
{
	size_t at = c->at;
	int64_t n;

	if (!run_long(c, &n))
		return false;
	if (n < 0)
		return run_fail(c, at, "length %lld", n, 0);
	if ((uint64_t)n > c->len - c->at)
		return run_fail(
		    c, at, "length %lld, but %lld bytes are left", n, (long long)(c->len - c->at));
	return read_bytes(c, (uint64_t)n, bytes);
}

bool
run_string(struct avro_cursor *c, struct text *s)
{
	if (!read_sized(c, s))
		return false;
	if (!text_is_utf8(*s))
		return run_fail(c, c->at - s->len, "text that is not UTF-8", 0, 0);
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

static inline bool
within(struct avro_cursor *c, const struct buffer *out)
{
	if (out != NULL && out->len > c->json_end)
		return run_fail(
		    c, c->at, "more than %lld bytes of JSON", LIMIT_EVENT_JSON_BYTES, 0);
	return true;
}

bool
run_enter(struct avro_cursor *c)
{
	if (c->depth >= LIMIT_JSON_DEPTH)
		return run_fail(c, c->at, "nesting deeper than %lld", LIMIT_JSON_DEPTH, 0);
	c->depth++;
	return true;
}

/*
 * A run of null fields, each the one byte 0, is the
 * common case by far (an update fills a handful of eighty): it costs a look at each byte and one
 * copy.
 */
bool
run_members(struct avro_cursor *c, const struct avro_type *record, const struct step *fields,
    size_t from, size_t to, struct buffer *out, size_t *offsets)
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
				buffer_append(
				    out, pool + s->text, last->text + last->key_len + 4 - s->text);
			i = run;
		} else {
			if (offsets != NULL)
				offsets[i] = c->at;
			if (out != NULL)
				buffer_append(out, pool + s->text, s->key_len);
			if (!run_value(c, s, out))
				return run_fail_in(c, record->fields[i].name);
			i++;
		}
		if (!within(c, out))
			return false;
	}
	return true;
}

void
run_bracket(struct buffer *out, size_t start, char open, char close)
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

	if (!run_enter(c) ||
	    !run_members(c, s->type, c->decoder->steps + s->first, 0, s->count, out, NULL))
		return false;
	c->depth--;
	if (out != NULL)
		run_bracket(out, start, '{', '}');
	return true;
}

bool
run_block_head(struct avro_cursor *c, size_t least, uint64_t *count, size_t *end)
{
	size_t at = c->at;
	int64_t n, size = 0;

	*end = 0;
	if (!run_long(c, &n))
		return false;
	if (n < 0) {
		if (n == INT64_MIN)
			return run_fail(c, at, "a block of %lld items", n, 0);
		n = -n;
		if (!run_long(c, &size))
			return false;
		if (size < 0 || (uint64_t)size > c->len - c->at)
			return run_fail(c, at, "a block of %lld bytes, but %lld are left", size,
			    (long long)(c->len - c->at));
		*end = c->at + (size_t)size;
	}
	if (least > 0 && (uint64_t)n > (c->len - c->at) / least)
		return run_fail(c, at, "a block of %lld items, but %lld bytes are left", n,
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
		if (!run_string(c, &key))
			return false;
		if (out != NULL) {
			json_text_string(out, key);
			buffer_append_byte(out, ':');
		}
	}
	return run_value(c, s, out) && within(c, out);
}

static bool
blocks_value(struct avro_cursor *c, const struct step *s, struct buffer *out)
{
	const struct step *inner = c->decoder->steps + s->first;
	bool map = s->op == AVRO_KIND_MAP;
	size_t least = (inner->null != 0 ? 1 : inner->least) + map;
	size_t start = out != NULL ? out->len : 0, end, at;
	uint64_t count;

	if (!run_enter(c))
		return false;
	for (;;) {
		at = c->at;
		if (!run_block_head(c, least, &count, &end))
			return false;
		if (count == 0 && end == 0)
			break;
		/* items without a byte: with an output its ceiling ends the loop, without one there
		 * is nothing to do */
		if (least == 0 && out == NULL)
			count = 0;
		for (uint64_t i = 0; i < count; i++)
			if (!item(c, inner, map, out))
				return false;
		if (end != 0 && c->at != end)
			return run_fail(c, at, "a block that is not of the size it says", 0, 0);
	}
	c->depth--;
	if (out != NULL)
		run_bracket(out, start, map ? '{' : '[', map ? '}' : ']');
	return true;
}

static bool
enum_value(struct avro_cursor *c, const struct step *s, struct buffer *out)
{
	const struct symbol *symbol;
	size_t index;

	if (!run_index(c, s->count, "enum index %lld of %lld symbols", &index))
		return false;
	symbol = &c->decoder->symbols[s->first + index];
	if (out != NULL)
		buffer_append(out, c->decoder->pool.data + symbol->text, symbol->len);
	return true;
}

const struct step *
run_choose(struct avro_cursor *c, const struct step *s, bool *null)
{
	size_t index;

	*null = false;
	for (;;) {
		if (s->null != 0) {
			if (!run_index(c, 2, "union branch %lld of %lld", &index))
				return NULL;
			*null = index + 1 == s->null;
			return s;
		}
		if (s->op != AVRO_KIND_UNION)
			return s;
		if (!run_index(c, s->count, "union branch %lld of %lld", &index))
			return NULL;
		s = c->decoder->steps + s->first + index;
	}
}

bool
run_value(struct avro_cursor *c, const struct step *s, struct buffer *out)
{
	struct text bytes;
	int64_t number;
	bool null;

	if (s->null != 0 || s->op == AVRO_KIND_UNION) {
		s = run_choose(c, s, &null);
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
	case AVRO_KIND_NULL:
		buffer_append(out, "null", 4);
		return true;
	case AVRO_KIND_BOOLEAN:
		if (!run_boolean(c, &number))
			return false;
		if (out != NULL)
			buffer_append_text(out, number ? "true" : "false");
		return true;
	case AVRO_KIND_INT:
	case AVRO_KIND_LONG:
		if (!(s->op == AVRO_KIND_INT ? run_int(c, &number) : run_long(c, &number)))
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
		if (!(s->op == AVRO_KIND_BYTES ? read_sized(c, &bytes)
					       : read_bytes(c, s->count, &bytes)))
			return false;
		if (out != NULL)
			append_base64(out, bytes);
		return true;
	case AVRO_KIND_STRING:
		if (!run_string(c, &bytes))
			return false;
		if (out != NULL)
			json_text_string(out, bytes);
		return true;
	case AVRO_KIND_ENUM:
		return enum_value(c, s, out);
	case AVRO_KIND_ARRAY:
	case AVRO_KIND_MAP:
		return blocks_value(c, s, out);
	case AVRO_KIND_RECORD:
		return record_value(c, s, out);
	case AVRO_KIND_UNION:
		break; /* chosen above, and no union holds a union */
	}
	return run_fail(c, c->at, "a union inside a union", 0, 0);
}

void
run_init(struct avro_cursor *c, const struct avro_decoder *d, struct text datum)
{
	*c = (struct avro_cursor){.decoder = d,
	    .data = (const uint8_t *)(datum.data != NULL ? datum.data : ""),
	    .len = datum.len};
}

int
run_check_end(struct avro_cursor *c, struct error *e)
{
	if (c->at == c->len)
		return 0;
	run_fail(c, c->at, "%lld bytes left over", (long long)(c->len - c->at), 0);
	return run_refuse(c, e);
}

int
avro_decode_json(
    const struct avro_decoder *d, struct text datum, struct buffer *out, struct error *e)
{
	struct avro_cursor c;
	size_t start = out->len;

	run_init(&c, d, datum);
	c.json_end = start + LIMIT_EVENT_JSON_BYTES;
	if ((run_value(&c, d->steps, out) ? 0 : run_refuse(&c, e)) == 0 &&
	    run_check_end(&c, e) == 0)
		return 0;
	out->len = start;
	return -1;
}

#include "emulator/event_walk.h"

#include <string.h>

struct cursor {
	const uint8_t *at, *end;
};

static bool
read_long(struct cursor *c, int64_t *out)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 70 && c->at < c->end; shift += 7) {
		uint8_t byte = *c->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
			return true;
		}
	}
	return false;
}

static bool
skip(struct cursor *c, int64_t n)
{
	if (n < 0 || n > c->end - c->at)
		return false;
	c->at += n;
	return true;
}

static bool
skip_string(struct cursor *c)
{
	int64_t n;

	return read_long(c, &n) && skip(c, n);
}

/* Blocks of strings, each with its count, negative ones with their bytes too. */
static bool
skip_strings(struct cursor *c)
{
	int64_t count, bytes;

	for (;;) {
		if (!read_long(c, &count))
			return false;
		if (count == 0)
			return true;
		if (count < 0) {
			if (!read_long(c, &bytes) || !skip(c, bytes))
				return false;
			continue;
		}
		while (count-- > 0)
			if (!skip_string(c))
				return false;
	}
}

/* ChangeEventHeader (wire/cdc-events.md §2.1). */
static bool
skip_header(struct cursor *c)
{
	int64_t n;

	return skip_string(c) && skip_strings(c) && read_long(c, &n) && skip_string(c) && skip_string(c) &&
	    read_long(c, &n) && read_long(c, &n) && read_long(c, &n) && skip_string(c) && skip_strings(c) &&
	    skip_strings(c) && skip_strings(c);
}

static bool skip_record(struct cursor *c, const struct record_type *t, int depth);

static bool
skip_field(struct cursor *c, const struct event_field *f, int depth)
{
	const struct record_type *record = f->record;
	enum value_kind kind = f->kind;
	int64_t branch = f->branch;

	if (f->is_nullable && !read_long(c, &branch))
		return false;
	if (f->is_nullable && branch == f->null_branch)
		return true;
	if (f->person && branch == f->person_branch) {
		record = f->person;
		kind = VALUE_RECORD;
	} else if (branch != f->branch) {
		return false;
	}
	switch (kind) {
	case VALUE_STRING:
		return skip_string(c);
	case VALUE_DOUBLE:
		return skip(c, 8);
	case VALUE_INT:
	case VALUE_LONG:
		return read_long(c, &branch);
	case VALUE_BOOLEAN:
		return skip(c, 1);
	case VALUE_RECORD:
		break;
	}
	return record && depth < 8 && skip_record(c, record, depth + 1);
}

static bool
skip_record(struct cursor *c, const struct record_type *t, int depth)
{
	for (size_t i = 0; i < t->count; i++)
		if (!skip_field(c, &t->fields[i], depth))
			return false;
	return true;
}

bool
event_walk(const struct event_type *t, struct text payload, struct text *fields)
{
	struct cursor c = { (const uint8_t *)payload.data, (const uint8_t *)payload.data + payload.len };
	const struct record_type *root = &t->types[0];

	for (size_t i = 0; i < root->count; i++) {
		const struct event_field *f = &root->fields[i];
		const uint8_t *start = c.at;
		bool is_header = i == 0 && strcmp(f->name, "ChangeEventHeader") == 0;

		if (is_header ? !skip_header(&c) : !skip_field(&c, f, 0))
			return false;
		fields[i] = text_span(start, (size_t)(c.at - start));
	}
	return c.at == c.end;
}

bool
event_field_is_null(const struct event_field *f, struct text bytes)
{
	return f->is_nullable && bytes.len == 1 && bytes.data[0] == (char)(f->null_branch << 1);
}

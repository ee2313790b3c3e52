#include "emulator/event_check.h"

struct cursor {
	const uint8_t *at, *end;
};

static bool
read_long(struct cursor *c, int64_t *out)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 70 && c->at < c->end; shift += 7) {
		uint8_t byte = *c->at++;

		if (shift == 63 && byte > 1)
			return false;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
			return true;
		}
	}
	return false;
}

static const char *
check_scalar(struct cursor *c, enum value_kind kind)
{
	int64_t n;

	switch (kind) {
	case VALUE_STRING:
		if (!read_long(c, &n) || n < 0 || n > c->end - c->at)
			return "its length is not within the payload";
		if (!text_is_utf8(text_span(c->at, (size_t)n)))
			return "its text is not UTF-8";
		c->at += n;
		return NULL;
	case VALUE_DOUBLE:
		if (c->end - c->at < 8)
			return "the payload ends within it";
		c->at += 8;
		return NULL;
	case VALUE_INT:
		if (!read_long(c, &n) || n < INT32_MIN || n > INT32_MAX)
			return "it is no int";
		return NULL;
	case VALUE_LONG:
		return read_long(c, &n) ? NULL : "it is no long";
	case VALUE_BOOLEAN:
		if (c->at == c->end || *c->at > 1)
			return "it is no boolean";
		c->at++;
		return NULL;
	default:
		return "it cannot be published";
	}
}

/* Compounds hold scalars only, so this goes two levels deep at most. */
static int
check_record(struct cursor *c, const struct record_type *t, int depth, struct error *e)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct event_field *f = &t->fields[i];
		const char *why = NULL;
		int64_t branch = f->branch;

		if (f->is_nullable && !read_long(c, &branch))
			why = "its union branch cannot be read";
		else if (f->is_nullable && branch == f->null_branch)
			continue;
		else if (branch != f->branch)
			why = "its union has no such branch";
		else if (f->record && depth == 0) {
			if (check_record(c, f->record, 1, e) != 0)
				return error_wrap(e, "%s", f->name);
			continue;
		}
		if (!why)
			why = check_scalar(c, f->kind);
		if (why)
			return error_set(e, ERR_REFUSED, "field %s: %s", f->name, why);
	}
	return 0;
}

int
event_check(const struct event_type *t, struct text payload, struct error *e)
{
	struct cursor c = { (const uint8_t *)payload.data, (const uint8_t *)payload.data + payload.len };

	if (check_record(&c, &t->types[0], 0, e) != 0)
		return -1;
	if (c.at != c.end)
		return error_set(e, ERR_REFUSED, "%td bytes are left behind the last field", c.end - c.at);
	return 0;
}

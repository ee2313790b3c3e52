#include "salesforce/bitmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/memory.h"

struct bitmap_field {
	struct text name;
	uint32_t children; /* 0: no compound */
	uint32_t first;	   /* its children's names */
};

struct bitmap_names {
	struct bitmap_field *fields;
	size_t count;
	struct text *children; /* "Parent.Child" of all compounds */
	struct buffer pool;
};

struct bitmap_names *
bitmap_names_new(const struct avro_type *record)
{
	struct bitmap_names *n = memory_zero(1, sizeof(*n));
	size_t total = 0, at = 0, pool_at = 0;

	n->count = record->count;
	n->fields = memory_zero(record->count + 1, sizeof(*n->fields));
	for (size_t i = 0; i < record->count; i++) {
		const struct avro_type *compound = avro_type_record(record->fields[i].type);

		n->fields[i].name = record->fields[i].name;
		n->fields[i].first = (uint32_t)total;
		n->fields[i].children = compound != NULL ? (uint32_t)compound->count : 0;
		if (n->fields[i].children > LIMIT_BITMAP_CHILDREN - total)
			n->fields[i].children = 0;
		total += n->fields[i].children;
		for (size_t c = 0; c < n->fields[i].children; c++) {
			buffer_append(
			    &n->pool, record->fields[i].name.data, record->fields[i].name.len);
			buffer_append_byte(&n->pool, '.');
			buffer_append(
			    &n->pool, compound->fields[c].name.data, compound->fields[c].name.len);
		}
	}
	/* the pool has stopped moving: point into it */
	n->children = memory_zero(total + 1, sizeof(*n->children));
	for (size_t i = 0; i < record->count; i++) {
		const struct avro_type *compound = avro_type_record(record->fields[i].type);

		for (size_t c = 0; c < n->fields[i].children; c++) {
			size_t len = n->fields[i].name.len + 1 + compound->fields[c].name.len;

			n->children[at++] = text_span(n->pool.data + pool_at, len);
			pool_at += len;
		}
	}
	return n;
}

void
bitmap_names_free(struct bitmap_names *n)
{
	if (n == NULL)
		return;
	free(n->fields);
	free(n->children);
	buffer_release(&n->pool);
	free(n);
}

void
bitmap_list_release(struct bitmap_list *l)
{
	free(l->names);
	free(l->places);
	*l = (struct bitmap_list){0};
}

static void
add(struct bitmap_list *l, struct text name, ptrdiff_t field, ptrdiff_t child)
{
	if (l->count == l->capacity) {
		size_t capacity = l->capacity;

		l->places = memory_reserve(l->places, &capacity, l->count + 1, sizeof(*l->places));
		l->names = memory_reserve(l->names, &l->capacity, l->count + 1, sizeof(*l->names));
		l->capacity = capacity < l->capacity ? capacity : l->capacity;
	}
	l->names[l->count] = name;
	l->places[l->count++] =
	    (struct bitmap_place){.field = (int32_t)field, .child = (int32_t)child};
}

/* An element, taken apart. */
struct element {
	bool nested;
	size_t position; /* of the compound */
	struct text digits;
};

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* false: it is no bitmap. */
static bool
take_apart(struct text t, struct element *e)
{
	size_t i = 0;

	*e = (struct element){0};
	while (i < t.len && t.data[i] >= '0' && t.data[i] <= '9' &&
	       !(t.data[i] == '0' && i == 0 && t.len > 1 && t.data[1] == 'x')) {
		if (e->position > LIMIT_SCHEMA_FIELDS)
			return false;
		e->position = e->position * 10 + (size_t)(t.data[i++] - '0');
	}
	if (i > 0) {
		if (i >= t.len || t.data[i] != '-')
			return false;
		e->nested = true;
		i++;
	}
	if (t.len - i < 3 || t.data[i] != '0' || t.data[i + 1] != 'x')
		return false;
	e->digits = text_span(t.data + i + 2, t.len - i - 2);
	for (size_t d = 0; d < e->digits.len; d++)
		if (digit(e->digits.data[d]) < 0)
			return false;
	return true;
}

/* Bits count from the end of the text, four to a digit. */
static bool
bit(struct text digits, size_t i)
{
	return i / 4 < digits.len && (digit(digits.data[digits.len - 1 - i / 4]) >> i % 4 & 1) != 0;
}

static bool
any_bit_from(struct text digits, size_t i)
{
	for (; i % 4 != 0; i++)
		if (bit(digits, i))
			return true;
	for (size_t d = i / 4; d < digits.len; d++)
		if (digits.data[digits.len - 1 - d] != '0')
			return true;
	return false;
}

/* Bits of fields there are in the text at most. */
static size_t
end_of(struct text digits, size_t fields)
{
	return digits.len >= fields / 4 + 1 ? fields
	       : digits.len * 4 < fields    ? digits.len * 4
					    : fields;
}

static void
expand_top(const struct bitmap_names *n, struct text digits, struct bitmap_list *out)
{
	size_t end = end_of(digits, n->count);

	for (size_t i = 0; i < end; i++)
		if (bit(digits, i))
			add(out, n->fields[i].name, (ptrdiff_t)i, -1);
}

static void
expand_nested(const struct bitmap_names *n, const struct element *e, struct bitmap_list *out)
{
	const struct bitmap_field *field = &n->fields[e->position];
	size_t end = end_of(e->digits, field->children);

	for (size_t i = 0; i < end; i++)
		if (bit(e->digits, i))
			add(out, n->children[field->first + i], (ptrdiff_t)e->position,
			    (ptrdiff_t)i);
}

void
bitmap_expand(const struct bitmap_names *n, struct text_list elements, struct bitmap_list *out)
{
	size_t start = out->count;

	for (size_t i = 0; i < elements.count; i++) {
		struct text t = elements.items[i];
		struct element e;
		bool rest = true; /* something in it has no name */

		if (out->count - start <= LIMIT_BITMAP_NAMES && take_apart(t, &e)) {
			if (!e.nested) {
				expand_top(n, e.digits, out);
				rest = any_bit_from(e.digits, n->count);
			} else if (e.position < n->count && n->fields[e.position].children > 0) {
				expand_nested(n, &e, out);
				rest = any_bit_from(e.digits, n->fields[e.position].children);
			}
		}
		if (rest)
			add(out, t, -1, -1);
	}
}

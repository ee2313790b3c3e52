/* Protobuf bytes → cells, by the plan. */
#include "emulator/zerobus_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/memory.h"
#include "emulator/zerobus_private.h"

/* One value of a field as it stood on the wire. */
struct occurrence {
	struct text span; /* length-delimited */
	uint64_t bits;	  /* varint and fixed */
	int32_t next;	  /* the field's next one; -1: the last */
};

struct chain {
	int32_t first, last; /* -1: none */
	int32_t count;
};

struct decoder {
	struct record_rows *rows;
	struct occurrence *found;
	size_t found_count, found_capacity;
	struct chain *chains;
	size_t chain_count, chain_capacity;
	struct buffer text;
	struct error *e;
};

static bool
read_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
	uint64_t result = 0;

	for (int shift = 0; shift < 70 && *p < end; shift += 7) {
		uint8_t b = *(*p)++;

		result |= (uint64_t)(b & 0x7f) << (shift < 64 ? shift : 63);
		if (b < 0x80) {
			*v = result;
			return shift < 63 || b <= 1;
		}
	}
	return false;
}

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static int
wire_of(const struct lake_type *t)
{
	switch (t->kind) {
	case LAKE_DOUBLE:
		return WIRE_64;
	case LAKE_FLOAT:
		return WIRE_32;
	case LAKE_STRING:
	case LAKE_VARCHAR:
	case LAKE_VARIANT:
	case LAKE_DECIMAL:
	case LAKE_BINARY:
	case LAKE_STRUCT:
		return WIRE_BYTES;
	default:
		return WIRE_VARINT;
	}
}

static bool
read_value(const uint8_t **p, const uint8_t *end, int wire, struct occurrence *o)
{
	uint32_t bits32;

	switch (wire) {
	case WIRE_VARINT:
		return read_varint(p, end, &o->bits);
	case WIRE_64:
		if (end - *p < 8)
			return false;
		memcpy(&o->bits, *p, 8);
		*p += 8;
		return true;
	case WIRE_32:
		if (end - *p < 4)
			return false;
		memcpy(&bits32, *p, 4);
		o->bits = bits32;
		*p += 4;
		return true;
	case WIRE_BYTES:
		if (!read_varint(p, end, &o->bits) || o->bits > (uint64_t)(end - *p))
			return false;
		o->span = text_span(*p, (size_t)o->bits);
		*p += o->bits;
		return true;
	default:
		return false;
	}
}

bool
zerobus_wire_next(const uint8_t **p, const uint8_t *end, struct wire_field *f)
{
	struct occurrence o = {.bits = 0};
	uint64_t tag;

	if (!read_varint(p, end, &tag) || tag >> 3 == 0 || tag >> 32 != 0)
		return false;
	f->number = (uint32_t)(tag >> 3);
	f->wire = (int)(tag & 7);
	if (!read_value(p, end, f->wire, &o))
		return false;
	f->bits = o.bits;
	f->span = o.span;
	return true;
}

static const struct plan_field *
field_of(const struct plan_message *m, uint64_t number, size_t *index)
{
	if (m->by_number != NULL) {
		if (number > m->highest || m->by_number[number] < 0)
			return NULL;
		*index = (size_t)m->by_number[number];
		return &m->fields[*index];
	}
	for (*index = 0; *index < m->count; (*index)++)
		if (m->fields[*index].number == number)
			return &m->fields[*index];
	return NULL;
}

static void
add_occurrence(struct decoder *d, struct chain *chain, const struct occurrence *o)
{
	int32_t at = (int32_t)d->found_count;

	d->found = memory_reserve(d->found, &d->found_capacity, d->found_count + 1, sizeof(*d->found));
	d->found[d->found_count] = *o;
	d->found[d->found_count++].next = -1;
	if (chain->last >= 0)
		d->found[chain->last].next = at;
	else
		chain->first = at;
	chain->last = at;
	chain->count++;
}

static int
add_packed(struct decoder *d, size_t chain, int wire, struct text span)
{
	const uint8_t *p = (const uint8_t *)span.data, *end = p + span.len;

	while (p < end) {
		struct occurrence o = {.bits = 0};

		if (!read_value(&p, end, wire, &o))
			return error_set(d->e, ERR_REFUSED, "record is not decodable: packed values end early");
		add_occurrence(d, &d->chains[chain], &o);
	}
	return 0;
}

/* Finds every value of a message's fields; chains start at d->chain_count as it was. */
static int
collect(struct decoder *d, const struct plan_message *m, struct text bytes)
{
	const uint8_t *start = (const uint8_t *)bytes.data, *p = start, *end = p + bytes.len;
	size_t base = d->chain_count;

	d->chains = memory_reserve(d->chains, &d->chain_capacity, base + m->count, sizeof(*d->chains));
	d->chain_count += m->count;
	for (size_t i = 0; i < m->count; i++)
		d->chains[base + i] = (struct chain){-1, -1, 0};
	while (p < end) {
		struct occurrence o = {.bits = 0};
		const struct plan_field *f;
		uint64_t tag;
		size_t at;
		int wire, want;

		if (!read_varint(&p, end, &tag) || tag >> 3 == 0 || tag >> 32 != 0)
			return error_set(d->e, ERR_REFUSED, "record is not decodable: bad tag before byte %zu",
			    (size_t)(p - start));
		wire = (int)(tag & 7);
		if (!read_value(&p, end, wire, &o))
			return error_set(d->e, ERR_REFUSED, "record is not decodable: field %llu ends early at byte %zu",
			    (unsigned long long)(tag >> 3), (size_t)(p - start));
		f = field_of(m, tag >> 3, &at);
		if (f == NULL)
			return error_set(d->e, ERR_REFUSED, "record has field number %llu, which its descriptor lacks",
			    (unsigned long long)(tag >> 3));
		want = f->shape == PLAN_MAP ? WIRE_BYTES : wire_of(f->type);
		if (wire == want)
			add_occurrence(d, &d->chains[base + at], &o);
		else if (f->shape == PLAN_ARRAY && wire == WIRE_BYTES) {
			if (add_packed(d, base + at, want, o.span) < 0)
				return -1;
		} else
			return error_set(d->e, ERR_REFUSED, "field \"%s\": wire type %d instead of %d", f->name, wire, want);
	}
	for (size_t i = 0; i < m->count; i++)
		if (m->fields[i].required && d->chains[base + i].first < 0)
			return record_refuse(m->fields[i].name, "required and missing", d->e);
	return 0;
}

static int
scalar_cell(struct decoder *d, const struct lake_type *t, const char *name, const struct occurrence *o,
    struct lake_cell *cell)
{
	uint32_t bits32 = (uint32_t)o->bits;
	float single;

	switch (t->kind) {
	case LAKE_BOOLEAN:
		cell->kind = LAKE_CELL_INTEGER;
		cell->integer = o->bits != 0;
		return 0;
	case LAKE_BYTE:
	case LAKE_SHORT:
	case LAKE_INT:
	case LAKE_DATE:
	case LAKE_LONG:
	case LAKE_TIMESTAMP:
	case LAKE_TIMESTAMP_NTZ:
		cell->kind = LAKE_CELL_INTEGER;
		cell->integer = (int64_t)o->bits;
		return record_check_integer(t, name, cell->integer, d->e);
	case LAKE_FLOAT:
		memcpy(&single, &bits32, sizeof(single));
		cell->real = (double)single;
		break;
	case LAKE_DOUBLE:
		memcpy(&cell->real, &o->bits, sizeof(cell->real));
		break;
	case LAKE_BINARY:
		cell->kind = LAKE_CELL_BYTES;
		cell->bytes = o->span;
		return 0;
	default:
		return record_text_cell(d->rows, t, name, o->span, cell, d->e);
	}
	cell->kind = LAKE_CELL_REAL;
	if (cell->real != cell->real) {
		/* SQLite has no NaN: kept as a word */
		cell->kind = LAKE_CELL_TEXT;
		cell->bytes = text_of("NaN");
	}
	return 0;
}

static int write_field(struct decoder *d, const struct plan_field *f, struct chain chain);

static int
write_struct(struct decoder *d, const struct plan_message *m, const struct lake_type *t, struct text bytes)
{
	size_t found = d->found_count, base = d->chain_count, at = 0;

	if (collect(d, m, bytes) < 0)
		return -1;
	buffer_append_byte(&d->text, '{');
	for (size_t i = 0; i < t->field_count; i++) {
		if (i > 0)
			buffer_append_byte(&d->text, ',');
		json_text_string(&d->text, text_of(t->fields[i].name));
		buffer_append_byte(&d->text, ':');
		if (at < m->count && strcmp(m->fields[at].name, t->fields[i].name) == 0) {
			if (write_field(d, &m->fields[at], d->chains[base + at]) < 0)
				return -1;
			at++;
		} else {
			buffer_append_text(&d->text, "null");
		}
	}
	buffer_append_byte(&d->text, '}');
	d->found_count = found;
	d->chain_count = base;
	return 0;
}

static int
write_value(struct decoder *d, const struct plan_message *m, const struct lake_type *t, const char *name, int32_t at)
{
	struct occurrence o = d->found[at]; /* by value: the array moves */
	struct lake_cell cell = {.kind = LAKE_CELL_NULL};

	if (t->kind == LAKE_STRUCT)
		return write_struct(d, m, t, o.span);
	if (scalar_cell(d, t, name, &o, &cell) < 0)
		return -1;
	record_cell_json(t, &cell, &d->text);
	return 0;
}

/* A singular message that comes more than once is their merge: the wire form of it is all of them in a row. */
static int
write_merged(struct decoder *d, const struct plan_field *f, struct chain chain)
{
	struct buffer all = BUFFER_INIT;
	struct text kept;

	for (int32_t i = chain.first; i >= 0; i = d->found[i].next)
		buffer_append(&all, d->found[i].span.data, d->found[i].span.len);
	kept = text_span(record_memory_add(d->rows, all.data, all.len), all.len);
	buffer_release(&all);
	return write_struct(d, f->message, f->type, kept);
}

/* ---- maps ---- */

struct entry {
	struct text key; /* as JSON's object key, unquoted */
	struct occurrence value;
	bool has_value, superseded;
	size_t order;
};

static int
read_entry(struct decoder *d, const struct plan_field *f, struct text bytes, struct entry *en)
{
	const uint8_t *p = (const uint8_t *)bytes.data, *end = p + bytes.len;
	struct occurrence key = {.bits = 0};
	struct lake_cell cell;
	char digits[24];

	while (p < end) {
		struct occurrence o = {.bits = 0};
		uint64_t tag;

		if (!read_varint(&p, end, &tag) || !read_value(&p, end, (int)(tag & 7), &o))
			return record_refuse(f->name, "map entry ends early", d->e);
		if (tag >> 3 == 1 && (int)(tag & 7) == wire_of(f->key)) {
			key = o;
		} else if (tag >> 3 == 2 && (int)(tag & 7) == wire_of(f->type)) {
			en->value = o;
			en->has_value = true;
		} else {
			return record_refuse(f->name, "map entry with a field other than key and value", d->e);
		}
	}
	if (scalar_cell(d, f->key, f->name, &key, &cell) < 0)
		return -1;
	if (cell.kind == LAKE_CELL_TEXT) {
		en->key = cell.bytes;
		return 0;
	}
	if (f->key->kind == LAKE_BOOLEAN) {
		en->key = text_of(cell.integer ? "true" : "false");
		return 0;
	}
	snprintf(digits, sizeof(digits), "%lld", (long long)cell.integer);
	en->key = text_span(record_memory_add(d->rows, digits, strlen(digits)), strlen(digits));
	return 0;
}

static int
by_key(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
	size_t n = x->key.len < y->key.len ? x->key.len : y->key.len;
	int c = n ? memcmp(x->key.data, y->key.data, n) : 0;

	if (c == 0 && x->key.len != y->key.len)
		c = x->key.len < y->key.len ? -1 : 1;
	return c != 0 ? c : x->order < y->order ? -1 : 1;
}

/* Of entries with the same key the last one counts. */
static void
supersede(struct entry *entries, size_t count)
{
	struct entry **sorted = memory_alloc((count + 1) * sizeof(struct entry *));

	for (size_t i = 0; i < count; i++)
		sorted[i] = &entries[i];
	qsort(sorted, count, sizeof(struct entry *), by_key);
	for (size_t i = 1; i < count; i++)
		if (text_equal(sorted[i - 1]->key, sorted[i]->key))
			sorted[i - 1]->superseded = true;
	free(sorted);
}

static int
write_map_value(struct decoder *d, const struct plan_field *f, const struct entry *en)
{
	struct lake_cell cell = {.kind = LAKE_CELL_NULL};

	/* an entry without its value holds the type's zero, as protobuf has it */
	if (f->type->kind == LAKE_STRUCT)
		return write_struct(d, f->message, f->type, en->value.span);
	if (scalar_cell(d, f->type, f->name, &en->value, &cell) < 0)
		return -1;
	record_cell_json(f->type, &cell, &d->text);
	return 0;
}

static int
write_map(struct decoder *d, const struct plan_field *f, struct chain chain)
{
	struct entry *entries = memory_zero((size_t)chain.count + 1, sizeof(*entries));
	size_t count = 0;
	bool comma = false;
	int rc = 0;

	for (int32_t i = chain.first; i >= 0 && rc == 0; i = d->found[i].next) {
		entries[count].order = count;
		rc = read_entry(d, f, d->found[i].span, &entries[count]);
		count++;
	}
	if (rc == 0)
		supersede(entries, count);
	buffer_append_byte(&d->text, '{');
	for (size_t i = 0; i < count && rc == 0; i++) {
		if (entries[i].superseded)
			continue;
		if (comma)
			buffer_append_byte(&d->text, ',');
		comma = true;
		json_text_string(&d->text, entries[i].key);
		buffer_append_byte(&d->text, ':');
		rc = write_map_value(d, f, &entries[i]);
	}
	buffer_append_byte(&d->text, '}');
	free(entries);
	return rc;
}

/* The JSON of one field: null, a value, an array, an object. */
static int
write_field(struct decoder *d, const struct plan_field *f, struct chain chain)
{
	if (chain.first < 0) {
		buffer_append_text(&d->text, "null");
		return 0;
	}
	if (f->shape == PLAN_MAP)
		return write_map(d, f, chain);
	if (f->shape == PLAN_SINGLE && f->type->kind == LAKE_STRUCT && chain.count > 1)
		return write_merged(d, f, chain);
	if (f->shape == PLAN_SINGLE)
		return write_value(d, f->message, f->type, f->name, chain.last);
	buffer_append_byte(&d->text, '[');
	for (int32_t i = chain.first; i >= 0; i = d->found[i].next) {
		if (i != chain.first)
			buffer_append_byte(&d->text, ',');
		if (write_value(d, f->message, f->type, f->name, i) < 0)
			return -1;
	}
	buffer_append_byte(&d->text, ']');
	return 0;
}

static int
top_cell(struct decoder *d, const struct plan_field *f, struct chain chain, struct lake_cell *cell)
{
	cell->kind = LAKE_CELL_NULL;
	if (chain.first < 0)
		return 0;
	if (f->shape == PLAN_SINGLE && f->type->kind != LAKE_STRUCT)
		return scalar_cell(d, f->type, f->name, &d->found[chain.last], cell);
	buffer_clear(&d->text);
	if (write_field(d, f, chain) < 0)
		return -1;
	cell->kind = LAKE_CELL_TEXT;
	cell->bytes = text_span(record_memory_add(d->rows, d->text.data, d->text.len), d->text.len);
	return 0;
}

static int
record_add_proto(struct record_rows *r, const struct record_plan *p, struct text record, struct lake_cell *cells,
    struct error *e)
{
	struct decoder d = {.rows = r, .e = e};
	int rc = collect(&d, p->message, record);

	for (size_t i = 0; i < p->count && rc == 0; i++)
		rc = top_cell(&d, &p->message->fields[i], d.chains[i], &cells[i]);
	free(d.found);
	free(d.chains);
	buffer_release(&d.text);
	return rc;
}

int
record_rows_add(struct record_rows *r, const struct record_plan *p, struct text record, struct error *e)
{
	size_t at = r->rows * p->count;

	r->cells = memory_reserve(r->cells, &r->cell_capacity, at + p->count + 1, sizeof(*r->cells));
	if ((p->message ? record_add_proto : record_add_json)(r, p, record, r->cells + at, e) < 0)
		return -1;
	r->rows++;
	return 0;
}

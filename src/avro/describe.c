#include "avro/describe.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"

#define NAME_WIDTH_MAX 44
#define TYPE_WIDTH_MAX 40
#define SYMBOLS_SHOWN 12

/* "string or Switchable_PersonName", "list of Point", "one of RED, GREEN"; null is said elsewhere.
 */
static void
append_type(struct buffer *out, const struct avro_type *t, bool with_null)
{
	size_t n = 0;

	switch (t->kind) {
	case AVRO_KIND_UNION:
		for (size_t i = 0; i < t->count; i++) {
			if (t->branches[i]->kind == AVRO_KIND_NULL && !with_null)
				continue;
			buffer_append_text(out, n++ > 0 ? " or " : "");
			append_type(out, t->branches[i], true);
		}
		break;
	case AVRO_KIND_ARRAY:
	case AVRO_KIND_MAP:
		buffer_append_text(out, t->kind == AVRO_KIND_ARRAY ? "list of " : "map of ");
		append_type(out, t->branches[0], true);
		break;
	case AVRO_KIND_FIXED:
		buffer_append_format(out, "%s (%zu bytes)", t->name.data, t->size);
		break;
	case AVRO_KIND_ENUM:
	case AVRO_KIND_RECORD:
		buffer_append_text(out, t->name.data);
		break;
	default:
		buffer_append_text(out, avro_kind_name(t->kind));
		if (t->logical.data != NULL)
			buffer_append_format(out, " (%s)", t->logical.data);
		break;
	}
}

/* The record or enum to unfold below a field, if any: also of a list's or a map's items. */
static const struct avro_type *
inner_named(const struct avro_type *t)
{
	switch (t->kind) {
	case AVRO_KIND_RECORD:
	case AVRO_KIND_ENUM:
		return t;
	case AVRO_KIND_ARRAY:
	case AVRO_KIND_MAP:
		return inner_named(t->branches[0]);
	case AVRO_KIND_UNION:
		for (size_t i = 0; i < t->count; i++)
			if (inner_named(t->branches[i]) != NULL)
				return inner_named(t->branches[i]);
		return NULL;
	default:
		return NULL;
	}
}

struct tree {
	struct buffer *out;
	unsigned char *seen; /* by type */
	size_t name_width, type_width;
	bool measure;
};

static void
pad(struct buffer *out, size_t from, size_t width)
{
	do
		buffer_append_byte(out, ' ');
	while (out->len - from < width + 2);
}

static void
append_clean(struct buffer *out, struct text t)
{
	char clean[512];

	buffer_append_text(out, text_clean(clean, sizeof(clean), t));
}

static void
append_field(struct tree *t, const struct avro_field *f, size_t indent)
{
	size_t start = t->out->len, type_start;

	for (size_t i = 0; i < indent; i++)
		buffer_append_text(t->out, "  ");
	append_clean(t->out, f->name);
	if (t->measure && t->out->len - start > t->name_width)
		t->name_width = t->out->len - start;
	pad(t->out, start, t->name_width);
	type_start = t->out->len;
	append_type(t->out, f->type, false);
	if (t->measure && t->out->len - type_start > t->type_width)
		t->type_width = t->out->len - type_start;
	pad(t->out, type_start, t->type_width);
	buffer_append_text(t->out, f->nullable ? "null    " : "required");
	if (f->doc.data != NULL) {
		buffer_append_text(t->out, "  ");
		append_clean(t->out, f->doc);
	}
	while (t->out->len > start && t->out->data[t->out->len - 1] == ' ')
		t->out->len--;
	buffer_append_byte(t->out, '\n');
}

static void
append_symbols(struct tree *t, const struct avro_type *e, size_t indent)
{
	for (size_t i = 0; i < indent; i++)
		buffer_append_text(t->out, "  ");
	buffer_append_text(t->out, "one of ");
	for (size_t i = 0; i < e->count && i < SYMBOLS_SHOWN; i++) {
		buffer_append_text(t->out, i > 0 ? ", " : "");
		append_clean(t->out, e->symbols[i]);
	}
	if (e->count > SYMBOLS_SHOWN)
		buffer_append_format(t->out, " and %zu more", e->count - SYMBOLS_SHOWN);
	buffer_append_byte(t->out, '\n');
}

static void
append_fields(struct tree *t, const struct avro_type *record, size_t indent)
{
	t->seen[record->index] = 1;
	for (size_t i = 0; i < record->count && t->out->len < DESCRIBE_BYTES_MAX; i++) {
		const struct avro_type *inner = inner_named(record->fields[i].type);

		append_field(t, &record->fields[i], indent);
		if (inner == NULL || t->seen[inner->index])
			continue;
		t->seen[inner->index] = 1;
		if (inner->kind == AVRO_KIND_RECORD)
			append_fields(t, inner, indent + 1);
		else
			append_symbols(t, inner, indent + 1);
	}
}

void
avro_describe_tree(const struct avro_schema *s, struct buffer *out)
{
	const struct avro_type *root = avro_schema_root(s);
	struct tree t = {.measure = true};
	struct buffer trial = BUFFER_INIT;

	if (root->kind != AVRO_KIND_RECORD) {
		append_type(out, root, true);
		buffer_append_byte(out, '\n');
		return;
	}
	buffer_append_text(out, root->name.data);
	if (root->namespace.len > 0)
		buffer_append_format(out, " (%s)", root->namespace.data);
	buffer_append_byte(out, '\n');
	/* once to measure, once to write */
	t.out = &trial;
	t.seen = memory_zero(avro_schema_type_count(s), 1);
	append_fields(&t, root, 1);
	t.measure = false;
	t.out = out;
	t.name_width = t.name_width > NAME_WIDTH_MAX ? NAME_WIDTH_MAX : t.name_width;
	t.type_width = t.type_width > TYPE_WIDTH_MAX ? TYPE_WIDTH_MAX : t.type_width;
	memset(t.seen, 0, avro_schema_type_count(s));
	append_fields(&t, root, 1);
	free(t.seen);
	buffer_release(&trial);
}

/* A walk of two records at once. */
struct diff {
	struct buffer *out;
	const struct avro_type *path[LIMIT_SCHEMA_DEPTH];
	size_t depth, count;
	/*
	 * By type of now: the type of before that it was found to equal, so that a record that many
	 * others hold is compared once.
	 */
	const struct avro_type **same;
};

/* "+SNAPSHOT": the symbols that are only in a, each with the sign before it. */
static void
append_other_symbols(
    struct buffer *out, const char *sign, const struct avro_type *a, const struct avro_type *b)
{
	for (size_t i = 0; i < a->count; i++) {
		size_t k = 0;

		while (k < b->count && !text_equal(a->symbols[i], b->symbols[k]))
			k++;
		if (k < b->count)
			continue;
		buffer_append_text(out, sign);
		append_clean(out, a->symbols[i]);
	}
}

static void
append_symbol_change(
    struct buffer *out, const struct avro_field *before, const struct avro_field *now)
{
	const struct avro_type *p = inner_named(before->type), *q = inner_named(now->type);

	if (p == NULL || q == NULL || p->kind != AVRO_KIND_ENUM || q->kind != AVRO_KIND_ENUM)
		return;
	append_other_symbols(out, " -", p, q);
	append_other_symbols(out, " +", q, p);
}

static void
append_change(struct diff *d, char sign, const char *path, const struct avro_field *before,
    const struct avro_field *now)
{
	const struct avro_field *both[2] = {before, now};

	buffer_append_format(d->out, "%c %s  ", sign, path);
	for (int i = 0; i < 2; i++) {
		if (both[i] == NULL)
			continue;
		if (i == 1 && before != NULL)
			buffer_append_text(d->out, " → ");
		append_type(d->out, both[i]->type, false);
		buffer_append_text(d->out, both[i]->nullable ? ", null" : ", required");
		if (both[i]->doc.data != NULL) {
			buffer_append_text(d->out, ", ");
			append_clean(d->out, both[i]->doc);
		}
	}
	if (before != NULL && now != NULL)
		append_symbol_change(d->out, before, now);
	buffer_append_byte(d->out, '\n');
	d->count++;
}

static bool
field_equal(const struct avro_field *a, const struct avro_field *b)
{
	struct buffer x = BUFFER_INIT, y = BUFFER_INIT;
	const struct avro_type *p = inner_named(a->type), *q = inner_named(b->type);
	bool same;

	append_type(&x, a->type, true);
	append_type(&y, b->type, true);
	same = text_equal(buffer_span(&x), buffer_span(&y)) && text_equal(a->doc, b->doc) &&
	       a->nullable == b->nullable;
	if (same && p != NULL && q != NULL && p->kind == AVRO_KIND_ENUM &&
	    q->kind == AVRO_KIND_ENUM) {
		same = p->count == q->count;
		for (size_t i = 0; same && i < p->count; i++)
			same = text_equal(p->symbols[i], q->symbols[i]);
	}
	buffer_release(&x);
	buffer_release(&y);
	return same;
}

static void diff_records(struct diff *d, const char *prefix, const struct avro_type *before,
    const struct avro_type *now);

static void
diff_inner(
    struct diff *d, const char *path, const struct avro_field *before, const struct avro_field *now)
{
	const struct avro_type *p = inner_named(before->type), *q = inner_named(now->type);
	size_t changes = d->count;

	if (p == NULL || q == NULL || p->kind != AVRO_KIND_RECORD || q->kind != AVRO_KIND_RECORD ||
	    d->depth >= LIMIT_SCHEMA_DEPTH || d->out->len > DESCRIBE_BYTES_MAX)
		return;
	for (size_t i = 0; i < d->depth; i++)
		if (d->path[i] == q)
			return;
	if (d->same[q->index] == p)
		return;
	d->path[d->depth++] = q;
	diff_records(d, path, p, q);
	d->depth--;
	if (d->count == changes)
		d->same[q->index] = p;
}

static void
diff_records(
    struct diff *d, const char *prefix, const struct avro_type *before, const struct avro_type *now)
{
	for (size_t i = 0; i < before->count + now->count; i++) {
		bool old = i < before->count;
		const struct avro_field *f =
		    old ? &before->fields[i] : &now->fields[i - before->count];
		ptrdiff_t at = avro_type_find(old ? now : before, f->name);
		char *path = memory_format("%s%s%s", prefix, *prefix ? "." : "", f->name.data);

		if (at < 0) {
			append_change(d, old ? '-' : '+', path, old ? f : NULL, old ? NULL : f);
		} else if (old) {
			if (!field_equal(f, &now->fields[at]))
				append_change(d, '~', path, f, &now->fields[at]);
			diff_inner(d, path, f, &now->fields[at]);
		}
		free(path);
	}
}

size_t
avro_describe_diff(
    const struct avro_schema *before, const struct avro_schema *now, struct buffer *out)
{
	struct avro_field old = {
	    .type = avro_schema_root(before), .value = avro_schema_root(before)};
	struct avro_field new = {.type = avro_schema_root(now), .value = avro_schema_root(now)};
	struct diff d = {.out = out};

	if (!field_equal(&old, &new))
		append_change(&d, '~', "(schema)", &old, &new);
	d.same = memory_zero(avro_schema_type_count(now), sizeof(*d.same));
	diff_inner(&d, "", &old, &new);
	free(d.same);
	return d.count;
}

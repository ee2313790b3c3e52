/* A datum field by field. */
#include "avro/decode.h"

#include <stdlib.h>

#include "avro/run.h"
#include "base/limits.h"
#include "base/memory.h"

int
avro_cursor_begin(
    struct avro_cursor *c, const struct avro_decoder *d, struct text datum, struct error *e)
{
	run_init(c, d, datum);
	if (avro_schema_root(d->schema)->kind != AVRO_KIND_RECORD)
		return error_set(e, ERR_REFUSED, "the Avro schema is no record but a %s",
		    avro_kind_name(avro_schema_root(d->schema)->kind));
	return run_enter(c) ? 0 : run_refuse(c, e);
}

int
avro_cursor_members(struct avro_cursor *c, size_t from, size_t to, struct buffer *out,
    size_t *offsets, struct error *e)
{
	const struct step *root = c->decoder->steps;
	size_t start = out != NULL ? out->len : 0;

	c->json_end = start + LIMIT_EVENT_JSON_BYTES;
	if (run_members(c, root->type, c->decoder->steps + root->first, from, to, out, offsets))
		return 0;
	if (out != NULL)
		out->len = start;
	return run_refuse(c, e);
}

int
avro_cursor_end(struct avro_cursor *c, struct error *e)
{
	return run_check_end(c, e);
}

static bool
children(struct avro_cursor *c, const struct step *s, const uint8_t *wanted, struct buffer *out)
{
	const struct step *fields = c->decoder->steps + s->first;
	size_t start = out->len;

	if (!run_enter(c))
		return false;
	for (size_t i = 0; i < s->count; i++) {
		bool want = wanted[i / 8] >> i % 8 & 1;

		if (!run_members(c, s->type, fields, i, i + 1, want ? out : NULL, NULL))
			return false;
	}
	c->depth--;
	run_bracket(out, start, '{', '}');
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
null_children(const struct avro_decoder *d, const struct step *record, const uint8_t *wanted,
    struct buffer *out)
{
	size_t start = out->len;

	for (size_t i = 0; i < record->count; i++) {
		const struct step *s = d->steps + record->first + i;

		if (wanted[i / 8] >> i % 8 & 1)
			buffer_append(out, d->pool.data + s->text, s->key_len + 4);
	}
	run_bracket(out, start, '{', '}');
}

int
avro_cursor_children(const struct avro_cursor *c, size_t field, size_t at, const uint8_t *wanted,
    struct buffer *out, struct error *e)
{
	const struct step *root = c->decoder->steps,
			  *declared = c->decoder->steps + root->first + field;
	const struct step *record = record_step(c->decoder, declared), *s;
	struct avro_cursor here = *c;
	size_t start = out->len;
	bool null = false, good = true;

	here.at = at;
	here.json_end = start + LIMIT_EVENT_JSON_BYTES;
	s = run_choose(&here, declared, &null);
	if (s == NULL) {
		good = false;
	} else if (record != NULL && (null || s->op == AVRO_KIND_NULL)) {
		null_children(c->decoder, record, wanted, out);
	} else if (record != NULL && s->type == record->type) {
		good = children(&here, s, wanted, out);
	} else {
		here.at = at;
		good = run_value(&here, declared, out);
	}
	if (good)
		return 0;
	run_fail_in(&here, root->type->fields[field].name);
	out->len = start;
	return run_refuse(&here, e);
}

void
avro_texts_release(struct avro_texts *t)
{
	free(t->items);
	*t = (struct avro_texts){0};
}

static bool
read_texts(struct avro_cursor *c, struct avro_item *v, struct avro_texts *texts)
{
	size_t end, at;
	uint64_t count;

	v->kind = AVRO_ITEM_TEXTS;
	for (;;) {
		at = c->at;
		if (!run_block_head(c, 1, &count, &end))
			return false;
		if (count == 0 && end == 0)
			return true;
		for (uint64_t i = 0; i < count; i++) {
			if (texts->count == texts->capacity)
				texts->items = memory_reserve(texts->items, &texts->capacity,
				    texts->count + 1, sizeof(*texts->items));
			if (!run_string(c, &texts->items[texts->count]))
				return false;
			texts->count++;
			v->texts.count++;
		}
		if (end != 0 && c->at != end)
			return run_fail(c, at, "a block that is not of the size it says", 0, 0);
	}
}

static bool
read_value(
    struct avro_cursor *c, const struct step *s, struct avro_item *v, struct avro_texts *texts)
{
	size_t index;
	bool null;

	*v = (struct avro_item){0};
	s = run_choose(c, s, &null);
	if (s == NULL)
		return false;
	if (null)
		return true;
	switch ((enum avro_kind)s->op) {
	case AVRO_KIND_BOOLEAN:
		v->kind = AVRO_ITEM_NUMBER;
		return run_boolean(c, &v->number);
	case AVRO_KIND_INT:
		v->kind = AVRO_ITEM_NUMBER;
		return run_int(c, &v->number);
	case AVRO_KIND_LONG:
		v->kind = AVRO_ITEM_NUMBER;
		return run_long(c, &v->number);
	case AVRO_KIND_STRING:
		v->kind = AVRO_ITEM_TEXT;
		return run_string(c, &v->text);
	case AVRO_KIND_ENUM:
		if (!run_index(c, s->count, "enum index %lld of %lld symbols", &index))
			return false;
		v->kind = AVRO_ITEM_TEXT;
		v->text = s->type->symbols[index];
		return true;
	case AVRO_KIND_ARRAY:
		if (c->decoder->steps[s->first].op == AVRO_KIND_STRING &&
		    c->decoder->steps[s->first].null == 0)
			return read_texts(c, v, texts);
		return run_value(c, s, NULL);
	default:
		return run_value(c, s, NULL);
	}
}

/* The lists were read one behind the other; now that the array no longer moves they get their
 * pointers. */
static void
set_lists(struct avro_item *values, size_t n, const struct avro_texts *texts, size_t at)
{
	for (size_t i = 0; i < n; i++) {
		if (values[i].kind != AVRO_ITEM_TEXTS)
			continue;
		/* an empty list needs no items, and there may be none */
		values[i].texts.items = texts->items != NULL ? texts->items + at : NULL;
		at += values[i].texts.count;
	}
}

int
avro_cursor_record(struct avro_cursor *c, size_t field, struct avro_item *values, bool *present,
    struct avro_texts *texts, struct error *e)
{
	const struct step *root = c->decoder->steps, *s;
	size_t at = c->at, lists = texts->count;
	bool null = false;

	*present = false;
	s = run_choose(c, c->decoder->steps + root->first + field, &null);
	if (s == NULL)
		goto bad;
	if (null)
		return 0;
	if (s->op != AVRO_KIND_RECORD) {
		c->at = at;
		return run_value(c, c->decoder->steps + root->first + field, NULL)
			   ? 0
			   : run_refuse(c, e);
	}
	for (size_t i = 0; i < s->count; i++)
		if (!read_value(c, c->decoder->steps + s->first + i, &values[i], texts)) {
			run_fail_in(c, s->type->fields[i].name);
			goto bad;
		}
	set_lists(values, s->count, texts, lists);
	*present = true;
	return 0;
bad:
	run_fail_in(c, root->type->fields[field].name);
	return run_refuse(c, e);
}

int
avro_cursor_value(struct avro_cursor *c, size_t field, struct avro_item *v,
    struct avro_texts *texts, struct error *e)
{
	const struct step *root = c->decoder->steps;
	size_t lists = texts->count;

	if (!read_value(c, c->decoder->steps + root->first + field, v, texts)) {
		run_fail_in(c, root->type->fields[field].name);
		return run_refuse(c, e);
	}
	set_lists(v, 1, texts, lists);
	return 0;
}

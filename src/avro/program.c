/* From the tree of types to steps. */
#include "avro/program.h"

#include <stdlib.h>

#include "avro/decode.h"
#include "base/json_text.h"
#include "base/memory.h"

#define LEAST_MAX (SIZE_MAX / 4)

struct compile {
	struct avro_decoder *d;
	uint32_t *blocks; /* by type: its first step; of an enum its first symbol */
	size_t *least;	  /* by type: fewest bytes; LEAST_UNKNOWN at first */
};
#define LEAST_UNKNOWN SIZE_MAX

/* Recursion ends: no record contains itself but through a union, an array or a map. */
static size_t
least_bytes(struct compile *c, const struct avro_type *t)
{
	size_t sum = 0;

	if (c->least[t->index] != LEAST_UNKNOWN)
		return c->least[t->index];
	switch (t->kind) {
	case AVRO_KIND_NULL:
		sum = 0;
		break;
	case AVRO_KIND_FLOAT:
		sum = 4;
		break;
	case AVRO_KIND_DOUBLE:
		sum = 8;
		break;
	case AVRO_KIND_FIXED:
		sum = t->size;
		break;
	case AVRO_KIND_RECORD:
		for (size_t i = 0; i < t->count && sum < LEAST_MAX; i++)
			sum += least_bytes(c, t->fields[i].type);
		if (sum > LEAST_MAX)
			sum = LEAST_MAX;
		break;
	default:
		sum = 1;
		break;
	}
	return c->least[t->index] = sum;
}

static struct step
make_step(struct compile *c, const struct avro_type *t)
{
	struct step s = {0};

	if (t->kind == AVRO_KIND_UNION && t->count == 2 &&
	    (t->branches[0]->kind == AVRO_KIND_NULL) != (t->branches[1]->kind == AVRO_KIND_NULL)) {
		s.null = t->branches[0]->kind == AVRO_KIND_NULL ? 1 : 2;
		t = t->branches[s.null == 1 ? 1 : 0];
	}
	s.op = (uint8_t)t->kind;
	s.type = t;
	s.first = c->blocks[t->index];
	s.count = (uint32_t)(t->kind == AVRO_KIND_FIXED ? t->size : t->count);
	s.least = least_bytes(c, t);
	return s;
}

static void
fill_fields(struct compile *c, const struct avro_type *t)
{
	struct buffer *pool = &c->d->pool;

	for (size_t i = 0; i < t->count; i++) {
		struct step s = make_step(c, t->fields[i].type);

		s.text = (uint32_t)pool->len;
		buffer_append_byte(pool, ',');
		json_text_string(pool, t->fields[i].name);
		buffer_append_byte(pool, ':');
		s.key_len = (uint32_t)pool->len - s.text;
		buffer_append(pool, "null", 4);
		c->d->steps[c->blocks[t->index] + i] = s;
	}
}

static void
fill_symbols(struct compile *c, const struct avro_type *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct symbol *s = &c->d->symbols[c->blocks[t->index] + i];

		s->text = (uint32_t)c->d->pool.len;
		json_text_string(&c->d->pool, t->symbols[i]);
		s->len = (uint32_t)c->d->pool.len - s->text;
	}
}

/* Where each type's block begins. */
static void
lay_out(struct compile *c, size_t types)
{
	uint32_t steps = 1, symbols = 0;

	for (size_t i = 0; i < types; i++) {
		const struct avro_type *t = avro_schema_type(c->d->schema, i);

		c->least[i] = LEAST_UNKNOWN;
		if (t->kind == AVRO_KIND_ENUM) {
			c->blocks[i] = symbols;
			symbols += (uint32_t)t->count;
		} else {
			c->blocks[i] = steps;
			steps += (uint32_t)t->count;
		}
	}
	c->d->step_count = steps;
	c->d->steps = memory_zero(steps, sizeof(*c->d->steps));
	c->d->symbols = memory_zero(symbols + 1, sizeof(*c->d->symbols));
}

struct avro_decoder *
avro_decoder_new(struct avro_schema *schema)
{
	struct avro_decoder *d = memory_zero(1, sizeof(*d));
	size_t types = avro_schema_type_count(schema);
	struct compile c = {.d = d};

	d->schema = avro_schema_ref(schema);
	c.blocks = memory_zero(types, sizeof(*c.blocks));
	c.least = memory_zero(types, sizeof(*c.least));
	lay_out(&c, types);
	d->steps[0] = make_step(&c, avro_schema_root(schema));
	for (size_t i = 0; i < types; i++) {
		const struct avro_type *t = avro_schema_type(schema, i);

		if (t->kind == AVRO_KIND_RECORD)
			fill_fields(&c, t);
		else if (t->kind == AVRO_KIND_ENUM)
			fill_symbols(&c, t);
		else
			for (size_t b = 0; b < t->count; b++)
				d->steps[c.blocks[i] + b] = make_step(&c, t->branches[b]);
	}
	free(c.blocks);
	free(c.least);
	return d;
}

void
avro_decoder_free(struct avro_decoder *d)
{
	if (d == NULL)
		return;
	avro_schema_unref(d->schema);
	free(d->steps);
	free(d->symbols);
	buffer_release(&d->pool);
	free(d);
}


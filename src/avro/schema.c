#include "avro/schema.h"

#include <avro.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/memory.h"

/* Everything of a schema lives and dies together: one chain of blocks. */
struct chunk {
	struct chunk *next;
	max_align_t bytes[];
};

struct avro_schema {
	unsigned references;
	struct text json;
	struct chunk *chunks;
	const struct avro_type *root;
	struct avro_type **types;
	size_t type_count, type_capacity;
};

/* State of one parse. */
struct parse {
	struct avro_schema *schema;
	size_t entries; /* fields, branches and symbols so far */
	struct error *e;
};

static const char *const kind_names[] = {"null", "boolean", "int", "long", "float", "double",
    "bytes", "string", "fixed", "enum", "array", "map", "union", "record"};
#define KIND_COUNT (sizeof(kind_names) / sizeof(kind_names[0]))

const char *
avro_kind_name(enum avro_kind kind)
{
	return kind_names[kind];
}

static void *
keep(struct avro_schema *s, size_t bytes)
{
	struct chunk *c = memory_zero(1, sizeof(*c) + bytes);

	c->next = s->chunks;
	s->chunks = c;
	return c->bytes;
}

/* A NUL-terminated copy; NULL stays nothing. */
static struct text
keep_text(struct avro_schema *s, const char *from, size_t len)
{
	char *copy;

	if (from == NULL)
		return (struct text){0};
	copy = keep(s, len + 1);
	memcpy(copy, from, len);
	return text_span(copy, len);
}

static struct text
keep_string(struct avro_schema *s, const char *from)
{
	return keep_text(s, from, from != NULL ? strlen(from) : 0);
}

static struct avro_type *
add_type(struct parse *p, enum avro_kind kind)
{
	struct avro_schema *s = p->schema;
	struct avro_type *t = keep(s, sizeof(*t));

	t->kind = kind;
	t->index = (uint32_t)s->type_count;
	s->types =
	    memory_reserve(s->types, &s->type_capacity, s->type_count + 1, sizeof(*s->types));
	s->types[s->type_count++] = t;
	return t;
}

static int
count_entries(struct parse *p, size_t more)
{
	if (more > LIMIT_SCHEMA_FIELDS - p->entries)
		return error_set(p->e, ERR_REFUSED,
		    "the schema has more than %d fields, branches and symbols",
		    LIMIT_SCHEMA_FIELDS);
	p->entries += more;
	return 0;
}

/* Splits "a.b.C", or takes C and the namespace that is said or stands around it. */
static void
set_name(struct avro_schema *s, struct avro_type *t, const struct json *j, struct text around)
{
	const char *name = json_find_string(j, "name");
	const char *space = json_find_string(j, "namespace");
	const char *dot = name != NULL ? strrchr(name, '.') : NULL;

	if (name == NULL)
		return;
	t->name = keep_string(s, dot != NULL ? dot + 1 : name);
	if (dot != NULL)
		t->namespace = keep_text(s, name, (size_t)(dot - name));
	else if (space != NULL)
		t->namespace = keep_string(s, space);
	else
		t->namespace = around;
}

static bool
has_name(const struct avro_type *t)
{
	return t->kind == AVRO_KIND_FIXED || t->kind == AVRO_KIND_ENUM ||
	       t->kind == AVRO_KIND_RECORD;
}

static const struct avro_type *
find_named(const struct avro_schema *s, struct text name, struct text namespace)
{
	for (size_t i = 0; i < s->type_count; i++)
		if (has_name(s->types[i]) && text_equal(s->types[i]->name, name) &&
		    text_equal(s->types[i]->namespace, namespace))
			return s->types[i];
	return NULL;
}

/* A name alone: a primitive, or a type defined before; first in the namespace around, then in the
 * null one. */
static const struct avro_type *
resolve(struct parse *p, const char *name, struct text around)
{
	const char *dot = strrchr(name, '.');
	const struct avro_type *found;

	for (size_t i = 0; i <= AVRO_KIND_STRING; i++)
		if (strcmp(name, kind_names[i]) == 0)
			return add_type(p, (enum avro_kind)i);
	if (dot != NULL)
		return find_named(
		    p->schema, text_of(dot + 1), text_span(name, (size_t)(dot - name)));
	found = find_named(p->schema, text_of(name), around);
	return found != NULL ? found : find_named(p->schema, text_of(name), (struct text){0});
}

static const struct avro_type *parse_type(
    struct parse *p, const struct json *j, struct text around, int depth);

static int
parse_branches(
    struct parse *p, struct avro_type *t, const struct json *j, struct text around, int depth)
{
	size_t n = 0;

	if (count_entries(p, json_count(j)) != 0)
		return -1;
	t->branches = keep(p->schema, json_count(j) * sizeof(*t->branches));
	for (const struct json *b = json_first(j); b != NULL; b = json_next(b)) {
		t->branches[n] = parse_type(p, b, around, depth + 1);
		if (t->branches[n] == NULL)
			return -1;
		if (t->branches[n++]->kind == AVRO_KIND_UNION)
			return error_set(p->e, ERR_REFUSED, "a union directly inside a union");
	}
	t->count = n;
	return 0;
}

static int
parse_item(
    struct parse *p, struct avro_type *t, const struct json *j, struct text around, int depth)
{
	t->branches = keep(p->schema, sizeof(*t->branches));
	t->branches[0] = parse_type(p, j, around, depth + 1);
	t->count = 1;
	return t->branches[0] != NULL ? 0 : -1;
}

static int
parse_symbols(struct parse *p, struct avro_type *t, const struct json *j)
{
	struct text *symbols;
	size_t n = 0;

	if (!json_is_array(j) || json_count(j) == 0)
		return error_set(p->e, ERR_REFUSED, "the enum '%s' needs a list of at least one symbol", t->name.data);
	if (count_entries(p, json_count(j)) != 0)
		return -1;
	t->symbols = symbols = keep(p->schema, json_count(j) * sizeof(*symbols));
	for (const struct json *s = json_first(j); s != NULL; s = json_next(s)) {
		if (json_string(s) == NULL)
			return error_set(p->e, ERR_REFUSED,
			    "a symbol of the enum '%s' is no string", t->name.data);
		symbols[n++] = keep_string(p->schema, json_string(s));
	}
	t->count = n;
	return 0;
}

static void
set_nullable(struct avro_field *f)
{
	const struct avro_type *t = f->type, *other = NULL;
	size_t others = 0;

	f->value = t;
	f->nullable = t->kind == AVRO_KIND_NULL;
	if (t->kind != AVRO_KIND_UNION)
		return;
	for (size_t i = 0; i < t->count; i++) {
		if (t->branches[i]->kind == AVRO_KIND_NULL) {
			f->nullable = true;
		} else {
			other = t->branches[i];
			others++;
		}
	}
	if (others == 1)
		f->value = other;
}

static int
parse_fields(struct parse *p, struct avro_type *t, const struct json *j, int depth)
{
	struct avro_field *fields;
	size_t n = 0;

	if (count_entries(p, json_count(j)) != 0)
		return -1;
	t->fields = fields = keep(p->schema, json_count(j) * sizeof(*fields));
	for (const struct json *f = json_first(j); f != NULL; f = json_next(f)) {
		struct avro_field *field = &fields[n];

		if (json_find_string(f, "name") == NULL)
			return error_set(
			    p->e, ERR_REFUSED, "a field of '%s' has no name", t->name.data);
		field->name = keep_string(p->schema, json_find_string(f, "name"));
		if (avro_type_find(t, field->name) >= 0)
			return error_set(p->e, ERR_REFUSED, "'%s' has the field '%s' twice",
			    t->name.data, field->name.data);
		field->doc = keep_string(p->schema, json_find_string(f, "doc"));
		field->type = parse_type(p, json_find(f, "type"), t->namespace, depth + 1);
		if (field->type == NULL)
			return -1;
		set_nullable(field);
		t->count = ++n;
	}
	return 0;
}

/* Precision or scale; 0, as if it were not there, for what no decimal has: a reader ignores a logical type that does not fit. */
static int32_t
decimal_digits(const struct json *j, const char *key)
{
	int64_t digits = json_find_int64(j, key, 0);

	return digits > 0 && digits <= INT32_MAX ? (int32_t)digits : 0;
}

static void
set_logical(struct parse *p, struct avro_type *t, const struct json *j)
{
	t->doc = keep_string(p->schema, json_find_string(j, "doc"));
	t->logical = keep_string(p->schema, json_find_string(j, "logicalType"));
	t->precision = decimal_digits(j, "precision");
	t->scale = decimal_digits(j, "scale");
}

static int
parse_size(struct parse *p, struct avro_type *t, const struct json *j)
{
	double size = json_number(json_find(j, "size"), -1);

	if (!(size >= 0 && size <= LIMIT_GRPC_RECEIVE_BYTES))
		return error_set(p->e, ERR_REFUSED,
		    "the fixed '%s' has a size that no event can have", t->name.data);
	t->size = (size_t)size;
	return 0;
}

static const struct avro_type *
parse_object(struct parse *p, const struct json *j, struct text around, int depth)
{
	const char *word = json_find_string(j, "type");
	size_t kind = 0;
	struct avro_type *t;
	int rc = 0;

	while (word != NULL && kind < KIND_COUNT && strcmp(word, kind_names[kind]) != 0)
		kind++;
	if (word == NULL || kind == AVRO_KIND_UNION || kind == KIND_COUNT) {
		/* {"type": X} for any X means X */
		return parse_type(p, json_find(j, "type"), around, depth + 1);
	}
	t = add_type(p, (enum avro_kind)kind);
	set_logical(p, t, j);
	if (has_name(t)) {
		set_name(p->schema, t, j, around);
		if (t->name.data == NULL) {
			error_set(p->e, ERR_REFUSED, "a %s without a name", word);
			return NULL;
		}
	}
	switch (t->kind) {
	case AVRO_KIND_RECORD:
		rc = parse_fields(p, t, json_find(j, "fields"), depth);
		break;
	case AVRO_KIND_ENUM:
		rc = parse_symbols(p, t, json_find(j, "symbols"));
		break;
	case AVRO_KIND_FIXED:
		rc = parse_size(p, t, j);
		break;
	case AVRO_KIND_ARRAY:
		rc = parse_item(p, t, json_find(j, "items"), around, depth);
		break;
	case AVRO_KIND_MAP:
		rc = parse_item(p, t, json_find(j, "values"), around, depth);
		break;
	default:
		break;
	}
	return rc == 0 ? t : NULL;
}

/* j may be NULL: a "type", "items" or "values" that is missing. */
static const struct avro_type *
parse_type(struct parse *p, const struct json *j, struct text around, int depth)
{
	const struct avro_type *found;
	struct avro_type *t;
	char name[128];

	if (depth > LIMIT_SCHEMA_DEPTH) {
		error_set(p->e, ERR_REFUSED, "types nested deeper than %d", LIMIT_SCHEMA_DEPTH);
		return NULL;
	}
	if (json_string(j) != NULL) {
		found = resolve(p, json_string(j), around);
		if (found == NULL)
			error_set(p->e, ERR_REFUSED, "there is no type '%s'",
			    text_clean(name, sizeof(name), text_of(json_string(j))));
		return found;
	}
	if (json_is_array(j)) {
		t = add_type(p, AVRO_KIND_UNION);
		return parse_branches(p, t, j, around, depth) == 0 ? t : NULL;
	}
	if (json_is_object(j))
		return parse_object(p, j, around, depth);
	error_set(
	    p->e, ERR_REFUSED, "a type is missing, or neither a name nor an object nor a list");
	return NULL;
}

/*
 * A record that needs itself to be filled: no datum can end. marks: 0 not seen, 1 on the way down,
 * 2 fine. Unions, arrays and maps end the search: each has a way out or costs a byte of the datum.
 */
static bool
contains_itself(const struct avro_type *t, unsigned char *marks)
{
	if (t->kind != AVRO_KIND_RECORD || marks[t->index] == 2)
		return false;
	if (marks[t->index] == 1)
		return true;
	marks[t->index] = 1;
	for (size_t i = 0; i < t->count; i++)
		if (contains_itself(t->fields[i].type, marks))
			return true;
	marks[t->index] = 2;
	return false;
}

static int
check_ends(const struct avro_schema *s, struct error *e)
{
	unsigned char *marks = memory_zero(s->type_count, 1);
	int rc = 0;

	for (size_t i = 0; i < s->type_count && rc == 0; i++)
		if (contains_itself(s->types[i], marks))
			rc = error_set(e, ERR_REFUSED, "the record '%s' contains itself",
			    s->types[i]->name.data);
	free(marks);
	return rc;
}

/* Our own walk comes first, so that avro-c never sees what passes a ceiling. */
static int
ask_referee(struct text json, struct error *e)
{
	avro_schema_t judged;
	char why[256];

	if (avro_schema_from_json_length(json.data, json.len, &judged) != 0)
		return error_set(
		    e, ERR_REFUSED, "%s", text_clean(why, sizeof(why), text_of(avro_strerror())));
	avro_schema_decref(judged);
	return 0;
}

struct avro_schema *
avro_schema_parse(struct text json, struct error *e)
{
	struct avro_schema *s;
	struct parse p;
	struct json *j;
	int rc = -1;

	if (json.len > LIMIT_SCHEMA_BYTES) {
		error_set(e, ERR_REFUSED, "the Avro schema has %zu bytes, more than %d", json.len,
		    LIMIT_SCHEMA_BYTES);
		return NULL;
	}
	s = memory_zero(1, sizeof(*s));
	s->references = 1;
	s->json = text_span(text_dup(json), json.len);
	p = (struct parse){.schema = s, .e = e};
	j = json_parse(json, e);
	if (j == NULL)
		goto out;
	s->root = parse_type(&p, j, text_of(""), 0);
	if (s->root == NULL || check_ends(s, e) != 0 || ask_referee(json, e) != 0)
		goto out;
	rc = 0;
out:
	json_free(j);
	if (rc != 0) {
		error_wrap(e, "not an Avro schema");
		avro_schema_unref(s);
		return NULL;
	}
	return s;
}

struct avro_schema *
avro_schema_ref(struct avro_schema *s)
{
	s->references++;
	return s;
}

void
avro_schema_unref(struct avro_schema *s)
{
	if (s == NULL || --s->references > 0)
		return;
	while (s->chunks != NULL) {
		struct chunk *next = s->chunks->next;

		free(s->chunks);
		s->chunks = next;
	}
	free(s->types);
	free((void *)(uintptr_t)s->json.data);
	free(s);
}

struct text
avro_schema_json(const struct avro_schema *s)
{
	return s->json;
}

const struct avro_type *
avro_schema_root(const struct avro_schema *s)
{
	return s->root;
}

struct text
avro_schema_record_name(const struct avro_schema *s)
{
	return s->root->name.data != NULL ? s->root->name : text_of("");
}

size_t
avro_schema_type_count(const struct avro_schema *s)
{
	return s->type_count;
}

const struct avro_type *
avro_schema_type(const struct avro_schema *s, size_t index)
{
	return s->types[index];
}

ptrdiff_t
avro_type_find(const struct avro_type *record, struct text name)
{
	for (size_t i = 0; i < record->count; i++)
		if (text_equal(record->fields[i].name, name))
			return (ptrdiff_t)i;
	return -1;
}

struct text
avro_doc_type(struct text doc)
{
	const char *word = doc.len > 0 ? memchr(doc.data, ':', doc.len) : NULL, *end;
	size_t left;

	if (word == NULL)
		return text_span("", 0);
	left = doc.len - (size_t)(++word - doc.data);
	end = memchr(word, ':', left);
	return text_span(word, end != NULL ? (size_t)(end - word) : left);
}

const struct avro_type *
avro_type_record(const struct avro_type *t)
{
	if (t->kind == AVRO_KIND_RECORD)
		return t;
	if (t->kind != AVRO_KIND_UNION)
		return NULL;
	for (size_t i = 0; i < t->count; i++)
		if (t->branches[i]->kind == AVRO_KIND_RECORD)
			return t->branches[i];
	return NULL;
}

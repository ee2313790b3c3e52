#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/event_type.h"

/* Types refer to each other by pointer, so their array never moves. */
#define TYPES_MAX 16

static int parse_record(struct event_type *t, const struct json *j, struct record_type **out,
    struct error *e);

static struct record_type *
find_type(struct event_type *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->types[i].name, name) == 0)
			return &t->types[i];
	return NULL;
}

/* One branch, null excepted. A record inside the header (the enum, the arrays) is not asked for. */
static int
parse_branch(struct event_type *t, const struct json *j, enum value_kind *kind, struct record_type **record,
    struct error *e)
{
	static const struct {
		const char *name;
		enum value_kind kind;
	} scalars[] = { { "string", VALUE_STRING }, { "double", VALUE_DOUBLE }, { "int", VALUE_INT },
		{ "long", VALUE_LONG }, { "boolean", VALUE_BOOLEAN } };
	const char *name = json_string(j);

	*record = NULL;
	*kind = VALUE_RECORD;
	if (!name)
		return parse_record(t, j, record, e);
	for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
		if (strcmp(name, scalars[i].name) == 0) {
			*kind = scalars[i].kind;
			return 0;
		}
	}
	*record = find_type(t, name);
	return *record ? 0 : error_set(e, ERR_FAILED, "schema: unknown type \"%s\"", name);
}

static int
parse_union(struct event_type *t, const struct json *j, struct event_field *f, struct error *e)
{
	int branch = 0;

	f->branch = -1;
	for (const struct json *b = json_first(j); b; b = json_next(b), branch++) {
		struct record_type *record;
		enum value_kind kind;

		if (json_string(b) && strcmp(json_string(b), "null") == 0) {
			f->is_nullable = true;
			f->null_branch = branch;
			continue;
		}
		if (parse_branch(t, b, &kind, &record, e) != 0)
			return -1;
		if (f->branch < 0) {
			f->branch = branch;
			f->kind = kind;
			f->record = record;
		} else {
			f->person_branch = branch;
			f->person = record;
		}
	}
	return 0;
}

/* "Data:Phone:00N…" → "Phone" */
static char *
doc_word(const char *doc)
{
	const char *word = doc ? strchr(doc, ':') : NULL;

	return word ? memory_strndup(word + 1, strcspn(word + 1, ":")) : memory_strdup("");
}

static int
parse_field(struct event_type *t, const struct json *j, struct event_field *f, struct error *e)
{
	const struct json *type = json_find(j, "type");
	struct record_type *record;

	f->name = memory_strdup(json_find_string(j, "name"));
	f->word = doc_word(json_find_string(j, "doc"));
	f->person_branch = -1;
	if (json_is_array(type))
		return parse_union(t, type, f, e);
	if (strcmp(f->name, "ChangeEventHeader") == 0) {
		f->kind = VALUE_RECORD; /* written by hand */
		return 0;
	}
	if (parse_branch(t, type, &f->kind, &record, e) != 0)
		return -1;
	f->record = record;
	return 0;
}

static int
parse_record(struct event_type *t, const struct json *j, struct record_type **out, struct error *e)
{
	const char *name = json_find_string(j, "name");
	const struct json *fields = json_find(j, "fields");
	struct record_type *r;

	if (!name || !json_is_array(fields) || t->count == TYPES_MAX)
		return error_set(e, ERR_FAILED, "schema: a type that is neither a scalar nor a record");
	r = *out = &t->types[t->count++];
	r->name = memory_strdup(name);
	r->fields = memory_zero(json_count(fields), sizeof *r->fields);
	for (const struct json *f = json_first(fields); f; f = json_next(f))
		if (parse_field(t, f, &r->fields[r->count++], e) != 0)
			return -1;
	return 0;
}

int
event_type_parse(struct event_type *t, const char *schema_json, struct error *e)
{
	struct json *j = json_parse(text_of(schema_json), e);
	struct record_type *root;
	int rc;

	*t = (struct event_type){ 0 };
	if (!j)
		return -1;
	t->types = memory_zero(TYPES_MAX, sizeof *t->types);
	rc = parse_record(t, j, &root, e);
	json_free(j);
	return rc;
}

void
event_type_release(struct event_type *t)
{
	for (size_t i = 0; i < t->count; i++) {
		for (size_t k = 0; k < t->types[i].count; k++) {
			free(t->types[i].fields[k].name);
			free(t->types[i].fields[k].word);
		}
		free(t->types[i].fields);
		free(t->types[i].name);
	}
	free(t->types);
	*t = (struct event_type){ 0 };
}

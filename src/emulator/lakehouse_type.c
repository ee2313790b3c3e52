#include "emulator/lakehouse_type.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/memory.h"

static const struct {
	const char *name, *ddl, *json, *sqlite;
} kinds[] = {
#define X(kind, name, ddl, json, sqlite) {name, ddl, json, sqlite},
    LAKE_KINDS(X)
#undef X
};

/* Other words that DDL takes for the same types. */
static const struct {
	const char *word;
	enum lake_kind kind;
} synonyms[] = {{"byte", LAKE_BYTE}, {"short", LAKE_SHORT}, {"integer", LAKE_INT}, {"long", LAKE_LONG},
    {"real", LAKE_FLOAT}, {"dec", LAKE_DECIMAL}, {"numeric", LAKE_DECIMAL}, {"character", LAKE_CHAR},
    {"timestamp_ltz", LAKE_TIMESTAMP}, {"null", LAKE_VOID}};

const char *
lake_type_name(enum lake_kind kind)
{
	return kinds[kind].name;
}

const char *
lake_type_sqlite(enum lake_kind kind)
{
	return kinds[kind].sqlite;
}

struct lake_type *
lake_type_new(enum lake_kind kind)
{
	struct lake_type *t = memory_zero(1, sizeof(*t));

	t->kind = kind;
	t->contains_null = true;
	if (kind == LAKE_DECIMAL)
		t->precision = 10;
	return t;
}

void
lake_field_release(struct lake_field *f)
{
	free(f->name);
	free(f->comment);
	lake_type_free(f->type);
	*f = (struct lake_field){.name = NULL};
}

void
lake_type_free(struct lake_type *t)
{
	if (t == NULL)
		return;
	lake_type_free(t->key);
	lake_type_free(t->element);
	for (size_t i = 0; i < t->field_count; i++)
		lake_field_release(&t->fields[i]);
	free(t->fields);
	free(t);
}

void
lake_field_copy(struct lake_field *to, const struct lake_field *from)
{
	*to = (struct lake_field){.name = memory_strdup(from->name),
	    .type = lake_type_clone(from->type),
	    .nullable = from->nullable,
	    .comment = memory_strdup(from->comment)};
}

struct lake_type *
lake_type_clone(const struct lake_type *t)
{
	struct lake_type *c;

	if (t == NULL)
		return NULL;
	c = memory_alloc(sizeof(*c));
	*c = *t;
	c->key = lake_type_clone(t->key);
	c->element = lake_type_clone(t->element);
	c->fields = t->field_count ? memory_zero(t->field_count, sizeof(*c->fields)) : NULL;
	for (size_t i = 0; i < t->field_count; i++)
		lake_field_copy(&c->fields[i], &t->fields[i]);
	return c;
}

bool
lake_type_equal(const struct lake_type *a, const struct lake_type *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (a->kind != b->kind || a->precision != b->precision || a->scale != b->scale ||
	    a->field_count != b->field_count)
		return false;
	for (size_t i = 0; i < a->field_count; i++)
		if (strcmp(a->fields[i].name, b->fields[i].name) != 0 ||
		    !lake_type_equal(a->fields[i].type, b->fields[i].type))
			return false;
	return lake_type_equal(a->key, b->key) && lake_type_equal(a->element, b->element);
}

static void
skip_space(const char **at)
{
	while (isspace((unsigned char)**at))
		(*at)++;
}

/* A bare or backticked word, malloc'ed; NULL when there is none. */
static char *
read_word(const char **at)
{
	const char *s;
	struct buffer b = BUFFER_INIT;

	skip_space(at);
	s = *at;
	if (*s == '`') {
		for (s++; *s != '\0'; s++) {
			if (*s == '`' && s[1] != '`') {
				*at = s + 1;
				return buffer_detach(&b);
			}
			if (*s == '`')
				s++;
			buffer_append_byte(&b, (uint8_t)*s);
		}
		buffer_release(&b);
		return NULL;
	}
	while (isalnum((unsigned char)*s) || *s == '_')
		s++;
	if (s == *at)
		return NULL;
	buffer_append(&b, *at, (size_t)(s - *at));
	*at = s;
	return buffer_detach(&b);
}

static bool
accept(const char **at, char c)
{
	skip_space(at);
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool
accept_word(const char **at, const char *word)
{
	const char *save = *at;
	char *w = read_word(at);
	bool same = w != NULL && strcasecmp(w, word) == 0;

	if (!same)
		*at = save;
	free(w);
	return same;
}

static int
malformed(const char *at, struct error *e)
{
	return error_set(e, ERR_USAGE, "not a column type at \"%.40s\"", at);
}

/* "(p)" or "(p,s)" behind a word; absent leaves both as they are. */
static int
parse_numbers(const char **at, int *first, int *second, struct error *e)
{
	if (!accept(at, '('))
		return 0;
	skip_space(at);
	*first = (int)strtol(*at, (char **)at, 10);
	if (accept(at, ',')) {
		skip_space(at);
		*second = (int)strtol(*at, (char **)at, 10);
	}
	return accept(at, ')') ? 0 : malformed(*at, e);
}

static struct lake_type *parse_type(const char **at, int depth, struct error *e);

static int
parse_string_literal(const char **at, char **out, struct error *e)
{
	struct buffer b = BUFFER_INIT;
	const char *s;

	skip_space(at);
	if (**at != '\'' && **at != '"')
		return malformed(*at, e);
	for (s = *at + 1; *s != '\0' && *s != **at; s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		buffer_append_byte(&b, (uint8_t)*s);
	}
	if (*s == '\0') {
		buffer_release(&b);
		return malformed(*at, e);
	}
	*at = s + 1;
	*out = buffer_detach(&b);
	return 0;
}

static int
parse_field(const char **at, struct lake_field *f, int depth, struct error *e)
{
	f->nullable = true;
	f->name = read_word(at);
	if (f->name == NULL)
		return malformed(*at, e);
	accept(at, ':');
	f->type = parse_type(at, depth, e);
	if (f->type == NULL)
		return -1;
	if (accept_word(at, "not")) {
		if (!accept_word(at, "null"))
			return malformed(*at, e);
		f->nullable = false;
	}
	if (accept_word(at, "comment") && parse_string_literal(at, &f->comment, e) < 0)
		return -1;
	return 0;
}

static int
parse_fields(const char **at, struct lake_type *t, int depth, struct error *e)
{
	size_t capacity = 0;

	if (accept(at, '>'))
		return 0;
	do {
		if (t->field_count >= LIMIT_COLUMNS)
			return error_set(e, ERR_USAGE, "a struct of more than %d fields", LIMIT_COLUMNS);
		t->fields = memory_reserve(t->fields, &capacity, t->field_count + 1, sizeof(*t->fields));
		t->fields[t->field_count] = (struct lake_field){.name = NULL};
		if (parse_field(at, &t->fields[t->field_count++], depth, e) < 0)
			return -1;
	} while (accept(at, ','));
	return accept(at, '>') ? 0 : malformed(*at, e);
}

static int
parse_arguments(const char **at, struct lake_type *t, int depth, struct error *e)
{
	switch (t->kind) {
	case LAKE_DECIMAL:
		if (parse_numbers(at, &t->precision, &t->scale, e) < 0)
			return -1;
		if (t->precision < 1 || t->precision > 38 || t->scale < 0 || t->scale > t->precision)
			return error_set(e, ERR_USAGE, "no such type: decimal(%d,%d)", t->precision, t->scale);
		return 0;
	case LAKE_VARCHAR:
	case LAKE_CHAR:
		if (parse_numbers(at, &t->precision, &t->scale, e) < 0)
			return -1;
		return t->precision > 0 ? 0 : error_set(e, ERR_USAGE, "a length is missing in %s(n)", kinds[t->kind].ddl);
	case LAKE_GEOGRAPHY:
	case LAKE_GEOMETRY:
		return parse_numbers(at, &t->precision, &t->scale, e);
	case LAKE_INTERVAL:
		while (accept_word(at, "year") || accept_word(at, "month") || accept_word(at, "day") ||
		    accept_word(at, "hour") || accept_word(at, "minute") || accept_word(at, "second") ||
		    accept_word(at, "to"))
			;
		return 0;
	case LAKE_ARRAY:
	case LAKE_MAP:
		if (!accept(at, '<'))
			return malformed(*at, e);
		if (t->kind == LAKE_MAP) {
			t->key = parse_type(at, depth + 1, e);
			if (t->key == NULL)
				return -1;
			if (!accept(at, ','))
				return malformed(*at, e);
		}
		t->element = parse_type(at, depth + 1, e);
		if (t->element == NULL)
			return -1;
		return accept(at, '>') ? 0 : malformed(*at, e);
	case LAKE_STRUCT:
		return accept(at, '<') ? parse_fields(at, t, depth + 1, e) : malformed(*at, e);
	default:
		return 0;
	}
}

static int
find_kind(const char *word, bool json)
{
	if (strncasecmp(word, "interval", 8) == 0)
		return LAKE_INTERVAL;
	for (int i = 0; i < LAKE_KIND_COUNT; i++)
		if (strcasecmp(word, json ? kinds[i].json : kinds[i].ddl) == 0)
			return i;
	for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
		if (strcasecmp(word, synonyms[i].word) == 0)
			return (int)synonyms[i].kind;
	return -1;
}

static struct lake_type *
parse_type(const char **at, int depth, struct error *e)
{
	const char *start = *at;
	struct lake_type *t;
	char *word;
	int kind;

	if (depth > LIMIT_TYPE_DEPTH) {
		error_set(e, ERR_USAGE, "a type nested deeper than %d", LIMIT_TYPE_DEPTH);
		return NULL;
	}
	word = read_word(at);
	kind = word == NULL ? -1 : find_kind(word, false);
	free(word);
	if (kind < 0) {
		*at = start;
		malformed(start, e);
		return NULL;
	}
	t = lake_type_new((enum lake_kind)kind);
	if (parse_arguments(at, t, depth, e) < 0) {
		lake_type_free(t);
		return NULL;
	}
	return t;
}

struct lake_type *
lake_type_parse(const char **at, struct error *e)
{
	return parse_type(at, 0, e);
}

int
lake_field_from_json(struct lake_field *to, const struct json *f, struct error *e)
{
	const struct json *metadata = json_find(f, "metadata");
	const char *declared = json_find_string(metadata, "__CHAR_VARCHAR_TYPE_STRING");

	*to = (struct lake_field){.name = memory_strdup(json_find_string(f, "name"))};
	if (to->name == NULL)
		return error_set(e, ERR_REFUSED, "a field without a name");
	to->nullable = json_find_bool(f, "nullable", true);
	to->comment = memory_strdup(json_find_string(metadata, "comment"));
	to->type = declared != NULL ? lake_type_parse(&declared, e) : lake_type_from_json(json_find(f, "type"), e);
	return to->type == NULL ? -1 : 0;
}

static int
fill_from_object(struct lake_type *t, const struct json *j, struct error *e)
{
	const struct json *fields;

	if (t->kind == LAKE_ARRAY || t->kind == LAKE_MAP) {
		bool map = t->kind == LAKE_MAP;

		t->contains_null = json_find_bool(j, map ? "valueContainsNull" : "containsNull", true);
		t->element = lake_type_from_json(json_find(j, map ? "valueType" : "elementType"), e);
		if (t->element == NULL)
			return -1;
		if (map)
			t->key = lake_type_from_json(json_find(j, "keyType"), e);
		return map && t->key == NULL ? -1 : 0;
	}
	fields = json_find(j, "fields");
	t->fields = memory_zero(json_count(fields) + 1, sizeof(*t->fields));
	for (const struct json *f = json_first(fields); f != NULL; f = json_next(f)) {
		struct lake_field *to = &t->fields[t->field_count++];

		if (lake_field_from_json(to, f, e) < 0)
			return -1;
	}
	return 0;
}

struct lake_type *
lake_type_from_json(const struct json *j, struct error *e)
{
	const char *word = json_is_object(j) ? json_find_string(j, "type") : json_string(j);
	struct lake_type *t;
	int kind;

	if (word != NULL && !json_is_object(j) && find_kind(word, true) < 0) {
		/* decimal(10,2), varchar(5) */
		const char *at = word;

		return lake_type_parse(&at, e);
	}
	kind = word == NULL ? -1 : find_kind(word, true);
	if (kind < 0 || (lake_kind_is_nested((enum lake_kind)kind) && !json_is_object(j))) {
		error_set(e, ERR_REFUSED, "not a type: \"%s\"", word ? word : "");
		return NULL;
	}
	t = lake_type_new((enum lake_kind)kind);
	if (json_is_object(j) && fill_from_object(t, j, e) < 0) {
		lake_type_free(t);
		return NULL;
	}
	return t;
}

struct json *
lake_field_json(const struct lake_field *f)
{
	struct json *j = json_object(), *metadata = json_object();

	json_set_string(j, "name", f->name);
	json_set(j, "type", lake_type_json(f->type));
	json_set_bool(j, "nullable", f->nullable);
	if (f->comment != NULL)
		json_set_string(metadata, "comment", f->comment);
	if (f->type->kind == LAKE_VARCHAR || f->type->kind == LAKE_CHAR) {
		/* Spark keeps these as strings and the declared type beside them (wire/databricks-http.md §5) */
		struct buffer text = BUFFER_INIT;

		lake_type_text(f->type, &text);
		json_set_string(j, "type", "string");
		json_set_string(metadata, "__CHAR_VARCHAR_TYPE_STRING", buffer_text(&text));
		buffer_release(&text);
	}
	json_set(j, "metadata", metadata);
	return j;
}

/* A type that is one word: a JSON string. */
static struct json *
word_json(const struct lake_type *t)
{
	struct buffer text = BUFFER_INIT;
	struct json *word;

	buffer_append_byte(&text, '"');
	if (t->kind == LAKE_DECIMAL || t->kind == LAKE_VARCHAR || t->kind == LAKE_CHAR)
		lake_type_text(t, &text);
	else
		buffer_append_text(&text, kinds[t->kind].json);
	buffer_append_byte(&text, '"');
	word = json_parse(buffer_span(&text), NULL);
	buffer_release(&text);
	return word;
}

struct json *
lake_type_json(const struct lake_type *t)
{
	struct json *j, *fields;

	if (!lake_kind_is_nested(t->kind))
		return word_json(t);
	j = json_object();
	json_set_string(j, "type", kinds[t->kind].json);
	if (t->kind == LAKE_ARRAY) {
		json_set(j, "elementType", lake_type_json(t->element));
		json_set_bool(j, "containsNull", t->contains_null);
	} else if (t->kind == LAKE_MAP) {
		json_set(j, "keyType", lake_type_json(t->key));
		json_set(j, "valueType", lake_type_json(t->element));
		json_set_bool(j, "valueContainsNull", t->contains_null);
	} else {
		fields = json_array();
		for (size_t i = 0; i < t->field_count; i++)
			json_add(fields, lake_field_json(&t->fields[i]));
		json_set(j, "fields", fields);
	}
	return j;
}

void
lake_type_text(const struct lake_type *t, struct buffer *out)
{
	buffer_append_text(out, kinds[t->kind].ddl);
	switch (t->kind) {
	case LAKE_DECIMAL:
		buffer_append_format(out, "(%d,%d)", t->precision, t->scale);
		break;
	case LAKE_VARCHAR:
	case LAKE_CHAR:
		buffer_append_format(out, "(%d)", t->precision);
		break;
	case LAKE_ARRAY:
	case LAKE_MAP:
		buffer_append_text(out, "<");
		if (t->key != NULL) {
			lake_type_text(t->key, out);
			buffer_append_text(out, ",");
		}
		lake_type_text(t->element, out);
		buffer_append_text(out, ">");
		break;
	case LAKE_STRUCT:
		buffer_append_text(out, "<");
		for (size_t i = 0; i < t->field_count; i++) {
			buffer_append_format(out, "%s%s:", i ? "," : "", t->fields[i].name);
			lake_type_text(t->fields[i].type, out);
		}
		buffer_append_text(out, ">");
		break;
	default:
		break;
	}
}

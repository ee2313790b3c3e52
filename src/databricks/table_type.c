#include "databricks/table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/memory.h"

static const struct {
	const char *sql, *json, *catalog;
} kinds[] = {
#define X(kind, sql, json, catalog) {sql, json, catalog},
    DELTA_KINDS(X)
#undef X
};

/* Spellings of SQL that are not the catalog's. */
static const struct {
	const char *word;
	enum delta_kind kind;
} aliases[] = {{"int", DELTA_INT}, {"bigint", DELTA_LONG}, {"smallint", DELTA_SHORT},
    {"tinyint", DELTA_BYTE}, {"real", DELTA_FLOAT}, {"dec", DELTA_DECIMAL},
    {"numeric", DELTA_DECIMAL}};

void
delta_type_release(struct delta_type *t)
{
	if (t->key != NULL)
		delta_type_release(t->key);
	free(t->key);
	if (t->element != NULL)
		delta_type_release(t->element);
	free(t->element);
	for (size_t i = 0; i < t->field_count; i++) {
		free(t->fields[i].name);
		delta_type_release(&t->fields[i].type);
	}
	free(t->fields);
	free(t->name);
	*t = (struct delta_type){.kind = DELTA_OTHER};
}

static struct delta_field *
add_field(struct delta_type *t, size_t *capacity, struct text name, bool nullable)
{
	struct delta_field *f;

	t->fields = memory_reserve(t->fields, capacity, t->field_count + 1, sizeof(*t->fields));
	f = &t->fields[t->field_count++];
	*f = (struct delta_field){
	    .name = text_dup(name), .type = {.kind = DELTA_OTHER}, .nullable = nullable};
	return f;
}

/* "decimal(10,2)", "varchar(20)", "string": a word and at most two numbers. */
static void
parse_primitive(struct delta_type *out, struct text s)
{
	char *text = text_dup(s), *bracket = strchr(text, '(');

	*out = (struct delta_type){.kind = DELTA_OTHER};
	if (bracket != NULL) {
		char *rest;

		*bracket = '\0';
		out->precision = (int)strtol(bracket + 1, &rest, 10);
		while (*rest == ' ')
			rest++;
		if (*rest == ',')
			out->scale = (int)strtol(rest + 1, NULL, 10);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (i != DELTA_OTHER && i != DELTA_ARRAY && i != DELTA_MAP && i != DELTA_STRUCT &&
		    strcasecmp(text, kinds[i].json) == 0)
			out->kind = (enum delta_kind)i;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcasecmp(text, aliases[i].word) == 0)
			out->kind = aliases[i].kind;
	free(text);
	if (out->kind == DELTA_DECIMAL && bracket == NULL)
		out->precision = 10;
	if (out->kind == DELTA_OTHER)
		out->name = text_dup(s);
}

static int parse_json(struct delta_type *out, const struct json *j, int depth, struct error *e);

static int
parse_json_child(struct delta_type **out, const struct json *j, int depth, struct error *e)
{
	*out = memory_zero(1, sizeof(**out));
	return parse_json(*out, j, depth + 1, e);
}

/* CHAR and VARCHAR hide behind "string"; Spark keeps what they are in the field's metadata. */
static int
parse_field_type(struct delta_type *out, const struct json *field, int depth, struct error *e)
{
	const char *hidden =
	    json_find_string(json_find(field, "metadata"), "__CHAR_VARCHAR_TYPE_STRING");

	if (parse_json(out, json_find(field, "type"), depth, e) != 0)
		return -1;
	if (hidden != NULL && out->kind == DELTA_STRING)
		parse_primitive(out, text_of(hidden));
	return 0;
}

static int
parse_json_fields(struct delta_type *out, const struct json *fields, int depth, struct error *e)
{
	size_t capacity = 0;

	for (const struct json *j = json_first(fields); j != NULL; j = json_next(j)) {
		const char *name = json_find_string(j, "name");
		struct delta_field *f;

		if (name == NULL)
			return error_set(e, ERR_REFUSED, "a struct delta_field without a name");
		f = add_field(out, &capacity, text_of(name), json_find_bool(j, "nullable", true));
		if (parse_field_type(&f->type, j, depth + 1, e) != 0)
			return -1;
	}
	return 0;
}

static int
parse_json(struct delta_type *out, const struct json *j, int depth, struct error *e)
{
	const char *word = json_string(j);

	*out = (struct delta_type){.kind = DELTA_OTHER};
	if (depth > LIMIT_TYPE_DEPTH)
		return error_set(e, ERR_MISFIT, "a type nested deeper than %d", LIMIT_TYPE_DEPTH);
	if (word != NULL) {
		parse_primitive(out, text_of(word));
		return 0;
	}
	word = json_find_string(j, "type");
	if (word == NULL)
		return error_set(e, ERR_REFUSED, "a type that is neither a name nor an object");
	if (strcmp(word, "array") == 0) {
		out->kind = DELTA_ARRAY;
		out->element_nullable = json_find_bool(j, "containsNull", true);
		return parse_json_child(&out->element, json_find(j, "elementType"), depth, e);
	}
	if (strcmp(word, "map") == 0) {
		out->kind = DELTA_MAP;
		out->element_nullable = json_find_bool(j, "valueContainsNull", true);
		if (parse_json_child(&out->key, json_find(j, "keyType"), depth, e) != 0)
			return -1;
		return parse_json_child(&out->element, json_find(j, "valueType"), depth, e);
	}
	if (strcmp(word, "struct") == 0) {
		out->kind = DELTA_STRUCT;
		return parse_json_fields(out, json_find(j, "fields"), depth, e);
	}
	out->name = memory_strdup(word);
	return 0;
}

int
delta_type_parse_json(struct delta_type *out, const struct json *j, struct error *e)
{
	/* the field object {name, type, nullable, metadata}, or the bare type; a bare complex type
	 * has "type" too, but no "name" */
	if (json_is_object(j) && json_find(j, "name") != NULL)
		return parse_field_type(out, j, 0, e);
	return parse_json(out, j, 0, e);
}

struct type_text {
	const char *at;
	struct error *e;
};

static void
skip_space(struct type_text *s)
{
	while (isspace((unsigned char)*s->at))
		s->at++;
}

static int
expect(struct type_text *s, char c)
{
	skip_space(s);
	if (*s->at != c)
		return error_set(s->e, ERR_REFUSED, "a type text with '%c' missing", c);
	s->at++;
	return 0;
}

static int parse_text(struct delta_type *out, struct type_text *s, int depth);

static int
parse_text_child(struct delta_type **out, struct type_text *s, int depth)
{
	*out = memory_zero(1, sizeof(**out));
	return parse_text(*out, s, depth + 1);
}

/* A field's name: bare up to ':' or a space, or in backticks with a doubled one for itself. */
static int
parse_text_name(struct type_text *s, struct buffer *name)
{
	skip_space(s);
	if (*s->at != '`') {
		while (*s->at != '\0' && *s->at != ':' && *s->at != '>' &&
		       !isspace((unsigned char)*s->at))
			buffer_append_byte(name, (uint8_t)*s->at++);
	} else {
		for (s->at++;; s->at++) {
			if (*s->at == '\0')
				break;
			if (*s->at == '`' && *++s->at != '`')
				break;
			buffer_append_byte(name, (uint8_t)*s->at);
		}
	}
	if (name->len == 0)
		return error_set(
		    s->e, ERR_REFUSED, "a type text with a struct delta_field without a name");
	return 0;
}

static int
parse_text_fields(struct delta_type *out, struct type_text *s, int depth)
{
	size_t capacity = 0;

	skip_space(s);
	if (*s->at == '>') {
		s->at++;
		return 0;
	}
	for (;;) {
		struct buffer name = BUFFER_INIT;
		struct delta_field *f;
		int rc = parse_text_name(s, &name);

		if (rc == 0)
			f = add_field(out, &capacity, buffer_span(&name), true);
		buffer_release(&name);
		if (rc != 0 || expect(s, ':') != 0 || parse_text(&f->type, s, depth + 1) != 0)
			return -1;
		skip_space(s);
		if (strncasecmp(s->at, "not null", 8) == 0) {
			f->nullable = false;
			s->at += 8;
			skip_space(s);
		}
		if (*s->at != ',')
			return expect(s, '>');
		s->at++;
	}
}

static int
parse_text(struct delta_type *out, struct type_text *s, int depth)
{
	const char *start;
	size_t word;

	*out = (struct delta_type){.kind = DELTA_OTHER};
	if (depth > LIMIT_TYPE_DEPTH)
		return error_set(
		    s->e, ERR_MISFIT, "a type nested deeper than %d", LIMIT_TYPE_DEPTH);
	skip_space(s);
	start = s->at;
	word = strcspn(start, "<>,:( \t");
	s->at += word;
	if (*s->at == '<' && word == 5 && strncasecmp(start, "array", 5) == 0) {
		out->kind = DELTA_ARRAY;
		out->element_nullable = true;
		s->at++;
		return parse_text_child(&out->element, s, depth) != 0 ? -1 : expect(s, '>');
	}
	if (*s->at == '<' && word == 3 && strncasecmp(start, "map", 3) == 0) {
		out->kind = DELTA_MAP;
		out->element_nullable = true;
		s->at++;
		if (parse_text_child(&out->key, s, depth) != 0 || expect(s, ',') != 0 ||
		    parse_text_child(&out->element, s, depth) != 0)
			return -1;
		return expect(s, '>');
	}
	if (*s->at == '<' && word == 6 && strncasecmp(start, "struct", 6) == 0) {
		out->kind = DELTA_STRUCT;
		s->at++;
		return parse_text_fields(out, s, depth);
	}
	if (*s->at == '(') {
		s->at += strcspn(s->at, ")");
		s->at += *s->at == ')';
	}
	/* "interval year to month" and the like: names with spaces, of types that are refused later
	 */
	while (depth == 0 && *s->at != '\0')
		s->at++;
	if (s->at == start)
		return error_set(s->e, ERR_REFUSED, "an empty type");
	parse_primitive(out, text_span(start, (size_t)(s->at - start)));
	return 0;
}

int
delta_type_parse_text(struct delta_type *out, const char *text, struct error *e)
{
	struct type_text s = {.at = text, .e = e};

	if (parse_text(out, &s, 0) != 0)
		return -1;
	skip_space(&s);
	if (*s.at != '\0')
		return error_set(e, ERR_REFUSED, "more text after the type");
	return 0;
}

void
delta_type_write_sql(struct buffer *out, const struct delta_type *t)
{
	if (t->kind == DELTA_OTHER) {
		for (const char *p = t->name != NULL ? t->name : "unknown"; *p != '\0'; p++)
			buffer_append_byte(out, (uint8_t)toupper((unsigned char)*p));
		return;
	}
	buffer_append_text(out, kinds[t->kind].sql);
	switch (t->kind) {
	case DELTA_DECIMAL:
		buffer_append_format(out, "(%d,%d)", t->precision, t->scale);
		break;
	case DELTA_VARCHAR:
	case DELTA_CHAR:
		buffer_append_format(out, "(%d)", t->precision);
		break;
	case DELTA_ARRAY:
		buffer_append_text(out, "<");
		delta_type_write_sql(out, t->element);
		buffer_append_text(out, ">");
		break;
	case DELTA_MAP:
		buffer_append_text(out, "<");
		delta_type_write_sql(out, t->key);
		buffer_append_text(out, ", ");
		delta_type_write_sql(out, t->element);
		buffer_append_text(out, ">");
		break;
	case DELTA_STRUCT:
		buffer_append_text(out, "<");
		for (size_t i = 0; i < t->field_count; i++) {
			if (i > 0)
				buffer_append_text(out, ", ");
			delta_quote_if_needed(out, t->fields[i].name);
			buffer_append_text(out, ": ");
			delta_type_write_sql(out, &t->fields[i].type);
			if (!t->fields[i].nullable)
				buffer_append_text(out, " NOT NULL");
		}
		buffer_append_text(out, ">");
		break;
	default:
		break;
	}
}

bool
delta_type_equal(const struct delta_type *a, const struct delta_type *b)
{
	struct buffer x = BUFFER_INIT, y = BUFFER_INIT;
	bool equal;

	/* the SQL form says all that makes types differ */
	delta_type_write_sql(&x, a);
	delta_type_write_sql(&y, b);
	equal = text_equal(buffer_span(&x), buffer_span(&y));
	buffer_release(&x);
	buffer_release(&y);
	return equal;
}

/* What may stand behind a value: ::type, [index], .field, :path.of.json. */
#include <stdlib.h>
#include <strings.h>

#include "base/memory.h"
#include "emulator/sql_private.h"

static const char *
json_path_wrap(const struct lake_type *t)
{
	/* nested values stay JSON; a JSON null is a null */
	return lake_kind_is_nested(t->kind) || t->kind == LAKE_VARIANT ? "nullif(" : "sfzb_scalar(";
}

static void
extract(struct spark_expression *x, const char *path, const struct lake_type *type)
{
	struct buffer after = BUFFER_INIT;
	bool nested = lake_kind_is_nested(type->kind) || type->kind == LAKE_VARIANT;

	if (nested)
		buffer_append_format(&after, " -> %s, 'null')", path);
	else
		buffer_append_format(&after, " ->> %s, %d)", path, (int)type->kind);
	spark_wrap(x, json_path_wrap(type), buffer_text(&after));
	buffer_release(&after);
	x->type = type;
}

int
spark_get_field(struct spark *q, struct spark_expression *x, const char *name)
{
	struct buffer path = BUFFER_INIT, literal = BUFFER_INIT;
	const struct lake_type *type = NULL;
	const char *spelling = name;

	if (x->type->kind == LAKE_STRUCT) {
		for (size_t i = 0; i < x->type->field_count && type == NULL; i++)
			if (strcasecmp(x->type->fields[i].name, name) == 0) {
				type = x->type->fields[i].type;
				spelling = x->type->fields[i].name;
			}
		if (type == NULL)
			return spark_fail(q, "FIELD_NOT_FOUND", "42704", "No such struct field `%s`.", name);
	} else if (x->type->kind == LAKE_MAP) {
		type = x->type->element;
	} else {
		return spark_fail(q, "INVALID_EXTRACT_BASE_FIELD_TYPE", "42000", "Can't extract a value from a %s.",
		    lake_type_name(x->type->kind));
	}
	buffer_append_format(&path, "$.\"%s\"", spelling);
	spark_append_string(&literal, buffer_span(&path));
	extract(x, buffer_text(&literal), type);
	free(x->name);
	x->name = memory_strdup(spelling);
	buffer_release(&path);
	buffer_release(&literal);
	return 0;
}

/* payload:a.b[0]: a path into JSON text. */
static int
parse_path(struct spark *q, struct spark_expression *x)
{
	struct buffer path = BUFFER_INIT, literal = BUFFER_INIT;
	bool variant = x->type->kind == LAKE_VARIANT;
	const char *name = NULL;

	buffer_append_text(&path, "$");
	do {
		name = spark_name(q);
		if (name == NULL)
			break;
		buffer_append_format(&path, ".\"%s\"", name);
		while (spark_take(q, "[")) {
			buffer_append_format(&path, "[%s]", spark_peek(q, 0)->text);
			q->at++;
			if (spark_expect(q, "]") < 0)
				name = NULL;
		}
	} while (name != NULL && spark_take(q, "."));
	if (name != NULL) {
		spark_append_string(&literal, buffer_span(&path));
		if (variant) {
			extract(x, buffer_text(&literal), spark_type(LAKE_VARIANT));
		} else {
			buffer_append_text(&literal, ")");
			spark_wrap(x, "sfzb_get_json(", ", ");
			buffer_append(&x->text, literal.data, literal.len);
			x->type = spark_type(LAKE_STRING);
		}
		free(x->name);
		x->name = memory_strdup(name);
	}
	buffer_release(&path);
	buffer_release(&literal);
	return name == NULL ? -1 : 0;
}

static int
parse_subscript(struct spark *q, struct spark_expression *x)
{
	struct spark_expression key = {.type = NULL};
	struct buffer path = BUFFER_INIT;
	bool map = x->type->kind == LAKE_MAP;
	int rc = -1;

	if (spark_expression_parse(q, &key) < 0 || spark_expect(q, "]") < 0)
		goto out;
	if (x->type->kind == LAKE_VARIANT) {
		buffer_append_format(&path, "('$[' || %s || ']')", buffer_text(&key.text));
		extract(x, buffer_text(&path), spark_type(LAKE_VARIANT));
	} else if (map || x->type->kind == LAKE_ARRAY) {
		buffer_append_format(&path, map ? "('$.\"' || %s || '\"')" : "('$[' || %s || ']')",
		    buffer_text(&key.text));
		extract(x, buffer_text(&path), x->type->element);
	} else {
		spark_fail(q, "INVALID_EXTRACT_BASE_FIELD_TYPE", "42000", "Can't extract a value from a %s.",
		    lake_type_name(x->type->kind));
		goto out;
	}
	rc = 0;
out:
	buffer_release(&path);
	spark_expression_release(&key);
	return rc;
}

int
spark_postfix_parse(struct spark *q, struct spark_expression *x)
{
	if (spark_expression_primary(q, x) < 0)
		return -1;
	for (;;) {
		if (spark_take(q, "::")) {
			const struct lake_type *type = spark_read_type(q);

			if (type == NULL)
				return -1;
			spark_cast(q, x, type, false);
		} else if (spark_take(q, "[")) {
			if (parse_subscript(q, x) < 0)
				return -1;
		} else if (spark_is(q, ":") && spark_peek(q, 1)->kind != SQL_SIGN) {
			spark_take(q, ":");
			if (parse_path(q, x) < 0)
				return -1;
		} else if (spark_is(q, ".") && (x->type->kind == LAKE_STRUCT || x->type->kind == LAKE_MAP)) {
			const char *name;

			spark_take(q, ".");
			name = spark_name(q);
			if (name == NULL || spark_get_field(q, x, name) < 0)
				return -1;
		} else {
			return 0;
		}
	}
}

/* Functions with a form of their own: arguments that are words or stars, results whose type or source depends on the argument's. */
#include "emulator/sql_function.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

void
spark_arguments_release(struct spark_arguments *a)
{
	for (int i = 0; i < a->count; i++)
		spark_expression_release(&a->items[i]);
	a->count = 0;
}

int
spark_arguments_parse(struct spark *q, struct spark_arguments *a)
{
	if (spark_take(q, ")"))
		return 0;
	do {
		if (a->count == SPARK_ARGUMENTS)
			return spark_fail(q, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", "more than %d arguments", SPARK_ARGUMENTS);
		if (spark_expression_parse(q, &a->items[a->count++]) < 0)
			return -1;
	} while (spark_take(q, ","));
	return spark_expect(q, ")");
}

static int
call_count(struct spark *q, const char *name, struct spark_expression *x)
{
	struct spark_arguments a = {.count = 0};
	bool distinct;
	int rc;

	(void)name;
	x->aggregate = true;
	x->type = spark_type(LAKE_LONG);
	if (spark_take(q, "*")) {
		buffer_append_text(&x->text, "count(*)");
		x->name = memory_strdup("count(1)");
		return spark_expect(q, ")");
	}
	distinct = spark_take(q, "DISTINCT");
	rc = spark_arguments_parse(q, &a);
	if (rc == 0 && (a.count == 0 || (a.count > 1 && !distinct)))
		rc = spark_fail(q, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", "The `count` takes one expression.");
	if (rc == 0 && a.count == 1) {
		buffer_append_format(&x->text, "count(%s%s)", distinct ? "DISTINCT " : "", buffer_text(&a.items[0].text));
	} else if (rc == 0) {
		/* a row counts where none of its values is null */
		buffer_append_text(&x->text, "count(DISTINCT CASE WHEN ");
		for (int i = 0; i < a.count; i++)
			buffer_append_format(&x->text, "%s%s IS NOT NULL", i ? " AND " : "", buffer_text(&a.items[i].text));
		buffer_append_text(&x->text, " THEN json_array(");
		for (int i = 0; i < a.count; i++)
			buffer_append_format(&x->text, "%s%s", i ? ", " : "", buffer_text(&a.items[i].text));
		buffer_append_text(&x->text, ") END)");
	}
	spark_arguments_release(&a);
	return rc;
}

/* min, max, sum and avg with DISTINCT, and min and max as such. */
static int
call_extreme(struct spark *q, const char *name, struct spark_expression *x)
{
	struct spark_expression inner = {.type = NULL};
	bool distinct = spark_take(q, "DISTINCT");
	int rc = spark_expression_parse(q, &inner);

	if (rc == 0) {
		bool decimal = inner.type->kind == LAKE_DECIMAL;

		/* decimals are text: the greatest is found by number and given back as it is kept */
		if (decimal && strcasecmp(name, "max") == 0)
			buffer_append_format(&x->text, "sfzb_max_by(%s, CAST(%s AS NUMERIC))", buffer_text(&inner.text),
			    buffer_text(&inner.text));
		else if (decimal && strcasecmp(name, "min") == 0)
			buffer_append_format(&x->text, "sfzb_min_by(%s, CAST(%s AS NUMERIC))", buffer_text(&inner.text),
			    buffer_text(&inner.text));
		else
			buffer_append_format(&x->text, "%s(%s%s)", name, distinct ? "DISTINCT " : "", buffer_text(&inner.text));
		x->type = inner.type;
		if (strcasecmp(name, "avg") == 0)
			x->type = spark_type(LAKE_DOUBLE);
		else if (strcasecmp(name, "sum") == 0)
			x->type = spark_type(lake_kind_is_integer(inner.type->kind) ? LAKE_LONG : LAKE_DOUBLE);
		x->aggregate = true;
	}
	spark_expression_release(&inner);
	return rc == 0 ? spark_expect(q, ")") : -1;
}

static int
call_if(struct spark *q, const char *name, struct spark_expression *x)
{
	struct spark_arguments a = {.count = 0};
	int rc = spark_arguments_parse(q, &a);

	(void)name;
	if (rc == 0 && a.count != 3)
		rc = spark_fail(q, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", "The `if` requires 3 parameters.");
	if (rc == 0) {
		buffer_append_format(&x->text, "iif(%s, %s, %s)", buffer_text(&a.items[0].text), buffer_text(&a.items[1].text),
		    buffer_text(&a.items[2].text));
		x->type = a.items[1].type->kind == LAKE_VOID ? a.items[2].type : a.items[1].type;
		x->aggregate = a.items[0].aggregate || a.items[1].aggregate || a.items[2].aggregate;
	}
	spark_arguments_release(&a);
	return rc;
}

/* Text that is kept as JSON, of the type it is to be read as. */
static int
call_from_json(struct spark *q, const char *name, struct spark_expression *x)
{
	struct spark_expression text = {.type = NULL};
	struct buffer type = BUFFER_INIT;
	struct lake_type *t;
	const char *at;
	int rc = -1;

	(void)name;
	if (spark_expression_parse(q, &text) < 0 || spark_expect(q, ",") < 0)
		goto out;
	if (spark_peek(q, 0)->kind != SQL_STRING) {
		spark_syntax_error(q);
		goto out;
	}
	at = spark_peek(q, 0)->text;
	t = lake_type_parse(&at, q->e);
	if (t == NULL) {
		spark_fail(q, "INVALID_SCHEMA.PARSE_ERROR", "42K07", "The input schema '%s' is not a valid schema string.",
		    spark_peek(q, 0)->text);
		goto out;
	}
	q->at++;
	x->type = spark_keep_type(q, t);
	lake_type_text(t, &type);
	buffer_append_format(&x->text, "sfzb_from_json(%s, ", buffer_text(&text.text));
	spark_append_string(&x->text, buffer_span(&type));
	buffer_append_text(&x->text, ")");
	rc = spark_expect(q, ")");
out:
	buffer_release(&type);
	spark_expression_release(&text);
	return rc;
}

/* to_json and typeof: SQLite's function is given the type. */
static int
call_with_type(struct spark *q, const char *name, struct spark_expression *x)
{
	struct spark_expression value = {.type = NULL};
	struct buffer type = BUFFER_INIT;
	int rc = spark_expression_parse(q, &value);

	if (rc == 0) {
		lake_type_text(value.type, &type);
		buffer_append_format(&x->text, "%s(%s, ",
		    strcasecmp(name, "typeof") == 0 ? "sfzb_typeof" : "sfzb_to_json", buffer_text(&value.text));
		spark_append_string(&x->text, buffer_span(&type));
		buffer_append_text(&x->text, ")");
		x->type = spark_type(LAKE_STRING);
		x->aggregate = value.aggregate;
	}
	buffer_release(&type);
	spark_expression_release(&value);
	return rc == 0 ? spark_expect(q, ")") : -1;
}

/* hex(bytes or text) or hex(integer) */
static int
call_hex(struct spark *q, const char *name, struct spark_expression *x)
{
	(void)name;
	if (spark_expression_parse(q, x) < 0)
		return -1;
	if (lake_kind_is_integer(x->type->kind))
		spark_wrap(x, "printf('%X', ", ")");
	else
		spark_wrap(x, "sfzb_hex(", ")");
	x->type = spark_type(LAKE_STRING);
	free(x->name);
	x->name = NULL;
	return spark_expect(q, ")");
}

static int
call_concat(struct spark *q, const char *name, struct spark_expression *x)
{
	struct spark_arguments a = {.count = 0};
	bool with_separator = strcasecmp(name, "concat_ws") == 0;
	int rc = spark_arguments_parse(q, &a);

	if (rc == 0 && with_separator && a.count == 0)
		rc = spark_fail(q, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", "The `concat_ws` requires a separator.");
	buffer_append_text(&x->text, with_separator ? "sfzb_concat_ws(" : "(''");
	for (int i = 0; i < a.count && rc == 0; i++) {
		if (!with_separator || a.items[i].type->kind != LAKE_ARRAY)
			spark_cast(q, &a.items[i], spark_type(LAKE_STRING), false);
		buffer_append_format(&x->text, "%s%s", !with_separator ? " || " : i ? ", " : "", buffer_text(&a.items[i].text));
		x->aggregate |= a.items[i].aggregate;
	}
	buffer_append_text(&x->text, ")");
	x->type = spark_type(LAKE_STRING);
	spark_arguments_release(&a);
	return rc;
}

/* explode() adds a source to FROM, one row an element. */
static int
call_explode(struct spark *q, const char *name, struct spark_expression *x)
{
	struct spark_expression array = {.type = NULL};
	struct buffer alias = BUFFER_INIT, text = BUFFER_INIT;
	bool outer = strcasecmp(name, "explode_outer") == 0;
	int rc = -1;

	if (q->scope == NULL || spark_expression_parse(q, &array) < 0)
		goto out;
	if (array.type->kind != LAKE_ARRAY) {
		spark_fail(q, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09", "explode() takes an ARRAY, not a %s.",
		    lake_type_name(array.type->kind));
		goto out;
	}
	buffer_append_format(&alias, "_explode%d", ++q->scope->generator_count);
	buffer_append_format(&q->scope->generators, " %s JOIN json_each(%s) AS %s ON true", outer ? "LEFT" : "CROSS",
	    buffer_text(&array.text), buffer_text(&alias));
	if (!outer)
		q->scope->generators.len -= strlen(" ON true");
	buffer_append_format(&text, "sfzb_element(%s.value, %s.type, %d)", buffer_text(&alias), buffer_text(&alias),
	    (int)array.type->element->kind);
	buffer_append(&x->text, text.data, text.len);
	x->type = array.type->element;
	x->name = memory_strdup("col");
	rc = spark_expect(q, ")");
out:
	buffer_release(&alias);
	buffer_release(&text);
	spark_expression_release(&array);
	return rc;
}

static int
call_element_at(struct spark *q, const char *name, struct spark_expression *x)
{
	struct spark_arguments a = {.count = 0};
	int rc = spark_arguments_parse(q, &a);

	(void)name;
	if (rc == 0 && (a.count != 2 || !(a.items[0].type->kind == LAKE_ARRAY || a.items[0].type->kind == LAKE_MAP)))
		rc = spark_fail(q, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
		    "element_at() takes an ARRAY or a MAP and an index or a key.");
	if (rc == 0) {
		bool map = a.items[0].type->kind == LAKE_MAP;
		const struct lake_type *t = a.items[0].type->element;
		bool nested = lake_kind_is_nested(t->kind) || t->kind == LAKE_VARIANT;

		buffer_append_format(&x->text, "%s%s %s ", nested ? "nullif(" : "sfzb_scalar(", buffer_text(&a.items[0].text),
		    nested ? "->" : "->>");
		if (map)
			buffer_append_format(&x->text, "('$.\"' || %s || '\"')", buffer_text(&a.items[1].text));
		else
			buffer_append_format(&x->text, "(CASE WHEN %s > 0 THEN '$[' || (%s - 1) || ']' ELSE '$[#' || %s || ']' END)",
			    buffer_text(&a.items[1].text), buffer_text(&a.items[1].text), buffer_text(&a.items[1].text));
		if (nested)
			buffer_append_text(&x->text, ", 'null')");
		else
			buffer_append_format(&x->text, ", %d)", (int)t->kind);
		x->type = t;
	}
	spark_arguments_release(&a);
	return rc;
}

static int
call_extract(struct spark *q, const char *name, struct spark_expression *x)
{
	static const char *const units[][2] = {{"YEAR", "yyyy"}, {"MONTH", "MM"}, {"DAY", "dd"}, {"HOUR", "HH"},
	    {"MINUTE", "mm"}, {"SECOND", "ss"}};
	const char *format = NULL;

	(void)name;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (format == NULL && spark_take(q, units[i][0]))
			format = units[i][1];
	if (format == NULL)
		return spark_syntax_error(q);
	if (spark_expect(q, "FROM") < 0 || spark_expression_parse(q, x) < 0)
		return -1;
	spark_cast(q, x, spark_type(LAKE_TIMESTAMP), false);
	spark_wrap(x, "CAST(sfzb_date_format(", ", '");
	buffer_append_format(&x->text, "%s') AS INTEGER)", format);
	x->type = spark_type(LAKE_INT);
	free(x->name);
	x->name = NULL;
	return spark_expect(q, ")");
}

spark_form *
spark_form_find(const char *name)
{
	static const struct {
		const char *name;
		spark_form *form;
	} forms[] = {
	    {"count", call_count},
	    {"max", call_extreme},
	    {"min", call_extreme},
	    {"sum", call_extreme},
	    {"avg", call_extreme},
	    {"if", call_if},
	    {"iff", call_if},
	    {"from_json", call_from_json},
	    {"to_json", call_with_type},
	    {"typeof", call_with_type},
	    {"hex", call_hex},
	    {"concat", call_concat},
	    {"concat_ws", call_concat},
	    {"explode", call_explode},
	    {"explode_outer", call_explode},
	    {"element_at", call_element_at},
	    {"extract", call_extract},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcasecmp(forms[i].name, name) == 0)
			return forms[i].form;
	return NULL;
}

/* Function calls: a table from Databricks' names to SQLite's words; FILTER and OVER behind the call. */
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "emulator/sql_function.h"

/* What a call yields: a kind, or one of these. */
enum { SAME = LAKE_KIND_COUNT, COMMON, ARRAY_OF, KEYS };

/*
 * casts: what each argument is cast to, the last letter for all further ones: s string, d double, l bigint, t timestamp, D date,
 * b boolean, . nothing.
 * text: $1 … $9 are arguments, $* all of them with commas.
 */
struct function {
	const char *name;
	int least, most;
	const char *casts, *text;
	int type;
	bool aggregate;
};

static const struct function functions[] = {
    /* aggregates and windows */
    {"mean", 1, 1, ".", "avg($1)", LAKE_DOUBLE, true},
    {"count_if", 1, 1, "b", "count(CASE WHEN $1 THEN 1 END)", LAKE_LONG, true},
    {"bool_or", 1, 1, "b", "max($1)", LAKE_BOOLEAN, true},
    {"any", 1, 1, "b", "max($1)", LAKE_BOOLEAN, true},
    {"bool_and", 1, 1, "b", "min($1)", LAKE_BOOLEAN, true},
    {"every", 1, 1, "b", "min($1)", LAKE_BOOLEAN, true},
    {"any_value", 1, 1, ".", "max($1)", SAME, true},
    {"first", 1, 1, ".", "sfzb_first($1)", SAME, true},
    {"last", 1, 1, ".", "sfzb_last($1)", SAME, true},
    {"max_by", 2, 2, ".", "sfzb_max_by($1, $2)", SAME, true},
    {"min_by", 2, 2, ".", "sfzb_min_by($1, $2)", SAME, true},
    {"collect_list", 1, 1, ".", "sfzb_collect($1)", ARRAY_OF, true},
    {"array_agg", 1, 1, ".", "sfzb_collect($1)", ARRAY_OF, true},
    {"collect_set", 1, 1, ".", "sfzb_array_distinct(sfzb_collect($1))", ARRAY_OF, true},
    {"approx_count_distinct", 1, 1, ".", "count(DISTINCT $1)", LAKE_LONG, true},
    {"row_number", 0, 0, "", "row_number()", LAKE_INT, false},
    {"rank", 0, 0, "", "rank()", LAKE_INT, false},
    {"dense_rank", 0, 0, "", "dense_rank()", LAKE_INT, false},
    {"percent_rank", 0, 0, "", "percent_rank()", LAKE_DOUBLE, false},
    {"cume_dist", 0, 0, "", "cume_dist()", LAKE_DOUBLE, false},
    {"ntile", 1, 1, "l", "ntile($1)", LAKE_INT, false},
    {"lag", 1, 3, ".", "lag($*)", SAME, false},
    {"lead", 1, 3, ".", "lead($*)", SAME, false},
    {"first_value", 1, 1, ".", "first_value($1)", SAME, false},
    {"last_value", 1, 1, ".", "last_value($1)", SAME, false},
    {"nth_value", 2, 2, ".", "nth_value($1, $2)", SAME, false},
    /* nulls and choices */
    {"coalesce", 1, SPARK_ARGUMENTS, ".", "coalesce($*, NULL)", COMMON, false},
    {"nvl", 2, 2, ".", "ifnull($1, $2)", COMMON, false},
    {"ifnull", 2, 2, ".", "ifnull($1, $2)", COMMON, false},
    {"nullif", 2, 2, ".", "nullif($1, $2)", SAME, false},
    {"isnull", 1, 1, ".", "($1 IS NULL)", LAKE_BOOLEAN, false},
    {"isnotnull", 1, 1, ".", "($1 IS NOT NULL)", LAKE_BOOLEAN, false},
    {"isnan", 1, 1, ".", "($1 IS 'NaN')", LAKE_BOOLEAN, false},
    {"greatest", 2, SPARK_ARGUMENTS, ".", "max($*)", COMMON, false},
    {"least", 2, SPARK_ARGUMENTS, ".", "min($*)", COMMON, false},
    /* strings */
    {"lower", 1, 1, "s", "lower($1)", LAKE_STRING, false},
    {"lcase", 1, 1, "s", "lower($1)", LAKE_STRING, false},
    {"upper", 1, 1, "s", "upper($1)", LAKE_STRING, false},
    {"ucase", 1, 1, "s", "upper($1)", LAKE_STRING, false},
    {"length", 1, 1, ".", "length($1)", LAKE_INT, false},
    {"len", 1, 1, ".", "length($1)", LAKE_INT, false},
    {"char_length", 1, 1, "s", "length($1)", LAKE_INT, false},
    {"octet_length", 1, 1, ".", "length(CAST($1 AS BLOB))", LAKE_INT, false},
    {"trim", 1, 1, "s", "trim($1)", LAKE_STRING, false},
    {"ltrim", 1, 1, "s", "ltrim($1)", LAKE_STRING, false},
    {"rtrim", 1, 1, "s", "rtrim($1)", LAKE_STRING, false},
    {"substring", 2, 3, ".l", "substr($*)", SAME, false},
    {"substr", 2, 3, ".l", "substr($*)", SAME, false},
    {"left", 2, 2, "sl", "substr($1, 1, max($2, 0))", LAKE_STRING, false},
    {"right", 2, 2, "sl", "(CASE WHEN $2 > 0 THEN substr($1, -min($2, max(length($1), 1))) ELSE '' END)", LAKE_STRING, false},
    {"replace", 2, 3, "s", "replace($*)", LAKE_STRING, false},
    {"instr", 2, 2, "s", "instr($1, $2)", LAKE_INT, false},
    {"locate", 2, 2, "s", "instr($2, $1)", LAKE_INT, false},
    {"charindex", 2, 2, "s", "instr($2, $1)", LAKE_INT, false},
    {"startswith", 2, 2, "s", "(substr($1, 1, length($2)) = $2)", LAKE_BOOLEAN, false},
    {"endswith", 2, 2, "s", "(length($2) = 0 OR substr($1, -length($2)) = $2)", LAKE_BOOLEAN, false},
    {"contains", 2, 2, "s", "(instr($1, $2) > 0)", LAKE_BOOLEAN, false},
    {"rlike", 2, 2, "s", "sfzb_rlike($1, $2)", LAKE_BOOLEAN, false},
    {"regexp_like", 2, 2, "s", "sfzb_rlike($1, $2)", LAKE_BOOLEAN, false},
    {"regexp", 2, 2, "s", "sfzb_rlike($1, $2)", LAKE_BOOLEAN, false},
    {"repeat", 2, 2, "sl", "replace(hex(zeroblob(max($2, 0))), '00', $1)", LAKE_STRING, false},
    {"base64", 1, 1, ".", "sfzb_base64($1)", LAKE_STRING, false},
    {"unbase64", 1, 1, "s", "sfzb_unbase64($1)", LAKE_BINARY, false},
    {"unhex", 1, 1, "s", "sfzb_unhex($1)", LAKE_BINARY, false},
    {"uuid", 0, 0, "", "sfzb_uuid()", LAKE_STRING, false},
    {"split", 2, 2, "s", "sfzb_split($1, $2)", ARRAY_OF, false},
    {"split_part", 3, 3, "ssl", "sfzb_split_part($1, $2, $3)", LAKE_STRING, false},
    /* numbers */
    {"abs", 1, 1, ".", "abs($1)", SAME, false},
    {"round", 1, 2, ".l", "round($*)", SAME, false},
    {"ceil", 1, 1, "d", "CAST(ceil($1) AS INTEGER)", LAKE_LONG, false},
    {"ceiling", 1, 1, "d", "CAST(ceil($1) AS INTEGER)", LAKE_LONG, false},
    {"floor", 1, 1, "d", "CAST(floor($1) AS INTEGER)", LAKE_LONG, false},
    {"mod", 2, 2, ".", "($1 % $2)", COMMON, false},
    {"power", 2, 2, "d", "pow($1, $2)", LAKE_DOUBLE, false},
    {"pow", 2, 2, "d", "pow($1, $2)", LAKE_DOUBLE, false},
    {"sqrt", 1, 1, "d", "sqrt($1)", LAKE_DOUBLE, false},
    {"ln", 1, 1, "d", "ln($1)", LAKE_DOUBLE, false},
    {"exp", 1, 1, "d", "exp($1)", LAKE_DOUBLE, false},
    {"sign", 1, 1, "d", "CAST(sign($1) AS REAL)", LAKE_DOUBLE, false},
    /* time: timestamps are µs, dates are days */
    {"now", 0, 0, "", "sfzb_now()", LAKE_TIMESTAMP, false},
    {"current_timestamp", 0, 0, "", "sfzb_now()", LAKE_TIMESTAMP, false},
    {"current_date", 0, 0, "", "sfzb_floor_div(sfzb_now(), 86400000000)", LAKE_DATE, false},
    {"curdate", 0, 0, "", "sfzb_floor_div(sfzb_now(), 86400000000)", LAKE_DATE, false},
    {"unix_micros", 1, 1, "t", "$1", LAKE_LONG, false},
    {"unix_millis", 1, 1, "t", "sfzb_floor_div($1, 1000)", LAKE_LONG, false},
    {"unix_seconds", 1, 1, "t", "sfzb_floor_div($1, 1000000)", LAKE_LONG, false},
    {"to_unix_timestamp", 1, 1, "t", "sfzb_floor_div($1, 1000000)", LAKE_LONG, false},
    {"unix_date", 1, 1, "D", "$1", LAKE_INT, false},
    {"timestamp_micros", 1, 1, "l", "$1", LAKE_TIMESTAMP, false},
    {"timestamp_millis", 1, 1, "l", "($1 * 1000)", LAKE_TIMESTAMP, false},
    {"timestamp_seconds", 1, 1, "d", "CAST(round($1 * 1000000) AS INTEGER)", LAKE_TIMESTAMP, false},
    {"date_from_unix_date", 1, 1, "l", "$1", LAKE_DATE, false},
    {"to_timestamp", 1, 1, "t", "$1", LAKE_TIMESTAMP, false},
    {"timestamp", 1, 1, "t", "$1", LAKE_TIMESTAMP, false},
    {"to_date", 1, 1, "D", "$1", LAKE_DATE, false},
    {"date", 1, 1, "D", "$1", LAKE_DATE, false},
    {"from_unixtime", 1, 2, "ls", "sfzb_date_format($1 * 1000000, $2)", LAKE_STRING, false},
    {"date_format", 2, 2, "ts", "sfzb_date_format($1, $2)", LAKE_STRING, false},
    {"date_trunc", 2, 2, "st", "sfzb_date_trunc($1, $2)", LAKE_TIMESTAMP, false},
    {"year", 1, 1, "t", "CAST(sfzb_date_format($1, 'yyyy') AS INTEGER)", LAKE_INT, false},
    {"month", 1, 1, "t", "CAST(sfzb_date_format($1, 'MM') AS INTEGER)", LAKE_INT, false},
    {"day", 1, 1, "t", "CAST(sfzb_date_format($1, 'dd') AS INTEGER)", LAKE_INT, false},
    {"hour", 1, 1, "t", "CAST(sfzb_date_format($1, 'HH') AS INTEGER)", LAKE_INT, false},
    {"minute", 1, 1, "t", "CAST(sfzb_date_format($1, 'mm') AS INTEGER)", LAKE_INT, false},
    {"second", 1, 1, "t", "CAST(sfzb_date_format($1, 'ss') AS INTEGER)", LAKE_INT, false},
    {"date_add", 2, 2, "Dl", "($1 + $2)", LAKE_DATE, false},
    {"date_sub", 2, 2, "Dl", "($1 - $2)", LAKE_DATE, false},
    {"datediff", 2, 2, "D", "($1 - $2)", LAKE_INT, false},
    /* arrays, maps, JSON */
    /* a list that is the same for every row is made a set once, which a look-up of many ids needs */
    {"array_contains", 2, 2, ".",
	"(CASE WHEN $1 IS NOT NULL THEN $2 IN (SELECT value FROM json_each($1)) END)", LAKE_BOOLEAN, false},
    {"array_distinct", 1, 1, ".", "sfzb_array_distinct($1)", SAME, false},
    {"array_join", 2, 3, "..", "sfzb_array_join($*)", LAKE_STRING, false},
    {"size", 1, 1, ".", "sfzb_size($1)", LAKE_INT, false},
    {"cardinality", 1, 1, ".", "sfzb_size($1)", LAKE_INT, false},
    {"array_size", 1, 1, ".", "sfzb_size($1)", LAKE_INT, false},
    {"json_array_length", 1, 1, "s", "sfzb_size($1)", LAKE_INT, false},
    {"map_keys", 1, 1, ".", "sfzb_map_keys($1)", KEYS, false},
    {"get_json_object", 2, 2, "s", "sfzb_get_json($1, $2)", LAKE_STRING, false},
    {"parse_json", 1, 1, "s", "sfzb_parse_json($1)", LAKE_VARIANT, false},
    {"array", 0, SPARK_ARGUMENTS, ".", "sfzb_array($*)", ARRAY_OF, false},
    {"current_catalog", 0, 0, "", "'main'", LAKE_STRING, false},
    {"current_schema", 0, 0, "", "'default'", LAKE_STRING, false},
    {"current_database", 0, 0, "", "'default'", LAKE_STRING, false},
    {"version", 0, 0, "", "'sfzb-emulator'", LAKE_STRING, false},
};

static void
cast_argument(struct spark *q, struct spark_expression *x, char how)
{
	static const struct {
		char how;
		enum lake_kind kind;
	} kinds[] = {{'s', LAKE_STRING}, {'d', LAKE_DOUBLE}, {'l', LAKE_LONG}, {'t', LAKE_TIMESTAMP}, {'D', LAKE_DATE},
	    {'b', LAKE_BOOLEAN}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].how == how)
			spark_cast(q, x, spark_type(kinds[i].kind), false);
}

static const struct lake_type *
result_type(struct spark *q, const struct function *f, const struct spark_arguments *a)
{
	const struct lake_type *first = a->count ? a->items[0].type : spark_type(LAKE_VOID);

	switch (f->type) {
	case SAME:
		return first;
	case COMMON:
		for (int i = 1; i < a->count; i++)
			if (first->kind == LAKE_VOID || (a->items[i].type->kind == LAKE_DOUBLE && lake_kind_is_integer(first->kind)))
				first = a->items[i].type;
		return first;
	case ARRAY_OF:
		return spark_array_of(q, strcmp(f->name, "split") == 0 ? spark_type(LAKE_STRING) : first);
	case KEYS:
		return spark_array_of(q, first->kind == LAKE_MAP ? first->key : spark_type(LAKE_STRING));
	default:
		return spark_type((enum lake_kind)f->type);
	}
}

static void
expand(const struct function *f, struct spark_arguments *a, struct buffer *out)
{
	for (const char *p = f->text; *p != '\0'; p++) {
		if (*p != '$') {
			buffer_append_byte(out, (uint8_t)*p);
			continue;
		}
		p++;
		if (*p == '*') {
			for (int i = 0; i < a->count; i++)
				buffer_append_format(out, "%s%s", i ? ", " : "", buffer_text(&a->items[i].text));
		} else {
			buffer_append_text(out, *p - '1' < a->count ? buffer_text(&a->items[*p - '1'].text) : "NULL");
		}
	}
}

/* Elements go into JSON as they are kept inside arrays: nested values and booleans as JSON, bytes as base64. */
static void
as_element(struct spark_expression *x)
{
	enum lake_kind k = x->type->kind;

	if (lake_kind_is_nested(k) || k == LAKE_VARIANT)
		spark_wrap(x, "json(", ")");
	else if (k == LAKE_BOOLEAN)
		spark_wrap(x, "json(CASE ", " WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)");
	else if (k == LAKE_BINARY)
		spark_wrap(x, "sfzb_base64(", ")");
}

static int
call_known(struct spark *q, const struct function *f, struct spark_arguments *a, struct spark_expression *x)
{
	size_t letters = strlen(f->casts);

	if (a->count < f->least || a->count > f->most)
		return spark_fail(q, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
		    "The `%s` requires %d parameters but the actual number is %d.", f->name, f->least, a->count);
	for (int i = 0; i < a->count; i++) {
		cast_argument(q, &a->items[i], f->casts[(size_t)i < letters ? (size_t)i : letters - 1]);
		x->aggregate |= a->items[i].aggregate;
	}
	x->type = result_type(q, f, a);
	if (f->type == COMMON)
		for (int i = 0; i < a->count; i++)
			spark_coerce(q, &a->items[i], x->type);
	if (f->type == ARRAY_OF && strcmp(f->name, "split") != 0) {
		if (f->aggregate && a->count == 1 && lake_kind_is_nested(a->items[0].type->kind))
			spark_wrap(&a->items[0], "json(", ")");
		else
			for (int i = 0; i < a->count; i++)
				as_element(&a->items[i]);
		if (strcmp(f->name, "array") == 0) {
			buffer_append_text(&x->text, "json_array(");
			for (int i = 0; i < a->count; i++)
				buffer_append_format(&x->text, "%s%s", i ? ", " : "", buffer_text(&a->items[i].text));
			buffer_append_text(&x->text, ")");
			return 0;
		}
	}
	if (strcmp(f->name, "array_contains") == 0 && a->items[0].type->kind == LAKE_ARRAY &&
	    !lake_kind_is_text(a->items[0].type->element->kind))
		spark_coerce(q, &a->items[1], a->items[0].type->element);
	expand(f, a, &x->text);
	x->aggregate |= f->aggregate;
	return 0;
}

/* bracket: arguments follow; CURRENT_TIMESTAMP comes without. */
static int
call_named(struct spark *q, const char *name, bool bracket, struct spark_expression *x)
{
	struct spark_arguments a = {.count = 0};
	const struct function *f = NULL;
	int rc;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]) && f == NULL; i++)
		if (strcasecmp(functions[i].name, name) == 0)
			f = &functions[i];
	if (f == NULL)
		return spark_fail(q, "UNRESOLVED_ROUTINE", "42883", "Cannot resolve routine `%s` on search path.", name);
	rc = bracket ? spark_arguments_parse(q, &a) : 0;
	if (rc == 0 && a.count == 1 && strcmp(f->name, "from_unixtime") == 0) {
		buffer_append_text(&a.items[1].text, "'yyyy-MM-dd HH:mm:ss'");
		a.items[1].type = spark_type(LAKE_STRING);
		a.count = 2;
	}
	if (rc == 0)
		rc = call_known(q, f, &a, x);
	spark_arguments_release(&a);
	return rc;
}

static int
call(struct spark *q, const char *name, struct spark_expression *x)
{
	spark_form *form = spark_form_find(name);

	return form != NULL ? form(q, name, x) : call_named(q, name, true, x);
}

/* PARTITION BY …, ORDER BY …, and a frame, which is the same in SQLite. */
static int
parse_window(struct spark *q, struct spark_expression *x)
{
	struct buffer w = BUFFER_INIT;
	int rc = 0;

	if (spark_expect(q, "(") < 0)
		return -1;
	buffer_append_text(&w, " OVER (");
	if (spark_take2(q, "PARTITION", "BY")) {
		buffer_append_text(&w, "PARTITION BY ");
		do {
			struct spark_expression part = {.type = NULL};

			rc = spark_expression_parse(q, &part);
			if (rc == 0)
				buffer_append_format(&w, "%s, ", buffer_text(&part.text));
			spark_expression_release(&part);
		} while (rc == 0 && spark_take(q, ","));
		w.len -= w.len > 2 && rc == 0 ? 2 : 0;
	}
	if (rc == 0 && spark_take2(q, "ORDER", "BY")) {
		buffer_append_text(&w, " ORDER BY ");
		rc = spark_order_by(q, &w);
	}
	while (rc == 0 && !spark_is(q, ")")) {
		static const char *const words[] = {"ROWS", "RANGE", "BETWEEN", "UNBOUNDED", "PRECEDING", "FOLLOWING",
		    "CURRENT", "ROW", "AND"};
		bool known = spark_peek(q, 0)->kind == SQL_NUMBER;

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			known |= spark_is(q, words[i]);
		if (!known) {
			rc = spark_syntax_error(q);
			break;
		}
		buffer_append_format(&w, " %s", spark_peek(q, 0)->text);
		q->at++;
	}
	if (rc == 0)
		rc = spark_expect(q, ")");
	buffer_append_text(&w, ")");
	buffer_append(&x->text, w.data, w.len);
	x->aggregate = false;
	buffer_release(&w);
	return rc;
}

int
spark_function_call(struct spark *q, const char *name, struct spark_expression *x)
{
	size_t start = spark_peek(q, 0)->start;

	q->at++;
	if (spark_take(q, "(")) {
		if (call(q, name, x) < 0)
			return -1;
	} else if (call_named(q, name, false, x) < 0) {
		return -1;
	}
	if (spark_is(q, "FILTER") && spark_is_at(q, 1, "(")) {
		struct spark_expression where = {.type = NULL};
		int rc;

		q->at += 2;
		rc = spark_expect(q, "WHERE");
		if (rc == 0)
			rc = spark_expression_parse(q, &where);
		if (rc == 0)
			buffer_append_format(&x->text, " FILTER (WHERE %s)", buffer_text(&where.text));
		spark_expression_release(&where);
		if (rc < 0 || spark_expect(q, ")") < 0)
			return -1;
	}
	if (spark_take(q, "OVER") && parse_window(q, x) < 0)
		return -1;
	if (x->name == NULL && q->at > 0) {
		const char *s = q->request->statement;

		x->name = memory_strndup(s + start, q->tokens.items[q->at - 1].end - start);
	}
	return 0;
}

/* What expressions are made of: literals, parameters, columns, CASE, CAST, subqueries. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "emulator/lakehouse_text.h"
#include "emulator/sql_private.h"

/* ---- columns ---- */

static const struct spark_output *
find_output(const struct spark_source *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcasecmp(s->columns[i].name, name) == 0)
			return &s->columns[i];
	return NULL;
}

static void
set_column(struct spark_expression *x, const struct spark_source *s, const struct spark_output *c)
{
	if (c->text != NULL) {
		buffer_append_text(&x->text, c->text);
	} else {
		lakehouse_quote(&x->text, s->alias);
		buffer_append_text(&x->text, ".");
		lakehouse_quote(&x->text, c->name);
	}
	x->type = c->type;
	x->name = memory_strdup(c->name);
}

static bool
find_alias(const struct spark_scope *scope, const char *name, struct spark_expression *x)
{
	for (size_t i = 0; i < scope->alias_count; i++)
		if (strcasecmp(scope->aliases[i].name, name) == 0) {
			/* only ORDER BY knows aliases in SQLite: elsewhere their words stand for them */
			if (scope->aliases_first || scope->aliases[i].text == NULL)
				lakehouse_quote(&x->text, scope->aliases[i].name);
			else
				buffer_append_format(&x->text, "(%s)", scope->aliases[i].text);
			x->type = scope->aliases[i].type;
			x->name = memory_strdup(scope->aliases[i].name);
			return true;
		}
	return false;
}

/* An unqualified name in one scope: 1 found, 0 not, -1 more than once. */
static int
find_bare(struct spark *q, const struct spark_scope *scope, const char *name, struct spark_expression *x)
{
	const struct spark_source *in = NULL;
	const struct spark_output *found = NULL;

	if (scope->aliases_first && find_alias(scope, name, x))
		return 1;
	for (size_t i = 0; i < scope->count; i++) {
		const struct spark_output *c = find_output(&scope->sources[i], name);

		if (c == NULL || c->hidden)
			continue;
		if (found != NULL)
			return spark_fail(q, "AMBIGUOUS_REFERENCE", "42704",
			    "Reference `%s` is ambiguous, could be: [`%s`.`%s`, `%s`.`%s`].", name, in->alias, name,
			    scope->sources[i].alias, name);
		found = c;
		in = &scope->sources[i];
	}
	if (found != NULL) {
		set_column(x, in, found);
		return 1;
	}
	return find_alias(scope, name, x);
}

/* A qualified name: how many of the parts it took, 0: none fits. */
static size_t
find_qualified(const struct spark_scope *scope, const char *const *parts, size_t count, struct spark_expression *x)
{
	for (size_t i = 0; i < scope->count; i++) {
		const struct spark_source *s = &scope->sources[i];
		const struct spark_output *c;
		size_t used = 0;

		if (strcasecmp(s->alias, parts[0]) == 0)
			used = 1;
		else if (s->schema != NULL && count > 2 && strcasecmp(s->schema, parts[0]) == 0 &&
		    strcasecmp(s->alias, parts[1]) == 0)
			used = 2;
		else if (s->schema != NULL && count > 3 && strcasecmp(s->catalog, parts[0]) == 0 &&
		    strcasecmp(s->schema, parts[1]) == 0 && strcasecmp(s->alias, parts[2]) == 0)
			used = 3;
		c = used > 0 && used < count ? find_output(s, parts[used]) : NULL;
		if (c != NULL) {
			set_column(x, s, c);
			return used + 1;
		}
	}
	return 0;
}

static size_t
distance(const char *a, const char *b)
{
	size_t same = 0, la = strlen(a), lb = strlen(b);

	while (same < la && same < lb && tolower((unsigned char)a[same]) == tolower((unsigned char)b[same]))
		same++;
	return la + lb - 2 * same;
}

static int
unresolved(struct spark *q, const char *name)
{
	struct buffer list = BUFFER_INIT;
	const char *best[3] = {NULL, NULL, NULL};

	for (int n = 0; n < 3 && q->scope != NULL; n++)
		for (size_t i = 0; i < q->scope->count; i++)
			for (size_t c = 0; c < q->scope->sources[i].count; c++) {
				const char *at = q->scope->sources[i].columns[c].name;

				if (at != best[0] && at != best[1] &&
				    (best[n] == NULL || distance(name, at) < distance(name, best[n])))
					best[n] = at;
			}
	for (int n = 0; n < 3 && best[n] != NULL; n++)
		buffer_append_format(&list, "%s`%s`", n ? ", " : "", best[n]);
	if (list.len == 0)
		spark_fail(q, "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703",
		    "A column, variable, or function parameter with name `%s` cannot be resolved.", name);
	else
		spark_fail(q, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703",
		    "A column, variable, or function parameter with name `%s` cannot be resolved. Did you mean one of the "
		    "following? [%s].",
		    name, buffer_text(&list));
	buffer_release(&list);
	return -1;
}

/* a, t.a, s.t.a, c.s.t.a, and fields behind them. */
static int
parse_column(struct spark *q, struct spark_expression *x)
{
	const char *parts[64];
	size_t count = 0, used = 0;

	for (;;) {
		const char *name = spark_name(q);

		if (name == NULL)
			return -1;
		parts[count++] = name;
		if (count == 64 || !spark_is(q, ".") || spark_is_at(q, 1, "*") || !spark_take(q, "."))
			break;
	}
	for (struct spark_scope *scope = q->scope; scope != NULL && used == 0; scope = scope->outer) {
		int bare;

		used = count > 1 ? find_qualified(scope, parts, count, x) : 0;
		if (used > 0)
			break;
		bare = find_bare(q, scope, parts[0], x);
		if (bare < 0)
			return -1;
		used = (size_t)bare;
	}
	if (used == 0)
		return unresolved(q, parts[count - 1]);
	for (; used < count; used++)
		if (spark_get_field(q, x, parts[used]) < 0)
			return -1;
	return 0;
}

/* ---- literals ---- */

static void
set_integer(struct spark_expression *x, int64_t v, enum lake_kind kind)
{
	buffer_append_format(&x->text, "%lld", (long long)v);
	x->type = spark_type(kind);
}

static int
parse_number(struct spark *q, struct spark_expression *x)
{
	const char *s = spark_peek(q, 0)->text, *suffix = s + strspn(s, "0123456789.eE+-");
	size_t len = (size_t)(suffix - s);
	bool whole = strcspn(s, ".eE") >= len;

	q->at++;
	x->name = memory_strndup(s, len);
	buffer_append(&x->text, s, len);
	if (whole && (*suffix == '\0' || strchr("LlSsYy", *suffix) != NULL)) {
		bool large = len > 10 || (len == 10 && strncmp(s, "2147483647", 10) > 0);

		x->type = spark_type(large || *suffix == 'L' || *suffix == 'l' ? LAKE_LONG : LAKE_INT);
		return 0;
	}
	if (whole)
		buffer_append_text(&x->text, ".0");
	x->type = spark_type(LAKE_DOUBLE);
	return 0;
}

static void
parse_string(struct spark *q, struct spark_expression *x)
{
	struct buffer all = BUFFER_INIT;

	/* literals in a row are one */
	for (; spark_peek(q, 0)->kind == SQL_STRING; q->at++)
		buffer_append(&all, spark_peek(q, 0)->text, spark_peek(q, 0)->len);
	spark_append_string(&x->text, buffer_span(&all));
	x->type = spark_type(LAKE_STRING);
	x->name = buffer_detach(&all);
}

static int
parse_time_literal(struct spark *q, struct spark_expression *x, enum lake_kind kind)
{
	struct text s = text_of(spark_peek(q, 1)->text);
	int64_t v;

	if (kind == LAKE_DATE ? !lake_parse_date(s, &v) : !lake_parse_timestamp(s, &v))
		return spark_fail(q, "INVALID_TYPED_LITERAL", "42604",
		    "The value of the typed literal \"%s\" is invalid: '%s'.", lake_type_name(kind), s.data);
	q->at += 2;
	set_integer(x, v, kind);
	return 0;
}

/* INTERVAL '2' HOUR, INTERVAL 2 hours 5 minutes */
static int
parse_interval(struct spark *q, struct spark_expression *x)
{
	static const struct {
		const char *word;
		int64_t us;
	} units[] = {{"microsecond", 1}, {"millisecond", 1000}, {"second", 1000000}, {"minute", 60000000},
	    {"hour", INT64_C(3600000000)}, {"day", INT64_C(86400000000)}, {"week", INT64_C(604800000000)}};
	double total = 0;
	bool any = false;

	spark_take(q, "INTERVAL");
	for (;;) {
		const struct spark_token *n = spark_peek(q, 0), *unit = spark_peek(q, 1);
		bool negative = n->kind == SQL_SIGN && n->text[0] == '-' && unit->kind == SQL_NUMBER;
		double us = 0;

		if (negative) {
			n = unit;
			unit = spark_peek(q, 2);
		}
		if ((n->kind != SQL_NUMBER && n->kind != SQL_STRING) || unit->kind != SQL_WORD)
			break;
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			size_t len = strlen(units[i].word);

			if (strncasecmp(unit->text, units[i].word, len) == 0 &&
			    (unit->text[len] == '\0' || strcasecmp(unit->text + len, "s") == 0))
				us = (double)units[i].us;
		}
		if (us == 0)
			break;
		total += (negative ? -1 : 1) * strtod(n->text, NULL) * us;
		q->at += negative ? 3 : 2;
		any = true;
	}
	if (!any)
		return spark_syntax_error(q);
	set_integer(x, (int64_t)total, LAKE_INTERVAL);
	return 0;
}

static int
parse_parameter(struct spark *q, struct spark_expression *x)
{
	const char *name = spark_peek(q, 0)->text, *at;
	const struct spark_parameter *p = NULL;
	struct error ignored = ERROR_INIT;
	struct lake_type *type;

	for (size_t i = 0; i < q->request->parameter_count && p == NULL; i++)
		if (strcmp(q->request->parameters[i].name, name) == 0)
			p = &q->request->parameters[i];
	if (p == NULL)
		return spark_fail(q, "UNBOUND_SQL_PARAMETER", "42P02", "Found the unbound parameter: %s.", name);
	q->at++;
	at = p->type ? p->type : "STRING";
	type = lake_type_parse(&at, &ignored);
	if (type == NULL || lake_kind_is_nested(type->kind)) {
		lake_type_free(type);
		return spark_fail(q, "UNSUPPORTED_PARAMETER_TYPE", "42K09", "Parameter %s has the type %s.", name, p->type);
	}
	buffer_append_format(&x->text, ":%s", name);
	x->type = spark_type(LAKE_STRING);
	spark_cast(q, x, spark_keep_type(q, type), false);
	return 0;
}

/* ---- compound forms ---- */

/* The type of several branches together. */
static const struct lake_type *
common_type(const struct lake_type *a, const struct lake_type *b)
{
	if (a == NULL || a->kind == LAKE_VOID)
		return b;
	if (b->kind == LAKE_VOID || a->kind == b->kind)
		return a;
	if (lake_kind_is_integer(a->kind) && lake_kind_is_integer(b->kind))
		return a->kind > b->kind ? a : b;
	if (lake_kind_is_number(a->kind) && lake_kind_is_number(b->kind))
		return spark_type(LAKE_DOUBLE);
	return lake_kind_is_text(a->kind) || lake_kind_is_text(b->kind) ? spark_type(LAKE_STRING) : a;
}

/* One expression of a CASE, after its word. */
static int
case_part(struct spark *q, struct spark_expression *x, const char *word, const struct lake_type **type)
{
	struct spark_expression part = {.type = NULL};
	int rc = spark_expression_parse(q, &part);

	if (rc == 0) {
		buffer_append_format(&x->text, " %s %s", word, buffer_text(&part.text));
		x->aggregate |= part.aggregate;
		if (type != NULL)
			*type = common_type(*type, part.type);
	}
	spark_expression_release(&part);
	return rc;
}

static int
parse_case(struct spark *q, struct spark_expression *x)
{
	const struct lake_type *type = NULL;

	spark_take(q, "CASE");
	buffer_append_text(&x->text, "(CASE");
	if (!spark_is(q, "WHEN") && case_part(q, x, "", NULL) < 0)
		return -1;
	while (spark_take(q, "WHEN"))
		if (case_part(q, x, "WHEN", NULL) < 0 || spark_expect(q, "THEN") < 0 || case_part(q, x, "THEN", &type) < 0)
			return -1;
	if (type == NULL)
		return spark_syntax_error(q);
	if (spark_take(q, "ELSE") && case_part(q, x, "ELSE", &type) < 0)
		return -1;
	buffer_append_text(&x->text, " END)");
	x->type = type;
	return spark_expect(q, "END");
}

static int
parse_cast(struct spark *q, struct spark_expression *x, bool try)
{
	const struct lake_type *type;

	q->at += 2;
	if (spark_expression_parse(q, x) < 0 || spark_expect(q, "AS") < 0)
		return -1;
	type = spark_read_type(q);
	if (type == NULL)
		return -1;
	spark_cast(q, x, type, try);
	return spark_expect(q, ")");
}

static int
parse_subquery(struct spark *q, struct spark_expression *x, const char *before)
{
	struct spark_output *columns = NULL;
	size_t count = 0;
	int rc;

	buffer_append_format(&x->text, "%s(", before);
	rc = spark_query(q, &x->text, &columns, &count);
	buffer_append_text(&x->text, ")");
	if (rc == 0 && *before == '\0' && count != 1)
		rc = spark_fail(q, "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN", "42823",
		    "Scalar subquery must return only one column, but returned %zu.", count);
	x->type = count > 0 ? columns[0].type : spark_type(LAKE_VOID);
	if (*before != '\0')
		x->type = spark_type(LAKE_BOOLEAN);
	spark_outputs_free(columns, count);
	return rc == 0 ? spark_expect(q, ")") : -1;
}

static int
parse_bracket(struct spark *q, struct spark_expression *x)
{
	spark_take(q, "(");
	if (spark_at_query(q, 0))
		return parse_subquery(q, x, "");
	if (spark_expression_parse(q, x) < 0)
		return -1;
	spark_wrap(x, "(", ")");
	return spark_expect(q, ")");
}

static int
parse_word(struct spark *q, struct spark_expression *x)
{
	const struct spark_token *next = spark_peek(q, 1);

	if (spark_take(q, "NULL")) {
		buffer_append_text(&x->text, "NULL");
		x->type = spark_type(LAKE_VOID);
		return 0;
	}
	if (spark_is(q, "TRUE") || spark_is(q, "FALSE")) {
		set_integer(x, spark_is(q, "TRUE"), LAKE_BOOLEAN);
		q->at++;
		return 0;
	}
	if (next->kind == SQL_STRING) {
		if (spark_is(q, "DATE"))
			return parse_time_literal(q, x, LAKE_DATE);
		if (spark_is(q, "TIMESTAMP") || spark_is(q, "TIMESTAMP_LTZ"))
			return parse_time_literal(q, x, LAKE_TIMESTAMP);
		if (spark_is(q, "TIMESTAMP_NTZ"))
			return parse_time_literal(q, x, LAKE_TIMESTAMP_NTZ);
		if (spark_is(q, "X") && strspn(next->text, "0123456789abcdefABCDEF") == strlen(next->text)) {
			buffer_append_format(&x->text, "x'%s%s'", strlen(next->text) % 2 ? "0" : "", next->text);
			x->type = spark_type(LAKE_BINARY);
			q->at += 2;
			return 0;
		}
	}
	if (spark_is(q, "INTERVAL") && next->kind != SQL_END && (next->kind == SQL_NUMBER || next->kind == SQL_STRING || spark_is_at(q, 1, "-")))
		return parse_interval(q, x);
	if (spark_is(q, "CASE"))
		return parse_case(q, x);
	if (spark_is(q, "EXISTS") && spark_is_at(q, 1, "(")) {
		q->at += 2;
		return parse_subquery(q, x, "EXISTS ");
	}
	if ((spark_is(q, "CAST") || spark_is(q, "TRY_CAST")) && spark_is_at(q, 1, "("))
		return parse_cast(q, x, spark_is(q, "TRY_CAST"));
	return 1;
}

int
spark_expression_primary(struct spark *q, struct spark_expression *x)
{
	const struct spark_token *t = spark_peek(q, 0);
	int rc;

	switch (t->kind) {
	case SQL_NUMBER:
		return parse_number(q, x);
	case SQL_STRING:
		parse_string(q, x);
		return 0;
	case SQL_PARAMETER:
		return parse_parameter(q, x);
	case SQL_SIGN:
		return spark_is(q, "(") ? parse_bracket(q, x) : spark_syntax_error(q);
	case SQL_WORD:
		rc = parse_word(q, x);
		if (rc <= 0)
			return rc;
		if (spark_is_at(q, 1, "("))
			return spark_function_call(q, t->text, x);
		if (spark_is(q, "CURRENT_TIMESTAMP") || spark_is(q, "CURRENT_DATE"))
			return spark_function_call(q, t->text, x);
		return parse_column(q, x);
	case SQL_NAME:
		return parse_column(q, x);
	default:
		return spark_syntax_error(q);
	}
}

/* Expressions: precedence, operators, casts; each part is translated at once and carries its Delta type. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/sql_private.h"

void
spark_expression_release(struct spark_expression *x)
{
	buffer_release(&x->text);
	free(x->name);
	*x = (struct spark_expression){.type = NULL};
}

void
spark_wrap(struct spark_expression *x, const char *before, const char *after)
{
	struct buffer b = BUFFER_INIT;

	buffer_append_format(&b, "%s", before);
	buffer_append(&b, x->text.data, x->text.len);
	buffer_append_text(&b, after);
	buffer_release(&x->text);
	x->text = b;
}

void
spark_append_string(struct buffer *out, struct text s)
{
	if (memchr(s.data ? s.data : "", '\0', s.len) != NULL) {
		buffer_append_text(out, "CAST(x'");
		buffer_append_hex(out, s.data, s.len);
		buffer_append_text(out, "' AS TEXT)");
		return;
	}
	buffer_append_byte(out, '\'');
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '\'')
			buffer_append_byte(out, '\'');
		buffer_append_byte(out, (uint8_t)s.data[i]);
	}
	buffer_append_byte(out, '\'');
}

/* ---- types and casts ---- */

static bool
is_time(enum lake_kind k)
{
	return k == LAKE_TIMESTAMP || k == LAKE_TIMESTAMP_NTZ || k == LAKE_DATE;
}

void
spark_cast(struct spark *q, struct spark_expression *x, const struct lake_type *to, bool try)
{
	struct buffer from = BUFFER_INIT;
	char after[80];

	if (lake_type_equal(x->type, to)) {
		x->type = to;
		return;
	}
	if (lake_kind_is_text(x->type->kind) && lake_kind_is_text(to->kind)) {
		x->type = to;
		return;
	}
	if (lake_kind_is_nested(to->kind) || x->type->kind == LAKE_VOID || to->kind == LAKE_INTERVAL) {
		x->type = to;
		return;
	}
	snprintf(after, sizeof(after), ", %d, %d, %d, %d, ", (int)to->kind, to->precision, to->scale, try);
	buffer_append_text(&from, after);
	{
		struct buffer name = BUFFER_INIT;

		lake_type_text(x->type, &name);
		spark_append_string(&from, buffer_span(&name));
		buffer_release(&name);
	}
	buffer_append_text(&from, ")");
	spark_wrap(x, "sfzb_cast(", buffer_text(&from));
	buffer_release(&from);
	x->type = to;
	(void)q;
}

void
spark_coerce(struct spark *q, struct spark_expression *x, const struct lake_type *to)
{
	spark_cast(q, x, to, false);
}

/* Makes two sides comparable: Spark casts the string side, and a date beside a timestamp. */
static void
align(struct spark *q, struct spark_expression *a, struct spark_expression *b)
{
	enum lake_kind ka = a->type->kind, kb = b->type->kind;

	if (lake_kind_is_text(ka) && !lake_kind_is_text(kb)) {
		if (lake_kind_is_integer(kb))
			spark_cast(q, a, spark_type(LAKE_LONG), false);
		else if (lake_kind_is_number(kb))
			spark_cast(q, a, spark_type(LAKE_DOUBLE), false);
		else if (is_time(kb) || kb == LAKE_BOOLEAN)
			spark_cast(q, a, b->type, false);
		ka = a->type->kind;
	} else if (lake_kind_is_text(kb) && !lake_kind_is_text(ka)) {
		align(q, b, a);
		kb = b->type->kind;
	}
	if (ka == LAKE_DATE && (kb == LAKE_TIMESTAMP || kb == LAKE_TIMESTAMP_NTZ))
		spark_cast(q, a, b->type, false);
	else if (kb == LAKE_DATE && (ka == LAKE_TIMESTAMP || ka == LAKE_TIMESTAMP_NTZ))
		spark_cast(q, b, a->type, false);
	if (ka == LAKE_DECIMAL && lake_kind_is_number(kb))
		spark_wrap(a, "CAST(", " AS NUMERIC)");
	if (kb == LAKE_DECIMAL && lake_kind_is_number(ka))
		spark_wrap(b, "CAST(", " AS NUMERIC)");
}

static const struct lake_type *
arithmetic_type(const struct lake_type *a, const struct lake_type *b, char op)
{
	if (a->kind == LAKE_INTERVAL || b->kind == LAKE_INTERVAL)
		return a->kind == LAKE_INTERVAL ? b : a;
	if (op == '-' && is_time(a->kind) && is_time(b->kind))
		return a->kind == LAKE_DATE && b->kind == LAKE_DATE ? spark_type(LAKE_INT) : spark_type(LAKE_INTERVAL);
	if (is_time(a->kind))
		return a;
	if (op == '/' || !lake_kind_is_integer(a->kind) || !lake_kind_is_integer(b->kind))
		return spark_type(LAKE_DOUBLE);
	return spark_type(a->kind == LAKE_LONG || b->kind == LAKE_LONG ? LAKE_LONG : LAKE_INT);
}

/* ---- operators, loosest first ---- */

static int parse_or(struct spark *q, struct spark_expression *x);
static int parse_bits(struct spark *q, struct spark_expression *x);
static int parse_unary(struct spark *q, struct spark_expression *x);

int
spark_expression_parse(struct spark *q, struct spark_expression *x)
{
	int rc;

	if (++q->depth > SQL_DEPTH)
		return spark_fail(q, "FAILED_TO_PARSE_TOO_COMPLEX", "54001", "the statement is nested too deeply");
	rc = parse_or(q, x);
	q->depth--;
	return rc;
}

/* x becomes "(x op right)"; right is released. */
static void
join(struct spark_expression *x, const char *op, struct spark_expression *right, const struct lake_type *type)
{
	struct buffer after = BUFFER_INIT;

	buffer_append_format(&after, " %s ", op);
	buffer_append(&after, right->text.data, right->text.len);
	buffer_append_text(&after, ")");
	spark_wrap(x, "(", buffer_text(&after));
	buffer_release(&after);
	x->type = type;
	x->aggregate |= right->aggregate;
	free(x->name);
	x->name = NULL;
	spark_expression_release(right);
}

typedef int parser(struct spark *q, struct spark_expression *x);

static int
parse_logical(struct spark *q, struct spark_expression *x, parser *next, const char *word)
{
	if (next(q, x) < 0)
		return -1;
	while (spark_take(q, word)) {
		struct spark_expression right = {.type = NULL};

		if (next(q, &right) < 0) {
			spark_expression_release(&right);
			return -1;
		}
		join(x, word, &right, spark_type(LAKE_BOOLEAN));
	}
	return 0;
}

static int parse_and(struct spark *q, struct spark_expression *x);

static int
parse_or(struct spark *q, struct spark_expression *x)
{
	return parse_logical(q, x, parse_and, "OR");
}

static int parse_not(struct spark *q, struct spark_expression *x);

static int
parse_and(struct spark *q, struct spark_expression *x)
{
	return parse_logical(q, x, parse_not, "AND");
}

static int parse_predicate(struct spark *q, struct spark_expression *x);

static int
parse_not(struct spark *q, struct spark_expression *x)
{
	if (!spark_take(q, "NOT") && !(spark_is(q, "!") && spark_take(q, "!")))
		return parse_predicate(q, x);
	if (parse_not(q, x) < 0)
		return -1;
	spark_wrap(x, "(NOT ", ")");
	x->type = spark_type(LAKE_BOOLEAN);
	return 0;
}

/* "x BETWEEN low AND high" and "x IN (…)" write their right side after x is aligned with it. */
static int
parse_between(struct spark *q, struct spark_expression *x, bool negated)
{
	struct spark_expression low = {.type = NULL}, high = {.type = NULL};
	int rc = -1;

	if (parse_bits(q, &low) < 0 || spark_expect(q, "AND") < 0 || parse_bits(q, &high) < 0)
		goto out;
	align(q, x, &low);
	align(q, x, &high);
	join(x, negated ? "NOT BETWEEN" : "BETWEEN", &low, spark_type(LAKE_BOOLEAN));
	x->text.len--; /* the bracket: "(x BETWEEN low" … */
	buffer_append_format(&x->text, " AND %s)", buffer_text(&high.text));
	x->aggregate |= high.aggregate;
	rc = 0;
out:
	spark_expression_release(&low);
	spark_expression_release(&high);
	return rc;
}

static int
parse_in(struct spark *q, struct spark_expression *x, bool negated)
{
	struct buffer list = BUFFER_INIT;
	int rc = -1;

	if (spark_expect(q, "(") < 0)
		return -1;
	if (spark_at_query(q, 0)) {
		struct spark_output *columns = NULL;
		size_t count = 0;

		rc = spark_query(q, &list, &columns, &count);
		spark_outputs_free(columns, count);
	} else {
		do {
			struct spark_expression item = {.type = NULL};

			rc = spark_expression_parse(q, &item);
			if (rc == 0) {
				align(q, x, &item);
				buffer_append_format(&list, "%s%s", list.len ? ", " : "", buffer_text(&item.text));
			}
			spark_expression_release(&item);
		} while (rc == 0 && spark_take(q, ","));
	}
	if (rc == 0)
		rc = spark_expect(q, ")");
	if (rc == 0) {
		buffer_append_text(&list, "))");
		spark_wrap(x, "(", negated ? " NOT IN (" : " IN (");
		buffer_append(&x->text, list.data, list.len);
		x->type = spark_type(LAKE_BOOLEAN);
	}
	buffer_release(&list);
	return rc;
}

static int
parse_like(struct spark *q, struct spark_expression *x, const char *word, bool negated)
{
	struct spark_expression pattern = {.type = NULL};
	struct buffer escape = BUFFER_INIT;

	buffer_append_text(&escape, "'\\'");
	if (parse_bits(q, &pattern) < 0) {
		spark_expression_release(&pattern);
		return -1;
	}
	if (spark_take(q, "ESCAPE")) {
		buffer_clear(&escape);
		spark_append_string(&escape, text_of(spark_peek(q, 0)->text));
		q->at++;
	}
	if (strcmp(word, "RLIKE") == 0) {
		spark_wrap(x, negated ? "(NOT sfzb_rlike(" : "(sfzb_rlike(", ", ");
		buffer_append_format(&x->text, "%s))", buffer_text(&pattern.text));
	} else {
		bool fold = strcmp(word, "ILIKE") == 0;

		spark_wrap(x, fold ? "(lower(" : "((", negated ? ") NOT LIKE " : ") LIKE ");
		buffer_append_format(&x->text, "%s(%s) ESCAPE %s)", fold ? "lower" : "", buffer_text(&pattern.text),
		    buffer_text(&escape));
	}
	x->type = spark_type(LAKE_BOOLEAN);
	buffer_release(&escape);
	spark_expression_release(&pattern);
	return 0;
}

static int
parse_is(struct spark *q, struct spark_expression *x)
{
	bool negated = spark_take(q, "NOT");
	struct spark_expression right = {.type = NULL};

	if (spark_take(q, "NULL")) {
		spark_wrap(x, "(", negated ? " IS NOT NULL)" : " IS NULL)");
	} else if (spark_take(q, "TRUE")) {
		spark_wrap(x, "(", negated ? " IS NOT TRUE)" : " IS TRUE)");
	} else if (spark_take(q, "FALSE")) {
		spark_wrap(x, "(", negated ? " IS NOT FALSE)" : " IS FALSE)");
	} else if (spark_take(q, "DISTINCT")) {
		if (spark_expect(q, "FROM") < 0 || parse_bits(q, &right) < 0) {
			spark_expression_release(&right);
			return -1;
		}
		align(q, x, &right);
		join(x, negated ? "IS" : "IS NOT", &right, spark_type(LAKE_BOOLEAN));
	} else {
		return spark_syntax_error(q);
	}
	x->type = spark_type(LAKE_BOOLEAN);
	return 0;
}

static int
parse_comparison(struct spark *q, struct spark_expression *x, const char *op)
{
	struct spark_expression right = {.type = NULL};

	if (parse_bits(q, &right) < 0) {
		spark_expression_release(&right);
		return -1;
	}
	align(q, x, &right);
	join(x, op, &right, spark_type(LAKE_BOOLEAN));
	return 0;
}

static int
parse_predicate(struct spark *q, struct spark_expression *x)
{
	static const char *const compare[][2] = {{"=", "="}, {"==", "="}, {"<=>", "IS"}, {"<>", "<>"}, {"!=", "<>"},
	    {"<=", "<="}, {">=", ">="}, {"<", "<"}, {">", ">"}};
	int rc = parse_bits(q, x);

	while (rc == 0) {
		bool negated = false, found = false;

		for (size_t i = 0; i < sizeof(compare) / sizeof(compare[0]) && !found; i++)
			if (spark_take(q, compare[i][0])) {
				rc = parse_comparison(q, x, compare[i][1]);
				found = true;
			}
		if (found)
			continue;
		if (spark_take(q, "IS")) {
			rc = parse_is(q, x);
			continue;
		}
		if (spark_is(q, "NOT") && (spark_is_at(q, 1, "IN") || spark_is_at(q, 1, "BETWEEN") || spark_is_at(q, 1, "LIKE") ||
					    spark_is_at(q, 1, "ILIKE") || spark_is_at(q, 1, "RLIKE") || spark_is_at(q, 1, "REGEXP")))
			negated = spark_take(q, "NOT");
		if (spark_take(q, "BETWEEN"))
			rc = parse_between(q, x, negated);
		else if (spark_take(q, "IN"))
			rc = parse_in(q, x, negated);
		else if (spark_take(q, "LIKE"))
			rc = parse_like(q, x, "LIKE", negated);
		else if (spark_take(q, "ILIKE"))
			rc = parse_like(q, x, "ILIKE", negated);
		else if (spark_take(q, "RLIKE") || spark_take(q, "REGEXP"))
			rc = parse_like(q, x, "RLIKE", negated);
		else
			return 0;
	}
	return -1;
}

static int parse_sum(struct spark *q, struct spark_expression *x);

static int
parse_bits(struct spark *q, struct spark_expression *x)
{
	static const char *const signs[] = {"&", "|"};

	if (parse_sum(q, x) < 0)
		return -1;
	for (size_t i = 0; i < 2; i++)
		if (spark_take(q, signs[i])) {
			struct spark_expression right = {.type = NULL};

			if (parse_sum(q, &right) < 0) {
				spark_expression_release(&right);
				return -1;
			}
			join(x, signs[i], &right, spark_type(LAKE_LONG));
			i = (size_t)-1;
		}
	return 0;
}

/* Dates count in days and intervals in microseconds. */
static void
adjust_interval(struct spark_expression *a, struct spark_expression *b)
{
	if (a->type->kind == LAKE_DATE && b->type->kind == LAKE_INTERVAL)
		spark_wrap(b, "(", " / 86400000000)");
	else if (b->type->kind == LAKE_DATE && a->type->kind == LAKE_INTERVAL)
		spark_wrap(a, "(", " / 86400000000)");
}

static int parse_product(struct spark *q, struct spark_expression *x);

static int
parse_sum(struct spark *q, struct spark_expression *x)
{
	if (parse_product(q, x) < 0)
		return -1;
	for (;;) {
		struct spark_expression right = {.type = NULL};
		const char *op = spark_take(q, "+") ? "+" : spark_take(q, "-") ? "-" : spark_take(q, "||") ? "||" : NULL;

		if (op == NULL)
			return 0;
		if (parse_product(q, &right) < 0) {
			spark_expression_release(&right);
			return -1;
		}
		if (op[0] == '|') {
			spark_cast(q, x, spark_type(LAKE_STRING), false);
			spark_cast(q, &right, spark_type(LAKE_STRING), false);
			join(x, op, &right, spark_type(LAKE_STRING));
			continue;
		}
		if (is_time(x->type->kind) && is_time(right.type->kind))
			align(q, x, &right);
		adjust_interval(x, &right);
		join(x, op, &right, arithmetic_type(x->type, right.type, op[0]));
	}
}

static int
parse_product(struct spark *q, struct spark_expression *x)
{
	if (parse_unary(q, x) < 0)
		return -1;
	for (;;) {
		struct spark_expression right = {.type = NULL};
		const char *op = spark_take(q, "*") ? "*" : spark_take(q, "/") ? "/" : spark_take(q, "%") ? "%" : NULL;
		bool div = op == NULL && spark_take(q, "DIV");
		const struct lake_type *type;

		if (op == NULL && !div)
			return 0;
		if (parse_unary(q, &right) < 0) {
			spark_expression_release(&right);
			return -1;
		}
		type = div ? spark_type(LAKE_LONG) : arithmetic_type(x->type, right.type, op[0]);
		if (!div && op[0] == '/')
			spark_wrap(x, "CAST(", " AS REAL)");
		join(x, div ? "/" : op, &right, type);
	}
}

static int
parse_unary(struct spark *q, struct spark_expression *x)
{
	if (spark_take(q, "+"))
		return parse_unary(q, x);
	if (spark_is(q, "-") || spark_is(q, "~")) {
		const char *sign = spark_is(q, "-") ? "(- " : "(~ ";

		q->at++;
		if (++q->depth > SQL_DEPTH)
			return spark_fail(q, "FAILED_TO_PARSE_TOO_COMPLEX", "54001", "the statement is nested too deeply");
		if (parse_unary(q, x) < 0)
			return -1;
		q->depth--;
		spark_wrap(x, sign, ")");
		return 0;
	}
	return spark_postfix_parse(q, x);
}

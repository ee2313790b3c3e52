/* Queries. FROM (sql_from.c) is translated before the select list, which stands before it: the list needs its columns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "emulator/sql_private.h"

/* ---- the select list ---- */

struct item {
	struct buffer text;
	bool aggregate;
};

struct core {
	struct spark_scope scope;
	struct spark_output *columns;
	struct item *items;
	size_t count, capacity, item_capacity;
	bool only_aliases; /* for ORDER BY */
};

static void
core_release(struct core *c)
{
	for (size_t i = 0; i < c->count; i++)
		buffer_release(&c->items[i].text);
	free(c->items);
	spark_outputs_free(c->columns, c->count);
	spark_scope_release(&c->scope);
	*c = (struct core){.columns = NULL};
}

static void
add_item(struct core *c, const char *text, const char *name, const struct lake_type *type, bool aggregate)
{
	c->columns = memory_reserve(c->columns, &c->capacity, c->count + 1, sizeof(*c->columns));
	c->items = memory_reserve(c->items, &c->item_capacity, c->count + 1, sizeof(*c->items));
	c->items[c->count] = (struct item){.aggregate = aggregate};
	buffer_append_text(&c->items[c->count].text, text);
	c->columns[c->count++] = (struct spark_output){.name = memory_strdup(name), .type = type};
	if (*text != '\0')
		c->columns[c->count - 1].text = memory_strdup(text);
	c->scope.aliases = c->columns;
	c->scope.alias_count = c->count;
}

/* *, t.*, each with EXCEPT (a, b) */
static int
add_star(struct spark *q, struct core *c, const char *alias)
{
	const char *except[64];
	size_t excepted = 0;
	bool found = false;

	if (spark_take(q, "EXCEPT") || (spark_is(q, "EXCLUDE") && spark_take(q, "EXCLUDE"))) {
		if (spark_expect(q, "(") < 0)
			return -1;
		do {
			except[excepted] = spark_name(q);
			if (except[excepted] == NULL || ++excepted == 64)
				return spark_syntax_error(q);
		} while (spark_take(q, ","));
		if (spark_expect(q, ")") < 0)
			return -1;
	}
	for (size_t i = 0; i < c->scope.count; i++) {
		const struct spark_source *s = &c->scope.sources[i];

		if (alias != NULL && strcasecmp(alias, s->alias) != 0)
			continue;
		found = true;
		for (size_t k = 0; k < s->count; k++) {
			struct buffer text = BUFFER_INIT;
			bool skip = s->columns[k].hidden;

			for (size_t x = 0; x < excepted; x++)
				skip |= strcasecmp(except[x], s->columns[k].name) == 0;
			if (skip)
				continue;
			if (s->columns[k].text != NULL) {
				buffer_append_text(&text, s->columns[k].text);
			} else {
				lakehouse_quote(&text, s->alias);
				buffer_append_text(&text, ".");
				lakehouse_quote(&text, s->columns[k].name);
			}
			add_item(c, buffer_text(&text), s->columns[k].name, s->columns[k].type, false);
			buffer_release(&text);
		}
	}
	if (found)
		return 0;
	return spark_fail(q, "CANNOT_RESOLVE_STAR_EXPAND", "42704", "Cannot resolve %s.* given input columns.",
	    alias ? alias : "");
}

static int
parse_item(struct spark *q, struct core *c)
{
	struct spark_expression x = {.type = NULL};
	size_t start = spark_peek(q, 0)->start;
	const char *alias;
	int rc;

	if (spark_take(q, "*"))
		return add_star(q, c, NULL);
	if (spark_is_at(q, 1, ".") && spark_is_at(q, 2, "*")) {
		alias = spark_name(q);
		q->at += 2;
		return alias == NULL ? -1 : add_star(q, c, alias);
	}
	rc = spark_expression_parse(q, &x);
	if (rc == 0) {
		const char *s = q->request->statement;
		char *words = memory_strndup(s + start, q->tokens.items[q->at - 1].end - start);

		alias = spark_take_alias(q);
		if (x.name == NULL)
			x.name = words;
		else
			free(words);
		add_item(c, buffer_text(&x.text), alias ? alias : x.name, x.type, x.aggregate);
	}
	spark_expression_release(&x);
	return rc;
}

/* Where this SELECT's FROM stands; 0: it has none. */
static size_t
find_from(struct spark *q)
{
	int depth = 0;

	for (size_t i = q->at; i < q->tokens.count; i++) {
		const struct spark_token *t = &q->tokens.items[i];

		if (t->kind == SQL_SIGN && (t->text[0] == '(' || t->text[0] == '['))
			depth++;
		else if (t->kind == SQL_SIGN && (t->text[0] == ')' || t->text[0] == ']') && --depth < 0)
			return 0;
		if (depth != 0 || t->kind != SQL_WORD)
			continue;
		if (strcasecmp(t->text, "UNION") == 0 || strcasecmp(t->text, "INTERSECT") == 0 ||
		    strcasecmp(t->text, "MINUS") == 0)
			return 0;
		if (strcasecmp(t->text, "FROM") == 0 &&
		    !(q->tokens.items[i - 1].kind == SQL_WORD && strcasecmp(q->tokens.items[i - 1].text, "DISTINCT") == 0))
			return i;
	}
	return 0;
}

/* One expression behind a word, as a clause. */
static int
clause(struct spark *q, struct buffer *out, const char *word)
{
	struct spark_expression x = {.type = NULL};
	int rc = spark_expression_parse(q, &x);

	if (rc == 0)
		buffer_append_format(out, " %s %s", word, buffer_text(&x.text));
	spark_expression_release(&x);
	return rc;
}

static int
group_by(struct spark *q, struct core *c, struct buffer *out)
{
	bool comma = false;

	buffer_append_text(out, " GROUP BY ");
	if (spark_take(q, "ALL")) {
		for (size_t i = 0; i < c->count; i++)
			if (!c->items[i].aggregate) {
				buffer_append_format(out, "%s%s", comma ? ", " : "", buffer_text(&c->items[i].text));
				comma = true;
			}
		if (!comma)
			buffer_append_text(out, "NULL");
		return 0;
	}
	do {
		if (clause(q, out, comma ? "," : "") < 0)
			return -1;
		comma = true;
	} while (spark_take(q, ","));
	return 0;
}

static void
write_list(const struct core *c, bool distinct, struct buffer *out)
{
	buffer_append_text(out, distinct ? "SELECT DISTINCT " : "SELECT ");
	for (size_t i = 0; i < c->count; i++) {
		buffer_append_text(out, i ? ", " : "");
		buffer_append(out, c->items[i].text.data, c->items[i].text.len);
		buffer_append_text(out, " AS ");
		lakehouse_quote(out, c->columns[i].name);
	}
}

static int
qualify(struct spark *q, struct core *c, struct buffer *from, struct buffer *rest, bool distinct, struct buffer *out)
{
	struct spark_expression x = {.type = NULL};
	int rc = spark_expression_parse(q, &x);

	if (rc == 0) {
		buffer_append_text(out, distinct ? "SELECT DISTINCT " : "SELECT ");
		for (size_t i = 0; i < c->count; i++) {
			buffer_append_text(out, i ? ", " : "");
			lakehouse_quote(out, c->columns[i].name);
		}
		buffer_append_text(out, " FROM (");
		write_list(c, false, out);
		buffer_append_format(out, ", %s AS \"_qualify\"%s%s) WHERE \"_qualify\"", buffer_text(&x.text),
		    from->len ? buffer_text(from) : "", rest->len ? buffer_text(rest) : "");
		c->only_aliases = true;
	}
	spark_expression_release(&x);
	return rc;
}

static int
select_rest(struct spark *q, struct core *c, struct buffer *from, bool distinct, struct buffer *out)
{
	struct buffer rest = BUFFER_INIT;
	int rc = 0;

	if (spark_take(q, "WHERE")) {
		c->scope.alias_count = 0; /* WHERE knows no aliases */
		rc = clause(q, &rest, "WHERE");
		c->scope.alias_count = c->count;
	}
	if (rc == 0 && spark_take2(q, "GROUP", "BY"))
		rc = group_by(q, c, &rest);
	if (rc == 0 && spark_take(q, "HAVING"))
		rc = clause(q, &rest, "HAVING");
	if (rc == 0 && spark_take(q, "QUALIFY")) {
		rc = qualify(q, c, from, &rest, distinct, out);
	} else if (rc == 0) {
		write_list(c, distinct, out);
		buffer_append(out, from->data, from->len);
		buffer_append(out, rest.data, rest.len);
	}
	buffer_release(&rest);
	return rc;
}

static int
parse_select(struct spark *q, struct core *c, struct buffer *out)
{
	struct buffer from = BUFFER_INIT;
	bool distinct = spark_take(q, "DISTINCT");
	size_t list, from_at, after = 0;
	int rc = 0;

	if (!distinct)
		spark_take(q, "ALL");
	from_at = find_from(q);
	list = q->at;
	if (from_at > 0) {
		q->at = from_at + 1;
		rc = spark_from(q, &c->scope, &from);
		after = q->at;
		q->at = list;
	}
	if (rc == 0) {
		do
			rc = parse_item(q, c);
		while (rc == 0 && spark_take(q, ","));
	}
	if (rc == 0 && from_at > 0) {
		if (q->at != from_at)
			rc = spark_syntax_error(q);
		q->at = after;
	}
	if (rc == 0) {
		buffer_append(&from, c->scope.generators.data, c->scope.generators.len);
		rc = select_rest(q, c, &from, distinct, out);
	}
	buffer_release(&from);
	return rc;
}

static int
parse_values(struct spark *q, struct core *c, struct buffer *out)
{
	size_t width = 0;

	buffer_append_text(out, "SELECT * FROM (VALUES ");
	for (size_t row = 0;; row++) {
		size_t n = 0;
		bool bracket = spark_take(q, "(");

		buffer_append_text(out, row ? ", (" : "(");
		do {
			struct spark_expression x = {.type = NULL};
			char name[24];

			if (spark_expression_parse(q, &x) < 0) {
				spark_expression_release(&x);
				return -1;
			}
			buffer_append_format(out, "%s%s", n ? ", " : "", buffer_text(&x.text));
			snprintf(name, sizeof(name), "col%zu", n + 1);
			if (row == 0)
				add_item(c, "", name, x.type, false);
			else if (n < c->count && c->columns[n].type->kind == LAKE_VOID)
				c->columns[n].type = x.type;
			spark_expression_release(&x);
			n++;
		} while (bracket && spark_take(q, ","));
		if (bracket && spark_expect(q, ")") < 0)
			return -1;
		buffer_append_text(out, ")");
		width = row == 0 ? n : width;
		if (n != width)
			return spark_fail(q, "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", "42000",
			    "Inline table expected %zu columns but found %zu in row %zu.", width, n, row);
		if (!spark_take(q, ","))
			break;
	}
	buffer_append_text(out, ")");
	{
		/* SQLite calls them column1 …: rename */
		struct buffer named = BUFFER_INIT;

		buffer_append_text(&named, "WITH _v(");
		for (size_t i = 0; i < c->count; i++)
			buffer_append_format(&named, "%s\"%s\"", i ? ", " : "", c->columns[i].name);
		buffer_append_format(&named, ") AS (%s) SELECT * FROM _v", buffer_text(out));
		buffer_release(out);
		*out = named;
	}
	c->only_aliases = true;
	return 0;
}

/* One side of a UNION. */
static int
parse_term(struct spark *q, struct core *c, struct buffer *out)
{
	int rc;

	if (spark_take(q, "SELECT"))
		return parse_select(q, c, out);
	if (spark_take(q, "VALUES")) {
		struct buffer text = BUFFER_INIT;

		rc = parse_values(q, c, &text);
		buffer_append_format(out, "SELECT * FROM (%s)", buffer_text(&text));
		buffer_release(&text);
		return rc;
	}
	if (spark_take(q, "(")) {
		struct buffer text = BUFFER_INIT;
		struct spark_output *columns = NULL;
		size_t count = 0;

		rc = spark_query(q, &text, &columns, &count);
		for (size_t i = 0; i < count; i++)
			add_item(c, "", columns[i].name, columns[i].type, false);
		spark_outputs_free(columns, count);
		buffer_append_format(out, "SELECT * FROM (%s)", buffer_text(&text));
		buffer_release(&text);
		c->only_aliases = true;
		return rc == 0 ? spark_expect(q, ")") : -1;
	}
	return spark_syntax_error(q);
}

static const char *
take_set_operator(struct spark *q)
{
	if (spark_take(q, "UNION")) {
		if (spark_take(q, "ALL"))
			return " UNION ALL ";
		spark_take(q, "DISTINCT");
		return " UNION ";
	}
	if (spark_take(q, "INTERSECT")) {
		spark_take(q, "DISTINCT");
		return " INTERSECT ";
	}
	if (spark_take(q, "EXCEPT") || spark_take(q, "MINUS")) {
		spark_take(q, "DISTINCT");
		return " EXCEPT ";
	}
	return NULL;
}

int
spark_order_by(struct spark *q, struct buffer *out)
{
	bool comma = false;

	do {
		struct spark_expression x = {.type = NULL};

		if (spark_expression_parse(q, &x) < 0) {
			spark_expression_release(&x);
			return -1;
		}
		if (x.type->kind == LAKE_DECIMAL)
			spark_wrap(&x, "CAST(", " AS NUMERIC)");
		buffer_append_format(out, "%s%s", comma ? ", " : "", buffer_text(&x.text));
		spark_expression_release(&x);
		comma = true;
		if (spark_take(q, "DESC"))
			buffer_append_text(out, " DESC");
		else
			spark_take(q, "ASC");
		if (spark_take2(q, "NULLS", "FIRST"))
			buffer_append_text(out, " NULLS FIRST");
		else if (spark_take2(q, "NULLS", "LAST"))
			buffer_append_text(out, " NULLS LAST");
	} while (spark_take(q, ","));
	return 0;
}

static int
parse_ctes(struct spark *q, struct buffer *out)
{
	bool first = true;

	do {
		const char *name = spark_name(q);
		struct spark_cte *cte;
		struct buffer text = BUFFER_INIT;
		int rc = name == NULL ? -1 : 0;

		if (rc < 0)
			return -1;
		cte = memory_zero(1, sizeof(*cte));
		cte->name = memory_strdup(name);
		if (spark_is(q, "(")) {
			free(cte->name);
			free(cte);
			return spark_syntax_error(q);
		}
		if (spark_expect(q, "AS") < 0 || spark_expect(q, "(") < 0 || spark_query(q, &text, &cte->columns, &cte->count) < 0 ||
		    spark_expect(q, ")") < 0)
			rc = -1;
		buffer_append_text(out, first ? "WITH " : ", ");
		lakehouse_quote(out, cte->name);
		buffer_append_format(out, " AS (%s)", buffer_text(&text));
		buffer_release(&text);
		cte->next = q->ctes;
		q->ctes = cte;
		if (rc < 0)
			return -1;
		first = false;
	} while (spark_take(q, ","));
	buffer_append_text(out, " ");
	return 0;
}

static int
limit_clauses(struct spark *q, struct buffer *out)
{
	if (spark_take(q, "LIMIT")) {
		if (spark_take(q, "ALL"))
			buffer_append_text(out, " LIMIT -1");
		else if (clause(q, out, "LIMIT") < 0)
			return -1;
		if (spark_take(q, "OFFSET"))
			return clause(q, out, "OFFSET");
	} else if (spark_take(q, "OFFSET")) {
		return clause(q, out, "LIMIT -1 OFFSET");
	}
	return 0;
}

static int
query_body(struct spark *q, struct core *c, struct buffer *out)
{
	const char *operator;

	if (parse_term(q, c, out) < 0)
		return -1;
	while ((operator = take_set_operator(q)) != NULL) {
		struct core next = {.columns = NULL};
		int rc;

		next.scope.outer = c->scope.outer;
		c->only_aliases = true;
		buffer_append_text(out, operator);
		q->scope = &next.scope;
		rc = parse_term(q, &next, out);
		q->scope = &c->scope;
		if (rc == 0 && next.count != c->count)
			rc = spark_fail(q, "NUM_COLUMNS_MISMATCH", "42826",
			    "set operations can only be performed on inputs with the same number of columns, but the first "
			    "has %zu and the second %zu.",
			    c->count, next.count);
		for (size_t i = 0; i < c->count && rc == 0; i++)
			if (c->columns[i].type->kind == LAKE_VOID)
				c->columns[i].type = next.columns[i].type;
		core_release(&next);
		if (rc < 0)
			return -1;
	}
	if (c->only_aliases) {
		struct spark_scope *outer = c->scope.outer;

		spark_scope_release(&c->scope);
		c->scope = (struct spark_scope){.outer = outer};
	}
	c->scope.aliases = c->columns;
	c->scope.alias_count = c->count;
	c->scope.aliases_first = true;
	if (spark_take2(q, "ORDER", "BY")) {
		buffer_append_text(out, " ORDER BY ");
		if (spark_order_by(q, out) < 0)
			return -1;
	}
	return limit_clauses(q, out);
}

bool
spark_at_query(struct spark *q, size_t ahead)
{
	return spark_is_at(q, ahead, "SELECT") || spark_is_at(q, ahead, "WITH") || spark_is_at(q, ahead, "VALUES") ||
	    (spark_is_at(q, ahead, "(") && spark_is_at(q, ahead + 1, "SELECT"));
}

int
spark_query(struct spark *q, struct buffer *out, struct spark_output **columns, size_t *count)
{
	struct spark_scope *outer = q->scope;
	struct spark_cte *ctes = q->ctes;
	struct core c = {.columns = NULL};
	int rc = 0;

	c.scope.outer = outer;
	q->scope = &c.scope;
	if (++q->depth > SQL_DEPTH)
		rc = spark_fail(q, "FAILED_TO_PARSE_TOO_COMPLEX", "54001", "the statement is nested too deeply");
	if (rc == 0 && spark_take(q, "WITH"))
		rc = parse_ctes(q, out);
	if (rc == 0)
		rc = query_body(q, &c, out);
	q->depth--;
	q->scope = outer;
	while (q->ctes != ctes) {
		struct spark_cte *next = q->ctes->next;

		spark_outputs_free(q->ctes->columns, q->ctes->count);
		free(q->ctes->name);
		free(q->ctes);
		q->ctes = next;
	}
	*columns = c.columns;
	*count = c.count;
	c.columns = NULL;
	for (size_t i = 0; i < c.count; i++)
		buffer_release(&c.items[i].text);
	c.count = 0;
	core_release(&c);
	return rc;
}

/* FROM: tables, subqueries, common table expressions, joins, LATERAL VIEW; and the scopes of names that they make. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "emulator/sql_private.h"

void
spark_outputs_free(struct spark_output *columns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(columns[i].name);
		free(columns[i].text);
	}
	free(columns);
}

/* ---- scopes ---- */

static struct spark_source *
add_source(struct spark_scope *s, const char *alias, size_t columns)
{
	struct spark_source *source;

	s->sources = memory_reserve(s->sources, &s->capacity, s->count + 1, sizeof(*s->sources));
	source = &s->sources[s->count++];
	*source = (struct spark_source){.alias = memory_strdup(alias)};
	source->columns = memory_zero(columns + 1, sizeof(*source->columns));
	source->count = columns;
	return source;
}

static void
spark_scope_add(struct spark_scope *s, const char *alias, const struct spark_output *columns, size_t count)
{
	struct spark_source *source = add_source(s, alias, count);

	for (size_t i = 0; i < count; i++)
		source->columns[i] = (struct spark_output){.name = memory_strdup(columns[i].name), .type = columns[i].type};
}

void
spark_scope_add_table(struct spark_scope *s, const struct lake_table *t, const char *alias)
{
	struct spark_source *source = add_source(s, alias, t->column_count);

	for (size_t i = 0; i < t->column_count; i++)
		source->columns[i] =
		    (struct spark_output){.name = memory_strdup(t->columns[i].name), .type = t->columns[i].type};
	source->catalog = memory_strdup(t->catalog);
	source->schema = memory_strdup(t->schema);
}

void
spark_scope_release(struct spark_scope *s)
{
	for (size_t i = 0; i < s->count; i++) {
		spark_outputs_free(s->sources[i].columns, s->sources[i].count);
		free(s->sources[i].alias);
		free(s->sources[i].catalog);
		free(s->sources[i].schema);
	}
	free(s->sources);
	buffer_release(&s->generators);
	s->sources = NULL;
	s->count = 0;
}

/* Appends the table as a source: its name, or a subquery of the rows that may be seen. */
static void
spark_append_table(struct spark *q, const struct lake_table *t, const char *alias, struct buffer *out)
{
	struct buffer hidden = BUFFER_INIT;

	lakehouse_visibility(q->lakehouse, t, &hidden);
	if (hidden.len > 0)
		buffer_append_text(out, "(SELECT * FROM ");
	lake_table_sqlite_name(t, out);
	if (hidden.len > 0) {
		buffer_append_text(out, " WHERE true");
		buffer_append(out, hidden.data, hidden.len);
		buffer_append_text(out, ")");
	}
	buffer_append_text(out, " AS ");
	lakehouse_quote(out, alias);
	buffer_release(&hidden);
}

/* ---- FROM ---- */

/* Words that end a table or an item, so that they are no alias without AS. */
static bool
ends_item(struct spark *q)
{
	static const char *const words[] = {"FROM", "WHERE", "GROUP", "HAVING", "QUALIFY", "ORDER", "LIMIT", "OFFSET",
	    "UNION", "INTERSECT", "EXCEPT", "MINUS", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "ON",
	    "USING", "LATERAL", "WINDOW", "SET", "VALUES", "SELECT", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "SEMI",
	    "ANTI", "CLUSTER", "DISTRIBUTE", "SORT"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (spark_is(q, words[i]))
			return true;
	return false;
}

/* [AS] alias; NULL when there is none. */
const char *
spark_take_alias(struct spark *q)
{
	const struct spark_token *t = spark_peek(q, 0);

	if (spark_take(q, "AS"))
		return spark_name(q);
	if (t->kind == SQL_NAME || (t->kind == SQL_WORD && !ends_item(q))) {
		q->at++;
		return t->text;
	}
	return NULL;
}

static struct spark_cte *
find_cte(struct spark *q, const char *name)
{
	for (struct spark_cte *c = q->ctes; c != NULL; c = c->next)
		if (strcasecmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* Renames columns: AS t(a, b). */
static int
rename_columns(struct spark *q, struct spark_output *columns, size_t count)
{
	size_t i = 0;

	do {
		const char *name = spark_name(q);

		if (name == NULL)
			return -1;
		if (i < count) {
			free(columns[i].name);
			columns[i].name = memory_strdup(name);
		}
		i++;
	} while (spark_take(q, ","));
	if (i != count)
		return spark_fail(q, "ASSIGNMENT_ARITY_MISMATCH", "42802", "%zu column aliases for %zu columns.", i, count);
	return spark_expect(q, ")");
}

static int
parse_derived(struct spark *q, struct spark_scope *scope, bool bracket, struct buffer *out)
{
	struct spark_output *columns = NULL;
	struct spark_scope *outer = q->scope;
	struct buffer text = BUFFER_INIT;
	size_t count = 0;
	const char *alias;
	char made[32];
	int rc;

	q->scope = scope->outer; /* a subquery in FROM sees no neighbours */
	rc = spark_query(q, &text, &columns, &count);
	q->scope = outer;
	if (rc == 0 && bracket)
		rc = spark_expect(q, ")");
	if (rc == 0) {
		alias = spark_take_alias(q);
		if (alias == NULL) {
			snprintf(made, sizeof(made), "_q%zu", q->at);
			alias = made;
		}
		if (spark_take(q, "(")) {
			struct buffer names = BUFFER_INIT;

			rc = rename_columns(q, columns, count);
			/* SQLite names a subquery's columns by a common table expression only */
			buffer_append_text(&names, "WITH _n(");
			for (size_t i = 0; i < count; i++) {
				buffer_append_text(&names, i ? ", " : "");
				lakehouse_quote(&names, columns[i].name);
			}
			buffer_append_format(&names, ") AS (%s) SELECT * FROM _n", buffer_text(&text));
			buffer_release(&text);
			text = names;
		}
		buffer_append_format(out, "(%s) AS ", buffer_text(&text));
		lakehouse_quote(out, alias);
		spark_scope_add(scope, alias, columns, count);
	}
	buffer_release(&text);
	spark_outputs_free(columns, count);
	return rc;
}

static int
parse_named_table(struct spark *q, struct spark_scope *scope, struct buffer *out)
{
	struct spark_table_name name;
	struct lake_table *t;
	const char *alias;
	struct spark_cte *cte = spark_is_at(q, 1, ".") ? NULL : find_cte(q, spark_peek(q, 0)->text);

	if (cte != NULL) {
		q->at++;
		alias = spark_take_alias(q);
		alias = alias ? alias : cte->name;
		lakehouse_quote(out, cte->name);
		buffer_append_text(out, " AS ");
		lakehouse_quote(out, alias);
		spark_scope_add(scope, alias, cte->columns, cte->count);
		return 0;
	}
	if (spark_read_table_name(q, &name) < 0)
		return -1;
	t = spark_open_table(q, &name, "SELECT");
	if (t == NULL)
		return -1;
	alias = spark_take_alias(q);
	alias = alias ? alias : t->name;
	spark_append_table(q, t, alias, out);
	spark_scope_add_table(scope, t, alias);
	/* the columns' types are borrowed from the table: keep it as long as the statement */
	for (size_t i = 0; i < t->column_count; i++)
		scope->sources[scope->count - 1].columns[i].type = spark_keep_type(q, lake_type_clone(t->columns[i].type));
	lake_table_unref(t);
	return 0;
}

static int
parse_table(struct spark *q, struct spark_scope *scope, struct buffer *out)
{
	int rc;

	bool bracket = spark_take(q, "(");

	if (!bracket && !spark_is(q, "VALUES"))
		return spark_peek(q, 0)->kind == SQL_WORD && ends_item(q) ? spark_syntax_error(q) :
									    parse_named_table(q, scope, out);
	if (++q->depth > SQL_DEPTH)
		return spark_fail(q, "FAILED_TO_PARSE_TOO_COMPLEX", "54001", "the statement is nested too deeply");
	rc = parse_derived(q, scope, bracket, out);
	q->depth--;
	return rc;
}

/* [OUTER] explode(array) table AS column */
static int
parse_lateral_view(struct spark *q, struct spark_scope *scope, struct buffer *out)
{
	bool outer = spark_take(q, "OUTER");
	struct spark_expression array = {.type = NULL};
	struct spark_source *source;
	struct buffer text = BUFFER_INIT;
	const char *alias, *column = "col";
	int rc = -1;

	if (spark_expect(q, "EXPLODE") < 0 || spark_expect(q, "(") < 0 || spark_expression_parse(q, &array) < 0 ||
	    spark_expect(q, ")") < 0)
		goto out;
	if (array.type->kind != LAKE_ARRAY) {
		spark_fail(q, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09", "explode() takes an ARRAY.");
		goto out;
	}
	alias = spark_is(q, "AS") ? "_lateral" : spark_name(q);
	if (alias == NULL || (spark_take(q, "AS") && (column = spark_name(q)) == NULL))
		goto out;
	buffer_append_format(out, " %s JOIN json_each(%s) AS ", outer ? "LEFT" : "CROSS", buffer_text(&array.text));
	lakehouse_quote(out, alias);
	buffer_append_text(out, outer ? " ON true" : "");
	source = add_source(scope, alias, 1);
	buffer_append_text(&text, "sfzb_element(");
	lakehouse_quote(&text, alias);
	buffer_append_text(&text, ".value, ");
	lakehouse_quote(&text, alias);
	buffer_append_format(&text, ".type, %d)", (int)array.type->element->kind);
	source->columns[0] = (struct spark_output){.name = memory_strdup(column),
	    .type = array.type->element,
	    .text = buffer_detach(&text)};
	rc = 0;
out:
	buffer_release(&text);
	spark_expression_release(&array);
	return rc;
}

static int
parse_using(struct spark *q, struct spark_scope *scope, struct buffer *out)
{
	buffer_append_text(out, " USING (");
	if (spark_expect(q, "(") < 0)
		return -1;
	for (size_t n = 0;; n++) {
		const char *name = spark_name(q);
		struct spark_source *right = &scope->sources[scope->count - 1];

		if (name == NULL)
			return -1;
		buffer_append_text(out, n ? ", " : "");
		lakehouse_quote(out, name);
		for (size_t i = 0; i < right->count; i++)
			if (strcasecmp(right->columns[i].name, name) == 0)
				right->columns[i].hidden = true;
		if (!spark_take(q, ","))
			break;
	}
	buffer_append_text(out, ")");
	return spark_expect(q, ")");
}

/* The word of a join in SQLite; NULL: no join follows. */
static const char *
take_join(struct spark *q)
{
	if (spark_take(q, "JOIN") || spark_take2(q, "INNER", "JOIN"))
		return " JOIN ";
	if (spark_take2(q, "CROSS", "JOIN"))
		return " CROSS JOIN ";
	if (spark_is(q, "LEFT") && spark_is_at(q, 1, "OUTER") && spark_take(q, "LEFT"))
		return spark_take2(q, "OUTER", "JOIN") ? " LEFT JOIN " : NULL;
	if (spark_take2(q, "LEFT", "JOIN"))
		return " LEFT JOIN ";
	if (spark_is(q, "RIGHT") && spark_is_at(q, 1, "OUTER") && spark_take(q, "RIGHT"))
		return spark_take2(q, "OUTER", "JOIN") ? " RIGHT JOIN " : NULL;
	if (spark_take2(q, "RIGHT", "JOIN"))
		return " RIGHT JOIN ";
	if (spark_is(q, "FULL") && spark_is_at(q, 1, "OUTER") && spark_take(q, "FULL"))
		return spark_take2(q, "OUTER", "JOIN") ? " FULL JOIN " : NULL;
	if (spark_take2(q, "FULL", "JOIN"))
		return " FULL JOIN ";
	return NULL;
}

int
spark_from(struct spark *q, struct spark_scope *scope, struct buffer *out)
{
	buffer_append_text(out, " FROM ");
	if (parse_table(q, scope, out) < 0)
		return -1;
	for (;;) {
		const char *join;

		if (spark_take2(q, "LATERAL", "VIEW")) {
			if (parse_lateral_view(q, scope, out) < 0)
				return -1;
			continue;
		}
		if (spark_take(q, ",")) {
			buffer_append_text(out, ", ");
			if (parse_table(q, scope, out) < 0)
				return -1;
			continue;
		}
		join = take_join(q);
		if (join == NULL)
			return 0;
		buffer_append_text(out, join);
		if (parse_table(q, scope, out) < 0)
			return -1;
		if (spark_take(q, "ON")) {
			struct spark_expression on = {.type = NULL};
			int rc = spark_expression_parse(q, &on);

			if (rc == 0)
				buffer_append_format(out, " ON %s", buffer_text(&on.text));
			spark_expression_release(&on);
			if (rc < 0)
				return -1;
		} else if (spark_take(q, "USING") && parse_using(q, scope, out) < 0) {
			return -1;
		}
	}
}


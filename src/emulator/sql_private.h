/* What the files of the translator share. */
#ifndef SFZB_EMULATOR_SQL_PRIVATE_H
#define SFZB_EMULATOR_SQL_PRIVATE_H

#include <sqlite3.h>

#include "emulator/lakehouse_sqlite.h"
#include "emulator/sql.h"
#include "emulator/sql_lex.h"

struct spark_output {
	char *name;
	const struct lake_type *type;
	char *text;  /* how SQLite gets at it; NULL: by alias and name */
	bool hidden; /* of a USING join: not part of a star */
};

/* A table, subquery or common table expression in FROM. */
struct spark_source {
	char *alias;		  /* by which columns are qualified and which SQLite sees */
	char *schema, *catalog;	  /* of a real table, for a.b.c.column */
	struct spark_output *columns;
	size_t count;
};

struct spark_scope {
	struct spark_scope *outer;
	struct spark_source *sources;
	size_t count, capacity;
	const struct spark_output *aliases; /* of the select list, where a clause may use them */
	size_t alias_count;
	bool aliases_first;
	/* an explode() of the select list becomes one more source */
	struct buffer generators;
	int generator_count;
};

struct spark_cte {
	char *name;
	struct spark_output *columns;
	size_t count;
	struct spark_cte *next;
};

struct spark {
	struct lakehouse *lakehouse;
	const struct spark_request *request;
	struct spark_result *result;
	struct spark_tokens tokens;
	size_t at;
	struct spark_scope *scope;
	struct spark_cte *ctes;
	/* types made on the way, freed at the end */
	struct lake_type **types;
	size_t type_count, type_capacity;
	int depth;
	struct error *e;
};

/* An expression, translated. */
struct spark_expression {
	struct buffer text;
	const struct lake_type *type;
	char *name; /* what the column is called when it has no alias; NULL: by its words */
	bool aggregate;
};

#define SQL_DEPTH 200

/* -1, always: "[CLASS] words" and the SQLSTATE. */
int spark_fail(struct spark *q, const char *class, const char *state, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int spark_syntax_error(struct spark *q); /* at the present token */
/* From a lakehouse call: the class by the error's code. */
int spark_lakehouse_error(struct spark *q, const char *what);

/* Tokens. Words compare without case; a backticked name is never a keyword. */
const struct spark_token *spark_peek(struct spark *q, size_t ahead);
bool spark_is(struct spark *q, const char *word_or_sign);
bool spark_is_at(struct spark *q, size_t ahead, const char *word_or_sign);
bool spark_take(struct spark *q, const char *word_or_sign);
bool spark_take2(struct spark *q, const char *first, const char *second); /* both or none */
int spark_expect(struct spark *q, const char *word_or_sign);
/* A name, borrowed from the tokens; NULL and a syntax error. */
const char *spark_name(struct spark *q);
/* A type at the present token. Kept by q. */
const struct lake_type *spark_read_type(struct spark *q);
const struct lake_type *spark_type(enum lake_kind kind); /* a scalar, static */
struct lake_type *spark_keep_type(struct spark *q, struct lake_type *t);
const struct lake_type *spark_array_of(struct spark *q, const struct lake_type *element);

struct spark_table_name {
	const char *part[3]; /* borrowed; completed by the defaults */
};
int spark_read_table_name(struct spark *q, struct spark_table_name *n);
struct lake_name spark_lake_name(const struct spark_table_name *n);
int spark_table_not_found(struct spark *q, const struct spark_table_name *n);
/* Found and not denied; to be unreferenced. */
/* Whether the caller may use catalog and schema and, unless NULL, has a privilege on the schema; false: the error is set. */
bool spark_may_use(struct spark *q, const char *catalog, const char *schema, const char *privilege);
struct lake_table *spark_open_table(struct spark *q, const struct spark_table_name *n, const char *privilege);

/* Expressions: x must be zero-initialised; released by the caller also on failure. */
void spark_expression_release(struct spark_expression *x);
int spark_expression_parse(struct spark *q, struct spark_expression *x);
int spark_postfix_parse(struct spark *q, struct spark_expression *x); /* a primary, its casts, fields and elements */
int spark_expression_primary(struct spark *q, struct spark_expression *x);
int spark_function_call(struct spark *q, const char *name, struct spark_expression *x);
/* Wraps x so that it yields the type; try: null instead of a failure. */
void spark_cast(struct spark *q, struct spark_expression *x, const struct lake_type *to, bool try);
/* Casts as an INSERT does, only when needed. */
void spark_coerce(struct spark *q, struct spark_expression *x, const struct lake_type *to);
void spark_wrap(struct spark_expression *x, const char *before, const char *after);
void spark_append_string(struct buffer *out, struct text s); /* as SQLite's literal */
/* x's field or element: struct.name, array[i], map[key]. */
int spark_get_field(struct spark *q, struct spark_expression *x, const char *name);
int spark_order_by(struct spark *q, struct buffer *out); /* behind ORDER BY */

/*
 * A query (SELECT, WITH, VALUES, unions) at the present token, appended to out; its columns, to be released with
 * spark_outputs_free.
 */
int spark_query(struct spark *q, struct buffer *out, struct spark_output **columns, size_t *count);
void spark_outputs_free(struct spark_output *columns, size_t count);
bool spark_at_query(struct spark *q, size_t ahead);
void spark_scope_add_table(struct spark_scope *s, const struct lake_table *t, const char *alias);
void spark_scope_release(struct spark_scope *s);

/* What stands behind FROM, appended with the word; its sources go into the scope. */
int spark_from(struct spark *q, struct spark_scope *scope, struct buffer *out);
/* [AS] alias; NULL when there is none. */
const char *spark_take_alias(struct spark *q);

/* Statements other than queries. */
int spark_data_statement(struct spark *q, bool *done);	 /* INSERT, UPDATE, DELETE, TRUNCATE */
int spark_definition_statement(struct spark *q, bool *done); /* CREATE, DROP, ALTER, COMMENT, GRANT, REVOKE */
int spark_show_statement(struct spark *q, bool *done);	 /* SHOW, DESCRIBE */

int spark_grant(struct spark *q, bool revoke); /* behind the word */
int spark_show_grants(struct spark *q);
/* catalog, or (schema) catalog.schema; a lone schema is one of the default catalog. */
int spark_read_namespace(struct spark *q, bool schema, const char **catalog, const char **name);

/* Results. */
void spark_result_column(struct spark_result *r, const char *name, const struct lake_type *type);
void spark_result_row(struct spark_result *r, const char *const *values); /* as many as columns */
/* Runs what was translated, with the request's parameters. The result's columns are set already for queries. */
int spark_execute(struct spark *q, sqlite3 *db, const char *text, bool rows);
int spark_bind_and_step(struct spark *q, sqlite3 *db, const char *text);
/* A value of a type as the statements API shows it. */
void spark_value_text(const struct lake_type *t, sqlite3_value *v, struct buffer *out);
/* Kept JSON of a nested type as to_json writes it: timestamps and dates as text, decimals as numbers. nulls: keep null fields. */
void spark_json_text(const struct lake_type *t, struct text kept, bool nulls, struct buffer *out);

/* What to do at the end of a statement: a stray token is a syntax error. */
int spark_end(struct spark *q);

/* What SQLite's functions share: an argument's bytes, borrowed, empty for NULL; and the buffer's bytes as the result, which releases it. */
struct text spark_value(sqlite3_value *v);
void spark_result_buffer(sqlite3_context *c, struct buffer *b);
int spark_register_functions(sqlite3 *db);
int spark_register_collections(sqlite3 *db);
int spark_register_texts(sqlite3 *db);

#endif

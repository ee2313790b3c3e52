/* Databricks SQL as tokens: backticked names, string literals with backslash escapes, comments, :parameters. */
#ifndef SFZB_EMULATOR_SQL_LEX_H
#define SFZB_EMULATOR_SQL_LEX_H

#include <stddef.h>

#include "base/error.h"

enum spark_kind { SQL_END, SQL_WORD, SQL_NAME /* backticked */, SQL_STRING, SQL_NUMBER, SQL_PARAMETER, SQL_SIGN };

struct spark_token {
	enum spark_kind kind;
	size_t start, end; /* bytes of the statement */
	char *text;	   /* unescaped; a sign as written */
	size_t len;	   /* of text: a string may hold NUL */
};

struct spark_tokens {
	struct spark_token *items; /* the last one is SQL_END */
	size_t count, capacity;
};

/* ERR_USAGE with what is not closed. */
int spark_lex(const char *statement, struct spark_tokens *out, struct error *e);
void spark_tokens_release(struct spark_tokens *t);

#endif

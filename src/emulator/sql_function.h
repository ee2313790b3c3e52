/* What the files of function calls share: the arguments, and the functions that a template cannot express. */
#ifndef SFZB_EMULATOR_SQL_FUNCTION_H
#define SFZB_EMULATOR_SQL_FUNCTION_H

#include "emulator/sql_private.h"

#define SPARK_ARGUMENTS 32

struct spark_arguments {
	struct spark_expression items[SPARK_ARGUMENTS];
	int count;
};

/* Behind the opening bracket, up to and with the closing one. a must be zero-initialised; released by the caller also on failure. */
int spark_arguments_parse(struct spark *q, struct spark_arguments *a);
void spark_arguments_release(struct spark_arguments *a);

/* Reads the arguments behind the opening bracket, and the closing one, in the function's own way. */
typedef int spark_form(struct spark *q, const char *name, struct spark_expression *x);

/* NULL: the function is an ordinary one, or none. */
spark_form *spark_form_find(const char *name);

#endif

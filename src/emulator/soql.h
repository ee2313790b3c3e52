/*
 * The few sentences of SOQL that the emulator answers:
 *   SELECT a, b FROM T [WHERE f = 'x' | f IN ('x', …)] [ORDER BY f] [LIMIT n]      SELECT COUNT() FROM T
 */
#ifndef SFZB_EMULATOR_SOQL_H
#define SFZB_EMULATOR_SOQL_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"

#define SOQL_FIELDS 64
#define SOQL_VALUES 256

struct soql {
	char *fields[SOQL_FIELDS];
	size_t field_count;
	bool is_count;
	char *table;
	char *where; /* a field's name, or NULL */
	char *values[SOQL_VALUES];
	size_t value_count;
	int64_t limit; /* -1: none */
};

/* ERR_REFUSED in the vendor's words (MALFORMED_QUERY). */
int soql_parse(struct soql *q, const char *text, struct error *e);
void soql_release(struct soql *q);
/* Whether a row (an object of strings) passes the condition. */
bool soql_passes(const struct soql *q, const struct json *row);

#endif

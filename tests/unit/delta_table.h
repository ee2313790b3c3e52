/* Tables of the tests, written as text. */
#ifndef SFZB_TESTS_DELTA_TABLE_H
#define SFZB_TESTS_DELTA_TABLE_H

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "databricks/table.h"

/* "name type[!]" or "name:type[!]", separated by ';' → a table; a column's position is its place, '!' is NOT NULL. */
static inline struct delta_table *
table_of(const char *list)
{
	struct json *answer = json_object(), *columns = json_array();
	char *copy = memory_strdup(list), *save = NULL;
	struct error e = ERROR_INIT;
	struct delta_table *t;
	int position = 0;

	json_set_string(answer, "catalog_name", "main");
	json_set_string(answer, "schema_name", "crm");
	json_set_string(answer, "name", "t");
	for (char *one = strtok_r(copy, ";", &save); one != NULL; one = strtok_r(NULL, ";", &save)) {
		struct json *c = json_object();
		char *type = strpbrk(one, " :");
		bool required = one[strlen(one) - 1] == '!';

		*type++ = '\0';
		if (required)
			type[strlen(type) - 1] = '\0';
		json_set_string(c, "name", one);
		json_set_string(c, "type_text", type);
		json_set_int64(c, "position", position++);
		json_set_bool(c, "nullable", !required);
		json_add(columns, c);
	}
	json_set(answer, "columns", columns);
	t = delta_table_parse(answer, &e);
	if (t == NULL)
		fail_msg("%s: %s", list, e.text);
	json_free(answer);
	free(copy);
	return t;
}

#endif

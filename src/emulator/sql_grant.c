/* GRANT, REVOKE, SHOW GRANTS. */
#include <stdlib.h>
#include <string.h>

#include "emulator/sql_private.h"

struct grant {
	char *privileges[16];
	size_t count;
	const char *type;
	struct buffer object;
	const char *principal;
};

/* USE CATALOG, SELECT, ALL PRIVILEGES …: words up to a comma or ON. */
static int
read_privileges(struct spark *q, struct grant *g)
{
	do {
		struct buffer words = BUFFER_INIT;

		while (!spark_is(q, ",") && !spark_is(q, "ON")) {
			if (spark_peek(q, 0)->kind != SQL_WORD) {
				buffer_release(&words);
				return spark_syntax_error(q);
			}
			buffer_append_format(&words, "%s%s", words.len ? " " : "", spark_peek(q, 0)->text);
			q->at++;
		}
		for (size_t i = 0; i < words.len; i++)
			if (words.data[i] >= 'a' && words.data[i] <= 'z')
				words.data[i] = (uint8_t)(words.data[i] - 32);
		if (g->count == 16 || words.len == 0) {
			buffer_release(&words);
			return spark_syntax_error(q);
		}
		g->privileges[g->count++] = buffer_detach(&words);
	} while (spark_take(q, ","));
	return spark_expect(q, "ON");
}

/* [CATALOG|SCHEMA|TABLE] name, completed by the defaults. */
static int
read_object(struct spark *q, const char **type, struct buffer *object)
{
	const char *catalog, *name;
	struct spark_table_name table;

	if (spark_take(q, "CATALOG") || spark_is(q, "SCHEMA") || spark_is(q, "DATABASE")) {
		bool schema = spark_take(q, "SCHEMA") || spark_take(q, "DATABASE");

		*type = schema ? "SCHEMA" : "CATALOG";
		if (spark_read_namespace(q, schema, &catalog, &name) < 0)
			return -1;
		buffer_append_format(object, "%s%s%s", catalog, name ? "." : "", name ? name : "");
		if (!lakehouse_has_schema(q->lakehouse, catalog, name))
			return spark_fail(q, "SCHEMA_NOT_FOUND", "42704", "`%s` cannot be found.", buffer_text(object));
		return 0;
	}
	spark_take(q, "TABLE");
	*type = "TABLE";
	if (spark_read_table_name(q, &table) < 0)
		return -1;
	{
		struct lake_table *t = lakehouse_find(q->lakehouse, spark_lake_name(&table));

		if (t == NULL)
			return spark_table_not_found(q, &table);
		lake_table_full_name(t, object);
		lake_table_unref(t);
	}
	return 0;
}

static int
parse_grant(struct spark *q, bool revoke, struct grant *g)
{
	if (read_privileges(q, g) < 0 || read_object(q, &g->type, &g->object) < 0 ||
	    spark_expect(q, revoke ? "FROM" : "TO") < 0)
		return -1;
	g->principal = spark_name(q);
	if (g->principal == NULL || spark_end(q) < 0)
		return -1;
	for (size_t i = 0; i < g->count; i++) {
		struct lake_grant one = {.principal = (char *)(uintptr_t)g->principal,
		    .privilege = g->privileges[i],
		    .object_type = (char *)(uintptr_t)g->type,
		    .object = buffer_text(&g->object),
		    .revoked = revoke};

		if (lakehouse_grant(q->lakehouse, &one, q->e) < 0)
			return spark_lakehouse_error(q, "TABLE");
	}
	return 0;
}

int
spark_grant(struct spark *q, bool revoke)
{
	struct grant g = {.count = 0};
	int rc = parse_grant(q, revoke, &g);

	for (size_t i = 0; i < g.count; i++)
		free(g.privileges[i]);
	buffer_release(&g.object);
	return rc;
}

int
spark_show_grants(struct spark *q)
{
	struct buffer object = BUFFER_INIT;
	const char *type, *principal = NULL;
	struct lake_grant *list = NULL;
	size_t count = 0;
	int rc = -1;

	if (!spark_is(q, "ON") && (principal = spark_name(q)) == NULL)
		return -1;
	if (spark_expect(q, "ON") < 0 || read_object(q, &type, &object) < 0 || spark_end(q) < 0)
		goto out;
	spark_result_column(q->result, "Principal", spark_type(LAKE_STRING));
	spark_result_column(q->result, "ActionType", spark_type(LAKE_STRING));
	spark_result_column(q->result, "ObjectType", spark_type(LAKE_STRING));
	spark_result_column(q->result, "ObjectKey", spark_type(LAKE_STRING));
	count = lakehouse_grants(q->lakehouse, buffer_text(&object), &list);
	for (size_t i = 0; i < count; i++) {
		const char *row[] = {list[i].principal, list[i].privilege, list[i].object_type, list[i].object};

		if (principal == NULL || strcmp(principal, list[i].principal) == 0)
			spark_result_row(q->result, row);
	}
	lake_grants_free(list, count);
	rc = 0;
out:
	buffer_release(&object);
	return rc;
}

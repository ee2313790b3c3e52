/* CREATE, DROP, ALTER, COMMENT ON. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/sql_private.h"

/* ---- pieces ---- */

static bool
if_not_exists(struct spark *q)
{
	if (!spark_is(q, "IF") || !spark_is_at(q, 1, "NOT") || !spark_is_at(q, 2, "EXISTS"))
		return false;
	q->at += 3;
	return true;
}

static const char *
take_string(struct spark *q)
{
	const struct spark_token *t = spark_peek(q, 0);

	if (t->kind != SQL_STRING) {
		spark_syntax_error(q);
		return NULL;
	}
	q->at++;
	return t->text;
}

int
spark_read_namespace(struct spark *q, bool schema, const char **catalog, const char **name)
{
	*catalog = q->request->catalog ? q->request->catalog : "main";
	*name = spark_name(q);
	if (*name == NULL)
		return -1;
	if (!schema) {
		*catalog = *name;
		*name = NULL;
	} else if (spark_take(q, ".")) {
		*catalog = *name;
		*name = spark_name(q);
		if (*name == NULL)
			return -1;
	}
	return 0;
}

struct columns {
	struct lake_field *items;
	size_t count, capacity;
};

static void
columns_release(struct columns *c)
{
	for (size_t i = 0; i < c->count; i++)
		lake_field_release(&c->items[i]);
	free(c->items);
}

static int
column_options(struct spark *q, struct lake_field *f)
{
	for (;;) {
		if (spark_take2(q, "NOT", "NULL")) {
			f->nullable = false;
		} else if (spark_take(q, "COMMENT")) {
			const char *comment = take_string(q);

			if (comment == NULL)
				return -1;
			free(f->comment);
			f->comment = memory_strdup(comment);
		} else if (spark_take(q, "NULL")) {
			f->nullable = true;
		} else if (spark_is(q, "GENERATED") || spark_is(q, "DEFAULT") || spark_is(q, "PRIMARY") || spark_is(q, "MASK")) {
			return spark_fail(q, "UNSUPPORTED_FEATURE", "0A000", "%s of a column is not supported here.",
			    spark_peek(q, 0)->text);
		} else {
			return 0;
		}
	}
}

static int
parse_column(struct spark *q, struct columns *c)
{
	const char *name = spark_name(q);
	const struct lake_type *type;
	struct lake_field *f;

	if (name == NULL)
		return -1;
	type = spark_read_type(q);
	if (type == NULL)
		return -1;
	c->items = memory_reserve(c->items, &c->capacity, c->count + 1, sizeof(*c->items));
	f = &c->items[c->count++];
	*f = (struct lake_field){.name = memory_strdup(name), .type = lake_type_clone(type), .nullable = true};
	return column_options(q, f);
}

/* Behind the opening bracket, with the closing one. */
static int
parse_columns(struct spark *q, struct columns *c)
{
	do {
		if (parse_column(q, c) < 0)
			return -1;
	} while (spark_take(q, ","));
	return spark_expect(q, ")");
}

struct properties {
	struct lake_property *items;
	size_t count;
};

static void
properties_release(struct properties *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->items[i].key);
		free(p->items[i].value);
	}
	free(p->items);
}

/* 'a.b' or a.b, malloc'ed. */
static char *
property_key(struct spark *q)
{
	struct buffer key = BUFFER_INIT;

	if (spark_peek(q, 0)->kind == SQL_STRING)
		return memory_strdup(take_string(q));
	do {
		const char *part = spark_name(q);

		if (part == NULL) {
			buffer_release(&key);
			return NULL;
		}
		buffer_append_format(&key, "%s%s", key.len ? "." : "", part);
	} while (spark_take(q, "."));
	return buffer_detach(&key);
}

static int
parse_properties(struct spark *q, struct properties *p, bool values)
{
	if (spark_expect(q, "(") < 0)
		return -1;
	do {
		char *key = property_key(q);
		const struct spark_token *value;

		if (key == NULL)
			return -1;
		p->items = memory_grow(p->items, p->count + 1, sizeof(*p->items));
		p->items[p->count++] = (struct lake_property){.key = key};
		if (!values)
			continue;
		spark_take(q, "=");
		value = spark_peek(q, 0);
		if (value->kind != SQL_STRING && value->kind != SQL_WORD && value->kind != SQL_NUMBER)
			return spark_syntax_error(q);
		p->items[p->count - 1].value = memory_strdup(value->text);
		q->at++;
	} while (spark_take(q, ","));
	return spark_expect(q, ")");
}

/* ---- CREATE ---- */

struct create {
	struct spark_table_name name;
	struct columns columns;
	struct properties properties;
	const char *comment;
	bool quietly, replace;
};

static int
create_options(struct spark *q, struct create *c)
{
	for (;;) {
		if (spark_take(q, "USING")) {
			if (!spark_take(q, "DELTA"))
				return spark_fail(q, "UNSUPPORTED_FEATURE", "0A000", "only Delta tables are supported here, not %s.",
				    spark_peek(q, 0)->text);
		} else if (spark_take(q, "COMMENT")) {
			c->comment = take_string(q);
			if (c->comment == NULL)
				return -1;
		} else if (spark_take(q, "TBLPROPERTIES")) {
			if (parse_properties(q, &c->properties, true) < 0)
				return -1;
		} else if (spark_is(q, "LOCATION") || spark_is(q, "PARTITIONED") || spark_is(q, "CLUSTER")) {
			return spark_fail(q, "UNSUPPORTED_FEATURE", "0A000", "%s is not supported here.", spark_peek(q, 0)->text);
		} else {
			return 0;
		}
	}
}

/* Columns of CREATE TABLE … AS: by parsing the query once for its types. */
static int
columns_of_query(struct spark *q, struct columns *c)
{
	struct buffer text = BUFFER_INIT;
	struct spark_output *out = NULL;
	size_t count = 0, at = q->at;
	int rc = spark_query(q, &text, &out, &count);

	for (size_t i = 0; i < count && rc == 0; i++) {
		c->items = memory_reserve(c->items, &c->capacity, c->count + 1, sizeof(*c->items));
		c->items[c->count++] = (struct lake_field){.name = memory_strdup(out[i].name),
		    .type = lake_type_clone(out[i].type->kind == LAKE_VOID ? spark_type(LAKE_STRING) : out[i].type),
		    .nullable = true};
	}
	q->at = at;
	spark_outputs_free(out, count);
	buffer_release(&text);
	return rc;
}

/* INSERT INTO the new table SELECT …, by the words of the statement. */
static int
fill_from_query(struct spark *q, const struct create *c, size_t query_start)
{
	struct spark_request request = *q->request;
	struct spark_result ignored = {.columns = NULL};
	char *text = memory_format("INSERT INTO `%s`.`%s`.`%s` %s", c->name.part[0], c->name.part[1], c->name.part[2],
	    q->request->statement + query_start);
	int rc;

	request.statement = text;
	rc = spark_run(q->lakehouse, &request, &ignored, q->e);
	if (rc < 0) {
		memcpy(q->result->state, ignored.state, sizeof(ignored.state));
		memcpy(q->result->kind, ignored.kind, sizeof(ignored.kind));
		lakehouse_drop_table(q->lakehouse, spark_lake_name(&c->name), NULL);
	}
	spark_result_release(&ignored);
	free(text);
	return rc;
}

static int
parse_create_table(struct spark *q, struct create *c)
{
	size_t query = 0;
	int rc;

	c->quietly = if_not_exists(q);
	if (spark_read_table_name(q, &c->name) < 0)
		return -1;
	if (spark_take(q, "(") && parse_columns(q, &c->columns) < 0)
		return -1;
	if (create_options(q, c) < 0)
		return -1;
	if (spark_take(q, "AS")) {
		query = spark_peek(q, 0)->start;
		if (c->columns.count > 0)
			return spark_syntax_error(q);
		if (columns_of_query(q, &c->columns) < 0)
			return -1;
	} else if (spark_end(q) < 0) {
		return -1;
	}
	if (!lakehouse_has_schema(q->lakehouse, c->name.part[0], c->name.part[1]))
		return spark_fail(q, "SCHEMA_NOT_FOUND", "42704", "The schema `%s`.`%s` cannot be found.", c->name.part[0],
		    c->name.part[1]);
	if (!spark_may_use(q, c->name.part[0], c->name.part[1], "CREATE TABLE"))
		return -1;
	if (c->replace) {
		struct error ignored = ERROR_INIT;

		lakehouse_drop_table(q->lakehouse, spark_lake_name(&c->name), &ignored);
	}
	rc = lakehouse_create_table(q->lakehouse,
	    &(struct lake_definition){.name = spark_lake_name(&c->name),
		.columns = c->columns.items,
		.column_count = c->columns.count,
		.comment = c->comment,
		.properties = c->properties.items,
		.property_count = c->properties.count},
	    q->e);
	if (rc < 0 && q->e->code == ERR_CONFIG && c->quietly) {
		error_clear(q->e);
		return 0;
	}
	if (rc < 0 && q->e->code == ERR_CONFIG)
		return spark_fail(q, "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07",
		    "Cannot create table or view `%s`.`%s`.`%s` because it already exists.", c->name.part[0], c->name.part[1],
		    c->name.part[2]);
	if (rc < 0)
		return spark_lakehouse_error(q, "TABLE");
	return query ? fill_from_query(q, c, query) : 0;
}

static int
create_table(struct spark *q, bool replace)
{
	struct create c = {.replace = replace};
	int rc = parse_create_table(q, &c);

	columns_release(&c.columns);
	properties_release(&c.properties);
	return rc;
}

static int
create_namespace(struct spark *q, bool schema)
{
	bool quietly = if_not_exists(q);
	const char *catalog, *name, *comment = NULL;
	int rc;

	if (spark_read_namespace(q, schema, &catalog, &name) < 0)
		return -1;
	if (spark_take(q, "COMMENT") && (comment = take_string(q)) == NULL)
		return -1;
	if (spark_end(q) < 0)
		return -1;
	rc = schema ? lakehouse_create_schema(q->lakehouse, catalog, name, comment, q->e) :
		      lakehouse_create_catalog(q->lakehouse, catalog, comment, q->e);
	if (rc < 0 && q->e->code == ERR_CONFIG && quietly) {
		error_clear(q->e);
		return 0;
	}
	return rc < 0 ? spark_lakehouse_error(q, "SCHEMA") : 0;
}

/* ---- DROP ---- */

static int
drop_table(struct spark *q)
{
	bool quietly = spark_take2(q, "IF", "EXISTS");
	struct spark_table_name name;

	if (spark_read_table_name(q, &name) < 0)
		return -1;
	spark_take(q, "PURGE");
	if (spark_end(q) < 0)
		return -1;
	if (lakehouse_drop_table(q->lakehouse, spark_lake_name(&name), q->e) == 0)
		return 0;
	if (q->e->code != ERR_NOT_FOUND)
		return spark_lakehouse_error(q, "TABLE");
	if (quietly) {
		error_clear(q->e);
		return 0;
	}
	return spark_table_not_found(q, &name);
}

static int
drop_namespace(struct spark *q, bool schema)
{
	bool quietly = spark_take2(q, "IF", "EXISTS"), cascade;
	const char *catalog, *name;

	if (spark_read_namespace(q, schema, &catalog, &name) < 0)
		return -1;
	cascade = spark_take(q, "CASCADE");
	if (!cascade)
		spark_take(q, "RESTRICT");
	if (spark_end(q) < 0)
		return -1;
	if (lakehouse_drop_namespace(q->lakehouse, catalog, name, cascade, q->e) == 0)
		return 0;
	if (q->e->code == ERR_NOT_FOUND && quietly) {
		error_clear(q->e);
		return 0;
	}
	if (q->e->code == ERR_MISFIT)
		return spark_fail(q, "SCHEMA_NOT_EMPTY", "2BP01", "Cannot drop a schema `%s` because it contains objects.",
		    name ? name : catalog);
	return spark_lakehouse_error(q, "SCHEMA");
}

/* ---- ALTER TABLE ---- */

struct changes {
	struct lake_change *items;
	size_t count, capacity;
	struct columns columns;
	struct properties properties;
};

static void
add_change(struct changes *c, struct lake_change change)
{
	c->items = memory_reserve(c->items, &c->capacity, c->count + 1, sizeof(*c->items));
	c->items[c->count++] = change;
}

static int
alter_column(struct spark *q, struct changes *c)
{
	const char *name = spark_name(q), *text;

	if (name == NULL)
		return -1;
	if (spark_take(q, "TYPE")) {
		const struct lake_type *type = spark_read_type(q);

		if (type == NULL)
			return -1;
		add_change(c, (struct lake_change){.kind = LAKE_COLUMN_TYPE, .name = name, .column = {.type = (struct lake_type *)(uintptr_t)type}});
	} else if (spark_take(q, "COMMENT")) {
		text = take_string(q);
		if (text == NULL)
			return -1;
		add_change(c, (struct lake_change){.kind = LAKE_COLUMN_COMMENT, .name = name, .text = text});
	} else if (spark_is(q, "SET") && spark_is_at(q, 1, "NOT") && spark_is_at(q, 2, "NULL")) {
		q->at += 3;
		add_change(c, (struct lake_change){.kind = LAKE_COLUMN_NULLABLE, .name = name});
	} else if (spark_is(q, "DROP") && spark_is_at(q, 1, "NOT") && spark_is_at(q, 2, "NULL")) {
		q->at += 3;
		add_change(c, (struct lake_change){.kind = LAKE_COLUMN_NULLABLE, .name = name, .column = {.nullable = true}});
	} else {
		return spark_syntax_error(q);
	}
	return 0;
}

static int
alter_add(struct spark *q, struct changes *c)
{
	bool bracket = spark_take(q, "(");

	do {
		if (parse_column(q, &c->columns) < 0)
			return -1;
	} while (spark_take(q, ","));
	return bracket ? spark_expect(q, ")") : 0;
}

static int
alter_drop(struct spark *q, struct changes *c)
{
	bool bracket = spark_take(q, "(");

	do {
		const char *name = spark_name(q);

		if (name == NULL)
			return -1;
		add_change(c, (struct lake_change){.kind = LAKE_DROP_COLUMN, .name = name});
	} while (spark_take(q, ","));
	return bracket ? spark_expect(q, ")") : 0;
}

static int
alter_rename(struct spark *q, struct changes *c)
{
	const char *name, *to;

	if (spark_take(q, "COLUMN")) {
		name = spark_name(q);
		if (name == NULL || spark_expect(q, "TO") < 0 || (to = spark_name(q)) == NULL)
			return -1;
		add_change(c, (struct lake_change){.kind = LAKE_RENAME_COLUMN, .name = name, .text = to});
		return 0;
	}
	{
		struct spark_table_name table;

		if (spark_expect(q, "TO") < 0 || spark_read_table_name(q, &table) < 0)
			return -1;
		add_change(c, (struct lake_change){.kind = LAKE_RENAME_TABLE, .text = table.part[2]});
	}
	return 0;
}

static int
alter_properties(struct spark *q, struct changes *c, bool set)
{
	if (!set)
		spark_take2(q, "IF", "EXISTS");
	if (parse_properties(q, &c->properties, set) < 0)
		return -1;
	for (size_t i = 0; i < c->properties.count; i++)
		add_change(c, (struct lake_change){.kind = set ? LAKE_SET_PROPERTY : LAKE_UNSET_PROPERTY,
				  .name = c->properties.items[i].key,
				  .text = c->properties.items[i].value});
	return 0;
}

static int
parse_changes(struct spark *q, struct changes *c)
{
	if (spark_take2(q, "ADD", "COLUMNS") || spark_take2(q, "ADD", "COLUMN"))
		return alter_add(q, c);
	if (spark_take2(q, "DROP", "COLUMNS") || spark_take2(q, "DROP", "COLUMN"))
		return alter_drop(q, c);
	if (spark_take2(q, "ALTER", "COLUMN") || spark_take2(q, "CHANGE", "COLUMN"))
		return alter_column(q, c);
	if (spark_take(q, "RENAME"))
		return alter_rename(q, c);
	if (spark_take2(q, "SET", "TBLPROPERTIES"))
		return alter_properties(q, c, true);
	if (spark_take2(q, "UNSET", "TBLPROPERTIES"))
		return alter_properties(q, c, false);
	return spark_syntax_error(q);
}

static int
alter_table(struct spark *q)
{
	struct changes c = {.items = NULL};
	struct spark_table_name name;
	int rc = -1;

	if (spark_read_table_name(q, &name) < 0 || parse_changes(q, &c) < 0 || spark_end(q) < 0)
		goto out;
	for (size_t i = 0; i < c.columns.count; i++)
		add_change(&c, (struct lake_change){.kind = LAKE_ADD_COLUMN, .column = c.columns.items[i]});
	rc = lakehouse_alter(q->lakehouse, spark_lake_name(&name), c.items, c.count, q->e);
	if (rc < 0 && q->e->code == ERR_NOT_FOUND && strncmp(q->e->text, "table", 5) == 0)
		spark_table_not_found(q, &name);
	else if (rc < 0 && q->e->code == ERR_NOT_FOUND)
		spark_fail(q, "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", "%s.", q->e->text);
	else if (rc < 0)
		spark_lakehouse_error(q, "COLUMN");
out:
	columns_release(&c.columns);
	properties_release(&c.properties);
	free(c.items);
	return rc;
}

static int
comment_on(struct spark *q)
{
	struct spark_table_name name;
	const char *text = NULL;
	struct lake_change change = {.kind = LAKE_TABLE_COMMENT};

	if (spark_expect(q, "TABLE") < 0 || spark_read_table_name(q, &name) < 0 || spark_expect(q, "IS") < 0)
		return -1;
	if (!spark_take(q, "NULL") && (text = take_string(q)) == NULL)
		return -1;
	change.text = text;
	if (spark_end(q) < 0)
		return -1;
	if (lakehouse_alter(q->lakehouse, spark_lake_name(&name), &change, 1, q->e) == 0)
		return 0;
	return q->e->code == ERR_NOT_FOUND ? spark_table_not_found(q, &name) : spark_lakehouse_error(q, "TABLE");
}

int
spark_definition_statement(struct spark *q, bool *done)
{
	*done = true;
	if (spark_take2(q, "CREATE", "TABLE"))
		return create_table(q, false);
	if (spark_is(q, "CREATE") && spark_is_at(q, 1, "OR") && spark_is_at(q, 2, "REPLACE") && spark_is_at(q, 3, "TABLE")) {
		q->at += 4;
		return create_table(q, true);
	}
	if (spark_take2(q, "CREATE", "SCHEMA") || spark_take2(q, "CREATE", "DATABASE"))
		return create_namespace(q, true);
	if (spark_take2(q, "CREATE", "CATALOG"))
		return create_namespace(q, false);
	if (spark_take2(q, "DROP", "TABLE"))
		return drop_table(q);
	if (spark_take2(q, "DROP", "SCHEMA") || spark_take2(q, "DROP", "DATABASE"))
		return drop_namespace(q, true);
	if (spark_take2(q, "DROP", "CATALOG"))
		return drop_namespace(q, false);
	if (spark_take2(q, "ALTER", "TABLE"))
		return alter_table(q);
	if (spark_take2(q, "COMMENT", "ON"))
		return comment_on(q);
	if (spark_take(q, "GRANT"))
		return spark_grant(q, false);
	if (spark_take(q, "REVOKE"))
		return spark_grant(q, true);
	if (spark_take2(q, "SHOW", "GRANTS") || spark_take2(q, "SHOW", "GRANT"))
		return spark_show_grants(q);
	*done = false;
	return 0;
}

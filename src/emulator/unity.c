/* Unity Catalog over REST: tables, schemas, catalogs as the lakehouse holds them (wire/databricks-http.md §5). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "emulator/databricks.h"

#define PAGE 50

static struct json *
column_json(const struct lake_field *f, size_t position)
{
	struct json *j = json_object(), *field = lake_field_json(f);
	struct buffer text = BUFFER_INIT;

	json_set_string(j, "name", f->name);
	lake_type_text(f->type, &text);
	json_set_string(j, "type_text", buffer_text(&text));
	buffer_clear(&text);
	json_write(&text, field, false);
	json_set_string(j, "type_json", buffer_text(&text));
	json_set_string(j, "type_name", lake_type_name(f->type->kind));
	json_set_int64(j, "type_precision", f->type->kind == LAKE_DECIMAL ? f->type->precision : 0);
	json_set_int64(j, "type_scale", f->type->kind == LAKE_DECIMAL ? f->type->scale : 0);
	json_set_int64(j, "position", (int64_t)position);
	json_set_string(j, "comment", f->comment);
	json_set_bool(j, "nullable", f->nullable);
	buffer_release(&text);
	json_free(field);
	return j;
}

static struct json *
table_json(struct databricks *d, const struct lake_table *t)
{
	struct json *j = json_object(), *properties = json_object(), *columns = json_array();
	struct buffer full = BUFFER_INIT;
	char *location = memory_format("s3://emulator/%s", t->uuid);

	lake_table_full_name(t, &full);
	json_set_string(j, "name", t->name);
	json_set_string(j, "catalog_name", t->catalog);
	json_set_string(j, "schema_name", t->schema);
	json_set_string(j, "full_name", buffer_text(&full));
	json_set_string(j, "table_id", t->uuid);
	json_set_string(j, "table_type", "MANAGED");
	json_set_string(j, "data_source_format", "DELTA");
	json_set_string(j, "storage_location", location);
	json_set_string(j, "owner", d->client_id);
	if (t->comment != NULL)
		json_set_string(j, "comment", t->comment);
	for (size_t i = 0; i < t->property_count; i++)
		json_set_string(properties, t->properties[i].key, t->properties[i].value);
	json_set(j, "properties", properties);
	for (size_t i = 0; i < t->column_count; i++)
		json_add(columns, column_json(&t->columns[i], i));
	json_set(j, "columns", columns);
	json_set_int64(j, "created_at", t->created_ms);
	json_set_int64(j, "updated_at", t->updated_ms);
	free(location);
	buffer_release(&full);
	return j;
}

/* A dotted name in count parts, in place; false and the answer when it has another number. */
static bool
split(char *name, char **parts, size_t count, struct http_answer *a)
{
	for (size_t i = 0; i < count; i++) {
		parts[i] = name;
		name = name ? strchr(name, '.') : NULL;
		if (name != NULL)
			*name++ = '\0';
		else if (i + 1 < count)
			break;
		if (i + 1 == count && name == NULL && parts[0][0] && parts[i][0])
			return true;
	}
	workspace_error(a, 400, "INVALID_PARAMETER_VALUE", "the name must have %zu parts", count);
	return false;
}

/* Catalog and schema are there and may be used. */
static bool
check_namespace(struct databricks *d, const char *principal, const char *catalog, const char *schema,
    struct http_answer *a)
{
	char *full = memory_format("%s.%s", catalog, schema ? schema : "");
	bool ok = false;

	if (!lakehouse_has_catalog(d->lakehouse, catalog))
		workspace_error(a, 404, "CATALOG_DOES_NOT_EXIST", "Catalog '%s' does not exist.", catalog);
	else if (schema != NULL && !lakehouse_has_schema(d->lakehouse, catalog, schema))
		workspace_error(a, 404, "SCHEMA_DOES_NOT_EXIST", "Schema '%s' does not exist.", full);
	else if (lakehouse_is_denied(d->lakehouse, principal, "USE CATALOG", catalog))
		workspace_error(a, 403, "PERMISSION_DENIED", "User does not have USE CATALOG on Catalog '%s'.", catalog);
	else if (schema != NULL && lakehouse_is_denied(d->lakehouse, principal, "USE SCHEMA", full))
		workspace_error(a, 403, "PERMISSION_DENIED", "User does not have USE SCHEMA on Schema '%s'.", full);
	else
		ok = true;
	free(full);
	return ok;
}

/* The table of the path; NULL: the answer is made. */
static struct lake_table *
find_table(struct databricks *d, const struct web_request *r, struct http_answer *a)
{
	char *name = memory_strdup(r->parameters[0]), *parts[3], *principal;
	struct lake_table *t = NULL;

	if (workspace_authorize(d, r, a, &principal)) {
		if (split(name, parts, 3, a) && check_namespace(d, principal, parts[0], parts[1], a)) {
			t = lakehouse_find(d->lakehouse, (struct lake_name){parts[0], parts[1], parts[2]});
			if (t == NULL)
				workspace_error(a, 404, "TABLE_DOES_NOT_EXIST", "Table '%s' does not exist.", r->parameters[0]);
		}
		if (t != NULL && lakehouse_is_denied(d->lakehouse, principal, "SELECT", r->parameters[0])) {
			workspace_error(a, 403, "PERMISSION_DENIED", "User does not have SELECT on Table '%s'.", r->parameters[0]);
			lake_table_unref(t);
			t = NULL;
		}
		free(principal);
	}
	free(name);
	return t;
}

void
unity_table_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	struct lake_table *t = find_table(d, r, a);

	if (t != NULL)
		workspace_answer(a, table_json(d, t));
	lake_table_unref(t);
}

void
unity_table_delete(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	struct lake_table *t = find_table(d, r, a);
	struct error e = ERROR_INIT;

	if (t != NULL) {
		if (lakehouse_drop_table(d->lakehouse, (struct lake_name){t->catalog, t->schema, t->name}, &e) == 0)
			workspace_answer(a, json_object());
		else
			workspace_error(a, 500, "INTERNAL_ERROR", "%s", e.text);
	}
	lake_table_unref(t);
}

void
unity_table_exists_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	char *name = memory_strdup(r->parameters[0]), *parts[3], *principal;

	if (workspace_authorize(d, r, a, &principal)) {
		if (split(name, parts, 3, a)) {
			struct lake_table *t = lakehouse_find(d->lakehouse, (struct lake_name){parts[0], parts[1], parts[2]});
			struct json *j = json_object();

			json_set_bool(j, "table_exists", t != NULL);
			workspace_answer(a, j);
			lake_table_unref(t);
		}
		free(principal);
	}
	free(name);
}

/* max_results and page_token (a number): the part of a list to show. */
static void
page(const struct web_request *r, size_t count, size_t *from, size_t *to)
{
	char *max = web_query_value(r, "max_results"), *token = web_query_value(r, "page_token");
	size_t rows = max && strtoul(max, NULL, 10) > 0 ? strtoul(max, NULL, 10) : PAGE;

	*from = token ? strtoul(token, NULL, 10) : 0;
	*from = *from < count ? *from : count;
	*to = rows < count - *from ? *from + rows : count;
	free(max);
	free(token);
}

static void
set_next(struct json *j, size_t to, size_t count)
{
	char token[24];

	snprintf(token, sizeof(token), "%zu", to);
	if (to < count)
		json_set_string(j, "next_page_token", token);
}

void
unity_tables_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	char *catalog = web_query_value(r, "catalog_name"), *schema = web_query_value(r, "schema_name"), *principal = NULL;
	struct lake_table **tables;
	size_t count, from, to;

	if (!workspace_authorize(d, r, a, &principal)) {
		goto out;
	} else if (catalog == NULL || schema == NULL) {
		workspace_error(a, 400, "INVALID_PARAMETER_VALUE", "catalog_name and schema_name are required");
	} else if (check_namespace(d, principal, catalog, schema, a)) {
		struct json *j = json_object(), *list = json_array();

		count = lakehouse_tables(d->lakehouse, catalog, schema, &tables);
		page(r, count, &from, &to);
		for (size_t i = 0; i < count; i++) {
			if (i >= from && i < to)
				json_add(list, table_json(d, tables[i]));
			lake_table_unref(tables[i]);
		}
		free(tables);
		json_set(j, "tables", list);
		set_next(j, to, count);
		workspace_answer(a, j);
	}
out:
	free(catalog);
	free(schema);
	free(principal);
}

static struct json *
namespace_json(struct databricks *d, const struct lake_namespace *n)
{
	struct json *j = json_object();
	char *full = n->schema ? memory_format("%s.%s", n->catalog, n->schema) : memory_strdup(n->catalog);

	json_set_string(j, "name", n->schema ? n->schema : n->catalog);
	if (n->schema != NULL)
		json_set_string(j, "catalog_name", n->catalog);
	else
		json_set_string(j, "catalog_type", "MANAGED_CATALOG");
	json_set_string(j, "full_name", full);
	json_set_string(j, "owner", d->client_id);
	if (n->comment != NULL)
		json_set_string(j, "comment", n->comment);
	json_set_int64(j, "created_at", n->created_ms);
	free(full);
	return j;
}

static void
list_namespaces(struct databricks *d, const struct web_request *r, const char *catalog, const char *key,
    struct http_answer *a)
{
	struct json *j = json_object(), *list = json_array();
	struct lake_namespace *all;
	size_t count = lakehouse_namespaces(d->lakehouse, catalog, &all), from, to;

	page(r, count, &from, &to);
	for (size_t i = from; i < to; i++)
		json_add(list, namespace_json(d, &all[i]));
	lake_namespaces_free(all, count);
	json_set(j, key, list);
	set_next(j, to, count);
	workspace_answer(a, j);
}

void
unity_catalogs_get(void *context, const struct web_request *r, struct http_answer *a)
{
	char *principal;

	if (!workspace_authorize(context, r, a, &principal))
		return;
	list_namespaces(context, r, NULL, "catalogs", a);
	free(principal);
}

void
unity_schemas_get(void *context, const struct web_request *r, struct http_answer *a)
{
	char *catalog = web_query_value(r, "catalog_name"), *principal;

	if (workspace_authorize(context, r, a, &principal)) {
		if (catalog == NULL)
			workspace_error(a, 400, "INVALID_PARAMETER_VALUE", "catalog_name is required");
		else if (check_namespace(context, principal, catalog, NULL, a))
			list_namespaces(context, r, catalog, "schemas", a);
		free(principal);
	}
	free(catalog);
}

/* One catalog or schema, by the name in the path. */
static void
get_namespace(struct databricks *d, const char *catalog, const char *schema, const char *principal, struct http_answer *a)
{
	struct lake_namespace *all;
	size_t count;

	if (!check_namespace(d, principal, catalog, schema, a))
		return;
	count = lakehouse_namespaces(d->lakehouse, schema ? catalog : NULL, &all);
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(schema ? all[i].schema : all[i].catalog, schema ? schema : catalog) == 0) {
			workspace_answer(a, namespace_json(d, &all[i]));
			break;
		}
	lake_namespaces_free(all, count);
}

void
unity_catalog_get(void *context, const struct web_request *r, struct http_answer *a)
{
	char *principal;

	if (!workspace_authorize(context, r, a, &principal))
		return;
	get_namespace(context, r->parameters[0], NULL, principal, a);
	free(principal);
}

void
unity_schema_get(void *context, const struct web_request *r, struct http_answer *a)
{
	char *name = memory_strdup(r->parameters[0]), *parts[2], *principal;

	if (workspace_authorize(context, r, a, &principal)) {
		if (split(name, parts, 2, a))
			get_namespace(context, parts[0], parts[1], principal, a);
		free(principal);
	}
	free(name);
}

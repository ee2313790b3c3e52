#include "databricks/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/limits.h"
#include "base/memory.h"

#define CATALOG "/api/2.1/unity-catalog"
#define WAREHOUSES "/api/2.0/sql/warehouses"
#define PAGES_MOST 1000 /* a server that never ends its list is not believed */

/* "main.crm.events" with every part escaped by itself: a dot inside a name is no separator. */
static char *
path_of(const char *collection, const char *const *parts, size_t count)
{
	struct buffer path = BUFFER_INIT;

	buffer_append_format(&path, CATALOG "/%s/", collection);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buffer_append_byte(&path, '.');
		encode_percent(&path, text_of(parts[i]));
	}
	return buffer_detach(&path);
}

static int
has(struct databricks_session *s, const char *collection, const char *const *parts, size_t count,
    struct error *e)
{
	char *path = path_of(collection, parts, count);
	struct error why = ERROR_INIT;
	int rc = databricks_call(s, "GET", path, NULL, REPEAT_SAFE, NULL, &why) < 0 ? -1 : 1;

	free(path);
	if (rc < 0 && why.code == ERR_NOT_FOUND)
		return 0;
	if (rc < 0 && e != NULL)
		*e = why;
	return rc;
}

int
catalog_has_catalog(struct databricks_session *s, const char *catalog, struct error *e)
{
	return has(s, "catalogs", &catalog, 1, e);
}

int
catalog_has_schema(struct databricks_session *s, const char *catalog, const char *schema, struct error *e)
{
	const char *const parts[] = {catalog, schema};

	return has(s, "schemas", parts, 2, e);
}

int
catalog_has_table(struct databricks_session *s, const char *name, struct error *e)
{
	char split[3][DELTA_PART_SIZE];

	if (delta_split_name(name, split, e) < 0)
		return -1;
	return has(s, "tables", (const char *const[]){split[0], split[1], split[2]}, 3, e);
}

/* The table is not there: is it the table, its schema or its catalog? */
static int
explain_missing(struct databricks_session *s, char split[3][DELTA_PART_SIZE], struct error *e)
{
	struct error ignored = ERROR_INIT;
	char *name;

	if (catalog_has_catalog(s, split[0], &ignored) == 0) {
		error_set(e, ERR_NOT_FOUND, "no catalog \"%s\" in this workspace, or no USE CATALOG on it", split[0]);
		return error_hint(e, "check the name; a catalog is made by an administrator");
	}
	if (catalog_has_schema(s, split[0], split[1], &ignored) == 0) {
		error_set(e, ERR_NOT_FOUND, "no schema \"%s.%s\", or no USE SCHEMA on it", split[0], split[1]);
		return error_hint(e, "check the name, or make it: CREATE SCHEMA `%.100s`.`%.100s`", split[0], split[1]);
	}
	error_set(e, ERR_NOT_FOUND, "no table \"%s.%s.%s\", or no SELECT on it", split[0], split[1], split[2]);
	if (!delta_name_is_plain(split[2]))
		return error_hint(e, "check the name; Zerobus takes tables with letters, digits and '_' in their names only");
	name = delta_shell_name(split[0], split[1], split[2]);
	error_hint(e, "sfzb create-table %s makes it", name);
	free(name);
	return -1;
}

int
catalog_get_table_json(struct databricks_session *s, const char *name, struct json **out, struct error *e)
{
	char split[3][DELTA_PART_SIZE];
	char *path;
	int rc;

	if (delta_split_name(name, split, e) < 0)
		return -1;
	path = path_of("tables", (const char *const[]){split[0], split[1], split[2]}, 3);
	rc = databricks_call(s, "GET", path, NULL, REPEAT_SAFE, out, e);
	free(path);
	if (rc < 0 && e->code == ERR_NOT_FOUND)
		explain_missing(s, split, e);
	return rc;
}

struct delta_table *
catalog_get_table(struct databricks_session *s, const char *name, struct error *e)
{
	struct json *answer;
	struct delta_table *table;

	if (catalog_get_table_json(s, name, &answer, e) < 0)
		return NULL;
	table = delta_table_parse(answer, e);
	json_free(answer);
	if (table == NULL)
		error_wrap(e, "the catalog's answer for %s", name);
	return table;
}

/* Every item of a list that comes in pages. first: the path with its query so far. */
static int
each_item(struct databricks_session *s, const char *first, const char *member,
    void (*take)(void *context, const struct json *item), void *context, struct error *e)
{
	struct buffer path = BUFFER_INIT;
	int rc = -1;

	buffer_append_text(&path, first);
	for (int pages = 0; path.len > 0; pages++) {
		struct json *page;
		const char *token;

		if (pages == PAGES_MOST) {
			error_set(e, ERR_REFUSED, "GET %s: more than %d pages", first, PAGES_MOST);
			goto out;
		}
		if (databricks_call(s, "GET", buffer_text(&path), NULL, REPEAT_SAFE, &page, e) < 0)
			goto out;
		for (struct json *item = json_first(json_find(page, member)); item != NULL; item = json_next(item))
			take(context, item);
		token = json_find_string(page, "next_page_token");
		buffer_clear(&path);
		if (token != NULL && token[0] != '\0') {
			buffer_append_format(&path, "%s%cpage_token=", first, strchr(first, '?') != NULL ? '&' : '?');
			encode_percent(&path, text_of(token));
		}
		json_free(page);
	}
	rc = 0;
out:
	buffer_release(&path);
	return rc;
}

struct names {
	char **items;
	size_t count, capacity;
};

static void
take_name(void *context, const struct json *item)
{
	struct names *n = context;
	const char *name = json_find_string(item, "name");

	if (name == NULL)
		return;
	n->items = memory_reserve(n->items, &n->capacity, n->count + 1, sizeof(*n->items));
	n->items[n->count++] = memory_strdup(name);
}

int
catalog_list_tables(struct databricks_session *s, const char *catalog, const char *schema,
    char ***names, size_t *count, struct error *e)
{
	struct buffer path = BUFFER_INIT;
	struct names n = {.items = NULL};
	int rc;

	buffer_append_text(&path, CATALOG "/tables?catalog_name=");
	encode_percent(&path, text_of(catalog));
	buffer_append_text(&path, "&schema_name=");
	encode_percent(&path, text_of(schema));
	rc = each_item(s, buffer_text(&path), "tables", take_name, &n, e);
	buffer_release(&path);
	*names = n.items;
	*count = n.count;
	return rc;
}

struct warehouses {
	struct warehouse *items;
	size_t count, capacity;
};

static void
take_warehouse(void *context, const struct json *item)
{
	struct warehouses *list = context;
	const char *id = json_find_string(item, "id");
	struct warehouse *w;

	if (id == NULL || strlen(id) >= WAREHOUSE_ID_SIZE)
		return;
	list->items = memory_reserve(list->items, &list->capacity, list->count + 1, sizeof(*list->items));
	w = &list->items[list->count++];
	memset(w, 0, sizeof(*w));
	strcpy(w->id, id);
	text_clean(w->name, sizeof(w->name), text_of(json_find_string(item, "name")));
	text_clean(w->state, sizeof(w->state), text_of(json_find_string(item, "state")));
	text_clean(w->size, sizeof(w->size), text_of(json_find_string(item, "cluster_size")));
	w->serverless = json_find_bool(item, "enable_serverless_compute", false);
}

int
catalog_list_warehouses(struct databricks_session *s, struct warehouse **out, size_t *count,
    struct error *e)
{
	struct warehouses list = {.items = NULL};
	int rc = each_item(s, WAREHOUSES, "warehouses", take_warehouse, &list, e);

	if (rc < 0) {
		free(list.items);
		list = (struct warehouses){.items = NULL};
	}
	*out = list.items;
	*count = list.count;
	return rc;
}

static int
unclear(const struct warehouse *w, size_t count, struct error *e)
{
	struct buffer list = BUFFER_INIT;

	for (size_t i = 0; i < count && i < 12; i++)
		buffer_append_format(&list, "%s%s (%s, %s)", i > 0 ? ", " : "", w[i].id, w[i].name, w[i].state);
	error_set(e, ERR_CONFIG, "which SQL warehouse? there are %zu: %s", count, buffer_text(&list));
	buffer_release(&list);
	return error_hint(e, "set DATABRICKS_WAREHOUSE_ID to the id of one");
}

int
catalog_pick_warehouse(struct databricks_session *s, char *out, struct error *e)
{
	struct warehouse *w;
	const struct warehouse *running = NULL;
	size_t count, running_count = 0;
	int rc = 0;

	strcpy(out, databricks_session_config(s)->warehouse_id);
	if (out[0] != '\0')
		return 0;
	if (catalog_list_warehouses(s, &w, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(w[i].state, "RUNNING") == 0) {
			running = &w[i];
			running_count++;
		}
	}
	if (running_count == 1) {
		strcpy(out, running->id);
	} else if (count == 1) {
		strcpy(out, w[0].id);
	} else if (count == 0) {
		error_set(e, ERR_NOT_FOUND, "the workspace has no SQL warehouse that this login may use");
		rc = error_hint(e, "grant CAN USE on one, or make one");
	} else {
		rc = unclear(w, count, e);
	}
	free(w);
	return rc;
}

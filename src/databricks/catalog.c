#include "databricks/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
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

struct delta_table *
catalog_get_table(struct databricks_session *s, const char *name, struct error *e)
{
	char split[3][DELTA_PART_SIZE];
	struct delta_table *table;
	struct json *answer;
	char *path;
	int rc;

	if (delta_split_name(name, split, e) < 0)
		return NULL;
	path = path_of("tables", (const char *const[]){split[0], split[1], split[2]}, 3);
	rc = databricks_call(s, "GET", path, NULL, REPEAT_SAFE, &answer, e);
	free(path);
	if (rc < 0) {
		if (e->code == ERR_NOT_FOUND)
			explain_missing(s, split, e);
		return NULL;
	}
	table = delta_table_parse(answer, e);
	json_free(answer);
	if (table == NULL)
		error_wrap(e, "the catalog's answer for %s", name);
	return table;
}

struct warehouse {
	char id[WAREHOUSE_ID_SIZE];
	char name[128], state[16]; /* cleaned; "RUNNING", "STOPPED", … */
};

struct warehouses {
	struct warehouse *items;
	size_t count, capacity;
};

static void
take_warehouses(struct warehouses *list, const struct json *page)
{
	for (const struct json *item = json_first(json_find(page, "warehouses")); item != NULL; item = json_next(item)) {
		const char *id = json_find_string(item, "id");
		struct warehouse *w;

		if (id == NULL || strlen(id) >= WAREHOUSE_ID_SIZE)
			continue;
		list->items = memory_reserve(list->items, &list->capacity, list->count + 1, sizeof(*list->items));
		w = &list->items[list->count++];
		strcpy(w->id, id);
		text_clean(w->name, sizeof(w->name), text_of(json_find_string(item, "name")));
		text_clean(w->state, sizeof(w->state), text_of(json_find_string(item, "state")));
	}
}

/* All pages. The caller frees the items, also after an error. */
static int
list_warehouses(struct databricks_session *s, struct warehouses *list, struct error *e)
{
	struct buffer path = BUFFER_INIT;
	int rc = 0;

	buffer_append_text(&path, WAREHOUSES);
	for (int pages = 0; path.len > 0 && rc == 0; pages++) {
		struct json *page;
		const char *token;

		if (pages == PAGES_MOST) {
			rc = error_set(e, ERR_REFUSED, "GET %s: more than %d pages", WAREHOUSES, PAGES_MOST);
			break;
		}
		rc = databricks_call(s, "GET", buffer_text(&path), NULL, REPEAT_SAFE, &page, e);
		if (rc < 0)
			break;
		take_warehouses(list, page);
		token = json_find_string(page, "next_page_token");
		buffer_clear(&path);
		if (token != NULL && token[0] != '\0') {
			buffer_append_text(&path, WAREHOUSES "?page_token=");
			encode_percent(&path, text_of(token));
		}
		json_free(page);
	}
	buffer_release(&path);
	return rc;
}

static int
unclear(const struct warehouses *list, struct error *e)
{
	struct buffer names = BUFFER_INIT;

	for (size_t i = 0; i < list->count && i < 12; i++) {
		const struct warehouse *w = &list->items[i];

		buffer_append_format(&names, "%s%s (%s, %s)", i > 0 ? ", " : "", w->id, w->name, w->state);
	}
	error_set(e, ERR_CONFIG, "which SQL warehouse? there are %zu: %s", list->count, buffer_text(&names));
	buffer_release(&names);
	return error_hint(e, "set DATABRICKS_WAREHOUSE_ID to the id of one");
}

int
catalog_pick_warehouse(struct databricks_session *s, char *out, struct error *e)
{
	struct warehouses list = {.items = NULL};
	const struct warehouse *running = NULL;
	size_t running_count = 0;
	int rc;

	strcpy(out, databricks_session_config(s)->warehouse_id);
	if (out[0] != '\0')
		return 0;
	rc = list_warehouses(s, &list, e);
	if (rc < 0)
		goto out;
	for (size_t i = 0; i < list.count; i++) {
		if (strcmp(list.items[i].state, "RUNNING") == 0) {
			running = &list.items[i];
			running_count++;
		}
	}
	if (running_count == 1) {
		strcpy(out, running->id);
	} else if (list.count == 1) {
		strcpy(out, list.items[0].id);
	} else if (list.count == 0) {
		error_set(e, ERR_NOT_FOUND, "the workspace has no SQL warehouse that this login may use");
		rc = error_hint(e, "grant CAN USE on one, or make one");
	} else {
		rc = unclear(&list, e);
	}
out:
	free(list.items);
	return rc;
}

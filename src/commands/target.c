#include "commands/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "commands/warehouse.h"
#include "databricks/catalog.h"

struct delta_table *
target_find(struct app *app, const char *name, struct error *e)
{
	return catalog_get_table(app->databricks, name, e);
}

static int
run_ddl(struct app *app, const char *text, struct error *e)
{
	struct sql_statement statement = {.text = text};
	struct sql_result result;
	int rc;

	sql_result_init(&result);
	rc = warehouse_run(app, &statement, &result, e);
	sql_result_release(&result);
	return rc;
}

/* The schema's name in SQL, from a table's. */
static int
write_schema(struct buffer *out, const char *table, struct error *e)
{
	char parts[3][DELTA_PART_SIZE];

	if (delta_split_name(table, parts, e) != 0)
		return -1;
	delta_quote(out, parts[0]);
	buffer_append_byte(out, '.');
	delta_quote(out, parts[1]);
	return 0;
}

/* A table cannot be made where there is no schema: says which part is missing, and how it is made. */
static void
explain_missing(struct app *app, const char *table, struct error *e)
{
	char parts[3][DELTA_PART_SIZE], *shell_name;
	struct error why = ERROR_INIT;

	if (delta_split_name(table, parts, &why) != 0)
		return;
	if (catalog_has_catalog(app->databricks, parts[0], &why) == 0) {
		error_set(e, ERR_NOT_FOUND, "there is no catalog '%s', or no USE CATALOG on it", parts[0]);
		error_hint(e, "catalogs are made by an administrator: CREATE CATALOG, or in the workspace's Catalog Explorer");
	} else if (catalog_has_schema(app->databricks, parts[0], parts[1], &why) == 0) {
		error_set(e, ERR_NOT_FOUND, "there is no schema '%s.%s', or no USE SCHEMA on it", parts[0], parts[1]);
		shell_name = delta_shell_name(parts[0], parts[1], parts[2]);
		error_hint(e, "sfzb create-table %s --create-schema makes it", shell_name);
		free(shell_name);
	}
}

int
target_create_planned(struct app *app, const struct delta_plan *plan, struct error *e)
{
	struct buffer ddl = BUFFER_INIT;
	int rc = delta_create_sql(&ddl, plan, e);

	if (rc == 0 && (rc = run_ddl(app, buffer_text(&ddl), e)) != 0) {
		if (e->code == ERR_NOT_FOUND)
			explain_missing(app, plan->table, e);
		error_wrap(e, "cannot create table '%s'", plan->table);
	}
	buffer_release(&ddl);
	return rc;
}

/* CREATE TABLE IF NOT EXISTS on the warehouse. */
static int
target_create(struct app *app, const char *name, enum layout layout, struct error *e)
{
	struct delta_plan plan = {.table = name, .layout = layout, .column_comments = true};

	return target_create_planned(app, &plan, e);
}

int
target_create_schema(struct app *app, const char *name, struct error *e)
{
	struct buffer ddl = BUFFER_INIT;
	int rc;

	buffer_append_text(&ddl, "CREATE SCHEMA IF NOT EXISTS ");
	rc = write_schema(&ddl, name, e);
	if (rc == 0 && (rc = run_ddl(app, buffer_text(&ddl), e)) != 0) {
		if (e->code == ERR_NOT_FOUND)
			explain_missing(app, name, e);
		error_wrap(e, "cannot create the schema of '%s'", name);
	}
	buffer_release(&ddl);
	return rc;
}

int
target_alter(struct app *app, const struct delta_table *t, enum layout layout, int *count, struct error *e)
{
	struct buffer all = BUFFER_INIT;
	char *statement, *end;
	int rc = 0;

	*count = delta_alter_sql(&all, t, layout);
	for (statement = buffer_text(&all); rc == 0 && *statement != '\0'; statement = end) {
		end = strstr(statement, ";\n");
		*end = '\0';
		end += 2;
		rc = run_ddl(app, statement, e);
	}
	if (rc != 0)
		error_wrap(e, "cannot alter table '%s'", t->full_name);
	buffer_release(&all);
	return rc;
}

struct delta_table *
target_ensure(struct app *app, const char *name, enum layout layout, bool may_create, bool *created,
    struct error *e)
{
	struct delta_table *table = target_find(app, name, e);
	char *shell_name;

	*created = false;
	if (table != NULL || e->code != ERR_NOT_FOUND)
		return table;
	if (!may_create) {
		shell_name = delta_shell_full_name(name);
		error_hint(e, "leave out --no-create, or make it: sfzb create-table %s", shell_name);
		free(shell_name);
		return NULL;
	}
	error_clear(e);
	if (target_create(app, name, layout, e) != 0)
		return NULL;
	log_info("stream", "created table '%s'", name);
	*created = true;
	return target_find(app, name, e);
}

int
target_ingest(struct app *app, struct databricks_config *c, bool has_helper, struct error *e)
{
	struct error lacking = ERROR_INIT;

	databricks_config_copy(c, databricks_session_config(app->databricks));
	if (c->method != DATABRICKS_M2M && !has_helper) {
		error_set(e, ERR_CREDENTIALS, "Zerobus takes a service principal, not %s", databricks_method_words(c->method));
		return error_hint(e, "give the client id and secret of a service principal: sfzb login databricks");
	}
	if (databricks_config_need_ingest(c, &lacking) == 0)
		return 0;
	if (databricks_session_discover(app->databricks, c, e) != 0)
		return -1;
	return databricks_config_need_ingest(c, e);
}

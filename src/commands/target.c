#include "commands/target.h"

#include "base/log.h"
#include "commands/warehouse.h"
#include "databricks/catalog.h"

struct delta_table *
target_find(struct app *app, const char *name, struct error *e)
{
	return catalog_get_table(app->databricks, name, e);
}

int
target_create(struct app *app, const char *name, enum layout layout, struct error *e)
{
	struct delta_plan plan = {.table = name, .layout = layout, .column_comments = true};
	struct sql_statement statement = {.text = NULL};
	struct buffer ddl = BUFFER_INIT;
	struct sql_result result;
	int rc = -1;

	sql_result_init(&result);
	if (delta_create_sql(&ddl, &plan, e) != 0)
		goto out;
	statement.text = buffer_text(&ddl);
	if (warehouse_run(app, &statement, &result, e) != 0) {
		error_wrap(e, "cannot create table '%s'", name);
		goto out;
	}
	rc = 0;
out:
	sql_result_release(&result);
	buffer_release(&ddl);
	return rc;
}

struct delta_table *
target_ensure(struct app *app, const char *name, enum layout layout, bool may_create, bool *created,
    struct error *e)
{
	struct delta_table *table = target_find(app, name, e);

	*created = false;
	if (table != NULL || e->code != ERR_NOT_FOUND)
		return table;
	if (!may_create) {
		error_hint(e, "leave out --no-create, or make it with 'sfzb create-table %s'", name);
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
target_ingest(struct app *app, struct databricks_config *c, struct error *e)
{
	struct error lacking = ERROR_INIT;

	databricks_config_copy(c, databricks_session_config(app->databricks));
	if (c->method != DATABRICKS_M2M) {
		error_set(e, ERR_CREDENTIALS, "Zerobus takes no personal access token");
		return error_hint(e, "give the client id and secret of a service principal: sfzb login databricks");
	}
	if (databricks_config_need_ingest(c, &lacking) == 0)
		return 0;
	if (databricks_session_discover(app->databricks, c, e) != 0)
		return -1;
	return databricks_config_need_ingest(c, e);
}

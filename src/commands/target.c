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

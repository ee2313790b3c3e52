/*
 * The table that a stream goes to: found in the catalog, made when it is missing.
 */
#ifndef SFZB_COMMANDS_TARGET_H
#define SFZB_COMMANDS_TARGET_H

#include "commands/app.h"
#include "databricks/table_layout.h"

/* Of app's Databricks session. ERR_NOT_FOUND when there is no such table. */
struct delta_table *target_find(struct app *app, const char *name, struct error *e);
/* The same by a plan of one's own; what it is called is plan->table. */
int target_create_planned(struct app *app, const struct delta_plan *plan, struct error *e);
/* CREATE SCHEMA IF NOT EXISTS for the schema of a table's name. */
int target_create_schema(struct app *app, const char *name, struct error *e);
/* Runs the statements that add what a table lacks (delta_alter_sql); *count of them, 0: it lacked nothing. */
int target_alter(struct app *app, const struct delta_table *t, enum layout layout, int *count, struct error *e);
/* The first; where it is missing the second and then the first. *created tells. */
struct delta_table *target_ensure(struct app *app, const char *name, enum layout layout, bool may_create,
    bool *created, struct error *e);
/*
 * The session's settings with the ingest endpoint found; the workspace is asked where they do not tell. ERR_CREDENTIALS
 * when there is a personal access token only, unless a headers helper may have an authorization. Blocking. c is initialised here and the caller's to release.
 */
int target_ingest(struct app *app, struct databricks_config *c, bool has_helper, struct error *e);

#endif

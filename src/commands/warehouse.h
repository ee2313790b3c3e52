/*
 * Statements for commands: the wait for a warehouse that starts is shown, and Ctrl-C ends whatever blocks at once and cancels
 * the statement. A second Ctrl-C ends the program.
 */
#ifndef SFZB_COMMANDS_WAREHOUSE_H
#define SFZB_COMMANDS_WAREHOUSE_H

#include "commands/app.h"
#include "databricks/sql.h"

/* As sql_run; `waiting` is filled in, and the statement's own row callback keeps its context. */
int warehouse_run(struct app *app, struct sql_statement *statement, struct sql_result *result,
    struct error *e);
/* For others that wait for a warehouse (databricks/sink_lookup.h): shows it, false after Ctrl-C. context unused. */
bool warehouse_waiting(void *context, const char *state, int64_t elapsed_ms);
/*
 * Between these SIGINT and SIGTERM interrupt app's Databricks session, and a thread shows how long the wait has been. Not with
 * the loop's signals, which come to it in the same way.
 */
void warehouse_catch_signals(struct app *app);
void warehouse_release_signals(struct app *app);

#endif

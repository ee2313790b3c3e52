#include "commands/warehouse.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/terminal.h"

static volatile sig_atomic_t caught;
static struct sigaction old_int, old_term;

static void
on_signal(int number)
{
	caught = number;
}

void
warehouse_catch_signals(void)
{
	struct sigaction catch = {.sa_handler = on_signal};

	caught = 0;
	sigaction(SIGINT, &catch, &old_int);
	sigaction(SIGTERM, &catch, &old_term);
}

void
warehouse_release_signals(void)
{
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
}

bool
warehouse_waiting(void *context, const char *state, int64_t elapsed_ms)
{
	char status[96], elapsed[32];

	(void)context;
	if (elapsed_ms >= 1000) {
		snprintf(status, sizeof(status), "%s: %s",
		    strcmp(state, "PENDING") == 0 ? "waiting for the SQL warehouse to start"
						  : "the statement is running",
		    clock_format_duration(elapsed, sizeof(elapsed), elapsed_ms));
		terminal_set_status(status);
	}
	return caught == 0;
}

int
warehouse_run(struct app *app, struct sql_statement *statement, struct sql_result *result,
    struct error *e)
{
	int rc;

	statement->waiting = warehouse_waiting;
	warehouse_catch_signals();
	rc = sql_run(app->databricks, statement, result, e);
	warehouse_release_signals();
	terminal_set_status(NULL);
	if (rc != 0 && caught == SIGTERM && e->code == ERR_INTERRUPTED)
		e->code = ERR_TERMINATED;
	return rc;
}

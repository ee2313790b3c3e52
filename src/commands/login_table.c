/*
 * What `sfzb login databricks --table` does: finds out by trying whether a login may write to a table, and prints the GRANT
 * statements that are missing, ready to paste.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/output.h"
#include "commands/login.h"
#include "databricks/catalog.h"
#include "databricks/descriptor.h"
#include "databricks/sink_tokens.h"
#include "databricks/table_layout.h"
#include "databricks/zerobus.h"

/* Statements, one a line: as they are, or as a list for programs. */
static int
print_grants(const struct app *app, const char *statements, struct error *e)
{
	struct json *root, *list;

	if (!app_outputs(app, "json"))
		return output_write(text_of(statements), e) != 0 ? -1 : output_flush(e);
	root = json_object();
	list = json_array();
	for (const char *at = statements; *at != '\0'; at = strchr(at, '\n') + 1) {
		char *one = memory_strndup(at, strcspn(at, "\n"));

		json_add_string(list, one);
		free(one);
	}
	json_set(root, "missing_grants", list);
	return output_json(root, e);
}

/* ---- an ingest stream that is opened and ended again: no row is sent ---- */

struct probe {
	struct app *app;
	struct zerobus *stream;
	struct error why;
	bool is_over;
};

static void
on_opened(void *context)
{
	zerobus_finish(((struct probe *)context)->stream);
}

static void
on_nothing(void *context)
{
	(void)context;
}

static void
on_acknowledged(void *context, int64_t batches)
{
	(void)context;
	(void)batches;
}

static void
on_closing(void *context, int64_t pause_ms)
{
	(void)pause_ms;
	zerobus_finish(((struct probe *)context)->stream);
}

static void
on_ended(void *context, const struct error *why)
{
	struct probe *p = context;

	p->why = *why;
	p->is_over = true;
}

static void
on_signal(void *context, int number)
{
	struct probe *p = context;

	if (number == SIGUSR1 || p->is_over)
		return;
	error_set(&p->why, app_signal_code(number), "interrupted");
	p->is_over = true;
}

/* All columns that Zerobus takes; one that it does not take may be left out where it may be NULL. */
static int
describe_table(struct buffer *out, const struct delta_table *t, struct error *e)
{
	bool *included = memory_zero(t->column_count + 1, sizeof(*included));
	struct error why = ERROR_INIT;
	int rc = 0;

	for (size_t i = 0; i < t->column_count && rc == 0; i++) {
		included[i] = descriptor_check_column(&t->columns[i], &why) == 0;
		if (!included[i] && !t->columns[i].nullable) {
			*e = why;
			rc = -1;
		}
	}
	if (rc == 0)
		rc = descriptor_write(out, t, included, NULL, e);
	free(included);
	return rc;
}

static int
try_stream(struct app *app, struct databricks_session *s, const struct databricks_config *c, const struct delta_table *t,
    const char *principal, struct error *e)
{
	static const struct sink_events events = {.opened = on_opened, .writable = on_nothing,
	    .acknowledged = on_acknowledged, .closing = on_closing, .ended = on_ended};
	struct probe p = {.app = app, .why = ERROR_INIT};
	struct databricks_config config;
	struct buffer descriptor = BUFFER_INIT;
	struct sink_tokens *tokens = NULL;
	struct channel *channel = NULL;
	int rc = -1;

	databricks_config_copy(&config, c);
	if (databricks_config_need_ingest(&config, e) != 0 || describe_table(&descriptor, t, e) != 0)
		goto out;
	app_open_loop(app);
	channel = channel_new(app->loop, &(struct channel_options){.target = config.ingest.target, .ca_file = config.ca_file}, e);
	if (channel == NULL)
		goto out;
	tokens = sink_tokens_new(app->loop, s, NULL);
	p.stream = zerobus_new(&(struct zerobus_options){.loop = app->loop,
	    .channel = channel,
	    .table = t->full_name,
	    .format = ROW_PROTO,
	    .descriptor = buffer_span(&descriptor),
	    .token = sink_tokens_source(tokens),
	    .principal = principal});
	app_handle_signals(app, on_signal, &p);
	zerobus_open(p.stream, &events, &p);
	while (!p.is_over)
		loop_step(app->loop, -1);
	app_handle_signals(app, NULL, NULL);
	if (p.why.code == ERR_OK)
		rc = 0;
	else
		*e = p.why;
out:
	databricks_session_interrupt(s, rc != 0);
	zerobus_free(p.stream);
	sink_tokens_free(tokens);
	if (channel != NULL)
		channel_free(channel);
	databricks_session_interrupt(s, false);
	buffer_release(&descriptor);
	databricks_config_release(&config);
	return rc;
}

/* ---- the steps, as a stream takes them: catalog, schema, table, rows ---- */

enum step { STEP_CATALOG, STEP_SCHEMA, STEP_TABLE, STEP_ROWS, STEPS };

/* The first step that fails; STEPS: none does. e may stay without an error where the server says that a thing is not there. */
static enum step
try_steps(struct app *app, struct databricks_session *s, const struct databricks_config *c, const char *principal,
    const char *name, char parts[3][DELTA_PART_SIZE], struct error *e)
{
	struct delta_table *t;
	enum step failed = STEPS;

	if (catalog_has_catalog(s, parts[0], e) != 1)
		return STEP_CATALOG;
	if (catalog_has_schema(s, parts[0], parts[1], e) != 1)
		return STEP_SCHEMA;
	t = catalog_get_table(s, name, e);
	if (t == NULL)
		return STEP_TABLE;
	if (c->method == DATABRICKS_M2M && try_stream(app, s, c, t, principal, e) != 0)
		failed = STEP_ROWS;
	delta_table_free(t);
	return failed;
}

/* From the step that failed on. CREATE TABLE is for a table that is not there, or cannot be seen. */
static void
write_missing(struct buffer *out, enum step failed, bool is_absent, const char *name, char parts[3][DELTA_PART_SIZE],
    const char *principal)
{
	struct buffer all = BUFFER_INIT;
	char *lines[3];

	delta_write_grants(&all, name, principal);
	lines[0] = buffer_text(&all);
	lines[1] = strchr(lines[0], '\n') + 1;
	lines[2] = strchr(lines[1], '\n') + 1;
	for (int i = failed == STEP_ROWS ? STEP_TABLE : (int)failed; i < 3; i++) {
		if (i == STEP_TABLE && is_absent) {
			buffer_append_text(out, "GRANT CREATE TABLE ON SCHEMA ");
			delta_quote(out, parts[0]);
			buffer_append_byte(out, '.');
			delta_quote(out, parts[1]);
			buffer_append_text(out, " TO ");
			delta_quote(out, principal);
			buffer_append_text(out, ";\n");
		}
		buffer_append(out, lines[i], strcspn(lines[i], "\n") + 1);
	}
	buffer_release(&all);
}

/* Look-ups after a crash need a warehouse; a stream goes on without, so that this is only said. */
static void
try_warehouse(struct databricks_session *s)
{
	char id[WAREHOUSE_ID_SIZE];
	struct error e = ERROR_INIT;

	if (catalog_pick_warehouse(s, id, &e) != 0)
		log_warn("login", "%s; without a warehouse stream is at-least-once, and sql and create-table do not work%s%s", e.text,
		    e.hint[0] != '\0' ? ": " : "", e.hint);
}

int
login_databricks_table(struct app *app, struct databricks_session *s, const struct databricks_config *c,
    const char *principal, const char *name, struct login_state *state, struct error *e)
{
	char parts[3][DELTA_PART_SIZE], *plain, *shell_name;
	struct buffer grants = BUFFER_INIT;
	struct error unprinted = ERROR_INIT;
	enum step failed;
	bool is_absent;

	if (delta_split_name(name, parts, e) != 0)
		return -1;
	plain = memory_format("%s.%s.%s", parts[0], parts[1], parts[2]);
	failed = try_steps(app, s, c, principal, name, parts, e);
	is_absent = e->code == ERR_OK || e->code == ERR_NOT_FOUND;
	if (failed == STEPS) {
		state->details = c->method == DATABRICKS_M2M ?
		    memory_format("may write to %s", plain) :
		    memory_format("may read %s; only a service principal may write to it through Zerobus", plain);
		try_warehouse(s);
	} else if (e->code == ERR_OK || e->code == ERR_NOT_FOUND || e->code == ERR_PERMISSION) {
		if (e->code == ERR_OK)
			error_set(e, ERR_PERMISSION, "its %s does not exist or may not be used", failed == STEP_CATALOG ? "catalog" : "schema");
		error_wrap(e, "cannot write to table '%s'", plain);
		shell_name = delta_shell_name(parts[0], parts[1], parts[2]);
		error_hint(e, "an owner or administrator runs the GRANT statements on standard output%s%s",
		    failed == STEP_TABLE && is_absent ? "; or the table is not there yet: sfzb create-table " : "",
		    failed == STEP_TABLE && is_absent ? shell_name : "");
		free(shell_name);
		write_missing(&grants, failed, is_absent, name, parts, principal);
		if (print_grants(app, buffer_text(&grants), &unprinted) != 0)
			*e = unprinted;
	} else {
		error_wrap(e, "cannot write to table '%s'", plain);
	}
	buffer_release(&grants);
	free(plain);
	return failed == STEPS ? 0 : -1;
}

/*
 * sfzb ingest - NDJSON or CSV into any Delta table.
 *
 * The table's own columns decide how a value is read (databricks/record.h); everything is checked before it is sent. The
 * engine sends, waits for durable acknowledgements and opens streams again; rows have no id to be looked up by, so what
 * was in flight when a connection broke may be stored twice.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "commands/ingest.h"
#include "commands/list.h"
#include "commands/pump.h"
#include "commands/target.h"
#include "commands/tuning.h"
#include "databricks/sink.h"
#include "databricks/sink_tokens.h"
#include "databricks/table_layout.h"

struct ingest_options {
	struct tuning tuning;
	const char *columns, *rejects, *delimiter;
	int64_t max_rejects, stats_interval_ms;
	int format, unit; /* enum ingest_format, enum record_unit */
	bool ignore_unknown, resume;
};

static const struct option options[] = {
	OPTION_CHOICE('f', "format", struct ingest_options, format, "auto|ndjson|csv", "auto",
	    "of the input; auto: CSV for files named .csv, else NDJSON"),
	OPTION_STRING(0, "delimiter", struct ingest_options, delimiter, "<char>", ",",
	    "what parts the cells of CSV; \\t is a tab"),
	OPTION_STRING(0, "columns", struct ingest_options, columns, "<name,name>", NULL,
	    "ingest only these columns; the others of the table stay NULL"),
	OPTION_FLAG(0, "ignore-unknown", struct ingest_options, ignore_unknown,
	    "leave out keys that are no column, instead of refusing the row"),
	OPTION_CHOICE(0, "time-unit", struct ingest_options, unit, "s|ms|us|ns", "us",
	    "what a number in a TIMESTAMP column counts since 1970"),
	OPTION_STRING(0, "rejects", struct ingest_options, rejects, "<file>", NULL,
	    "append each refused row to this file, with file, line and reason, as NDJSON", .complete = COMPLETE_FILE),
	OPTION_INTEGER(0, "max-rejects", struct ingest_options, max_rejects, "<rows>", TUNING_TEXT(ENGINE_MAX_DEAD_LETTERS),
	    "stop when more rows than this are refused (-1: never)", .min = -1, .max = INT64_MAX),
	OPTION_FLAG(0, "resume", struct ingest_options, resume,
	    "go on in each file behind the last row that an earlier --resume stored, and remember where this run stops"),
	TUNING_OPTIONS(struct ingest_options),
	OPTION_DURATION(0, "stats-interval", struct ingest_options, stats_interval_ms, "<time>", "60s",
	    "print a summary line so often, where there is no terminal", .min = 100),
	OPTION_END,
};

struct run {
	struct app *app;
	const struct ingest_options *o;
	const char *table_name;
	struct engine_options engine;
	char delimiter;
	struct ingest_file *files;
	size_t count;
	struct ingest_stores stores;
	struct ingest_input *input;
	struct databricks_config config;
	struct delta_table *table;
	struct channel *channel;
	struct sink_tokens *tokens;
	struct sink *sink;
	struct pump *pump;
};

/* What Zerobus demands of a table as such; of its columns record_writer_new knows. */
static int
check_table(const struct delta_table *t, struct error *e)
{
	struct fit fit;
	int rc = 0;

	delta_check(t, LAYOUT_CLASSIC, &fit);
	for (size_t i = 0; i < fit.count && rc == 0; i++)
		if (fit.findings[i].severity == SEVERITY_MISFIT &&
		    (fit.findings[i].kind == FINDING_TABLE || fit.findings[i].kind == FINDING_ROW_TRACKING))
			rc = error_set(e, ERR_MISFIT, "table '%s': %s", t->full_name, fit.findings[i].text);
	fit_release(&fit);
	return rc;
}

/* On the worker. */
static int
prepare(void *context, struct error *e)
{
	struct run *r = context;

	if (target_ingest(r->app, &r->config, r->o->tuning.headers_helper != NULL, e) != 0)
		return -1;
	r->table = target_find(r->app, r->table_name, e);
	/* create-table makes one for events */
	if (r->table == NULL && strstr(e->hint, "create-table") != NULL)
		error_hint(e, "check the name, or make it: sfzb sql 'CREATE TABLE %s (...)'", r->table_name);
	return r->table == NULL ? -1 : check_table(r->table, e);
}

static int
open_sink(struct run *r, struct error *e)
{
	struct record_options records = {
		.format = tuning_format(&r->o->tuning),
		.unit = (enum record_unit)r->o->unit,
		.ignore_unknown = r->o->ignore_unknown,
		.columns = r->o->columns,
	};
	struct table_sink_options o = {
		.loop = r->app->loop,
		.table = r->table,
		.records = &records,
		.clock = loop_clock(r->app->loop),
		.principal = r->config.client_id,
		.open_timeout_ms = r->o->tuning.open_timeout_ms,
		.streams = (size_t)r->o->tuning.streams,
	};

	r->channel = tuning_channel(&r->o->tuning, r->app->loop, &r->config, e);
	if (r->channel == NULL)
		return -1;
	r->tokens = sink_tokens_new(r->app->loop, r->app->databricks, r->o->tuning.headers_helper);
	o.channel = r->channel;
	o.token = sink_tokens_source(r->tokens);
	r->sink = table_sink_new(&o, e);
	return r->sink == NULL ? -1 : 0;
}

static int
open_input(struct run *r, struct error *e)
{
	r->stores.files = r->files;
	r->stores.count = r->count;
	r->stores.clock = loop_clock(r->app->loop);
	r->stores.workspace = r->config.host.url;
	r->stores.table = r->table->full_name;
	r->stores.rejects_path = r->o->rejects;
	if (r->o->resume && ingest_stores_resume(&r->stores, r->app->profile, e) != 0)
		return -1;
	for (size_t i = 0; i < r->count; i++)
		if (r->files[i].start.offset > 0)
			log_info("ingest", "%s: going on behind line %lld", r->files[i].name,
			    (long long)r->files[i].start.line);
	r->input = ingest_input_new(&(struct ingest_input_options){.loop = r->app->loop,
					.delimiter = r->delimiter,
					.records = table_sink_records(r->sink)},
	    r->files, r->count);
	return ingest_stores_open_rejects(&r->stores, e);
}

static int
route(void *context, const char *topic, struct text entity, struct sink **sink, struct error *e)
{
	(void)topic;
	(void)entity;
	(void)e;
	*sink = ((struct run *)context)->sink;
	return 0;
}

/* Where the files begin they know; the engine must know what may be in the table already. */
static struct position
start_of(const struct run *r)
{
	struct position p = {.kind = POSITION_EARLIEST};

	for (size_t i = 0; i < r->count; i++)
		if (r->files[i].in_flight > p.in_flight)
			p.in_flight = r->files[i].in_flight;
	return p;
}

static int
pump(struct run *r, struct error *e)
{
	struct position start = start_of(r);
	struct engine_statistics s;
	struct ingest_report report;
	int64_t bytes = 0;
	char count[TEXT_COUNT_SIZE];
	int rc;

	for (size_t i = 0; i < r->count; i++)
		bytes = r->files[i].size > 0 && bytes >= 0 ? bytes + r->files[i].size - r->files[i].start.offset : -1;
	ingest_report_init(&report, r->input, bytes, r->o->stats_interval_ms);
	r->pump = pump_new(r->app,
	    &(struct pump_setup){.options = r->engine,
		.positions = ingest_stores_positions(&r->stores),
		.letters = ingest_stores_letters(&r->stores),
		.router = {.route = route, .context = r},
		.report = ingest_report_progress,
		.report_context = &report,
		.report_interval_ms = report.interval_ms});
	pump_add(r->pump, ingest_input_source(r->input), &start);
	rc = pump_run(r->pump, e);
	pump_statistics(r->pump, &s);
	if (rc != 0 && ingest_input_failure(r->input)->code == e->code)
		*e = *ingest_input_failure(r->input); /* without the engine's words of a subscription */
	if (rc != 0 && e->code == ERR_REFUSED && r->o->max_rejects >= 0 && s.set_aside > r->o->max_rejects)
		error_set(e, ERR_REFUSED, "%s refused, more than --max-rejects allows; the last: %s",
		    text_count(count, s.set_aside, "row was", "rows were"), r->stores.last_reason);
	if (ingest_report_end(r->app, &report, &s, pump_elapsed_ms(r->pump), e) != 0 ||
	    ingest_stores_flush(&r->stores, e) != 0)
		rc = -1;
	if (rc != 0)
		return -1;
	if (pump_signal(r->pump) != 0 && !ingest_input_is_at_end(r->input)) {
		error_set(e, app_signal_code(pump_signal(r->pump)), "stopped before the end of the input; %s stored",
		    text_count(count, s.stored, "row was", "rows were"));
		return error_hint(e, r->o->resume ? "the same command goes on there" : "with --resume another run would go on there");
	}
	if (s.set_aside == 0)
		return 0;
	error_set(e, ERR_REFUSED, "%s refused", text_count(count, s.set_aside, "row was", "rows were"));
	return r->o->rejects != NULL ? error_hint(e, "they are in '%s', with the reasons", r->o->rejects)
				     : error_hint(e, "--rejects <file> keeps them, with the reasons");
}

static int
parse(struct run *r, int argc, char **argv, struct error *e)
{
	const char *d = r->o->delimiter;

	r->table_name = argv[0];
	if (delta_check_ingest_name(argv[0], e) != 0)
		return -1;
	engine_options_init(&r->engine);
	r->engine.until_caught_up = true;
	r->engine.max_dead_letters = r->o->max_rejects;
	r->engine.unit = "row";
	r->engine.left_hint = r->o->resume ? "the same command goes on in front of them, and may store again what was stored"
					   : "which of them are stored is not known; --resume remembers where a run stopped";
	if (tuning_apply(&r->o->tuning, &r->engine, e) != 0)
		return -1;
	r->delimiter = strcmp(d, "\\t") == 0 ? '\t' : d[0];
	if ((strlen(d) != 1 && r->delimiter != '\t') || strchr("\"\r\n", r->delimiter) != NULL)
		return error_set(e, ERR_USAGE, "option '--delimiter': '%s' is not one character", d);
	r->count = argc > 1 ? (size_t)argc - 1 : 1;
	r->files = memory_zero(r->count, sizeof(*r->files));
	for (size_t i = 0; i < r->count; i++)
		if (ingest_file_init(&r->files[i], argc > 1 ? argv[i + 1] : "-",
			(enum ingest_format)r->o->format, r->o->resume, e) != 0)
			return -1;
	return 0;
}

static void
release(struct run *r)
{
	terminal_set_status(NULL);
	if (r->app->databricks != NULL)
		databricks_session_interrupt(r->app->databricks, true);
	pump_free(r->pump);
	ingest_input_free(r->input);
	ingest_stores_release(&r->stores);
	table_sink_free(r->sink);
	sink_tokens_free(r->tokens);
	if (r->channel != NULL)
		channel_free(r->channel);
	delta_table_free(r->table);
	databricks_config_release(&r->config);
	for (size_t i = 0; r->files != NULL && i < r->count; i++)
		ingest_file_release(&r->files[i]);
	free(r->files);
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	struct run r = {.app = app, .o = given};
	int rc = -1;

	databricks_config_init(&r.config);
	if (parse(&r, argc, argv, e) == 0 && app_open_databricks(app, e) == 0) {
		app_open_loop(app);
		if (app_wait(app, prepare, &r, e) == 0 && open_sink(&r, e) == 0 && open_input(&r, e) == 0)
			rc = pump(&r, e);
	}
	release(&r);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb ingest main.crm.people people.ndjson", NULL},
	{"gzip -dc orders.csv.gz | sfzb ingest main.crm.orders --format csv", NULL},
	{"sfzb ingest main.crm.people *.ndjson --resume --rejects refused.json", "goes on where it was stopped"},
	{NULL, NULL},
};

const struct command command_ingest = {
	.name = "ingest",
	.summary = "store rows of NDJSON or CSV files in any Delta table",
	.arguments = "CATALOG.SCHEMA.TABLE [FILE...]",
	.description =
	    "Reads JSON objects, one a line, or CSV whose first line names the columns, from files or standard input, and "
	    "stores each as a row through Zerobus ingest. Keys are the table's columns; the table's own types decide how a "
	    "value is read, nested ones included, and a value that its column cannot hold exactly is refused before "
	    "anything is sent: the row is kept aside with the reason, the rest goes on, and the exit status is 6.\n\n"
	    "DATE and TIMESTAMP take text such as 2026-11-01 or 2026-11-01T10:00:00+02:00, or a number (days; see "
	    "--time-unit). BINARY takes base64, DECIMAL a number or text, VARIANT any JSON. In CSV an empty cell is NULL, and a "
	    "cell for an ARRAY, MAP or STRUCT is JSON.\n\n"
	    "It waits until every row is durable. Delivery is at least once: rows that are in flight when a connection "
	    "breaks, or when the program is killed and run again with --resume, are sent again and may then be stored twice.\n\n"
	    "With --streams rows go out on several ingest streams, a batch here, a batch there: each stream keeps the order of "
	    "the files, all together do not. The place that --resume remembers lies behind no row that is not durable.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct ingest_options),
	.outputs = "text|json",
	.needs = NEEDS_PROFILE,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_FILE,
	.run = run,
};

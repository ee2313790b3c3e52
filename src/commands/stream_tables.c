#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "commands/stream.h"
#include "commands/target.h"
#include "databricks/catalog.h"
#include "rpc/channel.h"

#define PLACE "{entity}"

/* Of an event without an entity (a platform event) the topic's own name stands in. */
char *
stream_table_name(const char *pattern, const char *topic, struct text entity)
{
	const char *at = strstr(pattern, PLACE);
	const char *slash = strrchr(topic, '/');
	struct buffer b = BUFFER_INIT;

	if (at == NULL)
		return memory_strdup(pattern);
	if (entity.len == 0 || text_is(entity, "UNKNOWN"))
		entity = text_of(slash != NULL ? slash + 1 : topic);
	while (at != NULL) {
		buffer_append(&b, pattern, (size_t)(at - pattern));
		for (size_t i = 0; i < entity.len; i++)
			buffer_append_byte(&b, (uint8_t)tolower((unsigned char)entity.data[i]));
		pattern = at + strlen(PLACE);
		at = strstr(pattern, PLACE);
	}
	buffer_append_text(&b, pattern);
	return buffer_detach(&b);
}

int
stream_table_check(const char *pattern, struct error *e)
{
	char *name = stream_table_name(pattern, "/data/x", text_of("x"));
	int rc = delta_check_ingest_name(name, e);

	free(name);
	return rc;
}

/* Exists, or is made; fits, or the error names the columns. */
static struct delta_table *
get_fitting(struct stream_tables *t, const char *name, bool *created, struct error *e)
{
	enum layout layout = t->options->layout == 0 ? LAYOUT_CLASSIC : LAYOUT_FULL;
	struct delta_table *table = target_ensure(t->app, name, layout, t->options->create, created, e);
	char lacking[TEXT_COUNT_SIZE], *shell_name;
	struct fit fit;

	if (table == NULL)
		return NULL;
	delta_check(table, layout, &fit);
	if (fit_error(&fit, table, e) != 0) {
		delta_table_free(table);
		table = NULL;
	} else if (fit.lacking > 0) {
		shell_name = delta_shell_name(table->catalog, table->schema, table->name);
		log_info("stream", "table '%s' could hold %s; sfzb create-table %s --check names %s", name,
		    text_count(lacking, (int64_t)fit.lacking, "more column", "more columns"), shell_name,
		    fit.lacking == 1 ? "it" : "them");
		free(shell_name);
	}
	fit_release(&fit);
	return table;
}

/* Tables of the Python project, which sfzb keeps as they are used to, have no column of the full layout. */
static bool
is_classic(const struct delta_table *table)
{
	for (int i = 0; i < EVENT_COLUMN_COUNT; i++)
		if (event_columns[i].layout == LAYOUT_FULL && delta_table_find(table, event_columns[i].name) != NULL)
			return false;
	return true;
}

static enum schema_json_mode
schema_mode(const struct stream_tables *t, const struct delta_table *table)
{
	const char *word = t->options->schema_json;

	if (word == NULL)
		return is_classic(table) ? SCHEMA_JSON_EVERY : SCHEMA_JSON_ONCE;
	return strcmp(word, "every") == 0 ? SCHEMA_JSON_EVERY
	    : strcmp(word, "once") == 0	  ? SCHEMA_JSON_ONCE
					  : SCHEMA_JSON_NEVER;
}

/* Without a warehouse nothing can be looked up: that weakens a promise, so it is said aloud. */
static int
find_warehouse(struct stream_tables *t, struct error *e)
{
	char id[WAREHOUSE_ID_SIZE];
	struct error why = ERROR_INIT;

	if (catalog_pick_warehouse(t->app->databricks, id, &why) == 0) {
		t->has_warehouse = true;
		return 0;
	}
	if (why.code != ERR_NOT_FOUND && why.code != ERR_CONFIG && why.code != ERR_PERMISSION) {
		*e = why;
		return -1;
	}
	log_warn("stream", "no SQL warehouse can be used (%s): events in flight when a connection or a run ends may be "
			   "stored twice",
	    why.text);
	return 0;
}

int
stream_tables_prepare(struct stream_tables *t, struct error *e)
{
	t->by_entity = strstr(t->options->table, PLACE) != NULL;
	databricks_config_release(&t->config);
	if (target_ingest(t->app, &t->config, t->options->tuning.headers_helper != NULL, e) != 0)
		return -1;
	if (!t->by_entity && t->first == NULL) { /* not at the first try */
		t->first = get_fitting(t, t->options->table, &t->first_created, e);
		if (t->first == NULL)
			return -1;
	}
	return find_warehouse(t, e);
}

static int
get_columns(void *context, const char *table, struct delta_table **out, struct error *e)
{
	*out = catalog_get_table(context, table, e);
	return *out != NULL ? 0 : -1;
}

/* Takes the table over, whatever comes of it. */
static struct stream_table *
add_table(struct stream_tables *t, const char *name, struct delta_table *table, bool created, struct error *e)
{
	struct table_sink_options o = {
		.loop = t->app->loop,
		.channel = t->channel,
		.table = table,
		.format = tuning_format(&t->options->tuning),
		.schema_json = schema_mode(t, table),
		.clock = loop_clock(t->app->loop),
		.token = sink_tokens_source(t->tokens),
		.principal = t->config.client_id,
		.visibility_ms = t->options->visibility_ms > 0 ? t->options->visibility_ms : t->config.visibility_ms,
		.open_timeout_ms = t->options->tuning.open_timeout_ms,
		.streams = (size_t)t->options->tuning.streams,
	};
	struct stream_table *item;
	struct sink *sink;

	o.columns = (struct sink_columns_source){.get = get_columns, .context = t->app->databricks};
	if (t->has_warehouse)
		o.lookup = (struct sink_lookup){.find = table_lookup_find, .context = &t->lookup};
	sink = table_sink_new(&o, e);
	if (sink == NULL) {
		delta_table_free(table);
		return NULL;
	}
	t->items = memory_reserve(t->items, &t->capacity, t->count + 1, sizeof(*t->items));
	item = &t->items[t->count++];
	*item = (struct stream_table){memory_strdup(name), sink, table, created};
	return item;
}

int
stream_tables_open(struct stream_tables *t, struct error *e)
{
	struct delta_table *table;

	t->channel = tuning_channel(&t->options->tuning, t->app->loop, &t->config, e);
	if (t->channel == NULL)
		return -1;
	t->tokens = sink_tokens_new(t->app->loop, t->app->databricks, t->options->tuning.headers_helper);
	t->lookup.session = t->app->databricks;
	if (t->by_entity)
		return 0;
	table = t->first;
	t->first = NULL;
	return add_table(t, t->options->table, table, t->first_created, e) != NULL ? 0 : -1;
}

/* A table that is found, made and checked on a thread of its own: the loop must not wait for a warehouse. */
struct table_job {
	struct stream_tables *tables;
	char *name;
	struct delta_table *table;
	struct error error;
	bool created, failed;
};

static struct stream_table *
find_item(struct stream_tables *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->items[i].name, name) == 0)
			return &t->items[i];
	return NULL;
}

static void
job_free(struct table_job *j)
{
	if (j == NULL)
		return;
	delta_table_free(j->table);
	free(j->name);
	free(j);
}

static void
job_work(void *context)
{
	struct table_job *j = context;

	j->table = get_fitting(j->tables, j->name, &j->created, &j->error);
}

/* A failure stays until the event is asked for again. */
static void
job_done(void *context)
{
	struct table_job *j = context;
	struct stream_tables *t = j->tables;
	struct delta_table *table = j->table;

	j->table = NULL;
	j->failed = table == NULL || add_table(t, j->name, table, j->created, &j->error) == NULL;
	if (!j->failed) {
		t->job = NULL;
		job_free(j);
	}
	if (t->pump != NULL)
		pump_routed(t->pump);
}

static bool
is_ready(void *context, const char *topic, struct text entity)
{
	struct stream_tables *t = context;
	char *name = stream_table_name(t->options->table, topic, entity);
	bool ready = t->pump == NULL || find_item(t, name) != NULL;

	if (!ready && t->job != NULL && t->job->failed) {
		ready = strcmp(t->job->name, name) == 0;
		if (!ready) {
			job_free(t->job);
			t->job = NULL;
		}
	}
	if (!ready && t->job == NULL) {
		t->job = memory_zero(1, sizeof(*t->job));
		t->job->tables = t;
		t->job->name = memory_strdup(name);
		if (t->worker == NULL)
			t->worker = worker_new(t->app->loop, "tables");
		worker_submit(t->worker, job_work, job_done, t->job);
	}
	free(name);
	return ready;
}

/* The failure of a job that is_ready has begun. */
static bool
take_failure(struct stream_tables *t, const char *name, struct error *e)
{
	if (t->job == NULL || !t->job->failed || strcmp(t->job->name, name) != 0)
		return false;
	*e = t->job->error;
	job_free(t->job);
	t->job = NULL;
	return true;
}

static int
route(void *context, const char *topic, struct text entity, struct sink **sink, struct error *e)
{
	struct stream_tables *t = context;
	char *name = stream_table_name(t->options->table, topic, entity);
	struct stream_table *item = find_item(t, name);
	struct delta_table *table = NULL;
	bool created = false;

	if (item == NULL && !take_failure(t, name, e) && (table = get_fitting(t, name, &created, e)) != NULL)
		item = add_table(t, name, table, created, e);
	free(name);
	if (item == NULL)
		return -1;
	*sink = item->sink;
	return 0;
}

struct router
stream_tables_router(struct stream_tables *t)
{
	return (struct router){.route = route, .is_ready = t->by_entity ? is_ready : NULL, .by_entity = t->by_entity, .context = t};
}

/* What one column has become; false: nothing. */
static bool
has_changed(const char *table, const struct delta_column *was, const struct delta_column *is)
{
	struct buffer from = BUFFER_INIT, to = BUFFER_INIT;
	bool same = is != NULL && delta_type_equal(&was->type, &is->type) && was->nullable == is->nullable;
	char name[128], a[128], b[128];

	if (same)
		return false;
	text_clean(name, sizeof(name), text_of(was->name));
	if (is == NULL) {
		log_warn("stream", "table '%s' was changed: column '%s' is gone", table, name);
		return true;
	}
	delta_type_write_sql(&from, &was->type);
	delta_type_write_sql(&to, &is->type);
	log_warn("stream", "table '%s' was changed: column '%s' is %s%s now, it was %s%s", table, name,
	    text_clean(b, sizeof(b), buffer_span(&to)), is->nullable ? "" : " NOT NULL",
	    text_clean(a, sizeof(a), buffer_span(&from)), was->nullable ? "" : " NOT NULL");
	buffer_release(&from);
	buffer_release(&to);
	return true;
}

bool
stream_tables_have_changed(const struct stream_tables *t)
{
	bool changed = false;

	for (size_t i = 0; i < t->count; i++) {
		const struct delta_table *was = t->items[i].columns;
		struct error ignored = ERROR_INIT;
		struct delta_table *is = target_find(t->app, t->items[i].name, &ignored);

		for (size_t k = 0; is != NULL && k < was->column_count; k++)
			changed |= has_changed(t->items[i].name, &was->columns[k],
			    delta_table_find(is, was->columns[k].name));
		for (size_t k = 0; is != NULL && k < is->column_count; k++)
			if (delta_table_find(was, is->columns[k].name) == NULL) {
				char name[128];

				log_warn("stream", "table '%s' was changed: column '%s' is new", t->items[i].name,
				    text_clean(name, sizeof(name), text_of(is->columns[k].name)));
				changed = true;
			}
		delta_table_free(is);
	}
	return changed;
}

void
stream_tables_release(struct stream_tables *t)
{
	/* a look-up or a token that is under way is wanted by nobody any more */
	if (t->app->databricks != NULL)
		databricks_session_interrupt(t->app->databricks, true);
	t->pump = NULL;
	worker_free(t->worker);
	job_free(t->job);
	for (size_t i = 0; i < t->count; i++) {
		table_sink_free(t->items[i].sink);
		delta_table_free(t->items[i].columns);
		free(t->items[i].name);
	}
	free(t->items);
	if (t->tokens != NULL)
		sink_tokens_free(t->tokens);
	if (t->channel != NULL)
		channel_free(t->channel);
	delta_table_free(t->first);
	databricks_config_release(&t->config);
}

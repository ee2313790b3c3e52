/*
 * The parts of `sfzb stream`. Private to that command: stream.c (the whole), stream_tables.c (tables and sinks),
 * stream_start.c (where each topic starts, and why), stream_overlap.c (who else brings the same events), stream_report.c (what is told
 * meanwhile and at the end), stream_manual.c (more of the man page).
 */
#ifndef SFZB_COMMANDS_STREAM_H
#define SFZB_COMMANDS_STREAM_H

#include "commands/app.h"
#include "commands/from.h"
#include "commands/pump.h"
#include "commands/subscription.h"
#include "commands/tuning.h"
#include "databricks/sink.h"
#include "databricks/sink_lookup.h"
#include "databricks/sink_tokens.h"
#include "databricks/table_layout.h"
#include "profile/positions.h"
#include "stream/stores.h"

struct stream_options {
	const char *table, *from, *managed, *schema_json, *metrics, *on_gap;
	struct tuning tuning;
	int64_t quiet_for_ms, limit, timeout_ms, watchdog_ms, visibility_ms, stats_interval_ms, max_dead_letters, quota_interval_ms;
	int layout, on_lost;
	int64_t set_aside_before; /* by engines of this run that came before */
	bool *has_stored;	  /* of each topic, whether one of them has stored a position */
	bool until_caught_up, create, strict;
};

/* stream_manual.c: the man page's sections on figures, services and signals. */
void stream_manual(struct buffer *man);

/* One table and its sink. */
struct stream_table {
	char *name;
	struct sink *sink;
	struct delta_table *columns; /* as the sink knows it */
	bool created; /* by this run: there is nothing in it */
};

struct stream_tables {
	struct app *app;
	const struct stream_options *options;
	bool by_entity, has_warehouse;
	struct channel *channel;
	struct table_lookup lookup;
	struct sink_tokens *tokens;
	struct databricks_config config;
	struct stream_table *items;
	size_t count, capacity;
	struct pump *pump; /* to be told when a table is ready; NULL: tables are waited for */
	struct worker *worker; /* of the table being prepared, from the first one on */
	struct table_job *job; /* NULL: none is */
	struct delta_table *first; /* of the one table, when it is not by entity; until stream_tables_open */
	bool first_created;
};

/* Blocking parts, for a worker: the table exists and fits (unless by entity), the endpoint and the warehouse are known. */
int stream_tables_prepare(struct stream_tables *t, struct error *e);
/* On the loop's thread: channel, look-ups, the first sink. */
int stream_tables_open(struct stream_tables *t, struct error *e);
struct router stream_tables_router(struct stream_tables *t);
/*
 * After a run that ended because rows do not fit: whether a table is no longer as its sink knows it, so that another run may
 * well fit. Says what has changed. Blocking.
 */
bool stream_tables_have_changed(const struct stream_tables *t);
void stream_tables_release(struct stream_tables *t);
/* "main.crm.{entity}" → the table of an entity, or of a topic whose events have none; to be freed. */
char *stream_table_name(const char *pattern, const char *topic, struct text entity);
/* Of what --table may be. */
int stream_table_check(const char *pattern, struct error *e);
/* The one table that holds a topic's events, to be freed; NULL: there is one for each object of a channel. */
char *stream_table_of(const char *pattern, const char *topic);

/* What a start stands on: its end filled by stream_start_ask (blocking, for a worker), used by stream_start_choose. */
struct stream_start {
	int stored; /* as positions_find: 0 found, 1 none */
	struct position position;
	enum table_position in_table;
	struct replay_id newest;
	bool asked;		  /* the table was */
	struct error not_asked; /* why it could not be */
};
/* Asks the table of a topic for how far it got; s->not_asked says why it could not. Blocking. */
void stream_start_ask(struct stream_start *s, const struct stream_tables *t, const char *topic);
/* Sets sub->start and says at which place and why. */
int stream_start_choose(struct stream_start *s, const struct stream_tables *t, const struct from *from,
    struct subscription *sub, struct error *e);

/* Sets source->shared where another topic of this run, or a run before it, may have brought the same events to the table. */
int stream_find_overlaps(struct subscriptions *topics, const char *table, struct positions *positions, struct error *e);
/*
 * Looks for other processes of this profile, with all of this one's locks held: ERR_CONFIG when one streams the same topic to
 * the same table; says so when a topic may hold the same events.
 */
int stream_check_rivals(const struct subscriptions *topics, const char *table, const char *org_id, const char *directory,
    struct error *e);

/* The newest reports: on a terminal they come so often that a slow stream's rate would jump between them. */
#define STREAM_REPORT_PAST 10
struct stream_report {
	bool on_terminal;
	int64_t interval_ms;
	struct {
		int64_t ms, stored;
	} past[STREAM_REPORT_PAST]; /* a ring; elsewhere one */
	size_t count;
};
void stream_report_init(struct stream_report *r, int64_t interval_ms);
/* For pump_setup: the status line, or a line every interval. */
void stream_report_progress(void *stream_report, const struct engine_statistics *s);
/* The last word; on standard output with -o json. */
int stream_report_end(const struct app *app, const struct engine_statistics *s, const struct gaps *gaps,
    int64_t elapsed_ms, struct error *e);

#endif

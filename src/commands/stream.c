/*
 * sfzb stream - the main job: change events from Salesforce into a Delta table, none lost, none twice.
 *
 * Joins a Pub/Sub source a topic and a Zerobus sink a table through the engine (stream/engine.h), which makes the
 * promises. Checks everything that can be checked before the first event: topics, table, fit, endpoint.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "commands/list.h"
#include "commands/managed.h"
#include "commands/observe.h"
#include "commands/quota.h"
#include "commands/replay.h"
#include "commands/stream.h"

#define GAPS_WAIT_MS 30000 /* at the end, for commands of --on-gap */
#define FROM_WORDS "auto|earliest|latest|stored"

static const struct option options[] = {
	OPTION_STRING('t', "table", struct stream_options, table, "<catalog.schema.table>", NULL,
	    "table to store to; {entity} in it makes one table for each object", .environment = "SFZB_TABLE"),
	OPTION_STRING(0, "from", struct stream_options, from, FROM_ARGUMENT, "auto",
	    "where to begin: auto (where it stopped; else where the table ends; else earliest), earliest, latest, stored, "
	    "behind a replay id, or at a time such as 2h or 2026-11-01T10:00Z",
	    .choices = FROM_WORDS, .complete = COMPLETE_SUGGEST),
	OPTION_STRING(0, "managed", struct stream_options, managed, "<name>", NULL,
	    "a managed subscription, whose place the server keeps, and which has a topic of its own; it is committed behind what is stored"),
	OPTION_FLAG(0, "until-caught-up", struct stream_options, until_caught_up,
	    "stop when there is nothing more to deliver and all is stored; where events never cease for as long as --quiet-for, "
	    "--timeout ends it"),
	OPTION_DURATION(0, "quiet-for", struct stream_options, quiet_for_ms, "<time>", TUNING_TEXT(ENGINE_QUIET_FOR_S) "s",
	    "how long nothing must come to count as caught up, where the server does not say so"),
	OPTION_INTEGER('n', "limit", struct stream_options, limit, "<events>", "0",
	    "stop after so many events (0: never)", .max = INT64_MAX),
	OPTION_DURATION(0, "timeout", struct stream_options, timeout_ms, "<time>", "0",
	    "stop after so long, with exit status 7 when -n is not met or it had not caught up (0: never)"),
	OPTION_CHOICE(0, "layout", struct stream_options, layout, "classic|full", "full",
	    "columns of a table that is made"),
	OPTION_FLAG(0, "create", struct stream_options, create, "fail when the table is missing, do not make it",
	    .default_text = "yes"),
	OPTION_STRING(0, "schema-json", struct stream_options, schema_json, "<when>", NULL,
	    "which rows get the schema: every (default for a classic table), once (the first of each on each ingest "
	    "stream; default otherwise), never",
	    .choices = "every|once|never", .complete = COMPLETE_WORDS),
	OPTION_CHOICE(0, "on-lost-position", struct stream_options, on_lost, "fail|earliest|latest", "fail",
	    "what to do when the server no longer has the events behind the position"),
	TUNING_OPTIONS(struct stream_options),
	OPTION_DURATION(0, "watchdog", struct stream_options, watchdog_ms, "<time>", "5m",
	    "give up a subscription that has been silent for so long", .min = 1000),
	OPTION_DURATION(0, "visibility-wait", struct stream_options, visibility_ms, "<time>", NULL,
	    "how long after its acknowledgement a row may be missing from a query (default: what the profile says, or "
	    "30s)", .min = 1),
	OPTION_DURATION(0, "stats-interval", struct stream_options, stats_interval_ms, "<time>", "60s",
	    "print a summary line so often, where there is no terminal", .min = 100),
	OPTION_STRING(0, "on-gap", struct stream_options, on_gap, "<action>", "warn",
	    "what to do when an event stands for a change without its data, which is stored as a row in any case: warn, "
	    "fail (end the run, with exit status 1), or command:CMD (run it by the shell, with SFZB_GAP_... set)"),
	OPTION_FLAG(0, "strict", struct stream_options, strict,
	    "end with exit status 6 when any event was set aside"),
	OPTION_INTEGER(0, "max-dead-letters", struct stream_options, max_dead_letters, "<events>", TUNING_TEXT(ENGINE_MAX_DEAD_LETTERS),
	    "stop, with exit status 6, when more than so many events of this run were set aside (-1: never)",
	    .min = -1, .max = INT64_MAX),
	OPTION_STRING(0, "metrics", struct stream_options, metrics, "<[address:]port>", NULL,
	    "serve figures for Prometheus at /metrics, and /healthz and /readyz; a port alone is on the loopback address",
	    .environment = "SFZB_METRICS"),
	OPTION_QUOTA(struct stream_options),
	OPTION_END,
};

struct run {
	struct app *app;
	const struct stream_options *o;
	struct from from;
	struct subscriptions topics;
	struct stream_start *starts; /* one a topic */
	struct stream_tables tables;
	struct positions *positions;
	struct position_lock **locks;
	struct stores stores;
	struct recent_memory recent;
	struct managed_store commits;
	struct pump *pump;
	struct observer *observer;
	struct quota *quota;
	struct gaps *gaps;
	struct patience patience;
};

static struct position_key
key_of(const struct run *r, size_t i)
{
	return (struct position_key){
		.org_id = salesforce_session_org_id(r->app->salesforce),
		.topic = r->topics.items[i].topic,
		.table = r->o->table,
	};
}

/* --from is for the first engine of a run, and for topics of which none has stored a position: an older one does not count. */
static const struct from *
from_of(const struct run *r, size_t i)
{
	static const struct from stored = {.kind = FROM_AUTO};

	return r->o->has_stored[i] && r->starts[i].stored == 0 ? &stored : &r->from;
}

struct other_org {
	const struct position_key *key;
	char org[32];
};

static bool
take_other_org(void *context, const struct position_key *key, const struct position *position)
{
	struct other_org *o = context;

	(void)position;
	if (strcmp(key->topic, o->key->topic) == 0 && strcmp(key->table, o->key->table) == 0 &&
	    strncmp(key->org_id, o->key->org_id, 15) != 0)
		snprintf(o->org, sizeof(o->org), "%s", key->org_id);
	return true;
}

/* A sandbox that was refreshed is another organisation: its replay ids mean other events. Only --from can say what to do. */
static int
refuse_other_org(struct run *r, const struct position_key *key, struct error *e)
{
	struct other_org o = {.key = key};

	if (r->from.kind != FROM_AUTO && r->from.kind != FROM_STORED)
		return 0;
	if (positions_list(r->positions, take_other_org, &o, e) != 0)
		return -1;
	if (o.org[0] == '\0')
		return 0;
	error_set(e, ERR_POSITION, "the position of '%s' to '%s' is of organisation %s, and this login is of %s", key->topic,
	    key->table, o.org, key->org_id);
	return error_hint(e, "was the sandbox refreshed? Its events are new ones: say where to begin, as with --from earliest");
}

/* A position that was put back from a copy: what lies behind it may be in the table, and it does not say so. */
static void
check_age(struct position *p, const struct position_lock *lock, const char *topic)
{
	char here[CLOCK_TIME_SIZE], last[CLOCK_TIME_SIZE];

	if (p->in_flight == POSITION_ALL_IN_FLIGHT)
		return;
	if (positions_lock_noted_ms(lock) > p->stored_ms)
		log_warn("stream", "the position of '%s' is of %s, and the last one was stored at %s: was replay.db put back from a "
				   "copy? What came since is looked up", topic, clock_format_time(here, p->stored_ms),
		    clock_format_time(last, positions_lock_noted_ms(lock)));
	else if (positions_lock_is_copy(lock))
		log_info("stream", "the profile is a copy: what was stored of '%s' since it was made is looked up", topic);
	else if (positions_lock_noted_ms(lock) == 0)
		log_info("stream", "nothing here says that the position of '%s' was the last one, as where replay.db alone was put "
				   "back: what may have been stored since is looked up", topic);
	else
		return;
	p->in_flight = POSITION_ALL_IN_FLIGHT;
}

/* Two runs never share a position: locks come before anything is read. */
static int
open_positions(struct run *r, struct error *e)
{
	struct profile *profile = r->app->profile;
	bool was_damaged;

	if (profile_make_directory(profile, NULL, e) != 0)
		return -1;
	for (size_t i = 0; i < r->topics.count; i++) {
		struct position_key key = key_of(r, i);

		r->locks[i] = positions_lock(profile_directory(profile), &key, e);
		if (r->locks[i] == NULL)
			return -1;
	}
	if (stream_check_rivals(&r->topics, r->o->table, salesforce_session_org_id(r->app->salesforce),
		profile_directory(profile), e) != 0)
		return -1;
	r->positions = positions_open(profile_path(profile, REPLAY_DATABASE), &was_damaged, e);
	if (r->positions == NULL)
		return -1;
	for (size_t i = 0; i < r->topics.count; i++) {
		struct position_key key = key_of(r, i);

		r->starts[i].stored = positions_find(r->positions, &key, &r->starts[i].position, e);
		if (r->starts[i].stored < 0 || (r->starts[i].stored > 0 && refuse_other_org(r, &key, e) != 0))
			return -1;
		if (r->starts[i].stored == 0)
			check_age(&r->starts[i].position, r->locks[i], key.topic);
	}
	return 0;
}

/* On the worker: the table, and where it ends for those topics whose position is not stored. */
static int
prepare(void *context, struct error *e)
{
	struct run *r = context;

	quota_first(r->quota, NULL);
	if (stream_tables_prepare(&r->tables, e) != 0)
		return -1;
	for (size_t i = 0; i < r->topics.count; i++)
		if (from_of(r, i)->kind == FROM_AUTO && r->starts[i].stored != 0 && !r->starts[i].asked) {
			stream_start_ask(&r->starts[i], &r->tables, r->topics.items[i].topic);
			if (!r->starts[i].asked && r->tables.has_warehouse) {
				*e = r->starts[i].not_asked;
				return error_wrap(e, "cannot ask the table where '%s' stands", r->topics.items[i].topic);
			}
		}
	return 0;
}

static int
open_all(struct run *r, struct error *e)
{
	if (patient_open_salesforce(&r->patience, r->app, e) != 0 || app_open_databricks(r->app, e) != 0 ||
	    app_open_pubsub(r->app, e) != 0 || open_positions(r, e) != 0)
		return -1;
	observer_start(r->observer);
	for (size_t i = 0; i < r->topics.count; i++)
		if (patient_need_topic(&r->patience, r->app, r->topics.items[i].topic, false, NULL, e) != 0)
			return -1;
	if (patient_do(&r->patience, r->app, prepare, r, e) != 0)
		return -1;
	terminal_set_status(NULL);
	for (size_t i = 0; i < r->topics.count; i++) {
		if (stream_start_choose(&r->starts[i], &r->tables, from_of(r, i), &r->topics.items[i], e) != 0)
			return -1;
		/* what the server delivers once more, from its last commit on, is looked for in the table */
		if (r->o->managed != NULL && r->topics.items[i].from.kind == POSITION_AFTER)
			r->topics.items[i].from.in_flight = POSITION_ALL_IN_FLIGHT;
		subscription_open(&r->topics.items[i], r->app, from_of(r, i), r->o->watchdog_ms);
	}
	return stream_find_overlaps(&r->topics, r->o->table, r->positions, e) == 0 ? stream_tables_open(&r->tables, e) : -1;
}

/*
 * Events before the stored positions, which the bus may publish once more. Who goes elsewhere, or lets the server
 * say where, wants to see all events from there on anew; the table tells what it has.
 */
static int
recall(struct run *r, struct error *e)
{
	const char **topics = memory_zero(r->topics.count, sizeof(*topics));
	bool *goes_on = memory_zero(r->topics.count, sizeof(*goes_on));
	int rc;

	for (size_t i = 0; i < r->topics.count; i++) {
		topics[i] = r->topics.items[i].topic;
		goes_on[i] = r->o->managed == NULL && r->starts[i].stored == 0 &&
		    (from_of(r, i)->kind == FROM_AUTO || from_of(r, i)->kind == FROM_STORED);
	}
	rc = stores_recall(&r->stores, topics, goes_on, r->topics.count, &r->recent, e);
	free(goes_on);
	free(topics);
	return rc;
}

static int
setup(struct run *r, struct stream_report *report, struct pump_setup *out, struct error *e)
{
	const struct stream_options *o = r->o;

	r->commits = (struct managed_store){.under = stores_positions(&r->stores), .subscription = r->topics.items};
	*out = (struct pump_setup){
		.positions = o->managed != NULL ? managed_positions(&r->commits) : r->commits.under,
		.letters = stores_letters(&r->stores),
		.recent = &r->recent,
		.router = stream_tables_router(&r->tables),
		.report = stream_report_progress,
		.report_context = report,
		.report_interval_ms = report->interval_ms,
		.timeout_ms = patience_left_ms(&r->patience),
		.hang_up = isatty(STDIN_FILENO) || isatty(STDERR_FILENO) ? NULL : observer_reload,
		.hang_up_context = r->observer,
		.gaps = r->gaps,
	};

	engine_options_init(&out->options);
	out->options.on_lost_position = (enum on_lost_position)o->on_lost;
	out->options.until_caught_up = o->until_caught_up;
	out->options.quiet_for_ms = o->quiet_for_ms;
	out->options.max_events = o->limit;
	out->options.max_dead_letters =
	    o->max_dead_letters > o->set_aside_before ? o->max_dead_letters - o->set_aside_before
	    : o->max_dead_letters >= 0		      ? 0
						      : -1;
	return tuning_apply(&o->tuning, &out->options, e);
}

static int
pump(struct run *r, struct error *e)
{
	struct engine_statistics s;
	char count[TEXT_COUNT_SIZE];
	struct stream_report report;
	struct pump_setup pump_setup;
	int rc;

	r->stores = (struct stores){
		.positions = r->positions,
		.profile = r->app->profile,
		.clock = loop_clock(r->app->loop),
		.org_id = salesforce_session_org_id(r->app->salesforce),
		.table = r->o->table,
		.locks = r->locks,
		.lock_count = r->topics.count,
	};
	r->gaps = gaps_new(r->app->loop, r->o->on_gap);
	stream_report_init(&report, r->o->stats_interval_ms);
	if (recall(r, e) != 0 || setup(r, &report, &pump_setup, e) != 0)
		return -1;
	r->pump = pump_new(r->app, &pump_setup);
	r->tables.pump = r->pump;
	observer_watch(r->observer, r->pump);
	quota_start(r->quota);
	for (size_t i = 0; i < r->topics.count; i++)
		pump_add(r->pump, r->topics.items[i].source, r->topics.items[i].start);
	rc = pump_run(r->pump, e);
	observer_watch(r->observer, NULL);
	pump_statistics(r->pump, &s);
	gaps_finish(r->gaps, rc != 0 && (e->code == ERR_INTERRUPTED || e->code == ERR_TERMINATED) ? 0 : GAPS_WAIT_MS);
	if (rc != 0 && e->code == ERR_TIMEOUT && r->o->limit == 0 && !r->o->until_caught_up) {
		error_clear(e); /* a time limit alone is an end like every other */
		rc = 0;
	}
	if (stream_report_end(r->app, &s, r->gaps, pump_elapsed_ms(r->pump), e) != 0)
		rc = -1;
	s.set_aside += r->o->set_aside_before;
	if (rc == 0 && r->o->strict && s.set_aside > 0) {
		rc = error_set(e, ERR_REFUSED, "%s set aside", text_count(count, s.set_aside, "event was", "events were"));
		error_hint(e, "'sfzb dead-letters' lists them, with the reasons; '--strict' makes this an error");
	}
	return rc;
}

/*
 * A table that was changed under the run: what is left of the limits is for another run, which goes on at the stored
 * position with rows for the new columns. false: there is no reason to go on.
 */
static bool
can_go_on(const struct run *r, struct error *why, struct stream_options *left)
{
	struct engine_statistics s;
	int signal;

	if (r->pump == NULL || why->code != ERR_MISFIT || !stream_tables_have_changed(&r->tables))
		return false;
	signal = pump_signal(r->pump);
	if (signal != 0) {
		error_set(why, app_signal_code(signal), "the table was changed before all events in flight were stored");
		error_hint(why, "nothing is lost: the next run goes on with them");
		return false;
	}
	pump_statistics(r->pump, &s);
	if ((left->limit > 0 && (left->limit -= s.stored + s.already_stored + s.repeated + s.set_aside) <= 0) ||
	    (left->timeout_ms > 0 && (left->timeout_ms = patience_left_ms(&r->patience)) < 0))
		return false;
	left->set_aside_before += s.set_aside;
	for (size_t i = 0; i < r->topics.count; i++)
		left->has_stored[i] |= positions_lock_is_noted(r->locks[i]);
	r->app->has_begun = false;
	log_info("stream", "going on with the table's new columns");
	return true;
}

static int
name_topics(struct run *r, int argc, char **argv, struct error *e)
{
	if (r->o->managed == NULL)
		return subscriptions_init(&r->topics, argc, argv, e);
	if (argc > 1)
		return error_set(e, ERR_USAGE, "several topics are given with --managed, which has one of its own");
	if (r->from.kind != FROM_AUTO)
		return error_set(e, ERR_USAGE, "--from is given with --managed, which goes on where it was committed");
	return managed_subscriptions_init(&r->topics, r->app, &r->patience,
	    &(struct managed_options){.name = r->o->managed,
		.topic = argc > 0 ? argv[0] : NULL,
		.new_only_when_lost = (enum on_lost_position)r->o->on_lost == ON_LOST_LATEST},
	    e);
}

/* One engine's run; *left is what another one may still do, *again whether there is to be one. */
static int
run_once(struct app *app, struct observer *observer, struct quota *quota, const struct from *from, struct stream_options *left, bool *again,
    int argc, char **argv, struct error *e)
{
	struct stream_options o = *left;
	struct run r = {.app = app, .o = &o, .from = *from, .observer = observer, .quota = quota,
		.tables = {.app = app, .options = &o}};
	struct engine_options tuned;
	int rc = -1, count = argc > 0 ? argc : 1;

	*again = false;
	tuning_apply(&o.tuning, &tuned, e); /* checked before */
	patience_init(&r.patience, "stream", o.tuning.recovery ? o.tuning.max_retries : 0);
	r.patience.first_ms = tuned.backoff_first_ms;
	r.patience.last_ms = tuned.backoff_last_ms;
	if (o.timeout_ms > 0)
		r.patience.until_ms = clock_monotonic_ms(&clock_system) + o.timeout_ms;
	r.starts = memory_zero((size_t)count, sizeof(*r.starts));
	r.locks = memory_zero((size_t)count, sizeof(*r.locks));
	if (name_topics(&r, argc, argv, e) == 0 && open_all(&r, e) == 0)
		rc = pump(&r, e);
	terminal_set_status(NULL);
	*again = rc != 0 && can_go_on(&r, e, left);
	pump_free(r.pump);
	stores_recall_release(&r.recent);
	gaps_free(r.gaps);
	subscriptions_release(&r.topics);
	stream_tables_release(&r.tables);
	stores_release(&r.stores);
	positions_free(r.positions);
	for (int i = 0; i < count; i++)
		positions_unlock(r.locks[i]);
	free(r.locks);
	free(r.starts);
	if (*again)
		databricks_session_interrupt(app->databricks, false);
	return rc;
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	struct stream_options left = *(const struct stream_options *)given;
	struct engine_options unused;
	struct from from;
	struct observer *observer;
	struct quota *quota;
	enum gap_action on_gap;
	const char *command;
	bool again;
	int rc;

	if (left.table == NULL) {
		error_set(e, ERR_USAGE, "option '--table' is missing");
		return error_hint(e, "say where to: --table <catalog.schema.table>");
	}
	if (stream_table_check(left.table, e) != 0)
		return error_wrap(e, "option '--table'");
	if (gaps_parse(left.on_gap, &on_gap, &command, e) != 0)
		return error_wrap(e, "option '--on-gap'");
	if (from_parse(&from, FROM_WORDS, left.from, e) != 0 || from_check_past(&from, e) != 0)
		return error_wrap(e, "option '--from'");
	if (tuning_apply(&left.tuning, &unused, e) != 0)
		return -1;
	quota = quota_new(app, left.quota_interval_ms);
	observer = observer_new(app, left.metrics, quota, e);
	if (observer == NULL) {
		quota_free(quota);
		return -1;
	}
	left.has_stored = memory_zero(argc > 0 ? (size_t)argc : 1, sizeof(*left.has_stored));
	rc = run_once(app, observer, quota, &from, &left, &again, argc, argv, e);
	while (again) {
		error_clear(e);
		rc = run_once(app, observer, quota, &from, &left, &again, argc, argv, e);
	}
	free(left.has_stored);
	observer_free(observer);
	quota_free(quota);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb stream Account --table main.crm.account", "until it is told to stop"},
	{"sfzb stream ChangeEvents --table 'main.crm.{entity}'", "every object, a table each"},
	{"sfzb stream Account --table main.crm.account --until-caught-up --timeout 2h", "in a nightly job"},
	{NULL, NULL},
};

const struct command command_stream = {
	.name = "stream",
	.summary = "store events in a Delta table: none lost, none twice",
	.arguments = "TOPIC...|--managed <name> --table <table>",
	.description =
	    "Subscribes to the topics, decodes their events and stores them through Zerobus ingest. A position is stored only "
	    "when every event up to it is durable, so the process may be stopped, killed or cut off at any moment: the next "
	    "run goes on. What may have been in flight then is looked up in the table before it is sent again; "
	    "without a SQL warehouse that is not possible, and such events may be stored twice.\n\n"
	    "A table that is missing is made. Where it starts, and why, is said at the beginning. Events that cannot be "
	    "decoded or stored are set aside in the profile with their bytes and the reason; the rest goes on.\n\n"
	    "Disconnects, outages and quotas are retried for ever. The first SIGINT or SIGTERM stops taking events and waits "
	    "until what is in flight is stored; the second ends at once.\n\n"
	    "One ingest stream to a table takes some 100 MB a second, and rows lie in the table in the order of their topic. "
	    "With --streams more than one is used: the changes of a record still lie in their order, and those of different "
	    "records need not. An event of several records waits for what is under way of all of them. Platform events, "
	    "which name no record, are spread by their ids, without any order. The newest row of a table that was written so does "
	    "not tell that all before it are there: where the stored positions may be lost (a container without a volume), keep "
	    "the option for as long as such rows are the newest, or start with --from earliest.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct stream_options),
	.outputs = "text|json",
	.needs = NEEDS_PROFILE,
	.max_operands = -1,
	.operand = COMPLETE_TOPIC,
	.manual = stream_manual,
	.goes_on = true,
	.run = run,
};

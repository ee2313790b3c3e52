/*
 * sfzb tail - decoded events, live, on standard output.
 *
 * The engine of `stream` with standard output in the table's place: the same patience with servers, the same idea of
 * caught up. Stores no position, so it takes nothing from a stream that runs beside it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/output.h"
#include "commands/event_format.h"
#include "commands/event_print.h"
#include "commands/list.h"
#include "commands/patience.h"
#include "commands/quota.h"
#include "commands/tail.h"

#define FROM_WORDS "earliest|latest|stored"
#define READY_MS 100

static const struct option options[] = {
	OPTION_STRING(0, "from", struct tail_options, from, FROM_ARGUMENT, "latest",
	    "where to begin: earliest (of the 72 hours kept), latest, stored (where a stream stands), behind a replay id, "
	    "or at a time such as 2h or 2026-11-01T10:00Z", .choices = FROM_WORDS, .complete = COMPLETE_SUGGEST),
	OPTION_STRING(0, "table", struct tail_options, table, "<catalog.schema.table>", NULL,
	    "whose stored position --from stored means, where there are several"),
	OPTION_INTEGER('n', "limit", struct tail_options, limit, "<events>", "0",
	    "stop after so many events (0: never)", .min = 0, .max = INT64_MAX),
	OPTION_DURATION(0, "timeout", struct tail_options, timeout_ms, "<time>", "0",
	    "give up after so long, with exit status 7 when -n is not met or it had not caught up (0: never)"),
	OPTION_FLAG(0, "until-caught-up", struct tail_options, until_caught_up,
	    "stop when there is nothing more to deliver"),
	OPTION_DURATION(0, "quiet-for", struct tail_options, quiet_for_ms, "<time>", "10s",
	    "how long nothing must come to count as caught up, where the server does not say so"),
	OPTION_STRING(0, "managed", struct tail_options, managed, "<name>", NULL,
	    "a managed subscription, whose place the server keeps, and which has a topic of its own; what has been printed is committed"),
	OPTION_STRING('e', "entity", struct tail_options, entity, "<names>", NULL,
	    "only events of these objects, Account,Invoice__c"),
	OPTION_STRING('c', "change-type", struct tail_options, change_type, "<types>", NULL,
	    "only these changes: CREATE, UPDATE, DELETE, UNDELETE, GAP (of all kinds) or GAP_CREATE …",
	    .choices = "CREATE|UPDATE|DELETE|UNDELETE|GAP", .complete = COMPLETE_SUGGEST),
	OPTION_STRING(0, "filter", struct tail_options, filter, "<jq>", NULL,
	    "only events for which this jq expression, put to their JSON, gives neither false nor null; integers beyond 2^53 "
	    "are not exact in it"),
	OPTION_FLAG(0, "changes", struct tail_options, changes,
	    "only the fields that changed, not the whole record (JSON)"),
	OPTION_FLAG(0, "explode", struct tail_options, explode,
	    "a line for each record id of an event that has several"),
	OPTION_STRING(0, "transform", struct tail_options, transform, "<jq>", NULL,
	    "print what this jq expression makes of each event's JSON; integers beyond 2^53 lose digits in it"),
	OPTION_STRING(0, "format", struct tail_options, format, "<text>", NULL,
	    "print each event so: " EVENT_FORMAT_VERBS),
	OPTION_FLAG(0, "raw", struct tail_options, raw,
	    "print events as they came from the wire, payloads in base64, each schema once: for 'sfzb publish --raw', the "
	    "emulator and bug reports"),
	OPTION_CHOICE(0, "on-lost-position", struct tail_options, on_lost, "fail|earliest|latest", "fail",
	    "what to do when the server no longer has the place to begin at"),
	OPTION_INTEGER(0, "max-retries", struct tail_options, max_retries, "<count>", "-1",
	    "give up after so many failures in a row (-1: never)", .min = -1, .max = INT64_MAX),
	OPTION_QUOTA(struct tail_options),
	OPTION_END,
};

/* ---- what is shown */

static bool
passes(void *context, const struct event *event)
{
	struct tail *t = context;
	struct error why = ERROR_INIT;
	bool wanted = true;

	if (!sift_has_entity(t->options->entity, event) || !sift_has_change(t->options->change_type, event))
		return false;
	if (t->filter == NULL)
		return true;
	buffer_clear(&t->scratch);
	event_print_json(&t->scratch, event, t->options->changes);
	if (filter_test(t->filter, buffer_span(&t->scratch), &wanted, &why) != 0) {
		log_warn("tail", "--filter fails for event '" TEXT_FORMAT "': %s", TEXT_ARGS(event->id), why.text);
		t->misfits++;
	}
	return wanted;
}

static int
print(void *context, const struct event *event, struct buffer *out, struct error *e)
{
	return tail_print(context, event, out, e);
}

static void
stop(void *context, const struct error *why)
{
	struct tail *t = context;

	pump_stop(t->pump, why);
}

static int
route(void *context, const char *topic, struct text entity, struct sink **sink, struct error *e)
{
	struct tail *t = context;

	(void)topic;
	(void)entity;
	(void)e;
	*sink = print_sink_sink(t->sink);
	return 0;
}

/* Nothing is stored: what a tail has shown is nobody's position. */
static int
store_no_position(void *context, const struct position_update *updates, size_t count, struct error *e)
{
	(void)context;
	(void)updates;
	(void)count;
	(void)e;
	return 0;
}

/* An event that cannot be decoded, or not be printed as asked for, is shown as it came where the form has room for that. */
static int
show_letters(void *context, const struct dead_letter *letters, size_t count, struct error *e)
{
	struct tail *t = context;
	struct buffer out = BUFFER_INIT;
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		struct event event = {
			.topic = letters[i].topic,
			.replay_id = letters[i].replay_id,
			.id = letters[i].event_id,
			.schema_id = letters[i].schema_id,
			.payload = letters[i].payload,
			.org_id = text_of(salesforce_session_org_id(t->app->salesforce)),
		};
		struct error why = ERROR_INIT;

		t->misfits++;
		error_set(&why, letters[i].code, TEXT_FORMAT, TEXT_ARGS(letters[i].reason));
		log_message(t->misfits <= 10 || t->misfits % 1000 == 0 ? LOG_WARN : LOG_DEBUG, "tail",
		    "an event of '" TEXT_FORMAT "' cannot be shown: %s", TEXT_ARGS(letters[i].topic), why.text);
		buffer_clear(&out);
		tail_print_undecodable(t, &event, &why, &out);
		if (output_write(buffer_span(&out), e) != 0 || output_flush(e) != 0)
			rc = -1;
	}
	buffer_release(&out);
	return rc;
}

/* The tip of a topic may be set seconds after its subscription: only then is the word of it true. */
static void
say_ready(void *context, const struct engine_statistics *s)
{
	struct tail *t = context;

	if (t->said_ready || s->stopping || s->sources_open < s->sources)
		return;
	t->said_ready = true;
	log_info("tail", "ready: what is published from now on is shown");
}

static struct pump_setup
setup(struct tail *t, const struct patience *patience)
{
	struct pump_setup s = {
		.positions = t->options->managed != NULL ? managed_positions(&t->commits) : t->commits.under,
		.letters = {.store = show_letters, .context = t, .tells = true},
		.router = {.route = route, .context = t},
		.report = say_ready,
		.report_context = t,
		.report_interval_ms = READY_MS,
		.timeout_ms = patience_left_ms(patience),
		.done = "shown",
	};

	engine_options_init(&s.options);
	s.options.apart = true; /* whoever names two topics wants to see both */
	s.options.max_events = t->options->limit;
	s.options.until_caught_up = t->options->until_caught_up;
	s.options.quiet_for_ms = t->options->quiet_for_ms;
	s.options.max_retries = t->options->max_retries;
	s.options.on_lost_position = (enum on_lost_position)t->options->on_lost;
	s.options.drain_timeout_ms = 1000;
	s.options.left_hint = t->options->managed != NULL ? "what is not committed is sent again" : "";
	return s;
}

/* A timeout ends a tail that still waits for something; without -n and --until-caught-up it is an end like every other. */
static int
judge(const struct tail *t, int rc, struct error *e)
{
	struct engine_statistics s;
	char count[TEXT_COUNT_SIZE];

	if (rc != 0 && e->code == ERR_TIMEOUT && t->options->limit == 0 && !t->options->until_caught_up) {
		error_clear(e);
		rc = 0;
	}
	if (rc == 0 && t->misfits > 0)
		return error_set(e, ERR_REFUSED, "%s could not be shown as asked for",
		    text_count(count, t->misfits, "event", "events"));
	if (rc == 0 || e->code != ERR_TIMEOUT || t->options->limit == 0)
		return rc;
	pump_statistics(t->pump, &s);
	return error_set(e, ERR_TIMEOUT, "%lld of %s came before --timeout was over", (long long)s.received,
	    text_count(count, t->options->limit, "event", "events"));
}

static int
prepare(struct tail *t, struct from *from, struct error *e)
{
	const struct tail_options *o = t->options;

	if (from_parse(from, FROM_WORDS, o->from, e) != 0)
		return error_wrap(e, "option '--from'");
	if (from->kind == FROM_TIME && from->time_ms > clock_wall_ms(&clock_system))
		log_info("tail", "'%s' lies ahead: what is committed from then on is shown", o->from);
	if (o->table != NULL && from->kind != FROM_STORED)
		return error_set(e, ERR_USAGE, "option '--table' goes with '--from stored' only");
	if (sift_check_changes(o->change_type, e) != 0)
		return error_wrap(e, "option '--change-type'");
	if (o->filter != NULL && (t->filter = filter_new(o->filter, e)) == NULL)
		return error_wrap(e, "option '--filter'");
	if (o->transform != NULL && (t->transform = filter_new(o->transform, e)) == NULL)
		return error_wrap(e, "option '--transform'");
	return tail_choose_form(t, e);
}

static int
name_topics(struct tail *t, const struct from *from, struct patience *p, int argc, char **argv, struct error *e)
{
	if (t->options->managed == NULL)
		return subscriptions_init(&t->topics, argc, argv, e);
	if (argc > 1)
		return error_set(e, ERR_USAGE, "several topics are given with --managed, which has one of its own");
	if (from->kind != FROM_LATEST)
		return error_set(e, ERR_USAGE, "--from is given with --managed, which goes on where it was committed");
	return managed_subscriptions_init(&t->topics, t->app, p,
	    &(struct managed_options){.name = t->options->managed,
		.topic = argc > 0 ? argv[0] : NULL,
		.new_only_when_lost = (enum on_lost_position)t->options->on_lost == ON_LOST_LATEST},
	    e);
}

static void
add_sources(struct tail *t)
{
	const struct tail_options *o = t->options;
	bool sifts = o->entity != NULL || o->change_type != NULL || o->filter != NULL;

	t->sifts = memory_zero(t->topics.count, sizeof(*t->sifts));
	for (size_t i = 0; i < t->topics.count; i++) {
		struct subscription *s = &t->topics.items[i];
		struct source *source = s->source;

		if (sifts) {
			sift_source_init(&t->sifts[i], source, passes, t);
			source = &t->sifts[i].source;
		}
		pump_add(t->pump, source, s->start);
	}
}

static void
release(struct tail *t)
{
	quota_free(t->quota);
	pump_free(t->pump);
	subscriptions_release(&t->topics);
	print_sink_free(t->sink);
	free(t->sifts);
	filter_free(t->filter);
	filter_free(t->transform);
	raw_schemas_release(&t->schemas);
	free(t->avro.schema_id);
	buffer_release(&t->scratch);
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	struct tail t = {.app = app, .options = given, .columns = output_columns()};
	struct print_sink_options sink = {.print = print, .stop = stop, .context = &t};
	struct pump_setup pump_setup;
	struct patience patience;
	struct from from;
	int rc = -1;

	t.quota = quota_new(app, t.options->quota_interval_ms);
	patience_init(&patience, "tail", t.options->max_retries);
	if (t.options->timeout_ms > 0)
		patience.until_ms = clock_monotonic_ms(&clock_system) + t.options->timeout_ms;
	if (prepare(&t, &from, e) != 0 || name_topics(&t, &from, &patience, argc, argv, e) != 0 ||
	    patient_open_salesforce(&patience, app, e) != 0 || app_wait(app, quota_first, t.quota, e) != 0 ||
	    app_open_pubsub(app, e) != 0 ||
	    subscriptions_open(&t.topics, app, &patience, &from, t.options->table, e) != 0)
		goto out;
	t.commits = (struct managed_store){.under = {.store = store_no_position}, .subscription = t.topics.items};
	pump_setup = setup(&t, &patience);
	sink.loop = app->loop;
	t.sink = print_sink_new(&sink);
	t.pump = pump_new(app, &pump_setup);
	quota_start(t.quota);
	add_sources(&t);
	rc = judge(&t, pump_run(t.pump, e), e);
out:
	release(&t);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb tail Account", "what comes out while you click"},
	{"sfzb tail Account Order__e --from 2h", "two topics, from two hours ago"},
	{"sfzb tail Account -n 1 --timeout 60s | jq .record.Name", "in a script"},
	{"sfzb tail ChangeEvents -e Account,Contact -c UPDATE --changes", "what changed in two objects"},
	{"sfzb tail Account --filter '.record.Industry == \"Energy\"'", NULL},
	{"sfzb tail Account --format '%d{%T} %c %k\\n'", NULL},
	{"sfzb tail Account --from 1h --until-caught-up --raw >events.ndjson", "for a bug report"},
	{NULL, NULL},
};

const struct command command_tail = {
	.name = "tail",
	.summary = "show decoded events, live",
	.arguments = "TOPIC...|--managed <name>",
	.description =
	    "Subscribes to one or more topics and prints each event: one line on a terminal, one JSON object a line for "
	    "programs. It goes on until it is told to stop, whatever happens to the connection.\n\n"
	    "Where it begins at the tip it waits until the server has settled, and says 'ready'. --entity, --change-type and "
	    "--filter leave events out before -n counts them.\n\n"
	    "Events that are delivered count against the org's daily allocation, those of tail as well.\n\n"
	    "commit_number is a string in the JSON, because it needs more bits than most readers have for numbers; "
	    "sfzb-tail(1) names all members. -o avro writes an Avro object container file, of the events of one schema.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct tail_options),
	.outputs = "line|table|json|avro",
	.piped_output = "json",
	.needs = NEEDS_PROFILE,
	.max_operands = -1,
	.operand = COMPLETE_TOPIC,
	.goes_on = true,
	.run = run,
	.manual = tail_manual,
};

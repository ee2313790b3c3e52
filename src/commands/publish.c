/*
 * sfzb publish - encode JSON by the topic's schema and publish it, one result for each event.
 *
 * One event goes out by a unary call, more by a stream with one batch in flight, so that order is kept. Nothing that may have
 * been stored is sent again: the result says that it is unknown.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "avro/encode.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/random.h"
#include "cli/output.h"
#include "commands/lines.h"
#include "commands/list.h"
#include "commands/subscription.h"
#include "salesforce/pubsub_publish.h"

struct publish_options {
	const char *file;
	bool template_only;
};

static const struct option options[] = {
	OPTION_STRING('f', "file", struct publish_options, file, "<file>", NULL,
	    "read JSON objects from this file, one a line (-: standard input)", .complete = COMPLETE_FILE),
	OPTION_FLAG(0, "template", struct publish_options, template_only,
	    "print a sample to fill in, and publish nothing"),
	OPTION_END,
};

/* One event of the batch; refused ones have no payload. */
struct entry {
	char id[UUID_SIZE];
	long long line;
	size_t from, len; /* in payloads */
	char *refusal;
};

struct publish {
	struct app *app;
	struct avro_schema *schema;
	char topic[TOPIC_NAME_SIZE];
	char *schema_id;
	struct pubsub_publisher *publisher;
	/* input: arguments, or lines */
	char **arguments;
	int argument_count, next_argument;
	struct lines *lines;
	bool input_ended, sending, stopping, done;
	/* the batch */
	struct entry *entries;
	size_t count, capacity;
	struct buffer payloads;
	long long published, refused, unknown;
	struct error failure; /* ends the run */
	int signal;
};

static void go_on(void *context);

/* ---- results */

static void
print_result(struct publish *p, const struct entry *x, const struct pubsub_publish_result *r,
    const char *what, const char *message)
{
	struct buffer b = BUFFER_INIT;
	char hex[REPLAY_ID_TEXT_SIZE], clean[512];
	bool json = app_outputs(p->app, "json");

	text_clean(clean, sizeof(clean), text_of(message));
	if (!json)
		buffer_append_format(&b, "%s %s%s%s", what, x->id, r != NULL ? " " : ": ",
		    r != NULL ? replay_id_hex(hex, &r->replay_id) : clean);
	else
		buffer_append_format(&b, "{\"line\":%lld,\"result\":\"%s\",\"event_id\":\"%s\"", x->line, what, x->id);
	if (json && r != NULL)
		buffer_append_format(&b, ",\"replay_id\":\"%s\"", replay_id_hex(hex, &r->replay_id));
	if (json && r == NULL) {
		buffer_append_text(&b, ",\"message\":");
		json_text_string(&b, text_of(clean));
	}
	if (json)
		buffer_append_byte(&b, '}');
	if (output_line(buffer_span(&b), &p->failure) != 0)
		p->stopping = true;
	buffer_release(&b);
}

static void
clear_batch(struct publish *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->entries[i].refusal);
	p->count = 0;
	buffer_clear(&p->payloads);
}

static void
settle(struct publish *p, const struct pubsub_publish_result *results, const struct error *why,
    bool maybe_stored)
{
	size_t sent = 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct entry *x = &p->entries[i];
		const struct pubsub_publish_result *r = results != NULL && x->refusal == NULL ? &results[sent] : NULL;
		char *words = r != NULL && r->message.len > 0 ? text_dup(r->message) : NULL;

		sent += x->refusal == NULL;
		if (r != NULL && r->code == ERR_OK) {
			p->published++;
			print_result(p, x, r, "published", "");
		} else if (x->refusal != NULL || (r != NULL && r->code != ERR_UNAVAILABLE)) {
			p->refused++;
			if (r != NULL && r->code == ERR_QUOTA)
				error_set(&p->failure, ERR_QUOTA, "the hourly quota of published events is spent");
			print_result(p, x, NULL, "refused", x->refusal != NULL ? x->refusal : words != NULL ? words : "");
		} else if (r != NULL || maybe_stored) {
			p->unknown++;
			print_result(p, x, NULL, "unknown", why != NULL ? why->text : "the server did not say");
		} else {
			print_result(p, x, NULL, "failed", why->text);
		}
		free(words);
	}
	clear_batch(p);
}

static void
sent(void *context, const struct pubsub_publish_result *results, size_t count, const struct error *why,
    bool maybe_stored)
{
	struct publish *p = context;

	(void)count;
	p->sending = false;
	settle(p, results, why, maybe_stored);
	if (results == NULL) {
		p->failure = *why;
		p->stopping = true;
	}
	/* the next send may come, but not from inside: the loop goes on first */
	loop_post(p->app->loop, go_on, p);
}

/* ---- batches */

static void
add(struct publish *p, struct text json, long long line)
{
	char now[32];
	struct buffer user = BUFFER_INIT;
	struct entry *x;
	struct error e = ERROR_INIT;

	snprintf(now, sizeof(now), "%lld", (long long)clock_wall_ms(&clock_system));
	json_text_string(&user, text_of(salesforce_session_user_id(p->app->salesforce)));
	p->entries = memory_reserve(p->entries, &p->capacity, p->count + 1, sizeof(*p->entries));
	x = &p->entries[p->count++];
	*x = (struct entry){.line = line, .from = p->payloads.len};
	random_uuid(x->id);
	{
		const struct avro_default defaults[] = {{"CreatedDate", text_of(now)}, {"CreatedById", buffer_span(&user)}};

		if (avro_encode(p->schema, json, defaults, 2, &p->payloads, &e) != 0)
			x->refusal = memory_strdup(e.text);
	}
	x->len = p->payloads.len - x->from;
	if (x->len > PUBSUB_PUBLISH_EVENT_BYTES) {
		x->refusal = memory_format("%zu bytes are more than the %d that an event may have", x->len,
		    PUBSUB_PUBLISH_EVENT_BYTES);
		p->payloads.len = x->from;
		x->len = 0;
	}
	buffer_release(&user);
}

static bool
is_blank(struct text line)
{
	for (size_t i = 0; i < line.len; i++)
		if (strchr(" \t", line.data[i]) == NULL)
			return false;
	return true;
}

/* Takes what is there and fits; what is not there yet does not hold up what is. */
static void
fill(struct publish *p)
{
	while (!p->input_ended && p->count < PUBSUB_PUBLISH_EVENTS &&
	    p->payloads.len < PUBSUB_PUBLISH_BYTES - PUBSUB_PUBLISH_EVENT_BYTES) {
		struct text line;
		int rc;

		if (p->lines == NULL) {
			if (p->next_argument < p->argument_count) {
				add(p, text_of(p->arguments[p->next_argument]), p->next_argument + 1);
				p->next_argument++;
			} else {
				p->input_ended = true;
			}
			continue;
		}
		rc = lines_next(p->lines, &line, &p->failure);
		if (rc == 0)
			return;
		if (rc < 0) {
			p->input_ended = true;
			p->stopping |= p->failure.code != ERR_OK;
		} else if (!is_blank(line)) {
			add(p, line, lines_number(p->lines));
		}
	}
}

static void
send_batch(struct publish *p)
{
	struct pubsub_publish_event *events = memory_zero(p->count, sizeof(*events));
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++)
		if (p->entries[i].refusal == NULL)
			events[n++] = (struct pubsub_publish_event){
				.id = text_of(p->entries[i].id),
				.schema_id = text_of(p->schema_id),
				.payload = text_span(p->payloads.data + p->entries[i].from, p->entries[i].len),
			};
	if (n == 0) {
		settle(p, NULL, NULL, false);
		loop_post(p->app->loop, go_on, p);
	} else {
		p->sending = true;
		if (p->argument_count == 1)
			pubsub_publish(p->app->pubsub, p->topic, events, n, sent, p);
		else
			pubsub_publisher_send(p->publisher, events, n, sent, p);
	}
	free(events);
}

static void
go_on(void *context)
{
	struct publish *p = context;

	if (p->sending || p->done)
		return;
	if (!p->stopping && !output_gone())
		fill(p);
	if (p->count > 0 && !p->stopping && !output_gone()) {
		send_batch(p);
	} else if (p->input_ended || p->stopping || output_gone()) {
		p->done = true;
		loop_stop(p->app->loop);
	}
}

static void
take_signal(void *context, int number)
{
	struct publish *p = context;

	if (number == SIGUSR1)
		return;
	/* first: the batch in flight gets its answer; second: it does not */
	if (p->signal != 0) {
		p->done = true;
		loop_stop(p->app->loop);
	}
	p->signal = number;
	p->stopping = true;
	go_on(p);
}

/* ---- the whole */

static int
prepare(struct publish *p, const char *name, struct error *e)
{
	struct pubsub_topic topic = {.name = NULL};
	int rc = -1;

	if (topic_name_expand(p->topic, name, e) != 0 || app_open_pubsub(p->app, e) != 0 ||
	    app_need_topic(p->app, p->topic, true, &topic, e) != 0)
		return -1;
	if (topic.schema_id[0] == '\0')
		error_set(e, ERR_NOT_FOUND, "channel '%s' has no schema: publish to one of its events", p->topic);
	else
		rc = pubsub_get_schema_wait(p->app->pubsub, text_of(topic.schema_id), &p->schema, e);
	p->schema_id = memory_strdup(topic.schema_id);
	pubsub_topic_release(&topic);
	return rc;
}

static int
print_template(const struct publish *p, struct error *e)
{
	static const char *const leave_out[] = {"CreatedDate", "CreatedById", NULL};
	struct buffer b = BUFFER_INIT;
	int rc;

	avro_template(p->schema, leave_out, &b);
	rc = output_line(buffer_span(&b), e);
	buffer_release(&b);
	return rc;
}

static int
conclude(const struct publish *p, struct error *e)
{
	if (p->failure.code != ERR_OK) {
		*e = p->failure;
		if (p->unknown > 0) {
			error_wrap(e, "%lld events may or may not be stored", p->unknown);
			e->code = ERR_REFUSED;
		}
		return -1;
	}
	if (p->signal != 0)
		return error_set(e, app_signal_code(p->signal),
		    "interrupted after %lld events", p->published);
	if (p->refused + p->unknown > 0)
		return error_set(e, ERR_REFUSED, "%lld of %lld events were not published", p->refused + p->unknown,
		    p->refused + p->unknown + p->published);
	return 0;
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct publish_options *o = given;
	struct publish p = {.app = app, .arguments = argv + 1, .argument_count = argc - 1};
	bool from_stdin = argc == 2 && strcmp(argv[1], "-") == 0;
	int rc = -1;

	if (o->file != NULL && argc > 1)
		return error_set(e, ERR_USAGE, "events are given as arguments and with --file");
	if (prepare(&p, argv[0], e) != 0)
		goto out;
	if (o->template_only) {
		rc = print_template(&p, e);
		goto out;
	}
	if (from_stdin || argc == 1) {
		p.argument_count = 0;
		p.lines = lines_open(app->loop, o->file, go_on, &p, e);
		if (p.lines == NULL)
			goto out;
	}
	p.publisher = pubsub_publisher_new(app->pubsub, p.topic);
	app_handle_signals(app, take_signal, &p);
	loop_post(app->loop, go_on, &p);
	while (!p.done)
		loop_run(app->loop);
	app_handle_signals(app, NULL, NULL);
	rc = conclude(&p, e);
out:
	lines_close(p.lines);
	if (p.publisher != NULL)
		pubsub_publisher_free(p.publisher);
	clear_batch(&p);
	free(p.entries);
	buffer_release(&p.payloads);
	avro_schema_unref(p.schema);
	free(p.schema_id);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb publish Order__e --template", "what to fill in"},
	{"sfzb publish Order__e '{\"Number__c\":\"4711\"}'", NULL},
	{"sfzb publish Order__e <orders.ndjson", "many, in order"},
	{NULL, NULL},
};

const struct command command_publish = {
	.name = "publish",
	.summary = "publish platform events from JSON",
	.arguments = "TOPIC [JSON...]",
	.description =
	    "Encodes JSON objects by the topic's schema and publishes them: from the arguments, else from --file, else from "
	    "standard input, one object a line, of any number. CreatedDate and CreatedById are filled in. Prints one result for "
	    "each event, in order: published, refused with the reason, or unknown when the connection broke before "
	    "the answer (it is then not sent again).\n\n"
	    "Exit status 6 when any event was not published. Change events are made by Salesforce alone and cannot be "
	    "published.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct publish_options),
	.outputs = "line|json",
	.piped_output = "json",
	.needs = NEEDS_PROFILE,
	.min_operands = 1,
	.max_operands = -1,
	.operand = COMPLETE_TOPIC,
	.run = run,
};

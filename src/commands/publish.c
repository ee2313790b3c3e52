/*
 * sfzb publish - encode JSON by the topic's schema and publish it, one result for each event.
 *
 * One event goes out by a unary call, more by a stream with one batch in flight, so that order is kept. Nothing that may have
 * been stored is sent again: the result says that it is unknown.
 */
#include <stdlib.h>
#include <string.h>

#include "avro/encode.h"
#include "base/memory.h"
#include "cli/man.h"
#include "cli/output.h"
#include "commands/list.h"
#include "commands/publish.h"

static const struct option options[] = {
	OPTION_STRING('f', "file", struct publish_options, file, "<file>", NULL,
	    "read JSON objects from this file, one a line (-: standard input)", .complete = COMPLETE_FILE),
	OPTION_STRING(0, "id-field", struct publish_options, id_field, "<name>", NULL,
	    "the member of each object that is its event id, by which results are told apart (default: one is made); it is "
	    "not published unless the topic has such a field"),
	OPTION_INTEGER(0, "rate", struct publish_options, rate, "<events>", "0",
	    "publish at most so many events a second (0: as fast as they are taken)", .max = 1000000),
	OPTION_FLAG(0, "raw", struct publish_options, raw,
	    "the input is what 'sfzb tail --raw' printed: payloads and ids are published as they were"),
	OPTION_FLAG(0, "template", struct publish_options, template_only,
	    "print a sample to fill in, and publish nothing"),
	OPTION_INTEGER(0, "max-retries", struct publish_options, max_retries, "<count>", "10",
	    "give up after so many failures in a row (-1: never)", .min = -1, .max = INT64_MAX),
	OPTION_END,
};

static int
prepare(struct publish *p, const char *name, struct error *e)
{
	struct pubsub_topic topic = {.name = NULL};
	struct patience patience;
	int rc = -1;

	patience_init(&patience, "publish", p->options->max_retries);
	if (topic_name_expand(p->topic, name, e) != 0 || patient_open_salesforce(&patience, p->app, e) != 0 ||
	    app_open_pubsub(p->app, e) != 0 || patient_need_topic(&patience, p->app, p->topic, true, &topic, e) != 0)
		return -1;
	if (topic.schema_id[0] == '\0')
		error_set(e, ERR_NOT_FOUND, "channel '%s' has no schema: publish to one of its events", p->topic);
	else
		rc = patient_get_schema(&patience, p->app, text_of(topic.schema_id), &p->schema, e);
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
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct publish_options *o = given;
	struct publish p = {.app = app, .options = o, .arguments = argv + 1, .argument_count = argc - 1};
	bool from_stdin = argc == 2 && strcmp(argv[1], "-") == 0;
	int rc = -1;

	if (o->file != NULL && argc > 1)
		return error_set(e, ERR_USAGE, "events are given as arguments and with --file");
	if (o->template_only && (argc > 1 || o->file != NULL || o->raw || o->id_field != NULL || o->rate > 0))
		return error_set(e, ERR_USAGE, "--template prints a sample and publishes nothing: it goes with a topic alone");
	if (o->raw && o->id_field != NULL)
		return error_set(e, ERR_USAGE, "options '--raw' and '--id-field' do not go together: raw events have their ids");
	if (prepare(&p, argv[0], e) != 0)
		goto out;
	if (o->template_only) {
		rc = print_template(&p, e);
		goto out;
	}
	if (from_stdin || argc == 1) {
		p.argument_count = 0;
		p.lines = lines_open(app->loop, o->file, publish_go_on, &p, e);
		if (p.lines == NULL)
			goto out;
	}
	rc = publish_run(&p, e);
out:
	lines_close(p.lines);
	publish_batch_clear(&p.batch);
	free(p.batch.entries);
	buffer_release(&p.batch.payloads);
	raw_schemas_release(&p.schemas);
	avro_schema_unref(p.schema);
	free(p.schema_id);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb publish Order__e --template", "what to fill in"},
	{"sfzb publish Order__e '{\"Number__c\":\"4711\"}'", NULL},
	{"sfzb publish Order__e <orders.ndjson", "many, in order"},
	{"sfzb publish Order__e -f orders.ndjson --id-field order_no --rate 50", "slowly, with ids of one's own"},
	{NULL, NULL},
};

static void
manual(struct buffer *man)
{
	man_section(man, "RESULTS");
	man_paragraphs(man, "One object for each event, in their order (-o json, the default where there is no terminal):");
	man_item(man, "line", "of the input, from 1; of the arguments the number");
	man_item(man, "result", "published, refused, unknown or failed");
	man_item(man, "event_id", "id that the event has, or would have had");
	man_item(man, "replay_id", "where it stands in the topic, in hex; only when it was published");
	man_item(man, "message", "the reason, in the other cases");
}

const struct command command_publish = {
	.name = "publish",
	.summary = "publish platform events from JSON",
	.arguments = "TOPIC [JSON...|-]",
	.description =
	    "Encodes JSON objects by the topic's schema and publishes them: from the arguments, else from --file, else from "
	    "standard input, one object a line, of any number. CreatedDate and CreatedById are filled in. Prints one result for "
	    "each event, in order: published, refused with the reason, unknown when the connection broke before the answer (it "
	    "is then not sent again), or failed when it was surely not stored. After a broken connection it goes on with the "
	    "next events.\n\n"
	    "Exit status 6 when any event was refused or is unknown, 9 when the hourly quota is spent. Change events are made "
	    "by Salesforce alone and cannot be published.",
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
	.manual = manual,
};

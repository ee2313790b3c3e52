/*
 * sfzb schema - the Avro schema of a topic, or the one with an id.
 *
 * An id that the profile has cached needs no network; nothing else does without.
 */
#include <string.h>

#include "avro/describe.h"
#include "cli/output.h"
#include "commands/list.h"
#include "commands/subscription.h"
#include "profile/schemas.h"

struct schema_options {
	const char *diff;
};

static const struct option options[] = {
	OPTION_STRING(0, "diff", struct schema_options, diff, "<schema id>", NULL,
	    "print what changed since the schema with this id"),
	OPTION_END,
};

/* 22 characters of the URL-safe alphabet (wire/pubsub.md §3); so has OpportunityChangeEvent. */
static bool
looks_like_id(const char *s)
{
	struct text t = text_of(s);

	return !text_ends(t, "Event") && !text_ends(t, "__c") && !text_ends(t, "__e") &&
	    !text_ends(t, "__chn") && strlen(s) == 22 &&
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == 22;
}

static int
by_id(struct app *app, const char *id, struct avro_schema **out, struct error *e)
{
	struct buffer cached = BUFFER_INIT;
	int rc = schemas_load(app->profile, text_of(id), &cached, e);

	if (rc == 0) {
		*out = avro_schema_parse(buffer_span(&cached), e);
		rc = *out != NULL ? 0 : 1;
	}
	buffer_release(&cached);
	/* a cached file that is no schema is asked for anew */
	if (rc == 0)
		return 0;
	if (app_open_pubsub(app, e) != 0)
		return -1;
	return pubsub_get_schema_wait(app->pubsub, text_of(id), out, e);
}

static int
by_topic(struct app *app, const char *name, struct avro_schema **out, struct error *e)
{
	struct pubsub_topic topic = {.name = NULL};
	char whole[TOPIC_NAME_SIZE];
	int rc = -1;

	if (topic_name_expand(whole, name, e) != 0 || app_open_pubsub(app, e) != 0 ||
	    pubsub_get_topic_wait(app->pubsub, whole, &topic, e) != 0)
		return -1;
	if (topic.schema_id[0] == '\0') {
		error_set(e, ERR_NOT_FOUND, "topic '%s' has no schema of its own: each of its events brings one", whole);
		error_hint(e, "ask for the schema of one of its entities, or by an event's schema_id");
	} else {
		rc = pubsub_get_schema_wait(app->pubsub, text_of(topic.schema_id), out, e);
	}
	pubsub_topic_release(&topic);
	return rc;
}

static void
render(const struct app *app, const struct avro_schema *s, struct buffer *out)
{
	if (app_outputs(app, "avro")) {
		buffer_append(out, avro_schema_json(s).data, avro_schema_json(s).len);
		if (!text_ends(avro_schema_json(s), "\n"))
			buffer_append_byte(out, '\n');
	} else if (app_outputs(app, "ddl")) {
		avro_describe_ddl(s, out);
	} else if (app_outputs(app, "proto")) {
		avro_describe_proto(s, out);
	} else {
		avro_describe_tree(s, out);
	}
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct schema_options *o = given;
	struct avro_schema *schema = NULL, *before = NULL;
	struct buffer out = BUFFER_INIT;
	int rc = -1;

	(void)argc;
	if ((looks_like_id(argv[0]) ? by_id(app, argv[0], &schema, e) : by_topic(app, argv[0], &schema, e)) != 0)
		goto out;
	if (o->diff != NULL) {
		if (by_id(app, o->diff, &before, e) != 0)
			goto out;
		avro_describe_diff(before, schema, &out);
	} else {
		render(app, schema, &out);
	}
	rc = output_write(buffer_span(&out), e);
out:
	avro_schema_unref(before);
	avro_schema_unref(schema);
	buffer_release(&out);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb schema Account", "a tree to read"},
	{"sfzb schema Order__e -o proto", NULL},
	{"sfzb schema Account --diff KxC1P8xW4-iTJxZQ6PlZpw", "what an admin has changed since"},
	{NULL, NULL},
};

const struct command command_schema = {
	.name = "schema",
	.summary = "show the Avro schema of a topic",
	.arguments = "TOPIC|SCHEMA_ID",
	.description =
	    "Prints the schema as a tree of fields, with their types and whether they may be null, as the Avro JSON that "
	    "Salesforce serves, as Delta columns, or as a protobuf file. A channel of several entities has no "
	    "schema of its own.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct schema_options),
	.outputs = "tree|avro|ddl|proto",
	.piped_output = "avro",
	.needs = NEEDS_PROFILE,
	.min_operands = 1,
	.max_operands = 1,
	.operand = COMPLETE_TOPIC,
	.run = run,
};

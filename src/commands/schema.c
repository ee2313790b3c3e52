/*
 * sfzb schema - the Avro schema of a topic, or the one with an id.
 *
 * An id that the profile has cached needs no network; nothing else does without.
 */
#include <string.h>

#include "avro/describe.h"
#include "cli/output.h"
#include "cli/table.h"
#include "commands/list.h"
#include "commands/subscription.h"
#include "profile/schemas.h"
#include "salesforce/channels.h"

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
	struct patience patience;
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
	patience_init(&patience, "schema", PATIENCE_BRIEF);
	return patient_get_schema(&patience, app, text_of(id), out, e);
}

/* A JSON object a line, or a row. */
static int
print_entity(const struct app *app, struct table *t, const struct salesforce_member *m, const struct pubsub_topic *topic,
    struct error *e)
{
	struct json *j;

	if (app_outputs(app, "tree")) {
		table_add(t, m->event);
		table_add(t, topic->schema_id);
		return 0;
	}
	j = json_object();
	json_set_string(j, "entity", m->event);
	json_set_string(j, "topic", topic->name);
	json_set_string(j, "schema_id", topic->schema_id);
	return output_json(j, e);
}

static int
print_entities(struct app *app, const struct salesforce_channels *all, const char *channel, struct error *e)
{
	static const struct column columns[] = {{"ENTITY", COLUMN_LEFT}, {"SCHEMA", COLUMN_LEFT}};
	struct table *t = table_new(columns, 2);
	struct patience patience;
	int rc = 0;

	patience_init(&patience, "schema", PATIENCE_BRIEF);
	for (size_t i = 0; i < all->member_count && rc == 0; i++) {
		struct pubsub_topic topic = {.name = NULL};
		char whole[TOPIC_NAME_SIZE];

		if (strcmp(all->members[i].channel, strrchr(channel, '/') + 1) != 0 ||
		    topic_name_expand(whole, all->members[i].event, e) != 0)
			continue;
		rc = patient_get_topic(&patience, app, whole, &topic, e);
		if (rc == 0)
			rc = print_entity(app, t, &all->members[i], &topic, e);
		pubsub_topic_release(&topic);
	}
	if (rc == 0 && table_rows(t) > 0)
		rc = table_print(t, e);
	table_free(t);
	return rc;
}

struct channels_job {
	struct app *app;
	struct salesforce_channels channels;
};

static int
get_channels(void *context, struct error *e)
{
	struct channels_job *job = context;

	return salesforce_channels_get(job->app->salesforce, &job->channels, e);
}

/* A channel of several entities: which, and the schema of each. */
static int
list_entities(struct app *app, const char *channel, struct error *e)
{
	struct channels_job job = {.app = app};
	int rc = app_wait(app, get_channels, &job, e);

	if (rc == 0)
		rc = print_entities(app, &job.channels, channel, e);
	salesforce_channels_release(&job.channels);
	return rc == 0 ? 0 : error_wrap(e, "topic '%s' has no schema of its own, and its entities cannot be listed", channel);
}

/* *out stays NULL when the answer, a list, has been printed. */
static int
by_topic(struct app *app, const char *name, struct avro_schema **out, struct error *e)
{
	struct pubsub_topic topic = {.name = NULL};
	char whole[TOPIC_NAME_SIZE];
	struct patience patience;
	int rc = -1;

	patience_init(&patience, "schema", PATIENCE_BRIEF);
	if (topic_name_expand(whole, name, e) != 0 || app_open_pubsub(app, e) != 0 ||
	    patient_get_topic(&patience, app, whole, &topic, e) != 0)
		return -1;
	if (topic.schema_id[0] == '\0' && (app_outputs(app, "tree") || app_outputs(app, "avro"))) {
		rc = list_entities(app, whole, e);
	} else if (topic.schema_id[0] == '\0') {
		error_set(e, ERR_NOT_FOUND, "topic '%s' has no schema of its own: each of its events brings one", whole);
		error_hint(e, "'sfzb schema %s -o tree' lists its entities", name);
	} else {
		rc = patient_get_schema(&patience, app, text_of(topic.schema_id), out, e);
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
	if (o->diff != NULL && app->common->output != NULL && !app_outputs(app, "tree"))
		return error_set(e, ERR_USAGE, "--diff is a list for people: it has no form '%s'", app->output);
	if ((looks_like_id(argv[0]) ? by_id(app, argv[0], &schema, e) : by_topic(app, argv[0], &schema, e)) != 0)
		goto out;
	if (schema == NULL) {
		rc = o->diff == NULL ? 0 :
				       error_set(e, ERR_USAGE, "'%s' has no schema of its own to compare", argv[0]);
		goto out;
	}
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
	    "Salesforce serves, as Delta columns, or as a protobuf file. For a channel of several entities, which has no "
	    "schema of its own, lists the entities and their schemas.",
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

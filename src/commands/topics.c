/*
 * sfzb topics - list what this login may subscribe and publish to.
 *
 * The org's objects say which topics there could be, GetTopic which there are: a change event that is not switched
 * on has an object and no topic. Leaves the names in the profile for completion.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "commands/list.h"
#include "commands/subscription.h"
#include "salesforce/rest.h"

#define PROBES_AT_ONCE 16

struct topics_options {
	bool all;
};

static const struct option options[] = {
	OPTION_FLAG('a', "all", struct topics_options, all,
	    "also the change events that are not switched on, and what may not be read"),
	OPTION_END,
};

struct candidate {
	char topic[TOPIC_NAME_SIZE];
	char *label;
	bool found, can_publish, can_subscribe;
	char *schema_id;
	struct listing *listing;
};

struct listing {
	struct app *app;
	struct candidate *items;
	size_t count, capacity, asked, answered;
	struct error failure; /* the first that is not about one topic */
};

static void
add_candidate(struct listing *l, const char *name, const char *label)
{
	struct candidate *c;
	struct error ignored = ERROR_INIT;

	l->items = memory_reserve(l->items, &l->capacity, l->count + 1, sizeof(*l->items));
	c = &l->items[l->count];
	memset(c, 0, sizeof(*c));
	if (topic_name_expand(c->topic, name, &ignored) != 0)
		return;
	c->label = memory_strdup(label);
	l->count++;
}

static int
compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return strcmp(x->topic, y->topic);
}

/* A word without wildcards matches anywhere in the name. */
static bool
matches(const char *topic, const char *pattern)
{
	const char *slash = strrchr(topic, '/');

	if (pattern == NULL)
		return true;
	if (strpbrk(pattern, "*?") == NULL)
		return strcasestr(topic, pattern) != NULL;
	return text_glob(pattern, topic) || text_glob(pattern, slash + 1);
}

static int
gather(struct listing *l, const char *pattern, struct error *e)
{
	struct salesforce_objects objects = {NULL, 0};
	size_t kept = 0;

	if (salesforce_rest_event_objects(l->app->salesforce, &objects, e) != 0)
		return error_wrap(e, "cannot list topics");
	add_candidate(l, "/data/ChangeEvents", "all selected change events");
	for (size_t i = 0; i < objects.count; i++)
		add_candidate(l, objects.items[i].name, objects.items[i].label);
	salesforce_objects_release(&objects);
	for (size_t i = 0; i < l->count; i++) {
		if (matches(l->items[i].topic, pattern))
			l->items[kept++] = l->items[i];
		else
			free(l->items[i].label);
	}
	l->count = kept;
	qsort(l->items, l->count, sizeof(*l->items), compare);
	for (size_t i = 0; i < l->count; i++)
		l->items[i].listing = l;
	return 0;
}

static void ask_more(struct listing *l);

static void
answered(void *context, const struct pubsub_topic *topic, const struct error *why)
{
	struct candidate *c = context;
	struct listing *l = c->listing;

	l->answered++;
	if (topic != NULL) {
		c->found = true;
		c->can_publish = topic->can_publish;
		c->can_subscribe = topic->can_subscribe;
		c->schema_id = memory_strdup(topic->schema_id);
	} else if (why->code != ERR_NOT_FOUND && why->code != ERR_PERMISSION &&
	    l->failure.code == ERR_OK) {
		l->failure = *why;
	}
	ask_more(l);
}

static void
ask_more(struct listing *l)
{
	char status[64];

	while (l->failure.code == ERR_OK && l->asked < l->count && l->asked - l->answered < PROBES_AT_ONCE) {
		struct candidate *c = &l->items[l->asked++];

		pubsub_get_topic(l->app->pubsub, c->topic, answered, c);
	}
	snprintf(status, sizeof(status), "asking for topics: %zu of %zu", l->answered, l->count);
	terminal_set_status(l->answered < l->asked ? status : NULL);
}

static int
probe(struct listing *l, struct error *e)
{
	ask_more(l);
	while (l->answered < l->asked)
		loop_step(l->app->loop, -1);
	if (l->failure.code == ERR_OK)
		return 0;
	*e = l->failure;
	return error_wrap(e, "cannot list topics");
}

static const char *
kind_of(const char *topic)
{
	if (topic_name_is_channel(topic))
		return "channel";
	return topic_name_is_change(topic) ? "change events" : "platform event";
}

static struct json *
candidate_json(const struct candidate *c)
{
	struct json *j = json_object();

	json_set_string(j, "name", c->topic);
	json_set_string(j, "kind", kind_of(c->topic));
	json_set_string(j, "label", c->label);
	json_set_bool(j, "exists", c->found);
	json_set_bool(j, "may_subscribe", c->can_subscribe);
	json_set_bool(j, "may_publish", c->can_publish);
	json_set_string(j, "schema_id", c->schema_id != NULL && c->schema_id[0] != '\0' ? c->schema_id : NULL);
	return j;
}

static bool
is_shown(const struct candidate *c, bool all)
{
	return all || (c->found && (c->can_subscribe || c->can_publish));
}

static int
print_json(const struct listing *l, bool all, struct error *e)
{
	int rc = 0;

	for (size_t i = 0; i < l->count && rc == 0; i++) {
		struct buffer b = BUFFER_INIT;
		struct json *j;

		if (!is_shown(&l->items[i], all))
			continue;
		j = candidate_json(&l->items[i]);
		json_write(&b, j, false);
		rc = output_line(buffer_span(&b), e);
		json_free(j);
		buffer_release(&b);
	}
	return rc;
}

static int
print_table(const struct listing *l, bool all, struct error *e)
{
	static const struct column columns[] = {{"TOPIC", COLUMN_LEFT}, {"KIND", COLUMN_LEFT},
		{"SUBSCRIBE", COLUMN_LEFT}, {"PUBLISH", COLUMN_LEFT}, {"SCHEMA", COLUMN_LEFT},
		{"LABEL", COLUMN_LEFT}};
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	int rc;

	for (size_t i = 0; i < l->count; i++) {
		const struct candidate *c = &l->items[i];

		if (!is_shown(c, all))
			continue;
		table_add(t, c->topic);
		table_add(t, kind_of(c->topic));
		table_add(t, !c->found ? "off" : c->can_subscribe ? "yes" : "no");
		table_add(t, !c->found ? "off" : c->can_publish ? "yes" : "no");
		table_add(t, c->schema_id);
		table_add(t, c->label);
	}
	rc = table_rows(t) > 0 ? table_print(t, e) : 0;
	table_free(t);
	return rc;
}

/* For completion; without it nothing but comfort is lost. */
static void
remember(const struct listing *l)
{
	struct json *root = json_object(), *list = json_array();
	struct error e = ERROR_INIT;

	for (size_t i = 0; i < l->count; i++)
		if (is_shown(&l->items[i], false))
			json_add(list, candidate_json(&l->items[i]));
	json_set(root, "topics", list);
	if (profile_store(l->app->profile, "topics.json", root, &e) != 0)
		log_debug("topics", "names are not kept for completion: %s", e.text);
	json_free(root);
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct topics_options *o = given;
	struct listing l = {.app = app};
	const char *pattern = argc > 0 ? argv[0] : NULL;
	int rc = -1;

	if (app_open_pubsub(app, e) != 0 || gather(&l, pattern, e) != 0 || probe(&l, e) != 0)
		goto out;
	if (pattern == NULL)
		remember(&l);
	rc = app_outputs(app, "json") ? print_json(&l, o->all, e) : print_table(&l, o->all, e);
out:
	terminal_set_status(NULL);
	for (size_t i = 0; i < l.count; i++) {
		free(l.items[i].label);
		free(l.items[i].schema_id);
	}
	free(l.items);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb topics", NULL},
	{"sfzb topics 'Acc*'", "by a pattern"},
	{"sfzb topics -o json | jq -r 'select(.may_publish).name'", NULL},
	{NULL, NULL},
};

const struct command command_topics = {
	.name = "topics",
	.summary = "list what can be subscribed and published to",
	.arguments = "[PATTERN]",
	.description =
	    "Lists the change events that are switched on and the platform events, with what this login may do with each. "
	    "A pattern with * or ? must match the whole name or its last part; a word without them may stand anywhere in "
	    "it.\n\n"
	    "Reads no event and spends no delivery allocation, so it is the command to try first when a login is in doubt.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct topics_options),
	.outputs = "table|json",
	.piped_output = "json",
	.needs = NEEDS_SALESFORCE,
	.max_operands = 1,
	.run = run,
};

/*
 * sfzb topics - list what this login may subscribe and publish to.
 *
 * The org's objects and channels say which topics there could be, GetTopic which there are: a change event that is not
 * switched on has an object and no topic. Leaves the names in the profile for completion.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "commands/list.h"
#include "commands/patience.h"
#include "commands/topics.h"
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

static void
add_candidate(struct listing *l, const char *name, const char *label)
{
	struct candidate *c;
	char topic[TOPIC_NAME_SIZE];
	struct error ignored = ERROR_INIT;

	if (topic_name_expand(topic, name, &ignored) != 0)
		return;
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->items[i].topic, topic) == 0)
			return;
	l->items = memory_reserve(l->items, &l->capacity, l->count + 1, sizeof(*l->items));
	c = &l->items[l->count++];
	memset(c, 0, sizeof(*c));
	strcpy(c->topic, topic);
	c->label = memory_strdup(label);
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

/* Channels and what is on them; who may not read Setup does without, and is told. */
static int
gather_channels(struct listing *l, struct error *e)
{
	if (salesforce_channels_get(l->app->salesforce, &l->channels, e) == 0) {
		for (size_t i = 0; i < l->channels.channel_count; i++)
			add_candidate(l, l->channels.channels[i].topic, l->channels.channels[i].label);
		return 0;
	}
	if (e->code != ERR_PERMISSION)
		return -1;
	log_warn("topics",
	    "custom channels are not listed: this user lacks 'View Setup and Configuration'; the list may be incomplete");
	error_clear(e);
	return 0;
}

static int
gather(struct listing *l, const char *pattern, struct error *e)
{
	struct salesforce_objects objects = {NULL, 0};
	size_t kept = 0;

	if (salesforce_rest_event_objects(l->app->salesforce, &objects, e) != 0)
		return -1;
	add_candidate(l, "/data/ChangeEvents", "all selected change events");
	for (size_t i = 0; i < objects.count; i++)
		add_candidate(l, objects.items[i].name, objects.items[i].label);
	salesforce_objects_release(&objects);
	if (gather_channels(l, e) != 0)
		return -1;
	/* a whole name is asked for even where nothing lists it */
	if (pattern != NULL && (pattern[0] == '/' || text_ends(text_of(pattern), "__chn")) && strpbrk(pattern, "*?") == NULL)
		add_candidate(l, pattern, "");
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
	c->settled = true;
	if (topic != NULL) {
		c->found = true;
		c->can_publish = topic->can_publish;
		c->can_subscribe = topic->can_subscribe;
		c->schema_id = memory_strdup(topic->schema_id);
	} else if (why->code != ERR_NOT_FOUND && why->code != ERR_PERMISSION &&
	    l->failure.code == ERR_OK) {
		l->failure = *why;
		c->settled = false;
	} else if (why->code != ERR_NOT_FOUND && why->code != ERR_PERMISSION) {
		c->settled = false;
	}
	ask_more(l);
}

static void
ask_more(struct listing *l)
{
	char status[64];

	while (l->failure.code == ERR_OK && l->asked < l->count && l->asked - l->answered < PROBES_AT_ONCE) {
		struct candidate *c = &l->items[l->asked++];

		if (c->settled)
			l->answered++;
		else
			pubsub_get_topic(l->app->pubsub, c->topic, answered, c);
	}
	snprintf(status, sizeof(status), "asking for topics: %zu of %zu", l->answered, l->count);
	terminal_set_status(l->answered < l->asked ? status : NULL);
}

static int
probe(struct listing *l, struct error *e)
{
	struct patience patience;

	patience_init(&patience, "topics", PATIENCE_BRIEF);
	for (;;) {
		l->asked = l->answered = 0;
		error_clear(&l->failure);
		ask_more(l);
		while (l->answered < l->asked)
			loop_step(l->app->loop, -1);
		if (l->failure.code == ERR_OK)
			return 0;
		*e = l->failure;
		if (!patience_wait(&patience, l->app, e))
			return -1;
	}
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct topics_options *o = given;
	struct listing l = {.app = app};
	const char *pattern = argc > 0 ? argv[0] : NULL;
	int rc = -1;

	/* the lists first: as long as there is no loop, a signal ends the program at once */
	if (gather(&l, pattern, e) != 0 || app_open_pubsub(app, e) != 0 || probe(&l, e) != 0) {
		error_wrap(e, "cannot list topics");
		goto out;
	}
	if (pattern == NULL)
		topics_remember(&l);
	rc = topics_print(&l, o->all, e);
	if (rc == 0 && !app_outputs(app, "json") && topics_shown(&l, o->all) == 0)
		log_info("topics", "no topic%s%s%s", pattern != NULL ? " is called '" : "", pattern != NULL ? pattern : "",
		    pattern != NULL ? "' or has it in its name" : " is there for this login");
out:
	terminal_set_status(NULL);
	for (size_t i = 0; i < l.count; i++) {
		free(l.items[i].label);
		free(l.items[i].schema_id);
	}
	free(l.items);
	salesforce_channels_release(&l.channels);
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
	    "Lists the change events that are switched on, the channels with their members, filters and enriched fields, and "
	    "the platform events, with what this login may do with each. "
	    "A pattern with * or ? must match the whole name or its last part; a word without them may stand anywhere in "
	    "it.\n\n"
	    "Channels are read from Setup; a user without the permission 'View Setup and Configuration' is shown everything "
	    "but custom channels, and told so.\n\n"
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

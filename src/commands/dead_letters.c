/*
 * sfzb dead-letters - look at the events that were set aside, send them again, or get rid of them.
 *
 * Only retry talks to a server; the others read and write the profile's store. Asking creates nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "commands/dead_letters.h"
#include "commands/list.h"
#include "salesforce/topic_name.h"

static const struct option options[] = {
	OPTION_STRING(0, "topic", struct letters_options, topic, "<topic>", NULL, "only events of this topic",
	    .complete = COMPLETE_TOPIC),
	OPTION_STRING('t', "table", struct letters_options, table, "<catalog.schema.table>", NULL,
	    "only events that were to go to this table"),
	OPTION_FLAG('a', "all", struct letters_options, all, "instead of ids: every event that the options above leave"),
	OPTION_DURATION(0, "visibility-wait", struct letters_options, visibility_ms, "<time>", NULL,
	    "retry: how long after its acknowledgement a row may be missing from a query (default: 30s)"),
	OPTION_FLAG('y', "yes", struct letters_options, yes, "drop without asking; needed where there is no terminal"),
	OPTION_END,
};

struct run {
	struct app *app;
	const struct letters_options *o;
	char topic[TOPIC_NAME_SIZE];
	struct dead_letter_filter filter;
	struct dead_letters *store; /* NULL: there is none */
	struct letter_ids ids;
};

/* ---- which */

static bool
take_any(void *context, const struct dead_letter *l)
{
	struct letter_ids *ids = context;

	ids->items = memory_reserve(ids->items, &ids->capacity, ids->count + 1, sizeof(*ids->items));
	ids->items[ids->count++] = l->id;
	return true;
}

static bool
take_new(void *context, const struct dead_letter *l)
{
	const struct letter_ids *ids = context;

	for (size_t i = 0; i < ids->count; i++)
		if (ids->items[i] == l->id)
			return true;
	return take_any(context, l);
}

/* A number as list shows it, or an event's id (of which there may be several letters). */
static int
choose_one(struct run *r, const char *word, struct error *e)
{
	struct dead_letter_filter filter = r->filter;
	size_t before = r->ids.count;
	char *end;
	long long number = strtoll(word, &end, 10);

	if (*word != '\0' && *end == '\0' && number > 0)
		filter.id = number;
	else
		filter.event_id = word;
	if (r->store != NULL && *word != '\0' && dead_letters_each(r->store, &filter, take_new, &r->ids, e) != 0)
		return -1;
	for (size_t i = 0; i < before && r->ids.count == before; i++)
		if (filter.id == r->ids.items[i])
			return 0; /* named twice */
	if (r->ids.count > before)
		return 0;
	error_set(e, ERR_NOT_FOUND, "no event '%s' is set aside", word);
	return error_hint(e, "'sfzb dead-letters list' names them");
}

static int
choose(struct run *r, int argc, char **argv, struct error *e)
{
	if (r->o->all) {
		if (argc > 0)
			return error_set(e, ERR_USAGE, "--all and ids do not go together");
		return r->store != NULL ? dead_letters_each(r->store, &r->filter, take_any, &r->ids, e) : 0;
	}
	if (argc == 0) {
		error_set(e, ERR_USAGE, "which events?");
		return error_hint(e, "give their ids, as 'sfzb dead-letters list' shows them, or --all");
	}
	for (int i = 0; i < argc; i++)
		if (choose_one(r, argv[i], e) != 0)
			return -1;
	return 0;
}

/* ---- what */

static int
list(struct run *r, int argc, char **argv, struct error *e)
{
	(void)argv;
	if (argc > 0)
		return error_set(e, ERR_USAGE, "'dead-letters list' takes no ids; show does");
	return letters_list(r->store, &r->filter, app_outputs(r->app, "json"), e);
}

static int
show(struct run *r, int argc, char **argv, struct error *e)
{
	return choose(r, argc, argv, e) == 0 ? letters_show(r->store, &r->ids, app_outputs(r->app, "json"), e) : -1;
}

static int
retry(struct run *r, int argc, char **argv, struct error *e)
{
	return choose(r, argc, argv, e) == 0
	    ? letters_retry(r->app, r->store, &r->ids, r->o->visibility_ms, e)
	    : -1;
}

static int
confirm(const struct run *r, struct error *e)
{
	char *question, *answer = NULL, count[TEXT_COUNT_SIZE];
	int rc = -1;

	if (r->o->yes)
		return 0;
	if (!terminal_can_ask()) {
		error_set(e, ERR_USAGE, "dropping %s for good needs --yes where nobody can be asked",
		    text_count(count, (int64_t)r->ids.count, "event", "events"));
		return -1;
	}
	question = memory_format("Drop %s for good (yes or no)?",
	    text_count(count, (int64_t)r->ids.count, "event", "events"));
	if (terminal_ask(question, "no", &answer, e) == 0)
		rc = strcmp(answer, "yes") == 0 || strcmp(answer, "y") == 0
		    ? 0
		    : error_set(e, ERR_FAILED, "nothing was dropped");
	free(question);
	free(answer);
	return rc;
}

static int
drop(struct run *r, int argc, char **argv, struct error *e)
{
	char count[TEXT_COUNT_SIZE];

	if (choose(r, argc, argv, e) != 0 || (r->ids.count > 0 && confirm(r, e) != 0))
		return -1;
	for (size_t i = 0; i < r->ids.count; i++)
		if (dead_letters_remove(r->store, r->ids.items[i], e) < 0)
			return -1;
	log_info("dead-letters", "dropped %s", text_count(count, (int64_t)r->ids.count, "event", "events"));
	return 0;
}

static const struct action {
	const char *name;
	int (*run)(struct run *r, int argc, char **argv, struct error *e);
} actions[] = {
	{"list", list},
	{"show", show},
	{"retry", retry},
	{"drop", drop},
};

static int
open_store(struct run *r, struct error *e)
{
	bool was_damaged;

	if (r->o->topic != NULL && topic_name_expand(r->topic, r->o->topic, e) != 0)
		return -1;
	r->filter = (struct dead_letter_filter){.topic = r->topic, .table = r->o->table};
	if (!dead_letters_exist(r->app->profile))
		return 0;
	r->store = dead_letters_open(r->app->profile, &was_damaged, e);
	return r->store != NULL ? 0 : -1;
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	struct run r = {.app = app, .o = given};
	const char *word = argc > 0 ? argv[0] : "list";
	const struct action *action = NULL;
	int rc = -1;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, word) == 0)
			action = &actions[i];
	if (action == NULL) {
		error_set(e, ERR_USAGE, "'dead-letters' does not know '%s'", word);
		return error_hint(e, "write list, show, retry or drop");
	}
	if (open_store(&r, e) == 0)
		rc = action->run(&r, argc > 0 ? argc - 1 : 0, argv + 1, e);
	dead_letters_free(r.store);
	free(r.ids.items);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb dead-letters", NULL},
	{"sfzb dead-letters show 17", "its bytes, and why it was set aside"},
	{"sfzb dead-letters retry --all --table main.crm.account", "after the table was mended"},
	{"sfzb dead-letters drop --all --topic Account", NULL},
	{NULL, NULL},
};

const struct command command_dead_letters = {
	.name = "dead-letters",
	.summary = "look after the events that were set aside",
	.arguments = "[list | (show|retry|drop) ID...]",
	.description =
	    "An event that cannot be decoded, makes no row, or is refused by the table is set aside in the profile, so that "
	    "it stops nothing and is not lost: its raw bytes, the schema that it was written with, its position, the "
	    "reason.\n\n"
	    "'list' (the default) lists them, 'show' prints one with its bytes (-o json: in base64, with the schema). 'drop' "
	    "removes them for good; it asks on a terminal and needs --yes elsewhere. An ID is the number that list "
	    "shows, or the id of the event.\n\n"
	    "'retry' sends them again by the way that a stream goes: decoded anew, looked up in the table first (where there "
	    "is a SQL warehouse), and removed once they are durable. What is refused again stays, and the exit status is 6. "
	    "It refuses while a stream of the topic to the table runs.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct letters_options),
	.outputs = "table|json",
	.piped_output = "json",
	.needs = NEEDS_PROFILE,
	.max_operands = -1,
	.operand = COMPLETE_WORDS,
	.operand_words = "list|show|retry|drop",
	.run = run,
};

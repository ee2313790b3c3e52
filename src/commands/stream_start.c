/*
 * Where a topic starts (design: "Where a run starts"): the stored position; else what the table holds; else, for a
 * new or empty table, the earliest event. It is never a silent jump: what was chosen, and why, is said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "commands/replay.h"
#include "commands/stream.h"
#include "commands/target.h"

/* The entity of a topic of one entity: "/data/Invoice__ChangeEvent" → "Invoice__c". NULL for others. */
static char *
entity_of(const char *topic)
{
	static const char ending[] = "ChangeEvent";
	const char *name = strrchr(topic, '/') + 1;
	size_t len = strlen(name), cut = sizeof(ending) - 1;

	if (topic_name_is_channel(topic) || !topic_name_is_change(topic) || len <= cut ||
	    strcmp(name + len - cut, ending) != 0)
		return NULL;
	len -= cut;
	return memory_format("%.*s%s", (int)len, name, len > 2 && strncmp(name + len - 2, "__", 2) == 0 ? "c" : "");
}

char *
stream_table_of(const char *pattern, const char *topic)
{
	char *entity, *name;

	if (strstr(pattern, "{entity}") == NULL)
		return memory_strdup(pattern);
	entity = entity_of(topic);
	if (entity == NULL && topic_name_is_channel(topic))
		return NULL;
	name = stream_table_name(pattern, topic, text_of(entity));
	free(entity);
	return name;
}

/* Asks one table. A table that does not exist yet holds nothing. */
static void
ask_table(struct stream_start *s, const struct stream_tables *t, const char *name, const char *topic)
{
	struct table_lookup lookup = {.session = t->app->databricks};
	struct delta_table *table = target_find(t->app, name, &s->not_asked);

	if (table == NULL) {
		s->asked = s->not_asked.code == ERR_NOT_FOUND;
		s->in_table = TABLE_POSITION_NONE;
		return;
	}
	s->asked = table_lookup_position(&lookup, table, topic, &s->in_table, &s->newest, &s->not_asked) == 0;
	delta_table_free(table);
}

void
stream_start_ask(struct stream_start *s, const struct stream_tables *t, const char *topic)
{
	char *name;

	if (t->first_created) {
		s->asked = true;
		s->in_table = TABLE_POSITION_NONE;
		return;
	}
	if (!t->has_warehouse) {
		error_set(&s->not_asked, ERR_CONFIG, "there is no SQL warehouse to ask by");
		return;
	}
	name = stream_table_of(t->options->table, topic);
	if (name == NULL) { /* which tables there are only the events tell */
		s->asked = true;
		s->in_table = TABLE_POSITION_NONE;
		return;
	}
	ask_table(s, t, name, topic);
	free(name);
}

static void
say(const struct subscription *sub, const char *why)
{
	char hex[REPLAY_ID_TEXT_SIZE];

	if (sub->managed != NULL && (sub->start == NULL || sub->from.kind == POSITION_EARLIEST))
		log_info("stream", "'%s' goes on where the managed subscription '%s' stands: %s", sub->topic, sub->managed, why);
	else if (sub->start == NULL)
		log_info("stream", "'%s' starts at the tip: %s", sub->topic, why);
	else if (sub->from.kind == POSITION_EARLIEST)
		log_info("stream", "'%s' starts at the earliest event kept: %s", sub->topic, why);
	else
		log_info("stream", "'%s' goes on %s %s: %s", sub->topic,
		    sub->from.kind == POSITION_AT ? "with" : "behind",
		    replay_id_hex(hex, &sub->from.replay_id), why);
}

/* Somebody dropped it, or the position is another table's of that name. */
static void
warn_of_new_table(const struct stream_tables *t, const struct subscription *sub)
{
	char *name = delta_shell_full_name(t->options->table);

	log_warn("stream", "table '%s' is new: what came before that position is not in it; 'sfzb replay set %s earliest --table %s' "
			   "takes what Salesforce still keeps",
	    t->options->table, sub->topic, name);
	free(name);
}

static void
start_stored(const struct stream_start *s, const struct stream_tables *t, struct subscription *sub)
{
	char age[32], text[96];

	sub->from = s->position;
	sub->start = &sub->from;
	snprintf(text, sizeof(text), "the position stored %s ago",
	    clock_format_duration(age, sizeof(age), clock_wall_ms(&clock_system) - s->position.stored_ms));
	say(sub, text);
	if (t->first_created && sub->managed == NULL && sub->from.kind != POSITION_EARLIEST)
		warn_of_new_table(t, sub);
}

static int
start_auto(const struct stream_start *s, const struct stream_tables *t, struct subscription *sub,
    struct error *e)
{
	if (s->stored == 0) {
		start_stored(s, t, sub);
		return 0;
	}
	sub->start = &sub->from;
	if (!s->asked) {
		sub->from = (struct position){.kind = POSITION_EARLIEST};
		say(sub, "no position is stored, and without a SQL warehouse the table cannot be asked");
	} else if (s->in_table == TABLE_POSITION_FOUND && t->options->tuning.streams > 1) {
		/* a death may have left a gap in one stream behind which another had gone on */
		sub->from = (struct position){.kind = POSITION_EARLIEST, .in_flight = POSITION_ALL_IN_FLIGHT};
		say(sub, "no position is stored, and with --streams the table's newest row does not say that all before "
			 "it are there");
	} else if (s->in_table == TABLE_POSITION_FOUND) {
		sub->from = (struct position){.kind = POSITION_AFTER, .replay_id = s->newest,
			.in_flight = POSITION_ALL_IN_FLIGHT};
		say(sub, "the newest that the table holds of it; no position is stored");
	} else if (s->in_table == TABLE_POSITION_NONE) {
		/*
		 * Only a table that this run made is known to be empty for good: into any other a run whose positions are
		 * lost (a container without its volume) may have sent what cannot be seen yet.
		 */
		sub->from = (struct position){.kind = POSITION_EARLIEST,
			.in_flight = t->first_created ? 0 : POSITION_ALL_IN_FLIGHT};
		say(sub, t->first_created ? "the table is new"
					  : "no position is stored and the table holds none of it");
	} else {
		error_set(e, ERR_POSITION, "cannot tell where '%s' stands: no position is stored, and the table has "
					   "rows that do not say of which topic they are",
		    sub->topic);
		return error_hint(e, "say where to begin with --from");
	}
	return 0;
}

int
stream_start_choose(struct stream_start *s, const struct stream_tables *t, const struct from *from,
    struct subscription *sub, struct error *e)
{
	int64_t suspect = t->first_created ? 0 : POSITION_ALL_IN_FLIGHT;

	switch (from->kind) {
	case FROM_AUTO:
		return start_auto(s, t, sub, e);
	case FROM_STORED:
		if (s->stored != 0) {
			error_set(e, ERR_POSITION, "no position of '%s' to '%s' is stored", sub->topic,
			    t->options->table);
			return error_hint(e, "leave out --from: it then starts where the table ends");
		}
		start_stored(s, t, sub);
		return 0;
	case FROM_LATEST:
		sub->start = NULL;
		break;
	case FROM_REPLAY_ID:
		sub->from = (struct position){.kind = POSITION_AFTER, .replay_id = from->replay_id,
			.in_flight = suspect};
		sub->start = &sub->from;
		break;
	default:
		sub->from = (struct position){.kind = POSITION_EARLIEST, .in_flight = suspect};
		sub->start = &sub->from;
	}
	say(sub, from->kind == FROM_TIME ? "--from; older events are passed over" : "--from");
	return 0;
}

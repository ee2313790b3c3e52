/*
 * Who else brings the same events to a table: other topics of this run, runs before it, and processes beside it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "commands/stream.h"
#include "salesforce/topic_name.h"

#define SHARED_FOR_MS (4 * 24 * 3600000LL) /* a day more than the bus keeps events */

/* A channel holds the events of other topics, also of other channels. */
static bool
may_hold_the_same(const char *a, const char *b)
{
	return strcmp(a, b) != 0 && topic_name_is_change(a) == topic_name_is_change(b) &&
	    (topic_name_is_channel(a) || topic_name_is_channel(b));
}

/* Whether events that both topics hold go to one table: "main.crm.{entity}" is main.crm.account for those of Account. */
static bool
is_one_table(const char *topic, const char *table, const char *other_topic, const char *other_table)
{
	const char *of = topic_name_is_channel(topic) ? other_topic : topic;
	char *a = stream_table_of(table, of), *b = stream_table_of(other_table, of);
	/* the catalog knows no difference of case; two channels share no object that would be known here */
	bool is = a != NULL && b != NULL ? strcasecmp(a, b) == 0 : a == b && strcasecmp(table, other_table) == 0;

	free(a);
	free(b);
	return is;
}

/* ---- in this run, and in those before it */

struct overlap {
	const char *topic, *table;
	char with[TOPIC_NAME_SIZE];
};

static bool
take_overlap(void *context, const struct position_key *key, const struct position *position)
{
	struct overlap *o = context;
	/* the same topic under another name of the table has a position of its own, which knows nothing of this one */
	bool again = strcmp(key->topic, o->topic) == 0 && strcmp(key->table, o->table) != 0;

	/* older ones lie before all that the bus still has */
	if ((again || may_hold_the_same(key->topic, o->topic)) && is_one_table(o->topic, o->table, key->topic, key->table) &&
	    position->stored_ms > clock_wall_ms(&clock_system) - SHARED_FOR_MS)
		snprintf(o->with, sizeof(o->with), "%s", key->topic);
	return o->with[0] == '\0';
}

int
stream_find_overlaps(struct subscriptions *topics, const char *table, struct positions *positions, struct error *e)
{
	for (size_t i = 0; i < topics->count; i++) {
		struct subscription *sub = &topics->items[i];
		struct overlap o = {.topic = sub->topic, .table = table};

		for (size_t j = 0; j < topics->count && o.with[0] == '\0'; j++)
			if (may_hold_the_same(sub->topic, topics->items[j].topic))
				snprintf(o.with, sizeof(o.with), "%s", topics->items[j].topic);
		if (o.with[0] == '\0' && positions_list(positions, take_overlap, &o, e) != 0)
			return -1;
		sub->source->shared = o.with[0] != '\0';
		if (strcmp(o.with, sub->topic) == 0)
			log_info("stream", "'%s' was stored to this table under another name; its events are looked up where they "
					   "are not known to be new", sub->topic);
		else if (o.with[0] != '\0')
			log_info("stream", "'%s' and '%s' may hold the same events; each is stored once, and looked up "
					   "where it is not known to be new", sub->topic, o.with);
	}
	return 0;
}

/* ---- in processes beside this one */

struct rivals {
	const struct subscriptions *topics;
	const char *table, *org_id;
	struct error *error;
	int rc;
};

static bool
is_own(const struct rivals *r, const struct position_key *key)
{
	for (size_t i = 0; i < r->topics->count; i++)
		if (strcmp(r->topics->items[i].topic, key->topic) == 0 && strcasecmp(r->table, key->table) == 0)
			return true;
	return false;
}

static bool
take_rival(void *context, const struct position_key *key, long pid)
{
	struct rivals *r = context;

	/* a lock's file may say anything */
	if (strncmp(key->org_id, r->org_id, 15) != 0 || key->topic[0] != '/' || is_own(r, key))
		return true;
	for (size_t i = 0; i < r->topics->count; i++) {
		const char *topic = r->topics->items[i].topic;
		bool is_same = strcmp(topic, key->topic) == 0;

		if ((!is_same && !may_hold_the_same(topic, key->topic)) ||
		    !is_one_table(topic, r->table, key->topic, key->table))
			continue;
		if (is_same) {
			error_set(r->error, ERR_CONFIG, "process %ld is already streaming '%s' to the same table, as '%s'", pid,
			    topic, key->table);
			error_hint(r->error, "stop that one first: every event would be stored twice");
			r->rc = -1;
			return false;
		}
		log_warn("stream", "process %ld streams '%s' to the same table ('%s'): events that '%s' holds too may be stored "
				   "twice; one stream of both topics stores them once", pid, key->topic, key->table, topic);
	}
	return true;
}

int
stream_check_rivals(const struct subscriptions *topics, const char *table, const char *org_id, const char *directory,
    struct error *e)
{
	struct rivals r = {.topics = topics, .table = table, .org_id = org_id, .error = e};

	positions_each_holder(directory, take_rival, &r);
	return r.rc;
}

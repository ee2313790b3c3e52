#include "commands/subscription.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "commands/replay.h"
#include "salesforce/pubsub_managed.h"

int
subscriptions_init(struct subscriptions *s, int count, char *const *names, struct error *e)
{
	if (count == 0) {
		error_set(e, ERR_USAGE, "a topic is missing");
		return error_hint(e, "write it as Account, Invoice__c, Order__e or ChangeEvents; 'sfzb topics' lists what there is");
	}
	s->items = memory_zero((size_t)count, sizeof(*s->items));
	s->count = 0;
	for (int i = 0; i < count; i++) {
		if (topic_name_expand(s->items[i].topic, names[i], e) != 0)
			return -1;
		for (size_t k = 0; k < s->count; k++)
			if (strcmp(s->items[k].topic, s->items[i].topic) == 0)
				return error_set(e, ERR_USAGE, "topic '%s' is given twice", s->items[i].topic);
		s->count++;
	}
	return 0;
}

/* ---- the stored position of a topic, whichever table it is of */

struct wanted {
	const char *topic, *table, *org_id;
	struct position position;
	int found;
};

static bool
take_position(void *context, const struct position_key *key, const struct position *position)
{
	struct wanted *w = context;

	if (strcmp(key->topic, w->topic) == 0 && strncmp(key->org_id, w->org_id, 15) == 0 &&
	    (w->table == NULL || strcmp(key->table, w->table) == 0)) {
		w->position = *position;
		w->position.in_flight = 0; /* nothing here could look it up */
		w->found++;
	}
	return true;
}

static int
find_stored(struct subscription *s, struct app *app, const char *table, struct error *e)
{
	const char *path = profile_path(app->profile, REPLAY_DATABASE);
	struct wanted w = {.topic = s->topic, .table = table,
		.org_id = salesforce_session_org_id(app->salesforce)};
	struct positions *positions = NULL;
	struct stat st;
	bool was_damaged;

	if (stat(path, &st) == 0) {
		positions = positions_open(path, &was_damaged, e);
		if (positions == NULL)
			return -1;
		if (positions_list(positions, take_position, &w, e) != 0) {
			positions_free(positions);
			return -1;
		}
		positions_free(positions);
	}
	if (w.found == 1) {
		s->from = w.position;
		s->start = &s->from;
		return 0;
	}
	if (w.found == 0)
		error_set(e, ERR_POSITION, "no position of '%s' is stored", s->topic);
	else
		error_set(e, ERR_POSITION, "positions of '%s' are stored for %d tables", s->topic, w.found);
	return error_hint(e, w.found == 0 ? "'sfzb replay show' lists what is stored"
					  : "say which with --table; 'sfzb replay show' lists them");
}

void
subscription_open(struct subscription *s, struct app *app, const struct from *from, int64_t watchdog_ms)
{
	struct pubsub_source_options o = {.watchdog_ms = watchdog_ms, .managed = s->managed, .unknown_tries = s->unknown_tries};

	s->inner = s->managed != NULL ? pubsub_managed_new(app->pubsub, s->topic, &o)
				      : pubsub_source_new(app->pubsub, s->topic, &o);
	s->source = s->inner;
	if (from->kind == FROM_TIME) {
		since_source_init(&s->since, s->inner, from->time_ms);
		s->source = &s->since.source;
	}
}

int
subscriptions_open(struct subscriptions *s, struct app *app, struct patience *p, const struct from *from,
    const char *table, struct error *e)
{
	for (size_t i = 0; i < s->count; i++) {
		struct subscription *one = &s->items[i];

		if (from->kind == FROM_EARLIEST || from->kind == FROM_TIME)
			one->from = (struct position){.kind = POSITION_EARLIEST};
		else if (from->kind == FROM_REPLAY_ID)
			one->from = (struct position){.kind = POSITION_AFTER, .replay_id = from->replay_id};
		one->start = from->kind == FROM_LATEST ? NULL : &one->from;
		if (from->kind == FROM_STORED && find_stored(one, app, table, e) != 0)
			return -1;
		if (patient_need_topic(p, app, one->topic, false, NULL, e) != 0)
			return -1;
		subscription_open(one, app, from, 0);
	}
	return 0;
}

void
subscriptions_release(struct subscriptions *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].managed != NULL)
			pubsub_managed_free(s->items[i].inner);
		else if (s->items[i].inner != NULL)
			pubsub_source_free(s->items[i].inner);
	free(s->items);
	*s = (struct subscriptions){.items = NULL};
}

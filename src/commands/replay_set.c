/*
 * `sfzb replay set`. Refuses while a stream holds the position; asks the server only for `latest` and for an organisation
 * that no stored position names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "commands/from.h"
#include "commands/replay.h"
#include "commands/subscription.h"

#define TIP_WAIT_MS 300000 /* a quiet topic names its tip with the first keepalive, within 270 s */

/* ---- whose position: the organisation and the table of what is stored, unless said otherwise */

struct stored {
	const char *topic, *table;
	char *org_id, *found_table;
	int found;
};

static bool
take_stored(void *context, const struct position_key *key, const struct position *position)
{
	struct stored *s = context;

	(void)position;
	if (strcmp(key->topic, s->topic) != 0 || (s->table != NULL && strcmp(key->table, s->table) != 0))
		return true;
	if (s->found++ == 0) {
		s->org_id = memory_strdup(key->org_id);
		s->found_table = memory_strdup(key->table);
	}
	return true;
}

static int
choose_key(struct app *app, struct positions *positions, struct stored *s, struct position_key *key,
    struct error *e)
{
	if (positions_list(positions, take_stored, s, e) != 0)
		return -1;
	if (s->table == NULL && s->found != 1) {
		if (s->found == 0)
			error_set(e, ERR_USAGE, "no position of '%s' is stored: for which table shall one be?", s->topic);
		else
			error_set(e, ERR_USAGE, "positions of '%s' are stored for %d tables: which one?", s->topic,
			    s->found);
		return error_hint(e, "give it with --table, as it is given to stream");
	}
	if (s->found > 1) {
		error_set(e, ERR_USAGE, "positions of '%s' to '%s' are stored for %d organisations", s->topic,
		    s->table, s->found);
		return error_hint(e, "use a profile each");
	}
	if (s->found == 0 && app_open_salesforce(app, e) != 0)
		return -1;
	*key = (struct position_key){
		.org_id = s->found > 0 ? s->org_id : salesforce_session_org_id(app->salesforce),
		.topic = s->topic,
		.table = s->table != NULL ? s->table : s->found_table,
	};
	return 0;
}

/* ---- where to */

struct search {
	int64_t time_ms;
	struct position best;
	bool found;
};

static bool
consider(void *context, const struct position_key *key, const struct position *position)
{
	struct search *s = context;

	(void)key;
	if (position->kind == POSITION_AFTER && position->event_ms > 0 && position->event_ms <= s->time_ms &&
	    (!s->found || position->event_ms >= s->best.event_ms)) {
		s->best = *position;
		s->found = true;
	}
	return true;
}

static int
at_time(struct positions *positions, const struct position_key *key, int64_t time_ms,
    struct position *out, struct error *e)
{
	struct search s = {.time_ms = time_ms};
	char text[CLOCK_TIME_SIZE];

	if (positions_history(positions, key, consider, &s, e) != 0)
		return -1;
	if (!s.found) {
		error_set(e, ERR_POSITION, "no position of '%s' from %s or before is stored", key->topic,
		    clock_format_time(text, time_ms));
		return error_hint(e, "'sfzb tail TOPIC --from TIME -o json' shows the replay ids of that time");
	}
	*out = s.best;
	return 0;
}

struct tip {
	struct loop *loop;
	struct source *source;
	struct replay_id latest;
	int64_t event_ms;
	bool named, over;
	struct error why;
};

static void
tip_opened(void *context)
{
	(void)context;
}

static void
tip_event(void *context, const struct event *event)
{
	struct tip *t = context;

	t->latest = event->replay_id;
	t->event_ms = event->commit_timestamp_ms;
	t->named = true;
}

static void
tip_undecodable(void *context, const struct event *event, const struct error *why)
{
	(void)why;
	tip_event(context, event);
}

static void
tip_idle(void *context, const struct replay_id *latest)
{
	struct tip *t = context;

	if (latest->len == 0)
		return;
	t->latest = *latest;
	t->named = true;
}

static void
tip_ended(void *context, const struct error *why)
{
	struct tip *t = context;

	t->over = true;
	t->why = *why;
}

/* The tip is what the server calls the latest in its first response; the first event that comes will do as well. */
static int
at_tip(struct app *app, const char *topic, struct position *out, struct error *e)
{
	static const struct source_events events = {
		.opened = tip_opened,
		.event = tip_event,
		.undecodable = tip_undecodable,
		.idle = tip_idle,
		.ended = tip_ended,
	};
	struct tip t = {.over = false};
	struct start start = {.kind = START_LATEST};
	int64_t until;

	if (app_open_pubsub(app, e) != 0 || app_need_topic(app, topic, false, NULL, e) != 0)
		return -1;
	until = clock_monotonic_ms(&clock_system) + TIP_WAIT_MS;
	t.source = pubsub_source_new(app->pubsub, topic, NULL);
	t.source->ops->open(t.source, &start, &events, &t);
	t.source->ops->allow(t.source, 1);
	terminal_set_status("waiting for the server to name the tip (up to 270 s on a quiet topic)");
	while (!t.named && !t.over && clock_monotonic_ms(&clock_system) < until)
		loop_step(app->loop, 1000);
	terminal_set_status(NULL);
	pubsub_source_free(t.source);
	if (!t.named) {
		if (t.over && t.why.code != ERR_OK) {
			*e = t.why;
			return -1;
		}
		return error_set(e, ERR_UNAVAILABLE, "the server did not name the tip of '%s'", topic);
	}
	*out = (struct position){.kind = POSITION_AFTER, .replay_id = t.latest, .event_ms = t.event_ms};
	return 0;
}

static int
choose_position(struct app *app, struct positions *positions, const struct position_key *key,
    const char *where, struct position *out, struct error *e)
{
	struct from from;

	if (from_parse(&from, "earliest|latest", where, e) != 0)
		return -1;
	switch (from.kind) {
	case FROM_EARLIEST:
		*out = (struct position){.kind = POSITION_EARLIEST};
		return 0;
	case FROM_LATEST:
		return at_tip(app, key->topic, out, e);
	case FROM_REPLAY_ID:
		*out = (struct position){.kind = POSITION_AFTER, .replay_id = from.replay_id};
		return 0;
	default:
		return at_time(positions, key, from.time_ms, out, e);
	}
}

int
replay_set(struct app *app, struct positions *positions, const struct replay_set_options *o,
    struct error *e)
{
	char topic[TOPIC_NAME_SIZE], hex[REPLAY_ID_TEXT_SIZE];
	struct stored stored = {.topic = topic, .table = o->table};
	struct position_lock *lock = NULL;
	struct position_key key;
	struct position position;
	int rc = -1;

	if (topic_name_expand(topic, o->topic, e) != 0 || choose_key(app, positions, &stored, &key, e) != 0)
		goto out;
	lock = positions_lock(profile_directory(app->profile), &key, e);
	if (lock == NULL || choose_position(app, positions, &key, o->where, &position, e) != 0)
		goto out;
	position.stored_ms = clock_wall_ms(&clock_system);
	/* what lies behind may be in the table: the next run looks it up before it stores it */
	position.in_flight = POSITION_ALL_IN_FLIGHT;
	if (!o->dry_run && positions_store(positions, &key, &position, e) != 0)
		goto out;
	log_info("replay", "%s position of '%s' to '%s': %s", o->dry_run ? "would set" : "set", key.topic,
	    key.table,
	    position.kind == POSITION_EARLIEST ? "earliest" : replay_id_hex(hex, &position.replay_id));
	rc = 0;
out:
	if (lock != NULL)
		positions_unlock(lock);
	free(stored.org_id);
	free(stored.found_table);
	return rc;
}

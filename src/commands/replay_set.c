/*
 * `sfzb replay set`. Refuses while a stream holds the position, and a position of another organisation than the login's. Asks a
 * server only where nothing stored can tell: for the tip, for a time that the history does not reach, for the table's end, and
 * for the organisation of a login that has no session yet.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "commands/from.h"
#include "commands/replay.h"
#include "commands/subscription.h"

/* ---- whose position: of the login's organisation; the table is the one that is stored, unless said otherwise */

struct stored {
	const char *topic, *table; /* table NULL: any */
	const char *login_org;	   /* NULL: there is no login */
	int own, foreign;	   /* positions of that topic and table */
	char *own_org, *own_table, *foreign_org, *foreign_table; /* of the first of each */
};

static bool
take_stored(void *context, const struct position_key *key, const struct position *position)
{
	struct stored *s = context;

	(void)position;
	if (strcmp(key->topic, s->topic) != 0 || (s->table != NULL && strcmp(key->table, s->table) != 0))
		return true;
	if (s->login_org == NULL || strncmp(key->org_id, s->login_org, 15) == 0) {
		if (s->own++ > 0)
			return true;
		s->own_org = memory_strdup(key->org_id);
		s->own_table = memory_strdup(key->table);
	} else if (s->foreign++ == 0) {
		s->foreign_org = memory_strdup(key->org_id);
		s->foreign_table = memory_strdup(key->table);
	}
	return true;
}

/* The organisation of the login; without any login that of what is stored will do. */
static int
find_login(struct app *app, struct stored *s, struct error *no_login, struct error *e)
{
	if (app_open_salesforce(app, no_login) == 0) {
		s->login_org = salesforce_session_org_id(app->salesforce);
		return 0;
	}
	if (no_login->code == ERR_NOT_LOGGED_IN)
		return 0;
	*e = *no_login;
	return -1;
}

static int
refuse_other_org(const struct stored *s, struct error *e)
{
	error_set(e, ERR_POSITION, "the position of '%s' to '%s' is of organisation %s, and this login is of %s", s->topic,
	    s->foreign_table, s->foreign_org, s->login_org);
	return error_hint(e, "was the sandbox refreshed? Its replay ids mean other events; --force stores a position of this organisation");
}

static int
choose_key(struct app *app, struct positions *positions, struct stored *s, bool force, struct position_key *key,
    struct error *e)
{
	struct error no_login = ERROR_INIT;

	if (find_login(app, s, &no_login, e) != 0 ||
	    (positions != NULL && positions_list(positions, take_stored, s, e) != 0))
		return -1;
	if (s->own == 0 && s->foreign > 0 && !force)
		return refuse_other_org(s, e);
	if (s->own > 1 && s->table != NULL) {
		error_set(e, ERR_USAGE, "positions of '%s' to '%s' are stored for %d organisations", s->topic, s->table,
		    s->own);
		return error_hint(e, "log in to the one that is meant, or use a profile each");
	}
	if (s->table == NULL && s->own + (s->own == 0 ? s->foreign : 0) != 1) {
		if (s->own + s->foreign == 0)
			error_set(e, ERR_USAGE, "no position of '%s' is stored: for which table shall one be?", s->topic);
		else
			error_set(e, ERR_USAGE, "positions of '%s' are stored for %d tables: which one?", s->topic,
			    s->own > 0 ? s->own : s->foreign);
		return error_hint(e, "give it with --table, as it is given to stream");
	}
	if (s->own == 0 && s->login_org == NULL) {
		*e = no_login;
		return -1;
	}
	*key = (struct position_key){
		.org_id = s->login_org != NULL ? s->login_org : s->own_org,
		.topic = s->topic,
		.table = s->table != NULL ? s->table : s->own > 0 ? s->own_table : s->foreign_table,
	};
	return 0;
}

/* ---- where to */

struct search {
	int64_t time_ms;
	struct position best; /* the newest of that time or before */
	bool found, passed;   /* passed: there is one behind it, so that the history knows that time */
};

static bool
consider(void *context, const struct position_key *key, const struct position *position)
{
	struct search *s = context;

	(void)key;
	if (position->kind != POSITION_AFTER || position->event_ms <= 0)
		return true;
	if (position->event_ms > s->time_ms)
		s->passed = true;
	else if (!s->found || position->event_ms >= s->best.event_ms) {
		s->best = *position;
		s->found = true;
	}
	return true;
}

static int
at_time(struct app *app, struct positions *positions, const struct position_key *key, int64_t time_ms,
    struct replay_place *out, struct error *e)
{
	int64_t now = clock_wall_ms(&clock_system);
	struct search s = {.time_ms = time_ms};
	char text[CLOCK_TIME_SIZE];
	bool kept;

	if (time_ms > now)
		return error_set(e, ERR_USAGE, "%s has not come yet", clock_format_time(text, time_ms));
	if (positions != NULL && positions_history(positions, key, consider, &s, e) != 0)
		return -1;
	kept = s.found && s.best.event_ms + REPLAY_RETENTION_MS > now;
	if (kept && s.passed) {
		*out = (struct replay_place){.position = s.best};
		snprintf(out->how, sizeof(out->how), "it stood there at the event of %s",
		    clock_format_time(text, s.best.event_ms));
		return 0;
	}
	if (replay_read_forward(app, key->topic, kept ? &s.best : NULL, time_ms, out, e) == 0)
		return 0;
	return error_wrap(e, "the stored history does not reach %s, and reading forward failed", clock_format_time(text, time_ms));
}

static int
choose_place(struct app *app, struct positions *positions, const struct position_key *key,
    const struct replay_set_options *o, struct replay_place *out, struct error *e)
{
	struct from from;

	*out = (struct replay_place){.how = ""};
	if (o->from_table)
		return replay_ask_table(app, key, out, e);
	if (from_parse(&from, "earliest|latest", o->where, e) != 0)
		return -1;
	switch (from.kind) {
	case FROM_EARLIEST:
		out->position.kind = POSITION_EARLIEST;
		return 0;
	case FROM_LATEST:
		return replay_tip(app, key->topic, out, e);
	case FROM_REPLAY_ID:
		out->position = (struct position){.kind = POSITION_AFTER, .replay_id = from.replay_id};
		return 0;
	default:
		return at_time(app, positions, key, from.time_ms, out, e);
	}
}

static void
say(const struct position_key *key, const struct replay_place *place, bool dry_run)
{
	const struct position *p = &place->position;
	char hex[REPLAY_ID_TEXT_SIZE], age[32];
	int64_t event_age = clock_wall_ms(&clock_system) - p->event_ms;

	log_info("replay", "%s position of '%s' to '%s': %s%s%s%s", dry_run ? "would set" : "set", key->topic, key->table,
	    p->kind == POSITION_EARLIEST ? "earliest" : replay_id_hex(hex, &p->replay_id), *place->how != '\0' ? " (" : "",
	    place->how, *place->how != '\0' ? ")" : "");
	if (p->event_ms > 0 && event_age >= REPLAY_RETENTION_MS)
		log_warn("replay", "its event is %s old, and Salesforce keeps events for 72 hours: the next run will most likely say that "
				   "the position is lost",
		    clock_format_duration(age, sizeof(age), event_age));
}

int
replay_set(struct app *app, struct positions *positions, const struct replay_set_options *o,
    struct error *e)
{
	char topic[TOPIC_NAME_SIZE];
	struct stored stored = {.topic = topic, .table = o->table};
	struct position_lock *lock = NULL;
	struct position_key key;
	struct replay_place place;
	int rc = -1;

	if (topic_name_expand(topic, o->topic, e) != 0 ||
	    choose_key(app, positions, &stored, o->force, &key, e) != 0)
		goto out;
	lock = positions_lock(profile_directory(app->profile), &key, e);
	if (lock == NULL || choose_place(app, positions, &key, o, &place, e) != 0)
		goto out;
	place.position.stored_ms = clock_wall_ms(&clock_system);
	/* what lies behind may be in the table: the next run looks it up before it stores it */
	place.position.in_flight = POSITION_ALL_IN_FLIGHT;
	if (!o->dry_run && positions_store(positions, &key, &place.position, e) != 0)
		goto out;
	say(&key, &place, o->dry_run);
	rc = 0;
out:
	if (lock != NULL)
		positions_unlock(lock);
	free(stored.own_org);
	free(stored.own_table);
	free(stored.foreign_org);
	free(stored.foreign_table);
	return rc;
}

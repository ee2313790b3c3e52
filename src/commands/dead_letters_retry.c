/*
 * `sfzb dead-letters retry`: events that were set aside go through the same engine as a stream's. Each is decoded anew
 * from its bytes, looked up in the table first, sent, and removed from the store once it is durable; one that is
 * refused again stays, with the new reason and one more try.
 *
 * Streams to the same table must not run meanwhile: the locks of their positions are held.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "commands/dead_letters.h"
#include "commands/letter_source.h"
#include "commands/replay.h"
#include "commands/stream.h"
#include "salesforce/schemas.h"

#define PLACE "{entity}"
#define MAX_RETRIES 10

/* The letters of one organisation, topic and table. */
struct group {
	char *org, *topic, *table;
	int64_t *ids;
	size_t count, capacity;
};

struct held_schema {
	char *id;
	struct avro_schema *schema; /* NULL: the server has none */
	bool asked;
};

struct retry {
	struct app *app;
	struct dead_letters *store;
	struct stream_options options; /* of the tables */
	struct group *groups;
	size_t group_count, group_capacity;
	struct held_schema *schemas; /* asked for, because the letters had none */
	size_t schema_count, schema_capacity;
	int64_t stored, already_stored;
	size_t removed, kept;

	/* of the group under way */
	struct group *group;
	struct stream_tables tables;
	struct letter_source *source;
	struct positions *positions;
	struct position_lock **locks;
	size_t lock_count, lock_capacity;
};

/* ---- groups */

static bool
take_letter(void *context, const struct dead_letter *l)
{
	struct retry *r = context;
	struct group *g = NULL;

	for (size_t i = 0; i < r->group_count && g == NULL; i++)
		if (text_is(l->org_id, r->groups[i].org) && text_is(l->topic, r->groups[i].topic) &&
		    text_is(l->table, r->groups[i].table))
			g = &r->groups[i];
	if (g == NULL) {
		r->groups = memory_reserve(r->groups, &r->group_capacity, r->group_count + 1, sizeof(*r->groups));
		g = &r->groups[r->group_count++];
		*g = (struct group){text_dup(l->org_id), text_dup(l->topic), text_dup(l->table), NULL, 0, 0};
	}
	g->ids = memory_reserve(g->ids, &g->capacity, g->count + 1, sizeof(*g->ids));
	g->ids[g->count++] = l->id;
	return true;
}

/* ---- schemas of letters that were set aside because theirs could not be had */

static struct held_schema *
held(struct retry *r, struct text id)
{
	for (size_t i = 0; i < r->schema_count; i++)
		if (text_is(id, r->schemas[i].id))
			return &r->schemas[i];
	return NULL;
}

static struct avro_schema *
find_schema(void *context, struct text id, struct error *e)
{
	struct held_schema *h = held(context, id);

	if (h == NULL || h->schema == NULL) {
		error_set(e, ERR_REFUSED, "its schema '" TEXT_FORMAT "' cannot be had", TEXT_ARGS(id));
		return NULL;
	}
	return h->schema;
}

static bool
note_schema(void *context, const struct dead_letter *l)
{
	struct retry *r = context;

	if (l->schema_json.len > 0 || held(r, l->schema_id) != NULL)
		return true;
	r->schemas = memory_reserve(r->schemas, &r->schema_capacity, r->schema_count + 1, sizeof(*r->schemas));
	r->schemas[r->schema_count++] = (struct held_schema){text_dup(l->schema_id), NULL, false};
	return true;
}

/* A schema that the server does not give is the fault of its letters alone: they stay. */
static int
fetch_schemas(struct retry *r, struct error *e)
{
	struct error why = ERROR_INIT;

	for (size_t i = 0; i < r->group->count; i++) {
		struct dead_letter_filter filter = {.id = r->group->ids[i]};

		if (dead_letters_each(r->store, &filter, note_schema, r, e) != 0)
			return -1;
	}
	for (size_t i = 0; i < r->schema_count; i++) {
		struct held_schema *h = &r->schemas[i];

		if (h->asked)
			continue;
		if (app_open_pubsub(r->app, e) != 0)
			return error_wrap(e, "an event was set aside without its schema, which only Salesforce has");
		h->asked = true;
		if (pubsub_get_schema_wait(r->app->pubsub, text_of(h->id), &h->schema, &why) == 0)
			continue;
		if (!schema_cache_is_final(why.code)) {
			*e = why;
			return -1;
		}
		log_warn("dead-letters", "%s", why.text);
	}
	return 0;
}

/* ---- the engine's stores */

static int
store_positions(void *context, const struct position_update *updates, size_t count, struct error *e)
{
	struct retry *r = context;

	for (size_t i = 0; i < count; i++)
		if (updates[i].position.kind == POSITION_AFTER &&
		    letter_source_passed(r->source, &updates[i].position.replay_id, e) != 0)
			return -1;
	return 0;
}

static int
store_letters(void *context, const struct dead_letter *letters, size_t count, struct error *e)
{
	struct retry *r = context;

	for (size_t i = 0; i < count; i++) {
		struct dead_letter l = letters[i];

		/* the same letter, not a second one */
		l.org_id = text_of(r->group->org);
		l.topic = text_of(r->group->topic);
		l.table = text_of(r->group->table);
		l.set_aside_ms = clock_wall_ms(&clock_system);
		letter_source_keep(r->source, &l.replay_id);
		if (dead_letters_store(r->store, &l, 1, e) != 0)
			return -1;
	}
	return 0;
}

/* ---- streams to the same table */

static int
lock(struct retry *r, const struct position_key *key, struct error *e)
{
	struct position_lock *l = positions_lock(profile_directory(r->app->profile), key, e);

	if (l == NULL)
		return -1;
	r->locks = memory_reserve(r->locks, &r->lock_capacity, r->lock_count + 1, sizeof(struct position_lock *));
	r->locks[r->lock_count++] = l;
	return 0;
}

struct rival {
	struct retry *r;
	struct position_key *keys;
	struct position *positions;
	size_t count, capacity, position_capacity;
};

/* "main.crm.{entity}" may be the table of this group. */
static bool
may_be(const char *pattern, const char *table)
{
	const char *at = strstr(pattern, PLACE);
	char *glob;
	bool is;

	if (at == NULL)
		return strcmp(pattern, table) == 0;
	glob = memory_format("%.*s*%s", (int)(at - pattern), pattern, at + strlen(PLACE));
	is = text_glob(glob, table);
	free(glob);
	return is;
}

static bool
take_rival(void *context, const struct position_key *key, const struct position *position)
{
	struct rival *v = context;
	const struct group *g = v->r->group;

	if (strncmp(key->org_id, g->org, 15) != 0 || strcmp(key->topic, g->topic) != 0 ||
	    strcmp(key->table, g->table) == 0 || !may_be(key->table, g->table))
		return true;
	v->keys = memory_reserve(v->keys, &v->capacity, v->count + 1, sizeof(*v->keys));
	v->positions = memory_reserve(v->positions, &v->position_capacity, v->count + 1, sizeof(*v->positions));
	v->keys[v->count] = (struct position_key){memory_strdup(key->org_id), memory_strdup(key->topic),
		memory_strdup(key->table)};
	v->positions[v->count++] = *position;
	return true;
}

/*
 * A run that died may deliver the same events once more, and by then they are in the table: it will have to look at
 * more than what was in flight.
 */
static int
make_suspicious(struct retry *r, const struct position_key *key, struct error *e)
{
	struct position position;
	int found = positions_find(r->positions, key, &position, e);

	if (found != 0 || position.in_flight == 0 || position.in_flight == POSITION_ALL_IN_FLIGHT)
		return found < 0 ? -1 : 0;
	position.in_flight = POSITION_ALL_IN_FLIGHT;
	return positions_store(r->positions, key, &position, e);
}

static int
hold_rivals(struct retry *r, struct error *e)
{
	struct position_key own = {r->group->org, r->group->topic, r->group->table};
	struct rival v = {.r = r};
	struct stat st;
	bool was_damaged;
	int rc = -1;

	if (lock(r, &own, e) != 0)
		return -1;
	if (stat(profile_path(r->app->profile, REPLAY_DATABASE), &st) != 0)
		return 0;
	r->positions = positions_open(profile_path(r->app->profile, REPLAY_DATABASE), &was_damaged, e);
	if (r->positions == NULL || positions_list(r->positions, take_rival, &v, e) != 0 ||
	    make_suspicious(r, &own, e) != 0)
		goto out;
	for (size_t i = 0; i < v.count; i++)
		if (lock(r, &v.keys[i], e) != 0 || make_suspicious(r, &v.keys[i], e) != 0)
			goto out;
	rc = 0;
out:
	for (size_t i = 0; i < v.count; i++) {
		free((char *)v.keys[i].org_id);
		free((char *)v.keys[i].topic);
		free((char *)v.keys[i].table);
	}
	free(v.keys);
	free(v.positions);
	return rc;
}

/* ---- one group */

static int
prepare(void *context, struct error *e)
{
	struct retry *r = context;

	return stream_tables_prepare(&r->tables, e);
}

static int
run_engine(struct retry *r, struct error *e)
{
	static const struct position from = {.kind = POSITION_EARLIEST, .in_flight = POSITION_ALL_IN_FLIGHT};
	struct letter_source_options source = {
		.loop = r->app->loop,
		.store = r->store,
		.topic = r->group->topic,
		.ids = r->group->ids,
		.count = r->group->count,
		.schema = find_schema,
		.context = r,
	};
	struct pump_setup setup = {
		.positions = {.store = store_positions, .context = r},
		.letters = {.store = store_letters, .context = r},
		.router = stream_tables_router(&r->tables),
	};
	struct engine_statistics s;
	struct pump *pump;
	bool is_done;
	int rc, signal;

	engine_options_init(&setup.options);
	if (tuning_apply(&r->options.tuning, &setup.options, e) != 0)
		return -1;
	setup.options.until_caught_up = true;
	setup.options.max_retries = MAX_RETRIES;
	setup.options.left_hint = "they are still set aside: another retry looks them up before it sends them";
	r->source = letter_source_new(&source);
	pump = pump_new(r->app, &setup);
	pump_add(pump, letter_source_source(r->source), &from);
	rc = pump_run(pump, e);
	pump_statistics(pump, &s);
	r->stored += s.stored;
	r->already_stored += s.already_stored + s.repeated;
	r->removed += letter_source_removed(r->source);
	r->kept += letter_source_kept(r->source);
	signal = pump_signal(pump);
	pump_free(pump);
	is_done = letter_source_removed(r->source) + letter_source_kept(r->source) == r->group->count &&
	    r->group == &r->groups[r->group_count - 1];
	letter_source_free(r->source);
	r->source = NULL;
	if (rc == 0 && signal != 0 && !is_done) {
		rc = error_set(e, app_signal_code(signal), "stopped before all events were sent");
		error_hint(e, "what was not is still set aside: another retry sends it");
	}
	return rc;
}

static int
retry_group(struct retry *r, struct group *g, struct error *e)
{
	int rc = -1;

	r->group = g;
	r->options.table = g->table;
	r->tables = (struct stream_tables){.app = r->app, .options = &r->options};
	databricks_session_interrupt(r->app->databricks, false);
	if (hold_rivals(r, e) == 0 && fetch_schemas(r, e) == 0 && app_wait(r->app, prepare, r, e) == 0 &&
	    stream_tables_open(&r->tables, e) == 0)
		rc = run_engine(r, e);
	terminal_set_status(NULL);
	stream_tables_release(&r->tables);
	positions_free(r->positions);
	r->positions = NULL;
	while (r->lock_count > 0)
		positions_unlock(r->locks[--r->lock_count]);
	return rc;
}

/* ---- the whole */

static int
print_json(const struct retry *r, struct error *e)
{
	struct json *j = json_object();

	json_set_int64(j, "stored", r->stored);
	json_set_int64(j, "already_stored", r->already_stored);
	json_set_int64(j, "removed", (int64_t)r->removed);
	json_set_int64(j, "set_aside", (int64_t)r->kept);
	return output_json(j, e);
}

/* Rows are sent as a stream sends them when it is told nothing. */
static const struct option tuning_defaults[] = {TUNING_OPTIONS(struct stream_options), OPTION_END};

static int
retry_all(struct retry *r, const struct letter_ids *ids, struct error *e)
{
	struct option_group group = {tuning_defaults, &r->options};

	for (size_t i = 0; i < ids->count; i++) {
		struct dead_letter_filter filter = {.id = ids->items[i]};

		if (dead_letters_each(r->store, &filter, take_letter, r, e) != 0)
			return -1;
	}
	if (options_set_defaults(&group, e) != 0 || app_open_databricks(r->app, e) != 0)
		return -1;
	app_open_loop(r->app);
	for (size_t i = 0; i < r->group_count; i++)
		if (retry_group(r, &r->groups[i], e) != 0)
			return -1;
	return 0;
}

int
letters_retry(struct app *app, struct dead_letters *store, const struct letter_ids *ids,
    int64_t visibility_ms, struct error *e)
{
	struct retry r = {.app = app, .store = store,
		.options = {.layout = 1, .create = true, .visibility_ms = visibility_ms}};
	char stored[TEXT_COUNT_SIZE], already[TEXT_COUNT_SIZE], kept[TEXT_COUNT_SIZE];
	int rc = ids->count > 0 ? retry_all(&r, ids, e) : 0;

	log_info("dead-letters", "stored %s, %s stored already; %s set aside again",
	    text_count(stored, r.stored, "event", "events"), text_count(already, r.already_stored, "was", "were"),
	    text_count(kept, (int64_t)r.kept, "was", "were"));
	if (app_outputs(app, "json") && print_json(&r, rc == 0 ? e : NULL) != 0)
		rc = -1;
	if (rc == 0 && r.kept > 0) {
		rc = error_set(e, ERR_REFUSED, "%zu of %s %s set aside again", r.kept,
		    text_count(stored, (int64_t)ids->count, "event", "events"), r.kept == 1 ? "was" : "were");
		error_hint(e, "'sfzb dead-letters list' says why; 'sfzb create-table TABLE --check' whether the table fits");
	}
	for (size_t i = 0; i < r.group_count; i++) {
		free(r.groups[i].org);
		free(r.groups[i].topic);
		free(r.groups[i].table);
		free(r.groups[i].ids);
	}
	for (size_t i = 0; i < r.schema_count; i++) {
		free(r.schemas[i].id);
		avro_schema_unref(r.schemas[i].schema);
	}
	free(r.groups);
	free(r.schemas);
	free(r.locks);
	return rc;
}

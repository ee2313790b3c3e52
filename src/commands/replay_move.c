/*
 * `sfzb replay export` and `import`: positions as one JSON document, to move a stream to another machine.
 *
 *   {"format": "sfzb-replay", "version": 1, "written": TIME, "by": "sfzb 0.1.0", "positions": [
 *     {"org_id": …, "topic": "/data/AccountChangeEvent", "table": "main.crm.account",
 *      "position": "after" | "earliest" | "at", "replay_id": HEX | null, "event_time": TIME | null, "stored_time": TIME,
 *      "in_flight": COUNT | "unknown",
 *      "history": [{"replay_id": HEX, "event_time": TIME | null, "stored_time": TIME}, …]}, …]}
 *
 * Unknown members are passed over; a higher version is refused. All positions of a document are stored, or none.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "cli/output.h"
#include "commands/replay.h"
#include "commands/stream.h"
#include "databricks/table.h"
#include "salesforce/topic_name.h"

#define FORMAT "sfzb-replay"
#define VERSION 1
#define UNKNOWN "unknown"

/* ---- export */

struct writer {
	const struct replay_move_options *o;
	const char *topic; /* whole; NULL: all */
	struct app *app;
	struct positions *positions;
	struct json *list;
	struct error *e;
	int rc;
};

static void
set_time(struct json *j, const char *key, int64_t ms)
{
	char text[CLOCK_TIME_SIZE];

	json_set_string(j, key, ms > 0 ? clock_format_time(text, ms) : NULL);
}

static struct json *
place_json(const struct position *p)
{
	char hex[REPLAY_ID_TEXT_SIZE];
	struct json *j = json_object();

	json_set_string(j, "replay_id", p->replay_id.len > 0 ? replay_id_hex(hex, &p->replay_id) : NULL);
	set_time(j, "event_time", p->event_ms);
	set_time(j, "stored_time", p->stored_ms);
	return j;
}

static bool
write_place(void *context, const struct position_key *key, const struct position *p)
{
	(void)key;
	json_add(context, place_json(p));
	return true;
}

/* A stream that runs goes on behind what is written here: the lock tells, and is not kept. */
static int
check_lock(const struct writer *w, const struct position_key *key)
{
	struct error held = ERROR_INIT;
	struct position_lock *l = positions_lock(profile_directory(w->app->profile), key, &held);

	if (l != NULL) {
		positions_unlock(l);
		return 0;
	}
	if (!w->o->force) {
		*w->e = held;
		return error_hint(w->e, "stop that one first, or write where it stands now with --force");
	}
	log_warn("replay", "%s: what is written is where it stands now", held.text);
	return 0;
}

static bool
write_one(void *context, const struct position_key *key, const struct position *p)
{
	struct writer *w = context;
	struct json *j, *history;

	if ((w->topic != NULL && strcmp(w->topic, key->topic) != 0) ||
	    (w->o->table != NULL && strcmp(w->o->table, key->table) != 0))
		return true;
	if (check_lock(w, key) != 0) {
		w->rc = -1;
		return false;
	}
	j = place_json(p);
	json_set_string(j, "org_id", key->org_id);
	json_set_string(j, "topic", key->topic);
	json_set_string(j, "table", key->table);
	json_set_string(j, "position", replay_kind_name(p->kind));
	if (p->in_flight == POSITION_ALL_IN_FLIGHT)
		json_set_string(j, "in_flight", UNKNOWN);
	else
		json_set_int64(j, "in_flight", p->in_flight);
	history = json_array();
	json_set(j, "history", history);
	json_add(w->list, j);
	w->rc = positions_history(w->positions, key, write_place, history, w->e);
	return w->rc == 0;
}

int
replay_export(struct app *app, struct positions *positions, const struct replay_move_options *o, struct error *e)
{
	char topic[TOPIC_NAME_SIZE];
	struct writer w = {.o = o, .app = app, .positions = positions, .e = e};
	struct json *j = json_object();
	struct buffer b = BUFFER_INIT;
	int rc = -1;

	json_set_string(j, "format", FORMAT);
	json_set_int64(j, "version", VERSION);
	set_time(j, "written", clock_wall_ms(&clock_system));
	json_set_string(j, "by", "sfzb " SFZB_VERSION);
	w.list = json_array();
	json_set(j, "positions", w.list);
	if (o->topic != NULL && topic_name_expand(topic, o->topic, e) != 0)
		goto out;
	w.topic = o->topic != NULL ? topic : NULL;
	if (positions != NULL && (positions_list(positions, write_one, &w, e) != 0 || w.rc != 0))
		goto out;
	if (json_count(w.list) == 0) {
		error_set(e, ERR_POSITION, "no such position is stored");
		error_hint(e, "'sfzb replay show' lists them");
		goto out;
	}
	json_write(&b, j, true);
	rc = output_line(buffer_span(&b), e);
out:
	buffer_release(&b);
	json_free(j);
	return rc;
}

/* ---- import: reading */

static int
read_whole(const char *file, struct buffer *out, struct error *e)
{
	bool standard = file == NULL || strcmp(file, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc = -1;

	if (fd < 0)
		return error_set_errno(e, ERR_USAGE, errno, "cannot open '%s'", file);
	for (;;) {
		ssize_t n;

		buffer_reserve(out, 65536);
		n = read(fd, out->data + out->len, out->capacity - out->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			error_set_errno(e, ERR_FAILED, errno, "cannot read '%s'", standard ? "standard input" : file);
			break;
		}
		if (n == 0) {
			rc = 0;
			break;
		}
		out->len += (size_t)n;
		if (out->len > LIMIT_REPLAY_FILE_BYTES) {
			error_set(e, ERR_CONFIG, "'%s' is larger than %d bytes", standard ? "standard input" : file,
			    LIMIT_REPLAY_FILE_BYTES);
			break;
		}
	}
	if (!standard)
		close(fd);
	return rc;
}

/* One position of the document, and behind it in `places` its history. */
struct moved {
	struct position_key key; /* borrowed from the document */
	struct position position;
};

struct reader {
	struct app *app;
	struct json *document;
	struct moved *moved;
	size_t count, capacity;
	/* for the store: history first, then where it stands, key by key */
	struct position_key *keys;
	struct position *places;
	size_t place_count, key_capacity, place_capacity;
	struct position_lock **locks; /* one for each of moved */
};

static int
damaged(size_t n, const char *what, struct error *e)
{
	return error_set(e, ERR_CONFIG, "position %zu: %s", n + 1, what);
}

/* null and no such member: 0. */
static int
read_time(const struct json *j, const char *key, int64_t *ms)
{
	const struct json *t = json_find(j, key);
	struct error ignored = ERROR_INIT;

	*ms = 0;
	if (json_is_null(t))
		return 0;
	if (!json_is_string(t) || json_string(t)[0] < '0' || json_string(t)[0] > '9' ||
	    strlen(json_string(t)) < 10 || clock_parse_time(json_string(t), 0, ms, &ignored) != 0)
		return -1;
	return 0;
}

/* Everything but kind and in_flight. */
static int
read_place(const struct json *j, struct position *p, size_t n, struct error *e)
{
	const char *hex = json_find_string(j, "replay_id");
	ssize_t len = 0;

	*p = (struct position){.kind = POSITION_AFTER};
	if (hex != NULL && (len = encode_unhex(text_of(hex), p->replay_id.bytes, sizeof(p->replay_id.bytes))) <= 0)
		return damaged(n, "its replay_id is no hexadecimal", e);
	p->replay_id.len = (uint8_t)len;
	if (read_time(j, "event_time", &p->event_ms) != 0 || read_time(j, "stored_time", &p->stored_ms) != 0 ||
	    p->stored_ms == 0)
		return damaged(n, "event_time or stored_time is no time", e);
	return 0;
}

static bool
is_org_id(const char *s)
{
	size_t len = s != NULL ? strlen(s) : 0;

	if (len != 15 && len != 18)
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s))
			return false;
	return true;
}

static int
read_key(const struct json *j, struct position_key *key, size_t n, struct error *e)
{
	char topic[TOPIC_NAME_SIZE];
	struct error why = ERROR_INIT;

	*key = (struct position_key){json_find_string(j, "org_id"), json_find_string(j, "topic"), json_find_string(j, "table")};
	if (!is_org_id(key->org_id))
		return damaged(n, "its org_id is none", e);
	if (key->topic == NULL || *key->topic != '/' || topic_name_expand(topic, key->topic, &why) != 0 ||
	    strcmp(topic, key->topic) != 0)
		return damaged(n, "its topic is no whole name of one", e);
	if (key->table == NULL || stream_table_check(key->table, &why) != 0)
		return damaged(n, "its table is no catalog.schema.table", e);
	return 0;
}

static void
append(struct reader *r, const struct position_key *key, const struct position *p)
{
	r->keys = memory_reserve(r->keys, &r->key_capacity, r->place_count + 1, sizeof(*r->keys));
	r->places = memory_reserve(r->places, &r->place_capacity, r->place_count + 1, sizeof(*r->places));
	r->keys[r->place_count] = *key;
	r->places[r->place_count++] = *p;
}

static int
read_one(struct reader *r, const struct json *j, struct error *e)
{
	const struct json *in_flight = json_find(j, "in_flight");
	const char *kind = json_find_string(j, "position"), *unknown = json_string(in_flight);
	size_t n = r->count;
	struct moved m;
	struct position place;

	if (!json_is_object(j) || read_key(j, &m.key, n, e) != 0 || read_place(j, &m.position, n, e) != 0)
		return json_is_object(j) ? -1 : damaged(n, "it is no object", e);
	if (kind == NULL || replay_kind_parse(kind, &m.position.kind) != 0)
		return damaged(n, "'position' is none of after, earliest and at", e);
	if ((m.position.kind == POSITION_EARLIEST) != (m.position.replay_id.len == 0))
		return damaged(n, "position and replay_id contradict each other", e);
	if (!(json_is_number(in_flight) && json_int64(in_flight, -1) >= 0) &&
	    !(unknown != NULL && strcmp(unknown, UNKNOWN) == 0))
		return damaged(n, "in_flight is neither a number nor \"" UNKNOWN "\"", e);
	for (size_t i = 0; i < n; i++)
		if (strncmp(r->moved[i].key.org_id, m.key.org_id, 15) == 0 && strcmp(r->moved[i].key.topic, m.key.topic) == 0 &&
		    strcmp(r->moved[i].key.table, m.key.table) == 0)
			return damaged(n, "another one is of the same topic and table", e);
	for (const struct json *h = json_first(json_find(j, "history")); h != NULL; h = json_next(h)) {
		if (!json_is_object(h) || read_place(h, &place, n, e) != 0 || place.replay_id.len == 0)
			return damaged(n, "its history is damaged", e);
		append(r, &m.key, &place);
	}
	/*
	 * Whatever was in flight when this was written, the other machine may have gone on since, and no file knows: all that is
	 * sent from here on is looked up until the run has caught up.
	 */
	m.position.in_flight = POSITION_ALL_IN_FLIGHT;
	append(r, &m.key, &m.position);
	r->moved = memory_reserve(r->moved, &r->capacity, n + 1, sizeof(*r->moved));
	r->moved[r->count++] = m;
	return 0;
}

static int
read_document(struct reader *r, const char *file, struct error *e)
{
	struct buffer bytes = BUFFER_INIT;
	const char *format;
	const struct json *list;
	int64_t version;
	int rc = read_whole(file, &bytes, e);

	if (rc == 0 && (r->document = json_parse(buffer_span(&bytes), e)) == NULL) {
		e->code = ERR_CONFIG;
		rc = -1;
	}
	buffer_release(&bytes);
	if (rc != 0)
		return -1;
	format = json_find_string(r->document, "format");
	version = json_find_int64(r->document, "version", 0);
	list = json_find(r->document, "positions");
	if (format == NULL || strcmp(format, FORMAT) != 0 || version < 1 || !json_is_array(list)) {
		error_set(e, ERR_CONFIG, "it is not what 'sfzb replay export' writes");
		return -1;
	}
	if (version > VERSION) {
		error_set(e, ERR_CONFIG, "it was written by a newer sfzb (version %lld of the format, this one knows %d)",
		    (long long)version, VERSION);
		return error_hint(e, "import it with the newer sfzb");
	}
	for (const struct json *j = json_first(list); j != NULL; j = json_next(j))
		if (read_one(r, j, e) != 0)
			return -1;
	if (r->count == 0)
		return error_set(e, ERR_CONFIG, "there is no position in it");
	return 0;
}

/* ---- import: storing */

/* Of this login's organisation, not in use, and not there yet. */
static int
check_one(struct reader *r, struct positions *positions, size_t i, bool force, struct error *e)
{
	const struct position_key *key = &r->moved[i].key;
	const char *org = salesforce_session_org_id(r->app->salesforce);
	char hex[REPLAY_ID_TEXT_SIZE], time[CLOCK_TIME_SIZE];
	struct position there;
	int found;

	if (strncmp(key->org_id, org, 15) != 0) {
		error_set(e, ERR_POSITION, "the position of '%s' to '%s' is of organisation %s, and this login is of %s", key->topic,
		    key->table, key->org_id, org);
		return error_hint(e, "replay ids of one organisation mean other events in another: log in to the right one, or choose "
				     "the profile with --profile");
	}
	r->locks[i] = positions_lock(profile_directory(r->app->profile), key, e);
	if (r->locks[i] == NULL)
		return -1;
	if (positions == NULL || force)
		return 0;
	found = positions_find(positions, key, &there, e);
	if (found != 0)
		return found < 0 ? -1 : 0;
	error_set(e, ERR_POSITION, "a position of '%s' to '%s' is stored here already (%s, stored %s)", key->topic, key->table,
	    there.kind == POSITION_EARLIEST ? "earliest" : replay_id_hex(hex, &there.replay_id),
	    clock_format_time(time, there.stored_ms));
	return error_hint(e, "--force replaces it; what the table holds is not stored again");
}

static void
say(const struct reader *r, bool dry_run)
{
	char hex[REPLAY_ID_TEXT_SIZE], age[32];
	int64_t now = clock_wall_ms(&clock_system);

	for (size_t i = 0; i < r->count; i++) {
		const struct moved *m = &r->moved[i];
		int64_t of = m->position.event_ms > 0 ? m->position.event_ms : m->position.stored_ms;

		log_info("replay", "%s position of '%s' to '%s': %s%s", dry_run ? "would import" : "imported", m->key.topic, m->key.table,
		    m->position.kind == POSITION_AT ? "at " : "",
		    m->position.kind == POSITION_EARLIEST ? "earliest" : replay_id_hex(hex, &m->position.replay_id));
		if (m->position.kind != POSITION_EARLIEST && now - of >= REPLAY_RETENTION_MS)
			log_warn("replay", "it is %s old, and Salesforce keeps events for 72 hours: the next run will most likely say "
					   "that the position is lost",
			    clock_format_duration(age, sizeof(age), now - of));
	}
	log_info("replay", "see that the stream does not run on the other machine any more: locks do not reach there");
}

static int
import(struct reader *r, struct positions **positions, const struct replay_move_options *o, struct error *e)
{
	bool was_damaged;

	if (app_open_salesforce(r->app, e) != 0)
		return error_wrap(e, "cannot tell whose positions they are");
	if (profile_make_directory(r->app->profile, NULL, e) != 0)
		return -1;
	if (!o->dry_run || access(profile_path(r->app->profile, REPLAY_DATABASE), F_OK) == 0) {
		*positions = positions_open(profile_path(r->app->profile, REPLAY_DATABASE), &was_damaged, e);
		if (*positions == NULL)
			return -1;
	}
	r->locks = memory_zero(r->count, sizeof(struct position_lock *));
	for (size_t i = 0; i < r->count; i++)
		if (check_one(r, *positions, i, o->force, e) != 0)
			return -1;
	if (!o->dry_run && positions_store_all(*positions, r->keys, r->places, r->place_count, e) != 0)
		return -1;
	say(r, o->dry_run);
	return 0;
}

int
replay_import(struct app *app, const struct replay_move_options *o, struct error *e)
{
	struct reader r = {.app = app};
	struct positions *positions = NULL;
	int rc = read_document(&r, o->file, e);

	if (rc != 0)
		error_wrap(e, "cannot import '%s'", o->file != NULL && strcmp(o->file, "-") != 0 ? o->file : "standard input");
	else
		rc = import(&r, &positions, o, e);
	positions_free(positions);
	for (size_t i = 0; r.locks != NULL && i < r.count; i++)
		positions_unlock(r.locks[i]);
	free(r.locks);
	free(r.moved);
	free(r.keys);
	free(r.places);
	json_free(r.document);
	return rc;
}

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_text.h"
#include "base/log.h"
#include "base/memory.h"
#include "commands/ingest.h"

#define DATABASE "ingest.db"
#define TOLD 10 /* rejects whose reason is told as they come */

/* ---- places */

static struct position_key
key_of(const struct ingest_stores *s, const struct ingest_file *f)
{
	return (struct position_key){.org_id = s->workspace, .topic = f->key, .table = s->table};
}

static int
find_place(struct ingest_stores *s, size_t i, struct error *e)
{
	struct ingest_file *f = &s->files[i];
	struct position_key key = key_of(s, f);
	struct position p;
	int rc = positions_find(s->positions, &key, &p, e);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	f->has_place = true;
	f->in_flight = p.in_flight;
	if (p.kind != POSITION_AFTER)
		return 0;
	if (!ingest_place_unpack(&f->start, &p.replay_id))
		return error_set(e, ERR_POSITION, "the place stored of '%s' cannot be read", f->name);
	f->end = f->start;
	return ingest_file_check(f, e);
}

int
ingest_stores_resume(struct ingest_stores *s, struct profile *profile, struct error *e)
{
	if (profile_make_directory(profile, NULL, e) != 0)
		return -1;
	s->locks = memory_zero(s->count, sizeof(*s->locks));
	for (size_t i = 0; i < s->count; i++) {
		struct position_key key = key_of(s, &s->files[i]);

		s->locks[i] = positions_lock(profile_directory(profile), &key, e);
		if (s->locks[i] == NULL)
			return -1;
	}
	s->positions = positions_open(profile_path(profile, DATABASE), NULL, e);
	if (s->positions == NULL)
		return -1;
	for (size_t i = 0; i < s->count; i++)
		if (find_place(s, i, e) != 0)
			return -1;
	return 0;
}

static int
store_places(void *context, const struct position_update *updates, size_t count, struct error *e)
{
	struct ingest_stores *s = context;
	const struct position_update *u = &updates[count - 1]; /* there is one source */
	struct position_key *keys;
	struct position *positions;
	struct ingest_place place = {.file = s->stored_file};
	size_t n = 0;
	int rc;

	/* a row that is passed over must be where its reason says before the place behind it is stored */
	if (ingest_stores_flush(s, e) != 0)
		return -1;
	if (s->positions == NULL)
		return 0;
	if (u->position.kind == POSITION_AFTER && !ingest_place_unpack(&place, &u->position.replay_id))
		return error_set(e, ERR_FAILED, "a place in a file cannot be read");
	keys = memory_zero(s->count, sizeof(*keys));
	positions = memory_zero(s->count, sizeof(*positions));
	for (uint32_t i = s->stored_file; i <= place.file; i++, n++) {
		struct ingest_file *f = &s->files[i];

		keys[n] = key_of(s, f);
		positions[n] = (struct position){.kind = f->end.offset > 0 ? POSITION_AFTER : POSITION_EARLIEST};
		if (i == place.file)
			positions[n] = u->position;
		else if (f->end.offset > 0)
			ingest_place_pack(&f->end, &positions[n].replay_id);
		positions[n].stored_ms = clock_wall_ms(s->clock);
	}
	rc = positions_store_all(s->positions, keys, positions, n, e);
	if (rc == 0)
		s->stored_file = place.file;
	free(keys);
	free(positions);
	return rc;
}

struct position_store
ingest_stores_positions(struct ingest_stores *s)
{
	return (struct position_store){.store = store_places, .context = s};
}

/* ---- rejects */

/* What is refused would be read again, and be refused again, for as long as the disk takes it. */
static int
check_not_read(const struct ingest_stores *s, struct error *e)
{
	struct stat out, in;

	if (stat(s->rejects_path, &out) != 0 || !S_ISREG(out.st_mode))
		return 0;
	for (size_t i = 0; i < s->count; i++) {
		bool is_stdin = strcmp(s->files[i].path, "-") == 0;

		if ((is_stdin ? fstat(STDIN_FILENO, &in) : stat(s->files[i].path, &in)) != 0 || in.st_dev != out.st_dev ||
		    in.st_ino != out.st_ino)
			continue;
		error_set(e, ERR_USAGE, "'%s' is to be read, and takes what is refused (--rejects)", s->rejects_path);
		return error_hint(e, "give what is refused a file of its own, which no pattern of the input finds");
	}
	return 0;
}

int
ingest_stores_open_rejects(struct ingest_stores *s, struct error *e)
{
	if (s->rejects_path == NULL)
		return 0;
	if (check_not_read(s, e) != 0)
		return -1;
	s->rejects = fopen(s->rejects_path, "ae");
	return s->rejects != NULL ? 0 : error_set_errno(e, ERR_USAGE, errno, "cannot write '%s'", s->rejects_path);
}

static int
cannot_write(const struct ingest_stores *s, struct error *e)
{
	return error_set_errno(e, ERR_FAILED, errno, "cannot write '%s'", s->rejects_path);
}

/* As JSON where it is some, so that it can be mended and ingested again; else as text, or base64 where it is no text. */
static void
write_record(struct buffer *out, struct text payload)
{
	struct json_reader r;
	enum json_token token;

	json_reader_init(&r, payload);
	do
		token = json_reader_next(&r, NULL);
	while (token != JSON_TOKEN_END && token != JSON_TOKEN_ERROR);
	json_reader_release(&r);
	if (token == JSON_TOKEN_END && memchr(payload.data, '\n', payload.len) == NULL) {
		buffer_append_text(out, ",\"record\":");
		buffer_append(out, payload.data, payload.len);
	} else if (text_is_utf8(payload)) {
		buffer_append_text(out, ",\"text\":");
		json_text_string(out, payload);
	} else {
		buffer_append_text(out, ",\"base64\":\"");
		buffer_append_base64(out, payload.data, payload.len);
		buffer_append_byte(out, '"');
	}
}

static int
store_reject(struct ingest_stores *s, const struct dead_letter *letter, struct error *e)
{
	struct ingest_place place = {.file = 0};
	struct buffer line = BUFFER_INIT;
	const char *name;
	bool ok;

	ingest_place_unpack(&place, &letter->replay_id);
	name = s->files[place.file].name;
	s->rejected++;
	text_clean(s->last_reason, sizeof(s->last_reason), letter->reason);
	log_message(s->rejected <= TOLD ? LOG_WARN : LOG_DEBUG, "ingest", "%s, line %lld: " TEXT_FORMAT "%s", name,
	    (long long)place.line, TEXT_ARGS(letter->reason),
	    s->rejected == TOLD ? "; further rows are refused in silence" : "");
	if (s->rejects == NULL)
		return 0;
	buffer_append_text(&line, "{\"file\":");
	json_text_string(&line, text_of(name));
	buffer_append_format(&line, ",\"line\":%lld,\"reason\":", (long long)place.line);
	json_text_string(&line, letter->reason);
	write_record(&line, letter->payload);
	buffer_append_text(&line, "}\n");
	ok = fwrite(line.data, 1, line.len, s->rejects) == line.len;
	buffer_release(&line);
	return ok ? 0 : cannot_write(s, e);
}

static int
store_rejects(void *context, const struct dead_letter *letters, size_t count, struct error *e)
{
	for (size_t i = 0; i < count; i++)
		if (store_reject(context, &letters[i], e) != 0)
			return -1;
	return 0;
}

struct letter_store
ingest_stores_letters(struct ingest_stores *s)
{
	return (struct letter_store){.store = store_rejects, .context = s};
}

int
ingest_stores_flush(struct ingest_stores *s, struct error *e)
{
	if (s->rejects == NULL)
		return 0;
	/* a pipe or a terminal cannot be synced, and need not be */
	if (fflush(s->rejects) != 0 || (fdatasync(fileno(s->rejects)) != 0 && errno != EINVAL && errno != EROFS))
		return cannot_write(s, e);
	return 0;
}

void
ingest_stores_release(struct ingest_stores *s)
{
	if (s->rejects != NULL)
		fclose(s->rejects);
	positions_free(s->positions);
	for (size_t i = 0; s->locks != NULL && i < s->count; i++)
		positions_unlock(s->locks[i]);
	free(s->locks);
}

/* profile/: directories, settings, schemas, positions, locks, dead letters; each in a fresh directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "profile/database.h"
#include "profile/dead_letters.h"
#include "profile/positions.h"
#include "profile/schemas.h"
#include "profile/settings_lock.h"
#include "scratch.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char home[] = "/tmp/sfzb-profile-XXXXXX", directory[64];
static struct profile *profile;
static char warned[SCRATCH_MESSAGE_SIZE];

static const struct position_key key = {"00D000000000001AAA", "/data/AccountChangeEvent", "main.crm.t"};

static int
setup(void **state)
{
	struct error e = ERROR_INIT;

	(void)state;
	strcpy(home + sizeof(home) - 7, "XXXXXX");
	if (mkdtemp(home) == NULL)
		return -1;
	setenv("SFZB_HOME", home, 1);
	unsetenv("SFZB_PROFILE");
	profile = profile_open(NULL, &e);
	snprintf(directory, sizeof(directory), "%s/profiles/default", home);
	warned[0] = '\0';
	log_set_writer(scratch_remember, warned);
	return profile == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	profile_free(profile);
	return scratch_remove(home);
}

static unsigned
mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? (unsigned)(st.st_mode & 07777) : 0;
}

static void
write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void
test_names(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {{"default", true}, {"a-b_c.d9", true}, {"", false}, {".", false}, {"..", false}, {".x", false},
	    {"a/b", false}, {"a b", false}, {"\xc3\xa4", false}, {"a\n", false}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct profile *p = profile_open(rows[i].name, &e);

		if ((p != NULL) != rows[i].good || (p == NULL && e.code != ERR_CONFIG))
			fail_msg("'%s': %s", rows[i].name, e.text);
		profile_free(p);
	}
}

static void
test_where(void **state)
{
	static const struct {
		const char *own, *xdg, *home, *directory;
	} rows[] = {{"/a", "/b", "/c", "/a/profiles/p"}, {"", "/b", "/c", "/b/sfzb/profiles/p"},
	    {"", "relative", "/c", "/c/.config/sfzb/profiles/p"}, {"", "", "/c", "/c/.config/sfzb/profiles/p"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct profile *p;

		setenv("SFZB_HOME", rows[i].own, 1);
		setenv("XDG_CONFIG_HOME", rows[i].xdg, 1);
		setenv("HOME", rows[i].home, 1);
		p = profile_open("p", &e);
		assert_non_null(p);
		assert_string_equal(profile_directory(p), rows[i].directory);
		profile_free(p);
	}
}

static void
test_settings(void **state)
{
	struct error e = ERROR_INIT;
	struct json *j = json_object(), *back;
	const char *path = profile_path(profile, "salesforce.json");

	(void)state;
	assert_int_equal(profile_load(profile, "salesforce.json", &back, &e), 0);
	assert_null(back);
	assert_int_equal(access(profile_directory(profile), F_OK), -1); /* asking creates nothing */
	json_set_string(j, "token", "secret");
	assert_int_equal(profile_store(profile, "salesforce.json", j, &e), 0);
	json_free(j);
	assert_int_equal(mode_of(path), 0600);
	assert_int_equal(mode_of(profile_directory(profile)), 0700);
	assert_int_equal(profile_load(profile, "salesforce.json", &back, &e), 0);
	assert_string_equal(json_find_string(back, "token"), "secret");
	json_free(back);
	assert_int_equal(profile_remove(profile, "salesforce.json", &e), 0);
	assert_int_equal(profile_remove(profile, "salesforce.json", &e), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void
test_settings_refused(void **state)
{
	static const struct {
		const char *name, *text;
		mode_t mode;
		bool link;
		const char *says;
	} rows[] = {{"readable by all", "{}", 0644, false, "other users"}, {"by the group", "{}", 0640, false, "other users"},
	    {"a link", "{}", 0600, true, "symbolic link"}, {"cut", "{\"a\":", 0600, false, "damaged"},
	    {"empty", "", 0600, false, "damaged"}, {"an array", "[]", 0600, false, "not a JSON object"}};
	const char *path = profile_path(profile, "databricks.json");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct json *j;
		char target[128];

		assert_int_equal(profile_make_directory(profile, NULL, &e), 0);
		unlink(path);
		snprintf(target, sizeof(target), "%s/elsewhere", home);
		write_file(rows[i].link ? target : path, rows[i].text, rows[i].mode);
		if (rows[i].link)
			assert_int_equal(symlink(target, path), 0);
		if (profile_load(profile, "databricks.json", &j, &e) != -1 || e.code != ERR_CONFIG ||
		    strstr(e.text, rows[i].says) == NULL || strstr(e.text, path) == NULL)
			fail_msg("%s: %s", rows[i].name, e.text);
	}
	/* and a store through a link is refused too: it might be somebody else's file */
	{
		struct error e = ERROR_INIT;

		unlink(path);
		assert_int_equal(symlink("/tmp/nowhere", path), 0);
		assert_int_equal(profile_store_bytes(profile, "databricks.json", text_of("x"), &e), -1);
		assert_int_equal(access("/tmp/nowhere", F_OK), -1);
	}
}

static void
test_directory_refused(void **state)
{
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(profile_make_directory(profile, NULL, &e), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(profile_store_bytes(profile, "topics.json", text_of("[]"), &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_int_equal(chmod(directory, 0700), 0);
	assert_int_equal(profile_store_bytes(profile, "topics.json", text_of("[]"), &e), 0);
}

static void
assert_old_topics(void)
{
	FILE *f = fopen(profile_path(profile, "topics.json"), "r");
	char text[8] = "";

	assert_non_null(f);
	assert_int_equal(fread(text, 1, sizeof(text) - 1, f), 3);
	assert_string_equal(text, "old");
	fclose(f);
}

/* Whatever keeps a store from happening, the old file stays. */
static void
test_read_only_directory(void **state)
{
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(profile_store_bytes(profile, "topics.json", text_of("old"), &e), 0);
	assert_int_equal(chmod(directory, 0500), 0);
	if (geteuid() != 0) { /* root writes everywhere */
		assert_int_equal(profile_store_bytes(profile, "topics.json", text_of("new"), &e), -1);
		assert_non_null(strstr(e.text, "Permission denied"));
		assert_null(positions_open(profile_path(profile, "replay.db"), NULL, &e));
		assert_int_equal(e.code, ERR_CONFIG);
	}
	assert_int_equal(chmod(directory, 0700), 0);
	assert_old_topics();
}

/* A file size limit is a full disk that needs no mount. */
static void
test_full_disk(void **state)
{
	struct error e = ERROR_INIT;
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(profile_store_bytes(profile, "topics.json", text_of("old"), &e), 0);
	child = fork();
	if (child == 0) {
		static char much[100000];
		const struct rlimit limit = {4096, 4096};

		signal(SIGXFSZ, SIG_IGN);
		memset(much, 'x', sizeof(much));
		if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(3);
		status = profile_store_bytes(profile, "topics.json", text_span(much, sizeof(much)), &e);
		_exit(status == -1 && strstr(e.text, "File too large") != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_old_topics();
}

static void
test_schemas(void **state)
{
	static const struct {
		const char *id;
		bool good;
	} rows[] = {{"KxC1P8xW4-iTJxZQ6PlZpw", true}, {"a_b", true}, {"", false}, {"../x", false}, {"a/b", false},
	    {"a.b", false}, {"a b", false},
	    {"0123456789012345678901234567890123456789012345678901234567890123456789", false}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct buffer b = BUFFER_INIT;
		bool stored = schemas_store(profile, text_of(rows[i].id), text_of("{\"type\":1}"), &e) == 0;
		bool loaded = schemas_load(profile, text_of(rows[i].id), &b, &e) == 0;

		if (stored != rows[i].good || loaded != rows[i].good)
			fail_msg("'%s': %d %d %s", rows[i].id, stored, loaded, e.text);
		buffer_release(&b);
	}
}

static struct position
position(uint8_t n, int64_t stored_ms)
{
	return (struct position){.replay_id = {.len = 2, .bytes = {9, n}}, .event_ms = 5, .stored_ms = stored_ms};
}

static const char *
replay_db(void)
{
	struct error e = ERROR_INIT;

	assert_int_equal(profile_make_directory(profile, NULL, &e), 0);
	return profile_path(profile, "replay.db");
}

static void
test_positions(void **state)
{
	struct error e = ERROR_INIT;
	const char *path = replay_db();
	struct positions *p = positions_open(path, NULL, &e);
	struct position_key same = {"00D000000000001", key.topic, key.table}, other = {"00D000000000002", key.topic, key.table};
	struct position stored = position(1, 1000), found;

	(void)state;
	assert_non_null(p);
	assert_int_equal(mode_of(path), 0600);
	assert_int_equal(positions_find(p, &key, &found, &e), 1);
	stored.kind = POSITION_AT;
	stored.in_flight = INT64_MAX;
	assert_int_equal(positions_store(p, &key, &stored, &e), 0);
	positions_free(p);
	p = positions_open(path, NULL, &e);
	assert_int_equal(positions_find(p, &same, &found, &e), 0); /* 15 of its 18 characters */
	assert_int_equal(found.kind, POSITION_AT);
	assert_true(replay_id_equal(&found.replay_id, &stored.replay_id));
	assert_true(found.in_flight == INT64_MAX && found.event_ms == 5 && found.stored_ms == 1000);
	assert_int_equal(positions_find(p, &other, &found, &e), 1);
	positions_free(p);
}

static bool
count_one(void *context, const struct position_key *k, const struct position *p)
{
	(void)k;
	(void)p;
	++*(int *)context;
	return true;
}

static void
test_history_is_bounded(void **state)
{
	struct error e = ERROR_INIT;
	struct positions *p = positions_open(replay_db(), NULL, &e);
	enum { BATCH = 1000, TIMES = 24 };
	struct position_key keys[BATCH];
	struct position many[BATCH];
	int count = 0, n = 0;

	(void)state;
	for (int i = 0; i < TIMES; i++) { /* one a minute, sixteen days long */
		for (int j = 0; j < BATCH; j++, n++) {
			keys[j] = key;
			many[j] = position(0, (int64_t)n * 60000);
			memcpy(many[j].replay_id.bytes, &n, sizeof(n));
			many[j].replay_id.len = sizeof(n);
		}
		assert_int_equal(positions_store_all(p, keys, many, BATCH, &e), 0);
	}
	many[0] = many[BATCH - 1];
	many[0].in_flight = 7; /* the same place is no news */
	assert_int_equal(positions_store(p, &key, &many[0], &e), 0);
	assert_int_equal(positions_history(p, &key, count_one, &count, &e), 0);
	/* the last 1000, one an hour for eight days less those 17 hours, and what has come since the last pruning */
	assert_in_range(count, 1000 + 8 * 24 - 20, 1000 + 8 * 24 + 1000);
	count = 0;
	assert_int_equal(positions_list(p, count_one, &count, &e), 0);
	assert_int_equal(count, 1);
	positions_free(p);
}

/* Topics that move in step: each one's history is shortened, not just that of the last. */
static void
test_histories_are_bounded(void **state)
{
	struct error e = ERROR_INIT;
	struct positions *p = positions_open(replay_db(), NULL, &e);
	enum { TOPICS = 4, TIMES = 4000 };
	static const char *const topics[TOPICS] = {"/data/A", "/data/B", "/data/C", "/data/D"};
	struct position_key *keys = calloc(TOPICS * TIMES, sizeof(*keys));
	struct position *many = calloc(TOPICS * TIMES, sizeof(*many));

	(void)state;
	for (int i = 0; i < TOPICS * TIMES; i++) {
		keys[i] = (struct position_key){key.org_id, topics[i % TOPICS], key.table};
		many[i] = position(0, i / TOPICS);
		memcpy(many[i].replay_id.bytes, &i, sizeof(i));
		many[i].replay_id.len = sizeof(i);
	}
	assert_int_equal(positions_store_all(p, keys, many, TOPICS * TIMES, &e), 0);
	for (int i = 0; i < TOPICS; i++) {
		int count = 0;

		assert_int_equal(positions_history(p, &keys[i], count_one, &count, &e), 0);
		if (count < 1000 || count > 2000)
			fail_msg("%s: %d", topics[i], count);
	}
	positions_free(p);
	free(many);
	free(keys);
}

/* Damage of any kind: the file is kept under another name, said aloud, and a new one begun. */
static void
test_damaged_database(void **state)
{
	static const struct {
		const char *name;
		long at; /* -1: replaced whole; -2: emptied */
		const char *bytes;
	} rows[] = {{"no database", -1, "hello, this is no database, and is long enough to be taken for one"},
	    {"header", 0, "XXXXXXXXXXXXXXXXXXXX"}, {"a page", 4096, "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"},
	    {"emptied", -2, ""}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		const char *path = replay_db();
		struct positions *p = positions_open(path, NULL, &e);
		struct position stored = position(1, 1000), found;
		bool damaged;
		FILE *f;

		assert_int_equal(positions_store(p, &key, &stored, &e), 0);
		positions_free(p);
		f = fopen(path, rows[i].at < 0 ? "w" : "r+");
		fseek(f, rows[i].at < 0 ? 0 : rows[i].at, SEEK_SET);
		fputs(rows[i].bytes, f);
		fclose(f);
		warned[0] = '\0';
		p = positions_open(path, &damaged, &e);
		if (p == NULL || !damaged || strstr(warned, path) == NULL ||
		    positions_find(p, &key, &found, &e) != 1 || positions_store(p, &key, &stored, &e) != 0)
			fail_msg("%s: %s (%s)", rows[i].name, e.text, warned);
		if (rows[i].at != -2) {
			char *aside = strstr(warned, ".damaged-");

			assert_non_null(aside);
		}
		positions_free(p);
		unlink(path);
	}
}

/* Records of recent events: kept with the position, newest last, so many; gone when somebody moves it. */
static void
test_recent(void **state)
{
	struct error e = ERROR_INIT;
	struct positions *p = positions_open(replay_db(), NULL, &e);
	const struct position_key keys[2] = {{"00D000000000001", "/data/A", "c.s.t"}, {"00D000000000001", "/data/B", "c.s.t"}};
	struct position at[2] = {{.replay_id = {.len = 1, .bytes = {1}}}, {.replay_id = {.len = 1, .bytes = {1}}}};
	uint8_t first[POSITION_SECRET_BYTES], secret[POSITION_SECRET_BYTES];
	const size_t kept = (size_t)POSITION_RECENT_KEPT * POSITION_RECENT_BYTES;
	struct buffer big = BUFFER_INIT, out = BUFFER_INIT;
	struct text recent[2];

	(void)state;
	assert_int_equal(positions_recall(p, keys, 2, first, &out, &e), 0);
	assert_int_equal(out.len, 0);
	recent[0] = text_of("aaaaaaaaaaaaaaaa");
	recent[1] = text_of("bbbbbbbbbbbbbbbbcccccccccccccccc");
	assert_int_equal(positions_advance_all(p, keys, at, recent, 2, &e), 0);
	recent[0] = text_of("dddddddddddddddd");
	recent[1] = text_of("");
	at[0].replay_id.bytes[0] = 2;
	assert_int_equal(positions_advance_all(p, keys, at, recent, 2, &e), 0);
	positions_free(p);
	p = positions_open(replay_db(), NULL, &e);
	assert_int_equal(positions_recall(p, keys, 2, secret, &out, &e), 0);
	assert_memory_equal(first, secret, sizeof(first));
	assert_true(text_is(buffer_span(&out), "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"));
	/* stored again where it stands, by whomever: still true */
	at[0].in_flight = 5;
	assert_int_equal(positions_store(p, &keys[0], &at[0], &e), 0);
	buffer_clear(&out);
	assert_int_equal(positions_recall(p, &keys[0], 1, secret, &out, &e), 0);
	assert_true(text_is(buffer_span(&out), "aaaaaaaaaaaaaaaadddddddddddddddd"));
	/* set to another place */
	at[0].replay_id.bytes[0] = 9;
	assert_int_equal(positions_store(p, &keys[0], &at[0], &e), 0);
	buffer_clear(&out);
	assert_int_equal(positions_recall(p, keys, 2, secret, &out, &e), 0);
	assert_true(text_is(buffer_span(&out), "bbbbbbbbbbbbbbbbcccccccccccccccc"));
	assert_int_equal(positions_forget_recent(p, &keys[1], &e), 0);
	buffer_clear(&out);
	assert_int_equal(positions_recall(p, keys, 2, secret, &out, &e), 0);
	assert_int_equal(out.len, 0);
	/* no more than needed */
	for (size_t i = 0; i < kept / 4; i++)
		buffer_append_byte(&big, (uint8_t)i);
	for (int i = 0; i < 12; i++) {
		recent[0] = buffer_span(&big);
		at[0].replay_id.bytes[0]++;
		assert_int_equal(positions_advance_all(p, keys, at, recent, 1, &e), 0);
	}
	buffer_clear(&out);
	assert_int_equal(positions_recall(p, keys, 1, secret, &out, &e), 0);
	assert_int_equal(out.len, kept);
	positions_free(p);
	buffer_release(&big);
	buffer_release(&out);
}

static void
test_newer_database(void **state)
{
	struct error e = ERROR_INIT;
	const char *path = replay_db();
	struct positions *p = positions_open(path, NULL, &e);
	char command[200];

	(void)state;
	positions_free(p);
	snprintf(command, sizeof(command), "/usr/bin/python3 -c 'import sqlite3;d=sqlite3.connect(\"%s\");"
	    "d.execute(\"PRAGMA user_version=99\");d.commit()'", path);
	assert_int_equal(system(command), 0);
	assert_null(positions_open(path, NULL, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.text, "newer"));
}

static void
test_database_links(void **state)
{
	struct error e = ERROR_INIT;
	const char *path = replay_db();
	char target[128];

	(void)state;
	snprintf(target, sizeof(target), "%s/elsewhere", home);
	assert_int_equal(symlink(target, path), 0);
	assert_null(positions_open(path, NULL, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_int_equal(access(target, F_OK), -1);
}

/* A process that is killed in the middle of storing leaves a sound file with a position that it had stored. */
static void
test_killed_while_storing(void **state)
{
	struct error e = ERROR_INIT;
	const char *path = replay_db();

	(void)state;
	for (int round = 0; round < 10; round++) {
		struct position found;
		struct positions *p;
		int ends[2], status;
		uint8_t last = 0, n;
		pid_t child;
		bool damaged;

		assert_int_equal(pipe(ends), 0);
		child = fork();
		if (child == 0) {
			p = positions_open(path, NULL, &e);
			for (uint8_t i = 1; p != NULL; i++) {
				struct position one = position(i, i);

				if (positions_store(p, &key, &one, &e) != 0 || write(ends[1], &i, 1) != 1)
					break;
			}
			_exit(1);
		}
		close(ends[1]);
		for (int i = 0; i < 20 + round * 7; i++) {
			assert_int_equal(read(ends[0], &n, 1), 1);
			last = n;
		}
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		while (read(ends[0], &n, 1) == 1)
			last = n;
		close(ends[0]);
		p = positions_open(path, &damaged, &e);
		assert_non_null(p);
		assert_false(damaged);
		assert_int_equal(positions_find(p, &key, &found, &e), 0);
		/* the last one reported, or the one that was stored and not reported */
		assert_true(found.replay_id.bytes[1] == last || found.replay_id.bytes[1] == (uint8_t)(last + 1));
		positions_free(p);
	}
}

static bool
remember_holder(void *context, const struct position_key *k, long pid)
{
	assert_string_equal(k->org_id, key.org_id);
	assert_string_equal(k->topic, key.topic);
	assert_string_equal(k->table, key.table);
	*(long *)context = pid;
	return true;
}

static long
holder(void)
{
	long pid = 0;

	positions_each_holder(directory, remember_holder, &pid);
	return pid;
}

static void
test_lock(void **state)
{
	struct error e = ERROR_INIT;
	struct position_key other = {key.org_id, key.topic, "main.crm.other"};
	struct position_key same = {"00D000000000001", key.topic, key.table};
	struct position_key capitals = {key.org_id, key.topic, "MAIN.crm.T"};
	struct position_lock *l, *m;
	char pid[32];
	int status, ends[2];
	pid_t child;

	(void)state;
	assert_int_equal(profile_make_directory(profile, NULL, &e), 0);
	l = positions_lock(directory, &key, &e);
	assert_non_null(l);
	assert_null(positions_lock(directory, &same, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	assert_non_null(strstr(e.text, pid));
	assert_null(positions_lock(directory, &capitals, &e)); /* the catalog knows no difference */
	m = positions_lock(directory, &other, &e);
	assert_non_null(m);
	positions_unlock(m);
	assert_int_equal(holder(), getpid());
	positions_unlock(l);
	assert_int_equal(holder(), 0);
	/* a dead process holds none */
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		l = positions_lock(directory, &key, &e);
		if (l == NULL || write(ends[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ends[0], pid, 1), 1);
	assert_null(positions_lock(directory, &key, &e));
	assert_int_equal(holder(), child);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(holder(), 0);
	l = positions_lock(directory, &key, &e);
	assert_non_null(l);
	positions_unlock(l);
	/* nor one that has let go */
	child = fork();
	if (child == 0) {
		positions_unlock(positions_lock(directory, &key, &e));
		if (write(ends[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ends[0], pid, 1), 1);
	assert_int_equal(holder(), 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(ends[0]);
	close(ends[1]);
}

/* What holders have noted outlives them, and nothing that is no note is taken for one. */
static void
test_lock_notes(void **state)
{
	static const char *const texts[] = {"", "123\n", "123\n456", "123\n456\n7\no\nt\n", "\n\n\n\n\n", "x\ny\nz\nt\nu\nv\n"};
	const struct position_key other = {key.org_id, "/data/Other", key.table};
	struct error e = ERROR_INIT;
	struct position_lock *locks[2];
	char command[400];

	(void)state;
	assert_int_equal(profile_make_directory(profile, NULL, &e), 0);
	for (int i = 0; i < 3; i++) {
		locks[0] = positions_lock(directory, &key, &e);
		locks[1] = positions_lock(directory, &other, &e);
		assert_true(locks[0] != NULL && locks[1] != NULL);
		assert_int_equal(positions_lock_noted_ms(locks[0]), i == 0 ? 0 : 1700000000000);
		assert_int_equal(positions_lock_noted_ms(locks[1]), 0);
		assert_false(positions_lock_is_copy(locks[0]));
		if (i == 0) {
			positions_locks_note(locks, 2, key.topic, 1800000000000);
			positions_locks_note(locks, 2, key.topic, 1700000000000); /* a clock that was set back */
		}
		positions_unlock(locks[0]);
		positions_unlock(locks[1]);
	}
	/* another file with the same text; at home there once a position was stored under it */
	snprintf(command, sizeof(command), "cp -r '%s'/locks '%s'/copies && rm -r '%s'/locks && mv '%s'/copies '%s'/locks",
	    directory, directory, directory, directory, directory);
	assert_int_equal(system(command), 0);
	for (int i = 0; i < 3; i++) {
		locks[0] = positions_lock(directory, &key, &e);
		assert_int_equal(positions_lock_noted_ms(locks[0]), 1700000000000);
		assert_int_equal(positions_lock_is_copy(locks[0]), i < 2);
		if (i == 1)
			positions_locks_note(locks, 1, key.topic, 1700000000000);
		positions_unlock(locks[0]);
	}
	for (size_t i = 0; i < COUNT(texts); i++) {
		snprintf(command, sizeof(command), "for f in '%s'/locks/*; do printf '%s' >\"$f\"; done", directory, texts[i]);
		assert_int_equal(system(command), 0);
		locks[0] = positions_lock(directory, &key, &e);
		assert_non_null(locks[0]);
		assert_int_equal(positions_lock_noted_ms(locks[0]), 0);
		positions_unlock(locks[0]);
	}
}

/* Counts the pauses; the third one ends the holder, or the waiting. */
struct waiting {
	int pauses;
	bool gives_up;
	struct settings_lock *holder;
};

static int
wait_turn(void *context, int64_t ms, struct error *e)
{
	struct waiting *w = context;

	assert_true(ms > 0);
	if (++w->pauses == 3 && w->gives_up)
		return error_set(e, ERR_INTERRUPTED, "interrupted");
	if (w->pauses == 3) {
		settings_unlock(w->holder);
		w->holder = NULL;
	}
	return 0;
}

static int
never_ends(void *context, int64_t ms, struct error *e)
{
	(void)e;
	*(int64_t *)context += ms;
	return 0;
}

static void
test_settings_lock(void **state)
{
	struct error e = ERROR_INIT;
	struct waiting w = {.pauses = 0};
	struct settings_lock *l, *other;
	int64_t waited_ms = 0;
	int status, ends[2];
	char x;
	pid_t child;

	(void)state;
	w.holder = settings_lock(profile, "databricks.json", wait_turn, &w, &e);
	assert_non_null(w.holder);
	assert_int_equal(w.pauses, 0);
	other = settings_lock(profile, "salesforce.json", wait_turn, &w, &e); /* of another file */
	assert_non_null(other);
	settings_unlock(other);
	l = settings_lock(profile, "databricks.json", wait_turn, &w, &e);
	assert_non_null(l);
	assert_int_equal(w.pauses, 3);
	w = (struct waiting){.gives_up = true};
	assert_null(settings_lock(profile, "databricks.json", wait_turn, &w, &e));
	assert_int_equal(e.code, ERR_INTERRUPTED);
	assert_null(settings_lock(profile, "databricks.json", never_ends, &waited_ms, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_int_equal(waited_ms, SETTINGS_LOCK_PATIENCE_MS);
	settings_unlock(l);
	/* a dead process holds none */
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		l = settings_lock(profile, "databricks.json", never_ends, &waited_ms, &e);
		if (l == NULL || write(ends[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ends[0], &x, 1), 1);
	w = (struct waiting){.gives_up = true};
	assert_null(settings_lock(profile, "databricks.json", wait_turn, &w, &e));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	l = settings_lock(profile, "databricks.json", wait_turn, &w, &e);
	assert_non_null(l);
	settings_unlock(l);
	close(ends[0]);
	close(ends[1]);
	/* no place for a lock: the caller may go on without */
	assert_int_equal(profile_store_bytes(profile, "elsewhere", text_of("x"), &e), 0);
	assert_null(settings_lock(profile, "elsewhere/x", wait_turn, &w, &e));
	assert_int_equal(e.code, ERR_CONFIG);
}

static bool
check_letter(void *context, const struct dead_letter *l)
{
	++*(int *)context;
	assert_true(text_is(l->topic, "/data/T"));
	assert_true(text_equal(l->payload, text_span("a\0b", 3)));
	assert_true(text_is(l->schema_json, "{}"));
	assert_int_equal(l->replay_id.len, 2);
	assert_int_equal(l->code, ERR_REFUSED);
	return true;
}

static void
test_dead_letters(void **state)
{
	struct error e = ERROR_INIT;
	struct dead_letters *d;
	struct dead_letter l = {.org_id = text_of("00D"), .topic = text_of("/data/T"), .table = text_of("c.s.t"),
	    .event_id = text_of("../../x"), .schema_id = text_of("s"), .schema_json = text_of("{}"),
	    .payload = text_span("a\0b", 3), .replay_id = {.len = 2, .bytes = {1, 2}}, .code = ERR_REFUSED,
	    .reason = text_of("why"), .set_aside_ms = 5};
	struct dead_letter_filter filter = {.topic = "/data/T"};
	int seen = 0;

	(void)state;
	assert_false(dead_letters_exist(profile));
	d = dead_letters_open(profile, NULL, &e);
	assert_non_null(d);
	assert_int_equal(mode_of(profile_path(profile, "dead-letters")), 0700);
	assert_int_equal(mode_of(profile_path(profile, "dead-letters/letters.db")), 0600);
	assert_int_equal(dead_letters_store(d, &l, 1, &e), 0);
	assert_int_equal(dead_letters_store(d, &l, 1, &e), 0); /* again: one letter, two attempts */
	l.event_id = text_of("y");
	l.schema_json = text_of(NULL); /* known already */
	assert_int_equal(dead_letters_store(d, &l, 1, &e), 0);
	dead_letters_free(d);
	assert_true(dead_letters_exist(profile));
	d = dead_letters_open(profile, NULL, &e);
	assert_int_equal(dead_letters_each(d, &filter, check_letter, &seen, &e), 0);
	assert_int_equal(seen, 2);
	filter.topic = "/data/Other";
	assert_int_equal(dead_letters_each(d, &filter, check_letter, &seen, &e), 0);
	assert_int_equal(seen, 2);
	assert_int_equal(dead_letters_remove(d, 1, &e), 0);
	assert_int_equal(dead_letters_remove(d, 1, &e), 1);
	seen = 1;
	assert_int_equal(dead_letters_each(d, NULL, check_letter, &seen, &e), 0);
	assert_int_equal(seen, 2);
	dead_letters_free(d);
}

/* Every primary result code of SQLite has a meaning here, and only success is none. */
static void
test_database_codes(void **state)
{
	(void)state;
	for (int code = 0; code <= 101; code++) {
		bool good = code == 0 || code == 100 || code == 101;
		enum error_code expected = code == 3 || code == 8 || code == 14 || code == 23 ? ERR_CONFIG :
		    code == 9							      ? ERR_INTERRUPTED :
											ERR_FAILED;

		assert_int_equal(database_error_code(code), good ? ERR_OK : expected);
		assert_int_equal(database_error_code(code | 7 << 8), good ? ERR_OK : expected);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_names),
	    TEST(test_where),
	    TEST(test_settings),
	    TEST(test_settings_refused),
	    TEST(test_directory_refused),
	    TEST(test_read_only_directory),
	    TEST(test_full_disk),
	    TEST(test_schemas),
	    TEST(test_positions),
	    TEST(test_history_is_bounded),
	    TEST(test_histories_are_bounded),
	    TEST(test_damaged_database),
	    TEST(test_recent),
	    TEST(test_newer_database),
	    TEST(test_database_links),
	    TEST(test_killed_while_storing),
	    TEST(test_lock),
	    TEST(test_lock_notes),
	    TEST(test_settings_lock),
	    TEST(test_dead_letters),
	    TEST(test_database_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

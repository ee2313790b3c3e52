/* profile/: positions, their histories and records of recent events, and the database that they are in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fresh_profile.h"
#include "profile/database.h"

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

static void
append_file(struct buffer *out, const char *path)
{
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	for (int c; (c = getc(f)) != EOF;)
		buffer_append_byte(out, (uint8_t)c);
	fclose(f);
}

/* Who only looks leaves the file as it is: a full disk does not hinder that. */
static void
test_reading_writes_nothing(void **state)
{
	struct error e = ERROR_INIT;
	const char *path = replay_db();
	struct positions *p = positions_open(path, NULL, &e);
	struct position stored = position(1, 1000), found;
	struct buffer before = BUFFER_INIT, after = BUFFER_INIT;

	(void)state;
	assert_int_equal(positions_store(p, &key, &stored, &e), 0);
	positions_free(p);
	append_file(&before, path);
	p = positions_open(path, NULL, &e);
	assert_int_equal(positions_find(p, &key, &found, &e), 0);
	positions_free(p);
	append_file(&after, path);
	assert_true(before.len > 0 && text_equal(buffer_span(&before), buffer_span(&after)));
	buffer_release(&before);
	buffer_release(&after);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_positions),
	    TEST(test_reading_writes_nothing),
	    TEST(test_history_is_bounded),
	    TEST(test_histories_are_bounded),
	    TEST(test_damaged_database),
	    TEST(test_recent),
	    TEST(test_newer_database),
	    TEST(test_database_links),
	    TEST(test_killed_while_storing),
	    TEST(test_database_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

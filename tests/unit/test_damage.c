/*
 * What replay.db survives: a power cut at every write and sync, files cut short, a full disk, a directory that takes no
 * writes. An acknowledged store is found again; damage is set aside and never overwritten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
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

#include "power_vfs.h"
#include "profile/positions.h"
#include "scratch.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char home[40], path[64];
static char warned[SCRATCH_MESSAGE_SIZE];

static const struct position_key key = {"00D000000000001AAA", "/data/AccountChangeEvent", "main.crm.t"};

static int
setup(void **state)
{
	(void)state;
	/* thousands of syncs: in memory, where there is such a place, they cost nothing, and the test sees to what they mean */
	snprintf(home, sizeof(home), "%s/sfzb-damage-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(home) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/replay.db", home);
	warned[0] = '\0';
	log_set_writer(scratch_remember, warned);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return scratch_remove(home);
}

static struct position
position(uint32_t n)
{
	return (struct position){.replay_id = {.len = 4, .bytes = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}},
		.event_ms = n, .stored_ms = n, .in_flight = n % 7};
}

static uint32_t
number(const struct position *p)
{
	return (uint32_t)p->event_ms;
}

/* ---- power */

struct power_run {
	char after[64]; /* the directory of the disk after the cut */
	uint32_t known, trying; /* the last store that returned, and the one under way */
	unsigned events, every, cuts;
	bool opened;
	struct random random;
	const char *mode;
};

static void
check_after_cut(struct power_run *r, const char *what, const char *file, bool some)
{
	struct error e = ERROR_INIT;
	struct positions *p;
	struct position found;
	char moved[80];
	bool damaged = false;
	int rc;

	power_vfs_cut(r->after, some, &r->random);
	snprintf(moved, sizeof(moved), "%s/replay.db", r->after);
	power_vfs_pause(true);
	p = positions_open(moved, &damaged, &e);
	if (p == NULL || (damaged && r->known > 0))
		fail_msg("%s of '%s' after store %u: %s %s", what, file, r->known, e.text, warned);
	rc = positions_find(p, &key, &found, &e);
	if (rc < 0 || (rc == 1 && r->known > 0) ||
	    (rc == 0 && number(&found) != r->known && number(&found) != r->trying) ||
	    (rc == 0 && found.in_flight != number(&found) % 7))
		fail_msg("power lost at %s of '%s' after store %u: found %d, %u", what, file, r->known, rc,
		    rc == 0 ? number(&found) : 0);
	positions_free(p);
	power_vfs_pause(false);
	r->cuts++;
}

static void
on_disk(void *context, const char *what, const char *file)
{
	struct power_run *r = context;

	if (!r->opened || r->events++ % r->every != 0)
		return;
	check_after_cut(r, what, file, false);
	check_after_cut(r, what, file, true);
}

/* Stores until `count`, with the power cut now and then; checkpoints are among what happens. */
static void
store_with_cuts(uint32_t count, unsigned every, struct power_run *r)
{
	struct error e = ERROR_INIT;
	struct positions *p;

	*r = (struct power_run){.every = every};
	snprintf(r->after, sizeof(r->after), "%s/after", home);
	assert_int_equal(mkdir(r->after, 0700), 0);
	random_seed(&r->random, 1);
	power_vfs_begin(on_disk, r);
	p = positions_open(path, NULL, &e);
	assert_non_null(p);
	r->opened = true;
	for (uint32_t n = 1; n <= count; n++) {
		struct position one = position(n);

		r->trying = n;
		if (positions_store(p, &key, &one, &e) != 0)
			fail_msg("store %u: %s", n, e.text);
		r->known = n;
	}
	positions_free(p);
	power_vfs_end();
}

static void
test_power(void **state)
{
	struct power_run r;

	(void)state;
	/* a checkpoint comes each 1000 pages or so, of some three pages a store */
	store_with_cuts(900, 41, &r);
	assert_true(r.cuts > 100);
	assert_int_equal(r.known, 900);
}

static void
test_power_densely(void **state)
{
	struct power_run r;

	(void)state;
	store_with_cuts(30, 1, &r);
	assert_true(r.cuts > 100);
}

/* ---- files cut short */

static long
size_of(const char *file)
{
	struct stat st;

	return stat(file, &st) == 0 ? (long)st.st_size : -1;
}

static int
count_aside(void)
{
	DIR *d = opendir(home);
	struct dirent *entry;
	int n = 0;

	while ((entry = readdir(d)) != NULL)
		n += strncmp(entry->d_name, "replay.db.damaged-", 18) == 0 && strstr(entry->d_name, "-wal") == NULL &&
		    strstr(entry->d_name, "-shm") == NULL;
	closedir(d);
	return n;
}

static void
fill(uint32_t count)
{
	struct error e = ERROR_INIT;
	struct positions *p = positions_open(path, NULL, &e);

	assert_non_null(p);
	for (uint32_t n = 1; n <= count; n++) {
		struct position one = position(n);

		assert_int_equal(positions_store(p, &key, &one, &e), 0);
	}
	positions_free(p); /* all of it is in the one file now */
}

static void
test_cut_short(void **state)
{
	static const struct {
		const char *name;
		int percent;
		bool zeroes; /* the end is there, and is nothing but zeroes */
	} rows[] = {{"a tenth is left", 10, false}, {"half is left", 50, false}, {"most is left", 90, false}, {"most is left, then zeroes", 60, true},
	    {"some is left, then zeroes", 20, true}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct positions *p;
		struct position found;
		int aside = count_aside();
		bool damaged = false;
		long size;

		fill(300);
		size = size_of(path);
		assert_true(size > 3 * 4096);
		assert_int_equal(truncate(path, size * rows[i].percent / 100), 0);
		if (rows[i].zeroes)
			assert_int_equal(truncate(path, size), 0);
		p = positions_open(path, &damaged, &e);
		if (p == NULL || !damaged || positions_find(p, &key, &found, &e) != 1)
			fail_msg("%s: %s (%s)", rows[i].name, e.text, warned);
		assert_int_equal(count_aside(), aside + 1);
		positions_free(p);
		unlink(path);
	}
}

/* Of what a killed process left beside the file nothing counts that is not whole. */
static void
test_wal(void **state)
{
	static const struct {
		const char *name;
		int percent; /* of the WAL that is left */
		const char *over; /* written in its middle */
		bool is_last; /* the last store is there */
	} rows[] = {{"as it was left", 100, NULL, true}, {"cut in half", 50, NULL, false}, {"overwritten in the middle", 100, "XXXXXXXXXXXXXXXX", false}};
	char wal[80];

	(void)state;
	snprintf(wal, sizeof(wal), "%s-wal", path);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct positions *p;
		struct position found;
		bool damaged = false;
		long size;
		int status;
		pid_t child = fork();

		if (child == 0) {
			p = positions_open(path, NULL, &e);
			for (uint32_t n = 1; p != NULL && n <= 50; n++) {
				struct position one = position(n);

				if (positions_store(p, &key, &one, &e) != 0)
					break;
			}
			kill(getpid(), SIGKILL);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		size = size_of(wal);
		assert_true(size > 4096);
		assert_int_equal(truncate(wal, size * rows[i].percent / 100), 0);
		if (rows[i].over != NULL) {
			FILE *f = fopen(wal, "r+");

			fseek(f, size / 2, SEEK_SET);
			fputs(rows[i].over, f);
			fclose(f);
		}
		p = positions_open(path, &damaged, &e);
		if (p == NULL || damaged || positions_find(p, &key, &found, &e) != 0 || found.in_flight != number(&found) % 7 ||
		    (number(&found) == 50) != rows[i].is_last)
			fail_msg("%s: %s (%s)", rows[i].name, e.text, warned);
		positions_free(p);
		unlink(path);
	}
}

/* ---- no room, no right */

static void
test_full_disk(void **state)
{
	struct error e = ERROR_INIT;
	struct positions *p;
	struct position found;
	int status;
	pid_t child;

	(void)state;
	fill(5);
	child = fork();
	if (child == 0) {
		const struct rlimit limit = {40960, 40960};
		uint32_t n = 5, good = 5;

		signal(SIGXFSZ, SIG_IGN);
		p = positions_open(path, NULL, &e);
		if (p == NULL || setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(200);
		for (; n < 200; n++) {
			struct position one = position(n + 1);

			if (positions_store(p, &key, &one, &e) != 0)
				break;
			good = n + 1;
		}
		/* it said so, it still knows the last one, and it goes on once there is room */
		if (n == 200 || strstr(e.text, path) == NULL || positions_find(p, &key, &found, &e) != 0 || number(&found) != good)
			_exit(201);
		_exit((int)good);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 200);
	p = positions_open(path, NULL, &e);
	assert_non_null(p);
	assert_int_equal(positions_find(p, &key, &found, &e), 0);
	assert_int_equal(number(&found), WEXITSTATUS(status));
	assert_int_equal(count_aside(), 0);
	positions_free(p);
}

/* As a user to whom nothing is permitted: root writes everywhere. */
static void
test_read_only(void **state)
{
	static const struct {
		const char *name;
		mode_t directory, file;
		bool exists;
	} rows[] = {{"no file, and none may be made", 0555, 0, false}, {"a file that may be read only", 0555, 0444, true},
	    {"a file that may not be read", 0755, 0000, true}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int status;
		pid_t child;
		long size = -1;

		if (rows[i].exists) {
			fill(3);
			size = size_of(path);
			assert_int_equal(chmod(path, rows[i].file), 0);
		}
		assert_int_equal(chmod(home, rows[i].directory), 0);
		child = fork();
		if (child == 0) {
			struct error e = ERROR_INIT;
			bool damaged = false;

			if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
				_exit(2);
			if (positions_open(path, &damaged, &e) != NULL || damaged || e.code != ERR_CONFIG || strstr(e.text, path) == NULL ||
			    e.hint[0] == '\0') {
				fprintf(stderr, "%s: %s\n", rows[i].name, e.text);
				_exit(1);
			}
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(chmod(home, 0700), 0);
		assert_int_equal(status, 0);
		assert_int_equal(count_aside(), 0);
		if (rows[i].exists)
			assert_int_equal(size_of(path), size);
		unlink(path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_power, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_power_densely, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cut_short, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wal, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* profile/: who streams to a position, what its holder has noted, and who may change settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fresh_profile.h"
#include "profile/settings_lock.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_lock),
	    TEST(test_lock_notes),
	    TEST(test_settings_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* profile/: directories, settings, schemas, dead letters; each in a fresh directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fresh_profile.h"
#include "profile/dead_letters.h"
#include "profile/schemas.h"

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
		char target[128];

		unlink(path);
		snprintf(target, sizeof(target), "%s/nowhere", home);
		assert_int_equal(symlink(target, path), 0);
		assert_int_equal(profile_store_bytes(profile, "databricks.json", text_of("x"), &e), -1);
		assert_int_equal(access(target, F_OK), -1);
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
	    TEST(test_dead_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/memory.h"
#include "emulator/emulator_profile.h"
#include "emulator/files.h"

struct emulator_profile {
	char *directory;
	char *state_directory;
	bool keep;
	int lock; /* the directory itself */
};

static const char *const settings_files[] = { "salesforce.json", "databricks.json" };

static char *
find_directory(struct error *e)
{
	const char *home = getenv("SFZB_HOME"), *config = getenv("XDG_CONFIG_HOME"), *user = getenv("HOME");

	if (home && *home)
		return memory_format("%s/profiles/emulator", home);
	if (config && *config)
		return memory_format("%s/sfzb/profiles/emulator", config);
	if (user && *user)
		return memory_format("%s/.config/sfzb/profiles/emulator", user);
	error_set(e, ERR_CONFIG, "no home directory is known for the profile: HOME is not set");
	return NULL;
}

/* The settings file as JSON; NULL without an error when there is none. */
static struct json *
load(const struct emulator_profile *p, const char *file, struct error *e)
{
	char *path = memory_format("%s/%s", p->directory, file);
	struct buffer content = BUFFER_INIT;
	struct json *j = NULL;

	if (file_read(path, &content, e) == 0)
		j = json_parse(buffer_span(&content), e);
	else if (e->code == ERR_NOT_FOUND)
		error_clear(e);
	if (e->code)
		error_wrap(e, "%s", path);
	buffer_release(&content);
	free(path);
	return j;
}

/* 1: the profile is this state directory's, 0: another's or new, -1: a person's. */
static int
find_owner(const struct emulator_profile *p, struct error *e)
{
	int owner = 0;

	for (size_t i = 0; i < 2 && owner >= 0; i++) {
		struct json *j = load(p, settings_files[i], e);
		const char *directory = json_find_string(j, "emulator_directory");

		if (e->code)
			owner = -1;
		else if (j && !json_find_bool(j, "emulator", false))
			owner = error_set(e, ERR_CONFIG,
			    "the profile \"emulator\" is not the emulator's: %s/%s was made by a login",
			    p->directory, settings_files[i]);
		else if (directory && strcmp(directory, p->state_directory) == 0)
			owner = 1;
		json_free(j);
	}
	if (owner < 0)
		error_hint(e, "rename or remove that profile, or set SFZB_HOME to another directory");
	return owner;
}

/* All but the directory itself, which is locked. */
static void
empty_directory(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *path;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		path = memory_format("%s/%s", directory, entry->d_name);
		file_remove_tree(path);
		free(path);
	}
	if (dir)
		closedir(dir);
}

struct emulator_profile *
emulator_profile_open(const char *state_directory, bool keep, struct error *e)
{
	struct emulator_profile *p = memory_zero(1, sizeof *p);
	int owner;

	p->lock = -1;
	p->keep = keep;
	p->state_directory = memory_strdup(state_directory);
	p->directory = find_directory(e);
	if (!p->directory || file_make_directories(p->directory, e) != 0)
		goto failed;
	p->lock = open(p->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->lock < 0) {
		error_set_errno(e, ERR_FAILED, errno, "cannot open \"%s\"", p->directory);
		goto failed;
	}
	if (flock(p->lock, LOCK_EX | LOCK_NB) != 0) {
		error_set(e, ERR_CONFIG, "another emulator is running for the profile in \"%s\"", p->directory);
		error_hint(e, "set SFZB_HOME to another directory for a second one");
		close(p->lock);
		p->lock = -1;
		goto failed;
	}
	owner = find_owner(p, e);
	if (owner < 0)
		goto failed;
	if (owner == 0)
		empty_directory(p->directory);
	return p;
failed:
	p->keep = true; /* it is not ours to remove */
	emulator_profile_close(p);
	return NULL;
}

int
emulator_profile_store(struct emulator_profile *p, const char *file, struct json *settings, struct error *e)
{
	char *path = memory_format("%s/%s", p->directory, file);
	struct buffer text = BUFFER_INIT;
	int rc;

	json_set_bool(settings, "emulator", true);
	json_set_string(settings, "emulator_directory", p->state_directory);
	json_write(&text, settings, true);
	buffer_append_byte(&text, '\n');
	rc = file_write(path, buffer_span(&text), e);
	json_free(settings);
	buffer_release(&text);
	free(path);
	return rc;
}

const char *
emulator_profile_directory(const struct emulator_profile *p)
{
	return p->directory;
}

void
emulator_profile_close(struct emulator_profile *p)
{
	if (!p)
		return;
	if (!p->keep) {
		empty_directory(p->directory);
		rmdir(p->directory);
	}
	if (p->lock >= 0)
		close(p->lock);
	free(p->directory);
	free(p->state_directory);
	free(p);
}

#include "profile/profile.h"

#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/secret.h"
#include "profile/file.h"

struct path_entry {
	char *file, *path;
};

struct profile {
	char *name, *directory;
	struct path_entry *paths; /* handed out by profile_path */
	size_t path_count, path_capacity;
};

const char *
profile_environment(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

static bool
name_is_good(const char *name)
{
	if (*name == '\0' || *name == '.' || strlen(name) > 128)
		return false;
	for (const char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("-_.", *p) == NULL)
			return false;
	return true;
}

/* The directory that holds profiles/, to be freed; NULL when there is no home. */
static char *
home_directory(void)
{
	const char *own = profile_environment("SFZB_HOME");
	const char *xdg = profile_environment("XDG_CONFIG_HOME");
	const char *home = profile_environment("HOME");

	if (own != NULL)
		return memory_strdup(own);
	if (xdg != NULL && *xdg == '/') /* the XDG rule: a relative one is ignored */
		return memory_format("%s/sfzb", xdg);
	if (home == NULL) {
		const struct passwd *user = getpwuid(geteuid());

		if (user == NULL || user->pw_dir == NULL || *user->pw_dir != '/')
			return NULL;
		home = user->pw_dir;
	}
	return memory_format("%s/.config/sfzb", home);
}

struct profile *
profile_open(const char *name, struct error *e)
{
	struct profile *p;
	char *home;

	if (name == NULL)
		name = profile_environment("SFZB_PROFILE");
	if (name == NULL)
		name = "default";
	if (!name_is_good(name)) {
		char shown[80];

		error_set(e, ERR_CONFIG, "'%s' cannot be the name of a profile",
		    text_clean(shown, sizeof(shown), text_of(name)));
		error_hint(e, "use letters, digits, '-', '_' and '.', not beginning with a dot");
		return NULL;
	}
	home = home_directory();
	if (home == NULL) {
		error_set(e, ERR_CONFIG, "no home directory is known");
		error_hint(e, "set SFZB_HOME to a directory for sfzb's profiles");
		return NULL;
	}
	p = memory_zero(1, sizeof(*p));
	p->name = memory_strdup(name);
	p->directory = memory_format("%s/profiles/%s", home, name);
	free(home);
	return p;
}

void
profile_free(struct profile *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->path_count; i++) {
		free(p->paths[i].file);
		free(p->paths[i].path);
	}
	free(p->paths);
	free(p->directory);
	free(p->name);
	free(p);
}

const char *
profile_name(const struct profile *p)
{
	return p->name;
}

const char *
profile_directory(const struct profile *p)
{
	return p->directory;
}

const char *
profile_path(struct profile *p, const char *file)
{
	struct path_entry *entry;

	for (size_t i = 0; i < p->path_count; i++)
		if (strcmp(p->paths[i].file, file) == 0)
			return p->paths[i].path;
	p->paths = memory_reserve(p->paths, &p->path_capacity, p->path_count + 1, sizeof(*p->paths));
	entry = &p->paths[p->path_count++];
	entry->file = memory_strdup(file);
	entry->path = memory_format("%s/%s", p->directory, file);
	return entry->path;
}

int
profile_make_directory(struct profile *p, const char *subdirectory, struct error *e)
{
	if (file_make_directory(p->directory, e) != 0)
		return -1;
	if (subdirectory == NULL)
		return 0;
	return file_make_directory(profile_path(p, subdirectory), e);
}

int
profile_load(struct profile *p, const char *file, struct json **out, struct error *e)
{
	const char *path = profile_path(p, file);
	struct buffer bytes = BUFFER_INIT;
	int found, rc = -1;

	*out = NULL;
	found = file_read(path, true, LIMIT_SETTINGS_BYTES, &bytes, e);
	if (found != 0) {
		rc = found < 0 ? -1 : 0;
		goto out;
	}
	*out = json_parse(buffer_span(&bytes), e);
	if (*out == NULL || !json_is_object(*out)) {
		if (*out != NULL)
			error_set(e, ERR_CONFIG, "it is not a JSON object");
		json_free(*out);
		*out = NULL;
		if (e != NULL)
			e->code = ERR_CONFIG;
		error_wrap(e, "'%s' is damaged", path);
		error_hint(e, "mend it, or remove it and log in again");
		goto out;
	}
	rc = 0;
out:
	if (bytes.data != NULL)
		secret_wipe(bytes.data, bytes.capacity);
	buffer_release(&bytes);
	return rc;
}

int
profile_store(struct profile *p, const char *file, const struct json *j, struct error *e)
{
	struct buffer bytes = BUFFER_INIT;
	int rc;

	json_write(&bytes, j, true);
	buffer_append_byte(&bytes, '\n');
	rc = profile_store_bytes(p, file, buffer_span(&bytes), e);
	secret_wipe(bytes.data, bytes.capacity);
	buffer_release(&bytes);
	return rc;
}

int
profile_remove(struct profile *p, const char *file, struct error *e)
{
	return file_remove(profile_path(p, file), e);
}

int
profile_store_bytes(struct profile *p, const char *file, struct text bytes, struct error *e)
{
	if (profile_make_directory(p, NULL, e) != 0)
		return -1;
	return file_write(profile_path(p, file), bytes, e);
}

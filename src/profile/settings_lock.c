#include "profile/settings_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "profile/file.h"

#define STEP_MS 50

struct settings_lock {
	int fd;
};

/* A file of its own beside the positions' locks: the settings file itself is replaced at each store. */
static int
open_lock(struct profile *p, const char *file, struct error *e)
{
	char *folder = memory_format("%s/locks", profile_directory(p));
	char *path = memory_format("%s/%s", folder, file);
	struct stat st;
	int fd = -1;

	if (file_make_directory(folder, e) != 0)
		goto out;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0) {
		error_set_errno(e, ERR_CONFIG, errno, "cannot open the lock '%s'", path);
	} else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		error_set(e, ERR_CONFIG, "'%s' is not a regular file", path);
		close(fd);
		fd = -1;
	}
out:
	if (fd < 0 && e != NULL)
		e->code = ERR_CONFIG;
	free(path);
	free(folder);
	return fd;
}

struct settings_lock *
settings_lock(struct profile *p, const char *file, settings_pause *pause, void *context, struct error *e)
{
	int fd = open_lock(p, file, e);
	struct settings_lock *l;

	if (fd < 0)
		return NULL;
	for (int64_t waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += STEP_MS) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK) {
			error_set_errno(e, ERR_CONFIG, errno, "cannot lock '%s' of profile '%s'", file, profile_name(p));
			goto fail;
		}
		if (waited_ms >= SETTINGS_LOCK_PATIENCE_MS) {
			error_set(e, ERR_UNAVAILABLE, "another process has been renewing the login of profile '%s' for %d s",
			    profile_name(p), SETTINGS_LOCK_PATIENCE_MS / 1000);
			error_hint(e, "is an sfzb stopped in the middle of it? it holds the lock of %s", file);
			goto fail;
		}
		if (pause(context, STEP_MS, e) != 0)
			goto fail;
	}
	l = memory_zero(1, sizeof(*l));
	l->fd = fd;
	return l;
fail:
	close(fd);
	return NULL;
}

void
settings_unlock(struct settings_lock *l)
{
	if (l == NULL)
		return;
	close(l->fd); /* the file stays: another may be waiting for it by its name */
	free(l);
}

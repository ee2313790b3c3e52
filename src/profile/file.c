#include "profile/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static int
fault(struct error *e, const char *doing, const char *path, int errnum)
{
	error_set_errno(e, ERR_FAILED, errnum, "cannot %s '%s'", doing, path);
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return error_hint(e, "free some space there and try again; the old content is intact");
	case EROFS:
	case EACCES:
	case EPERM:
		return error_hint(e, "the profile must be writable by this user; SFZB_HOME names another place");
	default:
		return -1;
	}
}

static int
check_kind(int fd, const char *path, bool secret, size_t limit_bytes, struct error *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fault(e, "look at", path, errno);
	if (!S_ISREG(st.st_mode))
		return error_set(e, ERR_CONFIG, "'%s' is not a regular file", path);
	if (secret && (st.st_mode & 077) != 0) {
		error_set(e, ERR_CONFIG, "'%s' can be read or written by other users (mode %04o)", path,
		    (unsigned)(st.st_mode & 07777));
		return error_hint(e, "chmod 600 '%s'", path);
	}
	if (secret && st.st_uid != geteuid() && st.st_uid != 0 && geteuid() != 0)
		return error_set(e, ERR_CONFIG, "'%s' belongs to another user (%u)", path,
		    (unsigned)st.st_uid);
	if ((uint64_t)st.st_size > limit_bytes)
		return error_set(e, ERR_CONFIG, "'%s' is larger than %zu bytes", path, limit_bytes);
	return 0;
}

int
file_read(const char *path, bool secret, size_t limit_bytes, struct buffer *out, struct error *e)
{
	size_t before = out->len;
	int fd, rc = -1;

	/* O_NONBLOCK: opening a FIFO put there by somebody must not hang */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 1;
		if (errno == ELOOP)
			return error_set(e, ERR_CONFIG, "'%s' is a symbolic link", path);
		return fault(e, "open", path, errno);
	}
	if (check_kind(fd, path, secret, limit_bytes, e) != 0)
		goto out;
	for (;;) {
		ssize_t n;

		buffer_reserve(out, 4096);
		n = read(fd, out->data + out->len, out->capacity - out->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fault(e, "read", path, errno);
			goto out;
		}
		if (n == 0)
			break;
		out->len += (size_t)n;
		if (out->len - before > limit_bytes) { /* it grew under us */
			error_set(e, ERR_CONFIG, "'%s' is larger than %zu bytes", path, limit_bytes);
			goto out;
		}
	}
	rc = 0;
out:
	if (rc != 0)
		out->len = before;
	close(fd);
	return rc;
}

int
file_sync_directory(const char *path, struct error *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return fault(e, "open", path, errno);
	/* some file systems cannot sync a directory and say EINVAL; there is nothing better to do there */
	if (fsync(fd) != 0 && errno != EINVAL)
		rc = fault(e, "sync", path, errno);
	close(fd);
	return rc;
}

static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return memory_strdup(".");
	return slash == path ? memory_strdup("/") : memory_strndup(path, (size_t)(slash - path));
}

static int
write_all(int fd, struct text bytes)
{
	size_t at = 0;

	while (at < bytes.len) {
		ssize_t n = write(fd, bytes.data + at, bytes.len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += (size_t)n;
	}
	return 0;
}

int
file_write(const char *path, struct text bytes, struct error *e)
{
	char *temporary = memory_format("%s.XXXXXX", path);
	char *directory = directory_of(path);
	struct stat st;
	int rc = -1, fd;

	/* a rename would replace a link, not follow it; but a link here is somebody's mistake or trap */
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		error_set(e, ERR_CONFIG, "'%s' is not a regular file", path);
		goto out;
	}
	fd = mkostemp(temporary, O_CLOEXEC); /* O_EXCL, mode 0600 */
	if (fd < 0) {
		fault(e, "write", path, errno);
		goto out;
	}
	if (write_all(fd, bytes) != 0 || fsync(fd) != 0) {
		int errnum = errno;

		close(fd);
		unlink(temporary);
		fault(e, "write", path, errnum);
		goto out;
	}
	/* NFS and quotas report some write errors at close only */
	if (close(fd) != 0 || rename(temporary, path) != 0) {
		int errnum = errno;

		unlink(temporary);
		fault(e, "write", path, errnum);
		goto out;
	}
	if (file_sync_directory(directory, e) != 0)
		goto out;
	rc = 0;
out:
	free(directory);
	free(temporary);
	return rc;
}

int
file_remove(const char *path, struct error *e)
{
	char *directory;
	int rc;

	if (unlink(path) != 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		return fault(e, "remove", path, errno);
	}
	directory = directory_of(path);
	rc = file_sync_directory(directory, e);
	free(directory);
	return rc;
}

int
file_make_directory(const char *path, struct error *e)
{
	char *copy = memory_strdup(path);
	struct stat st;
	int rc = -1;

	for (char *p = copy + 1;; p++) {
		char end = *p;

		if (end != '/' && end != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0700) == 0) {
			char *parent = directory_of(copy);
			int synced = file_sync_directory(parent, e);

			free(parent);
			if (synced != 0)
				goto out;
		} else if (errno != EEXIST) {
			int errnum = errno;

			/* a read-only file system says EROFS even where the directory is there */
			if (stat(copy, &st) != 0 || !S_ISDIR(st.st_mode)) {
				fault(e, "make the directory", copy, errnum);
				goto out;
			}
		}
		*p = end;
		if (end == '\0')
			break;
	}
	if (lstat(path, &st) != 0) {
		fault(e, "look at", path, errno);
		goto out;
	}
	if (!S_ISDIR(st.st_mode)) {
		error_set(e, ERR_CONFIG, "'%s' is not a directory", path);
		goto out;
	}
	if ((st.st_mode & 022) != 0) {
		error_set(e, ERR_CONFIG, "'%s' can be written by other users (mode %04o)", path,
		    (unsigned)(st.st_mode & 07777));
		error_hint(e, "chmod go-w '%s'", path);
		goto out;
	}
	rc = 0;
out:
	free(copy);
	return rc;
}

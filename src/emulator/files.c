#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/memory.h"
#include "emulator/files.h"

int
file_read(const char *path, struct buffer *out, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buffer_clear(out);
	if (fd < 0)
		return error_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED, errno,
		    "cannot open \"%s\"", path);
	do {
		buffer_reserve(out, 65536);
		n = read(fd, out->data + out->len, 65536);
		if (n > 0)
			out->len += (size_t)n;
	} while (n > 0 && out->len <= LIMIT_SETTINGS_BYTES);
	if (n < 0)
		error_set_errno(e, ERR_FAILED, errno, "cannot read \"%s\"", path);
	else if (n > 0)
		error_set(e, ERR_FAILED, "\"%s\" is larger than %d bytes", path, LIMIT_SETTINGS_BYTES);
	close(fd);
	return n == 0 ? 0 : -1;
}

static int
write_all(int fd, struct text content)
{
	while (content.len > 0) {
		ssize_t n = write(fd, content.data, content.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		content.data += n;
		content.len -= (size_t)n;
	}
	return fsync(fd);
}

int
file_write(const char *path, struct text content, struct error *e)
{
	char *temporary = memory_format("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC), rc = -1;

	if (fd >= 0 && write_all(fd, content) == 0 && rename(temporary, path) == 0)
		rc = 0;
	else
		error_set_errno(e, ERR_FAILED, errno, "cannot write \"%s\"", path);
	if (fd >= 0)
		close(fd);
	if (rc != 0 && fd >= 0)
		unlink(temporary);
	free(temporary);
	return rc;
}

int
file_make_directories(const char *path, struct error *e)
{
	char *copy = memory_strdup(path);
	int rc = 0;

	for (char *p = copy + 1; rc == 0; p++) {
		char was = *p;

		if (was != '/' && was != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0700) != 0 && errno != EEXIST)
			rc = error_set_errno(e, ERR_FAILED, errno, "cannot make the directory \"%s\"",
			    copy);
		*p = was;
		if (was == '\0')
			break;
	}
	free(copy);
	return rc;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	remove(path);
	return 0;
}

void
file_remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

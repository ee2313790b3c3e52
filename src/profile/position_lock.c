#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "profile/file.h"
#include "profile/positions.h"

struct position_lock {
	int fd;
};

static uint64_t
hash_more(uint64_t h, const char *s, size_t max, bool any_case)
{
	for (size_t i = 0; i < max && s[i] != '\0'; i++) {
		unsigned char c = (unsigned char)s[i];

		if (any_case && c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		h = (h ^ c) * 0x100000001b3u;
	}
	return (h ^ 0xff) * 0x100000001b3u; /* no key is the prefix of another */
}

/* Readable and unique: the last part of the topic, and a hash of the whole key. */
static char *
lock_path(const char *directory, const struct position_key *key)
{
	uint64_t h = hash_more(0xcbf29ce484222325u, key->org_id, 15, false);
	const char *slash = strrchr(key->topic, '/');
	char name[64];
	size_t n = 0;

	h = hash_more(h, key->topic, SIZE_MAX, false);
	h = hash_more(h, key->table, SIZE_MAX, true); /* main.crm.T and main.crm.t are one table */
	for (const char *p = slash != NULL ? slash + 1 : key->topic; *p != '\0' && n < sizeof(name) - 1; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') || *p == '_';

		name[n++] = plain ? *p : '_';
	}
	name[n] = '\0';
	return memory_format("%s/locks/%s-%016llx", directory, name, (unsigned long long)h);
}

static int
refuse(int fd, const struct position_key *key, struct error *e)
{
	char holder[32] = "", shown[160];
	ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);
	long pid = n > 0 ? strtol(holder, NULL, 10) : 0;

	text_clean(shown, sizeof(shown), text_of(key->topic));
	if (pid > 0)
		error_set(e, ERR_CONFIG, "process %ld is already streaming '%s' to '%s'", pid, shown,
		    key->table);
	else
		error_set(e, ERR_CONFIG, "another process is already streaming '%s' to '%s'", shown,
		    key->table);
	return error_hint(e, "stop that one first; two runs never share a position");
}

struct position_lock *
positions_lock(const char *directory, const struct position_key *key, struct error *e)
{
	struct position_lock *l = NULL;
	char *folder = memory_format("%s/locks", directory);
	char *path = lock_path(directory, key);
	char text[32];
	struct stat st;
	int fd = -1, length;

	if (file_make_directory(folder, e) != 0)
		goto out;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0 || fstat(fd, &st) != 0) {
		error_set_errno(e, ERR_CONFIG, errno, "cannot open the lock '%s'", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		error_set(e, ERR_CONFIG, "'%s' is not a regular file", path);
		goto out;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			refuse(fd, key, e);
		else
			error_set_errno(e, ERR_CONFIG, errno, "cannot lock '%s'", path);
		goto out;
	}
	/* The pid is for people's eyes: the lock holds without it, so a full disk is no reason to stop. */
	length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length)
		errno = 0;
	l = memory_zero(1, sizeof(*l));
	l->fd = fd;
	fd = -1;
out:
	if (fd >= 0)
		close(fd);
	free(path);
	free(folder);
	return l;
}

void
positions_unlock(struct position_lock *l)
{
	if (l == NULL)
		return;
	/* The file stays: removing it would let a third process lock a name that a second one still waits on. */
	close(l->fd);
	free(l);
}

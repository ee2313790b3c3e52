#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "profile/file.h"
#include "profile/positions.h"

/* The file's text, a line each: pid, when a position was last stored (wall clock, ms), which file this is, organisation, topic, table. */
#define TEXT_BYTES 2048

struct position_lock {
	int fd;
	int64_t noted_ms;
	bool is_noted; /* by this holder */
	char *file; /* which one it was when a position was last stored under it … */
	char *own;  /* … and which one it is */
	char *org_id, *topic, *table;
};

/* What a holder has written; texts point into `bytes`. */
struct lock_text {
	char bytes[TEXT_BYTES];
	long pid;
	int64_t noted_ms;
	const char *file;
	struct position_key key;
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

/* The line behind this one; NULL: there is none. */
static char *
end_line(char *line)
{
	char *end = line != NULL ? strchr(line, '\n') : NULL;

	if (end == NULL)
		return NULL;
	*end = '\0';
	return end + 1;
}

/* false: there is nothing that can be read. */
static bool
read_text(int fd, struct lock_text *t)
{
	ssize_t n = pread(fd, t->bytes, TEXT_BYTES - 1, 0);
	char *noted, *file, *org, *topic, *table;

	t->bytes[n > 0 ? n : 0] = '\0';
	noted = end_line(t->bytes);
	file = end_line(noted);
	org = end_line(file);
	topic = end_line(org);
	table = end_line(topic);
	if (end_line(table) == NULL)
		return false;
	t->pid = strtol(t->bytes, NULL, 10);
	t->noted_ms = strtoll(noted, NULL, 10);
	t->file = file;
	t->key = (struct position_key){org, topic, table};
	return true;
}

/* A copy has another number, or was born later where numbers are used again; some file systems tell no birth. */
static char *
which_file(int fd, const struct stat *st)
{
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &x) != 0 || (x.stx_mask & STATX_BTIME) == 0)
		memset(&x, 0, sizeof(x));
	return memory_format("%llu %lld.%09u", (unsigned long long)st->st_ino, (long long)x.stx_btime.tv_sec,
	    (unsigned)x.stx_btime.tv_nsec);
}

/* For people's eyes and as a hint: the lock holds without it, so a full disk is no reason to stop. */
static void
write_text(struct position_lock *l)
{
	char *text = memory_format("%ld\n%lld\n%s\n%s\n%s\n%s\n", (long)getpid(), (long long)l->noted_ms, l->file, l->org_id,
	    l->topic, l->table);
	size_t len = strlen(text);

	if (len >= TEXT_BYTES || pwrite(l->fd, text, len, 0) != (ssize_t)len || ftruncate(l->fd, (off_t)len) != 0)
		errno = 0;
	free(text);
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

/* Who only looks whether it is held is gone in a moment. */
static int
take(int fd)
{
	static const struct timespec moment = {.tv_nsec = 20000000};
	int rc;

	for (int i = 0; (rc = flock(fd, LOCK_EX | LOCK_NB)) != 0 && errno == EWOULDBLOCK && i < 5; i++)
		nanosleep(&moment, NULL);
	return rc;
}

struct position_lock *
positions_lock(const char *directory, const struct position_key *key, struct error *e)
{
	struct position_lock *l = NULL;
	char *folder = memory_format("%s/locks", directory);
	char *path = lock_path(directory, key);
	struct lock_text before = {.pid = 0};
	struct stat st;
	int fd = -1;

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
	if (take(fd) != 0) {
		if (errno == EWOULDBLOCK)
			refuse(fd, key, e);
		else
			error_set_errno(e, ERR_CONFIG, errno, "cannot lock '%s'", path);
		goto out;
	}
	l = memory_zero(1, sizeof(*l));
	l->fd = fd;
	l->org_id = memory_strdup(key->org_id);
	l->topic = memory_strdup(key->topic);
	l->table = memory_strdup(key->table);
	l->own = which_file(fd, &st);
	if (read_text(fd, &before))
		l->noted_ms = before.noted_ms;
	l->file = memory_strdup(before.key.topic != NULL ? before.file : l->own);
	write_text(l);
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
	free(l->file);
	free(l->own);
	free(l->org_id);
	free(l->topic);
	free(l->table);
	free(l);
}

int64_t
positions_lock_noted_ms(const struct position_lock *l)
{
	return l->noted_ms;
}

bool
positions_lock_is_noted(const struct position_lock *l)
{
	return l->is_noted;
}

bool
positions_lock_is_copy(const struct position_lock *l)
{
	return strcmp(l->file, l->own) != 0;
}

void
positions_locks_note(struct position_lock *const *locks, size_t count, const char *topic, int64_t stored_ms)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(locks[i]->topic, topic) == 0) {
			locks[i]->noted_ms = stored_ms;
			locks[i]->is_noted = true;
			if (positions_lock_is_copy(locks[i])) {
				free(locks[i]->file);
				locks[i]->file = memory_strdup(locks[i]->own);
			}
			write_text(locks[i]);
		}
}

void
positions_each_holder(const char *directory, positions_holder *each, void *context)
{
	char *folder = memory_format("%s/locks", directory);
	DIR *d = opendir(folder);
	bool more = d != NULL;

	while (more) {
		const struct dirent *entry = readdir(d);
		struct lock_text t;
		int fd;

		if (entry == NULL)
			break;
		fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0)
			continue;
		/* a shared lock for a moment: take() waits for that; a pid says nothing, it may be of another container */
		if (read_text(fd, &t) && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
			more = each(context, &t.key, t.pid);
		close(fd);
	}
	if (d != NULL)
		closedir(d);
	free(folder);
}

/*
 * A disk that forgets, for SQLite: everything that was written since a file's last sync can be lost, as by a power cut. Files
 * behave as ever for the program; power_vfs_cut writes into another directory what a disk would hold now.
 *
 * What a sync covers is there whole. Of what came after it nothing is there, or a random part of the writes, torn ones among
 * them, in whatever order.
 */
#ifndef TESTS_UNIT_POWER_VFS_H
#define TESTS_UNIT_POWER_VFS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"

struct power_write {
	sqlite3_int64 at;
	char *bytes; /* NULL: the file was cut to `at` */
	size_t len;
};

struct power_image {
	char path[200];
	struct buffer durable;
	struct power_write *pending;
	size_t pending_count, pending_capacity;
	bool is_there;
};

struct power_file {
	sqlite3_file base;
	struct power_image *image; /* NULL: a file that needs no memory of the disk */
};

static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *parent;
	struct power_image images[8];
	size_t count;
	/* Called in front of each write, sync, cut and removal. */
	void (*event)(void *context, const char *what, const char *path);
	void *context;
} power;

static inline sqlite3_file *
power_inner(sqlite3_file *f)
{
	return (sqlite3_file *)((struct power_file *)f + 1);
}

static inline void
power_apply(struct buffer *b, const struct power_write *w, size_t len)
{
	size_t end = (size_t)w->at + len;

	if (w->bytes == NULL) {
		if (b->len > (size_t)w->at)
			b->len = (size_t)w->at;
		return;
	}
	buffer_reserve(b, end + 1);
	if (end > b->len) {
		memset(b->data + b->len, 0, end - b->len);
		b->len = end;
	}
	memcpy(b->data + w->at, w->bytes, len);
}

static inline void
power_note(struct power_image *i, sqlite3_int64 at, const void *bytes, size_t len)
{
	struct power_write *w;

	i->pending = memory_reserve(i->pending, &i->pending_capacity, i->pending_count + 1, sizeof(*i->pending));
	w = &i->pending[i->pending_count++];
	*w = (struct power_write){.at = at, .len = len};
	if (bytes != NULL) {
		w->bytes = memory_alloc(len + 1);
		memcpy(w->bytes, bytes, len);
	}
}

static inline void
power_drop_pending(struct power_image *i)
{
	while (i->pending_count > 0)
		free(i->pending[--i->pending_count].bytes);
}

static inline void
power_tell(const char *what, const struct power_image *i)
{
	if (power.event != NULL && i != NULL)
		power.event(power.context, what, i->path);
}

#define POWER_CALL(f, method, ...) (power_inner(f)->pMethods->method(power_inner(f), __VA_ARGS__))

static int
power_close(sqlite3_file *f)
{
	return power_inner(f)->pMethods->xClose(power_inner(f));
}

static int
power_read(sqlite3_file *f, void *to, int len, sqlite3_int64 at)
{
	return POWER_CALL(f, xRead, to, len, at);
}

static int
power_write_bytes(sqlite3_file *f, const void *bytes, int len, sqlite3_int64 at)
{
	struct power_image *i = ((struct power_file *)f)->image;
	int rc;

	power_tell("write", i);
	rc = POWER_CALL(f, xWrite, bytes, len, at);
	if (i != NULL && rc == SQLITE_OK)
		power_note(i, at, bytes, (size_t)len);
	return rc;
}

static int
power_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct power_image *i = ((struct power_file *)f)->image;

	power_tell("truncate", i);
	if (i != NULL)
		power_note(i, size, NULL, 0);
	return POWER_CALL(f, xTruncate, size);
}

static int
power_sync(sqlite3_file *f, int flags)
{
	struct power_image *i = ((struct power_file *)f)->image;

	power_tell("sync", i);
	for (size_t k = 0; i != NULL && k < i->pending_count; k++)
		power_apply(&i->durable, &i->pending[k], i->pending[k].len);
	if (i != NULL)
		power_drop_pending(i);
	return POWER_CALL(f, xSync, flags);
}

static int
power_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return POWER_CALL(f, xFileSize, size);
}

static int
power_lock(sqlite3_file *f, int level)
{
	return POWER_CALL(f, xLock, level);
}

static int
power_unlock(sqlite3_file *f, int level)
{
	return POWER_CALL(f, xUnlock, level);
}

static int
power_check_lock(sqlite3_file *f, int *held)
{
	return POWER_CALL(f, xCheckReservedLock, held);
}

static int
power_control(sqlite3_file *f, int op, void *argument)
{
	return POWER_CALL(f, xFileControl, op, argument);
}

static int
power_sector(sqlite3_file *f)
{
	return power_inner(f)->pMethods->xSectorSize(power_inner(f));
}

static int
power_traits(sqlite3_file *f)
{
	(void)f;
	return 0; /* nothing is atomic, nothing in order */
}

static int
power_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return POWER_CALL(f, xShmMap, page, size, extend, out);
}

static int
power_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return POWER_CALL(f, xShmLock, offset, n, flags);
}

static void
power_shm_barrier(sqlite3_file *f)
{
	power_inner(f)->pMethods->xShmBarrier(power_inner(f));
}

static int
power_shm_unmap(sqlite3_file *f, int remove)
{
	return POWER_CALL(f, xShmUnmap, remove);
}

static const sqlite3_io_methods power_methods = {2, power_close, power_read, power_write_bytes, power_truncate, power_sync,
	power_size, power_lock, power_unlock, power_check_lock, power_control, power_sector, power_traits, power_shm_map,
	power_shm_lock, power_shm_barrier, power_shm_unmap, NULL, NULL};

static inline struct power_image *
power_image_of(const char *path)
{
	struct power_image *i = NULL;

	for (size_t k = 0; k < power.count; k++)
		if (strcmp(power.images[k].path, path) == 0)
			i = &power.images[k];
	if (i == NULL && power.count < sizeof(power.images) / sizeof(power.images[0])) {
		i = &power.images[power.count++];
		snprintf(i->path, sizeof(i->path), "%s", path);
	}
	return i;
}

static int
power_open(sqlite3_vfs *v, const char *path, sqlite3_file *f, int flags, int *out)
{
	struct power_file *p = (struct power_file *)f;
	int rc;

	(void)v;
	p->image = NULL;
	rc = power.parent->xOpen(power.parent, path, power_inner(f), flags, out);
	f->pMethods = rc == SQLITE_OK || power_inner(f)->pMethods != NULL ? &power_methods : NULL;
	if (rc == SQLITE_OK && path != NULL && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL))) {
		p->image = power_image_of(path);
		p->image->is_there = true;
	}
	return rc;
}

static int
power_delete(sqlite3_vfs *v, const char *path, int sync)
{
	struct power_image *i = power_image_of(path);

	(void)v;
	power_tell("delete", i);
	i->is_there = false;
	power_drop_pending(i);
	i->durable.len = 0;
	return power.parent->xDelete(power.parent, path, sync);
}

/* From here on all databases of this program lie on such a disk. */
static inline void
power_vfs_begin(void (*event)(void *context, const char *what, const char *path), void *context)
{
	sqlite3_initialize();
	power.parent = sqlite3_vfs_find(NULL);
	power.vfs = *power.parent;
	power.vfs.zName = "power";
	power.vfs.szOsFile = (int)sizeof(struct power_file) + power.parent->szOsFile;
	power.vfs.xOpen = power_open;
	power.vfs.xDelete = power_delete;
	power.event = event;
	power.context = context;
	sqlite3_vfs_register(&power.vfs, 1);
}

static inline void
power_vfs_end(void)
{
	sqlite3_vfs_unregister(&power.vfs);
	for (size_t k = 0; k < power.count; k++) {
		power_drop_pending(&power.images[k]);
		free(power.images[k].pending);
		buffer_release(&power.images[k].durable);
	}
	memset(&power, 0, sizeof(power));
}

/* While this is on, databases are opened on the ordinary disk. */
static inline void
power_vfs_pause(bool on)
{
	sqlite3_vfs_register(on ? power.parent : &power.vfs, 1);
}

/* What the disk holds if the power fails now; some: also a random part of what was not synced. */
static inline void
power_vfs_cut(const char *directory, bool some, struct random *r)
{
	for (size_t k = 0; k < power.count; k++) {
		const struct power_image *i = &power.images[k];
		struct buffer b = BUFFER_INIT;
		char path[300];
		FILE *f;

		snprintf(path, sizeof(path), "%s%s", directory, strrchr(i->path, '/'));
		remove(path);
		if (!i->is_there)
			continue;
		buffer_append(&b, i->durable.data, i->durable.len);
		for (size_t n = 0; some && n < i->pending_count; n++)
			if (random_below(r, 2) == 0)
				power_apply(&b, &i->pending[n],
				    random_below(r, 4) == 0 ? (size_t)random_below(r, i->pending[n].len + 1) : i->pending[n].len);
		f = fopen(path, "w");
		if (f == NULL || fwrite(b.data, 1, b.len, f) != b.len || fclose(f) != 0)
			abort();
		buffer_release(&b);
	}
}

#endif

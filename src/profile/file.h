/*
 * Small private files: read whole, written whole. A write goes to a temporary file beside the target, is
 * synced, renamed and the directory synced: after a crash, a full disk or a kill there is the old file or the new
 * one, never half of one. Links are never followed at the last step of a path.
 */
#ifndef SFZB_PROFILE_FILE_H
#define SFZB_PROFILE_FILE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

/*
 * Appends the file's bytes to out. 0: read; 1: no such file; -1: error. ERR_CONFIG: a link, not a regular file,
 * larger than limit_bytes, and for a secret one: readable by group or others, or another user's.
 */
int file_read(const char *path, bool secret, size_t limit_bytes, struct buffer *out,
    struct error *e);
/* Mode 0600. The old file is untouched unless the result is 0. */
int file_write(const char *path, struct text bytes, struct error *e);
int file_remove(const char *path, struct error *e); /* absent is fine */
/* Makes every missing directory of the path, mode 0700, each one durable. The last must be a directory and no link. */
int file_make_directory(const char *path, struct error *e);
/* Makes what has happened to the directory's entries durable. */
int file_sync_directory(const char *path, struct error *e);

#endif

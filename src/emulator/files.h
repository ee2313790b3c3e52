/*
 * Small files of the emulator: read whole, written whole (temporary file, synced, renamed; 0600). The
 * directories that it makes are 0700.
 */
#ifndef SFZB_EMULATOR_FILES_H
#define SFZB_EMULATOR_FILES_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

/* At most LIMIT_SETTINGS_BYTES. ERR_NOT_FOUND when there is none. */
int file_read(const char *path, struct buffer *out, struct error *e);
int file_write(const char *path, struct text content, struct error *e);
/* The directory and those above it; fine when it is there. */
int file_make_directories(const char *path, struct error *e);
/* A directory with all that is in it; what cannot be removed stays. */
void file_remove_tree(const char *path);

#endif

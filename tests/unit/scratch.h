/* For tests that write files and watch what is logged. */
#ifndef SFZB_TESTS_SCRATCH_H
#define SFZB_TESTS_SCRATCH_H

#include <ftw.h>
#include <stdio.h>

#include "base/log.h"

static inline int
scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* A directory with all that is in it. 0, or what nftw says. */
static inline int
scratch_remove(const char *directory)
{
	return nftw(directory, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The last message goes into a text of this size; for log_set_writer(scratch_remember, text). */
#define SCRATCH_MESSAGE_SIZE 1024

static inline void
scratch_remember(void *context, enum log_level level, const char *area, const char *message)
{
	(void)level;
	(void)area;
	snprintf(context, SCRATCH_MESSAGE_SIZE, "%s", message);
}

#endif

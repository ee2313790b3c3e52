/*
 * One process at a time renews what a settings file of a profile holds: a refresh token that is good for one use must not
 * be used by two. The pattern is: lock, load the file anew, go on with what another has renewed meanwhile or renew, store,
 * unlock. The lock is the kernel's (flock): a process that dies lets it go. It also holds between threads.
 */
#ifndef SFZB_PROFILE_SETTINGS_LOCK_H
#define SFZB_PROFILE_SETTINGS_LOCK_H

#include "profile/profile.h"

struct settings_lock;

/* Waits ms; -1 with the error ends the waiting (http_pool_pause is of this kind). */
typedef int settings_pause(void *context, int64_t ms, struct error *e);

/*
 * file: "databricks.json". Waits for another holder, at most SETTINGS_LOCK_PATIENCE_MS: then ERR_UNAVAILABLE. ERR_CONFIG
 * where no lock can be had at all (a profile that cannot be written): nothing can be stored there either.
 */
#define SETTINGS_LOCK_PATIENCE_MS (2 * 60 * 1000)
struct settings_lock *settings_lock(struct profile *p, const char *file, settings_pause *pause, void *context,
    struct error *e);
void settings_unlock(struct settings_lock *l); /* NULL is fine */

#endif

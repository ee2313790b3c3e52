/*
 * A profile: one directory that holds what a login and a stream must remember.
 *
 *   ${SFZB_HOME:-${XDG_CONFIG_HOME:-~/.config}/sfzb}/profiles/NAME/
 *       salesforce.json databricks.json   settings and sessions, mode 0600
 *       replay.db                         positions (profile/positions.h)
 *       schemas/                          Avro schemas by id (profile/schemas.h)
 *       topics.json                       names for completion
 *       dead-letters/                     events set aside (profile/dead_letters.h)
 *
 * Opening a profile creates nothing; storing creates the directories it needs, mode 0700. Files are
 * opened without following links, and settings that group or others can read are refused.
 */
#ifndef SFZB_PROFILE_PROFILE_H
#define SFZB_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/json.h"

struct profile;

/*
 * name NULL: $SFZB_PROFILE, else "default". A name is letters, digits, '-', '_', '.' and does not begin with a dot.
 * ERR_CONFIG when the name is bad or no home directory is known.
 */
struct profile *profile_open(const char *name, struct error *e);
void profile_free(struct profile *p);
const char *profile_name(const struct profile *p);
const char *profile_directory(const struct profile *p);
/* Path of a file in the profile; borrowed from the profile until it is freed. */
const char *profile_path(struct profile *p, const char *file);
/* Makes the directory and those above it, and a sub-directory unless NULL. */
int profile_make_directory(struct profile *p, const char *subdirectory, struct error *e);

/*
 * Settings: one JSON object a file. *out is NULL (and the result 0) when there is no such file.
 * ERR_CONFIG: readable by others, a link, damaged (the text names file and byte).
 */
int profile_load(struct profile *p, const char *file, struct json **out, struct error *e);
/* Written whole to a temporary file, synced, renamed: never half a file. */
int profile_store(struct profile *p, const char *file, const struct json *j, struct error *e);
int profile_remove(struct profile *p, const char *file, struct error *e); /* absent is fine */
/* The same for bytes of any kind. */
int profile_store_bytes(struct profile *p, const char *file, struct text bytes, struct error *e);

/* An environment variable that is set and not empty, else NULL. */
const char *profile_environment(const char *name);

#endif

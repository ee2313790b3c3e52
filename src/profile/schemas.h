/*
 * Avro schemas on disk, by schema id: immutable, so a file is written once and never changed. An id is
 * used as a file name only after its alphabet was checked (A-Z a-z 0-9 - _).
 */
#ifndef SFZB_PROFILE_SCHEMAS_H
#define SFZB_PROFILE_SCHEMAS_H

#include "profile/profile.h"

/* 0: found, bytes appended to out; 1: not there (or an id that cannot be a name); -1: error. */
int schemas_load(struct profile *p, struct text schema_id, struct buffer *out, struct error *e);
/* A failure to store is not fatal to anybody: callers log it and go on. */
int schemas_store(struct profile *p, struct text schema_id, struct text schema_json,
    struct error *e);

#endif

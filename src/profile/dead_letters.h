/*
 * Dead letters: events that were set aside because they could not be decoded, made no row, or were refused
 * by the table. Nothing of them is lost: the raw payload, the schema it was written with, the position, the
 * reason. SQLite, durable when a store returns 0; several processes may share the file.
 *
 * An event set aside again (a retry failed, or a run died between setting aside and storing its position) is
 * the same letter with one more attempt and the newest reason, not a second one.
 */
#ifndef SFZB_PROFILE_DEAD_LETTERS_H
#define SFZB_PROFILE_DEAD_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/replay_id.h"
#include "base/text.h"
#include "profile/profile.h"

struct dead_letters;

struct dead_letter {
	int64_t id; /* given by the store, small and growing; ignored when storing */
	struct text org_id, topic, table, event_id;
	struct text schema_id;
	struct text schema_json; /* empty: was never known. Kept once for each schema id */
	struct text payload;	 /* the raw Avro datum */
	struct replay_id replay_id;
	enum error_code code;
	struct text reason;
	int64_t received_ms, set_aside_ms; /* wall clock */
	int64_t attempts;		   /* 1 after the first store */
};

/* In the profile's dead-letters/, which is made. A damaged file is renamed aside as in profile/positions.h. */
struct dead_letters *dead_letters_open(struct profile *p, bool *was_damaged, struct error *e);
bool dead_letters_exist(struct profile *p); /* there is a file to open */
void dead_letters_free(struct dead_letters *d);

/* All or none, durable when it returns 0. */
int dead_letters_store(struct dead_letters *d, const struct dead_letter *letters, size_t count,
    struct error *e);

/* Which to visit: NULL or "" matches all. */
struct dead_letter_filter {
	const char *org_id, *topic, *table, *event_id;
	int64_t id;    /* 0: all */
	int64_t after; /* only ids above this one */
};
/* Borrowed for the call, which must not change the store; false stops. schema_json and payload are filled in. */
typedef bool dead_letters_visit(void *context, const struct dead_letter *letter);
int dead_letters_each(struct dead_letters *d, const struct dead_letter_filter *filter,
    dead_letters_visit *visit, void *context, struct error *e);
/* 0: removed; 1: there was none; -1: error. */
int dead_letters_remove(struct dead_letters *d, int64_t id, struct error *e);

#endif

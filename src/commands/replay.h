/*
 * The parts of `sfzb replay`. Private to that command: replay.c (words and options), replay_show.c (show and history),
 * replay_set.c (whose position, and where to), replay_seek.c (places that only the server knows), replay_table.c (what the
 * table holds), replay_move.c (export and import).
 */
#ifndef SFZB_COMMANDS_REPLAY_H
#define SFZB_COMMANDS_REPLAY_H

#include <stdbool.h>

#include "commands/app.h"
#include "profile/positions.h"

#define REPLAY_DATABASE "replay.db" /* in the profile */
#define REPLAY_RETENTION_MS (72 * INT64_C(3600000)) /* wire/pubsub.md §4 */
/* Not known how many: the engine looks everything up until it has caught up. */
#define POSITION_ALL_IN_FLIGHT INT64_MAX

/* "after", "earliest", "at": how a kind of position is written in JSON. */
const char *replay_kind_name(enum position_kind kind);
/* -1: no such word. */
int replay_kind_parse(const char *name, enum position_kind *kind);

/* topic, table: NULL for every one. history: all places where each has stood, oldest first. positions NULL: there is no store yet. */
int replay_show(struct positions *positions, const char *topic, const char *table, bool history, bool json,
    struct error *e);

struct replay_set_options {
	const char *topic, *table;
	const char *where; /* NULL: from_table */
	bool from_table, force, dry_run;
};
/* positions NULL, with dry_run: there is no store yet. */
int replay_set(struct app *app, struct positions *positions, const struct replay_set_options *o,
    struct error *e);

/* A place for a position, and where it was found, in words for people ("" : it was said by them). */
struct replay_place {
	struct position position; /* kind, replay_id and event_ms */
	char how[256];
};

/* The latest, as the server names it: at once on a busy topic, with the first keepalive on a quiet one. */
int replay_tip(struct app *app, const char *topic, struct replay_place *out, struct error *e);
/*
 * In front of the first event committed at or after a time: reads from the position on (NULL: from the earliest event
 * kept) and stores nothing. Where all that is kept is older it is behind the last one. What is read counts
 * against the organisation's delivery quota.
 */
int replay_read_forward(struct app *app, const char *topic, const struct position *from, int64_t time_ms,
    struct replay_place *out, struct error *e);
/* The newest that the key's table holds of its topic; says how it was told. ERR_POSITION: none, or it cannot be told. */
int replay_ask_table(struct app *app, const struct position_key *key, struct replay_place *out, struct error *e);

struct replay_move_options {
	const char *topic, *table; /* which to export; NULL: all */
	const char *file;	   /* to import; "-": standard input */
	bool force, dry_run;
};
/* Writes the positions with their history to standard output; see "MOVING A STREAM" of the man page. */
int replay_export(struct app *app, struct positions *positions, const struct replay_move_options *o, struct error *e);
int replay_import(struct app *app, const struct replay_move_options *o, struct error *e);

#endif

/*
 * The parts of `sfzb dead-letters`. Private to that command: dead_letters.c (which letters, drop), dead_letters_show.c
 * (list and show), dead_letters_retry.c.
 */
#ifndef SFZB_COMMANDS_DEAD_LETTERS_H
#define SFZB_COMMANDS_DEAD_LETTERS_H

#include "commands/app.h"
#include "profile/dead_letters.h"

struct letters_options {
	const char *topic, *table;
	int64_t visibility_ms;
	bool all, yes;
};

/* Ids of letters, in the order in which they came. */
struct letter_ids {
	int64_t *items;
	size_t count, capacity;
};

/* store NULL: there are none. */
int letters_list(struct dead_letters *store, const struct dead_letter_filter *filter, bool json, struct error *e);
/* Each whole, bytes included. */
int letters_show(struct dead_letters *store, const struct letter_ids *ids, bool json, struct error *e);
/* Sends them again, and removes what is durable. ERR_REFUSED when some were set aside again. */
int letters_retry(struct app *app, struct dead_letters *store, const struct letter_ids *ids,
    int64_t visibility_ms, struct error *e);

#endif

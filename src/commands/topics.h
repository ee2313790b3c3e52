/*
 * The list that `sfzb topics` gathers, and its two forms. Private to that command.
 */
#ifndef SFZB_COMMANDS_TOPICS_H
#define SFZB_COMMANDS_TOPICS_H

#include "commands/app.h"
#include "salesforce/channels.h"
#include "salesforce/topic_name.h"

struct candidate {
	char topic[TOPIC_NAME_SIZE];
	char *label;
	bool settled; /* GetTopic has said yes or no */
	bool found, can_publish, can_subscribe;
	char *schema_id;
	struct listing *listing;
};

struct listing {
	struct app *app;
	struct candidate *items;
	size_t count, capacity, asked, answered;
	struct salesforce_channels channels; /* empty where Setup may not be read */
	struct error failure;		     /* the first that is not about one topic */
};

/* all: what is not switched on or may not be read, too. */
size_t topics_shown(const struct listing *l, bool all); /* how many it prints */
int topics_print(const struct listing *l, bool all, struct error *e);
/* For completion; without it nothing but comfort is lost. */
void topics_remember(const struct listing *l);

#endif

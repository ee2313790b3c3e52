/*
 * The topics of one command as sources of the engine: names made whole, checked with GetTopic, and where each
 * begins.
 */
#ifndef SFZB_COMMANDS_SUBSCRIPTION_H
#define SFZB_COMMANDS_SUBSCRIPTION_H

#include "commands/app.h"
#include "commands/from.h"
#include "commands/patience.h"
#include "profile/positions.h"
#include "salesforce/topic_name.h"

struct subscription {
	char topic[TOPIC_NAME_SIZE]; /* whole */
	struct source *source;	     /* what the engine gets */
	struct source *inner;	     /* the subscription itself, when source is a since_source around it */
	struct since_source since;
	unsigned unknown_tries; /* as pubsub_source_options */
	const char *managed; /* inner is this managed subscription (commands/managed.h); NULL: it is none */
	struct position from;
	const struct position *start; /* &from, or NULL: at the tip */
};

struct subscriptions {
	struct subscription *items;
	size_t count;
};

/* Names only; no network. The same topic twice is ERR_USAGE. */
int subscriptions_init(struct subscriptions *s, int count, char *const *names, struct error *e);
/*
 * With app's Pub/Sub client: each topic is asked for, and begins where `from` says. FROM_STORED reads the profile's
 * positions, of `table` when it is not NULL; ERR_POSITION when there is none or more than one. FROM_AUTO is
 * not for here.
 */
int subscriptions_open(struct subscriptions *s, struct app *app, struct patience *p, const struct from *from,
    const char *table, struct error *e);
/* Makes one source. watchdog_ms: silence that ends a subscription; 0: the usual. Where it starts is not asked. */
void subscription_open(struct subscription *s, struct app *app, const struct from *from, int64_t watchdog_ms);
/* Before app's Pub/Sub client is freed. */
void subscriptions_release(struct subscriptions *s);

#endif

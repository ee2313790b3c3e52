/*
 * --managed NAME of tail and stream: a managed subscription in place of topics. Its record says which topic it is of and
 * where the server goes on; it is committed only when the engine stores a position, that is, behind what is durable.
 */
#ifndef SFZB_COMMANDS_MANAGED_H
#define SFZB_COMMANDS_MANAGED_H

#include "commands/app.h"
#include "commands/subscription.h"
#include "stream/engine.h"

struct managed_options {
	const char *name;
	const char *topic;	 /* that the person says it is of; NULL: the record says so */
	bool new_only_when_lost; /* --on-lost-position latest */
};
/*
 * With --managed: fills s with the one topic that the record names, and says where the server goes on. A user who may not
 * read the record (ERR_PERMISSION) must give the topic. ERR_NOT_FOUND: no such record; ERR_CONFIG: it is stopped.
 */
int managed_subscriptions_init(struct subscriptions *s, struct app *app, struct patience *p, const struct managed_options *o,
    struct error *e);

/* A position store that commits what the one under it has stored. Placed by value; outlives the engine. */
struct managed_store {
	struct position_store under;
	struct subscription *subscription;
};
struct position_store managed_positions(struct managed_store *m);

#endif

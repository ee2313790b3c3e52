/* The topics of the emulator's org: change events, the platform event, and channels that hold several entities. */
#ifndef SFZB_EMULATOR_TOPICS_H
#define SFZB_EMULATOR_TOPICS_H

#include <stdbool.h>

#include "emulator/org.h"

#define TOPICS_MAX (ENTITY_COUNT + 2)

struct topic {
	char name[64];	   /* "/data/AccountChangeEvent" */
	uint32_t entities; /* a bit each */
	bool can_publish;
	bool is_enriched; /* its members have enriched fields */
	int entity; /* of its only one; -1: a channel, whose schema id is empty */
};

struct topics {
	struct topic items[TOPICS_MAX];
	size_t count;
};

/* Only of the objects that the org has selected. */
void topics_init(struct topics *t, const struct org *g);
/* Of events from now on; "" for a channel. */
const char *topic_schema_id(const struct topic *t, struct org *g);
const struct topic *topics_find(const struct topics *t, const char *name);

#endif

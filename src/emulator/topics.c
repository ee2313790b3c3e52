#include <stdio.h>
#include <string.h>

#include "emulator/topics.h"

/* Custom channel with the three standard objects. */
#define CHANNEL "/data/Crm__chn"

static struct topic *
add(struct topics *t, const char *name, uint32_t entities, int entity)
{
	struct topic *fresh = &t->items[t->count++];

	snprintf(fresh->name, sizeof fresh->name, "%s", name);
	fresh->entities = entities;
	fresh->can_publish = false;
	fresh->entity = entity;
	return fresh;
}

void
topics_init(struct topics *t, const struct org *g)
{
	uint32_t all = 0, standard = 0;
	char name[64];

	t->count = 0;
	for (int i = 0; i < ENTITY_COUNT; i++) {
		bool is_event = i == ENTITY_ORDER_EVENT;

		if (!org_is_selected(g, (enum entity)i))
			continue;
		snprintf(name, sizeof name, "/%s/%s", is_event ? "event" : "data", schema_sources[i].event);
		add(t, name, 1u << i, i)->can_publish = is_event;
		if (!is_event)
			all |= 1u << i;
		if (i <= ENTITY_OPPORTUNITY)
			standard |= 1u << i;
	}
	if (all)
		add(t, "/data/ChangeEvents", all, -1);
	if (standard)
		add(t, CHANNEL, standard, -1)->is_enriched = org_has_enriched_fields(g);
}

const struct topic *
topics_find(const struct topics *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->items[i].name, name) == 0)
			return &t->items[i];
	return NULL;
}

const char *
topic_schema_id(const struct topic *t, struct org *g)
{
	return t->entity < 0 ? "" : schema_store_current(org_schemas(g), (enum entity)t->entity)->id;
}

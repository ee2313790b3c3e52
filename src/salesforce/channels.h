/*
 * Which channels exist and what is selected on them, by the Tooling API (wire/salesforce-http.md §8). Needs "View
 * Setup and Configuration"; who lacks it falls back to describe global and GetTopic, and says that the
 * list may be incomplete. Blocking.
 */
#ifndef SFZB_SALESFORCE_CHANNELS_H
#define SFZB_SALESFORCE_CHANNELS_H

#include <stddef.h>

#include "salesforce/rest.h"
#include "salesforce/session.h"

/* A custom channel. */
struct salesforce_channel {
	char *id;    /* "0YL…" */
	char *name;  /* "Mine__chn" */
	char *topic; /* "/data/Mine__chn" or "/event/Mine__chn" */
	char *label;
};

/* What is selected on a channel. */
struct salesforce_member {
	char *id;	 /* "0v8…" */
	char *channel;	 /* "ChangeEvents" or "Mine__chn" */
	char *event;	 /* "AccountChangeEvent", "Invoice__ChangeEvent", "Order__e" */
	char *filter;	 /* its expression, or NULL */
	char **enriched; /* names of fields, or their ids ("00N…") where the server gives those */
	size_t enriched_count;
};

struct salesforce_channels {
	struct salesforce_channel *channels;
	size_t channel_count;
	struct salesforce_member *members; /* of the standard channel too */
	size_t member_count;
};

/* ERR_PERMISSION: Setup may not be read. */
int salesforce_channels_get(struct salesforce_session *s, struct salesforce_channels *out,
    struct error *e);
/* The same over any way to ask: a row of the answer at a time, until each says false. For tests. */
typedef int channels_query(void *context, const char *soql, salesforce_each_row *each, void *each_context, struct error *e);
int salesforce_channels_gather(channels_query *query, void *context, struct salesforce_channels *out, struct error *e);
void salesforce_channels_release(struct salesforce_channels *c);

#endif

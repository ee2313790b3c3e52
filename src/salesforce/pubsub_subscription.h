/*
 * A subscription's insides, shared by pubsub_source.c (the call, its credit, its end) and
 * pubsub_delivery.c (from a response to events).
 */
#ifndef SFZB_SALESFORCE_PUBSUB_SUBSCRIPTION_H
#define SFZB_SALESFORCE_PUBSUB_SUBSCRIPTION_H

#include "base/limits.h"
#include "base/random.h"
#include "proto/pubsub_api.pb-c.h"
#include "rpc/channel.h"
#include "rpc/loop.h"
#include "salesforce/event.h"
#include "salesforce/pubsub.h"
#include "salesforce/pubsub_arena.h"

enum subscription_state {
	SUBSCRIPTION_CLOSED,
	SUBSCRIPTION_WAITING, /* open, but there is no credit to begin with */
	SUBSCRIPTION_OPEN,
	SUBSCRIPTION_CLOSING,  /* half-closed, or about to say so; nothing is delivered any more */
	SUBSCRIPTION_RENEWING, /* the call is over, a new token is on its way */
};

struct pubsub_source {
	struct source base; /* first */
	struct pubsub *pubsub;
	struct loop *loop;
	char *topic;
	struct pubsub_source_options options;
	struct event_decoder *decoder;
	const struct source_events *events;
	void *context;
	struct start start;
	enum subscription_state state;
	bool freed; /* the owner is gone; the call is not yet */

	struct call *call;
	char trace[UUID_SIZE];
	unsigned generation; /* of the token that the call began with */
	unsigned refusals;   /* of tokens, without a message between */
	bool first_sent, opened;

	uint32_t allowed, outstanding, window;
	int64_t requested_ms; /* when credit was last asked for */
	uint64_t delivered;   /* since the window was cut */

	struct arena arena;
	Eventbus__V1__FetchResponse *held; /* being delivered */
	size_t next;			   /* of its events */
	int64_t received_ms;
	bool waiting; /* for a schema */
	struct avro_schema *schema;
	char schema_id[LIMIT_SCHEMA_ID_BYTES + 1]; /* of schema */
	bool over;				   /* the call ended while a response was held */
	struct error fault;			   /* why we end it ourselves */
	struct error end;			   /* to be told once all is delivered */

	/* of a managed subscription */
	char *managed;
	Eventbus__V1__FetchResponse view; /* what is delivered of a ManagedFetchResponse */
	struct replay_id commit;	  /* the newest durable place; len 0: none yet */
	bool commit_wanted;		  /* it is not with the server */
	char commit_request[UUID_SIZE];	  /* the commit under way; "": none */

	struct loop_timer watchdog, settle, stall, close_timer, tell;
};

/* Delivers what is held, up to an event whose schema is not there yet; then reading pauses until it
 * is. */
void subscription_deliver(struct pubsub_source *s);
/* Forgets what is held and was not delivered. */
void subscription_drop(struct pubsub_source *s);

/* Asks for more when credit is below half of what is allowed. */
void subscription_top_up(struct pubsub_source *s);
/* Begins the wait for the next message anew. */
void subscription_watch(struct pubsub_source *s);
/* Gives the stream up; `ended` follows. */
void subscription_give_up(struct pubsub_source *s, const struct error *why);
/* The call is over and everything has been delivered. */
void subscription_conclude(struct pubsub_source *s);
const char *subscription_rpc(const struct pubsub_source *s); /* "Subscribe", "ManagedSubscribe" */
/* pubsub_commit.c: the first and later requests of a managed subscription, its responses, its commits. */
void subscription_pack_managed(struct pubsub_source *s, uint32_t credit, struct buffer *out);
/* The part of a response that every subscription has; NULL: not a response. */
Eventbus__V1__FetchResponse *subscription_unpack_managed(struct pubsub_source *s, struct text message, bool *is_commit);
void subscription_send_commit(struct pubsub_source *s);
int subscription_fault(
    struct pubsub_source *s, struct error *e, enum error_code code, const char *reason);

#endif

/*
 * The Pub/Sub API over one channel (wire/pubsub.md): topics, schemas, subscriptions. Publishing is
 * in salesforce/pubsub_publish.h.
 *
 * A client belongs to one loop and its thread. Every RPC carries the credentials as they are when
 * it begins and a trace id of its own. Where the server says UNAUTHENTICATED the owner's hook is
 * asked for a new token, once for all calls that were refused with the old one, and unary calls are
 * then repeated by themselves.
 *
 * Errors name service, RPC, subject, the server's status, message, error-code and rpc id, our trace
 * id and the endpoint; their codes come from salesforce/codes.h. Callbacks come from the loop,
 * never from inside the functions here, once for each call.
 */
#ifndef SFZB_SALESFORCE_PUBSUB_H
#define SFZB_SALESFORCE_PUBSUB_H

#include <stdbool.h>
#include <stdint.h>

#include "avro/schema.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/text.h"
#include "profile/profile.h"
#include "rpc/loop.h"
#include "stream/source.h"

struct pubsub;

/* Tells that renewing is over. why->code ERR_OK: pubsub_set_token was called before this. On the
 * loop's thread. */
typedef void pubsub_renewed(void *done_context, const struct error *why);
/*
 * Asked for a new token because `refused` was (borrowed for the call). Must not block; calls done
 * later, once, and not from inside. Not asked again before that.
 */
typedef void pubsub_renew(
    void *context, const struct secret *refused, pubsub_renewed *done, void *done_context);

struct pubsub_options {
	const char *endpoint;	  /* "host:port", as channel_options.target */
	const char *ca_file;	  /* NULL: SSL_CERT_FILE, else the system's roots */
	int64_t keepalive_ms;	  /* as channel_options */
	const char *instance_url; /* a path and a slash at its end are cut off */
	const char *tenant_id;	  /* the organisation's id */
	struct profile *profile;  /* keeps schemas; NULL: memory only */
	pubsub_renew *renew;	  /* NULL: a refused token is an error */
	void *renew_context;
};

/* Connects with the first call. ERR_USAGE, ERR_CONFIG: endpoint, CA file or proxy cannot be used.
 */
struct pubsub *pubsub_new(struct loop *l, const struct pubsub_options *o, struct error *e);
/*
 * Cancels what is under way (the callbacks come, with ERR_INTERRUPTED) and steps the loop until it
 * has ended; not for use inside callbacks. All sources and publishers must have been freed.
 */
void pubsub_free(struct pubsub *p);
/* For calls from now on. */
void pubsub_set_token(struct pubsub *p, const struct secret *token);
void pubsub_set_instance(struct pubsub *p, const char *url); /* as pubsub_options.instance_url */
const char *pubsub_endpoint(const struct pubsub *p);
/* The organisation's id, without "core/…/". */
const char *pubsub_org_id(const struct pubsub *p);

/* A topic as GetTopic tells it. */
struct pubsub_topic {
	const char *name;
	const char *schema_id; /* "" on channels of several entities */
	const char *tenant_guid;
	bool can_publish, can_subscribe;
};
/* topic is borrowed for the call, NULL with an error. */
typedef void pubsub_topic_done(
    void *context, const struct pubsub_topic *topic, const struct error *why);
void pubsub_get_topic(struct pubsub *p, const char *topic, pubsub_topic_done *done, void *context);
/* Steps the loop until the answer is there. Release *out with pubsub_topic_release. */
int pubsub_get_topic_wait(
    struct pubsub *p, const char *topic, struct pubsub_topic *out, struct error *e);
void pubsub_topic_release(struct pubsub_topic *t);

/* The schema's JSON, past every cache. schema_json is borrowed for the call. */
typedef void pubsub_schema_done(void *context, struct text schema_json, const struct error *why);
void pubsub_get_schema(
    struct pubsub *p, struct text schema_id, pubsub_schema_done *done, void *context);
/* Through the caches of salesforce/schemas.h; steps the loop. *out is a reference of the caller's.
 */
int pubsub_get_schema_wait(
    struct pubsub *p, struct text schema_id, struct avro_schema **out, struct error *e);
/* The client's schemas (salesforce/schemas.h), shared by its sources. */
struct schema_cache *pubsub_schemas(struct pubsub *p);

/*
 * A subscription to one topic as a source of the engine (stream/source.h). Credit at the server
 * stays within allow and 100; it is topped up when below half, and while allow stays 0 it runs out:
 * then the stream ends with ERR_OK before the server would close it. A silent stream is given up
 * with ERR_UNAVAILABLE. `opened` comes with the first response, or 5 s after the request went out
 * when nothing came. A refused token is renewed before `ended` says ERR_SESSION: opening again uses the
 * new one. Where it cannot be renewed `ended` says why.
 */
struct pubsub_source_options {
	int64_t watchdog_ms; /* silence that ends the stream; 0: 300000; at least 150000 is wise */
	int64_t settle_ms;   /* 0: 5000 */
	int64_t stall_ms;    /* without credit; 0: 45000 */
	unsigned parts;	     /* of salesforce/event.h; 0: EVENT_ALL */
	/*
	 * ManagedSubscribe instead of Subscribe, by developer name or id (18x…): the server knows where to go on, and
	 * the start is not sent. Use pubsub_managed_new (salesforce/pubsub_managed.h), which watches where that is.
	 */
	const char *managed;
	unsigned unknown_tries; /* of a managed one that the server does not know (it may be new); 0: 3 */
	/* A commit was answered, and none is left to be sent. Not to be closed from inside. NULL: not told. */
	void (*committed)(void *context);
	void *committed_context;
};
/* o may be NULL. topic is a whole name. */
struct source *pubsub_source_new(
    struct pubsub *p, const char *topic, const struct pubsub_source_options *o);
/*
 * Of a managed one: everything up to here is durable. One commit is under way at a time, of the newest place; it is sent
 * again with each keepalive, because the server gives up subscriptions without commits after 1,800 s. A refused commit is
 * told in the log and ends nothing.
 */
void pubsub_source_commit(struct source *s, const struct replay_id *id);
/* Cancels a subscription that is open; no callback comes any more. Not from inside a callback of
 * this source. */
void pubsub_source_free(struct source *s);

#endif

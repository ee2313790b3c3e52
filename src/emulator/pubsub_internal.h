/* What the methods of the Pub/Sub service share. Nobody outside pubsub_*.c includes it. */
#ifndef SFZB_EMULATOR_PUBSUB_INTERNAL_H
#define SFZB_EMULATOR_PUBSUB_INTERNAL_H

#include <stdatomic.h>

#include "emulator/event_type.h"
#include "emulator/pubsub_server.h"
#include "emulator/server.h"
#include "emulator/topics.h"
#include "proto/pubsub_api.pb-c.h"

#define ERROR_CODE_PREFIX "sfdc.platform.eventbus.grpc."
#define CREDIT_MAX 100
#define RESPONSE_BYTES_MAX (3u * 1024 * 1024)
#define REQUEST_BYTES_MAX (4u * 1024 * 1024)
#define EVENT_BYTES_MAX (1024u * 1024)
#define EVENT_ID_MAX 36
/* A response queued and not yet with the transport: no second one is read from the bus behind it. */
#define QUEUED_BYTES_MAX (512u * 1024)
#define ZERO_CREDIT_MS 60000
#define PUBLISH_IDLE_MS 70000

struct pubsub_server;

/* The org's ManagedEventSubscription records, and how far each was committed. Of the server's thread, but for the record. */
#define MANAGED_COUNT 4
struct managed_record {
	const char *id, *name, *label, *topic;
	bool default_earliest, recovery_earliest, stopped;
};
extern const struct managed_record managed_records[MANAGED_COUNT];
struct managed {
	const struct managed_record *record;
	struct subscription *active; /* who holds it */
	int64_t held_until_ms;	     /* monotonic: by a connection that broke */
	uint64_t committed, delivered; /* replay ids; 0: none */
	_Atomic bool expired; /* the committed id has been made to age out */
};

struct subscription {
	struct pubsub_server *service;
	struct server_call *call;
	const struct topic *topic; /* NULL until the first request */
	char rpc_id[UUID_SIZE];
	uint64_t after; /* replay id of what was delivered last */
	int credit;
	uint64_t delivered;
	struct server_timer keepalive, starving;
	struct managed *managed; /* NULL: Subscribe */
	struct server_timer uncommitted; /* of a managed one */
	struct subscription *next, *previous;
};

struct pubsub_server {
	struct emulator *emulator;
	struct bus *bus;
	struct org *org;
	struct tokens *tokens;
	char *instance_url;
	struct topics topics;
	struct server *server;
	struct bus_reader *reader; /* of the server's thread */
	struct subscription *subscriptions;
	struct managed managed[MANAGED_COUNT];
	_Atomic bool wake_posted;
	_Atomic uint64_t delivered, keepalives, published, refused, subscribed;
};

/*
 * Ends the call as the vendor does: the text followed by "rpcId: <uuid>", the trailers error-code and rpc-id.
 * suffix: what follows the prefix of all codes; NULL: no such trailer.
 */
void pubsub_fail(struct server_call *c, int status, const char *suffix, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Token and headers; false: the call has been ended. */
bool pubsub_authorize(struct pubsub_server *p, struct server_call *c);
/* A topic by name; NULL: the call has been ended. blank_suffix: the code for an empty name. */
const struct topic *pubsub_find_topic(struct pubsub_server *p, struct server_call *c, const char *name,
    const char *blank_suffix);
/* Packs a protobuf-c message and queues it. */
void pubsub_send(struct server_call *c, const ProtobufCMessage *message);

/* Methods, for the table in pubsub_server.c. */
void pubsub_subscribe_started(void *service, struct server_call *c);
void pubsub_subscribe_message(void *service, struct server_call *c, struct text message);
void pubsub_subscribe_writable(void *service, struct server_call *c);
void pubsub_subscribe_ended(void *service, struct server_call *c, bool cancelled);
/* One more on the list, without authority yet. */
struct subscription *pubsub_subscription_new(struct pubsub_server *p, struct server_call *c);
/* Takes the credit of a request and sends what there is. */
void pubsub_subscription_credit(struct subscription *s, int32_t requested);
void pubsub_managed_started(void *service, struct server_call *c);
void pubsub_managed_message(void *service, struct server_call *c, struct text message);
void pubsub_managed_half_closed(void *service, struct server_call *c);
void pubsub_managed_ended(void *service, struct server_call *c, bool cancelled);
/* New events are on the bus: on the server's thread. */
void pubsub_subscribe_pump_all(void *server);

void pubsub_publish_message(void *service, struct server_call *c, struct text message);
void pubsub_publish_stream_started(void *service, struct server_call *c);
void pubsub_publish_stream_message(void *service, struct server_call *c, struct text message);
void pubsub_publish_stream_ended(void *service, struct server_call *c, bool cancelled);

#endif

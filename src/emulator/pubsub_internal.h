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
/* What the server takes off the wire at all; above REQUEST_BYTES_MAX it refuses in the vendor's words. */
#define RECEIVE_BYTES_MAX (16u * 1024 * 1024)
#define STREAMS_A_CONNECTION 1000

struct pubsub_server;

/* How far each of the org's managed subscriptions was committed. Of the server's thread, but for record, expired and state. */
struct managed {
	const struct managed_record *record;
	struct subscription *active; /* who holds it */
	int64_t held_until_ms;	     /* monotonic: by a connection that broke */
	_Atomic uint64_t committed; /* replay ids; 0: none */
	uint64_t delivered;
	_Atomic bool expired; /* the committed id has been made to age out */
	_Atomic enum { MANAGED_RUN, MANAGED_STOP, MANAGED_DELETED } state;
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
	struct commit *commit;		 /* of a managed one: whose answer waits; NULL: none */
	struct server_timer commit_timer;
	bool unsettled;			 /* LATEST has not found its place yet */
	struct server_timer settling;
	int64_t second; /* monotonic, and how many requests came in it */
	uint64_t requests;
	struct subscription *next, *previous;
};

struct pubsub_server {
	struct emulator *emulator;
	struct bus *bus;
	struct org *org;
	struct tokens *tokens;
	struct quota *deliveries, *publishing;
	uint64_t streams; /* open now */
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
/* The same for a later request on a stream, which outlives its token by default. */
bool pubsub_authorize_again(struct pubsub_server *p, struct server_call *c);
/* A stream begins: authority, and room for one more. Every one that began calls pubsub_stream_ended, also those refused. */
bool pubsub_stream_started(struct pubsub_server *p, struct server_call *c);
void pubsub_stream_ended(struct pubsub_server *p);
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
/* Whether requests come slowly enough; false: the call has been ended. */
bool pubsub_subscription_may_ask(struct subscription *s);
/* Takes the credit of a request and sends what there is. */
void pubsub_subscription_credit(struct subscription *s, int32_t requested);
void pubsub_managed_open(struct pubsub_server *p);
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

/*
 * The Pub/Sub API of the emulated org (wire/pubsub.md): topics, schemas, subscriptions with the vendor's flow
 * control, publishing with its checks; errors with the vendor's texts, codes and trailers.
 */
#ifndef SFZB_EMULATOR_PUBSUB_SERVER_H
#define SFZB_EMULATOR_PUBSUB_SERVER_H

#include "emulator/emulator.h"
#include "emulator/org.h"
#include "emulator/quota.h"
#include "emulator/tokens.h"

struct pubsub_server;

struct pubsub_server_options {
	struct emulator *emulator;
	struct bus *bus;
	struct org *org;
	struct tokens *tokens;
	struct quota *deliveries, *publishing;
	const char *instance_url; /* what the metadata must say */
};

/* Takes the bus's listener. Serves at once. */
struct pubsub_server *pubsub_server_open(const struct pubsub_server_options *o, struct error *e);
void pubsub_server_close(struct pubsub_server *p);
uint16_t pubsub_server_port(const struct pubsub_server *p);
void pubsub_server_report(const struct pubsub_server *p, struct json *state);
/* The org's ManagedEventSubscription records. */
#define MANAGED_COUNT 4
struct managed_record {
	const char *id, *name, *label, *topic;
	bool default_earliest, recovery_earliest, stopped; /* stopped: at the start */
};
extern const struct managed_record managed_records[MANAGED_COUNT];
/* The i-th of them and whether it is stopped by now; NULL: it has been deleted, or there is none. Any thread. */
const struct managed_record *pubsub_server_managed(struct pubsub_server *p, size_t i, bool *is_stopped);

/*
 * What an administrator, or time, does to a managed subscription: "expire" (its committed place ages out), "stop", "run", "delete".
 * Any thread. false: no such subscription, or no such verb.
 */
bool pubsub_server_manage(struct pubsub_server *p, const char *developer_name, const char *verb);

#endif

/*
 * The Pub/Sub API of the emulated org (wire/pubsub.md): topics, schemas, subscriptions with the vendor's flow
 * control, publishing with its checks; errors with the vendor's texts, codes and trailers.
 */
#ifndef SFZB_EMULATOR_PUBSUB_SERVER_H
#define SFZB_EMULATOR_PUBSUB_SERVER_H

#include "emulator/emulator.h"
#include "emulator/org.h"
#include "emulator/tokens.h"

struct pubsub_server;

struct pubsub_server_options {
	struct emulator *emulator;
	struct bus *bus;
	struct org *org;
	struct tokens *tokens;
	const char *instance_url; /* what the metadata must say */
};

/* Takes the bus's listener. Serves at once. */
struct pubsub_server *pubsub_server_open(const struct pubsub_server_options *o, struct error *e);
void pubsub_server_close(struct pubsub_server *p);
uint16_t pubsub_server_port(const struct pubsub_server *p);
void pubsub_server_report(const struct pubsub_server *p, struct json *state);
/* The committed place of a managed subscription ages out. Any thread. false: no such subscription. */
bool pubsub_server_expire(struct pubsub_server *p, const char *developer_name);

#endif

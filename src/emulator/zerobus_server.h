/*
 * The Zerobus ingest service: EphemeralStream over the gRPC harness, into the lakehouse (wire/zerobus.md §2, §3, §10).
 *
 * Promises: an acknowledgement covers only what is committed; requests of a stream are stored in order; a request that is
 * refused leaves nothing behind, and what came before it is acknowledged first.
 */
#ifndef SFZB_EMULATOR_ZEROBUS_SERVER_H
#define SFZB_EMULATOR_ZEROBUS_SERVER_H

#include "emulator/emulator.h"
#include "emulator/lakehouse.h"
#include "emulator/server.h"
#include "emulator/tokens.h"

struct zerobus_server;

struct zerobus_options {
	const struct emulator *emulator;
	struct lakehouse *lakehouse;
	struct tokens *tokens; /* scopes: see ZEROBUS_SCOPE */
	int64_t ack_interval_ms; /* acknowledgements are held back and merged this long; 0: as commits end */
};

/* Scope of a token for one table: this, the client id, a blank, and the table in lower case. */
#define ZEROBUS_SCOPE "zerobus "

struct zerobus_server *zerobus_server_open(const struct zerobus_options *o, struct error *e);
uint16_t zerobus_server_port(const struct zerobus_server *z);
/* Streams, requests, rows, acknowledgements, and how many requests are being stored now. Any thread. */
void zerobus_server_report(struct zerobus_server *z, struct json *state);
/* Ends all streams and waits for what is being stored. Before the lakehouse is closed. */
void zerobus_server_close(struct zerobus_server *z);

#endif

/*
 * A channel's insides, for call.c and channel.c only.
 */
#ifndef SFZB_RPC_CALL_H
#define SFZB_RPC_CALL_H

#include <grpc/grpc.h>

#include "rpc/channel.h"
#include "rpc/native.h"

struct channel {
	struct loop *loop;
	grpc_channel *native;
	grpc_channel_credentials *credentials;
	char *target; /* "host:port" */
	char *uri;    /* "dns:///host:port" of what is connected to: the target or the proxy */
	char *user_agent;
	bool proxied;
	struct proxy proxy;
	int keepalive_ms;
	bool distrusted;
};

/* Makes the native channel, anew if there is one: calls of the old one go on. */
void channel_connect(struct channel *c);

#endif

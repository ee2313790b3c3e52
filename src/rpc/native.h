/*
 * What the files of rpc/ share behind their headers: the tag of a gRPC batch, the loop's queue, and
 * the choice of target and proxy. Nothing outside this folder includes it.
 */
#ifndef SFZB_RPC_NATIVE_H
#define SFZB_RPC_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/secret.h"
#include "rpc/loop.h"

/* The tag of everything that is put on the completion queue; called once on the loop's thread. */
struct loop_op {
	void (*done)(struct loop_op *op, bool ok);
};

grpc_completion_queue *loop_queue(struct loop *l);
/* Joins messages that came in several pieces; valid until the next message. */
struct buffer *loop_scratch(struct loop *l);

/* Workers of a loop are a list, so that what they finished is found from one post. */
struct worker;
struct worker **loop_workers(struct loop *l);
void worker_deliver(struct loop *l); /* runs the done of every job that is finished */

/* The thread that waits for signals; NULL when there is none. */
struct signals;
struct signals **loop_signals(struct loop *l);
void signals_free(struct signals *s);

/* "host:port" in its parts. Port 443 unless given. */
struct target {
	char host[256]; /* without brackets */
	uint16_t port;
	bool plaintext; /* the scheme was http:// */
	bool is_ipv6, has_port;
};

/* ERR_USAGE when it is not [https://|http://]host[:port][/]. */
int target_parse(struct target *t, const char *s, struct error *e);
bool target_is_loopback(const struct target *t);

/* An HTTP proxy that carries gRPC by CONNECT. */
struct proxy {
	char address[280];	     /* "host:port"; port 1080 unless given, as curl has it */
	struct secret authorization; /* "Basic …", unset when the URI names no user */
};

/*
 * The proxy for a target: 1 and *out filled, 0 for a direct connection, -1 for a setting that
 * cannot be used. First non-empty of grpc_proxy, https_proxy, http_proxy (each lower, then upper
 * case) unless no_grpc_proxy, else no_proxy, names the host; loopback targets only by grpc_proxy.
 * find reads the environment.
 */
typedef const char *target_environment(const char *name);
int target_proxy(
    const struct target *t, target_environment *find, struct proxy *out, struct error *e);

#endif

/*
 * What the files of rpc/ share behind their headers: the tag of a gRPC batch, the loop's queue, and the
 * choice of target and proxy. Nothing outside this folder includes it.
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
	bool is_ipv6;
};

/* ERR_USAGE when it is not [https://|http://]host[:port][/]. */
int target_parse(struct target *t, const char *s, struct error *e);
bool target_is_loopback(const struct target *t);

/*
 * The proxy for a target: 1 and its URI in out ("http://user:password@proxy:3128"), 0 for a direct connection, -1 for a
 * setting that cannot be used. First non-empty of grpc_proxy, https_proxy, http_proxy (each lower, then upper case) unless
 * no_grpc_proxy, else no_proxy, names the host; loopback targets only by grpc_proxy. find reads the environment.
 */
typedef const char *target_environment(const char *name);
int target_proxy(const struct target *t, target_environment *find, struct buffer *out,
    struct error *e);

#endif

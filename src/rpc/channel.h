/*
 * gRPC channels and calls, in our words: TLS with system roots or a CA file, HTTP CONNECT proxies
 * from the environment, keepalive pings while calls are open, message ceilings, metadata,
 * deadlines, and the status with its trailers.
 *
 * A call is one heap object with one batch in flight per direction; it is freed by the module after
 * its `ended` has been called and every batch has come back.
 */
#ifndef SFZB_RPC_CHANNEL_H
#define SFZB_RPC_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/secret.h"
#include "rpc/loop.h"

struct channel;
struct call;

struct channel_options {
	const char
	    *target; /* "host:port"; a leading https:// is dropped, http:// means plaintext */
	const char *ca_file; /* NULL: SSL_CERT_FILE, else the system's roots */
	bool plaintext;	     /* loopback only; refused otherwise */
	int64_t
	    keepalive_ms; /* HTTP/2 PING interval while calls are open; 0: 60000; negative: none */
	const char *user_agent; /* NULL: SFZB_USER_AGENT */
};

/*
 * Connects lazily, with the first call. A call fails at once when the connection cannot be made;
 * the next call tries anew, so whoever retries sets the pace. Fails on a malformed target, an
 * unreadable CA file or a proxy setting that cannot be used.
 */
struct channel *channel_new(struct loop *l, const struct channel_options *o, struct error *e);
void channel_free(struct channel *c); /* all its calls must have ended */
const char *channel_target(const struct channel *c);
/*
 * The connection may be dead without saying so (half-open, a middlebox that forgot it): the next call makes its own.
 * Pings find that out only while calls are open long enough. Calls under way keep the old one.
 */
void channel_distrust(struct channel *c);

/* One request header. Values of secret ones never show in logs. */
struct metadata {
	const char *key; /* lower case */
	const char *value;
	bool secret;
};

/* How a call ended. Texts are borrowed for the callback. */
struct call_status {
	int code; /* grpc status, 0 … 16 */
	struct text message;
	struct text error_code; /* trailer `error-code`, empty when there was none */
	struct text rpc_id;	/* trailer rpc-id, rpcid or x-rpc-id */
	struct text details;	/* trailer grpc-status-details-bin, raw */
	const char *proxy;	/* "host:port" of the proxy between, NULL: none */
};

/*
 * An error from a status: code by call_status_code, text "<what>: <STATUS NAME>: <message>",
 * cleaned, with error-code and rpc id behind it; a hint where the connection is at fault. Vendors
 * refine the code by their own tables. Returns -1 unless the status is OK.
 */
int call_status_error(const struct call_status *s, const char *what, struct error *e);
/* What kept a call from reaching a server, as far as gRPC's own texts tell. */
enum call_failure {
	CALL_FAILURE_NONE, /* reached one, or not known */
	CALL_FAILURE_RESOLVE,
	CALL_FAILURE_CONNECT, /* refused, unreachable, timed out */
	CALL_FAILURE_TLS,
	CALL_FAILURE_CERTIFICATE,
	CALL_FAILURE_HOST_NAME,
	CALL_FAILURE_PROXY,
	CALL_FAILURE_MEMORY, /* this process has none left for a connection */
};
enum call_failure call_status_failure(const struct call_status *s);
/* The message in words for people, cleaned: what gRPC nests is cut to the reason. Returns out. */
const char *call_status_reason(const struct call_status *s, char *out, size_t size);
/* One table for all 17 codes: UNAVAILABLE → ERR_UNAVAILABLE, UNAUTHENTICATED → ERR_SESSION … */
enum error_code call_status_code(int grpc_status);
const char *call_status_name(int grpc_status); /* "UNAVAILABLE" */

struct call_events {
	/*
	 * One message; the bytes are borrowed for the call. Reading goes on when it returns, unless
	 * paused. None comes after call_cancel.
	 */
	void (*message)(void *context, struct text message);
	/* The last send has been handed to the transport; call_send may be called again. May be
	 * NULL. */
	void (*sent)(void *context);
	/* Over, exactly once, always last. The call is freed when this returns. */
	void (*ended)(void *context, const struct call_status *status);
};

/*
 * Begins a bidirectional call. deadline_ms from now, 0: none. Metadata is copied. Never NULL;
 * trouble comes as ended. Callbacks never come from inside call_… functions.
 */
struct call *call_begin(struct channel *c, const char *method, const struct metadata *metadata,
    size_t metadata_count, int64_t deadline_ms, const struct call_events *events, void *context);
/*
 * Sends one message; consumes *message (large ones without a copy) and leaves it empty. One at a
 * time: false, and *message as it was, while the last is under way, after call_half_close and when
 * the call is over.
 */
bool call_send(struct call *call, struct buffer *message);
bool call_can_send(const struct call *call);
/* Stops or resumes reading; a message already received is still delivered. Back-pressure of the
 * transport. */
void call_pause(struct call *call, bool paused);
void call_half_close(struct call *call); /* no more sends; queued behind one that is under way */
void call_cancel(struct call *call); /* ended follows with CANCELLED unless it was over already */

#endif

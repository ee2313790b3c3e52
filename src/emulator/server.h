/*
 * A gRPC server on the C core: TLS, one completion queue, one thread, any number of streaming and unary
 * methods. All callbacks run on that thread, and all functions but server_post and server_port are for that
 * thread (before server_start: for any). Faults at the start of a call are done here; those in
 * the middle are asked for by the method and done with server_call_apply.
 */
#ifndef SFZB_EMULATOR_SERVER_H
#define SFZB_EMULATOR_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "emulator/faults.h"
#include "emulator/tls.h"

struct server;
struct server_call;

struct server_method {
	const char *path;  /* "/eventbus.v1.PubSub/Subscribe" */
	const char *fault; /* "salesforce.subscribe": its name in the error script */
	bool streaming;	   /* false: the first message is the request, and half-close is not reported */
	/* The call was accepted; nothing is read until server_call_read. Unary calls read by themselves. NULL: none. */
	void (*started)(void *service, struct server_call *call);
	/* One message, borrowed. Another one only after server_call_read. */
	void (*message)(void *service, struct server_call *call, struct text message);
	/* The client sends no more (streaming only). NULL: the call is finished with OK. */
	void (*half_closed)(void *service, struct server_call *call);
	/* Everything queued has gone to the transport. NULL: not told. */
	void (*writable)(void *service, struct server_call *call);
	/* Exactly once, last: cancelled, connection lost, or finished. Free what data points to. NULL: none. */
	void (*ended)(void *service, struct server_call *call, bool cancelled);
};

struct server_options {
	const char *name;    /* for messages: "pubsub" */
	uint16_t port;	     /* on 127.0.0.1 and ::1; 0: any free one */
	const struct tls_identity *identity;
	size_t receive_limit_bytes; /* a larger message ends the call with RESOURCE_EXHAUSTED; 0: no limit */
	int streams_a_connection;   /* further ones wait at the client, as HTTP/2 has it; 0: no limit */
	struct faults *faults;	    /* may be NULL */
	int64_t connection_age_ms;  /* then GOAWAY, and the end of what is left a tenth of it later; 0: never */
};

/* Listens at once, serves after server_start. methods is borrowed and ends with a path of NULL. */
struct server *server_new(const struct server_options *o, const struct server_method *methods,
    void *service, struct error *e);
void server_start(struct server *s);
uint16_t server_port(const struct server *s);
/* Ends every call (their `ended` run), joins the thread. */
void server_free(struct server *s);
/* Counts for GET /state: calls begun, open now, messages in and out. Any thread. */
struct server_counts {
	uint64_t calls, open, received, sent, cut;
};
void server_counts(const struct server *s, struct server_counts *out);

typedef void server_function(void *context);
/* Runs f(context) on the server's thread, in order. Any thread. */
void server_post(struct server *s, server_function *f, void *context);

/* A one-shot timer, placed by value and zero-initialised; starting a running one moves it. */
struct server_timer {
	int64_t due_ms; /* monotonic; 0: not running */
	server_function *f;
	void *context;
	struct server_timer *next, *previous;
};
void server_timer_start(struct server *s, struct server_timer *t, int64_t delay_ms,
    server_function *f, void *context);
void server_timer_stop(struct server *s, struct server_timer *t);

/* What the method keeps for a call. */
void server_call_set_data(struct server_call *c, void *data);
void *server_call_data(const struct server_call *c);
const struct server_method *server_call_method(const struct server_call *c);
/* Request metadata; key in lower case; empty text when absent. */
struct text server_call_metadata(const struct server_call *c, const char *key);

/* Asks for the next message. */
void server_call_read(struct server_call *c);
/* Queues one message; consumes and clears *message. Nothing happens on a finished or cancelled call. */
void server_call_send(struct server_call *c, struct buffer *message);
size_t server_call_queued_bytes(const struct server_call *c); /* not yet with the transport */
bool server_call_is_over(const struct server_call *c); /* finished, cancelled or cut: do no more */

struct server_status {
	int code;		/* 0 … 16 */
	const char *message;	/* NULL: "" */
	const char *error_code; /* trailer error-code; NULL: none */
	const char *rpc_id;	/* trailer rpc-id; NULL: none */
	struct text details;	/* trailer grpc-status-details-bin, raw; empty: none */
};
/* Ends the call after what is queued. Later sends and finishes are ignored. */
void server_call_finish(struct server_call *c, const struct server_status *s);
/* Closes the TCP connection under the call (and under its neighbours on it). */
void server_call_cut(struct server_call *c);
/* Holds back everything that is queued or will be, for ms; -1: for ever. */
void server_call_hold(struct server_call *c, int64_t ms);
/*
 * Does what is the same for every method: status, cut, stall (hold for ever, read no more), delay (hold).
 * false: a kind that is the method's own affair. A status without words gets "<NAME> by the error script".
 */
bool server_call_apply(struct server_call *c, const struct fault *fault);

int server_status_find(const char *name); /* -1: no such name */

#endif

/* What server.c (loop, timers, hand-over) and server_call.c (one call) share. Nobody else includes it. */
#ifndef SFZB_EMULATOR_SERVER_INTERNAL_H
#define SFZB_EMULATOR_SERVER_INTERNAL_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "emulator/server.h"

struct server_call;

/* One batch of operations under way; its address is the tag. */
struct batch {
	void (*done)(struct server_call *c, bool ok);
	struct server_call *call;
};

struct posted {
	server_function *f;
	void *context;
	struct posted *next;
};

struct server {
	const char *name;
	struct faults *faults;
	const struct server_method *methods;
	void *service;
	uint16_t port;
	grpc_server *server;
	grpc_completion_queue *queue;
	grpc_channel *wake_channel; /* lame: its one call takes the empty batches that wake the loop */
	grpc_call *wake_call;
	pthread_t thread;
	bool running;		/* the thread exists */
	bool stopping;		/* loop's thread: no new calls are asked for */
	bool shut;		/* the shutdown notification has come */
	struct server_timer timers; /* ring, by due time */
	struct server_call *calls; /* accepted ones */
	pthread_mutex_t lock;	/* guards posted, posted_tail, woken */
	struct posted *posted, *posted_tail;
	bool woken;
	_Atomic uint64_t count_calls, count_open, count_received, count_sent, count_cut;
};

struct outgoing {
	grpc_byte_buffer *message;
	size_t bytes;
	struct outgoing *next;
};

struct server_call {
	struct server *server;
	const struct server_method *method;
	struct server_call *next, *previous; /* of server->calls */
	void *data;

	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
	struct batch accept, closed, head, reading, sending, status;
	int pending; /* batches out */

	int cancelled;
	bool begun;    /* `started` has run, so `ended` is owed */
	bool over;     /* the close batch has come */
	bool dead;     /* cut, or finished: handlers may do no more */
	bool is_reading, stalled;
	grpc_byte_buffer *incoming;

	bool head_sent;
	bool is_sending;
	struct outgoing *queue, *queue_tail;
	size_t queued_bytes;
	struct server_timer hold; /* running: nothing is sent */
	bool held;

	bool finishing, status_sent;
	struct {
		int code;
		grpc_slice message;
		grpc_metadata trailers[3];
		size_t trailer_count;
	} end;
};

void call_accept_next(struct server *s);
/* Runs when a batch came back; frees the call when nothing is owed any more. */
void call_batch_done(struct batch *b, bool ok);

#endif

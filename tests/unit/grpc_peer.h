/*
 * A gRPC server inside a test: each call runs a handler on a thread of its own, which reads, writes
 * and finishes with plain blocking functions. Handlers must not fail assertions; they tell the test
 * through memory.
 */
#ifndef SFZB_TESTS_GRPC_PEER_H
#define SFZB_TESTS_GRPC_PEER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "base/buffer.h"
#include "base/memory.h"

struct peer;
struct peer_call;
typedef void peer_handler(struct peer_call *call, void *context);

struct peer_call {
	struct peer *peer;
	grpc_call *native;
	grpc_completion_queue *queue;
	char method[128];
	grpc_call_details details;
	grpc_metadata_array metadata;
	bool finished;
};

struct peer {
	grpc_server *server;
	grpc_completion_queue *queue;
	pthread_t thread;
	int port;
	peer_handler *handler;
	void *context;
	atomic_int calls, running;
	atomic_bool stopping; /* handlers that wait for something look at it */
};

static inline bool
peer_batch(struct peer_call *c, const grpc_op *ops, size_t count)
{
	if (grpc_call_start_batch(c->native, ops, count, c, NULL) != GRPC_CALL_OK)
		return false;
	return grpc_completion_queue_pluck(c->queue, c, gpr_inf_future(GPR_CLOCK_REALTIME), NULL)
		   .success != 0;
}

/* One message, appended to out; false: no more, or the call is gone. */
static inline bool
peer_read(struct peer_call *c, struct buffer *out)
{
	grpc_byte_buffer *bytes = NULL;
	grpc_byte_buffer_reader reader;
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
	grpc_slice slice;

	op.data.recv_message.recv_message = &bytes;
	if (!peer_batch(c, &op, 1) || bytes == NULL)
		return false;
	if (grpc_byte_buffer_reader_init(&reader, bytes)) {
		slice = grpc_byte_buffer_reader_readall(&reader);
		buffer_append(out, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
		grpc_slice_unref(slice);
		grpc_byte_buffer_reader_destroy(&reader);
	}
	grpc_byte_buffer_destroy(bytes);
	return true;
}

static inline bool
peer_write(struct peer_call *c, const void *data, size_t len)
{
	grpc_slice slice = grpc_slice_from_copied_buffer(data, len);
	grpc_byte_buffer *bytes = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
	bool ok;

	op.data.send_message.send_message = bytes;
	ok = peer_batch(c, &op, 1);
	grpc_byte_buffer_destroy(bytes);
	grpc_slice_unref(slice);
	return ok;
}

/* trailers: key, value, key, value, NULL; or NULL */
static inline void
peer_finish(struct peer_call *c, int status, const char *message, const char *const *trailers)
{
	grpc_metadata metadata[8];
	grpc_slice text = grpc_slice_from_copied_string(message);
	grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
	size_t n = 0;

	memset(metadata, 0, sizeof(metadata));
	for (; trailers != NULL && trailers[2 * n] != NULL; n++) {
		metadata[n].key = grpc_slice_from_copied_string(trailers[2 * n]);
		metadata[n].value = grpc_slice_from_copied_string(trailers[2 * n + 1]);
	}
	op.data.send_status_from_server.status = (grpc_status_code)status;
	op.data.send_status_from_server.status_details = &text;
	op.data.send_status_from_server.trailing_metadata = metadata;
	op.data.send_status_from_server.trailing_metadata_count = n;
	peer_batch(c, &op, 1);
	grpc_slice_unref(text);
	for (size_t i = 0; i < n; i++) {
		grpc_slice_unref(metadata[i].key);
		grpc_slice_unref(metadata[i].value);
	}
	c->finished = true;
}

/* Waits until the client has gone: cancelled, or over. */
static inline bool
peer_wait_closed(struct peer_call *c)
{
	int cancelled = 0;
	grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

	op.data.recv_close_on_server.cancelled = &cancelled;
	peer_batch(c, &op, 1);
	return cancelled != 0;
}

/* Value of a request header, copied to out; "" when absent. */
static inline const char *
peer_metadata(const struct peer_call *c, const char *key, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < c->metadata.count; i++)
		if (grpc_slice_str_cmp(c->metadata.metadata[i].key, key) == 0)
			snprintf(out, size, "%.*s",
			    (int)GRPC_SLICE_LENGTH(c->metadata.metadata[i].value),
			    (const char *)GRPC_SLICE_START_PTR(c->metadata.metadata[i].value));
	return out;
}

static inline void
peer_call_free(struct peer_call *c)
{
	grpc_completion_queue_shutdown(c->queue);
	grpc_completion_queue_destroy(c->queue);
	grpc_call_details_destroy(&c->details);
	grpc_metadata_array_destroy(&c->metadata);
	free(c);
}

static inline void *
peer_run_call(void *context)
{
	struct peer_call *c = context;
	struct peer *p = c->peer;
	grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};

	snprintf(c->method, sizeof(c->method), "%.*s", (int)GRPC_SLICE_LENGTH(c->details.method),
	    (const char *)GRPC_SLICE_START_PTR(c->details.method));
	peer_batch(c, &op, 1);
	p->handler(c, p->context);
	if (!c->finished)
		peer_finish(c, 0, "", NULL);
	grpc_call_unref(c->native);
	peer_call_free(c);
	atomic_fetch_sub(&p->running, 1);
	return NULL;
}

static inline void *
peer_run(void *context)
{
	struct peer *p = context;

	for (;;) {
		struct peer_call *c = memory_zero(1, sizeof(*c));
		pthread_t thread;
		grpc_event event;

		c->peer = p;
		c->queue = grpc_completion_queue_create_for_pluck(NULL);
		grpc_call_details_init(&c->details);
		grpc_metadata_array_init(&c->metadata);
		grpc_server_request_call(
		    p->server, &c->native, &c->details, &c->metadata, c->queue, p->queue, c);
		event =
		    grpc_completion_queue_next(p->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		if (event.type != GRPC_OP_COMPLETE || !event.success || event.tag != c) {
			/* shutting down: the request has to come back before its memory goes */
			while (event.tag != c)
				event = grpc_completion_queue_next(
				    p->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
			peer_call_free(c);
			return NULL;
		}
		atomic_fetch_add(&p->calls, 1);
		atomic_fetch_add(&p->running, 1);
		pthread_create(&thread, NULL, peer_run_call, c);
		pthread_detach(thread);
	}
}

/* PEM texts NULL: plaintext. port 0: any. */
static inline void
peer_start(struct peer *p, int port, const char *certificate, const char *key,
    peer_handler *handler, void *context)
{
	grpc_arg limits[3] = {{.type = GRPC_ARG_INTEGER,
				  .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
				  .value.integer = -1},
	    {.type = GRPC_ARG_INTEGER,
		.key = (char *)GRPC_ARG_MAX_METADATA_SIZE,
		.value.integer = 1 << 20},
	    {.type = GRPC_ARG_INTEGER,
		.key = (char *)GRPC_ARG_ALLOW_REUSEPORT,
		.value.integer = 0}};
	grpc_channel_args args = {.num_args = 3, .args = limits};
	grpc_server_credentials *credentials;
	char address[64];

	memset(p, 0, sizeof(*p));
	grpc_init();
	p->handler = handler;
	p->context = context;
	p->server = grpc_server_create(&args, NULL);
	p->queue = grpc_completion_queue_create_for_next(NULL);
	grpc_server_register_completion_queue(p->server, p->queue, NULL);
	if (certificate != NULL) {
		grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = certificate};

		credentials = grpc_ssl_server_credentials_create(NULL, &pair, 1, 0, NULL);
	} else {
		credentials = grpc_insecure_server_credentials_create();
	}
	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	p->port = grpc_server_add_http2_port(p->server, address, credentials);
	grpc_server_credentials_release(credentials);
	grpc_server_start(p->server);
	pthread_create(&p->thread, NULL, peer_run, p);
}

static inline void
peer_stop(struct peer *p)
{
	struct timespec nap = {.tv_nsec = 1000000};

	atomic_store(&p->stopping, true);
	grpc_server_shutdown_and_notify(p->server, p->queue, p);
	grpc_server_cancel_all_calls(p->server);
	pthread_join(p->thread, NULL);
	while (atomic_load(&p->running) > 0)
		nanosleep(&nap, NULL);
	grpc_completion_queue_shutdown(p->queue);
	while (
	    grpc_completion_queue_next(p->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).type !=
	    GRPC_QUEUE_SHUTDOWN)
		;
	grpc_server_destroy(p->server);
	grpc_completion_queue_destroy(p->queue);
	grpc_shutdown();
}

#endif

#include <arpa/inet.h>
#include <dirent.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/memory.h"
#include "emulator/server_internal.h"

static const char *const status_names[] = { "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT",
	"DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
	"DATA_LOSS", "UNAUTHENTICATED" };

static const char *
server_status_name(int code)
{
	return code >= 0 && code <= 16 ? status_names[code] : "UNKNOWN";
}

int
server_status_find(const char *name)
{
	for (int i = 0; i <= 16; i++)
		if (strcmp(status_names[i], name) == 0)
			return i;
	return -1;
}

static void start(struct server_call *c, struct batch *b, const grpc_op *ops, size_t count);
static void advance(struct server_call *c);

/* --- sending ------------------------------------------------------------------------------------ */

static void
drop_queue(struct server_call *c)
{
	while (c->queue) {
		struct outgoing *next = c->queue->next;

		grpc_byte_buffer_destroy(c->queue->message);
		free(c->queue);
		c->queue = next;
	}
	c->queue_tail = NULL;
	c->queued_bytes = 0;
}

static void
head_done(struct server_call *c, bool ok)
{
	(void)ok;
	(void)c;
}

static void
send_done(struct server_call *c, bool ok)
{
	struct outgoing *sent = c->queue;

	c->is_sending = false;
	c->queue = sent->next;
	if (!c->queue)
		c->queue_tail = NULL;
	c->queued_bytes -= sent->bytes;
	grpc_byte_buffer_destroy(sent->message);
	free(sent);
	if (!ok || c->over) {
		drop_queue(c);
		return;
	}
	c->server->count_sent++;
	advance(c);
	if (!c->queue && !c->dead && c->method->writable)
		c->method->writable(c->server->service, c);
}

static void
status_done(struct server_call *c, bool ok)
{
	(void)c;
	(void)ok;
}

static void
start_status(struct server_call *c)
{
	grpc_op ops[2] = { { .op = GRPC_OP_SEND_INITIAL_METADATA } };
	size_t n = c->head_sent ? 0 : 1;

	ops[n] = (grpc_op){ .op = GRPC_OP_SEND_STATUS_FROM_SERVER };
	ops[n].data.send_status_from_server.status = (grpc_status_code)c->end.code;
	ops[n].data.send_status_from_server.status_details = &c->end.message;
	ops[n].data.send_status_from_server.trailing_metadata = c->end.trailers;
	ops[n].data.send_status_from_server.trailing_metadata_count = c->end.trailer_count;
	c->head_sent = c->status_sent = true;
	c->status.done = status_done;
	start(c, &c->status, ops, n + 1);
}

/* Starts the next send, or the status behind the last one, unless the call is held or over. */
static void
advance(struct server_call *c)
{
	if (c->over || c->held || c->is_sending)
		return;
	if (c->queue) {
		grpc_op ops[2] = { { .op = GRPC_OP_SEND_INITIAL_METADATA } };
		size_t n = c->head_sent ? 0 : 1;

		ops[n] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE };
		ops[n].data.send_message.send_message = c->queue->message;
		c->head_sent = c->is_sending = true;
		c->sending.done = send_done;
		start(c, &c->sending, ops, n + 1);
	} else if (c->finishing && !c->status_sent) {
		start_status(c);
	}
}

void
server_call_send(struct server_call *c, struct buffer *message)
{
	struct outgoing *o;
	grpc_slice slice;

	if (c->dead || c->over) {
		buffer_clear(message);
		return;
	}
	o = memory_zero(1, sizeof *o);
	o->bytes = message->len;
	if (message->len > 0) {
		slice = grpc_slice_new(message->data, message->len, free);
		buffer_init(message);
	} else {
		slice = grpc_empty_slice();
	}
	o->message = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	if (c->queue_tail)
		c->queue_tail->next = o;
	else
		c->queue = o;
	c->queue_tail = o;
	c->queued_bytes += o->bytes;
	advance(c);
}

size_t
server_call_queued_bytes(const struct server_call *c)
{
	return c->queued_bytes;
}

static void
add_trailer(struct server_call *c, const char *key, const void *value, size_t len)
{
	grpc_metadata *m = &c->end.trailers[c->end.trailer_count++];

	m->key = grpc_slice_from_static_string(key);
	m->value = grpc_slice_from_copied_buffer(value, len);
}

void
server_call_finish(struct server_call *c, const struct server_status *s)
{
	if (c->finishing || c->over)
		return;
	c->finishing = c->dead = true;
	c->end.code = s->code;
	c->end.message = grpc_slice_from_copied_string(s->message ? s->message : "");
	if (s->error_code && *s->error_code)
		add_trailer(c, "error-code", s->error_code, strlen(s->error_code));
	if (s->rpc_id && *s->rpc_id)
		add_trailer(c, "rpc-id", s->rpc_id, strlen(s->rpc_id));
	if (s->details.len)
		add_trailer(c, "grpc-status-details-bin", s->details.data, s->details.len);
	advance(c);
}

static void
hold_over(void *context)
{
	struct server_call *c = context;

	c->held = false;
	advance(c);
}

void
server_call_hold(struct server_call *c, int64_t ms)
{
	if (c->over || ms == 0)
		return;
	c->held = true;
	if (ms > 0)
		server_timer_start(c->server, &c->hold, ms, hold_over, c);
	else
		server_timer_stop(c->server, &c->hold);
}

/* --- cutting ------------------------------------------------------------------------------------ */

static bool
same_address(const struct sockaddr_storage *a, const char *peer)
{
	char host[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 32];

	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)a;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
		snprintf(text, sizeof text, "ipv4:%s:%u", host, ntohs(in->sin_port));
	} else if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)a;

		if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) { /* by a listener for both; gRPC names the peer as it is */
			inet_ntop(AF_INET, &in->sin6_addr.s6_addr[12], host, sizeof host);
			snprintf(text, sizeof text, "ipv4:%s:%u", host, ntohs(in->sin6_port));
			return strcmp(text, peer) == 0;
		}
		inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
		snprintf(text, sizeof text, "ipv6:[%s]:%u", host, ntohs(in->sin6_port));
		if (strcmp(text, peer) == 0)
			return true;
		snprintf(text, sizeof text, "ipv6:%%5B%s%%5D:%u", host, ntohs(in->sin6_port));
	} else {
		return false;
	}
	return strcmp(text, peer) == 0;
}

static bool
is_of_port(int fd, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;

	if (getsockname(fd, (void *)&address, &len) != 0)
		return false;
	return ntohs(address.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&address)->sin6_port
						   : ((const struct sockaddr_in *)&address)->sin_port) == port;
}

/*
 * gRPC gives no way to its sockets, so the connection is found among this process's descriptors by the
 * peer's address and port. From one port a peer may go to several of this process.
 */
static bool
shut_peer(const char *peer, uint16_t port)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		struct sockaddr_storage address;
		socklen_t len = sizeof address;
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || getpeername(fd, (void *)&address, &len) != 0)
			continue;
		if (!same_address(&address, peer) || !is_of_port(fd, port))
			continue;
		shutdown(fd, SHUT_RDWR);
		found = true;
	}
	closedir(dir);
	return found;
}

void
server_call_cut(struct server_call *c)
{
	char *peer;

	if (c->over)
		return;
	c->dead = true;
	c->held = true;
	peer = grpc_call_get_peer(c->call);
	if (!shut_peer(peer, c->server->port)) {
		log_warn("emulator", "no connection found for %s: its call is reset instead", peer);
		grpc_call_cancel(c->call, NULL);
	}
	c->server->count_cut++;
	gpr_free(peer);
}

bool
server_call_apply(struct server_call *c, const struct fault *fault)
{
	char words[64];
	struct server_status status = { .code = fault->status, .error_code = fault->error_code };
	struct buffer details = BUFFER_INIT;

	switch (fault->kind) {
	case FAULT_STATUS:
		snprintf(words, sizeof words, "%s by the error script", server_status_name(fault->status));
		status.message = *fault->message ? fault->message : words;
		if (encode_unbase64(text_of(fault->details_b64), &details) == 0)
			status.details = buffer_span(&details);
		server_call_finish(c, &status);
		buffer_release(&details);
		return true;
	case FAULT_CUT:
	case FAULT_DROP:
		server_call_cut(c);
		return true;
	case FAULT_STALL:
		c->stalled = true;
		server_call_hold(c, -1);
		return true;
	case FAULT_DELAY:
		if (!c->stalled)
			server_call_hold(c, fault->duration_ms);
		return true;
	default:
		return false;
	}
}

/* --- receiving ---------------------------------------------------------------------------------- */

static void
read_done(struct server_call *c, bool ok)
{
	grpc_byte_buffer *message = c->incoming;
	grpc_byte_buffer_reader reader;
	grpc_slice slice;

	c->is_reading = false;
	c->incoming = NULL;
	if (!ok || c->over || !message) {
		if (message)
			grpc_byte_buffer_destroy(message);
		else if (ok && !c->over && !c->dead && c->method->streaming) {
			if (c->method->half_closed)
				c->method->half_closed(c->server->service, c);
			else
				server_call_finish(c, &(struct server_status){ 0 });
		}
		return;
	}
	c->server->count_received++;
	if (!c->dead && grpc_byte_buffer_reader_init(&reader, message)) {
		slice = grpc_byte_buffer_reader_readall(&reader);
		c->method->message(c->server->service, c,
		    text_span(GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice)));
		grpc_slice_unref(slice);
		grpc_byte_buffer_reader_destroy(&reader);
	}
	grpc_byte_buffer_destroy(message);
}

void
server_call_read(struct server_call *c)
{
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };

	if (c->over || c->dead || c->is_reading || c->stalled)
		return;
	op.data.recv_message.recv_message = &c->incoming;
	c->is_reading = true;
	c->reading.done = read_done;
	start(c, &c->reading, &op, 1);
}

/* --- beginning and end -------------------------------------------------------------------------- */

static void
begin(struct server_call *c)
{
	if (c->over)
		return;
	c->begun = true;
	if (c->method->started)
		c->method->started(c->server->service, c);
	if (!c->head_sent && !c->finishing && !c->over && !c->stalled) {
		grpc_op op = { .op = GRPC_OP_SEND_INITIAL_METADATA };

		c->head_sent = true;
		c->head.done = head_done;
		start(c, &c->head, &op, 1);
	}
	if (!c->method->streaming)
		server_call_read(c);
}

static void
begin_late(void *context)
{
	struct server_call *c = context;

	c->held = false;
	begin(c);
	advance(c);
}

static void
refuse_unknown(struct server_call *c)
{
	char text[256], *method = grpc_slice_to_c_string(c->details.method);

	snprintf(text, sizeof text, "Method not found: %.200s", method);
	gpr_free(method);
	server_call_finish(c, &(struct server_status){ .code = 12, .message = text });
}

/* Faults at the start come before the method hears of the call. */
static void
begin_with_faults(struct server_call *c)
{
	struct fault fault;
	bool struck;

	if (!c->server->faults || !c->method->fault) {
		begin(c);
		return;
	}
	struck = c->method->streaming ? faults_start(c->server->faults, c->method->fault, &fault)
				      : faults_call(c->server->faults, c->method->fault, &fault);
	if (!struck) {
		begin(c);
	} else if (fault.kind == FAULT_DELAY) {
		c->held = true;
		server_timer_start(c->server, &c->hold, fault.duration_ms, begin_late, c);
	} else if (!server_call_apply(c, &fault)) {
		begin(c);
	}
}

static void
close_done(struct server_call *c, bool ok)
{
	(void)ok;
	c->over = true;
	server_timer_stop(c->server, &c->hold);
	if (c->begun && c->method->ended)
		c->method->ended(c->server->service, c, c->cancelled != 0 || !c->status_sent);
}

static const struct server_method *
find_method(const struct server_call *c)
{
	for (const struct server_method *m = c->server->methods; m->path; m++)
		if (grpc_slice_str_cmp(c->details.method, m->path) == 0)
			return m;
	return NULL;
}

static void
accept_done(struct server_call *c, bool ok)
{
	static const struct server_method unknown = { .path = "", .streaming = true };
	struct server *s = c->server;
	grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };

	if (!ok) /* the server shuts down: there was no call */
		return;
	if (!s->stopping)
		call_accept_next(s);
	c->next = s->calls;
	if (c->next)
		c->next->previous = c;
	s->calls = c;
	s->count_calls++;
	s->count_open++;
	c->closed.done = close_done;
	op.data.recv_close_on_server.cancelled = &c->cancelled;
	start(c, &c->closed, &op, 1);
	c->method = find_method(c);
	if (c->method) {
		begin_with_faults(c);
	} else {
		c->method = &unknown;
		refuse_unknown(c);
	}
}

void
call_accept_next(struct server *s)
{
	struct server_call *c = memory_zero(1, sizeof *c);

	c->server = s;
	grpc_call_details_init(&c->details);
	grpc_metadata_array_init(&c->metadata);
	c->accept = (struct batch){ accept_done, c };
	c->closed.call = c->head.call = c->reading.call = c->sending.call = c->status.call = c;
	c->pending = 1;
	grpc_server_request_call(s->server, &c->call, &c->details, &c->metadata, s->queue, s->queue,
	    &c->accept);
}

static void
call_free(struct server_call *c)
{
	if (c->call) {
		if (c->previous)
			c->previous->next = c->next;
		else
			c->server->calls = c->next;
		if (c->next)
			c->next->previous = c->previous;
		c->server->count_open--;
		grpc_call_unref(c->call);
	}
	drop_queue(c);
	if (c->finishing) {
		grpc_slice_unref(c->end.message);
		for (size_t i = 0; i < c->end.trailer_count; i++)
			grpc_slice_unref(c->end.trailers[i].value);
	}
	grpc_call_details_destroy(&c->details);
	grpc_metadata_array_destroy(&c->metadata);
	free(c);
}

static void
start(struct server_call *c, struct batch *b, const grpc_op *ops, size_t count)
{
	grpc_call_error error = grpc_call_start_batch(c->call, ops, count, b, NULL);

	if (error != GRPC_CALL_OK) {
		log_message(LOG_ERROR, "emulator", "gRPC refused a batch: %s",
		    grpc_call_error_to_string(error));
		abort();
	}
	c->pending++;
}

void
call_batch_done(struct batch *b, bool ok)
{
	struct server_call *c = b->call;

	b->done(c, ok);
	if (--c->pending == 0)
		call_free(c);
}

void
server_call_set_data(struct server_call *c, void *data)
{
	c->data = data;
}

void *
server_call_data(const struct server_call *c)
{
	return c->data;
}

const struct server_method *
server_call_method(const struct server_call *c)
{
	return c->method;
}

struct text
server_call_metadata(const struct server_call *c, const char *key)
{
	for (size_t i = 0; i < c->metadata.count; i++) {
		const grpc_metadata *m = &c->metadata.metadata[i];

		if (grpc_slice_str_cmp(m->key, key) == 0)
			return text_span(GRPC_SLICE_START_PTR(m->value), GRPC_SLICE_LENGTH(m->value));
	}
	return text_of("");
}

bool
server_call_is_over(const struct server_call *c)
{
	return c->dead || c->over;
}

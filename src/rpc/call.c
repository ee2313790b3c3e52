/*
 * Calls. The batches of a call live in its heap object; it is freed when the last of them has come
 * back, right after `ended`.
 */
#include "rpc/call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "base/log.h"
#include "base/memory.h"
#include "rpc/native.h"

/* Below this a copy is cheaper than handing over an allocation. */
#define SEND_COPY_BYTES 4096

enum batch_kind { BATCH_BEGIN, BATCH_STATUS, BATCH_RECEIVE, BATCH_SEND, BATCH_CLOSE, BATCH_KINDS };

struct batch {
	struct loop_op op; /* first: the tag */
	struct call *call;
	enum batch_kind kind;
	bool flying;
};

struct call {
	struct channel *channel;
	grpc_call *native;
	const struct call_events *events;
	void *context;
	struct batch batches[BATCH_KINDS];
	unsigned flying; /* batches that have not come back */

	grpc_metadata *metadata; /* what was sent, held until the batch is back */
	size_t metadata_count;
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *received;
	grpc_status_code code;
	grpc_slice details;

	bool paused, cancelled;
	bool status_known, messages_over;
	bool close_wanted, closed;
	const char *fault; /* why the call could not begin */
};

static void batch_done(struct loop_op *op, bool ok);

static void
start_batch(struct call *call, enum batch_kind kind, const grpc_op *ops, size_t count)
{
	struct batch *b = &call->batches[kind];
	grpc_call_error rc;

	assert(!b->flying);
	b->op.done = batch_done;
	b->call = call;
	b->kind = kind;
	b->flying = true;
	call->flying++;
	rc = grpc_call_start_batch(call->native, ops, count, &b->op, NULL);
	if (rc != GRPC_CALL_OK) {
		/* a misuse by this file; metadata was checked before */
		log_warn("rpc", "gRPC refused a batch: %s", grpc_call_error_to_string(rc));
		abort();
	}
}

/* Receiving. */

static void
receive(struct call *call)
{
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

	op.data.recv_message.recv_message = &call->received;
	start_batch(call, BATCH_RECEIVE, &op, 1);
}

static void
receive_more(struct call *call)
{
	if (!call->paused && !call->messages_over && !call->batches[BATCH_RECEIVE].flying)
		receive(call);
}

static void
deliver(struct call *call, grpc_byte_buffer *message)
{
	grpc_byte_buffer_reader reader;
	grpc_slice *slice;
	size_t len = grpc_byte_buffer_length(message);

	if (!grpc_byte_buffer_reader_init(&reader, message))
		return;
	if (len == 0) {
		call->events->message(call->context, text_span("", 0));
	} else if (grpc_byte_buffer_reader_peek(&reader, &slice) &&
		   GRPC_SLICE_LENGTH(*slice) == len) {
		call->events->message(call->context, text_span(GRPC_SLICE_START_PTR(*slice), len));
	} else {
		struct buffer *joined = loop_scratch(call->channel->loop);

		buffer_reserve(joined, len);
		/* peek has moved past the first slice */
		do
			buffer_append(
			    joined, GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
		while (grpc_byte_buffer_reader_peek(&reader, &slice));
		call->events->message(call->context, buffer_span(joined));
	}
	grpc_byte_buffer_reader_destroy(&reader);
}

static void
received(struct call *call, bool ok)
{
	grpc_byte_buffer *message = call->received;

	call->received = NULL;
	if (!ok || message == NULL) {
		call->messages_over = true;
		return;
	}
	if (!call->cancelled && call->events->message != NULL)
		deliver(call, message);
	grpc_byte_buffer_destroy(message);
	receive_more(call);
}

/* The end. */

/* By pointer: a short slice holds its bytes itself. */
static struct text
slice_text(const grpc_slice *s)
{
	return text_span(GRPC_SLICE_START_PTR(*s), GRPC_SLICE_LENGTH(*s));
}

static struct text
trailer(const struct call *call, const char *key)
{
	for (size_t i = 0; i < call->trailing.count; i++)
		if (grpc_slice_str_cmp(call->trailing.metadata[i].key, key) == 0)
			return slice_text(&call->trailing.metadata[i].value);
	return text_span(NULL, 0);
}

static void
fill_status(const struct call *call, struct call_status *s)
{
	static const char *const rpc_ids[] = {"rpc-id", "rpcid", "x-rpc-id"};

	memset(s, 0, sizeof(*s));
	if (call->fault != NULL) {
		s->code = GRPC_STATUS_INVALID_ARGUMENT;
		s->message = text_of(call->fault);
		return;
	}
	s->proxy = call->channel->proxied ? call->channel->proxy.address : NULL;
	s->code = (int)call->code;
	s->message = slice_text(&call->details);
	s->error_code = trailer(call, "error-code");
	for (size_t i = 0; i < 3 && s->rpc_id.len == 0; i++)
		s->rpc_id = trailer(call, rpc_ids[i]);
	s->details = trailer(call, "grpc-status-details-bin");
}

static void
call_release(struct call *call)
{
	for (size_t i = 0; i < call->metadata_count; i++) {
		grpc_slice_unref(call->metadata[i].key);
		grpc_slice_unref(call->metadata[i].value);
	}
	free(call->metadata);
	grpc_metadata_array_destroy(&call->initial);
	grpc_metadata_array_destroy(&call->trailing);
	grpc_slice_unref(call->details);
	if (call->received != NULL)
		grpc_byte_buffer_destroy(call->received);
	grpc_call_unref(call->native);
	free(call);
}

static void
half_close(struct call *call)
{
	grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

	call->closed = true;
	start_batch(call, BATCH_CLOSE, &op, 1);
}

static void
sent(struct call *call, bool ok)
{
	if (!ok || call->status_known)
		return;
	if (call->close_wanted && !call->closed)
		half_close(call);
	else if (call->events->sent != NULL && !call->cancelled)
		call->events->sent(call->context);
}

static void
batch_done(struct loop_op *op, bool ok)
{
	struct batch *b = (struct batch *)op;
	struct call *call = b->call;
	struct call_status status;

	b->flying = false;
	switch (b->kind) {
	case BATCH_STATUS:
		call->status_known = true;
		break;
	case BATCH_RECEIVE:
		received(call, ok);
		break;
	case BATCH_SEND:
		sent(call, ok);
		break;
	case BATCH_BEGIN:
	case BATCH_CLOSE:
	case BATCH_KINDS:
		break;
	}
	/* counted down last, so that a callback that cancels cannot end the call under our feet */
	if (--call->flying > 0)
		return;
	fill_status(call, &status);
	call->events->ended(call->context, &status);
	call_release(call);
}

/* Beginning. */

static const char *
copy_metadata(struct call *call, const struct metadata *metadata, size_t count)
{
	const char *fault = NULL;

	call->metadata = memory_zero(count > 0 ? count : 1, sizeof(call->metadata[0]));
	call->metadata_count = count;
	for (size_t i = 0; i < count; i++) {
		grpc_slice key = grpc_slice_from_copied_string(metadata[i].key);
		grpc_slice value = grpc_slice_from_copied_string(metadata[i].value);

		if (!grpc_header_key_is_legal(key) || !grpc_header_nonbin_value_is_legal(value))
			fault = "a request header holds characters that gRPC does not carry";
		call->metadata[i].key = key;
		call->metadata[i].value = value;
	}
	return fault;
}

static void
begin_batches(struct call *call)
{
	grpc_op begin[2] = {
	    {.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_RECV_INITIAL_METADATA}};
	grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};

	status.data.recv_status_on_client.trailing_metadata = &call->trailing;
	status.data.recv_status_on_client.status = &call->code;
	status.data.recv_status_on_client.status_details = &call->details;
	start_batch(call, BATCH_STATUS, &status, 1);
	begin[0].data.send_initial_metadata.count = call->metadata_count;
	begin[0].data.send_initial_metadata.metadata = call->metadata;
	begin[1].data.recv_initial_metadata.recv_initial_metadata = &call->initial;
	start_batch(call, BATCH_BEGIN, begin, 2);
	receive(call);
}

struct call *
call_begin(struct channel *c, const char *method, const struct metadata *metadata,
    size_t metadata_count, int64_t deadline_ms, const struct call_events *events, void *context)
{
	struct call *call = memory_zero(1, sizeof(*call));
	gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
	grpc_slice path = grpc_slice_from_copied_string(method);

	/*
	 * A channel that has failed would answer from memory until its own back-off is over. Who
	 * calls again has waited already: a new channel tries the connection now, with a fresh
	 * look-up of the name.
	 */
	if (c->distrusted ||
	    grpc_channel_check_connectivity_state(c->native, 0) == GRPC_CHANNEL_TRANSIENT_FAILURE)
		channel_connect(c);
	if (deadline_ms > 0)
		deadline = gpr_time_add(
		    gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(deadline_ms, GPR_TIMESPAN));
	call->channel = c;
	call->events = events;
	call->context = context;
	call->details = grpc_empty_slice();
	grpc_metadata_array_init(&call->initial);
	grpc_metadata_array_init(&call->trailing);
	call->native = grpc_channel_create_call(c->native, NULL, GRPC_PROPAGATE_DEFAULTS,
	    loop_queue(c->loop), path, NULL, deadline, NULL);
	grpc_slice_unref(path);
	call->fault = copy_metadata(call, metadata, metadata_count);
	if (call->fault == NULL)
		begin_batches(call);
	else
		start_batch(call, BATCH_BEGIN, NULL, 0); /* comes back at once, and ends the call */
	return call;
}

/* Sending. */

bool
call_can_send(const struct call *call)
{
	return !call->batches[BATCH_SEND].flying && !call->close_wanted && !call->status_known &&
	       !call->cancelled && call->fault == NULL;
}

bool
call_send(struct call *call, struct buffer *message)
{
	grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
	grpc_byte_buffer *bytes;
	grpc_slice slice;

	if (!call_can_send(call))
		return false;
	if (message->len <= SEND_COPY_BYTES) {
		slice = message->len > 0 ? grpc_slice_from_copied_buffer(
					       (const char *)message->data, message->len)
					 : grpc_empty_slice();
		buffer_clear(message);
	} else {
		slice =
		    grpc_slice_new_with_user_data(message->data, message->len, free, message->data);
		buffer_init(message);
	}
	bytes = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	op.data.send_message.send_message = bytes;
	start_batch(call, BATCH_SEND, &op, 1);
	grpc_byte_buffer_destroy(bytes); /* the batch has taken what was in it */
	return true;
}

void
call_half_close(struct call *call)
{
	if (call->close_wanted || call->fault != NULL)
		return;
	call->close_wanted = true;
	if (!call->batches[BATCH_SEND].flying && !call->status_known)
		half_close(call);
}

void
call_pause(struct call *call, bool paused)
{
	call->paused = paused;
	if (!paused && call->fault == NULL && call->flying > 0)
		receive_more(call);
}

void
call_cancel(struct call *call)
{
	call->cancelled = true;
	grpc_call_cancel(call->native, NULL);
	/* what was received and not asked for must not keep the call open */
	call_pause(call, false);
}

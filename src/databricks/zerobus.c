#include "databricks/zerobus.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "databricks/zerobus_wire.h"
#include "proto/zerobus.pb-c.h"

#define METHOD "/databricks.zerobus.Zerobus/EphemeralStream"
#define AREA "zerobus"
#define STREAM_ID_MAX 64
#define PAUSE_MAX_MS (24 * 3600 * (int64_t)1000)

/* Field numbers of wire/zerobus.md §2. */
enum { REQUEST_CREATE = 1, REQUEST_RECORD = 2, REQUEST_BATCH = 3 };
enum { CREATE_TABLE = 1, CREATE_DESCRIPTOR = 3, CREATE_TYPE = 4 };
enum { INGEST_OFFSET = 1, INGEST_PROTO = 2, INGEST_JSON = 3, BATCH_RECORDS = 1 };

enum state {
	STATE_IDLE,
	STATE_TOKEN,   /* waiting for the token */
	STATE_OPENING, /* create_stream is on its way */
	STATE_OPEN,
	STATE_FINISHING, /* half-closed: acknowledgements and the status still come */
	STATE_ENDING,	 /* given up; waiting for the call to say so */
};

/*
 * One opening. The token and the call come back to it, not to the client, so that a client can be
 * freed or cancelled while they are under way.
 */
struct attempt {
	struct zerobus *owner; /* NULL once nobody listens */
	struct call *call;     /* NULL before it began and after it ended */
	bool token_pending;
};

struct zerobus {
	struct zerobus_options options;
	char *table, *principal;
	struct buffer descriptor;

	enum state state;
	struct attempt *attempt;
	const struct sink_events *events;
	void *context;
	struct loop_timer timer;    /* of opening, then of finishing */
	struct loop_timer ending;   /* tells `ended` where no call does */
	struct error why;	    /* a local reason for the end; ERR_OK: the status decides */
	int64_t sent, acknowledged; /* batches of this stream */
	bool was_open, closing, want_writable;
	bool finished;	      /* finish was called */
	bool token_refused;   /* the last token was refused: ask for a fresh one */
	bool token_was_fresh; /* the token in use is one asked for so */
	char stream_id[STREAM_ID_MAX];
};

struct zerobus *
zerobus_new(const struct zerobus_options *o)
{
	struct zerobus *z = memory_zero(1, sizeof(*z));

	z->options = *o;
	if (z->options.open_timeout_ms == 0)
		z->options.open_timeout_ms = ZEROBUS_OPEN_TIMEOUT_S * 1000;
	if (z->options.finish_timeout_ms == 0)
		z->options.finish_timeout_ms = 2000;
	z->table = memory_strdup(o->table);
	z->principal = memory_strdup(o->principal);
	zerobus_set_descriptor(z, o->descriptor);
	return z;
}

void
zerobus_set_descriptor(struct zerobus *z, struct text descriptor)
{
	buffer_clear(&z->descriptor);
	buffer_append(&z->descriptor, descriptor.data, descriptor.len);
}

static void
release_attempt(struct attempt *a)
{
	if (a->owner == NULL && a->call == NULL && !a->token_pending)
		free(a);
}

static void
detach(struct zerobus *z)
{
	struct attempt *a = z->attempt;

	if (a == NULL)
		return;
	z->attempt = NULL;
	a->owner = NULL;
	if (a->call != NULL)
		call_cancel(a->call);
	release_attempt(a);
}

void
zerobus_free(struct zerobus *z)
{
	if (z == NULL)
		return;
	detach(z);
	loop_timer_stop(z->options.loop, &z->timer);
	loop_timer_stop(z->options.loop, &z->ending);
	buffer_release(&z->descriptor);
	free(z->table);
	free(z->principal);
	free(z);
}

/* The last thing a stream does: the callback may open another or free the client. */
static void
conclude(struct zerobus *z, const struct error *why)
{
	struct error copy = *why;

	loop_timer_stop(z->options.loop, &z->timer);
	loop_timer_stop(z->options.loop, &z->ending);
	detach(z);
	z->state = STATE_IDLE;
	log_debug(AREA, "stream %s to %s ended: %s", z->stream_id, z->table,
	    copy.code == ERR_OK ? "done" : copy.text);
	z->events->ended(z->context, &copy);
}

static void
conclude_late(void *context)
{
	struct zerobus *z = context;

	conclude(z, &z->why);
}

/* Gives up with z->why, which the caller has set. The end is told later: from the call, or by a
 * timer. */
static void
give_up(struct zerobus *z)
{
	z->state = STATE_ENDING;
	loop_timer_stop(z->options.loop, &z->timer);
	if (z->attempt != NULL && z->attempt->call != NULL)
		call_cancel(z->attempt->call);
	else
		loop_timer_start(z->options.loop, &z->ending, 0, conclude_late, z);
}

static void
break_off(struct zerobus *z, const char *what)
{
	if (z->state == STATE_ENDING)
		return;
	error_set(
	    &z->why, ERR_UNAVAILABLE, "the ingest stream to table '%s' broke: %s", z->table, what);
	error_hint(&z->why, "the answer is none that the Zerobus protocol has; check the ingest "
			    "endpoint if this goes on");
	give_up(z);
}

static void
opening_timed_out(void *context)
{
	struct zerobus *z = context;

	error_set(&z->why, ERR_UNAVAILABLE,
	    "cannot open an ingest stream to table '%s': %s within %" PRId64 " s", z->table,
	    z->state == STATE_TOKEN ? "no token came" : "the server did not answer",
	    z->options.open_timeout_ms / 1000);
	if (z->state == STATE_OPENING)
		channel_distrust(z->options.channel);
	give_up(z);
}

static void
send_create(struct zerobus *z, struct call *call)
{
	struct buffer create = BUFFER_INIT, request = BUFFER_INIT;

	wire_field_text(&create, CREATE_TABLE, z->table);
	if (z->options.format == ROW_PROTO)
		wire_field_bytes(&create, CREATE_DESCRIPTOR, z->descriptor.data, z->descriptor.len);
	wire_field_varint(&create, CREATE_TYPE, (uint64_t)z->options.format);
	wire_field_bytes(&request, REQUEST_CREATE, create.data, create.len);
	call_send(call, &request);
	buffer_release(&create);
	buffer_release(&request);
}

static int64_t
pause_of(const Databricks__Zerobus__CloseStreamSignal *signal)
{
	if (signal->duration == NULL || signal->duration->seconds < 0)
		return 0;
	if (signal->duration->seconds >= PAUSE_MAX_MS / 1000)
		return PAUSE_MAX_MS;
	return signal->duration->seconds * 1000 +
	       (signal->duration->nanos > 0 ? signal->duration->nanos / 1000000 : 0);
}

static void
on_created(struct zerobus *z, const Databricks__Zerobus__CreateIngestStreamResponse *r)
{
	if (r->stream_id == NULL || *r->stream_id == '\0') {
		break_off(z, "the server named no stream id");
		return;
	}
	text_clean(z->stream_id, sizeof(z->stream_id), text_of(r->stream_id));
	loop_timer_stop(z->options.loop, &z->timer);
	z->state = STATE_OPEN;
	z->was_open = true;
	z->token_refused = false;
	log_debug(AREA, "stream %s to %s is open", z->stream_id, z->table);
	z->events->opened(z->context);
}

static void finish_timed_out(void *context);

static void
on_acknowledged(struct zerobus *z, const Databricks__Zerobus__IngestRecordResponse *r)
{
	int64_t batches;

	if (!r->has_durability_ack_up_to_offset) {
		break_off(z, "an acknowledgement without an offset");
		return;
	}
	if (r->durability_ack_up_to_offset >= z->sent) {
		break_off(z, "an acknowledgement of a batch that was not sent");
		return;
	}
	batches = r->durability_ack_up_to_offset + 1;
	if (batches <= z->acknowledged)
		return;
	z->acknowledged = batches;
	if (z->state == STATE_FINISHING)
		loop_timer_start(
		    z->options.loop, &z->timer, z->options.finish_timeout_ms, finish_timed_out, z);
	z->events->acknowledged(z->context, batches);
}

static void
on_close_signal(struct zerobus *z, const Databricks__Zerobus__CloseStreamSignal *signal)
{
	int64_t pause_ms = pause_of(signal);

	if (z->closing)
		return;
	z->closing = true;
	if (z->state != STATE_OPEN)
		return;
	log_debug(AREA, "the server closes stream %s to %s within %" PRId64 " ms", z->stream_id,
	    z->table, pause_ms);
	z->events->closing(z->context, pause_ms);
}

static void
on_message(void *context, struct text message)
{
	struct attempt *a = context;
	struct zerobus *z = a->owner;
	Databricks__Zerobus__EphemeralStreamResponse *r;

	if (z == NULL || z->state == STATE_ENDING)
		return;
	r = databricks__zerobus__ephemeral_stream_response__unpack(
	    NULL, message.len, (const uint8_t *)message.data);
	if (r == NULL) {
		break_off(z, "a message that cannot be decoded");
		return;
	}
	switch (r->payload_case) {
	case DATABRICKS__ZEROBUS__EPHEMERAL_STREAM_RESPONSE__PAYLOAD_CREATE_STREAM_RESPONSE:
		if (z->state == STATE_OPENING)
			on_created(z, r->create_stream_response);
		else
			break_off(z, "a second answer to create_stream");
		break;
	case DATABRICKS__ZEROBUS__EPHEMERAL_STREAM_RESPONSE__PAYLOAD_INGEST_RECORD_RESPONSE:
		if (z->state == STATE_OPENING)
			break_off(z, "an acknowledgement before the stream was open");
		else
			on_acknowledged(z, r->ingest_record_response);
		break;
	case DATABRICKS__ZEROBUS__EPHEMERAL_STREAM_RESPONSE__PAYLOAD_CLOSE_STREAM_SIGNAL:
		if (z->state == STATE_OPENING)
			break_off(z, "a close signal before the stream was open");
		else
			on_close_signal(z, r->close_stream_signal);
		break;
	default:
		break_off(z, "a message of an unknown kind");
		break;
	}
	databricks__zerobus__ephemeral_stream_response__free_unpacked(r, NULL);
}

static void
on_sent(void *context)
{
	struct attempt *a = context;
	struct zerobus *z = a->owner;

	if (z == NULL || !z->want_writable || z->state != STATE_OPEN || z->closing)
		return;
	z->want_writable = false;
	z->events->writable(z->context);
}

/* Why the stream is over, once its call is. */
static void
explain(struct zerobus *z, const struct call_status *status, struct error *why)
{
	error_clear(why);
	if (z->why.code != ERR_OK) {
		*why = z->why;
		return;
	}
	if ((z->finished && z->acknowledged == z->sent) ||
	    (status->code == 0 && (z->closing || (z->sent > 0 && z->acknowledged == z->sent))))
		return;
	zerobus_status_error(status, !z->was_open, z->table, z->principal, why);
	if (why->code == ERR_SESSION) {
		if (!z->was_open && z->token_was_fresh)
			why->code = ERR_CREDENTIALS;
		z->token_refused = true;
	}
}

static void
on_ended(void *context, const struct call_status *status)
{
	struct attempt *a = context;
	struct zerobus *z = a->owner;
	struct error why;

	a->call = NULL;
	if (z == NULL) {
		release_attempt(a);
		return;
	}
	explain(z, status, &why);
	conclude(z, &why);
}

/* Ours, unless the headers have one of that name. */
static void
add_metadata(struct metadata *metadata, size_t *count, const struct headers *headers, const char *key, const char *value,
    bool secret)
{
	if (value != NULL && headers_find(headers, key) == NULL)
		metadata[(*count)++] = (struct metadata){key, value, secret};
}

static void
begin_call(struct zerobus *z, const struct secret *token, const struct headers *headers)
{
	static const struct call_events events = {
	    .message = on_message, .sent = on_sent, .ended = on_ended};
	struct metadata metadata[3 + LIMIT_STREAM_HEADERS];
	struct buffer bearer = BUFFER_INIT;
	size_t count = 0;

	if (token != NULL) {
		buffer_reserve(&bearer, token->len + sizeof("Bearer "));
		buffer_append_text(&bearer, "Bearer ");
		buffer_append(&bearer, secret_reveal(token), token->len);
	}
	add_metadata(metadata, &count, headers, "authorization", token != NULL ? buffer_text(&bearer) : NULL, true);
	add_metadata(metadata, &count, headers, "x-databricks-zerobus-table-name", z->table, false);
	add_metadata(metadata, &count, headers, "x-zerobus-sdk", SFZB_USER_AGENT, false);
	for (size_t i = 0; i < headers->count; i++)
		metadata[count++] =
		    (struct metadata){headers->items[i].name, secret_reveal(&headers->items[i].value), true};
	z->state = STATE_OPENING;
	z->attempt->call = call_begin(z->options.channel, METHOD, metadata, count, 0, &events, z->attempt);
	if (bearer.data != NULL)
		secret_wipe(bearer.data, bearer.capacity);
	buffer_release(&bearer);
	send_create(z, z->attempt->call);
}

static void
on_token(void *done_context, const struct secret *token, const struct headers *headers, const struct error *why)
{
	static const struct headers none = HEADERS_INIT;
	struct attempt *a = done_context;
	struct zerobus *z = a->owner;

	a->token_pending = false;
	if (z == NULL || z->state != STATE_TOKEN) {
		release_attempt(a);
		return;
	}
	if (headers == NULL)
		headers = &none;
	if (token != NULL && !secret_is_set(token))
		token = NULL;
	if (why == NULL && (token != NULL || headers_find(headers, "authorization") != NULL)) {
		begin_call(z, token, headers);
		return;
	}
	if (why != NULL && why->code != ERR_OK)
		z->why = *why;
	else
		error_set(&z->why, ERR_FAILED, "no token came for table '%s'", z->table);
	give_up(z);
}

void
zerobus_open(struct zerobus *z, const struct sink_events *events, void *context)
{
	struct attempt *a = memory_zero(1, sizeof(*a));

	*a = (struct attempt){.owner = z, .token_pending = true};
	z->attempt = a;
	z->events = events;
	z->context = context;
	z->sent = z->acknowledged = 0;
	z->was_open = z->closing = z->want_writable = z->finished = false;
	z->stream_id[0] = '\0';
	z->token_was_fresh = z->token_refused;
	error_clear(&z->why);
	z->state = STATE_TOKEN;
	loop_timer_start(
	    z->options.loop, &z->timer, z->options.open_timeout_ms, opening_timed_out, z);
	z->options.token.get(z->options.token.context, z->table, z->token_refused, on_token, a);
}

static size_t
row_size(const struct rows *rows, size_t i)
{
	return rows->ends[i] - (i > 0 ? rows->ends[i - 1] : 0);
}

/* The request for the next offset. A batch of one goes as a single record, as the vendor's client
 * does it. */
static void
write_request(struct zerobus *z, const struct rows *rows, struct buffer *out)
{
	uint32_t field = z->options.format == ROW_JSON ? INGEST_JSON : INGEST_PROTO;
	size_t records = 0, body, at = 0;
	uint64_t offset = (uint64_t)z->sent;

	if (rows->count == 1)
		records = row_size(rows, 0);
	else
		for (size_t i = 0; i < rows->count; i++)
			records += 1 + wire_varint_size(row_size(rows, i)) + row_size(rows, i);
	body = 1 + wire_varint_size(offset) + 1 + wire_varint_size(records) + records;
	buffer_reserve(out, body + 1 + WIRE_VARINT_MAX);
	wire_tag(out, rows->count == 1 ? REQUEST_RECORD : REQUEST_BATCH, WIRE_BYTES);
	wire_varint(out, body);
	wire_field_varint(out, INGEST_OFFSET, offset);
	wire_tag(out, field, WIRE_BYTES);
	wire_varint(out, records);
	if (rows->count == 1) {
		buffer_append(out, rows->bytes, records);
		return;
	}
	for (size_t i = 0; i < rows->count; i++) {
		wire_field_bytes(out, BATCH_RECORDS, rows->bytes + at, row_size(rows, i));
		at = rows->ends[i];
	}
}

int
zerobus_send(struct zerobus *z, const struct rows *rows)
{
	struct buffer request = BUFFER_INIT;

	if (z->state != STATE_OPEN || z->closing || rows->count == 0)
		return 0;
	if (!call_can_send(z->attempt->call)) {
		z->want_writable = true;
		return 0;
	}
	write_request(z, rows, &request);
	if (request.len > LIMIT_ZEROBUS_MESSAGE_BYTES) {
		/* refused here as the server would: the engine takes it apart, and sets a lone record
		 * aside */
		z->sent++;
		error_set(&z->why, ERR_REFUSED,
		    "a batch of %zu rows for table '%s' has %zu bytes, more than the %d that one "
		    "message may have",
		    rows->count, z->table, request.len, LIMIT_ZEROBUS_MESSAGE_BYTES);
		give_up(z);
	} else {
		z->sent++;
		call_send(z->attempt->call, &request);
	}
	buffer_release(&request);
	return 1;
}

static void
finish_timed_out(void *context)
{
	struct zerobus *z = context;

	if (z->acknowledged < z->sent && !z->closing) {
		error_set(&z->why, ERR_UNAVAILABLE,
		    "the ingest stream to table '%s' did not end: %" PRId64
		    " batches are unacknowledged",
		    z->table, z->sent - z->acknowledged);
		give_up(z);
		return;
	}
	/* what counts is durable, or the server's pause is over: nobody waits for a late status */
	conclude(z, &z->why);
}

void
zerobus_finish(struct zerobus *z)
{
	if (z->state == STATE_TOKEN || z->state == STATE_OPENING) {
		zerobus_cancel(z);
		return;
	}
	if (z->state != STATE_OPEN)
		return;
	z->finished = true;
	z->state = STATE_FINISHING;
	call_half_close(z->attempt->call);
	loop_timer_start(
	    z->options.loop, &z->timer, z->options.finish_timeout_ms, finish_timed_out, z);
}

void
zerobus_cancel(struct zerobus *z)
{
	if (z->state == STATE_IDLE || z->state == STATE_ENDING)
		return;
	error_set(
	    &z->why, ERR_INTERRUPTED, "the ingest stream to table '%s' was cancelled", z->table);
	if (z->acknowledged < z->sent) /* who cancels so has waited in vain */
		channel_distrust(z->options.channel);
	give_up(z);
}

/*
 * What a Zerobus server may send, in any order and at any time: messages, ends with and without details, and timers that
 * run out, against a client that opens streams, sends, finishes and cancels. The client's source is compiled in here over a
 * transport and timers that the input drives.
 *
 * The input is steps: a byte says what happens (see step); those with bytes of their own have their length behind it.
 * Must hold: callbacks come in the order that stream/sink.h has, acknowledgements only grow and stay below what was sent, a
 * stream ends once, and is not closed, silent or finished for ever.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "databricks/zerobus.h"

/* ---- the transport and the timers */

struct call {
	const struct call_events *events;
	void *context;
	bool sending, half_closed, cancelled;
};
static struct call the_call;
static bool has_call;

static struct call *
fuzz_call_begin(struct channel *c, const char *method, const struct metadata *metadata, size_t count, int64_t deadline_ms,
    const struct call_events *events, void *context)
{
	(void)c;
	(void)method;
	(void)deadline_ms;
	if (has_call || count < 3)
		abort();
	for (size_t i = 0; i < count; i++)
		if (metadata[i].value == NULL)
			abort();
	has_call = true;
	the_call = (struct call){.events = events, .context = context};
	return &the_call;
}

static bool
fuzz_call_send(struct call *call, struct buffer *message)
{
	if (call != &the_call || !has_call || call->sending || call->half_closed)
		abort();
	call->sending = true;
	buffer_release(message);
	return true;
}

static bool
fuzz_call_can_send(const struct call *call)
{
	return has_call && !call->sending && !call->half_closed;
}

static void
fuzz_call_half_close(struct call *call)
{
	call->half_closed = true;
}

static void
fuzz_call_cancel(struct call *call)
{
	if (!has_call)
		abort();
	call->cancelled = true;
}

static void
fuzz_channel_distrust(struct channel *c)
{
	(void)c;
}

#define TIMERS 4
static struct loop_timer *timers[TIMERS];

static void
fuzz_loop_timer_stop(struct loop *l, struct loop_timer *t)
{
	(void)l;
	for (size_t i = 0; i < TIMERS; i++)
		if (timers[i] == t)
			timers[i] = NULL;
}

static void
fuzz_loop_timer_start(struct loop *l, struct loop_timer *t, int64_t delay_ms, loop_function *f, void *context)
{
	size_t i = 0;

	(void)delay_ms;
	fuzz_loop_timer_stop(l, t);
	while (i < TIMERS && timers[i] != NULL)
		i++;
	if (i == TIMERS)
		abort();
	t->f = f;
	t->context = context;
	timers[i] = t;
}

static bool
run_timer(size_t from)
{
	for (size_t i = 0; i < TIMERS; i++) {
		struct loop_timer *t = timers[(from + i) % TIMERS];

		if (t == NULL)
			continue;
		timers[(from + i) % TIMERS] = NULL;
		t->f(t->context);
		return true;
	}
	return false;
}

#define call_begin fuzz_call_begin
#define call_send fuzz_call_send
#define call_can_send fuzz_call_can_send
#define call_half_close fuzz_call_half_close
#define call_cancel fuzz_call_cancel
#define channel_distrust fuzz_channel_distrust
#define loop_timer_start fuzz_loop_timer_start
#define loop_timer_stop fuzz_loop_timer_stop
#include "databricks/zerobus.c"

/* ---- what the client says */

static struct said {
	bool open, is_open, closing, finishing, cancelled;
	int64_t sent, acked;
	zerobus_token_done *token;
	void *token_context;
} s;

static void
said_opened(void *context)
{
	(void)context;
	if (!s.open || s.is_open || s.cancelled)
		abort();
	s.is_open = true;
}

static void
said_writable(void *context)
{
	(void)context;
	if (!s.is_open || s.closing)
		abort();
}

static void
said_acknowledged(void *context, int64_t batches)
{
	(void)context;
	if (!s.is_open || batches <= s.acked || batches > s.sent)
		abort();
	s.acked = batches;
}

static void
said_closing(void *context, int64_t pause_ms)
{
	(void)context;
	if (!s.is_open || s.closing || pause_ms < 0 || pause_ms > PAUSE_MAX_MS)
		abort();
	s.closing = true;
}

static void
said_ended(void *context, const struct error *why)
{
	(void)context;
	if (!s.open)
		abort();
	/* in good order only what was finished (the server may have wished to close then), or closed by the server, or is durable */
	if (why->code == ERR_OK && !s.closing && !s.finishing && s.acked != s.sent)
		abort();
	for (const char *p = why->text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			abort();
	s.open = s.is_open = false;
}

static void
ask_token(void *context, const char *table, bool fresh, zerobus_token_done *done, void *done_context)
{
	(void)context;
	(void)table;
	(void)fresh;
	if (s.token != NULL)
		abort();
	s.token = done;
	s.token_context = done_context;
}

static void
answer_token(bool well)
{
	zerobus_token_done *done = s.token;
	struct secret token = SECRET_INIT;
	struct error why = ERROR_INIT;

	if (done == NULL)
		return;
	s.token = NULL;
	secret_set(&token, text_of("t"));
	error_set(&why, ERR_UNAVAILABLE, "no token");
	done(s.token_context, well ? &token : NULL, NULL, well ? NULL : &why);
	secret_release(&token);
}

static void
end_call(struct call_status status)
{
	const struct call_events *events = the_call.events;

	if (!has_call)
		return;
	has_call = false;
	events->ended(the_call.context, &status);
}

static void
send_one(struct zerobus *z)
{
	static const uint8_t bytes[2] = "xy";
	static const size_t ends[2] = {1, 2};
	struct rows rows = {.bytes = bytes, .ends = ends, .count = 2};

	/* the engine sends on open streams alone */
	if (s.is_open && !s.closing && !s.finishing && !s.cancelled && zerobus_send(z, &rows) == 1)
		s.sent++;
}

static void
step(struct zerobus *z, uint8_t what, struct text bytes)
{
	static const struct sink_events said = {.opened = said_opened, .writable = said_writable,
	    .acknowledged = said_acknowledged, .closing = said_closing, .ended = said_ended};

	switch (what % 16) {
	case 0:
	case 1:
	case 2:
		if (has_call && !the_call.cancelled)
			the_call.events->message(the_call.context, bytes);
		break;
	case 3:
		end_call((struct call_status){.code = bytes.len > 0 ? (uint8_t)bytes.data[0] % 17 : 0,
		    .message = bytes, .details = bytes});
		break;
	case 4:
		run_timer(what / 16);
		break;
	case 5:
		answer_token(what < 128);
		break;
	case 6:
		if (has_call && the_call.sending) {
			the_call.sending = false;
			the_call.events->sent(the_call.context);
		}
		break;
	case 7:
		if (s.is_open && !s.cancelled && !s.finishing) {
			s.finishing = true;
			zerobus_finish(z);
		}
		break;
	case 8:
		if (s.open && !s.cancelled) {
			s.cancelled = true;
			zerobus_cancel(z);
		}
		break;
	case 9:
	case 10:
		if (!s.open && s.token == NULL && !has_call) {
			s = (struct said){.open = true};
			zerobus_open(z, &said, NULL);
		}
		break;
	default:
		send_one(z);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zerobus *z = zerobus_new(&(struct zerobus_options){.table = "main.crm.t",
	    .format = ROW_PROTO,
	    .descriptor = text_of("d"),
	    .token = {.get = ask_token}});

	s = (struct said){.open = false};
	has_call = false;
	memset(timers, 0, sizeof(timers));
	for (size_t at = 0; at < size;) {
		uint8_t what = data[at++];
		size_t len = what % 16 <= 3 && at < size ? data[at++] : 0;

		if (len > size - at)
			len = size - at;
		step(z, what, text_span(data + at, len));
		at += len;
	}
	/* whatever has happened: with the call over and the timers run out, the stream has ended */
	answer_token(false);
	end_call((struct call_status){.code = 1});
	while (run_timer(0))
		;
	if (s.open)
		abort();
	zerobus_free(z);
	answer_token(false);
	return 0;
}

/* rpc/: calls and what they end with, against a real gRPC server in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "rpc_fixture.h"

static void
stream_message(void *context, struct text message)
{
	struct result *r = context;

	assert_false(r->done);
	r->messages++;
	buffer_append(&r->response, message.data, message.len);
}

static void
stream_ended(void *context, const struct call_status *s)
{
	keep_status(context, s);
}

static void
test_unary(void **state)
{
	static const struct {
		const char *name, *method, *header, *request;
		int64_t deadline_ms;
		int code;
		const char *response, *error_code, *rpc_id;
		enum error_code error;
	} rows[] = {
	    {"echo", "/t/Echo", "t", "hello", 0, 0, "hello", "", "", ERR_OK},
	    {"empty message", "/t/Echo", "t", "", PATIENCE_MS, 0, "", "", "", ERR_OK},
	    {"metadata", "/t/Header", "00D!secret", "x", 0, 0, "00D!secret", "", "", ERR_OK},
	    {"trailers", "/t/Fail", "t", "x", 0, 5, "",
		"sfdc.platform.eventbus.grpc.topic.not.found", "547bb650", ERR_NOT_FOUND},
	    {"no answer", "/t/Empty", "t", "x", 0, 13, "", "", "", ERR_UNAVAILABLE},
	    {"two answers", "/t/Flood", "t", "x", 0, 13, "", "", "", ERR_UNAVAILABLE},
	    {"deadline", "/t/Hang", "t", "x", 100, 4, "", "", "", ERR_UNAVAILABLE},
	    {"a header that gRPC does not carry", "/t/Echo", "line\nbreak", "x", 0, 3, "", "", "",
		ERR_FAILED},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct metadata m = {"accesstoken", rows[i].header, true};
		struct result r;

		unary(*state, rows[i].method, &m, 1, rows[i].request, rows[i].deadline_ms, &r);
		if (r.code != rows[i].code || r.error.code != rows[i].error)
			fail_msg("%s: status %d, error %s: %s", rows[i].name, r.code,
			    error_name(r.error.code), r.error.text);
		assert_string_equal(buffer_text(&r.response), rows[i].response);
		assert_string_equal(r.error_code, rows[i].error_code);
		assert_string_equal(r.rpc_id, rows[i].rpc_id);
		if (strcmp(rows[i].name, "trailers") == 0) {
			assert_int_equal(r.details, 2);
			assert_string_equal(r.error.text,
			    "Test: NOT_FOUND: The topic was not found. rpcId: x "
			    "[sfdc.platform.eventbus.grpc.topic.not.found] rpcId: 547bb650");
		}
		buffer_release(&r.response);
	}
}

struct talk {
	struct result r;
	struct call *call;
	int to_send, sent;
};

static void
send_next(struct talk *t)
{
	struct buffer b = BUFFER_INIT;

	if (t->sent == t->to_send) {
		call_half_close(t->call);
		return;
	}
	buffer_append_format(&b, "[%d]", t->sent++);
	assert_true(call_send(t->call, &b));
	assert_false(call_can_send(t->call));
	assert_false(call_send(t->call, &b));
	buffer_release(&b);
}

static void
talk_sent(void *context)
{
	send_next(context);
}

static void
test_bidirectional(void **state)
{
	static const struct call_events events = {stream_message, talk_sent, stream_ended};
	struct fixture *f = *state;
	struct talk t = {.to_send = 100};

	t.call = call_begin(f->channel, "/t/Echo", NULL, 0, 0, &events, &t);
	send_next(&t);
	wait_for(f->loop, &t.r.done);
	assert_int_equal(t.r.code, 0);
	assert_int_equal(t.r.messages, 100);
	assert_memory_equal(t.r.response.data, "[0][1][2]", 9);
	buffer_release(&t.r.response);
}

/* One message that is larger than gRPC's defaults and comes in many pieces. */
static void
test_big_message(void **state)
{
	static const struct call_events events = {stream_message, NULL, stream_ended};
	struct fixture *f = *state;
	struct result r = {0};
	struct buffer b = BUFFER_INIT;
	struct call *call = call_begin(f->channel, "/t/Echo", NULL, 0, 0, &events, &r);
	size_t size = 8 * 1024 * 1024;

	buffer_reserve(&b, size);
	for (size_t i = 0; i < size; i++)
		b.data[i] = (uint8_t)(i * 31 >> 3);
	b.len = size;
	assert_true(call_send(call, &b));
	assert_null(b.data);
	call_half_close(call);
	wait_for(f->loop, &r.done);
	assert_int_equal(r.code, 0);
	assert_int_equal(r.response.len, size);
	for (size_t i = 0; i < size; i++)
		if (r.response.data[i] != (uint8_t)(i * 31 >> 3))
			fail_msg("byte %zu differs", i);
	buffer_release(&r.response);

	/* and one above the ceiling: refused here, and not as an overload of the server */
	memset(&r, 0, sizeof(r));
	buffer_reserve(&b, LIMIT_GRPC_RECEIVE_BYTES + 1);
	memset(b.data, 0, LIMIT_GRPC_RECEIVE_BYTES + 1);
	b.len = LIMIT_GRPC_RECEIVE_BYTES + 1;
	call = call_begin(f->channel, "/t/Echo", NULL, 0, 0, &events, &r);
	assert_true(call_send(call, &b));
	call_half_close(call);
	wait_for(f->loop, &r.done);
	assert_int_equal(r.code, 8);
	assert_int_equal(r.error.code, ERR_FAILED);
	buffer_release(&r.response);
}

static void
test_cancel(void **state)
{
	static const struct call_events events = {stream_message, NULL, stream_ended};
	struct fixture *f = *state;
	struct result r = {0};
	struct call *call = call_begin(f->channel, "/t/Hang", NULL, 0, 0, &events, &r);

	loop_step(f->loop, 50);
	call_cancel(call);
	assert_false(r.done);
	wait_for(f->loop, &r.done);
	assert_int_equal(r.code, 1);
}

struct pausing {
	struct result r;
	struct call *call;
};

static void
pause_message(void *context, struct text message)
{
	struct pausing *p = context;

	(void)message;
	if (++p->r.messages == 10)
		call_pause(p->call, true);
}

static void
pause_ended(void *context, const struct call_status *s)
{
	struct pausing *p = context;

	keep_status(&p->r, s);
}

static void
test_pause(void **state)
{
	static const struct call_events events = {pause_message, NULL, pause_ended};
	struct fixture *f = *state;
	struct pausing p = {0};

	p.call = call_begin(f->channel, "/t/Flood", NULL, 0, 0, &events, &p);
	for (int64_t end = clock_monotonic_ms(&clock_system) + PATIENCE_MS; p.r.messages < 10 && clock_monotonic_ms(&clock_system) < end;)
		loop_step(f->loop, 5);
	for (int i = 0; i < 20; i++)
		loop_step(f->loop, 5);
	assert_int_equal(p.r.messages, 10);
	assert_false(p.r.done);
	call_pause(p.call, false);
	wait_for(f->loop, &p.r.done);
	assert_int_equal(p.r.messages, 200);
	assert_int_equal(p.r.code, 0);
}

static void
test_status_codes(void **state)
{
	static const struct {
		const char *name;
		enum error_code code;
	} rows[] = {{"OK", ERR_OK}, {"CANCELLED", ERR_UNAVAILABLE}, {"UNKNOWN", ERR_UNAVAILABLE},
	    {"INVALID_ARGUMENT", ERR_FAILED}, {"DEADLINE_EXCEEDED", ERR_UNAVAILABLE},
	    {"NOT_FOUND", ERR_NOT_FOUND}, {"ALREADY_EXISTS", ERR_FAILED},
	    {"PERMISSION_DENIED", ERR_PERMISSION}, {"RESOURCE_EXHAUSTED", ERR_OVERLOADED},
	    {"FAILED_PRECONDITION", ERR_FAILED}, {"ABORTED", ERR_UNAVAILABLE},
	    {"OUT_OF_RANGE", ERR_FAILED}, {"UNIMPLEMENTED", ERR_FAILED},
	    {"INTERNAL", ERR_UNAVAILABLE}, {"UNAVAILABLE", ERR_UNAVAILABLE},
	    {"DATA_LOSS", ERR_UNAVAILABLE}, {"UNAUTHENTICATED", ERR_SESSION},
	    {"UNKNOWN", ERR_UNAVAILABLE}};

	(void)state;
	for (int i = 0; i < (int)COUNT(rows); i++) {
		assert_string_equal(call_status_name(i), rows[i].name);
		if (call_status_code(i) != rows[i].code)
			fail_msg("%s: %s", rows[i].name, error_name(call_status_code(i)));
	}
	assert_int_equal(call_status_code(-1), ERR_UNAVAILABLE);
}

/* What gRPC says when this process has no memory for a connection ends it; a server's own want of memory passes. */
static void
test_no_memory_for_a_connection(void **state)
{
	static const struct {
		const char *name, *message;
		enum error_code code;
	} rows[] = {
	    {"here", "failed to connect to all addresses; last error: UNKNOWN: ipv4:1.2.3.4:443: Cannot allocate memory", ERR_FAILED},
	    {"at the server", "worker: Cannot allocate memory", ERR_UNAVAILABLE},
	    {"refused", "failed to connect to all addresses; last error: UNKNOWN: ipv4:1.2.3.4:443: Connection refused",
		ERR_UNAVAILABLE}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct call_status s = {.code = 14, .message = text_of(rows[i].message)};
		struct error e = ERROR_INIT;

		call_status_error(&s, "Test", &e);
		if (e.code != rows[i].code)
			fail_msg("%s: %s: %s", rows[i].name, error_name(e.code), e.text);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_status_codes),
	    cmocka_unit_test(test_no_memory_for_a_connection),
	    cmocka_unit_test_setup_teardown(test_unary, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bidirectional, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_big_message, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_pause, setup, teardown),
	};

	loop_signals_block();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

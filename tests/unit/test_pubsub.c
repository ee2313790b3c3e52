/* salesforce/: the Pub/Sub client against a small server: credit, silence, schemas, tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pubsub_peer.h"
#include "salesforce/pubsub_client.h"

static void
test_events(void **state)
{
	struct fixture *f = *state;
	struct seen first;

	fake.events = 500;
	fake.keepalive = true;
	open_source(f, START_EARLIEST, 0, 10000);
	WAIT(f, f->l.idle > 0);
	assert_int_equal(f->l.opened, 1);
	assert_int_equal(f->l.events, 500);
	assert_true(f->l.in_order);
	assert_int_equal(f->l.undecodable, 0);
	assert_string_equal(f->l.record, "{\"CreatedDate\":1700000000500,\"N\":500}");
	assert_string_equal(f->l.org_id, "00D1");
	assert_int_equal(f->l.latest.bytes[6] * 256 + f->l.latest.bytes[7], 504);
	assert_int_equal(fake.schema_calls, 1);
	assert_true(fake.most_outstanding <= 100);
	assert_true(fake.requests <= 12);
	first = seen_first();
	assert_string_equal(first.topic, TOPIC);
	assert_string_equal(first.preset, "1");
	assert_string_equal(first.token, "old");
	assert_string_equal(first.instance, "https://acme.my.salesforce.com");
	assert_string_equal(first.tenant, "core/acme/00D1");
	assert_int_equal(strlen(first.trace), 36);
	f->l.source->ops->close(f->l.source);
	assert_int_equal(f->l.ended, 0);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_OK);
	assert_true(fake.half_closed);
}

static void
test_resume(void **state)
{
	struct fixture *f = *state;
	struct seen first;

	fake.events = 30;
	fake.end_in_order = true;
	open_source(f, START_AFTER, 20, 100);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_OK);
	assert_int_equal(f->l.events, 10);
	assert_true(f->l.in_order);
	first = seen_first();
	assert_string_equal(first.preset, "2");
	assert_int_equal(first.replay_id_len, 10);
	/* the same source again, behind what it had */
	f->l.opened = f->l.events = f->l.ended = 0;
	fake.events = 40;
	open_source(f, START_AFTER, 30, 100);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.events, 10);
	assert_int_equal(f->l.last, 40);
}

/* Credit stays within what is allowed, and without any the stream ends in good order before the
 * server would. */
static void
test_credit(void **state)
{
	struct fixture *f = *state;

	fake.events = 100;
	fake.batch = 3;
	open_source(f, START_EARLIEST, 0, 0);
	step_for(f, 50);
	assert_int_equal(fake.subscriptions, 0); /* no credit, no call */
	f->l.source->ops->allow(f->l.source, 7);
	WAIT(f, f->l.events == 7);
	step_for(f, 50);
	assert_int_equal(f->l.events, 7);
	assert_true(fake.most_outstanding <= 7);
	turned_ms += 44000;
	step_for(f, 20);
	assert_int_equal(f->l.ended, 0);
	f->l.source->ops->allow(f->l.source, 5); /* room again: the stall is over */
	WAIT(f, f->l.events == 12);
	turned_ms += 44000;
	step_for(f, 20);
	assert_int_equal(f->l.ended, 0);
	turned_ms += 2000;
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_OK);
	assert_int_equal(f->l.events, 12);
	assert_true(f->l.in_order);
	assert_int_equal(fake.subscriptions, 1);
}

/* The engine that allows anew after each event does not make a request of each. */
static void
test_request_rate(void **state)
{
	struct fixture *f = *state;

	fake.events = 1000;
	fake.batch = 100;
	fake.keepalive = true;
	f->l.allow_after_each = 100;
	open_source(f, START_EARLIEST, 0, 100);
	WAIT(f, f->l.idle > 0);
	assert_int_equal(f->l.events, 1000);
	assert_true(fake.requests <= 22);
	assert_true(fake.most_outstanding <= 100);
}

static void
test_close_inside(void **state)
{
	struct fixture *f = *state;

	fake.events = 100;
	f->l.close_at = 25;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.events, 25);
	assert_int_equal(f->l.why.code, ERR_OK);
}

static void
test_watchdog(void **state)
{
	struct fixture *f = *state;

	fake.silent = true;
	open_source(f, START_LATEST, 0, 100);
	WAIT(f, fake.requests > 0);
	step_for(f, 50);
	assert_int_equal(f->l.opened, 0);
	turned_ms += 5100; /* settled */
	WAIT(f, f->l.opened > 0);
	turned_ms += 290000;
	step_for(f, 20);
	assert_int_equal(f->l.ended, 0);
	turned_ms += 6000;
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(f->l.why.text, "nothing came for 5m"));
	assert_int_equal(f->l.opened, 1);
}

/* Events behind one whose schema is not there yet wait in order, and the server is held back
 * meanwhile. */
static void
test_schema_wait(void **state)
{
	struct fixture *f = *state;

	fake.events = 300;
	fake.second_schema_from = 15;
	fake.keepalive = true;
	fake.schema_held = true;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, fake.schema_calls == 1);
	step_for(f, 50);
	assert_int_equal(f->l.events, 0);
	assert_true(fake.most_outstanding <= 100);
	fake.schema_held = false;
	WAIT(f, f->l.events > 0);
	WAIT(f, f->l.idle > 0);
	assert_int_equal(f->l.events, 300);
	assert_true(f->l.in_order);
	assert_int_equal(fake.schema_calls, 2);
	assert_string_equal(f->l.record, "{\"CreatedDate\":1700000000300,\"M\":300}");
}

/* The stream ends while a schema is awaited: what had come is delivered first. */
static void
test_schema_after_end(void **state)
{
	struct fixture *f = *state;

	fake.events = 10;
	fake.end_in_order = true;
	fake.schema_held = true;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, fake.schema_calls == 1);
	step_for(f, 50);
	assert_int_equal(f->l.ended, 0);
	fake.schema_held = false;
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.events, 10);
	assert_int_equal(f->l.why.code, ERR_OK);
}

static void
test_close_while_waiting(void **state)
{
	struct fixture *f = *state;

	fake.events = 10;
	fake.schema_held = true;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, fake.schema_calls == 1);
	step_for(f, 20);
	f->l.source->ops->close(f->l.source);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.events, 0);
	assert_int_equal(f->l.why.code, ERR_OK);
}

static void
test_schema_errors(void **state)
{
	static const struct {
		const char *name, *code;
		int status, undecodable;
		enum error_code ended; /* ERR_OK: goes on */
	} rows[] = {
	    {"no permission", "schema.meta.permission", 7, 20, ERR_OK},
	    {"not a schema id", "schema.validation.failed", 3, 20, ERR_OK},
	    {"down", "schema.api.unavailable", 14, 0, ERR_UNAVAILABLE},
	    {"overload", "service.protection.triggered", 8, 0, ERR_OVERLOADED},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		reset_fake();
		fake.events = 20;
		fake.keepalive = true;
		fake.schema_status = rows[i].status;
		fake.schema_code = rows[i].code;
		turned_ms += 61000; /* an older refusal is forgotten */
		f->l = (struct listener){.source = f->l.source, .in_order = true};
		open_source(f, START_EARLIEST, 0, 1000);
		WAIT(f, f->l.idle > 0 || f->l.ended > 0);
		if (f->l.undecodable != rows[i].undecodable || f->l.events != 0 ||
		    (f->l.ended > 0) != (rows[i].ended != ERR_OK) ||
		    (f->l.ended > 0 && f->l.why.code != rows[i].ended))
			fail_msg("%s: %d undecodable, ended %d %s", rows[i].name, f->l.undecodable,
			    f->l.ended, f->l.why.text);
		assert_int_equal(fake.schema_calls, 1);
		if (f->l.ended == 0) {
			f->l.source->ops->close(f->l.source);
			WAIT(f, f->l.ended > 0);
		}
	}
}

static void
test_bad_event(void **state)
{
	struct fixture *f = *state;

	fake.events = 20;
	fake.bad_payload = 7;
	fake.keepalive = true;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, f->l.idle > 0);
	assert_int_equal(f->l.events, 19);
	assert_int_equal(f->l.undecodable, 1);
	assert_true(f->l.in_order);
	assert_int_equal(f->l.why.code, ERR_REFUSED);
}

/* Tokens. */

static void
test_renewal(void **state)
{
	struct fixture *f = *state;
	struct pubsub_topic topic;
	struct error e = ERROR_INIT;

	fake.good_token = "new";
	if (pubsub_get_topic_wait(f->pubsub, TOPIC, &topic, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(f->renewals, 1);
	assert_string_equal(topic.schema_id, "one");
	assert_true(topic.can_subscribe);
	assert_false(topic.can_publish);
	pubsub_topic_release(&topic);

	/* a subscription: renewed, then to be opened again */
	set_token(f, "old");
	fake.events = 3;
	open_source(f, START_EARLIEST, 0, 100);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_SESSION);
	assert_non_null(strstr(f->l.why.text, "the access token was renewed"));
	assert_int_equal(f->renewals, 2);
	f->l.ended = 0;
	/* the organisation has moved meanwhile */
	pubsub_set_instance(f->pubsub, "https://acme2.my.salesforce.com/");
	open_source(f, START_EARLIEST, 0, 100);
	WAIT(f, f->l.events == 3);
	assert_int_equal(f->renewals, 2);
	assert_string_equal(seen_first().instance, "https://acme2.my.salesforce.com");
}

struct topics_answered {
	int good, bad;
};

static void
count_topic(void *context, const struct pubsub_topic *topic, const struct error *why)
{
	struct topics_answered *t = context;

	(void)why;
	if (topic != NULL)
		t->good++;
	else
		t->bad++;
}

/* Many calls refused with one token ask for one new one. */
static void
test_one_renewal(void **state)
{
	struct fixture *f = *state;
	struct topics_answered t = {0};

	fake.good_token = "new";
	for (int i = 0; i < 20; i++)
		pubsub_get_topic(f->pubsub, TOPIC, count_topic, &t);
	WAIT(f, t.good + t.bad == 20);
	assert_int_equal(t.good, 20);
	assert_int_equal(f->renewals, 1);
}

static void
test_renewal_fails(void **state)
{
	struct fixture *f = *state;
	struct pubsub_topic topic;
	struct error e = ERROR_INIT;

	fake.good_token = "new";
	f->renew_fails = ERR_CREDENTIALS;
	assert_int_equal(pubsub_get_topic_wait(f->pubsub, TOPIC, &topic, &e), -1);
	assert_int_equal(e.code, ERR_CREDENTIALS);
	open_source(f, START_EARLIEST, 0, 100);
	WAIT(f, f->l.ended > 0);
	assert_int_equal(f->l.why.code, ERR_CREDENTIALS);
	/* the server refuses every token: the fifth in a row is the last */
	f->renew_fails = ERR_OK;
	f->new_token = "old";
	for (int i = 0; i < 10 && strstr(f->l.why.text, "5 access tokens") == NULL; i++) {
		f->l.ended = 0;
		open_source(f, START_EARLIEST, 0, 100);
		WAIT(f, f->l.ended > 0);
	}
	assert_int_equal(f->l.why.code, ERR_SESSION);
	assert_int_equal(f->renewals, 5);
	assert_non_null(strstr(f->l.why.text, "5 access tokens"));
}

/* Tokens in JWT form, which Salesforce documents for REST only: said where one is refused for good. */
static void
test_token_form(void **state)
{
	static const struct {
		const char *name, *token;
		enum error_code renewal;
		bool hint;
	} rows[] = {
	    {"refused again", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", ERR_OK, true},
	    {"nobody renews", "eyJh.b.c", ERR_SESSION, true},
	    {"login refused", "eyJh.b.c", ERR_CREDENTIALS, true},
	    {"login service down", "eyJh.b.c", ERR_UNAVAILABLE, false},
	    {"too many logins", "eyJh.b.c", ERR_OVERLOADED, false},
	    {"opaque", "00Dxx0000001gER!AR8AQF.a.b", ERR_CREDENTIALS, false},
	    {"two parts", "eyJh.b", ERR_CREDENTIALS, false},
	};
	struct fixture *f = *state;

	fake.good_token = "none";
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT, why = ERROR_INIT;
		struct pubsub_topic topic;

		if (rows[i].renewal == ERR_OK) {
			set_token(f, "old");
			f->new_token = rows[i].token;
			assert_int_equal(pubsub_get_topic_wait(f->pubsub, TOPIC, &topic, &e), -1);
		} else {
			set_token(f, rows[i].token);
			error_set(&e, ERR_SESSION, "refused");
			error_set(&why, rows[i].renewal, "no");
			error_hint(&why, "as it was");
			pubsub_refused(f->pubsub, &e, &why);
			assert_int_equal(e.code, rows[i].renewal);
		}
		if ((strstr(e.hint, "the access token is a JWT") != NULL) != rows[i].hint)
			fail_msg("%s: %s", rows[i].name, e.hint);
		if (rows[i].renewal == ERR_UNAVAILABLE || rows[i].renewal == ERR_OVERLOADED)
			assert_string_equal(e.hint, "as it was");
	}
}

static void
test_free_while_busy(void **state)
{
	struct fixture *f = *state;
	static struct topics_answered t; /* answered by teardown */

	fake.events = 100;
	fake.schema_held = true;
	open_source(f, START_EARLIEST, 0, 1000);
	WAIT(f, fake.schema_calls == 1);
	pubsub_get_topic(f->pubsub, TOPIC, count_topic, &t);
	/* teardown frees all of it */
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    ROW(test_events),
	    ROW(test_resume),
	    ROW(test_credit),
	    ROW(test_request_rate),
	    ROW(test_close_inside),
	    ROW(test_watchdog),
	    ROW(test_schema_wait),
	    ROW(test_schema_after_end),
	    ROW(test_close_while_waiting),
	    ROW(test_schema_errors),
	    ROW(test_bad_event),
	    ROW(test_renewal),
	    ROW(test_one_renewal),
	    ROW(test_renewal_fails),
	    ROW(test_token_form),
	    ROW(test_free_while_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

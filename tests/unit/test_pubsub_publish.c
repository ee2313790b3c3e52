/* salesforce/: publishing, by call and by stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pubsub_peer.h"
#include "salesforce/pubsub_publish.h"

struct publishing {
	struct fixture *f;
	struct pubsub_publisher *publisher;
	int sent, batch, batches;
	int answers, good, refused, quota, failed;
	bool maybe_stored;
	struct error why;
};

static void
make_events(struct pubsub_publish_event *events, char ids[][40], int from, int count)
{
	for (int i = 0; i < count; i++) {
		snprintf(ids[i], 40, "event-%d", from + i);
		events[i] = (struct pubsub_publish_event){
		    text_of(ids[i]), text_of("one"), text_of("payload")};
	}
}

static void send_batch(struct publishing *p);

static void
take_results(void *context, const struct pubsub_publish_result *results, size_t count,
    const struct error *why, bool maybe_stored)
{
	struct publishing *p = context;

	p->answers++;
	for (size_t i = 0; i < count; i++) {
		p->good += results[i].code == ERR_OK && results[i].replay_id.len == 10 &&
			   text_starts(results[i].id, "event-");
		p->refused +=
		    results[i].code == ERR_REFUSED && text_is(results[i].message, "no good");
		p->quota += results[i].code == ERR_QUOTA;
	}
	if (results == NULL) {
		p->failed++;
		p->why = *why;
		p->maybe_stored = maybe_stored;
	}
	if (p->publisher != NULL && p->sent < p->batches)
		send_batch(p);
}

static void
send_batch(struct publishing *p)
{
	struct pubsub_publish_event events[100];
	char ids[100][40];

	make_events(events, ids, p->sent * p->batch + 1, p->batch);
	p->sent++;
	assert_true(pubsub_publisher_send(p->publisher, events, (size_t)p->batch, take_results, p));
	assert_false(pubsub_publisher_send(p->publisher, events, 1, take_results, p));
}

static void
test_publish(void **state)
{
	struct fixture *f = *state;
	struct publishing p = {.f = f};
	struct pubsub_publish_event events[10];
	char ids[10][40];

	fake.refuse = 3;
	fake.quota = 5;
	fake.good_token = "new"; /* renewed on the way */
	make_events(events, ids, 1, 10);
	pubsub_publish(f->pubsub, TOPIC, events, 10, take_results, &p);
	WAIT(f, p.answers > 0);
	assert_int_equal(p.good, 8);
	assert_int_equal(p.refused, 1);
	assert_int_equal(p.quota, 1);
	assert_int_equal(f->renewals, 1);
	assert_int_equal(fake.published, 10);
}

/* Whoever got no answer is not told that nothing was stored: it would be sent again. */
static void
test_publish_unanswered(void **state)
{
	struct fixture *f = *state;
	struct publishing p = {.f = f};
	struct pubsub_publish_event event;
	char ids[1][40];

	fake.mute = true;
	make_events(&event, ids, 1, 1);
	pubsub_publish(f->pubsub, TOPIC, &event, 1, take_results, &p);
	WAIT(f, p.answers > 0);
	assert_int_equal(p.failed, 1);
	assert_int_equal(fake.published, 1);
	assert_int_equal(p.why.code, ERR_UNAVAILABLE);
	assert_true(p.maybe_stored);
}

static void
test_publish_stream(void **state)
{
	struct fixture *f = *state;
	struct publishing p = {.f = f, .batch = 7, .batches = 20};

	fake.good_token = "new";
	p.publisher = pubsub_publisher_new(f->pubsub, TOPIC);
	send_batch(&p);
	WAIT(f, p.answers == 20);
	assert_int_equal(p.good, 140);
	assert_int_equal(fake.publish_streams, 1);
	assert_int_equal(f->renewals, 1);
	assert_true(order_begins("1 2 3 4 5 6 7 8 9 10 11 "));
	/* idle for a minute: closed, and opened again when needed */
	fake.half_closed = false;
	turned_ms += 61000;
	WAIT(f, fake.half_closed);
	p.batches++;
	send_batch(&p);
	WAIT(f, p.answers == 21);
	if (p.failed > 0)
		fail_msg("the send behind the idle minute failed: %s", p.why.text);
	assert_int_equal(fake.publish_streams, 2);
	assert_int_equal(p.good, 147);
	pubsub_publisher_free(p.publisher);
}

/* A stream that breaks with a send unanswered: told as open, never sent again; the next send opens
 * another. */
static void
test_publish_break(void **state)
{
	struct fixture *f = *state;
	struct publishing p = {.f = f, .batch = 5, .batches = 4};

	fake.break_after = 2;
	fake.end_at = 20;
	p.publisher = pubsub_publisher_new(f->pubsub, TOPIC);
	send_batch(&p);
	WAIT(f, p.answers == 4);
	assert_int_equal(p.failed, 1);
	assert_true(p.maybe_stored);
	assert_int_equal(p.why.code, ERR_UNAVAILABLE);
	assert_int_equal(p.good, 15);
	assert_int_equal(fake.published, 15);
	assert_int_equal(fake.publish_streams, 2);
	/* an end in good order between two sends is nobody's business */
	for (int i = 5; i <= 6; i++) {
		p.batches++;
		send_batch(&p);
		WAIT(f, p.answers == i);
		WAIT(f, fake.ended == i - 4); /* the server's side of it; then what it has sent has come when nothing more does */
		while (loop_step(f->loop, 300))
			;
	}
	assert_int_equal(p.failed, 1);
	assert_int_equal(p.good, 25);
	assert_int_equal(fake.publish_streams, 3);
	pubsub_publisher_free(p.publisher);
}

static void
test_publish_unreached(void **state)
{
	struct fixture *f = *state;
	struct publishing p = {.f = f, .batch = 5, .batches = 1};
	int port = f->peer.port;

	peer_stop(&f->peer);
	p.publisher = pubsub_publisher_new(f->pubsub, TOPIC);
	send_batch(&p);
	WAIT(f, p.answers == 1);
	assert_int_equal(p.failed, 1);
	assert_false(p.maybe_stored);
	assert_int_equal(p.why.code, ERR_UNAVAILABLE);
	pubsub_publisher_free(p.publisher);
	peer_start(&f->peer, port, NULL, NULL, serve, NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    ROW(test_publish),
	    ROW(test_publish_unanswered),
	    ROW(test_publish_stream),
	    ROW(test_publish_break),
	    ROW(test_publish_unreached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

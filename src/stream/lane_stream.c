/* The ingest stream that the batches of one sink go out on: one after another, for as long as there are batches. */
#include "base/log.h"
#include "stream/internal.h"

/* At most this many streams of a table are opened at once, and then one a second: the vendor counts 100 a minute as misuse. */
#define OPEN_BURST 20
#define OPEN_INTERVAL_MS 1000
/* A stream that is refused before a row was sent on it: not a row's fault, and not one that passes. */
#define REFUSED_EMPTY_MAX 3

/* ---- what comes from the sink */

static void
on_opened(void *context)
{
	struct lane *l = context;

	if (l->state != STREAM_OPENING)
		return;
	l->state = STREAM_OPEN;
	l->writable = true;
	log_debug("stream", "ingest stream to %s is open", l->name);
	engine_wake(l->engine, engine_now(l->engine));
}

static void
on_writable(void *context)
{
	struct lane *l = context;

	l->writable = true;
	engine_wake(l->engine, engine_now(l->engine));
}

/* Acknowledgements count in every state but none: what is durable is durable. */
static void
on_acknowledged(void *context, int64_t batches)
{
	struct lane *l = context;
	struct engine *e = l->engine;
	int64_t fresh = batches - l->acked, now;

	if (l->state == STREAM_NONE || fresh <= 0)
		return;
	now = engine_now(e);
	if (fresh > (int64_t)l->sent) {
		log_warn("stream", "%s: more batches were acknowledged (%lld) than sent; opening a new stream",
		    l->name, (long long)batches);
		l->cancelled_for = RETRY_SINK_FAILED;
		lane_cancel(l, now);
		return;
	}
	suspects_note_pace(l, now - lane_at(l, 0)->sent_ms, now);
	while (fresh-- > 0) {
		struct batch *b = lane_at(l, 0);
		size_t rows = b->count;

		if (fresh == 0)
			suspects_note_witness(l, b, now);
		for (size_t i = 0; i < rows; i++)
			lane_row_done(&b->rows[i]);
		e->statistics.stored += (int64_t)rows;
		e->statistics.stored_bytes += (int64_t)b->bytes.len;
		l->sent--;
		lane_remove(l, b);
		refusal_passed(l, rows);
	}
	l->acked = batches;
	l->progress_ms = e->last_durable_ms = now;
	l->failures = l->session_failures = l->refusals = 0;
	engine_wake(e, now);
}

static void
on_closing(void *context, int64_t pause_ms)
{
	struct lane *l = context;

	if (l->state != STREAM_OPEN)
		return;
	log_info("stream", "%s: the server closes the ingest stream; %zu batches wait for it", l->name,
	    l->sent);
	l->state = STREAM_PAUSED;
	if (pause_ms > l->engine->options.close_wait_ms)
		pause_ms = l->engine->options.close_wait_ms;
	l->state_until_ms = engine_now(l->engine) + (pause_ms > 0 ? pause_ms : 0);
	l->engine->statistics.retries[RETRY_SINK_CLOSING]++;
	engine_wake(l->engine, engine_now(l->engine));
}

static void
refused(struct lane *l, size_t outstanding, const struct error *why, int64_t now)
{
	struct error error = *why;

	l->engine->statistics.retries[RETRY_SINK_REFUSED]++;
	if (outstanding > 0) {
		refusal_begin(l, outstanding, why, now);
		return;
	}
	if (++l->refusals < REFUSED_EMPTY_MAX) {
		error.code = ERR_UNAVAILABLE;
		l->open_at_ms = engine_retry(l->engine, "ingest stream to", l->name, &error, &l->failures,
		    &l->session_failures, now);
		return;
	}
	error_wrap(&error, "%s refuses the ingest stream itself", l->name);
	l->broken = true;
	engine_fail(l->engine, &error);
}

static void
on_ended(void *context, const struct error *why)
{
	struct lane *l = context;
	struct engine *e = l->engine;
	int64_t now = engine_now(e);
	enum stream_state before = l->state;
	size_t outstanding = l->sent;
	struct error error = *why;
	enum retry_reason reason;

	if (before == STREAM_NONE)
		return;
	l->state = STREAM_NONE;
	l->writable = false;
	l->sent = 0;
	l->acked = 0;
	engine_wake(e, now);
	if (error.code == ERR_REFUSED && before != STREAM_CANCELLED) {
		refused(l, outstanding, why, now);
		return;
	}
	if (outstanding > 0)
		suspects_doubt(l, outstanding, now);
	if (e->phase >= PHASE_FINISHING)
		return;
	if (before == STREAM_CANCELLED) {
		reason = l->cancelled_for;
		error_set(&error, ERR_UNAVAILABLE, "%s", reason == RETRY_SINK_SILENT ?
			"no acknowledgement in time" :
			"the stream was given up");
	} else if (error.code == ERR_OK) {
		/* as asked, after a close signal, or an idle stream that the server let go: routine */
		if (before == STREAM_FINISHING || before == STREAM_PAUSED ||
		    (outstanding == 0 && before == STREAM_OPEN))
			return;
		error_set(&error, ERR_UNAVAILABLE, outstanding > 0 ?
			"the server ended the stream with rows unacknowledged" :
			"the server ended the stream before it was open");
		reason = RETRY_SINK_FAILED;
	} else {
		reason = error_disposition(error.code) == DISPOSITION_RETRY_SLOWLY ? RETRY_SINK_SLOWED :
		    error_disposition(error.code) == DISPOSITION_LOG_IN_AGAIN	   ? RETRY_SINK_SESSION :
										     RETRY_SINK_FAILED;
	}
	if (error_disposition(error.code) == DISPOSITION_STOP) {
		error_wrap(&error, "ingest stream to %s", l->name);
		l->broken = true;
		engine_fail(e, &error);
		return;
	}
	e->statistics.retries[reason]++;
	l->open_at_ms = engine_retry(e, "ingest stream to", l->name, &error, &l->failures,
	    &l->session_failures, now);
	if (l->open_at_ms == NEVER)
		l->broken = true;
}

static void
on_found(void *context, const bool *found, size_t count, const struct error *why)
{
	struct lane *l = context;

	suspects_found(l, found, count, why);
	engine_wake(l->engine, engine_now(l->engine));
}

static const struct sink_events lane_events = {
    .opened = on_opened,
    .writable = on_writable,
    .acknowledged = on_acknowledged,
    .closing = on_closing,
    .ended = on_ended,
    .found = on_found,
};

const struct sink_events *
lane_sink_events(void)
{
	return &lane_events;
}

void
lane_finish(struct lane *l, int64_t now)
{
	if (l->state == STREAM_OPENING) {
		lane_cancel(l, now);
	} else if (l->state == STREAM_OPEN || l->state == STREAM_PAUSED) {
		l->state = STREAM_FINISHING;
		l->state_until_ms = now + l->engine->options.open_timeout_ms;
		l->sink->ops->finish(l->sink);
	}
}

void
lane_cancel(struct lane *l, int64_t now)
{
	if (l->state == STREAM_NONE || l->state == STREAM_CANCELLED)
		return;
	l->state = STREAM_CANCELLED;
	l->state_until_ms = now + l->engine->options.open_timeout_ms;
	l->sink->ops->cancel(l->sink);
}

/* ---- acting */

static int64_t
open_stream(struct lane *l, int64_t now)
{
	int64_t *spent = &l->spread->open_spent_ms, earliest = *spent - OPEN_BURST * OPEN_INTERVAL_MS;

	if (earliest < l->open_at_ms)
		earliest = l->open_at_ms;
	if (now < earliest)
		return earliest;
	*spent = (*spent > now ? *spent : now) + OPEN_INTERVAL_MS;
	l->state = STREAM_OPENING;
	l->state_until_ms = now + l->engine->options.open_timeout_ms;
	l->acked = 0;
	l->cancelled_for = RETRY_SINK_FAILED;
	l->sink->ops->open(l->sink, &lane_events, l);
	return l->state_until_ms;
}

/*
 * Before any row of the batch goes out: a position that covers all of them is durable. The rows count as sent from
 * here on, so that no store on the way (for another topic's rows, say) can take the cover away again.
 */
static bool
cover(struct lane *l, const struct batch *b, int64_t now)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct row *r = &b->rows[i];

		if (r->number > r->feed->sent_number)
			r->feed->sent_number = r->number;
		r->feed->sent_ms = now;
	}
	for (size_t i = b->count; i-- > 0;) { /* the last ones first: one store covers the rest */
		const struct row *r = &b->rows[i];

		if (!ledger_cover(l->engine, r->feed, r->number, now))
			return false;
	}
	return true;
}

static void
note_sent(struct lane *l, struct batch *b, int64_t now)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->rows[i].sent) {
			l->engine->statistics.resent++;
			l->engine->statistics.resent_bytes += (int64_t)(b->ends[i] - (i > 0 ? b->ends[i - 1] : 0));
		}
	b->sent_ms = now;
	if (l->sent == 0)
		l->progress_ms = now;
	l->sent++;
}

/* What is left of a fenced batch whose rows were all in the table holds up the next ones until the fence is clear. */
static void
drop_hollow(struct lane *l, int64_t now)
{
	while (l->sent < l->count && lane_at(l, l->sent)->count == 0 &&
	    spread_is_clear(l->spread, lane_at(l, l->sent))) {
		lane_remove(l, lane_at(l, l->sent));
		engine_wake(l->engine, now);
	}
}

/* Sends what may be sent; returns when more will have to be. */
static int64_t
send_batches(struct lane *l, int64_t now)
{
	while (l->writable && l->sent < l->count) {
		struct batch *b = lane_at(l, l->sent);
		int64_t due = b->begun_ms + l->engine->options.linger_ms;
		struct rows rows;

		if (b->suspects > 0 || (l->careful && l->sent > 0) || !spread_is_clear(l->spread, b))
			return NEVER;
		if (!b->closed && l->sent > 0 && now < due && engine_is_running(l->engine))
			return due;
		b->closed = true;
		if (!cover(l, b, now))
			return NEVER;
		rows = batch_rows(b);
		if (l->sink->ops->send(l->sink, &rows) == 0) {
			l->writable = false;
			l->blocked_ms = now;
			return NEVER;
		}
		note_sent(l, b, now);
		drop_hollow(l, now);
	}
	return NEVER;
}

/* Since when the server has owed us something; NEVER: it does not. */
static int64_t
owed_since(const struct lane *l)
{
	int64_t since;

	if (l->sent == 0)
		return l->writable ? NEVER : l->blocked_ms;
	since = lane_at(l, 0)->sent_ms;
	/* only acknowledgements count as life: a half-dead server may well send other things */
	return since > l->progress_ms ? since : l->progress_ms;
}

static int64_t
tick_open(struct lane *l, int64_t now)
{
	int64_t next = send_batches(l, now), since = owed_since(l), due;

	if (since == NEVER)
		return next;
	due = since + l->engine->options.ack_timeout_ms;
	if (now < due)
		return due < next ? due : next;
	log_warn("stream", "%s: no acknowledgement for %lld ms with %zu batches under way; opening a new stream",
	    l->name, (long long)(now - since), l->sent);
	l->cancelled_for = RETRY_SINK_SILENT;
	lane_cancel(l, now);
	return l->state_until_ms;
}

static int64_t
tick_stream(struct lane *l, int64_t now)
{
	const struct batch *next = l->sent < l->count ? lane_at(l, l->sent) : NULL;
	bool ready = next != NULL && next->count > 0 && next->suspects == 0;

	switch (l->state) {
	case STREAM_NONE:
		return ready && !l->broken && l->engine->phase < PHASE_FINISHING ? open_stream(l, now) : NEVER;
	case STREAM_OPENING:
		if (now < l->state_until_ms)
			return l->state_until_ms;
		log_warn("stream", "%s: the ingest stream did not open in time", l->name);
		lane_cancel(l, now);
		return NEVER;
	case STREAM_OPEN:
		return tick_open(l, now);
	case STREAM_PAUSED:
		if (l->sent > 0 && now < l->state_until_ms)
			return l->state_until_ms;
		lane_finish(l, now);
		return l->state_until_ms;
	case STREAM_FINISHING:
		if (now < l->state_until_ms)
			return l->state_until_ms;
		lane_cancel(l, now);
		return NEVER;
	case STREAM_CANCELLED:
		break;
	}
	return NEVER;
}

int64_t
lane_tick(struct lane *l, int64_t now)
{
	int64_t asking, sending;

	if (!l->broken && l->engine->phase >= PHASE_DRAINING && l->sent < l->count &&
	    spread_is_stuck(l->spread, lane_at(l, l->sent))) {
		l->broken = true; /* nor can this lane send more */
		engine_wake(l->engine, now);
	}
	if (l->broken && l->state == STREAM_NONE)
		return NEVER;
	drop_hollow(l, now);
	asking = suspects_tick(l, now);
	sending = tick_stream(l, now);
	return asking < sending ? asking : sending;
}

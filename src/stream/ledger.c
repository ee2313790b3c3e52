/*
 * Storing positions. Two rules, and all that the next run knows rests on them: a stored position lies behind no
 * event that is not durable; and it covers, by in_flight, every event that was sent behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "stream/internal.h"

/* With nothing sent for so long the record says that nothing is in flight: a death then costs no look-up. */
#define SETTLE_MS 1000
#define HEADROOM_LEAST 64
#define HEADROOM_MOST (1 << 17)

/* Events behind `number` that may be in the table without our having seen to it. */
static int64_t
uncovered(const struct feed *f, int64_t number)
{
	int64_t reach = feed_reach(f);

	if (reach == INT64_MAX)
		return INT64_MAX;
	return reach > number ? reach - number : 0;
}

/* The same with room for what will be sent before the next store. What an earlier run left needs none. */
static int64_t
with_headroom(const struct feed *f, int64_t number)
{
	int64_t needed = uncovered(f, number);
	int64_t sent = f->sent_number > f->cover_wanted ? f->sent_number : f->cover_wanted;
	int64_t room = (sent > number ? sent - number : 0) + f->headroom;

	return needed > room ? needed : room;
}

/*
 * As much room as is used up between two stores, so that sending does not wait for the disk more often than
 * positions are stored anyway; and little for a trickle, so that a death costs few look-ups.
 */
static void
adapt_headroom(struct feed *f, int64_t since_ms, int64_t interval_ms)
{
	int64_t used = f->sent_number - f->sent_at_store;

	if (f->headroom == 0)
		f->headroom = HEADROOM_LEAST;
	if (f->recorded && f->cover_wanted > 0 && since_ms < interval_ms && f->headroom < HEADROOM_MOST)
		f->headroom *= 2;
	else if (used < f->headroom / 8 && f->headroom > HEADROOM_LEAST)
		f->headroom /= 2;
	f->sent_at_store = f->sent_number;
}

static bool
has_moved(const struct feed *f, const struct position *p)
{
	return p->kind != f->stored.kind || !replay_id_equal(&p->replay_id, &f->stored.replay_id);
}

/* Nothing is in flight, and has not been for a while. *at: when that will be so, unless something is sent. */
static bool
is_quiet(const struct feed *f, int64_t number, int64_t now, int64_t *at)
{
	*at = NEVER;
	if (uncovered(f, number) > 0 || f->cover_wanted > 0)
		return false;
	if (f->sent_number == 0 || now - f->sent_ms >= SETTLE_MS)
		return true;
	*at = f->sent_ms + SETTLE_MS;
	return false;
}

/* The record says that something is in flight, and nothing is. *at as above. */
static bool
has_settled(const struct feed *f, int64_t number, int64_t now, int64_t *at)
{
	*at = NEVER;
	return f->stored.in_flight != 0 && is_quiet(f, number, now, at);
}

static int64_t
in_flight_to_store(const struct feed *f, int64_t number, int64_t now, bool final)
{
	int64_t at;

	if (final || is_quiet(f, number, now, &at) || (f->sent_number == 0 && f->cover_wanted == 0))
		return uncovered(f, number);
	return with_headroom(f, number);
}

static bool
wants_storing(const struct feed *f, const struct position *p, int64_t number, int64_t now, bool final)
{
	int64_t at;

	if (f->cover_wanted > 0 || has_moved(f, p) || has_settled(f, number, now, &at))
		return true;
	return final && f->stored.in_flight != p->in_flight;
}

int
ledger_store(struct engine *e, int64_t now, bool final, struct error *error)
{
	size_t count = 0;
	int64_t number;

	for (size_t i = 0; i < e->feed_count; i++) {
		struct feed *f = e->feeds[i];
		struct position p;

		f->storing = false;
		if (!feed_position(f, &p, &number))
			continue;
		adapt_headroom(f, now - e->ledger_last_ms, e->options.position_interval_ms);
		p.in_flight = in_flight_to_store(f, number, now, final);
		f->storing = wants_storing(f, &p, number, now, final);
		if (!f->storing)
			continue;
		e->updates[count++] = (struct position_update){
		    f->source->topic, p, f->window.prints, f->window.print_count};
	}
	e->ledger_last_ms = now;
	if (count == 0)
		return 0;
	if (e->positions.store(e->positions.context, e->updates, count, error) != 0) {
		e->unrecordable = true;
		return -1;
	}
	e->statistics.positions_stored++;
	for (size_t i = 0, at_update = 0; i < e->feed_count; i++) {
		struct feed *f = e->feeds[i];
		struct position p;

		if (!f->storing)
			continue;
		feed_position(f, &p, &number);
		f->stored = e->updates[at_update++].position;
		f->stored_number = number;
		f->recorded = true;
		f->window.print_count = 0;
		f->covered_until = f->stored.in_flight == INT64_MAX ? INT64_MAX : number + f->stored.in_flight;
		f->cover_wanted = 0;
	}
	return 0;
}

bool
ledger_cover(struct engine *e, struct feed *f, int64_t number, int64_t now)
{
	struct error error = ERROR_INIT;

	if (f->recorded && number <= f->covered_until)
		return true;
	f->cover_wanted = number;
	if (ledger_store(e, now, false, &error) == 0)
		return true;
	engine_fail(e, &error);
	return false;
}

/* When the first record will have to say that nothing is in flight any more. */
static int64_t
settling(const struct engine *e, int64_t now)
{
	int64_t next = NEVER;

	for (size_t i = 0; i < e->feed_count; i++) {
		struct position p;
		int64_t number, at;

		if (feed_position(e->feeds[i], &p, &number) && !has_settled(e->feeds[i], number, now, &at) && at < next)
			next = at;
	}
	return next;
}

int64_t
ledger_tick(struct engine *e, int64_t now)
{
	int64_t due = e->ledger_last_ms + e->options.position_interval_ms;
	struct error error = ERROR_INIT;
	bool news = false, soon = false;

	for (size_t i = 0; i < e->feed_count; i++) {
		const struct feed *f = e->feeds[i];
		struct position p;
		int64_t number, at;

		if (!feed_position(f, &p, &number))
			continue;
		if (has_moved(f, &p) || has_settled(f, number, now, &at))
			news = true;
		/* at the tip even the first event's place is worth keeping: the next run would begin at a later tip */
		if (number - f->stored_number >= e->options.position_events ||
		    (f->stored.kind == POSITION_AFTER && f->stored.replay_id.len == 0))
			soon = true;
	}
	if (news && now < due && !soon)
		return due;
	if (news && ledger_store(e, now, false, &error) != 0) {
		engine_fail(e, &error);
		return now + (e->options.position_interval_ms > 0 ? e->options.position_interval_ms : 1);
	}
	return settling(e, now);
}

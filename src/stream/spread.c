/*
 * The rows of one table over its ingest streams. Rows of one record go out in the order in which they came: as long as
 * one of them is under way, the next goes the same way; an event of several records whose rows are under way on
 * several streams waits for all that came before it, on all of them.
 *
 * What is under way is told by the serial numbers of batches, which rise along every lane: nothing of a batch is left
 * once its lane begins with a later one. So nothing has to be kept for each row.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "stream/internal.h"

/* Records share slots by their hash, which costs a detour at worst. */
#define SLOTS 4096

/* Where the last row of a slot's records went. */
struct spread_slot {
	uint64_t serial;
	uint32_t lane;
};

struct spread *
spread_new(struct engine *e, struct sink *first)
{
	struct spread *s = memory_zero(1, sizeof(*s));

	for (struct sink *sink = first; sink != NULL; sink = sink->next)
		s->count++;
	s->lanes = memory_zero(s->count, sizeof(struct lane *));
	for (size_t i = 0; i < s->count; i++, first = first->next)
		s->lanes[i] = lane_new(e, s, i, first);
	s->place = recent_place(&e->recent, s->lanes[0]->sink->table);
	if (s->count > 1) {
		s->slots = memory_zero(SLOTS, sizeof(*s->slots));
		s->whole = memory_zero(1, sizeof(*s->whole));
	}
	return s;
}

void
spread_free(struct spread *s)
{
	for (size_t i = 0; i < s->count; i++)
		lane_free(s->lanes[i]);
	free(s->lanes);
	free(s->slots);
	free(s->whole);
	free(s->followers);
	free(s);
}

static uint64_t
first_serial(const struct lane *l)
{
	uint64_t queued = l->count > 0 ? lane_at(l, 0)->serial : UINT64_MAX;

	return l->refused != NULL && l->refused->serial < queued ? l->refused->serial : queued;
}

static bool
is_under_way(const struct spread *s, const struct spread_slot *slot)
{
	return first_serial(s->lanes[slot->lane]) <= slot->serial;
}

static size_t
slot_of(struct text key)
{
	uint64_t h = text_hash(key);

	return (h ^ h >> 32) % SLOTS;
}

/* An id that is none, or stands for many: "", "000000000000000AAA", "001*" (wire/cdc-events.md). */
static bool
names_record(struct text id)
{
	return id.len > 0 && memchr(id.data, '*', id.len) == NULL && !text_starts(id, "000000000000000");
}

/* Whether the event may concern any record of its object. */
static bool
is_of_all(const struct event *event)
{
	if (!event->is_change)
		return false;
	for (size_t i = 0; i < event->record_ids.count; i++)
		if (!names_record(event->record_ids.items[i]))
			return true;
	return event->record_ids.count == 0;
}

/* Rows without any key: a batch here, a batch there, where the least waits. */
static struct lane *
in_turn(struct spread *s)
{
	struct lane *l = s->lanes[s->turn];
	size_t best = (s->turn + 1) % s->count;

	if (l->count > 0 && !lane_at(l, l->count - 1)->closed)
		return l;
	for (size_t i = 2; i <= s->count; i++) {
		size_t other = (s->turn + i) % s->count;

		if (s->lanes[other]->count < s->lanes[best]->count)
			best = other;
	}
	s->turn = best;
	return s->lanes[best];
}

static struct lane *
by_records(struct spread *s, const struct event *event, bool *fenced)
{
	const struct text_list *ids = &event->record_ids;
	struct lane *to = s->lanes[slot_of(ids->items[0]) % s->count];
	bool found = false;

	for (size_t i = 0; i < ids->count; i++) {
		const struct spread_slot *slot = &s->slots[slot_of(ids->items[i])];

		if (!is_under_way(s, slot))
			continue;
		*fenced |= found && s->lanes[slot->lane] != to;
		if (!found)
			to = s->lanes[slot->lane];
		found = true;
	}
	return to;
}

struct lane *
spread_choose(struct spread *s, const struct event *event, bool *fenced)
{
	*fenced = false;
	if (s->count == 1)
		return s->lanes[0];
	if (!event->is_change)
		return event->id.len > 0 ? s->lanes[slot_of(event->id) % s->count] : in_turn(s);
	/* whatever the event before it was about, this one goes behind it */
	if (is_under_way(s, s->whole))
		return s->lanes[s->whole->lane];
	if (!is_of_all(event))
		return by_records(s, event, fenced);
	*fenced = true;
	return s->lanes[0];
}

void
spread_took(struct spread *s, const struct event *event, const struct lane *l)
{
	struct spread_slot now;

	if (s->count == 1 || !event->is_change)
		return;
	now = (struct spread_slot){.serial = lane_at(l, l->count - 1)->serial, .lane = (uint32_t)l->index};
	if (is_of_all(event)) {
		*s->whole = now;
		return;
	}
	for (size_t i = 0; i < event->record_ids.count; i++)
		s->slots[slot_of(event->record_ids.items[i])] = now;
}

void
spread_fence(struct spread *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->lanes[i]->count > 0)
			lane_at(s->lanes[i], s->lanes[i]->count - 1)->closed = true;
}

bool
spread_is_clear(const struct spread *s, const struct batch *b)
{
	for (size_t i = 0; b->fenced && i < s->count; i++)
		if (first_serial(s->lanes[i]) < b->serial)
			return false;
	return true;
}

bool
spread_is_stuck(const struct spread *s, const struct batch *b)
{
	for (size_t i = 0; b->fenced && i < s->count; i++)
		if (s->lanes[i]->broken && first_serial(s->lanes[i]) < b->serial)
			return true;
	return false;
}

bool
spread_is_open(const struct spread *s)
{
	bool any = false;

	for (size_t i = 0; i < s->count; i++) {
		if (s->lanes[i]->state == STREAM_OPEN)
			any = true;
		else if (!lane_is_empty(s->lanes[i]))
			return false;
	}
	return any;
}

/* ---- events taken before */

static bool
is_all_past(const struct spread *s, uint64_t serial)
{
	for (size_t i = 0; i < s->count; i++)
		if (first_serial(s->lanes[i]) <= serial)
			return false;
	return true;
}

void
spread_release(struct spread *s)
{
	while (s->follower_count > 0 && is_all_past(s, s->followers[s->follower_head].serial)) {
		struct follower *f = &s->followers[s->follower_head];

		s->follower_head++;
		s->follower_count--;
		feed_row_done(f->feed, f->sequence);
	}
	if (s->follower_count == 0)
		s->follower_head = 0;
}

void
spread_follow(struct spread *s, struct feed *f, uint64_t sequence)
{
	if (s->follower_head > 0 && s->follower_head + s->follower_count == s->follower_capacity) {
		memmove(s->followers, s->followers + s->follower_head, s->follower_count * sizeof(*s->followers));
		s->follower_head = 0;
	}
	s->followers = memory_reserve(s->followers, &s->follower_capacity, s->follower_head + s->follower_count + 1,
	    sizeof(*s->followers));
	s->followers[s->follower_head + s->follower_count++] =
	    (struct follower){f, sequence, s->lanes[0]->engine->pool.begun};
	spread_release(s);
}

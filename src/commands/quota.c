#include "commands/quota.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

#define DELIVERY "DailyDeliveredPlatformEvents"
#define LOW_MS 300000	     /* when little is left; the figures lag so long anyway */
#define DENIED_MS 86400000   /* rights may be granted meanwhile */
#define RECOVERED_PERCENT 15 /* from here on a quota is warned about anew */

/* What these commands spend; the publisher's and the bulk jobs' are not theirs. */
static const struct {
	const char *key, *when_spent;
} watched[] = {
	{DELIVERY, "when they are used up, events wait for at most 72 hours"},
	{"MonthlyPlatformEventsUsageEntitlement", "when they are used up, events wait for at most 72 hours"},
	{"MonthlyPlatformEvents", "when they are used up, events wait for at most 72 hours"},
	{"DailyApiRequests", "when they are used up, logins and look-ups over REST are refused"},
};
#define WATCHED (sizeof(watched) / sizeof(watched[0]))

struct quota {
	struct app *app;
	int64_t interval_ms;
	struct loop_timer timer;
	bool asking, started;
	int level[WATCHED]; /* the highest that was warned about */
	_Atomic int64_t remaining, max; /* of DELIVERY; -1: not known; the first answer comes on the worker */
	/* the worker's while asking */
	struct salesforce_limit limits[SALESFORCE_LIMITS_MAX];
	size_t count;
	int rc;
	struct error error;
};

/*
 * Which warning is due: 0 none, 1 below a tenth, 2 below a twentieth, 3 below a hundredth, 4 nothing left. Unlimited and
 * unused entitlements are given as 0 of 0: nothing is left of them, and nobody misses it.
 */
static int
quota_level(int64_t remaining, int64_t max)
{
	double left;

	if (max <= 0)
		return 0;
	if (remaining <= 0)
		return 4;
	left = (double)remaining / (double)max;
	return left < 0.01 ? 3 : left < 0.05 ? 2 : left < 0.1 ? 1 : 0;
}

static void
judge(struct quota *q, size_t i, const struct salesforce_limit *l)
{
	int level = quota_level(l->remaining, l->max);

	if (level > q->level[i]) {
		log_warn("limits", "%lld of %lld %s, are left: %s", (long long)(l->remaining > 0 ? l->remaining : 0),
		    (long long)l->max, l->words, watched[i].when_spent);
		q->level[i] = level;
	} else if (q->level[i] > 0 && (double)l->remaining * 100 >= (double)l->max * RECOVERED_PERCENT) {
		log_info("limits", "%lld of %lld %s, are left again", (long long)l->remaining, (long long)l->max, l->words);
		q->level[i] = 0;
	}
}

static void
take(struct quota *q)
{
	if (q->rc != 0) {
		log_debug("limits", "what is left of the quotas is not known: %s", q->error.text);
		return;
	}
	for (size_t k = 0; k < q->count; k++) {
		const struct salesforce_limit *l = &q->limits[k];

		if (strcmp(l->key, DELIVERY) == 0) {
			q->remaining = l->remaining;
			q->max = l->max;
		}
		for (size_t i = 0; i < WATCHED; i++)
			if (strcmp(l->key, watched[i].key) == 0)
				judge(q, i, l);
	}
}

static void
work(void *context)
{
	struct quota *q = context;

	error_clear(&q->error);
	q->rc = salesforce_rest_limits(q->app->salesforce, false, q->limits, &q->count, &q->error);
}

/* A stream must start without the answer, too, and not wait long for it. */
int
quota_first(void *context, struct error *unused)
{
	struct quota *q = context;

	(void)unused;
	if (!q->started) {
		work(q);
		take(q);
	}
	return 0;
}

static void ask(void *context);

static void
schedule(struct quota *q)
{
	int64_t wait = q->interval_ms;

	if (q->interval_ms == 0)
		return;
	if (q->rc != 0 && q->error.code == ERR_PERMISSION && wait < DENIED_MS)
		wait = DENIED_MS;
	for (size_t i = 0; i < WATCHED; i++)
		if (q->level[i] > 0 && wait > LOW_MS)
			wait = LOW_MS;
	loop_timer_start(q->app->loop, &q->timer, wait, ask, q);
}

static void
answered(void *context)
{
	struct quota *q = context;

	q->asking = false;
	take(q);
	schedule(q);
}

static void
ask(void *context)
{
	struct quota *q = context;

	q->asking = true;
	worker_submit(q->app->worker, work, answered, q);
}

struct quota *
quota_new(struct app *app, int64_t interval_ms)
{
	struct quota *q = memory_zero(1, sizeof(*q));

	q->app = app;
	q->interval_ms = interval_ms;
	q->remaining = q->max = -1;
	return q;
}

void
quota_free(struct quota *q)
{
	if (q == NULL)
		return;
	if (q->app->loop != NULL) {
		/* a job on the worker holds this; it need not wait for an answer any more */
		if (q->asking)
			salesforce_session_interrupt(q->app->salesforce, true);
		while (q->asking)
			loop_step(q->app->loop, 100);
		loop_timer_stop(q->app->loop, &q->timer);
	}
	free(q);
}

void
quota_start(struct quota *q)
{
	q->started = true;
	if (!q->asking && !loop_timer_is_running(&q->timer))
		schedule(q);
}

void
quota_delivery(const struct quota *q, int64_t *remaining, int64_t *max)
{
	*remaining = q->remaining;
	*max = q->max;
}

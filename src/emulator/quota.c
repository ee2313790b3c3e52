#include "emulator/quota.h"

#include <string.h>

void
quota_init(struct quota *q, const struct clock *clock, uint64_t limit, int64_t window_ms)
{
	memset(q, 0, sizeof *q);
	q->clock = clock;
	q->limit = limit;
	q->step_ms = window_ms / QUOTA_STEPS;
	q->newest = clock_wall_ms(clock) / q->step_ms;
	pthread_mutex_init(&q->lock, NULL);
}

void
quota_release(struct quota *q)
{
	if (q->clock)
		pthread_mutex_destroy(&q->lock);
}

/* Empties the steps that have left the window. A clock that goes back changes nothing. */
static void
move_on(struct quota *q)
{
	int64_t now = clock_wall_ms(q->clock) / q->step_ms;

	if (now - q->newest >= QUOTA_STEPS)
		memset(q->steps, 0, sizeof q->steps);
	else
		for (int64_t i = q->newest + 1; i <= now; i++)
			q->steps[i % QUOTA_STEPS] = 0;
	if (now > q->newest)
		q->newest = now;
}

static uint64_t
sum(struct quota *q)
{
	uint64_t n = 0;

	move_on(q);
	for (int i = 0; i < QUOTA_STEPS; i++)
		n += q->steps[i];
	return n;
}

void
quota_take(struct quota *q, uint64_t count)
{
	pthread_mutex_lock(&q->lock);
	move_on(q);
	q->steps[q->newest % QUOTA_STEPS] += count;
	pthread_mutex_unlock(&q->lock);
}

uint64_t
quota_used(struct quota *q)
{
	uint64_t n;

	pthread_mutex_lock(&q->lock);
	n = sum(q);
	pthread_mutex_unlock(&q->lock);
	return n;
}

uint64_t
quota_left(struct quota *q)
{
	uint64_t used = quota_used(q);

	return used < q->limit ? q->limit - used : 0;
}

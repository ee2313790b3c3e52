/*
 * A quota of the org: so many in any window of time, by the emulator's clock. Forgets in steps of a 24th of the window.
 * Thread-safe.
 */
#ifndef SFZB_EMULATOR_QUOTA_H
#define SFZB_EMULATOR_QUOTA_H

#include <pthread.h>
#include <stdint.h>

#include "base/clock.h"

#define QUOTA_STEPS 24
#define QUOTA_DAY_MS (24 * 3600 * 1000LL)
#define QUOTA_HOUR_MS (3600 * 1000LL)

struct quota {
	const struct clock *clock;
	uint64_t limit;
	int64_t step_ms, newest; /* number of the newest step since 1970 */
	uint64_t steps[QUOTA_STEPS];
	pthread_mutex_t lock;
};

void quota_init(struct quota *q, const struct clock *clock, uint64_t limit, int64_t window_ms);
void quota_release(struct quota *q);
void quota_take(struct quota *q, uint64_t count); /* beyond the limit too */
uint64_t quota_used(struct quota *q);
uint64_t quota_left(struct quota *q);

#endif

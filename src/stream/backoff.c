#include "stream/backoff.h"

/* first ceiling and last one, in ms */
#define OVERLOADED_FIRST 30000
#define OVERLOADED_LAST 600000
#define QUOTA_FIRST 300000
#define QUOTA_LAST 3600000

int64_t
backoff_delay(const struct error *why, unsigned failures, int64_t first, int64_t last,
    struct random *random)
{
	int64_t floor = 0, ceiling;

	if (why->code == ERR_QUOTA) {
		first = QUOTA_FIRST;
		last = QUOTA_LAST;
		floor = QUOTA_FIRST / 2; /* a quota does not come back in a moment */
	} else if (error_disposition(why->code) == DISPOSITION_RETRY_SLOWLY) {
		first = OVERLOADED_FIRST;
		last = OVERLOADED_LAST;
		floor = OVERLOADED_FIRST / 3;
	}
	if (failures > 16)
		failures = 16;
	ceiling = first > last >> failures ? last : first << failures;
	if (floor < why->retry_after_ms)
		floor = why->retry_after_ms;
	if (floor >= ceiling) /* the peer's own wish, spread a little */
		return floor + (int64_t)random_below(random, (uint64_t)first);
	return floor + (int64_t)random_below(random, (uint64_t)(ceiling - floor) + 1);
}

/*
 * How long to wait before the next try: full jitter (a uniform draw up to a doubling ceiling), so that many
 * clients do not come back at once; slower for quotas; never shorter than the peer asked for.
 */
#ifndef SFZB_STREAM_BACKOFF_H
#define SFZB_STREAM_BACKOFF_H

#include <stdint.h>

#include "base/error.h"
#include "base/random.h"

/* the usual first and last ceiling */
#define BACKOFF_FIRST_S 1
#define BACKOFF_LAST_S 60
#define BACKOFF_FIRST_MS (BACKOFF_FIRST_S * 1000)
#define BACKOFF_LAST_MS (BACKOFF_LAST_S * 1000)

/*
 * failures: how many in a row before this one. why: what went wrong. first, last: the ceilings of an ordinary failure;
 * quotas and overloads have their own. All in ms.
 */
int64_t backoff_delay(const struct error *why, unsigned failures, int64_t first, int64_t last,
    struct random *random);

#endif

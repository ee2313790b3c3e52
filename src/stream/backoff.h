/*
 * How long to wait before the next try: full jitter (a uniform draw up to a doubling ceiling), so that many
 * clients do not come back at once; slower for quotas; never shorter than the peer asked for.
 */
#ifndef SFZB_STREAM_BACKOFF_H
#define SFZB_STREAM_BACKOFF_H

#include <stdint.h>

#include "base/error.h"
#include "base/random.h"

/* failures: how many in a row before this one. why: what went wrong. In ms. */
int64_t backoff_delay(const struct error *why, unsigned failures, struct random *random);

#endif

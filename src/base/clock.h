/*
 * Time as an argument: whatever waits or stamps takes a clock, so that tests turn it by hand.
 * Also durations and points in time as people write them.
 */
#ifndef SFZB_BASE_CLOCK_H
#define SFZB_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct clock {
	int64_t (*monotonic_ms)(void *context);
	int64_t (*wall_ms)(void *context); /* ms since 1970-01-01 UTC */
	void *context;
};

extern const struct clock clock_system;

int64_t clock_monotonic_ms(const struct clock *c);
int64_t clock_wall_ms(const struct clock *c);

/* "500ms", "10s", "5m", "2h", "3d", or plain seconds; never negative. */
int clock_parse_duration(const char *s, int64_t *ms, struct error *e);
/* "1.5s", "2m 5s", "3h 20m", "2d 4h": two units at most. Returns out. */
char *clock_format_duration(char *out, size_t size, int64_t ms);

/*
 * A point in time: RFC 3339 ("2026-11-01T10:00:00Z", "2026-11-01T10:00Z", "2026-11-01 10:00", "2026-11-01";
 * UTC unless an offset is given), "now", or a duration back from now ("2h", "2h ago").
 */
int clock_parse_time(const char *s, int64_t now_ms, int64_t *ms, struct error *e);
#define CLOCK_TIME_SIZE 72
/* "2026-11-01T10:00:00.123Z". Returns out, of at least CLOCK_TIME_SIZE bytes. */
char *clock_format_time(char *out, int64_t ms);

#endif

/*
 * The engine's figures for machines: Prometheus text (version 0.0.4) and the health answers that go with it.
 * One list names every metric, its kind, its words and where its value comes from; the man page is made from it.
 */
#ifndef SFZB_STREAM_METRICS_H
#define SFZB_STREAM_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "stream/engine.h"

/* What the engine does not know by itself. */
struct metrics_extra {
	int64_t now_wall_ms;
	int64_t token_refreshes;
	int64_t start_wall_ms;
	/* when all that had come was acknowledged, and when it was stored as well, for the last time; 0: never. By metrics_note */
	int64_t acked_wall_ms, stored_wall_ms;
	/* the org's delivery quota of 24 hours; -1: unknown */
	int64_t delivery_remaining, delivery_max;
};

struct metric {
	const char *name; /* "sfzb_events_received_total" */
	const char *kind; /* "counter" or "gauge" */
	const char *help;
};

/* All of them, in the order in which they are written; ends with a NULL name. */
extern const struct metric metrics_list[];

/* Now and then, so that the lags know since when there may be one. now_wall_ms is used and nothing else of extra. */
void metrics_note(struct metrics_extra *extra, const struct engine_statistics *s);
void metrics_write(struct buffer *out, const struct engine_statistics *s,
    const struct metrics_extra *extra);

/*
 * Ready: every source and every sink that there is work for is open, and the run is not stopping. Appends one line that
 * says what is missing.
 */
bool metrics_ready(struct buffer *out, const struct engine_statistics *s);

#endif

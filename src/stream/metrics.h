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

void metrics_write(struct buffer *out, const struct engine_statistics *s,
    const struct metrics_extra *extra);

/*
 * Ready: every source and every sink that there is work for is open, and the run is not stopping. Appends one line that
 * says what is missing.
 */
bool metrics_ready(struct buffer *out, const struct engine_statistics *s);

#endif

/*
 * A SQL warehouse: takes statements, starts when the first one comes (after its start time), runs each on a thread, and keeps
 * results for polling (wire/databricks-http.md §6). All functions may be called from any thread.
 */
#ifndef SFZB_EMULATOR_SQL_WAREHOUSE_H
#define SFZB_EMULATOR_SQL_WAREHOUSE_H

#include "base/buffer.h"
#include "emulator/lakehouse.h"
#include "emulator/sql.h"

struct warehouse;

struct warehouse_options {
	struct lakehouse *lakehouse;
	const struct clock *clock;
	int64_t poll_lag_ms; /* that a poll is behind */
	int64_t start_ms; /* from the first statement to RUNNING; 0: it always runs */
};

struct warehouse *warehouse_open(const struct warehouse_options *o);
/* Cancels what runs, so that who waits in warehouse_submit has an answer soon; takes no more. NULL is fine. */
void warehouse_end(struct warehouse *w);
/* The same, and waits for it. Nobody may be in another function. */
void warehouse_close(struct warehouse *w);

enum warehouse_state { WAREHOUSE_STOPPED, WAREHOUSE_STARTING, WAREHOUSE_RUNNING };
enum warehouse_state warehouse_state(struct warehouse *w);
void warehouse_start(struct warehouse *w);
void warehouse_stop(struct warehouse *w);
uint64_t warehouse_statements(struct warehouse *w);

/*
 * Submits a copy of the request (its cancel is not looked at) and waits up to wait_ms. Appends the answer's JSON and fills id.
 * cancel_late: cancels it when it has not ended by then.
 */
void warehouse_submit(struct warehouse *w, const struct spark_request *q, int64_t wait_ms, bool cancel_late,
    struct buffer *answer);
/* false: no such statement. */
bool warehouse_poll(struct warehouse *w, const char *id, struct buffer *answer);
bool warehouse_cancel(struct warehouse *w, const char *id);
/* 1 appended, 0 no such statement, -1 no such chunk (or it has none yet). */
int warehouse_chunk(struct warehouse *w, const char *id, size_t chunk, struct buffer *answer);

#endif

/*
 * The event loop: one gRPC completion queue, one thread. Everything in the program that waits,
 * waits here: calls, timers, and what other threads hand over.
 *
 * All functions but loop_post are for the loop's own thread. Callbacks run from loop_run and
 * loop_step only.
 */
#ifndef SFZB_RPC_LOOP_H
#define SFZB_RPC_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

struct loop;

typedef void loop_function(void *context);

/* Initialises gRPC too. Never fails. clock is borrowed. */
struct loop *loop_new(const struct clock *clock);
/*
 * Every call must have ended, every channel and worker been freed. What was posted and has not run
 * is dropped. Shuts gRPC down with the last loop.
 */
void loop_free(struct loop *l);
const struct clock *loop_clock(const struct loop *l);

/* Runs until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/*
 * Waits at most timeout_ms (-1: for ever) for one event and handles what is ready. false: nothing
 * came. Not for use inside callbacks.
 */
bool loop_step(struct loop *l, int64_t timeout_ms);

/* Runs f(context) on the loop's thread, in the order of posting. From any thread. */
void loop_post(struct loop *l, loop_function *f, void *context);

/* A one-shot timer, placed by value and zero-initialised; starting a running one moves it. */
struct loop_timer {
	int64_t due_ms; /* monotonic */
	loop_function *f;
	void *context;
	size_t slot; /* place in the heap + 1; 0: not running */
};
void loop_timer_start(
    struct loop *l, struct loop_timer *t, int64_t delay_ms, loop_function *f, void *context);
void loop_timer_stop(struct loop *l, struct loop_timer *t);
bool loop_timer_is_running(const struct loop_timer *t);

/*
 * Blocking work for a second thread: work runs there, done afterwards on the loop's thread. Jobs of
 * one worker run one at a time, in order. worker_free waits for the running job, calls done for
 * what is finished, and drops the jobs that have not begun: neither their work nor their done is
 * called.
 */
struct worker;
struct worker *worker_new(struct loop *l, const char *name);
void worker_free(struct worker *w);
void worker_submit(struct worker *w, loop_function *work, loop_function *done, void *context);

/*
 * Signals as loop callbacks. loop_signals_block must be called once, before any thread and before
 * loop_new, so that every thread inherits the mask; the handler then runs on the loop's thread.
 */
void loop_signals_block(void); /* SIGINT SIGTERM SIGHUP SIGUSR1; and ignores SIGPIPE */
typedef void loop_signal_function(void *context, int signal_number);
void loop_signals_handle(struct loop *l, loop_signal_function *f, void *context);

#endif

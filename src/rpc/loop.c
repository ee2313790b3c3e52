#include "rpc/loop.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <grpc/support/log.h>
#include <grpc/support/time.h>

#include "base/log.h"
#include "base/memory.h"
#include "rpc/native.h"

/* Events handled by one step before timers get their turn again. */
#define STEP_EVENTS_MAX 256
#define DESCRIPTORS_MIN 24 /* about as many as a stream has open */
#define SCRATCH_KEEP_BYTES (4 * 1024 * 1024)

struct post {
	loop_function *f;
	void *context;
};

struct post_queue {
	struct post *items;
	size_t count, capacity;
};

struct loop {
	const struct clock *clock;
	grpc_completion_queue *queue;
	bool stopped;

	struct loop_timer **timers; /* binary heap, soonest first */
	size_t timer_count, timer_capacity;

	/*
	 * Other threads wake the loop with an empty batch on a call that is never started: gRPC
	 * completes it at once. One wake is under way at a time.
	 */
	grpc_channel *wake_channel;
	grpc_call *wake_call;
	struct loop_op wake;
	pthread_mutex_t lock; /* guards posts and waking */
	struct post_queue posts;
	struct post_queue running; /* the loop's own, swapped with posts */
	bool waking;

	struct buffer scratch;
	struct worker *workers;
	struct signals *signals;
};

static void
log_from_grpc(gpr_log_func_args *args)
{
	log_debug("grpc", "%s:%d: %s", args->file, args->line, args->message);
}

grpc_completion_queue *
loop_queue(struct loop *l)
{
	return l->queue;
}

struct buffer *
loop_scratch(struct loop *l)
{
	if (l->scratch.capacity > SCRATCH_KEEP_BYTES)
		buffer_release(&l->scratch);
	buffer_clear(&l->scratch);
	return &l->scratch;
}

struct worker **
loop_workers(struct loop *l)
{
	return &l->workers;
}

struct signals **
loop_signals(struct loop *l)
{
	return &l->signals;
}

const struct clock *
loop_clock(const struct loop *l)
{
	return l->clock;
}

/* Posts. */

static void
run_posts(struct loop_op *op, bool ok)
{
	struct loop *l = (struct loop *)((char *)op - offsetof(struct loop, wake));
	struct post_queue mine;

	(void)ok;
	pthread_mutex_lock(&l->lock);
	mine = l->posts;
	l->posts = l->running;
	l->posts.count = 0;
	/* Whoever posts from now on wakes anew; a callback may step the loop, so its array is ours
	 * alone. */
	l->running = (struct post_queue){.items = NULL};
	l->waking = false;
	pthread_mutex_unlock(&l->lock);
	for (size_t i = 0; i < mine.count; i++)
		mine.items[i].f(mine.items[i].context);
	free(l->running.items);
	l->running = mine;
}

void
loop_post(struct loop *l, loop_function *f, void *context)
{
	bool wake;

	pthread_mutex_lock(&l->lock);
	l->posts.items = memory_reserve(
	    l->posts.items, &l->posts.capacity, l->posts.count + 1, sizeof(l->posts.items[0]));
	l->posts.items[l->posts.count++] = (struct post){f, context};
	wake = !l->waking;
	l->waking = true;
	pthread_mutex_unlock(&l->lock);
	if (wake) {
		grpc_call_error rc = grpc_call_start_batch(l->wake_call, NULL, 0, &l->wake, NULL);

		assert(rc == GRPC_CALL_OK);
		(void)rc;
	}
}

/* Timers. */

static void
heap_place(struct loop *l, size_t i, struct loop_timer *t)
{
	l->timers[i] = t;
	t->slot = i + 1;
}

static void
heap_up(struct loop *l, size_t i, struct loop_timer *t)
{
	while (i > 0 && l->timers[(i - 1) / 2]->due_ms > t->due_ms) {
		heap_place(l, i, l->timers[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_place(l, i, t);
}

static void
heap_down(struct loop *l, size_t i, struct loop_timer *t)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= l->timer_count)
			break;
		if (child + 1 < l->timer_count &&
		    l->timers[child + 1]->due_ms < l->timers[child]->due_ms)
			child++;
		if (l->timers[child]->due_ms >= t->due_ms)
			break;
		heap_place(l, i, l->timers[child]);
		i = child;
	}
	heap_place(l, i, t);
}

void
loop_timer_start(
    struct loop *l, struct loop_timer *t, int64_t delay_ms, loop_function *f, void *context)
{
	loop_timer_stop(l, t);
	t->due_ms = clock_monotonic_ms(l->clock) + (delay_ms > 0 ? delay_ms : 0);
	t->f = f;
	t->context = context;
	l->timers =
	    memory_reserve(l->timers, &l->timer_capacity, l->timer_count + 1, sizeof(l->timers[0]));
	heap_up(l, l->timer_count++, t);
}

void
loop_timer_stop(struct loop *l, struct loop_timer *t)
{
	struct loop_timer *last;
	size_t i;

	if (t->slot == 0)
		return;
	i = t->slot - 1;
	t->slot = 0;
	last = l->timers[--l->timer_count];
	if (last == t)
		return;
	if (i > 0 && l->timers[(i - 1) / 2]->due_ms > last->due_ms)
		heap_up(l, i, last);
	else
		heap_down(l, i, last);
}

bool
loop_timer_is_running(const struct loop_timer *t)
{
	return t->slot != 0;
}

/* Runs what is due now; a timer that starts itself again with no delay has to wait for the next
 * step. */
static bool
run_timers(struct loop *l)
{
	int64_t now = clock_monotonic_ms(l->clock);
	bool any = false;

	for (size_t n = l->timer_count; n > 0 && l->timer_count > 0 && l->timers[0]->due_ms <= now;
	     n--) {
		struct loop_timer *t = l->timers[0];

		loop_timer_stop(l, t);
		t->f(t->context);
		any = true;
	}
	return any;
}

/* Stepping. */

static gpr_timespec
deadline_of(struct loop *l, int64_t timeout_ms)
{
	if (timeout_ms == 0)
		return gpr_inf_past(GPR_CLOCK_MONOTONIC);
	if (l->timer_count > 0) {
		int64_t wait = l->timers[0]->due_ms - clock_monotonic_ms(l->clock);

		if (wait < 0)
			wait = 0;
		if (timeout_ms < 0 || wait < timeout_ms)
			timeout_ms = wait;
	}
	if (timeout_ms < 0)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return gpr_time_add(
	    gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

bool
loop_step(struct loop *l, int64_t timeout_ms)
{
	bool any = run_timers(l);
	gpr_timespec deadline = deadline_of(l, any ? 0 : timeout_ms);

	for (int i = 0; i < STEP_EVENTS_MAX && !(l->stopped && any); i++) {
		grpc_event event = grpc_completion_queue_next(l->queue, deadline, NULL);

		if (event.type != GRPC_OP_COMPLETE)
			break;
		((struct loop_op *)event.tag)->done(event.tag, event.success != 0);
		any = true;
		deadline = gpr_inf_past(GPR_CLOCK_MONOTONIC);
	}
	if (run_timers(l))
		any = true;
	return any;
}

void
loop_run(struct loop *l)
{
	while (!l->stopped)
		loop_step(l, -1);
	l->stopped = false;
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
}

/* Life. */

/* Where it cannot have its first few, gRPC ends the process in words of its own. */
static void
need_descriptors(void)
{
	int fds[DESCRIPTORS_MIN];
	size_t n = 0;

	while (n < DESCRIPTORS_MIN && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	if (n < DESCRIPTORS_MIN)
		memory_give_up("too few file descriptors: raise the limit (ulimit -n)");
}

struct loop *
loop_new(const struct clock *clock)
{
	struct loop *l = memory_zero(1, sizeof(*l));

	/* names are looked up as curl looks them up, by the system's resolver, and not by c-ares,
	 * which leaks */
	setenv("GRPC_DNS_RESOLVER", "native", 0);
	need_descriptors();
	if (getenv("GRPC_VERBOSITY") == NULL)
		gpr_set_log_function(log_from_grpc);
	grpc_init();
	l->clock = clock;
	l->queue = grpc_completion_queue_create_for_next(NULL);
	l->wake.done = run_posts;
	l->wake_channel = grpc_lame_client_channel_create("wake", GRPC_STATUS_UNAVAILABLE, "wake");
	l->wake_call = grpc_channel_create_call(l->wake_channel, NULL, GRPC_PROPAGATE_DEFAULTS,
	    l->queue, grpc_slice_from_static_string("/wake"), NULL,
	    gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void
loop_free(struct loop *l)
{
	grpc_event event;

	if (l == NULL)
		return;
	assert(l->workers == NULL);
	signals_free(l->signals);
	grpc_call_unref(l->wake_call);
	grpc_channel_destroy(l->wake_channel);
	grpc_completion_queue_shutdown(l->queue);
	/* A wake may still be queued; what it would run is dropped. */
	do
		event =
		    grpc_completion_queue_next(l->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	while (event.type != GRPC_QUEUE_SHUTDOWN);
	grpc_completion_queue_destroy(l->queue);
	for (size_t i = 0; i < l->timer_count; i++)
		l->timers[i]->slot = 0;
	pthread_mutex_destroy(&l->lock);
	free(l->posts.items);
	free(l->running.items);
	free(l->timers);
	buffer_release(&l->scratch);
	free(l);
	grpc_shutdown();
}

/* Signals as loop callbacks: all are blocked everywhere, one thread waits for them and posts. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "rpc/loop.h"
#include "rpc/native.h"

static const int signal_numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
#define SIGNAL_COUNT (sizeof(signal_numbers) / sizeof(signal_numbers[0]))

struct signals {
	struct loop *loop;
	loop_signal_function *f;
	void *context;
	pthread_t thread;
	atomic_bool stopping;
	atomic_uint pending[SIGNAL_COUNT]; /* how often each came and was not handled yet */
};

static void
signal_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		sigaddset(set, signal_numbers[i]);
}

void
loop_signals_block(void)
{
	sigset_t set;

	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* a peer that hangs up is an error of the write, not the end of the process */
	signal(SIGPIPE, SIG_IGN);
}

static void
deliver(void *context)
{
	struct signals *s = context;

	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		for (unsigned n = atomic_exchange(&s->pending[i], 0); n > 0; n--)
			s->f(s->context, signal_numbers[i]);
}

static void *
wait_for_signals(void *context)
{
	struct signals *s = context;
	sigset_t set;
	int number;

	signal_set(&set);
	for (;;) {
		if (sigwait(&set, &number) != 0)
			continue;
		if (atomic_load(&s->stopping))
			return NULL;
		for (size_t i = 0; i < SIGNAL_COUNT; i++)
			if (signal_numbers[i] == number)
				atomic_fetch_add(&s->pending[i], 1);
		loop_post(s->loop, deliver, s);
	}
}

void
loop_signals_handle(struct loop *l, loop_signal_function *f, void *context)
{
	struct signals *s = *loop_signals(l);

	if (s != NULL) {
		s->f = f;
		s->context = context;
		return;
	}
	s = memory_zero(1, sizeof(*s));
	s->loop = l;
	s->f = f;
	s->context = context;
	if (pthread_create(&s->thread, NULL, wait_for_signals, s) != 0)
		memory_give_up("out of memory or threads (no thread can be started)");
	pthread_setname_np(s->thread, "signals");
	*loop_signals(l) = s;
}

void
signals_free(struct signals *s)
{
	if (s == NULL)
		return;
	atomic_store(&s->stopping, true);
	pthread_kill(s->thread, SIGUSR1);
	pthread_join(s->thread, NULL);
	free(s);
}

/* A second thread for what blocks: takes jobs in order and hands each back to the loop. */
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "rpc/loop.h"
#include "rpc/native.h"

struct job {
	struct job *next;
	loop_function *work, *done;
	void *context;
};

struct job_list {
	struct job *first, **last;
};

struct worker {
	struct worker *next; /* in the loop's list */
	struct loop *loop;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct job_list waiting, finished;
	bool stopping;
};

static void
list_init(struct job_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void
list_append(struct job_list *list, struct job *j)
{
	j->next = NULL;
	*list->last = j;
	list->last = &j->next;
}

static struct job *
list_take(struct job_list *list)
{
	struct job *j = list->first;

	if (j != NULL && (list->first = j->next) == NULL)
		list->last = &list->first;
	return j;
}

static void
deliver(void *context)
{
	worker_deliver(context);
}

static void *
work(void *context)
{
	struct worker *w = context;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct job *j;

		while (w->waiting.first == NULL && !w->stopping)
			pthread_cond_wait(&w->wake, &w->lock);
		if (w->stopping)
			break;
		j = list_take(&w->waiting);
		pthread_mutex_unlock(&w->lock);
		j->work(j->context);
		pthread_mutex_lock(&w->lock);
		list_append(&w->finished, j);
		loop_post(w->loop, deliver, w->loop);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static struct job *
take_finished(struct worker *w)
{
	struct job *j;

	pthread_mutex_lock(&w->lock);
	j = list_take(&w->finished);
	pthread_mutex_unlock(&w->lock);
	return j;
}

static void
run_done(struct job *j)
{
	struct job copy = *j;

	free(j);
	if (copy.done != NULL)
		copy.done(copy.context);
}

void
worker_deliver(struct loop *l)
{
	struct worker *w = *loop_workers(l);

	while (w != NULL) {
		struct job *j = take_finished(w);

		if (j == NULL) {
			w = w->next;
			continue;
		}
		run_done(j);
		/* done may have freed any worker */
		w = *loop_workers(l);
	}
}

struct worker *
worker_new(struct loop *l, const char *name)
{
	struct worker *w = memory_zero(1, sizeof(*w));
	char short_name[16] = "";

	w->loop = l;
	list_init(&w->waiting);
	list_init(&w->finished);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	if (pthread_create(&w->thread, NULL, work, w) != 0)
		memory_give_up("out of memory or threads (no thread can be started)");
	for (size_t i = 0; i < sizeof(short_name) - 1 && name[i] != '\0'; i++)
		short_name[i] = name[i];
	pthread_setname_np(w->thread, short_name);
	w->next = *loop_workers(l);
	*loop_workers(l) = w;
	return w;
}

void
worker_submit(struct worker *w, loop_function *f, loop_function *done, void *context)
{
	struct job *j = memory_zero(1, sizeof(*j));

	j->work = f;
	j->done = done;
	j->context = context;
	pthread_mutex_lock(&w->lock);
	list_append(&w->waiting, j);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void
worker_free(struct worker *w)
{
	struct worker **at;
	struct job *j;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	for (at = loop_workers(w->loop); *at != w; at = &(*at)->next)
		;
	*at = w->next;
	while ((j = list_take(&w->finished)) != NULL)
		run_done(j);
	while ((j = list_take(&w->waiting)) != NULL)
		free(j);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

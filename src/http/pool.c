#include "http/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "base/random.h"

struct member {
	struct http_client *client;
	bool busy;
	struct member *next;
};

struct http_pool {
	struct http_options http;
	char *ca_file, *user_agent;
	const struct clock *clock;
	void (*sleep)(void *context, int64_t ms);
	void *sleep_context;
	pthread_mutex_t mutex;
	pthread_cond_t interruption;
	struct member *members; /* only ever grows: as many as threads that asked at once */
	struct random random;
	bool interrupted;
};

struct http_pool *
http_pool_new(const struct http_pool_options *o)
{
	struct http_pool *p = memory_zero(1, sizeof(*p));
	pthread_condattr_t attributes;

	p->http = o->http;
	p->http.ca_file = p->ca_file = memory_strdup(o->http.ca_file);
	p->http.user_agent = p->user_agent = memory_strdup(o->http.user_agent);
	p->clock = o->clock != NULL ? o->clock : &clock_system;
	p->sleep = o->sleep;
	p->sleep_context = o->sleep_context;
	if (o->seed != 0)
		random_seed(&p->random, o->seed);
	else
		random_seed_system(&p->random);
	pthread_mutex_init(&p->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&p->interruption, &attributes);
	pthread_condattr_destroy(&attributes);
	return p;
}

void
http_pool_free(struct http_pool *p)
{
	if (p == NULL)
		return;
	for (struct member *m = p->members, *next; m != NULL; m = next) {
		next = m->next;
		http_client_free(m->client);
		free(m);
	}
	pthread_cond_destroy(&p->interruption);
	pthread_mutex_destroy(&p->mutex);
	free(p->ca_file);
	free(p->user_agent);
	free(p);
}

const struct clock *
http_pool_clock(const struct http_pool *p)
{
	return p->clock;
}

static struct member *
take(struct http_pool *p)
{
	struct member *m;

	pthread_mutex_lock(&p->mutex);
	for (m = p->members; m != NULL && m->busy; m = m->next)
		;
	if (m == NULL) {
		m = memory_zero(1, sizeof(*m));
		m->client = http_client_new(&p->http);
		http_client_interrupt(m->client, p->interrupted);
		m->next = p->members;
		p->members = m;
	}
	m->busy = true;
	pthread_mutex_unlock(&p->mutex);
	return m;
}

int
http_pool_perform(struct http_pool *p, const struct http_request *q, struct http_response *r,
    struct error *e)
{
	struct member *m = take(p);
	int rc = http_perform(m->client, q, r, e);

	pthread_mutex_lock(&p->mutex);
	m->busy = false;
	pthread_mutex_unlock(&p->mutex);
	return rc;
}

void
http_pool_interrupt(struct http_pool *p, bool on)
{
	pthread_mutex_lock(&p->mutex);
	p->interrupted = on;
	for (struct member *m = p->members; m != NULL; m = m->next)
		http_client_interrupt(m->client, on);
	pthread_cond_broadcast(&p->interruption);
	pthread_mutex_unlock(&p->mutex);
}

bool
http_pool_is_interrupted(struct http_pool *p)
{
	bool interrupted;

	pthread_mutex_lock(&p->mutex);
	interrupted = p->interrupted;
	pthread_mutex_unlock(&p->mutex);
	return interrupted;
}

int
http_pool_pause(struct http_pool *p, int64_t ms, struct error *e)
{
	struct timespec until;
	bool interrupted;

	if (p->sleep != NULL) {
		p->sleep(p->sleep_context, ms);
		interrupted = http_pool_is_interrupted(p);
	} else {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += (time_t)(ms / 1000);
		until.tv_nsec += (long)(ms % 1000) * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_mutex_lock(&p->mutex);
		while (!p->interrupted &&
		    pthread_cond_timedwait(&p->interruption, &p->mutex, &until) == 0)
			;
		interrupted = p->interrupted;
		pthread_mutex_unlock(&p->mutex);
	}
	return interrupted ? error_set(e, ERR_INTERRUPTED, "interrupted") : 0;
}

int64_t
http_pool_jitter(struct http_pool *p, int64_t bound)
{
	int64_t n;

	pthread_mutex_lock(&p->mutex);
	n = bound > 0 ? (int64_t)random_below(&p->random, (uint64_t)bound) : 0;
	pthread_mutex_unlock(&p->mutex);
	return n;
}

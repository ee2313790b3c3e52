/*
 * A thread that cannot be started ends the process. gRPC does not look whether its threads began: what it gives to one that
 * did not lies there for ever, and calls, deadlines, pauses or its shutdown wait without a word. So the program has a
 * pthread_create of its own, which the libraries call, too.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/memory.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_ITS_OWN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_ITS_OWN
#endif

#ifndef HAS_ITS_OWN

#define TRIES 20
#define PAUSE_NS 50000000

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

__attribute__((visibility("default"))) int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*f)(void *), void *context)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	create_function *real;
	int rc;

	*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	rc = real(thread, attributes, f, context);
	/* others may just be ending theirs */
	for (int i = 1; i < TRIES && rc == EAGAIN; i++) {
		nanosleep(&pause, NULL);
		rc = real(thread, attributes, f, context);
	}
	if (rc == EAGAIN)
		memory_give_up("out of memory or threads (no thread can be started)");
	return rc;
}

#endif

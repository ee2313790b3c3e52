#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void (*last_resort)(const char *why);

void
memory_set_last_resort(void (*f)(const char *why))
{
	last_resort = f;
}

void
memory_give_up(const char *why)
{
	if (last_resort != NULL)
		last_resort(why);
	fprintf(stderr, "sfzb: %s\n", why);
	abort();
}

bool
memory_is_out(size_t bytes)
{
	void *volatile p = malloc(bytes); /* volatile: or nobody would ask for it */

	free(p);
	return p == NULL;
}

static void *
check(void *p, size_t bytes)
{
	char why[64];

	if (p == NULL && bytes > 0) {
		snprintf(why, sizeof(why), "out of memory (%zu bytes)", bytes);
		memory_give_up(why);
	}
	return p;
}

void *
memory_alloc(size_t bytes)
{
	return check(malloc(bytes ? bytes : 1), bytes);
}

void *
memory_zero(size_t count, size_t bytes)
{
	return check(calloc(count ? count : 1, bytes ? bytes : 1), count);
}

void *
memory_grow(void *p, size_t count, size_t bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, bytes, &total))
		check(NULL, SIZE_MAX);
	return check(realloc(p, total ? total : 1), total);
}

char *
memory_strdup(const char *s)
{
	return s == NULL ? NULL : memory_strndup(s, strlen(s));
}

char *
memory_strndup(const char *s, size_t len)
{
	char *copy = memory_alloc(len + 1);

	if (len > 0)
		memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *
memory_format(const char *format, ...)
{
	va_list ap;
	char *s = NULL;

	va_start(ap, format);
	if (vasprintf(&s, format, ap) < 0)
		s = NULL;
	va_end(ap);
	return check(s, 1);
}

void *
memory_reserve(void *p, size_t *capacity, size_t need, size_t element_bytes)
{
	size_t cap = *capacity ? *capacity : 8;

	if (need <= *capacity)
		return p;
	while (cap < need)
		cap *= 2;
	p = memory_grow(p, cap, element_bytes);
	*capacity = cap;
	return p;
}

#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
check(void *p, size_t bytes)
{
	if (p == NULL && bytes > 0) {
		fprintf(stderr, "sfzb: out of memory (%zu bytes)\n", bytes);
		abort();
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

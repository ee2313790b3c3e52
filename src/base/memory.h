/*
 * Allocation for what the program itself sizes: these end the process when memory is out, so callers need no
 * error path. What a peer sizes (a message, a schema, a row) goes through a ceiling in
 * base/limits.h first.
 */
#ifndef SFZB_BASE_MEMORY_H
#define SFZB_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

void *memory_alloc(size_t bytes);		  /* not zeroed */
void *memory_zero(size_t count, size_t bytes);	  /* zeroed */
void *memory_grow(void *p, size_t count, size_t bytes); /* realloc of count * bytes, overflow checked */
char *memory_strdup(const char *s);		  /* NULL stays NULL */
char *memory_strndup(const char *s, size_t len);  /* NUL-terminated copy of exactly len bytes */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * What is done when memory, or a thread, cannot be had: it must not return, nor allocate. NULL: a line on standard error,
 * then abort. why: "out of memory (512 bytes)".
 */
void memory_set_last_resort(void (*f)(const char *why));
void memory_give_up(const char *why) __attribute__((noreturn));
/*
 * For whoever was told of a strange failure by a library: so many bytes cannot be had. A TLS connection takes some
 * megabytes, and has given them back by the time it has failed.
 */
#define MEMORY_OF_EVENT ((size_t)1 << 20)
#define MEMORY_OF_CONNECTION ((size_t)32 << 20)
bool memory_is_out(size_t bytes);

/* Doubles *capacity until it holds need elements of the given size. */
void *memory_reserve(void *p, size_t *capacity, size_t need, size_t element_bytes);

#endif

/*
 * Borrowed text: a pointer and a length, because event data may hold NUL. Never owns memory.
 */
#ifndef SFZB_BASE_TEXT_H
#define SFZB_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	const char *data; /* may be NULL when len is 0 */
	size_t len;	  /* bytes */
};

struct text_list {
	const struct text *items;
	size_t count;
};

#define TEXT_FORMAT "%.*s"
#define TEXT_ARGS(t) (int)(t).len, (t).data ? (t).data : ""

struct text text_of(const char *s); /* of a C string; NULL gives the empty text */
struct text text_span(const void *data, size_t len);
bool text_equal(struct text a, struct text b);
bool text_is(struct text a, const char *s);
bool text_starts(struct text a, const char *prefix);
bool text_ends(struct text a, const char *suffix);
bool text_contains(struct text a, const char *part);
uint64_t text_hash(struct text a); /* FNV-1a; profiles hold it, so it stays as it is */
bool text_is_utf8(struct text a); /* well-formed UTF-8, U+0000 allowed, no surrogates, no overlongs */
char *text_dup(struct text a);	  /* NUL-terminated copy; release with free */

/*
 * For text from a server that goes to a person: copies at most size - 1 bytes to out, control
 * bytes and malformed UTF-8 replaced by '?', line breaks by ' ', always NUL-terminated, "…" at the
 * end when cut. Returns out.
 */
char *text_clean(char *out, size_t size, struct text from);
/* The same of what a person wrote, so that an error that quotes it has room for what it says. Returns out. */
#define TEXT_SHOWN_SIZE 204
char *text_shown(char out[TEXT_SHOWN_SIZE], const char *given);

/* 1234567 → "1,234,567". Returns out. */
#define TEXT_NUMBER_SIZE 32
char *text_number(char out[TEXT_NUMBER_SIZE], int64_t n);
/* "1 event was", "2,000 events were": the number in front of the words that go with it. Returns out. */
#define TEXT_COUNT_SIZE 96
char *text_count(char out[TEXT_COUNT_SIZE], int64_t n, const char *one, const char *many);

/* Glob match with * and ? (no brackets), whole text, case-sensitive. */
bool text_glob(const char *pattern, const char *s);

#endif

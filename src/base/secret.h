/*
 * A secret: a password, a token, a key. Zeroed on release, compared in constant time, and not a
 * char *, so that it cannot slip into a format string: who needs the bytes must say reveal.
 */
#ifndef SFZB_BASE_SECRET_H
#define SFZB_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

struct secret {
	char *bytes; /* NUL-terminated; NULL when unset */
	size_t len;
};

#define SECRET_INIT                                                                                \
	{                                                                                          \
		.bytes = NULL                                                                      \
	}

void secret_init(struct secret *s);
void secret_release(struct secret *s);
void secret_set(struct secret *s, struct text from); /* copies; the source stays the caller's to wipe */
void secret_copy(struct secret *to, const struct secret *from);
void secret_move(struct secret *to, struct secret *from); /* from becomes unset */
bool secret_is_set(const struct secret *s);
bool secret_equal(const struct secret *a, const struct secret *b);
/* The bytes as a C string, "" when unset; borrowed until the secret changes. */
const char *secret_reveal(const struct secret *s);
/* Zeroes memory that held secret bytes; not optimised away. */
void secret_wipe(void *p, size_t len);

#endif

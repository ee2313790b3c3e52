/*
 * The name that was probably meant: for typing errors in commands, options and words.
 */
#ifndef SFZB_CLI_SUGGEST_H
#define SFZB_CLI_SUGGEST_H

#include <stddef.h>

struct suggestion {
	const char *wrong;
	const char *best; /* NULL while none is near enough */
	size_t best_distance;
};

void suggest_init(struct suggestion *s, const char *wrong);
/* name is borrowed as long as the suggestion lives. */
void suggest_consider(struct suggestion *s, const char *name);
/* Edits between two words: insertions, deletions, replacements and swapped neighbours each count 1. */
size_t suggest_distance(const char *a, const char *b);

#endif

#include "cli/suggest.h"

#include <stdint.h>
#include <string.h>

#define WORD_MAX 63

static size_t
smallest(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

size_t
suggest_distance(const char *a, const char *b)
{
	size_t row[3][WORD_MAX + 1];
	size_t la = strlen(a), lb = strlen(b), i, j;

	if (la > WORD_MAX || lb > WORD_MAX)
		return SIZE_MAX;
	for (j = 0; j <= lb; j++)
		row[0][j] = j;
	for (i = 1; i <= la; i++) {
		size_t *now = row[i % 3], *before = row[(i + 2) % 3], *two = row[(i + 1) % 3];

		now[0] = i;
		for (j = 1; j <= lb; j++) {
			now[j] = smallest(before[j] + 1, now[j - 1] + 1,
			    before[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two[j - 2] + 1 < now[j])
				now[j] = two[j - 2] + 1;
		}
	}
	return row[la % 3][lb];
}

void
suggest_init(struct suggestion *s, const char *wrong)
{
	s->wrong = wrong;
	s->best = NULL;
	s->best_distance = strlen(wrong) < 4 ? 2 : strlen(wrong) / 3 + 2;
}

void
suggest_consider(struct suggestion *s, const char *name)
{
	size_t distance = suggest_distance(s->wrong, name);

	/* what was begun rightly and left off counts as near */
	if (distance >= s->best_distance && strlen(s->wrong) >= 3 &&
	    strncmp(s->wrong, name, strlen(s->wrong)) == 0 && s->best == NULL)
		distance = s->best_distance - 1;
	if (distance < s->best_distance) {
		s->best = name;
		s->best_distance = distance;
	}
}

#include "commands/topic_hint.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/suggest.h"
#include "salesforce/topic_name.h"

#define WHOLE_EDITS 2

static const char *
last_part(const char *whole)
{
	const char *slash = strrchr(whole, '/');

	return slash != NULL ? slash + 1 : whole;
}

/*
 * By short names: whole ones have so much in common that any two are near, unless it is
 * that what they have in common is mistyped. Case is a typing error here.
 */
static bool
find_nearest(const struct json *topics, const char *whole, char nearest[TOPIC_NAME_SIZE])
{
	char wrong[TOPIC_NAME_SIZE], name[TOPIC_NAME_SIZE];
	struct suggestion s;

	suggest_init(&s, topic_name_short(wrong, whole));
	for (const struct json *t = json_first(topics); t != NULL; t = json_next(t)) {
		const char *known = json_find_string(t, "name");

		if (known == NULL || strlen(known) >= TOPIC_NAME_SIZE || strcmp(known, whole) == 0)
			continue;
		topic_name_short(name, known);
		if (strcasecmp(name, wrong) == 0) {
			strcpy(nearest, name);
			return true;
		}
		suggest_consider(&s, name);
		if (s.best == name || (s.best == NULL && suggest_distance(last_part(whole), last_part(known)) <= WHOLE_EDITS))
			s.best = strcpy(nearest, name);
	}
	return s.best != NULL;
}

void
topic_hint(struct profile *profile, const char *whole, struct error *e)
{
	char nearest[TOPIC_NAME_SIZE], other[ERROR_HINT_MAX];
	struct json *stored = NULL;
	struct error ignored = ERROR_INIT; /* the list is a help, and no more */

	if (e->code != ERR_NOT_FOUND || profile_load(profile, "topics.json", &stored, &ignored) != 0)
		return;
	if (find_nearest(json_find(stored, "topics"), whole, nearest)) {
		snprintf(other, sizeof(other), "%s", e->hint);
		error_hint(e, "did you mean '%s'?%s%s", nearest, other[0] != '\0' ? " Otherwise: " : "", other);
	}
	json_free(stored);
}

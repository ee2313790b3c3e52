/*
 * A source that lets only some events through: --entity, --change-type, --filter of tail. What is left out is dropped
 * before the engine counts it. Owns nothing; inner stays the caller's.
 */
#ifndef SFZB_COMMANDS_SIFT_H
#define SFZB_COMMANDS_SIFT_H

#include <stdbool.h>

#include "base/error.h"
#include "stream/source.h"

struct sift_source {
	struct source source; /* use this one */
	struct source *inner;
	bool (*passes)(void *context, const struct event *event);
	void *passes_context;
	const struct source_events *events;
	void *context;
	uint32_t allowed; /* of what the owner may still take */
};
void sift_source_init(struct sift_source *s, struct source *inner,
    bool (*passes)(void *context, const struct event *event), void *context);

/* Lists as people write them, "Account,Contact"; NULL: everything. */
bool sift_has_entity(const char *list, const struct event *event);
/* Of CREATE, UPDATE, DELETE, UNDELETE, GAP (all of them), GAP_CREATE …, in either case. ERR_USAGE: another word. */
int sift_check_changes(const char *list, struct error *e);
bool sift_has_change(const char *list, const struct event *event);

#endif

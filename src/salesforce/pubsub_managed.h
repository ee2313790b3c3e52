/*
 * A managed subscription as a source (wire/pubsub.md §7). The server keeps the place and goes on there; an owner that has
 * a position of its own is not left to believe it: when that place has aged out the server goes on elsewhere and
 * does not say so.
 *
 * So a start behind a position is tried first with an ordinary Subscribe, which refuses a lost position aloud and shows the event
 * that must come next (it is delivered twice for that, and counts twice against the quota). Then what the managed
 * subscription delivers before that event is passed over, as it was taken before; where that event does
 * not come and later ones do, the subscription ends with ERR_POSITION.
 *
 * An owner that has been told so and opens at the earliest then gets what lies before the server's place by an ordinary Subscribe,
 * up to the event that the managed subscription would deliver next, and the subscription ends with ERR_OK, to be opened again.
 *
 * A subscription that the server does not know may have just been made: three tries in 30 s.
 *
 * Otherwise a start at the tip or the earliest is the server's affair: it goes on where it was committed last.
 */
#ifndef SFZB_SALESFORCE_PUBSUB_MANAGED_H
#define SFZB_SALESFORCE_PUBSUB_MANAGED_H

#include "salesforce/pubsub.h"

/* topic: the one that the subscription is of. o->managed must be set. */
struct source *pubsub_managed_new(struct pubsub *p, const char *topic, const struct pubsub_source_options *o);
void pubsub_managed_free(struct source *s); /* NULL is fine; as pubsub_source_free */
void pubsub_managed_commit(struct source *s, const struct replay_id *id); /* as pubsub_source_commit */

#endif

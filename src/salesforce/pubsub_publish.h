/*
 * Publishing platform events (wire/pubsub.md §8): one call for a few, a stream for many. Events
 * come encoded, with the schema id that GetTopic named.
 *
 * A send either has a result for each of its events or an error for all. What is sent is never sent
 * again when it may have been stored: the owner is told instead. A token that is refused is renewed
 * and the send repeated, as it was not taken.
 */
#ifndef SFZB_SALESFORCE_PUBSUB_PUBLISH_H
#define SFZB_SALESFORCE_PUBSUB_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/replay_id.h"
#include "base/text.h"
#include "salesforce/pubsub.h"

/* Whoever makes batches keeps to these; an event beyond the last is ERR_REFUSED before it is sent.
 */
#define PUBSUB_PUBLISH_EVENTS 200
#define PUBSUB_PUBLISH_BYTES 2500000	   /* of payloads in a batch */
#define PUBSUB_PUBLISH_EVENT_BYTES 1048576 /* one event */

struct pubsub_publish_event {
	struct text id; /* at most 36 characters; a UUID */
	struct text schema_id;
	struct text payload;
};

struct pubsub_publish_result {
	struct text id;	      /* of the event */
	enum error_code code; /* ERR_OK, ERR_REFUSED, ERR_QUOTA (the hourly one); ERR_UNAVAILABLE:
				 the server said nothing of it */
	struct replay_id replay_id; /* when ERR_OK */
	struct text message;	    /* the server's words when refused, not cleaned */
};

/*
 * results are those of the events in their order, borrowed for the call; NULL with an error.
 * maybe_stored: the error left open whether the events were stored.
 */
typedef void pubsub_publish_done(void *context, const struct pubsub_publish_result *results,
    size_t count, const struct error *why, bool maybe_stored);

/* One unary call. Events are borrowed for the call only. */
void pubsub_publish(struct pubsub *p, const char *topic, const struct pubsub_publish_event *events,
    size_t count, pubsub_publish_done *done, void *context);

/*
 * A stream, one send in flight, so that order is kept. Opens with a send, is half-closed after a
 * minute without one and opened again when needed: nothing of that is seen from outside.
 */
struct pubsub_publisher;
struct pubsub_publisher *pubsub_publisher_new(struct pubsub *p, const char *topic);
/* false while a send is in flight: done tells when the next may come, also from inside it. */
bool pubsub_publisher_send(struct pubsub_publisher *b, const struct pubsub_publish_event *events,
    size_t count, pubsub_publish_done *done, void *context);
/* Ends the stream in good order; of a send in flight nothing is told any more. Not from inside
 * done. */
void pubsub_publisher_free(struct pubsub_publisher *b);

#endif

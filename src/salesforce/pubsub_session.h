/*
 * A Pub/Sub client that lives on a Salesforce session: endpoint, organisation and token come from
 * it, and a refused token is renewed on a second thread while the loop goes on.
 */
#ifndef SFZB_SALESFORCE_PUBSUB_SESSION_H
#define SFZB_SALESFORCE_PUBSUB_SESSION_H

#include "salesforce/pubsub.h"
#include "salesforce/session.h"

struct pubsub_session;

/* profile keeps schemas and may be NULL. All are borrowed until the free. Errors as of pubsub_new.
 */
struct pubsub_session *pubsub_session_open(
    struct loop *l, struct salesforce_session *s, struct profile *profile, struct error *e);
/* As pubsub_free; a renewal that is under way is interrupted. NULL is fine. */
void pubsub_session_free(struct pubsub_session *s);
struct pubsub *pubsub_session_client(struct pubsub_session *s);

#endif

/*
 * A Pub/Sub client's insides, for the files pubsub*.c and schemas.c: beginning calls, unary calls
 * that renew the token, and the one renewal that all refused calls wait for.
 */
#ifndef SFZB_SALESFORCE_PUBSUB_CLIENT_H
#define SFZB_SALESFORCE_PUBSUB_CLIENT_H

#include <protobuf-c/protobuf-c.h>

#include "base/buffer.h"
#include "base/random.h"
#include "rpc/channel.h"
#include "salesforce/codes.h"
#include "salesforce/pubsub.h"

#define PUBSUB_UNARY_MS 30000

struct loop *pubsub_loop(struct pubsub *p);
/* Grows whenever another token is set: a call that was refused under an older one need not renew.
 */
unsigned pubsub_generation(const struct pubsub *p);

/*
 * Begins /eventbus.v1.PubSub/<rpc> with credentials and a fresh trace id, which is put into trace.
 * Whoever gets its `ended` calls pubsub_call_over.
 */
struct call *pubsub_call(struct pubsub *p, const char *rpc, char trace[UUID_SIZE],
    int64_t deadline_ms, const struct call_events *events, void *context);
void pubsub_call_over(struct pubsub *p);
/* As channel_distrust. */
void pubsub_distrust(struct pubsub *p);

void pubsub_pack(struct buffer *out, const ProtobufCMessage *message);

/*
 * done when there is a token newer than generation, or none to be had (ERR_SESSION when nobody
 * renews here). May come from inside.
 */
void pubsub_renew_token(struct pubsub *p, unsigned generation, pubsub_renewed *done, void *context);
/* e: of a call that was refused; renewal: why there is no new token. Leaves in e what to tell the
 * owner. */
void pubsub_refused(struct pubsub *p, struct error *e, const struct error *renewal);
void pubsub_renew_forget(struct pubsub *p, void *context);

/* A failed call that reached the server, and may have done there what it was for. */
bool pubsub_maybe_done(const struct call_status *s);

/* A unary call that is repeated once with a new token. response is borrowed for the call.
 * maybe_done: as above. */
typedef void pubsub_reply(
    void *context, struct text response, const struct error *why, bool maybe_done);
void pubsub_unary(struct pubsub *p, const char *rpc, const char *subject, int64_t deadline_ms,
    const ProtobufCMessage *request, pubsub_reply *reply, void *context);
/* The same for a request that is packed already; takes the buffer's content. */
void pubsub_unary_bytes(struct pubsub *p, const char *rpc, const char *subject, int64_t deadline_ms,
    struct buffer *request, pubsub_reply *reply, void *context);

#endif

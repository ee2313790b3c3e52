/*
 * Every `error-code` of the Pub/Sub API (wire/pubsub.md §6), once: what it means, which error it is
 * to us, what to tell a person. Decides in the order of §5: the trailer, the message's text
 * (proxies strip trailers), the status.
 */
#ifndef SFZB_SALESFORCE_CODES_H
#define SFZB_SALESFORCE_CODES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "rpc/channel.h"

#define PUBSUB_CODE_PREFIX "sfdc.platform.eventbus.grpc."

struct pubsub_code {
	const char *suffix; /* behind the prefix */
	int status;	    /* the gRPC status it comes with, as far as known */
	enum error_code code;
	int64_t pause_ms;    /* the least before the next try; 0: the usual back-off */
	const char *meaning; /* for people */
	const char *hint;    /* what to do next; NULL: nothing */
};

/* All of them, so that tests leave none out. */
const struct pubsub_code *pubsub_codes(size_t *count);
/* By the longest suffix that matches error_code at a dot; else by what message says. NULL: unknown.
 */
const struct pubsub_code *pubsub_code_find(struct text error_code, struct text message);

/* What was asked, for the error's text. NULL members are left out. */
struct pubsub_request {
	const char *endpoint; /* "host:port" */
	const char *rpc;      /* "Subscribe" */
	const char *subject;  /* topic or schema id */
	const char *trace_id; /* x-client-trace-id */
};

/*
 * An error from a status: "Salesforce Subscribe '/data/X': STATUS: message [code] rpcId: …
 * (endpoint, trace id)". Returns -1, or 0 when the status is OK.
 */
int pubsub_error(const struct call_status *s, const struct pubsub_request *r, struct error *e);

#endif

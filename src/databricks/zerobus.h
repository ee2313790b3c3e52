/*
 * The Zerobus client: one ingest stream after another to one table (wire/zerobus.md §3 … §5).
 *
 * It opens a stream (token, create_stream), sends batches with offsets 0, 1, 2 …, passes on what is
 * durable and when the server wants to close, and ends in good order. It keeps no rows and never
 * retries: what is sent again, and when, decides the engine above (stream/sink.h, whose events it
 * speaks). Several clients may share a channel; every callback comes from the loop and never from inside
 * a function of this header.
 */
#ifndef SFZB_DATABRICKS_ZEROBUS_H
#define SFZB_DATABRICKS_ZEROBUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/secret.h"
#include "base/text.h"
#include "databricks/headers.h"
#include "databricks/row.h"
#include "rpc/channel.h"
#include "rpc/loop.h"
#include "stream/sink.h"

/* token may be NULL when the headers (NULL: none) have an authorization of their own. */
typedef void zerobus_token_done(void *done_context, const struct secret *token, const struct headers *headers,
    const struct error *why);

/* Where tokens come from: databricks/session.h on a second thread, or a fake. */
struct zerobus_token_source {
	/*
	 * Gets the token scoped to this table (the name is for the call only: copy it), and headers to send with it. fresh: the last one was
	 * refused, so a cached one will not do. Must call done exactly once, from the loop's thread, at once or
	 * later, with what opens a stream or with the error; also when the stream was cancelled or freed meanwhile.
	 */
	void (*get)(void *context, const char *table, bool fresh, zerobus_token_done *done, void *done_context);
	void *context;
};

#define ZEROBUS_OPEN_TIMEOUT_S 15 /* the default */

struct zerobus_options {
	struct loop *loop;	 /* borrowed, like all that follows but the texts */
	struct channel *channel; /* to the ingest endpoint */
	const char *table;	 /* "main.crm.events", copied */
	enum row_format format;
	struct text descriptor; /* a DescriptorProto, copied; for ROW_PROTO */
	struct zerobus_token_source token;
	const char *principal;	   /* application id, for the GRANT statements of a hint; may be NULL */
	int64_t open_timeout_ms;   /* from open to the server's answer, token included; 0: the default */
	int64_t finish_timeout_ms; /* from finish, or the last acknowledgement after it, to the status; 0: 2000 */
};

struct zerobus;

struct zerobus *zerobus_new(const struct zerobus_options *o);
/* In any state; an open stream is cancelled and no callback follows. The channel may be freed when its calls have ended. */
void zerobus_free(struct zerobus *z);

/*
 * As the operations of the same name in stream/sink.h. `ended` has: ERR_OK after finish when all that was sent is
 * durable, or the server had asked to close (also when it then ends the stream itself); ERR_INTERRUPTED after cancel; else what zerobus_status_error says, or
 * ERR_UNAVAILABLE for an answer that breaks the protocol, and the token's own error. A token that is refused at open gives
 * ERR_SESSION, and ERR_CREDENTIALS when a fresh one is refused as well.
 */
void zerobus_open(struct zerobus *z, const struct sink_events *events, void *context);
int zerobus_send(struct zerobus *z, const struct rows *rows);
void zerobus_finish(struct zerobus *z);
void zerobus_cancel(struct zerobus *z);

/* A descriptor of new columns, for streams from the next open on. */
void zerobus_set_descriptor(struct zerobus *z, struct text descriptor);

/*
 * The one table over all 17 statuses: what one means before (at_open) or after the stream was open. Every printable
 * detail of grpc-status-details-bin goes into the text, what to do into the hint. Returns -1.
 */
int zerobus_status_error(const struct call_status *s, bool at_open, const char *table, const char *principal,
    struct error *e);
/* The strings inside a google.rpc.Status, "; " between them; bounded. Appends nothing when there are none. */
void zerobus_details(struct buffer *out, struct text status_details);

#endif

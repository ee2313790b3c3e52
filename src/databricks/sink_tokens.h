/*
 * What opens the ingest streams of sinks: table tokens from a Databricks session, and headers from a command
 * (databricks/headers.h). Got on a second thread, one after another, and handed over on the loop's. One serves all sinks
 * of a program.
 */
#ifndef SFZB_DATABRICKS_SINK_TOKENS_H
#define SFZB_DATABRICKS_SINK_TOKENS_H

#include "databricks/session.h"
#include "databricks/zerobus.h"
#include "rpc/loop.h"

struct sink_tokens;

/*
 * Loop and session are borrowed; headers_helper: the command, NULL: none. The thread starts with the first token. A helper
 * that fails is a fault (ERR_CREDENTIALS) until it has worked once, and an outage from then on.
 */
struct sink_tokens *sink_tokens_new(struct loop *l, struct databricks_session *session, const char *headers_helper);
/*
 * Waits for a request that is under way (databricks_session_interrupt ends it; a helper is ended); whoever still waits
 * for a token is told ERR_INTERRUPTED.
 */
void sink_tokens_free(struct sink_tokens *t);
struct zerobus_token_source sink_tokens_source(struct sink_tokens *t);

#endif

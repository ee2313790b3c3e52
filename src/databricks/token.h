/*
 * Tokens of a service principal: the plain one and the one that Zerobus takes (wire/databricks-http.md §2).
 * Blocking; used by databricks/session.h, which keeps them.
 */
#ifndef SFZB_DATABRICKS_TOKEN_H
#define SFZB_DATABRICKS_TOKEN_H

#include "databricks/config.h"
#include "http/pool.h"

/*
 * table NULL: a plain token. Else one for that table, and workspace_id names the workspace. ERR_CREDENTIALS when the
 * client is refused, ERR_PERMISSION when a table token is, ERR_UNAVAILABLE after a minute of tries.
 */
int databricks_token_request(const struct databricks_config *c, struct http_pool *pool, const char *table,
    const char *workspace_id, struct secret *out, int64_t *life_ms, struct error *e);

/* authorization_details for a table: a JSON array, appended. ERR_USAGE when it has not three plain parts. */
int databricks_token_details(struct buffer *out, const char *table, struct error *e);

#endif

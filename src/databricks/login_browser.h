/*
 * A person's login in the browser: authorization code with PKCE and a loopback redirect (wire/databricks-http.md §3). The public
 * client that every workspace knows, or the app that c names. Blocking.
 */
#ifndef SFZB_DATABRICKS_LOGIN_BROWSER_H
#define SFZB_DATABRICKS_LOGIN_BROWSER_H

#include "databricks/config.h"
#include "http/authorization.h"
#include "http/pool.h"

struct databricks_browser;

/*
 * Asks the workspace where its login is, listens, and makes the URL to open. c needs its host. redirect_url NULL: the ports
 * that are registered for the public client, 8020 to 8040, or the one in DATABRICKS_OAUTH_CALLBACK_PORT. ERR_CONFIG when no
 * port is free, ERR_UNAVAILABLE when the workspace does not answer.
 */
struct databricks_browser *databricks_browser_begin(const struct databricks_config *c, struct http_pool *pool,
    const char *redirect_url, struct error *e);
void databricks_browser_free(struct databricks_browser *b);
/* What the person must open, and where the answer comes. */
struct authorization *databricks_browser_flow(struct databricks_browser *b);
/*
 * Waits for the browser and exchanges the code: c becomes DATABRICKS_U2M with its tokens. ERR_CREDENTIALS when access was denied
 * or the workspace gives no refresh token, ERR_TIMEOUT.
 */
int databricks_browser_finish(struct databricks_browser *b, struct databricks_config *c, struct http_pool *pool,
    int64_t timeout_ms, struct error *e);

#endif

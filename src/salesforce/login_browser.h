/*
 * Login in the browser: web server flow with PKCE and a loopback redirect (wire/salesforce-http.md §4). The user's own
 * app, whose registered callback must be the redirect URL to the letter. Blocking.
 */
#ifndef SFZB_SALESFORCE_LOGIN_BROWSER_H
#define SFZB_SALESFORCE_LOGIN_BROWSER_H

#include "http/authorization.h"
#include "http/pool.h"
#include "salesforce/login.h"

#define SALESFORCE_REDIRECT_URL "http://localhost:1717/OauthRedirect"

struct browser_login;

/*
 * Begins: listens, and makes the URL to open. l needs login_url and client_id. redirect_url NULL: the usual one; its port
 * may be 0 in tests.
 */
struct browser_login *browser_login_begin(const struct salesforce_login *l, const char *redirect_url, struct error *e);
/* What the person must open, and where the answer comes. */
struct authorization *browser_login_flow(struct browser_login *b);
/*
 * Waits for the browser (300000 ms is usual) and exchanges the code: l gets the refresh token and becomes
 * LOGIN_REFRESH_TOKEN, or LOGIN_ACCESS_TOKEN where the app gives none; then open a session with it. ERR_CREDENTIALS when
 * access was denied, ERR_TIMEOUT with the likely cause.
 */
int browser_login_finish(struct browser_login *b, struct salesforce_login *l, struct http_pool *pool,
    int64_t timeout_ms, struct error *e);
void browser_login_free(struct browser_login *b);

#endif

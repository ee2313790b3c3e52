/*
 * Tokens, asked for anew (wire/databricks-http.md §2, §3): a service principal's plain one and the one that Zerobus takes, a
 * person's by authorization code or refresh token, those of the vendor's CLI and of Entra. Blocking; used by
 * databricks/session.h, which keeps them.
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

/* How long before its end a token is replaced: of one that lives minutes only, half its life. */
#define DATABRICKS_FRESH_MS (300 * 1000)
int64_t databricks_token_early_ms(int64_t life_ms);

/* authorization_details for a table: a JSON array, appended. ERR_USAGE when it has not three plain parts. */
int databricks_token_details(struct buffer *out, const char *table, struct error *e);

/* What a person's login gives: refresh is unset when the old one stays good. */
struct databricks_grant {
	struct secret access, refresh;
	int64_t life_ms;
};
void databricks_grant_release(struct databricks_grant *g);
/* An authorization code for tokens. Tried once more only where it cannot have been used: a code is good for one exchange. */
int databricks_token_exchange(const struct databricks_config *c, struct http_pool *pool, const char *code,
    const char *redirect_uri, const struct secret *verifier, struct databricks_grant *out, struct error *e);
/* By c's refresh token. ERR_CREDENTIALS when it is dead: the hint says to log in again. */
int databricks_token_refresh(const struct databricks_config *c, struct http_pool *pool, struct databricks_grant *out,
    struct error *e);
/* Ends c's refresh token at the server. A server that knows no such call (404) is an error like any. */
int databricks_token_revoke(const struct databricks_config *c, struct http_pool *pool, struct error *e);

/*
 * Of the vendor's CLI ("databricks auth token"), which renews it as it needs. refused: a token that no longer holds, so that
 * the CLI must not give it again; or NULL. now_ms: wall. ERR_CONFIG when there is no CLI, ERR_CREDENTIALS when it has no login.
 */
int databricks_token_of_cli(const struct databricks_config *c, const struct secret *refused, int64_t now_ms,
    struct http_pool *pool, struct secret *out, int64_t *life_ms, struct error *e);

/* Of an Entra service principal, for the workspace; management: for Azure's own management instead. */
int databricks_token_of_azure(const struct databricks_config *c, struct http_pool *pool, bool management,
    struct secret *out, int64_t *life_ms, struct error *e);

/* For the above: one POST of a form to a token endpoint, tried for a minute while nobody answers. */
struct token_question {
	const char *url;
	struct text form;
	const char *basic_user; /* NULL: no Authorization header */
	const struct secret *basic_password;
	bool once; /* not again when an answer may have been lost */
};
/* -1: no answer, or one that grants nothing; *status is then its HTTP status, or 0. error_text (may be NULL): the OAuth error. */
int token_post(struct http_pool *pool, const struct token_question *q, struct databricks_grant *out, int *status,
    char error_word[64], struct error *e);

#endif

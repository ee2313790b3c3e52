/*
 * One login: asks the token endpoint (or SOAP) by the chosen method and reads what comes
 * (wire/salesforce-http.md §2, §3, §6). Blocking. Used by salesforce/session.h.
 */
#ifndef SFZB_SALESFORCE_LOGIN_TOKEN_H
#define SFZB_SALESFORCE_LOGIN_TOKEN_H

#include "base/buffer.h"
#include "http/pool.h"
#include "salesforce/login.h"

#define SALESFORCE_ID_SIZE 19 /* 15 or 18 characters */

struct salesforce_token {
	struct secret access_token;
	struct secret refresh_token; /* set only when a (new) one came */
	char *instance_url;
	char org_id[SALESFORCE_ID_SIZE], user_id[SALESFORCE_ID_SIZE]; /* "" when not told */
	char *username;						       /* or NULL */
};

void salesforce_token_init(struct salesforce_token *t);
void salesforce_token_release(struct salesforce_token *t);

/*
 * ERR_CREDENTIALS with the cause as hint when refused, ERR_OVERLOADED for too many logins of the user, ERR_CONFIG for a
 * wrong host or an unusable key, ERR_UNAVAILABLE after three tries. LOGIN_ACCESS_TOKEN costs no request. Warns once a process of methods
 * that the vendor is ending.
 */
int salesforce_login_request(const struct salesforce_login *l, struct http_pool *pool,
    struct salesforce_token *out, struct error *e);

/* Exchanges the code of a browser login; errors as above. */
int salesforce_login_exchange(const struct salesforce_login *l, struct http_pool *pool, const char *code,
    const char *redirect_url, const char *verifier, struct salesforce_token *out, struct error *e);

/* The answer of a token endpoint with status 200. ERR_CONFIG when something needed is missing. */
int salesforce_token_parse(struct text body, struct salesforce_token *out, struct error *e);
/*
 * A refusal of the token endpoint by its error and description: one table, with the likely cause as hint.
 * skew_ms: this machine's clock minus the server's, used where a clock may be the cause.
 */
int salesforce_token_error(const char *error, const char *description, int64_t skew_ms, struct error *e);

/* Does this private key ask for a passphrase? false also for a file that cannot be read. */
bool salesforce_key_is_encrypted(const char *path);
/* Signed assertion of the JWT bearer flow, appended to out. audience as the claim, now from the clock. */
int salesforce_login_assertion(struct buffer *out, const struct salesforce_login *l,
    const char *audience, int64_t now_wall_ms, struct error *e);

#endif

/*
 * The session of an org that the vendor's own `sf` program is logged in to (wire/salesforce-http.md §6b): borrowed, so it
 * is never revoked, and renewed by asking sf once more. Blocking.
 */
#ifndef SFZB_SALESFORCE_SF_CLI_H
#define SFZB_SALESFORCE_SF_CLI_H

#include <stdbool.h>

#include "base/json.h"
#include "salesforce/login_token.h"

/*
 * Fills token, instance URL, org id and user name. ERR_CONFIG when there is no sf, ERR_NOT_LOGGED_IN with sf's own words
 * when it has no such org, ERR_CREDENTIALS when it shows no token. A stale token is passed on with sf's warning: the
 * server refuses it.
 */
int salesforce_sf_token(const char *alias, bool (*is_cancelled)(void *context), void *context,
    struct salesforce_token *out, struct error *e);

/* The parts of it that read what sf printed. The JSON behind any notices; NULL: there is none. */
struct json *salesforce_sf_parse(struct text answer);
/* shown: the result of `sf org display`. */
int salesforce_sf_take(const struct json *shown, const char *token, struct salesforce_token *out, struct error *e);

#endif

/*
 * Tokens that the emulator has issued: each with its side, its scope (the vendor's words, for Zerobus
 * the table), its end, and whether it was revoked. Thread-safe. Asks the error script when it checks one.
 */
#ifndef SFZB_EMULATOR_TOKENS_H
#define SFZB_EMULATOR_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/text.h"
#include "emulator/faults.h"

struct tokens;

/* fault: "salesforce.tokens" or "databricks.tokens" */
struct tokens *tokens_new(const struct clock *clock, struct faults *faults, const char *fault);
void tokens_free(struct tokens *t);

/* prefix comes first in the token; the rest is random. lifetime_ms 0: no end. malloc'ed. */
char *tokens_issue(struct tokens *t, const char *prefix, const char *scope, int64_t lifetime_ms);

enum token_verdict { TOKEN_GOOD, TOKEN_UNKNOWN, TOKEN_EXPIRED, TOKEN_REVOKED };
/* scope (may be NULL) gets a malloc'ed copy of the token's scope when it is good. */
enum token_verdict tokens_check(struct tokens *t, struct text token, char **scope);
/* Whether it has ended otherwise than by its lifetime: unknown, revoked, or ended by the script. */
bool tokens_ended_early(struct tokens *t, struct text token);
bool tokens_revoke(struct tokens *t, struct text token); /* false: unknown */
/* All of one scope. */
void tokens_revoke_scope(struct tokens *t, const char *scope);
/* What a token was issued for, also when it no longer holds; malloc'ed, NULL: unknown. */
char *tokens_scope(struct tokens *t, struct text token);
void tokens_expire_all(struct tokens *t);
uint64_t tokens_issued(const struct tokens *t);

#endif

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/random.h"
#include "emulator/tokens.h"

struct token {
	char *text, *scope;
	size_t len;
	int64_t end_ms; /* wall; 0: none */
	bool revoked, ended_early;
};

/* Oldest first. What ended long ago is forgotten once there are this many. */
#define TOKENS_KEPT 4096

struct tokens {
	const struct clock *clock;
	struct faults *faults;
	const char *fault;
	pthread_mutex_t lock;
	struct token *items;
	size_t count, capacity;
	uint64_t issued;
};

struct tokens *
tokens_new(const struct clock *clock, struct faults *faults, const char *fault)
{
	struct tokens *t = memory_zero(1, sizeof *t);

	t->clock = clock;
	t->faults = faults;
	t->fault = fault;
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

static void
token_release(struct token *t)
{
	free(t->text);
	free(t->scope);
}

void
tokens_free(struct tokens *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		token_release(&t->items[i]);
	free(t->items);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

char *
tokens_issue(struct tokens *t, const char *prefix, const char *scope, int64_t lifetime_ms)
{
	struct buffer text = BUFFER_INIT;
	uint8_t random[66];
	struct token *fresh;
	char *out;

	random_system_bytes(random, sizeof random);
	buffer_append_text(&text, prefix);
	encode_base64url(&text, random, sizeof random);
	out = buffer_detach(&text);
	pthread_mutex_lock(&t->lock);
	if (t->count == TOKENS_KEPT) {
		token_release(&t->items[0]);
		memmove(t->items, t->items + 1, --t->count * sizeof *t->items);
	}
	t->items = memory_reserve(t->items, &t->capacity, t->count + 1, sizeof *t->items);
	fresh = &t->items[t->count++];
	*fresh = (struct token){ .text = memory_strdup(out),
		.scope = memory_strdup(scope ? scope : ""),
		.len = strlen(out),
		.end_ms = lifetime_ms ? clock_wall_ms(t->clock) + lifetime_ms : 0 };
	t->issued++;
	pthread_mutex_unlock(&t->lock);
	return out;
}

static struct token *
find(struct tokens *t, struct text token)
{
	for (size_t i = t->count; i > 0; i--) /* the newest are the ones in use */
		if (t->items[i - 1].len == token.len &&
		    memcmp(t->items[i - 1].text, token.data, token.len) == 0)
			return &t->items[i - 1];
	return NULL;
}

enum token_verdict
tokens_check(struct tokens *t, struct text token, char **scope)
{
	enum token_verdict verdict;
	struct token *found;

	if (scope)
		*scope = NULL;
	if (token.len == 0)
		return TOKEN_UNKNOWN;
	if (t->faults && faults_tokens(t->faults, t->fault))
		tokens_expire_all(t);
	pthread_mutex_lock(&t->lock);
	found = find(t, token);
	if (!found)
		verdict = TOKEN_UNKNOWN;
	else if (found->revoked)
		verdict = TOKEN_REVOKED;
	else if (found->end_ms && clock_wall_ms(t->clock) >= found->end_ms)
		verdict = TOKEN_EXPIRED;
	else
		verdict = TOKEN_GOOD;
	if (verdict == TOKEN_GOOD && scope)
		*scope = memory_strdup(found->scope);
	pthread_mutex_unlock(&t->lock);
	return verdict;
}

bool
tokens_ended_early(struct tokens *t, struct text token)
{
	struct token *found;
	bool ended;

	pthread_mutex_lock(&t->lock);
	found = find(t, token);
	ended = !found || found->revoked || found->ended_early;
	pthread_mutex_unlock(&t->lock);
	return ended;
}

bool
tokens_revoke(struct tokens *t, struct text token)
{
	struct token *found;

	pthread_mutex_lock(&t->lock);
	found = token.len ? find(t, token) : NULL;
	if (found)
		found->revoked = true;
	pthread_mutex_unlock(&t->lock);
	return found != NULL;
}

void
tokens_revoke_scope(struct tokens *t, const char *scope)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->items[i].scope, scope) == 0)
			t->items[i].revoked = true;
	pthread_mutex_unlock(&t->lock);
}

char *
tokens_scope(struct tokens *t, struct text token)
{
	struct token *found;
	char *scope;

	pthread_mutex_lock(&t->lock);
	found = token.len ? find(t, token) : NULL;
	scope = found ? memory_strdup(found->scope) : NULL;
	pthread_mutex_unlock(&t->lock);
	return scope;
}

void
tokens_expire_all(struct tokens *t)
{
	int64_t now = clock_wall_ms(t->clock);

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].end_ms == 0 || t->items[i].end_ms > now) {
			t->items[i].end_ms = now;
			t->items[i].ended_early = true;
		}
	pthread_mutex_unlock(&t->lock);
}

uint64_t
tokens_issued(const struct tokens *t)
{
	struct tokens *m = (struct tokens *)t;
	uint64_t n;

	pthread_mutex_lock(&m->lock);
	n = m->issued;
	pthread_mutex_unlock(&m->lock);
	return n;
}

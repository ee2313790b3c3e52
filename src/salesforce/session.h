/*
 * A Salesforce session: who we are, where, and the token to say so. Any number of threads may read the
 * token; open, renew and every request block and belong on a worker thread or in a command that does one
 * thing.
 *
 * A token has no timer: it is used until the server refuses it, then renewed once. Renewing never leads to
 * another organisation: that is an error. It may lead to another host, when the organisation has moved there.
 */
#ifndef SFZB_SALESFORCE_SESSION_H
#define SFZB_SALESFORCE_SESSION_H

#include <stdbool.h>

#include "http/pool.h"
#include "salesforce/login.h"
#include "salesforce/login_token.h"

struct salesforce_session;

/* Everything NULL or 0 is fine. What it points to must outlive the session. */
struct salesforce_session_options {
	const struct clock *clock;
	void (*sleep)(void *context, int64_t ms); /* instead of a real pause between tries */
	void *sleep_context;
	uint64_t seed;
	int64_t timeout_ms; /* without any byte moving; 0: 60000 */
	bool log_in_anew;   /* do not use the stored token */
};

/*
 * Uses the profile's stored token when there is one (no request then), else logs in; learns org and user by
 * userinfo where the login did not tell. *l is copied. profile may be NULL; with one whose settings the login came
 * from, new tokens are stored in it.
 */
struct salesforce_session *salesforce_session_open(const struct salesforce_login *l,
    const struct profile *profile, const struct salesforce_session_options *o, struct error *e);
/* The same in two steps, so that the second can be interrupted, and tried again: new asks nobody, begin blocks. */
struct salesforce_session *salesforce_session_new(const struct salesforce_login *l,
    const struct profile *profile, const struct salesforce_session_options *o, struct error *e);
int salesforce_session_begin(struct salesforce_session *s, struct error *e);
void salesforce_session_free(struct salesforce_session *s);

/* Never change. */
const char *salesforce_session_org_id(const struct salesforce_session *s); /* as the login gave it: 15 or 18 */
const char *salesforce_session_user_id(const struct salesforce_session *s);
const char *salesforce_session_username(const struct salesforce_session *s); /* "" when not known */
const char *salesforce_session_pubsub_endpoint(const struct salesforce_session *s); /* "host:port" */
const char *salesforce_session_ca_file(const struct salesforce_session *s);		/* or NULL */
const struct salesforce_login *salesforce_session_login(const struct salesforce_session *s);
/* As it is now: a renewal may change it. What was given stays readable while the session lives. From any thread. */
const char *salesforce_session_instance_url(const struct salesforce_session *s);

/* A copy of the token as it is now; release it. From any thread, never blocks for long. */
void salesforce_session_token(struct salesforce_session *s, struct secret *out);

/*
 * Gets a new token because `refused` was. Does nothing when the token is another one by now. Blocking.
 * ERR_CREDENTIALS when there is no way (a given access token) or the login is refused, ERR_UNAVAILABLE when nobody
 * answered. Stores the new token (and a new refresh token) before it is used.
 */
int salesforce_session_renew(struct salesforce_session *s, const struct secret *refused, struct error *e);

/*
 * Secrets of a login that was loaded anew, for the next renewal; the token stays until it is refused. Who and where must be
 * the same: ERR_CONFIG otherwise. Blocks while a renewal is under way.
 */
int salesforce_session_reload(struct salesforce_session *s, const struct salesforce_login *l, struct error *e);

/* The same as a job for rpc/loop.h's worker: worker_submit(w, salesforce_renewal_work, your_done, &renewal). */
struct salesforce_renewal {
	struct salesforce_session *session;
	struct secret refused; /* set before; released by the owner */
	int result;	       /* 0 or -1 after */
	struct error error;
};
void salesforce_renewal_work(void *renewal);

/* Who the token belongs to, asked of the server (userinfo). Release with salesforce_user_release. */
struct salesforce_user {
	char *org_id, *user_id, *username, *name, *email;
};
int salesforce_session_user(struct salesforce_session *s, struct salesforce_user *out, struct error *e);
/* The answer of userinfo, of whichever form; ERR_CONFIG: it is none. */
int salesforce_user_take(const struct json *answer, const char *instance_url, struct salesforce_user *out, struct error *e);
void salesforce_user_release(struct salesforce_user *u);

/* Settings and session into the profile, for the next run. */
int salesforce_session_store(struct salesforce_session *s, struct profile *profile, struct error *e);
/* Tells the server that the session is over, best effort. Not for tokens that were given to us. */
int salesforce_session_revoke(struct salesforce_session *s, struct error *e);
/* Removes what the profile holds of Salesforce. */
int salesforce_session_forget(struct profile *profile, struct error *e);

/* From any thread: ends what blocks, with ERR_INTERRUPTED. */
void salesforce_session_interrupt(struct salesforce_session *s, bool on);
struct http_pool *salesforce_session_pool(struct salesforce_session *s);
/* What salesforce_rest_version found out, kept for the session; 0 before it did. */
int salesforce_session_version(const struct salesforce_session *s);
void salesforce_session_set_version(struct salesforce_session *s, int version);

#endif

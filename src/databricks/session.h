/*
 * A Databricks session: REST calls with a token that is got, cached and renewed before it ends, by whichever method the
 * configuration says, and the tokens that Zerobus takes, one per table (wire/databricks-http.md §1, §2, §7). Any thread may use it; everything
 * blocks and belongs on a worker thread or in a command that does one thing.
 */
#ifndef SFZB_DATABRICKS_SESSION_H
#define SFZB_DATABRICKS_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "databricks/config.h"
#include "http/pool.h"

struct databricks_session;

/* Everything NULL or 0 is fine. What it points to must outlive the session. */
struct databricks_session_options {
	const struct clock *clock;
	void (*sleep)(void *context, int64_t ms); /* instead of a real pause between tries */
	void *sleep_context;
	uint64_t seed;
	int64_t timeout_ms; /* without any byte moving; 0: 60000 */
	/*
	 * Of a login in the browser: where its tokens come from and go to when they are renewed, shared with other processes
	 * (profile/settings_lock.h). NULL: only this session has them, for databricks_session_login.
	 */
	const struct profile *profile;
};

/* *c is copied. No request is made. Never fails. */
struct databricks_session *databricks_session_new(const struct databricks_config *c,
    const struct databricks_session_options *o);
void databricks_session_free(struct databricks_session *s);
const struct databricks_config *databricks_session_config(const struct databricks_session *s);
struct http_pool *databricks_session_pool(struct databricks_session *s);
/* From any thread: ends what blocks, with ERR_INTERRUPTED; a running statement is cancelled. */
void databricks_session_interrupt(struct databricks_session *s, bool on);

/*
 * Secrets of a configuration that was loaded anew, for the next tokens; those kept stay until they end. Who and where must be
 * the same: ERR_CONFIG otherwise.
 */
int databricks_session_reload(struct databricks_session *s, const struct databricks_config *c, struct error *e);
/* Puts the tokens of a login in the browser, as they are now, into c. */
void databricks_session_login(struct databricks_session *s, struct databricks_config *c);
/* How often a token was replaced by a newer one. */
int64_t databricks_session_refreshes(struct databricks_session *s);

/*
 * A copy of a plain token (REST, SQL), fresh for 300 s at least (or half its life). ERR_CREDENTIALS when there is none to be
 * had without a person.
 */
int databricks_session_token(struct databricks_session *s, struct secret *out, struct error *e);

/*
 * A copy of the token for ingesting into one table ("main.crm.events", unquoted), kept until 300 s before its end.
 * ERR_CREDENTIALS with the reason where the login is no service principal's; ERR_PERMISSION when a grant is
 * missing.
 */
int databricks_session_table_token(struct databricks_session *s, const char *table, struct secret *out,
    struct error *e);
/* The server refused it: the next one is asked for anew. Does nothing when it has been replaced. */
void databricks_session_drop_table_token(struct databricks_session *s, const char *table,
    const struct secret *refused);

/* The same as a job for rpc/loop.h's worker: worker_submit(w, databricks_token_work, your_done, &job). */
struct databricks_token_job {
	struct databricks_session *session;
	const char *table;
	struct secret refused; /* set: dropped first; released by the owner */
	struct secret token;   /* the result; released by the owner */
	int result;	       /* 0 or -1 after */
	struct error error;
};
void databricks_token_work(void *job);

/* What a call may do when no answer, or none of use, comes. */
enum databricks_repeat {
	REPEAT_SAFE,	   /* reads: again on 429, 5xx, lost connections */
	REPEAT_STATEMENT,  /* only what cannot have been done: 429, 503, never sent */
	REPEAT_LAST_WORD,  /* not at all, and goes out even when interrupted: a cancel */
};
/*
 * One REST call: path with query ("/api/2.0/sql/warehouses"), body or NULL. *out is the answer's tree, the caller's (NULL
 * for an empty one; out may be NULL). A refused token is renewed once. Errors by databricks_error.
 */
int databricks_call(struct databricks_session *s, const char *method, const char *path,
    const struct json *body, enum databricks_repeat repeat, struct json **out, struct error *e);

/*
 * The error of an answer: one table by error code, else by status, every body form of §7 read. what: "GET https://…".
 * The text ends with the request id where there is one.
 */
int databricks_error(const struct http_response *r, const char *what, struct error *e);
/* From an error_code of the service alone ("PERMISSION_DENIED"), ERR_FAILED for unknown ones. */
enum error_code databricks_error_code(const char *error_code);

/* The workspace id as the last answers told it ("" before any); settles what the settings left open. */
void databricks_session_workspace_id(struct databricks_session *s, char out[WORKSPACE_ID_SIZE]);

/* Who the token belongs to (SCIM Me): name and display name, to be freed. */
int databricks_session_user(struct databricks_session *s, char **user_name, char **display_name,
    struct error *e);

/*
 * Asks the workspace for what its URL does not tell (workspace id, cloud, region), best effort: fills the
 * gaps of *c and says 0 also when nothing was learnt.
 */
int databricks_session_discover(struct databricks_session *s, struct databricks_config *c,
    struct error *e);

#endif

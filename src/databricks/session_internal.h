/* What a session consists of, for the files that make it: session.c keeps its tokens, call.c uses them. */
#ifndef SFZB_DATABRICKS_SESSION_INTERNAL_H
#define SFZB_DATABRICKS_SESSION_INTERNAL_H

#include <pthread.h>

#include "databricks/session.h"

/* A token and until when (monotonic) it may be used. */
struct kept_token {
	char *table; /* NULL: the plain one */
	struct secret token;
	int64_t until_ms;
	struct kept_token *next;
};

struct databricks_session {
	struct databricks_config config;
	struct http_pool *pool;
	struct profile *profile; /* of a login in the browser; NULL: shared with nobody */
	pthread_mutex_t renewal; /* one at a time; the others find its result. Taken before mutex */
	struct secret refused;	 /* the plain token that the server took last and no more */
	pthread_mutex_t mutex; /* over the secrets in config and what follows; never held during a request */
	struct kept_token *tokens;
	char workspace_id[WORKSPACE_ID_SIZE]; /* as the server told it */
	bool warned;
	int64_t refreshes;
};

/* The server refused it: the next one is asked for anew. table NULL: the plain one. */
void session_drop(struct databricks_session *s, const char *table, const struct secret *refused);
/* For Azure's management, which vouches for a principal that the workspace does not know yet. */
int session_management_token(struct databricks_session *s, struct secret *out, struct error *e);

#endif

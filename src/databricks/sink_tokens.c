#include "databricks/sink_tokens.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct request {
	struct request *next;
	struct sink_tokens *owner;
	struct databricks_token_job job;
	struct headers headers;
	bool fresh;
	char *table;
	zerobus_token_done *done;
	void *done_context;
};

/* The last token of a table, to tell the session which one was refused. */
struct last {
	struct last *next;
	char *table;
	struct secret token;
};

struct sink_tokens {
	struct loop *loop;
	struct databricks_session *session;
	struct worker *worker;
	char *headers_helper;
	bool helped; /* it has worked; the worker's */
	atomic_bool freeing;
	struct request *requests;
	struct last *last;
};

struct sink_tokens *
sink_tokens_new(struct loop *l, struct databricks_session *session, const char *headers_helper)
{
	struct sink_tokens *t = memory_zero(1, sizeof(*t));

	t->loop = l;
	t->session = session;
	t->headers_helper = memory_strdup(headers_helper);
	return t;
}

static struct last *
last_of(struct sink_tokens *t, const char *table)
{
	struct last *last;

	for (last = t->last; last != NULL; last = last->next)
		if (strcmp(last->table, table) == 0)
			return last;
	last = memory_zero(1, sizeof(*last));
	last->table = memory_strdup(table);
	last->next = t->last;
	t->last = last;
	return last;
}

/* Takes the request off the list and tells its sink. */
static void
hand_over(struct request *r, const struct secret *token, const struct error *why)
{
	struct request **at = &r->owner->requests;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->done(r->done_context, token, why == NULL ? &r->headers : NULL, why);
	headers_release(&r->headers);
	secret_release(&r->job.refused);
	secret_release(&r->job.token);
	free(r->table);
	free(r);
}

static bool
is_freeing(void *context)
{
	return atomic_load(&((struct sink_tokens *)context)->freeing);
}

static int
ask_helper(struct request *r)
{
	struct sink_tokens *t = r->owner;
	struct headers_question q = {.command = t->headers_helper, .table = r->table, .refused = r->fresh,
	    .is_cancelled = is_freeing, .context = t};
	int rc = headers_ask(&r->headers, &q, &r->job.error);

	if (rc == 0)
		t->helped = true;
	else if (r->job.error.code == ERR_UNAVAILABLE && !t->helped)
		r->job.error.code = ERR_CREDENTIALS;
	return rc;
}

static void
work(void *context)
{
	struct request *r = context;

	r->job.result = r->owner->headers_helper != NULL ? ask_helper(r) : 0;
	if (r->job.result == 0 && headers_find(&r->headers, "authorization") == NULL)
		databricks_token_work(&r->job);
}

static void
done(void *context)
{
	struct request *r = context;

	if (r->job.result == 0) {
		if (secret_is_set(&r->job.token))
			secret_copy(&last_of(r->owner, r->table)->token, &r->job.token);
		hand_over(r, &r->job.token, NULL);
	} else {
		hand_over(r, NULL, &r->job.error);
	}
}

static void
get(void *context, const char *table, bool fresh, zerobus_token_done *token_done,
    void *done_context)
{
	struct sink_tokens *t = context;
	struct request *r = memory_zero(1, sizeof(*r));

	*r = (struct request){.next = t->requests,
	    .owner = t,
	    .table = memory_strdup(table),
	    .fresh = fresh,
	    .done = token_done,
	    .done_context = done_context};
	r->job.session = t->session;
	r->job.table = r->table;
	if (fresh)
		secret_copy(&r->job.refused, &last_of(t, table)->token);
	t->requests = r;
	if (t->worker == NULL)
		t->worker = worker_new(t->loop, "tokens");
	worker_submit(t->worker, work, done, r);
}

struct zerobus_token_source
sink_tokens_source(struct sink_tokens *t)
{
	return (struct zerobus_token_source){.get = get, .context = t};
}

void
sink_tokens_free(struct sink_tokens *t)
{
	struct error why = ERROR_INIT;

	if (t == NULL)
		return;
	atomic_store(&t->freeing, true);
	worker_free(t->worker);
	error_set(&why, ERR_INTERRUPTED, "the program ends");
	while (t->requests != NULL)
		hand_over(t->requests, NULL, &why);
	while (t->last != NULL) {
		struct last *last = t->last;

		t->last = last->next;
		secret_release(&last->token);
		free(last->table);
		free(last);
	}
	free(t->headers_helper);
	free(t);
}

#include "salesforce/pubsub.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "proto/pubsub_api.pb-c.h"
#include "salesforce/pubsub_client.h"
#include "salesforce/schemas.h"

struct waiter {
	struct waiter *next;
	pubsub_renewed *done;
	void *context;
};

/* Outlives the client when the owner is slow to answer. */
struct renewal {
	struct pubsub *pubsub; /* NULL: freed meanwhile */
};

struct unary {
	struct unary *next;
	struct pubsub *pubsub;
	const char *rpc;
	char *subject;
	int64_t deadline_ms;
	struct buffer request, response;
	pubsub_reply *reply;
	void *context;
	struct call *call; /* NULL: waiting for a token */
	char trace[UUID_SIZE];
	unsigned generation, messages;
	bool repeated, maybe_done;
	struct error error; /* why it was refused the first time */
};

struct pubsub {
	struct loop *loop;
	struct channel *channel;
	struct secret token;
	char *instance_url, *tenant_id;
	const char *org_id; /* in tenant_id */
	unsigned generation;
	pubsub_renew *renew;
	void *renew_context;
	struct renewal *renewal; /* under way */
	struct waiter *waiters;
	struct schema_cache *schemas;
	struct unary *unaries;
	unsigned calls; /* that have not ended */
	bool closing;
};

/* Life. */

static char *
without_path(const char *url)
{
	const char *host, *end;

	if (url == NULL)
		return memory_strdup("");
	host = strstr(url, "://");
	host = host != NULL ? host + 3 : url;
	end = host + strcspn(host, "/?#");
	return memory_strndup(url, (size_t)(end - url));
}

struct pubsub *
pubsub_new(struct loop *l, const struct pubsub_options *o, struct error *e)
{
	struct channel_options co = {
	    .target = o->endpoint, .ca_file = o->ca_file, .keepalive_ms = o->keepalive_ms};
	struct channel *channel = channel_new(l, &co, e);
	struct pubsub *p;
	const char *slash;

	if (channel == NULL)
		return NULL;
	p = memory_zero(1, sizeof(*p));
	p->loop = l;
	p->channel = channel;
	p->instance_url = without_path(o->instance_url);
	p->tenant_id = memory_strdup(o->tenant_id != NULL ? o->tenant_id : "");
	slash = strrchr(p->tenant_id, '/');
	p->org_id = slash != NULL ? slash + 1 : p->tenant_id;
	p->renew = o->renew;
	p->renew_context = o->renew_context;
	p->schemas = schema_cache_new(p, o->profile);
	return p;
}

static void
unary_finish(struct unary *u, struct text response, const struct error *why)
{
	struct unary **at;

	for (at = &u->pubsub->unaries; *at != u; at = &(*at)->next)
		;
	*at = u->next;
	u->reply(u->context, response, why, u->maybe_done);
	buffer_release(&u->request);
	buffer_release(&u->response);
	free(u->subject);
	free(u);
}

static void
tell_waiters(struct pubsub *p, const struct error *why)
{
	struct waiter *list = p->waiters, *w;

	/* whoever begins to wait from now on waits for another renewal */
	p->waiters = NULL;
	while ((w = list) != NULL) {
		struct waiter copy = *w;

		list = w->next;
		free(w);
		copy.done(copy.context, why);
	}
}

void
pubsub_free(struct pubsub *p)
{
	struct error interrupted = ERROR_INIT;

	if (p == NULL)
		return;
	p->closing = true;
	error_set(&interrupted, ERR_INTERRUPTED, "the client was closed");
	tell_waiters(p, &interrupted);
	for (struct unary *u = p->unaries; u != NULL; u = u->next)
		call_cancel(u->call);
	while (p->calls > 0)
		loop_step(p->loop, -1);
	assert(p->waiters == NULL);
	if (p->renewal != NULL)
		p->renewal->pubsub = NULL;
	schema_cache_free(p->schemas);
	channel_free(p->channel);
	secret_release(&p->token);
	free(p->instance_url);
	free(p->tenant_id);
	free(p);
}

void
pubsub_set_token(struct pubsub *p, const struct secret *token)
{
	secret_copy(&p->token, token);
	p->generation++;
}

void
pubsub_set_instance(struct pubsub *p, const char *url)
{
	free(p->instance_url);
	p->instance_url = without_path(url);
}

const char *
pubsub_endpoint(const struct pubsub *p)
{
	return channel_target(p->channel);
}

const char *
pubsub_org_id(const struct pubsub *p)
{
	return p->org_id;
}

struct loop *
pubsub_loop(struct pubsub *p)
{
	return p->loop;
}

unsigned
pubsub_generation(const struct pubsub *p)
{
	return p->generation;
}

struct schema_cache *
pubsub_schemas(struct pubsub *p)
{
	return p->schemas;
}

/* Renewing. */

static void
renewed(void *context, const struct error *why)
{
	struct renewal *r = context;
	struct pubsub *p = r->pubsub;

	free(r);
	if (p == NULL)
		return;
	p->renewal = NULL;
	if (why->code != ERR_OK)
		log_debug("pubsub", "no new token: %s", why->text);
	tell_waiters(p, why);
}

void
pubsub_renew_token(struct pubsub *p, unsigned generation, pubsub_renewed *done, void *context)
{
	struct error why = ERROR_INIT;
	struct waiter *w, **last;

	if (generation != p->generation) {
		done(context, &why);
		return;
	}
	if (p->renew == NULL) {
		error_set(&why, ERR_SESSION,
		    "the access token was refused and nothing here can renew it");
		done(context, &why);
		return;
	}
	w = memory_zero(1, sizeof(*w));
	w->done = done;
	w->context = context;
	for (last = &p->waiters; *last != NULL; last = &(*last)->next)
		;
	*last = w;
	if (p->renewal != NULL)
		return;
	p->renewal = memory_zero(1, sizeof(*p->renewal));
	p->renewal->pubsub = p;
	log_debug("pubsub", "the access token was refused: asking for a new one");
	p->renew(p->renew_context, &p->token, renewed, p->renewal);
}

void
pubsub_renew_forget(struct pubsub *p, void *context)
{
	for (struct waiter **at = &p->waiters; *at != NULL;) {
		struct waiter *w = *at;

		if (w->context == context) {
			*at = w->next;
			free(w);
		} else {
			at = &w->next;
		}
	}
}

/* Calls. */

struct call *
pubsub_call(struct pubsub *p, const char *rpc, char trace[UUID_SIZE], int64_t deadline_ms,
    const struct call_events *events, void *context)
{
	struct metadata metadata[] = {
	    {"accesstoken", secret_reveal(&p->token), true},
	    {"instanceurl", p->instance_url, false},
	    {"tenantid", p->tenant_id, false},
	    {"x-client-trace-id", random_uuid(trace), false},
	};
	char method[64];

	snprintf(method, sizeof(method), "/eventbus.v1.PubSub/%s", rpc);
	p->calls++;
	return call_begin(p->channel, method, metadata, sizeof(metadata) / sizeof(metadata[0]),
	    deadline_ms, events, context);
}

void
pubsub_distrust(struct pubsub *p)
{
	channel_distrust(p->channel);
}

void
pubsub_call_over(struct pubsub *p)
{
	p->calls--;
}

void
pubsub_pack(struct buffer *out, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	buffer_reserve(out, size > 0 ? size : 1);
	out->len += protobuf_c_message_pack(message, out->data + out->len);
}

bool
pubsub_maybe_done(const struct call_status *s)
{
	return s->code != 0 && call_status_code(s->code) == ERR_UNAVAILABLE &&
	       call_status_failure(s) == CALL_FAILURE_NONE;
}

/* Unary calls. */

static void unary_start(struct unary *u);

/* Salesforce documents tokens in JWT form for REST only (wire/pubsub.md §1). */
static void
hint_token_form(struct pubsub *p, struct error *e)
{
	const char *token = secret_reveal(&p->token), *dot = strchr(token, '.');

	if (strncmp(token, "eyJ", 3) == 0 && dot != NULL && strchr(dot + 1, '.') != NULL)
		error_hint(e,
		    "the access token is a JWT, which Salesforce documents for REST only: switch "
		    "\"Issue JSON Web Token (JWT)-based access tokens\" off in the app");
}

void
pubsub_refused(struct pubsub *p, struct error *e, const struct error *renewal)
{
	if (renewal->code != ERR_SESSION) {
		*e = *renewal;
		error_wrap(e, "cannot renew the access token");
	}
	/* a login service that is down says nothing of the token */
	if (e->code == ERR_SESSION || e->code == ERR_CREDENTIALS)
		hint_token_form(p, e);
}

static void
unary_renewed(void *context, const struct error *why)
{
	struct unary *u = context;

	if (why->code == ERR_OK) {
		unary_start(u);
		return;
	}
	pubsub_refused(u->pubsub, &u->error, why);
	unary_finish(u, text_span(NULL, 0), &u->error);
}

static void
unary_message(void *context, struct text message)
{
	struct unary *u = context;

	if (u->messages++ == 0)
		buffer_append(&u->response, message.data, message.len);
}

static void
unary_ended(void *context, const struct call_status *status)
{
	struct unary *u = context;
	struct pubsub *p = u->pubsub;
	struct pubsub_request request = {channel_target(p->channel), u->rpc, u->subject, u->trace};

	u->call = NULL;
	pubsub_call_over(p);
	error_clear(&u->error);
	u->maybe_done = pubsub_maybe_done(status);
	if (p->closing) {
		error_set(&u->error, ERR_INTERRUPTED, "Salesforce %s '%s': the client was closed",
		    u->rpc, u->subject);
		unary_finish(u, text_span(NULL, 0), &u->error);
	} else if (pubsub_error(status, &request, &u->error) == 0) {
		if (u->messages != 1) {
			error_set(&u->error, ERR_UNAVAILABLE,
			    "Salesforce %s '%s': the call ended without an answer", u->rpc,
			    u->subject);
			u->maybe_done = true; /* it ended in good order */
		}
		unary_finish(u, buffer_span(&u->response), &u->error);
	} else if (u->error.code == ERR_SESSION && !u->repeated) {
		u->repeated = true;
		pubsub_renew_token(p, u->generation, unary_renewed, u);
	} else {
		if (u->error.code == ERR_SESSION)
			hint_token_form(p, &u->error);
		unary_finish(u, text_span(NULL, 0), &u->error);
	}
}

static void
unary_start(struct unary *u)
{
	static const struct call_events events = {.message = unary_message, .ended = unary_ended};
	struct buffer copy = BUFFER_INIT;

	u->generation = u->pubsub->generation;
	u->messages = 0;
	buffer_clear(&u->response);
	buffer_append(&copy, u->request.data, u->request.len);
	u->call = pubsub_call(u->pubsub, u->rpc, u->trace, u->deadline_ms, &events, u);
	log_debug("pubsub", "%s %s, trace id %s", u->rpc, u->subject, u->trace);
	call_send(u->call, &copy);
	call_half_close(u->call);
	buffer_release(&copy);
	if (u->pubsub->closing)
		call_cancel(u->call);
}

void
pubsub_unary_bytes(struct pubsub *p, const char *rpc, const char *subject, int64_t deadline_ms,
    struct buffer *request, pubsub_reply *reply, void *context)
{
	struct unary *u = memory_zero(1, sizeof(*u));

	u->pubsub = p;
	u->rpc = rpc;
	u->subject = memory_strdup(subject);
	u->deadline_ms = deadline_ms;
	u->reply = reply;
	u->context = context;
	u->request = *request;
	buffer_init(request);
	u->next = p->unaries;
	p->unaries = u;
	unary_start(u);
}

void
pubsub_unary(struct pubsub *p, const char *rpc, const char *subject, int64_t deadline_ms,
    const ProtobufCMessage *request, pubsub_reply *reply, void *context)
{
	struct buffer bytes = BUFFER_INIT;

	pubsub_pack(&bytes, request);
	pubsub_unary_bytes(p, rpc, subject, deadline_ms, &bytes, reply, context);
}

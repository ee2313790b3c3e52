#include "salesforce/pubsub_session.h"

#include <stdlib.h>

#include "base/memory.h"

struct pubsub_session {
	struct salesforce_session *session;
	struct pubsub *pubsub;
	struct worker *worker;
	struct salesforce_renewal renewal;
	pubsub_renewed *done;
	void *done_context;
};

static void
take_token(struct pubsub_session *s)
{
	struct secret token = SECRET_INIT;

	salesforce_session_token(s->session, &token);
	pubsub_set_token(s->pubsub, &token);
	secret_release(&token);
}

static void
renewed(void *context)
{
	struct pubsub_session *s = context;
	struct error none = ERROR_INIT;

	secret_release(&s->renewal.refused);
	if (s->renewal.result == 0)
		take_token(s);
	s->done(s->done_context, s->renewal.result == 0 ? &none : &s->renewal.error);
}

static void
work(void *context)
{
	struct pubsub_session *s = context;

	salesforce_renewal_work(&s->renewal);
}

static void
renew(void *context, const struct secret *refused, pubsub_renewed *done, void *done_context)
{
	struct pubsub_session *s = context;

	s->done = done;
	s->done_context = done_context;
	error_clear(&s->renewal.error);
	secret_copy(&s->renewal.refused, refused);
	worker_submit(s->worker, work, renewed, s);
}

struct pubsub_session *
pubsub_session_open(
    struct loop *l, struct salesforce_session *session, struct profile *profile, struct error *e)
{
	struct pubsub_session *s = memory_zero(1, sizeof(*s));
	struct pubsub_options o = {
	    .endpoint = salesforce_session_pubsub_endpoint(session),
	    .ca_file = salesforce_session_ca_file(session),
	    .instance_url = salesforce_session_instance_url(session),
	    .tenant_id = salesforce_session_org_id(session),
	    .profile = profile,
	    .renew = renew,
	    .renew_context = s,
	};

	s->session = session;
	s->renewal.session = session;
	s->pubsub = pubsub_new(l, &o, e);
	if (s->pubsub == NULL) {
		free(s);
		return NULL;
	}
	s->worker = worker_new(l, "token");
	take_token(s);
	return s;
}

void
pubsub_session_free(struct pubsub_session *s)
{
	if (s == NULL)
		return;
	salesforce_session_interrupt(s->session, true);
	worker_free(s->worker);
	salesforce_session_interrupt(s->session, false);
	pubsub_free(s->pubsub);
	secret_release(&s->renewal.refused);
	free(s);
}

struct pubsub *
pubsub_session_client(struct pubsub_session *s)
{
	return s->pubsub;
}

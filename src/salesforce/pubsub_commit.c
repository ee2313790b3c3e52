/* What a managed subscription has beyond another: its requests and responses, and its commits. */
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/random.h"
#include "salesforce/pubsub_client.h"
#include "salesforce/pubsub_subscription.h"

/* Ids of ManagedEventSubscription begin so. */
static bool
is_id(const char *name)
{
	return strncasecmp(name, "18x", 3) == 0 && (strlen(name) == 15 || strlen(name) == 18);
}

void
subscription_pack_managed(struct pubsub_source *s, uint32_t credit, struct buffer *out)
{
	Eventbus__V1__ManagedFetchRequest request = EVENTBUS__V1__MANAGED_FETCH_REQUEST__INIT;

	request.num_requested = (int32_t)credit;
	if (!s->first_sent && is_id(s->managed))
		request.subscription_id = s->managed;
	else if (!s->first_sent)
		request.developer_name = s->managed;
	pubsub_pack(out, &request.base);
}

/* One response may answer for several commits, and carries the last of them: there is only one here. */
static void
take_commit(struct pubsub_source *s, const Eventbus__V1__CommitReplayResponse *r)
{
	char words[256];

	if (strcmp(r->commit_request_id, s->commit_request) == 0)
		s->commit_request[0] = '\0';
	if (s->commit_request[0] == '\0' && !s->commit_wanted && s->options.committed != NULL)
		s->options.committed(s->options.committed_context);
	if (r->error == NULL) {
		log_trace("pubsub", "%s: commit %s is stored", s->topic, r->commit_request_id);
		return;
	}
	log_warn("pubsub", "%s: the server did not take a commit of managed subscription '%s': %s; going on", s->topic,
	    s->managed, text_clean(words, sizeof(words), text_of(r->error->msg)));
}

Eventbus__V1__FetchResponse *
subscription_unpack_managed(struct pubsub_source *s, struct text message, bool *is_commit)
{
	Eventbus__V1__ManagedFetchResponse *r = eventbus__v1__managed_fetch_response__unpack(
	    &s->arena.allocator, message.len, (const uint8_t *)message.data);

	if (r == NULL)
		return NULL;
	eventbus__v1__fetch_response__init(&s->view);
	s->view.n_events = r->n_events;
	s->view.events = r->events;
	s->view.latest_replay_id = r->latest_replay_id;
	s->view.rpc_id = r->rpc_id;
	s->view.pending_num_requested = r->pending_num_requested;
	*is_commit = r->commit_response != NULL;
	if (*is_commit)
		take_commit(s, r->commit_response);
	return &s->view;
}

void
subscription_send_commit(struct pubsub_source *s)
{
	Eventbus__V1__ManagedFetchRequest request = EVENTBUS__V1__MANAGED_FETCH_REQUEST__INIT;
	Eventbus__V1__CommitReplayRequest commit = EVENTBUS__V1__COMMIT_REPLAY_REQUEST__INIT;
	struct buffer b = BUFFER_INIT;

	if (s->managed == NULL || !s->commit_wanted || s->commit_request[0] != '\0' || s->state != SUBSCRIPTION_OPEN ||
	    s->call == NULL || !s->opened || !call_can_send(s->call))
		return;
	random_uuid(s->commit_request);
	commit.commit_request_id = s->commit_request;
	commit.replay_id.data = s->commit.bytes;
	commit.replay_id.len = s->commit.len;
	request.commit_replay_id_request = &commit;
	pubsub_pack(&b, &request.base);
	if (call_send(s->call, &b))
		s->commit_wanted = false;
	else
		s->commit_request[0] = '\0';
	buffer_release(&b);
}

void
pubsub_source_commit(struct source *base, const struct replay_id *id)
{
	struct pubsub_source *s = (struct pubsub_source *)base;

	if (id->len == 0 || (replay_id_equal(id, &s->commit) && !s->commit_wanted))
		return;
	s->commit = *id;
	s->commit_wanted = true;
	subscription_send_commit(s);
}

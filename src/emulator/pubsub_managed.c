/* ManagedSubscribe: a Subscribe whose place the server keeps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/pubsub_internal.h"

const struct managed_record managed_records[MANAGED_COUNT] = {
	{ "18x5f0000000001AAA", "Account_Managed", "Accounts", "/data/AccountChangeEvent", true, false, false },
	{ "18x5f0000000002AAA", "Everything_Managed", "Every object", "/data/ChangeEvents", true, true, false },
	{ "18x5f0000000003AAA", "Order_Managed", "Orders", "/event/Order_Event__e", false, false, false },
	{ "18x5f0000000004AAA", "Stopped_Managed", "Stopped", "/data/AccountChangeEvent", false, false, true },
};

static int64_t
now_ms(const struct pubsub_server *p)
{
	return clock_monotonic_ms(p->emulator->clock);
}

/* Under which the bus keeps how far a subscription was committed, and its state where that is not the record's. */
static char *
kept_name(const struct managed *m, const char *what)
{
	return memory_format("managed.%s.%s", m->record->name, what);
}

void
pubsub_managed_open(struct pubsub_server *p)
{
	for (size_t i = 0; i < MANAGED_COUNT; i++) {
		struct managed *m = &p->managed[i];
		char *place, *state;
		uint64_t changed;

		m->record = &managed_records[i];
		place = kept_name(m, "committed");
		state = kept_name(m, "state");
		m->committed = bus_kept(p->bus, place);
		changed = bus_kept(p->bus, state);
		m->state = changed == 0	   ? (m->record->stopped ? MANAGED_STOP : MANAGED_RUN)
		    : changed == 1 ? MANAGED_RUN
		    : changed == 2 ? MANAGED_STOP
				   : MANAGED_DELETED;
		free(place);
		free(state);
	}
}

void
pubsub_managed_started(void *service, struct server_call *c)
{
	pubsub_subscribe_started(service, c);
}

static void send_answer(void *context);

/* Looks the same when the connection breaks: how the call ends tells which it was. A commit gets its answer first. */
void
pubsub_managed_half_closed(void *service, struct server_call *c)
{
	struct pubsub_server *p = service;
	struct subscription *s = server_call_data(c);

	server_timer_stop(p->server, &s->commit_timer);
	if (s->commit)
		send_answer(s);
	server_call_finish(c, &(struct server_status){ 0 });
}

/* In good order the slot is free at once. */
void
pubsub_managed_ended(void *service, struct server_call *c, bool cancelled)
{
	struct pubsub_server *p = service;
	struct subscription *s = server_call_data(c);

	server_timer_stop(p->server, &s->commit_timer);
	free(s->commit);
	s->commit = NULL;
	if (s->managed && s->managed->active == s) {
		s->managed->active = NULL;
		s->managed->held_until_ms = cancelled ? now_ms(p) + p->emulator->options->managed_slot_ms : 0;
	}
	pubsub_subscribe_ended(service, c, cancelled);
}

/* --- the first request -------------------------------------------------------------------------- */

static bool
same_id(const char *a, const char *b)
{
	return strncmp(a, b, 15) == 0 && (strlen(b) == 15 || strcmp(a, b) == 0);
}

static struct managed *
find(struct pubsub_server *p, struct server_call *c, const Eventbus__V1__ManagedFetchRequest *q)
{
	bool by_id = *q->subscription_id != '\0';
	size_t len = strlen(q->subscription_id);

	if (by_id == (*q->developer_name != '\0')) {
		pubsub_fail(c, 3, "managed.subscription.id.or.developer.name.empty",
		    "Either the subscription ID or the developer name must be given.");
		return NULL;
	}
	if (by_id && len != 15 && len != 18) {
		pubsub_fail(c, 3, "managed.subscription.subscription.id.invalid",
		    "The managed subscription ID must have 15 or 18 characters.");
		return NULL;
	}
	for (size_t i = 0; i < MANAGED_COUNT; i++) {
		const struct managed_record *r = p->managed[i].record;

		if (p->managed[i].state == MANAGED_DELETED)
			continue;
		if (by_id ? same_id(r->id, q->subscription_id) : strcmp(r->name, q->developer_name) == 0)
			return &p->managed[i];
	}
	pubsub_fail(c, 5,
	    by_id ? "managed.subscription.subscription.id.not.found" : "managed.subscription.developer.name.not.found",
	    "The managed subscription %.80s was not found.", by_id ? q->subscription_id : q->developer_name);
	return NULL;
}

/* After the committed place; else the default; where that place has aged out, the recovery, and no word of it. */
static uint64_t
find_start(struct pubsub_server *p, struct managed *m)
{
	bool lost = m->committed && (m->expired || !bus_holds(p->bus, m->committed));
	bool earliest = lost ? m->record->recovery_earliest : m->record->default_earliest;

	if (m->committed && !lost)
		return m->committed;
	m->expired = false;
	m->committed = 0;
	return earliest ? bus_earliest(p->bus) : bus_last(p->bus);
}

static void
uncommitted(void *context)
{
	struct subscription *s = context;

	pubsub_fail(s->call, 4, NULL,
	    "No CommitReplayRequests sent in the last 1800 seconds. Closing managed subscription.");
}

static void
be_patient(struct subscription *s)
{
	struct pubsub_server *p = s->service;

	server_timer_start(p->server, &s->uncommitted, p->emulator->options->managed_patience_ms, uncommitted, s);
}

static bool
begin(struct subscription *s, const Eventbus__V1__ManagedFetchRequest *q)
{
	struct pubsub_server *p = s->service;
	struct server_call *c = s->call;
	struct managed *m = find(p, c, q);

	if (!m)
		return false;
	if (q->commit_replay_id_request) {
		pubsub_fail(c, 3, "managed.subscription.fetch.request.commit.request.restricted",
		    "The first request can't commit a replay ID.");
	} else if (m->state == MANAGED_STOP) {
		pubsub_fail(c, 9, "managed.subscription.config.stopped", "The managed subscription is stopped.");
	} else if (m->active || m->held_until_ms > now_ms(p)) {
		pubsub_fail(c, 6, "managed.subscription.already.active",
		    "The managed subscription %s is already active.", m->record->name);
	} else if (q->num_requested < 1) {
		pubsub_fail(c, 3, "subscription.fetch.requested.events.invalid",
		    "The number of events requested must be greater than zero.");
	} else if ((s->topic = pubsub_find_topic(p, c, m->record->topic, "topic.validation.empty")) != NULL) {
		m->active = s;
		s->managed = m;
		s->after = find_start(p, m);
		be_patient(s);
		return true;
	}
	return false;
}

/* --- commits ------------------------------------------------------------------------------------ */

/* Why a commit is not taken; NULL: it is. */
static const char *
commit(struct subscription *s, const Eventbus__V1__CommitReplayRequest *q)
{
	struct pubsub_server *p = s->service;
	struct managed *m = s->managed;
	uint64_t replay;

	if (s->after > m->delivered)
		m->delivered = s->after;
	if (q->replay_id.len == 0)
		return "The replay ID to commit is missing.";
	if (!bus_replay_parse(text_span(q->replay_id.data, q->replay_id.len), &replay) || !bus_holds(p->bus, replay))
		return "The replay ID to commit is invalid or has expired.";
	if (replay > m->delivered)
		return "The replay ID to commit has not been delivered yet.";
	if (replay < m->committed)
		return "The replay ID to commit is older than the one that is committed.";
	if (m->committed != replay) {
		char *name = kept_name(m, "committed");

		m->committed = replay;
		bus_keep(p->bus, name, replay);
		free(name);
	}
	return NULL;
}

/* The answer to a commit that waits for others to be answered with it. */
struct commit {
	char id[64];
	uint8_t replay[64];
	size_t replay_len;
	const char *why; /* refused; NULL: not */
	int64_t received_ms;
};

static void
send_answer(void *context)
{
	struct subscription *s = context;
	struct commit *k = s->commit;
	Eventbus__V1__ManagedFetchResponse r = EVENTBUS__V1__MANAGED_FETCH_RESPONSE__INIT;
	Eventbus__V1__CommitReplayResponse answer = EVENTBUS__V1__COMMIT_REPLAY_RESPONSE__INIT;
	Eventbus__V1__Error error = EVENTBUS__V1__ERROR__INIT;

	s->commit = NULL;
	error.code = EVENTBUS__V1__ERROR_CODE__COMMIT;
	error.msg = (char *)k->why;
	answer.commit_request_id = k->id;
	answer.replay_id = (ProtobufCBinaryData){ k->replay_len, k->replay };
	answer.error = k->why ? &error : NULL;
	answer.process_time = k->received_ms;
	r.commit_response = &answer;
	r.rpc_id = s->rpc_id;
	r.pending_num_requested = s->credit;
	pubsub_send(s->call, &r.base);
	free(k);
}

/* At once, or with others: then one answer carries the last of them. A refusal is not mixed with others. */
static void
answer_commit(struct subscription *s, const Eventbus__V1__CommitReplayRequest *q)
{
	struct pubsub_server *p = s->service;
	const char *why = commit(s, q);
	int64_t wait = p->emulator->options->commit_interval_ms;
	struct commit *k = s->commit;

	if (k && why) {
		send_answer(s);
		k = NULL;
	}
	if (!k)
		k = s->commit = memory_alloc(sizeof *k);
	*k = (struct commit){ .why = why, .received_ms = clock_wall_ms(p->emulator->clock) };
	snprintf(k->id, sizeof k->id, "%s", q->commit_request_id);
	k->replay_len = q->replay_id.len < sizeof k->replay ? q->replay_id.len : sizeof k->replay;
	if (k->replay_len > 0)
		memcpy(k->replay, q->replay_id.data, k->replay_len);
	if (why || wait == 0) {
		server_timer_stop(p->server, &s->commit_timer);
		send_answer(s);
	} else if (s->commit_timer.due_ms == 0) {
		server_timer_start(p->server, &s->commit_timer, wait, send_answer, s);
	}
	be_patient(s);
}

static bool
check(struct subscription *s, const Eventbus__V1__ManagedFetchRequest *q)
{
	if (*q->auth_refresh)
		pubsub_fail(s->call, 3, "managed.subscription.fetch.request.auth.request.restricted",
		    "The auth_refresh value is for internal use.");
	else if (q->num_requested < 0)
		pubsub_fail(s->call, 3, "managed.subscription.fetch.request.events.invalid",
		    "The number of events requested can't be negative.");
	else if (s->managed && q->num_requested == 0 && !q->commit_replay_id_request)
		pubsub_fail(s->call, 3, "managed.subscription.fetch.request.invalid",
		    "The request has neither a number of events nor a replay ID to commit.");
	else
		return true;
	return false;
}

void
pubsub_managed_message(void *service, struct server_call *c, struct text message)
{
	struct subscription *s = server_call_data(c);
	Eventbus__V1__ManagedFetchRequest *q =
	    eventbus__v1__managed_fetch_request__unpack(NULL, message.len, (const uint8_t *)message.data);

	if (!q) {
		pubsub_fail(c, 13, NULL, "The request is not a ManagedFetchRequest.");
		return;
	}
	if ((!s->managed || pubsub_authorize_again(service, c)) && pubsub_subscription_may_ask(s) && check(s, q) &&
	    (s->managed || begin(s, q))) {
		if (q->commit_replay_id_request)
			answer_commit(s, q->commit_replay_id_request);
		if (q->num_requested > 0)
			pubsub_subscription_credit(s, q->num_requested);
		server_call_read(c);
	}
	eventbus__v1__managed_fetch_request__free_unpacked(q, NULL);
}

/* --- the administrator ---------------------------------------------------------------------------- */

/* On the server's thread: ends what may be open no longer. */
static void
end_stopped(void *context)
{
	struct pubsub_server *p = context;

	for (size_t i = 0; i < MANAGED_COUNT; i++) {
		struct managed *m = &p->managed[i];

		if (!m->active || m->state == MANAGED_RUN)
			continue;
		if (m->state == MANAGED_STOP)
			pubsub_fail(m->active->call, 9, "managed.subscription.config.stopped", "The managed subscription is stopped.");
		else
			pubsub_fail(m->active->call, 9, "managed.subscription.config.deleted", "The managed subscription was deleted.");
	}
}

bool
pubsub_server_manage(struct pubsub_server *p, const char *developer_name, const char *verb)
{
	static const char *const verbs[] = { "expire", "run", "stop", "delete" };
	struct managed *m = NULL;
	size_t v = 0;
	char *name;

	for (size_t i = 0; i < MANAGED_COUNT && !m; i++)
		if (strcmp(p->managed[i].record->name, developer_name) == 0 && p->managed[i].state != MANAGED_DELETED)
			m = &p->managed[i];
	while (v < 4 && strcmp(verb, verbs[v]) != 0)
		v++;
	if (!m || v == 4)
		return false;
	if (v == 0) {
		m->expired = true;
		return true;
	}
	name = kept_name(m, "state");
	bus_keep(p->bus, name, v);
	free(name);
	m->state = v == 1 ? MANAGED_RUN : v == 2 ? MANAGED_STOP : MANAGED_DELETED;
	server_post(p->server, end_stopped, p);
	return true;
}

const struct managed_record *
pubsub_server_managed(struct pubsub_server *p, size_t i, bool *is_stopped)
{
	if (i >= MANAGED_COUNT)
		return NULL;
	*is_stopped = p->managed[i].state == MANAGED_STOP;
	return p->managed[i].state == MANAGED_DELETED ? NULL : &managed_records[i];
}

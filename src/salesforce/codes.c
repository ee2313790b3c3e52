#include "salesforce/codes.h"

#include <stdio.h>
#include <string.h>

#define MINUTES(n) ((n)*INT64_C(60000))

/* gRPC's numbers, as rpc/channel.h names them */
enum {
	INVALID_ARGUMENT = 3,
	DEADLINE_EXCEEDED = 4,
	NOT_FOUND = 5,
	ALREADY_EXISTS = 6,
	PERMISSION_DENIED = 7,
	RESOURCE_EXHAUSTED = 8,
	FAILED_PRECONDITION = 9,
	INTERNAL = 13,
	UNAVAILABLE = 14,
	UNAUTHENTICATED = 16,
};

#define HINT_BUG "this is a fault of sfzb: please report it with the rpc id"
#define HINT_TOPIC                                                                                 \
	"look at 'sfzb topics'; for change events switch the entity on in Setup, Change Data "     \
	"Capture"
#define HINT_READ "give the user read access to the object or event in a permission set"
#define HINT_MANAGED "look at the ManagedEventSubscription record in Setup or by the Tooling API"
#define HINT_POSITION                                                                              \
	"choose where to go on with 'sfzb replay set' or --on-lost-position earliest|latest; "     \
	"events older than 72 hours are gone"

static const struct pubsub_code codes[] = {
    {"service.unavailable", UNAVAILABLE, ERR_UNAVAILABLE, 0, "the service is down", NULL},
    {"service.auth.error", UNAUTHENTICATED, ERR_SESSION, 0,
	"the access token is bad, has expired, or belongs to a session locked to another address",
	NULL},
    {"service.auth.headers.invalid", UNAUTHENTICATED, ERR_CREDENTIALS, 0,
	"accesstoken, instanceurl or tenantid is blank or malformed",
	"look at the instance URL (https://NAME.my.salesforce.com) and the organisation id; 'sfzb "
	"login --check' tries them"},
    {"service.auth.refresh.invalid", INVALID_ARGUMENT, ERR_SESSION, 0,
	"the refresh of the token was not accepted", NULL},
    {"service.protection.triggered", RESOURCE_EXHAUSTED, ERR_OVERLOADED, 30000,
	"too many connections or requests", NULL},
    {"service.protection.stream.limit.triggered", RESOURCE_EXHAUSTED, ERR_OVERLOADED, 10000,
	"requests on one stream came too often", NULL},
    {"service.tenant.license", PERMISSION_DENIED, ERR_CREDENTIALS, 0,
	"the organisation has no licence for the Pub/Sub API",
	"Enterprise, Performance, Unlimited and Developer editions have one; Government Cloud has "
	"not"},
    {"concurrent.client.limit.exceeded", RESOURCE_EXHAUSTED, ERR_OVERLOADED, MINUTES(1),
	"too many clients of this organisation, publishers and subscribers together",
	"stop other subscribers"},
    {"topic.not.found", NOT_FOUND, ERR_NOT_FOUND, 0,
	"no such topic, or change data capture is off for the entity", HINT_TOPIC},
    {"topic.notfound", NOT_FOUND, ERR_NOT_FOUND, 0,
	"no such topic, or change data capture is off for the entity", HINT_TOPIC},
    {"subscription.topic.notfound", NOT_FOUND, ERR_NOT_FOUND, 0,
	"no such topic, or change data capture is off for the entity", HINT_TOPIC},
    {"topic.meta.permission", PERMISSION_DENIED, ERR_PERMISSION, 0,
	"the user may not see the topic", HINT_READ},
    {"topic.api.unavailable", UNAVAILABLE, ERR_UNAVAILABLE, 0, "topics cannot be looked up now",
	NULL},
    {"schema.api.unavailable", UNAVAILABLE, ERR_UNAVAILABLE, 0, "schemas cannot be looked up now",
	NULL},
    {"topic.validation.empty", INVALID_ARGUMENT, ERR_FAILED, 0, "the topic name is blank",
	HINT_BUG},
    {"publish.topic.validation.empty", INVALID_ARGUMENT, ERR_FAILED, 0, "the topic name is blank",
	HINT_BUG},
    {"schema.meta.permission", PERMISSION_DENIED, ERR_PERMISSION, 0,
	"the user may not read the schema", HINT_READ},
    {"schema.validation.failed", INVALID_ARGUMENT, ERR_FAILED, 0,
	"the schema id is blank or malformed",
	"a channel of several entities has no schema of its own; its events name theirs"},
    {"subscription.fetch.replayid.corrupted", INVALID_ARGUMENT, ERR_POSITION, 0,
	"the replay id is not valid, is older than the retention, or belongs to a stream that was "
	"reset",
	HINT_POSITION},
    {"subscription.fetch.replayid.validation.failed", INVALID_ARGUMENT, ERR_POSITION, 0,
	"the replay id is missing or malformed", HINT_POSITION},
    {"subscription.fetch.replay.repeated", INTERNAL, ERR_UNAVAILABLE, 0,
	"an event came with a lower replay id than the one before", NULL},
    {"subscription.limit.exceeded", RESOURCE_EXHAUSTED, ERR_QUOTA, MINUTES(5),
	"the organisation's delivery quota for 24 hours is spent",
	"'sfzb limits' shows the quota; events wait for 72 hours"},
    {"subscription.fetch.overflow", INVALID_ARGUMENT, ERR_UNAVAILABLE, 0,
	"more was requested than was taken", NULL},
    {"subscription.fetch.requested.events.invalid", INVALID_ARGUMENT, ERR_FAILED, 0,
	"the number of requested events is not greater than zero", HINT_BUG},
    {"subscription.fetch.topic.mismatch", INVALID_ARGUMENT, ERR_FAILED, 0,
	"the topic changed on the stream", HINT_BUG},
    {"subscription.fetch.request.invalid", INVALID_ARGUMENT, ERR_FAILED, 0,
	"a request asked for nothing", HINT_BUG},
    {"subscription.topic.cannot.subscribe", PERMISSION_DENIED, ERR_PERMISSION, 0,
	"the user may not read the topic", HINT_READ},
    {"subscription.internal.error", INTERNAL, ERR_UNAVAILABLE, 0, "the service failed", NULL},
    {"publish.stream.sweeper.timeout", DEADLINE_EXCEEDED, ERR_UNAVAILABLE, 0,
	"the publish stream was idle too long", NULL},
    {"publish.auth.refresh.invalid", INVALID_ARGUMENT, ERR_FAILED, 0,
	"auth_refresh in the first request", HINT_BUG},
    {"publish.event.count.invalid", INVALID_ARGUMENT, ERR_FAILED, 0, "a request without events",
	HINT_BUG},
    {"publish.topic.mismatch", INVALID_ARGUMENT, ERR_FAILED, 0, "the topic changed on the stream",
	HINT_BUG},
    {"managed.subscription.already.active", ALREADY_EXISTS, ERR_UNAVAILABLE, 15000,
	"another client holds the subscription, or a broken connection of ours still does",
	"a broken one is given up after some 15 minutes"},
    {"managed.subscription.config.stopped", FAILED_PRECONDITION, ERR_CONFIG, 0,
	"the managed subscription is in state STOP", HINT_MANAGED},
    {"managed.subscription.config.deleted", FAILED_PRECONDITION, ERR_CONFIG, 0,
	"the managed subscription has been deleted", HINT_MANAGED},
    {"managed.subscription.developer.name.not.found", NOT_FOUND, ERR_NOT_FOUND, 0,
	"no managed subscription of that name, or it is just being made", HINT_MANAGED},
    {"managed.subscription.subscription.id.not.found", NOT_FOUND, ERR_NOT_FOUND, 0,
	"no managed subscription of that id, or it is just being made", HINT_MANAGED},
    {"managed.subscription.subscription.id.invalid", INVALID_ARGUMENT, ERR_USAGE, 0,
	"the id of the managed subscription has not 15 or 18 characters", HINT_MANAGED},
    {"managed.subscription.id.or.developer.name.empty", INVALID_ARGUMENT, ERR_USAGE, 0,
	"neither id nor name of the managed subscription, or both", HINT_MANAGED},
    {"managed.subscription.fetch.request.events.invalid", INVALID_ARGUMENT, ERR_FAILED, 0,
	"the number of requested events is negative", HINT_BUG},
    {"managed.subscription.fetch.request.invalid", INVALID_ARGUMENT, ERR_FAILED, 0,
	"a request with neither credit nor commit", HINT_BUG},
    {"managed.subscription.fetch.request.commit.request.restricted", INVALID_ARGUMENT, ERR_FAILED,
	0, "a commit in the first request", HINT_BUG},
    {"managed.subscription.fetch.request.auth.request.restricted", INVALID_ARGUMENT, ERR_FAILED, 0,
	"auth_refresh in the first request", HINT_BUG},
};
#define CODE_COUNT (sizeof(codes) / sizeof(codes[0]))

/* Texts seen where the trailer was lost, or was never there. */
static const struct {
	const char *part, *suffix;
} messages[] = {
    {"Replay ID validation failed", "subscription.fetch.replayid.corrupted"},
    {"exceeded the event delivery limit", "subscription.limit.exceeded"},
    {"must be greater than zero", "subscription.fetch.requested.events.invalid"},
    {"schema ID can't be blank", "schema.validation.failed"},
    {"The topic information for org", "topic.not.found"},
    {"received too many connections", "service.protection.triggered"},
    {"upstream connect error", "service.unavailable"},
};

const struct pubsub_code *
pubsub_codes(size_t *count)
{
	*count = CODE_COUNT;
	return codes;
}

static const struct pubsub_code *
find_suffix(struct text code)
{
	const struct pubsub_code *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < CODE_COUNT; i++) {
		size_t len = strlen(codes[i].suffix);

		if (len > best_len && text_ends(code, codes[i].suffix) &&
		    (code.len == len || code.data[code.len - len - 1] == '.')) {
			best = &codes[i];
			best_len = len;
		}
	}
	return best;
}

/* A code written out in the message: the prefix and what follows of its alphabet. */
static struct text
code_in(struct text message)
{
	static const char prefix[] = PUBSUB_CODE_PREFIX;
	struct text found = {NULL, 0};
	const char *at;
	size_t left;

	if (message.len == 0 ||
	    (at = memmem(message.data, message.len, prefix, sizeof(prefix) - 1)) == NULL)
		return found;
	found.data = at;
	left = message.len - (size_t)(at - message.data);
	while (found.len < left &&
	       ((at[found.len] >= 'a' && at[found.len] <= 'z') || at[found.len] == '.'))
		found.len++;
	while (found.len > 0 && at[found.len - 1] == '.') /* the end of a sentence */
		found.len--;
	return found;
}

const struct pubsub_code *
pubsub_code_find(struct text error_code, struct text message)
{
	const struct pubsub_code *found = find_suffix(error_code);

	/* a code that we do not know says more than a text that we do */
	if (found != NULL || error_code.len > 0)
		return found;
	if ((found = find_suffix(code_in(message))) != NULL)
		return found;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (message.len > 0 && memmem(message.data, message.len, messages[i].part,
					   strlen(messages[i].part)) != NULL)
			return find_suffix(text_of(messages[i].suffix));
	return NULL;
}

/* Port 7443 is often closed in firewalls where 443 is open, and the vendor serves both. */
static void
hint_port(const struct call_status *s, const struct pubsub_request *r, struct error *e)
{
	const char *colon = r->endpoint != NULL ? strrchr(r->endpoint, ':') : NULL;

	if (call_status_failure(s) == CALL_FAILURE_CONNECT && s->proxy == NULL && colon != NULL &&
	    strcmp(colon, ":7443") == 0)
		error_hint(e,
		    "firewalls often close port 7443: try %.*s:443 (SALESFORCE_PUBSUB_ENDPOINT)",
		    (int)(colon - r->endpoint), r->endpoint);
}

int
pubsub_error(const struct call_status *s, const struct pubsub_request *r, struct error *e)
{
	const struct pubsub_code *code = pubsub_code_find(s->error_code, s->message);
	char what[256];
	size_t len;

	if (s->code == 0)
		return 0;
	snprintf(what, sizeof(what), "Salesforce %s%s%s%s", r->rpc != NULL ? r->rpc : "call",
	    r->subject != NULL ? " '" : "", r->subject != NULL ? r->subject : "",
	    r->subject != NULL ? "'" : "");
	call_status_error(s, what, e);
	if (e == NULL)
		return -1;
	len = strlen(e->text);
	snprintf(e->text + len, sizeof(e->text) - len, " (%s%s%s)",
	    r->endpoint != NULL ? r->endpoint : "", r->trace_id != NULL ? ", trace id " : "",
	    r->trace_id != NULL ? r->trace_id : "");
	hint_port(s, r, e);
	if (code == NULL)
		return -1;
	e->code = code->code;
	e->retry_after_ms = code->pause_ms;
	if (code->hint != NULL)
		error_hint(e, "%s: %s", code->meaning, code->hint);
	else
		error_hint(e, "%s", code->meaning);
	return -1;
}

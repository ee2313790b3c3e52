#include "commands/managed.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/log.h"
#include "salesforce/pubsub_managed.h"
#include "salesforce/rest.h"

#define NAME_ALPHABET "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

struct record {
	struct app *app;
	const char *name;
	bool found;
	char topic[TOPIC_NAME_SIZE], state[16], on_start[16], on_loss[16];
};

static void
take_text(char *out, size_t size, const struct json *from, const char *key)
{
	const char *value = json_find_string(from, key);

	snprintf(out, size, "%s", value != NULL ? value : "");
}

static bool
take_row(void *context, const struct json *row)
{
	struct record *r = context;
	const struct json *metadata = json_find(row, "Metadata");

	r->found = true;
	take_text(r->topic, sizeof(r->topic), metadata, "topicName");
	take_text(r->state, sizeof(r->state), metadata, "state");
	take_text(r->on_start, sizeof(r->on_start), metadata, "defaultReplay");
	take_text(r->on_loss, sizeof(r->on_loss), metadata, "errorRecoveryReplay");
	return false;
}

/* Blocking, for the worker. */
static int
ask(void *context, struct error *e)
{
	struct record *r = context;
	size_t len = strlen(r->name);
	bool is_id = strncasecmp(r->name, "18x", 3) == 0 && (len == 15 || len == 18);
	char soql[256];

	snprintf(soql, sizeof(soql), "SELECT Id,DeveloperName,Metadata FROM ManagedEventSubscription WHERE %s='%s' LIMIT 1",
	    is_id ? "Id" : "DeveloperName", r->name);
	return salesforce_rest_query(r->app->salesforce, soql, true, take_row, r, e);
}

static void
set_managed(struct subscriptions *s, const struct managed_options *o, const struct patience *p)
{
	s->items[0].managed = o->name;
	s->items[0].unknown_tries = p->max_retries == 0 ? 1 : 0;
}

/* Who may not read Setup says of which topic it is; where the server goes on is then not known in advance. */
static int
without_record(struct subscriptions *s, const struct managed_options *o, const char *name, const struct patience *p,
    struct error *e)
{
	char *names[] = {(char *)o->topic};

	error_wrap(e, "cannot read the managed subscription '%s'", name);
	/* objects that the user may not see are called unknown (wire/salesforce-http.md §8) */
	if (e->code != ERR_PERMISSION && e->code != ERR_NOT_FOUND)
		return -1;
	e->code = ERR_PERMISSION;
	if (o->topic == NULL)
		return error_hint(e, "reading it takes 'View Setup and Configuration'; without that name its topic, too: TOPIC --managed %s",
		    name);
	log_warn("managed", "%s; taken to be of '%s'", e->text, o->topic);
	error_clear(e);
	if (subscriptions_init(s, 1, names, e) != 0)
		return -1;
	set_managed(s, o, p);
	return 0;
}

/* Behind a lost place only the server chooses where to go on; what lies before that can be had, what it sends cannot be left out. */
static int
check_recovery(const struct managed_options *o, const struct record *r, struct error *e)
{
	if (!o->new_only_when_lost || strcmp(r->on_loss, "EARLIEST") != 0)
		return 0;
	error_set(e, ERR_USAGE, "option '--on-lost-position latest' cannot be kept: behind a lost place the server itself takes the "
				"managed subscription '%s' to the earliest event (its errorRecoveryReplay)",
	    o->name);
	return error_hint(e, "change that to LATEST in the subscription, or give --on-lost-position earliest");
}

int
managed_subscriptions_init(struct subscriptions *s, struct app *app, struct patience *p, const struct managed_options *o,
    struct error *e)
{
	const char *name = o->name;
	struct record r = {.app = app, .name = name};
	char *names[1], whole[TOPIC_NAME_SIZE];

	if (name[0] == '\0' || strlen(name) > 80 || name[strspn(name, NAME_ALPHABET)] != '\0')
		return error_set(e, ERR_USAGE, "'%.100s' is no name or id of a managed subscription", name);
	if (patient_open_salesforce(p, app, e) != 0)
		return -1;
	if (patient_do(p, app, ask, &r, e) != 0)
		return without_record(s, o, name, p, e);
	if (!r.found) {
		error_set(e, ERR_NOT_FOUND, "no managed subscription '%s' is known", name);
		return error_hint(e, "it is a ManagedEventSubscription of the Tooling API, named by its developer name or id");
	}
	if (strcmp(r.state, "STOP") == 0) {
		error_set(e, ERR_CONFIG, "the managed subscription '%s' is in state STOP", name);
		return error_hint(e, "its state must be RUN");
	}
	if (check_recovery(o, &r, e) != 0)
		return -1;
	names[0] = r.topic;
	if (subscriptions_init(s, 1, names, e) != 0)
		return error_wrap(e, "managed subscription '%s'", name);
	if (o->topic != NULL && (topic_name_expand(whole, o->topic, e) != 0 || strcmp(whole, s->items[0].topic) != 0))
		return error_set(e, ERR_USAGE, "the managed subscription '%s' is of '%s', not of '%s'", name, s->items[0].topic,
		    o->topic);
	set_managed(s, o, p);
	log_info("managed", "'%s' goes on behind its last commit; without one it starts at %s, and where that has aged out the "
			    "server goes on at %s",
	    name, r.on_start, r.on_loss);
	return 0;
}

static int
store(void *context, const struct position_update *updates, size_t count, struct error *e)
{
	struct managed_store *m = context;

	if (m->under.store(m->under.context, updates, count, e) != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (updates[i].position.kind == POSITION_AFTER)
			pubsub_managed_commit(m->subscription->inner, &updates[i].position.replay_id);
	return 0;
}

struct position_store
managed_positions(struct managed_store *m)
{
	return (struct position_store){.store = store, .context = m};
}

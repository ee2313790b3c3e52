/*
 * The Salesforce half of login: from environment, options, questions or standard input to a stored session.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "commands/login.h"
#include "commands/patience.h"
#include "salesforce/login_token.h"
#include "salesforce/rest.h"
#include "salesforce/session.h"
#include "salesforce/topic_name.h"

static void
set_text(char **to, const char *from)
{
	if (from != NULL && *to == NULL)
		*to = memory_strdup(from);
}

static struct salesforce_given
given_of(const struct app *app, const struct login_options *o)
{
	return (struct salesforce_given){
		.method = o->from_sf != NULL ? login_method_name(LOGIN_SF) : o->method,
		.login_url = o->host,
		.client_id = o->client_id,
		.username = o->username,
		.private_key_file = o->key_file,
		.pubsub_endpoint = o->endpoint,
		.ca_file = app->common->ca_file,
		.credential_helper = o->credential_helper,
		.sf_alias = o->from_sf,
	};
}

/* What the options say, for when the environment alone is not enough. */
static int
fill_from_options(struct salesforce_login *l, const struct salesforce_given *g, struct error *e)
{
	salesforce_login_init(l);
	set_text(&l->login_url, g->login_url);
	set_text(&l->client_id, g->client_id);
	set_text(&l->username, g->username);
	set_text(&l->private_key_file, g->private_key_file);
	set_text(&l->pubsub_endpoint, g->pubsub_endpoint);
	set_text(&l->pubsub_endpoint, profile_environment("SALESFORCE_PUBSUB_ENDPOINT"));
	set_text(&l->login_url, profile_environment("SALESFORCE_LOGIN_URL"));
	set_text(&l->login_url, profile_environment("SALESFORCE_INSTANCE_URL"));
	set_text(&l->ca_file, g->ca_file);
	set_text(&l->credential_helper, g->credential_helper);
	if (g->method != NULL && login_method_parse(g->method, &l->method) != 0)
		return error_set(e, ERR_USAGE, "option '--method': '%s' is no way to log in to Salesforce",
		    g->method);
	return 0;
}

static bool
is_browser(const char *method)
{
	return method != NULL && strcmp(method, "browser") == 0;
}

/* A key that is locked needs its passphrase: asked for only then. */
static int
ask_passphrase(struct salesforce_login *l, struct error *e)
{
	if (l->method != LOGIN_JWT || l->credential_helper != NULL || !terminal_can_ask() ||
	    !salesforce_key_is_encrypted(l->private_key_file))
		return 0;
	return login_ask_secret(&l->key_passphrase, "Passphrase of the private key", e);
}

static int
ask_method(struct salesforce_login *l, struct error *e)
{
	char *answer = NULL;
	int rc;

	if (l->method != LOGIN_NONE)
		return 0;
	if (terminal_ask("Method (client-credentials, jwt, password, access-token)",
		"client-credentials", &answer, e) != 0)
		return -1;
	rc = login_method_parse(answer, &l->method);
	if (rc != 0)
		error_set(e, ERR_USAGE, "'%s' is none of the methods", answer);
	free(answer);
	return rc;
}

static int
ask_rest(struct salesforce_login *l, struct error *e)
{
	static const char my_domain[] = "My Domain URL of the org (https://....my.salesforce.com)";

	if (ask_method(l, e) != 0)
		return -1;
	switch (l->method) {
	case LOGIN_JWT:
		if (login_ask(&l->login_url, "Login URL", "https://login.salesforce.com", e) != 0 ||
		    login_ask(&l->client_id, "Client id (consumer key)", NULL, e) != 0 ||
		    login_ask(&l->username, "User name", NULL, e) != 0)
			return -1;
		if (login_ask(&l->private_key_file, "Private key file (PEM)", NULL, e) != 0)
			return -1;
		return ask_passphrase(l, e);
	case LOGIN_PASSWORD:
	case LOGIN_SOAP:
		if (login_ask(&l->login_url, "Login URL", "https://login.salesforce.com", e) != 0 ||
		    login_ask(&l->username, "User name", NULL, e) != 0 ||
		    login_ask(&l->client_id, "Client id (empty: log in by SOAP)", "", e) != 0)
			return -1;
		if (l->client_id != NULL && l->client_id[0] == '\0') {
			free(l->client_id);
			l->client_id = NULL;
			l->method = LOGIN_SOAP;
		}
		if (l->method == LOGIN_PASSWORD &&
		    login_ask_secret(&l->client_secret, "Client secret (may be empty)", e) != 0)
			return -1;
		return login_ask_secret(&l->password, "Password (with the security token behind it)", e);
	case LOGIN_ACCESS_TOKEN:
		if (login_ask(&l->login_url, my_domain, NULL, e) != 0)
			return -1;
		return login_ask_secret(&l->access_token, "Access token", e);
	default:
		if (login_ask(&l->login_url, my_domain, NULL, e) != 0 ||
		    login_ask(&l->client_id, "Client id (consumer key)", NULL, e) != 0)
			return -1;
		return login_ask_secret(&l->client_secret, "Client secret (consumer secret)", e);
	}
}

static int
take_stdin(struct salesforce_login *l, struct error *e)
{
	struct secret *place = &l->client_secret;

	if (l->method == LOGIN_NONE)
		l->method = l->client_id != NULL	  ? LOGIN_CLIENT_CREDENTIALS
		    : l->username != NULL ? LOGIN_SOAP
						  : LOGIN_ACCESS_TOKEN;
	if (l->method == LOGIN_ACCESS_TOKEN)
		place = &l->access_token;
	else if (l->method == LOGIN_PASSWORD || l->method == LOGIN_SOAP)
		place = &l->password;
	else if (l->method == LOGIN_JWT)
		place = &l->key_passphrase;
	return login_read_stdin(place, e);
}

static int
gather(struct app *app, const struct login_options *o, struct salesforce_login *l, struct error *e)
{
	struct salesforce_given given = given_of(app, o);
	struct error ignored = ERROR_INIT;

	if (!o->from_stdin) {
		if (salesforce_login_load(l, &given, NULL, e) == 0)
			return ask_passphrase(l, e);
		if (!terminal_can_ask())
			return -1;
		*e = ignored;
	}
	if (fill_from_options(l, &given, e) != 0 ||
	    (o->from_stdin ? take_stdin(l, e) : ask_rest(l, e)) != 0)
		return -1;
	if (l->method == LOGIN_ACCESS_TOKEN)
		set_text(&l->instance_url, l->login_url);
	return salesforce_login_complete(l, e);
}

/* Client id and login URL from options, environment or questions; the rest comes through the browser. */
static int
gather_browser(struct app *app, const struct login_options *o, struct salesforce_login *l, struct error *e)
{
	struct salesforce_given given = given_of(app, o);
	char *url;

	given.method = NULL;
	if (fill_from_options(l, &given, e) != 0)
		return -1;
	set_text(&l->client_id, profile_environment("SALESFORCE_CLIENT_ID"));
	if (profile_environment("SALESFORCE_CLIENT_SECRET") != NULL)
		secret_set(&l->client_secret, text_of(profile_environment("SALESFORCE_CLIENT_SECRET")));
	if (terminal_can_ask() && !o->from_stdin &&
	    (login_ask(&l->login_url, "Login URL", "https://login.salesforce.com", e) != 0 ||
		login_ask(&l->client_id, "Client id (consumer key)", NULL, e) != 0))
		return -1;
	set_text(&l->login_url, "https://login.salesforce.com");
	url = salesforce_host(l->login_url, e);
	if (url == NULL)
		return -1;
	free(l->login_url);
	l->login_url = url;
	set_text(&l->pubsub_endpoint, SALESFORCE_PUBSUB_ENDPOINT);
	return login_salesforce_browser(l, o, e);
}

static void
describe(const struct salesforce_login *l, struct login_state *state)
{
	state->side = "salesforce";
	state->known = true;
	state->from_environment = l->from_environment;
	state->method = memory_strdup(login_method_name(l->method));
	state->host = memory_strdup(l->login_url);
	state->user = memory_strdup(l->username);
}

static void
describe_session(struct salesforce_session *s, struct login_state *state)
{
	free(state->user);
	state->user = memory_strdup(salesforce_session_username(s));
	free(state->host);
	state->host = memory_strdup(salesforce_session_instance_url(s));
	state->organisation = memory_strdup(salesforce_session_org_id(s));
}

int
login_salesforce(struct app *app, const struct login_options *o, struct login_state *state,
    struct error *e)
{
	struct salesforce_session_options anew = {.log_in_anew = true};
	struct salesforce_user user = {NULL, NULL, NULL, NULL, NULL};
	struct salesforce_session *session = NULL;
	struct error unknown = ERROR_INIT;
	struct salesforce_login l;
	int rc = -1;

	salesforce_login_init(&l);
	if ((is_browser(o->method) ? gather_browser(app, o, &l, e) : gather(app, o, &l, e)) != 0)
		goto out;
	session = salesforce_session_open(&l, NULL, &anew, e);
	if (session != NULL && salesforce_session_username(session)[0] == '\0' &&
	    salesforce_session_user(session, &user, &unknown) != 0)
		log_debug("login", "whose session it is stays unknown: %s", unknown.text);
	salesforce_user_release(&user);
	if (session == NULL || salesforce_session_store(session, app->profile, e) != 0)
		goto out;
	describe(&l, state);
	state->from_environment = false;
	describe_session(session, state);
	rc = 0;
out:
	salesforce_session_free(session);
	salesforce_login_release(&l);
	return rc;
}

static bool
take_organisation(void *context, const struct json *row)
{
	struct json *found = context;

	json_set_string(found, "organisation_name", json_find_string(row, "Name"));
	json_set_string(found, "edition", json_find_string(row, "OrganizationType"));
	json_set_bool(found, "sandbox", json_find_bool(row, "IsSandbox", false));
	return false;
}

/* Not every user may read the organisation's record; then its edition stays unknown. */
static void
check_edition(struct app *app, struct json *found)
{
	struct error e = ERROR_INIT;

	if (salesforce_rest_query(app->salesforce, "SELECT Name,OrganizationType,IsSandbox FROM Organization LIMIT 1", false,
		take_organisation, found, &e) != 0)
		log_debug("login", "the edition is not known: %s", e.text);
}

/*
 * An answer of any kind shows that the Pub/Sub API takes the session; only a failure of another kind counts. A topic that was
 * asked for by name must be readable, though.
 */
static int
check_topic(struct app *app, const char *name, struct json *found, struct error *e)
{
	struct pubsub_topic topic = {.name = NULL};
	char whole[TOPIC_NAME_SIZE];
	struct patience patience;
	bool by_name;
	int rc;

	if (topic_name_expand(whole, name, e) != 0 || app_open_pubsub(app, e) != 0)
		return -1;
	json_set_string(found, "topic", whole);
	by_name = strcmp(name, LOGIN_CHECK_TOPIC) != 0;
	patience_init(&patience, "login", PATIENCE_BRIEF);
	rc = patient_get_topic(&patience, app, whole, &topic, e);
	if (rc != 0 && (by_name || (e->code != ERR_NOT_FOUND && e->code != ERR_PERMISSION)))
		return -1;
	json_set_bool(found, "may_subscribe", rc == 0 && topic.can_subscribe);
	error_clear(e);
	if (rc == 0 && by_name && !topic.can_subscribe)
		rc = error_set(e, ERR_PERMISSION, "this user may not read '%s'", whole);
	pubsub_topic_release(&topic);
	return by_name ? rc : 0;
}

static char *
details(const struct json *found)
{
	const char *name = json_find_string(found, "organisation_name");
	const char *edition = json_find_string(found, "edition"), *topic = json_find_string(found, "topic");

	return memory_format("%s%s%s%s%s %s", name != NULL ? name : "", name != NULL ? ", " : "",
	    edition != NULL ? edition : "edition unknown", json_find_bool(found, "sandbox", false) ? " (sandbox), " : ", ",
	    topic, json_find_bool(found, "may_subscribe", false) ? "may be read" : "may not be read");
}

static int
check(struct app *app, const struct login_options *o, struct login_state *state, struct error *e)
{
	struct salesforce_user user = {NULL, NULL, NULL, NULL, NULL};

	if (app_open_salesforce(app, e) != 0 || salesforce_session_user(app->salesforce, &user, e) != 0)
		return -1;
	free(state->organisation);
	describe_session(app->salesforce, state);
	free(state->user);
	state->user = memory_strdup(user.username);
	salesforce_user_release(&user);
	state->found = json_object();
	check_edition(app, state->found);
	if (check_topic(app, o->topic, state->found, e) != 0)
		return -1;
	state->details = details(state->found);
	state->checked = memory_strdup("works");
	return 0;
}

int
login_salesforce_state(struct app *app, const struct login_options *o, struct login_state *state,
    struct error *e)
{
	struct salesforce_given given = {.ca_file = app->common->ca_file};
	struct salesforce_login l;
	int rc = 0;

	state->side = "salesforce";
	if (salesforce_login_load(&l, &given, app->profile, e) != 0) {
		if (o->check || e->code != ERR_NOT_LOGGED_IN)
			return -1;
		error_clear(e);
		return 0;
	}
	describe(&l, state);
	if (json_find_string(l.stored, "org_id") != NULL)
		state->organisation = memory_strdup(json_find_string(l.stored, "org_id"));
	salesforce_login_release(&l);
	if (o->check)
		rc = check(app, o, state, e);
	return rc;
}

/* Telling the server is a courtesy: a login that no longer works must still be forgotten. */
static void
revoke(const struct salesforce_login *l)
{
	struct error e = ERROR_INIT;
	struct salesforce_session *session;

	if (l->from_environment || l->stored == NULL)
		return;
	session = salesforce_session_open(l, NULL, NULL, &e);
	if (session == NULL || salesforce_session_revoke(session, &e) != 0)
		log_warn("login", "the session is forgotten here but not ended at the server: %s", e.text);
	salesforce_session_free(session);
}

int
logout_salesforce(struct app *app, bool *was_known, struct error *e)
{
	struct salesforce_given given = {.ca_file = app->common->ca_file};
	struct salesforce_login l;
	struct error unusable = ERROR_INIT;

	*was_known = login_is_stored(app, SALESFORCE_SETTINGS_FILE);
	if (salesforce_login_load(&l, &given, app->profile, &unusable) == 0) {
		revoke(&l);
		salesforce_login_release(&l);
	}
	return salesforce_session_forget(app->profile, e);
}

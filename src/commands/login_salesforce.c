/*
 * The Salesforce half of login: from environment, options, questions or standard input to a stored session.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "commands/login.h"
#include "salesforce/session.h"

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
		.method = o->method,
		.login_url = o->host,
		.client_id = o->client_id,
		.username = o->username,
		.private_key_file = o->key_file,
		.pubsub_endpoint = o->endpoint,
		.ca_file = app->common->ca_file,
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
	if (g->method != NULL && login_method_parse(g->method, &l->method) != 0)
		return error_set(e, ERR_USAGE, "option '--method': '%s' is no way to log in to Salesforce",
		    g->method);
	return 0;
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
		return login_ask(&l->private_key_file, "Private key file (PEM)", NULL, e);
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
			return 0;
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
	struct salesforce_session *session = NULL;
	struct salesforce_login l;
	int rc = -1;

	salesforce_login_init(&l);
	if (gather(app, o, &l, e) != 0)
		goto out;
	session = salesforce_session_open(&l, NULL, &anew, e);
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

int
login_salesforce_state(struct app *app, bool check, struct login_state *state, struct error *e)
{
	struct salesforce_given given = {.ca_file = app->common->ca_file};
	struct salesforce_session *session = NULL;
	struct salesforce_user user = {NULL, NULL, NULL, NULL, NULL};
	struct salesforce_login l;
	int rc = -1;

	state->side = "salesforce";
	if (salesforce_login_load(&l, &given, app->profile, e) != 0) {
		if (check || e->code != ERR_NOT_LOGGED_IN)
			return -1;
		error_clear(e);
		return 0;
	}
	describe(&l, state);
	if (json_find_string(l.stored, "org_id") != NULL)
		state->organisation = memory_strdup(json_find_string(l.stored, "org_id"));
	if (check) {
		session = salesforce_session_open(&l, app->profile, NULL, e);
		if (session == NULL || salesforce_session_user(session, &user, e) != 0)
			goto out;
		free(state->organisation);
		describe_session(session, state);
		state->checked = memory_strdup("works");
	}
	rc = 0;
out:
	salesforce_user_release(&user);
	salesforce_session_free(session);
	salesforce_login_release(&l);
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

/*
 * The Databricks half of login: from environment, options, questions or standard input to stored settings. There is no
 * session to store: tokens live an hour and are asked for when they are needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "commands/login.h"
#include "databricks/session.h"

static struct databricks_given
given_of(const struct app *app, const struct login_options *o)
{
	return (struct databricks_given){
		.host = o->host,
		.client_id = o->client_id,
		.warehouse = o->warehouse,
		.ingest_endpoint = o->endpoint,
		.ca_file = app->common->ca_file,
	};
}

/* What is not given is asked for; the answers stand in for options, so that they are checked like those. */
struct answers {
	char *host, *client_id, *warehouse;
	struct secret secret;
};

static void
answers_release(struct answers *a)
{
	free(a->host);
	free(a->client_id);
	free(a->warehouse);
	secret_release(&a->secret);
}

static int
ask(struct answers *a, struct databricks_given *g, struct error *e)
{
	if (g->host == NULL && profile_environment("DATABRICKS_HOST") == NULL) {
		if (terminal_ask("Workspace URL", NULL, &a->host, e) != 0)
			return -1;
		g->host = a->host;
	}
	if (g->client_id == NULL && profile_environment("DATABRICKS_CLIENT_ID") == NULL) {
		if (terminal_ask("Client id of the service principal (empty: a personal access token)", "",
			&a->client_id, e) != 0)
			return -1;
		g->client_id = a->client_id[0] != '\0' ? a->client_id : NULL;
	}
	if (terminal_ask_secret(g->client_id != NULL ? "Client secret" : "Personal access token", &a->secret, e) != 0)
		return -1;
	if (g->warehouse == NULL && profile_environment("DATABRICKS_WAREHOUSE_ID") == NULL) {
		if (terminal_ask("SQL warehouse id (empty: the only one)", "", &a->warehouse, e) != 0)
			return -1;
		g->warehouse = a->warehouse[0] != '\0' ? a->warehouse : NULL;
	}
	return 0;
}

/* Settings from values that a person or a pipe has given; no environment of credentials is looked at. */
static int
build(const struct databricks_given *g, struct secret *secret, struct databricks_config *c, struct error *e)
{
	const char *host = g->host != NULL ? g->host : profile_environment("DATABRICKS_HOST");
	const char *id = g->client_id != NULL ? g->client_id : profile_environment("DATABRICKS_CLIENT_ID");
	const char *warehouse =
	    g->warehouse != NULL ? g->warehouse : profile_environment("DATABRICKS_WAREHOUSE_ID");
	const char *ingest =
	    g->ingest_endpoint != NULL ? g->ingest_endpoint : profile_environment("DATABRICKS_INGEST_ENDPOINT");

	databricks_config_init(c);
	if (host == NULL) {
		error_set(e, ERR_USAGE, "the workspace is not given");
		return error_hint(e, "give its URL with --host or DATABRICKS_HOST");
	}
	if (databricks_host_parse(&c->host, host, e) != 0)
		return -1;
	if (warehouse != NULL && databricks_warehouse_parse(c->warehouse_id, warehouse, e) != 0)
		return -1;
	if (ingest != NULL && databricks_endpoint_parse(&c->ingest, ingest, e) != 0)
		return -1;
	snprintf(c->workspace_id, sizeof(c->workspace_id), "%s",
	    c->ingest.workspace_id[0] != '\0' ? c->ingest.workspace_id : c->host.workspace_id);
	snprintf(c->region, sizeof(c->region), "%s",
	    c->ingest.region[0] != '\0' ? c->ingest.region : c->host.region);
	c->ca_file = memory_strdup(g->ca_file);
	c->client_id = memory_strdup(id);
	c->method = id != NULL ? DATABRICKS_M2M : DATABRICKS_TOKEN;
	secret_move(id != NULL ? &c->client_secret : &c->token, secret);
	return 0;
}

static int
gather(struct app *app, const struct login_options *o, struct databricks_config *c, struct error *e)
{
	struct databricks_given given = given_of(app, o);
	struct answers a = {.host = NULL};
	int rc = -1;

	if (!o->from_stdin) {
		if (databricks_config_load(c, &given, NULL, e) == 0)
			return 0;
		if (!terminal_can_ask())
			return -1;
		error_clear(e);
		rc = ask(&a, &given, e);
	} else {
		rc = login_read_stdin(&a.secret, e);
	}
	if (rc == 0)
		rc = build(&given, &a.secret, c, e);
	answers_release(&a);
	return rc;
}

/* user: as the server calls it; takes ownership. */
static void
describe(const struct databricks_config *c, char *user, struct login_state *state)
{
	state->side = "databricks";
	state->known = true;
	state->from_environment = c->from_environment;
	state->method = memory_strdup(databricks_method_name(c->method));
	state->host = memory_strdup(c->host.url);
	state->user = user != NULL ? user : memory_strdup(c->client_id);
	state->organisation = c->workspace_id[0] != '\0' ? memory_strdup(c->workspace_id) : NULL;
}

/* Who is it? That the server answers shows that the credentials hold. */
static int
try_out(struct databricks_config *c, bool discover, char **user, struct error *e)
{
	struct databricks_session *s = databricks_session_new(c, NULL);
	char *display = NULL;
	int rc = databricks_session_user(s, user, &display, e);

	if (rc == 0 && discover)
		rc = databricks_session_discover(s, c, e);
	if (rc == 0 && display != NULL && display[0] != '\0') {
		free(*user);
		*user = display;
		display = NULL;
	}
	free(display);
	databricks_session_free(s);
	return rc;
}

int
login_databricks(struct app *app, const struct login_options *o, struct login_state *state,
    struct error *e)
{
	struct databricks_config c;
	struct error lacking = ERROR_INIT;
	char *user = NULL;
	int rc = -1;

	databricks_config_init(&c);
	if (gather(app, o, &c, e) != 0)
		goto out;
	if (try_out(&c, true, &user, e) != 0) {
		error_wrap(e, "cannot log in to Databricks");
		goto out;
	}
	if (c.method == DATABRICKS_TOKEN)
		log_warn("login", "a personal access token does for SQL and the catalog; stream needs the client id and "
				  "secret of a service principal");
	else if (databricks_config_need_ingest(&c, &lacking) != 0)
		log_warn("login", "%s; stream needs it: give it with --endpoint", lacking.text);
	if (databricks_config_store(&c, app->profile, e) != 0)
		goto out;
	c.from_environment = false;
	describe(&c, user, state);
	user = NULL;
	rc = 0;
out:
	free(user);
	databricks_config_release(&c);
	return rc;
}

int
login_databricks_state(struct app *app, bool check, struct login_state *state, struct error *e)
{
	struct databricks_given given = {.ca_file = app->common->ca_file};
	struct databricks_config c;
	char *user = NULL;
	int rc = -1;

	state->side = "databricks";
	if (databricks_config_load(&c, &given, app->profile, e) != 0) {
		if (check || e->code != ERR_NOT_LOGGED_IN)
			return -1;
		error_clear(e);
		return 0;
	}
	if (check && try_out(&c, false, &user, e) != 0)
		goto out;
	describe(&c, user, state);
	state->checked = check ? memory_strdup("works") : NULL;
	rc = 0;
out:
	databricks_config_release(&c);
	return rc;
}

int
logout_databricks(struct app *app, bool *was_known, struct error *e)
{
	*was_known = login_is_stored(app, DATABRICKS_SETTINGS_FILE);
	return databricks_config_forget(app->profile, e);
}

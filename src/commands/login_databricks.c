/*
 * The Databricks half of login: from environment, options, questions, standard input or the browser to stored settings. A
 * program's tokens live an hour and are asked for when they are needed; a person's refresh token is stored.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "commands/login.h"
#include "databricks/token.h"

/* --method, and what the vendor's settings call it. */
static const struct {
	const char *method;
	enum databricks_method is;
} methods[] = {
	{"client-credentials", DATABRICKS_M2M},
	{"browser", DATABRICKS_U2M},
	{"access-token", DATABRICKS_TOKEN},
	{"databricks-cli", DATABRICKS_CLI},
};

/* DATABRICKS_NONE when no method is said. */
static int
parse_method(const char *method, enum databricks_method *out, struct error *e)
{
	*out = DATABRICKS_NONE;
	if (method == NULL)
		return 0;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].method, method) == 0)
			*out = methods[i].is;
	if (*out != DATABRICKS_NONE)
		return 0;
	error_set(e, ERR_USAGE, "'%s' is no way to log in to Databricks", method);
	return error_hint(e, "client-credentials, browser, access-token and databricks-cli are");
}

static struct databricks_given
given_of(const struct app *app, const struct login_options *o, enum databricks_method method)
{
	return (struct databricks_given){
		.host = o->host,
		.client_id = o->client_id,
		.warehouse = o->warehouse,
		.ingest_endpoint = o->endpoint,
		.ca_file = app->common->ca_file,
		.credential_helper = o->credential_helper,
		.config_profile = o->config_profile,
		.auth_type = method != DATABRICKS_NONE ? databricks_method_name(method) : NULL,
	};
}

/* What is not given is asked for; the answers stand in for options, so that they are checked like those. */
struct answers {
	char *host, *method, *client_id, *warehouse;
	struct secret secret;
};

static void
answers_release(struct answers *a)
{
	free(a->host);
	free(a->method);
	free(a->client_id);
	free(a->warehouse);
	secret_release(&a->secret);
}

static bool
is_known(const char *given, const char *variable)
{
	return given != NULL || profile_environment(variable) != NULL;
}

static int
ask_place(struct answers *a, struct databricks_given *g, struct error *e)
{
	bool is_named = g->config_profile != NULL || profile_environment("DATABRICKS_CONFIG_PROFILE") != NULL;

	if (!is_known(g->host, "DATABRICKS_HOST") && !is_known(NULL, "DATABRICKS_WORKSPACE_URL") && !is_named) {
		if (terminal_ask("Workspace URL", NULL, &a->host, e) != 0)
			return -1;
		g->host = a->host;
	}
	return 0;
}

static int
ask_warehouse(struct answers *a, struct databricks_given *g, struct error *e)
{
	if (is_known(g->warehouse, "DATABRICKS_WAREHOUSE_ID") || is_known(NULL, "DATABRICKS_SQL_ENDPOINT"))
		return 0;
	if (terminal_ask("SQL warehouse id (empty: the only one)", "", &a->warehouse, e) != 0)
		return -1;
	g->warehouse = a->warehouse[0] != '\0' ? a->warehouse : NULL;
	return 0;
}

static int
ask_credentials(struct answers *a, struct databricks_given *g, enum databricks_method method, struct error *e)
{
	if (method == DATABRICKS_M2M && g->client_id == NULL)
		g->client_id = profile_environment("DATABRICKS_CLIENT_ID");
	if (method == DATABRICKS_M2M && g->client_id == NULL) {
		if (terminal_ask("Client id of the service principal", NULL, &a->client_id, e) != 0)
			return -1;
		g->client_id = a->client_id;
	}
	return terminal_ask_secret(method == DATABRICKS_M2M ? "Client secret" : "Personal access token", &a->secret, e);
}

/* The place from what is given, from the environment and from the vendor's file; the secret as a person or a pipe has given it. */
static int
build(struct databricks_given *g, enum databricks_method method, struct secret *secret, struct databricks_config *c,
    struct error *e)
{
	g->place_only = true;
	if (method == DATABRICKS_M2M && g->client_id == NULL)
		g->client_id = profile_environment("DATABRICKS_CLIENT_ID");
	if (method == DATABRICKS_TOKEN)
		g->client_id = NULL;
	if (databricks_config_load(c, g, NULL, e) != 0) {
		if (e->code == ERR_NOT_LOGGED_IN) {
			error_set(e, ERR_USAGE, "the workspace is not given");
			error_hint(e, "give its URL with --host or DATABRICKS_HOST");
		}
		return -1;
	}
	if (method == DATABRICKS_M2M && c->client_id == NULL) {
		error_set(e, ERR_USAGE, "the client id is not given");
		return error_hint(e, "give it with --client-id or DATABRICKS_CLIENT_ID");
	}
	c->method = method;
	if (secret_is_set(secret))
		secret_move(method == DATABRICKS_M2M ? &c->client_secret : &c->token, secret);
	return 0;
}

/* A secret on standard input is the principal's when one is named, else a token. */
static enum databricks_method
method_of_stdin(const struct databricks_given *g)
{
	return is_known(g->client_id, "DATABRICKS_CLIENT_ID") ? DATABRICKS_M2M : DATABRICKS_TOKEN;
}

static int
ask(struct answers *a, struct databricks_given *g, enum databricks_method *method, struct error *e)
{
	if (ask_place(a, g, e) != 0)
		return -1;
	if (*method == DATABRICKS_NONE && is_known(g->client_id, "DATABRICKS_CLIENT_ID"))
		*method = DATABRICKS_M2M;
	if (*method == DATABRICKS_NONE && (terminal_ask("Method (client-credentials, browser, access-token, databricks-cli)",
		"client-credentials", &a->method, e) != 0 || parse_method(a->method, method, e) != 0))
		return -1;
	if (*method != DATABRICKS_U2M && *method != DATABRICKS_CLI && ask_credentials(a, g, *method, e) != 0)
		return -1;
	return ask_warehouse(a, g, e);
}

static int
gather(struct app *app, const struct login_options *o, struct databricks_config *c, struct error *e)
{
	enum databricks_method method;
	struct databricks_given given;
	struct answers a = {.host = NULL};
	int rc = parse_method(o->method, &method, e);

	if (rc != 0)
		return -1;
	given = given_of(app, o, method);
	if (!o->from_stdin && method != DATABRICKS_U2M) {
		if (databricks_config_load(c, &given, NULL, e) == 0)
			return 0;
		if (!terminal_can_ask())
			return -1;
		error_clear(e);
		rc = ask(&a, &given, &method, e);
		given.auth_type = databricks_method_name(method);
	} else if (method == DATABRICKS_U2M) {
		rc = terminal_can_ask() && !o->from_stdin ? ask(&a, &given, &method, e) : 0;
	} else {
		if (method == DATABRICKS_NONE)
			method = method_of_stdin(&given);
		rc = login_read_stdin(&a.secret, e);
	}
	if (rc == 0 && method == DATABRICKS_CLI)
		rc = databricks_config_load(c, &given, NULL, e);
	else if (rc == 0)
		rc = build(&given, method, &a.secret, c, e);
	if (rc == 0 && method == DATABRICKS_U2M)
		rc = login_databricks_browser(c, o, e);
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

/* Who a login turned out to be: what GRANTs name, and what people do. */
struct who {
	char *principal, *shown;
};

static void
who_release(struct who *w)
{
	free(w->principal);
	free(w->shown);
}

/* That the server answers shows that the credentials hold. */
static int
try_out(struct databricks_session *s, struct databricks_config *c, bool discover, struct who *w, struct error *e)
{
	const struct databricks_config *known = databricks_session_config(s);
	char *user = NULL, *display = NULL;
	int rc = databricks_session_user(s, &user, &display, e);

	if (rc == 0 && discover)
		rc = databricks_session_discover(s, c, e);
	if (rc == 0) {
		w->principal = memory_strdup(known->method == DATABRICKS_M2M ? known->client_id : user);
		w->shown = memory_strdup(display != NULL && display[0] != '\0' ? display : user);
	}
	free(user);
	free(display);
	return rc;
}

static void
say_what_for(struct databricks_config *c)
{
	struct error lacking = ERROR_INIT;

	if (c->method != DATABRICKS_M2M)
		log_warn("login", "%s does for SQL and the catalog; stream and ingest need the client id and secret of a service "
				  "principal", databricks_method_words(c->method));
	else if (databricks_config_need_ingest(c, &lacking) != 0)
		log_warn("login", "%s; stream needs it: give it with --endpoint", lacking.text);
}

int
login_databricks(struct app *app, const struct login_options *o, struct login_state *state,
    struct error *e)
{
	struct databricks_session *s = NULL;
	struct databricks_config c;
	struct who who = {.shown = NULL};
	int rc = -1;

	databricks_config_init(&c);
	if (gather(app, o, &c, e) != 0)
		goto out;
	s = databricks_session_new(&c, NULL);
	if (try_out(s, &c, true, &who, e) != 0) {
		error_wrap(e, "cannot log in to Databricks");
		goto out;
	}
	say_what_for(&c);
	if (o->credential_helper != NULL && c.credential_helper == NULL)
		c.credential_helper = memory_strdup(o->credential_helper);
	databricks_session_login(s, &c); /* a short-lived one may have been renewed already */
	if (databricks_config_store(&c, app->profile, e) != 0)
		goto out;
	/* the login is stored by now: what is missing is the table's */
	if (o->table != NULL) {
		databricks_session_free(s);
		s = databricks_session_new(&c, &(struct databricks_session_options){.profile = app->profile});
		if (login_databricks_table(app, s, &c, who.principal, o->table, state, e) != 0)
			goto out;
	}
	c.from_environment = false;
	describe(&c, who.shown, state);
	who.shown = NULL;
	rc = 0;
out:
	who_release(&who);
	databricks_session_free(s);
	databricks_config_release(&c);
	return rc;
}

int
login_databricks_state(struct app *app, const struct login_options *o, struct login_state *state, struct error *e)
{
	struct databricks_given given = {.ca_file = app->common->ca_file, .config_profile = o->config_profile};
	struct databricks_session *s = NULL;
	struct databricks_config c;
	struct who who = {.shown = NULL};
	int rc = -1;

	state->side = "databricks";
	if (databricks_config_load(&c, &given, app->profile, e) != 0) {
		if (o->check || e->code != ERR_NOT_LOGGED_IN)
			return -1;
		error_clear(e);
		return 0;
	}
	if (o->check) {
		s = databricks_session_new(&c, &(struct databricks_session_options){.profile = app->profile});
		if (try_out(s, &c, true, &who, e) != 0 ||
		    (o->table != NULL && login_databricks_table(app, s, &c, who.principal, o->table, state, e) != 0))
			goto out;
	}
	describe(&c, who.shown, state);
	who.shown = NULL;
	state->checked = o->check ? memory_strdup("works") : NULL;
	rc = 0;
out:
	who_release(&who);
	databricks_session_free(s);
	databricks_config_release(&c);
	return rc;
}

/* Telling the server is a courtesy: a login that no longer works must still be forgotten. */
static void
revoke(const struct databricks_config *c)
{
	struct http_pool_options options = {.http = {.ca_file = c->ca_file}};
	struct http_pool *pool = http_pool_new(&options);
	struct error e = ERROR_INIT;

	if (databricks_token_revoke(c, pool, &e) != 0)
		log_warn("login", "the login is forgotten here but not ended at the server: %s", e.text);
	http_pool_free(pool);
}

int
logout_databricks(struct app *app, bool *was_known, struct error *e)
{
	struct databricks_given given = {.ca_file = app->common->ca_file};
	struct error unusable = ERROR_INIT;
	struct databricks_config c;

	*was_known = login_is_stored(app, DATABRICKS_SETTINGS_FILE);
	if (*was_known && databricks_config_load(&c, &given, app->profile, &unusable) == 0) {
		if (c.method == DATABRICKS_U2M)
			revoke(&c);
		databricks_config_release(&c);
	}
	return databricks_config_forget(app->profile, e);
}

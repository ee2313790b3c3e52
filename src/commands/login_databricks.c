/*
 * The Databricks half of login: from environment, options, questions or standard input to stored settings. There is no
 * session to store: tokens live an hour and are asked for when they are needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "commands/login.h"
#include "databricks/catalog.h"
#include "databricks/table_layout.h"

static struct databricks_given
given_of(const struct app *app, const struct login_options *o)
{
	return (struct databricks_given){
		.host = o->host,
		.client_id = o->client_id,
		.warehouse = o->warehouse,
		.ingest_endpoint = o->endpoint,
		.ca_file = app->common->ca_file,
		.credential_helper = o->credential_helper,
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

/* Statements, one a line: as they are, or as a list for programs. */
static int
print_grants(const struct app *app, const char *statements, struct error *e)
{
	struct json *root, *list;
	struct buffer line = BUFFER_INIT;
	int rc;

	if (!app_outputs(app, "json"))
		return output_write(text_of(statements), e) != 0 ? -1 : output_flush(e);
	root = json_object();
	list = json_array();
	for (const char *at = statements; *at != '\0'; at = strchr(at, '\n') + 1) {
		char *one = memory_strndup(at, strcspn(at, "\n"));

		json_add_string(list, one);
		free(one);
	}
	json_set(root, "missing_grants", list);
	json_write(&line, root, false);
	rc = output_line(buffer_span(&line), e);
	json_free(root);
	buffer_release(&line);
	return rc;
}

/*
 * May the table be written to? Tried step by step, as a stream would do it; from the first step that fails on, the grants
 * are missing. They are data: printed where they can be pasted from.
 */
static int
try_table(struct app *app, struct databricks_session *s, const struct databricks_config *c, const char *name,
    struct login_state *state, struct error *e)
{
	char parts[3][DELTA_PART_SIZE], *plain;
	struct delta_table *t = NULL;
	struct buffer grants = BUFFER_INIT;
	struct error unprinted = ERROR_INIT;
	struct secret token;
	const char *from;
	int missing = 3, rc = -1; /* the steps: catalog, schema, table */

	if (delta_split_name(name, parts, e) != 0)
		return -1;
	plain = memory_format("%s.%s.%s", parts[0], parts[1], parts[2]);
	secret_init(&token);
	if (catalog_has_catalog(s, parts[0], e) != 1)
		missing = 0;
	else if (catalog_has_schema(s, parts[0], parts[1], e) != 1)
		missing = 1;
	else if ((t = catalog_get_table(s, name, e)) == NULL ||
	    (c->method == DATABRICKS_M2M && databricks_session_table_token(s, plain, &token, e) != 0))
		missing = 2;
	if (missing == 3) {
		state->details = memory_format("may write to %s", plain);
		rc = 0;
		goto out;
	}
	if (e->code != ERR_OK && e->code != ERR_NOT_FOUND && e->code != ERR_PERMISSION)
		goto out;
	if (e->code == ERR_OK)
		error_set(e, ERR_PERMISSION, "the %s of table '%s' does not exist or may not be used",
		    missing == 0 ? "catalog" : "schema", plain);
	error_wrap(e, "cannot write to table '%s'", plain);
	error_hint(e, "an owner or administrator runs the GRANT statements on standard output%s",
	    missing == 2 && t == NULL ? "; or the table is not there yet: sfzb create-table" : "");
	delta_write_grants(&grants, name, c->client_id);
	from = buffer_text(&grants);
	for (int i = 0; i < missing; i++)
		from = strchr(from, '\n') + 1;
	if (print_grants(app, from, &unprinted) != 0)
		*e = unprinted;
out:
	secret_release(&token);
	delta_table_free(t);
	buffer_release(&grants);
	free(plain);
	return rc;
}

/* Who is it? That the server answers shows that the credentials hold. */
static int
try_out(struct app *app, struct databricks_config *c, bool discover, const char *table, struct login_state *state,
    char **user, struct error *e)
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
	if (rc == 0 && table != NULL)
		rc = try_table(app, s, databricks_session_config(s), table, state, e);
	free(display);
	databricks_session_free(s);
	return rc;
}

/* The login is stored by now: what is missing is the table's. */
static int
try_stored(struct app *app, const struct databricks_config *c, const char *table, struct login_state *state, struct error *e)
{
	struct databricks_session *s = databricks_session_new(c, NULL);
	int rc = try_table(app, s, c, table, state, e);

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
	if (try_out(app, &c, true, NULL, state, &user, e) != 0) {
		error_wrap(e, "cannot log in to Databricks");
		goto out;
	}
	if (c.method == DATABRICKS_TOKEN)
		log_warn("login", "a personal access token does for SQL and the catalog; stream needs the client id and "
				  "secret of a service principal");
	else if (databricks_config_need_ingest(&c, &lacking) != 0)
		log_warn("login", "%s; stream needs it: give it with --endpoint", lacking.text);
	if (o->credential_helper != NULL && c.credential_helper == NULL)
		c.credential_helper = memory_strdup(o->credential_helper);
	if (databricks_config_store(&c, app->profile, e) != 0)
		goto out;
	if (o->table != NULL && try_stored(app, &c, o->table, state, e) != 0)
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
login_databricks_state(struct app *app, const struct login_options *o, struct login_state *state, struct error *e)
{
	struct databricks_given given = {.ca_file = app->common->ca_file};
	bool check = o->check;
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
	if (check && try_out(app, &c, o->table != NULL, o->table, state, &user, e) != 0)
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

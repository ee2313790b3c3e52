/*
 * sfzb login - store a session for one side or both, or say what is stored.
 *
 * A secret comes from the environment, from a question without echo or from standard input; never from
 * the command line, where every process could read it. Nothing is stored before it was tried.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "commands/list.h"
#include "commands/login.h"
#include "salesforce/login_browser.h"

static const struct option options[] = {
	OPTION_STRING(0, "method", struct login_options, method, "<method>", NULL,
	    "how to log in: to Salesforce by browser, client-credentials, jwt, password, soap or access-token; to Databricks by "
	    "browser, client-credentials, access-token or databricks-cli (default: what the given values are enough for)",
	    .choices = "browser|client-credentials|jwt|password|soap|access-token|databricks-cli", .complete = COMPLETE_WORDS),
	OPTION_STRING(0, "host", struct login_options, host, "<url>", NULL,
	    "My Domain URL of the org, or URL of the workspace"),
	OPTION_STRING(0, "client-id", struct login_options, client_id, "<id>", NULL,
	    "consumer key of the Salesforce app, or id of the service principal"),
	OPTION_STRING(0, "username", struct login_options, username, "<name>", NULL,
	    "Salesforce user, for jwt and password"),
	OPTION_STRING(0, "key-file", struct login_options, key_file, "<file>", NULL,
	    "private key (PEM) for jwt", .complete = COMPLETE_FILE),
	OPTION_STRING(0, "from-sf", struct login_options, from_sf, "<alias>", NULL,
	    "borrow the session of an org that the sf CLI is logged in to"),
	OPTION_STRING(0, "config-profile", struct login_options, config_profile, "<name>", NULL,
	    "take the values for Databricks from this profile of ~/.databrickscfg"),
	OPTION_STRING(0, "credential-helper", struct login_options, credential_helper, "<command>", NULL,
	    "get the secret from this command at each login, in the way of git's credential helpers; it is not stored"),
	OPTION_STRING(0, "redirect-url", struct login_options, redirect_url, "<url>", SALESFORCE_REDIRECT_URL,
	    "callback URL that the app has registered, to the letter, for browser"),
	OPTION_FLAG(0, "no-browser", struct login_options, no_browser,
	    "print the address to open instead of opening it, for browser"),
	OPTION_STRING(0, "topic", struct login_options, topic, "<topic>", LOGIN_CHECK_TOPIC,
	    "with --check: the topic to ask for; one that is named here must be readable", .complete = COMPLETE_TOPIC),
	OPTION_STRING(0, "table", struct login_options, table, "<catalog.schema.table>", NULL,
	    "try whether this table may be written to, and print the GRANT statements that are missing"),
	OPTION_STRING(0, "endpoint", struct login_options, endpoint, "<host:port>", NULL,
	    "Pub/Sub API or Zerobus ingest endpoint, where the usual one does not hold"),
	OPTION_STRING(0, "warehouse", struct login_options, warehouse, "<id>", NULL,
	    "SQL warehouse to use (default: the one that runs, or the only one)"),
	OPTION_FLAG(0, "stdin", struct login_options, from_stdin,
	    "read the secret (client secret, password, passphrase or token; for browser the pasted address) from standard "
	    "input"),
	OPTION_FLAG(0, "status", struct login_options, status, "show what is stored; asks no server"),
	OPTION_FLAG(0, "check", struct login_options, check, "try what is stored"),
	OPTION_END,
};

static void
login_state_release(struct login_state *s)
{
	free(s->method);
	free(s->host);
	free(s->user);
	free(s->organisation);
	free(s->checked);
	free(s->details);
	json_free(s->found);
	*s = (struct login_state){.side = NULL};
}

bool
login_is_stored(struct app *app, const char *file)
{
	struct stat st;

	return lstat(profile_path(app->profile, file), &st) == 0;
}

int
login_read_stdin(struct secret *out, struct error *e)
{
	char *bytes = memory_alloc(LIMIT_TOKEN_BYTES + 2);
	size_t len = 0;
	int rc = -1;

	while (len < LIMIT_TOKEN_BYTES + 2) {
		ssize_t n = read(STDIN_FILENO, bytes + len, LIMIT_TOKEN_BYTES + 2 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			error_set_errno(e, ERR_USAGE, errno, "cannot read the secret from standard input");
			goto out;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > 0 && bytes[len - 1] == '\n')
		len--;
	if (len > 0 && bytes[len - 1] == '\r')
		len--;
	if (len == 0) {
		error_set(e, ERR_USAGE, "standard input holds no secret");
		goto out;
	}
	if (len > LIMIT_TOKEN_BYTES || memchr(bytes, '\n', len) != NULL || memchr(bytes, '\0', len) != NULL) {
		error_set(e, ERR_USAGE, "standard input holds more than one line, or one over %d bytes",
		    LIMIT_TOKEN_BYTES);
		goto out;
	}
	secret_set(out, text_span(bytes, len));
	rc = 0;
out:
	secret_wipe(bytes, LIMIT_TOKEN_BYTES + 2);
	free(bytes);
	return rc;
}

int
login_ask(char **text, const char *question, const char *fallback, struct error *e)
{
	if (*text != NULL)
		return 0;
	return terminal_ask(question, fallback, text, e);
}

int
login_ask_secret(struct secret *s, const char *question, struct error *e)
{
	if (secret_is_set(s))
		return 0;
	return terminal_ask_secret(question, s, e);
}

static struct json *
state_json(const struct login_state *s)
{
	struct json *j = json_object();

	json_set_string(j, "side", s->side);
	json_set_string(j, "source", !s->known ? NULL : s->from_environment ? "environment" : "profile");
	json_set_string(j, "method", s->method);
	json_set_string(j, "host", s->host);
	json_set_string(j, "user", s->user);
	json_set_string(j, "organisation", s->organisation);
	if (s->checked != NULL)
		json_set_string(j, "checked", s->checked);
	for (const struct json *m = json_first(s->found); m != NULL; m = json_next(m))
		json_set(j, json_key(m), json_clone(m));
	return j;
}

static int
print_states(const struct app *app, const struct login_state *states, size_t count, struct error *e)
{
	static const struct column columns[] = {{"SIDE", COLUMN_LEFT}, {"LOGIN", COLUMN_LEFT},
		{"METHOD", COLUMN_LEFT}, {"HOST", COLUMN_LEFT}, {"USER", COLUMN_LEFT}, {"ID", COLUMN_LEFT}, {"DETAILS", COLUMN_LEFT}};
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct login_state *s = &states[i];

		if (app_outputs(app, "json")) {
			rc = output_json(state_json(s), e);
			continue;
		}
		table_add(t, s->side);
		table_add(t, s->checked != NULL	      ? s->checked
			: !s->known	      ? "none"
			: s->from_environment ? "in the environment"
					      : "stored");
		table_add(t, s->method);
		table_add(t, s->host);
		table_add(t, s->user);
		table_add(t, s->organisation);
		table_add(t, s->details);
	}
	if (rc == 0 && table_rows(t) > 0)
		rc = table_print(t, e);
	table_free(t);
	return rc;
}

struct side {
	const char *name;
	int (*log_in)(struct app *, const struct login_options *, struct login_state *, struct error *);
	int (*state)(struct app *, const struct login_options *, struct login_state *, struct error *);
};

static const struct side sides[] = {
	{"salesforce", login_salesforce, login_salesforce_state},
	{"databricks", login_databricks, login_databricks_state},
};
#define SIDES (sizeof(sides) / sizeof(sides[0]))

static int
log_in_one(struct app *app, const struct login_options *o, const struct side *side,
    struct login_state *state, struct error *e)
{
	if (o->status || o->check)
		return side->state(app, o, state, e);
	if (side->log_in(app, o, state, e) != 0)
		return -1;
	log_info("login", "logged in to %s at %s%s%s; stored in profile '%s'", side->name, state->host,
	    state->user != NULL && state->user[0] != '\0' ? " as " : "",
	    state->user != NULL ? state->user : "", profile_name(app->profile));
	return 0;
}

static int
run(struct app *app, const void *given, int argc, char **argv, struct error *e)
{
	const struct login_options *o = given;
	struct login_state states[SIDES] = {{.side = NULL}};
	size_t count = 0;
	int rc = -1;

	if (login_check_options(options, o, argc > 0 ? argv[0] : NULL, e) != 0)
		return -1;
	for (size_t i = 0; i < SIDES; i++) {
		if (argc > 0 && strcmp(argv[0], sides[i].name) != 0)
			continue;
		if (log_in_one(app, o, &sides[i], &states[count++], e) != 0)
			goto out;
	}
	if (count == 0) {
		error_set(e, ERR_USAGE, "there is nothing to log in to by the name '%s'", argv[0]);
		error_hint(e, "write salesforce or databricks");
		goto out;
	}
	rc = o->status || o->check || app_outputs(app, "json") ? print_states(app, states, count, e) : 0;
out:
	for (size_t i = 0; i < SIDES; i++)
		login_state_release(&states[i]);
	return rc;
}

static const struct command_example examples[] = {
	{"sfzb login salesforce", "asks for what it needs"},
	{"sfzb login salesforce --host acme.my.salesforce.com --client-id ID --stdin", NULL},
	{"sfzb login salesforce --method browser --client-id ID", NULL},
	{"sfzb login salesforce --from-sf my-org", "borrow the session of the sf CLI"},
	{"sfzb login databricks --method browser --host acme.cloud.databricks.com", "as yourself"},
	{"sfzb login databricks --config-profile dev", "with the values of the Databricks CLI"},
	{"sfzb login --check", "try what is stored"},
	{"sfzb login databricks --check --table main.crm.account", "and the grants on a table"},
	{NULL, NULL},
};

const struct command command_login = {
	.name = "login",
	.summary = "store a session for one side or both",
	.arguments = "[salesforce|databricks]",
	.description =
	    "Logs in and stores the session in the profile, where every other command finds it. Values come from options, "
	    "from the environment variables of both ecosystems, and from questions where standard input is a terminal. "
	    "Secrets are never taken from the command line: they come from the environment, from a question "
	    "without echo, with --stdin from standard input, or from the command that --credential-helper names.\n\n"
	    "A credential helper is started by the shell with the word get behind it. It reads lines like host=..., "
	    "username=... and service=salesforce, and prints password=... (whichever secret the method needs) or the name of "
	    "the secret itself: client_secret=..., private_key_passphrase=..., access_token=....\n\n"
	    "--method browser needs, for Salesforce, an app of your own with the callback URL "
	    "http://localhost:1717/OauthRedirect; every Databricks workspace knows the client that is used there. Where the "
	    "browser runs on another machine, open the printed address there and paste the address it ends at.\n\n"
	    "Zerobus takes a service principal only: logged in to Databricks as yourself, you can create tables, run sql and look "
	    "at positions, but stream and ingest need client id and secret.\n\n"
	    "A container needs no login at all: the same environment variables work for every command.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct login_options),
	.outputs = "table|json",
	.piped_output = "json",
	.needs = NEEDS_PROFILE,
	.max_operands = 1,
	.operand = COMPLETE_WORDS,
	.operand_words = "salesforce|databricks",
	.run = run,
};

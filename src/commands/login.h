/*
 * The two sides of `sfzb login`. Private to that command and to logout.
 */
#ifndef SFZB_COMMANDS_LOGIN_H
#define SFZB_COMMANDS_LOGIN_H

#include <stdbool.h>

#include "base/json.h"
#include "base/secret.h"
#include "cli/table.h"
#include "commands/app.h"
#include "http/callback.h"

/* The topic that --check asks for unless another is named: it need not be readable. */
#define LOGIN_CHECK_TOPIC "ChangeEvents"

struct login_options {
	const char *method, *host, *client_id, *username, *key_file, *endpoint, *warehouse;
	const char *from_sf, *config_profile, *credential_helper, *redirect_url, *topic, *table;
	bool from_stdin, status, check, no_browser;
};

/* What is known of one side; texts are malloc'ed or NULL. */
struct login_state {
	const char *side; /* "salesforce" */
	bool known;	  /* there is a login at all */
	bool from_environment;
	char *method, *host, *user, *organisation, *checked;
	struct json *found; /* what --check learned besides, for programs; or NULL */
	char *details;	    /* the same for people, or NULL */
};

/* ERR_USAGE for an option that is given and would have no effect. side: NULL for both. login_options.c */
int login_check_options(const struct option *options, const struct login_options *o, const char *side, struct error *e);
/* Does the profile have that file, readable or not? */
bool login_is_stored(struct app *app, const char *file);
/* The first line of standard input, without its newline. */
int login_read_stdin(struct secret *out, struct error *e);
/* Asks for *text on the terminal unless it is set. */
int login_ask(char **text, const char *question, const char *fallback, struct error *e);
int login_ask_secret(struct secret *s, const char *question, struct error *e);

/* Each logs in, stores the session in the profile and fills *state. */
int login_salesforce(struct app *app, const struct login_options *o, struct login_state *state,
    struct error *e);
/* What is stored or in the environment; check: tries it. */
int login_salesforce_state(struct app *app, const struct login_options *o, struct login_state *state,
    struct error *e);
/* The flow through the browser: *l, with client id and login URL, gets a refresh token. login_browser.c */
int login_salesforce_browser(struct salesforce_login *l, const struct login_options *o, struct error *e);
int logout_salesforce(struct app *app, bool *was_known, struct error *e);

int login_databricks(struct app *app, const struct login_options *o, struct login_state *state,
    struct error *e);
int login_databricks_state(struct app *app, const struct login_options *o, struct login_state *state, struct error *e);
/* *c, with host and perhaps client id, becomes a person's login. login_browser.c */
int login_databricks_browser(struct databricks_config *c, const struct login_options *o, struct error *e);
/*
 * Tries whether the login may write to a table; the GRANT statements that are missing are printed. login_table.c
 * ERR_NOT_FOUND, ERR_PERMISSION; what it may is in the state's details.
 */
int login_databricks_table(struct app *app, struct databricks_session *s, const struct databricks_config *c,
    const char *principal, const char *name, struct login_state *state, struct error *e);
int logout_databricks(struct app *app, bool *was_known, struct error *e);

#endif

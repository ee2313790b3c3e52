/*
 * What a Databricks connection is made of and where it comes from: the command line (never a secret), then
 * the environment, then a profile of ~/.databrickscfg that one of these names, then databricks.json of sfzb's own profile,
 * then ~/.databrickscfg with the rules of the vendor's own tools (wire/databricks-http.md §4). Credentials in the
 * environment set those of a file aside, and nothing but ca_file is taken from a file that is about another host.
 *
 * databricks.json: {"host", "client_id", "client_secret", "token", "refresh_token", "auth_type", "warehouse_id",
 * "ingest_endpoint", "workspace_id", "region", "cloud", "account_id", "credential_helper", "config_profile", "config_file",
 * "token_endpoint", "ca_file", "visibility_wait"}, all strings; besides, of a login in the browser, "session": {"access_token",
 * "renew_at": ms since 1970}.
 */
#ifndef SFZB_DATABRICKS_CONFIG_H
#define SFZB_DATABRICKS_CONFIG_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"
#include "base/secret.h"
#include "databricks/host.h"
#include "profile/profile.h"

#define DATABRICKS_SETTINGS_FILE "databricks.json"

enum databricks_method {
	DATABRICKS_NONE,
	DATABRICKS_M2M,	  /* "oauth-m2m": client id and secret of a service principal */
	DATABRICKS_TOKEN, /* "pat": a personal access token; SQL and catalog, not Zerobus */
	DATABRICKS_U2M,	  /* "external-browser": a person, by a refresh token of ours; SQL and catalog, not Zerobus */
	DATABRICKS_CLI,	  /* "databricks-cli": a person, by the tokens of the vendor's CLI; SQL and catalog, not Zerobus */
	DATABRICKS_AZURE, /* "azure-client-secret": an Entra service principal; SQL and catalog, not Zerobus */
	DATABRICKS_METHODS
};

/* The public client that every workspace knows, for a login in the browser without an app of one's own. */
#define DATABRICKS_PUBLIC_CLIENT "databricks-cli"

/* Values of the command line; NULL where not given. */
struct databricks_given {
	const char *host, *client_id, *warehouse, *ingest_endpoint, *workspace_id, *region;
	const char *config_profile, *config_file, *auth_type, *ca_file, *credential_helper;
	bool place_only; /* no credentials but a given client id: neither looked for nor missed */
};

struct databricks_config {
	enum databricks_method method;
	struct databricks_host host;
	struct databricks_endpoint ingest;    /* target "" when it is not known yet */
	char workspace_id[WORKSPACE_ID_SIZE]; /* by endpoint, host or setting; "" */
	char warehouse_id[WAREHOUSE_ID_SIZE]; /* "" when none is configured */
	char region[REGION_SIZE];
	char *client_id, *account_id, *ca_file; /* client_id: of DATABRICKS_AZURE the Entra application's */
	char *credential_helper; /* gives the secret at each load; then none is stored */
	char *config_profile, *config_file; /* of the vendor's CLI: whose tokens; NULL: those of the host, the usual file */
	char *token_endpoint;	 /* of a login in the browser; NULL: the host's usual one */
	char *azure_tenant, *azure_resource, *azure_authority; /* or NULL */
	int64_t visibility_ms; /* how long after its acknowledgement a row may be missing from a query; 0: not said */
	struct secret client_secret, token, refresh_token;
	struct secret access_token; /* of a login in the browser, good until renew_at_ms (wall); may be unset */
	int64_t renew_at_ms;
	bool from_environment; /* the credentials are */
	char source[300];      /* of the credentials: "environment", "profile default", "~/.databrickscfg [DEFAULT]" */
};

void databricks_config_init(struct databricks_config *c);
void databricks_config_release(struct databricks_config *c);
void databricks_config_copy(struct databricks_config *to, const struct databricks_config *from);

/*
 * Gathers and checks. ERR_NOT_LOGGED_IN when there is no host or no credentials at all, ERR_CONFIG when something is
 * malformed, incomplete, or of two kinds. profile NULL: its file is not read. No network; but a credential helper is run.
 */
int databricks_config_load(struct databricks_config *c, const struct databricks_given *given,
    struct profile *profile, struct error *e);
/* Into a settings object: what a renewed login in the browser changes; out of one: what another process has renewed. */
void databricks_config_put_login(const struct databricks_config *c, struct json *settings);
void databricks_config_take_login(struct databricks_config *c, const struct json *settings);
int databricks_config_store(const struct databricks_config *c, struct profile *profile, struct error *e);
/* Removes what the profile holds of Databricks. */
int databricks_config_forget(struct profile *profile, struct error *e);

/* The Zerobus endpoint, worked out when not given. ERR_CONFIG says what it lacks. */
int databricks_config_need_ingest(struct databricks_config *c, struct error *e);
/* "oauth-m2m", "pat", "" */
const char *databricks_method_name(enum databricks_method m);
/* What there is in words, for "a personal access token does for SQL": "a service principal", "a login in the browser" … */
const char *databricks_method_words(enum databricks_method m);

/*
 * One profile of a .databrickscfg, as an object of strings. name NULL: [__settings__] default_profile, else [DEFAULT],
 * and *out is NULL when that is missing or empty; a named one missing or empty is ERR_CONFIG. *used (to be freed): its name.
 */
int databricks_cfg_parse(struct text file, const char *name, struct json **out, char **used,
    struct error *e);

#endif

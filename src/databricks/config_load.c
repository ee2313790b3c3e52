/* Where a configuration comes from: the places are asked in their order, each fills what the ones before left open. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "databricks/config.h"
#include "profile/credential_helper.h"

/*
 * Every setting: key in both files, variable, a second spelling of it, key in .databrickscfg only (NULL: the same),
 * whether it is a credential.
 */
#define SETTINGS(X)                                                                                \
	X(HOST, "host", "DATABRICKS_HOST", "DATABRICKS_WORKSPACE_URL", NULL, false)                \
	X(TOKEN, "token", "DATABRICKS_TOKEN", NULL, NULL, true)                                    \
	X(REFRESH, "refresh_token", NULL, NULL, NULL, true)                                        \
	X(CLIENT_ID, "client_id", "DATABRICKS_CLIENT_ID", NULL, NULL, true)                        \
	X(CLIENT_SECRET, "client_secret", "DATABRICKS_CLIENT_SECRET", NULL, NULL, true)            \
	X(AUTH_TYPE, "auth_type", "DATABRICKS_AUTH_TYPE", NULL, NULL, true)                        \
	X(WAREHOUSE, "warehouse_id", "DATABRICKS_WAREHOUSE_ID", "DATABRICKS_SQL_ENDPOINT", NULL, false) \
	X(INGEST, "ingest_endpoint", "DATABRICKS_INGEST_ENDPOINT", NULL, "zerobus_endpoint", false) \
	X(WORKSPACE_ID, "workspace_id", "DATABRICKS_WORKSPACE_ID", NULL, NULL, false)              \
	X(ACCOUNT_ID, "account_id", "DATABRICKS_ACCOUNT_ID", NULL, NULL, false)                    \
	X(REGION, "region", NULL, NULL, NULL, false)                                               \
	X(CLOUD, "cloud", NULL, NULL, NULL, false)                                                 \
	X(CA_FILE, "ca_file", NULL, NULL, NULL, false)                                             \
	X(HELPER, "credential_helper", NULL, NULL, NULL, false)                                    \
	X(VISIBILITY, "visibility_wait", NULL, NULL, NULL, false)                                  \
	X(ENDPOINT, "token_endpoint", NULL, NULL, NULL, true)                                      \
	X(AZURE_ID, "azure_client_id", "ARM_CLIENT_ID", NULL, NULL, false)                         \
	X(AZURE_SECRET, "azure_client_secret", "ARM_CLIENT_SECRET", NULL, NULL, false)             \
	X(AZURE_TENANT, "azure_tenant_id", "ARM_TENANT_ID", NULL, NULL, false)                     \
	X(AZURE_RESOURCE, "azure_workspace_resource_id", "DATABRICKS_AZURE_RESOURCE_ID", NULL, NULL, false) \
	X(AZURE_AUTHORITY, "azure_authority_host", "AZURE_AUTHORITY_HOST", NULL, NULL, false)

enum setting {
#define X(name, key, variable, variable2, cfg_key, is_credential) SETTING_##name,
	SETTINGS(X)
#undef X
	    SETTING_COUNT
};

static const struct {
	const char *key, *variable, *variable2, *cfg_key;
	bool is_credential;
} settings[] = {
#define X(name, key, variable, variable2, cfg_key, is_credential)                                  \
	{key, variable, variable2, cfg_key, is_credential},
    SETTINGS(X)
#undef X
};

/* The values found so far, borrowed, and who gave the credentials. */
struct gathering {
	const char *values[SETTING_COUNT];
	char source[300];
	bool from_environment;
	const struct json *session; /* of a login in the browser, beside its refresh token */
	char *cfg_profile, *cfg_file; /* what ~/.databrickscfg was read for, and where; owned */
	bool host_by_cfg, cfg_counts; /* it names the host; it is about the host */
	char elsewhere[700]; /* a file whose credentials are for another host: "profile x is for https://…" */
};

static const char *
from_environment(int i)
{
	const char *value = settings[i].variable != NULL ? profile_environment(settings[i].variable) : NULL;

	if (value == NULL && settings[i].variable2 != NULL)
		value = profile_environment(settings[i].variable2);
	return value;
}

static bool
has_credentials(const struct gathering *g)
{
	return g->values[SETTING_TOKEN] != NULL || g->values[SETTING_CLIENT_SECRET] != NULL ||
	    g->values[SETTING_REFRESH] != NULL;
}

/* What is no host at all is told later, by who needs it. */
static bool
is_other_host(const char *a, const char *b)
{
	struct databricks_host x, y;
	struct error ignored = ERROR_INIT;

	return a != NULL && b != NULL && databricks_host_parse(&x, a, &ignored) == 0 &&
	    databricks_host_parse(&y, b, &ignored) == 0 && strcmp(x.url, y.url) != 0;
}

/*
 * Fills what is still empty from one file. Credentials are left alone when an earlier place gave any; a secret never goes to
 * another host than the one it was stored for, nor is another workspace's warehouse of any use.
 */
static void
gather_file(struct gathering *g, const struct json *file, bool is_cfg, const char *source)
{
	bool had = has_credentials(g), take_credentials = is_cfg || !had;
	const char *host = json_find_string(file, "host");
	bool foreign = is_other_host(g->values[SETTING_HOST], host);

	for (int i = 0; i < SETTING_COUNT; i++) {
		const char *key = is_cfg && settings[i].cfg_key != NULL ? settings[i].cfg_key : settings[i].key;
		const char *value = json_find_string(file, key);

		if (value == NULL || value[0] == '\0' || g->values[i] != NULL || (foreign && i != SETTING_CA_FILE) ||
		    (!take_credentials && settings[i].is_credential) || (is_cfg && (i == SETTING_REFRESH || i == SETTING_ENDPOINT)))
			continue;
		g->values[i] = value;
		if (i == SETTING_REFRESH)
			g->session = file;
		g->host_by_cfg |= is_cfg && i == SETTING_HOST;
	}
	g->cfg_counts |= is_cfg && !foreign;
	if (foreign)
		snprintf(g->elsewhere, sizeof(g->elsewhere), "%s is for %s", source, host);
	if (!had && has_credentials(g))
		snprintf(g->source, sizeof(g->source), "%s", source);
}

static char *
expand_home(const char *path)
{
	const char *home = profile_environment("HOME");

	if (path[0] == '~' && path[1] == '/' && home != NULL)
		return memory_format("%s%s", home, path + 1);
	return memory_strdup(path);
}

/* 0 with *out NULL: there is no such file. */
static int
load_cfg(const char *path, const char *name, struct json **out, char **used, struct error *e)
{
	struct buffer text = BUFFER_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = 0;
	int rc = -1;

	*out = NULL;
	if (fd < 0)
		return errno == ENOENT ? 0 : error_set_errno(e, ERR_CONFIG, errno, "\"%s\"", path);
	do {
		buffer_reserve(&text, 16384);
		n = read(fd, text.data + text.len, 16384);
		if (n > 0)
			text.len += (size_t)n;
	} while (n > 0 && text.len <= LIMIT_SETTINGS_BYTES);
	if (n < 0)
		error_set_errno(e, ERR_CONFIG, errno, "\"%s\"", path);
	else if (text.len > LIMIT_SETTINGS_BYTES)
		error_set(e, ERR_CONFIG, "\"%s\" is larger than %d bytes", path, LIMIT_SETTINGS_BYTES);
	else if (databricks_cfg_parse(buffer_span(&text), name, out, used, e) < 0)
		error_wrap(e, "\"%s\"", path);
	else
		rc = 0;
	close(fd);
	buffer_release_wiped(&text);
	return rc;
}

/* Which profile of the vendor's file is asked for by name, before sfzb's own profile is looked at. */
static const char *
named_profile(const struct databricks_given *given)
{
	return given->config_profile != NULL ? given->config_profile : profile_environment("DATABRICKS_CONFIG_PROFILE");
}

/* name NULL: the default of that file. own may be NULL. */
static int
gather_cfg(struct gathering *g, const struct databricks_given *given, const char *name, const struct json *own,
    struct json **cfg, struct error *e)
{
	const char *file = given->config_file;
	char source[300];
	int rc;

	if (file == NULL)
		file = profile_environment("DATABRICKS_CONFIG_FILE");
	if (file == NULL)
		file = json_find_string(own, "config_file");
	g->cfg_file = expand_home(file != NULL ? file : "~/.databrickscfg");
	rc = load_cfg(g->cfg_file, name, cfg, &g->cfg_profile, e);
	if (rc == 0 && *cfg == NULL && name != NULL) {
		error_set(e, ERR_CONFIG, "\"%s\" does not exist, but a profile \"%s\" of it is named", g->cfg_file, name);
		rc = -1;
	}
	if (rc == 0 && *cfg != NULL) {
		snprintf(source, sizeof(source), "%s [%s]", g->cfg_file, g->cfg_profile);
		gather_file(g, *cfg, true, source);
	}
	return rc;
}

/* The vendor's CLI, by the variable that its users know or in PATH. */
static bool
has_cli(void)
{
	const char *path = profile_environment("DATABRICKS_CLI_PATH");

	if (path != NULL)
		return access(path, X_OK) == 0;
	for (path = profile_environment("PATH"); path != NULL; path = strchr(path, ':') != NULL ? strchr(path, ':') + 1 : NULL) {
		char *candidate = memory_format("%.*s/databricks", (int)strcspn(path, ":"), path);
		struct stat st;
		bool found = candidate[0] == '/' && stat(candidate, &st) == 0 && S_ISREG(st.st_mode) && access(candidate, X_OK) == 0;

		free(candidate);
		if (found)
			return true;
	}
	return false;
}

static bool
is_azure(enum cloud cloud)
{
	return cloud == CLOUD_AZURE || cloud == CLOUD_AZURE_US || cloud == CLOUD_AZURE_CN;
}

/* In the vendor's order: pat, oauth-m2m, databricks-cli, azure-client-secret; a login of our own before the last two. */
static enum databricks_method
guess_method(const struct databricks_config *c, const struct gathering *g)
{
	if (secret_is_set(&c->token))
		return DATABRICKS_TOKEN;
	if (secret_is_set(&c->client_secret) || (c->client_id != NULL && !secret_is_set(&c->refresh_token)))
		return DATABRICKS_M2M;
	if (secret_is_set(&c->refresh_token))
		return DATABRICKS_U2M;
	/* asking the CLI starts a program: a given secret that fits the host goes first */
	if (is_azure(c->host.cloud) && g->values[SETTING_AZURE_ID] != NULL && g->values[SETTING_AZURE_SECRET] != NULL)
		return DATABRICKS_AZURE;
	if (c->host.url[0] != '\0' && (g->host_by_cfg || (g->elsewhere[0] == '\0' && has_cli())))
		return DATABRICKS_CLI;
	return DATABRICKS_NONE;
}

static int
parse_method(enum databricks_method *m, const char *name, struct error *e)
{
	char clean[60];

	for (*m = DATABRICKS_M2M; *m < DATABRICKS_METHODS; ++*m)
		if (strcmp(databricks_method_name(*m), name) == 0)
			return 0;
	error_set(e, ERR_CONFIG, "Databricks authentication \"%s\" is not supported",
	    text_clean(clean, sizeof(clean), text_of(name)));
	return error_hint(e, "pat, oauth-m2m (a service principal's client id and secret), external-browser, databricks-cli and "
			     "azure-client-secret are");
}

/* NULL: the method has what it needs. */
static const char *
lacking(const struct databricks_config *c)
{
	switch (c->method) {
	case DATABRICKS_M2M:
		return c->client_id == NULL		  ? "DATABRICKS_CLIENT_ID" :
		    !secret_is_set(&c->client_secret) ? "DATABRICKS_CLIENT_SECRET" :
							NULL;
	case DATABRICKS_TOKEN:
		return secret_is_set(&c->token) ? NULL : "DATABRICKS_TOKEN";
	case DATABRICKS_AZURE:
		return c->client_id == NULL ? "ARM_CLIENT_ID" : !secret_is_set(&c->client_secret) ? "ARM_CLIENT_SECRET" : NULL;
	default:
		return NULL;
	}
}

static int
not_logged_in(const struct databricks_config *c, const struct gathering *g, const char *what, struct error *e)
{
	error_set(e, ERR_NOT_LOGGED_IN, "not logged in to Databricks: no %s%s%s", what,
	    g->elsewhere[0] != '\0' ? ": " : "", g->elsewhere);
	if (g->elsewhere[0] != '\0')
		return error_hint(e, "the host is %s here: unset DATABRICKS_HOST, or log in there with 'sfzb login databricks'",
		    c->host.url);
	return error_hint(e, "run 'sfzb login databricks' on a terminal, or set DATABRICKS_HOST with DATABRICKS_CLIENT_ID and "
			     "DATABRICKS_CLIENT_SECRET");
}

static int
pick_method(struct databricks_config *c, const struct gathering *g, struct error *e)
{
	const char *auth_type = g->values[SETTING_AUTH_TYPE];
	const char *lacks;

	if (auth_type != NULL && auth_type[0] != '\0') {
		if (parse_method(&c->method, auth_type, e) < 0)
			return -1;
	} else if (secret_is_set(&c->token) && c->client_id != NULL && secret_is_set(&c->client_secret)) {
		error_set(e, ERR_CONFIG, "two kinds of Databricks credentials at once: pat and oauth-m2m");
		return error_hint(e, "unset DATABRICKS_TOKEN or DATABRICKS_CLIENT_SECRET, or choose by DATABRICKS_AUTH_TYPE");
	} else {
		c->method = guess_method(c, g);
	}
	if (c->method == DATABRICKS_NONE || c->host.url[0] == '\0')
		return not_logged_in(c, g, c->host.url[0] == '\0' ? "host" : "credentials", e);
	if (c->method == DATABRICKS_U2M && !secret_is_set(&c->refresh_token)) {
		not_logged_in(c, g, "login in the browser", e);
		return error_hint(e, "run 'sfzb login databricks --method browser'");
	}
	if (c->method == DATABRICKS_AZURE) {
		free(c->client_id);
		c->client_id = memory_strdup(g->values[SETTING_AZURE_ID]);
		secret_release(&c->client_secret);
		if (g->values[SETTING_AZURE_SECRET] != NULL)
			secret_set(&c->client_secret, text_of(g->values[SETTING_AZURE_SECRET]));
		c->from_environment = from_environment(SETTING_AZURE_SECRET) != NULL;
		snprintf(c->source, sizeof(c->source), "%s", c->from_environment ? "environment" : "settings");
	}
	if (c->method == DATABRICKS_CLI)
		snprintf(c->source, sizeof(c->source), "Databricks CLI");
	if ((lacks = lacking(c)) == NULL)
		return 0;
	error_set(e, ERR_CONFIG, "login to Databricks by %s: %s is missing", databricks_method_name(c->method), lacks);
	return error_hint(e, "set it in the environment, or run 'sfzb login databricks'");
}

static void
set_secret(struct secret *s, const char *value)
{
	if (value != NULL)
		secret_set(s, text_of(value));
}

static int
take_workspace_id(struct databricks_config *c, const char *given, struct error *e)
{
	char clean[60];

	if (given != NULL &&
	    (strspn(given, "0123456789") != strlen(given) || strlen(given) >= WORKSPACE_ID_SIZE)) {
		error_set(e, ERR_CONFIG, "workspace id \"%s\" is not a number",
		    text_clean(clean, sizeof(clean), text_of(given)));
		return error_hint(e, "it is the number behind ?o= in the browser's URL of the workspace");
	}
	/* what the endpoint says is what the token must name */
	if (c->ingest.workspace_id[0] != '\0')
		strcpy(c->workspace_id, c->ingest.workspace_id);
	else if (given != NULL)
		strcpy(c->workspace_id, given);
	else
		strcpy(c->workspace_id, c->host.workspace_id);
	return 0;
}

static void
take_helped(void *context, const char *key, const char *value)
{
	struct databricks_config *c = context;

	if (strcmp(key, "client_secret") == 0 || (strcmp(key, "password") == 0 && c->client_id != NULL))
		set_secret(&c->client_secret, value);
	else if (strcmp(key, "token") == 0 || strcmp(key, "password") == 0)
		set_secret(&c->token, value);
}

static int
ask_helper(struct databricks_config *c, struct error *e)
{
	const struct credential_question q = {
	    .service = "databricks", .url = c->host.url, .username = c->client_id};

	if (c->host.url[0] == '\0')
		return 0; /* the missing host is what is told */
	return credential_helper_ask(c->credential_helper, &q, take_helped, c, e);
}

static int
take_values(struct databricks_config *c, const struct gathering *g, const struct databricks_given *given, struct error *e)
{
	const char *const *v = g->values;

	if (v[SETTING_HOST] != NULL && databricks_host_parse(&c->host, v[SETTING_HOST], e) < 0)
		return -1;
	if (c->host.cloud == CLOUD_UNKNOWN)
		c->host.cloud = cloud_parse(v[SETTING_CLOUD]);
	if (v[SETTING_INGEST] != NULL && databricks_endpoint_parse(&c->ingest, v[SETTING_INGEST], e) < 0)
		return -1;
	if (v[SETTING_WAREHOUSE] != NULL &&
	    databricks_warehouse_parse(c->warehouse_id, v[SETTING_WAREHOUSE], e) < 0)
		return -1;
	if (take_workspace_id(c, v[SETTING_WORKSPACE_ID], e) < 0)
		return -1;
	snprintf(c->region, sizeof(c->region), "%s",
	    v[SETTING_REGION] != NULL	   ? v[SETTING_REGION] :
	    c->ingest.region[0] != '\0' ? c->ingest.region :
					  c->host.region);
	c->client_id = memory_strdup(v[SETTING_CLIENT_ID]);
	c->account_id = memory_strdup(v[SETTING_ACCOUNT_ID]);
	c->ca_file = memory_strdup(v[SETTING_CA_FILE]);
	if (v[SETTING_VISIBILITY] != NULL && clock_parse_duration(v[SETTING_VISIBILITY], &c->visibility_ms, e) < 0) {
		e->code = ERR_CONFIG;
		return error_wrap(e, "visibility_wait");
	}
	set_secret(&c->client_secret, v[SETTING_CLIENT_SECRET]);
	set_secret(&c->token, v[SETTING_TOKEN]);
	c->credential_helper = memory_strdup(v[SETTING_HELPER]);
	if (given->place_only)
		return c->host.url[0] != '\0' ? 0 : not_logged_in(c, g, "host", e);
	if (c->credential_helper != NULL && !has_credentials(g) && ask_helper(c, e) < 0)
		return -1;
	databricks_config_take_login(c, g->session);
	c->token_endpoint = memory_strdup(v[SETTING_ENDPOINT]);
	c->config_profile = g->cfg_counts ? memory_strdup(g->cfg_profile) : NULL;
	c->config_file = c->config_profile != NULL ? memory_strdup(g->cfg_file) : NULL;
	c->azure_tenant = memory_strdup(v[SETTING_AZURE_TENANT]);
	c->azure_resource = memory_strdup(v[SETTING_AZURE_RESOURCE]);
	c->azure_authority = memory_strdup(v[SETTING_AZURE_AUTHORITY]);
	c->from_environment = g->from_environment;
	strcpy(c->source, g->source);
	return pick_method(c, g, e);
}

int
databricks_config_load(struct databricks_config *c, const struct databricks_given *given,
    struct profile *profile, struct error *e)
{
	static const struct databricks_given nothing;
	const struct databricks_given *from = given != NULL ? given : &nothing;
	struct gathering g = {.from_environment = false};
	struct json *own = NULL, *cfg = NULL;
	const char *named = named_profile(from);
	char source[300] = "";
	int rc = -1;

	databricks_config_init(c);
	g.values[SETTING_HOST] = from->host;
	g.values[SETTING_CLIENT_ID] = from->client_id;
	g.values[SETTING_WAREHOUSE] = from->warehouse;
	g.values[SETTING_INGEST] = from->ingest_endpoint;
	g.values[SETTING_WORKSPACE_ID] = from->workspace_id;
	g.values[SETTING_REGION] = from->region;
	g.values[SETTING_AUTH_TYPE] = from->auth_type;
	g.values[SETTING_CA_FILE] = from->ca_file;
	g.values[SETTING_HELPER] = from->credential_helper;
	for (int i = 0; i < SETTING_COUNT; i++)
		if (g.values[i] == NULL)
			g.values[i] = from_environment(i);
	g.from_environment = has_credentials(&g);
	if (g.from_environment)
		strcpy(g.source, "environment");

	if (named != NULL && gather_cfg(&g, from, named, NULL, &cfg, e) < 0)
		goto out;
	if (profile != NULL) {
		if (profile_load(profile, DATABRICKS_SETTINGS_FILE, &own, e) < 0)
			goto out;
		snprintf(source, sizeof(source), "profile %s", profile_name(profile));
		gather_file(&g, own, false, source);
	}
	/* unnamed, the vendor's file counts only when nothing else says anything */
	if (named == NULL)
		named = json_find_string(own, "config_profile");
	else
		named = NULL;
	if (cfg == NULL && (named != NULL || (g.values[SETTING_HOST] == NULL && !has_credentials(&g))) &&
	    gather_cfg(&g, from, named, own, &cfg, e) < 0)
		goto out;
	if (from->place_only)
		for (int i = 0; i < SETTING_COUNT; i++)
			if (settings[i].is_credential)
				g.values[i] = i == SETTING_CLIENT_ID ? from->client_id : NULL;
	rc = take_values(c, &g, from, e);
out:
	free(g.cfg_profile);
	free(g.cfg_file);
	json_free(own);
	json_free(cfg);
	if (rc < 0)
		databricks_config_release(c);
	return rc;
}


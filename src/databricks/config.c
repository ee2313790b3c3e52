#include "databricks/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "profile/credential_helper.h"

void
databricks_config_init(struct databricks_config *c)
{
	memset(c, 0, sizeof(*c));
}

void
databricks_config_release(struct databricks_config *c)
{
	free(c->client_id);
	free(c->account_id);
	free(c->ca_file);
	free(c->credential_helper);
	secret_release(&c->client_secret);
	secret_release(&c->token);
	databricks_config_init(c);
}

void
databricks_config_copy(struct databricks_config *to, const struct databricks_config *from)
{
	*to = *from;
	secret_init(&to->client_secret);
	secret_init(&to->token);
	to->client_id = memory_strdup(from->client_id);
	to->account_id = memory_strdup(from->account_id);
	to->ca_file = memory_strdup(from->ca_file);
	to->credential_helper = memory_strdup(from->credential_helper);
	to->visibility_ms = from->visibility_ms;
	secret_copy(&to->client_secret, &from->client_secret);
	secret_copy(&to->token, &from->token);
}

const char *
databricks_method_name(enum databricks_method m)
{
	static const char *const names[] = {"", "oauth-m2m", "pat"};

	return names[m];
}

/*
 * Every setting: key in both files, variable, a second spelling of it, key in .databrickscfg only (NULL: the same),
 * whether it is a credential.
 */
#define SETTINGS(X)                                                                                \
	X(HOST, "host", "DATABRICKS_HOST", "DATABRICKS_WORKSPACE_URL", NULL, false)                \
	X(TOKEN, "token", "DATABRICKS_TOKEN", NULL, NULL, true)                                    \
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
	X(VISIBILITY, "visibility_wait", NULL, NULL, NULL, false)

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
	return g->values[SETTING_TOKEN] != NULL || g->values[SETTING_CLIENT_SECRET] != NULL;
}

/* Fills what is still empty from one file. Credentials are left alone when an earlier place gave any. */
static void
gather_file(struct gathering *g, const struct json *file, bool is_cfg, const char *source)
{
	bool take_credentials = is_cfg || !has_credentials(g);
	bool had = has_credentials(g);

	for (int i = 0; i < SETTING_COUNT; i++) {
		const char *key = is_cfg && settings[i].cfg_key != NULL ? settings[i].cfg_key : settings[i].key;
		const char *value = json_find_string(file, key);

		if (value != NULL && value[0] != '\0' && g->values[i] == NULL &&
		    (take_credentials || !settings[i].is_credential))
			g->values[i] = value;
	}
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
	if (text.data != NULL)
		secret_wipe(text.data, text.capacity);
	buffer_release(&text);
	return rc;
}

/* The vendor's file counts when a profile in it is named, or when nothing else says anything. */
static int
gather_cfg(struct gathering *g, const struct databricks_given *given, const struct json *own,
    struct json **cfg, struct error *e)
{
	const char *name = given->config_profile, *file = given->config_file;
	char *path, *used = NULL, source[300];
	int rc;

	if (name == NULL)
		name = profile_environment("DATABRICKS_CONFIG_PROFILE");
	if (name == NULL)
		name = json_find_string(own, "config_profile");
	if (file == NULL)
		file = profile_environment("DATABRICKS_CONFIG_FILE");
	if (file == NULL)
		file = json_find_string(own, "config_file");
	if (name == NULL && (g->values[SETTING_HOST] != NULL || has_credentials(g)))
		return 0;
	path = expand_home(file != NULL ? file : "~/.databrickscfg");
	rc = load_cfg(path, name, cfg, &used, e);
	if (rc == 0 && *cfg == NULL && name != NULL) {
		error_set(e, ERR_CONFIG, "\"%s\" does not exist, but a profile \"%s\" of it is named", path, name);
		rc = -1;
	}
	if (rc == 0 && *cfg != NULL) {
		snprintf(source, sizeof(source), "%s [%s]", path, used);
		gather_file(g, *cfg, true, source);
	}
	free(path);
	free(used);
	return rc;
}

static int
pick_method(struct databricks_config *c, const char *auth_type, struct error *e)
{
	bool has_m2m = c->client_id != NULL && secret_is_set(&c->client_secret);
	bool has_token = secret_is_set(&c->token);
	char clean[60];

	if (auth_type != NULL && strcmp(auth_type, "pat") == 0) {
		c->method = DATABRICKS_TOKEN;
	} else if (auth_type != NULL && strcmp(auth_type, "oauth-m2m") == 0) {
		c->method = DATABRICKS_M2M;
	} else if (auth_type != NULL && auth_type[0] != '\0') {
		error_set(e, ERR_CONFIG, "Databricks authentication \"%s\" is not supported",
		    text_clean(clean, sizeof(clean), text_of(auth_type)));
		return error_hint(e, "oauth-m2m (a service principal's client id and secret) and pat are");
	} else if (has_m2m && has_token) {
		error_set(e, ERR_CONFIG, "two kinds of Databricks credentials at once: pat and oauth-m2m");
		return error_hint(e, "unset DATABRICKS_TOKEN or DATABRICKS_CLIENT_SECRET, or choose by DATABRICKS_AUTH_TYPE");
	} else {
		c->method = has_token				  ? DATABRICKS_TOKEN :
		    c->client_id != NULL || secret_is_set(&c->client_secret) ? DATABRICKS_M2M :
								  DATABRICKS_NONE;
	}
	if (c->method == DATABRICKS_NONE || c->host.url[0] == '\0') {
		error_set(e, ERR_NOT_LOGGED_IN, "not logged in to Databricks: no %s",
		    c->host.url[0] == '\0' ? "host" : "credentials");
		return error_hint(e, "run 'sfzb login databricks', or set DATABRICKS_HOST with DATABRICKS_CLIENT_ID and "
				     "DATABRICKS_CLIENT_SECRET");
	}
	if ((c->method == DATABRICKS_M2M && !has_m2m) || (c->method == DATABRICKS_TOKEN && !has_token)) {
		error_set(e, ERR_CONFIG, "login to Databricks by %s: %s is missing",
		    databricks_method_name(c->method),
		    c->method == DATABRICKS_TOKEN ? "DATABRICKS_TOKEN" :
		    c->client_id == NULL	  ? "DATABRICKS_CLIENT_ID" :
						    "DATABRICKS_CLIENT_SECRET");
		return error_hint(e, "set it in the environment, or run 'sfzb login databricks'");
	}
	return 0;
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
take_values(struct databricks_config *c, const struct gathering *g, struct error *e)
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
	if (c->credential_helper != NULL && !has_credentials(g) && ask_helper(c, e) < 0)
		return -1;
	c->from_environment = g->from_environment;
	strcpy(c->source, g->source);
	return pick_method(c, v[SETTING_AUTH_TYPE], e);
}

int
databricks_config_load(struct databricks_config *c, const struct databricks_given *given,
    struct profile *profile, struct error *e)
{
	static const struct databricks_given nothing;
	const struct databricks_given *from = given != NULL ? given : &nothing;
	struct gathering g = {.from_environment = false};
	struct json *own = NULL, *cfg = NULL;
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

	if (profile != NULL) {
		if (profile_load(profile, DATABRICKS_SETTINGS_FILE, &own, e) < 0)
			goto out;
		snprintf(source, sizeof(source), "profile %s", profile_name(profile));
		gather_file(&g, own, false, source);
	}
	if (gather_cfg(&g, from, own, &cfg, e) < 0)
		goto out;
	rc = take_values(c, &g, e);
out:
	json_free(own);
	json_free(cfg);
	if (rc < 0)
		databricks_config_release(c);
	return rc;
}

struct json *
databricks_config_settings(const struct databricks_config *c)
{
	struct json *j = json_object();
	bool helped = c->credential_helper != NULL; /* what it gives is not stored */
	char visibility[32];
	const struct {
		const char *key, *value;
	} rows[] = {{"host", c->host.url}, {"auth_type", databricks_method_name(c->method)},
	    {"client_id", c->client_id}, {"client_secret", helped ? NULL : secret_reveal(&c->client_secret)},
	    {"token", helped ? NULL : secret_reveal(&c->token)}, {"warehouse_id", c->warehouse_id},
	    {"ingest_endpoint", c->ingest.target}, {"workspace_id", c->workspace_id},
	    {"region", c->region}, {"cloud", cloud_name(c->host.cloud)},
	    {"account_id", c->account_id}, {"ca_file", c->ca_file}, {"credential_helper", c->credential_helper}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].value != NULL && rows[i].value[0] != '\0')
			json_set_string(j, rows[i].key, rows[i].value);
	if (c->visibility_ms > 0) {
		snprintf(visibility, sizeof(visibility), "%lldms", (long long)c->visibility_ms);
		json_set_string(j, "visibility_wait", visibility);
	}
	return j;
}

int
databricks_config_store(const struct databricks_config *c, struct profile *profile, struct error *e)
{
	struct json *j = databricks_config_settings(c);
	int rc = profile_store(profile, DATABRICKS_SETTINGS_FILE, j, e);

	json_free(j);
	return rc;
}

int
databricks_config_forget(struct profile *profile, struct error *e)
{
	return profile_remove(profile, DATABRICKS_SETTINGS_FILE, e);
}

int
databricks_config_need_ingest(struct databricks_config *c, struct error *e)
{
	if (c->ingest.target[0] != '\0')
		return 0;
	return databricks_endpoint_build(&c->ingest, c->workspace_id, c->region, c->host.cloud, e);
}

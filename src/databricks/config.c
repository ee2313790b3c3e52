#include "databricks/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

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
	free(c->config_profile);
	free(c->config_file);
	free(c->token_endpoint);
	free(c->azure_tenant);
	free(c->azure_resource);
	free(c->azure_authority);
	secret_release(&c->client_secret);
	secret_release(&c->token);
	secret_release(&c->refresh_token);
	secret_release(&c->access_token);
	databricks_config_init(c);
}

void
databricks_config_copy(struct databricks_config *to, const struct databricks_config *from)
{
	*to = *from;
	secret_init(&to->client_secret);
	secret_init(&to->token);
	secret_init(&to->refresh_token);
	secret_init(&to->access_token);
	to->client_id = memory_strdup(from->client_id);
	to->account_id = memory_strdup(from->account_id);
	to->ca_file = memory_strdup(from->ca_file);
	to->credential_helper = memory_strdup(from->credential_helper);
	to->config_profile = memory_strdup(from->config_profile);
	to->config_file = memory_strdup(from->config_file);
	to->token_endpoint = memory_strdup(from->token_endpoint);
	to->azure_tenant = memory_strdup(from->azure_tenant);
	to->azure_resource = memory_strdup(from->azure_resource);
	to->azure_authority = memory_strdup(from->azure_authority);
	secret_copy(&to->client_secret, &from->client_secret);
	secret_copy(&to->token, &from->token);
	secret_copy(&to->refresh_token, &from->refresh_token);
	secret_copy(&to->access_token, &from->access_token);
}

static const struct {
	const char *name, *words;
} methods[DATABRICKS_METHODS] = {
    [DATABRICKS_NONE] = {"", "nothing"},
    [DATABRICKS_M2M] = {"oauth-m2m", "a service principal"},
    [DATABRICKS_TOKEN] = {"pat", "a personal access token"},
    [DATABRICKS_U2M] = {"external-browser", "a login in the browser"},
    [DATABRICKS_CLI] = {"databricks-cli", "a login of the Databricks CLI"},
    [DATABRICKS_AZURE] = {"azure-client-secret", "an Azure client secret"},
};

const char *
databricks_method_name(enum databricks_method m)
{
	return methods[m].name;
}

const char *
databricks_method_words(enum databricks_method m)
{
	return methods[m].words;
}

/* As settings for databricks_config_store; secrets included. */
static struct json *
databricks_config_settings(const struct databricks_config *c)
{
	struct json *j = json_object();
	bool helped = c->credential_helper != NULL; /* what it gives is not stored */
	bool azure = c->method == DATABRICKS_AZURE;
	char visibility[32];
	const struct {
		const char *key, *value;
	} rows[] = {{"host", c->host.url}, {"auth_type", databricks_method_name(c->method)},
	    {azure ? "azure_client_id" : "client_id", c->client_id},
	    {azure ? "azure_client_secret" : "client_secret", helped ? NULL : secret_reveal(&c->client_secret)},
	    {"azure_tenant_id", azure ? c->azure_tenant : NULL},
	    {"azure_workspace_resource_id", azure ? c->azure_resource : NULL},
	    {"azure_authority_host", azure ? c->azure_authority : NULL},
	    {"token", helped ? NULL : secret_reveal(&c->token)}, {"warehouse_id", c->warehouse_id},
	    {"config_profile", c->method == DATABRICKS_CLI ? c->config_profile : NULL},
	    {"config_file", c->method == DATABRICKS_CLI ? c->config_file : NULL},
	    {"token_endpoint", c->token_endpoint},
	    {"ingest_endpoint", c->ingest.target}, {"workspace_id", c->workspace_id},
	    {"region", c->region}, {"cloud", cloud_name(c->host.cloud)},
	    {"account_id", c->account_id}, {"ca_file", c->ca_file}, {"credential_helper", c->credential_helper}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].value != NULL && rows[i].value[0] != '\0')
			json_set_string(j, rows[i].key, rows[i].value);
	if (c->method == DATABRICKS_U2M)
		databricks_config_put_login(c, j);
	if (c->visibility_ms > 0) {
		snprintf(visibility, sizeof(visibility), "%lldms", (long long)c->visibility_ms);
		json_set_string(j, "visibility_wait", visibility);
	}
	return j;
}

void
databricks_config_put_login(const struct databricks_config *c, struct json *settings)
{
	struct json *session = json_object();

	json_set_string(settings, "refresh_token", secret_reveal(&c->refresh_token));
	json_set_string(session, "access_token", secret_reveal(&c->access_token));
	json_set_int64(session, "renew_at", c->renew_at_ms);
	if (secret_is_set(&c->access_token))
		json_set(settings, "session", session);
	else
		json_free(session);
}

void
databricks_config_take_login(struct databricks_config *c, const struct json *settings)
{
	const char *refresh = json_find_string(settings, "refresh_token");
	const struct json *session = json_find(settings, "session");
	const char *access = json_find_string(session, "access_token");

	if (refresh != NULL)
		secret_set(&c->refresh_token, text_of(refresh));
	if (access != NULL) {
		secret_set(&c->access_token, text_of(access));
		c->renew_at_ms = json_find_int64(session, "renew_at", 0);
	}
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

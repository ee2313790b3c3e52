/* Tokens of an Entra service principal (wire/databricks-http.md §3, Azure service principal). */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "databricks/token.h"

#define RESOURCE_DATABRICKS "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d" /* the application that every workspace is */
#define RESOURCE_MANAGEMENT "https://management.core.windows.net/"

static const char *
authority(const struct databricks_config *c)
{
	if (c->azure_authority != NULL)
		return c->azure_authority;
	return c->host.cloud == CLOUD_AZURE_US ? "https://login.microsoftonline.us" :
	    c->host.cloud == CLOUD_AZURE_CN	 ? "https://login.chinacloudapi.cn" :
						   "https://login.microsoftonline.com";
}

/* The workspace redirects to its tenant's login page: "https://login.microsoftonline.com/<tenant>/oauth2/authorize?…". */
static char *
ask_tenant(const struct databricks_config *c, struct http_pool *pool, struct error *e)
{
	char *url = memory_format("%s/aad/auth", c->host.url), *tenant = NULL;
	struct http_request q = {.method = "GET", .url = url};
	struct http_response r;
	struct text location;

	http_response_init(&r);
	if (http_pool_perform(pool, &q, &r, e) == 0) {
		const char *path;
		char *copy;

		location = http_response_header(&r, "location");
		copy = text_dup(location);
		path = strstr(copy, "://");
		path = path != NULL ? strchr(path + 3, '/') : NULL;
		if (path != NULL && strcspn(path + 1, "/?#") > 0)
			tenant = memory_strndup(path + 1, strcspn(path + 1, "/?#"));
		free(copy);
		if (tenant == NULL) {
			error_set(e, ERR_CONFIG, "the Azure tenant of %s is not known", c->host.url);
			error_hint(e, "set ARM_TENANT_ID");
		}
	}
	http_response_release(&r);
	free(url);
	return tenant;
}

int
databricks_token_of_azure(const struct databricks_config *c, struct http_pool *pool, bool management,
    struct secret *out, int64_t *life_ms, struct error *e)
{
	char *tenant = c->azure_tenant != NULL ? memory_strdup(c->azure_tenant) : ask_tenant(c, pool, e), *origin, *url;
	struct databricks_grant grant = {.life_ms = 0};
	struct buffer form = BUFFER_INIT;
	struct token_question q = {.url = NULL};
	char word[64];
	int status = 0, rc = -1;

	if (tenant == NULL)
		return -1;
	origin = http_origin(authority(c), e);
	if (origin == NULL) {
		error_wrap(e, "AZURE_AUTHORITY_HOST");
		free(tenant);
		return -1;
	}
	url = memory_format("%s/%s/oauth2/token", origin, tenant);
	http_form_add(&form, "grant_type", text_of("client_credentials"));
	http_form_add(&form, "client_id", text_of(c->client_id));
	http_form_add(&form, "client_secret", text_of(secret_reveal(&c->client_secret)));
	http_form_add(&form, "resource", text_of(management ? RESOURCE_MANAGEMENT : RESOURCE_DATABRICKS));
	q.url = url;
	q.form = buffer_span(&form);
	rc = token_post(pool, &q, &grant, &status, word, e);
	if (rc == 0) {
		secret_move(out, &grant.access);
		*life_ms = grant.life_ms;
	} else if (status == 400 || status == 401 || status == 403) {
		e->code = ERR_CREDENTIALS;
		error_hint(e, "check ARM_CLIENT_ID, ARM_CLIENT_SECRET and ARM_TENANT_ID");
	}
	databricks_grant_release(&grant);
	buffer_release_wiped(&form);
	free(url);
	free(origin);
	free(tenant);
	return rc;
}

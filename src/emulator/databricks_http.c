/* What all REST calls of the workspace share, discovery, and the table of routes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "emulator/databricks.h"

void
workspace_headers(struct http_answer *a)
{
	web_header(a, "X-Databricks-Org-Id", DATABRICKS_WORKSPACE_ID);
}

void
workspace_answer(struct http_answer *a, struct json *j)
{
	workspace_headers(a);
	web_json(a, 200, j);
}

void
workspace_error(struct http_answer *a, int status, const char *code, const char *format, ...)
{
	struct json *j = json_object(), *details = json_array(), *detail = json_object();
	char words[1024], clean[1024], id[UUID_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	json_set_string(j, "error_code", code);
	json_set_string(j, "message", text_clean(clean, sizeof(clean), text_of(words)));
	json_set_string(detail, "@type", "type.googleapis.com/google.rpc.RequestInfo");
	json_set_string(detail, "request_id", random_uuid(id));
	json_set_string(detail, "serving_data", "");
	json_add(details, detail);
	json_set(j, "details", details);
	workspace_headers(a);
	web_json(a, status, j);
}

bool
workspace_authorize(struct databricks *d, const struct web_request *r, struct http_answer *a, char **principal)
{
	const char *token = web_bearer(r);
	char *scope = NULL;
	enum token_verdict verdict;

	*principal = NULL;
	if (token == NULL) {
		workspace_error(a, 401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API.");
		return false;
	}
	if (strcmp(token, d->token) == 0) {
		*principal = memory_strdup(d->client_id);
		return true;
	}
	verdict = tokens_check(d->tokens, text_of(token), &scope);
	if (verdict == TOKEN_GOOD && strncmp(scope, DATABRICKS_API_SCOPE, strlen(DATABRICKS_API_SCOPE)) == 0)
		*principal = memory_strdup(scope + strlen(DATABRICKS_API_SCOPE));
	else if (verdict == TOKEN_GOOD)
		workspace_error(a, 403, "PERMISSION_DENIED", "The token's authorization_details do not cover this API.");
	else if (verdict == TOKEN_EXPIRED)
		workspace_error(a, 401, "UNAUTHENTICATED", "Access token expired.");
	else if (strncmp(token, "dapi", 4) == 0)
		workspace_error(a, 403, "PERMISSION_DENIED", "Invalid access token.");
	else
		workspace_error(a, 401, "UNAUTHENTICATED", "Invalid access token.");
	free(scope);
	return *principal != NULL;
}

void
workspace_not_found(void *context, const struct web_request *r, struct http_answer *a)
{
	(void)context;
	workspace_error(a, 404, "ENDPOINT_NOT_FOUND", "No API found for '%s %s'", r->query->method, r->query->path);
}

/* RFC 6749, §5.2: what each status stands for when the script does not say. */
static const char *
oauth_word(int status)
{
	return status == 401 ? "invalid_client" : status == 403 ? "access_denied" :
	    status == 429 ? "temporarily_unavailable" : "invalid_request";
}

void
workspace_fault_body(void *context, const struct web_request *r, const struct fault *f, struct http_answer *a)
{
	static const struct {
		int status;
		const char *code;
	} usual[] = {{400, "BAD_REQUEST"}, {401, "UNAUTHENTICATED"}, {403, "PERMISSION_DENIED"}, {404, "NOT_FOUND"},
	    {409, "ABORTED"}, {429, "RESOURCE_EXHAUSTED"}, {500, "INTERNAL_ERROR"}, {501, "NOT_IMPLEMENTED"},
	    {503, "TEMPORARILY_UNAVAILABLE"}, {504, "DEADLINE_EXCEEDED"}};
	const char *code = f->error_code[0] ? f->error_code : "UNKNOWN";

	(void)context;
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]) && !f->error_code[0]; i++)
		if (usual[i].status == f->http_status)
			code = usual[i].code;
	if (f->message[0] == '{' || f->message[0] == '<') {
		web_text(a, f->http_status, f->message[0] == '<' ? "text/html" : "application/json", f->message);
	} else if (strncmp(r->query->path, "/oidc/v1/", strlen("/oidc/v1/")) == 0 && f->http_status < 500) {
		workspace_oauth_error(a, f->http_status, f->error_code[0] ? f->error_code : oauth_word(f->http_status),
		    f->message[0] ? f->message : "by the error script");
	} else {
		workspace_error(a, f->http_status, code, "%s", f->message[0] ? f->message : "by the error script");
	}
}

/* ---- discovery, who am I ---- */

void
workspace_oauth_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	struct json *j = json_object();
	char *authorize = memory_format("%s/oidc/v1/authorize", d->host), *token = memory_format("%s/oidc/v1/token", d->host);
	char *revoke = memory_format("%s/oidc/v1/revoke", d->host);

	(void)r;
	json_set_string(j, "issuer", d->host);
	json_set_string(j, "authorization_endpoint", authorize);
	json_set_string(j, "token_endpoint", token);
	json_set_string(j, "revocation_endpoint", revoke);
	workspace_answer(a, j);
	free(authorize);
	free(token);
	free(revoke);
}

void
workspace_config_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	struct json *j = json_object();
	char *oidc = memory_format("%s/oidc", d->host);

	(void)r;
	json_set_string(j, "oidc_endpoint", oidc);
	json_set_string(j, "account_id", "00000000-0000-4000-8000-000000000001");
	json_set_string(j, "workspace_id", DATABRICKS_WORKSPACE_ID);
	json_set_string(j, "cloud", "AWS");
	json_set_string(j, "host_type", "workspace");
	workspace_answer(a, j);
	free(oidc);
}

void
workspace_me_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	char *principal;
	struct json *j;
	bool is_person;

	if (!workspace_authorize(d, r, a, &principal))
		return;
	j = json_object();
	is_person = strcmp(principal, DATABRICKS_PERSON) == 0;
	json_set_string(j, "id", is_person ? "7000000000000002" : "7000000000000001");
	json_set_string(j, "userName", principal);
	json_set_string(j, "displayName", is_person ? "Ada Emulator" : "sfzb emulator");
	json_set_bool(j, "active", true);
	json_set(j, "emails", json_array());
	json_set(j, "groups", json_array());
	workspace_answer(a, j);
	free(principal);
}

const struct web_route workspace_routes[] = {
    {"POST", "/oidc/v1/token", "databricks.token", workspace_token_post, NULL},
    {"GET", "/oidc/v1/authorize", "databricks.authorize", workspace_authorize_get, NULL},
    {"POST", "/oidc/v1/revoke", "databricks.revoke", workspace_revoke_post, NULL},
    {"GET", "/oidc/.well-known/oauth-authorization-server", "databricks.workspace", workspace_oauth_get, NULL},
    {"GET", "/.well-known/databricks-config", "databricks.workspace", workspace_config_get, NULL},
    {"GET", "/api/2.0/preview/scim/v2/Me", "databricks.workspace", workspace_me_get, NULL},
    {"GET", "/api/2.1/unity-catalog/tables", "databricks.catalog", unity_tables_get, NULL},
    {"GET", "/api/2.1/unity-catalog/tables/{name}/exists", "databricks.catalog", unity_table_exists_get, NULL},
    {"GET", "/api/2.1/unity-catalog/tables/{name}", "databricks.catalog", unity_table_get, NULL},
    {"DELETE", "/api/2.1/unity-catalog/tables/{name}", "databricks.catalog", unity_table_delete, NULL},
    {"GET", "/api/2.1/unity-catalog/catalogs", "databricks.catalog", unity_catalogs_get, NULL},
    {"GET", "/api/2.1/unity-catalog/catalogs/{name}", "databricks.catalog", unity_catalog_get, NULL},
    {"GET", "/api/2.1/unity-catalog/schemas", "databricks.catalog", unity_schemas_get, NULL},
    {"GET", "/api/2.1/unity-catalog/schemas/{name}", "databricks.catalog", unity_schema_get, NULL},
    {"GET", "/api/2.0/sql/warehouses", "databricks.workspace", warehouses_get, NULL},
    {"GET", "/api/2.0/sql/warehouses/{id}", "databricks.workspace", warehouse_get, NULL},
    {"POST", "/api/2.0/sql/warehouses/{id}/start", "databricks.workspace", warehouse_start_post, NULL},
    {"POST", "/api/2.0/sql/warehouses/{id}/stop", "databricks.workspace", warehouse_stop_post, NULL},
    {"POST", "/api/2.0/sql/statements", "databricks.sql", statement_post, NULL},
    {"POST", "/api/2.0/sql/statements/", "databricks.sql", statement_post, NULL},
    {"GET", "/api/2.0/sql/statements/{id}", "databricks.sql", statement_get, NULL},
    {"GET", "/api/2.0/sql/statements/{id}/result/chunks/{chunk}", "databricks.sql", statement_chunk_get, NULL},
    {"POST", "/api/2.0/sql/statements/{id}/cancel", "databricks.sql", statement_cancel_post, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* What all REST calls of the workspace share, tokens, discovery, and the table of routes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/memory.h"
#include "base/random.h"
#include "emulator/databricks.h"

#define TOKEN_PADDING 2400 /* bytes of claims that make a Zerobus token as long as the vendor's */

static void
headers(struct http_answer *a)
{
	web_header(a, "X-Databricks-Org-Id", DATABRICKS_WORKSPACE_ID);
}

void
workspace_answer(struct http_answer *a, struct json *j)
{
	headers(a);
	web_json(a, 200, j);
}

void
workspace_error(struct http_answer *a, int status, const char *code, const char *format, ...)
{
	struct json *j = json_object(), *details = json_array(), *detail = json_object();
	char words[1024], id[UUID_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	json_set_string(j, "error_code", code);
	json_set_string(j, "message", words);
	json_set_string(detail, "@type", "type.googleapis.com/google.rpc.RequestInfo");
	json_set_string(detail, "request_id", random_uuid(id));
	json_set_string(detail, "serving_data", "");
	json_add(details, detail);
	json_set(j, "details", details);
	headers(a);
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
	} else if (strcmp(r->query->path, "/oidc/v1/token") == 0 && f->http_status < 500) {
		struct json *j = json_object();

		json_set_string(j, "error", f->error_code[0] ? f->error_code : "invalid_client");
		json_set_string(j, "error_description", f->message[0] ? f->message : "by the error script");
		web_json(a, f->http_status, j);
	} else {
		workspace_error(a, f->http_status, code, "%s", f->message[0] ? f->message : "by the error script");
	}
}

/* ---- tokens ---- */

static void
refuse(struct http_answer *a, int status, const char *error, const char *description)
{
	struct json *j = json_object();

	json_set_string(j, "error", error);
	json_set_string(j, "error_description", description);
	headers(a);
	web_json(a, status, j);
}

static void
append_part(struct buffer *out, struct json *j)
{
	struct buffer text = BUFFER_INIT;

	json_write(&text, j, false);
	json_free(j);
	encode_base64url(out, text.data, text.len);
	buffer_append_byte(out, '.');
	buffer_release(&text);
}

/* Looks like a JWT: two readable parts, then what makes it unique. */
static char *
issue(struct databricks *d, const char *scope, bool long_one)
{
	struct buffer prefix = BUFFER_INIT;
	struct json *header = json_object(), *claims = json_object();
	char *padding = memory_alloc(TOKEN_PADDING + 1), *token;

	memset(padding, 'z', TOKEN_PADDING);
	padding[TOKEN_PADDING] = '\0';
	json_set_string(header, "alg", "RS256");
	json_set_string(header, "typ", "JWT");
	json_set_string(claims, "iss", d->host);
	json_set_string(claims, "sub", d->client_id);
	json_set_string(claims, "scope", "all-apis");
	if (long_one)
		json_set_string(claims, "padding", padding);
	append_part(&prefix, header);
	append_part(&prefix, claims);
	token = tokens_issue(d->tokens, buffer_text(&prefix), scope, d->emulator->options->token_lifetime_ms);
	buffer_release(&prefix);
	free(padding);
	return token;
}

static void
grant(struct databricks *d, struct http_answer *a, const char *scope, bool zerobus)
{
	struct json *j = json_object();
	char *token = issue(d, scope, zerobus);
	int64_t lifetime = d->emulator->options->token_lifetime_ms;

	json_set_string(j, "access_token", token);
	json_set_string(j, "token_type", "Bearer");
	json_set_int64(j, "expires_in", lifetime > 0 ? (lifetime + 999) / 1000 : 3600);
	json_set_string(j, "scope", "all-apis");
	workspace_answer(a, j);
	free(token);
}

static bool
has_privilege(const struct json *entry, const char *privilege)
{
	for (const struct json *p = json_first(json_find(entry, "privileges")); p != NULL; p = json_next(p))
		if (json_string(p) != NULL && strcmp(json_string(p), privilege) == 0)
			return true;
	return false;
}

/* The entry for an object of this type that asks for this privilege; its path, NULL when there is none. */
static const char *
find_path(const struct json *details, const char *type, const char *privilege)
{
	for (const struct json *e = json_first(details); e != NULL; e = json_next(e)) {
		const char *kind = json_find_string(e, "type"), *object = json_find_string(e, "object_type");

		if (kind != NULL && strcmp(kind, "unity_catalog_privileges") == 0 && object != NULL &&
		    strcmp(object, type) == 0 && has_privilege(e, privilege))
			return json_find_string(e, "object_full_path");
	}
	return NULL;
}

/* The reason why the details are not those of one table; NULL: they are, and table points to its name. */
static const char *
check_details(const struct json *details, const char **table)
{
	const char *catalog = find_path(details, "CATALOG", "USE CATALOG"), *schema = find_path(details, "SCHEMA", "USE SCHEMA");
	const char *modify = find_path(details, "TABLE", "MODIFY");
	size_t len;

	*table = find_path(details, "TABLE", "SELECT");
	if (catalog == NULL || schema == NULL || *table == NULL || modify == NULL)
		return "authorization_details must ask for USE CATALOG, USE SCHEMA, and SELECT and MODIFY on the table";
	len = strlen(schema);
	if (strcmp(*table, modify) != 0 || strncmp(*table, schema, len) != 0 || (*table)[len] != '.' ||
	    strchr(*table + len + 1, '.') != NULL || (*table)[len + 1] == '\0' || strchr(*table, '`') != NULL)
		return "object_full_path of the table must be the schema's and one name more";
	len = strlen(catalog);
	if (strncmp(schema, catalog, len) != 0 || schema[len] != '.' || strchr(schema + len + 1, '.') != NULL)
		return "object_full_path of the schema must be the catalog's and one name more";
	return NULL;
}

static void
zerobus_token(struct databricks *d, const char *resource, const char *details, struct http_answer *a)
{
	static const char before[] = "api://databricks/workspaces/", after[] = "/zerobusDirectWriteApi";
	struct error e = ERROR_INIT;
	struct json *j = json_parse(text_of(details), &e);
	const char *table = NULL, *wrong = j == NULL ? "authorization_details is not JSON" : check_details(j, &table);
	size_t len = strlen(resource), around = strlen(before) + strlen(after);
	struct text id = text_span(resource + strlen(before), len > around ? len - around : 0);

	/* on loopback the first label of the endpoint is no workspace id: clients that take it as one send "localhost" */
	if (len <= around || strncmp(resource, before, strlen(before)) != 0 || strcmp(resource + len - strlen(after), after) != 0 ||
	    !(text_is(id, DATABRICKS_WORKSPACE_ID) || text_is(id, "localhost") || text_is(id, "127"))) {
		refuse(a, 400, "invalid_target", "resource is not the Zerobus API of this workspace");
	} else if (wrong != NULL) {
		refuse(a, 400, "invalid_authorization_details", wrong);
	} else {
		char *scope = memory_format(ZEROBUS_SCOPE "%s %s", d->client_id, table);

		for (char *c = strrchr(scope, ' '); *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
		grant(d, a, scope, true);
		free(scope);
	}
	json_free(j);
}

void
workspace_token_post(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	char *id = NULL, *secret = NULL, *type = web_form_value(r, "grant_type"), *scope = web_form_value(r, "scope");
	char *resource = web_form_value(r, "resource"), *details = web_form_value(r, "authorization_details");

	if (!web_basic(r, &id, &secret) || strcmp(id, d->client_id) != 0 || strcmp(secret, d->client_secret) != 0) {
		refuse(a, 401, "invalid_client", "Client authentication failed");
	} else if (type == NULL || strcmp(type, "client_credentials") != 0) {
		refuse(a, 400, "unsupported_grant_type", "grant_type must be client_credentials");
	} else if (scope == NULL || strcmp(scope, "all-apis") != 0) {
		refuse(a, 400, "invalid_scope", "scope must be all-apis");
	} else if (resource == NULL && details == NULL) {
		char *api = memory_format(DATABRICKS_API_SCOPE "%s", d->client_id);

		grant(d, a, api, false);
		free(api);
	} else if (resource == NULL || details == NULL) {
		refuse(a, 400, "invalid_request", "resource and authorization_details go together");
	} else {
		zerobus_token(d, resource, details, a);
	}
	free(id);
	free(secret);
	free(type);
	free(scope);
	free(resource);
	free(details);
}

/* ---- discovery, who am I ---- */

void
workspace_oauth_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	struct json *j = json_object();
	char *authorize = memory_format("%s/oidc/v1/authorize", d->host), *token = memory_format("%s/oidc/v1/token", d->host);

	(void)r;
	json_set_string(j, "issuer", d->host);
	json_set_string(j, "authorization_endpoint", authorize);
	json_set_string(j, "token_endpoint", token);
	workspace_answer(a, j);
	free(authorize);
	free(token);
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

	if (!workspace_authorize(d, r, a, &principal))
		return;
	j = json_object();
	json_set_string(j, "id", "7000000000000001");
	json_set_string(j, "userName", principal);
	json_set_string(j, "displayName", "sfzb emulator");
	json_set_bool(j, "active", true);
	json_set(j, "emails", json_array());
	json_set(j, "groups", json_array());
	workspace_answer(a, j);
	free(principal);
}

const struct web_route workspace_routes[] = {
    {"POST", "/oidc/v1/token", "databricks.token", workspace_token_post, NULL},
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

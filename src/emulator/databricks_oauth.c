/*
 * Tokens of the workspace: a service principal's by client credentials, a person's by authorization code with PKCE and by
 * refresh token (wire/databricks-http.md §2, §3). The person is always logged in, and always agrees.
 */
#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/memory.h"
#include "base/random.h"
#include "emulator/databricks.h"

#define TOKEN_PADDING 2400 /* bytes of claims that make a Zerobus token as long as the vendor's */
#define CODE_LIFETIME_MS (10 * 60 * 1000)
#define PUBLIC_CLIENT "databricks-cli"

void
workspace_oauth_error(struct http_answer *a, int status, const char *error, const char *description)
{
	struct json *j = json_object();

	json_set_string(j, "error", error);
	json_set_string(j, "error_description", description);
	workspace_headers(a);
	web_json(a, status, j);
}

static bool
equal(const char *given, const char *expected)
{
	return given != NULL && strcmp(given, expected) == 0;
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
issue(struct databricks *d, const char *principal, const char *scope, bool long_one)
{
	struct buffer prefix = BUFFER_INIT;
	struct json *header = json_object(), *claims = json_object();
	char *padding = memory_alloc(TOKEN_PADDING + 1), *token;

	memset(padding, 'z', TOKEN_PADDING);
	padding[TOKEN_PADDING] = '\0';
	json_set_string(header, "alg", "RS256");
	json_set_string(header, "typ", "JWT");
	json_set_string(claims, "iss", d->host);
	json_set_string(claims, "sub", principal);
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

/* refresh: a refresh token to hand out, or NULL. */
static void
grant(struct databricks *d, struct http_answer *a, const char *principal, const char *scope, bool zerobus,
    const char *refresh)
{
	struct json *j = json_object();
	char *token = issue(d, principal, scope, zerobus);
	int64_t lifetime = d->emulator->options->token_lifetime_ms;

	json_set_string(j, "access_token", token);
	json_set_string(j, "token_type", "Bearer");
	json_set_int64(j, "expires_in", lifetime > 0 ? (lifetime + 999) / 1000 : 3600);
	json_set_string(j, "scope", refresh != NULL ? "all-apis offline_access" : "all-apis");
	if (refresh != NULL)
		json_set_string(j, "refresh_token", refresh);
	web_header(a, "Cache-Control", "no-store");
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
		workspace_oauth_error(a, 400, "invalid_target", "resource is not the Zerobus API of this workspace");
	} else if (wrong != NULL) {
		workspace_oauth_error(a, 400, "invalid_authorization_details", wrong);
	} else {
		char *scope = memory_format(ZEROBUS_SCOPE "%s %s", d->client_id, table);

		for (char *c = strrchr(scope, ' '); *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
		grant(d, a, d->client_id, scope, true, NULL);
		free(scope);
	}
	json_free(j);
}

static void
by_client_credentials(struct databricks *d, const struct web_request *r, struct http_answer *a)
{
	char *id = NULL, *secret = NULL, *scope = web_form_value(r, "scope");
	char *resource = web_form_value(r, "resource"), *details = web_form_value(r, "authorization_details");

	if (!web_basic(r, &id, &secret) || !equal(id, d->client_id) || !equal(secret, d->client_secret)) {
		workspace_oauth_error(a, 401, "invalid_client", "Client authentication failed");
	} else if (!equal(scope, "all-apis")) {
		workspace_oauth_error(a, 400, "invalid_scope", "scope must be all-apis");
	} else if (resource == NULL && details == NULL) {
		char *api = memory_format(DATABRICKS_API_SCOPE "%s", d->client_id);

		grant(d, a, d->client_id, api, false, NULL);
		free(api);
	} else if (resource == NULL || details == NULL) {
		workspace_oauth_error(a, 400, "invalid_request", "resource and authorization_details go together");
	} else {
		zerobus_token(d, resource, details, a);
	}
	free(id);
	free(secret);
	free(scope);
	free(resource);
	free(details);
}

/* ---- a person: codes and refresh tokens are kept together; the scope tells what each is ---- */

/* "code <family> <challenge> <offline|online> <redirect>": what the exchange must repeat. */
struct code {
	char family[UUID_SIZE], challenge[64], kind[16], redirect[256];
};

static bool
read_code(const char *scope, struct code *c)
{
	return scope != NULL && sscanf(scope, "code %36s %63s %15s %255s", c->family, c->challenge, c->kind, c->redirect) == 4;
}

/* BASE64URL(SHA256(verifier)), written here anew: a mistake in the client's encoder must not hide. */
static void
challenge_of(const char *verifier, char out[64])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	EVP_Digest(verifier, strlen(verifier), digest, &len, EVP_sha256(), NULL);
	EVP_EncodeBlock((unsigned char *)out, digest, (int)len);
	out[strcspn(out, "=")] = '\0';
	for (char *p = out; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
}

/* RFC 7636, §4.1: 43 to 128 of the unreserved characters. */
static bool
is_verifier(const char *s)
{
	size_t len = strlen(s);

	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && strchr("-._~", *p) == NULL)
			return false;
	return len >= 43 && len <= 128;
}

/* Of a family, so that one token's theft ends them all. */
static char *
issue_refresh(struct databricks *d, const char *family)
{
	char *scope = memory_format("refresh %s", family);
	char *token = tokens_issue(d->people, "doau", scope, 0);

	free(scope);
	return token;
}

static void
by_code(struct databricks *d, const struct web_request *r, struct http_answer *a)
{
	char *client = web_form_value(r, "client_id"), *code = web_form_value(r, "code");
	char *redirect = web_form_value(r, "redirect_uri"), *verifier = web_form_value(r, "code_verifier");
	char *scope = NULL, challenge[64] = "";
	struct code c;

	if (verifier != NULL)
		challenge_of(verifier, challenge);
	if (!equal(client, PUBLIC_CLIENT)) {
		workspace_oauth_error(a, 401, "invalid_client", "Client authentication failed");
	} else if (code == NULL || redirect == NULL || verifier == NULL) {
		workspace_oauth_error(a, 400, "invalid_request", "code, redirect_uri and code_verifier are needed");
	} else if (!is_verifier(verifier)) {
		workspace_oauth_error(a, 400, "invalid_request", "code_verifier is malformed");
	} else if (tokens_check(d->people, text_of(code), &scope) != TOKEN_GOOD || !read_code(scope, &c)) {
		workspace_oauth_error(a, 400, "invalid_grant", "Authorization code is invalid or expired");
	} else if (!equal(redirect, c.redirect)) {
		workspace_oauth_error(a, 400, "invalid_grant", "redirect_uri does not match the authorization request");
	} else if (strcmp(challenge, c.challenge) != 0) {
		workspace_oauth_error(a, 400, "invalid_grant", "code_verifier does not match code_challenge");
	} else {
		char *refresh = equal(c.kind, "offline") ? issue_refresh(d, c.family) : NULL;

		tokens_revoke(d->people, text_of(code)); /* good for one exchange */
		grant(d, a, DATABRICKS_PERSON, DATABRICKS_API_SCOPE DATABRICKS_PERSON, false, refresh);
		free(refresh);
	}
	free(client);
	free(code);
	free(redirect);
	free(verifier);
	free(scope);
}

/* The same token a second time, where each is good for one use: somebody else has it, so that nothing of its line holds. */
static void
end_family(struct databricks *d, const char *used)
{
	char *scope = tokens_scope(d->people, text_of(used));

	if (scope != NULL && strncmp(scope, "refresh ", strlen("refresh ")) == 0) {
		tokens_revoke_scope(d->people, scope);
		tokens_revoke_scope(d->tokens, DATABRICKS_API_SCOPE DATABRICKS_PERSON);
	}
	free(scope);
}

static void
by_refresh_token(struct databricks *d, const struct web_request *r, struct http_answer *a)
{
	char *client = web_form_value(r, "client_id"), *used = web_form_value(r, "refresh_token"), *scope = NULL, *next = NULL;

	if (!equal(client, PUBLIC_CLIENT)) {
		workspace_oauth_error(a, 401, "invalid_client", "Client authentication failed");
	} else if (used == NULL) {
		workspace_oauth_error(a, 400, "invalid_request", "refresh_token is needed");
	} else if (tokens_check(d->people, text_of(used), &scope) != TOKEN_GOOD ||
	    strncmp(scope, "refresh ", strlen("refresh ")) != 0) {
		end_family(d, used);
		workspace_oauth_error(a, 400, "invalid_request", "Refresh token is invalid");
	} else {
		if (d->emulator->options->rotates_refresh_tokens) {
			tokens_revoke(d->people, text_of(used));
			next = issue_refresh(d, scope + strlen("refresh "));
		}
		grant(d, a, DATABRICKS_PERSON, DATABRICKS_API_SCOPE DATABRICKS_PERSON, false, next);
	}
	free(client);
	free(used);
	free(scope);
	free(next);
}

void
workspace_token_post(void *context, const struct web_request *r, struct http_answer *a)
{
	static const struct {
		const char *name;
		void (*grant)(struct databricks *d, const struct web_request *r, struct http_answer *a);
	} grants[] = {
	    {"client_credentials", by_client_credentials},
	    {"authorization_code", by_code},
	    {"refresh_token", by_refresh_token},
	};
	char *type = web_form_value(r, "grant_type");
	size_t i = 0, count = sizeof(grants) / sizeof(grants[0]);

	while (i < count && !equal(type, grants[i].name))
		i++;
	if (i < count)
		grants[i].grant(context, r, a);
	else if (type == NULL)
		workspace_oauth_error(a, 400, "invalid_request", "grant_type is needed");
	else
		workspace_oauth_error(a, 400, "unsupported_grant_type", "grant_type is not supported");
	free(type);
}

static bool
has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; p != NULL && (p = strstr(p, word)) != NULL; p += len)
		if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

/* "http://localhost:8020" and no more: what is registered for the public client. */
static bool
is_loopback(const char *redirect)
{
	static const char before[] = "http://localhost:";
	size_t len = strlen(before);

	return redirect != NULL && strncmp(redirect, before, len) == 0 && redirect[len] != '\0' &&
	    strspn(redirect + len, "0123456789") == strlen(redirect + len);
}

/* Back to the application: its state, and a code or an error. */
static void
send_back(struct http_answer *a, const char *redirect, const char *state, const char *name, const char *value,
    const char *description)
{
	struct buffer location = BUFFER_INIT;

	buffer_append_format(&location, "%s/?%s=", redirect, name);
	encode_percent(&location, text_of(value));
	if (description != NULL) {
		buffer_append_text(&location, "&error_description=");
		encode_percent(&location, text_of(description));
	}
	if (state != NULL) {
		buffer_append_text(&location, "&state=");
		encode_percent(&location, text_of(state));
	}
	workspace_headers(a);
	web_text(a, 302, NULL, "");
	web_header(a, "Location", buffer_text(&location));
	buffer_release(&location);
}

void
workspace_authorize_get(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	char *client = web_query_value(r, "client_id"), *redirect = web_query_value(r, "redirect_uri");
	char *state = web_query_value(r, "state"), *challenge = web_query_value(r, "code_challenge");
	char *method = web_query_value(r, "code_challenge_method"), *kind = web_query_value(r, "response_type");
	char *scope = web_query_value(r, "scope"), *kept, *code, family[UUID_SIZE];

	if (!equal(client, PUBLIC_CLIENT)) {
		workspace_oauth_error(a, 400, "invalid_client", "OAuth application is not known in this workspace");
	} else if (!is_loopback(redirect)) {
		workspace_oauth_error(a, 400, "invalid_request", "redirect_uri is not registered for the application");
	} else if (!equal(kind, "code")) {
		send_back(a, redirect, state, "error", "unsupported_response_type", "response_type must be code");
	} else if (challenge == NULL || strlen(challenge) != 43 || !equal(method, "S256")) {
		send_back(a, redirect, state, "error", "invalid_request", "a public client needs code_challenge by S256");
	} else if (!has_word(scope, "all-apis")) {
		send_back(a, redirect, state, "error", "invalid_scope", "scope must have all-apis");
	} else {
		kept = memory_format("code %s %s %s %s", random_uuid(family), challenge,
		    has_word(scope, "offline_access") ? "offline" : "online", redirect);
		code = tokens_issue(d->people, "dcod", kept, CODE_LIFETIME_MS);
		send_back(a, redirect, state, "code", code, NULL);
		free(code);
		free(kept);
	}
	free(client);
	free(redirect);
	free(state);
	free(challenge);
	free(method);
	free(kind);
	free(scope);
}

/* RFC 7009: a token that is not known is no error. */
void
workspace_revoke_post(void *context, const struct web_request *r, struct http_answer *a)
{
	struct databricks *d = context;
	char *client = web_form_value(r, "client_id"), *token = web_form_value(r, "token");

	if (!equal(client, PUBLIC_CLIENT)) {
		workspace_oauth_error(a, 401, "invalid_client", "Client authentication failed");
	} else if (token == NULL) {
		workspace_oauth_error(a, 400, "invalid_request", "token is needed");
	} else {
		end_family(d, token);
		tokens_revoke(d->tokens, text_of(token));
		workspace_headers(a);
		web_text(a, 200, NULL, "");
	}
	free(client);
	free(token);
}

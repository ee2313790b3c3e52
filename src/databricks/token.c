#include "databricks/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "databricks/session.h"
#include "databricks/table.h"

#define TRIES_MS (60 * 1000)
#define LIFE_UNTOLD_SECONDS 3600
#define LIFE_MOST_SECONDS (365 * 24 * 3600)
#define JITTER_MS 750

static void
add_privilege(struct json *details, const char *privilege, const char *privilege2, const char *type,
    const char *path)
{
	struct json *item = json_object(), *privileges = json_array(), *operations;

	json_set_string(item, "type", "unity_catalog_privileges");
	json_add_string(privileges, privilege);
	if (privilege2 != NULL)
		json_add_string(privileges, privilege2);
	json_set(item, "privileges", privileges);
	json_set_string(item, "object_type", type);
	json_set_string(item, "object_full_path", path);
	if (strcmp(type, "TABLE") == 0) {
		operations = json_array();
		json_add_string(operations, "zerobuswrite");
		json_set(item, "operations", operations);
	}
	json_add(details, item);
}

int
databricks_token_details(struct buffer *out, const char *table, struct error *e)
{
	char parts[3][DELTA_PART_SIZE];
	struct json *details;
	char *schema, *full;

	if (delta_split_name(table, parts, e) < 0)
		return -1;
	details = json_array();
	schema = memory_format("%s.%s", parts[0], parts[1]);
	full = memory_format("%s.%s", schema, parts[2]);
	add_privilege(details, "USE CATALOG", NULL, "CATALOG", parts[0]);
	add_privilege(details, "USE SCHEMA", NULL, "SCHEMA", schema);
	add_privilege(details, "SELECT", "MODIFY", "TABLE", full);
	json_write(out, details, false);
	json_free(details);
	free(schema);
	free(full);
	return 0;
}

static int
build_form(struct buffer *form, const char *table, const char *workspace_id, struct error *e)
{
	struct buffer details = BUFFER_INIT, resource = BUFFER_INIT;
	int rc = 0;

	http_form_add(form, "grant_type", text_of("client_credentials"));
	http_form_add(form, "scope", text_of("all-apis"));
	if (table != NULL) {
		rc = databricks_token_details(&details, table, e);
		buffer_append_format(&resource, "api://databricks/workspaces/%s/zerobusDirectWriteApi",
		    workspace_id);
		http_form_add(form, "resource", buffer_span(&resource));
		http_form_add(form, "authorization_details", buffer_span(&details));
	}
	buffer_release(&details);
	buffer_release(&resource);
	return rc;
}

int64_t
databricks_token_early_ms(int64_t life_ms)
{
	return life_ms >= 2 * DATABRICKS_FRESH_MS ? DATABRICKS_FRESH_MS : life_ms / 2;
}

void
databricks_grant_release(struct databricks_grant *g)
{
	secret_release(&g->access);
	secret_release(&g->refresh);
	g->life_ms = 0;
}

static int
read_grant(const struct http_response *r, const char *what, struct databricks_grant *out, struct error *e)
{
	struct json *j = json_parse(buffer_span(&r->body), e);
	const char *token = json_find_string(j, "access_token"), *refresh = json_find_string(j, "refresh_token");
	int64_t seconds = json_find_int64(j, "expires_in", LIFE_UNTOLD_SECONDS);
	int rc = -1;

	if (j == NULL) {
		databricks_error(r, what, e);
	} else if (token == NULL || token[0] == '\0' || strlen(token) > LIMIT_TOKEN_BYTES) {
		error_set(e, ERR_REFUSED, "%s: the answer holds no usable access_token", what);
	} else {
		secret_set(&out->access, text_of(token));
		if (refresh != NULL && refresh[0] != '\0' && strlen(refresh) <= LIMIT_TOKEN_BYTES)
			secret_set(&out->refresh, text_of(refresh));
		if (seconds <= 0)
			seconds = LIFE_UNTOLD_SECONDS;
		out->life_ms = (seconds < LIFE_MOST_SECONDS ? seconds : LIFE_MOST_SECONDS) * 1000;
		rc = 0;
	}
	json_free(j);
	return rc;
}

/* "invalid_client" of {"error": "invalid_client", …}; "" for other bodies. */
static void
read_error_word(const struct http_response *r, char out[64])
{
	struct error ignored = ERROR_INIT;
	struct json *j = r->body.len > 0 ? json_parse(buffer_span(&r->body), &ignored) : NULL;
	const char *word = json_find_string(j, "error");

	snprintf(out, 64, "%s", word != NULL ? word : "");
	json_free(j);
}

int
token_post(struct http_pool *pool, const struct token_question *question, struct databricks_grant *out, int *status,
    char error_word[64], struct error *e)
{
	const struct clock *clock = http_pool_clock(pool);
	int64_t end_ms = clock_monotonic_ms(clock) + TRIES_MS;
	char *what = memory_format("POST %s", question->url);
	const struct http_header headers[] = {{"Content-Type", "application/x-www-form-urlencoded"},
	    {"Accept", "application/json"}};
	struct http_request q = {.method = "POST", .url = question->url, .headers = headers, .header_count = 2,
	    .basic_user = question->basic_user, .basic_password = question->basic_password, .body = question->form,
	    .is_once = question->once, .is_secret = true};
	struct http_response r;
	int rc = -1;

	http_response_init(&r);
	for (int tries = 1;; tries++) {
		int64_t wait = tries * 1000 + http_pool_jitter(pool, JITTER_MS), asked;

		http_response_release(&r);
		rc = http_pool_perform(pool, &q, &r, e);
		*status = rc == 0 ? r.status : 0;
		error_word[0] = '\0';
		if (rc == 0)
			rc = r.status == 200 ? read_grant(&r, what, out, e) : databricks_error(&r, what, e);
		if (rc < 0)
			read_error_word(&r, error_word);
		if (rc < 0 && (*status == 404 || *status == 405)) {
			e->code = ERR_CONFIG;
			error_hint(e, "no workspace answers there: check DATABRICKS_HOST");
		}
		if (rc == 0 || (e->code != ERR_UNAVAILABLE && e->code != ERR_OVERLOADED) || r.never_sent ||
		    (question->once && r.status != 429 && r.status != 503))
			break;
		asked = http_retry_after_ms(&r, clock_wall_ms(clock));
		if (asked < e->retry_after_ms)
			asked = e->retry_after_ms;
		if (asked > wait)
			wait = asked;
		if (clock_monotonic_ms(clock) + wait > end_ms)
			break;
		log_debug("databricks", "%s; trying again in %lld ms", e->text, (long long)wait);
		if (http_pool_pause(pool, wait, e) < 0)
			break;
	}
	if (rc < 0 && e->hint[0] == '\0' && (e->code == ERR_UNAVAILABLE || e->code == ERR_OVERLOADED))
		error_hint(e, "the workspace gives no tokens now: try again in a while");
	http_response_release(&r);
	free(what);
	return rc;
}

static bool
is_refusal(int status)
{
	return status == 400 || status == 401 || status == 403;
}

/* What to do about an OAuth error of a program's login (RFC 6749, §5.2); the first row that fits. */
static const struct {
	const char *word; /* NULL: any */
	const char *hint;
} refusals[] = {
    {"invalid_client", "check client id and secret: an OAuth secret of a service principal that is in this workspace"},
    {"unauthorized_client", "this client may not log in by itself: use the client id and an OAuth secret of a service principal"},
    {"access_denied", "the service principal may not use this workspace: an administrator assigns it there"},
    {"invalid_scope", "is DATABRICKS_HOST a workspace? its tokens have the scope all-apis"},
    {"unsupported_grant_type", "is DATABRICKS_HOST a workspace? it takes client credentials"},
    {NULL, "check client id and secret, and that DATABRICKS_HOST is the workspace they are for"},
};

/* The token of a client is refused, or what it asks for a table. */
static void
refused(int status, const char *error_word, const char *table, struct error *e)
{
	bool is_client = table == NULL || status == 401 || strcmp(error_word, "invalid_client") == 0 ||
	    strcmp(error_word, "unauthorized_client") == 0;
	size_t i = 0;

	if (!is_refusal(status))
		return;
	e->code = is_client ? ERR_CREDENTIALS : ERR_PERMISSION;
	while (refusals[i].word != NULL && strcmp(refusals[i].word, error_word) != 0)
		i++;
	error_hint(e, "%s", is_client ? refusals[i].hint :
					"the service principal needs USE CATALOG, USE SCHEMA, and SELECT and MODIFY on the table, each "
					"granted by name");
}

int
databricks_token_request(const struct databricks_config *c, struct http_pool *pool, const char *table,
    const char *workspace_id, struct secret *out, int64_t *life_ms, struct error *e)
{
	char *url = memory_format("%s/oidc/v1/token", c->host.url);
	struct buffer form = BUFFER_INIT;
	struct token_question q = {.url = url, .basic_user = c->client_id, .basic_password = &c->client_secret};
	struct databricks_grant grant = {.life_ms = 0};
	char word[64];
	int status, rc = build_form(&form, table, workspace_id, e);

	if (rc == 0) {
		q.form = buffer_span(&form);
		rc = token_post(pool, &q, &grant, &status, word, e);
		if (rc == 0) {
			secret_move(out, &grant.access);
			*life_ms = grant.life_ms;
		} else {
			refused(status, word, table, e);
		}
	}
	databricks_grant_release(&grant);
	buffer_release(&form);
	free(url);
	return rc;
}

/* ---- a person's login: the client has no secret, so that it says who it is in the form ---- */

static void
person_refused(int status, const char *error_word, struct error *e)
{
	if (!is_refusal(status))
		return;
	e->code = ERR_CREDENTIALS;
	if (strcmp(error_word, "invalid_client") == 0 || strcmp(error_word, "unauthorized_client") == 0)
		error_hint(e, "this workspace does not know the client: name an app of your own with --client-id");
	else
		error_hint(e, "log in again: sfzb login databricks --method browser");
}

static int
person_post(const struct databricks_config *c, struct http_pool *pool, struct buffer *form, bool once,
    struct databricks_grant *out, struct error *e)
{
	char *usual = memory_format("%s/oidc/v1/token", c->host.url);
	struct token_question q = {.url = c->token_endpoint != NULL ? c->token_endpoint : usual, .once = once};
	char word[64];
	int status, rc;

	http_form_add(form, "client_id", text_of(c->client_id != NULL ? c->client_id : DATABRICKS_PUBLIC_CLIENT));
	q.form = buffer_span(form);
	rc = token_post(pool, &q, out, &status, word, e);
	if (rc < 0)
		person_refused(status, word, e);
	buffer_release_wiped(form);
	free(usual);
	return rc;
}

int
databricks_token_exchange(const struct databricks_config *c, struct http_pool *pool, const char *code,
    const char *redirect_uri, const struct secret *verifier, struct databricks_grant *out, struct error *e)
{
	struct buffer form = BUFFER_INIT;

	http_form_add(&form, "grant_type", text_of("authorization_code"));
	http_form_add(&form, "code", text_of(code));
	http_form_add(&form, "redirect_uri", text_of(redirect_uri));
	http_form_add(&form, "code_verifier", text_of(secret_reveal(verifier)));
	return person_post(c, pool, &form, true, out, e);
}

int
databricks_token_refresh(const struct databricks_config *c, struct http_pool *pool, struct databricks_grant *out,
    struct error *e)
{
	struct buffer form = BUFFER_INIT;

	http_form_add(&form, "grant_type", text_of("refresh_token"));
	http_form_add(&form, "refresh_token", text_of(secret_reveal(&c->refresh_token)));
	return person_post(c, pool, &form, false, out, e);
}

int
databricks_token_revoke(const struct databricks_config *c, struct http_pool *pool, struct error *e)
{
	const struct http_header header = {"Content-Type", "application/x-www-form-urlencoded"};
	char *url = memory_format("%s/oidc/v1/revoke", c->host.url), *what = memory_format("POST %s", url);
	struct http_request q = {.method = "POST", .url = url, .headers = &header, .header_count = 1,
	    .is_secret = true, .is_last_word = true};
	struct buffer form = BUFFER_INIT;
	struct http_response r;
	int rc;

	http_form_add(&form, "token", text_of(secret_reveal(&c->refresh_token)));
	http_form_add(&form, "token_type_hint", text_of("refresh_token"));
	http_form_add(&form, "client_id", text_of(c->client_id != NULL ? c->client_id : DATABRICKS_PUBLIC_CLIENT));
	q.body = buffer_span(&form);
	http_response_init(&r);
	rc = http_pool_perform(pool, &q, &r, e);
	if (rc == 0 && r.status != 200)
		rc = databricks_error(&r, what, e);
	http_response_release(&r);
	buffer_release_wiped(&form);
	free(what);
	free(url);
	return rc;
}

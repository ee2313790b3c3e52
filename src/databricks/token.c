#include "databricks/token.h"

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

static int
read_token(const struct http_response *r, const char *what, struct secret *out, int64_t *life_ms,
    struct error *e)
{
	struct json *j = json_parse(buffer_span(&r->body), e);
	const char *token = json_find_string(j, "access_token");
	int64_t seconds = json_find_int64(j, "expires_in", LIFE_UNTOLD_SECONDS);
	int rc = -1;

	if (j == NULL) {
		databricks_error(r, what, e);
	} else if (token == NULL || token[0] == '\0' || strlen(token) > LIMIT_TOKEN_BYTES) {
		error_set(e, ERR_REFUSED, "%s: the answer holds no usable access_token", what);
	} else {
		secret_set(out, text_of(token));
		*life_ms = (seconds > 0 ? seconds : LIFE_UNTOLD_SECONDS) * 1000;
		rc = 0;
	}
	json_free(j);
	return rc;
}

/* 400, 401 and 403 are refusals of the client, or of what it asks for a table. */
static int
refused(const struct http_response *r, const char *what, const char *table, struct error *e)
{
	bool is_client = table == NULL || r->status == 401 ||
	    (r->body.len > 0 &&
		memmem(r->body.data, r->body.len, "invalid_client", strlen("invalid_client")) != NULL);

	databricks_error(r, what, e);
	if (r->status != 400 && r->status != 401 && r->status != 403)
		return -1;
	e->code = is_client ? ERR_CREDENTIALS : ERR_PERMISSION;
	if (is_client)
		return error_hint(e, "check client id and secret: an OAuth secret of a service principal that is in this workspace");
	return error_hint(e, "the service principal needs USE CATALOG, USE SCHEMA, and SELECT and MODIFY on the table, each granted by name");
}

int
databricks_token_request(const struct databricks_config *c, struct http_pool *pool, const char *table,
    const char *workspace_id, struct secret *out, int64_t *life_ms, struct error *e)
{
	const struct clock *clock = http_pool_clock(pool);
	int64_t end_ms = clock_monotonic_ms(clock) + TRIES_MS;
	char *url = memory_format("%s/oidc/v1/token", c->host.url);
	char *what = memory_format("POST %s", url);
	const struct http_header headers[] = {{"Content-Type", "application/x-www-form-urlencoded"},
	    {"Accept", "application/json"}};
	struct buffer form = BUFFER_INIT;
	struct http_request q = {.method = "POST", .url = url, .headers = headers, .header_count = 2,
	    .basic_user = c->client_id, .basic_password = &c->client_secret, .is_secret = true};
	struct http_response r;
	int rc = -1;

	http_response_init(&r);
	if (build_form(&form, table, workspace_id, e) < 0)
		goto out;
	q.body = buffer_span(&form);
	for (int tries = 1;; tries++) {
		int64_t wait = tries * 1000 + http_pool_jitter(pool, JITTER_MS), asked;

		rc = http_pool_perform(pool, &q, &r, e);
		if (rc == 0)
			rc = r.status == 200 ? read_token(&r, what, out, life_ms, e) : refused(&r, what, table, e);
		if (rc == 0 || (e->code != ERR_UNAVAILABLE && e->code != ERR_OVERLOADED) || r.never_sent)
			break;
		asked = http_retry_after_ms(&r, clock_wall_ms(clock));
		if (asked > wait)
			wait = asked;
		if (clock_monotonic_ms(clock) + wait > end_ms)
			break;
		log_debug("databricks", "%s; trying again in %lld ms", e->text, (long long)wait);
		if (http_pool_pause(pool, wait, e) < 0)
			break;
	}
out:
	http_response_release(&r);
	buffer_release(&form);
	free(url);
	free(what);
	return rc;
}

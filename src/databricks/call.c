/* REST calls of a session: the token, the tries, what every answer tells besides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "databricks/session_internal.h"

#define TRIES_MS (5 * 60 * 1000) /* all tries of one call together */
#define WAIT_STEP_MS 1000
#define WAIT_MOST_MS 10000
#define JITTER_LEAST_MS 50
#define JITTER_MOST_MS 750

/* The workspace tells its id with every answer; a wrong one in the settings shows here. */
static void
learn_workspace_id(struct databricks_session *s, const struct http_response *r)
{
	struct text id = http_response_header(r, "x-databricks-org-id");
	bool differs = false;

	if (id.len == 0 || id.len >= WORKSPACE_ID_SIZE)
		return;
	pthread_mutex_lock(&s->mutex);
	snprintf(s->workspace_id, sizeof(s->workspace_id), TEXT_FORMAT, TEXT_ARGS(id));
	if (!s->warned && s->config.workspace_id[0] != '\0' &&
	    strcmp(s->workspace_id, s->config.workspace_id) != 0)
		differs = s->warned = true;
	pthread_mutex_unlock(&s->mutex);
	if (differs)
		log_warn("databricks",
		    "%s is workspace " TEXT_FORMAT ", but the Zerobus endpoint or DATABRICKS_WORKSPACE_ID says %s",
		    s->config.host.url, TEXT_ARGS(id), s->config.workspace_id);
}

static bool
may_repeat(enum databricks_repeat repeat, const struct http_response *r, const struct error *e)
{
	if (repeat == REPEAT_LAST_WORD || (e->code != ERR_UNAVAILABLE && e->code != ERR_OVERLOADED))
		return false;
	/* nobody there at all: that does not pass in minutes, and a person may be waiting */
	if (r->never_sent)
		return false;
	return repeat == REPEAT_SAFE || r->status == 429 || r->status == 503;
}

/* One try. */
static int
perform(struct databricks_session *s, const struct http_request *base, struct secret *token,
    struct http_response *r, struct json **out, struct error *e)
{
	struct http_request q = *base;
	char what[400], shown[380];

	if (databricks_session_token(s, token, e) < 0) {
		r->never_sent = true; /* the token had its own tries */
		return -1;
	}
	q.bearer = token;
	if (http_pool_perform(s->pool, &q, r, e) < 0)
		return -1;
	learn_workspace_id(s, r);
	snprintf(what, sizeof(what), "%s %s", q.method, http_url_for_people(shown, sizeof(shown), q.url));
	if (r->status < 200 || r->status > 299)
		return databricks_error(r, what, e);
	*out = NULL;
	if (r->body.len == 0)
		return 0;
	*out = json_parse(buffer_span(&r->body), e);
	return *out == NULL ? databricks_error(r, what, e) : 0;
}

static int64_t
back_off(struct databricks_session *s, int tries, const struct http_response *r, const struct error *e)
{
	int64_t wait = (int64_t)tries * WAIT_STEP_MS;
	int64_t asked = http_retry_after_ms(r, clock_wall_ms(http_pool_clock(s->pool)));

	if (wait > WAIT_MOST_MS)
		wait = WAIT_MOST_MS;
	wait += JITTER_LEAST_MS + http_pool_jitter(s->pool, JITTER_MOST_MS - JITTER_LEAST_MS + 1);
	if (asked < e->retry_after_ms)
		asked = e->retry_after_ms;
	return wait > asked ? wait : asked;
}

/* What is left to do when the tries are used up. */
static void
give_hint(const struct http_response *r, enum databricks_repeat repeat, struct error *e)
{
	bool is_over = e->code == ERR_UNAVAILABLE || e->code == ERR_OVERLOADED;
	char wait[32];

	if (e->hint[0] != '\0' || !is_over || r->never_sent)
		return;
	if (repeat == REPEAT_STATEMENT && r->status != 429 && r->status != 503)
		error_hint(e, "whether it has run is not known: look before running it again");
	else if (e->retry_after_ms > 0)
		error_hint(e, "the workspace asks to be left alone for %s: try again then",
		    clock_format_duration(wait, sizeof(wait), e->retry_after_ms));
	else
		error_hint(e, "the workspace is down or overloaded: try again in a while");
}

static int
call(struct databricks_session *s, const struct http_request *q, enum databricks_repeat repeat,
    struct json **out, struct error *e)
{
	const struct clock *clock = http_pool_clock(s->pool);
	int64_t end_ms = clock_monotonic_ms(clock) + TRIES_MS;
	struct secret token = SECRET_INIT;
	struct http_response r;
	bool renewed = false;
	int rc;

	http_response_init(&r);
	for (int tries = 1;; tries++) {
		int64_t wait;

		http_response_release(&r);
		rc = perform(s, q, &token, &r, out, e);
		if (rc == 0)
			break;
		if (e->code == ERR_SESSION && s->config.method != DATABRICKS_TOKEN && !renewed) {
			renewed = true;
			session_drop(s, NULL, &token);
			continue;
		}
		if (e->code == ERR_SESSION) {
			e->code = ERR_CREDENTIALS;
			error_hint(e, "log in again with 'sfzb login databricks'");
		}
		wait = back_off(s, tries, &r, e);
		if (!may_repeat(repeat, &r, e) || clock_monotonic_ms(clock) + wait > end_ms)
			break;
		log_debug("databricks", "%s; trying again in %lld ms", e->text, (long long)wait);
		if (http_pool_pause(s->pool, wait, e) < 0)
			break;
	}
	if (rc < 0 && e->retry_after_ms == 0)
		e->retry_after_ms = http_retry_after_ms(&r, clock_wall_ms(clock));
	if (rc < 0 && repeat != REPEAT_LAST_WORD)
		give_hint(&r, repeat, e);
	http_response_release(&r);
	secret_release(&token);
	return rc;
}

int
databricks_call(struct databricks_session *s, const char *method, const char *path,
    const struct json *body, enum databricks_repeat repeat, struct json **out, struct error *e)
{
	char *url = memory_format("%s%s", s->config.host.url, path);
	struct http_header headers[5] = {{"Accept", "application/json"}};
	struct http_request q = {.method = method, .url = url, .headers = headers, .header_count = 1,
	    .is_once = repeat == REPEAT_STATEMENT && strcmp(method, "POST") == 0,
	    .is_last_word = repeat == REPEAT_LAST_WORD};
	struct buffer text = BUFFER_INIT;
	struct secret management = SECRET_INIT;
	struct json *answer = NULL;
	struct error own = ERROR_INIT;
	int rc = -1;

	if (e == NULL)
		e = &own;
	if (body != NULL) {
		json_write(&text, body, false);
		q.body = buffer_span(&text);
		headers[q.header_count++] = (struct http_header){"Content-Type", "application/json"};
	}
	/* on a host that several workspaces share it says which; elsewhere it is ignored */
	if (s->config.host.workspace_id[0] != '\0')
		headers[q.header_count++] =
		    (struct http_header){"X-Databricks-Workspace-Id", s->config.host.workspace_id};
	if (s->config.method == DATABRICKS_AZURE && s->config.azure_resource != NULL) {
		if (session_management_token(s, &management, e) < 0)
			goto out;
		headers[q.header_count++] =
		    (struct http_header){"X-Databricks-Azure-Workspace-Resource-Id", s->config.azure_resource};
		headers[q.header_count++] =
		    (struct http_header){"X-Databricks-Azure-SP-Management-Token", secret_reveal(&management)};
	}
	rc = call(s, &q, repeat, &answer, e);
out:
	secret_release(&management);
	if (out != NULL)
		*out = answer;
	else
		json_free(answer);
	buffer_release(&text);
	free(url);
	return rc;
}

int
databricks_session_user(struct databricks_session *s, char **user_name, char **display_name,
    struct error *e)
{
	const char *name, *display;
	struct json *j;

	if (databricks_call(s, "GET", "/api/2.0/preview/scim/v2/Me", NULL, REPEAT_SAFE, &j, e) < 0)
		return -1;
	name = json_find_string(j, "userName");
	display = json_find_string(j, "displayName");
	*user_name = memory_strdup(name != NULL ? name : "");
	*display_name = memory_strdup(display != NULL ? display : "");
	json_free(j);
	return 0;
}

int
databricks_session_discover(struct databricks_session *s, struct databricks_config *c, struct error *e)
{
	struct error ignored = ERROR_INIT;
	struct json *facts = NULL, *metastore = NULL;
	const char *text;
	int64_t id;

	if (databricks_call(s, "GET", "/.well-known/databricks-config", NULL, REPEAT_STATEMENT, &facts,
		&ignored) < 0 &&
	    (ignored.code == ERR_INTERRUPTED || ignored.code == ERR_CREDENTIALS)) {
		*e = ignored;
		return -1;
	}
	id = json_find_int64(facts, "workspace_id", 0);
	if (c->workspace_id[0] == '\0' && id > 0)
		snprintf(c->workspace_id, sizeof(c->workspace_id), "%lld", (long long)id);
	if (c->workspace_id[0] == '\0')
		databricks_session_workspace_id(s, c->workspace_id);
	if (c->host.cloud == CLOUD_UNKNOWN)
		c->host.cloud = cloud_parse(json_find_string(facts, "cloud"));
	/* the catalog's own region is the workspace's: they must be the same */
	if (c->region[0] == '\0' &&
	    databricks_call(s, "GET", "/api/2.1/unity-catalog/metastore_summary", NULL, REPEAT_STATEMENT,
		&metastore, &ignored) == 0) {
		text = json_find_string(metastore, "region");
		if (text != NULL && strlen(text) < sizeof(c->region))
			strcpy(c->region, text);
		if (c->host.cloud == CLOUD_UNKNOWN)
			c->host.cloud = cloud_parse(json_find_string(metastore, "cloud"));
	}
	json_free(facts);
	json_free(metastore);
	return 0;
}

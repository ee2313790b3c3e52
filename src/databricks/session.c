#include "databricks/session.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "databricks/token.h"

#define FRESH_MS (300 * 1000) /* a token is given out only when it lives this much longer */
#define TRIES_MS (5 * 60 * 1000) /* all tries of one call together */
#define WAIT_STEP_MS 1000
#define WAIT_MOST_MS 10000
#define JITTER_LEAST_MS 50
#define JITTER_MOST_MS 750

/* A token and until when (monotonic) it may be used. */
struct kept_token {
	char *table; /* NULL: the plain one */
	struct secret token;
	int64_t until_ms;
	struct kept_token *next;
};

struct databricks_session {
	struct databricks_config config;
	struct http_pool *pool;
	pthread_mutex_t mutex; /* over the secrets in config and what follows; never held during a request */
	struct kept_token *tokens;
	char workspace_id[WORKSPACE_ID_SIZE]; /* as the server told it */
	bool warned;
	int64_t refreshes;
};

struct databricks_session *
databricks_session_new(const struct databricks_config *c, const struct databricks_session_options *o)
{
	static const struct databricks_session_options nothing;
	struct databricks_session *s = memory_zero(1, sizeof(*s));
	struct http_pool_options pool = {.http = {.ca_file = c->ca_file}};

	if (o == NULL)
		o = &nothing;
	databricks_config_copy(&s->config, c);
	pool.http.timeout_ms = o->timeout_ms;
	pool.clock = o->clock;
	pool.sleep = o->sleep;
	pool.sleep_context = o->sleep_context;
	pool.seed = o->seed;
	s->pool = http_pool_new(&pool);
	pthread_mutex_init(&s->mutex, NULL);
	return s;
}

void
databricks_session_free(struct databricks_session *s)
{
	if (s == NULL)
		return;
	for (struct kept_token *t = s->tokens, *next; t != NULL; t = next) {
		next = t->next;
		secret_release(&t->token);
		free(t->table);
		free(t);
	}
	databricks_config_release(&s->config);
	http_pool_free(s->pool);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

const struct databricks_config *
databricks_session_config(const struct databricks_session *s)
{
	return &s->config;
}

struct http_pool *
databricks_session_pool(struct databricks_session *s)
{
	return s->pool;
}

void
databricks_session_interrupt(struct databricks_session *s, bool on)
{
	http_pool_interrupt(s->pool, on);
}

/* The kept token of a table (NULL: the plain one); the mutex is held. */
static struct kept_token *
find_token(struct databricks_session *s, const char *table)
{
	for (struct kept_token *t = s->tokens; t != NULL; t = t->next)
		if (table == NULL ? t->table == NULL : t->table != NULL && strcmp(t->table, table) == 0)
			return t;
	return NULL;
}

static bool
copy_fresh(struct databricks_session *s, const char *table, struct secret *out)
{
	int64_t now = clock_monotonic_ms(http_pool_clock(s->pool));
	struct kept_token *t;
	bool fresh;

	pthread_mutex_lock(&s->mutex);
	t = find_token(s, table);
	fresh = t != NULL && secret_is_set(&t->token) && now < t->until_ms;
	if (fresh)
		secret_copy(out, &t->token);
	pthread_mutex_unlock(&s->mutex);
	return fresh;
}

static void
keep(struct databricks_session *s, const char *table, const struct secret *token, int64_t life_ms)
{
	int64_t now = clock_monotonic_ms(http_pool_clock(s->pool));
	struct kept_token *t;

	pthread_mutex_lock(&s->mutex);
	t = find_token(s, table);
	if (t == NULL) {
		t = memory_zero(1, sizeof(*t));
		t->table = memory_strdup(table);
		t->next = s->tokens;
		s->tokens = t;
	} else {
		s->refreshes++;
	}
	secret_copy(&t->token, token);
	t->until_ms = now + life_ms - FRESH_MS;
	pthread_mutex_unlock(&s->mutex);
}

static void
drop(struct databricks_session *s, const char *table, const struct secret *refused)
{
	struct kept_token *t;

	pthread_mutex_lock(&s->mutex);
	t = find_token(s, table);
	if (t != NULL && secret_equal(&t->token, refused))
		secret_release(&t->token);
	pthread_mutex_unlock(&s->mutex);
}

int64_t
databricks_session_refreshes(struct databricks_session *s)
{
	int64_t n;

	pthread_mutex_lock(&s->mutex);
	n = s->refreshes;
	pthread_mutex_unlock(&s->mutex);
	return n;
}

int
databricks_session_reload(struct databricks_session *s, const struct databricks_config *c, struct error *e)
{
	const char *now = c->client_id != NULL ? c->client_id : "";
	const char *before = s->config.client_id != NULL ? s->config.client_id : "";

	if (c->method != s->config.method || strcmp(c->host.url, s->config.host.url) != 0 || strcmp(now, before) != 0) {
		error_set(e, ERR_CONFIG, "the Databricks login is another one now");
		return error_hint(e, "only its secrets can change under a running program: start it anew");
	}
	pthread_mutex_lock(&s->mutex);
	secret_copy(&s->config.client_secret, &c->client_secret);
	secret_copy(&s->config.token, &c->token);
	pthread_mutex_unlock(&s->mutex);
	return 0;
}

/* With the secrets as they are now; table NULL: a plain token. */
static int
request_token(struct databricks_session *s, const char *table, const char *workspace_id, struct secret *out,
    int64_t *life_ms, struct error *e)
{
	struct databricks_config config;
	int rc;

	pthread_mutex_lock(&s->mutex);
	databricks_config_copy(&config, &s->config);
	pthread_mutex_unlock(&s->mutex);
	rc = databricks_token_request(&config, s->pool, table, workspace_id, out, life_ms, e);
	databricks_config_release(&config);
	return rc;
}

int
databricks_session_token(struct databricks_session *s, struct secret *out, struct error *e)
{
	int64_t life_ms;

	if (s->config.method == DATABRICKS_TOKEN) {
		pthread_mutex_lock(&s->mutex);
		secret_copy(out, &s->config.token);
		pthread_mutex_unlock(&s->mutex);
		return 0;
	}
	if (copy_fresh(s, NULL, out))
		return 0;
	if (request_token(s, NULL, NULL, out, &life_ms, e) < 0)
		return error_wrap(e, "cannot log in to Databricks");
	keep(s, NULL, out, life_ms);
	return 0;
}

void
databricks_session_workspace_id(struct databricks_session *s, char out[WORKSPACE_ID_SIZE])
{
	pthread_mutex_lock(&s->mutex);
	strcpy(out, s->workspace_id[0] != '\0' ? s->workspace_id : s->config.workspace_id);
	pthread_mutex_unlock(&s->mutex);
}

/* The id for a Zerobus token: what the endpoint is called, else the settings, else asked of the workspace. */
static int
need_workspace_id(struct databricks_session *s, char out[WORKSPACE_ID_SIZE], struct error *e)
{
	struct databricks_config learnt;

	strcpy(out, s->config.workspace_id);
	if (out[0] == '\0')
		databricks_session_workspace_id(s, out);
	if (out[0] != '\0')
		return 0;
	databricks_config_copy(&learnt, &s->config);
	if (databricks_session_discover(s, &learnt, e) == 0)
		strcpy(out, learnt.workspace_id);
	databricks_config_release(&learnt);
	if (out[0] != '\0')
		return 0;
	error_set(e, ERR_CONFIG, "the id of the workspace %s is not known", s->config.host.url);
	return error_hint(e, "set DATABRICKS_WORKSPACE_ID to the number behind ?o= in the browser's URL");
}

int
databricks_session_table_token(struct databricks_session *s, const char *table, struct secret *out,
    struct error *e)
{
	char workspace_id[WORKSPACE_ID_SIZE];
	int64_t life_ms;

	if (s->config.method == DATABRICKS_TOKEN) {
		error_set(e, ERR_CREDENTIALS, "a personal access token is not good for ingesting into %s", table);
		return error_hint(e, "Zerobus takes a service principal: set DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET "
				     "(an OAuth secret, not an Azure one)");
	}
	if (copy_fresh(s, table, out))
		return 0;
	if (need_workspace_id(s, workspace_id, e) < 0 ||
	    request_token(s, table, workspace_id, out, &life_ms, e) < 0)
		return error_wrap(e, "cannot get a token for %s", table);
	keep(s, table, out, life_ms);
	return 0;
}

void
databricks_session_drop_table_token(struct databricks_session *s, const char *table,
    const struct secret *refused)
{
	drop(s, table, refused);
}

void
databricks_token_work(void *context)
{
	struct databricks_token_job *job = context;

	error_clear(&job->error);
	if (secret_is_set(&job->refused))
		databricks_session_drop_table_token(job->session, job->table, &job->refused);
	job->result = databricks_session_table_token(job->session, job->table, &job->token, &job->error);
}

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
		if (e->code == ERR_SESSION && s->config.method == DATABRICKS_M2M && !renewed) {
			renewed = true;
			drop(s, NULL, &token);
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
	http_response_release(&r);
	secret_release(&token);
	return rc;
}

int
databricks_call(struct databricks_session *s, const char *method, const char *path,
    const struct json *body, enum databricks_repeat repeat, struct json **out, struct error *e)
{
	char *url = memory_format("%s%s", s->config.host.url, path);
	struct http_header headers[3] = {{"Accept", "application/json"}};
	struct http_request q = {.method = method, .url = url, .headers = headers, .header_count = 1,
	    .is_last_word = repeat == REPEAT_LAST_WORD};
	struct buffer text = BUFFER_INIT;
	struct json *answer = NULL;
	struct error own = ERROR_INIT;
	int rc;

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
	rc = call(s, &q, repeat, &answer, e);
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

#include "databricks/session_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "databricks/token.h"
#include "profile/settings_lock.h"

#define FRESH_MS DATABRICKS_FRESH_MS
/* The kept token that Azure's own management takes goes by this name: no table can be called so. */
#define MANAGEMENT "azure management"

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
	/* a handle of its own: renewals come from another thread */
	if (o->profile != NULL && c->method == DATABRICKS_U2M)
		s->profile = profile_open(profile_name(o->profile), NULL);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_mutex_init(&s->renewal, NULL);
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
	secret_release(&s->refused);
	http_pool_free(s->pool);
	profile_free(s->profile);
	pthread_mutex_destroy(&s->mutex);
	pthread_mutex_destroy(&s->renewal);
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
keep(struct databricks_session *s, const char *table, const struct secret *token, int64_t use_ms)
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
	t->until_ms = now + use_ms;
	pthread_mutex_unlock(&s->mutex);
}

void
session_drop(struct databricks_session *s, const char *table, const struct secret *refused)
{
	struct kept_token *t;

	pthread_mutex_lock(&s->mutex);
	t = find_token(s, table);
	if (t != NULL && secret_equal(&t->token, refused))
		secret_release(&t->token);
	if (table == NULL)
		secret_copy(&s->refused, refused);
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
	if (secret_is_set(&c->refresh_token)) {
		secret_copy(&s->config.refresh_token, &c->refresh_token);
		secret_copy(&s->config.access_token, &c->access_token);
		s->config.renew_at_ms = c->renew_at_ms;
	}
	pthread_mutex_unlock(&s->mutex);
	return 0;
}

void
databricks_session_login(struct databricks_session *s, struct databricks_config *c)
{
	pthread_mutex_lock(&s->mutex);
	secret_copy(&c->refresh_token, &s->config.refresh_token);
	secret_copy(&c->access_token, &s->config.access_token);
	c->renew_at_ms = s->config.renew_at_ms;
	pthread_mutex_unlock(&s->mutex);
}

/* With the secrets as they are now; table NULL: a plain token of a program's login. */
static int
request_token(struct databricks_session *s, const char *table, const char *workspace_id, struct secret *out,
    int64_t *life_ms, struct error *e)
{
	struct databricks_config config;
	struct secret refused = SECRET_INIT;
	int rc;

	pthread_mutex_lock(&s->mutex);
	databricks_config_copy(&config, &s->config);
	secret_copy(&refused, &s->refused);
	pthread_mutex_unlock(&s->mutex);
	if (config.method == DATABRICKS_AZURE)
		rc = databricks_token_of_azure(&config, s->pool, table != NULL, out, life_ms, e);
	else if (config.method == DATABRICKS_CLI)
		rc = databricks_token_of_cli(&config, &refused, clock_wall_ms(http_pool_clock(s->pool)), s->pool, out, life_ms, e);
	else
		rc = databricks_token_request(&config, s->pool, table, workspace_id, out, life_ms, e);
	secret_release(&refused);
	databricks_config_release(&config);
	return rc;
}

static int
pause_pool(void *pool, int64_t ms, struct error *e)
{
	return http_pool_pause(pool, ms, e);
}

static bool
same_words(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* A login that another process has stored counts when it is the same person's way into the same workspace. */
static bool
is_same_login(const struct databricks_config *c, const struct json *stored)
{
	return json_find_string(stored, "refresh_token") != NULL && same_words(json_find_string(stored, "host"), c->host.url) &&
	    same_words(json_find_string(stored, "client_id"), c->client_id);
}

/* Stored before it is used. What cannot be stored still serves this run. */
static void
store_login(struct databricks_session *s, const struct databricks_config *c, struct json *stored, bool is_rotated)
{
	struct error e = ERROR_INIT;

	databricks_config_put_login(c, stored);
	if (profile_store(s->profile, DATABRICKS_SETTINGS_FILE, stored, &e) < 0)
		log_warn("databricks", "the renewed login is not stored%s: %s",
		    is_rotated ? ", and the stored one is used up" : "", e.text);
}

static int
refresh(struct databricks_session *s, struct databricks_config *c, struct json *stored, struct error *e)
{
	struct databricks_grant grant = {.life_ms = 0};
	bool is_rotated;

	if (databricks_token_refresh(c, s->pool, &grant, e) < 0) {
		databricks_grant_release(&grant);
		return -1;
	}
	is_rotated = secret_is_set(&grant.refresh);
	if (is_rotated)
		secret_copy(&c->refresh_token, &grant.refresh);
	secret_copy(&c->access_token, &grant.access);
	c->renew_at_ms = clock_wall_ms(http_pool_clock(s->pool)) + grant.life_ms - databricks_token_early_ms(grant.life_ms);
	if (stored != NULL)
		store_login(s, c, stored, is_rotated);
	databricks_grant_release(&grant);
	return 0;
}

static bool
is_usable(struct databricks_session *s, const struct databricks_config *c, const struct secret *refused)
{
	return secret_is_set(&c->access_token) && clock_wall_ms(http_pool_clock(s->pool)) < c->renew_at_ms &&
	    !secret_equal(&c->access_token, refused);
}

/*
 * A person's access token anew: the one that another process has stored meanwhile, or one by the refresh token, which may be
 * good for one use only. renewal is held.
 */
static int
renew_login(struct databricks_session *s, struct databricks_config *c, const struct secret *refused, struct error *e)
{
	struct error why = ERROR_INIT;
	struct settings_lock *lock = NULL;
	struct json *stored = NULL;
	int rc = -1;

	if (s->profile != NULL) {
		lock = settings_lock(s->profile, DATABRICKS_SETTINGS_FILE, pause_pool, s->pool, &why);
		if (lock == NULL && why.code != ERR_CONFIG) {
			*e = why;
			goto out;
		}
		if (lock == NULL)
			log_debug("databricks", "renewing without a lock: %s", why.text);
		if (profile_load(s->profile, DATABRICKS_SETTINGS_FILE, &stored, e) < 0)
			goto out;
		if (stored != NULL && !is_same_login(c, stored)) {
			json_free(stored);
			stored = NULL;
		}
		databricks_config_take_login(c, stored);
	}
	rc = is_usable(s, c, refused) ? 0 : refresh(s, c, stored, e);
out:
	json_free(stored);
	settings_unlock(lock);
	return rc;
}

/* The token of a person; use_ms: how long from now on. */
static int
login_token(struct databricks_session *s, struct secret *out, int64_t *use_ms, struct error *e)
{
	struct databricks_config c;
	struct secret refused = SECRET_INIT;
	int rc = 0;

	pthread_mutex_lock(&s->mutex);
	databricks_config_copy(&c, &s->config);
	secret_copy(&refused, &s->refused);
	pthread_mutex_unlock(&s->mutex);
	if (!is_usable(s, &c, &refused))
		rc = renew_login(s, &c, &refused, e);
	if (rc == 0) {
		pthread_mutex_lock(&s->mutex);
		secret_copy(&s->config.refresh_token, &c.refresh_token);
		secret_copy(&s->config.access_token, &c.access_token);
		s->config.renew_at_ms = c.renew_at_ms;
		pthread_mutex_unlock(&s->mutex);
		secret_copy(out, &c.access_token);
		*use_ms = c.renew_at_ms - clock_wall_ms(http_pool_clock(s->pool));
	}
	secret_release(&refused);
	databricks_config_release(&c);
	return rc;
}

int
databricks_session_token(struct databricks_session *s, struct secret *out, struct error *e)
{
	int64_t use_ms = 0;
	int rc = 0;

	if (s->config.method == DATABRICKS_TOKEN) {
		pthread_mutex_lock(&s->mutex);
		secret_copy(out, &s->config.token);
		pthread_mutex_unlock(&s->mutex);
		return 0;
	}
	if (copy_fresh(s, NULL, out))
		return 0;
	pthread_mutex_lock(&s->renewal);
	if (!copy_fresh(s, NULL, out)) {
		if (s->config.method == DATABRICKS_U2M) {
			rc = login_token(s, out, &use_ms, e);
		} else {
			rc = request_token(s, NULL, NULL, out, &use_ms, e);
			use_ms -= s->config.method == DATABRICKS_M2M ? FRESH_MS : databricks_token_early_ms(use_ms);
		}
		if (rc == 0)
			keep(s, NULL, out, use_ms);
	}
	pthread_mutex_unlock(&s->renewal);
	return rc == 0 ? 0 : error_wrap(e, "cannot log in to Databricks");
}

int
session_management_token(struct databricks_session *s, struct secret *out, struct error *e)
{
	int64_t life_ms;

	if (copy_fresh(s, MANAGEMENT, out))
		return 0;
	if (request_token(s, MANAGEMENT, NULL, out, &life_ms, e) < 0)
		return error_wrap(e, "cannot log in to Azure");
	keep(s, MANAGEMENT, out, life_ms - databricks_token_early_ms(life_ms));
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

	if (s->config.method != DATABRICKS_M2M) {
		error_set(e, ERR_CREDENTIALS, "%s is not good for ingesting into %s", databricks_method_words(s->config.method), table);
		return error_hint(e, "Zerobus takes a service principal: set DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET "
				     "(an OAuth secret, not an Azure one)");
	}
	if (copy_fresh(s, table, out))
		return 0;
	if (need_workspace_id(s, workspace_id, e) < 0 ||
	    request_token(s, table, workspace_id, out, &life_ms, e) < 0)
		return error_wrap(e, "cannot get a token for %s", table);
	keep(s, table, out, life_ms - FRESH_MS);
	return 0;
}

void
databricks_session_drop_table_token(struct databricks_session *s, const char *table,
    const struct secret *refused)
{
	session_drop(s, table, refused);
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

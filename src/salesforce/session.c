#include "salesforce/session.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "profile/settings_lock.h"
#include "salesforce/rest.h"

struct host {
	struct host *before;
	char url[];
};

struct salesforce_session {
	struct salesforce_login login;
	struct http_pool *pool;
	struct profile *profile; /* where new tokens go; NULL: nowhere */
	/* where the organisation is; those it moved from stay, as another thread may be reading them. NULL: not known yet */
	_Atomic(struct host *) host;
	char *username;
	char org_id[SALESFORCE_ID_SIZE], user_id[SALESFORCE_ID_SIZE];
	bool ready; /* there is a token, and it is known whose */
	pthread_mutex_t mutex;	 /* over token */
	pthread_mutex_t renewal; /* one renewal at a time; the others find its result */
	struct secret token;
	atomic_int version; /* of the API; 0: not asked yet */
};

const char *
salesforce_session_org_id(const struct salesforce_session *s)
{
	return s->org_id;
}

const char *
salesforce_session_user_id(const struct salesforce_session *s)
{
	return s->user_id;
}

const char *
salesforce_session_username(const struct salesforce_session *s)
{
	return s->username != NULL ? s->username : "";
}

const char *
salesforce_session_instance_url(const struct salesforce_session *s)
{
	struct host *h = atomic_load(&s->host);

	return h != NULL ? h->url : NULL;
}

const char *
salesforce_session_pubsub_endpoint(const struct salesforce_session *s)
{
	return s->login.pubsub_endpoint;
}

const char *
salesforce_session_ca_file(const struct salesforce_session *s)
{
	return s->login.ca_file;
}

const struct salesforce_login *
salesforce_session_login(const struct salesforce_session *s)
{
	return &s->login;
}

struct http_pool *
salesforce_session_pool(struct salesforce_session *s)
{
	return s->pool;
}

int
salesforce_session_version(const struct salesforce_session *s)
{
	return atomic_load(&s->version);
}

void
salesforce_session_set_version(struct salesforce_session *s, int version)
{
	atomic_store(&s->version, version);
}

void
salesforce_session_interrupt(struct salesforce_session *s, bool on)
{
	http_pool_interrupt(s->pool, on);
}

void
salesforce_session_token(struct salesforce_session *s, struct secret *out)
{
	pthread_mutex_lock(&s->mutex);
	secret_copy(out, &s->token);
	pthread_mutex_unlock(&s->mutex);
}

/* Set by whoever renews only. */
static void
set_host(struct salesforce_session *s, const char *url)
{
	size_t size = strlen(url) + 1;
	struct host *now = atomic_load(&s->host), *h;

	if (now != NULL && strcmp(now->url, url) == 0)
		return;
	if (now != NULL)
		log_warn("salesforce", "the organisation has moved from %s to %s", now->url, url);
	h = memory_zero(1, sizeof(*h) + size);
	h->before = now;
	memcpy(h->url, url, size);
	atomic_store(&s->host, h);
}

/* The host of a stored session. NULL: none that a login could have given, so the file is damaged. */
static const char *
stored_host(const struct json *stored)
{
	const char *instance = json_find_string(stored, "instance_url");
	struct error ignored = ERROR_INIT;
	char *host = instance != NULL ? salesforce_host(instance, &ignored) : NULL;
	bool same = host != NULL && strcmp(host, instance) == 0;

	free(host);
	return same ? instance : NULL;
}

/* A stored session counts only whole, and only for the host it was made for. */
static bool
use_stored(struct salesforce_session *s, const struct json *stored)
{
	const char *token = json_find_string(stored, "access_token");
	const char *host = stored_host(stored);
	const char *org = json_find_string(stored, "org_id");
	const char *user = json_find_string(stored, "user_id");
	const char *username = json_find_string(stored, "username");
	const char *login_url = json_find_string(stored, "login_url");

	if (token == NULL || host == NULL || org == NULL || user == NULL ||
	    strlen(org) >= SALESFORCE_ID_SIZE || strlen(user) >= SALESFORCE_ID_SIZE ||
	    (login_url != NULL && strcmp(login_url, s->login.login_url) != 0))
		return false;
	secret_set(&s->token, text_of(token));
	set_host(s, host);
	s->username = memory_strdup(username);
	strcpy(s->org_id, org);
	strcpy(s->user_id, user);
	return true;
}

/* Takes what the login gave. The identity is taken once and must not change after. */
static int
take_token(struct salesforce_session *s, struct salesforce_token *t, struct error *e)
{
	const char *now = salesforce_session_instance_url(s);

	if (s->org_id[0] != '\0' && t->org_id[0] != '\0' && strncmp(s->org_id, t->org_id, 15) != 0) {
		error_set(e, ERR_CREDENTIALS, "the login now leads to organisation %s, the session was for %s",
		    t->org_id, s->org_id);
		return error_hint(e, "was a sandbox refreshed? its events are others now; log in again with 'sfzb login salesforce'");
	}
	if (s->org_id[0] != '\0' && t->org_id[0] == '\0' && now != NULL && strcmp(now, t->instance_url) != 0) {
		error_set(e, ERR_CREDENTIALS, "the login now leads to %s, and does not say of which organisation", t->instance_url);
		return error_hint(e, "log in again with 'sfzb login salesforce'");
	}
	if (s->org_id[0] == '\0')
		strcpy(s->org_id, t->org_id);
	if (s->user_id[0] == '\0')
		strcpy(s->user_id, t->user_id);
	if (s->username == NULL)
		s->username = memory_strdup(t->username);
	if (secret_is_set(&t->refresh_token))
		secret_copy(&s->login.refresh_token, &t->refresh_token);
	return 0;
}

static struct json *
session_json(struct salesforce_session *s, const struct secret *token)
{
	struct json *j = json_object();

	json_set_string(j, "access_token", secret_reveal(token));
	json_set_string(j, "instance_url", salesforce_session_instance_url(s));
	json_set_string(j, "login_url", s->login.login_url);
	json_set_string(j, "org_id", s->org_id);
	json_set_string(j, "user_id", s->user_id);
	if (s->username != NULL)
		json_set_string(j, "username", s->username);
	return j;
}

static int
store(struct salesforce_session *s, struct profile *profile, const struct secret *token,
    struct error *e)
{
	struct json *j = salesforce_login_settings(&s->login);
	int rc;

	/* what a helper gives is not for a file */
	if (s->login.method != LOGIN_ACCESS_TOKEN || s->login.credential_helper == NULL)
		json_set(j, "session", session_json(s, token));
	rc = profile_store(profile, SALESFORCE_SETTINGS_FILE, j, e);
	json_free(j);
	return rc;
}

static bool
same_words(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* Is the file still of this login? Another may have been stored meanwhile, or none (logout). */
static bool
is_own(const struct salesforce_session *s, const struct json *j)
{
	const char *org = json_find_string(json_find(j, "session"), "org_id");

	return j != NULL && same_words(json_find_string(j, "login_url"), s->login.login_url) &&
	    same_words(json_find_string(j, "client_id"), s->login.client_id) &&
	    (org == NULL || s->org_id[0] == '\0' || strncmp(org, s->org_id, 15) == 0);
}

/* The file may hold more than a login knows (an emulator's mark): only what the renewal changed is written. */
static int
store_renewed(struct salesforce_session *s, const struct secret *token, struct error *e)
{
	struct json *j = NULL;
	int rc;

	if (profile_load(s->profile, SALESFORCE_SETTINGS_FILE, &j, e) < 0)
		return -1;
	if (!is_own(s, j)) {
		json_free(j);
		log_debug("salesforce", "the new token is not stored: the profile's login is another one by now");
		return 0;
	}
	if (secret_is_set(&s->login.refresh_token))
		json_set_string(j, "refresh_token", secret_reveal(&s->login.refresh_token));
	json_set(j, "session", session_json(s, token));
	rc = profile_store(s->profile, SALESFORCE_SETTINGS_FILE, j, e);
	json_free(j);
	return rc;
}

/* A session that cannot be stored still works; only a rotated refresh token would be lost with it. */
static void
store_quietly(struct salesforce_session *s, const struct secret *token)
{
	struct error e = ERROR_INIT;

	if (s->profile != NULL && s->login.method != LOGIN_ACCESS_TOKEN && store_renewed(s, token, &e) < 0)
		log_warn("salesforce", "the session is not stored: %s", e.text);
}

static int
log_in(struct salesforce_session *s, struct error *e)
{
	struct salesforce_token token;
	int rc = -1;

	if (salesforce_login_request(&s->login, s->pool, &token, e) < 0)
		return error_wrap(e, "cannot log in to Salesforce");
	if (take_token(s, &token, e) == 0) {
		set_host(s, token.instance_url);
		store_quietly(s, &token.access_token);
		pthread_mutex_lock(&s->mutex);
		secret_move(&s->token, &token.access_token);
		pthread_mutex_unlock(&s->mutex);
		rc = 0;
	}
	salesforce_token_release(&token);
	return rc;
}

static int
pause_pool(void *context, int64_t ms, struct error *e)
{
	return http_pool_pause(context, ms, e);
}

/* What another process has renewed: its refresh token, as ours may be used up, and its token, when it is not the refused one. */
static bool
take_shared(struct salesforce_session *s, const struct json *stored, const struct secret *refused)
{
	const char *refresh = json_find_string(stored, "refresh_token");
	const struct json *session = json_find(stored, "session");
	const char *token = json_find_string(session, "access_token");
	const char *host = stored_host(session);

	if (!is_own(s, stored))
		return false;
	if (s->login.method == LOGIN_REFRESH_TOKEN && refresh != NULL)
		secret_set(&s->login.refresh_token, text_of(refresh));
	if (token == NULL || host == NULL || json_find_string(session, "org_id") == NULL || s->org_id[0] == '\0' ||
	    strcmp(token, secret_reveal(refused)) == 0)
		return false;
	set_host(s, host);
	pthread_mutex_lock(&s->mutex);
	secret_set(&s->token, text_of(token));
	pthread_mutex_unlock(&s->mutex);
	return true;
}

/* One process at a time: a refresh token may be good for one use only, and a login by password is not made twice for nothing. */
static int
log_in_shared(struct salesforce_session *s, const struct secret *refused, struct error *e)
{
	struct settings_lock *lock;
	struct json *stored = NULL;
	struct error why = ERROR_INIT;
	int rc;

	if (s->profile == NULL)
		return log_in(s, e);
	lock = settings_lock(s->profile, SALESFORCE_SETTINGS_FILE, pause_pool, s->pool, &why);
	if (lock == NULL && why.code != ERR_CONFIG) {
		*e = why;
		return -1;
	}
	if (lock == NULL)
		log_debug("salesforce", "renewing without a lock: %s", why.text);
	if (profile_load(s->profile, SALESFORCE_SETTINGS_FILE, &stored, e) < 0) {
		rc = -1;
	} else if (take_shared(s, stored, refused)) {
		log_debug("salesforce", "another process has renewed the token");
		rc = 0;
	} else {
		rc = log_in(s, e);
	}
	json_free(stored);
	settings_unlock(lock);
	return rc;
}

/* For a token that came without its story: a given one, or an answer without `id`. */
static int
learn_identity(struct salesforce_session *s, struct error *e)
{
	struct salesforce_user user;

	if (s->org_id[0] != '\0' && s->user_id[0] != '\0')
		return 0;
	if (salesforce_session_user(s, &user, e) < 0)
		return error_wrap(e, "cannot log in to Salesforce");
	snprintf(s->org_id, sizeof(s->org_id), "%s", user.org_id);
	snprintf(s->user_id, sizeof(s->user_id), "%s", user.user_id);
	salesforce_user_release(&user);
	return 0;
}

struct salesforce_session *
salesforce_session_new(const struct salesforce_login *l, const struct profile *profile,
    const struct salesforce_session_options *o, struct error *e)
{
	static const struct salesforce_session_options nothing;
	struct salesforce_session *s = memory_zero(1, sizeof(*s));
	struct http_pool_options pool = {.http = {.ca_file = l->ca_file}};

	if (o == NULL)
		o = &nothing;
	pool.http.timeout_ms = o->timeout_ms;
	pool.clock = o->clock;
	pool.sleep = o->sleep;
	pool.sleep_context = o->sleep_context;
	pool.seed = o->seed;
	s->pool = http_pool_new(&pool);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_mutex_init(&s->renewal, NULL);
	salesforce_login_copy(&s->login, l);
	/* a handle of its own: renewals come from another thread */
	if (profile != NULL && !l->from_environment) {
		s->profile = profile_open(profile_name(profile), e);
		if (s->profile == NULL) {
			salesforce_session_free(s);
			return NULL;
		}
	}
	s->ready = !o->log_in_anew && use_stored(s, l->stored);
	return s;
}

int
salesforce_session_begin(struct salesforce_session *s, struct error *e)
{
	struct secret none;

	if (s->ready)
		return 0;
	secret_init(&none);
	if (log_in_shared(s, &none, e) < 0 || learn_identity(s, e) < 0)
		return -1;
	s->ready = true;
	return 0;
}

struct salesforce_session *
salesforce_session_open(const struct salesforce_login *l, const struct profile *profile,
    const struct salesforce_session_options *o, struct error *e)
{
	struct salesforce_session *s = salesforce_session_new(l, profile, o, e);

	if (s != NULL && salesforce_session_begin(s, e) == 0)
		return s;
	salesforce_session_free(s);
	return NULL;
}

void
salesforce_session_free(struct salesforce_session *s)
{
	if (s == NULL)
		return;
	salesforce_login_release(&s->login);
	http_pool_free(s->pool);
	profile_free(s->profile);
	for (struct host *h = atomic_load(&s->host), *before; h != NULL; h = before) {
		before = h->before;
		free(h);
	}
	free(s->username);
	secret_release(&s->token);
	pthread_mutex_destroy(&s->mutex);
	pthread_mutex_destroy(&s->renewal);
	free(s);
}

/* A token of another's making was refused, and its maker has no other. */
static int
same_again(const struct salesforce_session *s, struct error *e)
{
	if (s->login.method == LOGIN_SF) {
		error_set(e, ERR_CREDENTIALS, "the access token of sf was refused, and sf gives no other");
		return error_hint(e, "log in there again: sf org login web -a %s", s->login.sf_alias);
	}
	return error_set(e, ERR_CREDENTIALS, "the access token was refused, and the login gives no other");
}

int
salesforce_session_renew(struct salesforce_session *s, const struct secret *refused, struct error *e)
{
	bool same;
	int rc = 0;

	pthread_mutex_lock(&s->renewal);
	pthread_mutex_lock(&s->mutex);
	same = secret_equal(&s->token, refused);
	pthread_mutex_unlock(&s->mutex);
	if (same && s->login.method == LOGIN_ACCESS_TOKEN && s->login.credential_helper == NULL) {
		error_set(e, ERR_CREDENTIALS, "the Salesforce access token was refused, and it is all there is");
		error_hint(e, "give a fresh one in SALESFORCE_ACCESS_TOKEN, or log in with 'sfzb login salesforce'");
		rc = -1;
	} else if (same) {
		rc = log_in_shared(s, refused, e);
		if (rc == 0 && secret_equal(&s->token, refused))
			rc = same_again(s, e);
		else if (rc == 0)
			log_info("salesforce", "logged in to %s again", salesforce_session_instance_url(s));
	}
	pthread_mutex_unlock(&s->renewal);
	return rc;
}

int
salesforce_session_reload(struct salesforce_session *s, const struct salesforce_login *l, struct error *e)
{
	struct salesforce_login *own = &s->login;

	if (l->method != own->method || !same_words(l->login_url, own->login_url) ||
	    !same_words(l->client_id, own->client_id) || !same_words(l->username, own->username) ||
	    !same_words(l->private_key_file, own->private_key_file)) {
		error_set(e, ERR_CONFIG, "the Salesforce login is another one now");
		return error_hint(e, "only its secrets can change under a running program: start it anew");
	}
	pthread_mutex_lock(&s->renewal);
	secret_copy(&own->client_secret, &l->client_secret);
	secret_copy(&own->password, &l->password);
	secret_copy(&own->access_token, &l->access_token);
	secret_copy(&own->refresh_token, &l->refresh_token);
	secret_copy(&own->key_passphrase, &l->key_passphrase);
	if (own->method == LOGIN_ACCESS_TOKEN && secret_is_set(&l->access_token)) {
		pthread_mutex_lock(&s->mutex);
		secret_copy(&s->token, &l->access_token);
		pthread_mutex_unlock(&s->mutex);
	}
	pthread_mutex_unlock(&s->renewal);
	return 0;
}

void
salesforce_renewal_work(void *context)
{
	struct salesforce_renewal *r = context;

	error_clear(&r->error);
	r->result = salesforce_session_renew(r->session, &r->refused, &r->error);
}

static bool
is_id_length(const char *id)
{
	return strlen(id) == 15 || strlen(id) == 18;
}

static char *
member(const struct json *j, const char *key)
{
	const char *value = json_find_string(j, key);

	return memory_strdup(value != NULL ? value : "");
}

int
salesforce_user_take(const struct json *j, const char *instance_url, struct salesforce_user *out, struct error *e)
{
	out->org_id = member(j, "organization_id");
	out->user_id = member(j, "user_id");
	out->username = member(j, "preferred_username");
	out->name = member(j, "name");
	out->email = member(j, "email");
	if (!is_id_length(out->org_id) || !is_id_length(out->user_id)) {
		salesforce_user_release(out);
		error_set(e, ERR_CONFIG, "userinfo of %s names no organisation: this is not a Salesforce instance", instance_url);
		return error_hint(e, "check the instance URL: https://NAME.my.salesforce.com");
	}
	return 0;
}

int
salesforce_session_user(struct salesforce_session *s, struct salesforce_user *out, struct error *e)
{
	struct json *j;
	int rc;

	memset(out, 0, sizeof(*out));
	if (salesforce_rest_get(s, "/services/oauth2/userinfo", &j, e) < 0)
		return -1;
	rc = salesforce_user_take(j, salesforce_session_instance_url(s), out, e);
	if (rc == 0 && s->username == NULL)
		s->username = memory_strdup(out->username);
	json_free(j);
	return rc;
}

void
salesforce_user_release(struct salesforce_user *u)
{
	free(u->org_id);
	free(u->user_id);
	free(u->username);
	free(u->name);
	free(u->email);
	memset(u, 0, sizeof(*u));
}

int
salesforce_session_store(struct salesforce_session *s, struct profile *profile, struct error *e)
{
	struct secret token = SECRET_INIT;
	struct settings_lock *lock;
	int rc;

	salesforce_session_token(s, &token);
	/* a run that renews must not put the login before this one back */
	lock = settings_lock(profile, SALESFORCE_SETTINGS_FILE, pause_pool, s->pool, NULL);
	rc = store(s, profile, &token, e);
	settings_unlock(lock);
	secret_release(&token);
	return rc;
}

int
salesforce_session_revoke(struct salesforce_session *s, struct error *e)
{
	char *url = memory_format("%s/services/oauth2/revoke", salesforce_session_instance_url(s));
	const struct http_header header = {"Content-Type", "application/x-www-form-urlencoded"};
	struct secret token = SECRET_INIT;
	struct buffer form = BUFFER_INIT;
	struct http_request q = {.method = "POST", .url = url, .headers = &header, .header_count = 1,
	    .is_secret = true, .is_last_word = true};
	struct http_response r;
	int rc = 0;

	if (salesforce_login_is_borrowed(&s->login))
		goto out;
	/* a refresh token takes its access tokens with it */
	if (secret_is_set(&s->login.refresh_token))
		secret_copy(&token, &s->login.refresh_token);
	else
		salesforce_session_token(s, &token);
	http_form_add(&form, "token", text_of(secret_reveal(&token)));
	q.body = buffer_span(&form);
	http_response_init(&r);
	rc = http_pool_perform(s->pool, &q, &r, e);
	if (rc == 0 && r.status != 200 && strstr(r.body.len > 0 ? buffer_text(&r.body) : "", "invalid_token") == NULL)
		rc = error_set(e, ERR_FAILED, "revoking the session at %s: %d %s", salesforce_session_instance_url(s), r.status,
		    http_status_words(r.status));
	http_response_release(&r);
out:
	buffer_release_wiped(&form);
	secret_release(&token);
	free(url);
	return rc;
}

int
salesforce_session_forget(struct profile *profile, struct error *e)
{
	return profile_remove(profile, SALESFORCE_SETTINGS_FILE, e);
}

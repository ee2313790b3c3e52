#include "salesforce/login.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/client.h"
#include "profile/credential_helper.h"

static const struct {
	const char *name, *words;
} methods[] = {
#define X(name, text, words) {text, words},
    LOGIN_METHODS(X)
#undef X
};

const char *
login_method_name(enum login_method m)
{
	return methods[m].name;
}

static const char *
login_method_words(enum login_method m)
{
	return methods[m].words;
}

int
login_method_parse(const char *name, enum login_method *m)
{
	for (int i = 1; i < LOGIN_METHOD_COUNT; i++) {
		if (strcmp(methods[i].name, name) == 0) {
			*m = (enum login_method)i;
			return 0;
		}
	}
	return -1;
}

void
salesforce_login_init(struct salesforce_login *l)
{
	memset(l, 0, sizeof(*l));
}

void
salesforce_login_release(struct salesforce_login *l)
{
	free(l->login_url);
	free(l->instance_url);
	free(l->client_id);
	free(l->username);
	free(l->private_key_file);
	free(l->pubsub_endpoint);
	free(l->ca_file);
	free(l->credential_helper);
	free(l->sf_alias);
	secret_release(&l->client_secret);
	secret_release(&l->password);
	secret_release(&l->access_token);
	secret_release(&l->refresh_token);
	secret_release(&l->key_passphrase);
	json_free(l->stored);
	salesforce_login_init(l);
}

static bool
host_ends(const char *url, const char *suffix)
{
	return text_ends(text_of(url), suffix);
}

bool
salesforce_host_is_generic(const char *url)
{
	return strcmp(url, "https://login.salesforce.com") == 0 ||
	    strcmp(url, "https://test.salesforce.com") == 0;
}

bool
salesforce_host_is_sandbox(const char *url)
{
	return strcmp(url, "https://test.salesforce.com") == 0 ||
	    strstr(url, ".sandbox.my.salesforce.com") != NULL;
}

char *
salesforce_host(const char *given, struct error *e)
{
	static const char *const ui_suffixes[] = {".lightning.force.com", ".my.salesforce-setup.com"};
	char *url = http_origin(given, e);

	for (size_t i = 0; url != NULL && i < sizeof(ui_suffixes) / sizeof(ui_suffixes[0]); i++) {
		if (host_ends(url, ui_suffixes[i])) {
			char *fixed = memory_format("%.*s.my.salesforce.com",
			    (int)(strlen(url) - strlen(ui_suffixes[i])), url);

			free(url);
			url = fixed;
		}
	}
	return url;
}

void
salesforce_login_copy(struct salesforce_login *to, const struct salesforce_login *from)
{
	salesforce_login_init(to);
	to->method = from->method;
	to->login_url = memory_strdup(from->login_url);
	to->instance_url = memory_strdup(from->instance_url);
	to->client_id = memory_strdup(from->client_id);
	to->username = memory_strdup(from->username);
	to->private_key_file = memory_strdup(from->private_key_file);
	to->pubsub_endpoint = memory_strdup(from->pubsub_endpoint);
	to->ca_file = memory_strdup(from->ca_file);
	to->credential_helper = memory_strdup(from->credential_helper);
	to->sf_alias = memory_strdup(from->sf_alias);
	secret_copy(&to->client_secret, &from->client_secret);
	secret_copy(&to->password, &from->password);
	secret_copy(&to->access_token, &from->access_token);
	secret_copy(&to->refresh_token, &from->refresh_token);
	secret_copy(&to->key_passphrase, &from->key_passphrase);
	to->from_environment = from->from_environment;
}

bool
salesforce_login_is_borrowed(const struct salesforce_login *l)
{
	return l->method == LOGIN_ACCESS_TOKEN || l->method == LOGIN_SF;
}

/* git's word for the one secret that there is: which one, the method says. */
static struct secret *
place_of_password(struct salesforce_login *l)
{
	switch (l->method) {
	case LOGIN_ACCESS_TOKEN:
		return &l->access_token;
	case LOGIN_JWT:
		return &l->key_passphrase;
	case LOGIN_CLIENT_CREDENTIALS:
		return &l->client_secret;
	case LOGIN_REFRESH_TOKEN:
		return &l->refresh_token;
	case LOGIN_NONE:
		return l->username == NULL && l->client_id != NULL ? &l->client_secret : &l->password;
	default:
		return &l->password;
	}
}

static void
take_pair(void *context, const char *key, const char *value)
{
	struct salesforce_login *l = context;
	struct {
		const char *key;
		struct secret *secret;
		char **text;
	} places[] = {{"password", place_of_password(l), NULL}, {"client_secret", &l->client_secret, NULL},
	    {"access_token", &l->access_token, NULL}, {"refresh_token", &l->refresh_token, NULL},
	    {"private_key_passphrase", &l->key_passphrase, NULL}, {"client_id", NULL, &l->client_id},
	    {"private_key_file", NULL, &l->private_key_file}, {"instance_url", NULL, &l->instance_url},
	    {"login_url", NULL, &l->login_url},
	    {"username", NULL, l->method == LOGIN_CLIENT_CREDENTIALS ? &l->client_id : &l->username}};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && value[0] != '\0'; i++) {
		if (strcmp(places[i].key, key) != 0)
			continue;
		if (places[i].secret != NULL)
			secret_set(places[i].secret, text_of(value));
		else if (*places[i].text == NULL)
			*places[i].text = memory_strdup(value);
	}
}

int
salesforce_login_ask_helper(struct salesforce_login *l, bool (*is_cancelled)(void *context), void *context,
    struct error *e)
{
	const struct credential_question q = {.service = "salesforce",
	    .url = l->login_url != NULL ? l->login_url : l->instance_url,
	    .username = l->username != NULL ? l->username : l->client_id, .is_cancelled = is_cancelled,
	    .context = context};

	if (l->credential_helper == NULL)
		return 0;
	return credential_helper_ask(l->credential_helper, &q, take_pair, l, e);
}

/* One setting: its member, where it may come from. Secrets have no command line. */
struct setting {
	const char *key, *environment;
	char **text;
	struct secret *secret;
	const char *given;
	bool is_credential; /* comes from the environment alone when that holds any */
};

static const char *const credential_variables[] = {"SALESFORCE_ACCESS_TOKEN",
    "SALESFORCE_CLIENT_SECRET", "SALESFORCE_PASSWORD", "SALESFORCE_PRIVATE_KEY_FILE",
    "SALESFORCE_CREDENTIAL_HELPER"};

static bool
environment_has_credentials(void)
{
	for (size_t i = 0; i < sizeof(credential_variables) / sizeof(credential_variables[0]); i++)
		if (profile_environment(credential_variables[i]) != NULL)
			return true;
	return false;
}

static void
gather(const struct setting *s, const struct json *file, bool from_environment)
{
	const char *value = s->given;

	if (value == NULL && s->environment != NULL)
		value = profile_environment(s->environment);
	if (value == NULL && !(s->is_credential && from_environment))
		value = json_find_string(file, s->key);
	if (value == NULL || value[0] == '\0')
		return;
	if (s->secret != NULL) {
		secret_set(s->secret, text_of(value));
	} else {
		free(*s->text);
		*s->text = memory_strdup(value);
	}
}

int
salesforce_login_load(struct salesforce_login *l, const struct salesforce_given *given,
    struct profile *profile, struct error *e)
{
	static const struct salesforce_given nothing;
	const struct salesforce_given *g = given != NULL ? given : &nothing;
	char *method = NULL;
	struct json *file = NULL;
	const struct setting settings[] = {
	    {"method", NULL, &method, NULL, g->method, true},
	    {"login_url", "SALESFORCE_LOGIN_URL", &l->login_url, NULL, g->login_url, false},
	    {"instance_url", "SALESFORCE_INSTANCE_URL", &l->instance_url, NULL, g->instance_url, false},
	    {"client_id", "SALESFORCE_CLIENT_ID", &l->client_id, NULL, g->client_id, true},
	    {"username", "SALESFORCE_USERNAME", &l->username, NULL, g->username, true},
	    {"private_key_file", "SALESFORCE_PRIVATE_KEY_FILE", &l->private_key_file, NULL,
		g->private_key_file, true},
	    {"pubsub_endpoint", "SALESFORCE_PUBSUB_ENDPOINT", &l->pubsub_endpoint, NULL,
		g->pubsub_endpoint, false},
	    {"ca_file", NULL, &l->ca_file, NULL, g->ca_file, false},
	    {"credential_helper", "SALESFORCE_CREDENTIAL_HELPER", &l->credential_helper, NULL,
		g->credential_helper, true},
	    {"sf_alias", NULL, &l->sf_alias, NULL, g->sf_alias, true},
	    {"client_secret", "SALESFORCE_CLIENT_SECRET", NULL, &l->client_secret, NULL, true},
	    {"password", "SALESFORCE_PASSWORD", NULL, &l->password, NULL, true},
	    {"access_token", "SALESFORCE_ACCESS_TOKEN", NULL, &l->access_token, NULL, true},
	    {"private_key_passphrase", "SALESFORCE_PRIVATE_KEY_PASSPHRASE", NULL, &l->key_passphrase,
		NULL, true},
	    {"refresh_token", NULL, NULL, &l->refresh_token, NULL, true},
	};
	int rc = -1;

	salesforce_login_init(l);
	if (profile != NULL && profile_load(profile, SALESFORCE_SETTINGS_FILE, &file, e) < 0)
		goto out;
	l->from_environment = environment_has_credentials();
	/* one host of another place makes the profile's hosts those of another organisation */
	if (g->login_url != NULL || g->instance_url != NULL ||
	    profile_environment("SALESFORCE_LOGIN_URL") != NULL ||
	    profile_environment("SALESFORCE_INSTANCE_URL") != NULL) {
		json_remove(file, "login_url");
		json_remove(file, "instance_url");
	}
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		gather(&settings[i], file, l->from_environment);
	if (!l->from_environment && json_is_object(json_find(file, "session")))
		l->stored = json_clone(json_find(file, "session"));
	if (method != NULL && login_method_parse(method, &l->method) < 0) {
		error_set(e, ERR_CONFIG, "\"%s\" is not a way to log in to Salesforce", method);
		goto out;
	}
	/* which secrets a helper has decides the method, unless that is known */
	if (l->method == LOGIN_NONE && l->credential_helper != NULL &&
	    salesforce_login_ask_helper(l, NULL, NULL, e) < 0)
		goto out;
	rc = salesforce_login_complete(l, e);
out:
	free(method);
	json_free(file);
	if (rc < 0)
		salesforce_login_release(l);
	return rc;
}

/* Set, or to be had of the helper once the method is known. */
static bool
has(const struct salesforce_login *l, const struct secret *s)
{
	return secret_is_set(s) || (l->credential_helper != NULL && l->method != LOGIN_NONE);
}

/* What a method cannot do without; the first lacking one is named. */
static const char *
lacking(const struct salesforce_login *l, enum login_method m)
{
	const bool client_id = l->client_id != NULL, username = l->username != NULL;

	switch (m) {
	case LOGIN_ACCESS_TOKEN:
		return !has(l, &l->access_token) ? "SALESFORCE_ACCESS_TOKEN" :
		    l->instance_url == NULL		? "SALESFORCE_INSTANCE_URL" :
							  NULL;
	case LOGIN_JWT:
		return l->private_key_file == NULL ? "SALESFORCE_PRIVATE_KEY_FILE" :
		    !client_id			   ? "SALESFORCE_CLIENT_ID" :
		    !username			   ? "SALESFORCE_USERNAME" :
						     NULL;
	case LOGIN_CLIENT_CREDENTIALS:
		return !client_id			 ? "SALESFORCE_CLIENT_ID" :
		    !has(l, &l->client_secret)		 ? "SALESFORCE_CLIENT_SECRET" :
		    l->login_url == NULL		 ? "SALESFORCE_INSTANCE_URL (the My Domain)" :
							   NULL;
	case LOGIN_REFRESH_TOKEN:
		return !has(l, &l->refresh_token) ? "a refresh token" :
		    !client_id				 ? "SALESFORCE_CLIENT_ID" :
							   NULL;
	case LOGIN_PASSWORD:
	case LOGIN_SOAP:
		return !username			? "SALESFORCE_USERNAME" :
		    !has(l, &l->password)		? "SALESFORCE_PASSWORD" :
		    m == LOGIN_PASSWORD && !client_id	? "SALESFORCE_CLIENT_ID" :
							  NULL;
	case LOGIN_SF:
		return l->sf_alias == NULL ? "the alias of an org that sf knows" : NULL;
	case LOGIN_NONE:
	case LOGIN_METHOD_COUNT:
		break;
	}
	return "a method";
}

/* The method that a lone secret points at, to say what it lacks. */
static enum login_method
likely_method(const struct salesforce_login *l)
{
	if (secret_is_set(&l->access_token))
		return LOGIN_ACCESS_TOKEN;
	if (l->private_key_file != NULL)
		return LOGIN_JWT;
	if (secret_is_set(&l->password))
		return LOGIN_SOAP;
	if (secret_is_set(&l->client_secret))
		return LOGIN_CLIENT_CREDENTIALS;
	return LOGIN_NONE;
}

static int
clean_host(char **url, const char *what, struct error *e)
{
	char *clean;

	if (*url == NULL)
		return 0;
	clean = salesforce_host(*url, e);
	if (clean == NULL)
		return error_wrap(e, "%s", what);
	free(*url);
	*url = clean;
	return 0;
}

static int
pick_method(struct salesforce_login *l, struct error *e)
{
	enum login_method likely;

	/* a user name with a password is meant for a password login, even when the app has a secret */
	for (int m = 1; m < LOGIN_METHOD_COUNT && l->method == LOGIN_NONE; m++)
		if (lacking(l, (enum login_method)m) == NULL &&
		    !(m == LOGIN_CLIENT_CREDENTIALS && l->username != NULL && secret_is_set(&l->password)))
			l->method = (enum login_method)m;
	likely = l->method != LOGIN_NONE ? l->method : likely_method(l);
	if (likely == LOGIN_NONE) {
		error_set(e, ERR_NOT_LOGGED_IN, "not logged in to Salesforce%s",
		    l->client_id != NULL ? ": the client id's secret is missing" : "");
		if (l->client_id != NULL)
			return error_hint(e, "set SALESFORCE_CLIENT_SECRET, or run 'sfzb login salesforce' on a terminal, with --stdin "
					     "or with --credential-helper");
		return error_hint(e, "run 'sfzb login salesforce' on a terminal, or set SALESFORCE_INSTANCE_URL with _CLIENT_ID and "
				     "_CLIENT_SECRET, or with _USERNAME and _PASSWORD");
	}
	if (lacking(l, likely) != NULL) {
		error_set(e, ERR_CONFIG, "login to Salesforce by %s: %s is missing",
		    login_method_words(likely), lacking(l, likely));
		error_hint(e, "set it in the environment, or run 'sfzb login salesforce' on a terminal, with --stdin or with "
			      "--credential-helper");
		return -1;
	}
	return 0;
}

int
salesforce_login_complete(struct salesforce_login *l, struct error *e)
{
	if (clean_host(&l->login_url, "login URL", e) < 0 ||
	    clean_host(&l->instance_url, "instance URL", e) < 0)
		return -1;
	if (l->login_url == NULL && l->instance_url != NULL)
		l->login_url = memory_strdup(l->instance_url);
	if (pick_method(l, e) < 0)
		return -1;
	if (l->login_url == NULL)
		l->login_url = memory_strdup("https://login.salesforce.com");
	if (l->method == LOGIN_CLIENT_CREDENTIALS && salesforce_host_is_generic(l->login_url)) {
		error_set(e, ERR_CONFIG, "client credentials are not taken at \"%s\"", l->login_url);
		error_hint(e, "give the My Domain of the organisation, https://….my.salesforce.com (Setup, My Domain)");
		return -1;
	}
	if (l->pubsub_endpoint == NULL)
		l->pubsub_endpoint = memory_strdup(SALESFORCE_PUBSUB_ENDPOINT);
	return 0;
}

struct json *
salesforce_login_settings(const struct salesforce_login *l)
{
	const struct {
		const char *key, *text;
		const struct secret *secret;
	} rows[] = {{"method", login_method_name(l->method), NULL}, {"login_url", l->login_url, NULL},
	    {"instance_url", l->instance_url, NULL}, {"client_id", l->client_id, NULL},
	    {"username", l->username, NULL}, {"private_key_file", l->private_key_file, NULL},
	    {"pubsub_endpoint", l->pubsub_endpoint, NULL}, {"ca_file", l->ca_file, NULL},
	    {"credential_helper", l->credential_helper, NULL}, {"sf_alias", l->sf_alias, NULL},
	    {"client_secret", NULL, &l->client_secret}, {"password", NULL, &l->password},
	    {"access_token", NULL, &l->access_token}, {"refresh_token", NULL, &l->refresh_token},
	    {"private_key_passphrase", NULL, &l->key_passphrase}};
	struct json *j = json_object();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].text != NULL)
			json_set_string(j, rows[i].key, rows[i].text);
		else if (rows[i].secret != NULL && secret_is_set(rows[i].secret) && l->credential_helper == NULL)
			json_set_string(j, rows[i].key, secret_reveal(rows[i].secret));
	}
	return j;
}

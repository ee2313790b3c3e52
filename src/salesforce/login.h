/*
 * What a Salesforce login is made of and where it comes from: the command line (never a secret), then the
 * environment, then salesforce.json of the profile. Credentials come from one place only: when the
 * environment names any (SALESFORCE_ACCESS_TOKEN, _CLIENT_SECRET, _PASSWORD, _PRIVATE_KEY_FILE,
 * _CREDENTIAL_HELPER), those of the profile and its stored session are left alone.
 *
 * A credential helper is a command that gives secrets (profile/credential_helper.h): it is asked at each login, and what it
 * gives is never stored.
 *
 * salesforce.json: {"method", "login_url", "instance_url", "client_id", "client_secret", "username", "password",
 * "private_key_file", "private_key_passphrase", "access_token", "refresh_token", "credential_helper", "sf_alias",
 * "pubsub_endpoint", "ca_file",
 * "session": {"access_token", "instance_url", "org_id", "user_id", "username"}}, all strings, all but a
 * method's needs optional.
 */
#ifndef SFZB_SALESFORCE_LOGIN_H
#define SFZB_SALESFORCE_LOGIN_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"
#include "base/secret.h"
#include "profile/profile.h"

#define SALESFORCE_SETTINGS_FILE "salesforce.json"
#define SALESFORCE_PUBSUB_ENDPOINT "api.pubsub.salesforce.com:7443"

/* Method, its name in settings and on the command line, in words. */
#define LOGIN_METHODS(X)                                                                           \
	X(NONE, "", "none")                                                                        \
	X(ACCESS_TOKEN, "access-token", "a given access token")                                    \
	X(JWT, "jwt", "JWT bearer")                                                                \
	X(CLIENT_CREDENTIALS, "client-credentials", "client credentials")                          \
	X(REFRESH_TOKEN, "refresh-token", "browser login with refresh token")                      \
	X(PASSWORD, "password", "user name and password (OAuth)")                                  \
	X(SOAP, "soap", "user name and password (SOAP)")                                           \
	X(SF, "sf", "the session of the sf CLI")

enum login_method {
#define X(name, text, words) LOGIN_##name,
	LOGIN_METHODS(X)
#undef X
	    LOGIN_METHOD_COUNT
};
const char *login_method_name(enum login_method m);
/* -1: no such method. */
int login_method_parse(const char *name, enum login_method *m);

/* Values of the command line; NULL where not given. */
struct salesforce_given {
	const char *method, *login_url, *instance_url, *client_id, *username, *private_key_file;
	const char *pubsub_endpoint, *ca_file, *credential_helper, *sf_alias;
};

struct salesforce_login {
	enum login_method method;
	char *login_url;    /* where tokens are asked for: "https://acme.my.salesforce.com" */
	char *instance_url; /* needed by LOGIN_ACCESS_TOKEN; else what the token answer says counts */
	char *client_id, *username, *private_key_file;
	char *pubsub_endpoint; /* "host:port" */
	char *ca_file;	       /* NULL: the system's roots */
	char *credential_helper; /* the command, or NULL */
	char *sf_alias;		 /* of LOGIN_SF */
	struct secret client_secret, password, access_token, refresh_token, key_passphrase;
	bool from_environment; /* the credentials are; the profile is then never written */
	struct json *stored;   /* "session" of the profile, or NULL */
};

void salesforce_login_init(struct salesforce_login *l);
void salesforce_login_release(struct salesforce_login *l);
/*
 * Gathers the settings and picks the method: the one named, else the first that everything is there for, in
 * the order of LOGIN_METHODS. ERR_NOT_LOGGED_IN when there are no credentials at all, ERR_CONFIG when a method lacks
 * something or a value is malformed. profile NULL: no file is read. No network.
 */
int salesforce_login_load(struct salesforce_login *l, const struct salesforce_given *given,
    struct profile *profile, struct error *e);
/* The same check for settings that a caller filled in himself: method picked, hosts cleaned, needs met. */
int salesforce_login_complete(struct salesforce_login *l, struct error *e);
void salesforce_login_copy(struct salesforce_login *to, const struct salesforce_login *from); /* without "stored" */
/*
 * Asks the credential helper for what is not set, and for what came from it before. Does nothing without one. Blocking.
 */
int salesforce_login_ask_helper(struct salesforce_login *l, bool (*is_cancelled)(void *context), void *context,
    struct error *e);
/* The token is another's, who may still need it: never revoked by us. */
bool salesforce_login_is_borrowed(const struct salesforce_login *l);
/* As settings, without "session", and without secrets where a helper gives them. */
struct json *salesforce_login_settings(const struct salesforce_login *l);

/*
 * A pasted host → the URL to talk to, to be freed: "https://" added, path cut, hosts of the user interface
 * (lightning.force.com, my.salesforce-setup.com) turned into their My Domain. NULL: ERR_CONFIG.
 */
char *salesforce_host(const char *given, struct error *e);
/* login.salesforce.com or test.salesforce.com: good for JWT and passwords, not for client credentials. */
bool salesforce_host_is_generic(const char *url);
bool salesforce_host_is_sandbox(const char *url);

#endif

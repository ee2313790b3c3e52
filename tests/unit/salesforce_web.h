/*
 * A scripted organisation for tests of what talks to one: a web server, a home with a private key, a login with everything in it,
 * and a session that is opened with it. A program's group of tests runs between salesforce_web_setup and _teardown.
 */
#ifndef SFZB_TESTS_SALESFORCE_WEB_H
#define SFZB_TESTS_SALESFORCE_WEB_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "fake_web.h"
#include "salesforce/session.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SCRIPT(rows) fake_web_script(&web, rows, COUNT(rows))
#define TOKEN(name)                                                                                \
	"{\"access_token\":\"" name "\",\"instance_url\":\"%URL%\",\"id\":"                        \
	"\"https://login.salesforce.com/id/00Dxx0000001gERXXX/005xx000001AbCDEFG\",\"token_type\":\"Bearer\"," \
	"\"issued_at\":\"1764000000000\"}"

static struct fake_web web;
static char home[64], key_file[96], locked_key_file[96];
static EVP_PKEY *key;

static inline void
write_key(const char *path, const char *passphrase)
{
	FILE *f = fopen(path, "w");

	PEM_write_PKCS8PrivateKey(f, key, passphrase != NULL ? EVP_aes_256_cbc() : NULL, passphrase,
	    passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL);
	fclose(f);
	chmod(path, 0600);
}

static inline void
quiet(void *context, enum log_level level, const char *area, const char *message)
{
	(void)level;
	(void)area;
	(void)message;
	(void)context;
}

static inline int
salesforce_web_setup(void **state)
{
	(void)state;
	log_set_writer(quiet, NULL);
	strcpy(home, "/tmp/sfzb-test-home-XXXXXX");
	if (mkdtemp(home) == NULL)
		return -1;
	setenv("SFZB_HOME", home, 1);
	key = EVP_RSA_gen(2048);
	snprintf(key_file, sizeof(key_file), "%s/key.pem", home);
	snprintf(locked_key_file, sizeof(locked_key_file), "%s/locked.pem", home);
	write_key(key_file, NULL);
	write_key(locked_key_file, "open sesame");
	return fake_web_init(&web);
}

static inline int
salesforce_web_teardown(void **state)
{
	char command[128];

	(void)state;
	fake_web_release(&web);
	EVP_PKEY_free(key);
	snprintf(command, sizeof(command), "rm -r '%s'", home);
	return system(command);
}

static inline void
fill_login(struct salesforce_login *l, enum login_method method)
{
	salesforce_login_init(l);
	l->method = method;
	l->login_url = strdup(web.url);
	l->instance_url = strdup(web.url);
	l->client_id = strdup("the-client");
	l->username = strdup("etl@acme.example");
	l->private_key_file = strdup(key_file);
	l->pubsub_endpoint = strdup("localhost:7443");
	l->ca_file = strdup(web.tls.ca_file);
	secret_set(&l->client_secret, text_of("s+/=&"));
	secret_set(&l->password, text_of("p<&>w"));
	secret_set(&l->access_token, text_of("given"));
	secret_set(&l->refresh_token, text_of("refresh-1"));
}

static inline struct salesforce_session *
open_session(enum login_method method, struct profile *p, struct error *e)
{
	struct salesforce_session_options o = {.clock = &web.clock, .sleep = fake_web_sleep, .sleep_context = &web, .seed = 1};
	struct salesforce_session *s;
	struct salesforce_login l;

	fill_login(&l, method);
	s = salesforce_session_open(&l, p, &o, e);
	salesforce_login_release(&l);
	return s;
}

#endif

/*
 * Secrets from a command, as git gets them: it is started by the shell with the word "get" behind it, reads what is
 * wanted as key=value lines on standard input up to an empty line, and prints what it has in the same form.
 *
 *   asked:  protocol=https  host=acme.my.salesforce.com  username=etl@acme.example  service=salesforce
 *   given:  password=…, and whatever else the side understands (its settings' names: client_secret=… …)
 *
 * Its standard error is the person's, so that it can ask. Nothing that it gives is ever stored.
 */
#ifndef SFZB_PROFILE_CREDENTIAL_HELPER_H
#define SFZB_PROFILE_CREDENTIAL_HELPER_H

#include <stdbool.h>

#include "base/error.h"

struct credential_question {
	const char *service;  /* "salesforce" or "databricks" */
	const char *url;      /* "https://acme.my.salesforce.com"; may be NULL */
	const char *username; /* user or client id; may be NULL */
	bool (*is_cancelled)(void *context);
	void *context;
};

typedef void credential_given(void *context, const char *key, const char *value);

/*
 * Calls each for every pair. ERR_CREDENTIALS when the command fails or gives nothing, ERR_UNAVAILABLE when it takes longer
 * than a minute. Blocking.
 */
int credential_helper_ask(const char *command, const struct credential_question *q, credential_given *each,
    void *context, struct error *e);

#endif

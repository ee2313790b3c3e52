/* What the files of the Salesforce half share. Nobody outside salesforce*.c includes it. */
#ifndef SFZB_EMULATOR_SALESFORCE_H
#define SFZB_EMULATOR_SALESFORCE_H

#include <pthread.h>

#include "emulator/emulator.h"
#include "emulator/org.h"
#include "emulator/pubsub_server.h"
#include "emulator/query_pages.h"
#include "emulator/quota.h"
#include "emulator/tokens.h"
#include "emulator/topics.h"

struct salesforce {
	struct emulator *emulator;
	struct bus *bus;
	struct org *org;
	struct tokens *tokens;	       /* access tokens and sessions */
	struct tokens *refresh_tokens; /* and authorization codes: scope says which */
	struct topics topics;
	struct query_pages *pages;
	struct web *web;
	struct pubsub_server *pubsub;
	struct bus_reader *listing; /* for GET /published; guarded by listing_lock */
	pthread_mutex_t listing_lock;
	struct org_change changes[EMULATOR_FIELD_CHANGES]; /* of the options, by `at` */
	char *instance_url;
	char *client_id, *client_secret, *password;
	struct quota api_calls, deliveries, publishing;
};

/* [{"message":…,"errorCode":…}] */
void salesforce_error(struct http_answer *a, int status, const char *code, const char *message);
/* Whether the request carries a good token, calls are left, and the API has its version; else the answer is made, and false. */
bool salesforce_authorize(struct salesforce *s, const struct web_request *r, struct http_answer *a);

extern const struct web_route salesforce_routes[];
extern const struct web_route salesforce_admin_routes[];
void salesforce_not_found(void *context, const struct web_request *r, struct http_answer *a);
void salesforce_fault_body(void *context, const struct web_request *r, const struct fault *f,
    struct http_answer *a);

/* salesforce_oauth.c */
void salesforce_token(void *context, const struct web_request *r, struct http_answer *a);
void salesforce_browser_consent(void *context, const struct web_request *r, struct http_answer *a);
void salesforce_revoke(void *context, const struct web_request *r, struct http_answer *a);
void salesforce_userinfo(void *context, const struct web_request *r, struct http_answer *a);
void salesforce_identity(void *context, const struct web_request *r, struct http_answer *a);
void salesforce_soap_login(void *context, const struct web_request *r, struct http_answer *a);

/* salesforce_query.c */
void salesforce_query(void *context, const struct web_request *r, struct http_answer *a);
void salesforce_query_more(void *context, const struct web_request *r, struct http_answer *a);
void salesforce_tooling_query(void *context, const struct web_request *r, struct http_answer *a);

#endif

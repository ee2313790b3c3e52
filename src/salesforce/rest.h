/*
 * Salesforce's REST calls that sfzb needs: objects and channels that carry events, limits, queries
 * (wire/salesforce-http.md §5, §7 … §9, §11). Blocking. A refused token is renewed once; what a server in
 * trouble did not answer is asked again, with back-off.
 */
#ifndef SFZB_SALESFORCE_REST_H
#define SFZB_SALESFORCE_REST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "salesforce/session.h"

#define SALESFORCE_API_NEWEST 67 /* of the versions this program knows */
#define SALESFORCE_API_OLDEST 60

/*
 * GET of a path on the instance, query included ("/services/data"). The tree is the caller's. ERR_CREDENTIALS after
 * a second refusal, ERR_PERMISSION, ERR_NOT_FOUND, ERR_QUOTA, ERR_UNAVAILABLE …
 */
int salesforce_rest_get(struct salesforce_session *s, const char *path, struct json **out,
    struct error *e);
/*
 * The error of a data call from its status and body (an array, an object, text, HTML, nothing): one table by
 * errorCode, else by status. what: "GET https://…".
 */
int salesforce_rest_error(int status, struct text body, const char *what, struct error *e);

/* Newest version that both sides know, 60 … 67; ERR_MISFIT when there is none. */
int salesforce_rest_version(struct salesforce_session *s, int *version, struct error *e);

/* Every row of a SOQL query, page by page; each returns false to stop. tooling: the Tooling API's objects. */
typedef bool salesforce_each_row(void *context, const struct json *row);
int salesforce_rest_query(struct salesforce_session *s, const char *soql, bool tooling,
    salesforce_each_row *each, void *context, struct error *e);

/*
 * An object that carries events, from describe global: "AccountChangeEvent", "Order__e", "LoginEventStream". A standard
 * event's name says little: GetTopic tells whether it is a topic.
 */
struct salesforce_object {
	char *name, *label;
	bool is_change_event, is_custom;
};
struct salesforce_objects {
	struct salesforce_object *items;
	size_t count;
};
int salesforce_rest_event_objects(struct salesforce_session *s, struct salesforce_objects *out,
    struct error *e);
void salesforce_objects_release(struct salesforce_objects *o);

/* Known keys of /limits, in the order of the wire page; those the organisation does not have are left out. */
struct salesforce_limit {
	const char *key, *words; /* static */
	int64_t max, remaining;
};
#define SALESFORCE_LIMITS_MAX 10
/* patient: a server in trouble is asked again; else only once. */
int salesforce_rest_limits(struct salesforce_session *s, bool patient,
    struct salesforce_limit out[SALESFORCE_LIMITS_MAX], size_t *count, struct error *e);

#endif

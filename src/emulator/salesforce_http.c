#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/salesforce.h"

void
salesforce_error(struct http_answer *a, int status, const char *code, const char *message)
{
	struct json *list = json_array(), *error = json_object();
	char clean[1024];

	json_set_string(error, "message", text_clean(clean, sizeof clean, text_of(message)));
	json_set_string(error, "errorCode", code);
	json_add(list, error);
	web_json(a, status, list);
}

/* The versions that a call may name; those before are retired, those after are not there yet. */
#define OLDEST_VERSION 31
#define NEWEST_VERSION 67

static bool
check_version(const struct web_request *r, struct http_answer *a)
{
	const char *text = r->parameters[0];
	char *end;
	long n = *text == 'v' ? strtol(text + 1, &end, 10) : 0;

	if (n > 0 && n < OLDEST_VERSION)
		salesforce_error(a, 410, "UNSUPPORTED_API_VERSION", "The requested API version is no longer supported");
	else if (n < OLDEST_VERSION || n > NEWEST_VERSION || strcmp(end, ".0") != 0)
		salesforce_error(a, 404, "NOT_FOUND", "The requested resource does not exist");
	else
		return true;
	return false;
}

/* What is no session at all is told from one that has ended: a placeholder, and a JWT, which the emulator issues none of. */
static void
refuse_token(const char *token, struct http_answer *a)
{
	const char *dot = token ? strchr(token, '.') : NULL;

	if (token && strpbrk(token, " []<>{}"))
		salesforce_error(a, 401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE");
	else if (dot && strchr(dot + 1, '.') && strncmp(token, "eyJ", 3) == 0)
		salesforce_error(a, 401, "INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT");
	else
		salesforce_error(a, 401, "INVALID_SESSION_ID", "Session expired or invalid");
}

bool
salesforce_authorize(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	const char *token = web_bearer(r);
	char usage[64];

	if (!token || tokens_check(s->tokens, text_of(token), NULL) != TOKEN_GOOD) {
		refuse_token(token, a);
		return false;
	}
	if (quota_left(&s->api_calls) == 0) {
		salesforce_error(a, 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
		return false;
	}
	quota_take(&s->api_calls, 1);
	snprintf(usage, sizeof usage, "api-usage=%llu/%llu", (unsigned long long)quota_used(&s->api_calls),
	    (unsigned long long)s->api_calls.limit);
	web_header(a, "Sforce-Limit-Info", usage);
	return check_version(r, a);
}

void
salesforce_not_found(void *context, const struct web_request *r, struct http_answer *a)
{
	(void)context;
	(void)r;
	salesforce_error(a, 404, "NOT_FOUND", "The requested resource does not exist");
}

/* The code that the vendor gives with each status, where there is one. */
void
salesforce_fault_body(void *context, const struct web_request *r, const struct fault *f,
    struct http_answer *a)
{
	static const struct {
		int status;
		const char *code, *message;
	} usual[] = {
		{ 401, "INVALID_SESSION_ID", "Session expired or invalid" },
		{ 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded." },
		{ 404, "NOT_FOUND", "The requested resource does not exist" },
		{ 500, "UNKNOWN_EXCEPTION", "An unexpected error occurred." },
		{ 503, "SERVER_UNAVAILABLE", "Service unavailable" },
	};
	const char *code = "UNKNOWN_EXCEPTION", *message = "by the error script";

	(void)context;
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
		if (usual[i].status == f->http_status) {
			code = usual[i].code;
			message = usual[i].message;
		}
	}
	if (*f->message == '{' || *f->message == '[' || *f->message == '<') { /* a whole body */
		web_text(a, f->http_status, *f->message == '<' ? "text/html" : "application/json",
		    f->message);
	} else if (strcmp(r->query->path, "/services/oauth2/userinfo") == 0 && *f->message) { /* one plain word */
		web_text(a, f->http_status, "text/html; charset=UTF-8", f->message);
	} else if (strcmp(r->query->path, "/services/oauth2/token") == 0 && f->http_status < 500) {
		struct json *j = json_object();

		json_set_string(j, "error", "invalid_grant");
		json_set_string(j, "error_description", *f->message ? f->message : message);
		web_json(a, f->http_status, j);
	} else {
		salesforce_error(a, f->http_status, code, *f->message ? f->message : message);
	}
}

/* --- versions, objects, limits -------------------------------------------------------------------- */

static void
versions(void *context, const struct web_request *r, struct http_answer *a)
{
	static const struct {
		const char *label, *number;
	} known[] = { { "Spring '25", "63.0" }, { "Summer '25", "64.0" }, { "Winter '26", "65.0" },
		{ "Spring '26", "66.0" }, { "Summer '26", "67.0" } };
	struct json *list = json_array();
	char url[64];

	(void)context;
	(void)r;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		struct json *v = json_object();

		snprintf(url, sizeof url, "/services/data/v%s", known[i].number);
		json_set_string(v, "label", known[i].label);
		json_set_string(v, "url", url);
		json_set_string(v, "version", known[i].number);
		json_add(list, v);
	}
	web_json(a, 200, list);
}

static void
add_object(struct json *list, const char *version, const char *name, const char *label,
    const char *key_prefix, bool custom, bool writable)
{
	struct json *o = json_object(), *urls = json_object();
	char *url = memory_format("/services/data/%s/sobjects/%s", version, name);

	json_set_string(o, "name", name);
	json_set_string(o, "label", label);
	json_set_bool(o, "custom", custom);
	json_set_bool(o, "queryable", key_prefix != NULL && !strstr(name, "__e"));
	json_set_bool(o, "createable", writable);
	json_set_bool(o, "triggerable", true);
	json_set_string(o, "keyPrefix", key_prefix);
	json_set_string(urls, "sobject", url);
	json_set(o, "urls", urls);
	json_add(list, o);
	free(url);
}

static void
sobjects(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	struct json *answer = json_object(), *list = json_array();
	char *label;

	if (!salesforce_authorize(s, r, a)) {
		json_free(answer);
		json_free(list);
		return;
	}
	for (int i = 0; i < ENTITY_COUNT; i++) {
		const struct schema_source *o = &schema_sources[i];
		bool custom = strstr(o->object, "__") != NULL;

		add_object(list, r->parameters[0], o->object, o->label, o->key_prefix, custom, true);
		if (i == ENTITY_ORDER_EVENT)
			continue;
		/* there whether or not change data capture is on for the object */
		label = memory_format("%s Change Event", o->label);
		add_object(list, r->parameters[0], o->event, label, NULL, custom, false);
		free(label);
	}
	json_set_string(answer, "encoding", "UTF-8");
	json_set_int64(answer, "maxBatchSize", 200);
	json_set(answer, "sobjects", list);
	web_json(a, 200, answer);
}

static void
add_limit(struct json *j, const char *name, uint64_t max, uint64_t left)
{
	struct json *limit = json_object();

	json_set_int64(limit, "Max", (int64_t)max);
	json_set_int64(limit, "Remaining", (int64_t)left);
	json_set(j, name, limit);
}

static void
limits(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	struct json *j;

	if (!salesforce_authorize(s, r, a))
		return;
	j = json_object();
	add_limit(j, "DailyApiRequests", s->api_calls.limit, quota_left(&s->api_calls));
	add_limit(j, "DailyBulkV2QueryJobs", 10000, 10000);
	add_limit(j, "DailyDeliveredPlatformEvents", s->deliveries.limit, quota_left(&s->deliveries));
	add_limit(j, "HourlyPublishedPlatformEvents", s->publishing.limit, quota_left(&s->publishing));
	web_json(a, 200, j);
}

const struct web_route salesforce_routes[] = {
	{ "POST", "/services/oauth2/token", "salesforce.token", salesforce_token, NULL },
	{ "GET", "/services/oauth2/authorize", "salesforce.authorize", salesforce_browser_consent, NULL },
	{ "POST", "/services/oauth2/revoke", "salesforce.revoke", salesforce_revoke, NULL },
	{ "*", "/services/oauth2/userinfo", "salesforce.userinfo", salesforce_userinfo, NULL },
	{ "GET", "/id/{org}/{user}", "salesforce.userinfo", salesforce_identity, NULL },
	{ "POST", "/services/Soap/u/{version}", "salesforce.soap", salesforce_soap_login, NULL },
	{ "GET", "/services/data", "salesforce.versions", versions, NULL },
	{ "GET", "/services/data/", "salesforce.versions", versions, NULL },
	{ "GET", "/services/data/{version}/sobjects", "salesforce.sobjects", sobjects, NULL },
	{ "GET", "/services/data/{version}/sobjects/", "salesforce.sobjects", sobjects, NULL },
	{ "GET", "/services/data/{version}/limits", "salesforce.limits", limits, NULL },
	{ "GET", "/services/data/{version}/limits/", "salesforce.limits", limits, NULL },
	{ "GET", "/services/data/{version}/tooling/query", "salesforce.tooling", salesforce_tooling_query,
	    NULL },
	{ "GET", "/services/data/{version}/tooling/query/", "salesforce.tooling", salesforce_tooling_query,
	    NULL },
	{ "GET", "/services/data/{version}/query", "salesforce.query", salesforce_query, NULL },
	{ "GET", "/services/data/{version}/query/", "salesforce.query", salesforce_query, NULL },
	{ "GET", "/services/data/{version}/query/{locator}", "salesforce.query", salesforce_query_more, NULL },
	{ "GET", "/services/data/{version}/tooling/query/{locator}", "salesforce.tooling", salesforce_query_more, NULL },
	{ "GET", "/services/data/{version}/queryAll", "salesforce.query", salesforce_query, NULL },
	{ "GET", "/services/data/{version}/queryAll/", "salesforce.query", salesforce_query, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

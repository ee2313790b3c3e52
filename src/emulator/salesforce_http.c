#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "emulator/salesforce.h"

void
salesforce_error(struct http_answer *a, int status, const char *code, const char *message)
{
	struct json *list = json_array(), *error = json_object();

	json_set_string(error, "message", message);
	json_set_string(error, "errorCode", code);
	json_add(list, error);
	web_json(a, status, list);
}

bool
salesforce_authorize(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	const char *token = web_bearer(r);
	char usage[64];

	if (!token || tokens_check(s->tokens, text_of(token), NULL) != TOKEN_GOOD) {
		salesforce_error(a, 401, "INVALID_SESSION_ID", "Session expired or invalid");
		return false;
	}
	snprintf(usage, sizeof usage, "api-usage=%llu/%d", (unsigned long long)++s->api_calls,
	    DAILY_API_REQUESTS);
	web_header(a, "Sforce-Limit-Info", usage);
	return true;
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
add_limit(struct json *j, const char *name, int64_t max, int64_t used)
{
	struct json *limit = json_object();

	json_set_int64(limit, "Max", max);
	json_set_int64(limit, "Remaining", used < max ? max - used : 0);
	json_set(j, name, limit);
}

static void
limits(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	struct json *j, *counts;

	if (!salesforce_authorize(s, r, a))
		return;
	j = json_object();
	counts = json_object();
	pubsub_server_report(s->pubsub, counts);
	add_limit(j, "DailyApiRequests", DAILY_API_REQUESTS, (int64_t)s->api_calls);
	add_limit(j, "DailyBulkV2QueryJobs", 10000, 0);
	add_limit(j, "DailyDeliveredPlatformEvents", DAILY_DELIVERED_EVENTS,
	    json_find_int64(counts, "delivered", 0));
	add_limit(j, "HourlyPublishedPlatformEvents", (int64_t)s->emulator->options->publish_limit,
	    json_find_int64(counts, "published_by_clients", 0));
	json_free(counts);
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
	{ "GET", "/services/data/{version}/queryAll", "salesforce.query", salesforce_query, NULL },
	{ "GET", "/services/data/{version}/queryAll/", "salesforce.query", salesforce_query, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

/* --- the admin's share ---------------------------------------------------------------------------- */

/* Many lines, or one that begins as a raw event does. */
static bool
is_raw(struct text body)
{
	const char *newline = body.len > 0 ? memchr(body.data, '\n', body.len) : NULL;

	return text_starts(body, "{\"schema_id\"") || text_starts(body, "{\"topic\"") ||
	    (newline && (size_t)(newline - body.data) + 1 < body.len && newline[1] == '{');
}

static void
publish_raw(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	struct error e = ERROR_INIT;
	struct json *j;
	uint64_t count;

	if (raw_events_publish(s->org, s->bus, r->query->body, &count, &e) != 0) {
		web_text(a, e.code == ERR_REFUSED ? 400 : 500, NULL, e.text);
		buffer_append_byte(&a->body, '\n');
		return;
	}
	j = json_object();
	json_set_int64(j, "made", (int64_t)count);
	json_set_int64(j, "published", (int64_t)bus_published(s->bus));
	web_json(a, 200, j);
}

static void
make_some(struct salesforce *s, const struct web_request *r, struct http_answer *a)
{
	struct error e = ERROR_INIT;
	struct json *q = json_parse(r->query->body, &e), *j;
	int64_t count = json_find_int64(q, "count", 0);
	double rate = json_number(json_find(q, "rate"), -1);

	if (!q || !json_is_object(q) || count < 0 || count > 100000000 ||
	    (count == 0 && (rate < 0 || rate > 1000000))) {
		web_text(a, 400, NULL, "{\"count\": N} or {\"rate\": events a second} is expected\n");
	} else if (org_make(s->org, (uint64_t)count, &e) != 0) {
		web_text(a, 500, NULL, e.text);
	} else {
		if (rate >= 0)
			org_set_rate(s->org, rate);
		j = json_object();
		json_set_int64(j, "made", count);
		json_set_int64(j, "published", (int64_t)bus_published(s->bus));
		web_json(a, 200, j);
	}
	json_free(q);
}

static void
make_events(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;

	if (is_raw(r->query->body))
		publish_raw(s, r, a);
	else
		make_some(s, r, a);
}

/* {"expire": "Account_Managed"}: its committed place ages out, and the server will go on by its errorRecoveryReplay. */
static void
expire_managed(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	struct error e = ERROR_INIT;
	struct json *q = json_parse(r->query->body, &e);
	const char *name = json_find_string(q, "expire");

	if (name && pubsub_server_expire(s->pubsub, name))
		web_text(a, 204, NULL, "");
	else
		web_text(a, 400, NULL, "{\"expire\": \"the developer name of a managed subscription\"} is expected\n");
	json_free(q);
}

struct listing {
	const struct topics *topics;
	struct buffer *out;
};

static void
list_line(void *context, uint64_t replay, const char *id, unsigned entity)
{
	struct listing *l = context;
	uint8_t bytes[BUS_REPLAY_BYTES];
	const char *topic = "";

	for (size_t i = 0; i < l->topics->count; i++)
		if (l->topics->items[i].entities == 1u << entity)
			topic = l->topics->items[i].name;
	bus_replay_bytes(bytes, replay);
	buffer_append_format(l->out, "{\"replay_id\":\"");
	buffer_append_hex(l->out, bytes, sizeof bytes);
	buffer_append_format(l->out, "\",\"id\":\"%s\",\"topic\":\"%s\"}\n", id, topic);
}

/* Decimal, or the hex of a replay id as a line before gave it. */
static uint64_t
parse_after(const char *s)
{
	char digits[17];

	if (strlen(s) != 20)
		return strtoull(s, NULL, 10);
	memcpy(digits, s, 16);
	digits[16] = '\0';
	return strtoull(digits, NULL, 16);
}

/* ?after=REPLAY&limit=N&topic=NAME: what was published, oldest first; the next page goes on after the last line. */
static void
published(void *context, const struct web_request *r, struct http_answer *a)
{
	struct salesforce *s = context;
	char *after_text = web_query_value(r, "after"), *limit_text = web_query_value(r, "limit");
	char *topic_name = web_query_value(r, "topic");
	const struct topic *topic = topic_name ? topics_find(&s->topics, topic_name) : NULL;
	uint64_t after = after_text ? parse_after(after_text) : 0;
	int limit = limit_text ? atoi(limit_text) : 100000;
	struct listing l = { &s->topics, &a->body };
	struct error e = ERROR_INIT;

	if (topic_name && !topic) {
		web_text(a, 404, NULL, "no such topic\n");
	} else if (limit < 1 || limit > 1000000) {
		web_text(a, 400, NULL, "limit must be from 1 to 1000000\n");
	} else {
		a->content_type = "application/x-ndjson";
		pthread_mutex_lock(&s->listing_lock);
		if (bus_list(s->listing, topic ? topic->entities : UINT32_MAX, &after, limit, list_line, &l,
			&e) < 0)
			web_text(a, 500, NULL, e.text);
		pthread_mutex_unlock(&s->listing_lock);
	}
	free(after_text);
	free(limit_text);
	free(topic_name);
}

const struct web_route salesforce_admin_routes[] = {
	{ "POST", "/events", NULL, make_events, NULL },
	{ "POST", "/managed", NULL, expire_managed, NULL },
	{ "GET", "/published", NULL, published, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

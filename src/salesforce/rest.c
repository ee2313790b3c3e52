#include "salesforce/rest.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"

#define TRIES 5
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MOST_MS 60000
#define BODY_SHOWN 200

/* By errorCode, whatever the status (wire/salesforce-http.md §11). */
static const struct {
	const char *error_code;
	enum error_code code;
	const char *hint;
} refusals[] = {
    {"INVALID_SESSION_ID", ERR_SESSION, NULL},
    {"INVALID_AUTH_HEADER", ERR_SESSION, NULL},
    {"REQUEST_LIMIT_EXCEEDED", ERR_QUOTA,
	"the organisation's API requests of the last 24 hours are used up; 'sfzb limits' shows what is left"},
    {"API_DISABLED_FOR_ORG", ERR_CREDENTIALS, "the user lacks the permission 'API Enabled'"},
    {"API_CURRENTLY_DISABLED", ERR_CREDENTIALS, "the user lacks the permission 'API Enabled'"},
    {"INSUFFICIENT_ACCESS", ERR_PERMISSION, NULL},
    {"FUNCTIONALITY_NOT_ENABLED", ERR_PERMISSION, NULL},
    {"MALFORMED_QUERY", ERR_NOT_FOUND, NULL},
    {"INVALID_FIELD", ERR_NOT_FOUND, NULL},
    {"INVALID_TYPE", ERR_NOT_FOUND, NULL},
    {"INVALID_QUERY_LOCATOR", ERR_FAILED, "the query took longer than its cursor lives: run it again"},
    {"QUERY_TIMEOUT", ERR_FAILED, "ask for less at a time"},
    {"OPERATION_TOO_LARGE", ERR_FAILED, "ask for less at a time"},
    {"NOT_FOUND", ERR_NOT_FOUND, NULL},
    {"UNKNOWN_EXCEPTION", ERR_UNAVAILABLE, NULL},
    {"SERVER_UNAVAILABLE", ERR_UNAVAILABLE, "Salesforce may be in maintenance: see status.salesforce.com"},
};

int
salesforce_rest_error(int status, struct text body, const char *what, struct error *e)
{
	struct error ignored = ERROR_INIT;
	struct json *j = json_parse(body, &ignored);
	const struct json *first = json_is_array(j) ? json_first(j) : j;
	const char *error_code = json_find_string(first, "errorCode");
	const char *message = json_find_string(first, "message");
	enum error_code code = http_status_error_code(status);
	const char *hint = NULL;
	char clean[BODY_SHOWN], clean_code[80];

	/* a bad token at userinfo is 403 with one word of plain text */
	if (status == 403 && j == NULL &&
	    (text_starts(body, "Bad_OAuth_Token") || text_starts(body, "Missing_OAuth_Token") ||
		text_starts(body, "Wrong_Org")))
		code = ERR_SESSION;
	if (code == ERR_OK)
		code = ERR_CONFIG; /* 200, and not what was asked for: another server */
	for (size_t i = 0; error_code != NULL && i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (strcmp(refusals[i].error_code, error_code) == 0) {
			code = refusals[i].code;
			hint = refusals[i].hint;
			break;
		}
	}
	/* not the daily cap: too many long requests at this moment */
	if (code == ERR_QUOTA && message != NULL && strstr(message, "Concurrent") != NULL) {
		code = ERR_OVERLOADED;
		hint = NULL;
	}
	text_clean(clean, sizeof(clean), message != NULL ? text_of(message) : body);
	if (error_code != NULL)
		error_set(e, code, "%s: %d %s: %s", what, status,
		    text_clean(clean_code, sizeof(clean_code), text_of(error_code)), clean);
	else
		error_set(e, code, "%s: %d %s%s%s", what, status, http_status_words(status),
		    clean[0] != '\0' ? ": " : "", clean);
	if (hint != NULL)
		error_hint(e, "%s", hint);
	json_free(j);
	return -1;
}

/* "Sforce-Limit-Info: api-usage=18/15000": a word of warning from 90 % on. */
static void
watch_usage(const struct http_response *r)
{
	struct text t = http_response_header(r, "sforce-limit-info");
	static atomic_long told; /* percent: a run of months says each once, not at every request */
	long used, allowed, percent;
	char line[100];

	if (t.len == 0 || t.len >= sizeof(line))
		return;
	memcpy(line, t.data, t.len);
	line[t.len] = '\0';
	if (sscanf(line, "api-usage=%ld/%ld", &used, &allowed) != 2 || allowed <= 0)
		return;
	percent = (long)((double)used * 100 / (double)allowed);
	if (percent < 90)
		atomic_store(&told, 0);
	else if (percent > atomic_exchange(&told, percent))
		log_warn("salesforce", "%ld of %ld API requests of these 24 hours are used", used, allowed);
}

/* One request with the token of now; *token gets what was sent. */
static int
perform(struct salesforce_session *s, const char *url, struct secret *token, struct http_response *r,
    struct error *e)
{
	const struct http_header header = {"Accept", "application/json"};
	struct http_request q = {.method = "GET", .url = url, .headers = &header, .header_count = 1,
	    .bearer = token};

	salesforce_session_token(s, token);
	return http_pool_perform(salesforce_session_pool(s), &q, r, e);
}

/* One answer with status 200, as a tree; otherwise the error. */
static int
read_answer(const struct http_response *r, const char *url, struct json **out, struct error *e)
{
	char what[400] = "GET ", shown[380];

	strcat(what, http_url_for_people(shown, sizeof(shown), url));
	if (r->status != 200)
		return salesforce_rest_error(r->status, buffer_span(&r->body), what, e);
	watch_usage(r);
	*out = json_parse(buffer_span(&r->body), e);
	if (*out == NULL) {
		error_wrap(e, "%s", what);
		e->code = ERR_CONFIG;
		return error_hint(e, "what answers there is not Salesforce: check the instance URL");
	}
	return 0;
}

static int
get(struct salesforce_session *s, const char *path, int tries, struct json **out, struct error *e)
{
	struct http_pool *pool = salesforce_session_pool(s);
	char *url = NULL;
	struct secret token = SECRET_INIT;
	struct http_response r;
	bool renewed = false;
	int rc = -1;

	http_response_init(&r);
	for (int i = 1;; i++) {
		int64_t wait = BACKOFF_FIRST_MS << i;
		int64_t asked;
		char took[40];

		free(url);
		url = memory_format("%s%s", salesforce_session_instance_url(s), path);
		rc = perform(s, url, &token, &r, e);
		if (rc == 0)
			rc = read_answer(&r, url, out, e);
		if (rc == 0)
			break;
		if (e->code == ERR_SESSION && !renewed) {
			struct error refused = *e;

			renewed = true;
			if (salesforce_session_renew(s, &token, e) == 0)
				continue;
			/* a token that was given to us: what the server said is what to tell */
			if (salesforce_session_login(s)->method == LOGIN_ACCESS_TOKEN) {
				refused.code = e->code;
				memcpy(refused.hint, e->hint, sizeof(refused.hint));
				*e = refused;
			}
			break;
		}
		if (e->code == ERR_SESSION)
			e->code = ERR_CREDENTIALS;
		if ((e->code != ERR_UNAVAILABLE && e->code != ERR_OVERLOADED) || r.never_sent || i >= tries)
			break;
		asked = http_retry_after_ms(&r, clock_wall_ms(http_pool_clock(pool)));
		if (wait > BACKOFF_MOST_MS)
			wait = BACKOFF_MOST_MS;
		wait = http_pool_jitter(pool, wait);
		if (wait < asked)
			wait = asked;
		log_info("salesforce", "%s; again in %s", e->text, clock_format_duration(took, sizeof(took), wait));
		if (http_pool_pause(pool, wait, e) < 0)
			break;
	}
	http_response_release(&r);
	secret_release(&token);
	free(url);
	return rc;
}

int
salesforce_rest_get(struct salesforce_session *s, const char *path, struct json **out, struct error *e)
{
	return get(s, path, TRIES, out, e);
}

static int
find_version(struct salesforce_session *s, int tries, int *version, struct error *e)
{
	struct json *j;
	int newest = salesforce_session_version(s);

	*version = newest;
	if (newest != 0)
		return 0;
	if (get(s, "/services/data", tries, &j, e) < 0)
		return -1;
	for (struct json *v = json_first(j); v != NULL; v = json_next(v)) {
		const char *text = json_find_string(v, "version");
		int n = text != NULL ? atoi(text) : 0;

		if (n <= SALESFORCE_API_NEWEST && n > newest)
			newest = n;
	}
	json_free(j);
	if (newest < SALESFORCE_API_OLDEST)
		return error_set(e, ERR_MISFIT, "%s offers no API version from %d.0 to %d.0",
		    salesforce_session_instance_url(s), SALESFORCE_API_OLDEST, SALESFORCE_API_NEWEST);
	salesforce_session_set_version(s, newest);
	*version = newest;
	return 0;
}

int
salesforce_rest_version(struct salesforce_session *s, int *version, struct error *e)
{
	return find_version(s, TRIES, version, e);
}

int
salesforce_rest_query(struct salesforce_session *s, const char *soql, bool tooling,
    salesforce_each_row *each, void *context, struct error *e)
{
	struct buffer path = BUFFER_INIT;
	int version, pages = 0, rc = -1;

	if (salesforce_rest_version(s, &version, e) < 0)
		return -1;
	buffer_append_format(&path, "/services/data/v%d.0/%squery?q=", version, tooling ? "tooling/" : "");
	encode_percent(&path, text_of(soql));
	for (;;) {
		struct json *page;
		const char *next;
		bool more = true;

		if (salesforce_rest_get(s, buffer_text(&path), &page, e) < 0)
			goto out;
		for (struct json *row = json_first(json_find(page, "records")); row != NULL && more;
		     row = json_next(row))
			more = each(context, row);
		next = json_find_string(page, "nextRecordsUrl");
		more = more && !json_find_bool(page, "done", true);
		if (more && (next == NULL || strncmp(next, "/services/data/", 15) != 0)) {
			error_set(e, ERR_FAILED, "a query's answer names no next page");
			json_free(page);
			goto out;
		}
		if (more && ++pages >= LIMIT_QUERY_PAGES) {
			error_set(e, ERR_FAILED, "a query's answer has more than %d pages", LIMIT_QUERY_PAGES);
			json_free(page);
			goto out;
		}
		buffer_clear(&path);
		if (more)
			buffer_append_text(&path, next);
		json_free(page);
		if (!more)
			break;
	}
	rc = 0;
out:
	buffer_release(&path);
	return rc;
}

/* "BatchApexErrorEvent", "LoginEventStream"; "Event" itself is an appointment. */
static bool
is_standard_event(const char *name)
{
	return strstr(name, "__") == NULL && strlen(name) > strlen("Event") &&
	    (text_ends(text_of(name), "Event") || text_ends(text_of(name), "EventStream"));
}

int
salesforce_rest_event_objects(struct salesforce_session *s, struct salesforce_objects *out,
    struct error *e)
{
	char path[64];
	struct json *j;
	size_t capacity = 0;
	int version;

	memset(out, 0, sizeof(*out));
	if (salesforce_rest_version(s, &version, e) < 0)
		return -1;
	snprintf(path, sizeof(path), "/services/data/v%d.0/sobjects", version);
	if (salesforce_rest_get(s, path, &j, e) < 0)
		return -1;
	for (struct json *o = json_first(json_find(j, "sobjects")); o != NULL; o = json_next(o)) {
		const char *name = json_find_string(o, "name"), *label = json_find_string(o, "label");
		bool is_change;

		if (name == NULL)
			continue;
		is_change = text_ends(text_of(name), "ChangeEvent");
		if (!is_change && !text_ends(text_of(name), "__e") && !is_standard_event(name))
			continue;
		out->items = memory_reserve(out->items, &capacity, out->count + 1, sizeof(*out->items));
		out->items[out->count++] = (struct salesforce_object){.name = memory_strdup(name),
		    .label = memory_strdup(label != NULL ? label : ""), .is_change_event = is_change,
		    .is_custom = strstr(name, "__") != NULL};
	}
	json_free(j);
	return 0;
}

void
salesforce_objects_release(struct salesforce_objects *o)
{
	for (size_t i = 0; i < o->count; i++) {
		free(o->items[i].name);
		free(o->items[i].label);
	}
	free(o->items);
	memset(o, 0, sizeof(*o));
}

int
salesforce_rest_limits(struct salesforce_session *s, bool patient,
    struct salesforce_limit out[SALESFORCE_LIMITS_MAX], size_t *count, struct error *e)
{
	static const struct {
		const char *key, *words;
	} known[] = {
	    {"DailyDeliveredPlatformEvents", "events delivered to subscribers, 24 hours"},
	    {"HourlyPublishedPlatformEvents", "events published, this hour"},
	    {"MonthlyPlatformEventsUsageEntitlement", "events of the add-on, this month"},
	    {"MonthlyPlatformEvents", "events of the add-on, this month (API 47 and older)"},
	    {"DailyStandardVolumePlatformEvents", "legacy standard-volume events delivered, 24 hours"},
	    {"HourlyPublishedStandardVolumePlatformEvents", "legacy standard-volume events published, this hour"},
	    {"DailyApiRequests", "API requests, 24 hours"},
	    {"DailyBulkV2QueryJobs", "Bulk API query jobs, 24 hours"},
	    {"DailyBulkV2QueryFileStorageMB", "Bulk API query results in MB, 24 hours"},
	};
	char path[64];
	struct json *j;
	int version;

	*count = 0;
	if (find_version(s, patient ? TRIES : 1, &version, e) < 0)
		return -1;
	snprintf(path, sizeof(path), "/services/data/v%d.0/limits", version);
	if (get(s, path, patient ? TRIES : 1, &j, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct json *limit = json_find(j, known[i].key);

		if (limit != NULL)
			out[(*count)++] = (struct salesforce_limit){.key = known[i].key,
			    .words = known[i].words, .max = json_find_int64(limit, "Max", 0),
			    .remaining = json_find_int64(limit, "Remaining", 0)};
	}
	json_free(j);
	return 0;
}

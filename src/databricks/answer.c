/* What a Databricks answer that is no success says: every body form there is, one table of codes. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "databricks/session.h"

#define MESSAGE_SHOWN 600

/* error_code of the services, SQL statements included (wire/databricks-http.md §6, §7). */
static const struct {
	const char *error_code;
	enum error_code code;
} codes[] = {
    {"BAD_REQUEST", ERR_FAILED},
    {"INVALID_PARAMETER_VALUE", ERR_FAILED},
    {"INVALID_STATE", ERR_FAILED},
    {"MALFORMED_REQUEST", ERR_FAILED},
    {"UNAUTHENTICATED", ERR_SESSION},
    {"PERMISSION_DENIED", ERR_PERMISSION},
    {"NOT_FOUND", ERR_NOT_FOUND},
    {"RESOURCE_DOES_NOT_EXIST", ERR_NOT_FOUND},
    {"TABLE_DOES_NOT_EXIST", ERR_NOT_FOUND},
    {"SCHEMA_DOES_NOT_EXIST", ERR_NOT_FOUND},
    {"CATALOG_DOES_NOT_EXIST", ERR_NOT_FOUND},
    {"ENDPOINT_NOT_FOUND", ERR_NOT_FOUND},
    {"ABORTED", ERR_UNAVAILABLE},
    {"ALREADY_EXISTS", ERR_FAILED},
    {"RESOURCE_ALREADY_EXISTS", ERR_FAILED},
    {"RESOURCE_EXHAUSTED", ERR_OVERLOADED},
    {"REQUEST_LIMIT_EXCEEDED", ERR_OVERLOADED},
    {"CANCELLED", ERR_FAILED},
    {"INTERNAL_ERROR", ERR_UNAVAILABLE},
    {"UNKNOWN", ERR_UNAVAILABLE},
    {"DATA_LOSS", ERR_UNAVAILABLE},
    {"NOT_IMPLEMENTED", ERR_FAILED},
    {"IO_ERROR", ERR_UNAVAILABLE},
    {"TEMPORARILY_UNAVAILABLE", ERR_UNAVAILABLE},
    {"SERVICE_UNDER_MAINTENANCE", ERR_UNAVAILABLE},
    {"WORKSPACE_TEMPORARILY_UNAVAILABLE", ERR_UNAVAILABLE},
    {"DEADLINE_EXCEEDED", ERR_UNAVAILABLE},
};

static bool
find_code(const char *error_code, enum error_code *code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(codes[i].error_code, error_code) == 0) {
			*code = codes[i].code;
			return true;
		}
	}
	return false;
}

enum error_code
databricks_error_code(const char *error_code)
{
	enum error_code code = ERR_FAILED;

	find_code(error_code, &code);
	return code;
}

/* What was found in a body; texts owned. */
struct reading {
	char *code, *message, *request_id;
	int64_t retry_ms;
	bool is_html;
};

static void
reading_release(struct reading *r)
{
	free(r->code);
	free(r->message);
	free(r->request_id);
}

/* error_code as a text, or as a number of older services. */
static char *
code_of(const struct json *j)
{
	if (json_string(j) != NULL)
		return memory_strdup(json_string(j));
	if (json_is_number(j))
		return memory_format("%lld", (long long)json_int64(j, 0));
	return NULL;
}

/* Within what Retry-After may ask for, whatever the number is. */
static int64_t
delay_ms(double seconds)
{
	if (!(seconds > 0))
		return 0;
	return seconds < HTTP_RETRY_AFTER_MAX_MS / 1000 ? (int64_t)(seconds * 1000) : HTTP_RETRY_AFTER_MAX_MS;
}

static void
read_details(struct reading *r, const struct json *details)
{
	for (struct json *d = json_first(details); d != NULL; d = json_next(d)) {
		const char *type = json_find_string(d, "@type");
		const char *delay = json_find_string(d, "retry_delay");

		if (type == NULL)
			continue;
		if (text_ends(text_of(type), ".RequestInfo") && r->request_id == NULL)
			r->request_id = memory_strdup(json_find_string(d, "request_id"));
		if (text_ends(text_of(type), ".RetryInfo")) {
			if (delay == NULL)
				delay = json_find_string(d, "retryDelay"); /* "12s" */
			if (delay != NULL)
				r->retry_ms = delay_ms(strtod(delay, NULL));
		}
	}
}

static void
read_object(struct reading *r, const struct json *j)
{
	const struct json *error = json_find(j, "error");
	const char *text;

	r->code = code_of(json_find(j, "error_code"));
	if ((text = json_find_string(j, "message")) != NULL)
		r->message = memory_strdup(text);
	else if ((text = json_find_string(j, "error_description")) != NULL) /* OAuth */
		r->message = memory_strdup(text);
	else if ((text = json_find_string(j, "detail")) != NULL) /* SCIM */
		r->message = memory_strdup(text);
	if (r->code == NULL && (text = json_find_string(j, "scimType")) != NULL)
		r->code = memory_strdup(text);
	if (json_string(error) != NULL) {
		/* OAuth has a word in it, the oldest services a sentence */
		if (r->code == NULL && strchr(json_string(error), ' ') == NULL)
			r->code = memory_strdup(json_string(error));
		else if (r->message == NULL)
			r->message = memory_strdup(json_string(error));
	} else if (json_is_object(error) && r->code == NULL && r->message == NULL) {
		r->code = code_of(json_find(error, "code"));
		r->message = memory_strdup(json_find_string(error, "message"));
	}
	read_details(r, json_find(j, "details"));
}

/* "<html>…<pre>the reason</pre>…": the reason. */
static void
read_html(struct reading *r, struct text body)
{
	const char *begin = memmem(body.data, body.len, "<pre>", 5);
	const char *end;

	r->is_html = true;
	if (begin == NULL)
		return;
	begin += 5;
	end = memmem(begin, (size_t)(body.data + body.len - begin), "</pre>", 6);
	if (end != NULL)
		r->message = memory_strndup(begin, (size_t)(end - begin));
}

/* "PERMISSION_DENIED: text", or just text. */
static void
read_plain(struct reading *r, struct text body)
{
	size_t n = 0;

	while (n < body.len && ((body.data[n] >= 'A' && body.data[n] <= 'Z') || body.data[n] == '_'))
		n++;
	if (n > 2 && n + 1 < body.len && body.data[n] == ':') {
		r->code = memory_strndup(body.data, n);
		for (n++; n < body.len && body.data[n] == ' ';)
			n++;
	} else {
		n = 0;
	}
	if (body.len > n)
		r->message = memory_strndup(body.data + n, body.len - n < MESSAGE_SHOWN ? body.len - n : MESSAGE_SHOWN);
}

static void
read_body(struct reading *r, struct text body)
{
	struct error ignored = ERROR_INIT;
	struct json *j;

	while (body.len > 0 && strchr(" \t\r\n", body.data[0]) != NULL)
		body = text_span(body.data + 1, body.len - 1);
	if (body.len == 0)
		return;
	if (body.data[0] == '<') {
		read_html(r, body);
		return;
	}
	j = json_parse(body, &ignored);
	if (json_is_object(j))
		read_object(r, j);
	else
		read_plain(r, body);
	json_free(j);
}

static void
give_hint(const struct http_response *r, const struct reading *reading, struct error *e)
{
	const char *message = reading->message != NULL ? reading->message : "";

	if (e->code == ERR_CREDENTIALS && r->status == 403)
		error_hint(e, "check the token, and the workspace's IP access lists");
	else if (e->code == ERR_PERMISSION && strstr(message, "USE CATALOG") == NULL)
		error_hint(e, "reading a table takes USE CATALOG, USE SCHEMA and SELECT; a warehouse takes CAN USE");
	else if (reading->is_html && e->code == ERR_CONFIG)
		error_hint(e, "check DATABRICKS_HOST: the URL that the browser shows for the workspace, up to the first slash");
}

int
databricks_error(const struct http_response *r, const char *what, struct error *e)
{
	struct reading reading = {.code = NULL};
	enum error_code code = http_status_error_code(r->status);
	struct text id = http_response_header(r, "x-request-id");
	char clean[MESSAGE_SHOWN], clean_code[80], clean_id[80];

	read_body(&reading, buffer_span(&r->body));
	if (reading.request_id == NULL && id.len > 0)
		reading.request_id = text_dup(id);
	if (reading.code != NULL && r->status != 401 && r->status != 404)
		find_code(reading.code, &code);
	/* a bad personal access token is 403 as well, told apart by its words only */
	if (r->status == 403 && reading.message != NULL &&
	    (strcasestr(reading.message, "access token") != NULL ||
		strcasestr(reading.message, "IP ACL") != NULL ||
		strcasestr(reading.message, "IP access list") != NULL))
		code = ERR_CREDENTIALS;
	/* a page for people, or a redirect to one: no workspace answers here */
	if ((reading.is_html && r->status < 400) || (r->status >= 300 && r->status < 400))
		code = ERR_CONFIG;
	if (code == ERR_OK)
		code = ERR_REFUSED;
	text_clean(clean, sizeof(clean), text_of(reading.message));
	text_clean(clean_code, sizeof(clean_code), text_of(reading.code));
	text_clean(clean_id, sizeof(clean_id), text_of(reading.request_id));
	if (code == ERR_CONFIG)
		error_set(e, code, "%s: %d: a web page answers, not the API of a workspace", what, r->status);
	else
		error_set(e, code, "%s: %d %s%s%s%s%s%s", what, r->status,
		    clean_code[0] != '\0' ? clean_code : http_status_words(r->status),
		    clean[0] != '\0' ? ": " : "", clean, clean_id[0] != '\0' ? " (request id " : "", clean_id,
		    clean_id[0] != '\0' ? ")" : "");
	if (e != NULL) {
		e->retry_after_ms = reading.retry_ms;
		give_hint(r, &reading, e);
	}
	reading_release(&reading);
	return -1;
}

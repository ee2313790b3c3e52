/* What an HTTP answer says about itself, and URLs as people may see them: no network here. */
#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/memory.h"
#include "http/client.h"

void
http_response_init(struct http_response *r)
{
	memset(r, 0, sizeof(*r));
}

void
http_response_release(struct http_response *r)
{
	/* token answers pass here */
	buffer_release_wiped(&r->body);
	buffer_release(&r->headers);
	http_response_init(r);
}

struct text
http_response_header(const struct http_response *r, const char *name)
{
	const char *p = (const char *)r->headers.data, *end;
	size_t left = r->headers.len, len = strlen(name);

	for (; left > 0 && (end = memchr(p, '\n', left)) != NULL; left -= (size_t)(end + 1 - p), p = end + 1) {
		size_t line = (size_t)(end - p);

		if (line <= len || memcmp(p, name, len) != 0 || p[len] != ':')
			continue;
		p += len + 1;
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		return text_span(p, (size_t)(end - p));
	}
	return text_of("");
}

enum error_code
http_status_error_code(int status)
{
	switch (status) {
	case 401:
		return ERR_SESSION;
	case 403:
		return ERR_PERMISSION;
	case 404:
	case 410:
		return ERR_NOT_FOUND;
	case 408:
	case 425:
		return ERR_UNAVAILABLE;
	case 429:
		return ERR_OVERLOADED;
	case 501:
	case 505:
		return ERR_FAILED;
	}
	if (status >= 200 && status < 300)
		return ERR_OK;
	/* a redirect is a wrong host: none is ever followed */
	return status >= 500 ? ERR_UNAVAILABLE : ERR_FAILED;
}

const char *
http_status_words(int status)
{
	static const struct {
		int status;
		const char *words;
	} rows[] = {{100, "Continue"}, {200, "OK"}, {201, "Created"}, {202, "Accepted"},
	    {204, "No Content"}, {206, "Partial Content"}, {301, "Moved Permanently"}, {302, "Found"},
	    {303, "See Other"}, {304, "Not Modified"}, {307, "Temporary Redirect"},
	    {308, "Permanent Redirect"}, {400, "Bad Request"}, {401, "Unauthorized"},
	    {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
	    {406, "Not Acceptable"}, {407, "Proxy Authentication Required"},
	    {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"},
	    {412, "Precondition Failed"}, {413, "Content Too Large"}, {414, "URI Too Long"},
	    {415, "Unsupported Media Type"}, {421, "Misdirected Request"},
	    {422, "Unprocessable Content"}, {425, "Too Early"}, {428, "Precondition Required"},
	    {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
	    {451, "Unavailable For Legal Reasons"}, {500, "Internal Server Error"},
	    {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
	    {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
	    {507, "Insufficient Storage"}, {511, "Network Authentication Required"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status)
			return rows[i].words;
	return "";
}

static int64_t
date_ms(struct text value)
{
	char copy[64];
	time_t when;

	if (value.len == 0 || value.len >= sizeof(copy))
		return -1;
	memcpy(copy, value.data, value.len);
	copy[value.len] = '\0';
	when = curl_getdate(copy, NULL);
	return when < 0 ? -1 : (int64_t)when * 1000;
}

int64_t
http_retry_after_ms(const struct http_response *r, int64_t now_wall_ms)
{
	struct text value = http_response_header(r, "retry-after");
	int64_t seconds = 0, ms;
	size_t i = 0;

	for (; i < value.len && isdigit((unsigned char)value.data[i]); i++)
		if (seconds < HTTP_RETRY_AFTER_MAX_MS / 1000)
			seconds = seconds * 10 + (value.data[i] - '0');
	if (i == value.len || value.data[i] == '.')
		ms = seconds * 1000;
	else
		ms = date_ms(value) - now_wall_ms;
	if (ms < 0)
		ms = 0;
	return ms > HTTP_RETRY_AFTER_MAX_MS ? HTTP_RETRY_AFTER_MAX_MS : ms;
}

int64_t
http_response_date_ms(const struct http_response *r)
{
	int64_t ms = date_ms(http_response_header(r, "date"));

	return ms < 0 ? 0 : ms;
}

char *
http_url_for_people(char *out, size_t size, const char *url)
{
	const char *authority = strstr(url, "://");
	size_t scheme_len, end;
	const char *at;
	struct buffer b = BUFFER_INIT;

	authority = authority != NULL ? authority + 3 : url;
	scheme_len = (size_t)(authority - url);
	end = strcspn(authority, "?#");
	at = memchr(authority, '@', strcspn(authority, "/?#"));
	buffer_append(&b, url, scheme_len);
	if (at != NULL) {
		end -= (size_t)(at + 1 - authority);
		authority = at + 1;
	}
	buffer_append(&b, authority, end);
	text_clean(out, size, buffer_span(&b));
	buffer_release(&b);
	return out;
}

bool
http_host_is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	char bare[64];
	size_t len = strlen(host);

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (len >= sizeof(bare))
		return false;
	strcpy(bare, host);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		memcpy(bare, host + 1, len - 2);
		bare[len - 2] = '\0';
	}
	return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

char *
http_origin(const char *given, struct error *e)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL, *out = NULL;
	char clean[300];
	struct buffer b = BUFFER_INIT;

	if (u == NULL)
		memory_give_up("out of memory");
	given += strspn(given, " \t\n\r\"'");
	text_clean(clean, sizeof(clean), text_of(given));
	buffer_append(&b, given, strcspn(given, " \t\n\r\"'"));
	if (curl_url_set(u, CURLUPART_URL, buffer_text(&b),
		strstr(buffer_text(&b), "://") != NULL ? 0 : CURLU_DEFAULT_SCHEME) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK || host[0] == '\0') {
		error_set(e, ERR_CONFIG, "\"%s\" is not a URL", clean);
		error_hint(e, "a URL looks like https://host.example");
		goto out;
	}
	if (strcmp(scheme, "https") != 0 &&
	    (strcmp(scheme, "http") != 0 || !http_host_is_loopback(host))) {
		error_set(e, ERR_CONFIG, "\"%s\": only https:// is spoken to a real host", clean);
		error_hint(e, "write https://");
		goto out;
	}
	for (char *c = host; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	if (host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]")] != '\0') {
		/* curl has decoded %-escapes: what they hid would mean another host the next time it is read */
		error_set(e, ERR_CONFIG, "\"%s\" has a host name with characters that no host name has", clean);
		error_hint(e, "write an international name in its xn-- form");
		goto out;
	}
	if (curl_url_get(u, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) != CURLUE_OK)
		port = NULL;
	buffer_clear(&b);
	buffer_append_format(&b, "%s://%s%s%s", scheme, host, port != NULL ? ":" : "",
	    port != NULL ? port : "");
	out = buffer_detach(&b);
out:
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	buffer_release(&b);
	return out;
}

void
http_form_add(struct buffer *form, const char *name, struct text value)
{
	if (form->len > 0)
		buffer_append_byte(form, '&');
	encode_percent(form, text_of(name));
	buffer_append_byte(form, '=');
	encode_percent(form, value);
}

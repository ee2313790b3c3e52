#include "http/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "http/trace.h"

#define CONNECT_TIMEOUT_MS 15000
#define IDLE_TIMEOUT_MS 60000
#define LAST_WORD_TIMEOUT_MS 5000

struct http_client {
	CURL *easy;
	char *ca_file, *user_agent;
	int64_t connect_timeout_ms, timeout_ms;
	size_t body_limit_bytes;
	atomic_bool interrupted;
};

/* What the callbacks of one request need. */
struct transfer {
	struct http_client *client;
	const struct http_request *request;
	struct http_response *response;
	int64_t last_moved_ms; /* monotonic */
	curl_off_t moved_bytes;
	bool too_large, idle, interrupted;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void
curl_start(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http_client *
http_client_new(const struct http_options *o)
{
	struct http_client *c = memory_zero(1, sizeof(*c));
	const char *ca_file = o->ca_file;

	pthread_once(&curl_once, curl_start);
	/* the library, unlike the curl program, does not read it */
	if (ca_file == NULL)
		ca_file = getenv("SSL_CERT_FILE");
	c->ca_file = ca_file != NULL && ca_file[0] != '\0' ? memory_strdup(ca_file) : NULL;
	c->user_agent = memory_strdup(o->user_agent != NULL ? o->user_agent : SFZB_USER_AGENT);
	c->connect_timeout_ms = o->connect_timeout_ms > 0 ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
	c->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : IDLE_TIMEOUT_MS;
	c->body_limit_bytes = o->body_limit_bytes > 0 ? o->body_limit_bytes : LIMIT_HTTP_BODY_BYTES;
	c->easy = curl_easy_init();
	if (c->easy == NULL)
		memory_give_up("out of memory");
	return c;
}

void
http_client_free(struct http_client *c)
{
	if (c == NULL)
		return;
	curl_easy_cleanup(c->easy);
	free(c->ca_file);
	free(c->user_agent);
	free(c);
}

void
http_client_interrupt(struct http_client *c, bool on)
{
	atomic_store(&c->interrupted, on);
}

static bool
http_client_is_interrupted(const struct http_client *c)
{
	return atomic_load(&c->interrupted);
}

static size_t
on_body(char *data, size_t size, size_t count, void *context)
{
	struct transfer *t = context;
	size_t len = size * count;

	if (t->response->body.len + len > t->client->body_limit_bytes) {
		t->too_large = true;
		return 0;
	}
	buffer_append(&t->response->body, data, len);
	return len;
}

static size_t
on_header(char *data, size_t size, size_t count, void *context)
{
	struct transfer *t = context;
	struct buffer *headers = &t->response->headers;
	size_t len = size * count, name_len;
	const char *colon;

	t->last_moved_ms = clock_monotonic_ms(&clock_system);
	/* a status line: of the answer, or of a 100 before it */
	if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
		buffer_clear(headers);
	colon = memchr(data, ':', len);
	if (colon == NULL)
		return len;
	if (headers->len + len > LIMIT_HTTP_HEADER_BYTES) {
		t->too_large = true;
		return 0;
	}
	name_len = (size_t)(colon - data);
	for (size_t i = 0; i < name_len; i++)
		buffer_append_byte(headers,
		    (uint8_t)(data[i] >= 'A' && data[i] <= 'Z' ? data[i] + 32 : data[i]));
	while (len > name_len && (data[len - 1] == '\n' || data[len - 1] == '\r'))
		len--;
	buffer_append(headers, data + name_len, len - name_len);
	buffer_append_byte(headers, '\n');
	return size * count;
}

/* Called by libcurl at least once a second: the place where a silent peer and a shutdown are noticed. */
static int
on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
    curl_off_t up)
{
	struct transfer *t = context;
	int64_t now = clock_monotonic_ms(&clock_system);
	bool last_word = t->request->is_last_word;
	int64_t limit = last_word ? LAST_WORD_TIMEOUT_MS : t->client->timeout_ms;

	(void)down_total;
	(void)up_total;
	if (down + up != t->moved_bytes) {
		t->moved_bytes = down + up;
		t->last_moved_ms = now;
	}
	t->interrupted = !last_word && http_client_is_interrupted(t->client);
	t->idle = now - t->last_moved_ms > limit;
	return t->interrupted || t->idle;
}

static int
on_debug(CURL *easy, curl_infotype type, char *data, size_t len, void *context)
{
	(void)easy;
	(void)context;
	if (type == CURLINFO_TEXT)
		trace_text(text_span(data, len));
	return 0;
}

/* A line break in a header value would let it forge another header. */
static bool
is_header_safe(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static int
check_url(const char *url, bool *plain, struct error *e)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *user = NULL;
	char shown[512];
	int rc = -1;

	http_url_for_people(shown, sizeof(shown), url);
	if (u == NULL)
		memory_give_up("out of memory");
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
		error_set(e, ERR_CONFIG, "\"%s\" is not a URL", shown);
		error_hint(e, "a URL looks like https://host.example");
		goto out;
	}
	*plain = strcmp(scheme, "http") == 0;
	if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK) {
		error_set(e, ERR_CONFIG, "\"%s\": a user name or password does not belong into a URL",
		    shown);
	} else if (!*plain && strcmp(scheme, "https") != 0) {
		error_set(e, ERR_CONFIG, "\"%s\": only https:// is spoken", shown);
	} else if (*plain && !http_host_is_loopback(host)) {
		error_set(e, ERR_CONFIG, "\"%s\": http:// is for loopback addresses only", shown);
		error_hint(e, "write https://");
	} else {
		rc = 0;
	}
out:
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_url_cleanup(u);
	return rc;
}

static struct curl_slist *
add_header(struct curl_slist *list, const char *name, const char *value)
{
	struct buffer line = BUFFER_INIT;
	struct curl_slist *longer;

	buffer_append_format(&line, "%s: ", name);
	buffer_append_text(&line, value);
	longer = curl_slist_append(list, buffer_text(&line));
	if (longer == NULL)
		memory_give_up("out of memory");
	buffer_release_wiped(&line);
	return longer;
}

static void
free_headers(struct curl_slist *list)
{
	for (struct curl_slist *h = list; h != NULL; h = h->next)
		secret_wipe(h->data, strlen(h->data));
	curl_slist_free_all(list);
}

static int
build_headers(const struct http_request *q, struct curl_slist **out, struct error *e)
{
	struct curl_slist *list = NULL;
	struct buffer value = BUFFER_INIT, pair = BUFFER_INIT;
	int rc = -1;

	/* curl would wait for "100 Continue" before a large body, and guess a type for it */
	list = curl_slist_append(list, "Expect:");
	if (q->body.data == NULL)
		list = curl_slist_append(list, "Content-Type:");
	for (size_t i = 0; i < q->header_count; i++) {
		if (!is_header_safe(q->headers[i].value)) {
			error_set(e, ERR_CONFIG, "the value of header \"%s\" holds a control character",
			    q->headers[i].name);
			goto out;
		}
		list = add_header(list, q->headers[i].name, q->headers[i].value);
	}
	if (q->bearer != NULL) {
		if (!is_header_safe(secret_reveal(q->bearer))) {
			error_set(e, ERR_CREDENTIALS, "the access token holds a control character");
			error_hint(e, "a token is one line; look for a line break at its end");
			goto out;
		}
		buffer_append_text(&value, "Bearer ");
		buffer_append(&value, secret_reveal(q->bearer), q->bearer->len);
		list = add_header(list, "Authorization", buffer_text(&value));
	} else if (q->basic_user != NULL) {
		buffer_append_text(&pair, q->basic_user);
		buffer_append_byte(&pair, ':');
		buffer_append_text(&pair, secret_reveal(q->basic_password));
		buffer_append_text(&value, "Basic ");
		buffer_append_base64(&value, pair.data, pair.len);
		list = add_header(list, "Authorization", buffer_text(&value));
	}
	rc = 0;
out:
	buffer_release_wiped(&value);
	buffer_release_wiped(&pair);
	*out = list;
	return rc;
}

static void
set_method(CURL *h, const struct http_request *q)
{
	bool is_get = strcmp(q->method, "GET") == 0;

	if (q->body.data != NULL || strcmp(q->method, "POST") == 0) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, q->body.data != NULL ? q->body.data : "");
		if (strcmp(q->method, "POST") != 0)
			curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
	} else if (strcmp(q->method, "HEAD") == 0) {
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	} else {
		curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
		if (!is_get)
			curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
	}
}

static void
set_options(struct http_client *c, const struct http_request *q, struct transfer *t, bool plain,
    struct curl_slist *headers, char *why)
{
	CURL *h = c->easy;
	int64_t connect_ms = q->is_last_word ? LAST_WORD_TIMEOUT_MS : c->connect_timeout_ms;

	curl_easy_reset(h); /* keeps the connections */
	curl_easy_setopt(h, CURLOPT_URL, q->url);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, q->is_once ? 1L : 0L);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
	if (c->ca_file != NULL) {
		curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file);
		curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
	}
	if (plain)
		curl_easy_setopt(h, CURLOPT_PROXY, ""); /* what is not encrypted stays on this machine */
	curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(h, CURLOPT_USERAGENT, c->user_agent);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h, CURLOPT_XFERINFODATA, t);
	if (log_get_level() >= LOG_TRACE) {
		curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
		curl_easy_setopt(h, CURLOPT_DEBUGFUNCTION, on_debug);
	}
	set_method(h, q);
}

/* Each way a request can fail to be answered: what to call it and what to try. */
static const struct {
	CURLcode code;
	enum error_code error;
	const char *hint;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, ERR_UNAVAILABLE,
	"check the spelling of the host, and that this machine can resolve names"},
    {CURLE_COULDNT_RESOLVE_PROXY, ERR_UNAVAILABLE,
	"check https_proxy, or add the host to no_proxy"},
    {CURLE_COULDNT_CONNECT, ERR_UNAVAILABLE,
	"nothing answers there: check host and port, a firewall, and https_proxy"},
    {CURLE_PEER_FAILED_VERIFICATION, ERR_UNAVAILABLE,
	"if a company proxy or the emulator made this certificate, name its authority with --cacert or SSL_CERT_FILE"},
    {CURLE_SSL_CACERT_BADFILE, ERR_CONFIG,
	"--cacert or SSL_CERT_FILE must name a readable PEM file with the authorities to trust"},
    {CURLE_SSL_CONNECT_ERROR, ERR_UNAVAILABLE,
	"the other end does not speak TLS 1.2 or newer here: check the port, and https_proxy"},
    {CURLE_PROXY, ERR_UNAVAILABLE, "check https_proxy, or add the host to no_proxy"},
    {CURLE_OPERATION_TIMEDOUT, ERR_UNAVAILABLE,
	"the other end did not answer in time: check the network, a firewall, and https_proxy"},
    {CURLE_GOT_NOTHING, ERR_UNAVAILABLE, NULL},
    {CURLE_SEND_ERROR, ERR_UNAVAILABLE, NULL},
    {CURLE_RECV_ERROR, ERR_UNAVAILABLE, NULL},
    {CURLE_PARTIAL_FILE, ERR_UNAVAILABLE, NULL},
    {CURLE_HTTP2, ERR_UNAVAILABLE, NULL},
    {CURLE_HTTP2_STREAM, ERR_UNAVAILABLE, NULL},
    {CURLE_BAD_CONTENT_ENCODING, ERR_UNAVAILABLE, NULL},
    {CURLE_URL_MALFORMAT, ERR_CONFIG, NULL},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_CONFIG, NULL},
    {CURLE_WEIRD_SERVER_REPLY, ERR_UNAVAILABLE,
	"what answers there does not speak HTTP: check host and port"},
};

static int
explain(struct http_client *c, const struct http_request *q, const struct transfer *t, CURLcode code,
    const char *why, struct error *e)
{
	char url[512], clean[300];
	enum error_code error = ERR_UNAVAILABLE;
	const char *hint = NULL;
	curl_off_t begun_us = 0;

	/* the time at which the connection stood and the request could begin; 0: it never did */
	curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &begun_us);
	t->response->never_sent = begun_us == 0;
	http_url_for_people(url, sizeof(url), q->url);
	text_clean(clean, sizeof(clean), text_of(why[0] != '\0' ? why : curl_easy_strerror(code)));
	if (t->interrupted)
		return error_set(e, ERR_INTERRUPTED, "%s %s: interrupted", q->method, url);
	/* what TLS says then is anything but that, and no repetition helps */
	if (code == CURLE_OUT_OF_MEMORY || memory_is_out(MEMORY_OF_CONNECTION))
		return error_set(e, ERR_FAILED, "%s %s: out of memory (%s)", q->method, url, clean);
	if (t->too_large)
		return error_set(e, ERR_FAILED, "%s %s: the answer is larger than %zu bytes", q->method,
		    url, c->body_limit_bytes);
	if (t->idle) {
		code = CURLE_OPERATION_TIMEDOUT;
		strcpy(clean, "no byte moved for too long");
	}
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (failures[i].code != code)
			continue;
		error = failures[i].error;
		hint = failures[i].hint;
		break;
	}
	error_set(e, error, "%s %s: %s", q->method, url, clean);
	if (e != NULL && code == CURLE_PEER_FAILED_VERIFICATION)
		e->retry_after_ms = -1;
	if (hint != NULL)
		error_hint(e, "%s", hint);
	return -1;
}

int
http_perform(struct http_client *c, const struct http_request *q, struct http_response *r,
    struct error *e)
{
	struct transfer t = {.client = c, .request = q, .response = r};
	char why[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = NULL;
	bool plain = false;
	CURLcode code;
	long status = 0;
	int rc = -1;

	http_response_release(r);
	r->never_sent = true;
	if (check_url(q->url, &plain, e) < 0 || build_headers(q, &headers, e) < 0)
		goto out;
	if (!q->is_last_word && http_client_is_interrupted(c)) {
		http_url_for_people(why, sizeof(why), q->url);
		error_set(e, ERR_INTERRUPTED, "%s %s: interrupted", q->method, why);
		goto out;
	}
	r->never_sent = false;
	t.last_moved_ms = clock_monotonic_ms(&clock_system);
	set_options(c, q, &t, plain, headers, why);
	trace_request(q);
	code = curl_easy_perform(c->easy);
	if (code != CURLE_OK) {
		explain(c, q, &t, code, why, e);
		trace_failure(q, e);
		goto out;
	}
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	r->status = (int)status;
	trace_response(q, r);
	rc = 0;
out:
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, NULL);
	free_headers(headers);
	return rc;
}

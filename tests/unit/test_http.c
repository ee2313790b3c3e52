/* http/: client and server against each other, over TLS, and every failure a request can meet. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/client.h"
#include "http/server.h"
#include "tls_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct tls_fixture tls;
static struct http_server *server;

/* "hello, hello, hello" by gzip */
static const unsigned char packed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xcb, 0x48, 0xcd,
    0xc9, 0xc9, 0xd7, 0x51, 0xc8, 0x40, 0xa2, 0x00, 0x9f, 0xa1, 0xca, 0x09, 0x13, 0x00, 0x00, 0x00};

static void
handle(void *context, const struct http_query *q, struct http_answer *a)
{
	const char *authorization = http_query_header(q, "authorization");

	(void)context;
	if (strcmp(q->path, "/echo") == 0) {
		buffer_append_format(&a->body, "%s|%s|%s|%s|", q->method, q->query,
		    authorization != NULL ? authorization : "-",
		    http_query_header(q, "x-extra") != NULL ? http_query_header(q, "x-extra") : "-");
		buffer_append(&a->body, q->body.data, q->body.len);
		buffer_append_text(&a->headers, "X-One: 1\nX-Two:  two words \n");
	} else if (strcmp(q->path, "/gzip") == 0) {
		buffer_append(&a->body, packed, sizeof(packed));
		buffer_append_text(&a->headers, "Content-Encoding: gzip\n");
	} else if (strcmp(q->path, "/redirect") == 0) {
		a->status = 302;
		buffer_append_text(&a->headers, "Location: /echo\n");
	} else if (strcmp(q->path, "/large") == 0) {
		for (int i = 0; i < 2000; i++)
			buffer_append_text(&a->body, "0123456789");
	} else if (strcmp(q->path, "/slow") == 0) {
		a->delay_ms = 60000;
	} else if (strcmp(q->path, "/drop") == 0) {
		a->drop = 1;
	} else {
		buffer_append_format(&a->body, "%s", q->path);
		a->status = 404;
	}
}

static int
group_setup(void **state)
{
	struct http_server_options o = {.body_limit_bytes = 100000};
	struct error e = ERROR_INIT;

	(void)state;
	tls_fixture_init(&tls);
	o.certificate_pem = tls.certificate_pem;
	o.key_pem = tls.key_pem;
	server = http_server_new(&o, handle, NULL, &e);
	return server == NULL;
}

static int
group_teardown(void **state)
{
	(void)state;
	http_server_free(server);
	tls_fixture_release(&tls);
	return 0;
}

static struct http_client *
new_client(int64_t timeout_ms)
{
	struct http_options o = {.ca_file = tls.ca_file, .timeout_ms = timeout_ms,
	    .body_limit_bytes = 10000};

	return http_client_new(&o);
}

static char *
url_of(char *out, size_t size, const char *path)
{
	snprintf(out, size, "https://localhost:%u%s", http_server_port(server), path);
	return out;
}

static void
test_echo(void **state)
{
	struct secret token = SECRET_INIT;
	struct http_header extra = {"X-Extra", "yes"};
	const struct {
		const char *name, *method, *path, *body, *user, *answer;
		bool bearer;
	} rows[] = {
	    {"get", "GET", "/echo?a=1&b=%20", NULL, NULL, "GET|a=1&b=%20|-|yes|", false},
	    {"bearer", "GET", "/echo", NULL, NULL, "GET||Bearer s3cret|yes|", true},
	    {"basic", "POST", "/echo", "x=1", "id", "POST||Basic aWQ6czNjcmV0|yes|x=1", false},
	    {"post without a body", "POST", "/echo", NULL, NULL, "POST||-|yes|", false},
	    {"patch", "PATCH", "/echo", "{}", NULL, "PATCH||-|yes|{}", false},
	    {"delete", "DELETE", "/echo", NULL, NULL, "DELETE||-|yes|", false},
	    {"decoded path", "GET", "/a%20b", NULL, NULL, "/a b", false},
	    {"gzip", "GET", "/gzip", NULL, NULL, "hello, hello, hello", false},
	};
	struct http_client *c = new_client(0);
	struct http_response r;

	(void)state;
	http_response_init(&r);
	secret_set(&token, text_of("s3cret"));
	for (size_t i = 0; i < COUNT(rows); i++) {
		char url[200];
		struct error e = ERROR_INIT;
		struct http_request q = {.method = rows[i].method,
		    .url = url_of(url, sizeof(url), rows[i].path), .headers = &extra,
		    .header_count = 1, .bearer = rows[i].bearer ? &token : NULL,
		    .basic_user = rows[i].user, .basic_password = &token,
		    .body = text_of(rows[i].body)};

		if (http_perform(c, &q, &r, &e) < 0)
			fail_msg("%s: %s", rows[i].name, e.text);
		if (strcmp(buffer_text(&r.body), rows[i].answer) != 0)
			fail_msg("%s: got \"%s\"", rows[i].name, buffer_text(&r.body));
		if (strstr(rows[i].path, "/echo") != NULL) {
			assert_true(text_is(http_response_header(&r, "x-one"), "1"));
			assert_true(text_is(http_response_header(&r, "x-two"), "two words"));
		}
		assert_int_equal(http_response_header(&r, "x-three").len, 0);
		assert_true(http_response_date_ms(&r) > 1700000000000);
	}
	http_response_release(&r);
	secret_release(&token);
	http_client_free(c);
}

/* A port where nothing listens, and that nobody else is given while the descriptor is open. */
static unsigned
closed_port(int *fd_out)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	bind(fd, (struct sockaddr *)&a, sizeof(a));
	getsockname(fd, (struct sockaddr *)&a, &len);
	*fd_out = fd;
	return ntohs(a.sin_port);
}

static void
test_failures(void **state)
{
	int held = -1;
	unsigned port = http_server_port(server), closed = closed_port(&held);
	const struct {
		const char *name, *url;
		unsigned port;
		const char *ca_file;
		enum error_code code;
		const char *text, *hint;
		bool never_sent;
	} rows[] = {
	    {"untrusted certificate", "https://localhost:%u/echo?secret=1", port,
		"/etc/ssl/certs/ca-certificates.crt", ERR_UNAVAILABLE, "certificate", "--cacert", true},
	    {"wrong name in the certificate", "https://127.0.0.2:%u/echo", port, NULL, ERR_UNAVAILABLE,
		"127.0.0.2", "", true},
	    {"no such ca file", "https://localhost:%u/echo", port, "/nonexistent.pem", ERR_CONFIG, "",
		"SSL_CERT_FILE", true},
	    {"closed port", "https://localhost:%u/", closed, NULL, ERR_UNAVAILABLE, "localhost",
		"check host and port", true},
	    {"no such host", "https://nowhere.invalid:%u/", 443, NULL, ERR_UNAVAILABLE,
		"nowhere.invalid", "spelling", true},
	    {"plain text to a real host", "http://192.0.2.1:%u/", 80, NULL, ERR_CONFIG, "loopback",
		"https://", true},
	    {"password in the URL", "https://me:pw@localhost:%u/", port, NULL, ERR_CONFIG, "password",
		"", true},
	    {"ftp", "ftp://localhost:%u/", port, NULL, ERR_CONFIG, "https", "", true},
	    {"no URL", "https://a b:%u/", port, NULL, ERR_CONFIG, "URL", "", true},
	    {"plain text to a TLS port", "http://localhost:%u/drop", port, NULL, ERR_UNAVAILABLE, "",
		"", false},
	    {"dropped", "https://localhost:%u/drop", port, NULL, ERR_UNAVAILABLE, "/drop", "", false},
	    {"too large", "https://localhost:%u/large", port, NULL, ERR_FAILED, "larger than 10000", "",
		false},
	    {"silent", "https://localhost:%u/slow", port, NULL, ERR_UNAVAILABLE, "no byte moved",
		"in time", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		/* one waits for the end of its time, the others must not see it on the slowest machine */
		bool silent = strcmp(rows[i].name, "silent") == 0;
		struct http_options o = {.ca_file = rows[i].ca_file ? rows[i].ca_file : tls.ca_file,
		    .timeout_ms = silent ? 2000 : 60000,
		    .body_limit_bytes = 10000};
		struct http_client *c = http_client_new(&o);
		struct http_response r;
		struct error e = ERROR_INIT;
		char url[200];
		struct http_request q = {.method = "GET", .url = url};

		snprintf(url, sizeof(url), rows[i].url, rows[i].port);
		http_response_init(&r);
		if (http_perform(c, &q, &r, &e) == 0)
			fail_msg("%s: passed with %d", rows[i].name, r.status);
		if (e.code != rows[i].code || strstr(e.text, rows[i].text) == NULL ||
		    strstr(e.hint, rows[i].hint) == NULL || r.never_sent != rows[i].never_sent)
			fail_msg("%s: %s \"%s\" hint \"%s\" never sent %d", rows[i].name,
			    error_name(e.code), e.text, e.hint, r.never_sent);
		if (strstr(e.text, "secret") != NULL || strstr(e.text, "pw@") != NULL)
			fail_msg("%s: shows what it must not: %s", rows[i].name, e.text);
		http_response_release(&r);
		http_client_free(c);
	}
	close(held);
}

static void
test_header_injection(void **state)
{
	struct http_client *c = new_client(0);
	struct http_header bad = {"X-A", "1\r\nX-B: 2"};
	struct secret token = SECRET_INIT;
	struct http_response r;
	struct error e = ERROR_INIT;
	char url[200];
	struct http_request q = {.method = "GET", .url = url_of(url, sizeof(url), "/echo"),
	    .headers = &bad, .header_count = 1};

	(void)state;
	http_response_init(&r);
	assert_int_equal(http_perform(c, &q, &r, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	q.header_count = 0;
	secret_set(&token, text_of("abc\n"));
	q.bearer = &token;
	assert_int_equal(http_perform(c, &q, &r, &e), -1);
	assert_int_equal(e.code, ERR_CREDENTIALS);
	secret_release(&token);
	http_response_release(&r);
	http_client_free(c);
}

static void
test_redirect_not_followed(void **state)
{
	struct http_client *c = new_client(0);
	struct http_response r;
	struct error e = ERROR_INIT;
	char url[200];
	struct http_request q = {.method = "GET", .url = url_of(url, sizeof(url), "/redirect")};

	(void)state;
	http_response_init(&r);
	assert_int_equal(http_perform(c, &q, &r, &e), 0);
	assert_int_equal(r.status, 302);
	http_response_release(&r);
	http_client_free(c);
}

static void
test_request_too_large(void **state)
{
	struct http_client *c = new_client(0);
	struct http_response r;
	struct error e = ERROR_INIT;
	char url[200], *body = calloc(1, 200000);
	struct http_request q = {.method = "POST", .url = url_of(url, sizeof(url), "/echo"),
	    .body = text_span(body, 200000)};

	(void)state;
	http_response_init(&r);
	assert_int_equal(http_perform(c, &q, &r, &e), 0);
	assert_int_equal(r.status, 413);
	http_response_release(&r);
	http_client_free(c);
	free(body);
}

static void *
interrupt_soon(void *context)
{
	usleep(100000);
	http_client_interrupt(context, true);
	return NULL;
}

static void
test_interrupt(void **state)
{
	struct http_client *c = new_client(0);
	struct http_response r;
	struct error e = ERROR_INIT;
	pthread_t thread;
	char url[200];
	struct http_request q = {.method = "GET", .url = url_of(url, sizeof(url), "/slow")};
	int64_t begun = clock_monotonic_ms(&clock_system);

	(void)state;
	http_response_init(&r);
	pthread_create(&thread, NULL, interrupt_soon, c);
	assert_int_equal(http_perform(c, &q, &r, &e), -1);
	pthread_join(thread, NULL);
	assert_int_equal(e.code, ERR_INTERRUPTED);
	assert_true(clock_monotonic_ms(&clock_system) - begun < 50000); /* it would have taken a minute */

	/* stays so, but for a last word */
	q.url = url_of(url, sizeof(url), "/echo");
	assert_int_equal(http_perform(c, &q, &r, &e), -1);
	assert_int_equal(e.code, ERR_INTERRUPTED);
	assert_true(r.never_sent);
	q.is_last_word = true;
	assert_int_equal(http_perform(c, &q, &r, &e), 0);
	q.is_last_word = false;
	http_client_interrupt(c, false);
	assert_int_equal(http_perform(c, &q, &r, &e), 0);
	http_response_release(&r);
	http_client_free(c);
}

static enum error_code
expected_code(int status)
{
	static const struct {
		int status;
		enum error_code code;
	} rows[] = {{401, ERR_SESSION}, {403, ERR_PERMISSION}, {404, ERR_NOT_FOUND},
	    {408, ERR_UNAVAILABLE}, {410, ERR_NOT_FOUND}, {425, ERR_UNAVAILABLE},
	    {429, ERR_OVERLOADED}, {501, ERR_FAILED}, {505, ERR_FAILED}};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].status == status)
			return rows[i].code;
	if (status / 100 == 2)
		return ERR_OK;
	return status / 100 == 5 ? ERR_UNAVAILABLE : ERR_FAILED;
}

static void
test_every_status(void **state)
{
	(void)state;
	for (int status = 100; status < 600; status++)
		if (http_status_error_code(status) != expected_code(status))
			fail_msg("%d gives %s", status, error_name(http_status_error_code(status)));
}

static void
test_retry_after(void **state)
{
	static const struct {
		const char *headers;
		int64_t ms;
	} rows[] = {{"", 0}, {"retry-after: 7\n", 7000}, {"retry-after:\n", 0}, {"retry-after: soon\n", 0},
	    {"retry-after: 1.5\n", 1000}, {"retry-after: 99999999999999999999\n", 86400000},
	    {"retry-after: Sun, 06 Nov 1994 08:49:47 GMT\n", 10000},
	    {"retry-after: Sun, 06 Nov 1994 08:49:27 GMT\n", 0}, {"retry-after: -5\n", 0}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_response r;
		int64_t ms;

		http_response_init(&r);
		buffer_append_text(&r.headers, rows[i].headers);
		ms = http_retry_after_ms(&r, 784111777000);
		if (ms != rows[i].ms)
			fail_msg("%s gives %lld", rows[i].headers, (long long)ms);
		http_response_release(&r);
	}
}

static void
test_urls_and_hosts(void **state)
{
	static const struct {
		const char *url, *shown;
	} urls[] = {{"https://a.example/b/c?token=1#x", "https://a.example/b/c"},
	    {"https://me:pw@a.example/b@c", "https://a.example/b@c"}, {"a.example?x", "a.example"},
	    {"https://a.example", "https://a.example"}, {"https://a?x=me@b", "https://a"}};
	static const struct {
		const char *host;
		bool loopback;
	} hosts[] = {{"localhost", true}, {"LOCALHOST", true}, {"127.0.0.1", true}, {"127.9.9.9", true},
	    {"::1", true}, {"[::1]", true}, {"128.0.0.1", false}, {"localhost.example", false},
	    {"127.0.0.1.example", false}, {"::2", false}, {"", false}, {"[", false}};

	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++) {
		char shown[100];

		assert_string_equal(http_url_for_people(shown, sizeof(shown), urls[i].url),
		    urls[i].shown);
	}
	for (size_t i = 0; i < COUNT(hosts); i++)
		if (http_host_is_loopback(hosts[i].host) != hosts[i].loopback)
			fail_msg("%s", hosts[i].host);
}

static void
test_forms(void **state)
{
	static const struct {
		const char *form, *name, *value; /* NULL: absent */
	} rows[] = {{"a=1&b=two+words%21", "b", "two words!"}, {"a=1", "b", NULL}, {"", "a", NULL},
	    {"a", "a", ""}, {"a=&b=2", "a", ""}, {"x%20y=1", "x y", "1"}, {"a=%zz", "a", NULL},
	    {"aa=1&a=2", "a", "2"}, {"a=b=c", "a", "b=c"}};
	struct buffer form = BUFFER_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buffer out = BUFFER_INIT;
		bool found = http_form_value(text_of(rows[i].form), rows[i].name, &out);

		if (found != (rows[i].value != NULL) ||
		    (found && strcmp(buffer_text(&out), rows[i].value) != 0))
			fail_msg("%s of \"%s\"", rows[i].name, rows[i].form);
		buffer_release(&out);
	}
	http_form_add(&form, "grant_type", text_of("a:b"));
	http_form_add(&form, "secret", text_of("+/=& "));
	assert_string_equal(buffer_text(&form), "grant_type=a%3Ab&secret=%2B%2F%3D%26%20");
	buffer_release(&form);
}

static struct buffer traced;

static void
keep_trace(void *context, enum log_level level, const char *area, const char *message)
{
	(void)context;
	(void)level;
	(void)area;
	buffer_append_format(&traced, "%s\n", message);
}

static void
test_trace_hides_secrets(void **state)
{
	struct http_client *c = new_client(0);
	struct http_header cookie = {"Cookie", "sid=c00kie"};
	struct secret token = SECRET_INIT;
	struct http_response r;
	struct error e = ERROR_INIT;
	char url[200];
	struct http_request q = {.method = "POST", .url = url_of(url, sizeof(url), "/echo"),
	    .bearer = &token, .headers = &cookie, .header_count = 1, .body = text_of("password=b0dy"),
	    .is_secret = true};

	(void)state;
	http_response_init(&r);
	secret_set(&token, text_of("t0ken"));
	log_set_writer(keep_trace, NULL);
	log_set_level(LOG_TRACE);
	assert_int_equal(http_perform(c, &q, &r, &e), 0);
	q.bearer = NULL;
	q.basic_user = "id";
	q.basic_password = &token;
	assert_int_equal(http_perform(c, &q, &r, &e), 0);
	log_set_level(LOG_INFO);
	log_set_writer(NULL, NULL);
	assert_non_null(strstr(buffer_text(&traced), "POST https://localhost"));
	assert_non_null(strstr(buffer_text(&traced), "200 OK"));
	assert_null(strstr(buffer_text(&traced), "t0ken"));
	assert_null(strstr(buffer_text(&traced), "b0dy"));
	assert_null(strstr(buffer_text(&traced), "c00kie"));
	assert_null(strstr(buffer_text(&traced), "aWQ6dDBrZW4"));
	buffer_release(&traced);
	secret_release(&token);
	http_response_release(&r);
	http_client_free(c);
}

static void
test_server_errors(void **state)
{
	struct error e = ERROR_INIT;
	struct http_server_options taken = {.port = http_server_port(server)};
	struct http_server_options nowhere = {.address = "localhost"};
	struct http_server_options bad = {.certificate_pem = "x", .key_pem = "y"};
	struct http_server_options six = {.address = "::1"};
	struct http_server *s;

	(void)state;
	assert_null(http_server_new(&taken, handle, NULL, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.text, "in use"));
	assert_null(http_server_new(&nowhere, handle, NULL, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_null(http_server_new(&bad, handle, NULL, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	s = http_server_new(&six, handle, NULL, &e);
	if (s != NULL) /* a machine may have no IPv6 */
		assert_true(http_server_port(s) > 0);
	http_server_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_echo),
	    cmocka_unit_test(test_failures),
	    cmocka_unit_test(test_header_injection),
	    cmocka_unit_test(test_redirect_not_followed),
	    cmocka_unit_test(test_request_too_large),
	    cmocka_unit_test(test_interrupt),
	    cmocka_unit_test(test_every_status),
	    cmocka_unit_test(test_retry_after),
	    cmocka_unit_test(test_urls_and_hosts),
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_trace_hides_secrets),
	    cmocka_unit_test(test_server_errors),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

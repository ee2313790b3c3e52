/* rpc/: addresses, and the proxies between; a call through a real CONNECT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "grpc_peer.h"
#include "rpc/channel.h"
#include "rpc/loop.h"
#include "rpc/native.h"
#include "unary.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_targets(void **state)
{
	static const struct {
		const char *text, *host;
		int port;
		bool plaintext, loopback;
	} rows[] = {
	    {"api.pubsub.salesforce.com:7443", "api.pubsub.salesforce.com", 7443, false, false},
	    {"https://1234.zerobus.eu-west-1.cloud.databricks.com",
		"1234.zerobus.eu-west-1.cloud.databricks.com", 443, false, false},
	    {"https://h:1/", "h", 1, false, false},
	    {"http://localhost:50051", "localhost", 50051, true, true},
	    {"http://127.1.2.3", "127.1.2.3", 80, true, true},
	    {"[::1]:443", "::1", 443, false, true},
	    {"[2001:db8::1]", "2001:db8::1", 443, false, false},
	    {"", NULL, 0, false, false},
	    {"https://", NULL, 0, false, false},
	    {"h:0", NULL, 0, false, false},
	    {"h:65536", NULL, 0, false, false},
	    {"h:", NULL, 0, false, false},
	    {"h:1x", NULL, 0, false, false},
	    {"user@h:1", NULL, 0, false, false},
	    {"h/path", NULL, 0, false, false},
	    {"ftp://h", NULL, 0, false, false},
	    {"[::1", NULL, 0, false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct target t;
		struct error e = ERROR_INIT;
		int rc = target_parse(&t, rows[i].text, &e);

		if ((rc == 0) != (rows[i].host != NULL))
			fail_msg("'%s': %s", rows[i].text, rc == 0 ? "taken" : e.text);
		if (rc != 0) {
			assert_int_equal(e.code, ERR_USAGE);
			continue;
		}
		assert_string_equal(t.host, rows[i].host);
		assert_int_equal(t.port, rows[i].port);
		assert_int_equal(t.plaintext, rows[i].plaintext);
		assert_int_equal(target_is_loopback(&t), rows[i].loopback);
	}
}

static const char *const *proxy_environment;

static const char *
find_in_environment(const char *name)
{
	for (const char *const *v = proxy_environment; *v != NULL; v++) {
		size_t len = strlen(name);

		if (strncmp(*v, name, len) == 0 && (*v)[len] == '=')
			return *v + len + 1;
	}
	return NULL;
}

static void
test_proxies(void **state)
{
	static const struct {
		const char *target, *environment[5], *proxy; /* NULL: direct; "!": refused */
	} rows[] = {
	    {"h.example.com:443", {NULL}, NULL},
	    {"h.example.com:443", {"https_proxy=http://p:1"}, "p:1"},
	    {"h.example.com:443", {"https_proxy=http://p:1", "grpc_proxy=http://g:2"}, "g:2"},
	    {"h.example.com:443", {"http_proxy=http://p:1", "https_proxy="}, "p:1"},
	    {"h.example.com:443", {"HTTPS_PROXY=http://up:1", "http_proxy=http://p:1"}, "up:1"},
	    {"h.example.com:443", {"GRPC_PROXY=http://up:1", "https_proxy=http://p:1"}, "up:1"},
	    {"h.example.com:443", {"https_proxy=p:3128"}, "p:3128"},
	    {"h.example.com:443", {"https_proxy=http://u:pw@p:3128/"}, "p:3128 Basic dTpwdw=="},
	    {"h.example.com:443", {"https_proxy=http://u%40x:p%3aw%25@p:3128"},
		"p:3128 Basic dUB4OnA6dyU="},
	    {"h.example.com:443", {"https_proxy=http://p"}, "p:1080"},
	    {"h.example.com:443", {"https_proxy=http://[fd00::1]:3128"}, "[fd00::1]:3128"},
	    {"h.example.com:443", {"https_proxy=http://p:99999"}, "!"},
	    {"h.example.com:443", {"https_proxy=http://u%4:pw@p:1"}, "!"},
	    {"h.example.com:443", {"https_proxy=socks5://p:1"}, "!"},
	    {"h.example.com:443", {"https_proxy=https://p:1"}, "!"},
	    {"h.example.com:443", {"https_proxy=socks5://p:1", "no_proxy=example.com"}, NULL},
	    {"h.example.com:443", {"https_proxy=http://p:1", "no_proxy=example.com"}, NULL},
	    {"h.example.com:443", {"https_proxy=http://p:1", "no_proxy=.example.com"}, NULL},
	    {"h.example.com:443", {"https_proxy=http://p:1", "NO_PROXY=other, EXAMPLE.com "}, NULL},
	    {"h.example.com:443", {"https_proxy=http://p:1", "no_proxy=h.example.com"}, NULL},
	    {"h.example.com:443", {"https_proxy=http://p:1", "no_proxy=x.h.example.com,ple.com,"},
		"p:1"},
	    {"h.example.com:443", {"https_proxy=http://p:1", "no_proxy=*"}, NULL},
	    {"h.example.com:443", {"https_proxy=http://p:1", "no_proxy=h.example.com:443"}, NULL},
	    {"h.example.com:443", {"https_proxy=http://p:1", "no_proxy=h.example.com:80"}, "p:1"},
	    {"h.example.com:443", {"https_proxy=http://p:1", "no_proxy=*", "no_grpc_proxy=other"},
		"p:1"},
	    {"h.example.com:443",
		{"https_proxy=http://p:1", "no_proxy=x", "no_grpc_proxy=example.com"}, NULL},
	    {"10.1.2.3:443", {"https_proxy=http://p:1", "no_proxy=10.0.0.0/8"}, NULL},
	    {"11.1.2.3:443", {"https_proxy=http://p:1", "no_proxy=10.0.0.0/8"}, "p:1"},
	    {"10.1.2.3:443", {"https_proxy=http://p:1", "no_proxy=10.1.2.2/31"}, NULL},
	    {"10.1.2.4:443", {"https_proxy=http://p:1", "no_proxy=10.1.2.2/31"}, "p:1"},
	    {"[fd00::1]:443", {"https_proxy=http://p:1", "no_proxy=fd00::/8"}, NULL},
	    {"[fd00::1]:443", {"https_proxy=http://p:1", "no_proxy=[fd00::1]"}, NULL},
	    {"h:443", {"https_proxy=http://p:1", "no_proxy=0.0.0.0/0"}, "p:1"},
	    {"localhost:443", {"https_proxy=http://p:1"}, NULL},
	    {"127.0.0.1:443", {"http_proxy=http://p:1"}, NULL},
	    {"localhost:443", {"grpc_proxy=http://p:1"}, "p:1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct target t;
		struct error e = ERROR_INIT;
		struct proxy proxy = {.authorization = SECRET_INIT};
		char got[400] = "direct";
		int rc;

		assert_int_equal(target_parse(&t, rows[i].target, &e), 0);
		proxy_environment = rows[i].environment;
		rc = target_proxy(&t, find_in_environment, &proxy, &e);
		if (rc < 0)
			strcpy(got, "!");
		if (rc > 0)
			snprintf(got, sizeof(got), "%s%s%s", proxy.address,
			    secret_is_set(&proxy.authorization) ? " " : "",
			    secret_reveal(&proxy.authorization));
		if (strcmp(got, rows[i].proxy != NULL ? rows[i].proxy : "direct") != 0)
			fail_msg("row %zu, %s: %s", i, rows[i].environment[0], got);
		if (rc < 0 && (e.code != ERR_CONFIG || strstr(e.text, "pw") != NULL))
			fail_msg("row %zu: %s", i, e.text);
		secret_release(&proxy.authorization);
	}
}

/* A proxy of one connection: keeps what CONNECT asked, then passes bytes. */
struct connect_proxy {
	int listener, port, status;
	char asked[1024];
	pthread_t thread;
};

static int
loopback_socket(int port, bool listening, int *bound)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!listening) {
		if (connect(fd, (struct sockaddr *)&a, len) != 0)
			return -1;
		return fd;
	}
	bind(fd, (struct sockaddr *)&a, len);
	listen(fd, 1);
	getsockname(fd, (struct sockaddr *)&a, &len);
	*bound = ntohs(a.sin_port);
	return fd;
}

static void
pass_bytes(int a, int b)
{
	struct pollfd fds[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
	char bytes[4096];

	while (poll(fds, 2, 10000) > 0)
		for (int i = 0; i < 2; i++)
			if (fds[i].revents != 0) {
				ssize_t n = read(fds[i].fd, bytes, sizeof(bytes));

				if (n <= 0 || write(fds[1 - i].fd, bytes, (size_t)n) != n)
					return;
			}
}

static void *
run_proxy(void *context)
{
	struct connect_proxy *p = context;
	char answer[64];
	size_t len = 0;
	int fd = accept(p->listener, NULL, NULL), to = -1;
	const char *port;

	while (len < sizeof(p->asked) - 1 && strstr(p->asked, "\r\n\r\n") == NULL) {
		ssize_t n = read(fd, p->asked + len, sizeof(p->asked) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	snprintf(answer, sizeof(answer), "HTTP/1.1 %d x\r\n\r\n", p->status);
	if (write(fd, answer, strlen(answer)) > 0 && p->status == 200 &&
	    (port = strchr(p->asked, ':')) != NULL &&
	    (to = loopback_socket(atoi(port + 1), false, NULL)) >= 0)
		pass_bytes(fd, to);
	if (to >= 0)
		close(to);
	close(fd);
	close(p->listener);
	return NULL;
}

static void
echo(struct peer_call *c, void *context)
{
	struct buffer b = BUFFER_INIT;

	(void)context;
	if (peer_read(c, &b))
		peer_write(c, b.data, b.len);
	buffer_release(&b);
}

struct answer {
	bool done;
	int code;
	struct error error;
};

static void
answered(void *context, const struct call_status *s, struct text response)
{
	struct answer *a = context;

	(void)response;
	a->code = s->code;
	call_status_error(s, "Test", &a->error);
	a->done = true;
}

static void
test_connect(void **state)
{
	static const struct {
		const char *name;
		int status, code;
		const char *part; /* of the error */
	} rows[] = {{"through", 200, 0, ""},
	    {"wants a password", 407, 14, "the proxy wants a user and a password"},
	    {"refuses", 403, 14, "the proxy refused to connect"},
	    {"is not there", 0, 14, "through the proxy 127.0.0.1:"}};
	struct peer peer;
	struct loop *l;

	(void)state;
	peer_start(&peer, 0, NULL, NULL, echo, NULL);
	l = loop_new(&clock_system);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct connect_proxy p = {.status = rows[i].status};
		struct answer a = {.done = false};
		struct error e = ERROR_INIT;
		struct buffer b = BUFFER_INIT;
		char uri[64], target[64], line[80];
		struct channel_options o = {.target = target};
		struct channel *c;

		p.listener = loopback_socket(0, true, &p.port);
		snprintf(uri, sizeof(uri), "http://user:p%%40ss@127.0.0.1:%d", p.port);
		snprintf(target, sizeof(target), "http://127.0.0.1:%d", peer.port);
		if (p.status == 0)
			close(p.listener);
		else
			pthread_create(&p.thread, NULL, run_proxy, &p);
		setenv("grpc_proxy", uri, 1);
		c = channel_new(l, &o, &e);
		unsetenv("grpc_proxy");
		assert_non_null(c);
		buffer_append_text(&b, "x");
		call_unary(c, "/t/Echo", NULL, 0, 60000, &b, answered, &a);
		while (!a.done)
			loop_step(l, 1000);
		channel_free(c);
		buffer_release(&b);
		if (a.code != rows[i].code || strstr(a.error.text, rows[i].part) == NULL ||
		    (a.code != 0 && strstr(a.error.hint, "proxy") == NULL))
			fail_msg(
			    "%s: %d %s (%s)", rows[i].name, a.code, a.error.text, a.error.hint);
		if (p.status == 0)
			continue;
		pthread_join(p.thread, NULL);
		snprintf(line, sizeof(line), "CONNECT 127.0.0.1:%d HTTP/1.", peer.port);
		if (strstr(p.asked, line) == NULL ||
		    strstr(p.asked, "Proxy-Authorization: Basic dXNlcjpwQHNz\r\n") == NULL)
			fail_msg("%s: the proxy was asked: %s", rows[i].name, p.asked);
	}
	loop_free(l);
	peer_stop(&peer);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_targets),
	    cmocka_unit_test(test_proxies),
	    cmocka_unit_test(test_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

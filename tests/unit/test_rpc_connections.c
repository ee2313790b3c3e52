/* rpc/: connections that fail and come back, and what a person reads of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc_fixture.h"
#include "scratch.h"

static char folder[] = "/tmp/sfzb-test-rpc-XXXXXX";

static char *
read_file(const char *name)
{
	char path[128], *s;
	FILE *file;
	long size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "r");
	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	s = memory_zero(1, (size_t)size + 1);
	assert_int_equal(fread(s, 1, (size_t)size, file), size);
	fclose(file);
	return s;
}

static void
make_certificate(const char *name, const char *host)
{
	char command[1024];

	snprintf(command, sizeof(command),
	    "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
	    "-keyout %s.key -out "
	    "%s.pem -subj /CN=test -addext subjectAltName=DNS:%s 2>/dev/null",
	    folder, name, name, host);
	assert_int_equal(system(command), 0);
}

static void
test_connections(void **state)
{
	struct peer good, other;
	struct loop *l = loop_new(&clock_system);
	char *certificate, *key, *other_certificate, *other_key, good_ca[128], other_ca[128];

	(void)state;
	assert_non_null(mkdtemp(folder));
	make_certificate("good", "localhost");
	make_certificate("other", "elsewhere.example");
	certificate = read_file("good.pem");
	key = read_file("good.key");
	other_certificate = read_file("other.pem");
	other_key = read_file("other.key");
	snprintf(good_ca, sizeof(good_ca), "%s/good.pem", folder);
	snprintf(other_ca, sizeof(other_ca), "%s/other.pem", folder);
	peer_start(&good, 0, certificate, key, serve, NULL);
	peer_start(&other, 0, other_certificate, other_key, serve, NULL);

	const struct {
		const char *name, *scheme, *ca_file, *part, *hint;
		int port, code;
		enum call_failure failure;
	} rows[] = {
	    {"TLS", "https://", good_ca, "", "", good.port, 0, CALL_FAILURE_NONE},
	    {"no scheme is TLS", "", good_ca, "", "", good.port, 0, CALL_FAILURE_NONE},
	    {"untrusted", "", other_ca, "certificate is not trusted", "--cacert", good.port, 14,
		CALL_FAILURE_CERTIFICATE},
	    {"untrusted by the system", "", NULL, "certificate is not trusted", "SSL_CERT_FILE",
		good.port, 14, CALL_FAILURE_CERTIFICATE},
	    {"wrong host", "", other_ca, "another host name", "host name", other.port, 14,
		CALL_FAILURE_HOST_NAME},
	    {"refused", "", good_ca, "connection refused", "port", 1, 14, CALL_FAILURE_CONNECT},
	    {"TLS to a plaintext port", "", good_ca, "TLS", "port", 0, 14, CALL_FAILURE_TLS},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct peer plain = {0};
		struct result r = {0};
		struct buffer b = BUFFER_INIT;
		struct channel *c;

		if (rows[i].port == 0)
			peer_start(&plain, 0, NULL, NULL, serve, NULL);
		c = connect_to(l, rows[i].port != 0 ? rows[i].port : plain.port, rows[i].scheme,
		    rows[i].ca_file, &e);
		if (c == NULL)
			fail_msg("%s: %s", rows[i].name, e.text);
		buffer_append_text(&b, "x");
		call_unary(c, "/t/Echo", NULL, 0, PATIENCE_MS, &b, unary_done, &r);
		wait_for(l, &r.done);
		if (r.code != rows[i].code || r.failure != rows[i].failure ||
		    strstr(r.error.text, rows[i].part) == NULL ||
		    strstr(r.error.hint, rows[i].hint) == NULL)
			fail_msg("%s: status %d, failure %d: %s (%s)\n%s", rows[i].name, r.code,
			    (int)r.failure, r.error.text, r.error.hint, r.message);
		if (r.code != 0)
			print_message("    %s\n", r.error.text);
		buffer_release(&r.response);
		buffer_release(&b);
		channel_free(c);
		if (rows[i].port == 0)
			peer_stop(&plain);
	}
	peer_stop(&good);
	peer_stop(&other);
	loop_free(l);
	free(certificate);
	free(key);
	free(other_certificate);
	free(other_key);
	assert_int_equal(scratch_remove(folder), 0);
}

/* A call that failed to connect does not hold back the next one. */
static void
test_reconnect(void **state)
{
	struct fixture *f = *state;
	struct result r;
	int port = f->peer.port;

	unary(f, "/t/Echo", NULL, 0, "a", 0, &r);
	assert_int_equal(r.code, 0);
	buffer_release(&r.response);
	peer_stop(&f->peer);
	for (int i = 0; i < 3; i++) {
		unary(f, "/t/Echo", NULL, 0, "b", PATIENCE_MS, &r);
		assert_int_equal(r.code, 14);
	}
	peer_start(&f->peer, port, NULL, NULL, serve, NULL);
	assert_int_equal(f->peer.port, port);
	unary(f, "/t/Echo", NULL, 0, "c", PATIENCE_MS, &r);
	assert_int_equal(r.code, 0);
	buffer_release(&r.response);
}

static void
test_options(void **state)
{
	static const struct {
		const char *name;
		struct channel_options o;
		enum error_code code;
	} rows[] = {
	    {"malformed", {.target = "a b"}, ERR_USAGE},
	    {"plaintext to the world", {.target = "http://example.com:80"}, ERR_USAGE},
	    {"plaintext to the world, by option", {.target = "example.com:80", .plaintext = true},
		ERR_USAGE},
	    {"no such CA file", {.target = "h:1", .ca_file = "/nonexistent"}, ERR_CONFIG},
	    {"no CA in the file", {.target = "h:1", .ca_file = "/etc/hostname"}, ERR_CONFIG},
	};
	struct loop *l = loop_new(&clock_system);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error e = ERROR_INIT;
		struct channel *c = channel_new(l, &rows[i].o, &e);

		if (c != NULL || e.code != rows[i].code)
			fail_msg("%s: %s", rows[i].name, c != NULL ? "taken" : e.text);
	}
	loop_free(l);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_connections),
	    cmocka_unit_test_setup_teardown(test_reconnect, setup, teardown),
	};

	loop_signals_block();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

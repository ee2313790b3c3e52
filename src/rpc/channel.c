#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/grpc_security.h>

#include "base/memory.h"
#include "base/version.h"
#include "rpc/call.h"
#include "rpc/native.h"

/* Where the distributions keep the authorities they trust, in one file. */
static const char *const root_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",		 /* Debian, Ubuntu, Arch, Gentoo, Alpine */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
    "/etc/pki/tls/certs/ca-bundle.crt",			 /* older RHEL */
    "/etc/ssl/ca-bundle.pem",				 /* openSUSE */
    "/etc/pki/tls/cacert.pem",				 /* OpenELEC */
    "/etc/ssl/cert.pem",				 /* Alpine, the BSDs */
};

static int
read_roots(const char *path, struct buffer *out, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -1;
	ssize_t n;

	if (fd < 0)
		return error_set_errno(e, ERR_CONFIG, errno, "cannot read the CA file '%s'", path);
	buffer_clear(out);
	for (;;) {
		buffer_reserve(out, 65536);
		n = read(fd, out->data + out->len, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			error_set_errno(e, ERR_CONFIG, errno, "cannot read the CA file '%s'", path);
			goto out;
		}
		if (n == 0)
			break;
		out->len += (size_t)n;
		if (out->len > LIMIT_CA_FILE_BYTES) {
			error_set(e, ERR_CONFIG, "the CA file '%s' is larger than %d bytes", path,
			    LIMIT_CA_FILE_BYTES);
			goto out;
		}
	}
	if (strstr(buffer_text(out), "-----BEGIN") == NULL) {
		error_set(e, ERR_CONFIG, "the CA file '%s' holds no certificate in PEM form", path);
		goto out;
	}
	rc = 0;
out:
	close(fd);
	return rc;
}

/* Leaves out empty when the system keeps its roots where nobody looks: gRPC's own search is the
 * last resort. */
static int
find_roots(const char *ca_file, struct buffer *out, struct error *e)
{
	const char *path = ca_file;

	if (path == NULL)
		path = getenv("SSL_CERT_FILE");
	if (path != NULL && *path != '\0')
		return read_roots(path, out, e);
	for (size_t i = 0; i < sizeof(root_files) / sizeof(root_files[0]); i++)
		if (access(root_files[i], R_OK) == 0 && read_roots(root_files[i], out, NULL) == 0)
			return 0;
	buffer_clear(out);
	return 0;
}

static const char *
environment(const char *name)
{
	return getenv(name);
}

static int
make_credentials(
    struct channel *c, const struct channel_options *o, const struct target *t, struct error *e)
{
	struct buffer roots = BUFFER_INIT;

	if (o->plaintext || t->plaintext) {
		if (!target_is_loopback(t))
			return error_set(e, ERR_USAGE,
			    "will not talk to '%s' without TLS: plaintext is for loopback only",
			    o->target);
		c->credentials = grpc_insecure_credentials_create();
		return 0;
	}
	if (find_roots(o->ca_file, &roots, e) != 0) {
		buffer_release(&roots);
		return -1;
	}
	c->credentials = grpc_ssl_credentials_create(
	    roots.len > 0 ? buffer_text(&roots) : NULL, NULL, NULL, NULL);
	buffer_release(&roots);
	return 0;
}

static grpc_arg
integer_arg(const char *key, int value)
{
	return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value};
}

static grpc_arg
string_arg(const char *key, const char *value)
{
	return (grpc_arg){
	    .type = GRPC_ARG_STRING, .key = (char *)key, .value.string = (char *)value};
}

void
channel_connect(struct channel *c)
{
	grpc_arg args[20];
	char *header = NULL;
	size_t n = 0;

	if (secret_is_set(&c->proxy.authorization))
		header =
		    memory_format("Proxy-Authorization:%s", secret_reveal(&c->proxy.authorization));
	if (c->native != NULL)
		grpc_channel_destroy(c->native);
	args[n++] = string_arg(GRPC_ARG_PRIMARY_USER_AGENT_STRING, c->user_agent);
	args[n++] = integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, LIMIT_GRPC_RECEIVE_BYTES);
	args[n++] = integer_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
	/* error trailers carry details of schemas; the default of 8 kB would turn them into another
	 * error */
	args[n++] = integer_arg(GRPC_ARG_MAX_METADATA_SIZE, LIMIT_GRPC_METADATA_BYTES);
	if (c->keepalive_ms > 0) {
		args[n++] = integer_arg(GRPC_ARG_KEEPALIVE_TIME_MS, c->keepalive_ms);
		args[n++] = integer_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20000);
		args[n++] = integer_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
		/* without this, pings cease after two on a stream that sends nothing */
		args[n++] = integer_arg(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
	}
	args[n++] = integer_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 1000);
	args[n++] = integer_arg(
	    GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20000); /* of a connect, its time limit */
	args[n++] = integer_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 60000);
	/* the owners of calls retry, with their own back-off and their own idea of what may be sent
	 * twice */
	args[n++] = integer_arg(GRPC_ARG_ENABLE_RETRIES, 0);
	args[n++] = integer_arg(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
	/* connections are the channel's own: freeing it closes them, and no other back-off is
	 * inherited */
	args[n++] = integer_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
	/* gRPC's own reading of the proxy variables is switched off: see target_proxy */
	args[n++] = integer_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
	if (c->proxied) {
		args[n++] = string_arg("grpc.http_connect_server", c->target);
		args[n++] = string_arg(GRPC_ARG_DEFAULT_AUTHORITY, c->target);
		if (secret_is_set(&c->proxy.authorization))
			args[n++] = string_arg("grpc.http_connect_headers", header);
	}
	grpc_channel_args list = {.num_args = n, .args = args};
	c->native = grpc_channel_create(c->uri, c->credentials, &list);
	c->distrusted = false;
	if (header != NULL)
		secret_wipe(header, strlen(header));
	free(header);
}

struct channel *
channel_new(struct loop *l, const struct channel_options *o, struct error *e)
{
	struct channel *c = NULL;
	struct target t;
	struct proxy proxy = {.authorization = SECRET_INIT};
	int proxied;

	if (target_parse(&t, o->target, e) != 0)
		return NULL;
	proxied = target_proxy(&t, environment, &proxy, e);
	if (proxied < 0)
		goto out;
	c = memory_zero(1, sizeof(*c));
	c->loop = l;
	if (make_credentials(c, o, &t, e) != 0) {
		free(c);
		c = NULL;
		goto out;
	}
	c->target = memory_format(t.is_ipv6 ? "[%s]:%u" : "%s:%u", t.host, t.port);
	c->proxied = proxied > 0;
	if (c->proxied) {
		memcpy(c->proxy.address, proxy.address, sizeof(proxy.address));
		secret_move(&c->proxy.authorization, &proxy.authorization);
	}
	c->uri = memory_format("dns:///%s", c->proxied ? c->proxy.address : c->target);
	c->user_agent = memory_strdup(o->user_agent != NULL ? o->user_agent : SFZB_USER_AGENT);
	c->keepalive_ms = o->keepalive_ms == 0 ? 60000 : (int)o->keepalive_ms;
	channel_connect(c);
out:
	secret_release(&proxy.authorization);
	return c;
}

void
channel_free(struct channel *c)
{
	if (c == NULL)
		return;
	grpc_channel_destroy(c->native);
	grpc_channel_credentials_release(c->credentials);
	free(c->target);
	free(c->uri);
	free(c->user_agent);
	secret_release(&c->proxy.authorization);
	free(c);
}

void
channel_distrust(struct channel *c)
{
	c->distrusted = true;
}

const char *
channel_target(const struct channel *c)
{
	return c->target;
}

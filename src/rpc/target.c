/* Where a channel connects to, and through which proxy. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "base/encode.h"
#include "rpc/native.h"

static int
malformed(const char *s, struct error *e)
{
	error_set(e, ERR_USAGE, "'%.200s' is not an address of the form host:port", s);
	return -1;
}

static int
parse_port(struct target *t, const char *s, size_t len)
{
	unsigned long port = 0;

	if (len == 0 || len > 5)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		port = port * 10 + (unsigned long)(s[i] - '0');
	}
	if (port == 0 || port > 65535)
		return -1;
	t->port = (uint16_t)port;
	return 0;
}

int
target_parse(struct target *t, const char *s, struct error *e)
{
	const char *at = s, *host_end, *end;

	memset(t, 0, sizeof(*t));
	t->port = 443;
	if (strncasecmp(at, "https://", 8) == 0) {
		at += 8;
	} else if (strncasecmp(at, "http://", 7) == 0) {
		at += 7;
		t->plaintext = true;
		t->port = 80;
	}
	end = at + strlen(at);
	if (end > at && end[-1] == '/')
		end--;
	if (at < end && *at == '[') {
		at++;
		host_end = memchr(at, ']', (size_t)(end - at));
		if (host_end == NULL)
			return malformed(s, e);
		t->is_ipv6 = true;
	} else {
		host_end = memchr(at, ':', (size_t)(end - at));
		if (host_end == NULL)
			host_end = end;
	}
	if (host_end == at || (size_t)(host_end - at) >= sizeof(t->host))
		return malformed(s, e);
	memcpy(t->host, at, (size_t)(host_end - at));
	for (const char *c = t->host; *c != '\0'; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			(*c >= '0' && *c <= '9') || *c == '-' || *c == '.' || *c == '_' ||
			(t->is_ipv6 && (*c == ':' || *c == '%'))))
			return malformed(s, e);
	if (t->is_ipv6)
		host_end++;
	if (host_end == end)
		return 0;
	t->has_port = true;
	if (*host_end != ':' || parse_port(t, host_end + 1, (size_t)(end - host_end - 1)) != 0)
		return malformed(s, e);
	return 0;
}

bool
target_is_loopback(const struct target *t)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (strcasecmp(t->host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, t->host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, t->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* "10.0.0.0/8" or "fd00::/8" against an address; names never match. */
static bool
in_network(const char *host, const char *network, size_t len)
{
	char text[64];
	uint8_t address[16], prefix[16];
	char *slash;
	unsigned bits = 0;
	int family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;

	if (len >= sizeof(text))
		return false;
	memcpy(text, network, len);
	text[len] = '\0';
	slash = strchr(text, '/');
	if (slash == NULL || slash[1] == '\0' || strlen(slash + 1) > 3)
		return false;
	*slash = '\0';
	for (const char *c = slash + 1; *c != '\0'; c++) {
		if (*c < '0' || *c > '9')
			return false;
		bits = bits * 10 + (unsigned)(*c - '0');
	}
	if (bits > (family == AF_INET ? 32u : 128u) || inet_pton(family, host, address) != 1 ||
	    inet_pton(family, text, prefix) != 1)
		return false;
	for (unsigned i = 0; i < bits; i++)
		if (((address[i / 8] ^ prefix[i / 8]) >> (7 - i % 8)) & 1)
			return false;
	return true;
}

static bool
bypassed_by(const struct target *t, const char *entry, size_t len)
{
	const char *colon;
	size_t host_len = strlen(t->host);
	char port[8];

	while (len > 0 && (*entry == ' ' || *entry == '\t'))
		entry++, len--;
	while (len > 0 && (entry[len - 1] == ' ' || entry[len - 1] == '\t'))
		len--;
	if (len == 1 && *entry == '*')
		return true;
	if (memchr(entry, '/', len) != NULL)
		return in_network(t->host, entry, len);
	if (len > 1 && *entry == '[' && entry[len - 1] == ']')
		entry++, len -= 2;
	/* "host:port" names one port only; an IPv6 address has more than one colon */
	colon = memchr(entry, ':', len);
	if (colon != NULL && memchr(colon + 1, ':', len - (size_t)(colon + 1 - entry)) == NULL) {
		size_t n = (size_t)(entry + len - colon - 1);

		snprintf(port, sizeof(port), "%u", t->port);
		if (n != strlen(port) || memcmp(colon + 1, port, n) != 0)
			return false;
		len = (size_t)(colon - entry);
	}
	if (len > 0 && *entry == '.')
		entry++, len--;
	if (len == 0 || len > host_len || strncasecmp(t->host + host_len - len, entry, len) != 0)
		return false;
	return len == host_len || t->host[host_len - len - 1] == '.';
}

static bool
bypassed(const struct target *t, const char *list)
{
	for (;;) {
		size_t len = strcspn(list, ",");

		if (bypassed_by(t, list, len))
			return true;
		if (list[len] == '\0')
			return false;
		list += len + 1;
	}
}

/* Both cases of a name, the lower first; empty counts as unset. */
static const char *
find_both(target_environment *find, const char *lower)
{
	char upper[32];
	const char *v = find(lower);
	size_t i;

	if (v != NULL && *v != '\0')
		return v;
	for (i = 0; lower[i] != '\0' && i < sizeof(upper) - 1; i++)
		upper[i] =
		    lower[i] >= 'a' && lower[i] <= 'z' ? (char)(lower[i] - 'a' + 'A') : lower[i];
	upper[i] = '\0';
	v = find(upper);
	return v != NULL && *v != '\0' ? v : NULL;
}

/* "user:password", percent-encoded, as the value of Proxy-Authorization. */
static int
make_authorization(const char *user, size_t len, struct secret *out)
{
	struct buffer plain = BUFFER_INIT, value = BUFFER_INIT;
	int rc = encode_unpercent(text_span(user, len), &plain);

	if (rc == 0) {
		buffer_append_text(&value, "Basic ");
		buffer_append_base64(&value, plain.data, plain.len);
		secret_set(out, buffer_span(&value));
	}
	secret_wipe(plain.data, plain.len);
	secret_wipe(value.data, value.len);
	buffer_release(&plain);
	buffer_release(&value);
	return rc;
}

/* "[http://][user:password@]host[:port][/]" */
static int
parse_proxy(const char *uri, struct proxy *out)
{
	struct target at;
	const char *from = uri, *user_end;

	if (strncasecmp(from, "http://", 7) == 0)
		from += 7;
	user_end = strrchr(from, '@');
	if (user_end != NULL &&
	    make_authorization(from, (size_t)(user_end - from), &out->authorization) != 0)
		return -1;
	if (target_parse(&at, user_end != NULL ? user_end + 1 : from, NULL) != 0)
		return -1;
	snprintf(out->address, sizeof(out->address), at.is_ipv6 ? "[%s]:%u" : "%s:%u", at.host,
	    at.has_port ? at.port : 1080);
	return 0;
}

int
target_proxy(const struct target *t, target_environment *find, struct proxy *out, struct error *e)
{
	static const char *const names[] = {"grpc_proxy", "https_proxy", "http_proxy"};
	const char *name = NULL, *uri = NULL, *list;

	for (size_t i = 0; uri == NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		name = names[i];
		uri = find_both(find, name);
	}
	if (uri == NULL || (target_is_loopback(t) && strcmp(name, "grpc_proxy") != 0))
		return 0;
	list = find_both(find, "no_grpc_proxy");
	if (list == NULL)
		list = find_both(find, "no_proxy");
	if (list != NULL && bypassed(t, list))
		return 0;
	if (strstr(uri, "://") != NULL && strncasecmp(uri, "http://", 7) != 0) {
		error_set(e, ERR_CONFIG,
		    "cannot use the proxy in %s: only http:// proxies carry gRPC", name);
		return error_hint(
		    e, "set grpc_proxy to an http:// proxy, or no_grpc_proxy to '%s'", t->host);
	}
	if (parse_proxy(uri, out) != 0) {
		/* not shown: it may hold a password */
		error_set(e, ERR_CONFIG,
		    "cannot use the proxy in %s: it is not of the form http://host:port", name);
		return error_hint(e, "user and password before the host are percent-encoded");
	}
	return 1;
}

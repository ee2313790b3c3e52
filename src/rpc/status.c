/* What a gRPC status means, and its message in words for people. */
#include <stdio.h>
#include <string.h>

#include "rpc/channel.h"

static const struct {
	const char *name;
	enum error_code code;
} statuses[] = {
    [0] = {"OK", ERR_OK},
    /* whoever cancels by himself knows it; the server's or a proxy's cancel is an outage */
    [1] = {"CANCELLED", ERR_UNAVAILABLE},
    [2] = {"UNKNOWN", ERR_UNAVAILABLE},
    [3] = {"INVALID_ARGUMENT", ERR_FAILED},
    [4] = {"DEADLINE_EXCEEDED", ERR_UNAVAILABLE},
    [5] = {"NOT_FOUND", ERR_NOT_FOUND},
    [6] = {"ALREADY_EXISTS", ERR_FAILED},
    [7] = {"PERMISSION_DENIED", ERR_PERMISSION},
    [8] = {"RESOURCE_EXHAUSTED", ERR_OVERLOADED},
    [9] = {"FAILED_PRECONDITION", ERR_FAILED},
    [10] = {"ABORTED", ERR_UNAVAILABLE},
    [11] = {"OUT_OF_RANGE", ERR_FAILED},
    [12] = {"UNIMPLEMENTED", ERR_FAILED},
    [13] = {"INTERNAL", ERR_UNAVAILABLE},
    [14] = {"UNAVAILABLE", ERR_UNAVAILABLE},
    [15] = {"DATA_LOSS", ERR_UNAVAILABLE},
    [16] = {"UNAUTHENTICATED", ERR_SESSION},
};
#define STATUS_COUNT (int)(sizeof(statuses) / sizeof(statuses[0]))

enum error_code
call_status_code(int grpc_status)
{
	return grpc_status >= 0 && grpc_status < STATUS_COUNT ? statuses[grpc_status].code
							      : ERR_UNAVAILABLE;
}

const char *
call_status_name(int grpc_status)
{
	return grpc_status >= 0 && grpc_status < STATUS_COUNT ? statuses[grpc_status].name
							      : "UNKNOWN";
}

/* Only a call that never left this process says so. */
#define NO_ADDRESS "failed to connect to all addresses"

/*
 * gRPC core's own texts for what goes wrong before a server answers. A server may say the same
 * words, so only its UNAVAILABLE is looked at; first match wins.
 */
static const struct {
	const char *part; /* of the message */
	enum call_failure failure;
	const char *words;
} failures[] = {
    {"certificate verify failed", CALL_FAILURE_CERTIFICATE,
	"the server's certificate is not trusted"},
    {"certificate has expired", CALL_FAILURE_CERTIFICATE, "the server's certificate has expired"},
    {"is not in peer certificate", CALL_FAILURE_HOST_NAME,
	"the server's certificate is for another host name"},
    {"HTTP proxy returned response code 407", CALL_FAILURE_PROXY,
	"the proxy wants a user and a password"},
    {"HTTP proxy returned response code", CALL_FAILURE_PROXY, "the proxy refused to connect"},
    {"DNS resolution failed", CALL_FAILURE_RESOLVE, "the host name cannot be resolved"},
    {"Connection refused", CALL_FAILURE_CONNECT, "connection refused"},
    {"Network is unreachable", CALL_FAILURE_CONNECT, "network is unreachable"},
    {"No route to host", CALL_FAILURE_CONNECT, "no route to host"},
    {"connect() timed out", CALL_FAILURE_CONNECT, "connection timed out"},
    {"Timeout occurred", CALL_FAILURE_CONNECT, "connection timed out"},
    {"Connection timed out", CALL_FAILURE_CONNECT, "connection timed out"},
    {"WRONG_VERSION_NUMBER", CALL_FAILURE_TLS, "the server does not speak TLS on this port"},
    {"wrong version number", CALL_FAILURE_TLS, "the server does not speak TLS on this port"},
    {"Cannot check peer: missing selected ALPN", CALL_FAILURE_TLS,
	"the server does not speak gRPC on this port"},
    {"andshake failed", CALL_FAILURE_TLS, "the TLS handshake failed"},
    {"Cannot allocate memory", CALL_FAILURE_MEMORY, "there is no memory left for a connection"},
    {NO_ADDRESS, CALL_FAILURE_CONNECT, NULL},
};

static size_t
failure_index(const struct call_status *s)
{
	size_t i, count = sizeof(failures) / sizeof(failures[0]);

	if (s->code != 14)
		return count;
	for (i = 0; i < count; i++)
		if (text_contains(s->message, failures[i].part) &&
		    (failures[i].failure != CALL_FAILURE_MEMORY || text_contains(s->message, NO_ADDRESS)))
			break;
	return i;
}

enum call_failure
call_status_failure(const struct call_status *s)
{
	size_t i = failure_index(s);

	return i < sizeof(failures) / sizeof(failures[0]) ? failures[i].failure : CALL_FAILURE_NONE;
}

/* Of "failed to connect to all addresses; last error: UNKNOWN: ipv4:1.2.3.4:443: Reason" the reason
 * and address. */
static struct text
last_error(struct text message)
{
	static const char mark[] = "last error: ";
	const char *at;

	if (message.len == 0 ||
	    (at = memmem(message.data, message.len, mark, sizeof(mark) - 1)) == NULL)
		return message;
	at += sizeof(mark) - 1;
	message.len -= (size_t)(at - message.data);
	message.data = at;
	if (text_starts(message, "UNKNOWN: ")) {
		message.data += 9;
		message.len -= 9;
	}
	return message;
}

const char *
call_status_reason(const struct call_status *s, char *out, size_t size)
{
	size_t i = failure_index(s);
	char detail[512];

	if (i == sizeof(failures) / sizeof(failures[0]))
		return text_clean(out, size, s->message);
	text_clean(detail, sizeof(detail), last_error(s->message));
	snprintf(out, size, "%s%s%s%s%s%s", failures[i].words != NULL ? failures[i].words : detail,
	    s->proxy != NULL ? ", through the proxy " : "", s->proxy != NULL ? s->proxy : "",
	    failures[i].words != NULL ? " (" : "", failures[i].words != NULL ? detail : "",
	    failures[i].words != NULL ? ")" : "");
	return out;
}

static void
set_hint(const struct call_status *s, struct error *e)
{
	enum call_failure failure;

	if (s->code == 8 && text_contains(s->message, "larger than max")) {
		/* our own ceiling: the same again would end the same way */
		e->code = ERR_FAILED;
		return;
	}
	failure = call_status_failure(s);
	if (s->proxy != NULL && failure == CALL_FAILURE_CONNECT)
		failure = CALL_FAILURE_PROXY;
	switch (failure) {
	case CALL_FAILURE_CERTIFICATE:
		e->retry_after_ms = -1;
		error_hint(e, "name the right authorities with --cacert FILE or SSL_CERT_FILE");
		break;
	case CALL_FAILURE_HOST_NAME:
		e->retry_after_ms = -1;
		error_hint(e, "use the host name that the certificate was made for");
		break;
	case CALL_FAILURE_PROXY:
		error_hint(e, "look at grpc_proxy, https_proxy and http_proxy; no_grpc_proxy names "
			      "hosts to reach directly");
		break;
	case CALL_FAILURE_RESOLVE:
		error_hint(e, "look at the spelling of the host, and at the network's DNS");
		break;
	case CALL_FAILURE_TLS:
		error_hint(e, "look at host and port");
		break;
	case CALL_FAILURE_CONNECT:
		error_hint(
		    e, "look at host and port, and whether a firewall or proxy stands between");
		break;
	case CALL_FAILURE_MEMORY:
		e->code = ERR_FAILED;
		error_hint(e, "no repetition would help: give it more memory (ulimit -v, the container's limit)");
		break;
	case CALL_FAILURE_NONE:
		break;
	}
}

int
call_status_error(const struct call_status *s, const char *what, struct error *e)
{
	char message[700], code[160], id[80];

	if (s->code == 0)
		return 0;
	call_status_reason(s, message, sizeof(message));
	text_clean(code, sizeof(code), s->error_code);
	text_clean(id, sizeof(id), s->rpc_id);
	error_set(e, call_status_code(s->code), "%s: %s%s%s%s%s%s%s%s", what,
	    call_status_name(s->code), message[0] != '\0' ? ": " : "", message,
	    code[0] != '\0' ? " [" : "", code, code[0] != '\0' ? "]" : "",
	    id[0] != '\0' && strstr(message, id) == NULL ? " rpcId: " : "",
	    id[0] != '\0' && strstr(message, id) == NULL ? id : "");
	if (e != NULL)
		set_hint(s, e);
	return -1;
}

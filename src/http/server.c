#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"

#define CONNECTION_LIMIT 1000
#define CONNECTION_IDLE_SECONDS 120
#define LISTEN_BACKLOG 128
#define ANSWER_SECONDS 2 /* that an answer has to go out when the server is stopped */

struct http_server {
	struct MHD_Daemon *daemon;
	http_handler *handler;
	void *context;
	size_t body_limit_bytes;
	uint16_t port;
	/* delays wait on this, so that http_server_free need not wait for them; it waits for answers on it */
	pthread_mutex_t mutex;
	pthread_cond_t stop_changed;
	bool stop;
	unsigned answering; /* requests whose handler was called and whose answer has not gone out */
};

/* One request between its first line and its answer. */
struct request {
	char *query; /* raw */
	struct buffer body;
	bool begun, too_large, counted;
};

bool
http_form_value(struct text form, const char *name, struct buffer *out)
{
	size_t at = 0;

	while (at < form.len) {
		const char *p = form.data + at;
		const char *end = memchr(p, '&', form.len - at);
		size_t len = end != NULL ? (size_t)(end - p) : form.len - at;
		const char *equals = memchr(p, '=', len);
		size_t key_len = equals != NULL ? (size_t)(equals - p) : len;
		struct buffer key = BUFFER_INIT;
		bool same = encode_unpercent(text_span(p, key_len), &key) == 0 &&
		    text_is(buffer_span(&key), name);

		buffer_release(&key);
		if (same)
			return equals == NULL ||
			    encode_unpercent(text_span(equals + 1, len - key_len - 1), out) == 0;
		at += len + 1;
	}
	return false;
}

const char *
http_query_header(const struct http_query *q, const char *name)
{
	return MHD_lookup_connection_value(q->native, MHD_HEADER_KIND, name);
}

/* libmicrohttpd hands the query over in pieces only; the whole line is seen here alone. */
static void *
request_begin(void *context, const char *uri, struct MHD_Connection *connection)
{
	struct request *r = memory_zero(1, sizeof(*r));
	const char *query = strchr(uri, '?');

	(void)context;
	(void)connection;
	r->query = memory_strdup(query != NULL ? query + 1 : "");
	return r;
}

static void
request_end(void *context, struct MHD_Connection *connection, void **slot,
    enum MHD_RequestTerminationCode how)
{
	struct http_server *s = context;
	struct request *r = *slot;

	(void)connection;
	(void)how;
	if (r == NULL)
		return;
	if (r->counted) {
		pthread_mutex_lock(&s->mutex);
		s->answering--;
		pthread_cond_broadcast(&s->stop_changed);
		pthread_mutex_unlock(&s->mutex);
	}
	/* bodies hold passwords and tokens */
	if (r->body.data != NULL)
		explicit_bzero(r->body.data, r->body.capacity);
	buffer_release(&r->body);
	free(r->query);
	free(r);
	*slot = NULL;
}

static void
add_headers(struct MHD_Response *response, struct buffer *headers)
{
	char *save = NULL;

	if (headers->len == 0)
		return;
	for (char *line = strtok_r(buffer_text(headers), "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');

		if (colon == NULL)
			continue;
		*colon++ = '\0';
		MHD_add_response_header(response, line, colon + strspn(colon, " "));
	}
}

static enum MHD_Result
queue(struct MHD_Connection *connection, struct http_answer *a)
{
	size_t len = a->body.len;
	struct MHD_Response *response = MHD_create_response_from_buffer(len,
	    len > 0 ? buffer_detach(&a->body) : NULL, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type",
	    a->content_type != NULL ? a->content_type : "application/json");
	add_headers(response, &a->headers);
	result = MHD_queue_response(connection, (unsigned)a->status, response);
	MHD_destroy_response(response);
	return result;
}

/* false: the server is being stopped. */
static bool
pause_for(struct http_server *s, int delay_ms)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += delay_ms / 1000;
	until.tv_nsec += (long)(delay_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&s->mutex);
	while (!s->stop && pthread_cond_timedwait(&s->stop_changed, &s->mutex, &until) == 0)
		;
	stop = s->stop;
	pthread_mutex_unlock(&s->mutex);
	return !stop;
}

static enum MHD_Result
answer_too_large(struct MHD_Connection *connection)
{
	struct http_answer a = {.status = MHD_HTTP_CONTENT_TOO_LARGE, .content_type = "text/plain"};
	enum MHD_Result result;

	buffer_append_text(&a.body, "request body too large\n");
	result = queue(connection, &a);
	buffer_release(&a.body);
	return result;
}

static enum MHD_Result
on_request(void *context, struct MHD_Connection *connection, const char *path, const char *method,
    const char *version, const char *data, size_t *data_len, void **slot)
{
	struct http_server *s = context;
	struct request *r = *slot;
	struct http_answer a = {.status = 200};
	enum MHD_Result result = MHD_NO;
	struct http_query q;

	(void)version;
	if (!r->begun) {
		const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
		    "Content-Length");

		r->begun = true;
		/* a peer that is still sending reads no answer: what is not endless is taken in and thrown away */
		r->too_large = length != NULL && strtoull(length, NULL, 10) > s->body_limit_bytes;
		if (r->too_large && strtoull(length, NULL, 10) > LIMIT_HTTP_BODY_BYTES)
			return answer_too_large(connection);
		return MHD_YES;
	}
	if (*data_len > 0) {
		if (r->too_large || r->body.len + *data_len > s->body_limit_bytes)
			r->too_large = true;
		else
			buffer_append(&r->body, data, *data_len);
		*data_len = 0;
		return MHD_YES;
	}
	if (r->too_large)
		return answer_too_large(connection);
	q = (struct http_query){.method = method, .path = path, .query = r->query,
	    .body = buffer_span(&r->body), .native = connection};
	r->counted = true;
	pthread_mutex_lock(&s->mutex);
	s->answering++;
	pthread_mutex_unlock(&s->mutex);
	s->handler(s->context, &q, &a);
	if ((a.delay_ms <= 0 || pause_for(s, a.delay_ms)) && !a.drop)
		result = queue(connection, &a);
	buffer_release(&a.body);
	buffer_release(&a.headers);
	return result;
}

static void
on_log(void *context, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));
static void
on_log(void *context, const char *format, va_list ap)
{
	char line[512], clean[512];

	(void)context;
	vsnprintf(line, sizeof(line), format, ap);
	log_debug("http", "%s", text_clean(clean, sizeof(clean), text_of(line)));
}

/* Bound here and not by libmicrohttpd, which could not say why it failed. Returns the socket or -1. */
static int
listen_on(const char *address, uint16_t port, uint16_t *bound, struct error *e)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	const void *name = is_v4 ? (const void *)&v4 : (const void *)&v6;
	socklen_t len = is_v4 ? sizeof(v4) : sizeof(v6);
	struct sockaddr_storage got;
	socklen_t got_len = sizeof(got);
	int one = 1, fd;

	if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
		return error_set(e, ERR_CONFIG, "\"%s\" is not an IP address to listen on", address);
	fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set_errno(e, ERR_FAILED, errno, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!is_v4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, name, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&got, &got_len) < 0) {
		error_set_errno(e, ERR_CONFIG, errno, "cannot listen on %s port %u", address, port);
		if (port != 0)
			error_hint(e, "choose another port, or end the program that has this one");
		close(fd);
		return -1;
	}
	*bound = ntohs(is_v4 ? ((struct sockaddr_in *)&got)->sin_port :
			       ((struct sockaddr_in6 *)&got)->sin6_port);
	return fd;
}

static struct MHD_Daemon *
start_daemon(struct http_server *s, const struct http_server_options *o, int fd)
{
	bool tls = o->certificate_pem != NULL;
	struct MHD_OptionItem tls_options[] = {
	    {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)o->certificate_pem},
	    {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->key_pem},
	    {MHD_OPTION_HTTPS_PRIORITIES, 0,
		(void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
	    {MHD_OPTION_END, 0, NULL}};
	struct MHD_OptionItem no_options[] = {{MHD_OPTION_END, 0, NULL}};
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
	    MHD_USE_POLL | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0);
	struct MHD_Daemon *daemon;
	sigset_t all, before;

	/* its threads inherit the mask: signals are for the program's own */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER,
	    on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, request_begin,
	    NULL, MHD_OPTION_NOTIFY_COMPLETED, request_end, s, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)CONNECTION_LIMIT, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)CONNECTION_IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)LIMIT_HTTP_HEADER_BYTES, MHD_OPTION_ARRAY, tls ? tls_options : no_options,
	    MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return daemon;
}

struct http_server *
http_server_new(const struct http_server_options *o, http_handler *handler, void *context,
    struct error *e)
{
	struct http_server *s = memory_zero(1, sizeof(*s));
	pthread_condattr_t attributes;
	int fd;

	s->handler = handler;
	s->context = context;
	s->body_limit_bytes = o->body_limit_bytes != 0 ? o->body_limit_bytes : LIMIT_HTTP_BODY_BYTES;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->stop_changed, &attributes);
	pthread_condattr_destroy(&attributes);

	fd = listen_on(o->address != NULL ? o->address : "127.0.0.1", o->port, &s->port, e);
	if (fd >= 0) {
		s->daemon = start_daemon(s, o, fd);
		if (s->daemon == NULL) {
			close(fd);
			error_set(e, ERR_CONFIG, "cannot start the HTTP server on port %u%s", s->port,
			    o->certificate_pem != NULL ? ": the certificate or its key was not accepted" :
							 "");
		}
	}
	if (s->daemon == NULL) {
		http_server_free(s);
		return NULL;
	}
	return s;
}

uint16_t
http_server_port(const struct http_server *s)
{
	return s->port;
}

/* The one who asked may be what the stop is due to: the answer goes out first, if the peer takes it. */
static void
let_answers_go(struct http_server *s)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ANSWER_SECONDS;
	pthread_mutex_lock(&s->mutex);
	s->stop = true;
	pthread_cond_broadcast(&s->stop_changed);
	while (s->answering > 0 && pthread_cond_timedwait(&s->stop_changed, &s->mutex, &until) == 0)
		;
	pthread_mutex_unlock(&s->mutex);
}

void
http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	let_answers_go(s);
	if (s->daemon != NULL)
		MHD_stop_daemon(s->daemon);
	pthread_cond_destroy(&s->stop_changed);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

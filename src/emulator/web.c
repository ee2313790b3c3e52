#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/memory.h"
#include "emulator/web.h"

/* Longer than any client waits, shorter than a test run: how long a stalled request is kept open. */
#define STALL_MS 3600000

struct web {
	struct http_server *server;
	struct web_options options;
	const struct web_route *routes;
	void *context;
	_Atomic uint64_t requests;
	pthread_mutex_t lock; /* guards state */
	pthread_cond_t changed;
	enum { OPENING, SERVING, CLOSING } state;
};

static void
parameters_release(struct web_request *r)
{
	for (int i = 0; i < WEB_PARAMETERS; i++) {
		free((char *)r->parameters[i]);
		r->parameters[i] = NULL;
	}
}

/* One segment of the pattern against one of the path; *at and *path move behind them. */
static bool
match_segment(const char **at, const char **path, struct web_request *r, int *n)
{
	size_t pattern_len = strcspn(*at, "/"), path_len = strcspn(*path, "/");

	if (**at == '{') {
		bool rest = pattern_len >= 2 && (*at)[pattern_len - 2] == '+';

		if (rest)
			path_len = strlen(*path);
		if (path_len == 0 || *n >= WEB_PARAMETERS)
			return false;
		r->parameters[(*n)++] = memory_strndup(*path, path_len);
	} else if (pattern_len != path_len || memcmp(*at, *path, path_len) != 0) {
		return false;
	}
	*at += pattern_len;
	*path += path_len;
	return true;
}

static bool
match_path(const char *pattern, const char *path, struct web_request *r)
{
	int n = 0;

	while (*pattern || *path) {
		if (*pattern != *path && *pattern != '{')
			break;
		if (*pattern == '/' && *path == '/') {
			pattern++;
			path++;
			continue;
		}
		if (!match_segment(&pattern, &path, r, &n))
			break;
	}
	if (*pattern == '\0' && *path == '\0')
		return true;
	parameters_release(r);
	return false;
}

static bool
answer_fault(struct web *w, const struct web_route *route, const struct web_request *r,
    struct http_answer *a)
{
	struct fault f;
	char seconds[32];

	if (!w->options.faults || !route->fault || !faults_call(w->options.faults, route->fault, &f))
		return false;
	switch (f.kind) {
	case FAULT_DELAY:
		a->delay_ms = (int)f.duration_ms;
		return false;
	case FAULT_STALL:
		a->delay_ms = STALL_MS;
		a->drop = 1;
		return true;
	case FAULT_CUT:
	case FAULT_DROP:
		a->drop = 1;
		return true;
	case FAULT_HTTP:
		a->status = f.http_status;
		if (f.retry_after_s) {
			snprintf(seconds, sizeof seconds, "%lld", (long long)f.retry_after_s);
			web_header(a, "Retry-After", seconds);
		}
		if (w->options.fault_body)
			w->options.fault_body(w->context, r, &f, a);
		else
			web_text(a, f.http_status, NULL,
			    *f.message ? f.message : "by the error script");
		return true;
	default:
		return false;
	}
}

static bool
wait_for_start(struct web *w)
{
	bool serving;

	pthread_mutex_lock(&w->lock);
	while (w->state == OPENING)
		pthread_cond_wait(&w->changed, &w->lock);
	serving = w->state == SERVING;
	pthread_mutex_unlock(&w->lock);
	return serving;
}

static void
set_state(struct web *w, int state)
{
	pthread_mutex_lock(&w->lock);
	w->state = state;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void
handle(void *context, const struct http_query *q, struct http_answer *a)
{
	struct web *w = context;
	struct web_request r = { .query = q };
	bool known = false;

	if (!wait_for_start(w)) {
		a->drop = 1;
		return;
	}
	w->requests++;
	for (const struct web_route *route = w->routes; route->pattern; route++) {
		if (!match_path(route->pattern, q->path, &r))
			continue;
		known = true;
		if (strcmp(route->method, "*") != 0 && strcmp(route->method, q->method) != 0) {
			parameters_release(&r);
			continue;
		}
		if (w->options.refuses_pages && strcmp(q->method, "GET") != 0 && http_query_header(q, "Origin"))
			web_text(a, 403, NULL, "not for web pages\n");
		else if (!answer_fault(w, route, &r, a))
			route->handler(route->context ? route->context : w->context, &r, a);
		parameters_release(&r);
		return;
	}
	if (known)
		web_text(a, 405, NULL, "");
	else if (w->options.not_found)
		w->options.not_found(w->context, &r, a);
	else
		web_text(a, 404, NULL, "");
}

struct web *
web_new(const struct web_options *o, const struct web_route *routes, void *context, struct error *e)
{
	struct web *w = memory_zero(1, sizeof *w);
	struct http_server_options so = { .address = "127.0.0.1", .port = o->port };

	w->options = *o;
	w->routes = routes;
	w->context = context;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	if (o->identity) {
		so.certificate_pem = o->identity->certificate_pem;
		so.key_pem = o->identity->key_pem;
	}
	w->server = http_server_new(&so, handle, w, e);
	if (w->server)
		return w;
	error_wrap(e, "%s", o->name);
	web_free(w);
	return NULL;
}

void
web_start(struct web *w)
{
	set_state(w, SERVING);
}

uint16_t
web_port(const struct web *w)
{
	return http_server_port(w->server);
}

void
web_free(struct web *w)
{
	if (!w)
		return;
	if (w->state == OPENING)
		set_state(w, CLOSING);
	if (w->server)
		http_server_free(w->server);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

uint64_t
web_requests(const struct web *w)
{
	return w->requests;
}

void
web_header(struct http_answer *a, const char *name, const char *value)
{
	buffer_append_format(&a->headers, "%s: %s\n", name, value);
}

void
web_json(struct http_answer *a, int status, struct json *j)
{
	a->status = status;
	a->content_type = "application/json;charset=UTF-8";
	json_write(&a->body, j, false);
	json_free(j);
}

void
web_text(struct http_answer *a, int status, const char *type, const char *body)
{
	a->status = status;
	a->content_type = type ? type : "text/plain; charset=UTF-8";
	buffer_append_text(&a->body, body);
}

void
web_refuse(struct http_answer *a, int status, const char *text)
{
	char clean[1024];

	web_text(a, status, NULL, text_clean(clean, sizeof clean, text_of(text)));
	buffer_append_byte(&a->body, '\n');
}

const char *
web_bearer(const struct web_request *r)
{
	const char *value = http_query_header(r->query, "Authorization");

	if (!value || strncasecmp(value, "Bearer ", 7) != 0)
		return NULL;
	value += 7;
	return value + strspn(value, " ");
}

bool
web_basic(const struct web_request *r, char **user, char **password)
{
	const char *value = http_query_header(r->query, "Authorization");
	struct buffer plain = BUFFER_INIT;
	char *colon;
	bool ok = false;

	if (!value || strncasecmp(value, "Basic ", 6) != 0)
		return false;
	if (encode_unbase64(text_of(value + 6), &plain) == 0 &&
	    (colon = strchr(buffer_text(&plain), ':')) != NULL) {
		*colon = '\0';
		*user = memory_strdup((char *)plain.data);
		*password = memory_strdup(colon + 1);
		ok = true;
	}
	buffer_release(&plain);
	return ok;
}

static char *
value_of(struct text form, const char *name)
{
	struct buffer value = BUFFER_INIT;

	if (http_form_value(form, name, &value))
		return buffer_detach(&value);
	buffer_release(&value);
	return NULL;
}

char *
web_query_value(const struct web_request *r, const char *name)
{
	return value_of(text_of(r->query->query), name);
}

char *
web_form_value(const struct web_request *r, const char *name)
{
	return value_of(r->query->body, name);
}

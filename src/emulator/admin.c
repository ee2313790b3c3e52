#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/version.h"
#include "emulator/admin.h"

#define ROUTES_MAX 32

struct admin {
	struct emulator *emulator;
	const struct open_part *parts;
	size_t count;
	void (*stop)(void);
	struct web *web;
	struct web_route routes[ROUTES_MAX];
};

static void
state(void *context, const struct web_request *r, struct http_answer *a)
{
	struct admin *admin = context;
	struct json *j = json_object(), *faults = json_object();

	(void)r;
	json_set_string(j, "version", SFZB_VERSION);
	json_set_int64(j, "seed", (int64_t)admin->emulator->options->seed);
	for (size_t i = 0; i < admin->count; i++) {
		struct json *part = json_object();

		if (admin->parts[i].part->report)
			admin->parts[i].part->report(admin->parts[i].self, part);
		json_set(j, admin->parts[i].part->name, part);
	}
	faults_report(admin->emulator->faults, faults);
	json_set(j, "faults", faults);
	web_json(a, 200, j);
}

static void
get_faults(void *context, const struct web_request *r, struct http_answer *a)
{
	struct admin *admin = context;

	(void)r;
	a->content_type = "text/plain; charset=UTF-8";
	faults_write(admin->emulator->faults, &a->body);
}

static void
load_faults(struct admin *admin, const struct web_request *r, struct http_answer *a, bool add)
{
	struct error e = ERROR_INIT;

	if (faults_load(admin->emulator->faults, r->query->body, add, &e) == 0) {
		get_faults(admin, r, a);
		return;
	}
	web_refuse(a, 400, e.text);
}

static void
put_faults(void *context, const struct web_request *r, struct http_answer *a)
{
	load_faults(context, r, a, false);
}

static void
post_faults(void *context, const struct web_request *r, struct http_answer *a)
{
	load_faults(context, r, a, true);
}

static void
delete_faults(void *context, const struct web_request *r, struct http_answer *a)
{
	struct admin *admin = context;

	(void)r;
	faults_clear(admin->emulator->faults);
	web_text(a, 204, NULL, "");
}

static void
shut_down(void *context, const struct web_request *r, struct http_answer *a)
{
	struct admin *admin = context;

	(void)r;
	web_text(a, 202, NULL, "stopping\n");
	admin->stop();
}

static void
help(void *context, const struct web_request *r, struct http_answer *a)
{
	(void)context;
	(void)r;
	web_text(a, 200, NULL, admin_help);
	buffer_append_byte(&a->body, '\n');
	buffer_append_text(&a->body, faults_help);
}

static const struct web_route own_routes[] = {
	{ "GET", "/", NULL, help, NULL },
	{ "GET", "/state", NULL, state, NULL },
	{ "GET", "/faults", NULL, get_faults, NULL },
	{ "PUT", "/faults", NULL, put_faults, NULL },
	{ "POST", "/faults", NULL, post_faults, NULL },
	{ "DELETE", "/faults", NULL, delete_faults, NULL },
	{ "POST", "/shutdown", NULL, shut_down, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static size_t
add_routes(struct admin *a, size_t n, const struct web_route *routes, void *context)
{
	for (; routes && routes->pattern && n + 1 < ROUTES_MAX; routes++) {
		a->routes[n] = *routes;
		a->routes[n++].context = context;
	}
	return n;
}

struct admin *
admin_open(struct emulator *em, const struct open_part *parts, size_t count, void (*stop)(void),
    struct error *e)
{
	struct admin *a = memory_zero(1, sizeof *a);
	size_t n;

	a->emulator = em;
	a->parts = parts;
	a->count = count;
	a->stop = stop;
	n = add_routes(a, 0, own_routes, a);
	for (size_t i = 0; i < count; i++)
		n = add_routes(a, n, parts[i].part->admin_routes, parts[i].self);
	a->web = web_new(&(struct web_options){ .name = "admin", .port = em->options->admin_port, .refuses_pages = true }, a->routes,
	    a, e);
	if (!a->web) {
		free(a);
		return NULL;
	}
	web_start(a->web);
	return a;
}

void
admin_close(struct admin *a)
{
	if (!a)
		return;
	web_free(a->web);
	free(a);
}

uint16_t
admin_port(const struct admin *a)
{
	return web_port(a->web);
}

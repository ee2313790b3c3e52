#include "commands/observe.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/notify.h"
#include "cli/terminal.h"
#include "http/server.h"
#include "stream/metrics.h"

#define SNAPSHOT_MS 500
#define STATUS_MS 5000
#define ALIVE_MS 30000 /* a loop that has not turned for so long hangs */
#define LOG_FILE "log.json"

struct snapshot {
	struct engine_statistics statistics;
	struct metrics_extra extra;
	int64_t taken_ms; /* monotonic; 0: the loop does not turn yet */
	bool is_running;
};

struct observer {
	struct app *app;
	const struct pump *pump;
	struct http_server *server;
	struct loop_timer timer;
	pthread_mutex_t mutex; /* over snapshot */
	struct snapshot snapshot;
	int64_t status_ms, watchdog_ms; /* when last told */
	bool ready_told, stopping_told;
	const struct quota *quota;

	bool reloading, reload_again; /* asked for meanwhile: what was read may be older than the wish */
	struct error reload_error[2];
};

/* ---- HTTP */

static void
answer_ready(const struct snapshot *s, struct http_answer *a)
{
	bool ready = false;

	if (s->is_running)
		ready = metrics_ready(&a->body, &s->statistics);
	else
		buffer_append_text(&a->body, "starting\n");
	a->status = ready ? 200 : 503;
}

static void
answer_alive(const struct snapshot *s, struct http_answer *a)
{
	int64_t age = clock_monotonic_ms(&clock_system) - s->taken_ms;

	if (s->taken_ms == 0 || age < ALIVE_MS) {
		buffer_append_text(&a->body, "ok\n");
		return;
	}
	a->status = 503;
	buffer_append_format(&a->body, "the event loop has stood still for %" PRId64 " s\n", age / 1000);
}

static void
serve(void *context, const struct http_query *q, struct http_answer *a)
{
	struct observer *o = context;
	struct snapshot s;

	pthread_mutex_lock(&o->mutex);
	s = o->snapshot;
	pthread_mutex_unlock(&o->mutex);
	a->content_type = "text/plain; charset=utf-8";
	if (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0) {
		a->status = 405;
		buffer_append_text(&a->headers, "Allow: GET, HEAD\n");
	} else if (strcmp(q->path, "/metrics") == 0) {
		a->content_type = "text/plain; version=0.0.4; charset=utf-8";
		s.extra.now_wall_ms = clock_wall_ms(&clock_system);
		metrics_write(&a->body, &s.statistics, &s.extra);
	} else if (strcmp(q->path, "/healthz") == 0) {
		answer_alive(&s, a);
	} else if (strcmp(q->path, "/readyz") == 0) {
		answer_ready(&s, a);
	} else {
		a->status = 404;
		buffer_append_text(&a->body, "there are /metrics, /healthz and /readyz\n");
	}
}

static int
parse_address(const char *s, char host[64], uint16_t *port, struct error *e)
{
	const char *colon = strrchr(s, ':'), *digits = colon != NULL ? colon + 1 : s;
	size_t len = colon != NULL ? (size_t)(colon - s) : 0;
	char *end;
	long n = strtol(digits, &end, 10);

	if (*digits < '0' || *digits > '9' || *end != '\0' || n > 65535 || len >= 64)
		goto bad;
	if (len > 1 && s[0] == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	} else if (memchr(s, ':', len) != NULL) {
		goto bad;
	}
	memcpy(host, s, len);
	host[len] = '\0';
	if (len == 0 || strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	*port = (uint16_t)n;
	return 0;
bad:
	error_set(e, ERR_USAGE, "'%s' is no address to listen at", s);
	return error_hint(e, "write a port such as 9464, or an address and a port such as 0.0.0.0:9464");
}

static int
listen_at(struct observer *o, const char *address, struct error *e)
{
	char host[64];
	struct http_server_options options = {.address = host};

	if (parse_address(address, host, &options.port, e) != 0)
		return error_wrap(e, "option '--metrics'");
	o->server = http_server_new(&options, serve, o, e);
	if (o->server == NULL)
		return error_wrap(e, "cannot serve metrics");
	log_info("metrics", strchr(host, ':') != NULL ? "figures at http://[%s]:%u/metrics" : "figures at http://%s:%u/metrics",
	    host, http_server_port(o->server));
	return 0;
}

/* ---- the service manager */

static void
notify(struct observer *o, int64_t now)
{
	const struct engine_statistics *s = &o->snapshot.statistics;
	struct buffer ignored = BUFFER_INIT;
	bool ready = o->snapshot.is_running && metrics_ready(&ignored, s);

	buffer_release(&ignored);
	if (ready && !o->ready_told) {
		notify_send("READY=1");
		o->ready_told = true;
	}
	if (s->stopping && !o->stopping_told) {
		notify_send("STOPPING=1");
		o->stopping_told = true;
	}
	if (notify_watchdog_ms() > 0 && now - o->watchdog_ms >= notify_watchdog_ms()) {
		notify_send("WATCHDOG=1");
		o->watchdog_ms = now;
	}
	if (now - o->status_ms < STATUS_MS && o->status_ms != 0)
		return;
	o->status_ms = now;
	if (o->snapshot.is_running)
		notify_send("STATUS=received %" PRId64 ", stored %" PRId64 ", set aside %" PRId64 ", in flight %" PRId64
			    "; %u of %u topics open",
		    s->received, s->stored, s->set_aside, s->in_flight_rows, s->sources_open, s->sources);
	else
		notify_send("STATUS=starting");
}

/* ---- the snapshot */

static void
take_snapshot(struct observer *o)
{
	struct engine_statistics s;

	if (o->pump != NULL)
		pump_statistics(o->pump, &s);
	pthread_mutex_lock(&o->mutex);
	if (o->pump != NULL) {
		o->snapshot.statistics = s;
		o->snapshot.extra.now_wall_ms = clock_wall_ms(&clock_system);
		metrics_note(&o->snapshot.extra, &s);
		o->snapshot.is_running = true;
	}
	o->snapshot.extra.token_refreshes = o->app->renewals +
	    (o->app->databricks != NULL ? databricks_session_refreshes(o->app->databricks) : 0);
	quota_delivery(o->quota, &o->snapshot.extra.delivery_remaining, &o->snapshot.extra.delivery_max);
	o->snapshot.taken_ms = clock_monotonic_ms(&clock_system);
	pthread_mutex_unlock(&o->mutex);
}

static void
turn(void *context)
{
	struct observer *o = context;
	int64_t now = clock_monotonic_ms(&clock_system), wait = SNAPSHOT_MS;

	take_snapshot(o);
	notify(o, now);
	if (notify_watchdog_ms() > 0 && notify_watchdog_ms() < wait)
		wait = notify_watchdog_ms();
	loop_timer_start(o->app->loop, &o->timer, wait, turn, o);
}

/* ---- reloading */

static void
reload_work(void *context)
{
	struct observer *o = context;
	struct salesforce_given salesforce_given = {.ca_file = o->app->common->ca_file};
	struct databricks_given databricks_given = {.ca_file = o->app->common->ca_file};
	struct salesforce_login login;
	struct databricks_config config;
	struct profile *profile;

	error_clear(&o->reload_error[0]);
	error_clear(&o->reload_error[1]);
	/* a handle of its own: this is another thread */
	profile = profile_open(profile_name(o->app->profile), &o->reload_error[0]);
	if (profile == NULL)
		return;
	if (salesforce_login_load(&login, &salesforce_given, profile, &o->reload_error[0]) == 0) {
		salesforce_session_reload(o->app->salesforce, &login, &o->reload_error[0]);
		salesforce_login_release(&login);
	}
	if (databricks_config_load(&config, &databricks_given, profile, &o->reload_error[1]) == 0) {
		databricks_session_reload(o->app->databricks, &config, &o->reload_error[1]);
		databricks_config_release(&config);
	}
	profile_free(profile);
}

/* The run goes on, so that nobody else tells the hint. */
static void
warn(const char *what, const struct error *e)
{
	log_warn("stream", "%s%s%s%s", what, e->text, e->hint[0] != '\0' ? "; " : "", e->hint);
}

static void
reload_done(void *context)
{
	struct observer *o = context;
	bool good = true;

	o->reloading = false;
	for (int i = 0; i < 2; i++)
		if (o->reload_error[i].code != ERR_OK) {
			warn("not reloaded: ", &o->reload_error[i]);
			good = false;
		}
	if (good)
		log_info("stream", "reloaded");
	notify_send("READY=1");
	if (o->reload_again)
		observer_reload(o);
}

static int
read_log_settings(struct observer *o, struct error *e)
{
	static const char *const levels[] = {
		[LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug", [LOG_TRACE] = "trace"};
	const struct common_options *c = o->app->common;
	const char *level_word, *format_word;
	enum log_level level = c->verbose >= 2 ? LOG_TRACE
	    : c->verbose == 1		       ? LOG_DEBUG
	    : c->quiet			       ? LOG_WARN
					       : LOG_INFO;
	int format = c->log_format;
	struct json *j = NULL;
	int rc = 0;

	if (profile_load(o->app->profile, LOG_FILE, &j, e) != 0)
		return -1;
	level_word = json_find_string(j, "level");
	format_word = json_find_string(j, "format");
	if (level_word != NULL) {
		rc = -1;
		for (int i = LOG_WARN; i <= LOG_TRACE; i++)
			if (strcmp(levels[i], level_word) == 0) {
				level = (enum log_level)i;
				rc = 0;
			}
		if (rc != 0)
			error_set(e, ERR_CONFIG, LOG_FILE ": 'level' is none of warn, info, debug and trace");
	}
	if (format_word != NULL && rc == 0) {
		if (strcmp(format_word, "json") != 0 && strcmp(format_word, "text") != 0)
			rc = error_set(e, ERR_CONFIG, LOG_FILE ": 'format' is neither text nor json");
		else
			format = strcmp(format_word, "json") == 0 ? LOG_JSON : LOG_TEXT;
	}
	if (rc == 0)
		terminal_set_log((enum log_format)format, level);
	json_free(j);
	return rc;
}

void
observer_reload(void *context)
{
	struct observer *o = context;
	struct error e = ERROR_INIT;

	o->reload_again = o->reloading;
	if (o->reloading)
		return;
	notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_monotonic_ms(&clock_system) * 1000);
	if (read_log_settings(o, &e) != 0)
		warn("", &e);
	o->reloading = true;
	worker_submit(o->app->worker, reload_work, reload_done, o);
}

/* ---- the whole */

struct observer *
observer_new(struct app *app, const char *address, const struct quota *quota, struct error *e)
{
	struct observer *o = memory_zero(1, sizeof(*o));

	o->app = app;
	o->quota = quota;
	pthread_mutex_init(&o->mutex, NULL);
	o->snapshot.extra = (struct metrics_extra){
		.start_wall_ms = clock_wall_ms(&clock_system),
		.delivery_remaining = -1,
		.delivery_max = -1,
	};
	notify_init();
	if (address != NULL && listen_at(o, address, e) != 0) {
		observer_free(o);
		return NULL;
	}
	return o;
}

void
observer_start(struct observer *o)
{
	if (!loop_timer_is_running(&o->timer))
		turn(o);
}

void
observer_watch(struct observer *o, const struct pump *pump)
{
	if (pump == NULL)
		take_snapshot(o);
	o->pump = pump;
}

void
observer_free(struct observer *o)
{
	if (o == NULL)
		return;
	if (o->app->loop != NULL) {
		loop_timer_stop(o->app->loop, &o->timer);
		o->reload_again = false;
		while (o->reloading)
			loop_step(o->app->loop, 100);
	}
	if (!o->stopping_told)
		notify_send("STOPPING=1");
	http_server_free(o->server);
	pthread_mutex_destroy(&o->mutex);
	free(o);
}

#include "commands/app.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "commands/topic_hint.h"
#include "salesforce/topic_name.h"

/* The word that -o gives, else the one for a terminal or for a program. Owned by app. */
static char *
choose_output(const struct command *command, const struct common_options *common)
{
	if (common->output != NULL)
		return memory_strdup(common->output);
	if (command->outputs == NULL)
		return NULL;
	if (command->piped_output != NULL && !output_is_terminal())
		return memory_strdup(command->piped_output);
	return memory_strndup(command->outputs, strcspn(command->outputs, "|"));
}

int
app_prepare_salesforce(struct app *app, struct error *e)
{
	struct salesforce_given given = {.ca_file = app->common->ca_file};
	struct salesforce_login login;

	if (app->salesforce != NULL)
		return 0;
	if (salesforce_login_load(&login, &given, app->profile, e) != 0)
		return -1;
	app->salesforce = salesforce_session_new(&login, app->profile, NULL, e);
	salesforce_login_release(&login);
	return app->salesforce != NULL ? 0 : -1;
}

int
app_open_salesforce(struct app *app, struct error *e)
{
	if (app->salesforce != NULL)
		return 0;
	if (app_prepare_salesforce(app, e) != 0)
		return -1;
	if (salesforce_session_begin(app->salesforce, e) == 0)
		return 0;
	salesforce_session_free(app->salesforce);
	app->salesforce = NULL;
	return -1;
}

int
app_open_databricks(struct app *app, struct error *e)
{
	struct databricks_given given = {.ca_file = app->common->ca_file};
	struct databricks_config config;

	if (app->databricks != NULL)
		return 0;
	if (databricks_config_load(&config, &given, app->profile, e) != 0)
		return -1;
	app->databricks = databricks_session_new(&config, &(struct databricks_session_options){.profile = app->profile});
	databricks_config_release(&config);
	return 0;
}

#define STOPPED "stopped before it began"

/* SIGHUP is another wish: who serves is to be started again. */
static bool
is_first_stop(const struct app *app)
{
	return app->command->goes_on && !app->has_begun && app->signals.count <= 1 && app->signals.last != SIGHUP;
}

static void
end_by_signal(void *context, int number)
{
	const struct app *app = context;
	sigset_t set;

	if (number == SIGUSR1)
		return;
	terminal_set_status(NULL);
	if (is_first_stop(app)) {
		log_info(app->command->name, STOPPED);
		_exit(0);
	}
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	_exit(128 + number); /* the first process of a container is spared by signals without a handler */
}

#define SIGNALS_AT_ONCE_MS 500

static void
pass_signal(void *context, int number)
{
	struct app *app = context;
	struct app_signals *s = &app->signals;
	int64_t now = clock_monotonic_ms(&clock_system);
	bool again = (number == SIGINT || number == SIGTERM) && number == s->last && now - s->last_ms < SIGNALS_AT_ONCE_MS;

	if (again)
		return;
	s->last = number;
	s->last_ms = now;
	s->count += number != SIGUSR1 && number != SIGHUP;
	s->f(s->context, number);
}

void
app_handle_signals(struct app *app, loop_signal_function *f, void *context)
{
	app->signals.f = f != NULL ? f : end_by_signal;
	app->signals.context = f != NULL ? context : app;
	loop_signals_handle(app->loop, pass_signal, app);
}

enum error_code
app_signal_code(int number)
{
	return number == SIGINT ? ERR_INTERRUPTED : ERR_TERMINATED;
}

void
app_open_loop(struct app *app)
{
	if (app->loop != NULL)
		return;
	loop_signals_block();
	app->loop = loop_new(&clock_system);
	app_handle_signals(app, NULL, NULL);
	app->worker = worker_new(app->loop, "session");
}

bool
app_was_stopped(const struct app *app, const struct error *e)
{
	if ((e->code != ERR_INTERRUPTED && e->code != ERR_TERMINATED) || !is_first_stop(app))
		return false;
	log_info(app->command->name, STOPPED);
	return true;
}

struct wait {
	struct app *app;
	app_blocking *work;
	void *context;
	struct error error;
	int rc, signal;
	bool done;
};

static void
wait_work(void *context)
{
	struct wait *w = context;

	w->rc = w->work(w->context, &w->error);
}

static void
wait_done(void *context)
{
	struct wait *w = context;

	w->done = true;
}

static void
interrupt(struct app *app, bool on)
{
	if (app->salesforce != NULL)
		salesforce_session_interrupt(app->salesforce, on);
	if (app->databricks != NULL)
		databricks_session_interrupt(app->databricks, on);
}

static void
wait_signal(void *context, int number)
{
	struct wait *w = context;

	if (number == SIGUSR1)
		return;
	w->signal = number;
	interrupt(w->app, true);
}

int
app_wait(struct app *app, app_blocking *work, void *context, struct error *e)
{
	struct wait w = {.app = app, .work = work, .context = context, .error = ERROR_INIT};

	app_handle_signals(app, wait_signal, &w);
	worker_submit(app->worker, wait_work, wait_done, &w);
	while (!w.done)
		loop_step(app->loop, -1);
	app_handle_signals(app, NULL, NULL);
	interrupt(app, false);
	if (w.signal != 0)
		return error_set(e, app_signal_code(w.signal), "interrupted");
	if (w.rc != 0)
		*e = w.error;
	return w.rc;
}

static void
renewal_work(void *context)
{
	struct app *app = context;

	salesforce_renewal_work(&app->renewal.job);
}

/* On the loop's thread, behind salesforce_renewal_work. */
static void
renewed(void *context)
{
	struct app *app = context;
	struct app_renewal *r = &app->renewal;
	struct secret token = SECRET_INIT;

	if (r->job.result == 0) {
		salesforce_session_token(app->salesforce, &token);
		pubsub_set_instance(app->pubsub, salesforce_session_instance_url(app->salesforce));
		pubsub_set_token(app->pubsub, &token);
		secret_release(&token);
		app->renewals++;
		error_clear(&r->job.error);
	}
	secret_release(&r->job.refused);
	r->done(r->done_context, &r->job.error);
}

static void
renew(void *context, const struct secret *refused, pubsub_renewed *done, void *done_context)
{
	struct app *app = context;
	struct app_renewal *r = &app->renewal;

	*r = (struct app_renewal){.job = {.session = app->salesforce}, .done = done, .done_context = done_context};
	secret_copy(&r->job.refused, refused);
	worker_submit(app->worker, renewal_work, renewed, app);
}

int
app_open_pubsub(struct app *app, struct error *e)
{
	struct secret token = SECRET_INIT;
	struct pubsub_options o;

	if (app->pubsub != NULL)
		return 0;
	if (app_open_salesforce(app, e) != 0)
		return -1;
	app_open_loop(app);
	o = (struct pubsub_options){
		.endpoint = salesforce_session_pubsub_endpoint(app->salesforce),
		.ca_file = salesforce_session_ca_file(app->salesforce),
		.instance_url = salesforce_session_instance_url(app->salesforce),
		.tenant_id = salesforce_session_org_id(app->salesforce),
		.profile = app->profile,
		.renew = renew,
		.renew_context = app,
	};
	app->pubsub = pubsub_new(app->loop, &o, e);
	if (app->pubsub == NULL)
		return -1;
	salesforce_session_token(app->salesforce, &token);
	pubsub_set_token(app->pubsub, &token);
	secret_release(&token);
	return 0;
}

int
app_need_topic(struct app *app, const char *whole, bool publish, struct pubsub_topic *out, struct error *e)
{
	struct pubsub_topic topic = {.name = NULL};
	bool may;

	if (pubsub_get_topic_wait(app->pubsub, whole, &topic, e) != 0) {
		topic_hint(app->profile, whole, e);
		return -1;
	}
	may = publish ? topic.can_publish : topic.can_subscribe;
	if (may && out != NULL)
		*out = topic;
	else
		pubsub_topic_release(&topic);
	if (may)
		return 0;
	error_set(e, ERR_PERMISSION, "this user may not %s '%s'", publish ? "publish to" : "subscribe to", whole);
	return publish && topic_name_is_change(whole)
	    ? error_hint(e, "Salesforce itself makes change events; nobody can publish them")
	    : error_hint(e, "it needs %s permission on the object or event", publish ? "create" : "read");
}

int
app_open(struct app *app, const struct command *command, const struct common_options *common,
    struct error *e)
{
	*app = (struct app){.command = command, .common = common};
	app->output = choose_output(command, common);
	if (command->needs != NEEDS_NOTHING) {
		app->profile = profile_open(common->profile, e);
		if (app->profile == NULL)
			return -1;
	}
	if ((command->needs & NEEDS_SALESFORCE) && app_open_salesforce(app, e) != 0)
		return -1;
	if ((command->needs & NEEDS_DATABRICKS) && app_open_databricks(app, e) != 0)
		return -1;
	if (command->needs & NEEDS_LOOP)
		app_open_loop(app);
	return 0;
}

void
app_close(struct app *app)
{
	app->has_begun = true; /* what has been found out is not to be hidden by a signal */
	if (app->pubsub != NULL)
		pubsub_free(app->pubsub);
	/* a job of the worker may be asking the server: it need not wait for the answer any more */
	interrupt(app, true);
	if (app->worker != NULL)
		worker_free(app->worker);
	if (app->loop != NULL)
		loop_free(app->loop);
	secret_release(&app->renewal.job.refused);
	salesforce_session_free(app->salesforce);
	databricks_session_free(app->databricks);
	profile_free(app->profile);
	free(app->output);
	*app = (struct app){.command = NULL};
}

bool
app_outputs(const struct app *app, const char *form)
{
	return app->output != NULL && strcmp(app->output, form) == 0;
}

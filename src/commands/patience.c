#include "commands/patience.h"

#include <signal.h>

#include "base/log.h"
#include "base/memory.h"
#include "commands/topic_hint.h"
#include "stream/backoff.h"

void
patience_init(struct patience *p, const char *area, int64_t max_retries)
{
	*p = (struct patience){
		.max_retries = max_retries, .first_ms = BACKOFF_FIRST_MS, .last_ms = BACKOFF_LAST_MS, .area = area};
	random_seed_system(&p->random);
}

/* It worked: the next failure is a first one. */
static void
patience_rest(struct patience *p)
{
	p->failures = 0;
}

struct pause {
	bool over;
	int signal;
};

static void
time_is_up(void *context)
{
	struct pause *w = context;

	w->over = true;
}

static void
take_signal(void *context, int number)
{
	struct pause *w = context;

	if (number == SIGUSR1)
		return;
	w->signal = number;
	w->over = true;
}

/* The loop goes on meanwhile: figures are served, the service manager hears that we live. Returns the signal that ended it. */
static int
pause_for(struct app *app, int64_t ms)
{
	struct pause w = {.over = false};
	struct loop_timer timer = {.f = NULL};

	app_open_loop(app);
	app_handle_signals(app, take_signal, &w);
	loop_timer_start(app->loop, &timer, ms, time_is_up, &w);
	while (!w.over)
		loop_step(app->loop, -1);
	loop_timer_stop(app->loop, &timer);
	app_handle_signals(app, NULL, NULL);
	return w.signal;
}

bool
patience_wait(struct patience *p, struct app *app, struct error *e)
{
	enum disposition d = error_disposition(e->code);
	int64_t now = clock_monotonic_ms(&clock_system), delay;
	char text[32];
	int number;

	if ((d != DISPOSITION_RETRY && d != DISPOSITION_RETRY_SLOWLY) || e->retry_after_ms < 0 ||
	    (p->max_retries >= 0 && p->failures >= p->max_retries))
		return false;
	if (memory_is_out(MEMORY_OF_CONNECTION)) {
		e->code = ERR_FAILED;
		error_hint(e, "there is no memory left; no repetition would help");
		return false;
	}
	if (p->until_ms != 0 && now >= p->until_ms) {
		error_wrap(e, "the time given with --timeout is over");
		e->code = ERR_TIMEOUT;
		return false;
	}
	delay = backoff_delay(e, p->failures++, p->first_ms, p->last_ms, &p->random);
	if (p->until_ms != 0 && delay > p->until_ms - now)
		delay = p->until_ms - now;
	clock_format_duration(text, sizeof(text), delay);
	if (p->failures == 1 && e->hint[0] != '\0')
		log_warn(p->area, "%s (%s); again in %s", e->text, e->hint, text);
	else
		log_warn(p->area, "%s; again in %s", e->text, text);
	number = pause_for(app, delay);
	if (number != 0) {
		error_set(e, app_signal_code(number), "interrupted");
		return false;
	}
	error_clear(e);
	return true;
}

int64_t
patience_left_ms(const struct patience *p)
{
	int64_t left = p->until_ms - clock_monotonic_ms(&clock_system);

	return p->until_ms == 0 ? 0 : left > 0 ? left : -1;
}

static int
begin_session(void *context, struct error *e)
{
	struct app *app = context;

	return salesforce_session_begin(app->salesforce, e);
}

int
patient_open_salesforce(struct patience *p, struct app *app, struct error *e)
{
	bool is_new = app->salesforce == NULL;
	int rc;

	if (!is_new)
		return 0;
	if (app_prepare_salesforce(app, e) != 0)
		return -1;
	app_open_loop(app);
	rc = patient_do(p, app, begin_session, app, e);
	if (rc != 0) {
		salesforce_session_free(app->salesforce);
		app->salesforce = NULL;
	}
	return rc;
}

int
patient_need_topic(struct patience *p, struct app *app, const char *whole, bool publish, struct pubsub_topic *out,
    struct error *e)
{
	int rc;

	while ((rc = app_need_topic(app, whole, publish, out, e)) != 0 && patience_wait(p, app, e))
		;
	patience_rest(p);
	return rc;
}

int
patient_get_topic(struct patience *p, struct app *app, const char *whole, struct pubsub_topic *out, struct error *e)
{
	int rc;

	while ((rc = pubsub_get_topic_wait(app->pubsub, whole, out, e)) != 0 && patience_wait(p, app, e))
		;
	if (rc != 0)
		topic_hint(app->profile, whole, e);
	patience_rest(p);
	return rc;
}

int
patient_get_schema(struct patience *p, struct app *app, struct text schema_id, struct avro_schema **out, struct error *e)
{
	int rc;

	while ((rc = pubsub_get_schema_wait(app->pubsub, schema_id, out, e)) != 0 && patience_wait(p, app, e))
		;
	patience_rest(p);
	return rc;
}

int
patient_do(struct patience *p, struct app *app, app_blocking *work, void *context, struct error *e)
{
	int rc;

	while ((rc = app_wait(app, work, context, e)) != 0 && patience_wait(p, app, e))
		;
	patience_rest(p);
	return rc;
}

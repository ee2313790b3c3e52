#include "commands/pump.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

struct pump {
	struct app *app;
	struct pump_setup setup;
	struct random random;
	struct engine *engine;
	struct loop_timer tick, report, timeout;
	int64_t started_ms, ended_ms;
	bool done, timed_out;
	bool is_told; /* the engine, to stop: told again it abandons what is in flight */
	int signal; /* SIGINT or SIGTERM: the first; 0: none so far */
	struct error result;
};

static void
tick(void *context)
{
	struct pump *p = context;

	engine_tick(p->engine);
}

static void
set_timer(void *context, int64_t at_ms)
{
	struct pump *p = context;
	int64_t now = clock_monotonic_ms(loop_clock(p->app->loop));

	if (at_ms == INT64_MAX)
		loop_timer_stop(p->app->loop, &p->tick);
	else
		loop_timer_start(p->app->loop, &p->tick, at_ms > now ? at_ms - now : 0, tick, p);
}

static void
run_done(void *context, const struct error *result)
{
	struct pump *p = context;

	p->done = true;
	p->result = *result;
	loop_stop(p->app->loop);
}

static void
report(void *context)
{
	struct pump *p = context;
	struct engine_statistics s;

	engine_statistics(p->engine, &s);
	p->setup.report(p->setup.report_context, &s);
	loop_timer_start(p->app->loop, &p->report, p->setup.report_interval_ms, report, p);
}

static void
tell(struct pump *p)
{
	if (!p->is_told)
		engine_stop(p->engine);
	p->is_told = true;
}

static void
time_is_up(void *context)
{
	struct pump *p = context;
	struct engine_statistics s;

	engine_statistics(p->engine, &s);
	p->timed_out = !s.stopping; /* else it ends already, as it should */
	tell(p);
}

static void
take_signal(void *context, int number)
{
	struct pump *p = context;
	const char *unit = p->setup.options.unit;
	const char *done = p->setup.done != NULL ? p->setup.done : "stored";
	char count[TEXT_COUNT_SIZE], one[32], many[32];
	struct engine_statistics s;

	if (number == SIGHUP && p->setup.hang_up != NULL) {
		p->setup.hang_up(p->setup.hang_up_context);
		return;
	}
	if (number == SIGUSR1)
		return;
	if (p->signal == 0) {
		p->signal = number;
		engine_statistics(p->engine, &s);
		snprintf(one, sizeof(one), "%s in flight is", unit);
		snprintf(many, sizeof(many), "%ss in flight are", unit);
		if (s.in_flight_rows > 0)
			log_info("stream", "stopping when %s %s; once more to stop at once",
			    text_count(count, s.in_flight_rows, one, many), done);
		tell(p);
		return;
	}
	error_set(&p->result, app_signal_code(number), "stopped before all %ss in flight were %s", unit, done);
	error_hint(&p->result, "%s", p->setup.options.left_hint);
	p->done = true;
	loop_stop(p->app->loop);
}

static void
take_gap(void *context, const struct event *event)
{
	struct pump *p = context;
	struct error e = ERROR_INIT;

	if (p->setup.gaps == NULL || !gaps_take(p->setup.gaps, event))
		return;
	error_set(&e, ERR_FAILED, "a gap event came (" TEXT_FORMAT " of " TEXT_FORMAT ")", TEXT_ARGS(event->change_type),
	    TEXT_ARGS(event->entity));
	error_hint(&e, "--on-gap says that this ends the run; the next one goes on behind it");
	engine_fail(p->engine, &e);
}

struct pump *
pump_new(struct app *app, const struct pump_setup *setup)
{
	struct pump *p = memory_zero(1, sizeof(*p));
	struct engine_setup engine;

	p->app = app;
	p->setup = *setup;
	random_seed_system(&p->random);
	engine = (struct engine_setup){
		.options = &p->setup.options,
		.clock = loop_clock(app->loop),
		.random = &p->random,
		.host = {.timer = set_timer, .done = run_done, .gap = take_gap, .context = p},
		.positions = setup->positions,
		.letters = setup->letters,
		.router = setup->router,
		.recent = setup->recent,
	};
	p->engine = engine_new(&engine);
	return p;
}

void
pump_add(struct pump *p, struct source *s, const struct position *from)
{
	engine_add_source(p->engine, s, from);
}

int
pump_run(struct pump *p, struct error *e)
{
	struct loop *loop = p->app->loop;

	p->app->has_begun = true;
	p->started_ms = clock_monotonic_ms(loop_clock(loop));
	app_handle_signals(p->app, take_signal, p);
	if (p->setup.report != NULL)
		loop_timer_start(loop, &p->report, p->setup.report_interval_ms, report, p);
	if (p->setup.timeout_ms > 0)
		loop_timer_start(loop, &p->timeout, p->setup.timeout_ms, time_is_up, p);
	engine_start(p->engine);
	if (p->setup.timeout_ms < 0)
		time_is_up(p);
	while (!p->done)
		loop_run(loop);
	p->ended_ms = clock_monotonic_ms(loop_clock(loop));
	app_handle_signals(p->app, NULL, NULL);
	loop_timer_stop(loop, &p->tick);
	loop_timer_stop(loop, &p->report);
	loop_timer_stop(loop, &p->timeout);
	if (p->result.code == ERR_OK && p->timed_out)
		return error_set(e, ERR_TIMEOUT, "the time given with --timeout is over");
	if (p->result.code == ERR_OK)
		return 0;
	*e = p->result;
	return -1;
}

void
pump_stop(struct pump *p, const struct error *why)
{
	if (p->done)
		return;
	if (why != NULL)
		engine_fail(p->engine, why);
	else
		engine_stop(p->engine);
}

int
pump_signal(const struct pump *p)
{
	return p->signal;
}

void
pump_routed(struct pump *p)
{
	engine_routed(p->engine);
}

void
pump_statistics(const struct pump *p, struct engine_statistics *out)
{
	engine_statistics(p->engine, out);
}

int64_t
pump_elapsed_ms(const struct pump *p)
{
	int64_t until = p->done ? p->ended_ms : clock_monotonic_ms(loop_clock(p->app->loop));

	return until - p->started_ms;
}

void
pump_free(struct pump *p)
{
	if (p == NULL)
		return;
	engine_free(p->engine);
	free(p);
}

/*
 * Runs the engine on the loop for a command: sources in, a router to sinks, two-step stop by signals, a report
 * now and then. tail and stream differ only in what they put in.
 */
#ifndef SFZB_COMMANDS_PUMP_H
#define SFZB_COMMANDS_PUMP_H

#include "commands/app.h"
#include "commands/gaps.h"
#include "stream/engine.h"

struct pump_setup {
	struct engine_options options;
	struct position_store positions;
	struct letter_store letters;
	const struct recent_memory *recent; /* for pump_new; may be NULL */
	struct router router;
	/* Called every interval while the run lasts; NULL: never. */
	void (*report)(void *context, const struct engine_statistics *s);
	void *report_context;
	struct gaps *gaps; /* told of gap events; NULL: nobody is */
	void (*hang_up)(void *context); /* on SIGHUP; NULL: it stops as SIGTERM does */
	void *hang_up_context;
	int64_t report_interval_ms;
	int64_t timeout_ms; /* stop after so long; 0: never; negative: it is over already */
	const char *done; /* what is done to events, in messages: "shown"; NULL: "stored" */
};

struct pump;

/* Needs app's loop. The setup is copied; what it points to is borrowed. */
struct pump *pump_new(struct app *app, const struct pump_setup *setup);
void pump_add(struct pump *p, struct source *s, const struct position *from); /* as engine_add_source */
/*
 * Until the engine is done. 0 also after a signal whose drain finished. ERR_TIMEOUT when the timeout ended it,
 * ERR_INTERRUPTED or ERR_TERMINATED when a second signal cut the drain short.
 */
int pump_run(struct pump *p, struct error *e);
/* From callbacks: begins to stop, in good order (why NULL) or with an error. */
void pump_stop(struct pump *p, const struct error *why);
int pump_signal(const struct pump *p); /* SIGINT or SIGTERM: the first that came; 0: none did */
void pump_routed(struct pump *p); /* as engine_routed */
void pump_statistics(const struct pump *p, struct engine_statistics *out);
int64_t pump_elapsed_ms(const struct pump *p);
void pump_free(struct pump *p);

#endif

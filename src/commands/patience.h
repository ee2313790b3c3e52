/*
 * How long a command tries what a server cannot do at the moment, before it has anything to show: the login, the topics'
 * look-ups, the tables. What runs later has the engine's own patience.
 */
#ifndef SFZB_COMMANDS_PATIENCE_H
#define SFZB_COMMANDS_PATIENCE_H

#include "base/random.h"
#include "commands/app.h"

struct patience {
	int64_t max_retries;	   /* in a row; -1: for ever */
	int64_t first_ms, last_ms; /* ceilings of the back-off */
	int64_t until_ms;	   /* monotonic; then e becomes ERR_TIMEOUT; 0: no end */
	const char *area;	   /* of its messages: "stream" */
	unsigned failures;
	struct random random;
};

/* Retries of a command that a person waits for. */
#define PATIENCE_BRIEF 2

/* With the usual back-off and no end in time. */
void patience_init(struct patience *p, const char *area, int64_t max_retries);

/*
 * e says why a try failed. true: another one may help; it has been waited for, and e is cleared. false: e is to be told. A
 * signal ends the wait with ERR_INTERRUPTED or ERR_TERMINATED. Opens app's loop. Why and how long is said as a warning.
 */
bool patience_wait(struct patience *p, struct app *app, struct error *e);

/* What is left until until_ms, negative when it has passed; 0: there is no end. */
int64_t patience_left_ms(const struct patience *p);

/* As app_open_salesforce, app_need_topic and app_wait (commands/app.h), as often as p allows. */
int patient_open_salesforce(struct patience *p, struct app *app, struct error *e);
int patient_need_topic(struct patience *p, struct app *app, const char *whole, bool publish, struct pubsub_topic *out,
    struct error *e);
int patient_get_topic(struct patience *p, struct app *app, const char *whole, struct pubsub_topic *out, struct error *e);
int patient_get_schema(struct patience *p, struct app *app, struct text schema_id, struct avro_schema **out, struct error *e);
int patient_do(struct patience *p, struct app *app, app_blocking *work, void *context, struct error *e);

#endif

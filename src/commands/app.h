/*
 * What a running command has at hand: what its entry says it needs, opened by app_open in front of run and
 * closed behind it. Everything that is not needed is NULL. What a command may or may not need it opens
 * itself, by the functions below; each does nothing when it is open already.
 */
#ifndef SFZB_COMMANDS_APP_H
#define SFZB_COMMANDS_APP_H

#include "base/error.h"
#include "cli/command.h"
#include "databricks/session.h"
#include "profile/profile.h"
#include "rpc/loop.h"
#include "salesforce/pubsub.h"
#include "salesforce/session.h"

struct app {
	const struct command *command;
	const struct common_options *common;
	char *output; /* the word of -o that holds, "json"; NULL when the command has none */
	struct profile *profile;
	struct salesforce_session *salesforce;
	struct databricks_session *databricks;
	struct loop *loop;
	struct worker *worker; /* for sessions and tokens: quick jobs */
	struct pubsub *pubsub;
	struct app_renewal {
		struct salesforce_renewal job;
		pubsub_renewed *done;
		void *done_context;
	} renewal; /* of the Salesforce token; one at a time */
	int64_t renewals; /* that succeeded */
	struct app_signals {
		loop_signal_function *f;
		void *context;
		int last; /* 0: none yet */
		int64_t last_ms;
		int count; /* of SIGINT and SIGTERM */
	} signals;
	bool has_begun; /* there is something that a signal could cut short */
};

int app_open(struct app *app, const struct command *command, const struct common_options *common,
    struct error *e);
void app_close(struct app *app);
/* e is no more than the first signal, for a command that goes on until there is one and had not begun. */
bool app_was_stopped(const struct app *app, const struct error *e);
/* Is this the form of the output? */
bool app_outputs(const struct app *app, const char *form);

int app_open_salesforce(struct app *app, struct error *e);
/* The session without a request: salesforce_session_begin is still to come. */
int app_prepare_salesforce(struct app *app, struct error *e);
/* No request is made: the first token is asked for by the first call. */
int app_open_databricks(struct app *app, struct error *e);
/*
 * From here on SIGINT, SIGTERM and SIGHUP come to the loop: what may block for long is done before, where they
 * end the program at once.
 */
void app_open_loop(struct app *app);
/*
 * Who gets them, on the loop; f NULL: nobody, and then SIGINT, SIGTERM and SIGHUP end the program as they end every other.
 * Two of SIGINT or of SIGTERM at once are one: timeout(1) sends its signal to the process and to the group, and so
 * do a terminal and who hands its signals on.
 */
void app_handle_signals(struct app *app, loop_signal_function *f, void *context);
/* ERR_INTERRUPTED for SIGINT, else ERR_TERMINATED. */
enum error_code app_signal_code(int number);
/* The Pub/Sub client, with session, loop and worker under it; its tokens are renewed on the worker. */
int app_open_pubsub(struct app *app, struct error *e);
/*
 * Runs what may block for long on the worker while the loop goes on; SIGINT and SIGTERM end it, and the result is then
 * ERR_INTERRUPTED or ERR_TERMINATED whatever work said.
 */
typedef int app_blocking(void *context, struct error *e);
int app_wait(struct app *app, app_blocking *work, void *context, struct error *e);
/*
 * GetTopic: a topic by its whole name exists and may be read (or published to). out may be NULL; else release it with
 * pubsub_topic_release.
 */
int app_need_topic(struct app *app, const char *whole, bool publish, struct pubsub_topic *out, struct error *e);

#endif

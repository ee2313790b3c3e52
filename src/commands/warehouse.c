#include "commands/warehouse.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/terminal.h"

#define TICK_MS 1000
#define SAID_AFTER_MS 5000 /* where there is no status line */
#define ONE_SIGNAL_MS 1000 /* timeout(1) sends to the process and to its group: that is one */

/* One statement at a time: signals are the process's. */
static struct {
	pthread_t thread;
	pthread_mutex_t mutex;
	struct databricks_session *session;
	int stop, signals; /* descriptors */
	sigset_t before;
	int caught;
	int64_t caught_ms;
	char state[16];	  /* of the statement, "" before it is known */
	int64_t since_ms; /* monotonic: when the wait began */
	bool is_said;
} watch = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void
show_wait(void)
{
	int64_t elapsed_ms = clock_monotonic_ms(&clock_system) - watch.since_ms;
	char status[96], elapsed[32];
	bool is_pending = strcmp(watch.state, "PENDING") == 0;

	if (watch.state[0] == '\0' || elapsed_ms < TICK_MS)
		return;
	if (terminal_has_status()) {
		snprintf(status, sizeof(status), "%s: %s",
		    is_pending ? "waiting for the SQL warehouse to start" : "the statement is running",
		    clock_format_duration(elapsed, sizeof(elapsed), elapsed_ms));
		terminal_set_status(status);
	} else if (is_pending && !watch.is_said && elapsed_ms >= SAID_AFTER_MS) {
		watch.is_said = true;
		log_info("sql", "waiting for the SQL warehouse to start");
	}
}

/* The first ends what blocks; the statement is then cancelled by who ran it. The second ends the program. */
static void
take_signal(void)
{
	struct signalfd_siginfo info;

	if (read(watch.signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (watch.caught != 0 && clock_monotonic_ms(&clock_system) - watch.caught_ms < ONE_SIGNAL_MS)
		return;
	if (watch.caught != 0) {
		terminal_set_status(NULL);
		_exit(128 + (int)info.ssi_signo);
	}
	watch.caught = (int)info.ssi_signo;
	watch.caught_ms = clock_monotonic_ms(&clock_system);
	databricks_session_interrupt(watch.session, true);
}

static void *
watch_over(void *context)
{
	struct pollfd ready[] = {{.fd = watch.signals, .events = POLLIN}, {.fd = watch.stop, .events = POLLIN}};

	(void)context;
	for (;;) {
		if (poll(ready, 2, TICK_MS) < 0)
			continue;
		if (ready[1].revents != 0)
			return NULL;
		pthread_mutex_lock(&watch.mutex);
		if (ready[0].revents != 0)
			take_signal();
		else
			show_wait();
		pthread_mutex_unlock(&watch.mutex);
	}
}

void
warehouse_catch_signals(struct app *app)
{
	sigset_t set;

	watch.session = app->databricks;
	watch.caught = 0;
	watch.state[0] = '\0';
	watch.is_said = false;
	watch.since_ms = clock_monotonic_ms(&clock_system);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, &watch.before);
	/* who waits for the loop's signals may take one first: reading must not wait for another */
	watch.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	watch.stop = eventfd(0, EFD_CLOEXEC);
	if (pthread_create(&watch.thread, NULL, watch_over, NULL) != 0)
		memory_give_up("out of memory or threads (no thread can be started)");
}

void
warehouse_release_signals(struct app *app)
{
	eventfd_write(watch.stop, 1);
	pthread_join(watch.thread, NULL);
	close(watch.stop);
	close(watch.signals);
	if (watch.caught != 0)
		databricks_session_interrupt(app->databricks, false);
	pthread_sigmask(SIG_SETMASK, &watch.before, NULL);
	terminal_set_status(NULL);
}

bool
warehouse_waiting(void *context, const char *state, int64_t elapsed_ms)
{
	bool goes_on;

	(void)context;
	(void)elapsed_ms;
	pthread_mutex_lock(&watch.mutex);
	snprintf(watch.state, sizeof(watch.state), "%s", state);
	goes_on = watch.caught == 0;
	pthread_mutex_unlock(&watch.mutex);
	return goes_on;
}

int
warehouse_run(struct app *app, struct sql_statement *statement, struct sql_result *result,
    struct error *e)
{
	int rc;

	statement->waiting = warehouse_waiting;
	warehouse_catch_signals(app);
	rc = sql_run(app->databricks, statement, result, e);
	warehouse_release_signals(app);
	if (rc != 0 && watch.caught == SIGTERM && e->code == ERR_INTERRUPTED)
		e->code = ERR_TERMINATED;
	return rc;
}

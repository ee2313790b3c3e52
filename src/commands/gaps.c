#include "commands/gaps.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"

#define WAITING_MAX 1000 /* commands; an overflow of the bus can bring gaps by the thousand */
#define KINDS_MAX 200
#define TOLD_MAX 3 /* then only each hundredth; the end of a run counts them by kind */
#define VARIABLES 8

struct kind {
	char *entity, *type;
	int64_t count;
};

struct gaps {
	struct loop *loop;
	struct worker *worker; /* runs the commands, one at a time */
	enum gap_action action;
	const char *command;
	struct kind *kinds;
	size_t kind_count, capacity;
	int64_t count, not_run;
	size_t waiting;
	atomic_int child; /* the process that runs; 0: none */
	atomic_bool giving_up;
};

struct job {
	struct gaps *gaps;
	char *variables[VARIABLES + 1]; /* ends with NULL */
	int status; /* of waitpid; -1: not started */
	int errnum;
};

int
gaps_parse(const char *action, enum gap_action *out, const char **command, struct error *e)
{
	*command = NULL;
	if (strcmp(action, "warn") == 0) {
		*out = GAP_WARN;
	} else if (strcmp(action, "fail") == 0) {
		*out = GAP_FAIL;
	} else if (strncmp(action, "command:", 8) == 0 && action[8] != '\0') {
		*out = GAP_COMMAND;
		*command = action + 8;
	} else {
		error_set(e, ERR_USAGE, "'%s' is nothing to do on a gap", action);
		return error_hint(e, "it is warn, fail, or command: and a command of the shell");
	}
	return 0;
}

struct gaps *
gaps_new(struct loop *loop, const char *action)
{
	struct gaps *g = memory_zero(1, sizeof(*g));
	struct error ignored = ERROR_INIT;

	g->loop = loop;
	gaps_parse(action, &g->action, &g->command, &ignored);
	return g;
}

/* ---- the command */

/* Standard output is for our data: the command's goes to standard error. */
static int
start(const struct job *job, pid_t *child)
{
	const char *const argv[] = {"sh", "-c", job->gaps->command, NULL};
	posix_spawn_file_actions_t files;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	return process_spawn(argv, (const char *const *)job->variables, &files, 0, child);
}

static void
run(void *context)
{
	struct job *job = context;
	pid_t child;

	job->status = -1;
	if (atomic_load(&job->gaps->giving_up))
		return;
	job->errnum = start(job, &child);
	if (job->errnum != 0)
		return;
	atomic_store(&job->gaps->child, (int)child);
	while (waitpid(child, &job->status, 0) < 0 && errno == EINTR)
		continue;
	atomic_store(&job->gaps->child, 0);
}

static void
ran(void *context)
{
	struct job *job = context;
	struct gaps *g = job->gaps;

	g->waiting--;
	if (job->status == -1 && job->errnum != 0)
		log_warn("gaps", "the command of --on-gap cannot be run: %s", strerror(job->errnum));
	else if (job->status == -1)
		g->not_run++;
	else if (WIFSIGNALED(job->status))
		log_warn("gaps", "the command of --on-gap died of signal %d", WTERMSIG(job->status));
	else if (WEXITSTATUS(job->status) != 0)
		log_warn("gaps", "the command of --on-gap ended with status %d", WEXITSTATUS(job->status));
	for (int i = 0; i < VARIABLES; i++)
		free(job->variables[i]);
	free(job);
}

/* "SFZB_GAP_NAME=value", without what no variable may hold. */
static char *
variable(const char *name, struct text value)
{
	struct buffer b = BUFFER_INIT;

	buffer_append_format(&b, "SFZB_GAP_%s=", name);
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] != '\0')
			buffer_append_byte(&b, (uint8_t)value.data[i]);
	return buffer_detach(&b);
}

static void
queue(struct gaps *g, const struct event *event)
{
	struct buffer ids = BUFFER_INIT;
	char hex[REPLAY_ID_TEXT_SIZE], time[CLOCK_TIME_SIZE];
	struct job *job;

	if (g->waiting >= WAITING_MAX) {
		if (g->not_run++ == 0)
			log_warn("gaps", "%d commands of --on-gap wait already: more are not run", WAITING_MAX);
		return;
	}
	job = memory_zero(1, sizeof(*job));
	job->gaps = g;
	for (size_t i = 0; i < event->record_ids.count; i++)
		buffer_append_format(&ids, "%s" TEXT_FORMAT, i > 0 ? " " : "", TEXT_ARGS(event->record_ids.items[i]));
	job->variables[0] = variable("TOPIC", event->topic);
	job->variables[1] = variable("ENTITY", event->entity);
	job->variables[2] = variable("TYPE", event->change_type);
	job->variables[3] = variable("RECORD_IDS", buffer_span(&ids));
	job->variables[4] = variable("REPLAY_ID", text_of(replay_id_hex(hex, &event->replay_id)));
	job->variables[5] = variable("EVENT_ID", event->id);
	job->variables[6] = variable("TIME", text_of(clock_format_time(time, event->commit_timestamp_ms)));
	job->variables[7] = variable("ORG_ID", event->org_id);
	buffer_release(&ids);
	if (g->worker == NULL)
		g->worker = worker_new(g->loop, "gaps");
	g->waiting++;
	worker_submit(g->worker, run, ran, job);
}

/* ---- counting */

static void
note(struct gaps *g, const struct event *event)
{
	g->count++;
	for (size_t i = 0; i < g->kind_count; i++)
		if (text_is(event->entity, g->kinds[i].entity) && text_is(event->change_type, g->kinds[i].type)) {
			g->kinds[i].count++;
			return;
		}
	if (g->kind_count >= KINDS_MAX)
		return;
	g->kinds = memory_reserve(g->kinds, &g->capacity, g->kind_count + 1, sizeof(*g->kinds));
	g->kinds[g->kind_count++] = (struct kind){text_dup(event->entity), text_dup(event->change_type), 1};
}

bool
gaps_take(struct gaps *g, const struct event *event)
{
	char hex[REPLAY_ID_TEXT_SIZE], entity[80], type[40], first[40] = "";
	size_t count = event->record_ids.count;

	note(g, event);
	if (count > 0)
		text_clean(first, sizeof(first), event->record_ids.items[0]);
	log_message(g->count <= TOLD_MAX || g->count % 100 == 0 ? LOG_WARN : LOG_DEBUG, "gaps",
	    "%s of %s%s%s%s (replay id %s): a change whose data Salesforce did not deliver; read %s again",
	    text_clean(type, sizeof(type), event->change_type), text_clean(entity, sizeof(entity), event->entity), first[0] != '\0' ? " " : "", first,
	    count > 1 ? " and others" : "", replay_id_hex(hex, &event->replay_id),
	    count == 0 ? "all its records" : count > 1 ? "the records" : "the record");
	if (g->action == GAP_COMMAND)
		queue(g, event);
	return g->action == GAP_FAIL;
}

void
gaps_finish(struct gaps *g, int64_t timeout_ms)
{
	int64_t until = clock_monotonic_ms(&clock_system) + timeout_ms;
	int child;

	while (g->waiting > 0) {
		int64_t left = until - clock_monotonic_ms(&clock_system);

		if (left <= 0 && !atomic_exchange(&g->giving_up, true)) {
			child = atomic_load(&g->child);
			if (child > 0)
				kill((pid_t)child, SIGTERM);
			left = 1000;
		} else if (left <= -5000) {
			child = atomic_load(&g->child);
			if (child > 0)
				kill((pid_t)child, SIGKILL);
			left = 100;
		}
		loop_step(g->loop, left > 100 ? 100 : left > 0 ? left : 100);
	}
}

void
gaps_report(const struct gaps *g)
{
	struct buffer b = BUFFER_INIT;

	if (g->count == 0)
		return;
	buffer_append_format(&b, "%lld gap event%s: ", (long long)g->count, g->count == 1 ? "" : "s");
	for (size_t i = 0; i < g->kind_count; i++) {
		char entity[80], type[40];

		buffer_append_format(&b, "%s%s of %s (%lld)", i > 0 ? ", " : "",
		    text_clean(type, sizeof(type), text_of(g->kinds[i].type)),
		    text_clean(entity, sizeof(entity), text_of(g->kinds[i].entity)), (long long)g->kinds[i].count);
	}
	log_warn("gaps", "%s", buffer_text(&b));
	buffer_release(&b);
	if (g->not_run > 0)
		log_warn("gaps", "for %lld of them the command of --on-gap was not run", (long long)g->not_run);
}

struct json *
gaps_json(const struct gaps *g)
{
	struct json *list = json_array();

	for (size_t i = 0; i < g->kind_count; i++) {
		struct json *one = json_object();

		json_set_string(one, "entity", g->kinds[i].entity);
		json_set_string(one, "type", g->kinds[i].type);
		json_set_int64(one, "count", g->kinds[i].count);
		json_add(list, one);
	}
	return list;
}

void
gaps_free(struct gaps *g)
{
	if (g == NULL)
		return;
	if (g->worker != NULL)
		worker_free(g->worker);
	for (size_t i = 0; i < g->kind_count; i++) {
		free(g->kinds[i].entity);
		free(g->kinds[i].type);
	}
	free(g->kinds);
	free(g);
}

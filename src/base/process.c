#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

#define STEP_MS 200
#define READ_BYTES 4096

extern char **environ;

/* Does the entry "NAME=value" (or "NAME") speak of the same variable? */
static bool
same_variable(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return len == strcspn(b, "=") && strncmp(a, b, len) == 0;
}

/* Our environment with the changes; the array is to be freed, its texts are borrowed. */
static char **
changed_environment(const char *const *changes)
{
	size_t count = 0, more = 0, n = 0;
	char **list;

	while (environ[count] != NULL)
		count++;
	while (changes != NULL && changes[more] != NULL)
		more++;
	list = memory_zero(count + more + 1, sizeof(*list));
	for (size_t i = 0; i < count; i++) {
		bool is_changed = false;

		for (size_t k = 0; k < more && !is_changed; k++)
			is_changed = same_variable(environ[i], changes[k]);
		if (!is_changed)
			list[n++] = environ[i];
	}
	for (size_t k = 0; k < more; k++)
		if (strchr(changes[k], '=') != NULL)
			list[n++] = (char *)(uintptr_t)changes[k];
	return list;
}

int
process_spawn(const char *const *argv, const char *const *changes, posix_spawn_file_actions_t *files, short flags, pid_t *child)
{
	char **environment = changed_environment(changes);
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	int rc;

	/* signals that are blocked or ignored here would stay so over there */
	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | flags);
	rc = posix_spawnp(child, argv[0], files, &attributes, (char *const *)(uintptr_t)argv, environment);
	posix_spawnattr_destroy(&attributes);
	if (files != NULL)
		posix_spawn_file_actions_destroy(files);
	free(environment);
	return rc;
}

static int
start(const struct process_request *q, int in, int out, pid_t *pid)
{
	posix_spawn_file_actions_t files;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (!q->shows_errors)
		posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	return process_spawn(q->argv, q->environment, &files, 0, pid);
}

static int
collect(const struct process_request *q, int fd, struct buffer *out, struct error *e)
{
	int64_t end = clock_monotonic_ms(&clock_system) + q->timeout_ms;
	size_t before = out->len;

	/* grown once, so that no copy of a secret is left behind */
	buffer_reserve(out, q->output_limit_bytes + READ_BYTES);
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_monotonic_ms(&clock_system);
		ssize_t n;

		if (q->is_cancelled != NULL && q->is_cancelled(q->context))
			return error_set(e, ERR_INTERRUPTED, "'%s' was interrupted", q->argv[0]);
		if (left <= 0)
			return error_set(e, ERR_TIMEOUT, "'%s' did not end within %lld s", q->argv[0],
			    (long long)(q->timeout_ms / 1000));
		if (poll(&p, 1, (int)(left < STEP_MS ? left : STEP_MS)) <= 0)
			continue;
		n = read(fd, out->data + out->len, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(e, ERR_FAILED, errno, "cannot read from '%s'", q->argv[0]);
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		if (out->len - before > q->output_limit_bytes)
			return error_set(e, ERR_REFUSED, "'%s' printed more than %zu bytes", q->argv[0],
			    q->output_limit_bytes);
	}
}

static int
reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Who does not read what it is told is not at fault. */
static void
give_input(int fd, struct text input)
{
	ssize_t n;

	do {
		n = input.len > 0 ? write(fd, input.data, input.len) : 0;
	} while (n < 0 && errno == EINTR);
}

int
process_run(const struct process_request *q, struct buffer *out, int *status, struct error *e)
{
	int in[2] = {-1, -1}, answer[2] = {-1, -1}, why, rc = -1;
	pid_t pid;

	*status = -1;
	if (q->input.len > PROCESS_INPUT_MAX)
		return error_set(e, ERR_FAILED, "more than %d bytes for '%s'", PROCESS_INPUT_MAX, q->argv[0]);
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(answer, O_CLOEXEC) != 0) {
		error_set_errno(e, ERR_FAILED, errno, "cannot start '%s'", q->argv[0]);
		goto out;
	}
	why = start(q, in[0], answer[1], &pid);
	if (why != 0) {
		error_set_errno(e, ERR_CONFIG, why, "cannot start '%s'", q->argv[0]);
		goto out;
	}
	close(in[0]);
	close(answer[1]);
	in[0] = answer[1] = -1;
	give_input(in[1], q->input);
	close(in[1]);
	in[1] = -1;
	rc = collect(q, answer[0], out, e);
	if (rc < 0)
		kill(pid, SIGKILL);
	*status = reap(pid);
out:
	for (int i = 0; i < 2; i++) {
		if (in[i] >= 0)
			close(in[i]);
		if (answer[i] >= 0)
			close(answer[i]);
	}
	return rc;
}

int
process_launch(const char *const *argv, int64_t grace_ms, struct error *e)
{
	const struct timespec step = {.tv_nsec = 20000000};
	int64_t end = clock_monotonic_ms(&clock_system) + grace_ms;
	posix_spawn_file_actions_t files;
	int why, status = 0;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	why = process_spawn(argv, NULL, &files, POSIX_SPAWN_SETSID, &pid);
	if (why != 0)
		return error_set_errno(e, ERR_CONFIG, why, "cannot start '%s'", argv[0]);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_monotonic_ms(&clock_system) >= end)
			return 0;
		nanosleep(&step, NULL);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return error_set(e, ERR_FAILED, "'%s' failed", argv[0]);
}

/*
 * Runs other programs, with signals as every program expects them. process_run takes what one prints: for what only that program
 * knows, such as a stored credential. What went through here is wiped by the caller, who alone knows whether it was secret.
 */
#ifndef SFZB_BASE_PROCESS_H
#define SFZB_BASE_PROCESS_H

#include <spawn.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

struct process_request {
	const char *const *argv;	/* ends with NULL; argv[0] is looked for in PATH */
	const char *const *environment; /* "NAME=value" sets, "NAME" removes; ends with NULL; may be NULL */
	struct text input;		/* at most PROCESS_INPUT_MAX bytes; standard input ends behind it */
	bool shows_errors;		/* its standard error is ours; else it goes nowhere */
	int64_t timeout_ms;
	size_t output_limit_bytes;
	bool (*is_cancelled)(void *context); /* asked several times a second; may be NULL */
	void *context;
};
#define PROCESS_INPUT_MAX 4096

/*
 * Blocking. 0: it ran; *status is its exit status, 128 + n after signal n, and out holds what it printed. ERR_CONFIG when it cannot
 * be started, ERR_TIMEOUT (it is killed), ERR_REFUSED when it prints more than the limit, ERR_INTERRUPTED. SIGPIPE must
 * be ignored in this process.
 */
int process_run(const struct process_request *q, struct buffer *out, int *status, struct error *e);

/*
 * Starts a program that goes on by itself, in a session of its own, with nothing to read and nowhere to write: a browser. 0:
 * it still runs after grace_ms, or has ended well by then. ERR_CONFIG: it cannot be started; ERR_FAILED: it has failed.
 */
int process_launch(const char *const *argv, int64_t grace_ms, struct error *e);

/*
 * Starts a program and does not wait for it. changes: to our environment, as in struct process_request. files may be NULL and is
 * destroyed; flags are of posix_spawnattr_setflags. Returns errno's value when it cannot be started.
 */
int process_spawn(const char *const *argv, const char *const *changes, posix_spawn_file_actions_t *files, short flags,
    pid_t *child);

#endif

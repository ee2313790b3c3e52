/*
 * An error is a value that the caller owns: no heap, no thread-local state, nothing printed.
 *
 * Who finds the fault sets it; a layer above may wrap it once with what it was doing; main prints
 * it. The text names the subject in quotes where it can, starts without a capital and ends without
 * a full stop. The hint, if any, says what to do next, as a sentence of the same kind.
 *
 * A function that can fail returns 0 or -1 (or NULL for a pointer) and takes the error last.
 */
#ifndef SFZB_BASE_ERROR_H
#define SFZB_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* What the program may do about an error, short of telling a person. */
enum disposition {
	DISPOSITION_NONE,	  /* no error */
	DISPOSITION_STOP,	  /* nothing but a person can help */
	DISPOSITION_RETRY,	  /* the same again, after the usual back-off */
	DISPOSITION_RETRY_SLOWLY, /* the same again, after minutes: a quota or an overload */
	DISPOSITION_LOG_IN_AGAIN, /* a new token, once, then the same again */
	DISPOSITION_SET_ASIDE,	  /* one event is at fault: dead-letter it and go on */
};

/*
 * Code, exit status, disposition, words. The exit statuses are the program's contract with scripts;
 * the man page's EXIT STATUS section is made from this list.
 */
#define ERROR_CODES(X)                                                                             \
	X(OK, 0, NONE, "done")                                                                     \
	X(FAILED, 1, STOP, "failed")                                                               \
	X(USAGE, 2, STOP, "wrong usage")                                                           \
	X(CONFIG, 2, STOP, "wrong configuration")                                                  \
	X(NOT_LOGGED_IN, 3, STOP, "not logged in")                                                 \
	X(CREDENTIALS, 3, STOP, "credentials refused")                                             \
	X(SESSION, 3, LOG_IN_AGAIN, "session expired")                                             \
	X(NOT_FOUND, 4, STOP, "no such topic, table or schema")                                    \
	X(PERMISSION, 4, STOP, "no permission")                                                    \
	X(MISFIT, 4, STOP, "the table does not fit")                                               \
	X(UNAVAILABLE, 5, RETRY, "service unreachable")                                            \
	X(OVERLOADED, 5, RETRY_SLOWLY, "service overloaded")                                       \
	X(REFUSED, 6, SET_ASIDE, "data refused")                                                   \
	X(TIMEOUT, 7, STOP, "timed out")                                                           \
	X(POSITION, 8, STOP, "position lost or unknown")                                           \
	X(QUOTA, 9, RETRY_SLOWLY, "quota exhausted")                                               \
	X(INTERRUPTED, 130, STOP, "interrupted")                                                   \
	X(TERMINATED, 143, STOP, "terminated")

enum error_code {
#define X(name, status, disposition, words) ERR_##name,
	ERROR_CODES(X)
#undef X
	    ERROR_CODE_COUNT
};

#define ERROR_TEXT_MAX 1024
#define ERROR_HINT_MAX 384

struct error {
	enum error_code code;
	/* the peer's own wish for a pause before the next try, in ms; 0 when it said none; -1: nothing but a person can help
	 * here, though a connection that has worked is worth another try */
	int64_t retry_after_ms;
	char text[ERROR_TEXT_MAX];
	char hint[ERROR_HINT_MAX];
};

#define ERROR_INIT                                                                                 \
	{                                                                                          \
		.code = ERR_OK                                                                     \
	}

#if defined(__GNUC__)
#define SFZB_FORMAT(f, a) __attribute__((format(printf, f, a)))
#else
#define SFZB_FORMAT(f, a)
#endif

void error_clear(struct error *e);

/* Sets code and text, and drops any hint; returns -1, so that `return error_set(…)` reads well. e may be NULL. */
int error_set(struct error *e, enum error_code code, const char *format, ...) SFZB_FORMAT(3, 4);

/* The same with ": " and strerror(errnum) after the text. */
int error_set_errno(struct error *e, enum error_code code, int errnum, const char *format, ...)
    SFZB_FORMAT(4, 5);

/* Puts "what: " in front of the text; the code stays. Returns -1. */
int error_wrap(struct error *e, const char *format, ...) SFZB_FORMAT(2, 3);

/* What to do next. Replaces an earlier hint. Returns -1. */
int error_hint(struct error *e, const char *format, ...) SFZB_FORMAT(2, 3);

/* Exit status of the program, 0 … 143. */
int error_exit_status(enum error_code code);
enum disposition error_disposition(enum error_code code);
/* "SESSION": the name in the list, for logs and tests */
const char *error_name(enum error_code code);

#endif

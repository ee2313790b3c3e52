/*
 * Messages about the program's doings, for stderr. The library calls log_…; where the lines go
 * is set once by main. Never data, never secrets.
 *
 * Levels: error is for main alone; warn needs a person's eye; info is what -v off shows on a
 * terminal or in a journal (starts, stops, reconnects); debug is -v; trace is -vv (messages on the
 * wire, by name and size).
 */
#ifndef SFZB_BASE_LOG_H
#define SFZB_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* Called with one message, no newline; may be called from any thread, one at a time. */
typedef void log_writer(void *context, enum log_level level, const char *area, const char *message);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_set_writer(log_writer *writer, void *context); /* NULL: the default, lines on stderr */

/* area: the folder or module that speaks, e.g. "pubsub", "zerobus", "stream". */
void log_message(enum log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_warn(area, ...) log_message(LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...) log_message(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)                                                                       \
	do {                                                                                       \
		if (log_get_level() >= LOG_DEBUG)                                                  \
			log_message(LOG_DEBUG, area, __VA_ARGS__);                                 \
	} while (0)
#define log_trace(area, ...)                                                                       \
	do {                                                                                       \
		if (log_get_level() >= LOG_TRACE)                                                  \
			log_message(LOG_TRACE, area, __VA_ARGS__);                                 \
	} while (0)

#endif

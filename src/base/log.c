#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/clock.h"

static _Atomic int current_level = LOG_INFO;
static log_writer *current_writer;
static void *writer_context;
static pthread_mutex_t writer_mutex = PTHREAD_MUTEX_INITIALIZER;

static void
write_line(enum log_level level, const char *area, const char *message)
{
	struct buffer line = BUFFER_INIT;
	char time[CLOCK_TIME_SIZE];

	clock_format_time(time, clock_wall_ms(&clock_system));
	if (level == LOG_WARN) {
		buffer_append_format(&line, "sfzb: warning: %s\n", message);
	} else if (level <= LOG_INFO) {
		buffer_append_format(&line, "sfzb: %s\n", message);
	} else {
		buffer_append_format(&line, "sfzb: %s %s: %s\n", time + 11, area, message);
	}
	fwrite(line.data, 1, line.len, stderr);
	fflush(stderr);
	buffer_release(&line);
}

void
log_set_level(enum log_level level)
{
	current_level = (int)level;
}

enum log_level
log_get_level(void)
{
	return (enum log_level)current_level;
}

void
log_set_writer(log_writer *writer, void *context)
{
	current_writer = writer;
	writer_context = context;
}

void
log_message(enum log_level level, const char *area, const char *format, ...)
{
	struct buffer message = BUFFER_INIT;
	char fixed[512];
	const char *text = fixed;
	va_list ap;
	int n;

	if ((int)level > current_level)
		return;
	va_start(ap, format);
	n = vsnprintf(fixed, sizeof(fixed), format, ap);
	va_end(ap);
	if (n >= (int)sizeof(fixed)) {
		buffer_reserve(&message, (size_t)n + 1);
		va_start(ap, format);
		vsnprintf((char *)message.data, (size_t)n + 1, format, ap);
		va_end(ap);
		text = (const char *)message.data;
	}
	pthread_mutex_lock(&writer_mutex);
	if (current_writer != NULL)
		current_writer(writer_context, level, area, text);
	else
		write_line(level, area, text);
	pthread_mutex_unlock(&writer_mutex);
	buffer_release(&message);
}

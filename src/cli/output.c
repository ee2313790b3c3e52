#include "cli/output.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/memory.h"

#define FLUSH_AT_BYTES 65536

static struct {
	struct buffer buffer;
	bool terminal, color, error_color, line_buffered, gone;
} out = {.line_buffered = true};

void
output_init(enum color color)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
	bool wanted = color == COLOR_ALWAYS;

	if (color == COLOR_AUTO)
		wanted = (none == NULL || none[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
	out.terminal = isatty(STDOUT_FILENO) == 1;
	out.color = wanted && (out.terminal || color == COLOR_ALWAYS);
	out.error_color = wanted && (isatty(STDERR_FILENO) == 1 || color == COLOR_ALWAYS);
}

bool
output_is_terminal(void)
{
	return out.terminal;
}

size_t
output_columns(void)
{
	struct winsize size;

	if (!out.terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

bool
output_error_has_color(void)
{
	return out.error_color;
}

const char *
output_style(enum style style)
{
	static const char *const sequences[] = {
		"\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[34m",
	};

	return out.color ? sequences[style] : "";
}

/* Standard output may be a non-blocking pipe that somebody else left so. */
static int
wait_writable(void)
{
	struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&p, 1, -1) < 0 && errno != EINTR ? -1 : 0;
}

int
output_flush(struct error *e)
{
	size_t at = 0;

	while (at < out.buffer.len && !out.gone) {
		ssize_t n = write(STDOUT_FILENO, out.buffer.data + at, out.buffer.len - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno == EPIPE)
			out.gone = true;
		else if (errno == EAGAIN ? wait_writable() != 0 : errno != EINTR) {
			int errnum = errno;

			buffer_clear(&out.buffer);
			return error_set_errno(e, ERR_FAILED, errnum, "cannot write to standard output");
		}
	}
	buffer_clear(&out.buffer);
	return 0;
}

int
output_write(struct text bytes, struct error *e)
{
	if (out.gone)
		return 0;
	buffer_append(&out.buffer, bytes.data, bytes.len);
	return out.buffer.len >= FLUSH_AT_BYTES ? output_flush(e) : 0;
}

int
output_line(struct text line, struct error *e)
{
	if (out.gone)
		return 0;
	buffer_append(&out.buffer, line.data, line.len);
	buffer_append_byte(&out.buffer, '\n');
	return out.line_buffered || out.buffer.len >= FLUSH_AT_BYTES ? output_flush(e) : 0;
}

int
output_json(struct json *j, struct error *e)
{
	struct buffer line = BUFFER_INIT;
	int rc;

	json_write(&line, j, false);
	rc = output_line(buffer_span(&line), e);
	buffer_release(&line);
	json_free(j);
	return rc;
}

int
output_format(struct error *e, const char *format, ...)
{
	char *text;
	va_list ap;
	int n, rc;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		memory_give_up("out of memory");
	rc = output_write(text_span(text, (size_t)n), e);
	free(text);
	return rc;
}

void
output_set_line_buffered(bool line_buffered)
{
	out.line_buffered = line_buffered;
}

bool
output_gone(void)
{
	return out.gone;
}

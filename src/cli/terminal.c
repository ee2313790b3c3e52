#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json_text.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/width.h"

static struct {
	pthread_mutex_t mutex; /* messages come from any thread */
	enum log_format format;
	bool has_status;
	char *status; /* what is shown, or NULL */
} terminal = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void
write_all(const struct buffer *b)
{
	size_t at = 0;

	while (at < b->len) {
		ssize_t n = write(STDERR_FILENO, b->data + at, b->len - at);

		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno == EAGAIN) /* somebody else left the terminal or pipe so */
			poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, -1);
		else if (n < 0 && errno != EINTR)
			return; /* nobody is left to be told */
	}
}

static void
append_status(struct buffer *b)
{
	struct winsize size;
	struct text shown = text_of(terminal.status);
	size_t used;

	if (terminal.status == NULL)
		return;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		shown.len = width_cut(shown, size.ws_col - 1, &used);
	buffer_append(b, shown.data, shown.len);
}

#define CONTROL_C 3
#define ERASE_LINE "\r\033[K"

static void
append_json(struct buffer *b, const char *level, const char *area, const char *message)
{
	char time[CLOCK_TIME_SIZE];

	clock_format_time(time, clock_wall_ms(&clock_system));
	buffer_append_format(b, "{\"time\":\"%s\",\"level\":\"%s\"", time, level);
	if (area != NULL) {
		buffer_append_text(b, ",\"area\":");
		json_text_string(b, text_of(area));
	}
	buffer_append_text(b, ",\"message\":");
	json_text_string(b, text_of(message));
}

static void
append_text(struct buffer *b, enum log_level level, const char *area, const char *message)
{
	char time[CLOCK_TIME_SIZE];
	bool color = output_error_has_color();

	if (level == LOG_WARN) {
		buffer_append_format(b, "sfzb: %swarning:%s %s\n", color ? "\033[1;33m" : "",
		    color ? "\033[0m" : "", message);
	} else if (level <= LOG_INFO) {
		buffer_append_format(b, "sfzb: %s\n", message);
	} else {
		clock_format_time(time, clock_wall_ms(&clock_system));
		buffer_append_format(b, "%ssfzb: %s %s: %s%s\n", color ? "\033[2m" : "", time + 11, area,
		    message, color ? "\033[0m" : "");
	}
}

/* A message goes out in one write, so that lines of several processes do not mix. */
static void
write_message(const struct buffer *message)
{
	struct buffer b = BUFFER_INIT;

	pthread_mutex_lock(&terminal.mutex);
	if (terminal.status != NULL)
		buffer_append_text(&b, ERASE_LINE);
	buffer_append(&b, message->data, message->len);
	append_status(&b);
	write_all(&b);
	pthread_mutex_unlock(&terminal.mutex);
	buffer_release(&b);
}

/* Words of a server, a file or the command line may be in a message: nothing in them moves a cursor or breaks the JSON. */
static char *
cleaned(const char *message)
{
	struct text all = text_of(message);
	size_t size = all.len + sizeof("…");

	return text_clean(memory_alloc(size), size, all);
}

static void
write_log(void *context, enum log_level level, const char *area, const char *message)
{
	static const char *const names[] = {"error", "warning", "info", "debug", "trace"};
	struct buffer b = BUFFER_INIT;
	char *clean = cleaned(message);

	(void)context;
	if (terminal.format == LOG_JSON) {
		append_json(&b, names[level], area, clean);
		buffer_append_text(&b, "}\n");
	} else {
		append_text(&b, level, area, clean);
	}
	write_message(&b);
	buffer_release(&b);
	free(clean);
}

/* It would show the sequences that move its cursor. */
static bool
is_dumb(void)
{
	const char *term = getenv("TERM");

	return term == NULL || *term == '\0' || strcmp(term, "dumb") == 0;
}

void
terminal_init(enum log_format format, bool quiet, int verbose)
{
	terminal.format = format;
	terminal.has_status = format == LOG_TEXT && !quiet && isatty(STDERR_FILENO) == 1 && !is_dumb();
	log_set_level(verbose >= 2 ? LOG_TRACE
		: verbose == 1	   ? LOG_DEBUG
		: quiet		   ? LOG_WARN
				   : LOG_INFO);
	log_set_writer(write_log, NULL);
}

void
terminal_set_log(enum log_format format, enum log_level level)
{
	terminal.format = format;
	log_set_level(level);
}

bool
terminal_has_status(void)
{
	return terminal.has_status;
}

void
terminal_set_status(const char *text)
{
	struct buffer b = BUFFER_INIT;

	if (!terminal.has_status)
		return;
	pthread_mutex_lock(&terminal.mutex);
	if (terminal.status != NULL || text != NULL) {
		free(terminal.status);
		terminal.status = memory_strdup(text);
		buffer_append_text(&b, ERASE_LINE);
		append_status(&b);
		write_all(&b);
	}
	pthread_mutex_unlock(&terminal.mutex);
	buffer_release(&b);
}

void
terminal_print_error(const struct error *e)
{
	struct buffer b = BUFFER_INIT;
	bool color = output_error_has_color();
	char *text = cleaned(e->text), *hint = cleaned(e->hint);

	terminal_set_status(NULL);
	if (terminal.format == LOG_JSON) {
		append_json(&b, "error", NULL, text);
		buffer_append_format(&b, ",\"code\":\"%s\",\"exit_status\":%d", error_name(e->code),
		    error_exit_status(e->code));
		if (hint[0] != '\0') {
			buffer_append_text(&b, ",\"hint\":");
			json_text_string(&b, text_of(hint));
		}
		buffer_append_text(&b, "}\n");
	} else {
		buffer_append_format(&b, "sfzb: %serror:%s %s\n", color ? "\033[1;31m" : "",
		    color ? "\033[0m" : "", text);
		if (hint[0] != '\0')
			buffer_append_format(&b, "sfzb: %shint:%s %s\n", color ? "\033[1m" : "",
			    color ? "\033[0m" : "", hint);
	}
	write_message(&b);
	buffer_release(&b);
	free(text);
	free(hint);
}

static void
write_plainly(const char *s)
{
	ssize_t n = write(STDERR_FILENO, s, strlen(s));

	(void)n;
}

/* Of text for JSON: what would need an escape is left out. */
static void
write_for_json(const char *s)
{
	while (*s != '\0') {
		size_t n = strcspn(s, "\"\\\n\t\r");
		ssize_t written = write(STDERR_FILENO, s, n);

		(void)written;
		s += n + (s[n] != '\0');
	}
}

/* Neither memory nor locks are to be had here. */
static void
write_last(const char *why, const char *hint, const char *code, int status)
{
	char digits[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10), '\0'};

	if (terminal.format == LOG_JSON) {
		write_plainly("{\"level\":\"error\",\"message\":\"");
		write_for_json(why);
		write_plainly("\",\"code\":\"");
		write_plainly(code);
		write_plainly("\",\"exit_status\":");
		write_plainly(digits + (status < 10 ? 2 : status < 100 ? 1 : 0));
		write_plainly(",\"hint\":\"");
		write_for_json(hint);
		write_plainly("\"}\n");
		return;
	}
	write_plainly("sfzb: error: ");
	write_plainly(why);
	write_plainly("\n");
	if (hint[0] == '\0')
		return;
	write_plainly("sfzb: hint: ");
	write_plainly(hint);
	write_plainly("\n");
}

void
terminal_give_up(const char *why)
{
	write_last(why, "what was stored is intact, and a stream goes on where it stood", error_name(ERR_FAILED), 1);
	_exit(1);
}

void
terminal_give_up_with(const struct error *e)
{
	int status = error_exit_status(e->code);
	char text[ERROR_TEXT_MAX + 4], hint[ERROR_HINT_MAX + 4];

	if (e->code != ERR_OK)
		write_last(text_clean(text, sizeof(text), text_of(e->text)), text_clean(hint, sizeof(hint), text_of(e->hint)),
		    error_name(e->code), status);
	_exit(status);
}

bool
terminal_can_ask(void)
{
	return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

/* One line from the terminal, byte by byte so that nothing behind it is taken. */
static int
read_line(struct buffer *line, struct error *e)
{
	char c;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(e, ERR_FAILED, errno, "cannot read from the terminal");
		if (n == 0)
			return error_set(e, ERR_USAGE, "no answer: end of input");
		if (c == '\n')
			return 0;
		if (c == CONTROL_C)
			return error_set(e, ERR_INTERRUPTED, "interrupted");
		if (line->len >= LIMIT_TOKEN_BYTES)
			return error_set(e, ERR_USAGE, "the answer is longer than %d bytes", LIMIT_TOKEN_BYTES);
		buffer_append_byte(line, (uint8_t)c);
	}
}

static void
write_question(const char *question, const char *fallback)
{
	struct buffer b = BUFFER_INIT;

	if (fallback != NULL && fallback[0] != '\0')
		buffer_append_format(&b, "%s [%s]: ", question, fallback);
	else
		buffer_append_format(&b, "%s: ", question);
	write_all(&b);
	buffer_release(&b);
}

int
terminal_ask(const char *question, const char *fallback, char **answer, struct error *e)
{
	struct buffer line = BUFFER_INIT;

	write_question(question, fallback);
	if (read_line(&line, e) != 0) {
		buffer_release(&line);
		return -1;
	}
	if (line.len == 0 && fallback != NULL)
		buffer_append_text(&line, fallback);
	*answer = buffer_detach(&line);
	return 0;
}

/*
 * The echo must come back whatever happens, so Ctrl-C is read as a byte here, one that ends the line.
 * Room for the longest answer is reserved at once: growing would leave copies behind.
 */
int
terminal_ask_secret(const char *question, struct secret *answer, struct error *e)
{
	struct buffer line = BUFFER_INIT, newline = BUFFER_INIT;
	struct termios before, silent;
	int rc;

	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return error_set_errno(e, ERR_FAILED, errno, "cannot read from the terminal");
	buffer_reserve(&line, LIMIT_TOKEN_BYTES + 1);
	write_question(question, NULL);
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	silent.c_cc[VEOL] = CONTROL_C;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	rc = read_line(&line, e);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	buffer_append_byte(&newline, '\n');
	write_all(&newline);
	buffer_release(&newline);
	if (rc == 0)
		secret_set(answer, buffer_span(&line));
	buffer_release_wiped(&line);
	return rc;
}

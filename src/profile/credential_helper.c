#include "profile/credential_helper.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/secret.h"

#define TIMEOUT_MS 60000
#define OUTPUT_BYTES (4 * LIMIT_TOKEN_BYTES)

/* A value with a line break would be read as another pair. */
static void
add_line(struct buffer *out, const char *key, const char *value)
{
	if (value != NULL && value[0] != '\0' && strpbrk(value, "\r\n") == NULL)
		buffer_append_format(out, "%s=%s\n", key, value);
}

static void
write_question(struct buffer *out, const struct credential_question *q)
{
	const char *host = q->url != NULL ? strstr(q->url, "://") : NULL;
	char *protocol = host != NULL ? memory_strndup(q->url, (size_t)(host - q->url)) : NULL;

	add_line(out, "protocol", protocol);
	add_line(out, "host", host != NULL ? host + 3 : q->url);
	add_line(out, "username", q->username);
	add_line(out, "service", q->service);
	buffer_append_byte(out, '\n');
	free(protocol);
}

/* Splits in place; returns how many pairs there were. */
static size_t
read_pairs(char *text, credential_given *each, void *context)
{
	size_t count = 0;

	for (char *line = text, *next; line != NULL && *line != '\0'; line = next) {
		char *equals;

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		if (line[0] == '\0')
			break;
		equals = strchr(line, '=');
		if (equals == NULL || equals == line)
			continue;
		*equals = '\0';
		each(context, line, equals + 1);
		count++;
	}
	return count;
}

int
credential_helper_ask(const char *command, const struct credential_question *q, credential_given *each,
    void *context, struct error *e)
{
	char *line = memory_format("%s get", command);
	const char *argv[] = {"/bin/sh", "-c", line, NULL};
	struct buffer input = BUFFER_INIT, answer = BUFFER_INIT;
	struct process_request request = {.argv = argv, .shows_errors = true, .timeout_ms = TIMEOUT_MS,
	    .output_limit_bytes = OUTPUT_BYTES, .is_cancelled = q->is_cancelled, .context = q->context};
	int status, rc = -1;

	write_question(&input, q);
	request.input = buffer_span(&input);
	if (process_run(&request, &answer, &status, e) < 0) {
		if (e->code == ERR_TIMEOUT)
			e->code = ERR_UNAVAILABLE;
		error_wrap(e, "credential helper '%s'", command);
	} else if (status != 0) {
		error_set(e, ERR_CREDENTIALS, "credential helper '%s' ended with status %d", command, status);
		if (status == 127)
			error_hint(e, "the shell does not find that command");
	} else if (read_pairs(buffer_text(&answer), each, context) == 0) {
		error_set(e, ERR_CREDENTIALS, "credential helper '%s' gave nothing for %s", command, q->service);
		error_hint(e, "it must print key=value lines: password=…, client_secret=…, access_token=…");
	} else {
		rc = 0;
	}
	if (answer.data != NULL)
		secret_wipe(answer.data, answer.capacity);
	buffer_release(&answer);
	buffer_release(&input);
	free(line);
	return rc;
}

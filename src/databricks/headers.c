#include "databricks/headers.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/process.h"

#define TIMEOUT_MS 60000
#define OUTPUT_BYTES (4 * LIMIT_TOKEN_BYTES)

void
headers_release(struct headers *h)
{
	for (size_t i = 0; i < h->count; i++) {
		free(h->items[i].name);
		secret_release(&h->items[i].value);
	}
	free(h->items);
	*h = (struct headers)HEADERS_INIT;
}

const struct secret *
headers_find(const struct headers *h, const char *name)
{
	for (size_t i = 0; i < h->count; i++)
		if (strcmp(h->items[i].name, name) == 0)
			return &h->items[i].value;
	return NULL;
}

static bool
is_name(struct text s)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", s.data[i]) == NULL ||
		    s.data[i] == '\0')
			return false;
	return s.len > 0;
}

static bool
is_value(struct text s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < ' ' || s.data[i] > '~')
			return false;
	return s.len > 0;
}

/* What the transport itself sets, and what would have to be bytes. */
static bool
is_reserved(const char *name)
{
	static const char *const names[] = {"user-agent", "content-type", "te", "host", "connection", "transfer-encoding"};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return strncmp(name, "grpc-", 5) == 0 || (len > 4 && strcmp(name + len - 4, "-bin") == 0);
}

static struct text
trim(struct text s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = text_span(s.data + 1, s.len - 1);
	while (s.len > 0 && strchr(" \t\r", s.data[s.len - 1]) != NULL)
		s.len--;
	return s;
}

static int
add(struct headers *h, struct text line, int number, struct error *e)
{
	const char *colon = memchr(line.data, ':', line.len);
	struct text name = trim(text_span(line.data, colon != NULL ? (size_t)(colon - line.data) : 0)), value;
	struct header *header;

	if (!is_name(name))
		return error_set(e, ERR_CREDENTIALS, "line %d of what it printed is no 'name: value'", number);
	value = trim(text_span(colon + 1, line.len - (size_t)(colon + 1 - line.data)));
	if (!is_value(value))
		return error_set(e, ERR_CREDENTIALS, "the header in line %d of what it printed has no value of printable ASCII",
		    number);
	if (h->count == LIMIT_STREAM_HEADERS)
		return error_set(e, ERR_CREDENTIALS, "it printed more than %d headers", LIMIT_STREAM_HEADERS);
	h->items = memory_grow(h->items, h->count + 1, sizeof(*h->items));
	header = &h->items[h->count];
	*header = (struct header){.name = text_dup(name)};
	for (char *c = header->name; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + 'a' - 'A');
	if (is_reserved(header->name) || headers_find(h, header->name) != NULL) {
		error_set(e, ERR_CREDENTIALS, headers_find(h, header->name) != NULL ?
			"the header '%s' is there twice" :
			"the header '%s' is not one that can be set", header->name);
		free(header->name);
		return -1;
	}
	h->count++;
	secret_set(&header->value, value);
	return 0;
}

static int
parse(struct headers *h, struct text printed, struct error *e)
{
	for (int number = 1; printed.len > 0; number++) {
		const char *end = memchr(printed.data, '\n', printed.len);
		size_t len = end != NULL ? (size_t)(end - printed.data) : printed.len;
		struct text line = trim(text_span(printed.data, len));

		if (line.len > 0 && add(h, line, number, e) != 0)
			return -1;
		len += end != NULL;
		printed = text_span(printed.data + len, printed.len - len);
	}
	return 0;
}

int
headers_ask(struct headers *h, const struct headers_question *q, struct error *e)
{
	const char *argv[] = {"/bin/sh", "-c", q->command, NULL};
	char *input = memory_format("table=%s\n%s\n", q->table, q->refused ? "refused=true\n" : "");
	struct buffer printed = BUFFER_INIT;
	struct process_request request = {.argv = argv, .input = text_of(input), .shows_errors = true,
	    .timeout_ms = TIMEOUT_MS, .output_limit_bytes = OUTPUT_BYTES, .is_cancelled = q->is_cancelled,
	    .context = q->context};
	int status, rc = process_run(&request, &printed, &status, e);

	if (rc != 0 && e->code == ERR_TIMEOUT) {
		e->code = ERR_UNAVAILABLE;
	} else if (rc == 0 && status != 0) {
		rc = error_set(e, status == 127 ? ERR_CONFIG : ERR_UNAVAILABLE, "it ended with status %d", status);
		if (status == 127)
			error_hint(e, "the shell does not find that command");
	} else if (rc == 0) {
		rc = parse(h, buffer_span(&printed), e);
	}
	if (rc != 0)
		error_wrap(e, "headers helper '%s'", q->command);
	buffer_release_wiped(&printed);
	free(input);
	return rc;
}

#include "databricks/zerobus.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "databricks/table_layout.h"
#include "databricks/zerobus_wire.h"

#define DETAILS_MAX 480	 /* bytes of details in an error's text */
#define DETAILS_DEPTH 4	 /* messages inside messages */

static const char hint_check[] = "sfzb create-table %s --check lists how the table and the rows differ";
static const char hint_missing[] = "sfzb create-table %s makes it";
static const char hint_feature[] = "the table %s uses a feature or format that Zerobus does not support; the message names it";
static const char hint_quota[] = "the service is overloaded or a quota is used up (100 MB/s a stream); it is tried again after a longer pause";
static const char hint_token[] = "the client id and secret must belong to a service principal of the workspace that the ingest endpoint names";

/* wire/zerobus.md §5. A status the vendor does not name is the server's trouble: tried again. */
static const struct {
	enum error_code at_open, later;
	const char *open_hint, *later_hint; /* %s: the table, as a shell takes it; hints without it ignore it */
} answers[17] = {
    [0] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, NULL, NULL},
    [1] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, NULL, NULL},
    [2] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, NULL, NULL},
    [3] = {ERR_MISFIT, ERR_REFUSED, hint_check, NULL},
    [4] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, NULL, NULL},
    [5] = {ERR_NOT_FOUND, ERR_NOT_FOUND, hint_missing, hint_missing},
    [6] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, NULL, NULL},
    [7] = {ERR_PERMISSION, ERR_PERMISSION, NULL, NULL}, /* its hint is the GRANTs */
    [8] = {ERR_OVERLOADED, ERR_OVERLOADED, hint_quota, hint_quota},
    [9] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, NULL, NULL},
    [10] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, NULL, NULL},
    [11] = {ERR_FAILED, ERR_FAILED, NULL, NULL},
    [12] = {ERR_MISFIT, ERR_MISFIT, hint_feature, hint_feature},
    [13] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, NULL, NULL},
    [14] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, NULL, NULL},
    [15] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, NULL, NULL},
    [16] = {ERR_SESSION, ERR_SESSION, hint_token, hint_token},
};

/* Numbers that the service writes into its texts. They never decide, they only explain. */
static const struct {
	long number;
	const char *hint;
} numbers[] = {
    {1022, "the service cannot open table %s for writing: seen with row tracking on (ALTER TABLE ... SET TBLPROPERTIES "
	   "('delta.enableRowTracking'='false')) and with GENERATED columns"},
    {4002, "the service counts the batches to %s differently (NonIncrementalOffset): a fault of sfzb, please report it"},
    {4033, "the record type for %s refers to a type outside of itself: a fault of sfzb, please report it"},
};

/* "…Error Code: 1022, Error State: 3" → 1022; 0 when the text names none. */
static long
find_number(const char *text)
{
	const char *p = strcasestr(text, "error code");

	if (p == NULL)
		return 0;
	p += strlen("error code");
	while (*p == ':' || *p == ' ')
		p++;
	return isdigit((unsigned char)*p) ? strtol(p, NULL, 10) : 0;
}

static void
set_hint(struct error *e, const char *format, const char *table)
{
	if (strstr(format, "%s") != NULL)
		error_hint(e, format, table);
	else
		error_hint(e, "%s", format);
}

/* All three statements, or the last alone where names are so long that a hint does not hold them. */
static void
hint_grants(struct error *e, const char *table, const char *principal)
{
	struct buffer grants = BUFFER_INIT;
	char *text, *last;

	delta_write_grants(&grants, table, principal);
	text = buffer_text(&grants);
	last = strstr(text, "GRANT SELECT");
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\n')
			*p = p[1] == '\0' ? '\0' : ' ';
	if (grants.len < ERROR_HINT_MAX)
		error_hint(e, "%s", text);
	else
		error_hint(e, "USE CATALOG and USE SCHEMA above the table, and: %s", last);
	buffer_release(&grants);
}

static bool
is_printable(struct text t)
{
	if (t.len < 2 || !text_is_utf8(t))
		return false;
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.data[i] < 0x20 && t.data[i] != '\n' && t.data[i] != '\t')
			return false;
	return true;
}

/* A field is taken for text before it is taken for a message: short messages seldom are all printable. */
static void
collect(struct buffer *out, size_t start, struct text message, int depth)
{
	struct wire_field f;
	struct text rest = message;

	while (depth < DETAILS_DEPTH && out->len - start < DETAILS_MAX && wire_next(&rest, &f) == 1) {
		if (f.type != WIRE_BYTES)
			continue;
		if (is_printable(f.bytes)) {
			char clean[DETAILS_MAX];

			if (out->len > start)
				buffer_append_text(out, "; ");
			buffer_append_text(out, text_clean(clean, sizeof(clean), f.bytes));
		} else {
			collect(out, start, f.bytes, depth + 1);
		}
	}
}

void
zerobus_details(struct buffer *out, struct text details)
{
	struct text rest = details;
	struct wire_field f;
	size_t start = out->len;

	/* google.rpc.Status: code 1, message 2 (which the status has already), details 3 = Any {type_url 1, value 2} */
	while (wire_next(&rest, &f) == 1) {
		struct text any = f.bytes;
		struct wire_field part;

		if (f.number != 3 || f.type != WIRE_BYTES)
			continue;
		while (wire_next(&any, &part) == 1)
			if (part.number == 2 && part.type == WIRE_BYTES)
				collect(out, start, part.bytes, 0);
	}
}

static void
add_details(struct error *e, struct text details)
{
	struct buffer b = BUFFER_INIT;
	size_t len = strlen(e->text);

	zerobus_details(&b, details);
	if (b.len > 0)
		snprintf(e->text + len, sizeof(e->text) - len, " (%.*s)", (int)(b.len < DETAILS_MAX ? b.len : DETAILS_MAX),
		    buffer_text(&b));
	buffer_release(&b);
}

/*
 * A message over the server's limit: gRPC libraries say it as a quota (8) or as OUT_OF_RANGE (11), which are no fault of a
 * row, and their words alone tell. Sent again it would be refused again, for ever.
 */
static bool
is_too_large(const struct call_status *s)
{
	static const char *const words[] = {"larger than max", "exceeds maximum size", "length too large"};
	char own[40];

	if (s->code != 8 && s->code != 11)
		return false;
	/* an answer that was too large for us says nothing of what we sent */
	snprintf(own, sizeof(own), " vs. %d)", LIMIT_GRPC_RECEIVE_BYTES);
	if (text_contains(s->message, own))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_contains(s->message, words[i]))
			return true;
	return false;
}

int
zerobus_status_error(const struct call_status *s, bool at_open, const char *table, const char *principal,
    struct error *e)
{
	int code = s->code >= 0 && s->code <= 16 ? s->code : 2;
	char what[400], *shell_name = delta_shell_full_name(table);
	const char *hint;
	long number;

	if (!at_open && is_too_large(s))
		code = 3; /* it means the same: a record that is not taken */
	snprintf(what, sizeof(what), at_open ? "cannot open an ingest stream to table '%s'" : "the ingest stream to table '%s' broke",
	    table);
	if (s->code == 0)
		error_set(e, ERR_UNAVAILABLE, "%s: the server ended it without a reason", what);
	else
		call_status_error(s, what, e);
	if (call_status_failure(s) != CALL_FAILURE_MEMORY)
		e->code = at_open ? answers[code].at_open : answers[code].later;
	add_details(e, s->details);
	hint = at_open ? answers[code].open_hint : answers[code].later_hint;
	if (hint != NULL)
		set_hint(e, hint, shell_name);
	if (code == 7)
		hint_grants(e, table, principal);
	number = find_number(e->text);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].number == number)
			set_hint(e, numbers[i].hint, shell_name);
	free(shell_name);
	return -1;
}

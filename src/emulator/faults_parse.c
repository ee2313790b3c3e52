#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "emulator/faults_internal.h"
#include "emulator/server.h"

const char faults_help[] =
    "An error script has one rule a line; # begins a comment. A rule is\n"
    "\n"
    "    METHOD ACTION [after N] [every N] [p=P] [xN] [KEY=VALUE ...]\n"
    "\n"
    "METHOD is a name below, whole (salesforce.token) or the part behind the dot (subscribe), a glob\n"
    "(databricks.*), or * for all. The first rule that strikes is done; a delay gives way to another.\n"
    "\n"
    "    streaming  salesforce.subscribe publish-stream; databricks.ingest\n"
    "    unary      salesforce.get-topic get-schema publish\n"
    "    HTTP       salesforce.token authorize revoke userinfo soap versions sobjects limits tooling query;\n"
    "               databricks.token authorize revoke sql catalog workspace\n"
    "    tokens     salesforce.tokens databricks.tokens: whenever a token is checked\n"
    "\n"
    "ACTION\n"
    "    UNAVAILABLE, status=NAME   end the gRPC call with this status; error-code=TEXT, message=TEXT and\n"
    "                               details=BASE64 set its trailers and words\n"
    "    cut                        close the connection under the call\n"
    "    stall                      keep the call open and say nothing more\n"
    "    delay DURATION             go on later (500ms, 2s, 1m)\n"
    "    http=STATUS                answer the HTTP request so; retry-after=SECONDS, message=TEXT (the body)\n"
    "    drop                       close the HTTP connection without an answer\n"
    "    duplicate                  subscribe: deliver an event again, under a later replay id (the newest\n"
    "                               of the bus, where the subscriber is far behind)\n"
    "    ack-delay DURATION         ingest, publish-stream: acknowledge later\n"
    "    lose-ack                   ingest, publish-stream: store durably, then close the connection\n"
    "                               unacknowledged\n"
    "    close-signal DURATION      ingest: announce the end of the stream\n"
    "    expire                     tokens: all tokens issued so far end now (once, unless every or p is given)\n"
    "\n"
    "WHEN\n"
    "    after N    streaming: behind the Nth message of a call (events of subscribe, requests of the others);\n"
    "               otherwise: from the call behind the Nth on\n"
    "    every N    behind each Nth message, or at each Nth call\n"
    "    p=P        with this chance (0.01), by the emulator's seed; streaming: for each message\n"
    "    xN         at most N times in all\n"
    "A rule on a streaming method that says none of after, every and p strikes as the call begins.\n"
    "Values with spaces are quoted: message=\"not now\"; a quote in them is written \\\".\n";

enum method_kind { STREAMING, UNARY, HTTP, TOKENS };

static const struct {
	const char *name;
	enum method_kind kind;
} methods[] = {
	{ "salesforce.subscribe", STREAMING },
	{ "salesforce.publish-stream", STREAMING },
	{ "salesforce.get-topic", UNARY },
	{ "salesforce.get-schema", UNARY },
	{ "salesforce.publish", UNARY },
	{ "salesforce.token", HTTP },
	{ "salesforce.authorize", HTTP },
	{ "salesforce.revoke", HTTP },
	{ "salesforce.userinfo", HTTP },
	{ "salesforce.soap", HTTP },
	{ "salesforce.versions", HTTP },
	{ "salesforce.sobjects", HTTP },
	{ "salesforce.limits", HTTP },
	{ "salesforce.tooling", HTTP },
	{ "salesforce.query", HTTP },
	{ "salesforce.tokens", TOKENS },
	{ "databricks.ingest", STREAMING },
	{ "databricks.token", HTTP },
	{ "databricks.authorize", HTTP },
	{ "databricks.revoke", HTTP },
	{ "databricks.sql", HTTP },
	{ "databricks.catalog", HTTP },
	{ "databricks.workspace", HTTP },
	{ "databricks.tokens", TOKENS },
};

/* At which moments of which methods an action makes sense. */
static bool
fits(enum fault_kind kind, enum method_kind method)
{
	switch (kind) {
	case FAULT_STATUS:
		return method == STREAMING || method == UNARY;
	case FAULT_CUT:
	case FAULT_STALL:
	case FAULT_DELAY:
		return method != TOKENS;
	case FAULT_HTTP:
	case FAULT_DROP:
		return method == HTTP;
	case FAULT_EXPIRE:
		return method == TOKENS;
	default:
		return method == STREAMING;
	}
}

static bool
matches(const char *pattern, const char *method)
{
	const char *dot = strchr(method, '.');

	return text_glob(pattern, method) || (dot && !strchr(pattern, '.') && text_glob(pattern, dot + 1));
}

static bool
is_reply(enum fault_kind kind)
{
	return kind == FAULT_ACK_DELAY || kind == FAULT_LOSE_ACK;
}

bool
fault_rule_applies(const struct fault_rule *r, const char *method, enum fault_moment moment)
{
	enum fault_kind kind = r->fault.kind;

	switch (moment) {
	case MOMENT_CALL:
		if (!fits(kind, UNARY) && !fits(kind, HTTP))
			return false;
		break;
	case MOMENT_START:
		if (!fits(kind, STREAMING) || is_reply(kind) || r->by_message)
			return false;
		break;
	case MOMENT_MESSAGE:
		if (!fits(kind, STREAMING) || is_reply(kind) || !r->by_message)
			return false;
		break;
	case MOMENT_REPLY:
		if (!is_reply(kind))
			return false;
		break;
	case MOMENT_TOKENS:
		if (kind != FAULT_EXPIRE)
			return false;
		break;
	}
	return matches(r->method, method);
}

static void
rule_release(struct fault_rule *r)
{
	free(r->text);
	free(r->method);
}

void
fault_rules_release(struct fault_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		rule_release(&rules->items[i]);
	free(rules->items);
	*rules = (struct fault_rules){ 0 };
}

/* --- parsing ------------------------------------------------------------------------------------ */

/*
 * The next word of *at in out: bytes up to a space, quotes around any part of it dropped; within them \" is a quote.
 * 0: none left, -1: a quote is not closed or the word is too long.
 */
static int
next_word(const char **at, char *out, size_t size)
{
	const char *p = *at;
	size_t n = 0;
	bool quoted = false;

	while (*p == ' ' || *p == '\t')
		p++;
	if (*p == '\0')
		return 0;
	for (; *p && (quoted || (*p != ' ' && *p != '\t')); p++) {
		if (*p == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		if (n + 1 >= size)
			return -1;
		out[n++] = *p;
	}
	out[n] = '\0';
	*at = p;
	return quoted ? -1 : 1;
}

static bool
parse_count(const char *s, uint64_t *out)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*out = strtoull(s, &end, 10);
	return *end == '\0' && errno == 0;
}

static int
copy_value(char *out, size_t size, const char *key, const char *value, struct error *e)
{
	if (strlen(value) >= size)
		return error_set(e, ERR_CONFIG, "%s is longer than %zu bytes", key, size - 1);
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

static int
set_action(struct fault_rule *r, enum fault_kind kind, struct error *e)
{
	if (r->fault.kind != FAULT_NONE)
		return error_set(e, ERR_CONFIG, "a rule has one action: \"%s\" and \"%s\" are two",
		    fault_kind_name(r->fault.kind), fault_kind_name(kind));
	r->fault.kind = kind;
	return 0;
}

static int
set_status(struct fault_rule *r, const char *name, struct error *e)
{
	int status = server_status_find(name);

	if (status < 0)
		return error_set(e, ERR_CONFIG, "\"%s\" is no gRPC status", name);
	r->fault.status = status;
	return set_action(r, FAULT_STATUS, e);
}

static int
set_key(struct fault_rule *r, const char *key, const char *value, struct error *e)
{
	uint64_t n;
	char *end;

	if (strcmp(key, "status") == 0)
		return set_status(r, value, e);
	if (strcmp(key, "error-code") == 0)
		return copy_value(r->fault.error_code, sizeof r->fault.error_code, key, value, e);
	if (strcmp(key, "message") == 0)
		return copy_value(r->fault.message, sizeof r->fault.message, key, value, e);
	if (strcmp(key, "details") == 0)
		return copy_value(r->fault.details_b64, sizeof r->fault.details_b64, key, value, e);
	if (strcmp(key, "http") == 0) {
		if (!parse_count(value, &n) || n < 200 || n > 599)
			return error_set(e, ERR_CONFIG, "http=%s: must be a status from 200 to 599", value);
		r->fault.http_status = (int)n;
		return set_action(r, FAULT_HTTP, e);
	}
	if (strcmp(key, "retry-after") == 0) {
		if (!parse_count(value, &n) || n > 86400)
			return error_set(e, ERR_CONFIG, "retry-after=%s: must be seconds, at most 86400",
			    value);
		r->fault.retry_after_s = (int64_t)n;
		return 0;
	}
	if (strcmp(key, "p") == 0) {
		r->probability = strtod(value, &end);
		if (end == value || *end || !(r->probability > 0 && r->probability <= 1))
			return error_set(e, ERR_CONFIG, "p=%s: must be above 0 and at most 1", value);
		return 0;
	}
	return error_set(e, ERR_CONFIG, "unknown key \"%s\"", key);
}

static int
word_argument(const char **at, const char *word, char *out, size_t size, struct error *e)
{
	if (next_word(at, out, size) != 1)
		return error_set(e, ERR_CONFIG, "\"%s\" needs a value", word);
	return 0;
}

static int
parse_word(struct fault_rule *r, const char **at, char *word, struct error *e)
{
	static const enum fault_kind plain[] = { FAULT_CUT, FAULT_STALL, FAULT_DROP, FAULT_LOSE_ACK,
		FAULT_EXPIRE, FAULT_DUPLICATE };
	static const enum fault_kind timed[] = { FAULT_DELAY, FAULT_ACK_DELAY, FAULT_CLOSE_SIGNAL };
	char value[64], *equals = strchr(word, '=');
	uint64_t *count;

	if (equals) {
		*equals = '\0';
		return set_key(r, word, equals + 1, e);
	}
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (strcmp(word, fault_kind_name(plain[i])) == 0)
			return set_action(r, plain[i], e);
	for (size_t i = 0; i < sizeof timed / sizeof *timed; i++) {
		if (strcmp(word, fault_kind_name(timed[i])) != 0)
			continue;
		if (word_argument(at, word, value, sizeof value, e) != 0 ||
		    clock_parse_duration(value, &r->fault.duration_ms, e) != 0)
			return -1;
		return set_action(r, timed[i], e);
	}
	if (strcmp(word, "after") == 0 || strcmp(word, "every") == 0) {
		count = *word == 'a' ? &r->after : &r->every;
		if (word_argument(at, word, value, sizeof value, e) != 0)
			return -1;
		if (!parse_count(value, count) || *count == 0)
			return error_set(e, ERR_CONFIG, "%s \"%s\": must be a number from 1", word, value);
		return 0;
	}
	if (word[0] == 'x' && parse_count(word + 1, &r->limit)) {
		if (r->limit == 0)
			return error_set(e, ERR_CONFIG, "\"x0\" never strikes");
		return 0;
	}
	if (server_status_find(word) >= 0)
		return set_status(r, word, e);
	return error_set(e, ERR_CONFIG, "unknown word \"%s\"", word);
}

static int
check_rule(struct fault_rule *r, struct error *e)
{
	bool known = false, fitting = false;

	if (r->fault.kind == FAULT_NONE)
		return error_set(e, ERR_CONFIG, "\"%s\" has no action", r->method);
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		if (!matches(r->method, methods[i].name))
			continue;
		known = true;
		fitting = fitting || fits(r->fault.kind, methods[i].kind);
	}
	if (!known)
		return error_set(e, ERR_CONFIG, "no method is called \"%s\"", r->method);
	if (!fitting)
		return error_set(e, ERR_CONFIG, "\"%s\" cannot happen to \"%s\"",
		    fault_kind_name(r->fault.kind), r->method);
	r->by_message = r->after || r->every || r->probability < 1;
	if (!r->by_message && r->fault.kind == FAULT_CLOSE_SIGNAL)
		r->after = 1;
	if (r->fault.kind == FAULT_CLOSE_SIGNAL || r->fault.kind == FAULT_DUPLICATE)
		r->by_message = true;
	if (r->fault.kind == FAULT_EXPIRE && !r->every && r->probability >= 1 && !r->limit)
		r->limit = 1;
	return 0;
}

static int
parse_rule(struct fault_rule *r, const char *line, struct error *e)
{
	char word[1536];
	const char *at = line;
	int more;

	r->probability = 1;
	more = next_word(&at, word, sizeof word);
	if (more == 1) {
		r->method = memory_strdup(word);
		while ((more = next_word(&at, word, sizeof word)) == 1)
			if (parse_word(r, &at, word, e) != 0)
				return -1;
	}
	if (more < 0)
		return error_set(e, ERR_CONFIG, "a quote is not closed, or a word is too long");
	return check_rule(r, e);
}

/* Cuts the comment (not within quotes) and the spaces at the end. */
static char *
clean_line(struct text line)
{
	bool quoted = false;
	size_t n = 0, start = 0;

	for (; n < line.len; n++) {
		if (line.data[n] == '"')
			quoted = !quoted;
		else if (quoted && line.data[n] == '\\' && n + 1 < line.len)
			n++;
		if (line.data[n] == '#' && !quoted)
			break;
	}
	while (n > 0 && strchr(" \t\r", line.data[n - 1]))
		n--;
	while (start < n && strchr(" \t", line.data[start]))
		start++;
	return memory_strndup(line.data + start, n - start);
}

int
fault_rules_parse(struct fault_rules *rules, struct text script, struct error *e)
{
	const char *at = script.data, *end = script.data + script.len;

	if (memchr(script.data ? script.data : "", '\0', script.len))
		return error_set(e, ERR_CONFIG, "the error script holds a NUL byte");
	for (int number = 1; at && at < end; number++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		struct text line = text_span(at, (size_t)((newline ? newline : end) - at));
		struct fault_rule r = { .text = clean_line(line) };

		at = newline ? newline + 1 : end;
		if (*r.text == '\0') {
			free(r.text);
			continue;
		}
		if (parse_rule(&r, r.text, e) != 0) {
			error_wrap(e, "line %d", number);
			rule_release(&r);
			return -1;
		}
		rules->items = memory_reserve(rules->items, &rules->capacity, rules->count + 1,
		    sizeof *rules->items);
		rules->items[rules->count++] = r;
	}
	return 0;
}

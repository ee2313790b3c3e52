/* How fast one may stream, and how often open: what of it the options switch on (wire/zerobus.md §3, §6). */
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "emulator/zerobus_stream.h"

#define MINUTE_MS 60000

bool
zerobus_stream_may_open(struct zerobus_stream *s, const char *table)
{
	struct zerobus_server *z = s->server;
	uint64_t limit = z->options.emulator->options->ingest_opens, count = 0;
	int64_t now = clock_monotonic_ms(&clock_system);
	struct zerobus_opening *o = &z->openings[z->opening_count % ZEROBUS_OPENINGS];

	if (limit == 0)
		return true;
	for (size_t i = 0; i < ZEROBUS_OPENINGS; i++)
		count += z->openings[i].table[0] != '\0' && now - z->openings[i].at_ms < MINUTE_MS &&
		    strcasecmp(z->openings[i].table, table) == 0;
	if (count >= limit) {
		zerobus_stream_fail(s, RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED",
		    "more than %llu streams were opened for table %s within a minute", (unsigned long long)limit, table);
		return false;
	}
	z->opening_count++;
	o->at_ms = now;
	strncpy(o->table, table, sizeof(o->table) - 1);
	return true;
}

bool
zerobus_stream_may_send(struct zerobus_stream *s, size_t rows)
{
	uint64_t limit = s->server->options.emulator->options->ingest_rate;
	int64_t second = clock_monotonic_ms(&clock_system) / 1000;

	if (second != s->second)
		s->second_rows = 0;
	s->second = second;
	s->second_rows += rows;
	if (limit == 0 || s->second_rows <= limit)
		return true;
	zerobus_stream_fail(s, RESOURCE_EXHAUSTED, NULL, "the stream exceeds its quota of %llu records a second",
	    (unsigned long long)limit);
	return false;
}

bool
zerobus_stream_still_authorized(struct zerobus_stream *s)
{
	struct text header = server_call_metadata(s->call, "authorization");

	if (!s->server->options.emulator->options->token_ends_streams ||
	    tokens_check(s->server->options.tokens, text_span(header.data + 7, header.len - 7), NULL) == TOKEN_GOOD)
		return true;
	zerobus_stream_fail(s, UNAUTHENTICATED, "INVALID_TOKEN", "the token has expired");
	return false;
}

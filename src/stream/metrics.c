#include "stream/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "base/version.h"

/* One line a metric: name, kind, help, value. A value of -1 is not known and not written. */
#define METRICS(X)                                                                                 \
	X("sfzb_events_received_total", "counter", "events received, undecodable ones included", s->received) \
	X("sfzb_event_bytes_received_total", "counter", "bytes of event payloads received", s->received_bytes) \
	X("sfzb_rows_stored_total", "counter", "rows acknowledged as durable", s->stored)          \
	X("sfzb_row_bytes_stored_total", "counter", "bytes of rows acknowledged as durable, as sent", s->stored_bytes) \
	X("sfzb_rows_already_stored_total", "counter", "rows that a look-up found in the table, not sent again", \
	    s->already_stored)                                                                     \
	X("sfzb_rows_resent_total", "counter", "rows sent again after a lost ingest stream", s->resent) \
	X("sfzb_row_bytes_resent_total", "counter", "bytes of rows sent again", s->resent_bytes)   \
	X("sfzb_events_repeated_total", "counter", "events that the bus delivered twice, taken once", s->repeated) \
	X("sfzb_events_set_aside_total", "counter", "events in the dead-letter store", s->set_aside) \
	X("sfzb_event_bytes_set_aside_total", "counter", "bytes of event payloads that were set aside", s->set_aside_bytes) \
	X("sfzb_gap_events_total", "counter", "events that stand for a change whose data Salesforce did not deliver", \
	    s->gap_events)                                                                         \
	X("sfzb_positions_lost_total", "counter", "positions that the server no longer accepted", s->gaps) \
	X("sfzb_position_stores_total", "counter", "transactions that stored positions", s->positions_stored) \
	X("sfzb_token_refreshes_total", "counter", "tokens that were replaced by newer ones, on both sides", extra->token_refreshes) \
	X("sfzb_in_flight_rows", "gauge", "events in memory that are not durable yet", s->in_flight_rows) \
	X("sfzb_in_flight_bytes", "gauge", "bytes that they hold", s->in_flight_bytes)             \
	X("sfzb_suspect_rows", "gauge", "rows that wait for a look-up", s->suspect_rows)           \
	X("sfzb_sources", "gauge", "topics", (int64_t)s->sources)                                  \
	X("sfzb_sources_open", "gauge", "topics with a subscription that is open", (int64_t)s->sources_open) \
	X("sfzb_sinks", "gauge", "tables", (int64_t)s->sinks)                                      \
	X("sfzb_sinks_open", "gauge", "tables with an ingest stream that is open", (int64_t)s->sinks_open) \
	X("sfzb_delivery_quota_remaining", "gauge", "events that the organisation may still receive in 24 hours", \
	    extra->delivery_remaining)                                                             \
	X("sfzb_delivery_quota", "gauge", "events that the organisation may receive in 24 hours", extra->delivery_max)

/* The same for values in seconds that are kept in ms. */
#define METRICS_SECONDS(X)                                                                         \
	X("sfzb_start_time_seconds", "gauge", "when this run began, since 1970", extra->start_wall_ms) \
	X("sfzb_oldest_unacknowledged_seconds", "gauge", "age of the oldest row sent and not acknowledged", \
	    s->oldest_unacked_ms)                                                                  \
	X("sfzb_received_lag_seconds", "gauge", "commit of the newest event received to now",      \
	    age(s->last_event_ms, extra))                                                          \
	X("sfzb_acknowledged_lag_seconds", "gauge", "0 when all topics are subscribed and all that came is acknowledged; else since the commit of the event at the acknowledged position that is furthest behind, and no longer than since it was 0", \
	    lag(acked_all(s), s->acked_event_ms, extra->acked_wall_ms, extra))                     \
	X("sfzb_stored_lag_seconds", "gauge", "the same for stored positions, behind which a new start goes on", \
	    lag(stored_all(s), s->stored_event_ms, extra->stored_wall_ms, extra))                  \
	X("sfzb_silence_seconds", "gauge", "since the last sign of life of any topic", age(s->last_received_ms, extra))

#define RETRIES "sfzb_retries_total"

const struct metric metrics_list[] = {
    {"sfzb_build_info", "gauge", "1, with the version as a label"},
#define X(name, kind, help, value) {name, kind, help},
    METRICS(X) METRICS_SECONDS(X)
#undef X
    {RETRIES, "counter", "connections tried again, by reason"},
    {NULL, NULL, NULL},
};

static int64_t
age(int64_t wall_ms, const struct metrics_extra *extra)
{
	if (wall_ms == 0)
		return -1;
	return wall_ms < extra->now_wall_ms ? extra->now_wall_ms - wall_ms : 0;
}

static bool
acked_all(const struct engine_statistics *s)
{
	return s->in_flight_rows == 0 && s->sources > 0 && s->sources_open == s->sources;
}

static bool
stored_all(const struct engine_statistics *s)
{
	return acked_all(s) && s->sources_unstored == 0;
}

/*
 * In a quiet topic the position's event grows old, and a keepalive's has no age: neither is lag. What came after the last
 * moment without lag is no older than that.
 */
static int64_t
lag(bool none, int64_t event_ms, int64_t none_wall_ms, const struct metrics_extra *extra)
{
	if (none)
		return 0;
	return age(event_ms > none_wall_ms ? event_ms : none_wall_ms, extra);
}

void
metrics_note(struct metrics_extra *extra, const struct engine_statistics *s)
{
	if (acked_all(s))
		extra->acked_wall_ms = extra->now_wall_ms;
	if (stored_all(s))
		extra->stored_wall_ms = extra->now_wall_ms;
}

static void
head(struct buffer *out, const char *name)
{
	for (const struct metric *m = metrics_list; m->name != NULL; m++)
		if (strcmp(m->name, name) == 0)
			buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
			    m->kind);
}

void
metrics_write(struct buffer *out, const struct engine_statistics *s, const struct metrics_extra *extra)
{
	const struct {
		const char *name;
		int64_t value;
		bool seconds;
	} values[] = {
#define X(name, kind, help, value) {name, value, false},
	    METRICS(X)
#undef X
#define X(name, kind, help, value) {name, value, true},
		METRICS_SECONDS(X)
#undef X
	};

	head(out, "sfzb_build_info");
	buffer_append_format(out, "sfzb_build_info{version=\"%s\"} 1\n", SFZB_VERSION);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (values[i].value < 0)
			continue;
		head(out, values[i].name);
		if (values[i].seconds)
			buffer_append_format(out, "%s %.3f\n", values[i].name, (double)values[i].value / 1000);
		else
			buffer_append_format(out, "%s %" PRId64 "\n", values[i].name, values[i].value);
	}
	head(out, RETRIES);
	for (int r = 0; r < RETRY_REASONS; r++)
		buffer_append_format(out, RETRIES "{reason=\"%s\"} %" PRId64 "\n",
		    retry_reason_name((enum retry_reason)r), s->retries[r]);
}

bool
metrics_ready(struct buffer *out, const struct engine_statistics *s)
{
	if (s->stopping) {
		buffer_append_text(out, "stopping\n");
		return false;
	}
	if (s->sources_open < s->sources) {
		buffer_append_format(out, "%u of %u topics are subscribed\n", s->sources_open, s->sources);
		return false;
	}
	/* an ingest stream is opened with the first row */
	if (s->sinks_open < s->sinks && s->in_flight_rows > 0) {
		buffer_append_format(out, "%u of %u tables take rows\n", s->sinks_open, s->sinks);
		return false;
	}
	buffer_append_text(out, "ready\n");
	return true;
}

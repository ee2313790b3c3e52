#include "base/json.h"
#include "base/log.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "commands/ingest.h"

#define TERMINAL_INTERVAL_MS 500

static int64_t
per_second(int64_t rows, int64_t ms)
{
	return ms > 0 ? rows * 1000 / ms : 0;
}

void
ingest_report_init(struct ingest_report *r, struct ingest_input *input, int64_t bytes_total, int64_t interval_ms)
{
	*r = (struct ingest_report){.input = input,
	    .bytes_total = bytes_total,
	    .on_terminal = terminal_has_status(),
	    .last_ms = clock_monotonic_ms(&clock_system)};
	r->interval_ms = r->on_terminal ? TERMINAL_INTERVAL_MS : interval_ms;
}

void
ingest_report_progress(void *context, const struct engine_statistics *s)
{
	struct ingest_report *r = context;
	int64_t now = clock_monotonic_ms(&clock_system), records, bytes;
	char stored[TEXT_COUNT_SIZE], rate[TEXT_NUMBER_SIZE], flight[TEXT_NUMBER_SIZE], n[TEXT_NUMBER_SIZE];
	struct buffer b = BUFFER_INIT;

	ingest_input_progress(r->input, &records, &bytes);
	buffer_append_format(&b, "stored %s, %s rows/s, in flight %s", text_count(stored, s->stored, "row", "rows"),
	    text_number(rate, per_second(s->stored - r->last_stored, now - r->last_ms)),
	    text_number(flight, s->in_flight_rows));
	if (r->bytes_total > 0)
		buffer_append_format(&b, ", read %lld %%", (long long)(bytes * 100 / r->bytes_total));
	if (s->set_aside > 0)
		buffer_append_format(&b, ", %s refused", text_number(n, s->set_aside));
	if (r->on_terminal)
		terminal_set_status(buffer_text(&b));
	else
		log_info("ingest", "%s", buffer_text(&b));
	r->last_ms = now;
	r->last_stored = s->stored;
	buffer_release(&b);
}

int
ingest_report_end(const struct app *app, const struct ingest_report *r, const struct engine_statistics *s,
    int64_t elapsed_ms, struct error *e)
{
	char stored[TEXT_COUNT_SIZE], rate[TEXT_NUMBER_SIZE], n[TEXT_NUMBER_SIZE], time[32];
	struct buffer b = BUFFER_INIT;
	int64_t records, bytes;
	struct json *j;

	terminal_set_status(NULL);
	ingest_input_progress(r->input, &records, &bytes);
	buffer_append_format(&b, "stored %s", text_count(stored, s->stored, "row", "rows"));
	buffer_append_format(&b, " of %s read", text_number(n, records));
	if (s->set_aside > 0)
		buffer_append_format(&b, ", %s refused", text_number(n, s->set_aside));
	if (s->resent > 0)
		buffer_append_format(&b, ", %s sent again (those may be stored twice)", text_number(n, s->resent));
	log_info("ingest", "%s; %s, %s rows/s", buffer_text(&b), clock_format_duration(time, sizeof(time), elapsed_ms),
	    text_number(rate, per_second(s->stored, elapsed_ms)));
	buffer_release(&b);
	if (!app_outputs(app, "json"))
		return 0;
	j = json_object();
	json_set_int64(j, "read", records);
	json_set_int64(j, "stored", s->stored);
	json_set_int64(j, "refused", s->set_aside);
	json_set_int64(j, "resent", s->resent);
	json_set_int64(j, "elapsed_ms", elapsed_ms);
	return output_json(j, e);
}

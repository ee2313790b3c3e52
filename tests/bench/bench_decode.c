/*
 * Microseconds an event: payload → struct event with record_json, and with changed_json too.
 * Arguments: the number of rounds over the file (default 2000), the schema's name (default
 * AccountChangeEvent).
 */
#include <stdio.h>
#include <time.h>

#include "base/encode.h"
#include "salesforce/event.h"
#include "tree.h"

struct sample {
	struct event_raw raw;
	struct buffer payload;
};

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
run(const char *what, unsigned parts, struct avro_schema *schema, const struct sample *samples,
    size_t n, long rounds)
{
	struct event_decoder *d = event_decoder_new(parts);
	struct error e = ERROR_INIT;
	struct event event;
	double start, bytes = 0, json = 0;

	for (size_t i = 0; i < n; i++)
		if (event_decode(d, schema, &samples[i].raw, &event, &e) != 0) {
			fprintf(stderr, "%s\n", e.text);
			exit(1);
		}
	start = now_us();
	for (long r = 0; r < rounds; r++)
		for (size_t i = 0; i < n; i++) {
			event_decode(d, schema, &samples[i].raw, &event, &e);
			bytes += (double)samples[i].raw.payload.len;
			json += (double)event.record_json.len;
		}
	start = now_us() - start;
	printf("%-28s %7.2f us/event  (%.0f bytes of payload, %.0f of JSON, %zu kinds of event)\n",
	    what, start / (double)n / (double)rounds, bytes / (double)n / (double)rounds,
	    json / (double)n / (double)rounds, n);
	event_decoder_free(d);
}

int
main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 2000;
	const char *name = argc > 2 ? argv[2] : "AccountChangeEvent";
	struct error e = ERROR_INIT;
	struct sample *samples = NULL;
	size_t n = 0, capacity = 0;
	struct avro_schema *schema;
	struct text rest, line;
	char path[256];

	snprintf(path, sizeof(path), "tests/data/schemas/%s.avsc", name);
	schema = avro_schema_parse(tree_read_file(path), &e);
	if (schema == NULL) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	snprintf(path, sizeof(path), "tests/data/events/%s.jsonl", name);
	rest = tree_read_file(path);
	while (tree_next_line(&rest, &line)) {
		struct tree t;
		struct sample s = {.payload = BUFFER_INIT};

		if (tree_parse(&t, line, &e) != 0 ||
		    encode_unbase64(text_of(tree_string(&t, "payload_b64")), &s.payload) != 0)
			return 1;
		tree_release(&t);
		/* the few huge texts would hide what an event of the usual size costs */
		if (s.payload.len > 4096) {
			buffer_release(&s.payload);
			continue;
		}
		s.raw.payload = buffer_span(&s.payload);
		samples = memory_reserve(samples, &capacity, n + 1, sizeof(*samples));
		samples[n++] = s;
	}
	run("row with record_json", EVENT_RECORD_JSON, schema, samples, n, rounds);
	run("row with both", EVENT_ALL, schema, samples, n, rounds);
	run("row alone", 0, schema, samples, n, rounds);
	for (size_t i = 0; i < n; i++)
		buffer_release(&samples[i].payload);
	free(samples);
	avro_schema_unref(schema);
	return 0;
}

/*
 * Payloads: the first byte chooses a schema, the rest is the datum. What is taken must be JSON,
 * must be taken without an output too, and must come out of the event decoder as the same record.
 */
#include "salesforce/event.h"

#include "schemas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "AccountChangeEvent", "All_Types__e", "Invoice__ChangeEvent", "Order_Event__e"};
#define COUNT (sizeof(names) / sizeof(names[0]))

static struct avro_schema *schemas[COUNT];
static struct avro_decoder *decoders[COUNT];
static struct event_decoder *events, *bare;
static struct buffer json;

static void
set_up(void)
{
	load_schemas(names, COUNT, schemas, decoders);
	events = event_decoder_new(EVENT_ALL);
	bare = event_decoder_new(0);
}

static void
must_be_json(struct text text)
{
	struct json_reader r;
	struct error e = ERROR_INIT;
	enum json_token t;

	json_reader_init(&r, text);
	do
		t = json_reader_next(&r, &e);
	while (t != JSON_TOKEN_END && t != JSON_TOKEN_ERROR);
	if (t == JSON_TOKEN_ERROR)
		abort();
	json_reader_release(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct event_raw raw = {0};
	struct event event, less;
	struct error e = ERROR_INIT;
	size_t which;
	int taken;

	if (size == 0)
		return 0;
	if (events == NULL)
		set_up();
	which = data[0] % COUNT;
	raw.payload = text_span(data + 1, size - 1);
	buffer_clear(&json);
	taken = avro_decode_json(decoders[which], raw.payload, &json, &e);
	if (taken == 0)
		must_be_json(buffer_span(&json));
	else if (e.code != ERR_REFUSED || json.len != 0)
		abort();
	/* only the ceiling on what comes out may tell them apart */
	if (event_decode(events, schemas[which], &raw, &event, &e) == 0) {
		must_be_json(event.record_json);
		must_be_json(event.changed_json);
		if (event_decode(bare, schemas[which], &raw, &less, &e) != 0 || taken != 0)
			abort();
		if (less.changed_fields.count != event.changed_fields.count)
			abort();
	} else if (taken == 0) {
		abort();
	}
	return 0;
}

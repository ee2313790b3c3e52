/*
 * JSON for publishing: the first byte chooses a schema. What is taken decodes, and what that gives
 * encodes to a datum that gives the same (a union may have taken another branch of the same JSON).
 */
#include "avro/encode.h"

#include "schemas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"All_Types__e", "Order_Event__e"};
#define COUNT (sizeof(names) / sizeof(names[0]))

static struct avro_schema *schemas[COUNT];
static struct avro_decoder *decoders[COUNT];
static struct buffer datum, json, again;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct avro_default defaults[] = {
	    {"CreatedDate", {"1", 1}}, {"CreatedById", {"\"x\"", 3}}};
	struct error e = ERROR_INIT;
	size_t which;

	if (size == 0)
		return 0;
	if (schemas[0] == NULL)
		load_schemas(names, COUNT, schemas, decoders);
	which = data[0] % COUNT;
	buffer_clear(&datum);
	buffer_clear(&json);
	buffer_clear(&again);
	if (avro_encode(schemas[which], text_span(data + 1, size - 1), defaults, 2, &datum, &e) !=
	    0) {
		if (e.code != ERR_REFUSED || e.text[0] == '\0' || datum.len != 0)
			abort();
		return 0;
	}
	if (avro_decode_json(decoders[which], buffer_span(&datum), &json, &e) != 0)
		abort();
	if (avro_encode(schemas[which], buffer_span(&json), NULL, 0, &again, &e) != 0)
		abort();
	buffer_clear(&datum);
	if (avro_decode_json(decoders[which], buffer_span(&again), &datum, &e) != 0 ||
	    !text_equal(buffer_span(&datum), buffer_span(&json)))
		abort();
	return 0;
}

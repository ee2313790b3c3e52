/*
 * Schemas: whatever is taken can be compiled, described, sampled, compared with itself; its sample
 * can be encoded, and what was encoded decoded.
 */
#include <stdlib.h>

#include "avro/decode.h"
#include "avro/describe.h"
#include "avro/encode.h"
#include "salesforce/bitmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* avro-c forgets parts of some schemas that it refuses. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libavro\n";
}

static void
use(struct avro_schema *s)
{
	struct avro_decoder *d = avro_decoder_new(s);
	struct buffer text = BUFFER_INIT, sample = BUFFER_INIT, datum = BUFFER_INIT,
		      json = BUFFER_INIT;
	struct error e = ERROR_INIT;

	avro_describe_tree(s, &text);
	avro_describe_ddl(s, &text);
	avro_describe_proto(s, &text);
	if (avro_describe_diff(s, s, &text) != 0)
		abort();
	avro_template(s, NULL, &sample);
	if (avro_encode(s, buffer_span(&sample), NULL, 0, &datum, &e) == 0 &&
	    avro_decode_json(d, buffer_span(&datum), &json, &e) != 0)
		abort();
	avro_decode_json(d, text_span("\0\0\0\2\2\2\4a\1\0\0", 11), &json, &e);
	if (avro_schema_root(s)->kind == AVRO_KIND_RECORD)
		bitmap_names_free(bitmap_names_new(avro_schema_root(s)));
	buffer_release(&text);
	buffer_release(&sample);
	buffer_release(&datum);
	buffer_release(&json);
	avro_decoder_free(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = ERROR_INIT;
	struct avro_schema *s = avro_schema_parse(text_span(data, size), &e);

	if (s == NULL) {
		if (e.code != ERR_REFUSED || e.text[0] == '\0')
			abort();
		return 0;
	}
	use(s);
	avro_schema_unref(s);
	return 0;
}

/* An Avro object container file: a header with the schema, then a block for each event. */
#include <string.h>

#include "base/random.h"
#include "commands/tail.h"

static void
append_long(struct buffer *out, int64_t v)
{
	uint64_t u = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);

	for (; u >= 0x80; u >>= 7)
		buffer_append_byte(out, (uint8_t)(u | 0x80));
	buffer_append_byte(out, (uint8_t)u);
}

static void
append_text(struct buffer *out, struct text t)
{
	append_long(out, (int64_t)t.len);
	buffer_append(out, t.data, t.len);
}

static void
append_header(struct tail_avro *a, struct text schema, struct buffer *out)
{
	random_system_bytes(a->sync, sizeof(a->sync));
	buffer_append(out, "Obj\x01", 4);
	append_long(out, 2);
	append_text(out, text_of("avro.codec"));
	append_text(out, text_of("null"));
	append_text(out, text_of("avro.schema"));
	append_text(out, schema);
	append_long(out, 0);
	buffer_append(out, a->sync, sizeof(a->sync));
}

int
tail_avro_print(struct tail_avro *a, const struct event *event, struct buffer *out, struct error *e)
{
	if (a->schema_id == NULL) {
		a->schema_id = text_dup(event->schema_id);
		append_header(a, event->schema_json, out);
	} else if (!text_is(event->schema_id, a->schema_id)) {
		error_set(e, ERR_REFUSED, "it has schema '" TEXT_FORMAT "', and an Avro file has one schema, '%s'",
		    TEXT_ARGS(event->schema_id), a->schema_id);
		return error_hint(e, "--raw takes events of any schema");
	}
	append_long(out, 1);
	append_text(out, event->payload);
	buffer_append(out, a->sync, sizeof(a->sync));
	return 0;
}

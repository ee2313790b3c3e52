#include "avro/expected.h"

#define SYMBOLS_SHOWN 20

void
expected_type(struct buffer *b, const struct avro_type *t)
{
	bool null = false;

	switch (t->kind) {
	case AVRO_KIND_UNION:
		for (size_t i = 0, n = 0; i < t->count; i++) {
			if (t->branches[i]->kind == AVRO_KIND_NULL) {
				null = true;
				continue;
			}
			if (n++ > 0)
				buffer_append_text(b, " or ");
			expected_type(b, t->branches[i]);
		}
		if (null)
			buffer_append_text(b, " or null");
		break;
	case AVRO_KIND_ENUM:
		buffer_append_text(b, "one of ");
		for (size_t i = 0; i < t->count && i < SYMBOLS_SHOWN; i++)
			buffer_append_format(b, "%s%s", i > 0 ? ", " : "", t->symbols[i].data);
		if (t->count > SYMBOLS_SHOWN)
			buffer_append_text(b, ", …");
		break;
	case AVRO_KIND_FIXED:
		buffer_append_format(b, "base64 of %zu bytes", t->size);
		break;
	case AVRO_KIND_BYTES:
		buffer_append_text(b, "bytes as base64");
		break;
	case AVRO_KIND_RECORD:
		buffer_append_format(b, "an object (%s)", t->name.data);
		break;
	case AVRO_KIND_MAP:
		buffer_append_text(b, "an object");
		break;
	case AVRO_KIND_ARRAY:
		buffer_append_text(b, "a list");
		break;
	default:
		buffer_append_text(b, avro_kind_name(t->kind));
		break;
	}
}

void
expected_not(struct buffer *b, enum json_token token, struct text value)
{
	char text[64];

	switch (token) {
	case JSON_TOKEN_NULL:
		buffer_append_text(b, "null");
		break;
	case JSON_TOKEN_TRUE:
		buffer_append_text(b, "true");
		break;
	case JSON_TOKEN_FALSE:
		buffer_append_text(b, "false");
		break;
	case JSON_TOKEN_OBJECT:
		buffer_append_text(b, "an object");
		break;
	case JSON_TOKEN_ARRAY:
		buffer_append_text(b, "a list");
		break;
	case JSON_TOKEN_NUMBER:
		buffer_append_format(b, "the number %s", text_clean(text, sizeof(text), value));
		break;
	default:
		buffer_append_format(b, "the text \"%s\"", text_clean(text, sizeof(text), value));
		break;
	}
}

/* A sample of what a schema takes. */
#include "avro/encode.h"

#include "base/json_text.h"

/* Deeper than this a recursive type is left null or empty. */
#define SAMPLE_DEPTH 3
#define SAMPLE_BYTES 65536

/* What stands for a value of Salesforce's own types, which only the doc of a field tells. */
static const struct {
	const char *word, *json;
} words[] = {
    {"DateTime", "1767225600000"},
    {"DateOnly", "1767225600000"},
    {"Birthday", "1767225600000"},
    {"TimeOnly", "43200000"},
    {"EntityId", "\"001000000000000AAA\""},
    {"Email", "\"name@example.com\""},
    {"Url", "\"https://example.com/\""},
    {"Phone", "\"+1 555 0100\""},
};

static const char *
sample_by_doc(struct text doc, enum avro_kind kind)
{
	struct text word = avro_doc_type(doc);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_is(word, words[i].word) && (words[i].json[0] == '"') == (kind == AVRO_KIND_STRING))
			return words[i].json;
	return NULL;
}

static void append_sample(
    struct buffer *out, const struct avro_type *t, struct text doc, int depth);

static void
append_record(
    struct buffer *out, const struct avro_type *t, const char *const *leave_out, int depth)
{
	bool first = true;

	buffer_append_byte(out, '{');
	for (size_t i = 0; i < t->count; i++) {
		const struct avro_field *f = &t->fields[i];
		bool skip = false;

		for (size_t k = 0; leave_out != NULL && leave_out[k] != NULL; k++)
			skip = skip || text_is(f->name, leave_out[k]);
		if (skip)
			continue;
		if (!first)
			buffer_append_text(out, ", ");
		first = false;
		json_text_string(out, f->name);
		buffer_append_text(out, ": ");
		append_sample(out, f->type, f->doc, depth + 1);
	}
	buffer_append_byte(out, '}');
}

static void
append_union(struct buffer *out, const struct avro_type *t, struct text doc, int depth)
{
	const struct avro_type *chosen = NULL;
	bool null = false;

	for (size_t i = 0; i < t->count; i++) {
		if (t->branches[i]->kind == AVRO_KIND_NULL)
			null = true;
		else if (chosen == NULL)
			chosen = t->branches[i];
	}
	if (chosen == NULL || (null && (depth > SAMPLE_DEPTH || out->len > SAMPLE_BYTES)))
		buffer_append_text(out, "null");
	else
		append_sample(out, chosen, doc, depth);
}

static void
append_bytes(struct buffer *out, size_t n)
{
	static const char zeros[3];

	buffer_append_byte(out, '"');
	for (; n >= 3; n -= 3)
		buffer_append_base64(out, zeros, 3);
	buffer_append_base64(out, zeros, n);
	buffer_append_byte(out, '"');
}

static void
append_sample(struct buffer *out, const struct avro_type *t, struct text doc, int depth)
{
	bool deep = depth > SAMPLE_DEPTH || out->len > SAMPLE_BYTES;
	const char *known = sample_by_doc(doc, t->kind);

	switch (t->kind) {
	case AVRO_KIND_NULL:
		buffer_append_text(out, "null");
		break;
	case AVRO_KIND_BOOLEAN:
		buffer_append_text(out, "false");
		break;
	case AVRO_KIND_INT:
		buffer_append_text(out, "0");
		break;
	case AVRO_KIND_LONG:
		buffer_append_text(out, known != NULL ? known : "0");
		break;
	case AVRO_KIND_FLOAT:
	case AVRO_KIND_DOUBLE:
		buffer_append_text(out, "0.0");
		break;
	case AVRO_KIND_STRING:
		buffer_append_text(out, known != NULL ? known : "\"text\"");
		break;
	case AVRO_KIND_BYTES:
		append_bytes(out, 3);
		break;
	case AVRO_KIND_FIXED:
		append_bytes(out, t->size);
		break;
	case AVRO_KIND_ENUM:
		json_text_string(out, t->symbols[0]);
		break;
	case AVRO_KIND_ARRAY:
	case AVRO_KIND_MAP:
		buffer_append_text(out, t->kind == AVRO_KIND_ARRAY ? "["
					: deep			   ? "{"
								   : "{\"key\": ");
		if (!deep)
			append_sample(out, t->branches[0], (struct text){0}, depth + 1);
		buffer_append_text(out, t->kind == AVRO_KIND_ARRAY ? "]" : "}");
		break;
	case AVRO_KIND_UNION:
		append_union(out, t, doc, depth);
		break;
	case AVRO_KIND_RECORD:
		/* nested deeper than any sample is worth reading: no longer filled, so that it ends
		 */
		if (depth > 4 * SAMPLE_DEPTH || out->len > 4 * SAMPLE_BYTES)
			buffer_append_text(out, "null");
		else
			append_record(out, t, NULL, depth);
		break;
	}
}

void
avro_template(const struct avro_schema *schema, const char *const *leave_out, struct buffer *out)
{
	const struct avro_type *root = avro_schema_root(schema);

	if (root->kind == AVRO_KIND_RECORD)
		append_record(out, root, leave_out, 0);
	else
		append_sample(out, root, (struct text){0}, 0);
}

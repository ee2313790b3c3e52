/* Avro types as Delta columns and as protobuf fields. */
#include <string.h>

#include "avro/describe.h"
#include "base/limits.h"

/* The types on the way down, so that a recursive one is noticed. */
struct way {
	const struct avro_type *records[LIMIT_SCHEMA_DEPTH + 1];
	size_t depth;
};

static bool
on_way(const struct way *w, const struct avro_type *t)
{
	for (size_t i = 0; i < w->depth; i++)
		if (w->records[i] == t)
			return true;
	return w->depth > LIMIT_SCHEMA_DEPTH;
}

/* Unions lose their null; what is left when more than one branch is, is the union itself. */
static const struct avro_type *
without_null(const struct avro_type *t)
{
	const struct avro_type *other = NULL;

	if (t->kind != AVRO_KIND_UNION)
		return t;
	for (size_t i = 0; i < t->count; i++) {
		if (t->branches[i]->kind == AVRO_KIND_NULL)
			continue;
		if (other != NULL)
			return t;
		other = t->branches[i];
	}
	return other != NULL ? other : t;
}

static const char *
scalar_delta(const struct avro_type *t)
{
	struct text l = t->logical;

	switch (t->kind) {
	case AVRO_KIND_BOOLEAN:
		return "BOOLEAN";
	case AVRO_KIND_INT:
		return text_is(l, "date") ? "DATE" : "INT";
	case AVRO_KIND_LONG:
		if (text_is(l, "timestamp-millis") || text_is(l, "timestamp-micros"))
			return "TIMESTAMP";
		if (text_is(l, "local-timestamp-millis") || text_is(l, "local-timestamp-micros"))
			return "TIMESTAMP_NTZ";
		return "BIGINT";
	case AVRO_KIND_FLOAT:
		return "FLOAT";
	case AVRO_KIND_DOUBLE:
		return "DOUBLE";
	case AVRO_KIND_BYTES:
	case AVRO_KIND_FIXED:
		return "BINARY";
	case AVRO_KIND_STRING:
	case AVRO_KIND_ENUM:
		return "STRING";
	case AVRO_KIND_NULL:
		return "VOID";
	default:
		return "VARIANT";
	}
}

/* An identifier, in backticks where it needs them. */
static void
append_name(struct buffer *out, struct text name)
{
	bool plain = name.len > 0 && strchr("0123456789", name.data[0]) == NULL;

	for (size_t i = 0; i < name.len; i++)
		plain = plain &&
			strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_",
			    name.data[i]) != NULL;
	buffer_append_text(out, plain ? "" : "`");
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] == '`')
			buffer_append_byte(out, '`');
		buffer_append_byte(out, (uint8_t)name.data[i]);
	}
	buffer_append_text(out, plain ? "" : "`");
}

static void
append_delta(struct buffer *out, const struct avro_type *t, struct way *w)
{
	t = without_null(t);
	if (out->len > DESCRIBE_BYTES_MAX || on_way(w, t)) {
		buffer_append_text(out, "VARIANT");
		return;
	}
	if (text_is(t->logical, "decimal") &&
	    (t->kind == AVRO_KIND_BYTES || t->kind == AVRO_KIND_FIXED) && t->precision > 0 &&
	    t->precision <= 38 && t->scale <= t->precision) {
		buffer_append_format(out, "DECIMAL(%d,%d)", t->precision, t->scale);
		return;
	}
	switch (t->kind) {
	case AVRO_KIND_ARRAY:
		buffer_append_text(out, "ARRAY<");
		append_delta(out, t->branches[0], w);
		buffer_append_text(out, ">");
		break;
	case AVRO_KIND_MAP:
		buffer_append_text(out, "MAP<STRING, ");
		append_delta(out, t->branches[0], w);
		buffer_append_text(out, ">");
		break;
	case AVRO_KIND_RECORD:
		if (t->count == 0) {
			buffer_append_text(out, "VARIANT"); /* Delta has no empty struct */
			break;
		}
		w->records[w->depth++] = t;
		buffer_append_text(out, "STRUCT<");
		for (size_t i = 0; i < t->count; i++) {
			buffer_append_text(out, i > 0 ? ", " : "");
			append_name(out, t->fields[i].name);
			buffer_append_text(out, ": ");
			append_delta(out, t->fields[i].type, w);
		}
		buffer_append_text(out, ">");
		w->depth--;
		break;
	default:
		buffer_append_text(out, scalar_delta(t));
		break;
	}
}

/* One Delta type, e.g. "STRUCT<Latitude: DOUBLE, Longitude: DOUBLE>". */
static void
avro_describe_delta_type(const struct avro_type *t, struct buffer *out)
{
	struct way w = {.depth = 0};

	append_delta(out, t, &w);
}

const char *
avro_describe_count(const struct avro_field *f)
{
	struct text word = avro_doc_type(f->doc);

	if (f->value->kind != AVRO_KIND_LONG)
		return NULL;
	if (text_is(word, "DateTime"))
		return "ms since 1970-01-01 UTC";
	if (text_is(word, "DateOnly") || text_is(word, "Birthday"))
		return "ms since 1970-01-01 at 00:00 UTC of the day";
	return text_is(word, "TimeOnly") ? "ms since midnight" : NULL;
}

static void
append_note(struct buffer *out, const struct avro_field *f)
{
	char doc[512];

	buffer_append_text(out, text_clean(doc, sizeof(doc), f->doc));
	if (avro_describe_count(f) != NULL)
		buffer_append_format(out, ", %s", avro_describe_count(f));
}

static void
append_comment(struct buffer *out, const struct avro_field *f)
{
	struct buffer note = BUFFER_INIT;

	append_note(&note, f);
	if (note.len > 0) {
		buffer_append_text(out, " COMMENT '");
		for (size_t i = 0; i < note.len; i++) {
			if (note.data[i] == '\'' || note.data[i] == '\\')
				buffer_append_byte(out, '\\');
			buffer_append_byte(out, note.data[i]);
		}
		buffer_append_byte(out, '\'');
	}
	buffer_release(&note);
}

void
avro_describe_ddl(const struct avro_schema *s, struct buffer *out)
{
	const struct avro_type *root = avro_schema_root(s);

	if (root->kind != AVRO_KIND_RECORD) {
		buffer_append_text(out, "value ");
		avro_describe_delta_type(root, out);
		buffer_append_byte(out, '\n');
		return;
	}
	for (size_t i = 0; i < root->count; i++) {
		const struct avro_field *f = &root->fields[i];

		append_name(out, f->name);
		buffer_append_byte(out, ' ');
		avro_describe_delta_type(f->type, out);
		if (!f->nullable)
			buffer_append_text(out, " NOT NULL");
		append_comment(out, f);
		buffer_append_text(out, i + 1 < root->count ? ",\n" : "\n");
	}
}

/* Message names are the records' own; one that two namespaces share gets its number behind it. */
static void
append_message_name(struct buffer *out, const struct avro_schema *s, const struct avro_type *record)
{
	buffer_append_text(out, record->name.data);
	for (size_t i = 0; i < record->index; i++)
		if (avro_schema_type(s, i)->kind == AVRO_KIND_RECORD &&
		    text_equal(avro_schema_type(s, i)->name, record->name)) {
			buffer_append_format(out, "_%u", (unsigned)record->index);
			return;
		}
}

static bool
proto_scalar(const struct avro_type *t)
{
	return t->kind != AVRO_KIND_ARRAY && t->kind != AVRO_KIND_MAP &&
	       t->kind != AVRO_KIND_UNION && t->kind != AVRO_KIND_NULL;
}

static void
append_proto_type(struct buffer *out, const struct avro_schema *s, const struct avro_type *t)
{
	static const char *const words[] = {"string", "bool", "int32", "int64", "float", "double",
	    "bytes", "string", "bytes", "string"};

	if (t->kind == AVRO_KIND_RECORD) {
		/* absolute: a field may have its type's name, and would be found first */
		buffer_append_byte(out, '.');
		append_message_name(out, s, t);
	} else {
		buffer_append_text(out, words[t->kind]);
	}
}

static void
append_proto_field(
    struct buffer *out, const struct avro_schema *s, const struct avro_field *f, size_t number)
{
	const struct avro_type *t = without_null(f->type);
	struct buffer note = BUFFER_INIT;
	bool json = false;

	buffer_append_text(out, "  ");
	if (t->kind == AVRO_KIND_ARRAY && proto_scalar(t->branches[0])) {
		buffer_append_text(out, "repeated ");
		append_proto_type(out, s, t->branches[0]);
	} else if (t->kind == AVRO_KIND_MAP && proto_scalar(t->branches[0])) {
		buffer_append_text(out, "map<string, ");
		append_proto_type(out, s, t->branches[0]);
		buffer_append_text(out, ">");
	} else {
		json = !proto_scalar(t) && t->kind != AVRO_KIND_NULL;
		buffer_append_text(out, f->nullable ? "optional " : "required ");
		append_proto_type(
		    out, s, json ? &(const struct avro_type){.kind = AVRO_KIND_STRING} : t);
	}
	buffer_append_format(out, " %s = %zu;", f->name.data, number);
	append_note(&note, f);
	if (json)
		buffer_append_format(&note, "%sas JSON", note.len > 0 ? ", " : "");
	if (note.len > 0)
		buffer_append_format(out, " // %s", buffer_text(&note));
	buffer_append_byte(out, '\n');
	buffer_release(&note);
}

void
avro_describe_proto(const struct avro_schema *s, struct buffer *out)
{
	buffer_append_text(out, "syntax = \"proto2\";\n");
	for (size_t i = 0; i < avro_schema_type_count(s); i++) {
		const struct avro_type *t = avro_schema_type(s, i);

		if (t->kind != AVRO_KIND_RECORD)
			continue;
		buffer_append_text(out, "\nmessage ");
		append_message_name(out, s, t);
		buffer_append_text(out, " {\n");
		for (size_t f = 0; f < t->count; f++)
			append_proto_field(out, s, &t->fields[f], f + 1);
		buffer_append_text(out, "}\n");
	}
}

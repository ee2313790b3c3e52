#include "commands/schema_print.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/output.h"
#include "cli/width.h"
#include "databricks/table.h"

/* The records that stand above a type, so that a record within itself ends. */
struct path {
	const struct path *above;
	const struct avro_type *type;
};

static bool
on_path(const struct path *path, const struct avro_type *type)
{
	for (; path != NULL; path = path->above)
		if (path->type == type)
			return true;
	return false;
}

static void
append_clean(struct buffer *out, struct text from)
{
	size_t size = from.len + 4;
	char *clean = memory_alloc(size);

	buffer_append_text(out, text_clean(clean, size, from));
	free(clean);
}

/* ---- tree ---- */

static void
append_type_words(struct buffer *out, const struct avro_type *t)
{
	size_t written = 0;

	switch (t->kind) {
	case AVRO_KIND_ARRAY:
		buffer_append_text(out, "array of ");
		append_type_words(out, t->branches[0]);
		return;
	case AVRO_KIND_MAP:
		buffer_append_text(out, "map of ");
		append_type_words(out, t->branches[0]);
		return;
	case AVRO_KIND_UNION:
		for (size_t i = 0; i < t->count; i++) {
			if (t->branches[i]->kind == AVRO_KIND_NULL)
				continue;
			buffer_append_text(out, written++ > 0 ? " or " : "");
			append_type_words(out, t->branches[i]);
		}
		return;
	case AVRO_KIND_ENUM:
		append_clean(out, t->name);
		buffer_append_text(out, " (");
		for (size_t i = 0; i < t->count; i++) {
			buffer_append_text(out, i > 0 ? "|" : "");
			append_clean(out, t->symbols[i]);
		}
		buffer_append_byte(out, ')');
		return;
	case AVRO_KIND_RECORD:
		append_clean(out, t->name);
		return;
	case AVRO_KIND_FIXED:
		append_clean(out, t->name);
		buffer_append_format(out, " (%zu bytes)", t->size);
		break;
	default:
		buffer_append_text(out, avro_kind_name(t->kind));
	}
	if (t->logical.data != NULL) {
		buffer_append_byte(out, ' ');
		append_clean(out, t->logical);
	}
}

/* The record below a field whose children the tree shows: behind null, or as an array's or map's items. */
static const struct avro_type *
record_below(const struct avro_type *t)
{
	while (t->kind == AVRO_KIND_ARRAY || t->kind == AVRO_KIND_MAP)
		t = t->branches[0];
	return avro_type_record(t);
}

static size_t
name_columns(const struct avro_type *record)
{
	size_t widest = 0;

	for (size_t i = 0; i < record->count; i++)
		if (record->fields[i].name.len > widest)
			widest = record->fields[i].name.len;
	return widest > 40 ? 40 : widest;
}

static void
append_branch(struct buffer *out, const struct avro_type *record, const char *indent,
    const struct path *above)
{
	struct path path = {above, record};
	size_t widest = name_columns(record);

	for (size_t i = 0; i < record->count; i++) {
		const struct avro_field *f = &record->fields[i];
		const struct avro_type *below = record_below(f->value);
		bool last = i + 1 == record->count;

		buffer_append_format(out, "%s%s%s%s", output_style(STYLE_DIM), indent, last ? "└─ " : "├─ ",
		    output_style(STYLE_PLAIN));
		append_clean(out, f->name);
		for (size_t n = f->name.len; n < widest; n++)
			buffer_append_byte(out, ' ');
		buffer_append_format(out, "  %s", output_style(STYLE_BLUE));
		append_type_words(out, f->value);
		buffer_append_format(out, "%s%s", f->nullable ? "?" : "", output_style(STYLE_PLAIN));
		if (below != NULL && on_path(&path, below))
			buffer_append_text(out, " (as above)");
		if (f->doc.len > 0) {
			buffer_append_format(out, "  %s", output_style(STYLE_DIM));
			append_clean(out, f->doc);
			buffer_append_text(out, output_style(STYLE_PLAIN));
		}
		buffer_append_byte(out, '\n');
		if (below != NULL && !on_path(&path, below)) {
			char *deeper = memory_format("%s%s", indent, last ? "   " : "│  ");

			append_branch(out, below, deeper, &path);
			free(deeper);
		}
	}
}

void
schema_print_tree(struct buffer *out, const struct avro_schema *s)
{
	const struct avro_type *root = avro_schema_root(s);

	buffer_append_text(out, output_style(STYLE_BOLD));
	append_type_words(out, root);
	buffer_append_text(out, output_style(STYLE_PLAIN));
	if (root->namespace.len > 0) {
		buffer_append_text(out, "  ");
		append_clean(out, root->namespace);
	}
	buffer_append_byte(out, '\n');
	if (root->kind == AVRO_KIND_RECORD)
		append_branch(out, root, "", NULL);
}

/* ---- Delta ---- */

static void append_delta_type(struct buffer *out, const struct avro_type *t, const struct path *above);

static void
append_struct(struct buffer *out, const struct avro_type *t, const struct path *above)
{
	struct path path = {above, t};

	if (on_path(above, t) || t->count == 0) {
		buffer_append_text(out, "STRING");
		return;
	}
	buffer_append_text(out, "STRUCT<");
	for (size_t i = 0; i < t->count; i++) {
		char *name = text_dup(t->fields[i].name);

		buffer_append_text(out, i > 0 ? ", " : "");
		delta_quote_if_needed(out, name);
		buffer_append_text(out, ": ");
		append_delta_type(out, t->fields[i].value, &path);
		free(name);
	}
	buffer_append_byte(out, '>');
}

static bool
append_delta_logical(struct buffer *out, const struct avro_type *t)
{
	if (text_is(t->logical, "decimal") && t->precision > 0 && t->precision <= 38)
		buffer_append_format(out, "DECIMAL(%d,%d)", (int)t->precision, (int)t->scale);
	else if (text_is(t->logical, "date"))
		buffer_append_text(out, "DATE");
	else if (text_is(t->logical, "timestamp-millis") || text_is(t->logical, "timestamp-micros"))
		buffer_append_text(out, "TIMESTAMP");
	else
		return false;
	return true;
}

static void
append_delta_type(struct buffer *out, const struct avro_type *t, const struct path *above)
{
	static const char *const plain[] = {
		[AVRO_KIND_NULL] = "STRING",
		[AVRO_KIND_BOOLEAN] = "BOOLEAN",
		[AVRO_KIND_INT] = "INT",
		[AVRO_KIND_LONG] = "BIGINT",
		[AVRO_KIND_FLOAT] = "FLOAT",
		[AVRO_KIND_DOUBLE] = "DOUBLE",
		[AVRO_KIND_BYTES] = "BINARY",
		[AVRO_KIND_STRING] = "STRING",
		[AVRO_KIND_FIXED] = "BINARY",
		[AVRO_KIND_ENUM] = "STRING",
		[AVRO_KIND_UNION] = "STRING",
	};

	if (append_delta_logical(out, t))
		return;
	switch (t->kind) {
	case AVRO_KIND_RECORD:
		append_struct(out, t, above);
		break;
	case AVRO_KIND_ARRAY:
		buffer_append_text(out, "ARRAY<");
		append_delta_type(out, t->branches[0], above);
		buffer_append_byte(out, '>');
		break;
	case AVRO_KIND_MAP:
		buffer_append_text(out, "MAP<STRING, ");
		append_delta_type(out, t->branches[0], above);
		buffer_append_byte(out, '>');
		break;
	default:
		buffer_append_text(out, plain[t->kind]);
	}
}

void
schema_print_ddl(struct buffer *out, const struct avro_schema *s)
{
	const struct avro_type *root = avro_schema_root(s);
	struct path path = {NULL, root};

	for (size_t i = 0; root->kind == AVRO_KIND_RECORD && i < root->count; i++) {
		const struct avro_field *f = &root->fields[i];
		char *name = text_dup(f->name);

		delta_quote_if_needed(out, name);
		buffer_append_byte(out, ' ');
		append_delta_type(out, f->value, &path);
		buffer_append_text(out, f->nullable ? "" : " NOT NULL");
		buffer_append_text(out, i + 1 < root->count ? ",\n" : "\n");
		free(name);
	}
}

/* ---- protobuf ---- */

/* Names of enums and records that are still to be written, each once. */
struct pending {
	const struct avro_type **types;
	size_t count, done, capacity;
};

static void
enlist(struct pending *p, const struct avro_type *t)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->types[i] == t || text_equal(p->types[i]->name, t->name))
			return;
	p->types = memory_reserve(p->types, &p->capacity, p->count + 1, sizeof(*p->types));
	p->types[p->count++] = t;
}

static void
append_proto_type(struct buffer *out, const struct avro_type *t, struct pending *p)
{
	static const char *const plain[] = {
		[AVRO_KIND_NULL] = "string",
		[AVRO_KIND_BOOLEAN] = "bool",
		[AVRO_KIND_INT] = "int32",
		[AVRO_KIND_LONG] = "int64",
		[AVRO_KIND_FLOAT] = "float",
		[AVRO_KIND_DOUBLE] = "double",
		[AVRO_KIND_BYTES] = "bytes",
		[AVRO_KIND_STRING] = "string",
		[AVRO_KIND_FIXED] = "bytes",
		[AVRO_KIND_ENUM] = "string",
		/* one inside another has no word in protobuf: its JSON */
		[AVRO_KIND_ARRAY] = "string",
		[AVRO_KIND_MAP] = "string",
		[AVRO_KIND_UNION] = "string",
	};

	if (t->kind == AVRO_KIND_RECORD) {
		enlist(p, t);
		append_clean(out, t->name);
	} else {
		buffer_append_text(out, plain[t->kind]);
	}
}

static void
append_oneof(struct buffer *out, const struct avro_field *f, int *number, struct pending *p)
{
	buffer_append_text(out, "\toneof ");
	append_clean(out, f->name);
	buffer_append_text(out, " {\n");
	for (size_t i = 0; i < f->value->count; i++) {
		const struct avro_type *branch = f->value->branches[i];

		if (branch->kind == AVRO_KIND_NULL)
			continue;
		buffer_append_text(out, "\t\t");
		append_proto_type(out, branch, p);
		buffer_append_byte(out, ' ');
		append_clean(out, f->name);
		buffer_append_format(out, "_%s = %d;\n", avro_kind_name(branch->kind), (*number)++);
	}
	buffer_append_text(out, "\t}\n");
}

static void
append_message(struct buffer *out, const struct avro_type *record, struct pending *p)
{
	int number = 1;

	buffer_append_text(out, "\nmessage ");
	append_clean(out, record->name);
	buffer_append_text(out, " {\n");
	for (size_t i = 0; i < record->count; i++) {
		const struct avro_field *f = &record->fields[i];

		if (f->value->kind == AVRO_KIND_UNION) {
			append_oneof(out, f, &number, p);
			continue;
		}
		if (f->value->kind == AVRO_KIND_MAP) {
			buffer_append_text(out, "\tmap<string, ");
			append_proto_type(out, f->value->branches[0], p);
			buffer_append_byte(out, '>');
		} else if (f->value->kind == AVRO_KIND_ARRAY) {
			buffer_append_text(out, "\trepeated ");
			append_proto_type(out, f->value->branches[0], p);
		} else {
			buffer_append_text(out, f->nullable ? "\toptional " : "\trequired ");
			append_proto_type(out, f->value, p);
		}
		buffer_append_byte(out, ' ');
		append_clean(out, f->name);
		buffer_append_format(out, " = %d;\n", number++);
	}
	buffer_append_text(out, "}\n");
}

void
schema_print_proto(struct buffer *out, const struct avro_schema *s)
{
	const struct avro_type *root = avro_schema_root(s);
	struct pending pending = {NULL, 0, 0, 0};

	buffer_append_text(out, "syntax = \"proto2\";\n");
	if (root->kind == AVRO_KIND_RECORD)
		enlist(&pending, root);
	while (pending.done < pending.count)
		append_message(out, pending.types[pending.done++], &pending);
	free(pending.types);
}

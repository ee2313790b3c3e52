/*
 * Catalog answers and type texts. The first byte says which: an answer as JSON, a column's type_json, or its type_text. Whatever is
 * taken must be checked, described and compiled without a fault: a descriptor must unpack, and a type must read back
 * from its own SQL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "databricks/descriptor.h"
#include "databricks/row.h"
#include "databricks/table_layout.h"
#include "google/protobuf/descriptor.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names of types that are not known, and lengths out of range, need not survive. */
static bool
reads_back(const struct delta_type *t)
{
	if (t->kind == DELTA_OTHER || t->precision < 0 || t->scale < 0)
		return false;
	if (t->key != NULL && !reads_back(t->key))
		return false;
	if (t->element != NULL && !reads_back(t->element))
		return false;
	for (size_t i = 0; i < t->field_count; i++)
		if (*t->fields[i].name == '\0' || !reads_back(&t->fields[i].type))
			return false;
	return true;
}

static void
check_type(const struct delta_type *t)
{
	struct delta_type again = {.kind = DELTA_OTHER};
	struct buffer sql = BUFFER_INIT;
	struct error e = ERROR_INIT;

	if (!reads_back(t))
		return;
	delta_type_write_sql(&sql, t);
	if (delta_type_parse_text(&again, buffer_text(&sql), &e) != 0 || !delta_type_equal(t, &again)) {
		fprintf(stderr, "%s: %s\n", buffer_text(&sql), e.text);
		abort();
	}
	delta_type_release(&again);
	buffer_release(&sql);
}

static void
check_table(const struct delta_table *t)
{
	struct row_options options = {.format = ROW_PROTO, .clock = &clock_system};
	struct buffer out = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct row_writer *w;
	struct fit fit;

	for (size_t i = 0; i < t->column_count; i++)
		check_type(&t->columns[i].type);
	delta_check(t, LAYOUT_FULL, &fit);
	w = row_writer_new(t, &options, &e);
	/* what the check calls a misfit, and only that, cannot be compiled; but for the table's own properties and names */
	if (w == NULL && fit.misfits == 0)
		abort();
	fit_release(&fit);
	if (descriptor_write(&out, t, NULL, NULL, &e) == 0) {
		Google__Protobuf__DescriptorProto *d = google__protobuf__descriptor_proto__unpack(NULL, out.len, out.data);

		if (d == NULL || d->n_field != t->column_count)
			abort();
		google__protobuf__descriptor_proto__free_unpacked(d, NULL);
	} else if (out.len != 0) {
		abort();
	}
	buffer_clear(&out);
	delta_alter_sql(&out, t, LAYOUT_FULL);
	row_writer_free(w);
	buffer_release(&out);
}

static void
try_answer(struct text s)
{
	struct error e = ERROR_INIT;
	struct json *j = json_parse(s, &e);
	struct delta_table *t = j != NULL ? delta_table_parse(j, &e) : NULL;

	if (t != NULL)
		check_table(t);
	delta_table_free(t);
	json_free(j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct delta_type type = {.kind = DELTA_OTHER};
	struct error e = ERROR_INIT;
	struct text s;
	struct json *j;
	char *text;

	if (size == 0)
		return 0;
	s = text_span(data + 1, size - 1);
	switch (data[0]) {
	case 'a':
		try_answer(s);
		break;
	case 'j':
		j = json_parse(s, &e);
		if (j != NULL && delta_type_parse_json(&type, j, &e) == 0)
			check_type(&type);
		json_free(j);
		break;
	default:
		text = text_dup(s);
		if (delta_type_parse_text(&type, text, &e) == 0)
			check_type(&type);
		free(text);
		break;
	}
	delta_type_release(&type);
	return 0;
}

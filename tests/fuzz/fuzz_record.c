/*
 * Input of ingest: the first byte chooses the form of the record and whether the rest is a JSON object or two records of CSV,
 * the first of which names the columns. What is taken as JSON must be JSON that is taken again and comes out the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "commands/csv.h"
#include "databricks/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char table_json[] =
    "{\"catalog_name\":\"a\",\"schema_name\":\"b\",\"name\":\"c\",\"columns\":["
    "{\"name\":\"id\",\"type_text\":\"bigint\",\"position\":0},{\"name\":\"s\",\"type_text\":\"varchar(9)\",\"position\":1},"
    "{\"name\":\"f\",\"type_text\":\"float\",\"position\":2},{\"name\":\"d\",\"type_text\":\"decimal(9,3)\",\"position\":3},"
    "{\"name\":\"b\",\"type_text\":\"binary\",\"position\":4},{\"name\":\"t\",\"type_text\":\"timestamp\",\"position\":5},"
    "{\"name\":\"y\",\"type_text\":\"date\",\"position\":6},{\"name\":\"v\",\"type_text\":\"variant\",\"position\":7},"
    "{\"name\":\"o\",\"type_text\":\"boolean\",\"position\":8},{\"name\":\"n\",\"type_text\":\"timestamp_ntz\",\"position\":9},"
    "{\"name\":\"g\",\"type_text\":\"struct<a:array<struct<m:map<bigint,struct<x:tinyint>>>>,k:array<double>>\","
    "\"position\":10}]}";

static struct record_writer *
new_writer(enum row_format format)
{
	struct json *j = json_parse(text_of(table_json), NULL);
	struct delta_table *t = delta_table_parse(j, NULL);
	struct record_writer *w =
	    record_writer_new(t, &(struct record_options){.format = format, .unit = RECORD_MICROS}, NULL);

	delta_table_free(t);
	json_free(j);
	return w;
}

static void
check_json(struct record_writer *w, const struct buffer *record)
{
	struct buffer again = BUFFER_INIT;
	struct error e = ERROR_INIT;

	/* VARIANT comes out as text, and would be text in text the second time */
	if (memmem(record->data, record->len, "\"v\":", 4) == NULL &&
	    (record_writer_encode(w, buffer_span(record), &again, &e) != 0 ||
		!text_equal(buffer_span(record), buffer_span(&again))))
		abort();
	buffer_release(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct record_writer *writers[2];
	struct csv_header header = {.delimiter = ','};
	struct buffer json = BUFFER_INIT, out = BUFFER_INIT;
	struct record_writer *w;
	struct error e = ERROR_INIT;
	const uint8_t *line;

	if (writers[0] == NULL) {
		writers[0] = new_writer(ROW_PROTO);
		writers[1] = new_writer(ROW_JSON);
	}
	if (size == 0)
		return 0;
	w = writers[data[0] & 1];
	if ((data[0] & 2) == 0) {
		buffer_append(&json, data + 1, size - 1);
	} else if ((line = memchr(data + 1, '\n', size - 1)) != NULL) {
		struct text record = text_span(line + 1, (size_t)(data + size - line - 1));

		csv_is_open(record, ',', data[0] & 4);
		if (csv_header_set(&header, text_span(data + 1, (size_t)(line - data - 1)), ',', w, &e) == 0)
			csv_write_json(&header, record, &json, &e);
	}
	if (record_writer_encode(w, buffer_span(&json), &out, &e) == 0 && w == writers[1])
		check_json(w, &out);
	csv_header_release(&header);
	buffer_release(&json);
	buffer_release(&out);
	return 0;
}

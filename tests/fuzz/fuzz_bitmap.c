/*
 * Lists of bitmaps, one element a line. Names are the schema's or the element itself; collapsing
 * never makes the list longer.
 */
#include "salesforce/bitmap.h"

#include "../unit/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* volatile: nothing reads it, and the leak checker has to find it */
static struct avro_schema *volatile schema;
static struct bitmap_names *names;
static struct bitmap_list out;

static void
set_up(void)
{
	struct error e = ERROR_INIT;
	struct text json = tree_read_file("tests/data/schemas/AccountChangeEvent.avsc");

	schema = avro_schema_parse(json, &e);
	if (schema == NULL)
		abort();
	free((char *)(uintptr_t)json.data);
	names = bitmap_names_new(avro_schema_root(schema));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text items[256], rest = text_span(data, size), line;
	size_t n = 0;

	if (names == NULL)
		set_up();
	while (n < 256 && tree_next_line(&rest, &line))
		items[n++] = line;
	out.count = 0;
	bitmap_expand(names, (struct text_list){items, n}, &out);
	for (size_t i = 0; i < out.count; i++) {
		struct bitmap_place p = out.places[i];
		bool own = (const uint8_t *)out.names[i].data >= data &&
			   (const uint8_t *)out.names[i].data <= data + size;

		if (p.field >= 80 || (p.field < 0 && out.names[i].len > 0 && !own))
			abort();
	}
	return 0;
}

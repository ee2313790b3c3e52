/* The names that bitmaps of fields stand for: those of tests/data and tests/tables, and the ceilings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "avro/schema.h"
#include "base/limits.h"
#include "event_lines.h"
#include "salesforce/bitmap.h"
#include "table_rows.h"

static void
check_bitmap(const struct tree *line, void *context)
{
	const struct tree *list = tree_find(line, "list");
	struct avro_schema *schema = load_schema(tree_string(line, "schema"));
	struct bitmap_names *names = bitmap_names_new(avro_schema_root(schema));
	struct bitmap_list out = {0};
	struct text items[8];
	char name[128];

	(void)context;
	for (size_t i = 0; i < list->count; i++)
		items[i] = text_of(list->items[i].text);
	snprintf(name, sizeof(name), "%s %s", tree_string(line, "schema"),
	    list->count ? items[0].data : "empty");
	bitmap_expand(names, (struct text_list){items, list->count}, &out);
	expect_list(name, (struct text_list){out.names, out.count}, tree_find(line, "fields"));
	bitmap_list_release(&out);
	bitmap_names_free(names);
}

static void
test_bitmaps(void **state)
{
	(void)state;
	assert_int_equal(each_line("tests/data/bitmaps.jsonl", check_bitmap, NULL), 24);
}

static size_t
words(struct text t, struct text *out, size_t most)
{
	size_t n = 0;

	for (t = trimmed(t); t.len > 0 && n < most; t = trimmed(t)) {
		const char *end = memchr(t.data, ' ', t.len);
		size_t len = end != NULL ? (size_t)(end - t.data) : t.len;

		out[n++] = text_span(t.data, len);
		t = text_span(t.data + len, t.len - len);
	}
	return n;
}

static void
expect_names(struct text name, const struct bitmap_list *got, struct text expected)
{
	struct text want[64];
	size_t n = words(expected, want, COUNT(want));

	for (size_t i = 0; i < n || i < got->count; i++)
		if (n != got->count || !text_equal(want[i], got->names[i]))
			fail_msg("%.*s: %zu names, expected %zu; name %zu is '%.*s'",
			    (int)name.len, name.data, got->count, n, i,
			    i < got->count ? (int)got->names[i].len : 0,
			    i < got->count ? got->names[i].data : "");
}

static void
check_bitmap_row(struct text columns[TABLE_COLUMNS])
{
	struct text items[64];
	char schema[64];
	struct bitmap_names *names;
	struct bitmap_list out = {0};
	struct text_list list = {items, words(columns[2], items, COUNT(items))};

	snprintf(schema, sizeof(schema), "%.*s", (int)columns[1].len, columns[1].data);
	names = bitmap_names_new(avro_schema_root(load_schema(schema)));
	bitmap_expand(names, list, &out);
	expect_names(columns[0], &out, columns[3]);
	for (size_t i = 0; i < out.count; i++)
		assert_true(out.places[i].field >= -1 && out.places[i].field < 80);
	bitmap_list_release(&out);
	bitmap_names_free(names);
}

static void
test_bitmap_table(void **state)
{
	struct text file = tree_read_file("tests/tables/bitmaps.txt"), rest = file, columns[TABLE_COLUMNS];
	size_t rows = 0;

	(void)state;
	for (; table_next_row(&rest, columns); rows++)
		check_bitmap_row(columns);
	assert_true(rows >= 25);
	free((char *)(uintptr_t)file.data);
}

/* A list that unfolds to more than its ceiling keeps the rest of its elements as they came. */
static void
test_bitmap_ceiling(void **state)
{
	struct bitmap_names *names =
	    bitmap_names_new(avro_schema_root(load_schema("AccountChangeEvent")));
	struct bitmap_list out = {0};
	size_t n = 10000;
	struct text *items = memory_zero(n, sizeof(*items));

	(void)state;
	for (size_t i = 0; i < n; i++)
		items[i] = text_of("0xFFFFFFFFFFFFFFFFFFFF");
	bitmap_expand(names, (struct text_list){items, n}, &out);
	assert_in_range(out.count, LIMIT_BITMAP_NAMES, LIMIT_BITMAP_NAMES + n + 80);
	assert_true(text_is(out.names[out.count - 1], "0xFFFFFFFFFFFFFFFFFFFF"));
	free(items);
	bitmap_list_release(&out);
	bitmap_names_free(names);
}

/* 4,990 fields that all are the same record of 4,990: no room is taken for 25 million names. */
static void
test_bitmap_children(void **state)
{
	struct text items[] = {text_of("1-0x01"), text_of("4000-0x01"), text_of("0x02")};
	struct buffer b = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct avro_schema *s;
	struct bitmap_names *names;
	struct bitmap_list out = {0};

	(void)state;
	buffer_append_text(&b,
	    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"f0\",\"type\":"
	    "{\"type\":\"record\",\"name\":\"C\",\"fields\":[");
	for (int i = 0; i < 4990; i++)
		buffer_append_format(&b, "%s{\"name\":\"c%d\",\"type\":\"int\"}", i ? "," : "", i);
	buffer_append_text(&b, "]}}");
	for (int i = 1; i < 4990; i++)
		buffer_append_format(&b, ",{\"name\":\"f%d\",\"type\":\"C\"}", i);
	buffer_append_text(&b, "]}");
	s = avro_schema_parse(buffer_span(&b), &e);
	if (s == NULL)
		fail_msg("%s", e.text);
	names = bitmap_names_new(avro_schema_root(s));
	bitmap_expand(names, (struct text_list){items, COUNT(items)}, &out);
	assert_int_equal(out.count, 3);
	expect_text("named", out.names[0], "f1.c0");
	expect_text("beyond the ceiling", out.names[1], "4000-0x01");
	expect_text("whole", out.names[2], "f1");
	bitmap_list_release(&out);
	bitmap_names_free(names);
	avro_schema_unref(s);
	buffer_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bitmaps),
	    cmocka_unit_test(test_bitmap_table),
	    cmocka_unit_test(test_bitmap_ceiling),
	    cmocka_unit_test(test_bitmap_children),
	};

	return cmocka_run_group_tests(tests, NULL, drop_schemas);
}
